"""Which part of the audit trail and the ledger is looked at again tonight, and is it as it was?

Looking at everything (verifying.py) takes longer as more is kept, so a night takes a part: all signed statements, the
newest seals, the rows that no seal has yet, and then a slice of the older seals, so large that everything is looked at
once in `verify_nights` nights. How far it is stands in the database (idp/errands/patrol_book.py), seal by seal: a night that is
broken off goes on where it was. What is found stays found: its seal is looked at again each time until it is as it was, or
is purged. While something is wrong the work fails, and says where, unless an operator said that they know of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, select

from idp.admin.records import anchors, sealing, verifying
from idp.admin.records.verifying import Finding, Report
from idp.clock import day_of_law
from idp.context import House
from idp.errands import patrol_book
from idp.errands.patrol_book import ANCHORS, Place, Standing, Trouble
from idp.models import Seal, SealedRows

log = structlog.get_logger(__name__)
LEAST = 50_000
"""So many rows of a trail are looked at each night, however few are due: a small installation is done in one."""
WEIGHT = 20
"""Rows that a seal counts for at least: it costs something to look at however few it has."""
KEPT_EVERY = 20_000
"""Rows after which it is written down how far we are."""
NAMED = 20
"""Rows of one kind of trouble in one seal that are named."""
REMEMBERED = 100
"""Troubles of one trail that are remembered."""
SAID = 150
"""Signs of a failure that the book of jobs has room for, before the sentence about what to do."""
NEWEST, OLD = "newest", "old"
Seen = Callable[[str, int], None]
Counts = Mapping[str, int]


class TouchedError(Exception):
    """Something is not as it was when it was written. Says which trail, which seal, which rows."""

    def __init__(self, troubles: Sequence[Trouble]) -> None:
        said, left = "", 0
        for one in troubles:
            more = f"{'; ' if said else ''}{one}"
            if len(said) + len(more) > SAID:
                left += 1
            else:
                said += more
        more = f"; and {left} more" if left else ""
        super().__init__(f"{said}{more}: `idp audit night`")
        self.troubles = tuple(troubles)


def tonight(
    house: House, *, least: int = LEAST, kept_every: int = KEPT_EVERY, seen: Seen | None = None
) -> Counts:
    """Look at tonight's part; a second call on one day looks only at what was wrong, and at the statements.

    `seen` hears of every seal. Raises TouchedError after everything was looked at when something is not as it was, and no
    operator said that they know of it.
    """
    with house.database.reading() as db:
        book = patrol_book.read(db, house.keys.marks)
    counts: Counter[str] = Counter()
    statements, troubles = _statements(house, book.standings.get(ANCHORS), counts)
    for name in book.strange:
        troubles.append(_trouble(house, name, None, "night_rewritten"))
    for model in sealing.TRAILS:
        table = sealing.table_of(model)
        walk = _Walk(house, table, statements, counts, least=least, kept_every=kept_every, seen=seen)
        troubles += walk.go(book.standings.get(table.name))
    with house.database.reading() as db:
        known = {one.name for one, _ in patrol_book.read(db, house.keys.marks).known}
    alarms = [one for one in troubles if one.name not in known]
    counts["troubles"], counts["known"] = len(alarms), len(troubles) - len(alarms)
    if alarms:
        raise TouchedError(alarms)
    return counts


# ---------------------------------------------------------------- the signed statements


def _statements(
    house: House, known: Standing | None, counts: Counter[str]
) -> tuple[list[anchors.Statement], list[Trouble]]:
    """All of them, every night: they are few. Those that this machine wrote beside the database count as kept."""
    own, report = anchors.file_of(house), Report()
    files = [own] if own.exists() else []
    with house.database.reading() as db:
        found = verifying.statements_in_order(
            db, house, report, kept=files, accepted=house.settings.accepted_restores
        )
    counts["anchors"] = len(found)
    now = house.clock.now()
    last = Place(number=found[-1].number, hash=found[-1].sha256) if found else Place(number=0, hash="")
    if known is not None and last.number < known.newest.number:
        report.wrong(ANCHORS, "anchor_missing", known.newest.number, "it was there the night before")
        last = known.newest
    troubles = _grouped(house, report.problems)
    standing = Standing(
        trail=ANCHORS,
        newest=last,
        old=last,
        until=last.number,
        begun_at=now,
        whole_at=now,
        night=house.clock.today(),
        troubles=troubles,
    )
    with house.database.transaction() as db:
        patrol_book.write(db, house.keys.marks, standing)
    return found, [*troubles]


# ---------------------------------------------------------------- one trail


@dataclass(frozen=True, kw_only=True)
class _Floor:
    """Below this everything was purged, by a statement of ours."""

    place: Place
    last_id: str | None
    under_way: bool
    """Rows below it are being deleted at this moment."""


class _Walk:
    def __init__(
        self,
        house: House,
        table: Table,
        statements: Sequence[anchors.Statement],
        counts: Counter[str],
        *,
        least: int,
        kept_every: int,
        seen: Seen | None,
    ) -> None:
        self._house, self._table, self._trail = house, table, table.name
        self._statements, self._counts = statements, counts
        self._least, self._kept_every, self._seen = least, kept_every, seen or (lambda _trail, _seal: None)
        self._troubles: list[Trouble] = []
        self._unkept = 0
        self._late: frozenset[str] | None = None
        self._known: frozenset[str] = frozenset()

    def go(self, known: Standing | None) -> tuple[Trouble, ...]:
        house, today = self._house, self._house.clock.today()
        self._known = frozenset(one.name for one in known.known) if known else frozenset()
        with house.database.reading() as db:
            floor, end = self._floor(db), sealing.head(db, house, self._trail)
            standing = known or self._first(db, floor)
        standing = self._above(standing, floor)
        self._again(standing, floor)
        self._heads(floor)
        standing = self._last_seen(standing, floor, Place(number=end.number, hash=end.hash))
        if standing.night != today:
            standing = self._night(standing, floor)
        self._unsealed()
        standing = replace(standing, night=today)
        self._keep(standing, whole=True)
        return tuple(self._troubles)

    def _first(self, db: Connection, floor: _Floor) -> Standing:
        """Nothing is known yet: the newest are those since the last statement, and all the others are old."""
        stated = next((one for one in reversed(self._statements) if one.good and one.said.get("heads")), None)
        heads = stated.said["heads"] if stated else ()
        number = next((int(one["number"]) for one in heads if one["trail"] == self._trail), 0)
        hash_ = db.execute(select(Seal.hash).where(Seal.trail == self._trail, Seal.number == number)).scalar()
        newest = Place(number=number, hash=hash_) if hash_ else floor.place
        return Standing(
            trail=self._trail, newest=newest, old=floor.place, until=0, begun_at=self._house.clock.now()
        )

    def _floor(self, db: Connection) -> _Floor:
        purge = anchors.newest_purge(db, self._house, self._trail)
        if purge is None:
            return _Floor(place=Place(number=0, hash=anchors.NOTHING), last_id=None, under_way=False)
        place = Place(number=int(purge.said["through"]), hash=str(purge.said["hash"]))
        left = select(SealedRows.number).where(
            SealedRows.trail == self._trail, SealedRows.number <= place.number
        )
        under_way = db.execute(left.limit(1)).first() is not None
        return _Floor(place=place, last_id=purge.said["last_id"], under_way=under_way)

    def _above(self, standing: Standing, floor: _Floor) -> Standing:
        """What was purged meanwhile needs no look any more."""
        if standing.newest.number < floor.place.number:
            standing = replace(standing, newest=floor.place)
        if standing.old.number < floor.place.number:
            standing = replace(standing, old=floor.place)
        return standing

    def _night(self, standing: Standing, floor: _Floor) -> Standing:
        most = self._house.settings.verify_rows
        due = self._due(standing)
        standing = self._step(standing, floor, NEWEST, None, most - min(due, most // 2))
        if not standing.walking:
            begun = self._house.clock.now()
            if standing.until and (standing.whole_at is None or standing.whole_at < standing.begun_at):
                standing = replace(standing, whole_at=begun)  # the night was broken off at the very end
            standing = replace(standing, old=floor.place, until=standing.newest.number, begun_at=begun)
        standing = self._step(standing, floor, OLD, standing.until, min(max(due, self._least), most))
        if not standing.walking:
            standing = replace(standing, whole_at=self._house.clock.now())
        return standing

    def _due(self, standing: Standing) -> int:
        """How much of the older seals is tonight's, so that the walk ends in time."""
        cost = select(func.sum(case((Seal.count < WEIGHT, WEIGHT), else_=Seal.count)))
        mine = [Seal.trail == self._trail]
        nights = self._house.settings.verify_nights
        if standing.walking:
            mine += [Seal.number > standing.old.number, Seal.number <= standing.until]
            begun = day_of_law(standing.begun_at)
            nights = max(1, nights - (self._house.clock.today() - begun).days)
        with self._house.database.reading() as db:
            left = int(db.execute(cost.where(*mine)).scalar() or 0)
        return -(-left // nights)

    # ------------------------------------------------------------ seal by seal

    def _step(self, standing: Standing, floor: _Floor, which: str, until: int | None, most: int) -> Standing:
        """Go on from `which` place, one seal after another, until enough rows have been looked at."""
        done = 0
        while done < most:
            before = standing.newest if which == NEWEST else standing.old
            looked = self._look_behind(before, floor, until)
            if looked is None:
                break
            place, cost = looked
            standing = _moved(standing, which, place)
            done += cost
            self._unkept += cost
            if self._unkept >= self._kept_every:
                self._keep(standing)
            self._seen(self._trail, place.number)
        return standing

    def _look_behind(self, before: Place, floor: _Floor, until: int | None) -> tuple[Place, int] | None:
        """Look at the seal behind this one. Returns its place and what it cost; None: there is none."""
        mine = and_(Seal.trail == self._trail, Seal.number > before.number)
        if until is not None:
            mine = and_(mine, Seal.number <= until)
        report = Report()
        with self._house.database.reading() as db:
            query = select(Seal.__table__).where(mine).order_by(Seal.number).limit(1)
            seal = db.execute(query).mappings().first()
            if seal is None:
                return None
            count = self._look_at(db, report, seal, before, floor)
        self._counts["seals"] += 1
        self._counts["rows"] += count
        self._remember(report.problems)
        return Place(number=seal["number"], hash=seal["hash"]), max(count, WEIGHT)

    def _look_at(self, db: Connection, report: Report, seal: Any, before: Place, floor: _Floor) -> int:
        number = seal["number"]
        body = verifying.body_of(db, self._trail, number)
        if not verifying.link(report, seal, body, number=before.number, previous=before.hash):
            return 0
        here = and_(Seal.trail == self._trail, Seal.late.is_(False), Seal.number < number)
        if self._late is None:
            self._late = self._sealed_late(db)
        elsewhere: frozenset[str] = frozenset() if seal["late"] else self._late
        members = verifying.Members(runs=(), late={}, gone=elsewhere)
        rows = verifying.Rows(self._house, report, self._table, members)
        if seal["late"]:
            rows.late(db, number)
            return rows.count
        after = db.execute(select(Seal.last_id).where(here).order_by(Seal.number.desc()).limit(1)).scalar()
        if after is None and floor.under_way:
            after = floor.last_id
        rows.run(db, number, after=after, end=seal["last_id"])
        return rows.count

    def _sealed_late(self, db: Connection) -> frozenset[str]:
        """Rows that were sealed late: they are looked at with their own seal, not with their neighbours."""
        bodies = (
            select(SealedRows.rows)
            .join(Seal, and_(Seal.trail == SealedRows.trail, Seal.number == SealedRows.number))
            .where(Seal.trail == self._trail, Seal.late.is_(True))
        )
        return frozenset(
            one for body in db.execute(bodies).scalars() for one, _digest in sealing.sealed(body)
        )

    # ------------------------------------------------------------ what is known already

    def _again(self, standing: Standing, floor: _Floor) -> None:
        """Is what was wrong still wrong?"""
        since = {(one.seal, one.what): one.since for one in standing.troubles}
        for one in standing.troubles:
            if one.expected and one.seal is not None and one.seal > floor.place.number:
                self._expect(Place(number=one.seal, hash=one.expected), since=one.since)
        seals = {one.seal for one in standing.troubles if one.seal is not None and not one.expected}
        for number in sorted(seals):
            if number > floor.place.number:
                with self._house.database.reading() as db:
                    mine = (Seal.trail == self._trail, Seal.number < number)
                    last = db.execute(
                        select(Seal.number, Seal.hash).where(*mine).order_by(Seal.number.desc()).limit(1)
                    ).first()
                before = Place(number=last.number, hash=last.hash) if last else floor.place
                self._look_behind(before, floor, number)
        self._troubles = [
            replace(one, since=since.get((one.seal, one.what), one.since)) for one in self._troubles
        ]

    def _expect(self, place: Place, since: str = "") -> bool:
        """A seal that we saw must be there still, and be the same."""
        mine = select(Seal.hash).where(Seal.trail == self._trail, Seal.number == place.number)
        with self._house.database.reading() as db:
            hash_ = db.execute(mine).scalar()
        if hash_ == place.hash or self._purged(place.number):
            return True
        what = "seal_missing" if hash_ is None else "chain_rewritten"
        trouble = _trouble(self._house, self._trail, place.number, what, expected=place.hash)
        self._add(replace(trouble, since=since or trouble.since))
        return False

    def _last_seen(self, standing: Standing, floor: _Floor, end: Place) -> Standing:
        """Both places must be what they were. When the chain is another one, we follow the one that is there."""
        places = {NEWEST: standing.newest, OLD: standing.old}
        for which, place in places.items():
            if place.number > floor.place.number and not self._expect(place):
                with self._house.database.reading() as db:
                    mine = (Seal.trail == self._trail, Seal.number <= place.number)
                    found = db.execute(
                        select(Seal.number, Seal.hash).where(*mine).order_by(Seal.number.desc()).limit(1)
                    ).first()
                there = Place(number=found.number, hash=found.hash) if found else floor.place
                standing = _moved(standing, which, there)
        if standing.until > end.number:
            standing = replace(standing, until=end.number)
        return standing

    def _heads(self, floor: _Floor) -> None:
        """Where every signed statement says that the chain ended, it must have come by: each night, all of them."""
        ends = [
            int(end["number"])
            for one in self._statements
            if one.good
            for end in one.said.get("heads", ())
            if end["trail"] == self._trail
        ]
        hashes = {floor.place.number: floor.place.hash}
        wanted = sorted({number for number in ends if number > floor.place.number})
        with self._house.database.reading() as db:
            for at in range(0, len(wanted), 500):
                some = select(Seal.number, Seal.hash).where(
                    Seal.trail == self._trail, Seal.number.in_(wanted[at : at + 500])
                )
                hashes |= {row.number: row.hash for row in db.execute(some)}
        report = Report()
        verifying.heads(report, self._trail, self._statements, hashes, floor.place.number)
        self._remember(report.problems)

    def _unsealed(self) -> None:
        """Rows that no seal has yet: their marks. One seal's worth at most; the rest will be sealed by tomorrow."""
        key, report = self._table.c.id, Report()
        with self._house.database.reading() as db:
            last = sealing.head(db, self._house, self._trail).last_id
            behind: ColumnElement[bool] = key.is_not(None) if last is None else key > last
            edge = db.execute(select(key).where(behind).order_by(key).offset(sealing.RUN).limit(1)).scalar()
            here = behind if edge is None else and_(behind, key < edge)
            members = verifying.Members(runs=(), late={}, gone=frozenset())
            rows = verifying.Rows(self._house, report, self._table, members)
            rows.tail(db, here)
        self._counts["rows"] += rows.count
        self._remember(report.problems)

    # ------------------------------------------------------------ what is found

    def _remember(self, found: Collection[Finding]) -> None:
        """What a purge took while we looked was not touched."""
        for trouble in _grouped(self._house, found):
            if trouble.seal is None or not self._purged(trouble.seal):
                self._add(trouble)

    def _add(self, trouble: Trouble) -> None:
        same = [one for one in self._troubles if (one.seal, one.what) == (trouble.seal, trouble.what)]
        if not same and len(self._troubles) < REMEMBERED:
            self._troubles.append(trouble)
            say = log.warning if trouble.name in self._known else log.error
            say(
                "trail_touched",
                trail=trouble.trail,
                seal=trouble.seal,
                what=trouble.what,
                count=trouble.count,
                rows=trouble.rows,
                ids=trouble.ids,
            )

    def _purged(self, number: int) -> bool:
        with self._house.database.reading() as db:
            purge = anchors.newest_purge(db, self._house, self._trail)
        return purge is not None and number <= int(purge.said["through"])

    def _keep(self, standing: Standing, *, whole: bool = False) -> None:
        standing = replace(standing, troubles=tuple(self._troubles))
        with self._house.database.transaction() as db:
            patrol_book.write(db, self._house.keys.marks, standing, whole=whole)
        self._unkept = 0


def _moved(standing: Standing, which: str, place: Place) -> Standing:
    return replace(standing, newest=place) if which == NEWEST else replace(standing, old=place)


def _grouped(house: House, found: Iterable[Finding]) -> tuple[Trouble, ...]:
    """One line for what is wrong in the same way in one seal."""

    def key(one: Finding) -> tuple[str, int, str]:
        return one.trail, -1 if one.seal is None else one.seal, one.what

    return tuple(_of(house, [*some]) for _key, some in groupby(sorted(found, key=key), key=key))


def _of(house: House, some: Sequence[Finding]) -> Trouble:
    first = some[0]
    rows = sorted(one.row for one in some if one.row is not None)
    ids = tuple(one.where for one in some)[:NAMED]
    trouble = _trouble(house, first.trail, first.seal, first.what)
    return replace(trouble, rows=tuple(rows[:NAMED]), ids=ids, count=len(some))


def _trouble(house: House, trail: str, seal: int | None, what: str, *, expected: str = "") -> Trouble:
    since = house.clock.today().isoformat()
    return Trouble(trail=trail, seal=seal, what=what, since=since, expected=expected)
