"""Nothing is kept longer than docs/retention.md says, and nothing goes before its time."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import func, insert, select, update

from idp import entropy, models, pacing
from idp.admin.privacy import deleting, retention
from idp.claims import consent
from idp.entropy import Token
from idp.login import staff_accounts
from tests import make, make_staff

DAY = timedelta(days=1)


def count(house, model) -> int:
    with house.database.reading() as db:
        return db.execute(select(func.count()).select_from(model)).scalar_one()


def session(db, account_uuid, *, expires_at) -> str:
    sid = entropy.identifier()
    row = {
        "sid": sid,
        "cookie_digest": entropy.key_bytes(),
        "account_uuid": account_uuid,
        "auth_time": make.NOW,
    }
    row |= {"amr": ["pwd"], "acr": "x", "must_change": False, "shared": False, "last_seen_at": make.NOW}
    db.execute(insert(models.Session), row | {"expires_at": expires_at})
    return sid


@pytest.mark.parametrize(("days", "left"), [(29, 1), (31, 0)])
def test_sessions_grants_and_tokens_go_thirty_days_after_they_expired(house, days, left):
    now = make.NOW
    ended = now - days * DAY
    with house.database.transaction() as db:
        story = make.story(db)
        sid = session(db, story.pupil, expires_at=ended)
        grant = entropy.row_id()
        row = {"id": grant, "client_id": story.app.client_id, "account_uuid": story.pupil, "sid": sid}
        row |= {
            "scope": "openid",
            "auth_time": now,
            "amr": [],
            "acr": "x",
            "offline": False,
            "created_at": now,
        }
        db.execute(insert(models.Grant), row | {"expires_at": ended})
        token = {"digest": entropy.digest(entropy.token(Token.ACCESS, now), Token.ACCESS), "grant_id": grant}
        token |= {"client_id": story.app.client_id, "scope": "openid", "issued_at": now, "expires_at": ended}
        db.execute(insert(models.AccessToken), token)
    retention.tidy(house, now)
    assert [count(house, model) for model in (models.Session, models.Grant, models.AccessToken)] == [left] * 3


def test_LIFE_07_class_rows_go_when_replaced_left_or_stopped(house):
    with house.database.transaction() as db:
        story = make.story(db)
        gone = make.pupil(db)
        make.enrolment(db, gone, story.school, begindatum=date(2024, 9, 1), einddatum=date(2025, 8, 31))
        make.membership(db, story.klas, gone, begindatum=date(2024, 9, 1))
        replaced = make.pupil(db)
        make.enrolment(db, replaced, story.school)
        make.membership(db, story.klas, replaced, replaced_at=make.NOW - 8 * DAY)
        quiet = make.school(db)
        make.membership(db, make.klas(db, quiet), story.pupil)
    assert count(house, models.ClassMembership) == 4
    retention.tidy(house, make.NOW)
    with house.database.reading() as db:
        assert db.execute(select(models.ClassMembership.account_uuid)).scalars().all() == [story.pupil]


def test_an_agreement_that_lapsed_takes_no_app_away(house):
    with house.database.transaction() as db:
        story = make.story(db, visible=False)
        make.rule(db, story.app.client_id, story.school, kind=models.RuleKind.KLAS, target=story.klas)
        make.protocol(db, in_force_from=make.TODAY, body="# Nieuw\n")
        assert not consent.state(db, story.school, make.TODAY).shares
    retention.tidy(house, make.NOW)
    with house.database.reading() as db:
        rules = db.execute(select(models.VisibilityRule.kind, models.VisibilityRule.target)).all()
    assert rules == [(models.RuleKind.PUPIL, story.pupil)]


@pytest.mark.parametrize(("days", "named"), [(364, True), (366, False)])
def test_names_and_cards_go_a_year_after_the_last_enrolment(house, days, named):
    last = make.TODAY - days * DAY
    with house.database.transaction() as db:
        who = make.pupil(db, voornaam="Noor", naam="Peeters", geboortedatum=date(2015, 1, 1))
        make.enrolment(db, who, make.school(db), begindatum=last - 100 * DAY, einddatum=last)
        make.account(db, who, "noor.peeters")
        row = {"id": entropy.row_id(), "account_uuid": who, "label": "school", "token_digest": "d"}
        db.execute(insert(models.Card), row | {"created_at": make.NOW, "expires_at": make.NOW})
    retention.tidy(house, make.NOW)
    with house.database.reading() as db:
        pupil = db.execute(select(models.Pupil.voornaam, models.Pupil.geboortedatum)).one()
        enrolment = db.execute(select(models.Enrolment.voornaam)).scalar_one()
    assert (pupil.voornaam is not None, pupil.geboortedatum is not None, enrolment != "") == (named,) * 3
    assert count(house, models.Card) == int(named)
    assert count(house, models.Account) == 1, "the user name stays somebody's for years"


def test_a_wave_of_leavers_and_of_assertions_goes_batch_by_batch_and_whole(house):
    """More than one round takes: each round is a short transaction, and nothing is left over."""
    pupils, rows = deleting.LOOKED // 4 + 3, pacing.MOST + 3
    last, old = make.TODAY - 400 * DAY, make.NOW - DAY
    with house.database.transaction() as db:
        school = make.school(db)
        for who in (entropy.identifier() for _ in range(pupils)):
            make.pupil(db, account_uuid=who, voornaam="Noor")
            make.enrolment(db, who, school, begindatum=last - DAY, einddatum=last)
        used = [{"client_id": "a", "jti_digest": f"{n:064}", "expires_at": old} for n in range(rows)]
        db.execute(insert(models.UsedAssertion), used)
    counts = retention.tidy(house, make.NOW)
    assert (counts["names"], counts["used_assertion"]) == (2 * pupils, rows)
    assert retention.tidy(house, make.NOW)["names"] == 0


@pytest.mark.parametrize("model", [models.UsedAssertion, models.WrongSecret])
def test_a_walk_through_a_large_table_deletes_what_it_looks_for_and_nothing_else(house, model):
    """Keys of two columns and of one, more of them than are found at once."""
    rows, whole = deleting.LOOKED + 7, make.NOW - DAY
    moment = model.expires_at if model is models.UsedAssertion else model.tried_at
    numbers = range(rows + 5)
    if model is models.UsedAssertion:
        key = [{"client_id": f"app-{n % 3}", "jti_digest": f"{n:064}"} for n in numbers]
    else:
        key = [{"digest": f"{n:064}"} for n in numbers]
    values = [one | {moment.key: whole if n < rows else make.NOW} for n, one in enumerate(key)]
    with house.database.transaction() as db:
        db.execute(insert(model), values)
    assert deleting.walking(house, model, moment < make.NOW) == rows
    assert count(house, model) == 5
    assert deleting.walking(house, model, moment < make.NOW) == 0


def test_a_transaction_takes_as_many_rows_as_are_done_in_a_fifth_of_a_second():
    moments = iter([0, 0.3, 1, 1.01, 2, 2.1, 3, 9, 10, 19, 20, 29, 30, 39])
    pace = pacing.Pace(lambda: next(moments), rows=800)
    taken = []
    for _ in range(7):
        with pace.kept() as rows:
            taken.append(rows)
    assert taken == [800, 400, 800, 800, 400, 200, 100]
    assert pace.rows == pacing.LEAST
    still = pacing.Pace(lambda: 0, rows=pacing.MOST)
    assert [len(some) for some in still.pieces(range(12_000))] == [5_000, 5_000, 2_000]


def test_after_five_years_only_identifiers_stay(house):
    last = make.TODAY - 5 * 366 * DAY
    with house.database.transaction() as db:
        who = make.pupil(db, national_number_digest="d" * 64, leerid_uuid=entropy.identifier())
        make.enrolment(db, who, make.school(db), begindatum=last - 100 * DAY, einddatum=last)
        make.account(db, who)
    retention.tidy(house, make.NOW)
    with house.database.reading() as db:
        row = db.execute(select(models.Pupil)).mappings().one()
    assert row["national_number_digest"] is None
    assert row["account_uuid"] == who
    assert row["leerid_uuid"] is not None
    assert count(house, models.Account) == 0


def test_a_pupil_who_is_enrolled_loses_nothing(house):
    with house.database.transaction() as db:
        story = make.story(db)
        db.execute(update(models.Pupil).values(voornaam="Noor"))
    for _ in range(2):
        retention.tidy(house, make.NOW)
    with house.database.reading() as db:
        assert db.execute(select(models.Pupil.voornaam)).scalars().all() == ["Noor"]
    assert count(house, models.ClassMembership) == 1
    assert story.username


@pytest.mark.parametrize(("days", "left"), [(364, 1), (367, 0)])
def test_how_staff_sign_in_goes_a_year_after_the_last_right(house, days, left):
    ended = make.TODAY - days * DAY
    one, working = make_staff.staff(house), make_staff.staff(house)
    with house.database.transaction() as db:
        long_ago = make.NOW - 800 * DAY
        db.execute(update(models.StaffAccount).values(created_at=long_ago))
        for who in (one, working):
            staff_accounts.new_recovery_codes(db, who.person_id, entropy.Chance(), long_ago)
            row = {"id": entropy.row_id(), "person_id": who.person_id, "credential_id": who.person_id}
            row |= {"public_key": b"k", "sign_count": 0, "label": "x", "created_at": long_ago}
            db.execute(insert(models.Passkey), row)
        theirs = models.Right.person_id == one.person_id
        db.execute(update(models.Right).where(theirs).values(einddatum=ended, begindatum=ended - 30 * DAY))
    retention.tidy(house, make.NOW)
    assert (count(house, models.StaffAccount), count(house, models.Passkey)) == (1 + left, 1 + left)
    assert count(house, models.RecoveryCode) == 10 * (1 + left)
    with house.database.reading() as db:
        assert staff_accounts.find(db, working.person_id).stored
        assert staff_accounts.find(db, one.person_id).naam


def test_who_was_set_up_before_a_first_right_is_not_forgotten_at_once(house):
    one = make_staff.staff(house)
    with house.database.transaction() as db:
        db.execute(models.Right.__table__.delete())
        db.execute(update(models.StaffAccount).values(created_at=make.NOW - 300 * DAY))
    retention.tidy(house, make.NOW)
    with house.database.reading() as db:
        assert staff_accounts.find(db, one.person_id).stored
