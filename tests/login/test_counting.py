"""Two places to count, one behaviour; and what happens when Redis goes away and comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp import clock, config, context, entropy, redis_link
from idp.login import browsers, sign_in, throttle, tries
from idp.login.counting_database import InDatabase
from idp.login.counting_redis import PREFIX, InRedis
from idp.login.sign_in import SignedIn, Wait, Wrong
from idp.login.throttle import Channel, Counter, Subject
from idp.redis_link import RedisLink
from tests import make_login
from tests.conftest import CHEAP, MONDAY, running_redis

TIGHT = config.Settings(
    throttle_card_day=4,
    throttle_stranger_hour=4,
    throttle_month=9,
    throttle_address=14,
    throttle_system=6,
)
CARD = "7d9f0a52-0d5f-4c71-9f3d-0d6f9f2c1b11"
SUBJECTS = st.builds(
    Subject,
    channel=st.sampled_from(Channel),
    username=st.sampled_from(["noor", "jan"]),
    secret_since=st.just("2026"),
    browser=st.sampled_from(["b1", "b2"]),
    card=st.just(CARD),
    address=st.sampled_from(["192.0.2.7", "192.0.2.8"]),
    pictures=st.booleans(),
)
PAUSES = st.sampled_from([0, 1, 20, 119, 121, 299, 600, 1800, 3600, 7200, 86_399, 86_400, 3 * 86_400])
STEPS = st.tuples(SUBJECTS, st.sampled_from(["w1", "w2", "w3", "w4", "w5", "w6", "right", "busy"]), PAUSES)


@pytest.fixture
def link(redis_url):
    made = RedisLink(redis_url, clock=clock.Clock(), connections=32)
    yield made
    assert made.answers(), "Redis failed on the way"
    made.close()


def _step(counters, key, subject, act, now):
    """One try, as sign_in makes it; what came of it."""
    words = {"key": key, "now": now}
    taken = throttle.reserve(counters, settings=TIGHT, subject=subject, **words)
    if isinstance(taken, Wait):
        return taken
    if act == "right":
        throttle.succeeded(counters, passed=taken, **words)
        return "in"
    if act == "busy":
        throttle.release(counters, taken)
        return "busy"
    return throttle.failed(counters, settings=TIGHT, passed=taken, secret=act, **words)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=40))
def test_redis_and_the_database_decide_the_same(house, link, steps):
    """Every example has a key of its own, so that its counters begin empty in both places."""
    key, now = entropy.key_bytes(), MONDAY
    for subject, act, pause in steps:
        now += timedelta(seconds=pause)
        with house.database.transaction() as db:
            expected = _step(InDatabase(db), key, subject, act, now)
        assert link.ask(lambda client: _step(InRedis(client), key, subject, act, now)) == expected  # noqa: B023
    names = [
        *(
            throttle.name_of(key, Counter.BROWSER, who, browser)
            for who in ("noor", "jan")
            for browser in ("b1", "b2")
        ),
        *(throttle.name_of(key, Counter.STRANGER, who) for who in ("noor", "jan")),
        throttle.name_of(key, Counter.CARD, CARD),
    ]
    with house.database.transaction() as db:
        kept = InDatabase(db).states(names)
    assert link.ask(lambda client: InRedis(client).states(names)) == kept


def test_every_key_in_redis_is_a_digest_that_expires(link):
    for number in range(3):
        for channel in Channel:
            subject = Subject(
                channel=channel,
                username="noor",
                secret_since="2026",
                browser="b1",
                card=CARD,
                address="192.0.2.7",
                pictures=True,
            )
            link.ask(lambda client: _step(InRedis(client), b"k" * 32, subject, f"w{number}", MONDAY))  # noqa: B023
    keys = link.ask(lambda client: [*client.scan_iter("*")])
    assert len(keys) >= 8
    for key in keys:
        digest = key.removeprefix(PREFIX).removesuffix(":days")
        assert len(digest) == 64
        assert int(digest, 16)
        assert 0 < link.ask(lambda client: client.pttl(key)) <= 5 * 366 * 86_400_000  # noqa: B023


# ---------------------------------------------------------------- away, and back


def _with(house, url, **words):
    return replace(house, redis=RedisLink(url, clock=house.clock, connections=8), **words)


def _guess(house, number, secret=None):
    attempt = make_login.attempt(
        secret=secret or f"wrong {number}", browser=browsers.Browser(id=f"b{number}")
    )
    return sign_in.prove(house, attempt)


def test_FAULT_02_without_redis_the_database_counts_at_once_and_never_nobody(house, tmp_path):
    make_login.pupil(house)
    alone = _with(house, f"unix://{tmp_path}/nobody-is-here")
    assert [type(_guess(alone, number)) for number in range(14)] == [Wrong] * 10 + [Wait] * 4
    assert isinstance(_guess(house, 99, make_login.KAT), Wait), "the database knows it too"


def test_FAULT_02_a_redis_that_never_answers_costs_one_short_wait_and_then_none(house, tmp_path):
    import socket

    make_login.pupil(house)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen(64)
        alone = _with(house, f"unix://{tmp_path}/deaf")
        real = clock.Clock()
        begin = real.monotonic()
        assert isinstance(_guess(alone, 0), Wrong)
        assert real.monotonic() - begin >= redis_link.PATIENCE
        asked = []
        with pytest.raises(redis_link.Unreachable):
            alone.redis.ask(asked.append)
        assert asked == [], "nobody waits for it again"
        house.clock.move(seconds=redis_link.PAUSE)
        with pytest.raises(redis_link.Unreachable):
            alone.redis.ask(lambda client: client.ping())


def test_FAULT_02_redis_comes_back_by_itself(house, tmp_path):
    make_login.pupil(house)
    with running_redis(tmp_path) as url:
        both = _with(house, url)
        assert [type(_guess(both, number)) for number in range(6)] == [Wrong] * 6
        client = redis.Redis.from_url(url)
        client.config_set("maxmemory", 1)
        assert isinstance(_guess(both, 6), Wrong), "a full Redis is no Redis: the database counts"
        assert not both.redis.answers()
        client.config_set("maxmemory", 0)
        assert not both.redis.answers(), "left alone for a while"
        house.clock.move(seconds=redis_link.PAUSE)
        assert both.redis.answers()
        assert [type(_guess(both, number)) for number in range(7, 12)] == [Wrong] * 4 + [Wait]
        client.close()
        both.redis.close()


def test_BRUTE_14_counters_in_redis_survive_its_restart_and_ours(house, tmp_path, redis_url):
    make_login.pupil(house)
    for _ in range(2):
        with running_redis(tmp_path) as url:
            both = _with(house, url)
            outcomes = [type(_guess(both, entropy.identifier())) for _ in range(5)]
            assert both.redis.answers()
            both.redis.close()
    assert outcomes == [Wrong] * 5
    with running_redis(tmp_path) as url:
        both = _with(house, url)
        assert isinstance(_guess(both, "last", make_login.KAT), Wait)
        both.redis.close()


def test_signing_in_with_redis_counts_there_and_leaves_no_trace_in_either(house, link):
    make_login.pupil(house)
    both = replace(house, redis=link)
    assert isinstance(_guess(both, 1, make_login.KAT), SignedIn)
    assert link.ask(lambda client: [*client.scan_iter("*")]) == []
    assert isinstance(_guess(both, 2), Wrong)
    assert link.ask(lambda client: len([*client.scan_iter("*")])) > 3
    with house.database.reading() as db:
        name = throttle.name_of(house.keys.throttle, Counter.STRANGER, "noor.peeters")
        assert InDatabase(db).states([name]) == {}


def test_a_house_finds_redis_by_its_setting(house, redis_url):
    given = {"database_url": house.settings.database_url, "keys": house.settings.keys_folder}
    found = context.open_house(
        config.read({}, data=house.settings.data, redis_url=redis_url, **given, **CHEAP)
    )
    assert found.redis.answers()
    assert isinstance(tries.elsewhere(found, lambda counters: counters.states(["x"])), dict)
    found.redis.close()
    found.database.close()
    assert house.redis is None


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "memcached://localhost"])
def test_an_address_that_is_no_redis_is_a_mistake(url):
    with pytest.raises(config.ConfigurationError, match="redis_url"):
        config.read({}, redis_url=url)
