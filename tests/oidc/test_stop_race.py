"""A director stops sharing while eight apps refresh and ask userinfo in a loop: from the answer on, nobody hears of a class."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

import pytest
import requests

from idp.models import RightKind, RuleKind
from idp.oidc import clients
from tests import make, make_staff
from tests.conftest import CHEAP
from tests.make_running import running
from tests.make_tokens import SECRET, Bench, basic

APPS = 8
CLASS_CLAIMS = {"ov_klassen", "ov_administratieve_groep"}
STOP = "/schoolloket/klasinformatie/stop"


class Caller(threading.Thread):
    """One app with tokens of one pupil: it asks again and again, and notes when it asked and whether a class came."""

    def __init__(self, address: str, client_id: str, tokens: dict[str, Any], over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.address, self.tokens, self.over = address, tokens, over
        self.headers = {"Authorization": basic(client_id, SECRET)}
        self.heard: list[tuple[float, str, bool]] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        with requests.Session() as wire:
            while not self.over.is_set():
                self._ask(wire, "userinfo", None)
                form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
                self.tokens |= self._ask(wire, "token", form)
                self._ask(wire, "introspect", {"token": self.tokens["access_token"]})

    def _ask(self, wire: requests.Session, channel: str, form: dict[str, str] | None) -> dict[str, Any]:
        began, address = time.monotonic(), f"{self.address}/{channel}"
        if form is None:
            bearer = {"Authorization": f"Bearer {self.tokens['access_token']}"}
            answer = wire.get(address, headers=bearer, timeout=60)
        else:
            answer = wire.post(address, form, headers=self.headers, timeout=60)
        told: dict[str, Any] = answer.json()
        if answer.status_code != 200 or told.get("active") is False:
            self.wrong.append(f"{channel} {answer.status_code} {answer.text}")
        names = {*told}
        if "id_token" in told:
            body = told["id_token"].split(".")[1]
            names |= {*json.loads(base64.urlsafe_b64decode(body + "=="))}
        self.heard.append((began, channel, bool(names & CLASS_CLAIMS)))
        return told


@pytest.fixture
def served(database_url, tmp_path, key_folder, stopped):
    where = {"data": tmp_path, "database_url": database_url, "keys": key_folder}
    with running(**where, stopped=stopped, **CHEAP) as house:
        yield house


def test_RACE_CONS_03_after_the_answer_to_a_stop_no_answer_to_any_app_contains_a_class(served):
    house, address = served, served.settings.issuer
    bench = Bench(house, keys=False)
    story = bench.story(claims_in_id_token=True)
    over, callers = threading.Event(), []
    with house.database.transaction() as db:
        for number in range(APPS):
            app = make.app(db, f"race-{number}", secrets=(clients.digest(SECRET),), claims_in_id_token=True)
            kind = {"kind": RuleKind.KLAS, "target": story.klas} if number % 2 else {}
            make.rule(db, app.client_id, story.school, **kind)
            one = make.Story(
                school=story.school, pupil=story.pupil, username=story.username, klas=story.klas, app=app
            )
            callers.append((one, app.client_id))
    threads = [Caller(address, name, bench.tokens(one), over) for one, name in callers]
    director = make_staff.staff(house, RightKind.DATABEHEERDER, school=story.school)
    name, cookie = make_staff.cookie(house, director)
    for thread in threads:
        thread.start()
    try:
        _until(lambda: all(len(thread.heard) >= 6 for thread in threads))
        with requests.Session() as browser:
            browser.cookies.set(name, cookie)
            page = browser.get(address + STOP, timeout=60)
            word = page.text.split('name="csrf_token" value="')[1].split('"')[0]
            answer = browser.post(
                address + STOP,
                {"csrf_token": word, "school": story.school},
                allow_redirects=False,
                timeout=60,
            )
        answered = time.monotonic()
        assert (answer.status_code, answer.headers["Location"].partition("?")[2]) == (303, "bericht=gestopt")
        _until(lambda: all(sum(began > answered for began, *_ in thread.heard) >= 6 for thread in threads))
    finally:
        over.set()
        for thread in threads:
            thread.join(120)
    every = [note for thread in threads for note in thread.heard]
    assert [wrong for thread in threads for wrong in thread.wrong] == [], "nobody loses an app by a stop"
    assert {channel for began, channel, classes in every if classes} == {"userinfo", "token", "introspect"}
    assert [note for note in every if note[0] > answered and note[2]] == []


def _until(done: Any, seconds: float = 180) -> None:
    ends = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < ends, "the apps are too slow to say anything"
        time.sleep(0.01)
