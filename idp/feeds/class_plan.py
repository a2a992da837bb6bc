"""What does a delivery of classes change at a school, may it, and must a person look first? Nothing is written here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from idp.claims import consent
from idp.claims.klasinformatie import DeliveredKlas
from idp.claims.seating import Seating
from idp.config import Settings
from idp.database import by_and_by
from idp.feeds import cells, deliveries
from idp.feeds.class_rows import Reading, RefusedRow, Row
from idp.feeds.enrolment_plan import Hold
from idp.feeds.matching import chunks
from idp.feeds.problems import Problem, RowRefused, Weight
from idp.models import ClassMembership, Enrolment, Klas, Pupil, School, is_closed

OURS = "leersleutel"
FORMATS_OF = {"broekx": frozenset({"oneroster"})}
"""Packages that deliver in another format than their own name."""
SUMMER = ((8, 15), (9, 30))
"""Between these days (month, day) classes are made anew: who has a class again has lost none."""
SMALL_CLASS = 5
CLASS_SHARE = 0.5
NAMES_SHARE = 0.20
MOST_OF_ONE_PUPIL = 500
"""Classes of one pupil in one delivery: more is a mistake."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Who sits where at a school, today or later, as the last delivery left it."""

    classes: Mapping[str, DeliveredKlas] = field(default_factory=dict)
    """By klas_id; also classes in which nobody sits any more."""
    seats: Seating = field(default_factory=Seating, repr=False)
    enrolled: frozenset[str] = field(default=frozenset(), repr=False)
    """Active at the school today: others leave their classes without a person looking."""

    def today(self, account_uuid: str, today: date) -> frozenset[str]:
        """The klas_id of every class that this pupil is in by now; nothing for who is not enrolled."""
        if account_uuid not in self.enrolled:
            return frozenset()
        return self.seats.on(account_uuid, today)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a delivery changes at one school."""

    reading: Reading = field(repr=False)
    instellingsnummer: str
    today: date
    snapshot_at: datetime | None
    operator: bool
    package: str | None
    refused: Problem | None
    """Why nothing of it may be used, or None."""
    problems: tuple[Problem, ...] = ()
    classes: tuple[DeliveredKlas, ...] = field(default=(), repr=False)
    memberships: Seating = field(default_factory=Seating, repr=False)
    standing: Standing = field(default_factory=Standing, repr=False)
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
    package: str | None = None,
) -> Plan:
    """Compare a delivery with what is there. Changes nothing.

    `snapshot_at`: when the package made it (None: not known, so it cannot be stale). `operator`: a person at
    the command line, who may bring our own format for a school with any package. `package`: the one whose program
    brought it, which may use our own format too.
    """
    instellingsnummer = cells.school_number(instellingsnummer) or instellingsnummer
    refused = found.refused or refusal(
        db,
        found.format,
        instellingsnummer,
        today=today,
        snapshot_at=snapshot_at,
        operator=operator,
        package=package,
    )
    frame: dict[str, Any] = {"reading": found, "instellingsnummer": instellingsnummer, "today": today}
    frame |= {"snapshot_at": snapshot_at, "operator": operator, "package": package, "refused": refused}
    if refused:
        return Plan(**frame, problems=(refused,))
    who = _Pupils(db, instellingsnummer, found, today)
    classes, coming, told, kept_for = _resolved(found, instellingsnummer, who)
    standing = _standing(db, instellingsnummer, today)
    _carry(standing, kept_for, classes, coming)
    counts = {"classes": len(classes)} | _changes(standing.seats, coming, today)
    counts |= {"refused": sum(1 for problem in told if problem.weight is Weight.ROW)}
    counts |= {"ignored": found.ignored}
    return Plan(
        **frame,
        problems=tuple(sorted(told, key=lambda problem: problem.line or 0)),
        classes=tuple(classes.values()),
        memberships=coming,
        standing=standing,
        counts=counts,
        holds=tuple(_holds(standing, coming, classes, today, settings)),
    )


def refusal(
    db: Connection,
    form: str,
    school: str,
    *,
    today: date,
    snapshot_at: datetime | None = None,
    operator: bool = False,
    package: str | None = None,
) -> Problem | None:
    """Why nothing may be taken in for this school now, whatever it says; None when it may."""
    query = select(School.pakket, School.kind).where(School.instellingsnummer == school)
    known = db.execute(query).first()
    if known is None:
        return Problem(code="school_not_known")
    if package is not None and package != known.pakket:
        return Problem(
            code="wrong_package"
        )  # before the next line: whether it shares is nothing to strangers
    if (closed := is_closed(known.kind, known.pakket)) or not consent.state(db, school, today).shares:
        return Problem(code="sandbox_closed" if closed else "does_not_share")
    allowed = FORMATS_OF.get(known.pakket or "", frozenset({known.pakket}))
    ours = form == OURS and (operator or package is not None)
    if not (form in allowed or ours):
        return Problem(code="wrong_package")
    last = deliveries.last_applied(db, kind=deliveries.CLASSES, instellingsnummer=school)
    if snapshot_at is not None and last is not None and snapshot_at < last:
        return Problem(code="stale")
    return None


class _Pupils:
    """Who is meant by a stamnummer or UUID at this school?"""

    def __init__(self, db: Connection, school: str, found: Reading, today: date) -> None:
        self.began: dict[str, date] = {}
        """When the enrolment began of now; or else the next one, or the last."""
        until: dict[str, date] = {}
        self._by_stamnummer: dict[str, str] = {}
        query = (
            select(Enrolment.account_uuid, Enrolment.stamnummer, Enrolment.begindatum, Enrolment.einddatum)
            .where(Enrolment.instellingsnummer == school)
            .order_by(Enrolment.begindatum)
        )
        for uuid, stamnummer, begindatum, einddatum in db.execute(query):
            self._by_stamnummer[stamnummer] = uuid
            if until.get(uuid, date.min) < today:
                self.began[uuid], until[uuid] = begindatum, einddatum
        self._by_uuid: dict[str, str] = {}
        for some in chunks(found.uuids()):
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


def _resolved(
    found: Reading, school: str, who: _Pupils
) -> tuple[dict[str, DeliveredKlas], Seating, list[Problem], set[str]]:
    """Classes and seats of usable rows, what is wrong with the others, and the pupils those may be about."""
    classes: dict[str, DeliveredKlas] = {}
    coming = Seating()
    told = list(found.problems)
    kept_for: set[str] = set()
    for row in found.rows:
        uuid = None
        try:
            if row.instellingsnummer not in {None, school}:
                raise RowRefused("other_school", "instellingsnummer")  # noqa: TRY301
            uuid = who.find(row)
            begin, end = row.begindatum or who.began[uuid], row.einddatum
            _check(coming, uuid, row.klas_id, begin, end)
        except RowRefused as fault:
            told.append(Problem(code=fault.code, line=row.line, column=fault.column))
            if uuid is not None and fault.code != "duplicate":
                kept_for.add(uuid)
            continue
        if row.klas_id not in classes:
            classes[row.klas_id] = DeliveredKlas(
                klas_id=row.klas_id, code=row.klascode, naam=row.klasnaam, soort=row.soort
            )
        coming.add(uuid, row.klas_id, begin, end)
    for refused in found.refused_rows:
        try:
            kept_for.add(who.find(refused))
        except RowRefused:
            continue
    return classes, coming, told, kept_for


def _check(coming: Seating, uuid: str, klas_id: str, begin: date, end: date | None) -> None:
    """Raises RowRefused."""
    if end is not None and end < begin:
        raise RowRefused("dates_reversed", "einddatum")
    if coming.overlaps(uuid, klas_id, begin, end):
        raise RowRefused("duplicate")
    if coming.count(uuid) >= MOST_OF_ONE_PUPIL:
        raise RowRefused("too_many_of_a_pupil")


def _standing(db: Connection, school: str, today: date) -> Standing:
    enrolled = select(Enrolment.account_uuid).where(
        Enrolment.instellingsnummer == school, Enrolment.begindatum <= today, Enrolment.einddatum >= today
    )
    described = select(Klas.id, Klas.klas_id, Klas.code, Klas.naam, Klas.soort)
    classes: dict[str, DeliveredKlas] = {}
    names: dict[str, str] = {}
    for row in db.execute(described.where(Klas.instellingsnummer == school)):
        names[row.id] = row.klas_id
        classes[row.klas_id] = DeliveredKlas(
            klas_id=row.klas_id, code=row.code, naam=row.naam, soort=row.soort
        )
    member = ClassMembership
    standing = and_(
        member.instellingsnummer == school,
        member.replaced_at.is_(None),
        or_(member.einddatum.is_(None), member.einddatum >= today),
    )
    columns = (member.account_uuid, member.klas, member.begindatum, member.einddatum)
    seats = Seating()
    for uuid, klas, begin, end in by_and_by(db, select(*columns).where(standing)):
        seats.add(uuid, names[klas], begin, end)
    return Standing(classes=classes, seats=seats, enrolled=frozenset(db.execute(enrolled).scalars()))


def _carry(
    standing: Standing, pupils: Iterable[str], classes: dict[str, DeliveredKlas], coming: Seating
) -> None:
    """A refused row ends nothing: the classes of its pupil stay, next to those that were usable."""
    for uuid in pupils:
        taken = coming.klassen(uuid)
        for klas_id, begin, end in standing.seats.of(uuid):
            if klas_id not in taken:
                classes.setdefault(klas_id, standing.classes[klas_id])
                coming.add(uuid, klas_id, begin, end)


def _changes(there: Seating, coming: Seating, today: date) -> dict[str, int]:
    """How many pupils come into a class, stay in one and leave one, by the classes of today and later."""
    counts = {"add": 0, "keep": 0, "end": 0}
    for uuid in coming.pupils:
        now, before = coming.klassen(uuid, today), there.klassen(uuid, today)
        counts["add"] += len(now - before)
        counts["keep"] += len(now & before)
        counts["end"] += len(before - now)
    counts["end"] += sum(len(there.klassen(uuid)) for uuid in there.pupils if not coming.count(uuid))
    return counts


def _holds(
    standing: Standing,
    coming: Seating,
    classes: Mapping[str, DeliveredKlas],
    today: date,
    settings: Settings,
) -> Iterator[Hold]:
    """Why a person must look first, in the words of the agreement with schools."""
    summer = SUMMER[0] <= (today.month, today.day) <= SUMMER[1]
    before: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for uuid in standing.seats.pupils:
        counted, stays = standing.today(uuid, today), coming.on(uuid, today)
        before.update(counted)
        if not (summer and coming.klassen(uuid, today)):
            lost.update(counted - stays)
    sizes: Counter[str] = Counter()
    for uuid in coming.pupils:
        sizes.update(coming.on(uuid, today))
    emptied = [k for k in before if lost[k] == before[k] and not sizes[k]]
    if emptied:
        yield Hold(
            code="class_emptied", sentence=f"{len(emptied)} of {len(before)} classes would be emptied."
        )
    gone, counted_all = lost.total(), before.total()
    if gone > settings.hold_members_share * counted_all:
        yield Hold(code="many_memberships_gone", sentence=f"{gone} of {counted_all} memberships would go.")
    halved = [k for k, n in before.items() if n >= SMALL_CLASS and lost[k] > CLASS_SHARE * n]
    halved = [k for k in halved if k not in emptied]
    if halved:
        yield Hold(
            code="class_halved", sentence=f"{len(halved)} classes would lose more than half of their pupils."
        )
    seated = {klas_id for uuid in standing.seats.pupils for klas_id in standing.seats.klassen(uuid)}
    names = {k: standing.classes[k] for k in seated if k in classes}
    renamed = [k for k, one in names.items() if (one.code, one.naam) != (classes[k].code, classes[k].naam)]
    if not summer and len(renamed) > NAMES_SHARE * len(names):
        yield Hold(
            code="many_names_changed", sentence=f"{len(renamed)} of {len(names)} classes would be renamed."
        )
