"""What a rehearsal shows is what a real sign-in gives, and nothing of it stays."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from idp.models import AccessToken, App, AppPupil, AuthorizationCode, Grant, Release, SchoolKind, SecretKind
from idp.oidc import rehearsal
from tests import make, make_staff
from tests.make_tokens import Bench

OF_THE_MOMENT = {"exp", "iat", "auth_time", "sid", "at_hash", "nonce"}
TRACES = (AccessToken, AppPupil, AuthorizationCode, Grant, Release)


def sandbox_story(bench, **gates):
    with bench.house.database.transaction() as db:
        school = make.school(db, kind=SchoolKind.SANDBOX)
    return bench.story(school=school, sandbox=True, **gates)


def traces(house):
    with house.database.reading() as db:
        return [db.execute(select(func.count()).select_from(one)).scalar_one() for one in TRACES]


def rehearsed(house, story):
    asked = rehearsal.ask(house, story.app)
    return asked, rehearsal.run(house, story.app, asked, account_uuid=story.pupil, kind=SecretKind.BASIC)


@pytest.mark.parametrize("gates", [{}, {"shares": False}, {"in_class": False}, {"claims_in_id_token": True}])
def test_a_rehearsal_shows_what_a_real_sign_in_gives(house, gates):
    bench = Bench(house)
    story = sandbox_story(bench, **gates)
    before = traces(house)
    asked, found = rehearsed(house, story)
    assert traces(house) == before
    assert found.error == ""
    real = bench.tokens(story, scope=asked.parameters["scope"])
    header, claims = bench.id_token(real["id_token"])
    assert found.header == header
    assert {*found.id_token} == {*claims}
    for name in {*claims} - OF_THE_MOMENT:
        assert found.id_token[name] == claims[name], name
    assert found.userinfo == bench.userinfo(real["access_token"]).json
    assert ("ov_klassen" in found.userinfo) is not (gates.keys() & {"shares", "in_class"} != set())
    assert {*found.token_answer} == {*real}
    for name in ("token_type", "expires_in", "scope"):
        assert found.token_answer[name] == real[name]
    assert bench.userinfo(found.token_answer["access_token"]).status_code == 401


def test_what_is_not_visible_is_refused_in_a_rehearsal_too(house):
    story = sandbox_story(Bench(house), visible=False)
    _asked, found = rehearsed(house, story)
    assert (found.error, dict(found.token_answer), dict(found.userinfo)) == ("access_denied", {}, {})
    assert "not_visible" in {one.word for one in found.answers}


def test_IDOR_02_only_a_sandbox_pupil_can_be_tried_and_only_with_an_app_of_ones_own(house, client):
    bench = Bench(house)
    mine, others = sandbox_story(bench), sandbox_story(bench)
    for story, name in ((mine, "sandbox"), (others, "anderen")):
        bench.change(update(App).where(App.client_id == story.app.client_id).values(supplier=name))
    with house.database.transaction() as db:
        school = make.school(db, kind=SchoolKind.REAL)
    real = bench.story(school=school)
    made = make_staff.supplier(house, "sandbox")
    make_staff.begin(client, house, made)
    before = traces(house)
    here = f"/leverancier/apps/{mine.app.client_id}/proef"
    page = client.get(f"{here}?leerling={mine.username}")
    assert page.status_code == 200
    assert rehearsal.ACCESS_TOKEN in page.text
    assert "3A" in page.text
    assert client.get(f"{here}?leerling={real.username}").status_code == 404
    assert client.get(f"/leverancier/apps/{others.app.client_id}/proef").status_code == 404
    assert traces(house) == before
