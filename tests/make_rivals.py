"""Two beheerders in two real processes, each with a browser, who press a button at the same moment."""

from __future__ import annotations

import multiprocessing
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from idp import clock, config, context
from idp.app import create_app

PATH = "/schoolloket/personen"


@dataclass(frozen=True, kw_only=True)
class Press:
    """Whose cookie, and which right they stop."""

    cookie: tuple[str, str]
    right_id: str


def press_together(house: context.House, rounds: list[tuple[Press, Press]]) -> list[tuple[int, int]]:
    """For each round the status that each of both was answered."""
    how = multiprocessing.get_context("forkserver")
    how.set_forkserver_preload(["tests.make_rivals"])
    barrier, answers = how.Barrier(2), how.Queue()
    where = (house.settings.database, house.settings.keys_folder, house.settings.data, house.clock.now())
    runners = [
        how.Process(target=_run, args=(where, [one[me] for one in rounds], me, barrier, answers), daemon=True)
        for me in (0, 1)
    ]
    for runner in runners:
        runner.start()
    found: dict[tuple[int, int], int] = {}
    for _ in range(2 * len(rounds)):
        number, me, status = answers.get(timeout=300)
        found[number, me] = status
    for runner in runners:
        runner.join(timeout=60)
    return [(found[number, 0], found[number, 1]) for number in range(len(rounds))]


def _run(
    where: tuple[str, Path, Path, datetime], presses: list[Press], me: int, barrier: Any, answers: Any
) -> None:
    url, keys, data, moment = where
    house = context.open_house(
        config.read({}, data=data, database_url=url, keys=keys), clock=clock.Stopped(moment)
    )
    app = create_app(house)
    for number, press in enumerate(presses):
        browser = app.test_client()
        browser.set_cookie(*press.cookie)
        word = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(PATH).text)
        assert word, "the page of people has a form"
        barrier.wait(timeout=240)
        answer = browser.post(f"{PATH}/stop", data={"csrf_token": word[1], "recht": press.right_id})
        answers.put((number, me, answer.status_code))
    house.database.close()
