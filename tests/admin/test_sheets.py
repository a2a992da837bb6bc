"""How do cards and lists look on paper?"""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from io import BytesIO

import pypdfium2
import pytest
import zxingcpp

from idp.admin.printing import class_list, paper, sheets
from idp.admin.printing.typefaces import FOLDER
from idp.login import pictures
from idp.models import SecretKind
from tests.admin.make_handouts import EVIL, LOOK, TOKEN, everyone, handout

MM = 72 / 25.4
needs_fonts = pytest.mark.skipif(
    not (FOLDER / "text.ttf").exists(), reason="fonts are not built: make assets"
)
needs_pictures = pytest.mark.skipif(not paper.PICTURES.exists(), reason="pictures are not built: make assets")


def drawn(draw, *what, **options):
    target = BytesIO()
    draw(target, *what, LOOK, **options)
    return target.getvalue()


class Pdf:
    """A PDF that is closed in time."""

    def __init__(self, content):
        self.content = content

    def __enter__(self):
        self.pdf = pypdfium2.PdfDocument(self.content)
        return self

    def __exit__(self, *_):
        self.pdf.close()

    def text(self, page=0):
        opened = self.pdf[page]
        read = opened.get_textpage()
        try:
            return read.get_text_range()
        finally:
            read.close()
            opened.close()

    def reach(self, word, page=0):
        """How low and how high the letters of this word stand on the sheet, in points from below."""
        opened = self.pdf[page]
        read = opened.get_textpage()
        try:
            start, count = read.search(word).get_next()
            boxes = [read.get_charbox(at) for at in range(start, start + count)]
        finally:
            read.close()
            opened.close()
        return min(box[1] for box in boxes), max(box[3] for box in boxes)

    def image(self, page=0, dpi=300):
        opened = self.pdf[page]
        try:
            return opened.render(scale=dpi / 72).to_pil()
        finally:
            opened.close()


def test_a_card_holds_real_text():
    with Pdf(drawn(sheets.cards, [handout(SecretKind.TEMPORARY)])) as pdf:
        text = pdf.text()
    for word in ("Gastón", "Logie", "4de leerjaar", "Leersleutel", "Gebruikersnaam", "gaston.logie"):
        assert word in text
    assert "Tijdelijk wachtwoord" in text
    assert "qgRkpckU" in text
    assert "https://id.school.example/mijn/gaston.logie" in text


WOLF = {"voornaam": "Wolfeschlegelsteinhausenbergerdorff", "naam": "Keihanaikukauakahihuliheekahaunaele"}
NAMES = [
    WOLF,
    {"voornaam": "Marie-Charlotte Élisabeth", "naam": "van den Broucke-Vandenbossche de la Tour"},
    {"voornaam": "Łukasz", "naam": "Brzęczyszczykiewicz-Żółkiewski"},
    {"voornaam": "Jean Claude Van Damme Junior", "naam": "De Smet"},
]


@pytest.mark.parametrize("name", NAMES, ids=[name["naam"] for name in NAMES])
def test_no_line_of_a_card_runs_through_the_next_one(name):
    groups = {"group": "4de leerjaar", "klassen": ("DV-WMWa3", "DV2.AVN.3", "DV2Win")}
    with Pdf(drawn(sheets.cards, [handout(**name, **groups)])) as pdf:
        (group_low, _), (_, label_high) = (pdf.reach(word) for word in ("DV2Win", "Gebruikersnaam"))
        text = pdf.text()
    assert group_low >= label_high
    assert [word for word in text.split() if "--" in word] == [], "a name breaks at its own hyphen"


@pytest.mark.parametrize("draw", [sheets.cards, sheets.stickers])
def test_the_longest_personal_url_is_printed_whole(draw):
    name = "w" * 25 + "." + "k" * 24
    url = f"https://id.school.example/mijn/{name}"
    one = handout(username=name, personal_url=url, note="Werkt vanaf 1 september 2027.")
    with Pdf(drawn(draw, [one])) as pdf:
        text = "".join(pdf.text().split())
    assert url.removeprefix("https://") in text
    assert "…" not in text


def test_four_pictures_are_printed_with_their_words_and_the_story():
    for draw in (sheets.cards, sheets.stickers):
        with Pdf(drawn(draw, [handout()])) as pdf:
            text = " ".join(pdf.text().split())
        for word in ("kat", "appel", "trein", "kasteel", "De kat eet een appel"):
            assert word in text


@needs_pictures
def test_every_picture_has_a_drawing():
    missing = [
        one.key
        for screen in pictures.SCREENS
        for one in screen.pictures
        if not (paper.PICTURES / f"{one.key}.png").exists()
    ]
    assert missing == []


def test_without_drawings_the_words_are_enough():
    before, paper.PICTURES = paper.PICTURES, paper.PICTURES / "nowhere"
    paper._picture.cache_clear()
    try:
        with Pdf(drawn(sheets.cards, [handout()])) as pdf:
            assert "kasteel" in pdf.text()
    finally:
        paper.PICTURES = before
        paper._picture.cache_clear()


@pytest.mark.parametrize(("draw", "least"), [(sheets.cards, 40.0), (sheets.stickers, 25.0)])
def test_the_qr_is_read_back_from_paper_and_is_large_enough(draw, least):
    url = f"HTTPS://ID.SCHOOL.EXAMPLE/K/{TOKEN}"
    with Pdf(drawn(draw, [handout(kind) for kind in (SecretKind.PICTURE, SecretKind.BASIC)])) as pdf:
        image = pdf.image(dpi=150)
        found = zxingcpp.read_barcodes(image.convert("L"))
    assert [one.text for one in found] == [url, url]
    for one in found:
        side = (one.position.top_right.x - one.position.top_left.x) / 150 * 25.4
        assert side >= least - 0.4
        assert one.ec_level in {"M", "Q", "H"}


@pytest.mark.parametrize(
    ("draw", "size"), [(sheets.cards, sheets.CARD_QR), (sheets.stickers, sheets.STICKER_QR)]
)
@pytest.mark.parametrize("note", ["", "Werkt vanaf 1 september 2027."])
def test_the_qr_has_its_quiet_zone(draw, size, note):
    long = {"voornaam": "Wolfeschlegelsteinhausenbergerdorff " * 3, "username": "w" * 50}
    one = handout(SecretKind.PICTURE, note=note, **long)
    dpi = 300
    with Pdf(drawn(draw, [one])) as pdf:
        image = pdf.image(dpi=dpi).convert("L")
    (found,) = zxingcpp.read_barcodes(image)
    place = found.position
    quiet = paper.quiet(paper.encode(one.card_url), size) / 25.4 * dpi - 3
    inside = (
        min(place.top_left.x, place.bottom_left.x),
        min(place.top_left.y, place.top_right.y),
        max(place.top_right.x, place.bottom_right.x),
        max(place.bottom_left.y, place.bottom_right.y),
    )
    around = [
        round(inside[0] - quiet),
        round(inside[1] - quiet),
        round(inside[2] + quiet),
        round(inside[3] + quiet),
    ]
    cut = image.crop(around)
    for strip in (
        cut.crop((0, 0, cut.width, quiet - 4)),
        cut.crop((0, 0, quiet - 4, cut.height)),
        cut.crop((0, cut.height - quiet + 4, cut.width, cut.height)),
    ):
        assert strip.getextrema()[0] > 200, "something is printed in the quiet zone"


def _ink(image, box_mm, dpi):
    """Whether anything is printed in (left, top, right, bottom), millimetres from the top left of the sheet."""
    left, top, right, bottom = (round(edge / 25.4 * dpi) for edge in box_mm)
    return image.crop((left, top, right, bottom)).getextrema()[0] < 200


def test_stickers_are_105_by_48_mm_two_by_six_with_4_mm_white_inside():
    dpi = 200
    twelve = [
        handout([SecretKind.PICTURE, SecretKind.TEMPORARY][n % 2], klassen=("3A", "3Win")) for n in range(13)
    ]
    with Pdf(drawn(sheets.stickers, twelve)) as pdf:
        assert len(pdf.pdf) == 2
        page = pdf.pdf[0]
        assert page.get_size() == pytest.approx((210 * MM, 297 * MM), abs=0.01)
        page.close()
        image = pdf.image(dpi=dpi).convert("L")
    for row in range(6):
        for column in range(2):
            left, top = column * 105.0, 4.5 + row * 48.0
            assert _ink(image, (left + 4, top + 4, left + 101, top + 44), dpi)
            edge = 3.7
            for strip in (
                (left + 0.5, top + 0.5, left + 104.5, top + edge),
                (left + 0.5, top + 48 - edge, left + 104.5, top + 47.5),
                (left + 0.5, top + 0.5, left + edge, top + 47.5),
                (left + 105 - edge, top + 0.5, left + 104.5, top + 47.5),
            ):
                assert not _ink(image, strip, dpi), (row, column, strip)
        line = _ink(image, (20, 4.5 + row * 48 - 0.2, 190, 4.5 + row * 48 + 0.2), dpi)
        assert line, "a hairline to cut along"


def test_cards_are_eight_on_a_sheet():
    with Pdf(drawn(sheets.cards, [handout()] * 17)) as pdf:
        assert len(pdf.pdf) == 3
        found = zxingcpp.read_barcodes(pdf.image(dpi=130).convert("L"))
    assert len(found) == 8


def test_card_and_secret_may_be_printed_apart():
    with Pdf(drawn(sheets.stickers, [handout(SecretKind.BASIC)], part=sheets.Part.CARD)) as pdf:
        assert "29ban9" not in pdf.text()
        assert "gaston.logie" in pdf.text()
        assert len(zxingcpp.read_barcodes(pdf.image(dpi=150))) == 1
    with Pdf(drawn(sheets.stickers, [handout(SecretKind.BASIC)], part=sheets.Part.SECRET)) as pdf:
        assert "29ban9" in pdf.text()
        assert zxingcpp.read_barcodes(pdf.image(dpi=150)) == []


def test_a_new_card_without_a_new_secret_shows_none():
    one = handout(SecretKind.OWN, secret=None)
    with Pdf(drawn(sheets.cards, [one])) as pdf:
        assert "achtwoord" not in pdf.text()


@pytest.fixture
def no_network(monkeypatch):
    """Whoever asks the network for anything fails, loudly."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"something went to the network: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@needs_fonts
@pytest.mark.parametrize("draw", [sheets.cards, sheets.stickers])
def test_from_which_day_a_card_works_stands_on_it(draw):
    note = "Werkt vanaf 1 september 2027."
    whole = [handout(card_url=f"HTTPS://ID.EXAMPLE.ORG/K/{TOKEN}", note=note)]
    with Pdf(drawn(draw, whole)) as pdf:
        assert note in pdf.text()
        (read,) = zxingcpp.read_barcodes(pdf.image())
    assert read.text.endswith(TOKEN)


def test_CARD_02_markup_in_names_is_literal():
    one = handout(SecretKind.BASIC, voornaam="<b>Vet</b>", naam="&amp;<br/>", group="<font size=99>3A</font>")
    for draw in (sheets.cards, sheets.stickers):
        with Pdf(drawn(draw, [one])) as pdf:
            text = pdf.text()
        assert "<b>Vet</b>" in text
        assert "&amp;<br/>" in text
        assert "<font size=99>" in text
    with Pdf(drawn(class_list.lists, {"<i>3A": [one]})) as pdf:
        assert "<i>3A" in pdf.text()


def test_SSRF_09_nothing_in_a_name_is_fetched(no_network):
    img = '<img src="http://127.0.0.1:9/x.png" width="9"/>'
    one = handout(SecretKind.BASIC, voornaam=img, naam=img, group=img, klassen=(img,), stamnummer=img)
    for draw in (sheets.cards, sheets.stickers):
        with Pdf(drawn(draw, [one])) as pdf:
            assert "<img" in pdf.text()
    drawn(class_list.lists, {img: [one]})


@pytest.mark.parametrize("evil", EVIL)
def test_no_name_breaks_a_sheet(evil):
    one = handout(voornaam=evil, naam=evil * 20, group=evil, klassen=(evil,), stamnummer=evil[:40])
    for draw in (sheets.cards, sheets.stickers):
        drawn(draw, [one])
    drawn(class_list.lists, {evil: [one]})


@needs_fonts
def test_every_name_of_the_synthetic_schools_prints():
    those = everyone()
    names = Counter("".join(one.name.split()) for one in those)
    for draw, on_a_sheet in ((sheets.cards, 8), (sheets.stickers, 12)):
        with Pdf(drawn(draw, those)) as pdf:
            assert len(pdf.pdf) == -(-len(those) // on_a_sheet)
            text = "".join("".join(pdf.text(page).split()) for page in range(len(pdf.pdf)))
        text = text.replace("\ufffe", "-").replace("\x02", "-")
        latin = [name for name in names if all(ord(sign) < 0x600 for sign in name) and len(name) < 40]
        assert len(latin) > 500
        missing = [name for name in latin if name not in text and name not in text.replace("-", "")]
        assert missing == []
        assert "美玲" in text


def test_a_class_list_takes_a_sheet_for_each_group_and_says_so():
    groups = {"4de leerjaar": [handout()] * 26, "5de leerjaar": [handout(SecretKind.BASIC)] * 3}
    with Pdf(drawn(class_list.lists, groups)) as pdf:
        assert len(pdf.pdf) == 3
        first, last = pdf.text(0), pdf.text(2)
    assert "Blad 1 van 2" in first
    assert "23 november 2026" in first
    assert "5de leerjaar" in last
    assert last.count("29ban9") == 3


def test_progress_counts_to_the_end():
    seen = []
    drawn(sheets.stickers, [handout()] * 5, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_no_pupils_is_an_empty_sheet():
    for draw, what in ((sheets.cards, []), (sheets.stickers, []), (class_list.lists, {})):
        with Pdf(drawn(draw, what)) as pdf:
            assert len(pdf.pdf) == 1


def test_a_thousand_cards_take_at_most_ten_seconds_of_one_core():
    those = [
        handout(
            SecretKind.PICTURE if number % 2 else SecretKind.TEMPORARY,
            naam=f"Peeters{number}",
            card_url=f"HTTPS://ID.SCHOOL.EXAMPLE/K/K1{random.Random(number).randrange(10**26):026d}",
        )
        for number in range(1000)
    ]
    began = time.process_time()
    content = drawn(sheets.cards, those)
    assert time.process_time() - began < 10
    assert len(content) < 4_000_000


def test_an_accent_that_is_no_colour_stops_nobody():
    assert paper.accent("#ff0000") == "#ff0000"
    assert paper.accent("teal; drop") == paper.ACCENT
    assert paper.accent("") == paper.ACCENT
