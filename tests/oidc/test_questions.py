"""The questions of /authorize: is the app visible, for which school, is it you, and what will the app be told?"""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import delete, select, update

from idp import models
from idp.models import AccountType
from idp.oidc import evidence
from idp.oidc.next_step import Evidence
from tests import make, make_browser
from tests.make_browser import fill_in, fresh, next_of, path, query, said, sign_in


@pytest.fixture
def story(house):
    with house.database.transaction() as db:
        return make.story(db)


# ---------------------------------------------------------------- visibility


def test_CONS_07_an_app_that_is_not_visible_is_a_friendly_page(client, house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
    sign_in(client, house, story.pupil)
    page = client.get(f"/authorize?{query(story.app)}")
    assert page.status_code == 403
    assert "staat nog niet klaar voor jou" in page.text
    back = [part for part in page.text.split('"') if part.startswith("/authorize/terug?")]
    told = said(client.get(unescape(back[0])), story.app)
    assert (told["error"], told["state"]) == ("access_denied", "s-1")
    assert make_browser.codes(house) == 0
    silent = said(client.get(f"/authorize?{query(story.app, prompt='none')}"), story.app)
    assert silent["error"] == "access_denied"


@pytest.mark.parametrize(
    ("kind", "whom", "not_whom"),
    [(AccountType.BASIC, "juf of meester", "leerkracht"), (AccountType.ADVANCED, "leerkracht", "juf")],
)
def test_who_opens_an_app_is_said_to_small_and_to_big(client, house, kind, whom, not_whom):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        db.execute(update(models.Account).values(type=kind))
    sign_in(client, house, story.pupil)
    lead = re.search(r'<p class="lead">(.*?)</p>', client.get(f"/authorize?{query(story.app)}").text)[1]
    assert whom in lead
    assert not_whom not in lead


def test_an_app_that_is_taken_away_gives_no_code_the_next_time(client, house, story):
    sign_in(client, house, story.pupil)
    said(client.get(f"/authorize?{query(story.app)}"), story.app)
    with house.database.transaction() as db:
        db.execute(delete(models.VisibilityRule))
    assert client.get(f"/authorize?{query(story.app)}").status_code == 403


def test_LIFE_01_after_the_last_day_of_the_enrolment_there_is_no_code(client, house, story):
    with house.database.transaction() as db:
        today = house.clock.today()
        db.execute(update(models.Enrolment).values(einddatum=today))
    sign_in(client, house, story.pupil)
    said(client.get(f"/authorize?{query(story.app)}"), story.app)
    house.clock.move(hours=14)
    sign_in(client, house, story.pupil)
    answer = client.get(f"/authorize?{query(story.app)}")
    assert answer.status_code in {303, 403}
    assert make_browser.codes(house) == 1


# ---------------------------------------------------------------- which school


def test_a_pupil_of_two_schools_picks_one_and_it_is_remembered(client, house):
    with house.database.transaction() as db:
        story, second = make_browser.story_at_two_schools(db, make)
    sign_in(client, house, story.pupil)
    asked = f"/authorize?{query(story.app)}"
    page = client.get(asked)
    assert page.status_code == 200
    assert "Atheneum De Toren" in page.text
    answer = fill_in(client, page, school=second)
    assert path(answer) == "/authorize"
    said(client.get(answer.headers["Location"]), story.app)
    assert make_browser.grant_of(house)["instellingsnummer"] == second
    said(client.get(asked), story.app)
    told = said(client.get(f"/authorize?{query(story.app, prompt='none')}"), story.app)
    assert "code" in told


def test_a_school_that_is_not_offered_cannot_be_picked(client, house):
    with house.database.transaction() as db:
        story, _ = make_browser.story_at_two_schools(db, make)
        foreign = make.school(db)
    sign_in(client, house, story.pupil)
    page = client.get(f"/authorize?{query(story.app)}")
    for school in (foreign, "", "' OR 1=1--"):
        answer = fill_in(client, page, school=school)
        assert "Voor welke school?" in client.get(answer.headers["Location"]).text
    assert make_browser.codes(house) == 0


def test_a_remembered_school_that_ended_is_asked_again_or_forgotten(client, house):
    with house.database.transaction() as db:
        story, second = make_browser.story_at_two_schools(db, make)
    sign_in(client, house, story.pupil)
    fill_in(client, client.get(f"/authorize?{query(story.app)}"), school=second)
    with house.database.transaction() as db:
        db.execute(delete(models.VisibilityRule).where(models.VisibilityRule.instellingsnummer == second))
    said(client.get(f"/authorize?{query(story.app)}"), story.app)
    assert make_browser.grant_of(house)["instellingsnummer"] == story.school


def test_select_account_asks_who_it_is_and_for_which_school(client, house):
    with house.database.transaction() as db:
        story, second = make_browser.story_at_two_schools(db, make)
    sign_in(client, house, story.pupil)
    fill_in(client, client.get(f"/authorize?{query(story.app)}"), school=second)
    page = client.get(f"/authorize?{query(story.app, prompt='select_account')}")
    assert "Ben jij Gaston?" in page.text
    page = client.get(fill_in(client, page, antwoord="ja").headers["Location"])
    assert "Voor welke school?" in page.text
    answer = client.get(fill_in(client, page, school=story.school).headers["Location"])
    said(answer, story.app)
    assert make_browser.grant_of(house)["instellingsnummer"] == story.school
    assert "Ben jij Gaston?" in client.get(f"/authorize?{query(story.app, prompt='select_account')}").text


# ---------------------------------------------------------------- is it you


def test_on_a_shared_device_a_live_session_is_asked_ben_jij_dat(client, house, story):
    sign_in(client, house, story.pupil, shared=True)
    page = client.get(f"/authorize?{query(story.app)}")
    assert "Ben jij Gaston?" in page.text
    said(client.get(fill_in(client, page, antwoord="ja").headers["Location"]), story.app)
    assert "Ben jij Gaston?" in client.get(f"/authorize?{query(story.app)}").text


def test_LOGO_13_nee_ends_the_session_of_the_one_before(client, house, story):
    sign_in(client, house, story.pupil, shared=True)
    asked = f"/authorize?{query(story.app)}"
    answer = fill_in(client, client.get(asked), antwoord="nee")
    assert path(answer) == "/aanmelden"
    assert next_of(answer).startswith("/authorize?")
    again = client.get(asked)
    assert path(again) == "/aanmelden"
    assert "Gaston" not in again.text
    assert make_browser.codes(house) == 0


def test_who_just_signed_in_on_a_shared_device_is_not_asked_again(client, house, story):
    url = next_of(client.get(f"/authorize?{query(story.app)}"))
    sid = sign_in(client, house, story.pupil, shared=True)
    fresh(house, sid, url)
    said(client.get(url), story.app)


def test_AUTHZ_20_an_answer_counts_in_the_browser_that_was_asked(app, client, house, story):
    with house.database.transaction() as db:
        other = make.pupil(db)
        make.enrolment(db, other, story.school)
        make.account(db, other)
    sid = sign_in(client, house, story.pupil, shared=True)
    url = next_of(app.test_client().get(f"/authorize?{query(story.app)}"))
    with house.database.transaction() as db:
        evidence.leave(db, sid, url.partition("?")[2], Evidence.CONFIRMED, house.clock.now())
    victim = app.test_client()
    sign_in(victim, house, other, shared=True)
    assert "Ben jij" in victim.get(url).text
    said(client.get(url), story.app)


def test_CSRF_03_an_answer_without_its_word_or_from_elsewhere_is_refused(client, house, story):
    sign_in(client, house, story.pupil, shared=True)
    asked = query(story.app)
    page = client.get(f"/authorize?{asked}")
    target, good = f"/authorize/antwoord?{asked}", {"vraag": "wie", "antwoord": "ja"}
    assert client.post(target, data=good).status_code == 400
    word = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post(target, data=good | {"csrf_token": word}, headers=headers).status_code == 400
    assert "Ben jij" in client.get(f"/authorize?{asked}").text


def test_a_question_that_expired_or_is_reloaded_starts_the_request_again(client, story):
    assert path(client.get(f"/authorize/antwoord?{query(story.app)}")) == "/authorize"


# ---------------------------------------------------------------- what the app is told


def test_prompt_consent_shows_what_the_app_gets(client, house, story):
    sign_in(client, house, story.pupil)
    page = client.get(f"/authorize?{query(story.app, prompt='consent', scope='openid profile')}")
    assert "Dit vertellen we aan Rekenbuur" in page.text
    assert "Gaston Logie" in page.text
    with house.database.reading() as db:
        assert db.execute(select(models.Release.id)).all() == []
    said(client.get(fill_in(client, page, antwoord="ja").headers["Location"]), story.app)
    assert "Dit vertellen we" in client.get(f"/authorize?{query(story.app, prompt='consent')}").text


def test_niet_nu_is_access_denied(client, house, story):
    sign_in(client, house, story.pupil)
    page = client.get(f"/authorize?{query(story.app, prompt='consent')}")
    assert said(fill_in(client, page, antwoord="nee"), story.app)["error"] == "access_denied"


def test_XSS_02_the_name_of_an_app_is_text(client, house):
    with house.database.transaction() as db:
        story = make.story(db, client_name="<img src=x onerror=alert(1)>")
    sign_in(client, house, story.pupil)
    for prompt in ("consent", "select_account"):
        assert "<img src=x" not in client.get(f"/authorize?{query(story.app, prompt=prompt)}").text


def test_the_forms_of_a_question_may_end_at_the_app(client, house, story):
    sign_in(client, house, story.pupil)
    page = client.get(f"/authorize?{query(story.app, prompt='consent')}")
    origin = story.app.redirect_uris[0].removesuffix("/cb")
    assert f"form-action 'self' {origin};" in page.headers["Content-Security-Policy"]
