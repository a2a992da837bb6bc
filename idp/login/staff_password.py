"""Which passwords may staff have? 15 to 128 characters of any kind, and none that is guessed first.

No composition rules and no ageing (NIST SP 800-63B-4, 3.1.1.2).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from idp.login import passwords

SHORTEST, LONGEST = 15, passwords.LONGEST
_REPEATED_SHORTEST = 8


def canonical(typed: str) -> str | None:
    """What is hashed of a typed password; None when it cannot be one."""
    if len(typed) > 4 * LONGEST:
        return None
    found = unicodedata.normalize("NFC", typed.encode(errors="replace").decode())
    return found if 0 < len(found) <= LONGEST else None


def judge(password: str, *, names: Iterable[str]) -> list[str]:
    """Codes of what keeps this from being a password of staff; empty when it will do."""
    chosen = unicodedata.normalize("NFC", password)
    codes = [code for code in passwords.judge_own(chosen, names=names) if code != "password_too_short"]
    if len(chosen) < SHORTEST:
        codes.insert(0, "staff_password_too_short")
    elif (unit := _repeated(chosen.casefold())) and "password_too_common" not in codes:
        short = len(unit) < _REPEATED_SHORTEST
        if short or "password_too_common" in passwords.judge_own(unit, names=()):
            codes.append("password_too_common")
    return codes


def _repeated(text: str) -> str | None:
    """`welkomwelkomwelkom` is `welkom` again and again; None for what does not repeat itself."""
    at = (text + text).find(text, 1)
    return text[:at] if 0 < at < len(text) else None
