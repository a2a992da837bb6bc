"""Who holds the port and starts the workers, again if one falls? A parent that knows nothing of the house.

`become` replaces this process, which has read the settings and looked at the database, by such a parent: it takes a
sixth of the memory. Its workers read the settings themselves, from the environment, and make a house each.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
}
"""For glibc, which reads it when a process starts; whoever set these before keeps what they chose.

The 19 MiB of an Argon2 hash are kept for the next one, in huge pages: fresh from the kernel each time, they would have to
be cleared each time, which made a hash a quarter dearer and more (docs/capacity.md). One arena, since glibc would otherwise
keep such a piece for every thread.
"""


def at_ease() -> None:
    """Let threads of workers not interrupt each other, where the system knows such a manner (Linux: SCHED_BATCH).

    A thread that lets go of Python for a moment, in every call of the database, goes on with its request then, instead of
    changing places with one that was waiting: with eight requests at a time a tenth of the work of userinfo. Whoever chose
    a policy before keeps it.
    """
    batch = getattr(os, "SCHED_BATCH", None)
    if batch is not None:
        with suppress(OSError):
            if os.sched_getscheduler(0) == os.SCHED_OTHER:
                os.sched_setscheduler(0, batch, os.sched_param(0))


STOPPING = "_IDP_STOPPING"
"""In the environment of workers: while a file of this name is there, the server is about to stop (idp/watching/health.py)."""


class _Server(Granian):  # type: ignore[misc, valid-type]
    """Told to stop, it first says so for a while to whoever asks whether it is ready, and goes on serving meanwhile."""

    drain = 0
    told = False

    def signal_handler_interrupt(self, *args: object, **_: object) -> None:
        if self.told or not self.drain or args[:1] != (signal.SIGTERM,):
            super().signal_handler_interrupt()
            return
        self.told = True
        _stopping().touch()
        threading.Thread(target=self._leave_later, daemon=True).start()

    def _leave_later(self) -> None:
        time.sleep(self.drain)
        while True:  # a worker that is being replaced at this very moment makes granian forget it
            super().signal_handler_interrupt()
            time.sleep(1)


def _stopping() -> Path:
    return Path(os.environ[STOPPING])


def an_address(host: str) -> str:
    """`host` as an address; a name becomes what this machine knows it as, of several addresses the first of IPv4.

    Asked beforehand, for granian takes no names. Raises OSError when nothing is called so.
    """
    try:
        found = socket.getaddrinfo(
            host.removeprefix("[").removesuffix("]"), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except UnicodeError:  # a part of the name is empty, or too long
        raise socket.gaierror(socket.EAI_NONAME, "no name or address") from None
    families = [family for family, *_ in found]
    return str(found[families.index(socket.AF_INET) if socket.AF_INET in families else 0][-1][0])


def is_free(address: str, port: int) -> bool:
    """May we listen there? Raises OSError when `address` is not one of this machine's.

    Asked beforehand, for granian's workers share a port (SO_REUSEPORT), also with those of another server: every second
    request would go to the other one, and nobody would be told.
    """
    ((family, kind, protocol, _, where), *_) = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
        except OSError as failure:
            if failure.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def a_free_port(address: str, *, rather: int) -> int:
    """`rather`, or any other when somebody is there already."""
    if is_free(address, rather):
        return rather
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])


def listen(*, address: str, port: int, workers: int, threads: int, drain: int) -> None:
    """Serve until told to stop; running requests are finished first."""
    server = _Server(
        "idp.serving:application",
        factory=True,
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        backpressure=threads,
        http=HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=131_072),
        respawn_failed_workers=True,
        workers_kill_timeout=30,
        log_enabled=False,
    )
    server.drain = drain
    folder = os.environ.get("IDP_DATA") or tempfile.gettempdir()
    at_ease()
    os.environ[STOPPING] = str(Path(folder).resolve() / f"stopping-{os.getpid()}")
    try:
        server.serve()
    finally:
        _stopping().unlink(missing_ok=True)


def become(*, address: str, port: int, workers: int, threads: int, drain: int) -> None:
    """Listen in place of this process, with its id; never returns. Where a process cannot be replaced, listen in it."""
    how = {"address": address, "port": port, "workers": workers, "threads": threads, "drain": drain}
    if os.name == "posix":
        sys.stdout.flush()
        sys.stderr.flush()
        command = [sys.executable, "-P", "-m", "idp.listening", json.dumps(how)]
        os.execve(sys.executable, command, MEMORY | os.environ)  # noqa: S606 - ourselves, no shell
    listen(address=address, port=port, workers=workers, threads=threads, drain=drain)


if __name__ == "__main__":
    listen(**json.loads(sys.argv[1]))
