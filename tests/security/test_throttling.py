"""What throttling must show (signing in, 3), with a server of several workers and hours that pass; figures are printed."""

from __future__ import annotations

import http.client
import itertools
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from idp import audit, config, context
from idp.hashing import Stored
from idp.login import cards
from tests import make, make_login
from tests.conftest import _create_database, _named
from tests.journeys.conftest import Demo, running

CLASS = 30
RIGHT = make_login.KAT
SCHOOL_ADDRESS = "198.51.100.7"


class Town:
    """A running demo behind a proxy that we trust, a class of pupils in it, and a clock that we move."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.house = context.open_house(config.read(demo.env, data=demo.data))
        self.uuids: dict[str, str] = {}
        today = self.house.clock.today()
        stored = self.house.hasher.hash(RIGHT)
        with self.told(), self.house.database.transaction() as db:
            school = make.school(db, f"{900000 + secrets.randbelow(90000)}")
            for number in range(CLASS):
                name, who = f"kind.{number}", make.pupil(db)
                make.enrolment(
                    db,
                    who,
                    school,
                    begindatum=today - timedelta(days=9),
                    einddatum=today + timedelta(days=99),
                )
                make.account(db, who, name, **_secret(stored))
                self.uuids[name] = who

    def told(self):
        now = self.house.clock.now()
        return audit.circumstances(audit.Circumstances(now=now, actor="system", source="test"))

    def card(self, username: str) -> str:
        """The token of a new card."""
        now = self.house.clock.now()
        with self.told(), self.house.database.transaction() as db:
            return cards.issue(db, account_uuid=self.uuids[username], label="school", now=now, days=30).token

    def move(self, **by: float) -> None:
        """Time passes, for every worker."""
        shift = self.house.clock.shift() + timedelta(**by)
        self.house.clock.set_shift(shift)


def _secret(stored: Stored) -> dict[str, str]:
    return {"secret_hash": stored.hash, "pepper_id": stored.pepper_id}


class Browser:
    """Somebody's browser, at an address that the proxy tells."""

    def __init__(self, town: Town, address: str = SCHOOL_ADDRESS, card: str | None = None) -> None:
        self.issuer, self.session = town.demo.issuer, requests.Session()
        self.session.headers["X-Forwarded-For"] = address
        self.page = self.session.get(self.issuer + (f"/k/{card}" if card else "/aanmelden"))

    def guess(self, username: str, secret: str) -> requests.Response:
        """Say who, and try; come back when it was too busy, as the page does by itself."""
        words = self._named(username) | {"password": secret}
        for _ in range(20):
            answer = self._post(words)
            if answer.status_code != 503:
                return answer
            time.sleep(int(answer.headers["Retry-After"]))
        return answer

    def _named(self, username: str) -> dict[str, str]:
        """What the second page sends along."""
        word = _hidden(self.page.text)["csrf_token"]
        named = self._post({"csrf_token": word, "username": username})
        assert named.status_code == 303, named.text
        return {"csrf_token": word, "wie": parse_qs(urlsplit(named.headers["Location"]).query)["wie"][0]}

    def gets_in(self, username: str) -> bool:
        return self.guess(username, RIGHT).status_code == 303

    def forget_session(self) -> None:
        for cookie in [*self.session.cookies]:
            if cookie.name.endswith("-session"):
                self.session.cookies.clear(cookie.domain, cookie.path, cookie.name)
        self.page = self.session.get(self.issuer + "/aanmelden")

    def _post(self, form: dict[str, str]) -> requests.Response:
        return self.session.post(f"{self.issuer}/aanmelden", data=form, allow_redirects=False)


def _hidden(page: str) -> dict[str, str]:
    return {
        unescape(name): unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    }


@contextmanager
def _town(folder, **settings: str) -> Iterator[Town]:
    with running(folder, IDP_TRUSTED_PROXIES="1", **settings) as demo:
        made = Town(demo)
        yield made
        made.house.database.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Iterator[Town]:
    with _town(tmp_path_factory.mktemp("town")) as made:
        yield made


@pytest.fixture(scope="module")
def town_on_postgres(tmp_path_factory, postgres_url) -> Iterator[Town]:
    name = f"town_{secrets.token_hex(4)}"
    _create_database(postgres_url, name)
    with _town(tmp_path_factory.mktemp("town-pg"), IDP_DATABASE_URL=_named(postgres_url, name)) as made:
        yield made


def _say(capsys, text: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n  {text}\n")


def test_BRUTE_17_a_class_of_thirty_behind_one_address_all_get_in_with_a_fifth_wrong(town, capsys):
    begin = threading.Barrier(CLASS)

    def child(number: int) -> list[int]:
        tablet = Browser(town)
        begin.wait(timeout=60)
        answers = []
        if number % 5 == 0:
            answers.append(tablet.guess(f"kind.{number}", f"wrong {number}").status_code)
        return [*answers, tablet.guess(f"kind.{number}", RIGHT).status_code]

    with ThreadPoolExecutor(CLASS) as many:
        answers = [*many.map(child, range(CLASS))]
    wrong = [one for one in answers if len(one) == 2]
    _say(
        capsys, f"class of {CLASS}, {len(wrong)} wrong at first: {sum(a[-1] == 303 for a in answers)} got in"
    )
    assert all(one[-1] == 303 for one in answers)
    assert [one[0] for one in wrong] == [401] * 6


def test_BRUTE_06_an_hour_of_wrong_taps_costs_five_minutes_on_one_browser_and_nothing_elsewhere(town, capsys):
    victim = "kind.1"
    tablet, laptop = Browser(town), Browser(town)
    assert tablet.gets_in(victim)
    assert laptop.gets_in(victim)
    tablet.forget_session()
    looked, longest = 0, 0
    for number in range(240):
        answer = tablet.guess(victim, f"tap {number}")
        looked += answer.status_code == 401
        longest = max(longest, int(answer.headers.get("Retry-After", 0)))
        town.move(seconds=15)
    answer = tablet.guess(victim, RIGHT)
    costs = int(answer.headers.get("Retry-After", 0))
    _say(capsys, f"an hour of wrong taps: longest wait {longest} s; the victim waits {costs} s there")
    assert 0 < longest <= 300
    assert costs <= 300
    assert looked > 40
    laptop.forget_session()
    assert laptop.gets_in(victim)
    assert Browser(town, card=town.card(victim)).gets_in(victim)
    assert Browser(town).gets_in(victim)
    if costs:
        town.move(seconds=costs)
        assert tablet.gets_in(victim)


@pytest.mark.parametrize("where", ["town", pytest.param("town_on_postgres", marks=pytest.mark.postgres)])
def test_BRUTE_01_a_stranger_gets_ten_guesses_an_hour_at_most(where, request, capsys):
    town = request.getfixturevalue(where)
    looked: list[int] = []
    before, stranger = 401, Browser(town, "203.0.113.251")
    for minute in range(0, 8 * 60, 4):
        if minute % 40 == 0:
            stranger = Browser(town, f"203.0.113.{minute % 250}")
        status = stranger.guess("kind.2", f"guess {minute}").status_code
        if status == 401 or before == 401:
            looked.append(minute)
        before = status
        town.move(minutes=4)
    most = max(sum(first <= minute < first + 60 for minute in looked) for first in looked)
    _say(capsys, f"a stranger ({where}), eight hours long: {len(looked)} guesses, {most} in the busiest hour")
    assert most == 10
    assert len(looked) <= 40, "every closing lasts twice as long"


def test_BRUTE_11_spraying_over_many_names_trips_the_breaker_and_cards_go_on(town, capsys):
    known = Browser(town)
    assert known.gets_in("kind.3")
    known.forget_session()
    card = town.card("kind.4")
    begin, guesses, tripped = time.monotonic(), itertools.count(1), threading.Event()
    names = iter(f"leerling.{number}" for number in range(200_000))
    lock = threading.Lock()

    def spray(_: int) -> None:
        first = Browser(town, "192.0.2.1")
        word = _hidden(first.page.text)["csrf_token"]
        cookie = "; ".join(f"{one.name}={one.value}" for one in first.session.cookies)
        line = http.client.HTTPConnection(urlsplit(town.demo.issuer).netloc, timeout=60)

        def post(form: dict[str, str], address: str) -> tuple[int, str, str]:
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "Cookie": cookie,
                "X-Forwarded-For": address,
            }
            line.request("POST", "/aanmelden", urlencode(form), headers)
            answer = line.getresponse()
            return answer.status, answer.headers.get("Location", ""), answer.read().decode()

        while not tripped.is_set():
            with lock:
                name, number = next(names), next(guesses)
            assert number < 6000, "no breaker"
            address = f"10.{number % 250}.{number % 7}.1"
            _, location, _ = post({"csrf_token": word, "username": name}, address)
            wie = parse_qs(urlsplit(location).query)["wie"][0]
            status, _, page = post(
                {"csrf_token": word, "wie": wie, "password": "kat appel step zee"}, address
            )
            assert status in {401, 429, 503}
            if status == 429:
                assert "Scan je kaart" in page
                tripped.set()
        line.close()

    with ThreadPoolExecutor(8) as many:
        list(many.map(spray, range(8)))
    _say(capsys, f"spraying: tripped after {next(guesses) - 1} names, {time.monotonic() - begin:.0f} s")
    stranger = Browser(town, "203.0.113.77")
    refused = stranger.guess("kind.5", RIGHT)
    assert refused.status_code == 429
    assert 1500 < int(refused.headers["Retry-After"]) <= 1800
    assert "Scan je kaart" in refused.text
    assert known.gets_in("kind.3")
    assert Browser(town, "203.0.113.77", card=card).gets_in("kind.4")
    town.move(minutes=31)
    assert stranger.gets_in("kind.5")
