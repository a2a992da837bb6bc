"""Who may do what, in all schools? The rights that count today or will, by words, school and kind, for operators."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from itertools import islice

from sqlalchemy import Connection, func, select

from idp.admin.pupils.pupil_list import finder
from idp.admin.staff import access
from idp.admin.staff.access import Holder
from idp.models import Person, RightKind, StaffAccount
from idp.models import Right as RightRow

MOST = 100
_OF_A_SCHOOL = (RightKind.BEHEERDER, RightKind.DATABEHEERDER)
"""Rights of which a school is worse off when nobody has them."""


def search(
    db: Connection,
    today: date,
    *,
    words: str = "",
    kind: RightKind | None = None,
    instellingsnummer: str = "",
    most: int = MOST + 1,
) -> tuple[Holder, ...]:
    """Operators first, then by school and name; words are parts of a name, an e-mail address or a person_id.

    Capitals and accents make no difference, in either database.
    """
    asked = access.all_holders().where(RightRow.einddatum >= today, RightRow.begindatum <= RightRow.einddatum)
    if kind is not None:
        asked = asked.where(RightRow.kind == kind)
    if instellingsnummer:
        asked = asked.where(RightRow.instellingsnummer == instellingsnummer)
    ordered = asked.order_by(
        RightRow.instellingsnummer.is_not(None),
        RightRow.instellingsnummer,
        Person.naam,
        Person.voornaam,
        RightRow.kind,
        RightRow.id,
    )
    if words.strip():
        means = finder(words)
        names = (RightRow.id, Person.voornaam, Person.naam, Person.e_mail, Person.person_id)
        every = db.execute(ordered.with_only_columns(*names, maintain_column_froms=True))
        meant = islice((which for which, *names in every if means(*names)), most)
        ordered = ordered.where(RightRow.id.in_([*meant]))
    return tuple(Holder(**row) for row in db.execute(ordered.limit(most)).mappings())


def with_account(db: Connection, people: Collection[str]) -> frozenset[str]:
    """Those of them who set up a way to sign in."""
    known = select(StaffAccount.person_id).where(StaffAccount.person_id.in_(people))
    return frozenset(db.execute(known).scalars())


def alone(db: Connection, today: date, holders: Collection[Holder]) -> frozenset[str]:
    """Ids of those of these rights that nobody else has at that school today."""
    counted = (
        select(RightRow.instellingsnummer, RightRow.kind)
        .where(
            RightRow.instellingsnummer.in_({one.instellingsnummer for one in holders}),
            RightRow.kind.in_(_OF_A_SCHOOL),
            RightRow.begindatum <= today,
            RightRow.einddatum >= today,
        )
        .group_by(RightRow.instellingsnummer, RightRow.kind)
        .having(func.count() == 1)
    )
    single = {(row.instellingsnummer, row.kind) for row in db.execute(counted)}
    return frozenset(
        one.id for one in holders if one.begindatum <= today and (one.instellingsnummer, one.kind) in single
    )
