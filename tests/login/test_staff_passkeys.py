"""A passkey signs in who owns it: once for each question, on our address, with the person verified, and nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from idp import models
from idp.login import browsers, staff_accounts, staff_factors, staff_setup, staff_sign_in
from idp.login.staff_sign_in import Proven, Visitor, Wrong
from tests import make_staff
from tests.make_passkey import PRESENT, VERIFIED, Device

HERE = Visitor(browser=browsers.Browser(id="b1"), address="192.0.2.7")


def ask(house, **words):
    return staff_factors.ask(house.settings, house.keys, house.clock.now(), **words)


def owner(house, **words):
    """A person with a device whose passkey we know."""
    one, device = make_staff.staff(house), Device(origin=house.settings.issuer)
    with house.database.reading() as db:
        handle = staff_accounts.find(db, one.person_id).user_handle
    question = staff_factors.ask_new(
        house.settings,
        house.keys,
        house.clock.now(),
        user_handle=handle,
        name="ann",
        display_name="Ann",
        known=(),
    )
    answer = make_new(house, device.make(question, **words), question, handle)
    if answer is None:
        return one, None
    with house.database.transaction() as db:
        key = staff_setup.new_key(one.person_id, answer, "test", house.clock.now())
        staff_accounts.add_passkey(db, key)
    return one, device


def make_new(house, answer, question, handle):
    return staff_factors.check_new(
        house.settings,
        house.keys,
        house.clock.now(),
        answer=answer,
        sealed=question.sealed,
        user_handle=handle,
    )


def try_it(house, device, question=None, person_id=None, **changes):
    question = question or ask(house)
    answer = device.sign(question, **changes)
    return staff_sign_in.passkey(house, answer, question.sealed, HERE, person_id=person_id)


def test_a_passkey_alone_is_enough(house):
    one, device = owner(house)
    assert try_it(house, device) == Proven(person_id=one.person_id, amr=("passkey",))


def test_PASSKEY_01_an_answer_is_good_once(house):
    _, device = owner(house)
    question = ask(house)
    answer = device.sign(question)
    assert isinstance(staff_sign_in.passkey(house, answer, question.sealed, HERE), Proven)
    assert isinstance(staff_sign_in.passkey(house, answer, question.sealed, HERE), Wrong)
    assert isinstance(try_it(house, device, question), Wrong), "a new answer to a question that was answered"
    assert isinstance(try_it(house, device), Proven)


def test_PASSKEY_01_a_device_that_counts_nothing_cannot_be_replayed_either(house):
    _, device = owner(house)
    question = ask(house)
    answer = device.sign(question, count=0)
    assert isinstance(staff_sign_in.passkey(house, answer, question.sealed, HERE), Proven)
    assert isinstance(staff_sign_in.passkey(house, answer, question.sealed, HERE), Wrong)
    assert isinstance(try_it(house, device, count=0), Proven)


def test_PASSKEY_02_an_answer_to_another_question_is_refused(house):
    _, device = owner(house)
    answer = device.sign(ask(house))
    assert isinstance(staff_sign_in.passkey(house, answer, ask(house).sealed, HERE), Wrong)
    assert isinstance(staff_sign_in.passkey(house, answer, "", HERE), Wrong)


def test_PASSKEY_02_a_question_ends_after_ten_minutes(house, stopped):
    _, device = owner(house)
    question = ask(house)
    stopped.move(minutes=11)
    assert isinstance(try_it(house, device, question), Wrong)


def test_PASSKEY_02_a_question_for_a_new_key_signs_nobody_in(house):
    one, device = owner(house)
    with house.database.reading() as db:
        handle = staff_accounts.find(db, one.person_id).user_handle
    words = {"user_handle": handle, "name": "a", "display_name": "a", "known": ()}
    question = staff_factors.ask_new(house.settings, house.keys, house.clock.now(), **words)
    assert isinstance(try_it(house, device, question), Wrong)


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:9999"},
        {"origin": "http://localhost:8080.evil.example"},
        {"rp_id": "evil.example"},
        {"rp_id": "school.localhost"},
        {"type": "webauthn.create"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"flags": 0},
    ],
    ids=str,
)
def test_PASSKEY_03_another_address_or_nobody_verified_is_refused(house, changes):
    one, device = owner(house)
    assert isinstance(try_it(house, device, **changes), Wrong)
    assert isinstance(try_it(house, device), Proven)
    new = changes | ({"type": "webauthn.get"} if "type" in changes else {})
    assert owner(house, **new)[1] is None, "no such passkey is made either"
    with house.database.reading() as db:
        failed = db.execute(
            select(models.AuditEvent.object, models.AuditEvent.details).where(
                models.AuditEvent.event == "staff_sign_in_failed"
            )
        ).one()
    assert (failed.object, failed.details["way"]) == (f"person:{one.person_id}", "passkey")


def test_PASSKEY_04_the_key_of_another_person_is_no_second_factor(house):
    one, device = owner(house)
    other, _ = owner(house)
    assert isinstance(try_it(house, device, person_id=other.person_id), Wrong)
    assert isinstance(try_it(house, device, person_id=one.person_id), Proven)


def test_PASSKEY_04_a_key_never_speaks_for_another_person(house):
    _, device = owner(house)
    _, theirs = owner(house)
    assert isinstance(try_it(house, device, handle=theirs.handle), Wrong)
    assert isinstance(try_it(house, device, handle=b"\xff\xfe"), Wrong)
    mine, device.credential_id = device.credential_id, theirs.credential_id
    assert isinstance(try_it(house, device, handle=theirs.handle), Wrong), (
        "signed with my key, named as theirs"
    )
    device.credential_id = mine
    assert isinstance(try_it(house, device), Proven)


def test_PASSKEY_04_a_key_made_for_another_person_is_not_taken(house):
    one, device = owner(house)
    question = staff_factors.ask_new(
        house.settings,
        house.keys,
        house.clock.now(),
        user_handle="somebody",
        name="x",
        display_name="x",
        known=(),
    )
    with house.database.reading() as db:
        handle = staff_accounts.find(db, one.person_id).user_handle
    assert make_new(house, device.make(question), question, handle) is None


@pytest.mark.parametrize("count", [4, 5])
def test_PASSKEY_05_a_counter_that_goes_back_or_stands_still_is_a_copy(house, count):
    one, device = owner(house)
    with house.database.transaction() as db:
        db.execute(update(models.Passkey).values(sign_count=5))
    assert isinstance(try_it(house, device, count=count), Wrong)
    assert isinstance(try_it(house, device, count=6), Proven)
    with house.database.reading() as db:
        (key,) = staff_accounts.passkeys(db, one.person_id)
    assert key.sign_count == 6


def test_a_passkey_that_was_removed_opens_nothing(house):
    one, device = owner(house)
    with house.database.transaction() as db:
        (key,) = staff_accounts.passkeys(db, one.person_id)
        assert not staff_accounts.remove_passkey(db, "somebody", key.id)
        assert staff_accounts.remove_passkey(db, one.person_id, key.id)
    assert isinstance(try_it(house, device), Wrong)


@pytest.mark.parametrize(
    "answer", ["", "{}", "[]", "7", "x" * 30_000, '{"id": 7}', "[" * 5000, '{"id": "a"}']
)
def test_what_is_no_answer_is_wrong_and_nothing_breaks(house, answer):
    assert isinstance(staff_sign_in.passkey(house, answer, ask(house).sealed, HERE), Wrong)


def test_answered_questions_are_forgotten_when_they_can_no_longer_be_asked(house):
    from idp.admin.privacy import retention

    _, device = owner(house)
    try_it(house, device)
    retention.tidy(house, house.clock.now() + timedelta(minutes=10))
    with house.database.reading() as db:
        assert db.execute(select(models.UsedChallenge.digest)).first()
    retention.tidy(house, house.clock.now() + timedelta(minutes=21))
    with house.database.reading() as db:
        assert db.execute(select(models.UsedChallenge.digest)).first() is None
