"""How does an app hear that a session ended? A signed word to its back door, tried again until it arrives.

OpenID Connect Back-Channel Logout 1.0. login/farewell.py writes down whom to tell, in the transaction that ends the
session; here a worker takes lines that are due, sends them, and writes down what came of it. A line is taken by
moving its next moment: two workers never send the same one, and what a worker that died left behind is taken again.
Whoever signs out never waits for an app, and an app that is down holds up no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, select, tuple_, update

from idp import audit, entropy, fetching
from idp.apps import App
from idp.claims import pseudonym
from idp.context import House
from idp.fetching import Fetched, NotFetched
from idp.models import ErrandState, LogoutDelivery
from idp.oidc import signing

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPE = "logout+jwt"
LIFE = timedelta(minutes=2)
"""Of a logout token, from the moment it is sent (the specification's own advice)."""
WAITS = (10, 60, 300, 900, 1800, 3600, 14_400)
"""Seconds before each next try, half of it by chance: eight tries in some six hours."""
TAKEN = timedelta(seconds=60)
"""So long a worker has for what it took; after that another may."""
LONGEST = timedelta(hours=8)
"""Older news is no news."""
BATCH = 200
AT_ONCE = 8
"""Apps that are told at the same time."""

Post = Callable[[str, Mapping[str, str]], Fetched]


@dataclass(frozen=True, kw_only=True, slots=True)
class Errand:
    sid: str
    client_id: str
    sub: str
    tries: int
    """Before this one."""
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    errand: Errand
    arrived: bool
    result: str
    tried: bool = True
    """False: there was no time left in this round. An app that does not answer was tried for all its lines."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One delivery, as it is shown."""

    client_id: str
    sid: str
    state: ErrandState
    tries: int
    result: str | None
    created_at: datetime
    next_at: datetime | None
    done_at: datetime | None


def deliver(house: House, *, post: Post | None = None) -> int:
    """Take what is due and send it. Returns how many lines were taken; safe in any number of processes.

    `post` sends a form to an address; the guarded one when left out.
    """
    with house.database.reading() as db:
        if db.execute(select(_due(house.clock.now()).exists())).scalar() is False:
            return 0
    with house.database.transaction() as db:
        due = _take(db, house.clock.now())
    if not due:
        return 0
    by_app = [[*errands] for _, errands in groupby(due, key=lambda errand: errand.client_id)]
    send = post or _guarded(house)
    if len(by_app) == 1:
        outcomes = [*_tell(house, by_app[0], send)]
    else:
        with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(by_app)), thread_name_prefix="logout") as many:
            outcomes = [
                one for told in many.map(lambda mine: _tell(house, mine, send), by_app) for one in told
            ]
    with house.database.transaction() as db:
        _settle(db, outcomes, house.clock.now())
    return len(due)


def logout_token(house: House, app: App, errand: Errand, now: datetime) -> str:
    """Section 2.4. `sub` always; `sid` always too, since the session is what ended. Never a nonce."""
    claims: dict[str, Any] = {
        "iss": house.settings.issuer,
        "aud": app.client_id,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFE).timestamp()),
        "jti": entropy.identifier(),
        "sub": errand.sub,
        "sid": pseudonym.sid_for(house.keys, app.client_id, errand.sid),
        "events": {EVENT: {}},
    }
    return signing.sign(house, claims, app.id_token_signed_response_alg, TYPE)


def lines(db: Connection, client_id: str | None = None, *, most: int = 100) -> list[Line]:
    """The newest deliveries, of one app or of all."""
    rows = select(LogoutDelivery.__table__).order_by(
        LogoutDelivery.created_at.desc(), LogoutDelivery.sid, LogoutDelivery.client_id
    )
    if client_id is not None:
        rows = rows.where(LogoutDelivery.client_id == client_id)
    return [
        Line(
            client_id=row["client_id"],
            sid=row["sid"],
            state=row["state"],
            tries=row["tries"],
            result=row["result"],
            created_at=row["created_at"],
            next_at=row["next_at"] if row["state"] is ErrandState.WAITING else None,
            done_at=row["done_at"],
        )
        for row in db.execute(rows.limit(most)).mappings()
    ]


def try_again(db: Connection, client_id: str, now: datetime) -> int:
    """What was given up for this app is tried anew; returns how many lines."""
    given_up = (LogoutDelivery.client_id == client_id) & (LogoutDelivery.state == ErrandState.GIVEN_UP)
    fresh = {"state": ErrandState.WAITING, "tries": 0, "next_at": now, "done_at": None}
    return db.execute(update(LogoutDelivery).where(given_up).values(fresh)).rowcount


# ---------------------------------------------------------------- a round


def _due(now: datetime) -> Select[*tuple[Any, ...]]:
    return select(
        LogoutDelivery.sid,
        LogoutDelivery.client_id,
        LogoutDelivery.sub,
        LogoutDelivery.tries,
        LogoutDelivery.created_at,
    ).where(LogoutDelivery.state == ErrandState.WAITING, LogoutDelivery.next_at <= now)


def _take(db: Connection, now: datetime) -> list[Errand]:
    """Lines that are due, ours until TAKEN has passed. By app, oldest first."""
    due = _due(now).order_by(LogoutDelivery.next_at).limit(BATCH).with_for_update(skip_locked=True)
    found = [Errand(**row) for row in db.execute(due).mappings()]
    _write(db, found, {"next_at": now + TAKEN})
    return sorted(found, key=lambda errand: errand.client_id)


def _tell(house: House, errands: Sequence[Errand], post: Post) -> Iterable[Outcome]:
    """Everything for one app, one after the other; when it does not answer, the rest waits for a better moment."""
    app = house.apps.find(errands[0].client_id)
    outcomes: list[Outcome] = []
    ends = house.clock.monotonic() + TAKEN.total_seconds() / 2
    because = ""
    for errand in errands:
        if app is None or app.disabled or app.backchannel_logout_uri is None:
            outcomes.append(
                Outcome(errand=errand, arrived=True, result="the app does not want to know any more")
            )
        elif because:
            outcomes.append(Outcome(errand=errand, arrived=False, result=because))
        elif house.clock.monotonic() > ends:
            outcomes.append(Outcome(errand=errand, arrived=False, result="", tried=False))
        else:
            form = {"logout_token": logout_token(house, app, errand, house.clock.now())}
            try:
                status = post(app.backchannel_logout_uri, form).status
            except NotFetched as no:
                because = no.because[:200]
                outcomes.append(Outcome(errand=errand, arrived=False, result=because))
            else:
                outcomes.append(Outcome(errand=errand, arrived=200 <= status < 300, result=f"HTTP {status}"))
    return outcomes


def _settle(db: Connection, outcomes: Iterable[Outcome], now: datetime) -> None:
    bad: dict[str, list[tuple[Outcome, bool]]] = {}
    for one in outcomes:
        if not one.tried:
            _write(db, [one.errand], {"next_at": now})
            continue
        tries = one.errand.tries + 1
        given_up = not one.arrived and (tries > len(WAITS) or now - one.errand.created_at > LONGEST)
        what: dict[str, Any] = {"tries": tries, "result": one.result}
        if one.arrived or given_up:
            what["state"] = ErrandState.DELIVERED if one.arrived else ErrandState.GIVEN_UP
            what["done_at"] = now
        else:
            wait = WAITS[tries - 1] / 2
            what["next_at"] = now + timedelta(seconds=wait + entropy.jitter(wait))
        _write(db, [one.errand], what)
        if not one.arrived:
            bad.setdefault(one.errand.client_id, []).append((one, given_up))
    for client_id, failures in bad.items():
        _tell_the_developer(db, client_id, failures)


def _tell_the_developer(db: Connection, client_id: str, failures: Sequence[tuple[Outcome, bool]]) -> None:
    """Of the first try that failed, and of the last: one line a round. What lies between is in the list."""
    because = failures[0][0].result
    given_up = sum(last for _, last in failures)
    if given_up:
        audit.logout_given_up(db, client_id=client_id, count=given_up, because=because)
    elif any(one.errand.tries == 0 for one, _ in failures):
        audit.logout_not_delivered(db, client_id=client_id, count=len(failures), because=because)


def _write(db: Connection, errands: Sequence[Errand], what: Mapping[str, Any]) -> None:
    if errands:
        mine = tuple_(LogoutDelivery.sid, LogoutDelivery.client_id).in_(
            [(errand.sid, errand.client_id) for errand in errands]
        )
        db.execute(update(LogoutDelivery).where(mine).values(**what))


def _guarded(house: House) -> Post:
    loopback = house.settings.calls_this_machine
    return lambda uri, form: fetching.post(uri, form, loopback=loopback)
