"""What happens when two people, or two scripts, say `make` at once in one environment?"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"
NEEDS = (
    "requirements/run.txt", "requirements/test.txt", "requirements/argon2.txt", "setup.cfg", "pyproject.toml",
    "package-lock.json", "tools/build_assets.py", "tools/npm.py", "tools/argon2_served.py", "tools/quick_argon2.py",
    "tests/oidc/clients/package-lock.json",
)  # fmt: skip
STAND_IN = """#!/bin/sh
# Writes down what it is asked to do, takes a moment, and makes an environment with itself in it.
echo "begin $*" >> asked
sleep 0.2
if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi
echo "end $*" >> asked
"""
STEPS = 8
"""What is asked of Python for an environment with the tests in it."""


@pytest.fixture
def place(tmp_path):
    """A tree with our Makefile, where Python only writes down what it is asked."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed: installing at the same time was not tested")
    for name in NEEDS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(MAKEFILE, tmp_path)
    (tmp_path / "python").write_text(STAND_IN, encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def make(place: Path, path: str | None = None) -> subprocess.Popen[str]:
    known = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    }
    words = ["make", "PYTHON=./python", ".venv/.installed-test"]
    return subprocess.Popen(
        words,
        cwd=place,
        env=known | ({"PATH": path} if path else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(*running: subprocess.Popen[str]) -> None:
    for one in running:
        said, _ = one.communicate(timeout=60)
        assert one.returncode == 0, said


def asked(place: Path) -> list[str]:
    return (place / "asked").read_text(encoding="utf-8").splitlines()


def test_of_three_at_once_one_installs_and_the_others_find_it_done(place):
    if shutil.which("flock") is None:
        pytest.skip("flock is not installed: installing at the same time was not tested")
    ended(*[make(place) for _ in range(3)])
    lines = asked(place)
    assert len(lines) == 2 * STEPS
    assert len({*lines}) == 2 * STEPS, "nothing was done twice"
    for begun, done in zip(lines[::2], lines[1::2], strict=True):
        assert (begun.split()[0], begun.split()[1:]) == ("begin", done.split()[1:]), "one thing at a time"
    later = (place / ".venv/.installed-test").stat().st_mtime + 5
    os.utime(place / "setup.cfg", (later, later))
    ended(make(place))
    assert len(asked(place)) > 2 * STEPS, "what changed is installed again"


def test_where_there_is_no_flock_it_installs_as_before(place):
    tools = place / "bin"
    tools.mkdir()
    for name in ("make", "sh", "touch", "sleep", "mkdir", "cp"):
        (tools / name).symlink_to(str(shutil.which(name)))
    ended(make(place, str(tools)))
    assert len(asked(place)) == 2 * STEPS
