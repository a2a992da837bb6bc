"""What is a user name, and when is what somebody typed the same one?

`voornaam.naam` in lower case, without accents: only `a-z`, `0-9` and single dots between them. Every way of
writing that a child may type (capitals, accents, spaces, a full-width dot) leads to that one form, so that
there is one account and one counter behind it (Unicode TR 39: nothing outside ASCII survives).
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

from anyascii import anyascii

LONGEST = 50
_LONGEST_TYPED = 200
_FORM = re.compile(r"[a-z0-9]+(?:\.[a-z0-9]+)*")
_JOINERS = re.compile(r"['`´-]+")
_NOBODY = "leerling"


def canonical(typed: str) -> str | None:
    """The user name that is meant; None when this cannot be one (empty, `@`, control or invisible characters)."""
    if len(typed) > _LONGEST_TYPED:
        return None
    if typed.isascii() and len(typed) <= LONGEST and _FORM.fullmatch(typed):
        return typed
    folded = _folded(typed.strip())
    if folded is None:
        return None
    name = re.sub(r"[\s.]+", ".", _JOINERS.sub("", folded)).strip(".")
    return name if len(name) <= LONGEST and _FORM.fullmatch(name) else None


def propose(voornaam: str, naam: str) -> str:
    """The first user name to try for a pupil of this name. Always a valid one."""
    parts = [re.sub(r"[^a-z0-9]", "", anyascii(part).lower()) for part in (voornaam, naam)]
    return ".".join(part for part in parts if part)[:LONGEST].strip(".") or _NOBODY


def candidates(base: str) -> Iterator[str]:
    """`base`, `base2`, `base3` …: never longer than the longest, never the same twice."""
    yield base
    for number in itertools.count(2):
        digits = str(number)
        yield base[: LONGEST - len(digits)].rstrip(".") + digits


def valid(name: str) -> str | None:
    """None when this can be kept as a user name as it stands; otherwise the code of what is wrong with it."""
    if not name.strip():
        return "username_empty"
    if len(name) > LONGEST:
        return "username_too_long"
    if "@" in name:
        return "username_at"
    return None if _FORM.fullmatch(name) else "username_characters"


def _folded(typed: str) -> str | None:
    wide = unicodedata.normalize("NFKC", typed)
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"} for character in wide):
        return None
    return anyascii(wide).lower()
