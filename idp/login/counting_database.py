"""How are tries counted in the database, so that tries at the same moment never count as one?

The caller's transaction holds every row it touched until it ends. Works alike on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from idp.config import Settings
from idp.login import counting, slowing
from idp.login.counting import Closed, Reserved
from idp.login.slowing import Counter, State
from idp.models import Moment, Throttle, WrongSecret
from idp.prepared import Prepared

_AT_A_TIME = 3
"""Counters in one prepared statement, of which there is one for each number: a try on a name looks at three at most."""


class InDatabase:
    """The counters (see counting.Counters), through one transaction of the caller."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def closed(self, names: Sequence[str], now: datetime) -> Sequence[tuple[str, datetime]]:
        found = []
        for few in _some_at_a_time(names):
            found += _closed(len(few)).rows(self._db, _numbered("name", few) | {"now": now})
        return [(row.key, row.closed_until) for row in found]

    def take_first(self, first: Reserved, watched: Sequence[str], now: datetime) -> bool:
        given = {f"to_{column}": getattr(first.after, column) for column in slowing.COLUMNS}
        given |= _numbered("name", watched) | {"to_key": first.key, "now": now}
        return _take_first(self._db.dialect.name, len(watched)).run(self._db, given) == 1

    def take(
        self, wanted: Mapping[str, Counter], now: datetime, settings: Settings
    ) -> tuple[Reserved, ...] | tuple[Closed, ...]:
        found = self._hold(sorted(wanted), now)
        answer = counting.decide({name: wanted[name] for name in found}, found, now, settings)
        fresh_is_right = State(count=1, since=now, changed_at=now)
        changed = []
        for one in answer:
            if isinstance(one, Closed):
                self.remove([name for name, before in found.items() if before is None])
                return answer
            if one.before is not None or one.after != fresh_is_right:
                changed.append(one)
        self._write(changed)
        return answer

    def _hold(self, names: Sequence[str], now: datetime) -> dict[str, State | None]:
        """Each row, held until the transaction ends; None for one that was made just now, with one try in it."""
        fresh = {"count": 1, "since": now, "closed_until": None, "level": 0, "changed_at": now}
        found: dict[str, State | None] = {}
        while missing := [name for name in names if name not in found]:
            for name in missing:
                made = _insert_fresh(self._db.dialect.name).first(self._db, fresh | {"key": name})
                if made is not None:
                    found[name] = None
            there = [name for name in missing if name not in found]
            if there:
                rows = self._db.execute(_held(), {"names": there})
                found |= {key: _state(values) for key, *values in rows}
        return {name: found[name] for name in names}

    def _write(self, rows: Sequence[Reserved]) -> None:
        """Keep what became of rows that `_hold` holds."""
        if rows:
            self._db.execute(
                update(Throttle)
                .where(Throttle.key == bindparam("name"))
                .values({column: bindparam(f"to_{column}") for column in slowing.COLUMNS}),
                [
                    {"name": one.key}
                    | {f"to_{column}": getattr(one.after, column) for column in slowing.COLUMNS}
                    for one in rows
                ],
            )

    def give_back(self, rows: Iterable[Reserved], *, tries: int) -> None:
        for one in rows:
            before, after = one.before, one.after
            earlier = literal(before.changed_at if before else after.since, Moment())
            values: dict[str, Any] = {
                "count": case((Throttle.count > tries, Throttle.count - tries), else_=0),
                "changed_at": case(
                    (Throttle.changed_at == after.changed_at, earlier),
                    else_=Throttle.changed_at,
                ),
            }
            if after.closed_until is not None:
                mine = Throttle.closed_until == after.closed_until
                values["closed_until"] = case((mine, null()), else_=Throttle.closed_until)
                values["level"] = case((mine, before.level if before else 0), else_=Throttle.level)
            self._db.execute(update(Throttle).where(Throttle.key == one.key).values(values))

    def settle(self, *, reset: Sequence[str], refund: Sequence[str]) -> dict[str, tuple[int, datetime]]:
        which = _numbered("reset", reset) | _numbered("refund", refund)
        rows = _settle(len(reset), len(refund)).rows(self._db, which)
        return {row.key: (row.count, row.changed_at) for row in rows}

    def bump(
        self,
        name: str,
        now: datetime,
        *,
        kept: timedelta,  # noqa: ARG002 - `idp tidy` removes old rows
        after: timedelta | None = None,
        after_quiet: timedelta | None = None,
    ) -> int:
        fresh = {"count": 1, "since": now, "closed_until": None, "level": 0, "changed_at": now, "key": name}
        if over := after or after_quiet:
            fresh["limit"] = now - over
        starts = "since" if after else "changed_at" if after_quiet else None
        statement = _bump(self._db.dialect.name, starts)
        return int(self._db.execute(statement, fresh).scalar_one())

    def close(self, name: str, until: datetime, now: datetime) -> None:  # noqa: ARG002 - rows stay for `idp tidy`
        begun = {
            "key": name,
            "count": 0,
            "since": until,
            "closed_until": until,
            "level": 0,
            "changed_at": until,
        }
        self._db.execute(_close(self._db.dialect.name), begun)

    def tally(self, name: str, now: datetime, *, days: int) -> int:
        self.bump(_day_of(name, now), now, kept=timedelta(days=days))
        return self.tallied(name, now, days=days)

    def untally(self, name: str, now: datetime, count: int) -> None:
        self._db.execute(
            update(Throttle)
            .where(Throttle.key == _day_of(name, now))
            .values(count=case((Throttle.count > count, Throttle.count - count), else_=0))
        )

    def tallied(self, name: str, now: datetime, *, days: int) -> int:
        first = _day_of(name, now - timedelta(days=days - 1))
        total = self._db.execute(
            select(func.sum(Throttle.count)).where(Throttle.key >= first, Throttle.key <= _day_of(name, now))
        ).scalar_one()
        return int(total or 0)

    def is_new_mistake(self, digest: str, now: datetime, *, hours: int) -> bool:
        given = {"digest": digest, "tried_at": now, "old": now - timedelta(hours=hours)}
        return self._db.execute(_mistake(self._db.dialect.name), given).one_or_none() is not None

    def states(self, names: Iterable[str]) -> dict[str, State]:
        rows = self._db.execute(_seen(), {"names": [*names]})
        return {key: _state(values) for key, *values in rows}

    def remove(self, names: Iterable[str]) -> int:
        wanted = [*names]
        if not wanted:
            return 0
        return self._db.execute(delete(Throttle).where(Throttle.key.in_(wanted))).rowcount


def _state(values: Sequence[Any]) -> State:
    return State(**dict(zip(slowing.COLUMNS, values, strict=True)))


def _day_of(name: str, now: datetime) -> str:
    """One row a day; the days of one counter lie side by side."""
    return f"{name}{now.date().toordinal():07d}"


@cache
def _seen() -> Select[*tuple[Any, ...]]:
    columns = (getattr(Throttle, column) for column in slowing.COLUMNS)
    return select(Throttle.key, *columns).where(Throttle.key.in_(bindparam("names", expanding=True)))


@cache
def _held() -> Select[*tuple[Any, ...]]:
    return _seen().order_by(Throttle.key).with_for_update()


def _some_at_a_time(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[at : at + _AT_A_TIME] for at in range(0, len(names), _AT_A_TIME)]


def _numbered(word: str, names: Sequence[str]) -> dict[str, str]:
    """Parameters for `_among`."""
    return {f"{word}_{at}": name for at, name in enumerate(names)}


def _among(word: str, many: int) -> ColumnElement[bool]:
    return Throttle.key.in_([bindparam(f"{word}_{at}", type_=String()) for at in range(many)])


def _is_closed(many: int) -> ColumnElement[bool]:
    return and_(_among("name", many), Throttle.closed_until > bindparam("now", type_=Moment()))


@cache
def _closed(many: int) -> Prepared:
    return Prepared(select(Throttle.key, Throttle.closed_until).where(_is_closed(many)))


@cache
def _take_first(dialect: str, watched: int) -> Prepared:
    columns = ("key", *slowing.COLUMNS)
    given = [bindparam(f"to_{name}", type_=getattr(Throttle, name).type) for name in columns]
    open_ = ~select(Throttle.key).where(_is_closed(watched)).exists() if watched else true()
    return Prepared(
        _insert(dialect).from_select(columns, select(*given).where(open_)).on_conflict_do_nothing()
    )


@cache
def _insert_fresh(dialect: str) -> Prepared:
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(Throttle)
    return Prepared(insert.on_conflict_do_nothing().returning(Throttle.key))


@cache
def _settle(reset: int, refund: int) -> Prepared:
    mine_alone = and_(_among("refund", refund), Throttle.count <= 1, Throttle.level == 0)
    over = _among("reset", reset)
    return Prepared(
        delete(Throttle)
        .where(or_(over, mine_alone) if refund else over)
        .returning(Throttle.key, Throttle.count, Throttle.changed_at)
    )


def _insert(dialect: str, table: Any = Throttle) -> Any:
    return (sqlite if dialect == "sqlite" else postgresql).insert(table)


@cache
def _bump(dialect: str, starts: str | None) -> Any:
    """Add one; `starts` names the moment from which a counter is over at `limit`."""
    statement = _insert(dialect)
    values: dict[str, Any] = {"changed_at": statement.excluded.changed_at, "count": Throttle.count + 1}
    if starts is not None:
        over = getattr(Throttle, starts) <= bindparam("limit")
        values["count"] = case((over, 1), else_=Throttle.count + 1)
        values["since"] = case((over, statement.excluded.since), else_=Throttle.since)
    return statement.on_conflict_do_update(index_elements=["key"], set_=values).returning(Throttle.count)


@cache
def _close(dialect: str) -> Any:
    statement = _insert(dialect)
    said = {name: getattr(statement.excluded, name) for name in ("closed_until", "changed_at")}
    return statement.on_conflict_do_update(index_elements=["key"], set_=said)


@cache
def _mistake(dialect: str) -> Any:
    statement = _insert(dialect, WrongSecret)
    said = {"tried_at": statement.excluded.tried_at}
    old = WrongSecret.tried_at <= bindparam("old")
    return statement.on_conflict_do_update(index_elements=["digest"], set_=said, where=old).returning(
        WrongSecret.digest
    )
