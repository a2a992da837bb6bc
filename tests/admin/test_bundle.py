"""What does a school download after making accounts?"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from datetime import date
from io import BytesIO

import pypdfium2
import pytest

from idp.admin.printing import bundle
from idp.models import SecretKind
from tests.admin.make_handouts import EVIL, LOOK, handout


def packed(handouts, **options):
    target = BytesIO()
    names = bundle.write(target, handouts, LOOK, **options)
    with zipfile.ZipFile(target) as box:
        assert box.testzip() is None
        assert box.namelist() == names
        return {name: box.read(name) for name in names}


def test_it_holds_excel_cards_and_a_list_and_stickers_for_each_group():
    those = [handout(), handout(SecretKind.BASIC, group="5de leerjaar"), handout()]
    assert list(packed(those)) == [
        "LeerID's.xlsx",
        "Kaarten A4.pdf",
        "Lijst 4de leerjaar.pdf",
        "Stickers 4de leerjaar.pdf",
        "Lijst 5de leerjaar.pdf",
        "Stickers 5de leerjaar.pdf",
    ]


def test_groups_may_be_classes():
    those = [handout(klassen=("3A", "3Win")), handout(klassen=("3B",)), handout()]
    names = list(packed(those, by_klas=True))
    assert [name for name in names if name.startswith("Stickers")] == [
        "Stickers 3A.pdf",
        "Stickers 3B.pdf",
        "Stickers 4de leerjaar.pdf",
    ]


def test_card_and_secret_apart_makes_separate_sheets():
    inside = packed([handout(SecretKind.BASIC)], apart=True)
    for name, shown in (("Stickers 4de leerjaar.pdf", False), ("Geheimen 4de leerjaar.pdf", True)):
        pdf = pypdfium2.PdfDocument(inside[name])
        page = pdf[0]
        text = page.get_textpage()
        assert ("29ban9" in text.get_text_range()) is shown
        text.close()
        page.close()
        pdf.close()


@pytest.mark.parametrize(
    "evil", [*EVIL, "../../etc/passwd", "CON", "a/b\\c", "2e lj 3e gr San. & verw.install."]
)
def test_file_names_are_safe(evil):
    name = bundle.safe(evil)
    assert name
    assert all(sign.isascii() and (sign.isalnum() or sign in " -") for sign in name)
    assert name == name.strip()
    assert name.lower() not in bundle.RESERVED
    assert len(name) <= bundle.LONGEST_NAME + 6


def test_groups_that_become_one_name_stay_apart():
    those = [handout(group="3é"), handout(group="3e"), handout(group="3E")]
    assert len({name.lower() for name in packed(those)}) == 2 + 3 * 2


def test_the_name_says_school_and_day():
    assert bundle.zip_name("999001", date(2026, 11, 23)) == "LeerID-999001-2026-11-23.zip"


def test_progress_counts_cards_and_stickers():
    seen = []
    those = [handout(), replace(handout(), group="5de"), handout()]
    packed(those, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(number, 6) for number in range(1, 7)]
