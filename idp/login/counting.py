"""How are the rows of counters read and written, so that tries at the same moment never count as one?

The caller's transaction holds every row it touched until it ends. Works alike on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, case, delete, literal, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from idp.login import slowing
from idp.login.slowing import Counter, State
from idp.models import Moment, Throttle, WrongSecret
from idp.prepared import Prepared


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """A try that was taken from a counter."""

    key: str
    counter: Counter
    before: State | None
    after: State


def closed(db: Connection, names: Sequence[str], now: datetime) -> Sequence[tuple[str, datetime]]:
    """Which of these are closed, and until when."""
    return [(name, until) for name, until in db.execute(_closed(), {"names": names, "now": now})]


def open_rows(db: Connection, names: Sequence[str], now: datetime) -> dict[str, State | None]:
    """Each row, held until the transaction ends; None for one that was made just now, with one try in it."""
    fresh = {"count": 1, "since": now, "closed_until": None, "level": 0, "changed_at": now}
    found: dict[str, State | None] = {}
    while missing := [name for name in names if name not in found]:
        for name in missing:
            if _insert_fresh(db.dialect.name).first(db, fresh | {"key": name}) is not None:
                found[name] = None
        there = [name for name in missing if name not in found]
        if there:
            found |= {key: _state(values) for key, *values in db.execute(_held(), {"names": there})}
    return {name: found[name] for name in names}


def settle(db: Connection, *, reset: Sequence[str], refund: Sequence[str]) -> dict[str, tuple[int, datetime]]:
    """Remove the rows of `reset`, and those of `refund` that hold one try only. Returns the removed: count, last."""
    rows = db.execute(_settle(), {"reset": reset, "refund": refund})
    return {name: (count, last) for name, count, last in rows}


@cache
def _closed() -> Select[*tuple[Any, ...]]:
    return select(Throttle.key, Throttle.closed_until).where(
        Throttle.key.in_(bindparam("names", expanding=True)), Throttle.closed_until > bindparam("now")
    )


@cache
def _insert_fresh(dialect: str) -> Prepared:
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(Throttle)
    return Prepared(insert.on_conflict_do_nothing().returning(Throttle.key))


@cache
def _held() -> Select[*tuple[Any, ...]]:
    return (
        select(Throttle.key, *(getattr(Throttle, column) for column in slowing.COLUMNS))
        .where(Throttle.key.in_(bindparam("names", expanding=True)))
        .order_by(Throttle.key)
        .with_for_update()
    )


@cache
def _settle() -> Any:
    mine_alone = and_(
        Throttle.key.in_(bindparam("refund", expanding=True)), Throttle.count <= 1, Throttle.level == 0
    )
    return (
        delete(Throttle)
        .where(or_(Throttle.key.in_(bindparam("reset", expanding=True)), mine_alone))
        .returning(Throttle.key, Throttle.count, Throttle.changed_at)
    )


def is_new_mistake(db: Connection, digest: str, now: datetime, *, hours: int) -> bool:
    """Note this wrong secret; False when it was noted in the last `hours` already."""
    statement = _insert(db, WrongSecret)
    old = WrongSecret.tried_at <= bindparam("old")
    statement = statement.on_conflict_do_update(
        index_elements=["digest"], set_={"tried_at": statement.excluded.tried_at}, where=old
    )
    given = {"digest": digest, "tried_at": now, "old": now - timedelta(hours=hours)}
    return db.execute(statement.returning(WrongSecret.digest), given).one_or_none() is not None


def _state(values: Sequence[Any]) -> State:
    return State(**dict(zip(slowing.COLUMNS, values, strict=True)))


def _insert(db: Connection, table: Any = Throttle) -> Any:
    return (sqlite if db.dialect.name == "sqlite" else postgresql).insert(table)


def bump(
    db: Connection,
    name: str,
    now: datetime,
    *,
    after: timedelta | None = None,
    after_quiet: timedelta | None = None,
) -> int:
    """Add one and return the count. It starts anew `after` its first, or `after_quiet` since its last."""
    fresh = {"count": 1, "since": now, "closed_until": None, "level": 0, "changed_at": now, "key": name}
    statement = _insert(db)
    kept: dict[str, Any] = {"changed_at": statement.excluded.changed_at, "count": Throttle.count + 1}
    if after or after_quiet:
        over = (Throttle.since if after else Throttle.changed_at) <= bindparam("limit")
        kept["count"] = case((over, 1), else_=Throttle.count + 1)
        kept["since"] = case((over, statement.excluded.since), else_=Throttle.since)
        fresh["limit"] = now - (after or after_quiet or timedelta())
    statement = statement.on_conflict_do_update(index_elements=["key"], set_=kept)
    return int(db.execute(statement.returning(Throttle.count), fresh).scalar_one())


def close(db: Connection, name: str, until: datetime) -> None:
    """Close a counter, which may not have a row yet."""
    begun = {"key": name, "count": 0, "since": until, "closed_until": until, "level": 0, "changed_at": until}
    statement = _insert(db)
    db.execute(
        statement.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "closed_until": statement.excluded.closed_until,
                "changed_at": statement.excluded.changed_at,
            },
        ),
        begun,
    )


def write(db: Connection, rows: Sequence[Reserved]) -> None:
    """Keep what became of rows that `open_rows` holds."""
    if rows:
        db.execute(
            update(Throttle)
            .where(Throttle.key == bindparam("name"))
            .values({column: bindparam(f"to_{column}") for column in slowing.COLUMNS}),
            [
                {"name": one.key} | {f"to_{column}": getattr(one.after, column) for column in slowing.COLUMNS}
                for one in rows
            ],
        )


def give_back(db: Connection, rows: Iterable[Reserved], *, tries: int) -> None:
    """Take tries off; what one of these closed opens again, what others closed meanwhile stays closed."""
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
        db.execute(update(Throttle).where(Throttle.key == one.key).values(values))


def remove(db: Connection, names: Iterable[str]) -> None:
    wanted = [*names]
    if wanted:
        db.execute(delete(Throttle).where(Throttle.key.in_(wanted)))
