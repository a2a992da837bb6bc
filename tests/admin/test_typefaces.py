"""Which face can print this text?"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.admin.printing import typefaces
from idp.admin.printing.typefaces import BOLD, CODE, FOLDER, TEXT, Face, Style
from tests.admin.make_handouts import EVIL, everyone

needs_fonts = pytest.mark.skipif(
    not (FOLDER / "text.ttf").exists(), reason="fonts are not built: make assets"
)
BUILTIN = Style("Helvetica", Face(file="nowhere.ttf"), folder=Path("/nowhere"))


@needs_fonts
@pytest.mark.parametrize(
    "name",
    ["Gastón Logie", "Trần Thị", "Марія Шевченко", "عائشة الحسن", "王美玲", "Łukasz Żak", "Ægir Þór ĳ"],
)
def test_these_scripts_are_printed_as_they_are(name):
    assert BOLD.covers(name)
    assert TEXT.covers(name)


@needs_fonts
def test_every_name_of_the_synthetic_schools_is_covered():
    names = {one.name for one in everyone()} | {one.group for one in everyone()}
    assert [name for name in names if not BOLD.covers(name)] == []


@needs_fonts
def test_arabic_is_joined_and_drawn_from_right_to_left():
    (run,) = BOLD.runs("عائشة")
    assert run.text[-1] == "ﻋ", "the first letter is drawn last, in its initial form"
    first, second = BOLD.runs("عائشة Maes")
    assert (first.text[-1], second.text) == (" ", "Maes")


@pytest.mark.parametrize("style", [BOLD, TEXT, CODE, BUILTIN])
def test_a_script_without_a_face_is_transliterated(style):
    shown = "".join(run.text for run in style.runs("Noor ქეთი"))
    assert shown == "Noor Keti"
    assert not style.covers("ქეთი")


@pytest.mark.parametrize("style", [BOLD, TEXT, CODE, BUILTIN])
def test_a_script_whose_letters_change_places_is_transliterated_and_not_misspelt(style):
    shown = "".join(run.text for run in style.runs("Priya हिन्दी"))
    assert shown == "Priya Hindi"


def test_without_fonts_every_name_still_becomes_something():
    for one in everyone():
        assert "".join(run.text for run in BUILTIN.runs(one.name)).strip()
        assert all(ord(sign) < 256 for run in BUILTIN.runs(one.name) for sign in run.text)


def test_steering_signs_disappear():
    assert typefaces.clean(" a\u202eb\x00c\u200b \n d ") == "ab c d"


@pytest.mark.parametrize("evil", EVIL)
def test_nothing_is_wider_than_it_may_be(evil):
    for text in (evil, evil * 30):
        assert BOLD.fit(text, width=100, size=14, smallest=6).width <= 100.01
        lines = BOLD.wrap(text, width=100, size=14, smallest=6, lines=3, whole=9)
        assert len(lines) <= 3
        assert all(line.width <= 100.01 for line in lines)


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=120), st.integers(1, 4))
def test_any_text_fits(text, count):
    assert TEXT.fit(text, width=60, size=12, smallest=5).width <= 60.01
    lines = TEXT.wrap(text, width=60, size=12, smallest=5, lines=count, whole=8, height=40)
    assert 1 <= len(lines) <= count
    assert all(line.width <= 60.01 for line in lines)


@settings(deadline=None, max_examples=100)
@given(st.from_regex(r"[a-z0-9.]{1,50}", fullmatch=True))
def test_a_folded_user_name_is_complete(username):
    lines = CODE.fold(username, width=90, size=12, smallest=7, lines=2)
    assert "".join(run.text for line in lines for run in line.runs) == username
    assert all(line.width <= 90.01 for line in lines)


@needs_fonts
def test_a_long_name_breaks_at_its_own_hyphen_before_anywhere_else():
    lines = BOLD.wrap("Brzęczyszczykiewicz-Żółkiewski", width=132, size=17, smallest=7, lines=3, whole=9)
    assert ["".join(run.text for run in line.runs) for line in lines] == [
        "Brzęczyszczykiewicz-",
        "Żółkiewski",
    ]
    assert max(line.width for line in lines) <= 132


@needs_fonts
@pytest.mark.parametrize("lines", [1, 2, 5])
def test_a_word_that_fits_no_line_is_broken_at_last_and_never_runs_on(lines):
    """The group of a pupil stands beside the QR code, which must stay readable."""
    broken = TEXT.wrap(
        "Elektriciteitsinstallatietechnieken" * 3, width=132, size=8.5, smallest=6.5, lines=lines
    )
    assert max(line.width for line in broken) <= 132
    assert len(broken) == min(lines, 3)


def test_an_address_that_is_folded_keeps_its_host_on_one_line():
    address = f"mijn.school.example/{'a' * 30}.{'b' * 19}"
    lines = TEXT.fold(address, width=80, size=6.5, smallest=5, lines=4, after="/")
    told = ["".join(run.text for run in line.runs) for line in lines]
    assert told[0] == "mijn.school.example/"
    assert "".join(told) == address


@needs_fonts
def test_letters_that_look_alike_differ_in_what_is_typed_over():
    from reportlab.pdfbase import pdfmetrics

    (run,) = CODE.runs("lI1O0")
    glyphs = [pdfmetrics.getFont(run.face).face.charToGlyph[ord(sign)] for sign in "lI1O0"]
    assert len(set(glyphs)) == 5


@needs_fonts
def test_every_font_comes_with_its_licence():
    fonts = sorted(path.name for path in FOLDER.glob("*.ttf"))
    used = {face.file for style in (BOLD, TEXT, CODE) for face in style._faces}
    assert set(fonts) == used
    licences = [path.read_text(encoding="utf-8") for path in FOLDER.glob("LICENSE-*.txt")]
    assert len(licences) == 5
    assert all("SIL OPEN FONT LICENSE" in text.upper() for text in licences)
