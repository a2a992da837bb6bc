"""On which day do the switches of an app end? At midnight in Brussels, after their last day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from idp.apps import App
from idp.clock import day_of_law
from tests.make_tokens import Bench

LAST = date(2026, 11, 26)
MIDNIGHT = datetime(2026, 11, 26, 23, 0, tzinfo=UTC)
"""When that day is over in Brussels, in winter."""
SECOND = timedelta(seconds=1)


@pytest.fixture
def bench(house):
    return Bench(house)


@pytest.mark.parametrize(
    ("last", "moment", "on"),
    [
        (None, "2036-01-01T00:00:00Z", True),
        ("2026-11-26", "2026-11-25T12:00:00Z", True),
        ("2026-11-26", "2026-11-26T22:59:59Z", True),
        ("2026-11-26", "2026-11-26T23:00:00Z", False),
        ("2027-06-30", "2027-06-30T21:59:59Z", True),
        ("2027-06-30", "2027-06-30T22:00:00Z", False),
        ("2027-03-27", "2027-03-27T22:59:59Z", True),
        ("2027-03-27", "2027-03-27T23:00:00Z", False),
        ("2027-03-28", "2027-03-28T21:59:59Z", True),
        ("2027-03-28", "2027-03-28T22:00:00Z", False),
    ],
)
def test_a_switch_counts_through_its_last_day_in_brussels(bench, last, moment, on):
    until = date.fromisoformat(last) if last else None
    switches = {"claims_in_id_token": True, "code_seconds": 45}
    app: App = bench.story(
        **switches, claims_in_id_token_until=until, code_seconds_until=until, pkce_exempt_until=until
    ).app
    today = day_of_law(datetime.fromisoformat(moment))
    assert app.tells_in_id_token(today) is on
    assert app.code_life(30, today) == (45 if on else 30)
    assert app.pkce_required(today) is (until is None or not on)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (MIDNIGHT - timedelta(days=1), True),
        (MIDNIGHT - SECOND, True),
        (MIDNIGHT, False),
        (MIDNIGHT + SECOND, False),
    ],
)
def test_from_the_day_after_claims_are_in_userinfo_only(bench, moment, told):
    story = bench.story(claims_in_id_token=True, claims_in_id_token_until=LAST)
    bench.house.clock.moment = moment
    given = bench.tokens(story)
    _header, claims = bench.id_token(given["id_token"])
    assert ("given_name" in claims, "ov_klassen" in claims) == (told, told)
    assert bench.userinfo(given["access_token"]).json["given_name"] == "Gaston"


def test_a_sign_in_and_a_refresh_across_that_midnight_follow_the_new_day(bench):
    story = bench.story(claims_in_id_token=True, claims_in_id_token_until=LAST)
    bench.house.clock.moment = MIDNIGHT - 10 * SECOND
    code, given = bench.code(story), bench.tokens(story)
    assert "given_name" in bench.id_token(given["id_token"])[1]
    bench.house.clock.moment = MIDNIGHT
    assert "given_name" not in bench.id_token(bench.redeem(story, code).json["id_token"])[1]
    again = bench.refresh(story, given["refresh_token"])
    assert again.status_code == 200
    assert "given_name" not in bench.id_token(again.json["id_token"])[1]


@pytest.mark.parametrize(
    ("made", "lives"), [(MIDNIGHT - timedelta(days=1), 50), (MIDNIGHT - SECOND, 50), (MIDNIGHT, 30)]
)
def test_a_code_lives_as_long_as_on_the_day_that_it_was_made(bench, made, lives):
    story = bench.story(code_seconds=50, code_seconds_until=LAST)
    bench.house.clock.moment = made
    in_time, late = bench.code(story), bench.code(story)
    bench.house.clock.move(seconds=lives - 1)
    assert bench.redeem(story, in_time).status_code == 200
    bench.house.clock.move(seconds=1)
    assert bench.redeem(story, late).json["error"] == "invalid_grant"
