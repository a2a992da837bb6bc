"""Who would sit where? Many memberships in little memory: a few whole numbers each, beside the names of pupils and classes.

A school may deliver 200,000 rows; as objects they would take a hundred megabytes, packed they take three.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

FIELDS = 3
"""Class, first day, last day (0: no end)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveredMembership:
    klas_id: str
    account_uuid: str
    begindatum: date
    einddatum: date | None


class Seating:
    """Memberships by pupil. Iterating gives DeliveredMembership, one at a time."""

    def __init__(self) -> None:
        self._klassen: list[str] = []
        self._numbers: dict[str, int] = {}
        self._by: dict[str, array[int]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[DeliveredMembership]:
        for uuid in self._by:
            for klas_id, begin, end in self.of(uuid):
                yield DeliveredMembership(klas_id=klas_id, account_uuid=uuid, begindatum=begin, einddatum=end)

    @property
    def pupils(self) -> Iterator[str]:
        """Every account_uuid with a seat."""
        return iter(self._by)

    def add(self, account_uuid: str, klas_id: str, begin: date, end: date | None) -> None:
        number = self._numbers.setdefault(klas_id, len(self._klassen))
        if number == len(self._klassen):
            self._klassen.append(klas_id)
        packed = self._by.get(account_uuid)
        if packed is None:
            packed = self._by[account_uuid] = array("i")
        packed.extend((number, begin.toordinal(), end.toordinal() if end else 0))
        self._count += 1

    def of(self, account_uuid: str) -> Iterator[tuple[str, date, date | None]]:
        """The classes of a pupil, each with its first and last day."""
        for number, begin, end in _seats(self._by.get(account_uuid)):
            yield self._klassen[number], date.fromordinal(begin), date.fromordinal(end) if end else None

    def periods(self, account_uuid: str, klas_id: str) -> list[tuple[date, date | None]]:
        """When this pupil sits in this class."""
        packed = self._by.get(account_uuid)
        return [
            (date.fromordinal(packed[place + 1]), _day(packed[place + 2]))
            for place in self._places(packed, klas_id)
            if packed is not None
        ]

    def klassen(self, account_uuid: str, since: date | None = None) -> frozenset[str]:
        """The klas_id of every class in which this pupil sits, whenever; or on this day or later."""
        packed = self._by.get(account_uuid)
        if packed is None:
            return frozenset()
        first = since.toordinal() if since else 0
        return frozenset(self._klassen[klas] for klas, _, end in _seats(packed) if not end or end >= first)

    def on(self, account_uuid: str, day: date) -> frozenset[str]:
        """The klas_id of every class in which this pupil sits on this day."""
        here = self.of(account_uuid)
        return frozenset(klas for klas, begin, end in here if begin <= day and (end is None or end >= day))

    def count(self, account_uuid: str) -> int:
        """How many seats this pupil has."""
        return len(self._by.get(account_uuid, ())) // FIELDS

    def overlaps(self, account_uuid: str, klas_id: str, begin: date, end: date | None) -> bool:
        """Does this pupil sit in this class already on one of these days?"""
        packed = self._by.get(account_uuid)
        first, last = begin.toordinal(), (end or date.max).toordinal()
        return any(
            packed[place + 1] <= last and first <= (packed[place + 2] or last)
            for place in self._places(packed, klas_id)
            if packed is not None
        )

    def take(self, account_uuid: str, klas_id: str, begin: date, end: date | None) -> bool:
        """Take exactly this seat away; False when there is none."""
        packed = self._by.get(account_uuid)
        wanted = begin.toordinal(), end.toordinal() if end else 0
        for place in self._places(packed, klas_id):
            if packed is not None and (packed[place + 1], packed[place + 2]) == wanted:
                del packed[place : place + FIELDS]
                self._count -= 1
                return True
        return False

    def _places(self, packed: array[int] | None, klas_id: str) -> list[int]:
        """Where the seats in this class begin. Most often there is none, and that is seen at once."""
        number = self._numbers.get(klas_id)
        if packed is None or number is None:
            return []
        klassen = packed[::FIELDS]
        if number not in klassen:
            return []
        return [at * FIELDS for at, one in enumerate(klassen) if one == number]


def _day(ordinal: int) -> date | None:
    return date.fromordinal(ordinal) if ordinal else None


def _seats(packed: array[int] | None) -> Iterator[tuple[int, int, int]]:
    if packed is None:
        return iter(())
    return zip(packed[0::FIELDS], packed[1::FIELDS], packed[2::FIELDS], strict=True)
