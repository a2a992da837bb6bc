"""A name, a logo and colours of one's own: from settings alone, on our own host, readable by day and by night."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from idp import assets, config, context
from idp.app import create_app

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script>alert(1)</script><path d="M0 0h9v9z"/></svg>'


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "#123456").save(out, "PNG")
    return out.getvalue()


def client_of(house, **given):
    settings = config.Settings(**(house.settings.model_dump() | given))
    return create_app(context.open_house(settings, clock=house.clock)).test_client()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [("logo.svg", SVG, "image/svg+xml; charset=utf-8"), ("logo.png", png(), "image/png")],
)
def test_every_page_shows_the_name_and_the_logo_of_the_settings_from_our_own_host(
    house, tmp_path, name, content, kind
):
    (tmp_path / name).write_bytes(content)
    client = client_of(house, brand="Zeemeeuw & Co", brand_logo=tmp_path / name)
    page = client.get("/aanmelden").text
    assert "Zeemeeuw &amp; Co" in page
    assert "mark.svg" not in page
    address = re.search(r'<img src="(/static/merk\.(?:svg|png)\?v=[0-9a-f]+)"', page)[1]
    answer = client.get(address)
    assert answer.data == content
    assert answer.headers["Content-Type"] == kind
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"], "nothing in it runs"
    assert str(tmp_path) not in page


def test_without_a_logo_the_key_shows_and_nothing_else_is_there(house):
    client = client_of(house)
    assert "/static/mark.svg" in client.get("/aanmelden").text
    assert client.get("/static/merk.svg").status_code == 404
    assert client.get("/static/merk.css").status_code == 404


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("logo.gif", b"GIF89a"),
        ("logo.png", b"GIF89a"),
        ("logo.svg", b"<html>"),
        ("logo.svg", b"<svg" + b" " * 100_001),
        ("none.svg", None),
    ],
)
def test_a_logo_that_cannot_be_one_is_refused_at_the_start(house, tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValidationError):
        config.Settings(**(house.settings.model_dump() | {"brand_logo": tmp_path / name}))


@pytest.mark.parametrize("word", ["brand_accent", "brand_highlight"])
@pytest.mark.parametrize("colour", ["red", "#12345", "#123456;}", "url(x)"])
def test_what_is_no_colour_is_refused_at_the_start(house, word, colour):
    with pytest.raises(ValidationError):
        config.Settings(**(house.settings.model_dump() | {word: colour}))


@given(st.integers(0, 0xFFFFFF))
def test_any_highlight_carries_its_text_and_differs_from_the_page_in_the_dark(number):
    style = assets.brand_style("", f"#{number:06x}")
    found = re.findall(r"--sun:(#[0-9a-f]{6})", style)
    assert len(found) == 2
    for one in found:
        colour = assets._colour(one)
        assert assets.contrast(colour, assets.ON_SUN) >= 7
        assert assets.contrast(colour, assets.DARK_GROUND) >= 3
    light, dark = (assets._colour(one) for one in re.findall(r"--sun-soft:(#[0-9a-f]{6})", style))
    assert assets.contrast(light, (30, 27, 24)) >= 7, "ink on it, by day"
    assert assets.contrast(dark, (246, 241, 231)) >= 7, "ink on it, by night"


def test_a_highlight_alone_reaches_the_browser(house):
    client = client_of(house, brand_highlight="#ffb3a0")
    address = re.search(r'href="(/static/merk\.css\?v=[0-9a-f]+)"', client.get("/aanmelden").text)[1]
    style = client.get(address).text
    assert "--sun:#ffb3a0" in style
    assert "--accent" not in style
