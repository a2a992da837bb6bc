"""Who may help which pupil, and what can they do? A code for today, or a new secret: always in somebody's name.

A LeerID-beheerder helps every pupil of the school; a teacher helps the pupils, groups and classes that a beheerder
chose. Classes count only while the school shares and the agreed text names teachers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, or_, select

from idp import audit
from idp.admin import finding
from idp.admin.accounts import bulk
from idp.admin.printing.handout import Handout
from idp.admin.pupils import pupil_list
from idp.admin.staff import access
from idp.claims import consent, visibility
from idp.context import House
from idp.errors import Invalid, NotFound
from idp.login import help as login_help
from idp.login.help import Given
from idp.models import (
    Account,
    AccountType,
    ClassMembership,
    Enrolment,
    RightKind,
    RightScope,
    RuleKind,
    SecretKind,
)


@dataclass(frozen=True, kw_only=True)
class Pupil:
    """Somebody who may be helped."""

    account_uuid: str
    instellingsnummer: str
    voornaam: str
    naam: str
    group: str
    username: str
    kind: SecretKind
    type: AccountType


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A part of a school: `kind` group, klas or pupil, and its code, Klas.id or account_uuid."""

    kind: RuleKind
    target: str


# ---------------------------------------------------------------- who helps whom


def pupils(
    db: Connection,
    person_id: str,
    today: date,
    *,
    instellingsnummer: str | None = None,
    words: str = "",
    account_uuid: str | None = None,
    most: int = 100,
) -> tuple[Pupil, ...]:
    """Whom this person may help today, by name: everyone, or whose name or user name has all these words in it."""
    mine = [
        _covered(db, right, today)
        for right in access.rights(db, person_id, today)
        if right.kind in {RightKind.BEHEERDER, RightKind.TEACHER}
        and instellingsnummer in {None, right.instellingsnummer}
    ]
    if not mine or (account_uuid is not None and not _is_uuid(account_uuid)):
        return ()
    wanted = [or_(*mine), Account.blocked_at.is_(None), visibility.active(Enrolment, today)]
    if account_uuid is not None:
        wanted.append(Account.account_uuid == account_uuid)
    rows = db.execute(
        select(
            Enrolment.account_uuid,
            Enrolment.instellingsnummer,
            Enrolment.voornaam,
            Enrolment.naam,
            Enrolment.administratieve_groep.label("group"),
            Account.username,
            Account.secret_kind.label("kind"),
            Account.type,
        )
        .join(Account, Account.account_uuid == Enrolment.account_uuid)
        .where(*wanted)
        .order_by(Enrolment.voornaam, Enrolment.naam, Enrolment.account_uuid, Enrolment.begindatum.desc())
    ).mappings()
    means = pupil_list.finder(words[:100])
    found: dict[tuple[str, str], Pupil] = {}
    for row in rows:
        if means(row["voornaam"], row["naam"], row["username"]):
            found.setdefault((row["account_uuid"], row["instellingsnummer"]), Pupil(**row))
    return tuple(found.values())[:most]


def enrolments(
    db: Connection, person_id: str, instellingsnummer: str, today: date
) -> ColumnElement[bool] | None:
    """Condition on Enrolment: of whom this person may help at this school today; None: nobody."""
    mine = [
        _covered(db, right, today)
        for right in access.rights(db, person_id, today)
        if right.kind in {RightKind.BEHEERDER, RightKind.TEACHER}
        and right.instellingsnummer == instellingsnummer
    ]
    return and_(or_(*mine), visibility.active(Enrolment, today)) if mine else None


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def require(
    db: Connection,
    person_id: str,
    account_uuid: str,
    today: date,
    *,
    instellingsnummer: str | None = None,
) -> Pupil:
    """This pupil, at a school where this person may help. Raises NotFound `help_not_allowed`."""
    found = pupils(
        db, person_id, today, instellingsnummer=instellingsnummer, account_uuid=account_uuid, most=5
    )
    if not found:
        raise NotFound("help_not_allowed", f"{person_id} may not help this pupil today")
    return found[0]


def _covered(db: Connection, right: access.Right, today: date) -> ColumnElement[bool]:
    """Condition on Enrolment: the pupils for whom this right counts."""
    here = Enrolment.instellingsnummer == right.instellingsnummer
    if right.kind is RightKind.BEHEERDER:
        return here
    chosen = exists().where(
        RightScope.right_id == right.id,
        or_(
            and_(
                RightScope.kind == RuleKind.GROUP,
                RightScope.target == Enrolment.administratieve_groep_code,
            ),
            and_(
                RightScope.kind == RuleKind.PUPIL,
                visibility.names(RightScope.target, Enrolment.account_uuid),
            ),
        ),
    )
    if right.instellingsnummer is None or not consent.state(db, right.instellingsnummer, today).teachers:
        return and_(here, chosen)
    sits_in = exists().where(
        RightScope.right_id == right.id,
        RightScope.kind == RuleKind.KLAS,
        ClassMembership.account_uuid == Enrolment.account_uuid,
        ClassMembership.instellingsnummer == Enrolment.instellingsnummer,
        visibility.current(ClassMembership, today),
        visibility.names(RightScope.target, ClassMembership.klas),
    )
    return and_(here, or_(chosen, sits_in))


# ---------------------------------------------------------------- for whom a teacher's right counts


def narrow(
    db: Connection,
    *,
    person_id: str,
    instellingsnummer: str,
    scopes: Collection[Scope],
    by: str,
    today: date,
) -> None:
    """Choose the pupils of a teacher, in place of those before. `by` is the LeerID-beheerder who chooses.

    Raises NotAllowed `right_missing`, NotFound `teacher_unknown`, and those of `finding`.
    """
    access.require(db, by, RightKind.BEHEERDER, instellingsnummer, today)
    teaching = [
        right.id
        for right in access.rights(db, person_id, today)
        if right.kind is RightKind.TEACHER and right.instellingsnummer == instellingsnummer
    ]
    if not teaching:
        raise NotFound("teacher_unknown", f"{person_id} is no teacher at {instellingsnummer} today")
    kept = {_checked(db, instellingsnummer, one) for one in scopes}
    db.execute(delete(RightScope).where(RightScope.right_id.in_(teaching)))
    rows = [
        {"right_id": right_id, "kind": one.kind, "target": one.target}
        for right_id in teaching
        for one in kept
    ]
    if rows:
        db.execute(insert(RightScope), rows)
    counts = {str(kind): sum(one.kind is kind for one in kept) for kind in {one.kind for one in kept}}
    with audit.acting(audit.person(by)):
        audit.right_narrowed(
            db,
            person_id=person_id,
            right=RightKind.TEACHER,
            instellingsnummer=instellingsnummer,
            counts=counts,
        )


def scopes(db: Connection, right_id: str) -> tuple[Scope, ...]:
    rows = db.execute(
        select(RightScope.kind, RightScope.target)
        .where(RightScope.right_id == right_id)
        .order_by(RightScope.kind, RightScope.target)
    )
    return tuple(Scope(kind=row.kind, target=row.target) for row in rows)


def _checked(db: Connection, instellingsnummer: str, one: Scope) -> Scope:
    """The same with the target as it is stored; of another school it is not found."""
    match one.kind:
        case RuleKind.GROUP:
            return replace(one, target=finding.group(db, instellingsnummer, one.target))
        case RuleKind.KLAS:
            return replace(one, target=finding.klas(db, instellingsnummer, one.target))
        case RuleKind.PUPIL:
            uuid = finding.pupil(db, one.target, instellingsnummer=instellingsnummer)
            here = select(Enrolment.id).where(
                Enrolment.account_uuid == uuid, Enrolment.instellingsnummer == instellingsnummer
            )
            if db.execute(here.limit(1)).first() is None:
                raise NotFound("pupil_unknown", "no pupil of this school")
            return replace(one, target=uuid)
        case RuleKind.SCHOOL:
            raise Invalid("scope_too_wide", "a teacher helps groups, classes or pupils")


# ---------------------------------------------------------------- helping


def give_code(
    db: Connection,
    house: House,
    *,
    by: str,
    account_uuid: str,
    now: datetime,
    today: date,
    instellingsnummer: str | None = None,
) -> tuple[Pupil, Given]:
    """A help code for a pupil, from somebody who may. Raises NotFound `help_not_allowed`."""
    pupil = require(db, by, account_uuid, today, instellingsnummer=instellingsnummer)
    given = login_help.give(
        db, house, account_uuid=account_uuid, instellingsnummer=pupil.instellingsnummer, by=by, now=now
    )
    return pupil, given


def renew(
    house: House,
    *,
    by: str,
    account_uuid: str,
    kind: SecretKind | None = None,
    with_card: bool = False,
    instellingsnummer: str | None = None,
) -> Handout:
    """New pictures or a new password for one pupil, from somebody who may: shown once, or printed on a new card.

    Raises NotFound `help_not_allowed`, and those of bulk.renew.
    """
    with house.database.reading() as db:
        pupil = require(db, by, account_uuid, house.clock.today(), instellingsnummer=instellingsnummer)
    with audit.acting(audit.person(by)):
        made = bulk.renew(
            house,
            instellingsnummer=pupil.instellingsnummer,
            account_uuids=[account_uuid],
            kind=kind,
            with_cards=with_card,
        )
    return made[0]
