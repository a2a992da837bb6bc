"""Whom or what does a person mean? A pupil, a class or a group, by the words that people have at hand."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import Connection, or_, select

from idp.errors import Invalid, NotFound
from idp.login import usernames
from idp.models import Account, Enrolment, Klas, Pupil


def pupil(db: Connection, word: str, *, instellingsnummer: str | None = None) -> str:
    """The account_uuid behind a user name, a stamnummer (with its school), an account_uuid or a leerid_uuid.

    Raises NotFound `pupil_unknown`, and Invalid `pupil_ambiguous` for a stamnummer of several pupils.
    """
    found: set[str] = set()
    uuid = _uuid(word)
    if uuid is not None:
        either = or_(Pupil.account_uuid == uuid, Pupil.leerid_uuid == uuid)
        found.update(db.execute(select(Pupil.account_uuid).where(either)).scalars())
    name = usernames.canonical(word)
    if not found and name is not None:
        found.update(db.execute(select(Account.account_uuid).where(Account.username == name)).scalars())
    if not found:
        mine = select(Enrolment.account_uuid).where(Enrolment.stamnummer == word)
        if instellingsnummer is not None:
            mine = mine.where(Enrolment.instellingsnummer == instellingsnummer)
        found.update(db.execute(mine.distinct()).scalars())
    if not found:
        raise NotFound("pupil_unknown", "give a user name, an account_uuid, or a stamnummer with --school")
    if len(found) > 1:
        raise Invalid("pupil_ambiguous", "this stamnummer is in use at several schools: add --school")
    return found.pop()


def group(db: Connection, instellingsnummer: str, word: str) -> str:
    """The code of an administratieve groep, by its code or label. Raises NotFound `group_unknown`."""
    mine = (
        select(Enrolment.administratieve_groep_code)
        .where(
            Enrolment.instellingsnummer == instellingsnummer,
            or_(Enrolment.administratieve_groep_code == word, Enrolment.administratieve_groep == word),
        )
        .order_by(Enrolment.einddatum.desc())
        .limit(1)
    )
    found = db.execute(mine).scalar()
    if found is None:
        raise NotFound(
            "group_unknown", "give the code or the label of an administratieve groep of this school"
        )
    return found


def klas(db: Connection, instellingsnummer: str, word: str) -> str:
    """The id of a (sub)klas, by its code or by the package's identifier. Raises NotFound `klas_unknown`."""
    mine = select(Klas.id).where(
        Klas.instellingsnummer == instellingsnummer, or_(Klas.code == word, Klas.klas_id == word)
    )
    found = db.execute(mine.order_by(Klas.changed_at.desc()).limit(1)).scalar()
    if found is None:
        raise NotFound("klas_unknown", "give the code of a (sub)klas of this school")
    return found


def school_today(db: Connection, account_uuid: str, today: date) -> str | None:
    """The school of the pupil's newest enrolment, an active one first."""
    rows = db.execute(
        select(Enrolment.instellingsnummer, Enrolment.begindatum, Enrolment.einddatum)
        .where(Enrolment.account_uuid == account_uuid)
        .order_by(Enrolment.begindatum.desc())
    ).all()
    active = [school for school, begin, end in rows if begin <= today <= end]
    return next(iter(active or [school for school, _, _ in rows]), None)


def _uuid(word: str) -> str | None:
    try:
        return str(UUID(word))
    except ValueError:
        return None
