"""Which user names are free? Those that nobody has, and nobody had within the retention period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat

from sqlalchemy import Connection, select

from idp.login import usernames
from idp.models import Account, RetiredUsername

_AT_A_TIME = 400


def choose(db: Connection, bases: Sequence[str]) -> list[str]:
    """For each base, in this order, the first candidate that is nobody's and was not chosen just before."""
    known = dict.fromkeys(bases, False) | dict.fromkeys(_taken(db, bases), True)
    given: list[str] = []
    for base in bases:
        name = next(name for name in walk(db, base, known) if not known[name])
        known[name] = True
        given.append(name)
    return given


def walk(db: Connection, base: str, known: dict[str, bool]) -> Iterator[str]:
    """Candidates, after looking up many at a time whether somebody has or had them: `known` hears which."""
    names = usernames.candidates(base)
    for size in chain([1, 9], repeat(50)):
        these = [*islice(names, size)]
        new = [name for name in these if name not in known]
        if new:
            known |= dict.fromkeys(new, False) | dict.fromkeys(_taken(db, new), True)
        yield from these


def retired(db: Connection, names: Sequence[str]) -> set[str]:
    """Those that were somebody's."""
    found: set[str] = set()
    for some in _portions(names):
        found |= {*db.scalars(select(RetiredUsername.username).where(RetiredUsername.username.in_(some)))}
    return found


def _taken(db: Connection, names: Sequence[str]) -> set[str]:
    """Those that are or were somebody's."""
    found = retired(db, names)
    for some in _portions(names):
        found |= {*db.scalars(select(Account.username).where(Account.username.in_(some)))}
    return found


def _portions(names: Sequence[str]) -> Iterator[list[str]]:
    distinct = [*dict.fromkeys(names)]
    for start in range(0, len(distinct), _AT_A_TIME):
        yield distinct[start : start + _AT_A_TIME]
