"""Real processes that do the same thing at the same moment, each with its own connection to one database."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import Future, wait
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from idp import clock, config, context
from tests.make_tokens import Bench

PROCESSES = 8


def race(
    house: context.House, rounds: list[tuple[str, dict[str, Any], tuple[str, str] | None]]
) -> list[list[Any]]:
    """Post each round's (path, form, auth) from every process at once; per round the (status, json) of each."""
    how = multiprocessing.get_context("forkserver")
    how.set_forkserver_preload(["tests.make_tokens"])
    barrier, answers = how.Barrier(PROCESSES), how.Queue()
    where = (house.settings.database, house.settings.keys_folder, house.settings.data, house.clock.now())
    runners = [
        how.Process(target=_run, args=(where, rounds, barrier, answers), daemon=True)
        for _ in range(PROCESSES)
    ]
    for runner in runners:
        runner.start()
    found: list[list[Any]] = [[] for _ in rounds]
    for _ in range(PROCESSES * len(rounds)):
        number, status, body = answers.get(timeout=300)
        found[number].append((status, body))
    for runner in runners:
        runner.join(timeout=60)
    return found


def until_they_wait(house: context.House, many: int) -> None:
    """Until so many wait for a row that somebody else holds, on PostgreSQL."""
    until = time.monotonic() + 60
    while _waiting(house) < many:
        assert time.monotonic() < until, "they never waited"
        time.sleep(0.02)


def until_it_waits(house: context.House, late: Future[Any]) -> None:
    """Until what began elsewhere waits for us, or is done; on SQLite whoever writes waits before its first look."""
    until = time.monotonic() + 60
    while not late.done() and not house.database.sqlite and not _waiting(house):
        assert time.monotonic() < until, "it never waited"
        time.sleep(0.02)
    wait([late], timeout=0.2)


def _waiting(house: context.House) -> int:
    held_up = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with house.database.reading() as db:
        return int(db.scalar(held_up) or 0)


def _run(where: tuple[str, Path, Path, datetime], rounds: Any, barrier: Any, answers: Any) -> None:
    url, keys, data, moment = where
    settings = config.read({}, data=data, database_url=url, keys=keys)
    house = context.open_house(settings, clock=clock.Stopped(moment))
    bench = Bench(house, keys=False)
    for number, (path, form, auth) in enumerate(rounds):
        bench.userinfo("lsa_warm")
        barrier.wait(timeout=240)
        answer = bench.post(path, form, auth=auth)
        answers.put((number, answer.status_code, answer.json))
    house.database.close()
