"""The release before this one, taken from the history of this repository, as a program that runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RELEASE = "e882508d0240b0a25da0b7f1e9147ecfe95f3e9b"
"""The commit of the previous release. A release sets this to the one before it."""
ROOT = Path(__file__).resolve().parents[2]
BUILT = ("idp/static/built", "idp/locales")
"""What set-up makes, and git does not have: the same in both."""


def unpack(folder: Path) -> Path:
    """The previous release in this folder; skips where the history is not there (a copy without .git, a shallow clone)."""
    packed = folder / "previous.tar"
    done = subprocess.run(
        ["git", "-C", ROOT, "archive", "-o", packed, RELEASE, "idp", "templates"],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("the previous release is not in this copy of the repository: no upgrade to try")
    tree = folder / "previous"
    shutil.unpack_archive(packed, tree)
    shutil.copytree(ROOT / BUILT[0], tree / BUILT[0])
    for compiled in (ROOT / BUILT[1]).rglob("*.mo"):
        shutil.copy(compiled, tree / compiled.relative_to(ROOT))
    return tree


def command(tree: Path | None, *words: object) -> tuple[list[str], dict[str, str]]:
    """(program with its words, environment): `idp …` of that tree, or of this one."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    env |= {"IDP_ARGON2_MEMORY_KIB": "8192", "IDP_ARGON2_TIME": "1", "PYTHONPATH": str(tree or ROOT)}
    return [sys.executable, "-c", "from idp.cli import main; main()", *map(str, words)], env
