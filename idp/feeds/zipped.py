"""Which files are in this zip, and are they what they seem? Looked at before anything is unpacked; nothing touches the disk.

Read by its own table of contents, whose size is bounded before it is parsed: a zip with a million entries, a bomb, a
path that leads elsewhere, a link, a lock or a name that stands twice is refused.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from idp.feeds import reading
from idp.feeds.problems import Broken
from idp.feeds.unpacking import RATIO, SMALL

MOST_ENTRIES = 64
LARGEST_CONTENTS = 64 * 1024
"""Bytes of the table of contents."""
_END, _END_64 = b"PK\x05\x06", b"PK\x06\x07"
_END_LENGTH, _LONGEST_NOTE = 22, 0xFFFF
_LOCKED = 0x1
_WAYS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class Zip:
    """The files of a zip, by the last part of their names in lower case."""

    def __init__(self, archive: zipfile.ZipFile, limits: reading.Limits) -> None:
        self._archive, self._limits = archive, limits
        self._entries = _entries(archive, limits)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @contextmanager
    def opened(self, name: str) -> Iterator[reading.Bytes]:
        """Raises Broken: it is not there, or not what the zip says of it."""
        entry = self._entries.get(name)
        if entry is None:
            raise Broken("missing_entry", None, name)
        try:
            with self._archive.open(entry) as file:
                yield reading.Bytes(cast("BinaryIO", file), self._limits)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError):
            raise Broken("broken_archive") from None


@contextmanager
def opened(file: reading.Bytes, limits: reading.Limits) -> Iterator[Zip]:
    """Raises Broken."""
    file.finish()
    _check_end(file.stream)
    try:
        with zipfile.ZipFile(file.stream) as archive:
            yield Zip(archive, limits)
    except (zipfile.BadZipFile, ValueError, struct.error):
        raise Broken("broken_archive") from None


def _check_end(file: BinaryIO) -> None:
    """How much a reader would have to parse, before it does."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_LENGTH - _LONGEST_NOTE))
    tail = file.read()
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < _END_LENGTH:
        raise Broken("broken_archive")
    if _END_64 in tail[max(0, place - 20) : place]:
        raise Broken("too_many_entries")
    entries, contents, note = struct.unpack("<10xHI4xH", tail[place : place + _END_LENGTH])
    if place + _END_LENGTH + note != len(tail):
        raise Broken("broken_archive")
    if entries > MOST_ENTRIES or contents > LARGEST_CONTENTS:
        raise Broken("too_many_entries")


def _entries(archive: zipfile.ZipFile, limits: reading.Limits) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    infos = archive.infolist()
    if len(infos) > MOST_ENTRIES:
        raise Broken("too_many_entries")
    if sum(info.file_size for info in infos) > limits.megabytes * reading.MEGABYTE:
        raise Broken("too_large")
    for info in infos:
        _check(info)
        if info.is_dir():
            continue
        name = info.filename.rpartition("/")[2].lower()
        if name in found:
            raise Broken("unsafe_entry")
        found[name] = info
    return found


def _check(info: zipfile.ZipInfo) -> None:
    name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
    odd = "\\" in name or ":" in name or "\x00" in name or not name.isprintable()
    odd = odd or name.startswith("/") or any(part in {".", ".."} for part in name.split("/"))
    if odd or kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise Broken("unsafe_entry")
    if info.flag_bits & _LOCKED or info.compress_type not in _WAYS:
        raise Broken("unsafe_entry")
    if info.file_size > SMALL and info.file_size > RATIO * max(info.compress_size, 1):
        raise Broken("packed_too_tightly")
