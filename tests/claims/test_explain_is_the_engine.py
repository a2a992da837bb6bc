"""What is explained is what apps get: the gates' whole truth table, through real tokens and through every explanation."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import delete, select, update

from idp import models
from idp.admin.visible import explaining
from idp.claims import explain
from idp.claims.catalogue import CATALOGUE, NAMES, Gate
from tests import make
from tests.make_tokens import Bench

BOOLEANS = (True, False)
PROTOCOL = {"iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "sid", "azp", "jti"}


@pytest.fixture
def bench(house):
    return Bench(house)


def close(bench, story, *, registered, shares, visible, open_to_all, enrolled, known) -> None:
    """Close these gates by what people and packages do, after the app has got its tokens."""
    if not registered:
        bench.change(
            update(models.App).values(registration={**_registration(bench), "scope": "openid profile"})
        )
    if not shares:
        bench.change(update(models.Agreement).values(stopped_at=make.NOW))
    if not visible:
        bench.change(delete(models.VisibilityRule))
    if not enrolled:
        mine = models.Enrolment.instellingsnummer == story.school
        bench.change(update(models.Enrolment).where(mine).values(einddatum=make.TODAY.replace(day=1)))
    if not known:
        bench.change(delete(models.ClassMembership))
        bench.change(update(models.Enrolment).values(leerjaar=None))
    assert open_to_all in BOOLEANS
    bench.registered_again()


def _registration(bench):
    return bench.rows(select(models.App.registration))[0][0]


@pytest.mark.parametrize("enrolled", BOOLEANS)
@pytest.mark.parametrize("open_to_all", BOOLEANS)
def test_what_is_explained_is_what_an_app_gets_in_userinfo_and_id_token(bench, open_to_all, enrolled):
    """Sixteen states a case: registered, shares, visible, known. The pupil is at a second school, so that it stays alive."""
    for registered, shares, visible, known in itertools.product(BOOLEANS, repeat=4):
        story = bench.story(open_to_every_pupil=open_to_all, claims_in_id_token=True)
        with bench.house.database.transaction() as db:
            make.enrolment(db, story.pupil, make.school(db))
        given = bench.tokens(story)
        close(
            bench,
            story,
            registered=registered,
            shares=shares,
            visible=visible,
            open_to_all=open_to_all,
            enrolled=enrolled,
            known=known,
        )
        app = bench.house.apps.find(story.app.client_id)
        with bench.house.database.reading() as db:
            told = explaining.of_pupil(db, bench.house, app, story.pupil, instellingsnummer=story.school)
        explained = {one.claim for one in told.answers if one.released}
        where = f"{registered=} {shares=} {visible=} {known=}"
        answer = bench.userinfo(given["access_token"])
        alive = told.visible and told.active
        assert (answer.status_code == 200) == alive, where
        if alive:
            assert set(answer.json) & NAMES == explained, where
            fresh = bench.refresh(story, given["refresh_token"])
            assert fresh.status_code == 200, where
            said = bench.id_token(fresh.json["id_token"])[1]
            assert set(said) & NAMES == explained, where
            values = {one.claim: one.value for one in told.answers if one.released}
            assert {name: answer.json[name] for name in explained} == values, where
            assert set(said) <= NAMES | PROTOCOL, where
        _forget(bench)


def _forget(bench) -> None:
    """The next state begins with nothing of this one."""
    for table in (models.VisibilityRule, models.Agreement, models.ClassMembership):
        bench.change(delete(table))


@pytest.mark.parametrize("gate", Gate)
def test_every_voice_has_words_for_every_gate(gate):
    for words in (explain.OPERATOR, explain.SUPPLIER, explain.PUPIL):
        assert str(words[gate]).endswith(".")


def gates(found) -> dict[str, str]:
    return {one.claim: str(one.word) for one in found.answers}


def test_about_a_school_every_claim_is_told_with_how_many_pupils(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        other = make.pupil(db)
        make.enrolment(db, other, story.school)
    look = lambda: _of_school(house, story)  # noqa: E731
    nobody = look()
    assert (nobody.pupils, nobody.reached, nobody.shares) == (2, 0, True)
    assert len(nobody.answers) == len(CATALOGUE)
    assert gates(nobody)["given_name"] == "not_visible"
    with house.database.transaction() as db:
        make.rule(db, story.app.client_id, story.school, kind=models.RuleKind.PUPIL, target=other)
    one = look()
    assert (one.reached, set(gates(one).values())) == (1, {"released"})
    with house.database.transaction() as db:
        db.execute(delete(models.ClassMembership))
        assert gates(explaining.of_school(db, story.app, story.school, make.TODAY))["ov_klassen"] == "unknown"
        db.execute(update(models.Agreement).values(stopped_at=make.NOW))
    assert gates(look())["ov_klassen"] == "school_does_not_share"
    assert gates(look())["given_name"] == "released"
    with house.database.reading() as db:
        assert explaining.of_school(db, story.app, "000000", make.TODAY) is None


def _of_school(house, story):
    with house.database.reading() as db:
        return explaining.of_school(db, story.app, story.school, make.TODAY)
