"""A version with a hole that everybody knows is never pinned, and a pin that has one makes the check fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def check(tmp_path: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    """`tools/known_holes.py` in a copy in which these versions are pinned."""
    (tmp_path / "requirements").mkdir()
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    pinned = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    for package, version in changed.items():
        before, after = pinned.split(f"\n{package}==", 1)
        pinned = f"{before}\n{package}=={version} \\\n" + after.split("\n", 1)[1]
    (tmp_path / "requirements" / "run.txt").write_text(pinned, encoding="utf-8")
    command = [sys.executable, tmp_path / "tools" / "known_holes.py"]
    return subprocess.run(command, check=False, text=True, capture_output=True)


def test_OPS_12_what_is_pinned_has_no_known_hole(tmp_path):
    done = check(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("package", "version", "hole"),
    [
        ("authlib", "1.6.3", "CVE-2025-59420"),
        ("flask", "3.1.0", "CVE-2025-47278"),
        ("joserfc", "1.0.0", "CVE-2025-65015"),
    ],
)
def test_OPS_12_a_version_with_a_known_hole_makes_the_check_fail(tmp_path, package, version, hole):
    done = check(tmp_path, **{package: version})
    assert done.returncode == 1
    assert f"{package} {version} has {hole}" in done.stderr
