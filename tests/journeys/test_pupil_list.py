"""A LeerID-beheerder finds pupils with the keyboard, makes accounts for two of them, and downloads what to hand out."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from idp import clock
from tests.journeys.conftest import code_of
from tests.make_reading import stands

pytestmark = pytest.mark.browser

ENDS = clock.school_year_ends(clock.Clock().today())
BEGINS = ENDS.replace(year=ENDS.year - 1, month=9, day=1)
PUPILS = Path(__file__).parent.parent / "data" / "enrolments.csv"


@pytest.fixture
def school(demo, tmp_path):
    """BRUSSEL-STAD - TEST School 1 with 60 pupils of this school year."""
    head, *lines = PUPILS.read_text(encoding="utf-8").splitlines()
    mine = [line for line in lines if line.startswith("999001;")][:60]
    years = BEGINS.year - 2026
    text = re.sub(
        r"\b202[67](?=-\d\d-\d\d)", lambda year: str(int(year[0]) + years), "\n".join([head, *mine])
    )
    file = tmp_path / "enrolments.csv"
    file.write_text(text, encoding="utf-8")
    demo.idp("import-enrolments", str(file))
    return "BRUSSEL-STAD - TEST School 1"


def test_from_the_list_to_the_zip_with_the_keyboard(demo, page, school):
    person = next(one for one in demo.sandbox["staff"] if one["username"] == "sandbox-beheerder")
    page.goto(f"{demo.issuer}/schoolloket")
    page.get_by_label("E-mailadres of personeelsnummer").fill(person["username"])
    page.get_by_label("Wachtwoord", exact=True).fill(person["password"])
    page.get_by_role("button", name="Volgende").click()
    page.get_by_label("Code uit je app").fill(code_of(person["totp_secret"]))
    with page.expect_navigation():
        page.get_by_role("button", name="Aanmelden").click()
    page.goto(f"{demo.issuer}/schoolloket/instelling")
    page.get_by_role("button", name=re.compile(re.escape(school) + r" \(\d")).click()
    page.wait_for_url("**/leerid-beheer")
    total = re.search(r"Totaal aantal rijen: (\d+)", page.locator("main").inner_text())[1]
    assert int(total) > 50, "more than a page of them, though some come later or left"
    assert not page.locator("[data-bar]").is_visible(), "nothing is chosen yet"

    page.keyboard.press("/")
    page.keyboard.type("ABBOU marou")
    page.keyboard.press("Enter")
    page.wait_for_url("**/leerid-beheer?zoek=*")
    assert not any(stands(word, unquote_plus(page.url)) for word in ("abbou", "marou"))
    assert "Totaal aantal rijen: 1" in page.content()
    page.get_by_role("link", name="Verwijder filters").click()
    page.wait_for_url("**/leerid-beheer")

    page.locator("body").press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    assert "2 leerlingen geselecteerd" in page.locator("[data-bar]").inner_text()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    assert f"{total} leerlingen geselecteerd" in page.locator("[data-bar]").inner_text()
    page.keyboard.press("Space")
    assert not page.locator("[data-bar]").is_visible()
    rows = page.locator("[data-row]")
    rows.nth(1).click()
    rows.nth(3).click(modifiers=["Shift"])
    rows.nth(2).click()
    assert "2 leerlingen geselecteerd" in page.locator("[data-bar]").inner_text()

    page.get_by_role("button", name="Maak LeerID's aan").click()
    page.wait_for_url("**/werk/*")
    name = page.locator("[data-username]").first
    name.fill("noor.zandman")
    page.get_by_text("Deze gebruikersnaam is of was van iemand anders.").wait_for()
    name.fill("journey.eerste")
    page.locator(".field-problem:not(:empty)").wait_for(state="detached")
    page.get_by_role("button", name="Naar de controle").click()
    page.wait_for_url("**?stap=controle")
    page.get_by_role("button", name="Bewaren en afdrukken").click()
    page.get_by_role("heading", name="2 LeerID's zijn aangemaakt").wait_for()
    assert "journey.eerste" in page.content()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Download zipbestand")).click()
    names = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())).namelist()
    assert {"LeerID's.xlsx", "Kaarten A4.pdf"} <= {*names}

    page.go_back()
    page.get_by_role("heading", name="2 LeerID's zijn aangemaakt").wait_for()
    page.goto(f"{demo.issuer}/schoolloket/leerid-beheer")
    assert "Papieren voor 2 leerlingen staan klaar." in page.content()
    said = unquote_plus(demo.log.read_text(encoding="utf-8"))
    assert not any(stands(word, said) for word in ("abbou", "marou")), "what was searched is in no log"
