"""Cards: what the QR says, and when it works."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from idp.entropy import Chance
from idp.login import cards
from idp.models import Account, Card
from tests import make, make_login


@pytest.fixture
def noor(house):
    return make_login.pupil(house)


def _issue(house, account_uuid, label="school"):
    with house.database.transaction() as db:
        return cards.issue(
            db, account_uuid=account_uuid, label=label, now=house.clock.now(), days=house.settings.card_days
        )


def _find(house, token):
    with house.database.reading() as db:
        return cards.find(db, token, house.clock.now())


def test_QR_02_a_token_is_128_random_bits_and_only_its_digest_is_kept(house, noor):
    card = _issue(house, noor)
    assert re.fullmatch(r"K1[0-7][0-9A-HJKMNP-TV-Z]{25}", card.token)
    with house.database.reading() as db:
        row = db.execute(select(Card.__table__)).one()
    assert card.token not in str(row)
    assert len({cards.new_token(Chance()) for _ in range(1000)}) == 1000


def test_a_card_says_whose_it_is_however_its_letters_are_written(house, noor):
    card = _issue(house, noor)
    found = _find(house, card.token.lower())
    assert (found.account_uuid, found.username, found.given_name) == (noor, "noor.peeters", "Noor")
    assert _find(house, card.token.replace("0", "o").replace("1", "l")) == found
    assert _find(house, f" {card.token[:4]}-{card.token[4:]} ") == found


def test_QR_01_one_other_character_is_another_card(house, noor):
    token = _issue(house, noor).token
    other = "2" if token[10] != "2" else "3"
    assert _find(house, token[:10] + other + token[11:]) is None


@given(st.text(max_size=80))
def test_QR_09_whatever_is_no_token_is_no_card(text):
    assert cards._canonical(text) is None


def test_QR_03_voided_expired_blocked_and_former_pupils_cards_look_alike(house, noor):
    voided, card = _issue(house, noor, "thuis"), _issue(house, noor)
    with house.database.transaction() as db:
        assert cards.void(db, card_id=voided.id, now=house.clock.now())
        assert not cards.void(db, card_id=voided.id, now=house.clock.now())
    assert _find(house, voided.token) is None
    assert _find(house, card.token) is not None
    with house.database.transaction() as db:
        db.execute(Account.__table__.update().values(blocked_at=house.clock.now()))
    assert _find(house, card.token) is None
    with house.database.transaction() as db:
        db.execute(Account.__table__.update().values(blocked_at=None))
    house.clock.move(days=300)
    assert _find(house, card.token) is None, "the school year, and so the enrolment, is over"


def test_a_card_lives_395_days(house, noor):
    card = _issue(house, noor)
    with house.database.transaction() as db:
        make.enrolment(
            db,
            noor,
            make.school(db),
            begindatum=make.YEAR_ENDS + timedelta(days=1),
            einddatum=make.YEAR_ENDS + timedelta(days=365),
        )
    house.clock.move(days=394)
    assert _find(house, card.token) is not None
    house.clock.move(days=1)
    assert _find(house, card.token) is None


def test_a_pupil_has_two_cards_and_a_new_one_says_which_it_replaces(house, noor):
    school = _issue(house, noor, "school")
    house.clock.move(minutes=1)
    home = _issue(house, noor, "thuis")
    house.clock.move(minutes=1)
    assert (school.replaces, home.replaces) == (None, None)
    lost = _issue(house, noor, "school")
    assert lost.replaces == "school"
    assert [_find(house, one.token) is not None for one in (school, home, lost)] == [False, True, True]
    house.clock.move(minutes=1)
    third = _issue(house, noor, "opvang")
    assert third.replaces == "thuis"
    assert [_find(house, one.token) is not None for one in (home, lost, third)] == [False, True, True]


def test_the_address_on_a_card_fits_the_small_mode_of_a_qr(house, noor):
    url = cards.url(house.settings, _issue(house, noor).token)
    assert re.fullmatch(r"HTTP://LOCALHOST:8080/K/K1[0-9A-Z]{26}", url)
    assert re.fullmatch(r"[0-9A-Z $%*+./:-]+", url)


def test_a_browser_holds_a_card_for_ten_minutes_and_only_while_it_works(house, noor):
    card = _issue(house, noor)
    cookie = cards.hold(house.keys, _find(house, card.token), house.clock.now())

    def held():
        with house.database.reading() as db:
            return cards.held(db, house.keys, cookie, house.clock.now(), minutes=10)

    assert held().id == card.id
    with house.database.transaction() as db:
        cards.void(db, card_id=card.id, now=house.clock.now())
    assert held() is None
    with house.database.transaction() as db:
        db.execute(Card.__table__.update().values(voided_at=None))
    assert held() is not None
    house.clock.move(minutes=10, seconds=1)
    assert held() is None
