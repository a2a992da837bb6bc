"""What does OneRoster deliver? A zip of CSV files (1.1 or 1.2): pupils, classes, and who is enrolled in which.

A pupil is recognised by a `userIds` entry or the `identifier` (the stamnummer). A `homeroom` class is a class, a
`scheduled` one a subclass. Names, addresses, passwords and everything else are dropped while reading.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from idp.feeds import reading, zipped
from idp.feeds.cells import Cells, school_number
from idp.feeds.class_rows import Found, Row
from idp.feeds.problems import Broken, RowRefused
from idp.models import Soort

VERSIONS = ("1.1", "1.2")
STUDENT, DELETED, SCHOOL = "student", "tobedeleted", "school"
NOBODYS = ""
"""In place of an instellingsnummer: of one school of several, and nobody knows which."""
SOORTEN = {"homeroom": Soort.KLAS, "scheduled": Soort.SUBKLAS}
IDENTITY = ("stamnummer", "leerid_uuid", "account_uuid")
_USER_ID = re.compile(r"\{\s*([A-Za-z_ ]{1,40}?)\s*:\s*([^{}]{1,100}?)\s*\}")


def _columns(required: str, optional: str = "") -> reading.Columns:
    named = (frozenset(words.split()) for words in (required, optional))
    return reading.Columns(required=next(named), optional=next(named), ignored=True)


MANIFEST = _columns("propertyname value")
ORGS = _columns("sourcedid identifier", "status type")
USERS = _columns("sourcedid", "status userids identifier role")
CLASSES = _columns("sourcedid title classtype", "status classcode schoolsourcedid")
ENROLLMENTS = _columns("classsourcedid usersourcedid role", "status schoolsourcedid begindate enddate")

Identity = dict[str, str | None]
Schools = defaultdict[str, str | None]
Described = tuple[str, str, Soort, str | None]
"""Code, name, kind, and the instellingsnummer of its school."""


def read(file: reading.Bytes, limits: reading.Limits, found: Found) -> None:
    """Enrolments of pupils in classes as rows. Raises Broken."""
    with zipped.opened(file, limits) as archive:
        _check_version(archive, limits)
        schools = _schools(archive, limits)
        classes = _classes(archive, limits, schools)
        users = _users(archive, limits)
        for line, values in _records(archive, "enrollments.csv", ENROLLMENTS, limits):
            if values is None:
                found.refuse(RowRefused("field_count"), line)
            elif _text(values, "status") == DELETED or _text(values, "role") != STUDENT:
                found.ignored += 1
            else:
                _enrolment(Cells(values, found.warn(line)), line, classes, users, found)


def _enrolment(
    cells: Cells, line: int, classes: dict[str, Described], users: dict[str, Identity], found: Found
) -> None:
    identity: Identity = {}
    try:
        identity = _known(users, cells.required("usersourcedid", 255), "usersourcedid")
        klas_id = cells.required("classsourcedid", 255)
        code, naam, soort, school = _known(classes, klas_id, "classsourcedid")
        if len(klas_id) > 100:
            raise RowRefused("too_long", "classsourcedid")  # noqa: TRY301 - one place for every refusal
        begin, end = cells.day("begindate"), cells.day("enddate")
        if begin and end and end < begin:
            raise RowRefused("dates_reversed", "enddate")  # noqa: TRY301
    except RowRefused as fault:
        found.refuse(fault, line, **identity)
        return
    found.add(
        Row(
            line=line,
            instellingsnummer=school,
            **identity,
            klas_id=klas_id,
            klascode=code,
            klasnaam=naam,
            soort=soort,
            begindatum=begin,
            einddatum=end,
        )
    )


def _known(those: dict[str, Any], name: str, column: str) -> Any:
    if name not in those:
        raise RowRefused("unknown_reference", column)
    return those[name]


def _check_version(archive: zipped.Zip, limits: reading.Limits) -> None:
    """A manifest may be missing (nobody misses it); one that names another version is believed."""
    if "manifest.csv" not in archive:
        return
    for _, values in _records(archive, "manifest.csv", MANIFEST, limits):
        if values and _text(values, "propertyname") == "oneroster.version":
            version = str(values["value"]).strip()
            if not version.startswith(VERSIONS):
                raise Broken("unknown_version")


def _schools(archive: zipped.Zip, limits: reading.Limits) -> Schools:
    """The instellingsnummer of each organisation, if its identifier is one.

    In an export of one school what has none is of that school; in one of several it may be of any, and is nobody's.
    """
    found: Schools = defaultdict(lambda: None)
    count = 0
    for _, values in _records(archive, "orgs.csv", ORGS, limits):
        if values and _text(values, "status") != DELETED:
            found[_plain(values, "sourcedid")] = school_number(_plain(values, "identifier"))
            count += _text(values, "type") in {"", SCHOOL}
    if count > 1:
        return defaultdict(lambda: NOBODYS, {name: number or NOBODYS for name, number in found.items()})
    return found


def _classes(archive: zipped.Zip, limits: reading.Limits, schools: Schools) -> dict[str, Described]:
    found: dict[str, Described] = {}
    for _, values in _records(archive, "classes.csv", CLASSES, limits):
        soort = SOORTEN.get(_text(values, "classtype")) if values else None
        if values is None or soort is None or _text(values, "status") == DELETED:
            continue
        cells = Cells(values, _ignore)
        try:
            code = cells.text("classcode", 60) or cells.required("title", 60)
            naam = cells.text("title", 200) or code
            name = cells.required("sourcedid", 255)
        except RowRefused:
            continue
        found[name] = (code, naam, soort, schools[_plain(values, "schoolsourcedid")])
    return found


def _users(archive: zipped.Zip, limits: reading.Limits) -> dict[str, Identity]:
    found: dict[str, Identity] = {}
    for _, values in _records(archive, "users.csv", USERS, limits):
        if values is None or _text(values, "status") == DELETED:
            continue
        if _text(values, "role") not in {"", STUDENT}:
            continue
        try:
            identity = _identity(values)
        except RowRefused:
            continue
        if any(identity.values()):
            found[_plain(values, "sourcedid")] = identity
    return found


def _identity(values: dict[str, Any]) -> Identity:
    said = {kind.strip().lower(): value for kind, value in _USER_ID.findall(str(values.get("userids") or ""))}
    cells = Cells(
        {name: said.get(name) for name in IDENTITY} | {"identifier": values.get("identifier")}, _ignore
    )
    stamnummer = cells.text("stamnummer", 40) or cells.text("identifier", 40)
    return {
        "stamnummer": stamnummer,
        "leerid_uuid": cells.identifier("leerid_uuid"),
        "account_uuid": cells.identifier("account_uuid"),
    }


def _records(
    archive: zipped.Zip, name: str, columns: reading.Columns, limits: reading.Limits
) -> Iterator[reading.Record]:
    with archive.opened(name) as file:
        yield from reading.table(reading.text_lines(file), columns, limits)


def _text(values: dict[str, Any], column: str) -> str:
    return _plain(values, column).lower()


def _plain(values: dict[str, Any], column: str) -> str:
    return str(values.get(column) or "").strip()


def _ignore(_code: str, _column: str) -> None:
    """What looks odd in a name that is not kept matters to nobody."""
