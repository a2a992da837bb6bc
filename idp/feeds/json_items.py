"""Which items does a JSON array hold? One in memory at a time, with the line it begins on, however long the array is."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from idp.feeds.problems import Broken
from idp.feeds.reading import MEGABYTE, Bytes, Limits, looks_like_text, no_constant, once

PART = 65_536
LARGEST_ITEM = MEGABYTE
"""Characters in one item: a registration with all its classes has a few thousand."""
_SPACE = re.compile(r"[ \t\r\n]*")


def items(file: Bytes, limits: Limits) -> Iterator[tuple[int, Any]]:
    """The items of the one array in a UTF-8 file. Raises Broken, also halfway."""
    text = _Text(file)
    if not text.more():
        raise Broken("empty_file")
    if text.next() != "[":
        raise Broken("not_json", text.line)
    text.skip(1)
    decoder = json.JSONDecoder(object_pairs_hook=once, parse_constant=no_constant)
    count, expected = 0, text.next() != "]"
    while expected:
        line = text.line
        item = text.item(decoder)
        count += 1
        if count > limits.rows:
            raise Broken("too_many_rows")
        yield line, item
        after = text.next()
        if after not in {",", "]"}:
            raise Broken("not_json", text.line)
        expected = after == ","
        if expected:
            text.skip(1)
            text.next()
    text.skip(1)
    if text.next():
        raise Broken("not_json", text.line)
    if not count:
        raise Broken("no_rows")


class _Text:
    """The part of a document that is in memory, and where we are in it."""

    def __init__(self, file: Bytes) -> None:
        self._file, self._decoder = file, codecs.getincrementaldecoder("utf-8")()
        self._buffer, self._at, self._ended = "", 0, False
        self._started = False
        self.line = 1

    def more(self) -> bool:
        """Read on; False at the end."""
        if self._ended:
            return False
        raw = self._file.read(max(PART, len(self._buffer)))
        if not self._started:
            self._started = True
            looks_like_text(raw)
            raw = raw.removeprefix(codecs.BOM_UTF8)
            self._ended = not raw
            if not raw:
                return False
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as fault:
            lines = self._buffer.count("\n", self._at) + raw.count(b"\n", 0, fault.start)
            raise Broken("not_utf_8", self.line + lines) from None
        self._ended = not raw
        self._buffer, self._at = self._buffer[self._at :] + text, 0
        return True

    def next(self) -> str:
        """The next character that is no white space, without passing it; empty at the end."""
        while True:
            match = _SPACE.match(self._buffer, self._at)
            self.skip(len(match.group()) if match else 0)
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self.more():
                return ""

    def skip(self, length: int) -> None:
        self.line += self._buffer.count("\n", self._at, self._at + length)
        self._at += length

    def item(self, decoder: json.JSONDecoder) -> Any:
        """The value that begins here."""
        while True:
            try:
                found, end = decoder.raw_decode(self._buffer, self._at)
            except (ValueError, RecursionError):
                found, end = None, -1
            if end > 0 and (end < len(self._buffer) or self._ended):
                self.skip(end - self._at)
                return found
            if len(self._buffer) - self._at > LARGEST_ITEM or not self.more():
                raise Broken("not_json", self.line)
