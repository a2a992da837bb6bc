"""What strangers send as a logo is redrawn or refused; nothing of their file reaches a browser."""

from __future__ import annotations

import io
import struct
import time
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from idp.admin.apps import logo_pictures, logos
from idp.admin.apps.logo_pictures import NotALogo, drawn


def picture(kind="PNG", size=(64, 64), mode="RGB", colour="red", **words):
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, kind, **words)
    return out.getvalue()


def opened(content):
    return Image.open(io.BytesIO(content))


def because(content):
    with pytest.raises(NotALogo) as refused:
        drawn(content)
    return refused.value.because


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def bare_png(wide, high, rows):
    head = struct.pack(">IIBBBBB", wide, high, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_each_of_four_kinds_becomes_a_square_png(kind):
    done = opened(drawn(picture(kind)))
    assert (done.format, done.size) == ("PNG", (192, 192))
    red, green, blue, solid = done.convert("RGBA").getpixel((96, 96))
    assert red > 240
    assert max(green, blue) < 15
    assert solid == 255


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_way_to_write_down_colours_is_read(mode):
    assert opened(drawn(picture(mode=mode, colour=1))).size == (192, 192)


def test_a_jpeg_for_printers_is_read():
    assert opened(drawn(picture("JPEG", mode="CMYK", colour=0))).size == (192, 192)


@pytest.mark.parametrize(
    ("size", "filled", "empty"),
    [((400, 100), (96, 96), (96, 20)), ((100, 400), (96, 96), (20, 96)), ((32, 32), (2, 2), None)],
)
def test_a_logo_fits_in_the_square_whole_and_in_its_own_shape(size, filled, empty):
    done = opened(drawn(picture(size=size))).convert("RGBA")
    assert done.getpixel(filled) == (255, 0, 0, 255)
    assert empty is None or done.getpixel(empty)[3] == 0


def test_of_a_picture_that_moves_the_first_frame_is_shown():
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        out = io.BytesIO()
        frames[0].save(out, kind, save_all=True, append_images=frames[1:], lossless=True)
        done = opened(drawn(out.getvalue()))
        assert getattr(done, "n_frames", 1) == 1
        assert done.convert("RGB").getpixel((96, 96))[0] > 240


def test_a_photograph_that_lies_on_its_side_stands_up():
    photo = Image.new("RGB", (64, 64), "red")
    ImageDraw.Draw(photo).rectangle((0, 0, 63, 31), "blue")
    exif = Image.Exif()
    exif[0x0112] = 3
    out = io.BytesIO()
    photo.save(out, "JPEG", exif=exif)
    assert opened(drawn(out.getvalue())).convert("RGB").getpixel((96, 150))[2] > 200


def test_XSS_02_nothing_that_hides_in_a_file_goes_on():
    from PIL.PngImagePlugin import PngInfo

    word = "<script>alert(1)</script>"
    told = PngInfo()
    told.add_text("Comment", word)
    exif = Image.Exif()
    exif[0x010E] = word
    files = [
        picture(pnginfo=told) + word.encode(),
        picture("JPEG", exif=exif, comment=word) + word.encode(),
        picture("GIF", comment=word) + word.encode(),
    ]
    for content in files:
        assert word.encode() in content
        done = drawn(content)
        assert b"script" not in done
        assert done.endswith(b"IEND\xaeB`\x82")
        assert not opened(done).getexif()


def test_a_busy_picture_gets_a_palette_and_stays_small():
    noise = Image.effect_noise((300, 300), 90).convert("RGB")
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=80)
    assert len(drawn(out.getvalue())) < 2 * logo_pictures.LARGE


@pytest.mark.parametrize(
    "content",
    [
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"\xef\xbb\xbf<!DOCTYPE svg><SVG onload=alert(1)>",
    ],
)
def test_XSS_02_an_svg_is_refused_in_clear_words(content):
    assert because(content) == "an SVG is a program as well as a picture: give a PNG, JPEG, WebP or GIF"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<html>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n",
        b"\x89PNG\r\n\x1a\n",
        picture()[:60],
        picture("JPEG")[:200],
        picture("WEBP")[:40],
        picture("BMP"),
        picture("TIFF"),
        picture("ICO"),
        picture("PPM"),
        b"\xff\xd8\xff\xe1\xff\xff" + b"Exif\0\0II*\0" + b"\xff" * 500,
    ],
)
def test_what_is_no_sound_picture_of_those_kinds_is_refused(content):
    assert because(content) == "the file is no sound PNG, JPEG, WebP or GIF"


@pytest.mark.parametrize("size", [(15, 64), (64, 15), (1, 1)])
def test_what_nobody_would_recognise_is_refused(size):
    assert "smaller than 16" in because(picture(size=size))


@pytest.mark.parametrize(
    "size", [(2001, 2000), (20_000, 20_000), (100_000, 1_000), (65_535, 65_535), (5_000, 20)]
)
def test_a_small_file_that_unfolds_into_many_pixels_is_refused_by_what_it_says(size):
    wide, high = size
    bomb = bare_png(wide, high, bytes(1000))
    gif = bytearray(picture("GIF"))
    gif[6:10] = struct.pack("<HH", min(wide, 65_535), min(high, 65_535))
    for content in (bomb, bytes(gif)):
        began = time.process_time()
        assert "pixels" in because(content)
        assert time.process_time() - began < 2, "of work, however busy the machine is"


def test_rows_that_were_not_promised_are_not_unfolded():
    content = bare_png(64, 64, bytes(100_000_000))
    assert len(content) < logos.MOST
    assert opened(drawn(content)).size == (192, 192)


def test_words_in_a_picture_that_unfold_into_megabytes_are_refused():
    words = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9))
    content = picture()
    assert because(content[:33] + words + content[33:]) == "the file is no sound PNG, JPEG, WebP or GIF"


def test_a_jpeg_that_paints_over_itself_for_minutes_is_refused():
    slow = picture("JPEG", size=(1900, 1900), progressive=True)
    scan = slow.index(b"\xff\xda")
    content = slow[:scan] + slow[scan : scan + 10] * 20_000
    assert "scans" in because(content[: logos.MOST])
    assert opened(drawn(slow)).size == (192, 192)


SEEDS = [picture(kind, size=(32, 32)) for kind in logo_pictures.KINDS]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=12))
def test_a_damaged_picture_is_drawn_or_refused_and_nothing_else(seed, changes):
    content = bytearray(seed)
    for place, value in changes:
        content[place % len(content)] = value
    try:
        done = drawn(bytes(content))
    except NotALogo:
        return
    assert opened(done).size == (192, 192)
