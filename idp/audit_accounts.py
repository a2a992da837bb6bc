"""Which events of the hands of a school are worth remembering? The fourth page of audit.py: blocking, cards, papers."""

from __future__ import annotations

from sqlalchemy import Connection

from idp.audit import pupil, write


def account_blocked(db: Connection, *, account_uuid: str, instellingsnummer: str) -> None:
    write(db, "account_blocked", object=pupil(account_uuid), school=instellingsnummer)


def account_unblocked(db: Connection, *, account_uuid: str, instellingsnummer: str) -> None:
    write(db, "account_unblocked", object=pupil(account_uuid), school=instellingsnummer)


def card_voided(db: Connection, *, account_uuid: str, instellingsnummer: str, card: str) -> None:
    """By the school, without a new one in its place."""
    write(db, "card_voided", object=pupil(account_uuid), school=instellingsnummer, card=card)


def papers_fetched(db: Connection, *, instellingsnummer: str, papers: str, count: int) -> None:
    """The zip with cards and secrets of so many pupils was downloaded."""
    write(db, "papers_fetched", object=f"papers:{papers}", school=instellingsnummer, count=count)
