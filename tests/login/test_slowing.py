"""When a counter closes, and for how long: the pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import config
from idp.login import slowing
from idp.login.slowing import Counter, State

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SETTINGS = config.Settings()
PAUSES = st.lists(st.integers(0, 6 * 3600), min_size=1, max_size=200)


def _walk(counter, pauses):
    """The moments at which a try is let through, when somebody tries after each pause (seconds)."""
    now, state, let = NOW, None, []
    for pause in pauses:
        now += timedelta(seconds=pause)
        answer = slowing.take(counter, state, now, SETTINGS)
        if isinstance(answer, State):
            state = answer
            let.append(now)
    return let


def test_a_browser_waits_half_a_minute_then_two_then_five_and_never_longer():
    now, state, waits = NOW, None, []
    for _ in range(40):
        answer = slowing.take(Counter.BROWSER, state, now, SETTINGS)
        assert isinstance(answer, State)
        state = answer
        if state.closed_until:
            waits.append((state.count, (state.closed_until - now).seconds))
            assert slowing.take(Counter.BROWSER, state, now, SETTINGS) == state.closed_until
            now = state.closed_until
    assert waits == [(5, 30), (10, 120)] + [(count, 300) for count in range(15, 41, 5)]


def test_a_stranger_waits_an_hour_and_twice_as_long_each_time_up_to_a_day():
    now, state, waits = NOW, None, []
    for _ in range(80):
        answer = slowing.take(Counter.STRANGER, state, now, SETTINGS)
        assert isinstance(answer, State)
        state = answer
        if state.closed_until:
            waits.append((state.closed_until - now) / timedelta(hours=1))
            now = state.closed_until
    assert waits == [1, 2, 4, 8, 16, 24, 24, 24]


def test_doubling_ends_after_24_quiet_hours():
    closed = State(count=10, since=NOW, closed_until=NOW + timedelta(hours=8), level=4, changed_at=NOW)
    still = slowing.take(Counter.STRANGER, closed, NOW + timedelta(hours=31), SETTINGS)
    assert (still.count, still.level) == (1, 4)
    quiet = slowing.take(Counter.STRANGER, closed, NOW + timedelta(hours=32), SETTINGS)
    assert (quiet.count, quiet.level) == (1, 0)


@given(PAUSES)
def test_no_hour_holds_more_than_ten_tries_of_strangers(pauses):
    let = _walk(Counter.STRANGER, pauses)
    for first in let:
        assert sum(first <= moment < first + timedelta(hours=1) for moment in let) <= 10


@given(PAUSES)
def test_nobody_at_a_known_browser_ever_waits_longer_than_five_minutes(pauses):
    now, state = NOW, None
    for pause in pauses:
        now += timedelta(seconds=pause)
        answer = slowing.take(Counter.BROWSER, state, now, SETTINGS)
        if isinstance(answer, State):
            state = answer
        else:
            assert now < answer <= now + timedelta(minutes=5)


def test_a_card_rests_after_thirty_on_one_day_until_help():
    state = None
    for _ in range(30):
        state = slowing.take(Counter.CARD, state, NOW, SETTINGS)
        assert isinstance(state, State)
    assert slowing.take(Counter.CARD, state, NOW, SETTINGS) == slowing.UNTIL_HELP
    assert slowing.take(Counter.CARD, state, NOW + timedelta(days=200), SETTINGS) == slowing.UNTIL_HELP


def test_the_day_of_a_card_begins_at_midnight_in_brussels():
    evening = datetime(2026, 11, 23, 22, 59, tzinfo=UTC)
    state = State(count=29, since=evening, changed_at=evening)
    assert slowing.take(Counter.CARD, state, evening, SETTINGS).closed_until == slowing.UNTIL_HELP
    assert slowing.take(Counter.CARD, state, evening + timedelta(minutes=1), SETTINGS).count == 1


@pytest.mark.parametrize("counter", [Counter.MONTH, Counter.ADDRESS, Counter.SYSTEM, Counter.RECENT])
def test_only_counters_of_tries_are_reserved(counter):
    with pytest.raises(ValueError, match="is not reserved"):
        slowing.take(counter, None, NOW, SETTINGS)
