"""Whom does a breach touch? Schools, pupils, apps and what they were told, in a period, from the ledger and the audit trail.

Three kinds of questions: an app that leaked (what was it told, about whom), an account of staff in wrong hands (whom did it
reach), a school or a period (everything). Ids and names of claims only: whoever must be warned is looked up by the school.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, or_, select

from idp import audit
from idp.admin.operators import school_list
from idp.admin.records import exporting, sealing
from idp.errors import Invalid, NotFound
from idp.models import App, AuditEvent, Person, Release, School

MOST = 500_000
"""Lines in one report: a pupil, by one app or member of staff, at one school. All of them are in memory."""
COLUMNS = (
    "source",
    "instellingsnummer",
    "school",
    "who",
    "name",
    "account_uuid",
    "what",
    "times",
    "first",
    "last",
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which part of what happened. `end` is not included; empty: everything."""

    begin: datetime
    end: datetime
    client_id: str = ""
    instellingsnummer: str = ""
    person_id: str = ""


@dataclass
class Touched:
    """One pupil, by one app or one member of staff, at one school."""

    times: int = 0
    what: set[str] = field(default_factory=set)
    """Names of claims that were released, or of events."""
    first: datetime | None = None
    last: datetime | None = None

    def add(self, at: datetime, what: set[str]) -> None:
        self.times += 1
        self.what |= what
        self.first = self.first or at
        self.last = at


@dataclass(frozen=True, kw_only=True)
class Report:
    wanted: Wanted
    lines: tuple[dict[str, Any], ...]
    """One for every pupil, app or member of staff, and school: COLUMNS."""

    def total(self, column: str) -> int:
        """How many different ones."""
        return len({line[column] for line in self.lines if line[column]})

    def groups(self) -> list[dict[str, Any]]:
        """By source, app or member of staff, and school: how many pupils, and what."""
        pupils: dict[tuple[str, ...], set[str]] = defaultdict(set)
        what: dict[tuple[str, ...], set[str]] = defaultdict(set)
        names = ("source", "who", "name", "instellingsnummer", "school")
        for line in self.lines:
            key = tuple(str(line[name] or "") for name in names)
            pupils[key].add(line["account_uuid"])
            what[key] |= set(line["what"])
        return [
            dict(zip(names, key, strict=True)) | {"pupils": len(pupils[key]), "what": sorted(what[key])}
            for key in sorted(pupils)
        ]

    def document(self) -> dict[str, Any]:
        return {
            "period": {"from": self.wanted.begin, "until": self.wanted.end},
            "only": {
                "app": self.wanted.client_id or None,
                "school": self.wanted.instellingsnummer or None,
                "person": self.wanted.person_id or None,
            },
            "touched": {
                "pupils": self.total("account_uuid"),
                "schools": self.total("instellingsnummer"),
                "apps": len({line["who"] for line in self.lines if line["source"] == "ledger"}),
            },
            "groups": self.groups(),
            "lines": [dict(line) for line in self.lines],
        }

    def table(self) -> str:
        """The lines as CSV with semicolons, as spreadsheets here expect; no cell begins a formula."""
        out = io.StringIO()
        writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for line in self.lines:
            cells = {**line, "what": " ".join(line["what"])}
            writer.writerow([_harmless(cells[name]) for name in COLUMNS])
        return out.getvalue()


def report(db: Connection, wanted: Wanted, *, most: int = MOST) -> Report:
    """Everything in this period that fits. With a person only the audit trail counts, with an app only the ledger.

    Raises NotFound `app_unknown`, `school_unknown` and `person_unknown`, and Invalid `breach_of_both` for an app and a
    person: a slip of the pen must not read as "nobody was touched"; Invalid `breach_too_wide` when it has more than `most` lines: ask by school, by app, or by shorter periods.
    """
    _known(db, wanted)
    found: dict[tuple[str, str, str, str], Touched] = defaultdict(Touched)
    chosen = exporting.Wanted(
        begin=wanted.begin, end=wanted.end, instellingsnummer=wanted.instellingsnummer or None
    )
    if not wanted.person_id:
        for row in exporting.rows(db, sealing.table_of(Release), chosen):
            if wanted.client_id in ("", row["client_id"]):
                told = {name for name, word in row["claims"].items() if word == "released"}
                key = ("ledger", row["client_id"], row["account_uuid"], row["instellingsnummer"] or "")
                found[key].add(row["at"], told)
                _bound(found, most)
    if not wanted.client_id:
        for row in exporting.rows(db, sealing.table_of(AuditEvent), chosen):
            kind, _, who = row["actor"].partition(":")
            about, _, account_uuid = (row["object"] or "").partition(":")
            if kind == "person" and about == "pupil" and wanted.person_id in ("", who):
                key = ("audit", who, account_uuid, row["instellingsnummer"] or "")
                found[key].add(row["at"], {row["event"]})
                _bound(found, most)
    return Report(wanted=wanted, lines=tuple(_lines(db, found)))


def _known(db: Connection, wanted: Wanted) -> None:
    if wanted.client_id and wanted.person_id:
        raise Invalid("breach_of_both", "what an app was told no person did: ask about one of them at a time")
    if (
        wanted.client_id
        and not db.execute(select(App.client_id).where(App.client_id == wanted.client_id)).first()
    ):
        raise NotFound("app_unknown", f"there is no app {wanted.client_id[:100]}: see `idp app list`")
    if wanted.instellingsnummer:
        school_list.require(db, wanted.instellingsnummer)
    if wanted.person_id:
        here = exists().where(Person.person_id == wanted.person_id)
        acted = exists().where(AuditEvent.actor == audit.person(wanted.person_id))
        if not db.execute(select(or_(here, acted))).scalar_one():
            raise NotFound("person_unknown", f"nobody has the person_id {wanted.person_id[:100]}")


def _bound(found: Mapping[tuple[str, str, str, str], Touched], most: int) -> None:
    if len(found) > most:
        raise Invalid(
            "breach_too_wide", f"more than {most:,} lines: ask by school, by app, or by shorter periods"
        )


def _lines(db: Connection, found: dict[tuple[str, str, str, str], Touched]) -> list[dict[str, Any]]:
    apps = {row.client_id: row.client_name for row in db.execute(select(App.client_id, App.client_name))}
    schools = {
        row.instellingsnummer: row.naam for row in db.execute(select(School.instellingsnummer, School.naam))
    }
    return [
        {
            "source": source,
            "instellingsnummer": school or None,
            "school": schools.get(school),
            "who": who,
            "name": apps.get(who) if source == "ledger" else None,
            "account_uuid": account_uuid,
            "what": sorted(touched.what),
            "times": touched.times,
            "first": touched.first,
            "last": touched.last,
        }
        for (source, who, account_uuid, school), touched in sorted(found.items())
    ]


def _harmless(cell: Any) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text
