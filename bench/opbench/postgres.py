"""A private PostgreSQL for a run: a fresh cluster in a folder, on a socket of its own, ended with the run.

Durability is as it comes (fsync, synchronous_commit): in a memory file system that costs CPU and no disk.
"""

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

SETTINGS = (
    "listen_addresses=''",
    "max_connections=200",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "timezone=UTC",
)


def binaries():
    """The folder of `initdb`, or None."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@contextmanager
def running(folder, core=None, keep=False, settings=()):
    """The URL of an empty database and the file with the server's process id. `keep`: as it was left last time.

    `settings`: such as "shared_buffers=4GB", on top of ours.
    """
    where = binaries()
    if where is None:
        raise RuntimeError("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    data, there = folder / "data", (folder / "data" / "PG_VERSION").exists()
    if not (keep and there):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    other = _as_somebody_else(folder)
    pin = ["taskset", "-c", str(core)] if core is not None else []
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    if not (keep and there):
        made = [where / "initdb", "-D", data, "-U", "idp", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run([*other, *made], **quiet)
    options = " ".join([f"-k {folder}", *(f"-c {one}" for one in (*SETTINGS, *settings))])
    start = [where / "pg_ctl", "-D", data, "-o", options, "-w", "-t", "120", "-l", folder / "log", "start"]
    subprocess.run([*pin, *other, *start], **quiet)
    try:
        yield f"postgresql+psycopg://idp@/postgres?host={folder}", data / "postmaster.pid"
    finally:
        stop = [where / "pg_ctl", "-D", data, "-m", "fast", "-w", "stop"]
        subprocess.run([*other, *stop], check=False, stdout=subprocess.DEVNULL, cwd=folder)


def _as_somebody_else(folder):
    """PostgreSQL does not run as root."""
    if os.getuid() != 0:
        return []
    shutil.chown(folder, "postgres", "postgres")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
