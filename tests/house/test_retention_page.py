"""docs/retention.md says of every table how long it is kept, in lengths that the settings have, and the purge does that."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from sqlalchemy import event

from idp import config, journal, models, pushed
from idp.admin.privacy import retention
from idp.login import staff_factors
from tests import make

PAGE = Path(__file__).parent.parent.parent / "docs" / "retention.md"
NUMBERS = {"one": 1, "two": 2, "five": 5}
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
UNITS = {"_seconds": 1, "_minutes": 60, "_hours": 3600, "_days": 86400}
STAYS = ("as long as", "for ever", "one line", "the public halves as long as")
"""How a line begins of which the purge takes nothing."""


def lines():
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith("| data "):
            data, kept, tables = (cell.strip() for cell in line.strip("|").split("|"))
            yield data, kept, re.findall(r"`([^`]+)`", tables)


def seconds(number: str, unit: str) -> int:
    count, unit = NUMBERS.get(number) or int(number), unit.removesuffix("s")
    return int(count * 365.25 + 0.5) * 86400 if unit == "year" else count * SECONDS[unit]


def test_every_table_has_its_line():
    named = [table for _data, _kept, tables in lines() for table in tables]
    assert {*named} == {*models.Base.metadata.tables}


def test_every_length_of_time_is_the_default_of_its_setting():
    said = [
        found for _data, kept, _tables in lines() for found in re.findall(r"(\w+) (\w+) \(`(\w+)`\)", kept)
    ]
    fields = config.Settings.model_fields
    lengths = [one for one in said if one[2] != "keep_ledger_years"]
    assert lengths
    for number, unit, setting in lengths:
        worth = next(worth for ending, worth in UNITS.items() if setting.endswith(ending))
        assert seconds(number, unit) == fields[setting].default * worth, f"{setting}: {number} {unit}"
    assert (
        f"and {[*NUMBERS][fields['keep_ledger_years'].default - 1]} before it (`keep_ledger_years`)"
        in PAGE.read_text()
    )
    assert {name for name in fields if name.startswith("keep_")} <= {
        *re.findall(r"\(`(keep_\w+)`\)", PAGE.read_text(encoding="utf-8"))
    }, "a length of time that is in no line"


def test_lengths_that_are_no_settings_are_those_of_the_code():
    fixed = {
        "questions to passkeys": 2 * staff_factors.QUESTION_LIFE,
        "authorization requests": pushed.KEPT,
        "journal": timedelta(days=journal.KEPT_DAYS),
    }
    for begins, length in fixed.items():
        (kept,) = (kept for data, kept, _tables in lines() if data.startswith(begins))
        ((number, unit),) = re.findall(r"(\d+|one) (minute|day)", kept)[:1]
        assert seconds(number, unit) == length.total_seconds(), begins


def test_the_purge_works_on_the_tables_of_which_something_goes_and_on_no_others(house):
    deletions = (retention._expired, retention._left_over, retention._purged)
    worked_on = {model.__tablename__ for some in deletions for model, *_which in some(house, make.NOW)}
    with house.database.transaction() as db:
        long_ago, left = make.NOW - timedelta(days=4_000), make.TODAY - timedelta(days=3_000)
        who = make.pupil(db, voornaam="Noor", national_number_digest="d" * 64)
        make.enrolment(db, who, make.school(db), begindatum=left, einddatum=left)
        make.person(db, created_at=long_ago)

    def note(_connection, _cursor, statement, *_more):
        worked_on.update(re.findall(r'^(?:DELETE FROM|UPDATE) "?(\w+)', statement))

    engine = house.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        retention.tidy(house, make.NOW)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    goes = {table for _data, kept, tables in lines() if not kept.startswith(STAYS) for table in tables}
    assert worked_on | {"seal", "sealed_rows"} == goes, (
        "seals go with their rows (tests/security/test_trail.py)"
    )
