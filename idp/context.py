"""What may a page or a command reach? The house, put together once, and the request it is handling."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Request, current_app, g, request

from idp import apps, audit, config, hashing, journal, keys
from idp.clock import Clock, Shifted
from idp.database import Database
from idp.redis_link import RedisLink
from idp.watching.database_watched import WatchedDatabase


@dataclass(frozen=True, kw_only=True)
class House:
    """Everything that lives as long as the process."""

    settings: config.Settings
    clock: Clock
    database: Database
    keys: keys.Keys = field(repr=False)
    hasher: hashing.Hasher
    apps: apps.Registry
    purger: Database | None = None
    """Who may delete old rows of the audit trail and the ledger, when `database` may not."""
    redis: RedisLink | None = None
    """For counters that machines share; None: the database has them."""

    @property
    def purging(self) -> Database:
        """The database as whoever may delete from the audit trail and the ledger."""
        return self.purger or self.database

    def close(self) -> None:
        self.database.close()
        if self.purger is not None:
            self.purger.close()


def open_house(settings: config.Settings, *, clock: Clock | None = None) -> House:
    """Read the keys and reach the database. Raises ConfigurationError when keys are missing or unsafe."""
    clock = clock or (Shifted(settings.demo_clock) if settings.demo_clock else Clock())
    found = keys.load(settings.keys_folder)
    if settings.upstream_issuer and found.upstream_secret is None:
        raise config.ConfigurationError(
            [f"upstream_issuer: its client secret is missing: put it in {found.folder / keys.UPSTREAM}"]
        )
    kind = WatchedDatabase if settings.metrics_port or settings.traces_to else Database
    store = kind(
        settings.database,
        pool=settings.threads + 2,
        marks=found.marks,
        journal=journal.Journal(settings.journal_folder),
    )
    return House(
        settings=settings,
        clock=clock,
        database=store,
        keys=found,
        hasher=hashing.Hasher(settings, peppers=found.peppers, current=found.pepper),
        apps=apps.Registry(store, clock),
        purger=_purger(settings, found),
        redis=_redis(settings, clock),
    )


def _purger(settings: config.Settings, found: keys.Keys) -> Database | None:
    if not settings.purge_database_url:
        return None
    return Database(settings.purge_database_url, pool=1, marks=found.marks)


def _redis(settings: config.Settings, clock: Clock) -> RedisLink | None:
    if not settings.redis_url:
        return None
    return RedisLink(settings.redis_url, clock=clock, connections=settings.threads)


def house() -> House:
    """The house this request is served by."""
    found: House = extensions()["idp"]
    return found


def extensions() -> dict[str, Any]:
    """What the application was given when it was put together.

    Flask's `current_app`, `request` and `g` are stand-ins, which look for what they stand for whenever they are asked
    anything: a hundred times a page, a fifth of its work. What every page goes through asks for it once, by these three.
    """
    found: dict[str, Any] = current_app._get_current_object().extensions  # type: ignore[attr-defined]  # noqa: SLF001
    return found


def asked() -> Request:
    """What stands behind `request`."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - Werkzeug documents it
    return found


def notes() -> Any:
    """What stands behind `g`."""
    return g._get_current_object()  # noqa: SLF001 - Werkzeug documents it


def begin_request(request_id: str) -> None:
    """Note under which circumstances whatever happens now happens."""
    kept, moment = notes(), house().clock.now()
    kept.request_id, kept.now = request_id, moment
    audit.begin(audit.Circumstances(now=moment, source=asked().remote_addr, request_id=request_id))


def now() -> datetime:
    """When this request began: one moment for all that it seals, opens and judges."""
    kept = notes()
    moment: datetime = kept.now if "now" in kept else house().clock.now()
    return moment


def request_id() -> str:
    """The number a person can tell us, and that is in the log."""
    return str(notes().get("request_id", ""))


def acting(actor: str) -> None:
    """From here on this request is somebody's doing."""
    audit.begin(
        audit.Circumstances(
            now=house().clock.now(), actor=actor, source=request.remote_addr, request_id=request_id()
        )
    )
