"""What does the `claims` parameter ask? (OpenID Connect Core 5.5) Read strictly, and kept only as far as it counts.

Of the catalogue only the names matter: a claim that we do not release is left out, essential or not (5.5.1). Of
the protocol three count: `acr` that must be one of some values, `sub` that must be one pupil, and `auth_time`,
which every ID token has anyway.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idp.apps import App
from idp.claims import catalogue

LONGEST = 4_096
"""Characters."""
MOST = 20
"""Values of one claim."""
PLACES = ("userinfo", "id_token")
_VALUED = frozenset({"acr", "sub"})
_HALF = re.compile(r"[\ud800-\udfff]")
"""Half a character: JSON can say it, an address and a database cannot."""
_KNOWN = catalogue.NAMES | {"acr", "auth_time"}


class Unreadable(ValueError):
    """The parameter is wrong; the message is for the app's developer."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The parameter, as far as it counts for this app."""

    names: Mapping[str, Mapping[str, None]]
    """By place: the claims of the catalogue that are asked by name and that the app is registered for."""
    acr: tuple[str, ...] = ()
    """One of these must be met (5.5.1.1); empty: whatever it is."""
    sub: tuple[str, ...] = ()
    """One of these pupils, and nobody else; empty: whoever it is."""


def read(text: str) -> dict[str, dict[str, Any]]:
    """By place and name, what we understand of it. Raises Unreadable."""
    if len(text) > LONGEST:
        raise Unreadable("claims is too long")
    try:
        given = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Unreadable("claims must be JSON in which no name comes twice") from None
    if not isinstance(given, dict):
        raise Unreadable("claims must be a JSON object")
    return {place: _place(place, given[place]) for place in PLACES if given.get(place) is not None}


def written(read: Mapping[str, Mapping[str, Any]]) -> str:
    """The same in one fixed spelling, for an address."""
    return json.dumps(read, separators=(",", ":"), ensure_ascii=False)


def of(app: App, read: Mapping[str, Mapping[str, Any]]) -> Asked:
    """What counts for this app: no claim that its scopes do not stand for (AUTHZ-15)."""
    may = catalogue.claims_of(app.scopes)
    names = {place: {name: None for name in named if name in may} for place, named in read.items()}
    in_id_token = read.get("id_token", {})
    acr, sub = in_id_token.get("acr") or {}, in_id_token.get("sub") or {}
    return Asked(
        names={place: named for place, named in names.items() if named},
        acr=tuple(acr.get("values", ())) if acr.get("essential") else (),
        sub=tuple(sub.get("values", ())),
    )


def _place(place: str, named: Any) -> dict[str, Any]:
    if not isinstance(named, dict):
        raise Unreadable(f"{place} in claims must be a JSON object")
    return {name: _wish(place, name, wish) for name, wish in named.items() if name in _KNOWN}


def _wish(place: str, name: str, wish: Any) -> dict[str, Any] | None:
    if wish is None:
        return None
    if not isinstance(wish, dict):
        raise Unreadable(f"{name} in claims must be null or a JSON object")
    essential = wish.get("essential", False)
    if not isinstance(essential, bool):
        raise Unreadable(f"essential of {name} in claims must be true or false")
    values = wish.get("values", [wish["value"]] if "value" in wish else [])
    if not isinstance(values, list) or len(values) > MOST:
        raise Unreadable(f"values of {name} in claims must be a list of at most {MOST}")
    if place != "id_token" or name not in _VALUED:
        return None
    if not all(isinstance(value, str) and not _HALF.search(value) for value in values):
        raise Unreadable(f"values of {name} in claims must be text")
    wanted: dict[str, Any] = {"essential": True} if essential else {}
    return (wanted | ({"values": values} if values else {})) or None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name comes twice")
    return dict(pairs)


def _no_number(_constant: str) -> None:
    raise ValueError("NaN and Infinity are no JSON")
