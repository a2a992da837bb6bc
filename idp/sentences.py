"""Which sentence does a person read for a code? Each in their own language; never blame, always a next step."""

from __future__ import annotations

from flask_babel import LazyString, lazy_gettext

_ = lazy_gettext

_SENTENCES: dict[str, tuple[LazyString, LazyString]] = {
    "not_found": (_("Deze pagina bestaat niet."), _("Kijk of het adres klopt, of ga terug.")),
    "bad_request": (_("Dat lukte niet."), _("Ga terug en probeer opnieuw.")),
    "too_large": (_("Dat is te groot om te versturen."), _("Ga terug en probeer opnieuw.")),
    "page_expired": (_("Deze pagina was te lang open."), _("Begin opnieuw: je bent zo weer verder.")),
    "broken": (_("Er ging iets stuk bij ons."), _("Probeer het straks opnieuw.")),
    "hash_queue_full": (_("Het is even heel druk."), _("Wacht even. Deze pagina probeert het opnieuw.")),
    "hash_wait_too_long": (_("Het is even heel druk."), _("Wacht even. Deze pagina probeert het opnieuw.")),
    "sign_in_required": (_("Meld je eerst aan."), _("Begin bij je app of bij je eigen pagina.")),
    "card_unknown": (_("Deze kaart werkt niet meer."), _("Vraag hulp aan je juf of meester.")),
}


def sentence(code: str) -> str:
    """What happened, in one sentence."""
    return str(_SENTENCES.get(code, _SENTENCES["bad_request"])[0])


def advice(code: str) -> str:
    """What to do now, in one sentence."""
    return str(_SENTENCES.get(code, _SENTENCES["bad_request"])[1])


def codes() -> frozenset[str]:
    return frozenset(_SENTENCES)
