"""Can this process serve, and if not, why? For load balancers and whoever is woken up: codes, never names or settings.

`/health/live` says that the process answers; nothing is looked at. `/health/ready` looks at the database, its steps and the
keys (each signs something and it is verified), at most once in two seconds whoever asks. What is no reason to send people
elsewhere, since that would close every machine at once, is a warning. Who asks through a proxy of ours finds nothing at
either address: they are for machines beside us.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import structlog
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from idp import listening, steps
from idp.clock import Clock
from idp.config import ConfigurationError
from idp.context import House
from idp.errands import job_book, patrol_book
from idp.models import JobRecord
from idp.oidc import signing

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
LIVE, READY = "/health/live", "/health/ready"
SKEW = timedelta(seconds=60)
"""More than this between two clocks, and codes or sign-ins of one machine are nothing to the other."""
AGAIN = 2.0
WHY = {
    "stopping": "it is being stopped: send requests elsewhere",
    "database_away": "the database does not answer",
    "database_read_only": "the database takes no writes: it is a standby, or was told so",
    "database_behind": "the database is not up to date: run `idp upgrade`",
    "keys": "a key that signs now is missing here or does not fit: `idp doctor` says which",
}
WARN = {
    "keys": "a key that will sign soon is missing here or does not fit: `idp doctor` says which",
    "clock": "this clock and the database's, or another machine's, are more than a minute apart",
    "jobs": "a job failed or is late: `idp jobs list` says which",
    "trail": "the audit trail or the ledger is not as it was written: `idp audit night` says where",
}
"""Everything that an answer can say."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Seen:
    why: tuple[str, ...] = ()
    """What keeps it from serving; empty: it is ready."""
    warn: tuple[str, ...] = ()


class Look:
    """What was seen of one house, remembered for a moment."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._seen = Seen()

    def now(self) -> Seen:
        if (file := os.environ.get(listening.STOPPING)) and Path(file).exists():
            return Seen(why=("stopping",))
        with self._lock:
            moment = self._house.clock.monotonic()
            if abs(moment - self._looked) >= AGAIN:
                before, self._seen = self._seen, look(self._house)
                self._looked = moment
                if self._seen != before:
                    say = log.error if self._seen.why else log.warning
                    say("health", why=self._seen.why, warn=self._seen.warn)
            return self._seen


def look(house: House) -> Seen:
    """The same, looked at now."""
    try:
        with house.database.reading() as db:
            step = db.execute(text("SELECT version_num FROM alembic_version")).scalar()
            reads_only = not house.database.sqlite and only_reads(db)
        if steps.behind(step):
            return Seen(why=("database_behind",))
        if reads_only:
            return Seen(why=("database_read_only",))
        keys = signing.check(house)
        with house.database.reading() as db:
            now = house.clock.now()
            jobs = [line for line in job_book.overview(db, now) if line.failures > 1 or line.late(now)]
            night = patrol_book.read(db, house.keys.marks)
        doubts = {
            "keys": bool(keys),
            "clock": skew(house) > SKEW,
            "jobs": bool(jobs),
            "trail": bool(night.alarms or night.strange),
        }
        why = () if _signs(house) else ("keys",)
    except SQLAlchemyError:
        return Seen(why=("database_away",))
    return Seen(why=why, warn=tuple(word for word, doubt in doubts.items() if doubt and word not in why))


def only_reads(db: Connection) -> bool:
    """Does PostgreSQL refuse whatever we would write?"""
    return db.execute(text("SHOW transaction_read_only")).scalar() == "on"


def skew(house: House, *, here: Clock | None = None) -> timedelta:
    """How far this clock is from the database's, or behind what another machine wrote: the larger of the two."""
    if house.settings.demo_clock:
        return timedelta()
    now = (here or house.clock).now()
    with house.database.reading() as db:
        written = db.execute(select(func.max(JobRecord.begun_at))).scalar()
    behind = written - now if written else timedelta()
    return max(timedelta(), behind, database_skew(house, here=here))


def database_skew(house: House, *, here: Clock | None = None) -> timedelta:
    """How far this clock is from the database's. SQLite has none of its own."""
    if house.database.sqlite or house.settings.demo_clock:
        return timedelta()
    with house.database.reading() as db:
        theirs: datetime = db.execute(select(func.clock_timestamp())).scalar_one()
    return abs(theirs - (here or house.clock).now())


def _signs(house: House) -> bool:
    """A token of each algorithm, made and verified with what is in memory: what a request would do."""
    try:
        for alg in house.settings.signing_algorithms:
            probe = signing.sign(house, {"iss": house.settings.issuer, "probe": True}, alg, "probe")
            if signing.verify(house, probe, "probe") is None:
                return False
    except ConfigurationError:
        return False
    return True


def in_front_of(inner: Wsgi, house: House) -> Wsgi:
    """A WSGI application that answers both addresses, and leaves the rest to `inner`."""
    ready = Look(house)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path not in {LIVE, READY} or _through_a_proxy(environ):
            return inner(environ, start_response)
        if environ.get("REQUEST_METHOD") not in {"GET", "HEAD"}:
            return _say(
                start_response, "405 Method Not Allowed", {"error": "invalid_request"}, ("Allow", "GET, HEAD")
            )
        seen = ready.now() if path == READY else Seen()
        why, warn = seen.why, seen.warn
        said: dict[str, Any] = {"ready" if path == READY else "live": not why}
        said |= ({"why": why} if why else {}) | ({"warn": warn} if warn else {})
        return _say(start_response, "503 Service Unavailable" if why else "200 OK", said)

    return answer


def _through_a_proxy(environ: dict[str, Any]) -> bool:
    return "HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ


def _say(start_response: Any, status: str, said: dict[str, Any], *more: tuple[str, str]) -> Iterable[bytes]:
    body = orjson.dumps(said)
    head = [
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response(status, [*head, ("Content-Length", str(len(body))), *more])
    return [body]
