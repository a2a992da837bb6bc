"""Schools, files and rows for the tests of what arrives."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from idp import audit, models
from idp.feeds import classes, deliveries, enrolments, held
from idp.feeds.problems import Problem
from tests import make

DATA = Path(__file__).parent / "data"
HEADER = [
    "instellingsnummer",
    "stamnummer",
    "voornaam",
    "naam",
    "officiele_voornaam",
    "officiele_naam",
    "geslacht",
    "geboortedatum",
    "rijksregisternummer",
    "bisnummer",
    "hoofdstructuur",
    "administratieve_groep",
    "administratieve_groep_code",
    "leerjaar",
    "vestigingsplaats",
    "begindatum",
    "einddatum",
]
SCHOOLS = {"999001": "wisa", "999002": "informat", "999003": "oneroster", "999004": "informat"}


def schools(house, *numbers: str, kind=models.SchoolKind.TEST) -> None:
    with house.database.transaction() as db:
        for number in numbers or SCHOOLS:
            values = {"instellingsnummer": number, "naam": f"School {number}", "kind": kind}
            values |= {"pakket": SCHOOLS.get(number, "informat"), "created_at": house.clock.now()}
            db.execute(insert(models.School), values)


def national_number(serial: int, born: date = date(2012, 5, 6)) -> str:
    """An invented bis number with a right check number."""
    body = f"{born:%y}{born.month + 40:02}{born.day:02}{serial:03}"
    return body + f"{97 - int(('2' if born.year >= 2000 else '') + body) % 97:02}"


def row(stamnummer: str = "1", **words: Any) -> dict[str, str]:
    """A row of an enrolment file; `number=7` gives a valid national number and official data."""
    serial = words.pop("number", None)
    values = {
        "instellingsnummer": "999001",
        "stamnummer": stamnummer,
        "voornaam": "Bo",
        "naam": "Peeters",
        "hoofdstructuur": "311",
        "administratieve_groep": "1e lj A",
        "administratieve_groep_code": "2112",
        "begindatum": "2026-09-01",
        "einddatum": "2027-08-31",
    }
    if serial is not None:
        values |= {"officiele_voornaam": "Bo", "officiele_naam": "Peeters", "geslacht": "X"}
        values |= {"geboortedatum": "2012-05-06", "rijksregisternummer": national_number(serial)}
    return values | words


def file(*rows: dict[str, str], header: list[str] | None = None, delimiter: str = ";") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header or HEADER, delimiter=delimiter, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Everything that a small file says, at once."""

    found: enrolments.Reading
    schools: dict[str, tuple[enrolments.Row, ...]] = field(repr=False)
    refused_rows: tuple[object, ...]
    problems: tuple[Problem, ...]

    @property
    def refused(self) -> Problem | None:
        return self.found.refused

    @property
    def rows(self) -> int:
        return sum(map(len, self.schools.values()))


def read(source, **words) -> Whole:
    found = enrolments.read(source, **words)
    parts = [found.school(number) for number in (*found.numbers, *found.others())]
    problems = [problem for part in parts for problem in part.problems]
    return Whole(
        found=found,
        schools={part.instellingsnummer: part.rows for part in parts if part.rows},
        refused_rows=(*found.of_no_school, *(row for part in parts for row in part.refused_rows)),
        problems=tuple(sorted(problems, key=lambda one: one.line)) if not found.refused else (found.refused,),
    )


def look(house, source, *, delta: bool = False) -> enrolments.Outcome:
    """What would it change?"""
    return enrolments.look(house, enrolments.read(source), delta=delta)


def bring(house, source, *, delta: bool = False, accept_holds: bool = False) -> enrolments.Outcome:
    """Read and apply."""
    with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="operator:cli", source="cli")):
        return enrolments.apply(house, enrolments.read(source), delta=delta, accept_holds=accept_holds)


def settled(house) -> None:
    """Wait until the server has ended what a process asked that was killed: its last COMMIT may be under way."""
    if house.database.sqlite:
        return
    others = "datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
    ends = time.monotonic() + 60
    busy = 1
    while busy:
        with house.database.reading() as db:
            busy = db.scalar(text(f"SELECT count(*) FROM pg_stat_activity WHERE {others}"))
        assert time.monotonic() < ends, "the server goes on with it"


def held_delivery(house, *, naam: str = "Basisschool De Wijzer", pupil: str = "Peeters") -> tuple[str, str]:
    """A school of which a delivery waits, because a class would be emptied; returns its number and the delivery."""
    with house.database.transaction() as db:
        school = make.school(db, naam=naam, pakket="leersleutel")
        make.agreement(db, school)
    rows = [row(str(n), instellingsnummer=school, voornaam=f"Bo {n}", naam=pupil) for n in range(12)]
    bring(house, file(*rows))

    def deliver(pupils, naam):
        base = {"soort": "klas", "begindatum": "2026-09-01", "einddatum": None}
        made = [
            base
            | {"stamnummer": str(n), "klas_id": f"3{'AB'[n % 2]}", "klascode": f"3{'AB'[n % 2]}"}
            | {"klasnaam": f"{naam} 3{'AB'[n % 2]}"}
            for n in pupils
        ]
        found = classes.read("leersleutel", json.dumps(made).encode(), settings=house.settings)
        with house.database.reading() as db:
            words = {"instellingsnummer": school, "today": house.clock.today(), "settings": house.settings}
            planned = classes.plan(db, found, **words)
        with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="system")):
            return classes.apply(house, planned).delivery

    deliver(range(12), "Klas")
    return school, deliver([*range(1, 12, 2)], "Groep")


def held_enrolments(
    house, *, naam: str = "Basisschool De Wijzer", group: str = "1e lj A", pupils: int = 40
) -> tuple[str, str]:
    """A school of which a list of enrolments waits, because it lacks a quarter; returns its number and the delivery."""
    with house.database.transaction() as db:
        school = make.school(db, naam=naam)
    words = {"instellingsnummer": school, "administratieve_groep": group}
    rows = [row(str(n), **words) for n in range(pupils)]
    bring(house, file(*rows))
    new = row(str(pupils), instellingsnummer=school, administratieve_groep="2e lj B")
    bring(house, file(*rows[: pupils - pupils // 4], new))
    with house.database.reading() as db:
        (one,) = held.waiting(db, school, kind=deliveries.ENROLMENTS)
    return school, one.id
