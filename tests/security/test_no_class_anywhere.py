"""CONS-01 in the Schoolloket: work by class is everywhere while the school shares, and nowhere from the moment that it stopped."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from sqlalchemy import delete, select, update

from idp.claims import consent
from idp.models import ClassMembership, Klas
from tests import make
from tests.make_matrix import Cast, Row, rows

CODE, NAME = "QX7", "Klas Quixote"
ON_PAPER = "Lijst 3A"
"""What the papers call it: they were made before the class was renamed."""
MARKS = (CODE, NAME, ON_PAPER)
WAY_BACK = re.compile(r'name="terug" value="[^"]*"')
"""The browser's own address, for whoever chooses another language."""
STAFF = ("staff_a", "databeheerder", "teacher")
LIST = "/schoolloket/leerid-beheer"
ACCESS = f"{LIST}/leerling/<account_uuid>/wie-weet-wat.json"
"""What a pupil or parent asks for: whatever is stored of the pupil, within the day that it is still stored."""
WITH_CLASSES = {
    LIST,
    f"{LIST}/leerling/<account_uuid>",
    f"{LIST}/werk/<done_id>/zip",
    "/schoolloket/applicatiebeheer/groepen",
    "/schoolloket/applicatiebeheer/app/<path:client_id>",
    "/schoolloket/applicatiebeheer/klas/<klas_id>",
    "/schoolloket/applicatiebeheer/leerling/<account_uuid>",
}
ASKED = (
    ("GET", LIST, f"klas={CODE}&op=klas"),
    ("GET", LIST, f"klas={CODE}&op=-klas&blad=2"),
    ("GET", "/schoolloket/applicatiebeheer/wat/<path:client_id>", "leerling=<account_uuid>"),
)


@pytest.fixture
def cast(house, app):
    made = Cast(house, app)
    yield made
    made.close()


def stop(cast: Cast) -> None:
    now = cast.house.clock.now()
    words = {"operator": "operator:test", "reference": "brief 1", "now": now, "today": make.TODAY}
    with cast.house.database.transaction() as db:
        assert consent.stop_by_operator(db, instellingsnummer=cast.a, **words).was_agreed


def pages() -> list[tuple[str, Row]]:
    """Every page of the Schoolloket that opens to somebody of the school, and some with a class in the address."""
    table = [row for row in rows() if row.method == "GET" and row.path.startswith("/schoolloket")]
    found = [(role, row) for row in table for role in STAFF if row.expected[role] == "200"]
    return found + [
        ("staff_a", Row(method=method, path=path, send=send, expected={})) for method, path, send in ASKED
    ]


def shown(answer) -> str:
    """All that can be read in an answer, in a zip of papers too."""
    said = f"{answer.headers}\n{answer.get_data().decode(errors='replace')}"
    if answer.mimetype == "application/zip":
        box = zipfile.ZipFile(io.BytesIO(answer.get_data()))
        said += "\n".join(box.namelist())
        for name in box.namelist():
            if name.endswith(".xlsx"):
                inside = zipfile.ZipFile(io.BytesIO(box.read(name)))
                said += "\n".join(inside.read(part).decode(errors="replace") for part in inside.namelist())
    return said


def told(cast: Cast) -> dict[tuple[str, str, str], list[str]]:
    """Which pages speak of the class, beside what their address says; no page may be kept by a browser."""
    found = {}
    for role, row in pages():
        answer = cast.ask(role, row)
        assert "no-store" in answer.headers["Cache-Control"], row.name
        said = shown(answer)
        said = WAY_BACK.sub("", said)
        speaks = [line[:200] for line in said.splitlines() if any(mark in line for mark in MARKS)]
        if speaks:
            found[role, row.path, row.send] = speaks
    return found


def test_CONS_01_no_page_export_or_address_of_a_school_that_stopped_speaks_of_a_class(cast):
    with cast.house.database.transaction() as db:
        db.execute(update(Klas).where(Klas.id == cast.things["klas_id"]).values(code=CODE, naam=NAME))
    assert {path for _, path, _ in told(cast)} >= WITH_CLASSES
    stop(cast)
    with cast.house.database.reading() as db:
        assert db.execute(select(Klas.code)).scalars().first() == CODE, "the rows are still there"
    assert {path for _, path, _ in told(cast)} <= {ACCESS}
    with cast.house.database.transaction() as db:
        db.execute(delete(ClassMembership))
    assert told(cast) == {}, "after the purge the access request has nothing to tell either"


def test_a_selection_of_a_class_that_was_made_before_the_stop_is_of_nobody(cast):
    form = "doe=kaart&alles=1&lijst=klas%3D3A"
    begin = Row(method="POST", path=f"{LIST}/werk", send=form, expected={})
    assert "/werk/" in cast.ask("staff_a", begin).headers["Location"]
    stop(cast)
    assert "bericht=papers_for_nobody" in cast.ask("staff_a", begin).headers["Location"]
