"""Who tells Prometheus? One worker of each machine, at an address of its own that is not the public one.

The first worker to take `metrics_port` answers for all of its machine: prometheus-client adds up what every worker counted.
When it goes, another takes the port within seconds. Beside the counts it tells what stands in the database: deliveries,
keys, jobs, queues. Nothing here has a name, an address or an id of a person, a school or an app in it.
"""

from __future__ import annotations

import hmac
import os
import threading
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from idp import entropy
from idp.context import House
from idp.errands import job_book, patrol_book
from idp.models import Delivery, ErrandState, Letter, LogoutDelivery
from idp.oidc import signing
from idp.watching import health, measures

log = structlog.get_logger(__name__)
AGAIN = 5.0
"""Seconds between two tries to take the port."""
TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Exposer(threading.Thread):
    """The thread of one worker that tells, or waits until it may."""

    def __init__(self, house: House) -> None:
        super().__init__(name="metrics", daemon=True)
        self._house = house
        self._stopped = threading.Event()
        self._server: WSGIServer | None = None

    def run(self) -> None:
        settings = self._house.settings
        while not self._stopped.is_set():
            try:
                with _Server((settings.metrics_host, settings.metrics_port), _Quiet) as server:
                    server.set_app(application(self._house))
                    self._server = server
                    server.serve_forever(poll_interval=0.5)
            except OSError:
                self._stopped.wait(AGAIN * entropy.share())

    def stop(self) -> None:
        self._stopped.set()
        if self._server is not None:
            self._server.shutdown()


class _Server(WSGIServer):
    allow_reuse_address = True

    def server_bind(self) -> None:
        """Without asking who this machine is by name, which may take seconds."""
        import socketserver

        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Quiet(WSGIRequestHandler):
    timeout = 5

    def log_message(self, *_: Any) -> None:
        """A scrape is no news."""


def application(house: House) -> Any:
    """What answers at that address: `/metrics`, to whoever has the token when there is one."""
    token = _token(house)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != "/metrics" or environ.get("REQUEST_METHOD") != "GET":
            start_response("404 Not Found", [("Content-Length", "0")])
            return [b""]
        given = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        if token and not hmac.compare_digest(given.encode(), token):
            start_response("401 Unauthorized", [("Content-Length", "0"), ("WWW-Authenticate", "Bearer")])
            return [b""]
        body = told(house)
        start_response("200 OK", [("Content-Type", TYPE), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def _token(house: House) -> bytes:
    file = house.settings.metrics_token_file
    return file.read_bytes().strip() if file else b""


def told(house: House) -> bytes:
    """Everything, in the words of Prometheus."""
    registry = CollectorRegistry()
    folder = os.environ.get(measures.FOLDER)
    if folder:
        _forget_the_dead(Path(folder))
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    registry.register(_Standing(house))
    return generate_latest(registry)


def _forget_the_dead(folder: Path) -> None:
    """What a worker that is gone was doing at its last moment is over; what it counted stays."""
    pids = {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*.db")}
    for pid in pids:
        if not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


class _Standing:
    """What stands in the database at this moment."""

    def __init__(self, house: House) -> None:
        self._house = house

    def collect(self) -> Iterable[GaugeMetricFamily]:
        seen = health.look(self._house)
        ready = dict.fromkeys(seen.why, 0) or {"": 1}
        yield _labelled("idp_ready", "1: this machine can serve; else why not", "why", ready)
        warnings = {word: int(word in seen.warn) for word in health.WARN}
        yield _labelled("idp_warning", "1: somebody must look", "what", warnings)
        house, began = self._house, self._house.clock.monotonic()
        try:
            with house.database.reading() as db:
                db.execute(select(1))
                took = house.clock.monotonic() - began
                yield from _standing(db, house.clock.now())
                yield from _looked_at(db, house)
        except SQLAlchemyError:
            return
        yield _plain("idp_database_answer_seconds", "How long the database took to answer at all", took)
        yield _plain(
            "idp_clock_skew_seconds",
            "Between this clock and the database's or another machine's",
            health.skew(house).total_seconds(),
        )


def _standing(db: Connection, now: datetime) -> Iterable[GaugeMetricFamily]:
    count = select(Delivery.state, func.count()).group_by(Delivery.state)
    states = {state.value: number for state, number in db.execute(count)}
    yield _labelled("idp_deliveries", "Deliveries that we know of, by state", "state", states)
    waiting = LogoutDelivery.state == ErrandState.WAITING
    number = db.execute(select(func.count()).select_from(LogoutDelivery).where(waiting)).scalar() or 0
    yield _plain("idp_sign_outs_waiting", "Apps that have to hear that a session ended", number)
    mails = select(func.count()).select_from(Letter).where(Letter.state == ErrandState.WAITING)
    yield _plain("idp_mails_waiting", "Mails that have to go out", db.execute(mails).scalar() or 0)
    age, left = {}, {}
    for key in signing.listing(db):
        if key.state(now) is signing.State.SIGNS:
            age[key.alg] = (now - key.signs_from).total_seconds()
            if key.retires_at:
                left[key.alg] = (key.retires_at - now).total_seconds()
    yield _labelled("idp_key_age_seconds", "Since the signing key began to sign", "alg", age)
    yield _labelled("idp_key_left_seconds", "Until its successor takes over, once there is one", "alg", left)
    book = job_book.overview(db, now)
    yield _labelled("idp_job_failures", "Failures in a row", "job", {one.name: one.failures for one in book})
    ran = {one.name: one.reached.timestamp() for one in book if one.reached}
    yield _labelled("idp_job_last_success_timestamp_seconds", "When it last went well", "job", ran)
    took = {one.name: one.seconds for one in book if one.seconds is not None}
    yield _labelled("idp_job_seconds", "How long the last run took", "job", took)
    late = {one.name: int(one.late(now)) for one in book}
    yield _labelled("idp_job_late", "1: it should have gone well hours ago", "job", late)


def _looked_at(db: Connection, house: House) -> Iterable[GaugeMetricFamily]:
    """How the nightly look at the audit trail and the ledger stands (docs/proof.md)."""
    book = patrol_book.read(db, house.keys.marks)
    now = house.clock.now()
    ages = {
        one.trail: age.total_seconds() for one in book.standings.values() if (age := one.age(now)) is not None
    }
    what = "Since everything in it was last looked at; absent: never yet"
    yield _labelled("idp_trail_whole_age_seconds", what, "trail", ages)
    alarms = {one.trail: len(one.alarms) for one in book.standings.values()}
    alarms |= dict.fromkeys(book.strange, 1)
    yield _labelled("idp_trail_troubles", "Places where it is not as it was written", "trail", alarms)
    known = {one.trail: len(one.troubles) - len(one.alarms) for one in book.standings.values()}
    yield _labelled("idp_trail_troubles_known", "The same, of which an operator knows", "trail", known)


def _plain(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=value)


def _labelled(name: str, what: str, label: str, values: dict[Any, Any]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=[label])
    for word, value in values.items():
        family.add_metric([str(word)], value)
    return family
