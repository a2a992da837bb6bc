"""What is true of this pupil, this school and this app right now? One look at the database.

This is on the path of every release, so it is one statement, built once per process, and one row for a pupil; the classes
are a list in it. Whether the school shares klasinformatie, and that list, are looked up only for who asks klasinformatie.
Of many pupils at once (rosters) it is the same statement, over a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Date,
    Select,
    String,
    and_,
    bindparam,
    cast,
    literal,
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
    """The school shares klasinformatie. False, too, when nobody asked for any."""
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
    klasinformatie: bool = True,
) -> Facts:
    """The facts of today; without `klasinformatie` for a request that asks none of CLASS_CLAIMS."""
    given = {
        "account": account_uuid,
        "account_text": account_uuid,
        "school": instellingsnummer or "",
        "client": app.client_id,
        "today": today,
    }
    row = _statement(klasinformatie=klasinformatie).first(db, given)
    return of_row(row, keys=keys, app=app, account_uuid=account_uuid, today=today)


def of_row(row: Any, *, keys: Keys, app: App, account_uuid: str, today: date) -> Facts:
    """The facts in a row with the columns of `columns`: none, or one without a pupil, is an unknown one."""
    if row is None or not row.pupil:
        return Facts(
            active=False,
            visible=False,
            visible_by_school=False,
            enrolled=False,
            shares=False,
            met=False,
            values={"sub": pseudonym.sub_for(keys, app, account_uuid)},
        )
    here = row.enrolment and visibility.admits(app, row.kind)
    by_school = here and bool(row.by_school)
    return Facts(
        active=bool(row.active),
        visible=by_school or (here and app.open_to_every_pupil),
        visible_by_school=by_school,
        enrolled=bool(row.enrolled),
        shares=bool(getattr(row, "shares", False)),
        met=row.sub is not None,
        values=_values(row, keys, app, account_uuid, today),
    )


def enough(row: Any, *, klasinformatie: bool) -> bool:
    """Was what is asked looked for in this row? Who looks for a token leaves out klasinformatie that it hardly ever asks."""
    return not klasinformatie or hasattr(row, "klassen")


def load_each(
    db: Connection,
    *,
    keys: Keys,
    app: App,
    among: Select[*tuple[Any, ...]],
    today: date,
    klasinformatie: bool,
) -> list[tuple[Any, Facts]]:
    """The facts of today of many: each row of `among` (which has account_uuid and instellingsnummer) with its facts.

    `among` is read once, before anything is looked up for its rows, whose columns come back as `of_…`. Rows without a
    pupil that we know are left out.
    """
    listed = among.cte("among").prefix_with("MATERIALIZED")
    asked = Asked(
        account=listed.c.account_uuid,
        account_text=text_of(listed.c.account_uuid),
        school=listed.c.instellingsnummer,
        client=literal(app.client_id, String()),
        today=literal(today, Date()),
    )
    given = [column.label(f"of_{column.name}") for column in listed.c]
    sources = joined(listed.join(Pupil, Pupil.account_uuid == asked.account), asked)
    found = db.execute(select(*given, *columns(asked, klasinformatie=klasinformatie)).select_from(sources))
    return [
        (
            row,
            of_row(row, keys=keys, app=app, account_uuid=row.of_account_uuid, today=today),
        )
        for row in found
    ]


def _values(row: Any, keys: Keys, app: App, account_uuid: str, today: date) -> dict[str, Any]:
    """Official names when there are any, else those of the enrolment at this school."""
    official = row.voornaam or row.naam
    given, family = (row.voornaam, row.naam) if official else (row.e_voornaam, row.e_naam)
    year, merged = school_year(today), row.history
    return {
        "sub": row.sub or pseudonym.sub_for(keys, app, account_uuid),
        "ov_account_uuid": account_uuid,
        "given_name": given or None,
        "family_name": family or None,
        "name": f"{given} {family}" if given and family else given or family or None,
        "ov_leerid_uuid": [row.leerid_uuid] if row.leerid_uuid else [],
        "ov_historiek_account_uuid": sorted(str(UUID(one)) for one in merged.split(",")) if merged else [],
        "ov_orgcode": row.orgcode,
        "ov_orgnaam": row.school or None,
        "ov_leerjaar": row.leerjaar or None,
        "ov_schooljaar": year,
        "ov_administratieve_groep": row.groep or None,
        "ov_klassen": _klassen(getattr(row, "klassen", None), keys, app, row.orgcode, year),
    }


def _klassen(
    found: list[list[str]] | None, keys: Keys, app: App, orgcode: str | None, year: str
) -> list[dict[str, Any]] | None:
    """The classes of today, classes before subclasses, or None when the package delivered none."""
    if not found:
        return None
    each = {klas: (soort, code.casefold(), klas, code, naam) for klas, code, naam, soort in found}
    return [
        {
            "id": pseudonym.klas_id(keys, app.sector, klas),
            "code": code,
            "naam": naam,
            "soort": soort,
            "orgcode": orgcode,
            "schooljaar": year,
        }
        for soort, _, klas, code, naam in sorted(each.values())
    ]


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


class _lists(GenericFunction[list[list[str]]]):  # noqa: N801 - an SQL function's name
    """SQL: a list of the given columns of every row, as JSON; of none an empty list, or NULL."""

    type = JSON()
    inherit_cache = True


@compiles(_lists, "sqlite")
def _lists_on_sqlite(element: Any, compiler: Any, **words: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **words)}))"


@compiles(_lists, "postgresql")
def _lists_on_postgresql(element: Any, compiler: Any, **words: Any) -> str:
    return f"json_agg(json_build_array({compiler.process(element.clauses, **words)}))"


class text_of(GenericFunction[str]):  # noqa: N801 - an SQL function's name
    """SQL: a UUID of a column as text with dashes, so that it can be looked up in an index on such text."""

    type = String()
    inherit_cache = True


@compiles(text_of, "sqlite")
def _text_on_sqlite(element: Any, compiler: Any, **words: Any) -> str:
    digits = compiler.process(element.clauses, **words)
    return " || '-' || ".join(f"substr({digits}, {at}, {many})" for at, many in _GROUPS)


@compiles(text_of, "postgresql")
def _text_on_postgresql(element: Any, compiler: Any, **words: Any) -> str:
    return f"({compiler.process(element.clauses, **words)})::text"


_GROUPS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
"""Of the digits of a UUID: where each begins, and how many they are."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """SQL: about whom, for which app, when. Parameters, or columns of a statement that asks this beside something else."""

    account: Any
    account_text: Any
    school: Any
    client: Any
    today: Any


@cache
def _statement(*, klasinformatie: bool) -> Prepared:
    """One row for the pupil at the school."""
    asked = Asked(
        account=bindparam("account", type_=ID),
        account_text=bindparam("account_text", type_=String()),
        school=bindparam("school", type_=SCHOOL),
        client=bindparam("client", type_=String()),
        today=bindparam("today", type_=Date()),
    )
    return Prepared(
        select(*columns(asked, klasinformatie=klasinformatie))
        .select_from(joined(Pupil.__table__, asked))
        .where(Pupil.account_uuid == asked.account)
    )


@cache
def _mine() -> Any:
    """The enrolment at this school."""
    return aliased(Enrolment)


def columns(asked: Asked, *, klasinformatie: bool) -> list[Any]:
    """What `of_row` reads, of the tables that `joined` joins. On PostgreSQL klasinformatie is a third of what they cost."""
    mine, merged, anywhere = _mine(), aliased(Pupil), aliased(Enrolment)
    history = (
        select(_listed(merged.account_uuid))
        .where(merged.merged_into == asked.account)
        .correlate_except(merged)
        .scalar_subquery()
    )
    somewhere = select(1).where(
        anywhere.account_uuid == asked.account, visibility.active(anywhere, asked.today)
    )
    active: ColumnElement[bool] = and_(
        Account.account_uuid.is_not(None),
        Account.blocked_at.is_(None),
        Pupil.merged_into.is_(None),
        somewhere.correlate_except(anywhere).exists(),
    )
    found: list[Any] = [
        Pupil.account_uuid.is_not(None).label("pupil"),
        active.label("active"),
        visibility.covers(asked.client, mine, asked.account_text, asked.today).label("by_school"),
        visibility.active(mine, asked.today).label("enrolled"),
        mine.id.is_not(None).label("enrolment"),
        Pupil.voornaam,
        Pupil.naam,
        mine.voornaam.label("e_voornaam"),
        mine.naam.label("e_naam"),
        Pupil.leerid_uuid,
        history.label("history"),
        School.instellingsnummer.label("orgcode"),
        School.kind,
        School.naam.label("school"),
        mine.leerjaar,
        mine.administratieve_groep.label("groep"),
        AppPupil.sub,
    ]
    if klasinformatie:
        shares = agreements.shares(asked.school, asked.today)
        found += [shares.label("shares"), _classes(asked).label("klassen")]
    return found


def _classes(asked: Asked) -> Any:
    """In which classes of this school the pupil sits."""
    sits, klas = aliased(ClassMembership), aliased(Klas)
    return (
        select(_lists(cast(klas.id, String()), klas.code, klas.naam, klas.soort))
        .join(sits, sits.klas == klas.id)
        .where(
            sits.account_uuid == asked.account,
            sits.instellingsnummer == asked.school,
            visibility.current(sits, asked.today),
            klas.instellingsnummer == asked.school,
        )
        .correlate_except(sits, klas)
        .scalar_subquery()
    )


def joined(sources: Any, asked: Asked) -> Any:
    """`sources`, which have the pupil, and everything else that `columns` reads."""
    mine = _mine()
    return (
        sources.outerjoin(Account, Account.account_uuid == Pupil.account_uuid)
        .outerjoin(School, School.instellingsnummer == asked.school)
        .outerjoin(mine, mine.id == visibility.chosen_enrolment(asked.account, asked.school, asked.today))
        .outerjoin(AppPupil, and_(AppPupil.account_uuid == asked.account, AppPupil.client_id == asked.client))
    )
