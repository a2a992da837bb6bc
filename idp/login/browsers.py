"""Have we met this browser? A sealed cookie holds its id, and whose sign-ins it has seen (channel C2).

The list is sealed, so that the next child on a shared tablet cannot read who was there before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from idp import entropy
from idp.clock import day_of_law
from idp.keys import Keys

COOKIE = "browser"
"""Word and purpose of the cookie."""
_MOST = 40
"""Pupils a browser remembers: a class and some, within the size of a cookie."""


@dataclass(frozen=True, kw_only=True)
class Browser:
    id: str
    met: Mapping[str, int] = field(default_factory=dict)
    """Mark of an account → the day (ordinal) of its last sign-in here."""
    fresh: bool = False
    """Made for this request: give it its cookie."""

    def knows(self, account_uuid: str, today: date, *, days: int) -> bool:
        """Did this pupil sign in here in the last `days`?"""
        return self.met.get(_mark(account_uuid), 0) > today.toordinal() - days


def recognise(keys: Keys, cookie: str, now: datetime, *, days: int) -> Browser:
    """The browser that shows this cookie, or a new one."""
    inside = keys.unseal(COOKIE, cookie, now, seconds=days * 24 * 60 * 60) if cookie else None
    if inside is None:
        return Browser(id=entropy.url_safe(16), fresh=True)
    return Browser(id=str(inside["id"]), met=dict(inside["met"]))


def cookie(keys: Keys, browser: Browser, now: datetime) -> str:
    """The value of its cookie; give it `days` to live."""
    return keys.seal(COOKIE, {"id": browser.id, "met": dict(browser.met)}, now)


def after_meeting(browser: Browser, account_uuid: str, now: datetime) -> Browser:
    """The same browser, which now knows this pupil too; whoever was away longest is forgotten first."""
    met = {**browser.met, _mark(account_uuid): day_of_law(now).toordinal()}
    latest = sorted(met.items(), key=lambda pair: -pair[1])[:_MOST]
    return Browser(id=browser.id, met=dict(latest))


def _mark(account_uuid: str) -> str:
    return account_uuid.replace("-", "")[:10]
