"""Which pupil is a row about? The keyed digest of the national number decides, else the stamnummer at this school.

Never a name. A number makes two schools see one pupil; a stamnummer means something at its own school only.
A pupil without a number who gets one later is merged with the pupil who had it, unless the file would then
overwrite a number that is already known: that is a conflict, for a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import filterfalse, islice
from typing import Any

from sqlalchemy import Connection, select

from idp import entropy, models
from idp.feeds.aside import Notes, Place
from idp.feeds.enrolment_rows import Official, Row
from idp.feeds.problems import RowRefused

CHUNK = 500
"""Values in one IN (…): under the limits of every database."""
NOTHING = Official(None, None, None, None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A pupil as we know them, or are about to."""

    account_uuid: str
    digest: str | None
    official: Official
    has_account: bool
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Merge:
    """Two pupils turn out to be one."""

    surviving: str
    merged: str


class People:
    """The pupils that a plan meets. What it changes about one is remembered until the plan is done.

    `place`: for plans of many schools that are only looked at. What they would change may be more than memory can hold.
    """

    def __init__(self, key: bytes, now: datetime, place: Place | None = None) -> None:
        self._key, self._now = key, now
        self._stored: dict[str, Known] = {}
        self._stored_digests: dict[str, str] = {}
        self._stored_merged: dict[str, str] = {}
        self._planned: MutableMapping[str, Known] = {}
        self._planned_digests: MutableMapping[str, str] = {}
        if place is not None:
            self._planned = Notes(place, "pupil", _packed, _unpacked)
            self._planned_digests = Notes(place, "digest", str, str)
        self._merged: dict[str, str] = {}
        self.created: dict[str, Known] = {}
        self.changed: dict[str, Known] = {}
        self.merges: list[Merge] = []

    def digests(self, row: Row) -> list[str]:
        """The keyed digests of a row's numbers, the one to keep first."""
        return [*row.digests, *(entropy.keyed_digest(self._key, number) for number in row.numbers)]

    def meet(self, db: Connection, rows: Sequence[Row], there: Iterable[str]) -> None:
        """Look up whoever the rows of one school may be about; `there`: pupils enrolled at it before."""
        self._stored, self._stored_digests, self._stored_merged = {}, {}, {}
        self.created, self.changed, self.merges = {}, {}, []
        table = models.Pupil
        columns = (
            table.account_uuid,
            table.national_number_digest,
            table.voornaam,
            table.naam,
            table.geslacht,
            table.geboortedatum,
            table.leerid_uuid,
            table.created_at,
            table.merged_into,
        )
        wanted = {digest for row in rows for digest in self.digests(row)}
        self._load(db, columns, table.national_number_digest.in_, wanted)
        met = {*there, *filter(None, map(self._holder, wanted))}
        while missing := set(filterfalse(self._is_known, map(self.final, met))):
            self._load(db, columns, table.account_uuid.in_, missing)
            met = missing

    def _load(
        self, db: Connection, columns: tuple[Any, ...], among: Callable[[list[str]], Any], values: set[str]
    ) -> None:
        for some in chunks(values):
            for found in db.execute(select(*columns).where(among(some))):
                uuid, digest, voornaam, naam, geslacht, born, leerid_uuid, created_at, merged_into = found
                if digest is not None:
                    self._stored_digests[digest] = uuid
                if merged_into is not None:
                    self._stored_merged[uuid] = merged_into
                    continue
                known = Known(
                    account_uuid=uuid,
                    digest=digest,
                    official=Official(voornaam, naam, geslacht, born),
                    has_account=leerid_uuid is not None,
                    created_at=created_at,
                )
                self._stored[uuid] = known

    def match(self, row: Row, here: str | None) -> Known:
        """The pupil of a row; `here` is who has its stamnummer at this school. Raises RowRefused on a conflict."""
        digests = self.digests(row)
        at_school = self._known(here) if here is not None else None
        if at_school and at_school.digest and digests and at_school.digest not in digests:
            raise RowRefused("number_conflict", "stamnummer")
        by_number = {self.final(uuid) for uuid in map(self._holder, digests) if uuid}
        if len(by_number) > 1:
            raise RowRefused("number_conflict", "bisnummer")
        elsewhere = self._known(by_number.pop()) if by_number else None
        if at_school and elsewhere and at_school != elsewhere:
            pupil = self._merge(at_school, elsewhere)
        else:
            pupil = at_school or elsewhere or self._create()
        return self._update(pupil, digests, row.official)

    def final(self, uuid: str) -> str:
        """Who this pupil is by now."""
        while (into := self._merged.get(uuid) or self._stored_merged.get(uuid)) is not None:
            uuid = into
        return uuid

    def _create(self) -> Known:
        known = Known(
            account_uuid=entropy.identifier(),
            digest=None,
            official=NOTHING,
            has_account=False,
            created_at=self._now,
        )
        self._stored[known.account_uuid] = self.created[known.account_uuid] = known
        return known

    def _merge(self, one: Known, other: Known) -> Known:
        surviving, merged = sorted(
            (one, other), key=lambda p: (not p.has_account, p.created_at, p.account_uuid)
        )
        self.merges.append(Merge(surviving=surviving.account_uuid, merged=merged.account_uuid))
        self._merged[merged.account_uuid] = surviving.account_uuid
        if surviving.digest is None:
            official = surviving.official if surviving.official != NOTHING else merged.official
            surviving = replace(surviving, digest=merged.digest, official=official)
            self._remember(surviving)
        return surviving

    def _update(self, pupil: Known, digests: list[str], official: Official | None) -> Known:
        official = official or pupil.official
        if digests and (pupil.digest != digests[0] or pupil.official != official):
            pupil = replace(pupil, digest=digests[0], official=official)
            self._remember(pupil)
        return pupil

    def _remember(self, pupil: Known) -> None:
        uuid = pupil.account_uuid
        self._planned[uuid] = pupil
        if pupil.digest is not None:
            self._planned_digests[pupil.digest] = uuid
        (self.created if uuid in self.created else self.changed)[uuid] = pupil

    def _is_known(self, uuid: str) -> bool:
        return uuid in self._stored or uuid in self._planned

    def _known(self, uuid: str) -> Known:
        last = self.final(uuid)
        return self._planned.get(last) or self._stored[last]

    def _holder(self, digest: str) -> str | None:
        return self._planned_digests.get(digest) or self._stored_digests.get(digest)


def _packed(known: Known) -> Sequence[Any]:
    """As JSON can say it."""
    said = known.official
    born = said.geboortedatum and said.geboortedatum.toordinal()
    about = (known.account_uuid, known.digest, known.has_account, known.created_at.isoformat())
    return *about, said.voornaam, said.naam, said.geslacht, born


def _unpacked(cells: Sequence[Any]) -> Known:
    uuid, digest, has_account, created_at, voornaam, naam, geslacht, born = cells
    return Known(
        account_uuid=uuid,
        digest=digest,
        official=Official(voornaam, naam, geslacht, born and date.fromordinal(born)),
        has_account=has_account,
        created_at=datetime.fromisoformat(created_at),
    )


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Values, some hundreds at a time, in a stable order."""
    ordered = iter(sorted(values))
    while some := list(islice(ordered, CHUNK)):
        yield some
