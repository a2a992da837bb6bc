"""Who works off the table of jobs inside `idp serve`? Two threads of every worker process.

The quick one does what cannot wait (sign-outs, mail) in the one process that holds the lease: when that process dies,
another takes over within LEASE seconds. The patient one looks at times for nightly and other long work, so that a purge of
ten minutes keeps no sign-out waiting; each job has a lease of its own (idp/errands/jobs.py). With `jobs_in_serve` off, only the quick
one is here, and a timer runs `idp jobs due`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from idp import entropy
from idp.backups import workbench
from idp.context import House
from idp.errands import jobs, leases
from idp.oidc import signing

log = structlog.get_logger(__name__)
EVERY = 1.0
"""Seconds between two looks of the quick thread, in the process that holds the lease."""
PATIENT_EVERY = 20.0
LEASE = 30.0
RENEWED_EVERY = 10.0
LOCAL_EVERY = 24 * 60 * 60.0


class Worker:
    """The threads of one process; `stop()` ends them and lets another process take over."""

    def __init__(
        self,
        house: House,
        table: tuple[jobs.Job, ...] = jobs.JOBS,
        *,
        every: float = EVERY,
        patient_every: float = PATIENT_EVERY,
        rest: float = RENEWED_EVERY,
    ) -> None:
        self._every, self._patient_every, self._rest = every, patient_every, rest
        self._house = house
        self._table = table
        self._me = entropy.identifier()
        self._stopped = threading.Event()
        self._renewed = float("-inf")
        self._holds = False
        self._announced = False
        self._local = float("-inf")
        works = [self._quick, self._patient] if house.settings.jobs_in_serve else [self._quick]
        self._threads = [threading.Thread(target=work, name="jobs", daemon=True) for work in works]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=10)
        with suppress(SQLAlchemyError), self._house.database.transaction() as db:
            leases.leave(db, leases.JOBS, self._me, self._house.clock.now())

    def _quick(self) -> None:
        while not self._stopped.wait(self._pause()):
            with self._mishaps_told():
                if self._has_the_lease():
                    self._round(light=True)

    def _patient(self) -> None:
        while not self._stopped.wait(self._patient_every * entropy.share()):
            with self._mishaps_told():
                self._round(light=False)
                self._look_after_this_machine()

    @contextmanager
    def _mishaps_told(self) -> Iterator[None]:
        """What goes wrong around the jobs (the database is away) is logged, and tried again after a rest."""
        try:
            yield
        except Exception as failure:
            where = None if isinstance(failure, SQLAlchemyError) else failure
            log.error("jobs_not_done", kind=type(failure).__name__, exc_info=where)  # noqa: TRY400
            self._stopped.wait(self._rest)

    def _round(self, *, light: bool) -> None:
        if not self._announced:
            jobs.announce(self._house, self._table)
            self._announced = True
        for job in jobs.due(self._house, self._table, light=light):
            if self._stopped.is_set():
                return
            jobs.run(self._house, job, self._me)

    def _look_after_this_machine(self) -> None:
        """Every machine has its own folders with keys, journal and backups, so this is no job that one does for all."""
        moment, now = self._house.clock.monotonic(), self._house.clock.now()
        if moment - self._local >= LOCAL_EVERY:
            self._local = moment
            if count := signing.forget_gone(self._house, now):
                log.info("private_keys_deleted", count=count)
            if self._house.database.journal is not None:
                self._house.database.journal.tidy(now)
            workbench.clear(self._house.settings.data, now)

    def _pause(self) -> float:
        first = self._renewed == float("-inf")
        return (self._every if self._holds or first else self._rest) * entropy.share()

    def _has_the_lease(self) -> bool:
        moment = self._house.clock.monotonic()
        if self._holds and moment - self._renewed < RENEWED_EVERY:
            return True
        with self._house.database.transaction() as db:
            self._holds = leases.take(db, leases.JOBS, self._me, self._house.clock.now(), seconds=LEASE)
        self._renewed = moment
        return self._holds
