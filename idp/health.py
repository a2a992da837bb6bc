"""Can this process serve, and if not, why? For load balancers and whoever is woken up: codes, never names or settings.

`/health/live` says that the process answers; nothing is looked at. `/health/ready` looks at the database, its steps, the
keys (each signs something and it is verified) and the clocks, at most once in two seconds whoever asks. Who asks through
a proxy of ours finds nothing at either address: they are for machines beside us.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import structlog
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from idp import listening, steps
from idp.clock import Clock
from idp.config import ConfigurationError
from idp.context import House
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
    "database_behind": "the database is not up to date: run `idp upgrade`",
    "keys": "a signing key is missing here or does not fit: `idp check-config` says which",
    "clock": "the clock of this machine differs from the database's or another machine's by more than a minute",
}
"""Everything that `why` can say."""
log = structlog.get_logger(__name__)


class Look:
    """What was seen of one house, remembered for a moment."""

    def __init__(self, house: House, *, here: Clock | None = None) -> None:
        self._house = house
        self._here = here
        self._lock = threading.Lock()
        self._seen: tuple[float, tuple[str, ...]] | None = None

    def why_not(self) -> tuple[str, ...]:
        """Codes of what keeps it from serving; empty: it is ready."""
        if (file := os.environ.get(listening.STOPPING)) and Path(file).exists():
            return ("stopping",)
        with self._lock:
            moment = self._house.clock.monotonic()
            if self._seen is None or abs(moment - self._seen[0]) >= AGAIN:
                before = self._seen[1] if self._seen else ()
                found = problems(self._house, here=self._here)
                self._seen = (moment, found)
                if found != before:
                    log.warning("not_ready" if found else "ready_again", why=found or before)
            return self._seen[1]


def problems(house: House, *, here: Clock | None = None) -> tuple[str, ...]:
    """The same, looked at now."""
    try:
        with house.database.reading() as db:
            step = db.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if steps.behind(step):
            return ("database_behind",)
        found = []
        if signing.check(house) or not _signs(house):
            found.append("keys")
        if skew(house, here=here) > SKEW:
            found.append("clock")
    except SQLAlchemyError:
        return ("database_away",)
    return tuple(found)


def skew(house: House, *, here: Clock | None = None) -> timedelta:
    """How far this clock is from the database's, or behind what another machine wrote: the larger of the two."""
    if house.settings.demo_clock:
        return timedelta()
    here = here or house.clock
    with house.database.reading() as db:
        written = db.execute(select(func.max(JobRecord.begun_at))).scalar()
        theirs: datetime | None = None
        if not house.database.sqlite:
            theirs = db.execute(select(func.clock_timestamp())).scalar()
        now = here.now()
    ahead = [written - now] if written else []
    return max([timedelta(), *ahead, *([abs(theirs - now)] if theirs else [])])


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


def in_front_of(inner: Wsgi, house: House, look: Look | None = None) -> Wsgi:
    """A WSGI application that answers both addresses, and leaves the rest to `inner`."""
    look = look or Look(house)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path not in {LIVE, READY} or _through_a_proxy(environ):
            return inner(environ, start_response)
        if environ.get("REQUEST_METHOD") not in {"GET", "HEAD"}:
            return _say(
                start_response, "405 Method Not Allowed", {"error": "invalid_request"}, ("Allow", "GET, HEAD")
            )
        why = look.why_not() if path == READY else ()
        word = "ready" if path == READY else "live"
        said: dict[str, Any] = {word: not why} | ({"why": why} if why else {})
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
