"""Wie weet wat van mij? The own page and what each app knows, for 0, 1, 29 and 300 apps, for small and for big."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, update

from idp import models
from idp.models import AccountType
from tests import make, make_browser


@pytest.fixture
def story(house):
    with house.database.transaction() as db:
        return make.story(db, client_id="rekenbuur", reasons={"given_name": "Om je te begroeten"})


def with_apps(house, story, many: int) -> None:
    with house.database.transaction() as db:
        db.execute(models.VisibilityRule.__table__.delete())
        for number in range(many):
            one = make.app(db, f"veel-{number}", client_name=f"Écoute {number:03}")
            make.rule(db, one.client_id, story.school)


@pytest.mark.parametrize(("many", "field"), [(0, False), (1, False), (12, False), (29, True), (300, True)])
def test_every_app_has_a_tile_and_with_many_there_is_a_field_to_look_for_one(
    client, house, story, many, field
):
    with_apps(house, story, many)
    make_browser.sign_in(client, house, story.pupil)
    page = client.get("/mijn-apps").text
    assert page.count('<li class="tile">') == many
    assert ('name="zoek"' in page) is field
    assert ("Er staan nog geen apps voor jou klaar." in page) is (many == 0)


def test_looking_for_an_app_forgives_accents_and_capitals_and_works_without_script(client, house, story):
    with_apps(house, story, 29)
    make_browser.sign_in(client, house, story.pupil)
    page = client.get("/mijn-apps?zoek=ECOUTE+00").text
    assert page.count('<li class="tile">') == 10
    page = client.get("/mijn-apps?zoek=<b>nergens").text
    assert page.count('<li class="tile">') == 0
    assert "Geen app gevonden." in page
    assert "Er staan nog geen apps" not in page, "there are, but not by this name"
    assert "<b>nergens" not in page


def test_a_pupil_reads_what_an_app_gets_and_why_and_that_it_did_not_say_why(client, house, story):
    make_browser.sign_in(client, house, story.pupil)
    page = client.get("/mijn-apps/rekenbuur").text
    assert "Om je te begroeten" in page
    assert "De app zei niet waarvoor." in page
    assert "Zo kent de app jou terug." in page


@pytest.mark.parametrize(
    ("kind", "says", "not_says"),
    [(AccountType.BASIC, "juf of meester", "secretariaat"), (AccountType.ADVANCED, "secretariaat", "juf")],
)
def test_who_corrects_it_is_said_to_small_and_to_big(client, house, story, kind, says, not_says):
    with house.database.transaction() as db:
        db.execute(update(models.Account).values(type=kind))
    make_browser.sign_in(client, house, story.pupil)
    page = client.get("/mijn-apps/rekenbuur").text
    mending = re.search(r'<section class="stack mend".*?</section>', page, re.DOTALL)[0]
    assert "Klopt dit niet?" in mending
    assert says in mending
    assert not_says not in mending


@pytest.mark.parametrize("language", ["nl", "fr", "de", "en"])
def test_every_sentence_about_apps_has_at_most_eight_words(client, house, story, language):
    with house.database.transaction() as db:
        db.execute(update(models.Agreement).values(stopped_at=make.NOW))
    make_browser.sign_in(client, house, story.pupil)
    page = client.get("/mijn-apps/rekenbuur", headers={"Accept-Language": language}).text
    said = re.findall(r'class="(?:why|fact)">([^<]+)<', page)
    said += re.findall(
        r"<p>([^<]+)</p>", re.search(r'<section class="stack mend".*?</section>', page, re.DOTALL)[0]
    )
    assert len(said) > 10
    for text in said:
        for sentence in re.split(r"[.?!]\s*", text):
            assert len(sentence.split()) <= 8, sentence


def test_a_pupil_of_two_schools_changes_the_school_of_an_app_for_the_next_sign_in(client, house):
    with house.database.transaction() as db:
        story, second = make_browser.story_at_two_schools(db, make, client_id="rekenbuur")
        strange = make.school(db)
    make_browser.sign_in(client, house, story.pupil)
    where = "/mijn-apps/rekenbuur"

    def school_of_the_grant() -> str:
        client.get(f"/authorize?{make_browser.query(story.app)}")
        with house.database.reading() as db:
            found = select(models.Grant.instellingsnummer).order_by(models.Grant.created_at.desc())
            return db.execute(found).scalars().first()

    for chosen in (second, story.school, second):
        page = client.get(where)
        if f'value="{chosen}"' in page.text:
            answer = make_browser.fill_in(client, page, school=chosen)
            assert make_browser.path(answer) == where
        assert f'value="{chosen}"' not in client.get(where).text, "it is the one that counts now"
        with house.database.transaction() as db:
            db.execute(models.AuthorizationCode.__table__.delete())
            db.execute(models.Grant.__table__.delete())
        assert school_of_the_grant() == chosen
    for wrong in (strange, "", "x" * 200):
        make_browser.fill_in(client, client.get(where), school=wrong)
        with house.database.reading() as db:
            assert db.execute(select(models.AppPupil.chosen_school)).scalar_one() == second


def test_with_one_school_there_is_nothing_to_choose(client, house, story):
    make_browser.sign_in(client, house, story.pupil)
    assert "Kies een andere school" not in client.get("/mijn-apps/rekenbuur").text
    assert client.post("/mijn-apps/nobody/school", data={}).status_code in {400, 404}
