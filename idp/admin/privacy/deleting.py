"""How do many rows go without anybody waiting for them? Looked for first, and deleted in short transactions.

A transaction takes as many rows as are done in a fifth of a second on this machine, and is tried again by itself: on SQLite
everybody who signs in waits for it, on PostgreSQL whoever wants one of its rows. What an index leads to is deleted straight
away; what only a walk through a table finds is looked for outside any transaction, once, in the order of its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Select, delete, literal, select, tuple_

from idp import pacing
from idp.context import House
from idp.models import Base
from idp.pacing import Pace

LOOKED = 5_000
"""Rows that are found at once."""
WORDS = 500
"""Values in one IN (…): under the limits of every database."""


def straight(house: House, model: type[Base], moment: Any, condition: ColumnElement[bool]) -> int:
    """Delete the rows that fulfil this, to which an index on `moment` leads. Returns how many.

    The oldest go first, and each look begins where the last one ended: a database that may choose another order begins
    anew each time, and walks past all that stays.
    """
    keys, pace, total = _keys(model), Pace(house.clock.monotonic), 0
    oldest = select(*keys, moment.label("moment")).where(condition).order_by(moment)
    further = oldest
    while True:
        with pace.kept() as rows:
            some = partial(_some, model=model, query=further.limit(rows), condition=condition)
            found, count, last = house.database.retrying(some)
        total += count
        if found < rows or not count:
            return total
        further = oldest.where(moment >= literal(last, moment.type))


def walking(house: House, model: type[Base], condition: ColumnElement[bool]) -> int:
    """Delete rows of which only looking at each can tell. Returns how many."""
    keys, pace, total = _keys(model), Pace(house.clock.monotonic), 0
    for found in _walk(house, keys, condition):
        for piece in pace.pieces(found):
            these = partial(_these, model=model, keys=keys, condition=condition, found=piece)
            total += house.database.retrying(these)
    return total


class Work(Protocol):
    """What is done, in one transaction, with the rows of these keys; returns how many it changed."""

    def __call__(self, db: Connection, *, found: Sequence[str]) -> int: ...


def by_and_by(house: House, key: Any, condition: ColumnElement[bool], work: Work) -> int:
    """Do `work` with the keys of every row that fulfils the condition, some in each transaction. Returns its sum."""
    pace, total = Pace(house.clock.monotonic, rows=pacing.LEAST), 0
    for found in _walk(house, [key], condition):
        for piece in pace.pieces([one[0] for one in found]):
            total += house.database.retrying(partial(work, found=piece))
    return total


def _walk(house: House, keys: list[Any], condition: ColumnElement[bool]) -> Iterator[Sequence[Any]]:
    """The keys of the rows that fulfil it, in their order: the table is walked through once."""
    query = select(*keys).where(condition).order_by(*keys).limit(LOOKED)
    further = query
    while True:
        with house.database.reading() as db:
            found = db.execute(further).all()
        if found:
            yield found
        if len(found) < LOOKED:
            return
        last = [literal(value, key.type) for key, value in zip(keys, found[-1], strict=True)]
        further = query.where(tuple_(*keys) > tuple_(*last) if len(keys) > 1 else keys[0] > last[0])


def _keys(model: type[Base]) -> list[Any]:
    return list(model.__table__.primary_key)


def _some(
    db: Connection, *, model: type[Base], query: Select[*tuple[Any, ...]], condition: ColumnElement[bool]
) -> tuple[int, int, Any]:
    """How many were found and deleted, and the moment of the last one."""
    found = db.execute(query).all()
    keys = [row[:-1] for row in found]
    count = _these(db, model=model, keys=_keys(model), condition=condition, found=keys)
    return len(found), count, found[-1].moment if found else None


def _these(
    db: Connection,
    *,
    model: type[Base],
    keys: list[Any],
    condition: ColumnElement[bool],
    found: Sequence[Any],
) -> int:
    """Those of them that still fulfil the condition."""
    count = 0
    for at in range(0, len(found), WORDS):
        some = found[at : at + WORDS]
        among = (
            tuple_(*keys).in_([tuple(one) for one in some])
            if len(keys) > 1
            else keys[0].in_([one[0] for one in some])
        )
        count += db.execute(delete(model).where(among, condition)).rowcount
    return count
