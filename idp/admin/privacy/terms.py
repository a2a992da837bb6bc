"""How long is what kept, in words that follow the settings? One table, told in English and in Dutch side by side.

Documents about one pupil or one school tell it in English, the register of processing activities in Dutch. What the purge
does is `retention`, and `docs/retention.md` has all of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from idp.config import Settings


class Kept(StrEnum):
    """What has a term of its own."""

    CLASSES = "classes"
    NAMES = "names"
    IDENTIFIERS = "identifiers"
    SESSIONS = "sessions"
    LEDGER = "ledger"
    TRAIL = "trail"
    STAFF = "staff"


OF_PUPILS = (Kept.CLASSES, Kept.NAMES, Kept.IDENTIFIERS, Kept.SESSIONS, Kept.LEDGER, Kept.TRAIL)
"""What is kept about a pupil."""
TO_SIGN_IN = (Kept.NAMES, Kept.IDENTIFIERS, Kept.SESSIONS)
"""What is kept to let pupils sign in."""


@dataclass(frozen=True)
class Told:
    """What is kept, and how long."""

    what: str
    how_long: str


@dataclass(frozen=True)
class Term:
    english: Told
    dutch: Told


def in_english(settings: Settings, which: Iterable[Kept]) -> dict[str, str]:
    """What → how long, of these."""
    known = of(settings)
    return {known[one].english.what: known[one].english.how_long for one in which}


def in_dutch(settings: Settings, which: Iterable[Kept]) -> dict[str, str]:
    """What → how long, of these."""
    known = of(settings)
    return {known[one].dutch.what: known[one].dutch.how_long for one in which}


def of(keep: Settings) -> dict[Kept, Term]:
    years = keep.keep_ledger_years
    return {
        Kept.CLASSES: Term(
            Told(
                "klasinformatie",
                f"replaced rows {keep.keep_replaced_days} days; 24 hours after the school stops sharing; "
                "one year after the enrolment ended at the latest",
            ),
            Told(
                "klasinformatie",
                f"wat vervangen is {keep.keep_replaced_days} dagen; alles tot 24 uur nadat de school stopt met delen; "
                "ten laatste tot één jaar na het einde van de inschrijving",
            ),
        ),
        Kept.NAMES: Term(
            Told("names, birth date, cards, e-mail", f"{keep.keep_names_days} days after the last enrolment"),
            Told(
                "namen, geboortedatum, kaarten, e-mail",
                f"{keep.keep_names_days} dagen na de laatste inschrijving",
            ),
        ),
        Kept.IDENTIFIERS: Term(
            Told(
                "user name, digest of the national number, what apps call the pupil (sub)",
                f"{keep.keep_identifiers_days} days after the last enrolment",
            ),
            Told(
                "kenmerken, gebruikersnaam", f"{keep.keep_identifiers_days} dagen na de laatste inschrijving"
            ),
        ),
        Kept.SESSIONS: Term(
            Told("sessions, tokens", f"{keep.keep_expired_days} days after they expired"),
            Told("sessies, tokens", f"{keep.keep_expired_days} dagen nadat ze afliepen"),
        ),
        Kept.LEDGER: Term(
            Told("ledger of releases", f"this school year and {years} before it"),
            Told(
                "register van verstrekkingen",
                f"dit schooljaar en {years} {'schooljaar' if years == 1 else 'schooljaren'} ervoor",
            ),
        ),
        Kept.TRAIL: Term(
            Told("audit trail", f"{keep.keep_audit_days} days"),
            Told("auditspoor", f"{keep.keep_audit_days} dagen"),
        ),
        Kept.STAFF: Term(
            Told("names of staff", f"{keep.keep_staff_names_days} days after the last right ended"),
            Told(
                "namen van personeel",
                f"{keep.keep_staff_names_days} dagen na het einde van het laatste recht",
            ),
        ),
    }
