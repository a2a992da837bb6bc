"""What did a program send? Its body on disk, unpacked, and never more of it than is allowed."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from idp.feeds.problems import Broken
from idp.feeds.reading import MEGABYTE

PART = 65_536
IN_MEMORY = MEGABYTE
RATIO = 100
"""Nothing that a package writes shrinks more than this."""
SMALL = MEGABYTE
"""Below this the ratio says nothing."""
_GZIP = 31
"""zlib: a gzip header and nothing else."""


class Stream(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@contextmanager
def body(stream: Stream, *, gzip: bool, megabytes: int, announced: int | None = None) -> Iterator[BinaryIO]:
    """A file with the whole body, at its beginning; it has no name and is gone afterwards. Raises Broken.

    `announced`: bytes that must arrive. A file that was cut off at the end of a line would look whole.
    """
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        raw = _plain(stream, megabytes, announced)
        for part in _unpacked(raw, megabytes) if gzip else raw:
            file.write(part)
        file.seek(0)
        yield file  # type: ignore[misc]


def _plain(stream: Stream, megabytes: int, announced: int | None) -> Iterator[bytes]:
    if announced is not None and announced > megabytes * MEGABYTE:
        raise Broken("too_large")
    count = 0
    while part := stream.read(PART):
        count += len(part)
        if count > megabytes * MEGABYTE:
            raise Broken("too_large")
        yield part
    if announced is not None and count < announced:
        raise Broken("cut_short")


def _unpacked(parts: Iterator[bytes], megabytes: int) -> Iterator[bytes]:
    """One gzip member after another (RFC 1952); each part unpacked by itself, so that a bomb never goes off."""
    unpacker = zlib.decompressobj(_GZIP)
    packed, count, begun = 0, 0, False
    for part in parts:
        packed += len(part)
        waiting = part
        while waiting:
            if unpacker.eof:
                unpacker, begun = zlib.decompressobj(_GZIP), False
            try:
                found = unpacker.decompress(waiting, PART)
            except zlib.error:
                raise Broken("broken_archive") from None
            begun = True
            count += len(found)
            if count > megabytes * MEGABYTE:
                raise Broken("too_large")
            if count > SMALL and count > RATIO * packed:
                raise Broken("packed_too_tightly")
            yield found
            waiting = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    if not begun or not unpacker.eof:
        raise Broken("broken_archive")
