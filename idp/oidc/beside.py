"""In what does an address that came differ from the registered one it was meant to be? One look shows the slash.

Pure: two texts in, words out. Addresses are still compared as exact strings (request_checks.py); this only explains
a comparison that failed.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

LONGEST = 500
"""What is kept of an address."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    received: str
    registered: str | None
    """The registered address that is nearest; None when there is none at all."""
    differences: tuple[str, ...]

    @property
    def received_parts(self) -> tuple[tuple[str, bool], ...]:
        """What came, in pieces: (text, is it not so in the registered one?)."""
        return parts(self.received, self.registered or "")

    @property
    def registered_parts(self) -> tuple[tuple[str, bool], ...]:
        return parts(self.registered or "", self.received)


def parts(text: str, other: str) -> tuple[tuple[str, bool], ...]:
    """The text in pieces, each with: does it differ from the other text?"""
    found = difflib.SequenceMatcher(None, text, other, autojunk=False).get_opcodes()
    return tuple((text[a:b], word != "equal") for word, a, b, _c, _d in found if b > a)


def beside(received: str, registered: Sequence[str]) -> Beside:
    """Put an address beside the registered one from which it differs least."""
    found = [(differences(received, one), one) for one in registered]
    if not found:
        return Beside(received=received, registered=None, differences=("no address is registered",))
    least, nearest = min(found, key=lambda pair: (len(pair[0]), -_likeness(received, pair[1])))
    return Beside(received=received, registered=nearest, differences=least)


def differences(received: str, registered: str) -> tuple[str, ...]:
    """Every way in which they differ, in words; nothing when they are the same string."""
    if received == registered:
        return ()
    try:
        here, there = urlsplit(received), urlsplit(registered)
        ports = here.port, there.port
    except ValueError:
        return ("cannot be read as an address",)
    said = []
    if here.scheme != there.scheme:
        said.append("scheme")
    if (here.hostname or "") != (there.hostname or ""):
        said.append("host")
    if ports != (None, None) and ports[0] != ports[1]:
        said.append("port")
    if here.username or here.password:
        said.append("user name before the host")
    said += _of_paths(here.path, there.path)
    said += _of_queries(here.query, there.query)
    if here.fragment or "#" in received:
        said.append("fragment")
    if not said and received.lower() == registered.lower():
        said.append("case")
    return tuple(said) or ("spelling",)


def kept(uri: str) -> str:
    """An address as the log keeps it: values of its query may be anybody's business, so only their names stay."""
    head, mark, query = uri[: 4 * LONGEST].partition("?")
    query, hash_, _ = query.partition("#")
    names = "&".join(f"{part.partition('=')[0]}=…" if "=" in part else part for part in query.split("&"))
    return f"{head}{mark}{names}{hash_}"[:LONGEST]


def _of_paths(here: str, there: str) -> list[str]:
    if here == there:
        return []
    if here.rstrip("/") == there.rstrip("/"):
        return ["slash at the end"]
    if here.lower() == there.lower():
        return ["case of the path"]
    if unquote(here) == unquote(there):
        return ["spelling of the path (%XX)"]
    return ["path"]


def _of_queries(here: str, there: str) -> list[str]:
    if here == there:
        return []
    mine = dict(parse_qsl(here, keep_blank_values=True))
    theirs = dict(parse_qsl(there, keep_blank_values=True))
    said = [f"extra parameter {name[:40]}" for name in mine if name not in theirs]
    said += [f"missing parameter {name[:40]}" for name in theirs if name not in mine]
    said += [
        f"value of parameter {name[:40]}" for name, value in mine.items() if theirs.get(name, value) != value
    ]
    return said or ["spelling of the query"]


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
