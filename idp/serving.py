"""How do we run? One production server (granian), several workers, each with a house of its own."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import structlog
from werkzeug.middleware.proxy_fix import ProxyFix

from idp import audit, config, context, huge_pages, in_clear, listening, manners, patience, steps
from idp.app import create_app
from idp.config import ConfigurationError, Settings
from idp.errands import job_worker
from idp.feeds import endpoints as feeding
from idp.login import own_addresses
from idp.oidc import discovery, signing
from idp.watching import health, measures, spans, watched

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

WAITING_PER_SEAT = 16
"""Requests that one worker holds for every thread that works: the others wait for a body, or for their turn. Who waits for a hash comes on top."""

BODIES_PER_SEAT = WAITING_PER_SEAT - 1
"""Of these, how many may wait for a body: there is a thread left for every seat."""


def application() -> Wsgi:
    """The WSGI application of one worker, from the environment's settings."""
    settings = config.read()
    prepare_logs(settings)
    _begin_to_watch(settings)
    house = context.open_house(settings)
    worker = job_worker.Worker(house)
    worker.start()
    atexit.register(worker.stop)
    if settings.metrics_port:
        from idp.watching import exposing  # which needs prometheus-client, in processes that count

        exposing.Exposer(house).start()
    whole = assemble(house)
    _settle()
    huge_pages.gather()
    return whole


def _begin_to_watch(settings: Settings) -> None:
    if settings.metrics_port:
        measures.begin()
    if settings.traces_to:
        spans.begin(settings.traces_to, share=settings.traces_share)


def _settle() -> None:
    """What lives as long as the process is looked through for garbage no more."""
    gc.collect()
    gc.freeze()


def assemble(house: context.House) -> Wsgi:
    """The host of personal URLs and metadata in front, then the pages; proxies' words count only when they are ours."""
    pages = create_app(house)
    seated = patience.before(
        pages.wsgi_app,
        seats=house.settings.threads,
        waiting=house.settings.threads * BODIES_PER_SEAT,
        largest=manners.LARGEST_BODY,
        apart=feeding.is_upload,
    )
    whole: Any = discovery.in_front_of(seated, house)
    hops = house.settings.trusted_proxies
    whole = in_clear.kept_out(whole, house.settings.issuer) if hops else whole
    whole = ProxyFix(whole, x_for=hops, x_proto=hops, x_host=0) if hops else whole
    whole = own_addresses.in_front_of(whole, house.settings)
    whole = health.in_front_of(whole, house)
    return watched.in_front_of(whole, house.settings, house.clock)


def serve(settings: Settings, data: Path, *, workers: int | None = None, beside: bool = False) -> None:
    """Serve until told to stop; running requests are finished first. Raises ConfigurationError before starting.

    `beside` what else this process does; otherwise a smaller process takes its place (see idp/listening.py).
    """
    address = _free(settings.host, settings.port, "choose another with --host", "--port")
    if settings.metrics_port:
        _free(settings.metrics_host, settings.metrics_port, "see metrics_host", "metrics_port")
    _ready(settings)
    count = workers or settings.workers or config.cores()
    if settings.metrics_port:
        measures.prepare(data / f"metrics-{settings.port}")
    os.environ |= {f"{config.PREFIX}DATA": str(data), f"{config.PREFIX}WORKERS": str(count)}
    (listening.listen if beside else listening.become)(
        address=address,
        port=settings.port,
        workers=count,
        threads=settings.threads * WAITING_PER_SEAT + settings.hash_queue + settings.hashes_at_a_time,
        drain=settings.drain_seconds,
    )


def _free(host: str, port: int, no_such_host: str, another: str) -> str:
    """The address to listen on. Raises ConfigurationError when there is none, or somebody is there."""
    where = f"port {port} of {host}"
    try:
        address = listening.an_address(host)
        free = listening.is_free(address, port)
    except OSError as failure:
        raise ConfigurationError([f"{where}: {failure.strerror}; {no_such_host}"]) from None
    if not free:
        ours = f"stop what listens there, or choose another with {another}"
        raise ConfigurationError([f"{where} is taken by another process, or not for this user: {ours}"])
    return address


def _ready(settings: Settings) -> None:
    house = context.open_house(settings)
    try:
        check(house)
    finally:
        house.close()


def check(house: context.House) -> None:
    """May this house be served from here? Makes the signing keys that are due. Raises ConfigurationError with what is wrong."""
    from idp import upgrading

    if steps.behind(upgrading.current(house.database)):
        raise ConfigurationError(["the database is not up to date: run `idp upgrade`"])
    now = house.clock.now()
    these = audit.Circumstances(now=now, actor="system", source="start")
    with audit.circumstances(these), house.database.transaction() as db:
        signing.ensure(db, house, now)
    problems = signing.check(house)
    if (apart := health.database_skew(house)) > health.SKEW:
        problems.append(
            f"the clock of this machine and the database's are {apart.total_seconds():.0f} seconds apart: codes and "
            "sign-ins of one machine would mean nothing to the other; let both follow the same time servers"
        )
    if problems:
        raise ConfigurationError(problems)


def prepare_logs(settings: Settings) -> None:
    """One JSON object a line, on standard error: events and ids, never names, secrets or tokens."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    shared: list[Any] = [
        _with_number,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ends: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ends],
        )
    )
    logging.basicConfig(level=level, handlers=[libraries], force=True)
    for loud in ("authlib", "urllib3", "granian"):
        logging.getLogger(loud).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, *ends],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _with_number(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Whatever is logged while a request is handled has the number that its error page shows."""
    if "request_id" not in event and (number := audit.handled()):
        event["request_id"] = number
    return event
