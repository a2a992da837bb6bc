"""Signing in: who gets in, who waits, and what nobody learns."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from idp import audit, clock, config, context, entropy
from idp.errors import Busy, SignInRequired
from idp.hashing import Hasher, Stored
from idp.login import browsers, cards, own_password, pictures, sessions, sign_in, throttle
from idp.login.sign_in import Confirmed, Expired, SignedIn, Wait, Wrong
from idp.models import Account, AuditEvent, Enrolment, SecretKind, Session, Throttle
from tests import make, make_devices, make_login, make_race

KAT = make_login.KAT
WRONG = ("hond appel trein kasteel", "aap appel trein kasteel", "beer appel trein kasteel")


def _wrongs(count):
    return itertools.islice((secret for secret in pictures.every() if secret != KAT), count)


def _try(house, *words, **given):
    return sign_in.prove(house, make_login.attempt(*words, **given))


def _look(house, cookie):
    with house.database.reading() as db:
        return sessions.seen(db, house.settings, cookie, house.clock.now())


def _card(house, account_uuid):
    with house.database.transaction() as db:
        made = cards.issue(db, account_uuid=account_uuid, label="school", now=house.clock.now(), days=395)
        return cards.find(db, made.token, house.clock.now())


# ---------------------------------------------------------------- getting in


@pytest.mark.parametrize(
    ("kind", "secret", "typed", "way", "acr"),
    [
        (SecretKind.PICTURE, KAT, "Kat, APPEL trein-kasteel", "pictures", "picture"),
        (SecretKind.BASIC, "29ban9", " 29BAN9 ", "pwd", "basic"),
        (SecretKind.TEMPORARY, "pgu9J7Zn", "pgu9J7Zn", "pwd", "temporary"),
        (SecretKind.OWN, "zonnebloem in 7", "zonnebloem in 7", "pwd", "own"),
    ],
)
def test_each_kind_of_secret_lets_a_pupil_in_and_says_honestly_how(house, kind, secret, typed, way, acr):
    who = make_login.pupil(house, secret=secret, kind=kind)
    outcome = _try(house, " Noor Peeters ", typed)
    assert isinstance(outcome, SignedIn)
    assert (outcome.account_uuid, outcome.amr) == (who, (way,))
    assert outcome.acr == f"urn:leersleutel:acr:{acr}"
    assert outcome.must_change is (kind is SecretKind.TEMPORARY)
    seen = _look(house, outcome.cookie)
    assert (seen.account_uuid, seen.given_name, seen.sid) == (who, "Noor", outcome.sid)
    carded = _try(house, "noor.peeters", typed, card=_card(house, who))
    assert (carded.amr, carded.acr) == ((way, "card"), f"urn:leersleutel:acr:{acr}+card")


def test_an_own_password_is_exact(house):
    make_login.pupil(house, secret="Zonnebloem in 7", kind=SecretKind.OWN)
    for typed in ("zonnebloem in 7", " Zonnebloem in 7", "Zonnebloem in 7 "):
        assert isinstance(_try(house, secret=typed), Wrong)
    assert isinstance(_try(house, secret="Zonnebloem in 7"), SignedIn)


def test_PWD_02_the_longest_own_password_is_not_a_beginning_of_others(house):
    longest = "zonnebloem in 7 " * 8
    assert len(longest) == 128
    make_login.pupil(house, secret=longest, kind=SecretKind.OWN)
    assert isinstance(_try(house, secret=longest + "x"), Wrong)
    assert isinstance(_try(house, secret=longest * 2), Wrong)
    assert isinstance(_try(house, secret=longest), SignedIn)


def test_signing_in_is_remembered_as_a_day_and_told_to_the_audit_trail(house):
    who = make_login.pupil(house)
    outcome = _try(house)
    with house.database.reading() as db:
        assert db.scalar(select(Account.last_sign_in_on)) == house.clock.today()
        event = db.execute(
            select(AuditEvent.actor, AuditEvent.details).where(AuditEvent.event == "signed_in")
        )
        assert event.one() == (f"pupil:{who}", {"amr": ["pictures"], "acr": outcome.acr})
        assert db.scalar(select(func.count()).select_from(Throttle)) == 0


def test_SESS_01_a_new_sign_in_gets_a_new_session_and_the_old_one_ends(house):
    make_login.pupil(house)
    first = _try(house)
    second = _try(house, previous=first.sid)
    assert first.cookie != second.cookie
    assert first.sid != second.sid
    assert _look(house, first.cookie) is None
    assert _look(house, second.cookie) is not None


def test_SESS_09_of_more_sessions_than_allowed_the_oldest_gives_way_to_a_sign_in(house):
    make_login.pupil(house)
    house = replace(house, settings=house.settings.model_copy(update={"sessions_per_pupil": 2}))

    def living(*all_of_them):
        house.clock.move(seconds=1)
        return [_look(house, one.cookie) is not None for one in all_of_them]

    first = _try(house)
    assert living(first) == [True]
    second = _try(house)
    assert living(first, second) == [True, True]
    third = _try(house)
    assert living(first, second, third) == [False, True, True]
    instead = _try(house, previous=third.sid)
    assert living(second, third, instead) == [True, False, True], "its own place was free"


def test_SESS_09_sign_ins_of_one_pupil_at_one_moment_keep_to_it_too(house):
    """All of them wait for the first, and see its session when it is their turn."""
    who = make_login.pupil(house)
    house = replace(house, settings=house.settings.model_copy(update={"sessions_per_pupil": 2}))
    known = [make_login.known_browser(who, house) for _ in range(4)]

    def one(browser):
        with audit.circumstances(audit.Circumstances(now=house.clock.now())):
            return _try(house, browser=browser)

    with ThreadPoolExecutor(len(known)) as pool:
        if house.database.sqlite:
            tries = [pool.submit(one, browser) for browser in known]
        else:
            with house.database.transaction() as db:
                db.execute(select(Account.username).with_for_update())
                tries = [pool.submit(one, browser) for browser in known]
                make_race.until_they_wait(house, len(known))
        assert all(isinstance(one.result(), SignedIn) for one in tries)
    with house.database.reading() as db:
        living = select(func.count()).select_from(Session).where(Session.ended_at.is_(None))
        assert db.scalar(living) == 2


def test_PWD_03_a_temporary_password_expires_which_only_its_owner_hears(house):
    soon = house.clock.now() + timedelta(days=1)
    make_login.pupil(house, secret="pgu9J7Zn", kind=SecretKind.TEMPORARY, secret_expires_at=soon)
    assert isinstance(_try(house, secret="pgu9J7Zn"), SignedIn)
    house.clock.move(days=1)
    assert isinstance(_try(house, secret="wwuKpjpY"), Wrong)
    assert isinstance(_try(house, secret="pgu9J7Zn"), Expired)
    with house.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Session)) == 1


def test_a_pupil_can_confirm_without_a_new_session(house):
    make_login.pupil(house)
    assert isinstance(sign_in.confirm(house, make_login.attempt()), Confirmed)
    assert isinstance(sign_in.confirm(house, make_login.attempt(secret=WRONG[0])), Wrong)
    with house.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Session)) == 0


def test_PWD_01_hashes_are_argon2id_with_a_salt_each_and_follow_new_parameters_and_peppers(house):
    make_login.pupil(house)
    make_login.pupil(house, "jan.maes")

    def stored():
        with house.database.reading() as db:
            return db.execute(select(Account.secret_hash, Account.pepper_id).order_by(Account.username)).all()

    before = stored()
    assert all(one.secret_hash.startswith("$argon2id$v=19$m=8192,t=1,p=1$") for one in before)
    assert before[0] != before[1]
    stronger = house.settings.model_copy(update={"argon2_time": 2})
    peppers = {**house.keys.peppers, "pepper-2": entropy.key_bytes()}
    later = replace(house, hasher=Hasher(stronger, peppers=peppers, current="pepper-2"))
    assert isinstance(_try(later), SignedIn)
    after = stored()
    assert after[0] == before[0]
    assert after[1].secret_hash.startswith("$argon2id$v=19$m=8192,t=2,p=1$")
    assert after[1].pepper_id == "pepper-2"
    assert isinstance(_try(later), SignedIn)


def test_a_secret_that_is_renewed_while_somebody_signs_in_lets_nobody_in(house):
    make_login.pupil(house)
    real = house.hasher

    class Slow(Hasher):
        def __init__(self):
            self.__dict__.update(real.__dict__)

        def verify(self, stored, secret):
            verdict = super().verify(stored, secret)
            with house.database.transaction() as db:
                db.execute(update(Account).values(secret_hash="new"))
            return verdict

    assert isinstance(_try(replace(house, hasher=Slow())), Wrong)


def test_SESS_04_a_password_that_is_chosen_while_the_school_gives_another_changes_nothing(house):
    uuid = make_login.pupil(house, secret="zonnebloem in 7", kind=SecretKind.OWN)
    who = _look(house, _try(house, secret="zonnebloem in 7").cookie)
    real = house.hasher

    class Slow(Hasher):
        def __init__(self):
            self.__dict__.update(real.__dict__)

        def hash_waiting(self, secret):
            stored = super().hash_waiting(secret)
            with house.database.transaction() as db:
                db.execute(update(Account).values(secret_hash="of the school"))
                sessions.end_all(db, uuid, "secret_renewed", house.clock.now(), grants=True)
            return stored

    with pytest.raises(SignInRequired):
        own_password.change(replace(house, hasher=Slow()), who, "paarse giraf in de kelder", language="nl")
    with house.database.reading() as db:
        assert db.scalar(select(Account.secret_hash)) == "of the school"
        assert not db.scalar(select(func.count()).select_from(Session).where(Session.ended_at.is_(None)))


# ---------------------------------------------------------------- learning nothing


def _outcomes(house, username):
    outcomes = [_try(house, username, secret) for secret in _wrongs(12)]
    with house.database.reading() as db:
        step = sign_in.next_step(db, house.keys, username, house.clock.today())
    return outcomes, step


def test_ENUM_01_unknown_inactive_blocked_and_wrong_get_the_same_answers(house):
    make_login.pupil(house)
    make_login.pupil(house, "blocked", blocked_at=house.clock.now())
    make_login.pupil(house, "gone", enrolled=False)
    answers = [_outcomes(house, name) for name in ("noor.peeters", "blocked", "gone", "no.body")]
    assert all(one == answers[0] for one in answers)
    assert answers[0][0][:10] == [Wrong()] * 9 + [
        Wrong(wait=Wait(seconds=3600, counter=throttle.Counter.STRANGER))
    ]
    assert isinstance(answers[0][0][10], Wait)


def test_ENUM_01_a_right_secret_of_someone_who_may_not_sign_in_is_just_wrong(house):
    make_login.pupil(house, "blocked", blocked_at=house.clock.now())
    make_login.pupil(house, "gone", enrolled=False)
    assert _try(house, "blocked") == _try(house, "gone") == _try(house, "no.body") == Wrong()


def test_BRUTE_16_a_right_secret_while_waiting_is_no_oracle(house):
    make_login.pupil(house)
    for secret in _wrongs(10):
        _try(house, secret=secret)
    assert _try(house, secret=KAT) == _try(house, secret=WRONG[0])
    assert isinstance(_try(house), Wait)


def test_the_step_for_a_name_without_account_follows_the_real_mix_and_stays(house):
    for number in range(12):
        kind = SecretKind.PICTURE if number % 4 else SecretKind.BASIC
        make_login.pupil(house, f"pupil{number}", "29ban9", kind)
    with house.database.reading() as db:

        def steps():
            return [
                sign_in.next_step(db, house.keys, f"nobody{number}", house.clock.today())
                for number in range(200)
            ]

        first = steps()
        assert steps() == first
    assert 0 < first.count(sign_in.Step.PASSWORD) < 200


def test_the_step_for_an_account_is_what_it_has(house):
    make_login.pupil(house)
    make_login.pupil(house, "jan.maes", "29ban9", SecretKind.BASIC)
    with house.database.reading() as db:
        steps = [
            sign_in.next_step(db, house.keys, name, house.clock.today())
            for name in ("noor.peeters", "jan.maes")
        ]
    assert steps == [sign_in.Step.PICTURES, sign_in.Step.PASSWORD]


@pytest.mark.parametrize("username", ["", "a@b", "x" * 51, "jan\x00", "\u202e"])
def test_NAME_07_an_impossible_name_is_wrong_without_any_work(house, username):
    assert _try(house, username) == Wrong()
    with house.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Throttle)) == 0


@pytest.mark.parametrize("secret", ["", "a" * 1_000_000, "\ud800", "\x00", "kat appel", "ﷺ" * 900])
def test_DOS_01_any_secret_gets_an_answer_in_no_time(house, secret):
    make_login.pupil(house)
    begin = time.process_time()
    assert _try(house, secret=secret) == Wrong()
    assert time.process_time() - begin < 1


def test_BRUTE_09_ways_to_write_a_name_share_one_counter(house):
    make_login.pupil(house)
    ways = ("noor.peeters", "NOOR.PEETERS", " noor peeters", "nóór.peeters", "ｎoor.peeters")
    outcomes = [_try(house, way, secret) for way, secret in zip(itertools.cycle(ways), _wrongs(15))]
    assert sum(isinstance(one, Wrong) for one in outcomes) == 10


# ---------------------------------------------------------------- channels


def test_BRUTE_06_a_pupil_gets_in_by_card_or_known_browser_while_strangers_fail(house):
    who = make_login.pupil(house)
    known = browsers.recognise(house.keys, _try(house).browser_cookie, house.clock.now(), days=90)
    for secret in _wrongs(20):
        _try(house, secret=secret, browser=browsers.Browser(id="stranger"))
    assert isinstance(_try(house, browser=browsers.Browser(id="stranger")), Wait)
    assert isinstance(_try(house, browser=known), SignedIn)
    assert isinstance(_try(house, browser=browsers.Browser(id="x"), card=_card(house, who)), SignedIn)
    ours = make_devices.device(house, make_devices.school_of(house, who))
    assert isinstance(_try(house, browser=browsers.Browser(id="y"), class_device=ours), SignedIn)


def test_BRUTE_06_a_device_of_the_school_is_one_browser_whatever_cookies_it_leaves_out(house):
    who = make_login.pupil(house)
    ours = make_devices.device(house, make_devices.school_of(house, who))
    outcomes = [
        _try(house, secret=secret, browser=browsers.Browser(id=f"new {number}"), class_device=ours)
        for number, secret in enumerate(_wrongs(6))
    ]
    assert outcomes[-1] == Wait(seconds=30, counter=throttle.Counter.BROWSER)
    other = make_devices.device(house, make_devices.school_of(house, who))
    assert isinstance(_try(house, browser=browsers.Browser(id="z"), class_device=other), SignedIn)


def test_a_device_of_another_school_is_a_stranger(house):
    make_login.pupil(house)
    with house.database.transaction() as db:
        other = make.school(db)
    theirs = make_devices.device(house, other)
    for secret in _wrongs(11):
        outcome = _try(house, secret=secret, browser=browsers.Browser(id="y"), class_device=theirs)
    assert outcome == Wait(seconds=3600, counter=throttle.Counter.STRANGER)


def test_a_device_of_a_school_that_the_pupil_left_is_a_stranger(house):
    who = make_login.pupil(house)
    ours = make_devices.device(house, make_devices.school_of(house, who))
    with house.database.transaction() as db:
        db.execute(update(Enrolment).values(einddatum=make.TODAY - timedelta(days=1)))
        other = make.school(db)
        make.enrolment(db, who, other)
    for secret in _wrongs(11):
        outcome = _try(house, secret=secret, browser=browsers.Browser(id="y"), class_device=ours)
    assert outcome == Wait(seconds=3600, counter=throttle.Counter.STRANGER)


def test_another_pupils_card_or_browser_opens_no_channel(house):
    make_login.pupil(house)
    jan = make_login.pupil(house, "jan.maes")
    card, known = _card(house, jan), make_login.known_browser(jan, house)
    outcomes = [_try(house, secret=secret, card=card, browser=known) for secret in _wrongs(11)]
    assert outcomes[-1] == Wait(seconds=3600, counter=throttle.Counter.STRANGER)


def test_a_voided_card_in_a_cookie_is_no_card(house):
    who = make_login.pupil(house)
    card = _card(house, who)
    with house.database.transaction() as db:
        cards.void(db, card_id=card.id, now=house.clock.now())
    assert _try(house, card=card).amr == ("pictures",)


def test_a_browser_is_known_for_ninety_days_and_only_by_those_who_signed_in(house):
    who, now = make_login.pupil(house), house.clock.now()
    browser = browsers.recognise(house.keys, _try(house).browser_cookie, now, days=90)
    assert browser.id == make_login.BROWSER.id
    today = house.clock.today()
    assert browser.knows(who, today + timedelta(days=89), days=90)
    assert not browser.knows(who, today + timedelta(days=90), days=90)
    assert not browser.knows(entropy.identifier(), today, days=90)
    assert browsers.recognise(house.keys, "forged", now, days=90).fresh


def test_the_cookie_of_a_class_tablet_stays_small_enough(house):
    browser = browsers.Browser(id=entropy.url_safe(16))
    for _ in range(120):
        browser = browsers.after_meeting(browser, entropy.identifier(), house.clock.now())
    assert len(browsers.cookie(house.keys, browser, house.clock.now())) < 2500


# ---------------------------------------------------------------- many at once


def test_BRUTE_02_thirty_guesses_at_once_are_ten_looked_at(house):
    make_login.pupil(house)
    begin = threading.Barrier(30)
    roomy = replace(house, hasher=_roomy(house))

    def guess(secret):
        with audit.circumstances(audit.Circumstances(now=house.clock.now())):
            begin.wait()
            return _try(roomy, secret=secret)

    with ThreadPoolExecutor(30) as pool:
        outcomes = [*pool.map(guess, _wrongs(30))]
    assert sum(isinstance(one, Wrong) for one in outcomes) == 10


def _guess_elsewhere(settings, moment, secrets, results):
    house = context.open_house(settings, clock=clock.Stopped(moment))
    with audit.circumstances(audit.Circumstances(now=moment)):
        for secret in secrets:
            results.put(type(_try(house, secret=secret)).__name__)
    house.database.close()


def test_BRUTE_02_guesses_from_two_processes_share_one_counter(house):
    make_login.pupil(house)
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    secrets = [*_wrongs(32)]
    workers = [
        spawn.Process(
            target=_guess_elsewhere, args=(house.settings, house.clock.now(), secrets[part::2], results)
        )
        for part in range(2)
    ]
    for worker in workers:
        worker.start()
    outcomes = [results.get(timeout=300) for _ in secrets]
    for worker in workers:
        worker.join(timeout=60)
    assert sorted(outcomes) == ["Wait"] * 22 + ["Wrong"] * 10


def test_DOS_02_who_finds_the_gate_full_is_asked_to_come_back_and_loses_no_try(house):
    make_login.pupil(house)

    class Full(Hasher):
        def __init__(self):
            self.__dict__.update(house.hasher.__dict__)

        def verify(self, stored, secret):
            raise Busy("hash_queue_full")

    for _ in range(15):
        with pytest.raises(Busy):
            _try(replace(house, hasher=Full()))
    assert isinstance(_try(house), SignedIn)


def _class(house, size):
    """Pupils of one class who share one hash, so that a test does not wait for theirs."""
    secrets = [secret for secret in pictures.every() if secret != KAT]
    for number in range(size):
        make_login.pupil(house, f"pupil{number}")
    return secrets


def test_BRUTE_17_a_class_of_thirty_behind_one_address_gets_in_with_a_fifth_wrong(house):
    wrong = _class(house, 30)
    getting_in = []
    for number in range(30):
        browser = browsers.Browser(id=f"tablet{number}")
        if number % 5 == 0:
            assert _try(house, f"pupil{number}", wrong[number], browser=browser) == Wrong()
        house.clock.move(seconds=2)
        getting_in.append(_try(house, f"pupil{number}", KAT, browser=browser))
    assert all(isinstance(one, SignedIn) for one in getting_in)


def test_BRUTE_17_the_same_class_gets_in_when_all_press_at_once(house):
    wrong = _class(house, 30)
    begin = threading.Barrier(30)
    roomy = replace(house, hasher=_roomy(house))

    def child(number):
        with audit.circumstances(audit.Circumstances(now=house.clock.now())):
            browser = browsers.Browser(id=f"tablet{number}")
            begin.wait()
            if number % 5 == 0:
                _try(roomy, f"pupil{number}", wrong[number], browser=browser)
            return _try(roomy, f"pupil{number}", browser=browser)

    with ThreadPoolExecutor(30) as pool:
        outcomes = [*pool.map(child, range(30))]
    assert all(isinstance(one, SignedIn) for one in outcomes)


def test_BRUTE_05_two_hundred_pupils_behind_one_address_get_in_with_typos(house):
    secret = house.hasher.hash(KAT)
    with house.database.transaction() as db:
        for number in range(200):
            make_login.pupil(replace(house, hasher=_Remembered(secret)), f"pupil{number}", db=db)
    for number in range(200):
        if number % 20 == 0:
            assert _try(house, f"pupil{number}", WRONG[0]) == Wrong()
        assert isinstance(_try(house, f"pupil{number}"), SignedIn)


class _Remembered:
    """One hash for a whole school, to make many pupils quickly."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    def hash(self, secret: str) -> Stored:
        return self._stored


def _roomy(house):
    """The same hasher with room for a class in its queue on a small machine."""
    settings = house.settings.model_copy(update={"hash_wait_seconds": 60})
    return Hasher(settings, peppers=house.keys.peppers, current=house.keys.pepper)


def test_the_settings_of_the_tests_are_cheap_and_those_of_production_are_owasps():
    assert (config.Settings().argon2_memory_kib, config.Settings().argon2_time) == (19456, 2)
