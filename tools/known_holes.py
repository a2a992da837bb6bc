"""Is a version pinned in which everybody knows a hole? Of pip-audit where the registry tells holes, else of our own list.

`known_holes.csv` names what matters to us, with the version that mended it; it works on a machine without network.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from packaging.version import Version

HERE = Path(__file__).resolve().parent
PINNED = HERE.parent / "requirements" / "run.txt"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def pins(text: str) -> dict[str, str]:
    """Version by package, of a file of requirements."""
    return {name.lower().replace("_", "-"): version for name, version in _PIN.findall(text)}


def listed(pinned: Mapping[str, str]) -> list[str]:
    """A line for each hole of our own list that a pinned version still has."""
    with (HERE / "known_holes.csv").open(encoding="utf-8", newline="") as lines:
        return [
            f"{row['package']} {pinned[row['package']]} has {row['advisory']}: take {row['mended_in']} or newer"
            for row in csv.DictReader(lines)
            if row["package"] in pinned and Version(pinned[row["package"]]) < Version(row["mended_in"])
        ]


def audited(requirements: Path) -> tuple[list[str], int]:
    """(a line for each hole that the registry tells, how many packages it told anything about). Needs the network."""
    command = [Path(sys.executable).parent / "pip-audit", "--disable-pip", "--require-hashes"]
    words = ["-r", requirements, "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run([*map(str, command + words)], check=False, text=True, capture_output=True)
    try:
        told = [one for one in json.loads(done.stdout)["dependencies"] if "vulns" in one]
    except (ValueError, KeyError):
        return [f"pip-audit did not answer: {done.stderr.strip()[-500:]}"], 0
    return [
        f"{one['name']} {one['version']} has {hole['id']}: take {', '.join(hole['fix_versions']) or 'another'}"
        for one in told
        for hole in one["vulns"]
    ], len(told)


def main() -> None:
    """`--ask`: ask the registry too. Exits with 1 when there is a hole."""
    holes = listed(pins(PINNED.read_text(encoding="utf-8")))
    if "--ask" in sys.argv:
        found, told = audited(PINNED)
        holes += found
        print(f"the registry told about {told} packages" if told else "the registry tells no holes")
    sys.exit("\n".join(holes) or None)


if __name__ == "__main__":
    main()
