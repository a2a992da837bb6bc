"""A file with a whole country: memory takes the largest school and not the file, in whatever order it is. (bench/scale: a million.)"""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta

from idp.feeds import aside, enrolments
from idp.feeds.problems import Problem
from tests import make_feeds as make

CHILD = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from idp import audit, clock, config, context
from idp.feeds import enrolments

data, url, keys, what, *sources = sys.argv[1:]
stopped = clock.Stopped(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
settings = config.read({}, data=Path(data), database_url=url, keys=Path(keys))
house = context.open_house(settings, clock=stopped)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def work(source):
    with audit.circumstances(audit.Circumstances(now=stopped.now(), actor="operator:cli", source="cli")):
        found = enrolments.read(Path(source))
        outcome = enrolments.look(house, found) if what == "look" else enrolments.apply(house, found)
        return found.records, sum(1 for _ in outcome.sentences()), outcome.state.value

first, *others = sources
work(first)
before = peak()
for source in others:
    records, sentences, state = work(source)
print(records, sentences, state, peak() - before)
"""
SCHOOLS = [f"8{n:05}" for n in range(100)]
ROWS, FEW = 20_000, 1_000
MOST = 8 * 1024
"""KiB more for twenty times as many rows: what SQLite keeps in memory of what waits aside, and none of the rows."""


def file(path, rows, *, broken=""):
    """Rows that jump from school to school, and not in the order of any."""
    header = ";".join(make.HEADER)
    with path.open("w") as out:
        out.write(f"{header}\n")
        for n in range(rows):
            row = make.row(f"{n}", number=1, instellingsnummer=SCHOOLS[n * 7 % len(SCHOOLS)])
            born = date(2012, 1, 1) + timedelta(days=n // 900)
            row |= {"geboortedatum": born.isoformat()}
            row |= {"rijksregisternummer": make.national_number(n % 900 + 1, born)}
            row |= {"voornaam": f"Voornaam {n}", "naam": f"Naam {n}{broken}"}
            out.write(";".join(row.get(column, "") for column in make.HEADER) + "\n")
    return path


def grown(house, folder, what, *sources):
    """Records, sentences, the state, and how many KiB more the last file took than those before it."""
    words = [folder, house.database.url, house.settings.keys, what, *sources]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, words)], check=True, capture_output=True, text=True
    )
    records, sentences, state, more = done.stdout.split()[-4:]
    return int(records), int(sentences), state, int(more)


def test_IMP_05_twenty_thousand_enrolments_in_any_order_take_no_more_memory_than_one_thousand(
    house, tmp_path
):
    make.schools(house, *SCHOOLS)
    few, many = file(tmp_path / "few.csv", FEW), file(tmp_path / "many.csv", ROWS)
    for what, state in (("look", "checked"), ("apply", "applied")):
        *said, more = grown(house, tmp_path, what, few, many)
        assert said == [ROWS, len(SCHOOLS), state]
        assert more < MOST, f"{what}: {more / 1024:.1f} MiB more for {ROWS - FEW} rows more"


def test_IMP_05_a_file_of_which_every_row_is_wrong_takes_no_memory_either(house, tmp_path):
    make.schools(house, *SCHOOLS[:-1])
    few, many = (
        file(tmp_path / "few.csv", FEW, broken="\x07"),
        file(tmp_path / "many.csv", ROWS, broken="\x07"),
    )
    *said, more = grown(house, tmp_path, "apply", few, many)
    assert said == [ROWS, ROWS, "refused"]
    assert more < MOST, f"{more / 1024:.1f} MiB more for {ROWS - FEW} rows more"


def test_rows_come_back_by_school_in_the_order_of_the_file_however_often_they_were_put_aside(tmp_path):
    source = file(tmp_path / "many.csv", ROWS)
    assert source.stat().st_size > aside.BUFFER
    found = enrolments.read(source)
    assert found.numbers == tuple(SCHOOLS)
    for place, number in enumerate(SCHOOLS):
        expected = [n + 2 for n in range(ROWS) if n * 7 % len(SCHOOLS) == place]
        assert [row.line for row in found.school(number).rows] == expected


def test_problems_come_back_by_line_and_notes_by_name():
    problems = aside.Problems()
    assert not problems
    told = [Problem(code="duplicate", line=line) for line in (9, 3, 7)] + [Problem(code="too_large")]
    problems.take(told)
    assert [one.line for one in problems] == [None, 3, 7, 9]
    place = aside.Place()
    days, words = aside.Notes(place, "day", str, int), aside.Notes(place, "word", str, str)
    days["x"], words["x"] = 4, "vier"
    days["x"] += 1
    assert (days["x"], words["x"], dict(days), len(words), days.get("y")) == (5, "vier", {"x": 5}, 1, None)
    del days["x"]
    assert "x" not in days
