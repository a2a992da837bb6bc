"""Which style sheets, scripts, pictures and icons do pages use, and how do browsers keep them?

Files live in idp/static; what tools/build_assets.py makes is in idp/static/built. `asset("style.css")` is an address
that changes with the content, so browsers may keep it for good. Texts travel compressed.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from flask import Flask, Response, abort, current_app, make_response, request, send_from_directory
from markupsafe import Markup, escape

from idp import brand
from idp.config import Settings

STATIC = Path(__file__).parent / "static"
YEAR = 365 * 24 * 3600
TEXTS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".wasm": "application/wasm",
}
"""What travels compressed."""
BRAND_STYLE = "merk.css"
LONGEST_NAME = 100
"""Of a file of ours, with its folders: what is longer may be more than a file system can look for."""
HUES = 12
"""How many colours the letter of an app may have: `hue-0` … in the style sheet."""


INERT = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}
"""An SVG is a page to whoever opens it alone: nothing in it runs."""


@dataclass(frozen=True, kw_only=True)
class Logo:
    """The operator's own, read once."""

    name: str
    kind: str
    content: bytes


def prepare(app: Flask, settings: Settings) -> None:
    """Teach the templates `asset`, `icon`, `here`, `brand_style`, and serve the files ourselves."""
    style = brand_style(settings.brand_accent, settings.brand_highlight)
    logo = _brand_logo(settings)
    app.jinja_env.globals.update(
        asset=asset,
        icon=icon,
        here=here,
        brand_style=f"/static/{BRAND_STYLE}?v={_hash(style.encode())}" if style else "",
        brand_logo=f"/static/{logo.name}?v={_hash(logo.content)}" if logo else "",
    )
    app.jinja_env.filters.update(hue=hue, first_letter=first_letter)

    def send(filename: str) -> Response:
        if filename == BRAND_STYLE and style:
            return _kept(make_response(style, {"Content-Type": TEXTS[".css"]}))
        if logo is not None and filename == logo.name:
            return _kept(make_response(logo.content, {"Content-Type": logo.kind, **INERT}))
        return _kept(_file(filename))

    app.view_functions["static"] = send


# ---------------------------------------------------------------- for templates


@functools.cache
def asset(name: str) -> str:
    """The address of a file in idp/static, with a digest of its content, as it is when a page first asks."""
    path = STATIC / name
    return f"/static/{name}?v={_hash(path.read_bytes())}" if path.is_file() else f"/static/{name}"


@functools.cache
def icon(name: str) -> Markup:
    """A Lucide icon, drawn in the text's colour and silent for screen readers. Empty when not built."""
    inside = _icons().get(name, "")
    return Markup(  # noqa: S704 - from our own build
        '<svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.25" '
        'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">'
        f"{inside}</svg>"
    )


def here() -> str:
    """The address of this page, local, with its query; where forms are only sent, of the nearest page above."""
    if request.method in {"GET", "HEAD"}:
        return request.full_path.rstrip("?")
    routes, path = current_app.url_map.bind(""), request.path
    while path != "/" and not routes.test(path, method="GET"):
        path = path.rpartition("/")[0] or "/"
    query = request.query_string.decode()
    return quote(path, safe="/:@!$&'()*+,;=~") + (f"?{query}" if query else "")


def hue(name: str) -> int:
    """The number of the colour that always goes with this name."""
    return int(_hash(name.encode()), 16) % HUES


def first_letter(name: str) -> Markup:
    """What stands for an app without a logo: the first letter or digit of its name."""
    found = re.search(r"[^\W_]", name)
    return escape(found.group().upper() if found else "•")


@functools.cache
def _icons() -> dict[str, str]:
    path = STATIC / "built" / "icons.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


# ---------------------------------------------------------------- sending files


def _file(name: str) -> Response:
    kind, changed = TEXTS.get(Path(name).suffix), _changed(name)
    if not changed:
        abort(404)
    if kind is None:
        return send_from_directory(STATIC, name)
    packed = _packed(name, changed)
    small = request.accept_encodings.quality("gzip") > 0
    response = make_response(packed if small else gzip.decompress(packed))
    response.headers["Content-Type"] = kind
    response.headers["Vary"] = "Accept-Encoding"
    if small:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(_hash(packed) + ("-gz" if small else ""))
    response.make_conditional(request)
    return response


def _changed(name: str) -> int:
    """When this file of ours last changed (nanoseconds); 0 when there is none. A new build needs no restart."""
    if "\0" in name or len(name) > LONGEST_NAME:
        return 0
    path = (STATIC / name).resolve()
    return path.stat().st_mtime_ns if path.is_relative_to(STATIC.resolve()) and path.is_file() else 0


@functools.lru_cache(maxsize=64)
def _packed(name: str, _changed: int) -> bytes:
    return gzip.compress((STATIC / name).read_bytes(), 9, mtime=0)


def _kept(response: Response) -> Response:
    """Addresses with a digest never change; others are asked again after an hour."""
    for_good = "v" in request.args and response.status_code < 400
    response.headers["Cache-Control"] = (
        f"public, max-age={YEAR}, immutable" if for_good else "public, max-age=3600"
    )
    return response


def _brand_logo(settings: Settings) -> Logo | None:
    path = settings.brand_logo
    if path is None:
        return None
    kind = {".svg": TEXTS[".svg"], ".png": "image/png"}[path.suffix.lower()]
    return Logo(name=f"merk{path.suffix.lower()}", kind=kind, content=brand.logo(path))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:10]


# ---------------------------------------------------------------- colours and a logo of one's own

DARK_GROUND, WHITE, ON_SUN = (23, 22, 20), (255, 255, 255), (42, 32, 3)
"""The page in the dark, the page by day (nearly), and the text on a highlight (`--on-sun`)."""
READABLE = 7.0
"""Contrast for pupils (WCAG AAA): an accent that has less is darkened, or in the dark lightened, until it does."""

Colour = tuple[int, int, int]


def brand_style(accent: str, highlight: str = "") -> str:
    """The tokens that follow from colours `#rrggbb`; what is no colour has none."""
    day, night = "", ""
    if (wished := _colour(accent)) is not None:
        light = _until_readable(wished, against=WHITE, towards=(0, 0, 0))
        dark = _until_readable(wished, against=DARK_GROUND, towards=WHITE)
        day += _tokens("accent", light, deep=0.3, soft=_mix(light, WHITE, 0.88))
        night += _tokens("accent", dark, deep=0.35, soft=_mix(dark, DARK_GROUND, 0.82))
    if (wished := _colour(highlight)) is not None:
        sun = _until_readable(wished, against=ON_SUN, towards=WHITE)
        day += _tokens("sun", sun, deep=0.3, soft=_mix(sun, WHITE, 0.7))
        night += _tokens("sun", sun, deep=0.3, soft=_mix(sun, DARK_GROUND, 0.8))
    return f":root{{{day}}}@media (prefers-color-scheme:dark){{:root{{{night}}}}}" if day else ""


def _tokens(name: str, colour: Colour, *, deep: float, soft: Colour) -> str:
    return f"--{name}:{_hex(colour)};--{name}-deep:{_hex(_mix(colour, (0, 0, 0), deep))};--{name}-soft:{_hex(soft)};"


def _colour(text: str) -> Colour | None:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return None
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def contrast(one: Colour, other: Colour) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _until_readable(colour: Colour, *, against: Colour, towards: Colour) -> Colour:
    mixed = (_mix(colour, towards, step / 20) for step in range(21))
    return next(one for one in mixed if contrast(one, against) >= READABLE)


def _luminance(colour: Colour) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
