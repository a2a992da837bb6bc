"""Is Argon2 built for the processor that it runs on? Builds it so where a C compiler is there; else leaves it as it came.

The wheel in the Python registry is compiled for the oldest processors of its kind. The same source, compiled for those of
the last ten years (x86-64-v3: AVX2), computes the same hash in half the time (measured: 8 ms of CPU instead of 16), and the
hash is most of what a sign-in costs. Built here it works better beside other requests, too (tools/argon2_served.py).

    python tools/quick_argon2.py            once, after installing; make does it
    python tools/quick_argon2.py --check    only say whether it is

What is built comes from the pinned source, with the pinned tools, and is kept only when it computes what the wheel does.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path

import argon2_served

HERE = Path(__file__).resolve().parent.parent
PINNED = HERE / "requirements" / "run.txt"
TOOLS = HERE / "requirements" / "argon2.txt"
NAME = "argon2-cffi-bindings"
FLAGS = "-O3 -march=x86-64-v3"
NEEDED = frozenset({"abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})
"""What the flags let the compiler use, as Linux names it."""
PLAIN = ("--no-deps", "--no-cache-dir", "--no-build-isolation")
BUILD = "2served"
"""Of what is built here now, in the name of its wheel: another one, of an earlier day, is built anew."""
AS_SERVED = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
}
"""How the server has its memory (MEMORY of idp/listening.py, which is not there where an image is made)."""
SPEED = """
import hashlib, itertools, time
from argon2.low_level import Type, hash_secret_raw
def one(): return hash_secret_raw(b"p" * 32, b"s" * 16, 2, 19456, 1, 32, Type.ID)
said = hashlib.sha256(one())
for kind, passes, lanes, memory in itertools.product(Type, (1, 2, 3), (1, 2, 4), (32, 1_024, 4_099)):
    for version in (0x10, 0x13):
        said.update(hash_secret_raw(b"p" * 32, b"s" * 16, passes, memory, lanes, 32, kind, version))
print(said.hexdigest())
costs = []
for _ in range(40):
    began = time.process_time(); one(); costs.append(time.process_time() - began)
print(min(costs) * 1e3)
"""
"""Hashes of something known, of all kinds, and what one of ours costs: in a process of its own, since a library stays loaded."""


def main(arguments: list[str]) -> int:
    """Never fails: what cannot be built is as it came."""
    if arguments == ["--check"]:
        digest, cost = _speed({})
        print(f"one hash takes {cost:.1f} ms of CPU here ({digest[:8]})")
        return 0
    if why_not := _why_not():
        print(f"Argon2 stays as it came: {why_not}")
        return 0
    if _built_here():
        print("Argon2 was built here already")
        return 0
    try:
        print(_build())
    except (subprocess.SubprocessError, tarfile.TarError, OSError, ValueError) as failure:
        print(f"Argon2 stays as it came: it could not be built here ({failure})")
    return 0


def _why_not() -> str | None:
    if platform.machine() not in {"x86_64", "AMD64"} or not sys.platform.startswith("linux"):
        return "it is built for x86-64 on Linux only"
    if not shutil.which(os.environ.get("CC", "cc")):
        return "there is no C compiler"
    cpu = Path("/proc/cpuinfo")
    words = set(cpu.read_text(encoding="utf-8").split()) if cpu.exists() else set()
    if NEEDED - words:
        return "this processor is older than AVX2"
    return None


def _built_here(build: str = f"-{BUILD}-") -> bool:
    """Is what is installed a wheel of this machine, of the version that is pinned? pip notes where a wheel came from."""
    try:
        installed = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        return False
    pinned = _pinned().partition("==")[2].split()[0]
    origin = installed.read_text("direct_url.json") or ""
    return installed.version == pinned and "file://" in origin and build in origin


def _build() -> str:
    """Build a wheel apart, try it there, and only then put it in the place of the other one."""
    wanted = _pinned()
    with tempfile.TemporaryDirectory() as folder:
        apart = Path(folder)
        (apart / "wanted.txt").write_text(wanted, encoding="utf-8")
        _pip("install", "--target", str(apart / "tools"), "--require-hashes", "-r", str(TOOLS))
        source = _source(apart)
        wheel = _wheel(apart, source)
        tried = apart / "tried"
        _pip("install", "--no-deps", "--target", str(tried), str(wheel))
        was, before = _speed({})
        now, after = _speed({"PYTHONPATH": str(tried)})
        if now != was:
            raise ValueError("it computes something else")
        if after >= before and not _built_here(build=""):
            return (
                f"Argon2 stays as it came: built here it is no quicker ({after:.1f} ms, {before:.1f} before)"
            )
        _pip("install", "--no-deps", "--force-reinstall", str(wheel))
    return f"Argon2 is built for this processor: {after:.1f} ms of CPU a hash, {before:.1f} before"


def _source(apart: Path) -> Path:
    """The folder of the pinned source, with our lines in it. Raises ValueError when they do not go into it."""
    fetched = ("--no-binary", NAME, "--require-hashes", "--dest", str(apart), "-r", str(apart / "wanted.txt"))
    _pip("download", *PLAIN, *fetched, more={"PYTHONPATH": str(apart / "tools")})
    (archive,) = apart.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        packed.extractall(apart / "source")  # noqa: S202 - pip has compared its hash
    (folder,) = (apart / "source").iterdir()
    for name in argon2_served.CHANGES:
        file = folder / argon2_served.LIBRARY / name
        file.write_text(argon2_served.served(name, file.read_text(encoding="utf-8")), encoding="utf-8")
    return folder


def _wheel(apart: Path, source: Path) -> Path:
    more = {"PYTHONPATH": str(apart / "tools"), "CFLAGS": FLAGS}
    _pip("wheel", *PLAIN, "--wheel-dir", str(apart), str(source), more=more)
    (wheel,) = apart.glob("*.whl")
    name, version, *tags = wheel.name.split("-")
    return wheel.rename(wheel.with_name("-".join((name, version, BUILD, *tags))))


def _pip(*words: str, more: dict[str, str] | None = None) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", words[0], "--quiet", *words[1:]]
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=os.environ | (more or {}))


def _pinned() -> str:
    """The lines of the lock file about it, with its hashes."""
    lines = re.search(
        rf"^{NAME}==[^\\\n]*(?:\\\n[^\\\n]*)*", PINNED.read_text(encoding="utf-8"), re.MULTILINE
    )
    if lines is None:
        raise ValueError(f"{NAME} is not pinned in {PINNED.name}")
    return lines.group() + "\n"


def _speed(more: dict[str, str]) -> tuple[str, float]:
    environment = AS_SERVED | os.environ | more
    done = subprocess.run(
        [sys.executable, "-c", SPEED], check=True, capture_output=True, text=True, env=environment
    )
    digest, cost = done.stdout.split()
    return digest, float(cost)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
