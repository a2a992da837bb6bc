"""ENUM-01, 02, 04, BRUTE-08: nobody learns who exists, by words, by work or by claiming another address."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from sqlalchemy import event

from idp import entropy, hashing
from idp.app import create_app
from idp.login import browsers, cards, sign_in
from idp.login.sign_in import SignedIn, Wait, Wrong
from tests import make, make_devices, make_login
from tests.make_browser import fill_in

NAMES = {"wrong": "noor.peeters", "unknown": "no.body", "blocked": "blocked", "left": "gone"}


class Watched:
    """A house whose hashes and statements are counted, in the order in which they come."""

    def __init__(self, house) -> None:
        self.happened: list[str] = []
        happened = self.happened

        class Counting(PasswordHasher):
            def verify(self, *given):
                happened.append("HASH")
                return super().verify(*given)

            def hash(self, *given, **words):
                happened.append("HASH")
                return super().hash(*given, **words)

        cheap = house.settings
        hasher = hashing.Hasher(cheap, peppers=house.keys.peppers, current=house.keys.pepper)
        hasher._argon2 = Counting(
            time_cost=cheap.argon2_time, memory_cost=cheap.argon2_memory_kib, parallelism=1
        )
        self.house = replace(house, hasher=hasher)
        event.listen(house.database.engine, "before_cursor_execute", self._note)

    def _note(self, _db, _cursor, statement, _given, _context, many) -> None:
        self.happened.append(f"{statement}{' many' if many else ''}")

    def work(self, *given, **words):
        """What one try does, and what came of it."""
        self.happened.clear()
        outcome = sign_in.prove(self.house, make_login.attempt(*given, **words))
        return outcome, [*self.happened]


@pytest.fixture
def watched(house):
    make_login.pupil(house)
    make_login.pupil(house, "blocked", blocked_at=house.clock.now())
    make_login.pupil(house, "gone", enrolled=False)
    made = Watched(house)
    yield made
    event.remove(house.database.engine, "before_cursor_execute", made._note)


def _device_of_another_school(house):
    with house.database.transaction() as db:
        school = make.school(db)
    return make_devices.device(house, school)


@pytest.mark.parametrize("at_a_device", [False, True])
def test_ENUM_02_a_name_that_nobody_has_costs_the_same_work_at_every_try(watched, at_a_device):
    """First try, the same mistake again, the try that closes, and the ones that are refused."""
    secrets = ["w0", "w0", *(f"w{number}" for number in range(1, 12))]
    device = _device_of_another_school(watched.house) if at_a_device else None
    watched.work("warm.up", "w0")
    seen = {}
    for kind, name in NAMES.items():
        browser = browsers.Browser(id=f"browser of {kind}")
        seen[kind] = [
            watched.work(name, secret, browser=browser, class_device=device, address=f"192.0.2.{len(seen)}")
            for secret in secrets
        ]
    for kind in ("unknown", "blocked", "left"):
        for number, (mine, theirs) in enumerate(zip(seen[kind], seen["wrong"], strict=True)):
            assert mine == theirs, f"try {number} of {kind}"
    hashes = [work.count("HASH") for _, work in seen["wrong"]]
    assert hashes[:2] == [1, 1]
    assert hashes[-1] == 0, "who must wait costs no hash"
    assert all(len(work) > 3 for _, work in seen["wrong"][:2])


def test_ENUM_02_the_hundredth_guess_on_a_name_that_nobody_has_costs_the_same_too(watched):
    few = watched.house.settings.model_copy(update={"throttle_month": 3})
    watched.house = replace(watched.house, settings=few)
    for number in range(5):
        mine = watched.work("no.body", f"w{number}")
        assert mine == watched.work("noor.peeters", f"w{number}")
    assert isinstance(mine[0], Wait)


@pytest.mark.parametrize("channel", ["C1", "C2", "C3", "C4"])
def test_ENUM_02_until_the_answer_a_right_secret_costs_what_a_wrong_one_does(watched, channel):
    house = watched.house
    who = make_login.pupil(house, "jan.maes")
    given: dict = {"browser": browsers.Browser(id="b")}
    if channel == "C1":
        with house.database.transaction() as db:
            made = cards.issue(db, account_uuid=who, label="school", now=house.clock.now(), days=9)
            given["card"] = cards.find(db, made.token, house.clock.now())
    elif channel == "C2":
        given["browser"] = make_login.known_browser(who, house)
    elif channel == "C3":
        given["class_device"] = make_devices.device(house, make_devices.school_of(house, who))
    watched.work("jan.maes", "w0", **given)
    wrong, work_of_wrong = watched.work("jan.maes", "w1", **given)
    right, work_of_right = watched.work("jan.maes", make_login.KAT, **given)
    assert isinstance(wrong, Wrong)
    assert isinstance(right, SignedIn)
    until = work_of_wrong.index("HASH") + 1
    assert work_of_right[:until] == work_of_wrong[:until]
    assert until > 2
    assert work_of_right.count("HASH") == work_of_wrong.count("HASH") == 1


# ---------------------------------------------------------------- what a browser sees


def _seen(answer):
    """An answer without what differs each time: words against forgery, seals, numbers of incidents, names."""
    text = re.sub(r'(name="(?:csrf_token|wie|opnieuw)" value=")[^"]*', r"\1…", answer.text)
    text = re.sub(r"wie=[\w.%-]+", "wie=…", text)
    text = re.sub(r"noor\.peeters|no\.body", "NAME", text)
    text = re.sub(r'nonce="[^"]*"', 'nonce="…"', text)
    headers = {
        name: value
        for name, value in answer.headers
        if name not in {"X-Request-Id", "Set-Cookie", "Content-Length", "Location", "Date"}
    }
    headers = {name: re.sub(r"'nonce-[^']*'", "'nonce-…'", value) for name, value in headers.items()}
    kinds = [
        re.sub(r"Expires=[^;]*", "", re.sub(r"=[^;]*", "=…", cookie, count=1))
        for cookie in answer.headers.getlist("Set-Cookie")
    ]
    return answer.status_code, headers, kinds, text


def _visit(app, name, tries=11):
    """Every answer from the first page to waiting."""
    browser = app.test_client()
    page = browser.get("/aanmelden")
    named = fill_in(browser, page, username=name)
    page = browser.get(named.headers["Location"])
    wrong = [fill_in(browser, page, password=f"fout {number}") for number in range(tries)]
    return [_seen(answer) for answer in (named, page, *wrong)]


def test_ENUM_01_status_headers_cookies_and_body_are_the_same_for_wrong_and_unknown(house, app):
    make_login.pupil(house)
    wrong, unknown = _visit(app, "noor.peeters"), _visit(app, "no.body")
    for number, (one, other) in enumerate(zip(wrong, unknown, strict=True)):
        assert one == other, f"answer {number}"
    statuses = [answer[0] for answer in wrong]
    assert statuses == [303, 200] + [401] * 9 + [429] * 2


def test_ENUM_04_a_personal_url_leads_to_the_same_page_in_the_same_work(house, app, watched):
    browser = app.test_client()
    works, pages = [], []
    browser.get("/mijn/warm.up", follow_redirects=True)
    for name in ("noor.peeters", "no.body"):
        watched.happened.clear()
        pages.append(_seen(browser.get(f"/mijn/{name}", follow_redirects=True)))
        works.append([*watched.happened])
    assert works[0] == works[1]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_BRUTE_08_another_address_in_a_header_opens_no_new_count(house, header):
    few = house.settings.model_copy(update={"throttle_address": 6})
    app = create_app(replace(house, settings=few))
    make_login.pupil(house)
    statuses = []
    for number in range(8):
        browser = app.test_client()
        browser.environ_base["HTTP_" + header.upper().replace("-", "_")] = f"203.0.113.{number}"
        page = fill_in(browser, browser.get("/aanmelden"), username=f"leerling.{number}")
        page = browser.get(page.headers["Location"])
        statuses.append(fill_in(browser, page, password=entropy.url_safe()).status_code)
    assert statuses == [401] * 5 + [429] * 3


def test_BRUTE_11_what_a_stranger_can_win_is_bounded(house):
    """A hundred different guesses against 20,736 secrets: one in 207, once, and then only new pictures."""
    assert house.settings.throttle_month / 12**4 < 1 / 200
