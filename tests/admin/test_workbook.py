"""What does a school get for its letters and mailings?"""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from xml.etree import ElementTree as ET

import pytest

from idp.admin.printing import workbook
from idp.models import SecretKind
from tests.admin.make_handouts import EVIL, handout

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def sheet(handouts):
    target = BytesIO()
    workbook.write(target, handouts)
    with zipfile.ZipFile(target) as box:
        strings = [
            "".join(part.text or "" for part in item.iter(f"{MAIN}t"))
            for item in ET.fromstring(box.read("xl/sharedStrings.xml")).iter(f"{MAIN}si")
        ]
        return (
            ET.fromstring(box.read("xl/worksheets/sheet1.xml")),
            strings,
            box.read("xl/styles.xml").decode(),
        )


def rows(handouts):
    tree, strings, _ = sheet(handouts)
    return [[strings[int(cell.find(f"{MAIN}v").text)] for cell in row] for row in tree.iter(f"{MAIN}row")]


def test_the_columns_are_those_that_schools_know():
    pictures, temporary = handout(klassen=("3A", "3Win")), handout(SecretKind.TEMPORARY)
    found = rows([pictures, temporary])
    assert found[0] == list(workbook.HEADINGS)
    assert found[1] == [
        "2100091",
        "Gastón",
        "Logie",
        "4de leerjaar",
        "3A, 3Win",
        "gaston.logie",
        "kat appel trein kasteel",
    ]
    assert found[2][-1] == "qgRkpckU"


@pytest.mark.parametrize("evil", EVIL)
def test_CARD_01_what_looks_like_a_formula_is_text(evil):
    one = handout(voornaam=evil, naam=evil, group=evil, klassen=(evil,), stamnummer=evil, username=evil)
    tree, _, styles = sheet([one])
    assert not list(tree.iter(f"{MAIN}f")), "no formula anywhere"
    assert all(cell.get("t") == "s" for cell in tree.iter(f"{MAIN}c"))
    assert not list(tree.iter(f"{MAIN}hyperlink"))
    if evil[0] in workbook.STEERING.strip():
        styled = [cell.get("s") for cell in list(tree.iter(f"{MAIN}row"))[1]]
        quoted = [
            number
            for number, one in enumerate(re.findall(r"<xf [^>]*>", styles.split("<cellXfs")[1]))
            if "quotePrefix" in one
        ]
        assert styled[1] == str(quoted[0]), "the program that opens it keeps it text when it is edited"


def test_numbers_keep_their_zeros():
    assert rows([handout(stamnummer="000123")])[1][0] == "000123"


def test_a_first_day_that_is_still_to_come_has_a_column_of_its_own():
    found = rows([handout(begins="2027-09-01"), handout()])
    assert found[0] == [*workbook.HEADINGS, workbook.BEGINS]
    assert [row[-1] for row in found[1:]] == ["01/09/2027", ""]
