"""How does a pupil come in whose secret nobody asked for? Somebody of the school answers for it: until the school day ends.

With a code (help.py), or with a card that is enough by itself (support.py). Both say in `amr` and `acr` how it was, and
whoever asks for more does not get in with either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from idp import audit
from idp.clock import day_of_law
from idp.context import House
from idp.login import accounts, browsers, sessions
from idp.login.browsers import Browser
from idp.login.sign_in import SignedIn
from idp.models import DeviceKind


@dataclass(frozen=True, kw_only=True)
class Visit:
    """The browser in which somebody tries to come in."""

    browser: Browser
    address: str
    shared: bool = False
    device: DeviceKind = DeviceKind.OTHER
    class_device: str | None = None
    """The device of a school that this browser is."""
    previous: str | None = None
    """The sid of the session that it has until now: it ends."""


def until_the_school_day_ends(
    db: Connection,
    house: House,
    account_uuid: str,
    visit: Visit,
    *,
    amr: tuple[str, ...],
    acr: str,
    browser: Browser,
    now: datetime,
) -> SignedIn:
    """Begin the session. `browser` is what this browser knows of pupils from now on."""
    if visit.previous is not None:
        sessions.end(db, visit.previous, "signed_in_anew", now)
    started = sessions.start(
        db,
        house,
        account_uuid=account_uuid,
        amr=amr,
        acr=acr,
        must_change=False,
        shared=visit.shared or visit.class_device is not None,
        device=visit.device,
        class_device=visit.class_device,
        now=now,
        until=sessions.school_day_ends(house.settings, now),
    )
    audit.signed_in(db, account_uuid=account_uuid, amr=[*amr], acr=acr)
    accounts.signed_in_today(db, account_uuid, day_of_law(now))
    return SignedIn(
        account_uuid=account_uuid,
        sid=started.sid,
        cookie=started.cookie,
        browser_cookie=browsers.cookie(house.keys, browser, now),
        must_change=False,
        amr=amr,
        acr=acr,
    )
