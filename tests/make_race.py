"""Real processes that do the same thing at the same moment, each with its own connection to one database."""

from __future__ import annotations

import multiprocessing
from datetime import datetime
from pathlib import Path
from typing import Any

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
