"""How does anything about a pupil leave the house? Through here: ID token, userinfo, introspection, rosters, previews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, insert

from idp import entropy, marks
from idp.apps import App
from idp.claims import catalogue, facts, pseudonym, release
from idp.keys import Keys
from idp.models import Release
from idp.prepared import Prepared
from idp.watching import measures


class Channel(StrEnum):
    """Where the claims go."""

    ID_TOKEN = "id_token"
    USERINFO = "userinfo"
    INTROSPECTION = "introspection"
    ROSTER = "roster"
    """A list of pupils or of who sits in which class, that the app asks for itself."""
    EXPORT = "export"
    """The same, as one file."""
    PREVIEW = "preview"
    """A person looks: the pupil, a school, an operator. Never in the ledger."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disclosure:
    """What an app gets, and why not the rest."""

    alive: bool
    """False: tokens of this grant must be refused. Nothing is released and nothing stands in the ledger."""
    active: bool
    visible: bool
    claims: dict[str, Any]
    """Released claims by name."""
    ruling: release.Ruling = field(repr=False)
    values: Mapping[str, Any] = field(repr=False)

    @property
    def answers(self) -> tuple[release.Answer, ...]:
        """One for every claim of the catalogue, in its order."""
        return self.ruling.answers(self.values)


def disclose(
    db: Connection,
    *,
    keys: Keys,
    app: App,
    account_uuid: str,
    instellingsnummer: str | None,
    scope: str,
    asked: Mapping[str, Any] | None,
    channel: Channel,
    now: datetime,
    today: date,
    record: bool,
    rehearsal: bool = False,
    row: Any = None,
) -> Disclosure:
    """Decide what this app gets about this pupil at this school, now.

    `scope` has the granted scopes between spaces, `asked` is the parsed `claims` parameter. With `record` (a release
    to an app, in a transaction) the ledger keeps claim names and reasons, and the app's `sub` is remembered. With
    `rehearsal` (for the app's maker, of a sandbox pupil) `sub` is what the app will see, and there is no trace.
    `row`: what was found of the pupil already, in the statement that looked for a token (with the columns of facts.py).
    """
    wanted = requested(app, scope=scope, asked=asked, channel=channel, today=today)
    if row is None or not facts.enough(row, klasinformatie=catalogue.klasinformatie_in(wanted)):
        known = _look(db, keys, app, account_uuid, instellingsnummer, wanted=wanted, today=today)
    else:
        known = facts.of_row(row, keys=keys, app=app, account_uuid=account_uuid, today=today)
    if record and known.alive and not known.met:
        known.values["sub"] = pseudonym.remember(db, keys, app, account_uuid, now)
    if rehearsal and known.alive and not known.met:
        known.values["sub"] = pseudonym.expected(db, keys, app, account_uuid)
    ruling = _rule(app, wanted, known)
    if record and known.alive:
        line = {
            "id": entropy.row_id(),
            "at": now,
            "channel": channel.value,
            "client_id": app.client_id,
            "account_uuid": account_uuid,
            "instellingsnummer": instellingsnummer,
            "claims": ruling.words,
        }
        line["mark"] = marks.for_row(db, LEDGER, line)
        _NOTE.later(db, line)
        told = len(ruling.open)
        measures.released(channel.value, released=told, withheld=len(ruling.gates) - told)
    return _disclosure(known, ruling)


@dataclass(frozen=True, kw_only=True)
class OfMany:
    """What an app gets about one of many pupils, at one school."""

    row: Any
    """The row of the list that it was asked for."""
    account_uuid: str
    instellingsnummer: str
    by_school: bool
    """The school made the app visible for this pupil itself."""
    met: bool
    disclosure: Disclosure


def disclose_each(
    db: Connection,
    *,
    keys: Keys,
    app: App,
    among: Select[*tuple[Any, ...]],
    wanted: frozenset[str],
    today: date,
) -> list[OfMany]:
    """The same decision for every row of a list, which has account_uuid and instellingsnummer. In a few statements.

    Leaves no trace: what is really told goes through `record_each` first.
    """
    klasinformatie = catalogue.klasinformatie_in(wanted)
    found = facts.load_each(db, keys=keys, app=app, among=among, today=today, klasinformatie=klasinformatie)
    strangers = {row.of_account_uuid: None for row, known in found if not known.met}
    subs = pseudonym.expected_each(db, keys, app, [*strangers])
    decided = []
    for row, known in found:
        if not known.met:
            known.values["sub"] = subs[row.of_account_uuid]
        decided.append(
            OfMany(
                row=row,
                account_uuid=row.of_account_uuid,
                instellingsnummer=row.of_instellingsnummer,
                by_school=known.visible_by_school,
                met=known.met,
                disclosure=_disclosure(known, _rule(app, wanted, known)),
            )
        )
    return decided


def record_each(db: Connection, *, app: App, told: Sequence[OfMany], channel: Channel, now: datetime) -> None:
    """Many releases, in the ledger and in what the app calls pupils. In a transaction, before anything is told."""
    met = {one.account_uuid: one.disclosure.claims["sub"] for one in told if not one.met}
    pseudonym.remember_each(db, app, met, now)
    rows = []
    for one in told:
        row = {"id": entropy.row_id(), "at": now, "channel": channel.value, "client_id": app.client_id}
        row |= {"account_uuid": one.account_uuid, "instellingsnummer": one.instellingsnummer}
        ruling = one.disclosure.ruling
        row["claims"] = ruling.words
        rows.append(row | {"mark": marks.for_row(db, LEDGER, row)})
        opened = len(ruling.open)
        measures.released(channel.value, released=opened, withheld=len(ruling.gates) - opened)
    if rows:
        db.execute(insert(Release), rows)


def preview(
    db: Connection,
    *,
    keys: Keys,
    app: App,
    account_uuid: str,
    instellingsnummer: str | None,
    today: date,
    as_if_visible: bool = False,
) -> Disclosure:
    """The most this app could get today, if it asked for everything it registered. Leaves no trace.

    `as_if_visible`: and if the school had made it visible for this pupil already. Never a way to release anything.
    """
    wanted = catalogue.claims_of(app.scopes)
    known = _look(db, keys, app, account_uuid, instellingsnummer, wanted=wanted, today=today)
    if not known.met:
        known.values["sub"] = pseudonym.expected(db, keys, app, account_uuid)
    if as_if_visible:
        known = replace(known, visible=True, visible_by_school=True)
    return _disclosure(known, _rule(app, wanted, known))


def requested(
    app: App, *, scope: str, asked: Mapping[str, Any] | None, channel: Channel, today: date
) -> frozenset[str]:
    """The claims that a request asks for in this channel (OpenID Connect Core 5.4 and 5.5).

    Claims of scopes go to userinfo; an ID token has `sub`, what was asked for it by name, and the claims of scopes
    only for an app that cannot call userinfo. Names outside the catalogue are nobody's.
    """
    by_scope = catalogue.claims_of_scope(scope)
    if channel is Channel.ID_TOKEN and not app.tells_in_id_token(today):
        by_scope &= {"sub"}
    if not asked:
        return by_scope
    named = [asked.get(place) for place in _PLACES.get(channel, ("userinfo",))]
    return by_scope.union(*(catalogue.NAMES & names.keys() for names in named if isinstance(names, Mapping)))


_PLACES: Mapping[Channel, tuple[str, ...]] = {
    Channel.ID_TOKEN: ("id_token",),
    Channel.PREVIEW: ("id_token", "userinfo"),
}
"""Which parts of the `claims` parameter speak about a channel; otherwise the one about userinfo."""


def _look(
    db: Connection,
    keys: Keys,
    app: App,
    account_uuid: str,
    instellingsnummer: str | None,
    *,
    wanted: frozenset[str],
    today: date,
) -> facts.Facts:
    return facts.load(
        db,
        keys=keys,
        app=app,
        account_uuid=account_uuid,
        instellingsnummer=instellingsnummer,
        today=today,
        klasinformatie=catalogue.klasinformatie_in(wanted),
    )


def _rule(app: App, wanted: frozenset[str], known: facts.Facts) -> release.Ruling:
    return release.rule(
        release.Question(
            registered=catalogue.claims_of(app.scopes),
            requested=wanted,
            shares=known.shares,
            visible=known.visible,
            visible_by_school=known.visible_by_school,
            enrolled=known.enrolled,
            values=known.values,
        )
    )


def _disclosure(known: facts.Facts, ruling: release.Ruling) -> Disclosure:
    return Disclosure(
        alive=known.alive,
        active=known.active,
        visible=known.visible,
        claims=ruling.claims(known.values) if known.alive else {},
        ruling=ruling,
        values=known.values,
    )


LEDGER = Release.__tablename__
_NOTE = Prepared(insert(Release))
"""A line in the ledger."""
