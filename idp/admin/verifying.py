"""Was anything in the audit trail or the ledger changed, added, taken away or moved since it was written, and where?

Everything is looked at again: the mark of every row, every seal against its rows and the seal before it, every anchor
and its signature, and the anchors that a file outside the database kept. What is wrong is named with its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, select

from idp.admin import anchors, sealing
from idp.context import House
from idp.marks import Verdict
from idp.models import AuditEvent, Seal, SealedRows

PAGE = 2_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it was, or that somebody should know."""

    trail: str
    what: str
    """A word for programs: `edited`, `deleted`, `inserted`, `seal_changed` …"""
    where: str
    """A row's id, or the number of a seal or anchor."""
    words: str


@dataclass
class Report:
    problems: list[Finding] = field(default_factory=list)
    remarks: list[Finding] = field(default_factory=list)
    """True, and no sign that anything was touched."""
    rows: dict[str, int] = field(default_factory=dict)
    seals: int = 0
    anchors: int = 0

    @property
    def good(self) -> bool:
        return not self.problems

    def wrong(self, trail: str, what: str, where: object, words: str) -> None:
        self.problems.append(Finding(trail=trail, what=what, where=str(where), words=words))

    def note(self, trail: str, what: str, where: object, words: str) -> None:
        self.remarks.append(Finding(trail=trail, what=what, where=str(where), words=words))


def verify(
    house: House,
    *,
    kept: Iterable[Path] = (),
    accepted: Collection[str] = (),
    looked_at: Callable[[int], None] | None = None,
) -> Report:
    """Look at everything again. `kept` are files with statements that were kept elsewhere; nothing is changed.

    `accepted`: ids of the events of restores that somebody knows of; what was lost with those is no problem.
    """
    report = Report()
    with house.database.reading() as db:
        statements = anchors.all_of(db, house)
        _anchors(report, statements)
        lost = [one for file in kept for one in _lost(house, statements, file)]
        _tell_lost(report, lost, _restores(db, house), accepted)
        for model in sealing.TRAILS:
            table = sealing.table_of(model)
            purge = anchors.newest_purge(db, house, table.name)
            members = _chain(db, report, table.name, statements, purge)
            rows = _Rows(house, report, table, members)
            rows.walk(db, looked_at or (lambda _count: None))
            report.rows[table.name] = rows.count
    return report


# ---------------------------------------------------------------- anchors


def _anchors(report: Report, statements: Sequence[anchors.Statement]) -> None:
    previous = anchors.NOTHING
    for expected, one in enumerate(statements, 1):
        report.anchors += 1
        if not one.good:
            report.wrong(
                "anchor", "anchor_forged", one.number, f"its signature (key {one.kid or '?'}) is not ours"
            )
        elif one.number != expected or one.said.get("previous") != previous:
            report.wrong("anchor", "anchor_missing", one.number, "it does not follow the anchor before it")
        previous = one.sha256


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A statement that an outsider kept, and that is not in the database letter for letter."""

    where: str
    at: datetime | None
    """When we made it; None: it is not ours, or cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Restore:
    """The database came back from a backup: what was written in between is not in it."""

    event: str
    made_at: datetime
    at: datetime

    def explains(self, lost: Lost) -> bool:
        return lost.at is not None and self.made_at <= lost.at <= self.at


def _lost(house: House, statements: Sequence[anchors.Statement], file: Path) -> Iterator[Lost]:
    known = {one.jws for one in statements}
    for line, jws in enumerate(file.read_text(encoding="ascii", errors="replace").split(), 1):
        if jws not in known:
            yield Lost(where=f"{file.name}:{line}", at=anchors.made_at(house, jws))


def _restores(db: Connection, house: House) -> list[Restore]:
    """Those that the trail tells of under our mark: nobody without the key explains a loss away."""
    table = sealing.table_of(AuditEvent)
    rows: Iterable[Any] = db.execute(
        select(table).where(table.c.event == "restored").order_by(table.c.id)
    ).mappings()
    return [
        Restore(event=row["id"], made_at=datetime.fromisoformat(str(row["details"]["made_at"])), at=row["at"])
        for row in rows
        if house.keys.marks.judge(table.name, row) is Verdict.GOOD
    ]


def _tell_lost(
    report: Report, lost: Sequence[Lost], restores: Sequence[Restore], accepted: Collection[str]
) -> None:
    by_restore: dict[str, int] = {}
    for one in lost:
        because = next((restore for restore in restores if restore.explains(one)), None)
        if because is None:
            report.wrong(
                "anchor",
                "anchor_lost",
                one.where,
                "it was stated, and is not in the database; no restore explains it",
            )
        else:
            by_restore[because.event] = by_restore.get(because.event, 0) + 1
    for restore in restores:
        if restore.event in by_restore:
            tell = report.note if restore.event in accepted else report.wrong
            words = (
                f"restored on {restore.at:%Y-%m-%d %H:%M} UTC to what was there on {restore.made_at:%Y-%m-%d %H:%M} UTC: "
                f"what came between is lost with it, and {by_restore[restore.event]} kept anchors"
            )
            tell("anchor", "restored", restore.event, words)


# ---------------------------------------------------------------- the chain


@dataclass(frozen=True, kw_only=True)
class Members:
    """What the chain says about the rows that must be there."""

    runs: tuple[tuple[int, str], ...]
    """Number and last row of every run that was sealed in order."""
    late: dict[str, bytes]
    """Digest by id of rows that were sealed late."""
    gone: frozenset[str]
    """Rows that are being purged right now."""


def _chain(
    db: Connection,
    report: Report,
    trail: str,
    statements: Sequence[anchors.Statement],
    purge: anchors.Statement | None,
) -> Members:
    number = int(purge.said["through"]) if purge else 0
    previous = str(purge.said["hash"]) if purge else anchors.NOTHING
    hashes = {number: previous}
    runs: list[tuple[int, str]] = []
    late: dict[str, bytes] = {}
    gone: set[str] = set()
    for row in db.execute(select(Seal.__table__).where(Seal.trail == trail).order_by(Seal.number)).mappings():
        body = _body(db, trail, row["number"])
        if purge and row["number"] <= int(purge.said["through"]):
            gone |= {one for one, _digest in sealing.sealed(body or b"")}
            continue
        report.seals += 1
        if row["number"] != number + 1:
            report.wrong(
                trail, "seal_missing", number + 1, f"the chain goes on at {row['number']}: seals are gone"
            )
        elif row["previous"] != previous:
            report.wrong(trail, "seal_moved", row["number"], "it does not follow the seal before it")
        if sealing.hash_of(dict(row)) != row["hash"]:
            report.wrong(trail, "seal_changed", row["number"], "it is not what it was when it was made")
        number, previous = row["number"], row["hash"]
        hashes[number] = previous
        if body is None or hashlib.sha256(body).hexdigest() != row["rows_sha256"]:
            report.wrong(trail, "seal_changed", number, "its list of rows is not what it was")
            continue
        if row["unmarked"]:
            words = f"{row['unmarked']} rows without mark: of a version before there were marks, or written past us"
            report.note(trail, "unmarked", number, words)
        if row["late"]:
            late.update(sealing.sealed(body))
        else:
            runs.append((number, row["last_id"]))
    _heads(report, trail, statements, hashes, int(purge.said["through"]) if purge else 0)
    return Members(runs=tuple(runs), late=late, gone=frozenset(gone))


def _body(db: Connection, trail: str, number: int) -> bytes | None:
    mine = select(SealedRows.rows).where(SealedRows.trail == trail, SealedRows.number == number)
    return db.execute(mine).scalar()


def _heads(
    report: Report, trail: str, statements: Sequence[anchors.Statement], hashes: dict[int, str], purged: int
) -> None:
    """Where every anchor says that the chain ended, it must have come by."""
    for one in statements:
        for end in one.said.get("heads", ()) if one.good else ():
            if end["trail"] != trail or end["number"] < purged or end["number"] == 0:
                continue
            if hashes.get(end["number"]) != end["hash"]:
                words = f"anchor {one.number} of {one.said['at'][:10]} states another seal here"
                report.wrong(trail, "chain_rewritten", end["number"], words)


# ---------------------------------------------------------------- rows


class _Rows:
    """One walk along the rows of a trail, beside what the chain says about them."""

    def __init__(self, house: House, report: Report, table: Table, members: Members) -> None:
        self._house, self._report, self._table, self._members = house, report, table, members
        self._late_seen: set[str] = set()
        self.count = 0

    def walk(self, db: Connection, looked_at: Callable[[int], None]) -> None:
        key, last = self._table.c.id, None
        for number, end in self._members.runs:
            here = key <= end if last is None else and_(key > last, key <= end)
            self._run(db, number, here)
            last = end
            looked_at(self.count)
        self._run(db, None, key.is_not(None) if last is None else key > last)
        for one in self._members.late.keys() - self._late_seen:
            self._gone(one, "late")

    def _run(self, db: Connection, number: int | None, here: ColumnElement[bool]) -> None:
        """The rows of one seal, or behind the last one."""
        trail = self._table.name
        body = dict(sealing.sealed(_body(db, trail, number) or b"")) if number is not None else {}
        seen = set()
        for row in _between(db, self._table, here):
            one = row["id"]
            if one in self._members.gone:
                continue
            self.count += 1
            digest = body.get(one) or self._members.late.get(one)
            if digest is not None:
                seen.add(one)
                self._compare(row, digest)
            elif number is None:
                self._unsealed(row)
            else:
                self._stranger(row)
        self._late_seen |= seen
        for one in body.keys() - seen:
            self._gone(one, str(number))

    def _gone(self, one: str, seal: str) -> None:
        words = f"written {_written(one)}, sealed ({seal}), and gone"
        self._report.wrong(self._table.name, "deleted", one, words)

    def _compare(self, row: Any, digest: bytes) -> None:
        if sealing.digest(self._table.name, row) != digest:
            words = f"{_about(row)}: not what it was when it was sealed"
            self._report.wrong(self._table.name, "edited", row["id"], words)
        else:
            self._judge(row)

    def _judge(self, row: Any) -> None:
        """The mark alone, for a row that a seal vouches for or that none does yet."""
        trail = self._table.name
        verdict = self._house.keys.marks.judge(trail, row)
        if verdict is Verdict.WRONG:
            words = f"{_about(row)}: its mark does not fit what it says"
            self._report.wrong(trail, "edited", row["id"], words)
        elif verdict is Verdict.STRANGE_KEY:
            kid = row["mark"].partition(":")[0]
            words = f"marked with {kid}, which this machine does not have"
            self._report.wrong(trail, "strange_key", row["id"], words)

    def _stranger(self, row: Any) -> None:
        """Between sealed rows stands one that no seal knows."""
        trail = self._table.name
        if self._house.keys.marks.judge(trail, row) is Verdict.GOOD:
            self._report.note(trail, "late", row["id"], f"{_about(row)}: ours; the next anchor seals it")
        else:
            words = f"{_about(row)}: no seal knows it, and its mark is not ours"
            self._report.wrong(trail, "inserted", row["id"], words)

    def _unsealed(self, row: Any) -> None:
        trail = self._table.name
        if self._house.keys.marks.judge(trail, row) is Verdict.NONE:
            self._report.note(trail, "unmarked", row["id"], f"{_about(row)}: without mark, not sealed yet")
        else:
            self._judge(row)


def _between(db: Connection, table: Table, condition: Any) -> Iterator[Any]:
    """Rows in order, page by page."""
    last: str | None = None
    while True:
        query = select(table).where(condition).order_by(table.c.id).limit(PAGE)
        rows = db.execute(query if last is None else query.where(table.c.id > last)).mappings().all()
        yield from rows
        if len(rows) < PAGE:
            return
        last = rows[-1]["id"]


def _about(row: Any) -> str:
    name = row.get("event") or f"{row.get('client_id')} {row.get('channel')}"
    return f"{name}, {row['at']:%Y-%m-%d %H:%M:%S}"


def _written(identifier: str) -> str:
    """When a row with this identifier was written: it begins with the time."""
    milliseconds = int(identifier.replace("-", "")[:12], 16)
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"
