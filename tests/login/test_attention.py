"""Who needs help with signing in: what a school hears, what an operator sees and opens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from idp.login import attention, cards, sign_in
from idp.login.attention import NeedsHelp
from idp.login.sign_in import Wait, Wrong
from idp.login.slowing import Counter
from idp.models import AuditEvent, Enrolment
from idp.redis_link import RedisLink
from tests import make, make_login


def _wrong(house, count, *, of="noor.peeters", begin=0, **given):
    """So many different wrong secrets, as far as they are looked at."""
    return [
        sign_in.prove(house, make_login.attempt(of, f"wrong {number}", **given))
        for number in range(begin, begin + count)
    ]


def _events(house, event):
    with house.database.reading() as db:
        rows = db.execute(
            select(AuditEvent.instellingsnummer, AuditEvent.object, AuditEvent.actor, AuditEvent.details)
            .where(AuditEvent.event == event)
            .order_by(AuditEvent.instellingsnummer)
        )
        return [tuple(row) for row in rows]


def _school_of(house, who):
    with house.database.reading() as db:
        return db.scalar(select(Enrolment.instellingsnummer).where(Enrolment.account_uuid == who))


@pytest.fixture
def tight(house):
    """Few tries close: the numbers are settings."""
    few = {"throttle_month": 6, "throttle_card_day": 3, "throttle_browser_free": 100}
    return replace(house, settings=house.settings.model_copy(update=few))


def test_BRUTE_11_every_school_is_told_when_only_new_pictures_help(tight):
    who = make_login.pupil(tight)
    first = _school_of(tight, who)
    with tight.database.transaction() as db:
        second = make.school(db)
        make.enrolment(db, who, second)
    _wrong(tight, 8, browser=make_login.known_browser(who, tight))
    told = _events(tight, "sign_in_needs_help")
    assert [one[:2] for one in told] == [(school, f"pupil:{who}") for school in sorted([first, second])]
    assert told[0][3] == {"counter": "month"}
    expected = NeedsHelp(account_uuid=who, username="noor.peeters", counter=Counter.MONTH, card_label=None)
    assert attention.of_school(tight, first) == attention.of_school(tight, second) == (expected,)
    assert attention.of_school(tight, "999999") == ()


def test_a_name_that_nobody_has_is_counted_alike_and_told_to_no_school(tight):
    make_login.pupil(tight)
    _wrong(tight, 8, of="no.body")
    ((school, about, _, details),) = _events(tight, "sign_in_needs_help")
    assert (school, about, details) == (None, None, {"counter": "month"})


def test_help_wakes_a_card_and_opens_what_strangers_closed(tight):
    who = make_login.pupil(tight)
    school = _school_of(tight, who)
    with tight.database.transaction() as db:
        made = cards.issue(db, account_uuid=who, label="school", now=tight.clock.now(), days=9)
        card = cards.find(db, made.token, tight.clock.now())
    _wrong(tight, 4, card=card)
    tight = replace(tight, settings=tight.settings.model_copy(update={"throttle_month": 100}))
    _wrong(tight, 12, begin=20)
    (needs,) = attention.of_school(tight, school)
    assert (needs.counter, needs.card_label) == (Counter.CARD, "school")
    standing = attention.of_pupil(tight, who)
    assert (standing.stranger.count, standing.month, standing.month_closed) == (10, 10, False)
    assert standing.cards["school"].count == 3
    assert attention.release(tight, who) == (Counter.CARD, Counter.STRANGER)
    assert attention.of_school(tight, school) == ()
    assert isinstance(_wrong(tight, 1, begin=50)[0], Wrong)
    assert isinstance(_wrong(tight, 1, begin=60, card=card)[0], Wrong)
    ((told, about, actor, details),) = _events(tight, "sign_in_released")
    assert (told, about, actor) == (school, f"pupil:{who}", "system")
    assert details == {"counters": ["card", "stranger"]}


def test_cards_of_two_schools_with_one_label_are_two_cards(tight):
    who = make_login.pupil(tight)
    now, first, held = tight.clock.now(), _school_of(tight, who), []
    with tight.database.transaction() as db:
        second = make.school(db)
        make.enrolment(db, who, second)
        for school in (first, second):
            made = cards.issue(
                db, account_uuid=who, label="school", now=now, days=9, instellingsnummer=school
            )
            held.append(cards.find(db, made.token, now))
    for card, begin in zip(held, (0, 10), strict=True):
        _wrong(tight, 4, begin=begin, card=card)
    assert len(attention.of_school(tight, second)) == 2
    assert [state.count for state in attention.of_pupil(tight, who).cards.values()] == [3, 3]
    attention.release(tight, who)
    for card in held:
        assert isinstance(sign_in.prove(tight, make_login.attempt(card=card)), sign_in.SignedIn)


def test_BRUTE_11_nobody_opens_by_hand_what_a_hundred_guesses_closed(tight):
    who = make_login.pupil(tight)
    known = make_login.known_browser(who, tight)
    _wrong(tight, 8, browser=known)
    assert attention.release(tight, who) == ()
    assert attention.of_pupil(tight, who).month_closed
    assert isinstance(_wrong(tight, 1, begin=50, browser=known)[0], Wait)


def test_the_same_is_seen_and_opened_in_redis(tight, redis_url):
    link = RedisLink(redis_url, clock=tight.clock, connections=8)
    both = replace(tight, redis=link)
    who = make_login.pupil(both)
    _wrong(both, 5)
    known = make_login.known_browser(who, both)
    _wrong(both, 3, begin=5, browser=replace(known, id="known"))
    standing = attention.of_pupil(both, who)
    assert (standing.stranger.count, standing.month, standing.month_closed) == (5, 6, True)
    assert [one.counter for one in attention.of_school(both, _school_of(both, who))] == [Counter.MONTH]
    assert attention.release(both, who) == (Counter.STRANGER,)
    assert attention.of_pupil(both, who).stranger is None
    assert link.answers()
    link.close()
