"""What is handed to a pupil, once? A name, a user name, a secret as it is typed, and a card's address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from idp.models import SecretKind

LABELS = {
    SecretKind.PICTURE: "Wachtwoord",
    SecretKind.BASIC: "Wachtwoord",
    SecretKind.TEMPORARY: "Tijdelijk wachtwoord",
    SecretKind.OWN: "Wachtwoord",
}
NO_GROUP = "Zonder groep"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One of the four on a card: which drawing, and the word beneath it."""

    key: str
    word: str


@dataclass(frozen=True, kw_only=True)
class Handout:
    """Everything that goes on one pupil's card. It lives in memory only, and is printed once."""

    account_uuid: str
    stamnummer: str
    voornaam: str
    naam: str
    group: str
    """Label of the administratieve groep."""
    klassen: tuple[str, ...] = ()
    """Codes of classes and subclasses; empty unless the school shares."""
    username: str
    kind: SecretKind
    secret: str | None = field(default=None, repr=False)
    """As it is typed; four words for pictures. None: the secret stays as it was (a new card only)."""
    pictures: tuple[Picture, ...] = field(default=(), repr=False)
    story: str = field(default="", repr=False)
    """The four pictures as one sentence."""
    personal_url: str
    card_url: str | None = field(default=None, repr=False)
    """What the QR code says; None: no card."""
    begins: str = ""
    """The first day on which name, secret and card work (ISO 8601), when that is still to come."""
    note: str = ""
    """What whoever holds the card must know: from which day it works."""

    @property
    def name(self) -> str:
        return f"{self.voornaam} {self.naam}"

    @property
    def label(self) -> str:
        """The word before the secret."""
        return LABELS[self.kind]

    def as_json(self) -> dict[str, Any]:
        """For the command line, where somebody asked for it: with the secret and the card."""
        return {
            "account_uuid": self.account_uuid,
            "username": self.username,
            "kind": self.kind.value,
            "secret": self.secret,
            "stamnummer": self.stamnummer,
            "voornaam": self.voornaam,
            "naam": self.naam,
            "administratieve_groep": self.group,
            "klassen": [*self.klassen],
            "personal_url": self.personal_url,
            "card_url": self.card_url,
            "begins": self.begins or None,
        }


def by_group(handouts: Iterable[Handout], *, by_klas: bool = False) -> dict[str, list[Handout]]:
    """Per administratieve groep, or per first class where there is one: in the order in which they came."""
    groups: dict[str, list[Handout]] = {}
    for one in handouts:
        where = one.klassen[0] if by_klas and one.klassen else one.group
        groups.setdefault(where or NO_GROUP, []).append(one)
    return groups
