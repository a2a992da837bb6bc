"""Everything this machine can check, one after another; what cannot run here is said, with the reason.

`--quick` leaves out the journeys in a browser. Exits with 1 when anything failed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import npm

HERE = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def main() -> None:
    quick = "--quick" in sys.argv
    checks = {
        "style": [BIN / "ruff", "check", "--quiet", "."],
        "format": [BIN / "ruff", "format", "--check", "--quiet", "."],
        "floors": [BIN / "lint-imports", "--no-cache"],
        "types": [BIN / "mypy"],
    }
    holes = [sys.executable, "tools/known_holes.py", *(["--ask"] if os.environ.get("CI") else [])]
    checks["known holes in dependencies"] = holes
    failed = [name for name, command in checks.items() if not _passes(name, command)]
    tests = [sys.executable, "-m", "pytest", "-rs", "--durations=12", *_side_by_side()]
    if quick:
        tests += ["-m", "not browser and not long"]
    if not _passes("tests", tests, show=True):
        failed.append("tests")
    for what, why in _missing():
        print(f"skipped: {what}: {why}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    print("all is well")


def _side_by_side() -> list[str]:
    """Files of tests on as many cores as there are, each file as a whole on one of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ["-n", str(min(cores, 4)), "--dist", "loadfile"] if cores > 1 else []


def _passes(name: str, command: list[object], *, show: bool = False) -> bool:
    began = time.monotonic()
    done = subprocess.run(
        [str(word) for word in command], cwd=HERE, check=False, text=True, capture_output=not show
    )
    print(
        f"{'ok    ' if done.returncode == 0 else 'FAILED'} {name} ({time.monotonic() - began:.0f} s)",
        flush=True,
    )
    if done.returncode and not show:
        print(done.stdout, done.stderr, flush=True)
    return done.returncode == 0


def _missing() -> list[tuple[str, str]]:
    missing = []
    if not shutil.which("chromium") and not shutil.which("chromium-browser"):
        missing.append(
            ("journeys in a browser", "Chromium is not installed (Debian: apt-get install chromium)")
        )
    if not shutil.which("initdb") and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        missing.append(
            ("PostgreSQL's half of the tests", "it is not installed (Debian: apt-get install postgresql)")
        )
    if not npm.installed(HERE / "tests" / "oidc" / "clients"):
        missing.append(("libraries in JavaScript", "not installed (python tools/npm.py tests/oidc/clients)"))
    if not shutil.which("redis-server") and not shutil.which("valkey-server"):
        missing.append(("counting in Redis", "no server is installed (Debian: apt-get install redis-server)"))
    if not Path("/usr/lib/apache2/modules/mod_auth_openidc.so").exists():
        missing.append(
            ("Apache as an app", "not installed (Debian: apache2-bin libapache2-mod-auth-openidc)")
        )
    if not Path("/usr/share/php/Illuminate/autoload.php").exists():
        packages = "php-cli php-curl php-laravel-framework php-guzzlehttp-guzzle"
        missing.append(("Laravel as an app", f"not installed (Debian: {packages})"))
    if not os.environ.get("CI"):
        missing.append(
            ("holes that the registry knows", "asked only in CI (CI=1), since it needs the network")
        )
    return missing


if __name__ == "__main__":
    main()
