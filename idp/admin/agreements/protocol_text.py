"""How does a protocol text become a page, and what did a newer one change?

The text is Markdown that an operator published. Raw HTML in it stays text, pictures are not fetched, and links lead
nowhere but to the web and to mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
_DEEPEST = 6


def page(text: str) -> Markup:
    """The text as HTML. Its headings stand one step lower: the page has the first one."""
    tokens = _MARKDOWN.parse(text)
    for token in _all(tokens):
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 1, _DEEPEST)}"
        elif token.type == "link_open":
            token.attrSet("rel", "noopener noreferrer nofollow")
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))  # noqa: S704 - escaped by the renderer


class Kind(StrEnum):
    SAME = "same"
    GONE = "gone"
    NEW = "new"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some words in a row."""

    kind: Kind
    text: str


Passage = tuple[Piece, ...]
"""One paragraph with what changed in it."""


def difference(old: str, new: str) -> tuple[Passage, ...]:
    """The paragraphs that are not the same in both, in order; nothing when only line ends or spaces differ."""
    before, after = _paragraphs(old), _paragraphs(new)
    found: list[Passage] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        gone, come = before[i1:i2], after[j1:j2]
        for one, other in zip(gone, come, strict=False):
            found.append(_within(one, other))
        found += [(Piece(kind=Kind.GONE, text=text),) for text in gone[len(come) :]]
        found += [(Piece(kind=Kind.NEW, text=text),) for text in come[len(gone) :]]
    return tuple(found)


def _within(old: str, new: str) -> Passage:
    """Word by word."""
    before, after = old.split(), new.split()
    pieces: list[Piece] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(Piece(kind=Kind.SAME, text=" ".join(before[i1:i2])))
            continue
        if i2 > i1:
            pieces.append(Piece(kind=Kind.GONE, text=" ".join(before[i1:i2])))
        if j2 > j1:
            pieces.append(Piece(kind=Kind.NEW, text=" ".join(after[j1:j2])))
    return tuple(pieces)


def _paragraphs(text: str) -> list[str]:
    """Without the signs of Markdown that begin a heading, and with single spaces."""
    parts = (re.sub(r"^#+\s+", "", part.strip()) for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n")))
    return [" ".join(part.split()) for part in parts if part]


def _all(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or [])
