"""How long do refresh tokens live, and what ends them?"""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from idp import entropy, models
from idp.models import RefreshToken
from tests.make_tokens import SECRET, Bench, garbage


@pytest.fixture
def bench(house):
    return Bench(house)


def refused(answer, error="invalid_grant", status=400):
    assert (answer.status_code, answer.json["error"]) == (status, error), answer.text
    assert not {"access_token", "id_token", "refresh_token"} & set(answer.json)
    return True


def test_a_refresh_gives_new_tokens_and_a_successor(bench):
    story = bench.story()
    first = bench.tokens(story)
    bench.house.clock.move(hours=2)
    assert bench.userinfo(first["access_token"]).status_code == 401
    second = bench.refresh(story, first["refresh_token"]).json
    assert second["refresh_token"] != first["refresh_token"]
    assert second["refresh_token"].startswith(entropy.Token.REFRESH)
    assert second["scope"] == first["scope"]
    assert bench.userinfo(second["access_token"]).status_code == 200


def test_a_refreshed_id_token_tells_of_the_sign_in_not_of_the_refresh(bench):
    story = bench.story()
    first = bench.tokens(story)
    _header, before = bench.id_token(first["id_token"])
    bench.house.clock.move(hours=2)
    _header, after = bench.id_token(bench.refresh(story, first["refresh_token"]).json["id_token"])
    assert after["auth_time"] == before["auth_time"]
    assert (after["sub"], after["sid"], after["acr"], after["amr"]) == (
        before["sub"],
        before["sid"],
        before["acr"],
        before["amr"],
    )
    assert after["iat"] == before["iat"] + 7200
    assert "nonce" not in after


def test_RT_01_RT_02_reuse_of_a_rotated_token_ends_the_whole_family(bench):
    story = bench.story()
    first = bench.tokens(story)
    second = bench.refresh(story, first["refresh_token"]).json
    bench.house.clock.move(seconds=31)
    third = bench.refresh(story, second["refresh_token"]).json
    assert refused(bench.refresh(story, first["refresh_token"]))
    for given in (first, second, third):
        assert bench.userinfo(given["access_token"]).status_code == 401
        assert refused(bench.refresh(story, given["refresh_token"]))
    assert len(bench.events("refresh_replayed")) == 1


def test_RT_03_another_app_gets_nothing_and_harms_nothing(bench):
    story, other = bench.story(), bench.story()
    given = bench.tokens(story)
    theirs = (other.app.client_id, SECRET)
    stolen = bench.refresh(story, given["refresh_token"], auth=theirs)
    assert refused(stolen)
    assert stolen.json == bench.refresh(story, garbage(entropy.Token.REFRESH, bench.house), auth=theirs).json
    rotated = bench.refresh(story, given["refresh_token"]).json
    bench.house.clock.move(minutes=5)
    assert refused(bench.refresh(story, given["refresh_token"], auth=theirs))
    assert bench.refresh(story, rotated["refresh_token"]).status_code == 200


def test_RT_04_a_wider_scope_is_refused_and_costs_nothing(bench):
    story = bench.story()
    given = bench.tokens(story, scope="openid profile offline_access")
    assert refused(bench.refresh(story, given["refresh_token"], scope="openid ov_klas"), "invalid_scope")
    assert refused(bench.refresh(story, given["refresh_token"], scope="openid nonsense"), "invalid_scope")
    assert bench.refresh(story, given["refresh_token"]).status_code == 200


def test_RT_04_a_narrower_scope_counts_for_this_access_token_only(bench):
    story = bench.story()
    given = bench.tokens(story, claims={"userinfo": {"ov_orgcode": None}})
    less = bench.refresh(story, given["refresh_token"], scope="profile openid").json
    assert less["scope"] == "openid profile"
    assert set(bench.userinfo(less["access_token"]).json) == {"sub", "given_name", "family_name", "name"}
    again = bench.refresh(story, less["refresh_token"]).json
    assert again["scope"] == given["scope"]


def test_RT_04_without_openid_there_is_no_id_token(bench):
    story = bench.story()
    given = bench.tokens(story)
    less = bench.refresh(story, given["refresh_token"], scope="profile").json
    assert "id_token" not in less
    assert bench.userinfo(less["access_token"]).status_code == 403


def test_RT_07_tokens_without_offline_access_end_with_the_session(bench):
    story = bench.story()
    session = bench.sign_in(story)
    bound, offline = bench.tokens(story, session, scope="openid profile"), bench.tokens(story, session)
    now = bench.house.clock.now()
    bench.change(update(models.Session).values(ended_at=now, ended_because="signed_out"))
    assert "refresh_token" not in bound
    assert bench.userinfo(bound["access_token"]).status_code == 401
    assert bench.introspect(story, bound["access_token"]).json == {"active": False}
    assert bench.userinfo(offline["access_token"]).status_code == 200
    assert bench.refresh(story, offline["refresh_token"]).status_code == 200


def test_RT_08_a_blocked_account_gets_no_more_tokens(bench):
    story = bench.story()
    given = bench.tokens(story)
    bench.change(update(models.Account).values(blocked_at=bench.house.clock.now()))
    assert refused(bench.refresh(story, given["refresh_token"]))
    assert bench.userinfo(given["access_token"]).status_code == 401


def test_RT_08_an_account_without_active_enrolment_gets_no_more_tokens(bench):
    story = bench.story()
    given = bench.tokens(story)
    bench.change(update(models.Enrolment).values(einddatum=models.Enrolment.begindatum))
    assert refused(bench.refresh(story, given["refresh_token"]))


def test_RT_08_a_refusal_that_passes_does_not_use_up_the_token(bench):
    story = bench.story()
    given = bench.tokens(story)
    bench.change(update(models.Account).values(blocked_at=bench.house.clock.now()))
    assert refused(bench.refresh(story, given["refresh_token"]))
    bench.change(update(models.Account).values(blocked_at=None))
    assert bench.refresh(story, given["refresh_token"]).status_code == 200


def test_a_reset_ends_refresh_tokens_too(bench):
    from idp.login import sessions

    story = bench.story()
    given = bench.tokens(story)
    with bench.house.database.transaction() as db:
        sessions.end_all(db, story.pupil, "reset", bench.house.clock.now(), grants=True)
    assert refused(bench.refresh(story, given["refresh_token"]))
    assert bench.userinfo(given["access_token"]).status_code == 401


def test_RT_10_refreshing_never_goes_past_thirty_days(bench):
    story = bench.story()
    given = bench.tokens(story)
    for _ in range(29):
        bench.house.clock.move(days=1)
        given = bench.refresh(story, given["refresh_token"]).json
    bench.house.clock.move(hours=23, minutes=30)
    given = bench.refresh(story, given["refresh_token"]).json
    assert given["expires_in"] == 1800
    bench.house.clock.move(minutes=30)
    assert refused(bench.refresh(story, given["refresh_token"]))
    assert bench.userinfo(given["access_token"]).status_code == 401


def test_RT_14_a_repeat_within_the_grace_gets_the_same_successor(bench):
    story = bench.story()
    given = bench.tokens(story)
    second = bench.refresh(story, given["refresh_token"]).json
    bench.house.clock.move(seconds=30)
    repeated = bench.refresh(story, given["refresh_token"]).json
    assert repeated["refresh_token"] == second["refresh_token"]
    assert repeated["access_token"] != second["access_token"]
    assert bench.refresh(story, second["refresh_token"]).status_code == 200
    assert bench.rows(select(func.count()).select_from(RefreshToken)) == [(3,)]
    assert bench.rows(select(func.count(RefreshToken.grant_id.distinct()))) == [(1,)]
    bench.house.clock.move(seconds=1)
    assert refused(bench.refresh(story, given["refresh_token"]))


def test_CONS_02_after_stopping_a_refresh_carries_no_class_claims(bench):
    story = bench.story(claims_in_id_token=True)
    given = bench.tokens(story)
    assert "ov_klassen" in bench.id_token(given["id_token"])[1]
    stop(bench, story)
    refreshed = bench.refresh(story, given["refresh_token"]).json
    _header, claims = bench.id_token(refreshed["id_token"])
    assert not {"ov_klassen", "ov_administratieve_groep"} & set(claims)
    assert claims["given_name"] == "Gaston"
    assert not {"ov_klassen", "ov_administratieve_groep"} & set(
        bench.userinfo(refreshed["access_token"]).json
    )


def stop(bench, story):
    now = bench.house.clock.now()
    bench.change(update(models.Agreement).values(stopped_at=now, stopped_by="person:x"))


def test_CONS_06_an_app_that_was_taken_away_gets_no_more(bench):
    story = bench.story()
    given = bench.tokens(story)
    bench.change(models.VisibilityRule.__table__.delete())
    assert refused(bench.refresh(story, given["refresh_token"]))
    assert bench.userinfo(given["access_token"]).status_code == 401
    assert bench.introspect(story, given["refresh_token"]).json == {"active": False}
