"""Which events of staff are worth remembering? The second page of idp/audit: who signs in, and what is refused to whom."""

from __future__ import annotations

from sqlalchemy import Connection

from idp.audit import person, write


def staff_signed_in(db: Connection, *, person_id: str, amr: list[str]) -> None:
    write(db, "staff_signed_in", actor=person(person_id), object=person(person_id), amr=amr)


def staff_sign_in_failed(db: Connection, *, person_id: str | None, channel: str, way: str) -> None:
    about = person(person_id) if person_id else None
    write(db, "staff_sign_in_failed", object=about, result="wrong", channel=channel, way=way)


def staff_sign_in_slowed(db: Connection, *, person_id: str | None, channel: str, counter: str) -> None:
    about = person(person_id) if person_id else None
    write(db, "staff_sign_in_slowed", object=about, result="wait", channel=channel, counter=counter)


def staff_signed_out(db: Connection, *, person_id: str, because: str) -> None:
    write(db, "staff_signed_out", object=person(person_id), because=because)


def staff_invited(db: Connection, *, person_id: str) -> None:
    write(db, "staff_invited", object=person(person_id))


def staff_set_up(db: Connection, *, person_id: str, way: str) -> None:
    """An invitation was used: from now on this is how this person signs in."""
    write(db, "staff_set_up", actor=person(person_id), object=person(person_id), way=way)


def staff_recovery_code_used(db: Connection, *, person_id: str, left: int) -> None:
    write(db, "staff_recovery_code_used", object=person(person_id), left=left)


def staff_refused(db: Connection, *, person_id: str, instellingsnummer: str | None, route: str) -> None:
    """A member of staff asked for a page for which the right is missing."""
    write(
        db, "staff_refused", object=person(person_id), school=instellingsnummer, result="refused", route=route
    )


def staff_proved_again(db: Connection, *, person_id: str, amr: list[str]) -> None:
    """Who is signed in proved once more to be there, to change a way to sign in."""
    write(db, "staff_proved_again", object=person(person_id), amr=amr)


def right_stopped(
    db: Connection, *, person_id: str, right: str, instellingsnummer: str | None, until: str
) -> None:
    """`until` is the last day that it would have had."""
    write(db, "right_stopped", object=person(person_id), school=instellingsnummer, right=right, until=until)


def staff_way_changed(db: Connection, *, person_id: str, what: str, change: str) -> None:
    """A password, a code app, a passkey or the recovery codes: changed, added or removed."""
    write(db, "staff_way_changed", object=person(person_id), what=what, change=change)


def package_named(db: Connection, *, instellingsnummer: str, package: str, before: str | None) -> None:
    """A LeerID-beheerder said which administrative package the school has."""
    write(db, "package_named", school=instellingsnummer, package=package, before=before)


def school_kept(db: Connection, *, instellingsnummer: str, fields: list[str]) -> None:
    """An operator made a school known, or changed its name or package."""
    write(db, "school_kept", school=instellingsnummer, fields=fields)
