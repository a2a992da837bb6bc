"""How does one tell the invented from the real? By the number of a school and by the version of an identifier.

Sandbox schools have numbers from 999900 to 999999, which are nobody else's; the pupils of a sandbox have identifiers of
UUID version 8, everybody else's are of version 4. So one row of `enrolment` shows by itself whether it mixes the two, and
the database refuses one that does (models/walls.py), whatever wrote it.
"""

from __future__ import annotations

import uuid

RESERVED = "9999"
"""A number of six digits that begins like this is a sandbox school's."""


def is_reserved(instellingsnummer: str) -> bool:
    """Is this a number that only a sandbox school can have?"""
    return len(instellingsnummer) == len(RESERVED) + 2 and instellingsnummer.startswith(RESERVED)


def is_invented(account_uuid: str) -> bool:
    """Is this the identifier of a pupil of a sandbox?"""
    return len(account_uuid) == 36 and account_uuid[14] == "8"


def identifier(sixteen: bytes) -> str:
    """An identifier for a pupil of a sandbox, from sixteen bytes (RFC 9562, section 5.8)."""
    bits = int.from_bytes(sixteen, "big")
    bits = bits & ~(0xF000 << 64) | 8 << 76
    bits = bits & ~(0xC000 << 48) | 0x8000 << 48
    return str(uuid.UUID(int=bits))
