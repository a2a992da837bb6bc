"""What lies in the drop folder? Each file is taken in, and moved to `klaar` with a report; a bad one harms nobody.

    DROP/wisa/999001/…         klasinformatie of one school, in the format that the folder names
    DROP/inschrijvingen/…      enrolments, from the operator
    DROP/directeurs/…          the weekly list of directors

A file is written under a name that begins with a dot (or ends in `.part`, `.tmp`, `.filepart`) and renamed when it is
whole. Names that end in `.gz` are unpacked. When a process dies in the middle, the file is still there and is taken in
again. What came for a school that does not share is deleted at once: only the report stays.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import structlog
from sqlalchemy.exc import SQLAlchemyError

from idp.claims import agreements
from idp.context import House
from idp.feeds import classes, directors, enrolments, intake, problems, unpacking
from idp.feeds.cells import school_number
from idp.feeds.problems import Broken, Problem
from idp.models import DeliveryState

log = structlog.get_logger(__name__)
DONE = "klaar"
UNFINISHED = (".part", ".tmp", ".filepart")
ENROLMENTS, DIRECTORS = "inschrijvingen", "directeurs"
STAMP = "%Y%m%dT%H%M%SZ"
GATES = frozenset({"school_not_known", "does_not_share", "wrong_package"})
REPORT = ".report.json"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A file, and what came of it."""

    path: Path
    state: DeliveryState
    report: dict[str, Any]
    keeps: bool = True
    """The file itself may stay for some days."""


def take_in(house: House, folder: Path | None = None) -> dict[str, int]:
    """Take in all that is whole, the oldest first; returns how many of each state. Needs `audit.circumstances`.

    One file after another, each in transactions of its own: running it twice at a time is harmless.
    """
    place = folder or house.settings.drop_folder
    counts: dict[str, int] = {}
    if place is None or not place.is_dir():
        return counts
    for path, work, sender in _waiting(place):
        taken = _guarded(house, path, work, sender)
        if taken is not None:
            _put_away(house, taken)
            counts[taken.state.value] = counts.get(taken.state.value, 0) + 1
    counts["purged"] = _purge(house, place)
    return counts


Work = Callable[[House, BinaryIO, datetime], tuple[DeliveryState, dict[str, Any], bool]]


@dataclass(kw_only=True)
class Sender:
    """Which school's package left a file, and the delivery that began with it; the school reads what became of it."""

    form: str
    school: str
    delivery: str | None = None


def _waiting(place: Path) -> Iterator[tuple[Path, Work, Sender | None]]:
    for form in sorted(classes.ADAPTERS):
        for folder in _folders(place / form):
            school = school_number(folder.name)
            if school is not None:
                for path in _files(folder):
                    sender = Sender(form=form, school=school)
                    yield path, _classes_of(sender), sender
    for path in _files(place / ENROLMENTS):
        yield path, _enrolments, None
    for path in _files(place / DIRECTORS):
        yield path, _directors, None


def _folders(place: Path) -> list[Path]:
    if place.is_symlink() or not place.is_dir():
        return []
    return sorted(one for one in place.iterdir() if one.is_dir() and not one.is_symlink())


def _files(folder: Path) -> list[Path]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    whole = [
        one
        for one in folder.iterdir()
        if not one.name.startswith(".") and not one.name.lower().endswith(UNFINISHED)
    ]
    files = [one for one in whole if not one.is_symlink() and one.is_file()]
    return sorted(files, key=lambda one: (one.stat().st_mtime, one.name))


def _guarded(house: House, path: Path, work: Work, sender: Sender | None) -> Taken | None:
    """Whatever is wrong with one file stays with that file. None: somebody else took it."""
    try:
        with _opened(path, house.settings.import_megabytes) as (file, written):
            state, report, keeps = work(house, file, min(written, house.clock.now()))
        return Taken(path=path, state=state, report=report, keeps=keeps)
    except FileNotFoundError:
        return None
    except Broken as fault:
        because = fault.problem
    except Exception as failure:
        log.error("drop_failed", kind=type(failure).__name__, exc_info=failure)  # noqa: TRY400
        because = Problem(code="processing_failed")
    delivery = None
    if sender is not None:
        because, delivery = _turned_away(house, because, sender)
    report = problems.stored([because]) | {"state": "refused"}
    report |= {"delivery": delivery} if sender is not None else {}
    return Taken(path=path, state=DeliveryState.REFUSED, report=report, keeps=because.code not in GATES)


def _turned_away(house: House, because: Problem, sender: Sender) -> tuple[Problem, str | None]:
    """Let the school read it, too. No delivery when the database does not answer: the report is all there is then.

    A file that could not even be opened, of a school that would have had none of it, is refused for that.
    """
    whose: dict[str, Any] = {"form": sender.form, "instellingsnummer": sender.school}
    try:
        if sender.delivery is None:
            because = intake.shut(house, **whose, snapshot_at=None, package=None) or because
        return because, intake.turn_away(house, because, **whose, delivery=sender.delivery)
    except SQLAlchemyError as failure:
        log.error("drop_failed", kind=type(failure).__name__, exc_info=failure)  # noqa: TRY400
        return because, None


@contextmanager
def _opened(path: Path, megabytes: int) -> Iterator[tuple[BinaryIO, datetime]]:
    """The file and when it was written: a regular one, reached by no link. Raises Broken, FileNotFoundError."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError:
        raise Broken("not_a_file") from None
    with os.fdopen(number, "rb") as file:
        known = os.fstat(number)
        if not stat.S_ISREG(known.st_mode):
            raise Broken("not_a_file")
        written = datetime.fromtimestamp(known.st_mtime, UTC)
        if path.name.lower().endswith(".gz"):
            with unpacking.body(file, gzip=True, megabytes=megabytes) as unpacked:
                yield unpacked, written
        else:
            yield file, written


def _classes_of(sender: Sender) -> Work:
    def work(house: House, file: BinaryIO, written: datetime) -> tuple[DeliveryState, dict[str, Any], bool]:
        form, school = sender.form, sender.school
        words: dict[str, Any] = {"form": form, "instellingsnummer": school, "snapshot_at": written}
        delivery = sender.delivery = intake.begin(house, **words)
        outcome = intake.take(house, file, delivery=delivery, **words)
        told = intake.told(
            delivery=delivery,
            state=outcome.state,
            form=form,
            school=school,
            report=classes.report(outcome.plan),
        )
        return outcome.state, told, outcome.plan.refused is None or outcome.plan.refused.code not in GATES

    return work


def _enrolments(
    house: House, file: BinaryIO, _written: datetime
) -> tuple[DeliveryState, dict[str, Any], bool]:
    outcome = enrolments.apply(house, enrolments.read(file))
    schools = {number: state.value for number, state in outcome.schools.items()}
    report: dict[str, Any] = {"state": outcome.state.value, "schools": schools}
    report["counts"] = dict(outcome.counts)
    report["holds"] = [
        {"instellingsnummer": school.instellingsnummer, "code": hold.code, "sentence": hold.sentence}
        for school in outcome.planned
        for hold in school.holds
    ]
    return outcome.state, report | problems.stored(outcome.problems), True


def _directors(
    house: House, file: BinaryIO, _written: datetime
) -> tuple[DeliveryState, dict[str, Any], bool]:
    done = directors.take_in(house, file)
    state = DeliveryState.REFUSED if done.refused else DeliveryState.APPLIED
    missing = [{"instellingsnummer": school, "persoon_id": person} for school, person in done.missing]
    report = {"state": state.value, "counts": done.counts, "missing": missing}
    return state, report | problems.stored(done.problems), True


def _put_away(house: House, taken: Taken) -> None:
    """Beside its report in `klaar`, or away altogether. The report first: without it nobody knows."""
    done = taken.path.parent / DONE
    done.mkdir(exist_ok=True)
    name = f"{house.clock.now():{STAMP}}-{taken.path.name}"
    hidden = done / f".{name}{REPORT}"
    hidden.write_text(json.dumps(taken.report, indent=1, default=str) + "\n", encoding="utf-8")
    hidden.rename(done / f"{name}{REPORT}")
    with suppress(FileNotFoundError):
        if taken.keeps:
            taken.path.rename(done / name)
        else:
            taken.path.unlink()


def _purge(house: House, place: Path) -> int:
    """Delete what lies in `klaar` for a week, and every file of a school that does not share (its reports may stay)."""
    now, today, count = house.clock.now(), house.clock.today(), 0
    before = now - timedelta(days=house.settings.keep_replaced_days)
    folders = [
        (folder, school_number(folder.name)) for form in classes.ADAPTERS for folder in _folders(place / form)
    ]
    folders += [(place / name, None) for name in (ENROLMENTS, DIRECTORS)]
    for folder, school in folders:
        files = _files(folder / DONE)
        if not files:
            continue
        shares = True
        if school is not None:
            with house.database.reading() as db:
                shares = agreements.shares_today(db, school, today)
        for path in files:
            if _since(path) < before or (not shares and not path.name.endswith(REPORT)):
                with suppress(FileNotFoundError):
                    path.unlink()
                    count += 1
    return count


def _since(path: Path) -> datetime:
    with suppress(ValueError):
        return datetime.strptime(path.name.partition("-")[0], STAMP).replace(tzinfo=UTC)
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
