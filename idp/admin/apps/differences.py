"""In what do two registrations differ? Pure: two documents in, one line for each field that differs out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idp.oidc import registration

BESIDE = ("sandbox", "supplier")
"""What stands beside a registration and counts as a part of it."""
ORDER = {name: place for place, name in enumerate((*registration.FIELDS, *BESIDE))}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Of one field. None stands for absent."""

    field: str
    before: Any
    after: Any
    removed: tuple[str, ...]
    """Of a list, a set of words or a set of names: what went …"""
    added: tuple[str, ...]
    """… and what came. Empty for a plain value."""

    def as_json(self) -> dict[str, Any]:
        parts = {"removed": [*self.removed], "added": [*self.added]} if self.removed or self.added else {}
        return {"field": self.field, "before": self.before, "after": self.after} | parts

    def lines(self) -> list[tuple[str, str]]:
        """For reading: `-` what went, `+` what came, `=` how many stayed."""
        if self.removed or self.added:
            return [("-", one) for one in self.removed] + [("+", one) for one in self.added]
        old = [] if self.before in (None, [], {}) else [("-", plain(self.before))]
        return old + ([] if self.after in (None, [], {}) else [("+", plain(self.after))])


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """In the order in which a registration is written; `before` None: there was none."""
    old = before or {}
    names = sorted({*old, *after}, key=lambda name: (ORDER.get(name, len(ORDER)), name))
    return tuple(_one(name, old.get(name), after.get(name)) for name in names if _differ(old, after, name))


def _differ(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> bool:
    absent: tuple[Any, ...] = (None, False, [], {}, "")
    there, here = old.get(name), new.get(name)
    return there != here and not (there in absent and here in absent)


def parts(name: str, value: Any) -> tuple[str, ...] | None:
    """What a value is made of, when it is made of parts that come and go; else None."""
    if name == "scope" and isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list):
        return tuple(plain(one) for one in value)
    if name == "reasons" and isinstance(value, Mapping):
        return tuple(f"{claim}: {why}" for claim, why in value.items())
    if name == "jwks" and isinstance(value, Mapping):
        return tuple(_key(key) for key in value.get("keys", ()))
    return None


def plain(value: Any) -> str:
    """A value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {plain(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(one) for one in value)
    return "" if value is None else str(value)


def _one(name: str, before: Any, after: Any) -> Difference:
    old, new = parts(name, before), parts(name, after)
    if old is None and new is None:
        return Difference(field=name, before=before, after=after, removed=(), added=())
    had, has = old or (), new or ()
    return Difference(
        field=name,
        before=before,
        after=after,
        removed=tuple(one for one in had if one not in has),
        added=tuple(one for one in has if one not in had),
    )


def _key(key: Any) -> str:
    if not isinstance(key, Mapping):
        return plain(key)
    body = next((str(key[word]) for word in ("n", "x") if word in key), "")
    return f"{key.get('kid', 'no kid')} ({key.get('kty', '?')}, …{body[-12:]})"
