"""Is this a Belgian national number (rijksregisternummer or bisnummer)?

Eleven digits: day of birth as YYMMDD (month + 20 or + 40 in a bisnummer; zeros when unknown), a serial of
three, and 97 minus the rest modulo 97, counted with a 2 in front for those born from 2000 on
(Royal decree of 3 April 1984; KSZ for the bisnummer).
"""

from __future__ import annotations

from datetime import date

SEPARATORS = str.maketrans("", "", ".- ")


def canonical(typed: str, born: date | None = None) -> str | None:
    """The eleven digits, or None when the number cannot be right. `born` settles the century when known."""
    digits = typed.translate(SEPARATORS)
    if len(digits) != 11 or not (digits.isascii() and digits.isdigit()):
        return None
    month, day = int(digits[2:4]) % 20, int(digits[4:6])
    if int(digits[2:4]) >= 60 or month > 12 or day > 31 or digits[6:9] == "000":
        return None
    centuries = ("", "2") if born is None else ("2" if born.year >= 2000 else "",)
    checks = {97 - int(century + digits[:9]) % 97 for century in centuries}
    return digits if int(digits[9:]) in checks else None
