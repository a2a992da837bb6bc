"""In August: from the report of *Nieuw schooljaar* to the zip with cards that open from the first of September."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from playwright.sync_api import expect

from idp.models import RightKind
from tests import make, make_staff
from tests.journeys import every_page
from tests.journeys.hands import Keys
from tests.journeys.test_every_page import axe

pytestmark = pytest.mark.browser
AUGUST = datetime(2027, 8, 20, 8, 0, tzinfo=UTC)
COMING = {"begindatum": date(2027, 9, 1), "einddatum": date(2028, 8, 31)}


def test_a_coming_pupil_gets_an_account_and_a_card_in_august(page: Any, tmp_path: Path):
    with every_page.place(tmp_path) as there:
        house = there.house
        house.clock.moment = AUGUST
        with house.database.transaction() as db:
            school = make.school(db, naam="Basisschool De Zomer")
            make.enrolment(db, make.pupil(db), school, voornaam="Ilse", naam="Blijft")
            first = {
                "hoofdstructuur": "311",
                "administratieve_groep": "1A",
                "administratieve_groep_code": "S1",
            }
            make.enrolment(db, make.pupil(db), school, voornaam="Azmi", naam="Komt", **first, **COMING)
        staff = make_staff.staff(house, school=school)
        with house.database.transaction() as db:
            make.right(db, staff.person_id, school, kind=RightKind.BEHEERDER, einddatum=COMING["einddatum"])
        there.sign_in_staff(page, staff.person_id)
        keys = Keys(page, script=True)
        page.goto(f"{there.issuer}/schoolloket/leerid-beheer")
        keys.send(page.get_by_role("link", name="Nieuw schooljaar"))
        expect(page.get_by_role("heading", name="Naar schooljaar 2027-2028")).to_be_visible()
        expect(
            page.get_by_text("Wat je nu maakt, werkt vanaf de eerste dag van de inschrijving.")
        ).to_be_visible()
        assert axe(page) == []
        keys.send(page.get_by_role("button", name="Maak LeerID's aan"))
        keys.send(page.get_by_role("button", name="Bewaren en afdrukken"))
        expect(page.get_by_role("heading", name="1 LeerID is aangemaakt")).to_be_visible()
        with page.expect_download() as download:
            keys.press(page.get_by_role("link", name=re.compile("^Download zipbestand")))
        with zipfile.ZipFile(Path(download.value.path())) as box:
            book = openpyxl.load_workbook(io.BytesIO(box.read("LeerID's.xlsx")))
            assert "Stickers 1A.pdf" in box.namelist()
        head, row = book.active.iter_rows(values_only=True)
        told = dict(zip(head, row, strict=True))
        assert told["LeerID Gebruikersnaam"] == "azmi.komt"
        assert told["Geldig vanaf"] == "01/09/2027"
        page.goto(f"{there.issuer}/schoolloket/nieuw-schooljaar")
        assert "Azmi Komt" not in page.content()
