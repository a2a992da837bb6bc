"""What does a delivery of classes change at a school, may it, and must a person look first? Nothing is written here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from idp.claims import consent
from idp.claims.klasinformatie import DeliveredKlas, DeliveredMembership
from idp.config import Settings
from idp.feeds import cells, deliveries
from idp.feeds.class_rows import Reading, RefusedRow, Row
from idp.feeds.enrolment_plan import Hold
from idp.feeds.matching import chunks
from idp.feeds.problems import Problem, RowRefused, Weight
from idp.models import ClassMembership, Enrolment, Klas, Pupil, School, Soort

OURS = "leersleutel"
FORMATS_OF = {"broekx": frozenset({"oneroster"})}
"""Packages that deliver in another format than their own name."""
SUMMER = ((8, 15), (9, 30))
"""Between these days (month, day) classes are made anew: who has a class again has lost none."""
SMALL_CLASS = 5
CLASS_SHARE = 0.5
NAMES_SHARE = 0.20


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """A pupil sits in a class, as the last delivery said."""

    account_uuid: str
    klas_id: str
    code: str
    naam: str
    soort: Soort
    begindatum: date
    einddatum: date | None
    enrolled: bool
    """Active at the school today: others leave their classes without a person looking."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a delivery changes at one school."""

    reading: Reading = field(repr=False)
    instellingsnummer: str
    today: date
    snapshot_at: datetime | None
    operator: bool
    refused: Problem | None
    """Why nothing of it may be used, or None."""
    problems: tuple[Problem, ...] = ()
    classes: tuple[DeliveredKlas, ...] = field(default=(), repr=False)
    memberships: tuple[DeliveredMembership, ...] = field(default=(), repr=False)
    counts: Mapping[str, int] = field(default_factory=dict)
    holds: tuple[Hold, ...] = ()

    def sentences(self) -> Iterator[str]:
        """What the command line prints."""
        if self.refused:
            yield f"refused ({self.refused.code}): {self.refused.sentence}"
            return
        counts = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in self.counts.items() if n)
        yield f"{self.instellingsnummer}: {counts or 'nothing'}"
        for hold in self.holds:
            yield f"{self.instellingsnummer}: held ({hold.code}): {hold.sentence}"
        for problem in self.problems:
            yield f"{problem.weight} {problem.code}: {problem.sentence}"


def plan(
    db: Connection,
    found: Reading,
    *,
    instellingsnummer: str,
    today: date,
    settings: Settings,
    snapshot_at: datetime | None = None,
    operator: bool = False,
) -> Plan:
    """Compare a delivery with what is there. Changes nothing.

    `snapshot_at`: when the package made it (None: not known, so it cannot be stale). `operator`: a person at
    the command line, who may bring our own format for a school with any package.
    """
    instellingsnummer = cells.school_number(instellingsnummer) or instellingsnummer
    refused = found.refused or _refusal(
        db, found.format, instellingsnummer, today=today, snapshot_at=snapshot_at, operator=operator
    )
    frame: dict[str, Any] = {"reading": found, "instellingsnummer": instellingsnummer, "today": today}
    frame |= {"snapshot_at": snapshot_at, "operator": operator, "refused": refused}
    if refused:
        return Plan(**frame, problems=(refused,))
    who = _Pupils(db, instellingsnummer, found)
    rows, told, kept_for = _resolved(found, instellingsnummer, who)
    seats = _seats(db, instellingsnummer, today)
    rows |= _carried(seats, kept_for, rows)
    classes: dict[str, DeliveredKlas] = {}
    for klas, _ in rows.values():
        classes.setdefault(klas.klas_id, klas)
    memberships = tuple(membership for _, membership in rows.values())
    there = {(seat.account_uuid, seat.klas_id) for seat in seats}
    coming = {(one.account_uuid, one.klas_id) for one in memberships}
    counts = {
        "classes": len(classes),
        "add": len(coming - there),
        "keep": len(coming & there),
        "end": len(there - coming),
        "refused": sum(1 for problem in told if problem.weight is Weight.ROW),
        "ignored": found.ignored,
    }
    return Plan(
        **frame,
        problems=tuple(sorted(told, key=lambda problem: problem.line or 0)),
        classes=tuple(classes.values()),
        memberships=memberships,
        counts=counts,
        holds=tuple(_holds(seats, coming, classes, today, settings)),
    )


def _refusal(
    db: Connection, form: str, school: str, *, today: date, snapshot_at: datetime | None, operator: bool
) -> Problem | None:
    query = select(School.pakket).where(School.instellingsnummer == school)
    known = db.execute(query).first()
    if known is None:
        return Problem(code="school_not_known")
    if not consent.state(db, school, today).shares:
        return Problem(code="does_not_share")
    allowed = FORMATS_OF.get(known.pakket or "", frozenset({known.pakket}))
    if form not in allowed and not (operator and form == OURS):
        return Problem(code="wrong_package")
    last = deliveries.last_applied(db, kind=deliveries.CLASSES, instellingsnummer=school)
    if snapshot_at is not None and last is not None and snapshot_at < last:
        return Problem(code="stale")
    return None


class _Pupils:
    """Who is meant by a stamnummer or UUID at this school?"""

    def __init__(self, db: Connection, school: str, found: Reading) -> None:
        self.began: dict[str, date] = {}
        self._by_stamnummer: dict[str, str] = {}
        query = (
            select(Enrolment.account_uuid, Enrolment.stamnummer, Enrolment.begindatum)
            .where(Enrolment.instellingsnummer == school)
            .order_by(Enrolment.begindatum)
        )
        for uuid, stamnummer, begindatum in db.execute(query):
            self._by_stamnummer[stamnummer] = uuid
            self.began[uuid] = begindatum
        self._by_uuid: dict[str, str] = {}
        every: Sequence[Row | RefusedRow] = [*found.rows, *found.refused_rows]
        asked = {uuid for row in every for uuid in (row.leerid_uuid, row.account_uuid) if uuid}
        for some in chunks(asked):
            wanted = or_(Pupil.account_uuid.in_(some), Pupil.leerid_uuid.in_(some))
            columns = (Pupil.account_uuid, Pupil.leerid_uuid, Pupil.merged_into)
            for uuid, leerid_uuid, merged_into in db.execute(select(*columns).where(wanted)):
                self._by_uuid[uuid] = merged_into or uuid
                if leerid_uuid is not None:
                    self._by_uuid[leerid_uuid] = merged_into or uuid

    def find(self, row: Row | RefusedRow) -> str:
        """The pupil that every identifier of the row names. Raises RowRefused."""
        named = {self._by_stamnummer.get(row.stamnummer)} if row.stamnummer else set()
        named |= {self._by_uuid.get(uuid) for uuid in (row.leerid_uuid, row.account_uuid) if uuid}
        if len(named) > 1 and None not in named:
            raise RowRefused("different_pupils")
        one = named.pop() if len(named) == 1 else None
        if one is None or one not in self.began:
            raise RowRefused("unknown_pupil")
        return one


_Key = tuple[str, str, date]
_Resolved = dict[_Key, tuple[DeliveredKlas, DeliveredMembership]]


def _resolved(found: Reading, school: str, who: _Pupils) -> tuple[_Resolved, list[Problem], set[str]]:
    """Usable rows, what is wrong with the others, and the pupils those may be about."""
    rows: _Resolved = {}
    told = list(found.problems)
    kept_for: set[str] = set()
    periods: dict[tuple[str, str], list[tuple[date, date]]] = {}
    for row in found.rows:
        uuid = None
        try:
            if row.instellingsnummer not in {None, school}:
                raise RowRefused("other_school", "instellingsnummer")  # noqa: TRY301
            uuid = who.find(row)
            begin = row.begindatum or who.began[uuid]
            end = row.einddatum or date.max
            taken = periods.setdefault((uuid, row.klas_id), [])
            if end < begin:
                raise RowRefused("dates_reversed", "einddatum")  # noqa: TRY301
            if any(begin <= last and first <= end for first, last in taken):
                raise RowRefused("duplicate")  # noqa: TRY301
        except RowRefused as fault:
            told.append(Problem(code=fault.code, line=row.line, column=fault.column))
            if uuid is not None and fault.code != "duplicate":
                kept_for.add(uuid)
            continue
        taken.append((begin, end))
        klas = DeliveredKlas(klas_id=row.klas_id, code=row.klascode, naam=row.klasnaam, soort=row.soort)
        membership = DeliveredMembership(
            klas_id=row.klas_id, account_uuid=uuid, begindatum=begin, einddatum=row.einddatum
        )
        rows[uuid, row.klas_id, begin] = (klas, membership)
    for refused in found.refused_rows:
        try:
            kept_for.add(who.find(refused))
        except RowRefused:
            continue
    return rows, told, kept_for


def _seats(db: Connection, school: str, today: date) -> list[Seat]:
    """Memberships that the last delivery left, today or later."""
    enrolled = select(Enrolment.account_uuid).where(
        Enrolment.instellingsnummer == school, Enrolment.begindatum <= today, Enrolment.einddatum >= today
    )
    active = set(db.execute(enrolled).scalars())
    columns = (ClassMembership.account_uuid, Klas.klas_id, Klas.code, Klas.naam, Klas.soort)
    standing = and_(
        ClassMembership.instellingsnummer == school,
        ClassMembership.replaced_at.is_(None),
        or_(ClassMembership.einddatum.is_(None), ClassMembership.einddatum >= today),
    )
    query = (
        select(*columns, ClassMembership.begindatum, ClassMembership.einddatum)
        .join(Klas, Klas.id == ClassMembership.klas)
        .where(standing)
    )
    return [Seat(**row, enrolled=row["account_uuid"] in active) for row in db.execute(query).mappings()]


def _carried(seats: Iterable[Seat], pupils: set[str], rows: _Resolved) -> _Resolved:
    """A refused row ends nothing: the classes of its pupil stay, next to those that were usable."""
    described = {klas.klas_id: klas for klas, _ in rows.values()}
    taken = {(uuid, klas_id) for uuid, klas_id, _ in rows}
    carried: _Resolved = {}
    for seat in seats:
        if seat.account_uuid not in pupils or (seat.account_uuid, seat.klas_id) in taken:
            continue
        klas = DeliveredKlas(klas_id=seat.klas_id, code=seat.code, naam=seat.naam, soort=seat.soort)
        membership = DeliveredMembership(
            klas_id=seat.klas_id,
            account_uuid=seat.account_uuid,
            begindatum=seat.begindatum,
            einddatum=seat.einddatum,
        )
        key = (seat.account_uuid, seat.klas_id, seat.begindatum)
        carried[key] = (described.get(seat.klas_id, klas), membership)
    return carried


def _holds(
    seats: list[Seat],
    coming: set[tuple[str, str]],
    classes: Mapping[str, DeliveredKlas],
    today: date,
    settings: Settings,
) -> Iterator[Hold]:
    """Why a person must look first, in the words of the agreement with schools."""
    counted = {(s.account_uuid, s.klas_id) for s in seats if s.enrolled and s.begindatum <= today}
    summer = SUMMER[0] <= (today.month, today.day) <= SUMMER[1]
    placed = {uuid for uuid, _ in coming} if summer else set()
    gone = {seat for seat in counted - coming if seat[0] not in placed}
    before, left = Counter(k for _, k in counted), Counter(k for _, k in counted - gone)
    sizes = Counter(k for _, k in coming)
    emptied = [k for k in before if not left[k] and not sizes[k]]
    if emptied:
        yield Hold(
            code="class_emptied", sentence=f"{len(emptied)} of {len(before)} classes would be emptied."
        )
    if len(gone) > settings.hold_members_share * len(counted):
        yield Hold(
            code="many_memberships_gone", sentence=f"{len(gone)} of {len(counted)} memberships would go."
        )
    halved = [k for k, n in before.items() if n >= SMALL_CLASS and n - left[k] > CLASS_SHARE * n]
    halved = [k for k in halved if k not in emptied]
    if halved:
        yield Hold(
            code="class_halved", sentence=f"{len(halved)} classes would lose more than half of their pupils."
        )
    names = {seat.klas_id: (seat.code, seat.naam) for seat in seats if seat.klas_id in classes}
    renamed = [k for k, said in names.items() if said != (classes[k].code, classes[k].naam)]
    if not summer and len(renamed) > NAMES_SHARE * len(names):
        yield Hold(
            code="many_names_changed", sentence=f"{len(renamed)} of {len(names)} classes would be renamed."
        )
