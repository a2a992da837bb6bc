"""What does an installation do by itself? Tell apps who signed out, end what expired, keep its signing keys alive,
seal what happened.

Every worker process has one thread for it, and the one that holds the lease does the work for all: when that process
dies, another takes over within LEASE seconds. Nothing here is needed by a request: a job that fails is logged, and
tried again at the next round. Four jobs and a lease are less than a scheduler, so there is none.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from idp import audit, entropy, leases
from idp.admin import sealing
from idp.context import House
from idp.login import postman, sessions
from idp.oidc import backchannel, signing

log = structlog.get_logger(__name__)
EVERY = 1.0
"""Seconds between two looks for work, in the process that holds the lease."""
LEASE = 30.0
RENEWED_EVERY = 10.0
EXPIRED_EVERY = timedelta(minutes=1)
KEYS_EVERY = timedelta(days=1)
SEALS_EVERY = timedelta(minutes=1)
LOOK_BACK = timedelta(days=1)
"""How far the first look for expired sessions goes back."""
BATCH = 500
ROUNDS = 50
"""Batches at most before the lease must be looked at again."""


class Worker(threading.Thread):
    """The thread of one process; `stop()` ends it and lets another process take over."""

    def __init__(self, house: House) -> None:
        super().__init__(name="jobs", daemon=True)
        self._house = house
        self._me = entropy.identifier()
        self._stopped = threading.Event()
        self._renewed = float("-inf")
        self._holds = False

    def run(self) -> None:
        while not self._stopped.wait(self._pause()):
            try:
                if self._has_the_lease():
                    round_(self._house, self._me)
            except Exception as failure:
                log.error("job_failed", kind=type(failure).__name__, exc_info=failure)  # noqa: TRY400
                self._stopped.wait(RENEWED_EVERY)

    def stop(self) -> None:
        self._stopped.set()
        if self.is_alive():
            self.join(timeout=10)
        with suppress(SQLAlchemyError), self._house.database.transaction() as db:
            leases.leave(db, leases.JOBS, self._me, self._house.clock.now())

    def _pause(self) -> float:
        first = self._renewed == float("-inf")
        return EVERY * entropy.share() if self._holds or first else RENEWED_EVERY * entropy.share()

    def _has_the_lease(self) -> bool:
        moment = self._house.clock.monotonic()
        if self._holds and moment - self._renewed < RENEWED_EVERY:
            return True
        with self._house.database.transaction() as db:
            self._holds = leases.take(db, leases.JOBS, self._me, self._house.clock.now(), seconds=LEASE)
        self._renewed = moment
        return self._holds


def round_(house: House, holder: str) -> None:
    """Everything that is due now. Call it while holding the lease."""
    these = audit.Circumstances(now=house.clock.now(), actor="system", source="jobs")
    with audit.circumstances(these):
        end_expired(house, holder)
        ensure_keys(house, holder)
        seal_trail(house, holder)
        for _ in range(ROUNDS):
            if backchannel.deliver(house) < backchannel.BATCH:
                break
        postman.deliver(house)


def end_expired(house: House, holder: str) -> int:
    """End the sessions whose time is over, so that apps hear of it. Returns how many."""
    now = house.clock.now()
    with house.database.reading() as db:
        since = leases.reached(db, leases.EXPIRED_SESSIONS)
    if since is not None and now - since < EXPIRED_EVERY:
        return 0
    count = 0
    for _ in range(ROUNDS):
        with house.database.transaction() as db:
            ended = sessions.end_expired(db, since or now - LOOK_BACK, now, most=BATCH)
            count += ended
            if ended < BATCH:
                leases.reach(db, leases.EXPIRED_SESSIONS, holder, now)
                break
    return count


def seal_trail(house: House, holder: str) -> int:
    """Seal the audit trail and the ledger, every minute; anchor them once a day. Returns how many rows."""
    now = house.clock.now()
    with house.database.reading() as db:
        last = leases.reached(db, leases.SEALS)
    if last is not None and now - last < SEALS_EVERY:
        return 0
    count = sealing.seal(house, now)
    sealing.anchor(house, now)
    with house.database.transaction() as db:
        leases.reach(db, leases.SEALS, holder, now)
    return count


def ensure_keys(house: House, holder: str) -> list[str]:
    """Announce the signing keys that are due, once a day for all processes. Returns the ids of new ones."""
    now: datetime = house.clock.now()
    with house.database.reading() as db:
        last = leases.reached(db, leases.SIGNING_KEYS)
    if last is not None and now - last < KEYS_EVERY:
        return []
    with house.database.transaction() as db:
        made = signing.ensure(db, house, now)
        leases.reach(db, leases.SIGNING_KEYS, holder, now)
    for kid in made:
        log.info("signing_key_made", kid=kid)
    return made
