"""Which steps of the database does this program know? Read from the names and heads of its migrations, without Alembic.

A process that serves asks this whenever somebody asks whether it is ready; Alembic would be five megabytes for it.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "migrations" / "versions"
_HEAD = re.compile(r'^(revision|down_revision)\b[^=\n]*= ["\']([^"\']+)', re.MULTILINE)


@functools.cache
def known() -> frozenset[str]:
    return frozenset(words["revision"] for words in _steps())


@functools.cache
def newest() -> str:
    """The step after which there is no other."""
    before = {words.get("down_revision") for words in _steps()}
    (last,) = known() - before
    return last


def behind(step: str | None) -> bool:
    """Does a database at this step lack what this program needs? One that is ahead of us serves us as well."""
    return step is None or (step in known() and step != newest())


def _steps() -> list[dict[str, str]]:
    return [dict(_HEAD.findall(path.read_text(encoding="utf-8"))) for path in FOLDER.glob("[0-9]*.py")]
