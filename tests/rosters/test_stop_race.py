"""A director stops sharing while apps read their lists in a loop: from the answer on, no page and no file has a class."""

from __future__ import annotations

import threading
import time

import pytest
import requests

from idp.models import RightKind
from idp.rosters import endpoints, shapes
from tests import make_staff
from tests.conftest import CHEAP
from tests.make_roster import Rosters, read_zip
from tests.make_running import running

STOP = "/schoolloket/klasinformatie/stop"
LISTS = ("classes?limit=2", "enrollments?limit=2", "zip")


class Reader(threading.Thread):
    """One app: it reads its lists along their links, and notes when it asked and how many lines about classes came."""

    def __init__(self, address: str, token: str, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.address, self.over = address, over
        self.headers = {"Authorization": f"Bearer {token}"}
        self.heard: list[tuple[float, str, int]] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        with requests.Session() as wire:
            wire.headers.update(self.headers)
            while not self.over.is_set():
                for what in LISTS:
                    where: str | None = f"{self.address}{shapes.BASE}/{what}"
                    while where:
                        where = self._ask(wire, what, where)

    def _ask(self, wire: requests.Session, what: str, where: str) -> str | None:
        began = time.monotonic()
        answer = wire.get(self.address + endpoints.ZIP if what == "zip" else where, timeout=30)
        if answer.status_code not in {200, 503}:
            self.wrong.append(f"{what} {answer.status_code} {answer.text[:200]}")
            return None
        if answer.status_code == 503:
            lines = 0
        elif what == "zip":
            files = read_zip(answer.content)
            lines = len(files["classes"]) + len(files["enrollments"])
        else:
            (listed,) = answer.json().values()
            lines = len(listed)
        self.heard.append((began, what, lines))
        return answer.links.get("next", {}).get("url")


@pytest.fixture
def served(database_url, tmp_path, key_folder, stopped):
    where = {"data": tmp_path, "database_url": database_url, "keys": key_folder}
    without_end = {"roster_begins_minute": 100_000, "roster_fresh_seconds": 0}
    with running(**where, stopped=stopped, **CHEAP, **without_end) as house:
        yield house


def test_RACE_CONS_03_after_the_answer_to_a_stop_no_page_of_a_list_has_a_class(served):
    house, address = served, served.settings.issuer
    bench = Rosters(house, keys=False)
    story = bench.story()
    for _ in range(4):
        bench.classmate(story)
    token = bench.own_token(story.app.client_id)
    over = threading.Event()
    readers = [Reader(address, token, over) for _ in range(3)]
    director = make_staff.staff(house, RightKind.DATABEHEERDER, school=story.school)
    name, cookie = make_staff.cookie(house, director)
    for reader in readers:
        reader.start()
    try:
        _until(lambda: all({what for _, what, n in one.heard if n} == {*LISTS} for one in readers))
        with requests.Session() as browser:
            browser.cookies.set(name, cookie)
            page = browser.get(address + STOP, timeout=30)
            word = page.text.split('name="csrf_token" value="')[1].split('"')[0]
            form = {"csrf_token": word, "school": story.school}
            answer = browser.post(address + STOP, form, allow_redirects=False, timeout=30)
        answered = time.monotonic()
        assert (answer.status_code, answer.headers["Location"].partition("?")[2]) == (303, "bericht=gestopt")
        _until(
            lambda: all({what for at, what, _ in one.heard if at > answered} == {*LISTS} for one in readers)
        )
    finally:
        over.set()
        for reader in readers:
            reader.join(30)
    assert [wrong for one in readers for wrong in one.wrong] == []
    assert [note for one in readers for note in one.heard if note[0] > answered and note[2]] == []


def _until(done, seconds=60):
    ends = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < ends, "the apps are too slow to read anything"
        time.sleep(0.02)
