"""How does a worker's memory lie? In huge pages (Linux), so that the processor finds it with fewer looks.

Every hash pushes what a worker knows out of the caches, also where its pages of 4 KiB lie; finding them again was a
sixteenth of a sign-in beside the hash, and a thirtieth of everything else (bench/README.md). Python asks the kernel for
pieces of 1 MiB and does not say that they may be huge, so it is said afterwards, once, when a worker is ready.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

SIZE = 2 * 2**20
"""Bytes of a huge page, on x86-64 and on ARM with small pages of 4 KiB. Elsewhere the kernel says no."""
_MADV_COLLAPSE = 25
ALLOWED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
"""Where the kernel says whether there may be any."""
_MAPS = Path("/proc/self/maps")


def gather(allowed: Path = ALLOWED) -> int:
    """Gather the memory that this process has now; how many huge pages the kernel made of it (Linux 6.1 and later).

    Whatever it refuses stays as it is, and all of it where the operator allows no huge pages.
    """
    if sys.platform != "linux" or not _are_allowed(allowed):
        return 0
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return sum(advise(place, SIZE, _MADV_COLLAPSE) == 0 for place in [*_places(_MAPS.read_text())])


def _are_allowed(said: Path) -> bool:
    try:
        return "[never]" not in said.read_text()
    except OSError:
        return False


def _places(maps: str) -> Iterator[int]:
    """Where a whole huge page of this process's own memory can lie, by what the kernel says of it (proc(5))."""
    for line in maps.splitlines():
        where, may, _offset, _device, inode, *name = line.split(maxsplit=5)
        if may != "rw-p" or inode != "0" or name not in ([], ["[heap]"]):
            continue
        begin, end = (int(address, 16) for address in where.split("-"))
        yield from range(-(-begin // SIZE) * SIZE, end - SIZE + 1, SIZE)
