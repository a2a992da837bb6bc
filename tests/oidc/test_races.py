"""What happens when eight processes want the same thing at once? One gets it."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from idp.models import AccessToken, AuditEvent, RefreshToken
from tests.make_race import PROCESSES, race
from tests.make_tokens import SECRET, VERIFIER, Bench


@pytest.fixture
def bench(house):
    return Bench(house)


def test_RACE_01_eight_processes_that_redeem_one_code_give_one_success(bench):
    story = bench.story()
    session = bench.sign_in(story)
    auth = (story.app.client_id, SECRET)
    form = {"grant_type": "authorization_code", "code_verifier": VERIFIER}
    form |= {"redirect_uri": story.app.redirect_uris[0]}
    rounds = [("/token", form | {"code": bench.code(story, session)}, auth) for _ in range(4)]
    for answers in race(bench.house, rounds):
        assert sorted(status for status, _ in answers) == [200] + [400] * (PROCESSES - 1)
        assert {body["error"] for status, body in answers if status == 400} == {"invalid_grant"}
        (winner,) = [body for status, body in answers if status == 200]
        assert bench.userinfo(winner["access_token"]).status_code == 401
        assert bench.refresh(story, winner["refresh_token"]).status_code == 400
    assert bench.rows(select(func.count()).select_from(AccessToken)) == [(4,)]
    replays = select(func.count()).where(AuditEvent.event == "code_replayed")
    assert bench.rows(replays) == [(4,)]


def test_RACE_01_eight_parallel_refreshes_yield_one_family(bench):
    story = bench.story()
    auth = (story.app.client_id, SECRET)
    given = [bench.tokens(story) for _ in range(3)]
    form = {"grant_type": "refresh_token"}
    rounds = [("/token", form | {"refresh_token": one["refresh_token"]}, auth) for one in given]
    for answers in race(bench.house, rounds):
        assert {status for status, _ in answers} == {200}
        successors = {body["refresh_token"] for _, body in answers}
        assert len(successors) == 1
        assert bench.refresh(story, successors.pop()).status_code == 200
    assert bench.rows(select(func.count()).select_from(RefreshToken)) == [(9,)]
