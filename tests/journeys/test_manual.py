"""The manual's two chapters, step by step, with its own sample pupils: one pupil, and accounts in bulk; by keyboard alone."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from playwright.sync_api import expect

from idp import clock
from tests.journeys.conftest import code_of
from tests.journeys.hands import Keys
from tests.journeys.test_every_page import axe

pytestmark = pytest.mark.browser

ENDS = clock.school_year_ends(clock.Clock().today())
BEGINS = ENDS.replace(year=ENDS.year - 1, month=9, day=1)
COLUMNS = [
    "instellingsnummer",
    "stamnummer",
    "voornaam",
    "naam",
    "officiele_voornaam",
    "officiele_naam",
    "geslacht",
    "geboortedatum",
    "rijksregisternummer",
    "hoofdstructuur",
    "administratieve_groep",
    "administratieve_groep_code",
    "leerjaar",
    "vestigingsplaats",
    "begindatum",
    "einddatum",
]
SCHOOL = ("999005", "BRUSSEL-STAD - TEST School 1 (handleiding)")
PUPILS = (
    ("2000020", "Elis", "Ademova", "312", "Kapper DBSO", "2104"),
    ("60351", "Abdulghani", "Bogdan", "211", "6de leerjaar", "1106"),
    ("2300063", "Mohammed", "Darrag", "312", "1e lj 2e gr AF Winkelmedewerker DL DBSO", "2105"),
    ("2300070", "Azmi", "Dasdan", "312", "1e lj 2e gr AF Keukenmedewerker DL DBSO", "2106"),
    ("2300053", "Milan", "De Bremme", "311", "1e lj 2e gr Technologische wetensch. TSO", "2107"),
    ("2200007", "Jean", "De Cock", "312", "2e lj 3e gr Lassen-constructie DL DBSO", "2108"),
    ("2300047", "Renz", "De Graeve", "311", "1e lj 2e gr Hout BSO", "2109"),
)
BORN = "044531901"
NUMBERS = {"2000020": f"{BORN}{97 - int('2' + BORN) % 97:02}"}
"""A bis number with a right check number that belongs to nobody, as in tests/data."""
PERSON = "sandbox-beheerder"


@pytest.fixture(scope="module")
def school(demo_on_sqlite: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The school of the manual, with its pupils and nobody's LeerID, and the beheerder of the demo in it."""
    demo, folder = demo_on_sqlite, tmp_path_factory.mktemp("manual")
    (folder / "schools.csv").write_text(
        f"instellingsnummer;naam;pakket\n{SCHOOL[0]};{SCHOOL[1]};wisa\n", "utf-8"
    )
    demo.idp("import-schools", str(folder / "schools.csv"), "--kind", "test")
    text = io.StringIO()
    out = csv.writer(text, delimiter=";", lineterminator="\n")
    out.writerow(COLUMNS)
    for stamnummer, voornaam, naam, structure, group, code in PUPILS:
        official = [voornaam, naam, "V", "2004-05-31", NUMBERS.get(stamnummer, "")]
        row = [SCHOOL[0], stamnummer, voornaam, naam, *official, structure, group, code]
        out.writerow([*row, "", "", str(BEGINS), str(ENDS)])
    (folder / "enrolments.csv").write_text(text.getvalue(), "utf-8")
    demo.idp("import-enrolments", str(folder / "enrolments.csv"))
    demo.idp(
        "rights",
        "give",
        "--person",
        PERSON,
        "--right",
        "leerid-beheerder",
        "--school",
        SCHOOL[0],
        "--until",
        str(ENDS),
    )
    return SCHOOL[1]


@pytest.fixture
def list_page(demo: Any, page: Any, school: str) -> Any:
    """The tab LeerID-beheer of that school, in the browser of its LeerID-beheerder."""
    person = next(one for one in demo.sandbox["staff"] if one["username"] == PERSON)
    page.goto(f"{demo.issuer}/schoolloket")
    page.get_by_label("E-mailadres of personeelsnummer").fill(person["username"])
    page.get_by_label("Wachtwoord", exact=True).fill(person["password"])
    page.get_by_role("button", name="Volgende").click()
    page.get_by_label("Code uit je app").fill(code_of(person["totp_secret"]))
    with page.expect_navigation():
        page.get_by_role("button", name="Aanmelden").click()
    page.goto(f"{demo.issuer}/schoolloket/instelling")
    page.get_by_role("button", name=re.compile(re.escape(school))).click()
    page.wait_for_url("**/leerid-beheer")
    return page


def fetched(page: Any) -> dict[str, bytes]:
    """What the zip of this page holds."""
    with page.expect_download() as download:
        Keys(page, script=True).press(page.get_by_role("link", name=re.compile("^Download zipbestand")))
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as box:
        return {name: box.read(name) for name in box.namelist()}


def sheet(files: dict[str, bytes]) -> list[tuple[str, str]]:
    """(user name, secret) of every row of the Excel file."""
    book = openpyxl.load_workbook(io.BytesIO(files["LeerID's.xlsx"]))
    rows = [*book.active.iter_rows(min_row=2, values_only=True)]
    book.close()
    return [(str(row[5]), str(row[6])) for row in rows]


def search(page: Any, words: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(words)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_chapter_2_a_leerid_for_one_pupil(list_page):
    page, keys = list_page, Keys(list_page, script=True)
    search(page, "ademova elis")
    assert "Totaal aantal rijen: 1" in page.content()
    with page.expect_navigation():
        keys.press(page.get_by_role("link", name="Ademova Elis"))
    for words in ("Kapper DBSO", "2000020", "Officiële gegevens", "31 mei 2004"):
        expect(page.get_by_text(words).first).to_be_visible()
    assert axe(page) == []
    keys.send(page.get_by_role("button", name="Maak een LeerID aan"))
    assert page.locator("input[name=n0]").input_value() == "elis.ademova"
    first = page.locator("[data-secret]").inner_text()
    keys.send(page.get_by_role("button", name="Nieuw wachtwoord"))
    second = page.locator("[data-secret]").inner_text()
    assert len(first) == len(second) == 8
    assert first != second
    assert axe(page) == []
    keys.send(page.get_by_role("button", name="Bewaren en afdrukken"))
    expect(page.get_by_role("heading", name="1 LeerID is aangemaakt")).to_be_visible()
    assert sheet(fetched(page)) == [("elis.ademova", second)]

    page.goto(page.url.partition("/werk")[0])
    search(page, "60351")
    with page.expect_navigation():
        keys.press(page.get_by_role("link", name="Bogdan Abdulghani"))
    keys.send(page.get_by_role("button", name="Maak een LeerID aan"))
    assert len(page.locator("[data-secret] svg").all()) == 4, (
        "a basic LeerID: four pictures, unless a word is chosen"
    )
    keys.reach(page.locator("select[name=k0]"))
    page.keyboard.type("Basis")
    expect(page.locator("[data-secret]")).to_have_text("…")
    keys.send(page.get_by_role("button", name="Bewaren en afdrukken"))
    files = fetched(page)
    ((username, secret),) = sheet(files)
    assert username == "abdulghani.bogdan"
    assert re.fullmatch(r"\d{1,2}[a-z]{3}\d{1,2}", secret)
    assert {"Kaarten A4.pdf", "Stickers 6de leerjaar.pdf"} <= {*files}
    page.goto(page.url.partition("/werk")[0])
    search(page, "abdulghani")
    expect(page.locator(".of-type", has_text="Basis")).to_be_visible()


def test_chapter_3_leerids_in_bulk(list_page):
    page, keys = list_page, Keys(list_page, script=True)
    assert "Totaal aantal rijen: 7" in page.content()
    page.locator("body").press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowDown")
    assert "4 leerlingen geselecteerd" in page.locator("[data-bar]").inner_text()
    assert axe(page) == []
    keys.send(page.get_by_role("button", name="Maak LeerID's aan"))
    names = [page.locator(f"input[name=n{place}]") for place in range(4)]
    expected = ["mohammed.darrag", "azmi.dasdan", "milan.debremme", "jean.decock"]
    assert [one.input_value() for one in names] == expected
    proposed = [one.inner_text() for one in page.locator("[data-secret]").all()]
    keys.reach(names[3])
    page.keyboard.press("End")
    page.keyboard.type("@")
    expect(page.locator("#f3")).not_to_be_empty()
    page.keyboard.press("Backspace")
    page.keyboard.type("k")
    expect(page.locator("#f3")).to_be_empty()
    keys.send(page.get_by_role("button", name="Nieuw wachtwoord Jean De Cock"))
    again = [one.inner_text() for one in page.locator("[data-secret]").all()]
    assert again[:3] == proposed[:3]
    assert again[3] != proposed[3]
    assert axe(page) == []
    keys.send(page.get_by_role("button", name="Naar de controle"))
    assert axe(page) == []
    keys.send(page.get_by_role("button", name="Bewaren en afdrukken"))
    expect(page.get_by_role("heading", name="4 LeerID's zijn aangemaakt")).to_be_visible()
    expect(page.get_by_text("Een tijdelijk wachtwoord moet de leerling")).to_be_visible()
    assert axe(page) == []
    files = fetched(page)
    assert sheet(files) == [*zip([*expected[:3], "jean.decockk"], again, strict=True)]
    assert len([name for name in files if name.startswith("Stickers ")]) == 4
    page.reload()
    expect(page.get_by_role("heading", name="4 LeerID's zijn aangemaakt")).to_be_visible()
    page.goto(page.url.partition("/werk")[0])
    rows = page.locator("tr", has_text="Geen account").all()
    assert len([row for row in rows if "De Graeve" in row.inner_text()]) == 1
