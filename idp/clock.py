"""The one place that reads time. Storage and protocol are UTC; law turns at midnight in Brussels."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

BRUSSELS = ZoneInfo("Europe/Brussels")


class Clock:
    """The real time. Tests bring `Stopped`."""

    def now(self) -> datetime:
        """The moment, aware, in UTC."""
        return datetime.now(UTC)

    def today(self) -> date:
        """The day of law: the date in Brussels."""
        return day_of_law(self.now())

    def monotonic(self) -> float:
        """Seconds that never run back, for measuring how long something took."""
        return time.monotonic()


class Stopped(Clock):
    """A clock that stands still until it is moved."""

    def __init__(self, moment: datetime) -> None:
        if moment.tzinfo is None:
            raise ValueError("a clock needs an aware moment")
        self.moment = moment.astimezone(UTC)

    def now(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> None:
        """Move on, with the words of timedelta: `clock.move(minutes=5)`."""
        self.moment += timedelta(**by)

    def monotonic(self) -> float:
        return self.moment.timestamp()


class Shifted(Clock):
    """The real time and so many seconds more, as a file says: all processes of a demo read it, so that hours can pass.

    A demo only (context.open_house). A file that is not there, or says no number, shifts nothing.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: tuple[object, timedelta] = (None, timedelta())

    def now(self) -> datetime:
        return super().now() + self.shift()

    def shift(self) -> timedelta:
        """How far it is ahead now."""
        try:
            seen = self._file.stat()
        except OSError:
            return timedelta()
        stamp = (seen.st_mtime_ns, seen.st_ino)
        if self._known[0] != stamp:
            self._known = (stamp, self._read())
        return self._known[1]

    def set_shift(self, shift: timedelta) -> None:
        """Let it be so far ahead, for every process, from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(str(shift.total_seconds()), encoding="ascii")
        new.replace(self._file)

    def _read(self) -> timedelta:
        try:
            return timedelta(seconds=float(self._file.read_text(encoding="ascii")))
        except (OSError, ValueError, OverflowError):
            return timedelta()


def day_of_law(moment: datetime) -> date:
    """The date in Brussels at this moment."""
    return moment.astimezone(BRUSSELS).date()


FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
"""Of days that people type, those with which everybody can count: the ends of the calendar have no midnight, or no next day."""


def countable(day: date) -> date | None:
    """The same day; None for one that nobody can mean."""
    return day if FIRST_DAY <= day <= LAST_DAY else None


def midnight(day: date) -> datetime:
    """The moment, in UTC, at which this day begins in Brussels."""
    return datetime(day.year, day.month, day.day, tzinfo=BRUSSELS).astimezone(UTC)


def school_year(day: date) -> str:
    """The school year of a day, as written on a card: `2026-2027`. It turns on 1 September."""
    first = day.year if day.month >= 9 else day.year - 1
    return f"{first}-{first + 1}"


def school_year_ends(day: date) -> date:
    """The last day, 31 August, of the school year that holds this day."""
    return date(day.year + (day.month >= 9), 8, 31)
