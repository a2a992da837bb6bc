"""What a page says: read as a person reads it, and form by form as a program would.

Look here for what must not be on a page, not in its source: that carries tokens of chance (the nonce of its scripts, the
word of its forms, identifiers in its links), and sooner or later one of them holds any short word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from typing import Any

UNREAD = ("script", "style", "template")
SAYING = ("alt", "aria-label", "placeholder", "title")


class Reading(HTMLParser):
    """The forms of a page, in their order: action, fields with values, and the names of their buttons."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.links: list[str] = []
        self._text: list[str] = []
        self._beside: list[str] = []
        self._unread = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._beside += [given[name] for name in SAYING if name in given]
        self._unread += tag in UNREAD
        if tag == "form":
            self.forms.append({"action": given.get("action"), "fields": {}, "kinds": {}, "checked": False})
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "input":
            kind = given.get("type", "text")
            if kind != "hidden":
                self._beside.append(given.get("value", ""))
            if self.forms and given.get("name"):
                self._field(kind, given)

    def handle_endtag(self, tag: str) -> None:
        self._unread -= tag in UNREAD

    def _field(self, kind: str, given: dict[str, str]) -> None:
        form = self.forms[-1]
        form["kinds"].setdefault(given["name"], kind)
        form["checked"] |= "checked" in given
        if kind not in {"radio", "checkbox"}:
            form["fields"][given["name"]] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self._text.append(data)

    @property
    def words(self) -> str:
        """The text, with one blank between two words."""
        return " ".join(" ".join(self._text).split())

    @property
    def seen(self) -> str:
        """The words, and what stands in the fields, beside pictures and in what a screen reader says."""
        return "\n".join([self.words, *self._beside])


def read(page: Any) -> Reading:
    """Of an answer of the test browser or of `requests`, or of the HTML itself."""
    return Reading(page if isinstance(page, str) else page.text)


def stands(word: str, where: Any) -> bool:
    """Whether this word stands in a text by itself, and not within a token; or in a text anywhere in these rows.

    Bytes in rows are digests and what is sealed: those hold any short word sooner or later, and are passed over.
    """
    if isinstance(where, str):
        return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", where, re.IGNORECASE) is not None
    if isinstance(where, Mapping):
        return any(stands(word, one) for pair in where.items() for one in pair)
    if isinstance(where, Iterable) and not isinstance(where, bytes | bytearray | memoryview):
        return any(stands(word, one) for one in where)
    return False
