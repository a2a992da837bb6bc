"""Which events of data protection are worth remembering? Extracts, reports of a breach; a page of idp/audit."""

from __future__ import annotations

from sqlalchemy import Connection

from idp.audit import app, pupil, write


def extract_given(db: Connection, *, account_uuid: str, instellingsnummer: str | None, kind: str) -> None:
    """Everything that we hold about a pupil was handed out: to the pupil (`own`), the school, or an operator."""
    about = pupil(account_uuid)
    if kind == "own":
        write(db, "extract_given", actor=about, object=about, kind=kind)
    else:
        write(db, "extract_given", object=about, school=instellingsnummer, kind=kind)


def school_extract_given(db: Connection, *, instellingsnummer: str) -> None:
    """The ledger of a school and its part of this trail."""
    write(db, "school_extract_given", school=instellingsnummer)


def breach_reported(
    db: Connection, *, client_id: str | None, instellingsnummer: str | None, days: int, count: int
) -> None:
    """Somebody asked whom a breach touches."""
    about = app(client_id) if client_id else None
    write(db, "breach_reported", object=about, school=instellingsnummer, days=days, count=count)
