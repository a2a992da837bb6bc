"""What is true of this pupil, this school and this app right now? One look at the database.

This is on the path of every release, so it is one statement, built once per process; class rows come as extra rows
of it, and only when somebody may ask for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    String,
    and_,
    bindparam,
    exists,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import GenericFunction

from idp.apps import App
from idp.claims import agreements, pseudonym, visibility
from idp.clock import school_year
from idp.keys import Keys
from idp.models import ID, SCHOOL, Account, AppPupil, ClassMembership, Enrolment, Klas, Pupil, School
from idp.prepared import Prepared


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything a release hangs on. Unknown pupil or school: everything is closed."""

    active: bool
    """There is an account, not blocked or merged, and an enrolment at some school covers today."""
    visible: bool
    """The app is visible for the pupil at this school, or open to every pupil."""
    visible_by_school: bool
    enrolled: bool
    """The enrolment at this school covers today."""
    shares: bool
    met: bool
    """The app has met this pupil: `sub` is the remembered one."""
    values: dict[str, Any]
    """By claim name, all of the catalogue; None is unknown."""

    @property
    def alive(self) -> bool:
        """May tokens of this grant still be used? (`product.md` rule 2)"""
        return self.active and self.visible


def load(
    db: Connection,
    *,
    keys: Keys,
    app: App,
    account_uuid: str,
    instellingsnummer: str | None,
    today: date,
    classes: bool = True,
) -> Facts:
    """The facts of today. Without `classes` the values of ov_klassen are left unknown."""
    given = {
        "account": account_uuid,
        "account_text": account_uuid,
        "school": instellingsnummer or "",
        "client": app.client_id,
        "today": today,
    }
    rows = _statement(classes=classes).rows(db, given)
    if not rows:
        return Facts(
            active=False,
            visible=False,
            visible_by_school=False,
            enrolled=False,
            shares=False,
            met=False,
            values={"sub": pseudonym.sub_for(keys, app, account_uuid)},
        )
    row = rows[0]
    here = row.enrolment is not None and visibility.admits(app, row.kind)
    by_school = here and bool(row.by_school)
    return Facts(
        active=bool(row.active),
        visible=by_school or (here and app.open_to_every_pupil),
        visible_by_school=by_school,
        enrolled=bool(row.enrolled),
        shares=bool(row.shares),
        met=row.sub is not None,
        values={"sub": row.sub or pseudonym.sub_for(keys, app, account_uuid), "ov_account_uuid": account_uuid}
        | _values(row, today)
        | {"ov_klassen": _klassen(rows, keys, app, today) if classes else None},
    )


def _values(row: Any, today: date) -> dict[str, Any]:
    """Official names when there are any, else those of the enrolment at this school."""
    official = row.voornaam or row.naam
    given, family = (row.voornaam, row.naam) if official else (row.e_voornaam, row.e_naam)
    return {
        "given_name": given or None,
        "family_name": family or None,
        "name": " ".join(part for part in (given, family) if part) or None,
        "ov_leerid_uuid": [row.leerid_uuid] if row.leerid_uuid else [],
        "ov_historiek_account_uuid": sorted(str(UUID(one)) for one in (row.history or "").split(",") if one),
        "ov_orgcode": row.instellingsnummer,
        "ov_orgnaam": row.school or None,
        "ov_leerjaar": row.leerjaar or None,
        "ov_schooljaar": school_year(today),
        "ov_administratieve_groep": row.groep or None,
    }


def _klassen(rows: Sequence[Any], keys: Keys, app: App, today: date) -> list[dict[str, Any]] | None:
    """The classes of today, classes before subclasses, or None when the package delivered none."""
    found = {row.klas: row for row in rows if row.klas is not None}
    ordered = sorted(found.values(), key=lambda row: (row.klas_soort, row.klas_code.casefold(), row.klas))
    return [
        {
            "id": pseudonym.klas_id(keys, app.sector, row.klas),
            "code": row.klas_code,
            "naam": row.klas_naam,
            "soort": row.klas_soort.value,
            "orgcode": row.instellingsnummer,
            "schooljaar": school_year(today),
        }
        for row in ordered
    ] or None


class _listed(GenericFunction[str]):  # noqa: N801 - an SQL function's name
    """SQL: all values with commas between them; None when there are none."""

    type = String()
    inherit_cache = True


@compiles(_listed, "sqlite")
def _listed_on_sqlite(element: Any, compiler: Any, **words: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **words)})"


@compiles(_listed, "postgresql")
def _listed_on_postgresql(element: Any, compiler: Any, **words: Any) -> str:
    return f"string_agg(({compiler.process(element.clauses, **words)})::text, ',')"


@cache
def _statement(*, classes: bool) -> Prepared:
    """One row for the pupil at the school, repeated for every class of today."""
    account, today = bindparam("account", type_=ID), bindparam("today", type_=Date())
    account_text, client = bindparam("account_text", type_=String()), bindparam("client", type_=String())
    school = bindparam("school", type_=SCHOOL)
    mine, merged, anywhere = aliased(Enrolment), aliased(Pupil), aliased(Enrolment)
    history = select(_listed(merged.account_uuid)).where(merged.merged_into == account).scalar_subquery()
    active: ColumnElement[bool] = and_(
        Account.account_uuid.is_not(None),
        Account.blocked_at.is_(None),
        Pupil.merged_into.is_(None),
        exists().where(anywhere.account_uuid == account, visibility.active(anywhere, today)),
    )
    columns: list[Any] = [
        active.label("active"),
        visibility.covers(client, mine, account_text, today).label("by_school"),
        visibility.active(mine, today).label("enrolled"),
        agreements.shares(school, today).label("shares"),
        mine.id.label("enrolment"),
        Pupil.voornaam,
        Pupil.naam,
        mine.voornaam.label("e_voornaam"),
        mine.naam.label("e_naam"),
        Pupil.leerid_uuid,
        history.label("history"),
        School.instellingsnummer,
        School.kind,
        School.naam.label("school"),
        mine.leerjaar,
        mine.administratieve_groep.label("groep"),
        AppPupil.sub,
    ]
    sources = (
        Pupil.__table__.outerjoin(Account, Account.account_uuid == Pupil.account_uuid)
        .outerjoin(School, School.instellingsnummer == school)
        .outerjoin(mine, mine.id == visibility.chosen_enrolment(account, school, today))
        .outerjoin(AppPupil, and_(AppPupil.account_uuid == account, AppPupil.client_id == client))
    )
    if not classes:
        return Prepared(select(*columns).select_from(sources).where(Pupil.account_uuid == account))
    sits = and_(
        ClassMembership.account_uuid == account,
        ClassMembership.instellingsnummer == school,
        visibility.current(ClassMembership, today),
    )
    columns += [
        Klas.id.label("klas"),
        Klas.code.label("klas_code"),
        Klas.naam.label("klas_naam"),
        Klas.soort.label("klas_soort"),
    ]
    seats = sources.outerjoin(ClassMembership, sits).outerjoin(
        Klas, and_(Klas.id == ClassMembership.klas, Klas.instellingsnummer == school)
    )
    return Prepared(select(*columns).select_from(seats).where(Pupil.account_uuid == account))
