"""What is an e-mail address, and when are two the same? Careful enough for a header, and for the world's mail servers."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 254
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def canonical(typed: str) -> str | None:
    """The address as it is kept: the host in small letters (and in ASCII), the rest as typed. None: it is none.

    Only what every server takes: no quotes, no comments, no signs that could begin a second header.
    """
    plain = unicodedata.normalize("NFKC", typed[: 2 * LONGEST]).strip()
    local, at, host = plain.rpartition("@")
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local):
        return None
    try:
        host = host.lower().encode("idna").decode()
    except UnicodeError:
        return None
    labels = host.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        return None
    found = f"{local}@{host}"
    return found if len(found) <= LONGEST else None
