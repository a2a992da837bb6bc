"""Why does an app get this, and not that? In words: for a pupil, and for whoever runs the place.

The decision is release.py's; this page only has sentences. They are lazy: translated when a page is rendered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from idp.apps import App
from idp.claims.catalogue import CATALOGUE, CLASS_CLAIMS, Gate, claims_of
from idp.claims.release import Answer

OPERATOR: Mapping[Gate, LazyString] = {
    Gate.NOT_REGISTERED: _("De registratie van de app omvat deze claim niet."),
    Gate.NOT_REQUESTED: _("De app vroeg er niet naar: de scope of de claim stond niet in de aanvraag."),
    Gate.SCHOOL_DOES_NOT_SHARE: _(
        "De school deelt geen klasinformatie: er is geen geldige instemming met een protocol."
    ),
    Gate.NOT_VISIBLE: _("De app is vandaag in deze school niet zichtbaar voor deze leerling."),
    Gate.NOT_ENROLLED: _("De inschrijving van de leerling in deze school is vandaag niet actief."),
    Gate.UNKNOWN: _("We hebben geen waarde: het pakket of de overheid leverde er geen."),
}
"""What an operator, a school or a data-protection officer reads."""

SUPPLIER: Mapping[Gate, LazyString] = {
    Gate.NOT_REGISTERED: _("Je registratie omvat deze claim niet: vraag de scope aan bij de operator."),
    Gate.NOT_REQUESTED: _("Je vroeg er niet naar: zet de scope, of de claim, in de aanvraag."),
    Gate.SCHOOL_DOES_NOT_SHARE: _("De school deelt geen klasinformatie. Dat is geen fout: werk zonder."),
    Gate.NOT_VISIBLE: _(
        "De school maakte je app niet zichtbaar voor deze leerling: vraag het aan de school."
    ),
    Gate.NOT_ENROLLED: _("De leerling is vandaag niet ingeschreven in deze school."),
    Gate.UNKNOWN: _("Er is geen waarde: het pakket van de school leverde er geen. Werk zonder."),
}
"""What the maker of an app reads: what to do about it."""

PUPIL: Mapping[Gate, LazyString] = {
    Gate.NOT_REGISTERED: _("deze app mag dat niet weten."),
    Gate.NOT_REQUESTED: _("deze app vraagt dat niet."),
    Gate.SCHOOL_DOES_NOT_SHARE: _("je school deelt je klas niet."),
    Gate.NOT_VISIBLE: _("je school zette deze app niet klaar."),
    Gate.NOT_ENROLLED: _("je bent nu niet in deze school."),
    Gate.UNKNOWN: _("we weten dat zelf niet."),
}
"""What a child reads, after "want"."""


VOICES: Mapping[str, LazyString] = {
    "": _("operator en school"),
    "leverancier": _("maker van de app"),
    "leerling": _("leerling"),
}
"""For whom the same answer is put into words."""

NOT_SAID = _("De app zei niet waarvoor.")


@dataclass(frozen=True, kw_only=True)
class Topic:
    """Claims that are one thing to a child."""

    label: LazyString
    claims: tuple[str, ...]
    shown: str | None = None
    """The claim whose value the child sees; None: numbers say nothing to anyone."""
    why: LazyString = NOT_SAID
    """What is said when the app gave no reason of its own."""


TOPICS: tuple[Topic, ...] = (
    Topic(label=_("Je naam"), claims=("name", "given_name", "family_name"), shown="name"),
    Topic(label=_("Je school"), claims=("ov_orgnaam", "ov_orgcode"), shown="ov_orgnaam"),
    Topic(label=_("Je leerjaar"), claims=("ov_leerjaar",), shown="ov_leerjaar"),
    Topic(label=_("Het schooljaar"), claims=("ov_schooljaar",), shown="ov_schooljaar"),
    Topic(label=_("Je groep"), claims=("ov_administratieve_groep",), shown="ov_administratieve_groep"),
    Topic(label=_("Je klas"), claims=("ov_klassen",), shown="ov_klassen"),
    Topic(label=_("Een nummer, alleen voor deze app"), claims=("sub",), why=_("Zo kent de app jou terug.")),
    Topic(
        label=_("Je nummers van LeerID"),
        claims=("ov_account_uuid", "ov_leerid_uuid", "ov_historiek_account_uuid"),
    ),
)
"""The whole catalogue, in a child's words and order."""


@dataclass(frozen=True, kw_only=True)
class Gets:
    """A line of "dit wel"."""

    label: LazyString
    value: str | None
    why: str | LazyString
    """The app's own reason for needing it, or that it gave none."""


@dataclass(frozen=True, kw_only=True)
class GetsNot:
    """A line of "dit niet"."""

    label: LazyString
    because: LazyString
    """A phrase after "want", in lower case, with a full stop."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One claim for an operator."""

    claim: str
    label: LazyString
    word: str
    """`released`, or the closed gate."""
    because: LazyString | None
    klasinformatie: bool


def for_operator(answers: Sequence[Answer]) -> tuple[Line, ...]:
    """Every claim with the gate that closed it, if any. Values are left out."""
    return for_someone("", answers)


def for_supplier(answers: Sequence[Answer]) -> tuple[Line, ...]:
    """The same in words for the maker of the app."""
    return for_someone("leverancier", answers)


def for_someone(voice: str, answers: Sequence[Answer]) -> tuple[Line, ...]:
    """The same for one of VOICES; for who is none of them as for an operator."""
    said = {"leverancier": SUPPLIER, "leerling": PUPIL}.get(voice, OPERATOR)
    labels = {claim.name: claim.label for claim in CATALOGUE}
    return tuple(
        Line(
            claim=answer.claim,
            label=labels[answer.claim],
            word=answer.word,
            because=said[answer.gate] if answer.gate else None,
            klasinformatie=answer.claim in CLASS_CLAIMS,
        )
        for answer in answers
    )


@dataclass(frozen=True, kw_only=True)
class Told:
    """One claim for a school: what the app gets, or why it does not."""

    claim: str
    label: LazyString
    value: str
    """Empty: nothing is known to tell, or it is not released."""
    because: LazyString | None
    """None: it is released."""
    why: str
    """The app's own reason for needing it."""
    klasinformatie: bool


def for_school(app: App, answers: Sequence[Answer]) -> tuple[Told, ...]:
    """Every claim with its value or the gate that closed it: for the school, whose pupil it is."""
    labels = {claim.name: claim.label for claim in CATALOGUE}
    return tuple(
        Told(
            claim=answer.claim,
            label=labels[answer.claim],
            value=_words(answer.value) if answer.released else "",
            because=OPERATOR[answer.gate] if answer.gate else None,
            why=app.reasons.get(answer.claim, ""),
            klasinformatie=answer.claim in CLASS_CLAIMS,
        )
        for answer in answers
    )


def asked_of_schools(app: App) -> tuple[Told, ...]:
    """What the app wants to know of every pupil, and why; before there is a pupil."""
    wanted = claims_of(app.scopes)
    return tuple(
        Told(
            claim=claim.name,
            label=claim.label,
            value="",
            because=None,
            why=app.reasons.get(claim.name, ""),
            klasinformatie=claim.name in CLASS_CLAIMS,
        )
        for claim in CATALOGUE
        if claim.name in wanted
    )


def for_pupil(app: App, answers: Sequence[Answer]) -> tuple[tuple[Gets, ...], tuple[GetsNot, ...]]:
    """What the app gets and what not, for templates/claims/_lists.html (`gets`, `not_gets`)."""
    by_claim = {answer.claim: answer for answer in answers}
    gets, not_gets = [], []
    for topic in TOPICS:
        about = [by_claim[claim] for claim in topic.claims]
        if any(answer.released for answer in about):
            why = next((app.reasons[claim] for claim in topic.claims if app.reasons.get(claim)), topic.why)
            gets.append(Gets(label=topic.label, value=_value(topic, about), why=why))
        else:
            not_gets.append(GetsNot(label=topic.label, because=PUPIL[_last_gate(about)]))
    return tuple(gets), tuple(not_gets)


def _last_gate(about: Sequence[Answer]) -> Gate:
    """Of several closed claims the one that came furthest tells most."""
    order = list(Gate)
    return max((answer.gate for answer in about if answer.gate), key=order.index)


def _value(topic: Topic, about: Sequence[Answer]) -> str | None:
    if topic.shown is None:
        return None
    released = {answer.claim: answer.value for answer in about if answer.released}
    values = [released[topic.shown]] if topic.shown in released else [*released.values()]
    return ", ".join(_words(value) for value in values)


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(one["naam"]) if isinstance(one, Mapping) else str(one) for one in value)
    return str(value)
