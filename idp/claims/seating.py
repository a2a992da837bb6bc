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
        return [(begin, end) for named, begin, end in self.of(account_uuid) if named == klas_id]

    def klassen(self, account_uuid: str) -> frozenset[str]:
        """The klas_id of every class in which this pupil sits, whenever."""
        packed = self._by.get(account_uuid)
        return frozenset(self._klassen[number] for number in packed[::FIELDS]) if packed else frozenset()

    def count(self, account_uuid: str) -> int:
        """How many seats this pupil has."""
        return len(self._by.get(account_uuid, ())) // FIELDS

    def overlaps(self, account_uuid: str, klas_id: str, begin: date, end: date | None) -> bool:
        """Does this pupil sit in this class already on one of these days?"""
        number = self._numbers.get(klas_id)
        first, last = begin.toordinal(), (end or date.max).toordinal()
        return any(
            known == number and first <= (until or last) and since <= last
            for known, since, until in _seats(self._by.get(account_uuid))
        )

    def take(self, account_uuid: str, klas_id: str, begin: date, end: date | None) -> bool:
        """Take exactly this seat away; False when there is none."""
        packed = self._by.get(account_uuid)
        wanted = (self._numbers.get(klas_id), begin.toordinal(), end.toordinal() if end else 0)
        if packed is None:
            return False
        for place, seat in enumerate(_seats(packed)):
            if seat == wanted:
                del packed[place * FIELDS : (place + 1) * FIELDS]
                self._count -= 1
                return True
        return False


def _seats(packed: array[int] | None) -> Iterator[tuple[int, int, int]]:
    if packed is None:
        return iter(())
    return zip(packed[0::FIELDS], packed[1::FIELDS], packed[2::FIELDS], strict=True)
