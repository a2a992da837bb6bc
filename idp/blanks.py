"""How is a page written that differs from another one in a few words only? With blanks, once, which are then filled in.

Half of the work of a page of signing in was to render anew what is the same for everybody who comes from one app in one
language (measured: 0.4 of 0.9 ms of CPU). So such a page is rendered once with a mark in every place of a word that is
somebody's own, and from then on the words are put, escaped, where the marks are. `csrf_token()`, `nonce()` and `here()`
are such words on every page.

A template may print a word that fills a blank, and ask whether it is empty; nothing else, since it sees the mark.
`tests/test_blanks.py` compares every page that is made here with what the template says itself.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any

from flask import Flask, g, render_template
from markupsafe import escape

from idp import assets, context, entropy, web

MOST = 200
"""Pages that are kept (some 10 KiB each); who was asked for longest ago goes first."""
_ON_EVERY_PAGE = ("csrf_token", "nonce", "here")
_MARK = f"x{entropy.key_bytes(12).hex()}x"
"""What no page and nobody says: made by chance when the process starts, and never shown."""


def prepare(app: Flask) -> None:
    """Give this app a place for its pages."""
    app.extensions["blanks"] = lru_cache(maxsize=MOST)(_written)


def filled(template: str, fill: Mapping[str, str], words: Mapping[str, Hashable]) -> str:
    """The page of `template` with all these words. `fill`: those that are somebody's own; `words`: of a small choice."""
    empty = frozenset(name for name, value in fill.items() if not value)
    parts: tuple[str, ...] = context.extensions()["blanks"](
        template, web.language(), tuple(fill), empty, tuple(words.items())
    )
    own = {**fill, "csrf_token": web.form_word(), "nonce": web.nonce(), "here": assets.here()}
    return "".join(escape(own[part]) if at % 2 else part for at, part in enumerate(parts))


def _written(
    template: str,
    language: str,  # noqa: ARG001 - of this request, and so of the page that is kept
    fill: tuple[str, ...],
    empty: frozenset[str],
    words: tuple[tuple[str, Any], ...],
) -> tuple[str, ...]:
    """The page in parts: text, the name of a blank, text, and so on, ending with text."""
    blanks = {name: "" if name in empty else _mark(name) for name in fill}
    kept = {name: g.pop(name, None) for name in _ON_EVERY_PAGE[:2]}
    try:
        g.csrf_token, g.nonce = _mark("csrf_token"), _mark("nonce")
        page = render_template(template, here=lambda: _mark("here"), **blanks, **dict(words))
    finally:
        for name, value in kept.items():
            g.pop(name)
            if value is not None:
                setattr(g, name, value)
    return tuple(re.split(f"{_MARK}([a-z_]+?){_MARK}", page))


def _mark(name: str) -> str:
    return f"{_MARK}{name}{_MARK}"
