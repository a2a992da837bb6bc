"""What a page weighs, how long browsers keep it, and whether an own accent stays readable."""

from __future__ import annotations

import gzip
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import assets

OWN = ["style.css", "pages.js", "pictures.js", "scan.js", "mark.svg", "stuk.html"]
built = pytest.mark.skipif(
    not (assets.STATIC / "built" / "stamp.txt").exists(), reason="run tools/build_assets.py first"
)


@pytest.mark.parametrize("name", OWN)
def test_an_address_with_a_digest_is_kept_for_good(client, name):
    answer = client.get(assets.asset(name))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_address_without_a_digest_is_asked_again(client):
    assert client.get("/static/stuk.html").headers["Cache-Control"] == "public, max-age=3600"


@pytest.mark.parametrize("name", OWN)
def test_texts_travel_compressed_to_whoever_can_read_that(client, name):
    plain = client.get(f"/static/{name}")
    packed = client.get(f"/static/{name}", headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.data) == plain.data == (assets.STATIC / name).read_bytes()
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"


def test_what_has_not_changed_is_not_sent_again(client):
    first = client.get("/static/style.css")
    again = client.get("/static/style.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "name",
    ["../web.py", "..%2fweb.py", "%2e%2e/web.py", "built", "built/", "none.css", "x%00.css", "/etc/hostname"],
)
def test_only_our_own_files_are_served(client, name):
    assert client.get(f"/static/{name}").status_code in {308, 400, 404}


def test_the_style_sheet_stays_small():
    assert len(assets._packed("style.css", 0)) < 15_000


@built
def test_the_first_page_stays_light(client):
    page = client.get("/aanmelden")
    html = page.get_data(as_text=True)
    names = {match.split("?")[0] for match in re.findall(r'(?:href|src)="/static/([^"]+)"', html)}
    names |= {f"built/atkinson-{part}.woff2" for part in ("latin-400", "latin-700")}
    weight = sum(_weight(client, name) for name in names)
    assert weight + len(page.data) < 75_000
    assert _weight(client, "built/pictures.svg") < 40_000


def _weight(client, name: str) -> int:
    with client.get(f"/static/{name}", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.status_code == 200
        return len(answer.data)


def test_no_file_of_ours_asks_another_host():
    for name in OWN:
        text = (assets.STATIC / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"(?m)^\s*//.*$|/\*.*?\*/| // .*$", "", text), name


@built
def test_every_icon_that_a_template_names_is_built():
    templates = (assets.STATIC.parent.parent / "templates").rglob("*.html")
    named = {
        name for path in templates for name in re.findall(r'icon\("([a-z0-9-]+)"\)', path.read_text("utf-8"))
    }
    assert named <= set(assets._icons())


@pytest.mark.parametrize("accent", ["", "#12345", "red", "#12345g", "#123456;}", "url(x)"])
def test_what_is_no_colour_is_no_style(accent):
    assert assets.brand_style(accent) == ""


@given(st.integers(0, 0xFFFFFF))
def test_any_accent_stays_readable_by_day_and_by_night(number):
    day, night = re.findall(r"--accent:#([0-9a-f]{6})", assets.brand_style(f"#{number:06x}"))
    assert assets.contrast(_colour(day), assets.WHITE) >= 7
    assert assets.contrast(_colour(night), assets.DARK_GROUND) >= 7


def _colour(text: str) -> assets.Colour:
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)


@pytest.mark.parametrize(
    ("name", "letter"), [("Bingel", "B"), ("4Me", "4"), ("«Écoute»", "É"), ("…", "•"), ("<b>", "B")]
)
def test_an_app_without_a_logo_has_its_first_letter(name, letter):
    assert assets.first_letter(name) == letter
    assert 0 <= assets.hue(name) < assets.HUES
