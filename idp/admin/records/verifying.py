"""Was anything in the audit trail or the ledger changed, added, taken away or moved since it was written, and where?

Everything is looked at again: the mark of every row, every seal against its rows and the seal before it, every anchor
and its signature, and the anchors that a file outside the database kept. What is wrong is named with its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, select

from idp.admin.records import anchors, sealing
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
    seal: int | None = None
    """The seal that it is about; None: no seal has it yet, or it is about an anchor."""
    row: int | None = None
    """The place of the row in that seal, from 1."""


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

    def wrong(
        self,
        trail: str,
        what: str,
        where: object,
        words: str,
        *,
        seal: int | None = None,
        row: int | None = None,
    ) -> None:
        self.problems.append(
            Finding(trail=trail, what=what, where=str(where), words=words, seal=seal, row=row)
        )

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
        statements = statements_in_order(db, house, report, kept=kept, accepted=accepted)
        for model in sealing.TRAILS:
            table = sealing.table_of(model)
            purge = anchors.newest_purge(db, house, table.name)
            members = _chain(db, report, table.name, statements, purge)
            rows = Rows(house, report, table, members)
            rows.walk(db, looked_at or (lambda _count: None))
            report.rows[table.name] = rows.count
    return report


# ---------------------------------------------------------------- anchors


def statements_in_order(
    db: Connection, house: House, report: Report, *, kept: Iterable[Path], accepted: Collection[str]
) -> list[anchors.Statement]:
    """Every statement, after a look at their signatures, their order and at what was kept of them elsewhere."""
    statements = anchors.all_of(db, house)
    _anchors(report, statements)
    lost = [one for file in kept for one in _lost(house, statements, file)]
    _tell_lost(report, lost, _restores(db, house), accepted)
    return statements


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
        body = body_of(db, trail, row["number"])
        if purge and row["number"] <= int(purge.said["through"]):
            gone |= {one for one, _digest in sealing.sealed(body or b"")}
            continue
        usable = link(report, row, body, number=number, previous=previous)
        number, previous = row["number"], row["hash"]
        hashes[number] = previous
        if not usable or body is None:
            continue
        if row["unmarked"]:
            words = f"{row['unmarked']} rows without mark: of a version before there were marks, or written past us"
            report.note(trail, "unmarked", number, words)
        if row["late"]:
            late.update(sealing.sealed(body))
        else:
            runs.append((number, row["last_id"]))
    heads(report, trail, statements, hashes, int(purge.said["through"]) if purge else 0)
    return Members(runs=tuple(runs), late=late, gone=frozenset(gone))


def link(report: Report, seal: Any, body: bytes | None, *, number: int, previous: str) -> bool:
    """Look at one seal beside the one before it (its number and hash). Can its list of rows be relied on?"""
    trail, own = seal["trail"], seal["number"]
    report.seals += 1
    if own != number + 1:
        words = f"the chain goes on at {own}: seals are gone"
        report.wrong(trail, "seal_missing", number + 1, words, seal=own)
    elif seal["previous"] != previous:
        report.wrong(trail, "seal_moved", own, "it does not follow the seal before it", seal=own)
    if sealing.hash_of(dict(seal)) != seal["hash"]:
        report.wrong(trail, "seal_changed", own, "it is not what it was when it was made", seal=own)
    if body is None or hashlib.sha256(body).hexdigest() != seal["rows_sha256"]:
        report.wrong(trail, "seal_changed", own, "its list of rows is not what it was", seal=own)
        return False
    return True


def body_of(db: Connection, trail: str, number: int) -> bytes | None:
    """Which rows a seal covers, as it keeps them."""
    mine = select(SealedRows.rows).where(SealedRows.trail == trail, SealedRows.number == number)
    return db.execute(mine).scalar()


def heads(
    report: Report, trail: str, statements: Sequence[anchors.Statement], hashes: dict[int, str], purged: int
) -> None:
    """Where every anchor says that the chain ended, it must have come by."""
    for one in statements:
        for end in one.said.get("heads", ()) if one.good else ():
            if end["trail"] != trail or end["number"] < purged or end["number"] == 0:
                continue
            if hashes.get(end["number"]) != end["hash"]:
                words = f"anchor {one.number} of {one.said['at'][:10]} states another seal here"
                report.wrong(trail, "chain_rewritten", end["number"], words, seal=end["number"])


# ---------------------------------------------------------------- rows


class Rows:
    """The rows of a trail, beside what the chain says about them."""

    def __init__(self, house: House, report: Report, table: Table, members: Members) -> None:
        self._house, self._report, self._table, self._members = house, report, table, members
        self._late_seen: set[str] = set()
        self.count = 0

    def walk(self, db: Connection, looked_at: Callable[[int], None]) -> None:
        """All of them, from the first to the last."""
        key, last = self._table.c.id, None
        for number, end in self._members.runs:
            self.run(db, number, after=last, end=end)
            last = end
            looked_at(self.count)
        self.tail(db, key.is_not(None) if last is None else key > last)
        for one in self._members.late.keys() - self._late_seen:
            self._gone(one, "late")

    def run(self, db: Connection, number: int, *, after: str | None, end: str) -> None:
        """The rows of one seal that was made in order: those behind `after`, up to its own last one."""
        key = self._table.c.id
        here = key <= end if after is None else and_(key > after, key <= end)
        body = _placed(body_of(db, self._table.name, number) or b"")
        seen = self._look(_between(db, self._table, here), body, number)
        for one in body.keys() - seen:
            self._gone(one, str(number), seal=number, row=body[one][0])

    def late(self, db: Connection, number: int) -> None:
        """The rows of one seal that was made late: they stand between those of others."""
        key = self._table.c.id
        body = _placed(body_of(db, self._table.name, number) or b"")
        wanted, seen = [*body], set[str]()
        for at in range(0, len(wanted), 500):
            some = db.execute(select(self._table).where(key.in_(wanted[at : at + 500])).order_by(key))
            seen |= self._look(some.mappings().all(), body, number)
        for one in body.keys() - seen:
            self._gone(one, str(number), seal=number, row=body[one][0])

    def tail(self, db: Connection, here: ColumnElement[bool]) -> None:
        """Rows that no seal has yet."""
        self._look(_between(db, self._table, here), {}, None)

    def _look(
        self, rows: Iterable[Any], body: Mapping[str, tuple[int, bytes]], number: int | None
    ) -> set[str]:
        """Returns which rows of this seal are there."""
        seen: set[str] = set()
        for row in rows:
            one = row["id"]
            if one in self._members.gone:
                continue
            self.count += 1
            place, digest = body.get(one, (None, self._members.late.get(one)))
            if digest is not None:
                seen.add(one)
                self._compare(row, digest, number, place)
            elif number is None:
                self._unsealed(row)
            else:
                self._stranger(row, number)
        self._late_seen |= seen
        return seen

    def _gone(self, one: str, by: str, *, seal: int | None = None, row: int | None = None) -> None:
        words = f"written {_written(one)}, sealed ({by}), and gone"
        self._report.wrong(self._table.name, "deleted", one, words, seal=seal, row=row)

    def _compare(self, row: Any, digest: bytes, seal: int | None, place: int | None) -> None:
        if sealing.digest(self._table.name, row) != digest:
            words = f"{_about(row)}: not what it was when it was sealed"
            self._report.wrong(self._table.name, "edited", row["id"], words, seal=seal, row=place)
        else:
            self._judge(row, seal, place)

    def _judge(self, row: Any, seal: int | None = None, place: int | None = None) -> None:
        """The mark alone, for a row that a seal vouches for or that none does yet."""
        trail = self._table.name
        verdict = self._house.keys.marks.judge(trail, row)
        if verdict is Verdict.WRONG:
            words = f"{_about(row)}: its mark does not fit what it says"
            self._report.wrong(trail, "edited", row["id"], words, seal=seal, row=place)
        elif verdict is Verdict.STRANGE_KEY:
            kid = row["mark"].partition(":")[0]
            words = f"marked with {kid}, which this machine does not have"
            self._report.wrong(trail, "strange_key", row["id"], words, seal=seal, row=place)

    def _stranger(self, row: Any, seal: int) -> None:
        """Between sealed rows stands one that no seal knows."""
        trail = self._table.name
        if self._house.keys.marks.judge(trail, row) is Verdict.GOOD:
            self._report.note(trail, "late", row["id"], f"{_about(row)}: ours; the next anchor seals it")
        else:
            words = f"{_about(row)}: no seal knows it, and its mark is not ours"
            self._report.wrong(trail, "inserted", row["id"], words, seal=seal)

    def _unsealed(self, row: Any) -> None:
        trail = self._table.name
        if self._house.keys.marks.judge(trail, row) is Verdict.NONE:
            self._report.note(trail, "unmarked", row["id"], f"{_about(row)}: without mark, not sealed yet")
        else:
            self._judge(row)


def _placed(body: bytes) -> dict[str, tuple[int, bytes]]:
    """Place and digest of every row that a seal covers, by its id."""
    return {one: (place, digest) for place, (one, digest) in enumerate(sealing.sealed(body), 1)}


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
