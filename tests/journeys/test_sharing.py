"""A director agrees, a LeerID-beheerder makes an app visible for a class, the app learns the class; a stop, and it is gone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from idp import clock
from tests.journeys.conftest import PATIENCE, code_of
from tests.journeys.hands import Keys
from tests.journeys.test_pupils import claims, open_app, say_who, type_secret, withheld

pytestmark = pytest.mark.browser
SCHOOL, NAME = "999004", "GENT - TEST School zonder akkoord"
OTHER_SCHOOL, OTHER_NAME = "999003", "LEUVEN - TEST BuSO De Brug"
"""One for each journey: neither minds which goes first."""
TODAY = clock.Clock().today()
ENDS = clock.school_year_ends(TODAY)
BEGINS = ENDS.replace(year=ENDS.year - 1, month=9, day=1)


@pytest.fixture
def somebody(chromium):
    """A browser of a new person, each time it is asked for."""
    contexts = []

    def one() -> Page:
        contexts.append(chromium.new_context(viewport={"width": 820, "height": 1180}, locale="nl-BE"))
        contexts[-1].set_default_timeout(PATIENCE)
        return contexts[-1].new_page()

    yield one
    for context in contexts:
        context.close()


def pupil(demo: Any, folder: Any) -> dict[str, Any]:
    """One pupil of the school, with a word and digits."""
    row = {"instellingsnummer": SCHOOL, "stamnummer": "88", "voornaam": "Fee", "naam": "Poort"}
    row |= {"hoofdstructuur": "211", "administratieve_groep": "2de leerjaar", "leerjaar": "2"}
    row |= {"administratieve_groep_code": "1112", "begindatum": str(BEGINS), "einddatum": str(ENDS)}
    blank = ("officiele_voornaam", "officiele_naam", "geslacht", "geboortedatum", "rijksregisternummer")
    row |= dict.fromkeys((*blank, "vestigingsplaats"), "")
    file = folder / "one.csv"
    file.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n", encoding="utf-8")
    demo.idp("import-enrolments", str(file))
    made = demo.idp("accounts", "create", "--school", SCHOOL, "--basic", "basic", "--json")
    return json.loads(made)[0]


def deliver(demo: Any, folder: Any) -> None:
    row = {"stamnummer": "88", "klas_id": "k1", "klascode": "2A", "klasnaam": "Klas 2A", "soort": "klas"}
    row |= {"begindatum": str(BEGINS), "einddatum": ""}
    file = folder / "classes.csv"
    file.write_text(";".join(row) + "\n" + ";".join(row.values()) + "\n", encoding="utf-8")
    demo.idp("import-classes", str(file), "--format", "leersleutel", "--school", SCHOOL)


def at_the_desk(page: Page, demo: Any, username: str, school: str = NAME) -> None:
    """Signed in, and working for this school."""
    person = next(one for one in demo.sandbox["staff"] if one["username"] == username)
    page.goto(f"{demo.issuer}/schoolloket")
    page.get_by_label("E-mailadres of personeelsnummer").fill(person["username"])
    page.get_by_label("Wachtwoord", exact=True).fill(person["password"])
    page.get_by_role("button", name="Volgende").click()
    page.get_by_label("Code uit je app").fill(code_of(person["totp_secret"]))
    page.get_by_role("button", name="Aanmelden").click()
    page.get_by_role("link", name="Wijzig instelling").click()
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile(school)).click()


def test_a_school_agrees_shows_an_app_to_a_class_and_stops(demo, somebody, tmp_path):
    fee = pupil(demo, tmp_path)
    director, beheerder, child = somebody(), somebody(), somebody()

    at_the_desk(director, demo, "sandbox-directeur")
    director.get_by_role("link", name="Deel klasinformatie").click()
    expect(director.get_by_text(NAME).first).to_be_visible()
    director.get_by_role("button", name="Akkoord: deel klasinformatie").click()
    expect(
        director.get_by_role("heading", name=re.compile("^Gedeeld sinds .* door Ann Vuurtoren$"))
    ).to_be_visible()
    director.get_by_role("link", name="Lees het protocol opnieuw").click()
    expect(director.get_by_role("heading", name=re.compile("^Voorbeeldprotocol"))).to_be_visible()
    director.go_back()
    deliver(demo, tmp_path)
    director.reload()
    expect(director.get_by_text("1 nieuw, 0 gebleven, 0 weg")).to_be_visible()

    at_the_desk(beheerder, demo, "sandbox-beheerder")
    beheerder.get_by_role("link", name="Applicatiebeheer").click()
    beheerder.get_by_role("link", name=re.compile("Rekenrijk")).click()
    beheerder.get_by_role("link", name="Wat krijgt deze app over een leerling?").click()
    beheerder.get_by_role("link", name=re.compile("Fee Poort")).click()
    expect(beheerder.get_by_text("nu niet zichtbaar")).to_be_visible()
    expect(beheerder.get_by_text("Klas 2A")).to_be_visible()
    beheerder.get_by_role("link", name="Rekenrijk").first.click()
    beheerder.get_by_label("2A Klas 2A").check()
    beheerder.get_by_role("button", name="Maak zichtbaar").click()
    expect(beheerder.get_by_text("Zichtbaar voor 1 van 1 leerling.")).to_be_visible()

    open_app(child, demo)
    say_who(child, fee["username"])
    type_secret(child, fee["secret"])
    expect(child.get_by_role("heading", name="Dag Fee!")).to_be_visible()
    assert "2A" in claims(child)["ov_klassen"]

    director.get_by_role("link", name="Stop het delen van klasinformatie").click()
    expect(director.get_by_text("Regels op een klas die nu gelden: 1, voor 1 app.")).to_be_visible()
    expect(director.get_by_text("Ze worden regels op de 1 leerling die")).to_be_visible()
    director.get_by_role("link", name="Annuleer").click()
    expect(director.get_by_role("heading", name=re.compile("^Gedeeld sinds"))).to_be_visible()
    director.get_by_role("link", name="Stop het delen van klasinformatie").click()
    director.get_by_role("button", name="Stop het delen").click()
    expect(director.get_by_role("heading", name="Je school deelt geen klasinformatie")).to_be_visible()
    director.go_back()
    expect(director.get_by_role("heading", name="Je school deelt geen klasinformatie")).to_be_visible()

    expect(director.get_by_role("link", name="Deel klasinformatie")).to_be_visible()
    beheerder.reload()
    expect(beheerder.get_by_text("Zichtbaar voor 1 van 1 leerling.")).to_be_visible()
    expect(beheerder.get_by_text("Per klas kan als je school klasinformatie deelt.")).to_be_visible()

    child.goto(f"{demo.apps_at}/rekenrijk/start")
    expect(child.get_by_role("heading", name="Dag Fee!")).to_be_visible()
    assert "ov_klassen" not in claims(child)
    assert withheld(child)["ov_klassen"] == "school_does_not_share"


def test_a_beheerder_decides_about_deliveries_that_wait_by_keyboard(demo, somebody, tmp_path):
    """Twelve pupils in two classes; the package sends one class empty, twice: refused, then applied."""
    base = {"instellingsnummer": OTHER_SCHOOL, "voornaam": "Bo", "hoofdstructuur": "211", "leerjaar": "2"}
    base |= {"administratieve_groep": "2de leerjaar", "administratieve_groep_code": "1112"}
    base |= {"begindatum": str(BEGINS), "einddatum": str(ENDS)}
    enrolled = [base | {"stamnummer": f"7{n:02}", "naam": f"Poort {n}"} for n in range(12)]
    file = tmp_path / "twelve.csv"
    table(file, enrolled)
    demo.idp("import-enrolments", str(file), "--delta")
    director, page = somebody(), somebody()
    at_the_desk(director, demo, "sandbox-directeur", OTHER_NAME)
    director.get_by_role("link", name="Deel klasinformatie").click()
    with director.expect_navigation():
        director.get_by_role("button", name="Akkoord: deel klasinformatie").click()

    def send(pupils: Any, *more: str, code: int = 0) -> None:
        seat = {"soort": "klas", "begindatum": str(BEGINS), "einddatum": ""}
        rows = [
            seat
            | {"stamnummer": f"7{n:02}"}
            | dict.fromkeys(("klas_id", "klascode", "klasnaam"), f"2{'XY'[n % 2]}")
            for n in pupils
        ]
        table(file, rows)
        words = ("--format", "leersleutel", "--school", OTHER_SCHOOL)
        demo.idp("import-classes", str(file), *words, *more, exit_code=code)

    send(range(12), "--accept-holds")
    send(range(0, 12, 2), code=1)
    at_the_desk(page, demo, "sandbox-beheerder", OTHER_NAME)
    keys = Keys(page, script=True)
    page.goto(f"{demo.issuer}/schoolloket/klasinformatie")
    keys.press(page.get_by_role("link", name="Bekijk en beslis"))
    expect(page.get_by_role("heading", name="Levering die wacht")).to_be_visible()
    expect(page.get_by_text("wordt leeg")).to_be_visible()
    expect(page.get_by_text("Bo Poort 11", exact=False)).to_be_visible()
    keys.send(page.get_by_role("button", name="Weiger"))
    expect(page.get_by_role("link", name="Bekijk en beslis")).to_have_count(0)

    send(range(0, 12, 2), code=1)
    page.reload()
    keys.press(page.get_by_role("link", name="Bekijk en beslis"))
    keys.send(page.get_by_role("button", name="Pas toe"))
    expect(page.get_by_role("heading", name="Levering die wacht")).to_have_count(0)
    expect(page.get_by_text("0 nieuw, 6 gebleven, 6 weg").first).to_be_visible()
    page.go_back()
    expect(page.get_by_role("button", name="Pas toe")).to_have_count(0)


def table(file: Any, rows: list[dict[str, str]]) -> None:
    lines = [";".join(rows[0]), *(";".join(row.values()) for row in rows)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
