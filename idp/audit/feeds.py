"""Which events about programs that bring and fetch data, and about what they brought, are worth remembering?"""

from __future__ import annotations

from sqlalchemy import Connection

from idp.audit import write


def feed_client_made(db: Connection, *, client_id: str, scope: str, package: str | None) -> None:
    write(db, "feed_client_made", object=feed(client_id), scope=scope, package=package)


def feed_client_changed(db: Connection, *, client_id: str, change: str) -> None:
    """Closed, opened again, a secret made or revoked, other keys."""
    write(db, "feed_client_changed", object=feed(client_id), change=change)


def identifiers_fetched(db: Connection, *, instellingsnummer: str, count: int) -> None:
    """A package read which pupils a school has."""
    write(db, "identifiers_fetched", school=instellingsnummer, count=count)


def hold_decided(db: Connection, *, instellingsnummer: str, delivery: str, decision: str) -> None:
    """A person looked at a held delivery."""
    write(db, "hold_decided", school=instellingsnummer, delivery=delivery, decision=decision)


def deliveries_missing(db: Connection, *, count: int) -> None:
    """So many schools that share had no delivery this night."""
    write(db, "deliveries_missing", result="missing", count=count)


def directors_missing(db: Connection, *, days: int) -> None:
    """The weekly list of directors did not come; 0 days: it never did."""
    write(db, "directors_missing", result="missing", days=days)


def directors_imported(db: Connection, *, delivery: str, counts: dict[str, int]) -> None:
    write(db, "directors_imported", delivery=delivery, counts=counts)


def feed(client_id: str) -> str:
    """The actor and object of such a program."""
    return f"feed:{client_id}"
