"""What stands in a file? Bytes become records with line numbers, or the file is refused as a whole.

UTF-8 only (a byte order mark is tolerated); CSV with comma or semicolon, strictly by RFC 4180; JSON Lines.
A guess about an encoding or a quote would be a guess about a child's name, so there is none. One line is in
memory at a time, and every length has a limit.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from idp.feeds.problems import Broken

MEGABYTE = 1024 * 1024
Source = bytes | Path | BinaryIO
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
PACKED = (b"\x1f\x8b", b"PK\x03\x04")
"""How gzip begins, and a zip or a workbook."""
_TOKENS = {
    delimiter: re.compile(rf'(?:"((?:[^"]|"")*)"|([^"{delimiter}\r\n]*))({delimiter}|\Z)')
    for delimiter in ",;"
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of a file we are willing to read."""

    megabytes: int
    rows: int
    line: int = 65_536
    """Bytes in one line."""
    record: int = 65_536
    """Characters in one record, which may run over several lines between quotes."""


class Bytes:
    """A source being read line by line: counted, limited, and remembered by its SHA-256."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file, self._limits = file, limits
        self._hash = hashlib.sha256()
        self._count = 0

    @property
    def sha256(self) -> str:
        """Of what was read so far: the whole file, once it was read to its end."""
        return self._hash.hexdigest()

    def readline(self, number: int) -> bytes:
        raw = self._file.readline(self._limits.line + 1)
        self._take(raw)
        if len(raw) > self._limits.line:
            raise Broken("line_too_long", number)
        return raw

    def read(self, most: int = MEGABYTE) -> bytes:
        raw = self._file.read(most)
        self._take(raw)
        return raw

    @property
    def stream(self) -> BinaryIO:
        """The file itself, for formats that are read here and there (zip)."""
        return self._file

    def rewind(self) -> None:
        """Begin again; not every stream can."""
        self._file.seek(0)
        self._hash, self._count = hashlib.sha256(), 0

    def finish(self) -> None:
        """Read on to the end, so that the digest names the whole file."""
        try:
            while part := self._file.read(MEGABYTE):
                self._take(part)
        except Broken:
            return

    def _take(self, raw: bytes) -> None:
        self._hash.update(raw)
        self._count += len(raw)
        if self._count > self._limits.megabytes * MEGABYTE:
            raise Broken("too_large")


@contextmanager
def opened(source: Source, limits: Limits) -> Iterator[Bytes]:
    """A file, or bytes, or a stream (which is left open), ready to be read once. Raises Broken."""
    if isinstance(source, bytes):
        yield Bytes(io.BytesIO(source), limits)
    elif isinstance(source, Path):
        if not source.is_file():
            raise Broken("not_a_file")
        try:
            file = source.open("rb")
        except OSError:
            raise Broken("not_a_file") from None
        with file:
            yield Bytes(file, limits)
    else:
        yield Bytes(source, limits)


def text_lines(file: Bytes, *, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Lines with their numbers from 1, decoded, line ends included. Raises Broken."""
    number = 1
    while raw := file.readline(number):
        if number == 1:
            looks_like_text(raw)
            raw = raw.removeprefix(codecs.BOM_UTF8)
        try:
            yield number, raw.decode(encoding)
        except UnicodeDecodeError:
            raise Broken("not_utf_8", number) from None
        number += 1


def looks_like_text(start: bytes) -> None:
    """Do these first bytes of a file begin a text of ours? Raises Broken."""
    if start.startswith(PACKED):
        raise Broken("packed")
    if start.startswith(UTF_16) or b"\x00" in start[:64]:
        raise Broken("utf_16")


def encoding(file: Bytes, *, otherwise: str) -> str:
    """UTF-8 when all of the file is, else the encoding of a package that has no UTF-8. Begins the file again."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    found = "utf-8"
    try:
        while raw := file.read():
            decoder.decode(raw)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        found = otherwise
    file.rewind()
    return found


def first_character(file: Bytes) -> str:
    """The first one that is no white space, of the beginning of the file; begins the file again."""
    start = file.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()
    file.rewind()
    return start[:1].decode("ascii", errors="replace")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns a file must have, and which it may have."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    ignored: bool = False
    """Other columns are dropped while reading (real exports), instead of refusing the file (our own format)."""

    @property
    def known(self) -> frozenset[str]:
        return self.required | self.optional


Record = tuple[int, dict[str, Any] | None]
"""The line a record begins on, and its cells by column; None: it has another number of fields than the header."""


def table(lines: Iterator[tuple[int, str]], columns: Columns, limits: Limits) -> Iterator[Record]:
    """The records of a CSV file. Blank lines count for nothing. Raises Broken, also halfway."""
    first = next(lines, None)
    if first is None or not first[1].strip():
        raise Broken("empty_file")
    delimiter = _delimiter(first, columns)
    header = _header(_split(first[1], delimiter, 1), columns)
    count = 0
    for number, text in _whole_records(lines, limits):
        cells = _split(text, delimiter, number)
        if cells == [""]:
            continue
        count += 1
        if count > limits.rows:
            raise Broken("too_many_rows")
        if len(cells) != len(header):
            yield number, None
            continue
        yield number, {name: cell for name, cell in zip(header, cells, strict=True) if name}
    if not count:
        raise Broken("no_rows")


def json_lines(lines: Iterator[tuple[int, str]], columns: Columns, limits: Limits) -> Iterator[Record]:
    """The records of a JSON Lines file: one object a line, text or null as values. Raises Broken."""
    count = 0
    for number, text in lines:
        if not text.strip():
            continue
        count += 1
        if count > limits.rows:
            raise Broken("too_many_rows")
        yield number, _object(text, number, columns)
    if not count:
        raise Broken("empty_file")


def records(
    lines: Iterator[tuple[int, str]], columns: Columns, limits: Limits
) -> tuple[str, Iterator[Record]]:
    """`csv` or `jsonl`, by how the file begins, and its records."""
    first = next(lines, None)
    if first is None:
        raise Broken("empty_file")
    again = _chained(first, lines)
    if first[1].lstrip().startswith("{"):
        return "jsonl", json_lines(again, columns, limits)
    return "csv", table(again, columns, limits)


def parsed(text: str, line: int | None = None) -> Any:
    """A JSON document without repeated names, `NaN`, or more nesting than a file of ours has. Raises Broken."""
    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise Broken("not_json", line) from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no name stands twice (for json)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is repeated")
    return found


def no_constant(word: str) -> None:
    """Refuse NaN and Infinity (for json)."""
    raise ValueError(word)


def _object(text: str, number: int, columns: Columns) -> dict[str, Any]:
    found = parsed(text, number)
    if not isinstance(found, dict):
        raise Broken("not_json", number)
    if not columns.ignored and found.keys() - columns.known:
        raise Broken("unknown_column", number)
    return {name: value for name, value in found.items() if name in columns.known}


def _chained(first: tuple[int, str], rest: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from rest


def _delimiter(first: tuple[int, str], columns: Columns) -> str:
    """The one that makes more of our columns."""
    names = {d: {_plain(name) for name in first[1].strip().split(d)} for d in ",;"}
    return max(",;", key=lambda d: len(names[d] & columns.known))


def _plain(name: str) -> str:
    return name.strip().strip('"').strip().lower()


def _header(names: list[str], columns: Columns) -> list[str | None]:
    """Our name of each column, or None for one that is dropped. A stranger's name is never repeated."""
    found: list[str | None] = []
    for position, name in enumerate(map(_plain, names), 1):
        if name in columns.known:
            if name in found:
                raise Broken("duplicate_column", 1, name)
            found.append(name)
        elif columns.ignored:
            found.append(None)
        else:
            raise Broken("unknown_column", 1, f"column {position}")
    if missing := sorted(columns.required - set(found)):
        raise Broken("missing_column", 1, missing[0])
    return found


def _whole_records(lines: Iterator[tuple[int, str]], limits: Limits) -> Iterator[tuple[int, str]]:
    """Lines, joined where a quoted cell runs on: quotes come in pairs in a record that is complete."""
    for number, line in lines:
        if line.count('"') % 2 == 0:
            yield number, line
            continue
        parts, length = [line], len(line)
        for _, more in lines:
            parts.append(more)
            length += len(more)
            if length > limits.record:
                raise Broken("unclosed_quote", number)
            if more.count('"') % 2:
                break
        else:
            raise Broken("unclosed_quote", number)
        yield number, "".join(parts)


def _split(record: str, delimiter: str, number: int) -> list[str]:
    record = record.removesuffix("\n").removesuffix("\r")
    if '"' not in record:
        if "\r" in record:
            raise Broken("broken_line_end", number)
        return record.split(delimiter)
    cells, position = [], 0
    while match := _TOKENS[delimiter].match(record, position):
        quoted, plain, end = match.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        if not end:
            return cells
        position = match.end()
    raise Broken("broken_quotes", number)
