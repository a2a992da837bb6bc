"""What do the list of a school, a search in it, and an explanation of a release take? In turns, in this process."""

import random
import statistics
import time
from contextlib import ExitStack
from datetime import timedelta

import fill
from sqlalchemy import insert, select, text
from standing import told

from idp import entropy
from idp.app import create_app
from idp.claims import disclose
from idp.login import staff_sessions
from idp.models import Right, RightKind

TIMES = 40
HOME = "/schoolloket/leerid-beheer"


def measure(countries, asked):
    with ExitStack() as open_now:
        works = []
        for country in countries:
            house = open_now.enter_context(country.house())
            works.append(_pages(house, country) | {"explain": _explaining(house)})
        for name in works[0]:
            turns = [[] for _ in countries]
            for _ in range(asked.rounds):
                for country, work, mine in zip(countries, works, turns):
                    mine.append(_cpu_of(country, work[name]))
            middles = [statistics.median(mine) for mine in turns]
            for country, middle in zip(countries, middles):
                country.figures[name] = {"cpu ms": round(middle, 2)}
            told(name, countries, middles, "cpu ms")


def _cpu_of(country, work):
    work()
    before, begun = country.cpu(), time.perf_counter()
    times = 0
    while times < TIMES and time.perf_counter() - begun < 20:
        work()
        times += 1
    return (country.cpu() - before) / times * 1e3


def _pages(house, country):
    with house.database.transaction() as db:
        schools = db.execute(text("SELECT instellingsnummer FROM school ORDER BY 1 LIMIT 40")).scalars().all()
        size = text("SELECT count(*) FROM enrolment WHERE instellingsnummer = :n")
        school = max(schools, key=lambda number: db.execute(size, {"n": number}).scalar_one())
        now, today = house.clock.now(), house.clock.today()
        if db.execute(select(Right.id).where(Right.person_id == "bench")).first() is None:
            right = {"id": entropy.row_id(), "person_id": "bench", "kind": RightKind.BEHEERDER}
            right |= {"begindatum": today, "einddatum": today + timedelta(days=365), "source": "bench"}
            db.execute(insert(Right), right | {"instellingsnummer": school, "granted_at": now})
        words = {"person_id": "bench", "amr": ("pwd", "otp"), "device": "bench", "now": now}
        cookie = staff_sessions.start(db, house, **words).cookie
    browser = create_app(house).test_client()
    browser.set_cookie(f"idp-{country.port}-{staff_sessions.COOKIE}", cookie)
    word = browser.get(HOME).text.partition('name="csrf_token" value="')[2].partition('"')[0]
    found = browser.post(HOME, data={"csrf_token": word, "woorden": "peeters"}).headers["Location"]

    def shown(where):
        answer = browser.get(where)
        assert answer.status_code == 200, (where, answer.status_code)

    return {
        "page: list of a school": lambda: shown(HOME),
        "page: search in it": lambda: shown(found),
    }


def _explaining(house):
    shown, chance = house.apps.find(fill.CLIENT), random.Random(1)
    with house.database.reading() as db:
        drawn = fill.drawn(db, 4_000, chance)

    def one():
        account, school = chance.choice(drawn)
        with house.database.reading() as db:
            today = house.clock.today()
            words = {"keys": house.keys, "app": shown, "account_uuid": account, "today": today}
            assert disclose.preview(db, instellingsnummer=school, **words).alive

    return one
