"""What is in the file that an app gets instead of pages? OneRoster's CSV files in a zip, from the same lists.

The lists are read page by page, each line decided then; at the end it is looked once more whether every school whose
classes are in it still shares. What begins like a formula gets an apostrophe before it: somebody may open the file in a
program that calculates.
"""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import IO, Any

from idp.apps import App
from idp.claims import agreements
from idp.claims.disclose import OfMany
from idp.context import House
from idp.errors import Busy
from idp.models import RosterKind
from idp.rosters import asking, lists, shapes, stock
from idp.rosters.asking import Ask, Wrong
from idp.rosters.lists import Within
from idp.rosters.shapes import Item

MOST = 50_000
"""Pupils in one file; an app of the whole country asks school by school."""
TRIES = 3
IN_MEMORY, PART = 4 * 1024 * 1024, 64 * 1024
FORMULA = ("=", "+", "-", "@", "\t", "\r")

# fmt: off
HEADERS: Mapping[str, tuple[str, ...]] = {
    "academicSessions": (
        "sourcedId", "status", "dateLastModified", "title", "type", "startDate", "endDate", "parentSourcedId",
        "schoolYear",
    ),
    "classes": (
        "sourcedId", "status", "dateLastModified", "title", "grades", "courseSourcedId", "classCode", "classType",
        "location", "schoolSourcedId", "termSourcedIds", "subjects", "subjectCodes", "periods",
    ),
    "courses": (
        "sourcedId", "status", "dateLastModified", "schoolYearSourcedId", "title", "courseCode", "grades",
        "orgSourcedId", "subjects", "subjectCodes",
    ),
    "enrollments": (
        "sourcedId", "status", "dateLastModified", "classSourcedId", "schoolSourcedId", "userSourcedId", "role",
        "primary", "beginDate", "endDate",
    ),
    "orgs": ("sourcedId", "status", "dateLastModified", "name", "type", "identifier", "parentSourcedId"),
    "roles": (
        "sourcedId", "status", "dateLastModified", "userSourcedId", "roleType", "role", "beginDate", "endDate",
        "orgSourcedId", "userProfileSourcedId",
    ),
    "users": (
        "sourcedId", "status", "dateLastModified", "enabledUser", "username", "userIds", "givenName", "familyName",
        "middleName", "identifier", "email", "sms", "phone", "agentSourcedIds", "grades", "password",
        "userMasterIdentifier", "resourceSourcedIds", "preferredGivenName", "preferredMiddleName",
        "preferredFamilyName", "primaryOrgSourcedId", "pronouns",
    ),
}
"""The files, and their columns in the order that OneRoster 1.2 prescribes."""
ABSENT = (
    "categories", "classResources", "courseResources", "demographics", "lineItemLearningObjectiveIds", "lineItems",
    "lineItemScoreScales", "resources", "resultLearningObjectiveIds", "results", "resultScoreScales", "scoreScales",
    "userProfiles", "userResources",
)
# fmt: on
Row = Mapping[str, Any]


@dataclass(kw_only=True)
class File:
    """The zip, and what stands in it about whom."""

    body: IO[bytes]
    told: list[OfMany] = field(default_factory=list)
    schools: set[str] = field(default_factory=set)
    """Whose pupils are in it."""
    classes_of: set[str] = field(default_factory=set)
    """Whose classes are in it."""

    def parts(self) -> Iterator[bytes]:
        """The zip, some at a time; afterwards it is gone."""
        with self.body:
            while part := self.body.read(PART):
                yield part


def make(house: House, app: App, *, now: datetime, today: date, school: str | None) -> File:
    """Everything, or one school. The caller records what is told before it answers.

    Raises Wrong when it would be too large, Busy when schools keep stopping meanwhile.
    """
    stock.refresh(house, app, school=school, now=now)
    for _ in range(TRIES):
        made = _Making(house, app, now=now, today=today, school=school).file()
        with house.database.reading() as db:
            if all(agreements.shares_today(db, one, today) for one in made.classes_of):
                return made
        made.body.close()
    raise Busy("roster_changes", "schools stopped sharing while the file was made", retry_after=30)


class _Making:
    def __init__(self, house: House, app: App, *, now: datetime, today: date, school: str | None) -> None:
        self._house, self._app, self._now, self._today = house, app, now, today
        self._within = Within(school=school)
        self._file = File(body=tempfile.SpooledTemporaryFile(max_size=IN_MEMORY))  # noqa: SIM115 - it is the answer

    def file(self) -> File:
        with zipfile.ZipFile(self._file.body, "w", zipfile.ZIP_DEFLATED) as archive:
            self._add(archive, "manifest", ("propertyName", "value"), _manifest())
            self._add(archive, "academicSessions", None, map(_session, shapes.sessions("", self._today)))
            self._add(archive, "orgs", None, self._each(RosterKind.ORG))
            with archive.open("users.csv", "w") as users:
                roles = self._users(users)
            self._add(archive, "roles", None, roles)
            if shapes.reads_classes(self._app):
                self._add(archive, "classes", None, self._classes())
                self._add(archive, "enrollments", None, self._enrollments())
            else:
                self._add(archive, "classes", None, ())
                self._add(archive, "enrollments", None, ())
            self._add(archive, "courses", None, self._courses())
        self._file.body.seek(0)
        return self._file

    # ------------------------------------------------------------ lists

    def _each(self, kind: RosterKind) -> Iterator[Item]:
        after: str | None = None
        while True:
            with self._house.database.reading() as db:
                page = lists.page(
                    db,
                    self._house,
                    self._app,
                    kind,
                    ask=Ask(limit=asking.MOST, after=after),
                    within=self._within,
                    base="",
                    today=self._today,
                )
            if kind is RosterKind.USER and page.total > MOST:
                raise Wrong("invaliddata", f"more than {MOST} pupils: ask school by school (?school=NUMBER)")
            self._file.told += page.told
            self._file.schools.update(one.instellingsnummer for one in page.told)
            yield from page.items
            if not page.more:
                return
            after = page.last

    def _users(self, file: IO[bytes]) -> list[Row]:
        roles: list[Row] = []
        with _writer(file, HEADERS["users"]) as write:
            for item in self._each(RosterKind.USER):
                write(
                    item
                    | {
                        "enabledUser": "true",
                        "userIds": ",".join(
                            f"{{{one['type']}:{one['identifier']}}}" for one in item.get("userIds", ())
                        ),
                        "grades": ",".join(item.get("grades", ())),
                        "primaryOrgSourcedId": item["primaryOrg"]["sourcedId"],
                    }
                )
                roles += [_role(item, one) for one in item["roles"]]
        return roles

    def _classes(self) -> Iterator[Row]:
        for item in self._each(RosterKind.CLASS):
            self._file.classes_of.add(item["school"]["sourcedId"])
            yield item | {
                "courseSourcedId": item["course"]["sourcedId"],
                "schoolSourcedId": item["school"]["sourcedId"],
                "termSourcedIds": ",".join(one["sourcedId"] for one in item["terms"]),
            }

    def _enrollments(self) -> Iterator[Row]:
        for item in self._each(RosterKind.ENROLLMENT):
            self._file.classes_of.add(item["school"]["sourcedId"])
            yield item | {
                "classSourcedId": item["class"]["sourcedId"],
                "schoolSourcedId": item["school"]["sourcedId"],
                "userSourcedId": item["user"]["sourcedId"],
            }

    def _courses(self) -> Iterator[Row]:
        for number in sorted(self._file.classes_of):
            for soort in shapes.COURSES:
                item = shapes.course("", number, soort, self._today)
                yield item | {"schoolYearSourcedId": item["schoolYear"]["sourcedId"], "orgSourcedId": number}

    # ------------------------------------------------------------ files

    def _add(
        self, archive: zipfile.ZipFile, name: str, header: tuple[str, ...] | None, rows: Iterable[Row]
    ) -> None:
        with archive.open(f"{name}.csv", "w") as file, _writer(file, header or HEADERS[name]) as write:
            for row in rows:
                write(row)


def _session(item: Item) -> Row:
    return item | {"parentSourcedId": item.get("parent", {}).get("sourcedId", "")}


def _role(item: Item, role: Item) -> Row:
    number = role["org"]["sourcedId"]
    return {
        "sourcedId": f"{item['sourcedId']}-{number}",
        "status": item["status"],
        "dateLastModified": item["dateLastModified"],
        "userSourcedId": item["sourcedId"],
        "roleType": role["roleType"],
        "role": role["role"],
        "orgSourcedId": number,
    }


def _manifest() -> Iterator[Row]:
    words = {"manifest.version": "1.0", "oneroster.version": "1.2"}
    files = dict.fromkeys(HEADERS, "bulk") | dict.fromkeys(ABSENT, "absent")
    words |= {f"file.{name}": files[name] for name in sorted(files, key=str.lower)}
    words |= {"source.systemName": "Leersleutel", "source.systemCode": "leersleutel"}
    for name, value in words.items():
        yield {"propertyName": name, "value": value}


class _writer:  # noqa: N801 - reads as a word
    """Rows of one file: every column in its place, empty when there is nothing."""

    def __init__(self, file: IO[bytes], header: tuple[str, ...]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self._header = header
        self._lines = csv.writer(self._text, lineterminator="\r\n")
        self._lines.writerow(header)

    def __enter__(self) -> Any:
        return self._write

    def __exit__(self, *_: object) -> None:
        self._text.flush()
        self._text.detach()

    def _write(self, row: Row) -> None:
        self._lines.writerow([_cell(row.get(name)) for name in self._header])


def _cell(value: Any) -> str:
    said = value if isinstance(value, str) else ""
    return f"'{said}" if said.startswith(FORMULA) else said
