"""Which events of the hands of a school are worth remembering? Blocking, cards, papers, and who looked."""

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


def pupil_exported(db: Connection, *, account_uuid: str, instellingsnummer: str, papers: str) -> None:
    """The name and secret of this pupil were in a zip that was downloaded."""
    write(db, "pupil_exported", object=pupil(account_uuid), school=instellingsnummer, papers=papers)


def pupil_seen(db: Connection, *, account_uuid: str, instellingsnummer: str | None) -> None:
    """A member of staff looked at data of this pupil; once a day."""
    write(db, "pupil_seen", object=pupil(account_uuid), school=instellingsnummer)


def pupils_listed(db: Connection, *, instellingsnummer: str) -> None:
    """A member of staff looked at the list of pupils; once a day."""
    write(db, "pupils_listed", object=f"school:{instellingsnummer}", school=instellingsnummer)


def trail_exported(db: Connection, *, instellingsnummer: str, count: int) -> None:
    """So many lines of the trail of the school were downloaded."""
    write(db, "trail_exported", object=f"school:{instellingsnummer}", school=instellingsnummer, count=count)


def words_first(db: Connection, *, account_uuid: str, instellingsnummer: str, typed: bool) -> None:
    """Words to type come first for this pupil, or pictures again."""
    write(db, "words_first", object=pupil(account_uuid), school=instellingsnummer, typed=typed)


def card_alone_allowed(db: Connection, *, account_uuid: str, instellingsnummer: str, anywhere: bool) -> None:
    """A card that the school makes from now on is enough for this pupil to sign in."""
    write(db, "card_alone_allowed", object=pupil(account_uuid), school=instellingsnummer, anywhere=anywhere)


def card_alone_stopped(db: Connection, *, account_uuid: str, instellingsnummer: str) -> None:
    write(db, "card_alone_stopped", object=pupil(account_uuid), school=instellingsnummer)
