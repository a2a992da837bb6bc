"""Throttling: what is counted, what closes, what is forgiven. The same in both databases and in Redis."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from idp import config
from idp.login import throttle, tries
from idp.login.throttle import Channel, Counter, Pass, Subject, Wait
from idp.models import Throttle, WrongSecret
from idp.redis_link import RedisLink
from tests.conftest import fresh_database

C4 = Subject(
    channel=Channel.OTHER,
    username="noor.peeters",
    secret_since="2026",
    browser="b1",
    card=None,
    address="192.0.2.7",
    pictures=True,
)
C2 = replace(C4, channel=Channel.KNOWN)
C3 = replace(C4, channel=Channel.CLASS_DEVICE)
C1 = replace(C4, channel=Channel.CARD, card="7d9f0a52-0d5f-4c71-9f3d-0d6f9f2c1b11")


class Door:
    """Tries at a door, each in transactions of its own, as sign_in does it."""

    def __init__(self, house, **settings):
        self.house, self.key = house, house.keys.throttle
        self.settings = house.settings.model_copy(update=settings)

    def reserve(self, subject=C4):
        words = {"key": self.key, "settings": self.settings, "subject": subject}
        return tries.anywhere(
            self.house, lambda counters: throttle.reserve(counters, **words, now=self.house.clock.now())
        )

    def wrong(self, secret, subject=C4):
        taken = self.reserve(subject)
        if isinstance(taken, Wait):
            return taken
        words = {"key": self.key, "settings": self.settings, "passed": taken, "secret": secret}
        return tries.anywhere(
            self.house, lambda counters: throttle.failed(counters, **words, now=self.house.clock.now())
        )

    def right(self, subject=C4):
        taken = self.reserve(subject)
        if isinstance(taken, Wait):
            return taken

        def done(counters):
            throttle.succeeded(counters, key=self.key, passed=taken, now=self.house.clock.now())
            return True

        assert tries.anywhere(self.house, done)
        return None

    def give_back(self, taken):
        tries.anywhere(self.house, lambda counters: throttle.release(counters, taken))

    def tries(self, secrets, subject=C4):
        """How many of these wrong secrets were looked at."""
        return sum(not isinstance(self.wrong(secret, subject), Wait) for secret in secrets)

    def rows(self):
        """Everything that is counted, wherever it is."""
        if self.house.redis is None:
            with self.house.database.reading() as db:
                return db.execute(select(Throttle.key, func.coalesce(Throttle.count, 0))).all()
        return self.house.redis.ask(everything)


def everything(client):
    """What Redis keeps for us, but for how long."""
    kept = []
    for key in client.scan_iter("*"):
        is_hash = client.type(key) == "hash"
        kept.append((key, str(client.hgetall(key) if is_hash else client.get(key))))
    return kept


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres), "redis"])
def database_url(request, tmp_path):
    """Where tries are counted; what Redis does not count is in SQLite then."""
    with fresh_database(request, "sqlite" if request.param == "redis" else request.param, tmp_path) as url:
        yield url


@pytest.fixture
def shared(request, house):
    """The house that counts there."""
    if request.node.callspec.params["database_url"] != "redis":
        yield house
        return
    link = RedisLink(request.getfixturevalue("redis_url"), clock=house.clock, connections=32)
    yield replace(house, redis=link)
    assert link.answers(), "Redis failed and the database took over"
    link.close()


@pytest.fixture
def door(shared):
    return Door(shared)


def some(count, word="w"):
    return [f"{word}{number}" for number in range(count)]


def test_a_success_leaves_no_trace(door):
    for subject in (C1, C2, C3, C4):
        assert door.right(subject) is None
    assert door.rows() == []


def test_BRUTE_01_strangers_get_ten_tries_and_then_an_hour_of_nothing(door):
    assert door.tries(some(12)) == 10
    assert door.reserve() == Wait(seconds=3600, counter=Counter.STRANGER)
    door.house.clock.move(minutes=59, seconds=59.5)
    assert door.reserve() == Wait(seconds=1, counter=Counter.STRANGER)
    door.house.clock.move(seconds=0.5)
    assert isinstance(door.reserve(), Pass)


def test_BRUTE_06_other_channels_notice_nothing_of_strangers(door):
    door.tries(some(20))
    assert all(isinstance(door.reserve(subject), Pass) for subject in (C1, C2, C3))
    assert isinstance(door.reserve(replace(C4, username="jan.maes")), Pass)


def test_BRUTE_14_counters_survive_a_restart_and_anothers_success(door):
    door.tries(some(10))
    door.right(replace(C4, username="jan.maes"))
    door.right(C2)
    assert isinstance(Door(door.house).reserve(), Wait)


def test_BRUTE_02_thirty_tries_at_once_are_ten(shared):
    taken, begin = [], threading.Barrier(30)

    def work():
        begin.wait()
        taken.append(Door(shared).reserve())

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [isinstance(one, Pass) for one in taken].count(True) == 10
    assert {one.counter for one in taken if isinstance(one, Wait)} == {Counter.STRANGER}


def test_BRUTE_02_thirty_tries_at_once_with_a_card_are_five(shared):
    taken, begin = [], threading.Barrier(30)

    def work():
        begin.wait()
        taken.append(Door(shared).reserve(C1))

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [isinstance(one, Pass) for one in taken].count(True) == 5


def test_tries_that_were_too_busy_to_look_at_are_given_back(door):
    for _ in range(30):
        taken = door.reserve()
        door.give_back(taken)
    assert door.tries(some(12)) == 10


def test_the_tenth_try_may_be_right_and_opens_what_it_closed(door):
    door.tries(some(9))
    assert door.right() is None
    assert door.tries(some(5, "x")) >= 1


def test_the_same_mistake_counts_once_a_day(door):
    assert [door.wrong("kat").counted for _ in range(12)] == [True] + [False] * 11
    door.house.clock.move(hours=24)
    assert door.wrong("kat").counted


@pytest.mark.parametrize(("quickly", "left"), [(True, 8), (False, 5)])
def test_mistakes_just_before_a_success_in_the_same_browser_are_forgiven_up_to_three(door, quickly, left):
    door.tries(some(5))
    door.house.clock.move(seconds=110 if quickly else 121)
    door.right()
    assert door.tries(some(20, "x")) == left


def test_mistakes_in_another_browser_are_not_forgiven(door):
    door.tries(some(5))
    door.right(replace(C4, browser="b2"))
    assert door.tries(some(20, "x")) == 5


def test_a_success_does_not_wash_away_what_strangers_did(door):
    door.tries(some(9))
    door.house.clock.move(minutes=3)
    for _ in range(5):
        door.right(replace(C4, browser="home"))
    assert door.tries(some(5, "x")) == 1


def test_a_success_ends_the_waiting_of_its_own_browser(door):
    door.tries(some(4), C2)
    door.right(C2)
    assert door.tries(some(9, "x"), C2) == 5


def test_BRUTE_06_a_classmate_tapping_wrong_for_an_hour_costs_five_minutes_on_one_browser(door):
    longest = 0
    for number in range(360):
        outcome = door.wrong(f"w{number}", C2)
        if isinstance(outcome, Wait):
            longest = max(longest, outcome.seconds)
        door.house.clock.move(seconds=10)
    assert 0 < longest <= 300
    for elsewhere in (replace(C2, browser="b2"), replace(C1, browser="b3"), C4):
        assert isinstance(door.reserve(elsewhere), Pass)


def test_a_card_rests_after_thirty_wrong_in_a_day_and_help_wakes_it(door):
    looked = 0
    for number in range(60):
        looked += not isinstance(door.wrong(f"w{number}", C1), Wait)
        door.house.clock.move(minutes=6)
        if door.house.clock.now().hour >= 22:
            break
    assert looked == 30
    assert door.reserve(C1).counter is Counter.CARD
    other = replace(C1, card="another", browser="b2")
    assert isinstance(door.reserve(other), Pass)
    assert isinstance(door.reserve(C2), Pass)
    door.house.clock.move(days=3)
    assert door.reserve(C1).counter is Counter.CARD
    name = throttle.name_of(door.key, Counter.CARD, C1.card)
    tries.anywhere(door.house, lambda counters: counters.remove([name]))
    assert isinstance(door.reserve(C1), Pass)


def test_a_refused_try_takes_nothing_from_another_counter(door):
    door.tries(some(5), C1)
    before = sorted(door.rows())
    assert isinstance(door.reserve(C1), Wait)
    assert isinstance(door.reserve(replace(C1, card="another")), Wait)
    assert sorted(door.rows()) == before


def test_BRUTE_11_a_hundred_different_wrong_secrets_in_thirty_days_need_a_card_or_help(door):
    wrong = 0
    for day in range(26):
        for number in range(4):
            wrong += not isinstance(door.wrong(f"{day}-{number}", C2 if day % 2 else C3), Wait)
        door.house.clock.move(days=1)
        if wrong >= 100:
            break
    assert wrong == 100
    for subject in (C2, C3, C4):
        assert door.reserve(subject).counter is Counter.MONTH
    assert isinstance(door.reserve(C1), Pass)
    door.house.clock.move(days=60)
    assert door.reserve(C2).counter is Counter.MONTH, "waiting does not help"
    assert isinstance(door.reserve(replace(C2, secret_since="2027")), Pass), "new pictures do"


def test_the_thirty_days_slide(door):
    for day in range(45):
        door.tries(some(3, f"{day}-"), C2)
        door.house.clock.move(days=1)
    assert isinstance(door.reserve(C2), Pass), "90 in any thirty days"


def test_BRUTE_05_an_address_is_refused_nothing_below_six_hundred_failures(door):
    for number in range(599):
        door.wrong("kat", replace(C4, username=f"pupil{number}", pictures=False))
    fresh = replace(C4, username="somebody", pictures=False)
    assert isinstance(door.reserve(fresh), Pass)
    door.wrong("kat", fresh)
    refused = door.reserve(replace(fresh, username="else"))
    assert refused == Wait(seconds=600, counter=Counter.ADDRESS)
    assert isinstance(door.reserve(C1), Pass)
    assert isinstance(door.reserve(C2), Pass)
    assert isinstance(door.reserve(replace(fresh, address="192.0.2.8")), Pass)
    door.house.clock.move(minutes=10)
    assert isinstance(door.reserve(replace(fresh, username="else")), Pass)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("unix:", "unknown"),
    ],
)
def test_an_address_of_ipv6_counts_as_its_network(address, network):
    assert throttle.network(address) == network


def _spray(door, count, *, addresses, start=0):
    """One wrong guess on each of many names."""
    for number in range(start, start + count):
        home = f"198.18.{number % addresses // 250}.{number % addresses % 250}"
        door.wrong("kat appel trein kasteel", replace(C4, username=f"pupil{number}", address=home))


def test_one_guess_on_many_names_from_many_addresses_trips_the_breaker(shared):
    door = Door(shared, throttle_system=200)
    _spray(door, 200, addresses=100)
    stranger = replace(C4, username="noor", address="203.0.113.1")
    assert isinstance(door.reserve(stranger), Pass)
    _spray(door, 1, addresses=100, start=200)
    assert door.reserve(stranger) == Wait(seconds=1800, counter=Counter.SYSTEM)
    assert isinstance(door.reserve(replace(stranger, pictures=False)), Pass)
    assert all(isinstance(door.reserve(replace(one, username="noor")), Pass) for one in (C1, C2, C3))
    shared.clock.move(minutes=30)
    assert isinstance(door.reserve(stranger), Pass)


def test_one_address_moves_the_breaker_by_twenty_at_most(shared):
    door = Door(shared, throttle_system=50)
    _spray(door, 120, addresses=2)
    assert isinstance(door.reserve(replace(C4, username="noor", address="203.0.113.1")), Pass)


def test_the_breaker_knows_what_is_normal_at_this_hour_of_the_week(house):
    door = Door(house, throttle_system=50)
    now = house.clock.now()
    for week, count in ((1, 1000), (2, 40), (3, 40)):
        slot = throttle._slot(now - timedelta(weeks=week))
        row = {"key": throttle._slot_key(door.key, slot), "count": count, "since": now, "changed_at": now}
        with house.database.transaction() as db:
            db.execute(insert(Throttle), row)
    stranger = replace(C4, username="noor", address="203.0.113.1")
    _spray(door, 90, addresses=90)
    assert isinstance(door.reserve(stranger), Pass), "the median of 1000, 40, 40 and 0 is 40"
    _spray(door, 1, addresses=90, start=90)
    assert door.reserve(stranger).counter is Counter.SYSTEM


def test_normal_follows_the_clock_on_the_wall_when_summer_time_ends(house):
    house.clock.moment = house.clock.moment.replace(month=10, day=26, hour=7, minute=35)
    door = Door(house, throttle_system=10)
    for week in range(1, 5):
        slot = throttle._slot(house.clock.now() - timedelta(weeks=week, hours=1))
        row = {"key": throttle._slot_key(door.key, slot), "count": 30}
        with house.database.transaction() as db:
            db.execute(insert(Throttle), row | {"since": house.clock.now(), "changed_at": house.clock.now()})
    _spray(door, 40, addresses=40)
    assert isinstance(door.reserve(replace(C4, username="noor", address="203.0.113.1")), Pass)


def test_no_name_address_or_secret_is_kept_in_clear(door):
    door.wrong("kat appel trein kasteel", C4)
    door.wrong("hond appel trein kasteel", C1)
    if door.house.redis is None:
        with door.house.database.reading() as db:
            kept = [*db.scalars(select(Throttle.key)), *db.scalars(select(WrongSecret.digest))]
        assert all(len(one) in {64, 71} for one in kept)
    else:
        kept = [key + value for key, value in door.rows()]
    assert len(kept) >= 6
    for word in ("noor", "192.0.2.7", "kat", "7d9f0a52"):
        assert not [one for one in kept if word in one]


def test_the_limits_are_settings():
    names = {name for name in config.Settings.model_fields if name.startswith("throttle_")}
    assert len(names) == 8
