"""How does a row of the audit trail or the ledger show that we wrote it? By a keyed mark over everything in it.

The mark is an HMAC-SHA256 over the row as canonical JSON, made when the row is written: no other row is needed, so
nobody waits. Who changes or adds a row without the key is found out (admin/records/verifying.py); who takes one away is found
out by the chain that admin/records/sealing.py makes of the rows. Columns that are empty do not count, so that a later version
may add one without making old marks wrong.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Connection

OPTION = "idp_marks"
"""Under this word a connection knows with which keys its rows are marked (database.py)."""
_HOW = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z


class Verdict(StrEnum):
    GOOD = "good"
    WRONG = "wrong"
    """Somebody without the key wrote or changed the row."""
    STRANGE_KEY = "strange key"
    """Made with a key that this machine does not have."""
    NONE = "none"
    """Written by a version that made no marks, or past us."""


@dataclass(frozen=True)
class Marks:
    """The keys of marks: the newest one marks, older ones still judge."""

    keys: Mapping[str, bytes] = field(repr=False)
    """By id, newest first."""

    @property
    def current(self) -> str:
        return next(iter(self.keys))

    def of(self, trail: str, row: Mapping[str, Any]) -> str:
        """The mark for a row that is about to be written."""
        return _mark(self.current, self.keys[self.current], trail, row)

    def judge(self, trail: str, row: Mapping[str, Any]) -> Verdict:
        """Is the mark in this row, as it was read, the one that it would get?"""
        said = row.get("mark")
        if said is None:
            return Verdict.NONE
        kid = str(said).partition(":")[0]
        if kid not in self.keys:
            return Verdict.STRANGE_KEY
        return (
            Verdict.GOOD
            if hmac.compare_digest(_mark(kid, self.keys[kid], trail, row), str(said))
            else Verdict.WRONG
        )


def named(keys: Mapping[str, bytes]) -> Marks:
    """Keys by file name (`audit-1`), newest first; an id also tells two keys with the same name apart."""
    return Marks(
        {f"{name}.{hashlib.sha256(b'mark' + key).hexdigest()[:8]}": key for name, key in keys.items()}
    )


def for_row(db: Connection, trail: str, row: Mapping[str, Any]) -> str | None:
    """The mark for a row that this connection is about to write; None where nothing is marked (a bare database)."""
    marks: Marks | None = db.get_execution_options().get(OPTION)
    return None if marks is None else marks.of(trail, row)


def canonical(trail: str, row: Mapping[str, Any]) -> bytes:
    """The row as bytes that are the same when it is written and when it is read, on any database."""
    said = {name: value for name, value in row.items() if value is not None and name != "mark"}
    return trail.encode() + b"\n" + orjson.dumps(said, option=_HOW)


def _mark(kid: str, key: bytes, trail: str, row: Mapping[str, Any]) -> str:
    return f"{kid}:{hmac.digest(key, canonical(trail, row), 'sha256')[:16].hex()}"
