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
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from flask import Flask, g, render_template
from markupsafe import escape

from idp import assets, context, entropy, web

MOST = 200
"""Pages that are kept (some 10 KiB each); who was asked for longest ago goes first."""
_ON_EVERY_PAGE = ("csrf_token", "nonce", "here")
_MARK = f"x{entropy.key_bytes(12).hex()}x"
"""What no page and nobody says: made by chance when the process starts, and never shown."""

Parts = tuple[str, ...]
"""A page: text, the name of a blank, text, and so on, ending with text."""


class Kept:
    """The pages of one app that were written."""

    def __init__(self) -> None:
        self._parts: dict[Hashable, Parts] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def look(
        self, template: str, language: str, fill: Mapping[str, str], words: Mapping[str, Hashable]
    ) -> Parts | None:
        """The parts of this page; None when it was not written yet."""
        key = _key(template, language, fill, words)
        parts = self._parts.pop(key, None)
        if parts is not None:
            self._parts[key] = parts
        return parts

    def keep(
        self,
        template: str,
        language: str,
        fill: Mapping[str, str],
        words: Mapping[str, Hashable],
        parts: Parts,
    ) -> None:
        self._parts[_key(template, language, fill, words)] = parts
        for oldest in [*self._parts][:-MOST]:
            self._parts.pop(oldest, None)


def _key(
    template: str, language: str, fill: Mapping[str, str], words: Mapping[str, Hashable]
) -> tuple[Hashable, ...]:
    return template, language, tuple(fill), tuple(map(bool, fill.values())), tuple(words.items())


def prepare(app: Flask) -> None:
    """Give this app a place for its pages."""
    app.extensions["blanks"] = Kept()


def kept() -> Kept:
    """The pages of the app that handles this request."""
    found: Kept = context.extensions()["blanks"]
    return found


def filled(template: str, fill: Mapping[str, str], words: Mapping[str, Hashable]) -> str:
    """The page of `template` with all these words. `fill`: those that are somebody's own; `words`: of a small choice."""
    pages, language = kept(), web.language()
    parts = pages.look(template, language, fill, words)
    if parts is None:
        parts = _written(template, fill, words)
        pages.keep(template, language, fill, words, parts)
    return put_together(parts, fill, csrf_token=web.form_word(), nonce=web.nonce(), here=assets.here())


def put_together(parts: Sequence[str], fill: Mapping[str, str], **on_every_page: str) -> str:
    """The page of these parts, with all that is somebody's own, escaped, where it belongs."""
    own = {**fill, **on_every_page}
    return "".join([escape(own[part]) if at % 2 else part for at, part in enumerate(parts)])


def _written(template: str, fill: Mapping[str, str], words: Mapping[str, Any]) -> Parts:
    """In the language of this request, in which it is kept."""
    blanks = {name: _mark(name) if value else "" for name, value in fill.items()}
    before = {name: g.pop(name, None) for name in _ON_EVERY_PAGE[:2]}
    try:
        g.csrf_token, g.nonce = _mark("csrf_token"), _mark("nonce")
        page = render_template(template, here=lambda: _mark("here"), **blanks, **words)
    finally:
        for name, value in before.items():
            g.pop(name)
            if value is not None:
                setattr(g, name, value)
    return tuple(re.split(f"{_MARK}([a-z_]+?){_MARK}", page))


def _mark(name: str) -> str:
    return f"{_MARK}{name}{_MARK}"
