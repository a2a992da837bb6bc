"""Which events of backups, and of what proves that nothing was touched, are worth remembering? A page of idp/audit."""

from __future__ import annotations

from sqlalchemy import Connection

from idp.audit import write


def backup_made(db: Connection, *, sha256: str, with_keys: bool) -> None:
    write(db, "backup_made", sha256=sha256, with_keys=with_keys)


def restored(db: Connection, *, made_at: str, cut_off: dict[str, int], again: dict[str, int]) -> None:
    """This database came back from a backup: what happened between `made_at` and now is not in it."""
    write(db, "restored", made_at=made_at, cut_off=cut_off, again=again)


def verify_acknowledged(
    db: Connection, *, trail: str, seal: int | None, what: str, count: int, trouble: str
) -> None:
    """An operator knows of something that the nightly look found. Why stands beside what was found, not here."""
    write(
        db, "verify_acknowledged", object=f"trail:{trail}", seal=seal, what=what, count=count, trouble=trouble
    )


def verify_alarmed_again(
    db: Connection,
    *,
    trail: str,
    seal: int | None,
    what: str,
    count: int,
    trouble: str,
    known_by: str,
    known_at: str,
) -> None:
    """An operator took back that it is known, as `known_by` had said at `known_at`."""
    write(
        db,
        "verify_alarmed_again",
        object=f"trail:{trail}",
        seal=seal,
        what=what,
        count=count,
        trouble=trouble,
        known_by=known_by,
        known_at=known_at,
    )
