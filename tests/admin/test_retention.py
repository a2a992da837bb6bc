"""Nothing is kept longer than docs/retention.md says, and nothing goes before its time."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import delete, func, insert, select, update

from idp import apps, audit, entropy, models, pacing
from idp.admin.agreements import sharing
from idp.admin.apps import app_requests
from idp.admin.privacy import deleting, retention
from idp.admin.records import trail
from idp.admin.staff import access
from idp.claims import consent, pseudonym
from idp.entropy import Token
from idp.errors import NotFound
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
        who = {"voornaam": "Mira", "naam": "Peeters", "e_mail": None, "created_at": make.NOW - 2_000 * DAY}
        db.execute(insert(models.Person), [who | {"person_id": f"p{n}"} for n in range(pupils)])
        used = [{"client_id": "a", "jti_digest": f"{n:064}", "expires_at": old} for n in range(rows)]
        db.execute(insert(models.UsedAssertion), used)
    counts = retention.tidy(house, make.NOW)
    assert (counts["names"], counts["names of staff"], counts["used_assertion"]) == (2 * pupils, pupils, rows)
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


def test_what_stays_among_what_expired_is_looked_at_once(house):
    """Most of those that expired first stay; those of one moment are more than one transaction takes."""
    rows, old = pacing.FIRST + 7, make.NOW - DAY
    values = [
        {"client_id": "stays" if n < rows else "goes", "jti_digest": f"{n:064}", "expires_at": old}
        for n in range(2 * rows)
    ]
    with house.database.transaction() as db:
        db.execute(insert(models.UsedAssertion), values)
    moment = models.UsedAssertion.expires_at
    going = (moment < make.NOW) & (models.UsedAssertion.client_id == "goes")
    assert deleting.straight(house, models.UsedAssertion, moment, going) == rows
    assert count(house, models.UsedAssertion) == rows


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


def met(house, db, app, who) -> str:
    return pseudonym.remember(db, house.keys, app, who, make.NOW)


def knew(house) -> set[str]:
    with house.database.reading() as db:
        return {*db.execute(select(models.AppPupil.sub)).scalars()}


@pytest.mark.parametrize(("days", "kept"), [(1826, True), (1827, False)])
def test_what_apps_call_a_pupil_goes_five_years_after_the_last_enrolment(house, days, kept):
    last = make.TODAY - days * DAY
    with house.database.transaction() as db:
        one, other = make.app(db), make.app(db)
        story = make.story(db)
        here, long_gone = make.pupil(db), make.pupil(db)
        make.enrolment(db, here, story.school, begindatum=last - 100 * DAY, einddatum=last)
        make.enrolment(
            db, long_gone, story.school, begindatum=last - 4_000 * DAY, einddatum=last - 3_000 * DAY
        )
        subs = {met(house, db, app, here) for app in (one, other)}
        met(house, db, one, long_gone), met(house, db, one, story.pupil)
        stays = met(house, db, one, story.pupil)
    retention.tidy(house, make.NOW)
    assert knew(house) == {stays} | (subs if kept else set())
    with house.database.reading() as db:
        assert len(db.execute(select(models.Pupil.account_uuid)).all()) == 3, (
            "the identifier is nobody else's"
        )
    assert retention.tidy(house, make.NOW)["identifiers"] == 0


def test_who_comes_back_in_time_is_who_apps_knew_also_when_it_could_not_be_reckoned_again(house):
    """After a merge an app knows the survivor by the name of the other one, and a subject type may have changed."""
    last = make.TODAY - 1_800 * DAY
    with house.database.transaction() as db:
        school = make.school(db)
        surviving, merged = make.pupil(db), make.pupil(db)
        make.enrolment(db, surviving, school, begindatum=last - 100 * DAY, einddatum=last)
        by_merge, by_type = make.app(db), make.app(db)
        before = met(house, db, by_merge, merged), met(house, db, by_type, surviving)
        pseudonym.merge(db, surviving=surviving, merged=merged)
        mine = models.App.client_id == by_type.client_id
        row = db.execute(select(models.App.registration).where(mine)).scalar_one()
        changed = row | {"subject_type": "public"}
        db.execute(update(models.App).where(mine).values(registration=changed))
    retention.tidy(house, make.NOW)
    with house.database.transaction() as db:
        make.enrolment(db, surviving, school)
        known = [apps.load(db, one.client_id) for one in (by_merge, by_type)]
        assert tuple(met(house, db, app, surviving) for app in known) == before
    retention.tidy(house, make.NOW)
    assert knew(house) == {*before}


@pytest.mark.parametrize(
    ("days", "names", "kept"), [(364, True, True), (400, False, True), (1_900, False, False)]
)
def test_of_an_account_that_was_merged_goes_what_goes_of_who_the_pupil_is_now(house, days, names, kept):
    """It has no enrolment of its own any more: those went to the one that survived."""
    last = make.TODAY - days * DAY
    with house.database.transaction() as db:
        surviving = make.pupil(db)
        merged = make.pupil(db, voornaam="Noor", naam="Peeters", geboortedatum=date(2015, 1, 1))
        make.enrolment(db, surviving, make.school(db), begindatum=last - 100 * DAY, einddatum=last)
        make.account(db, merged, "noor.peeters")
        app = make.app(db)
        subs = {met(house, db, app, who) for who in (surviving, merged)}
        pseudonym.merge(db, surviving=surviving, merged=merged)
    retention.tidy(house, make.NOW)
    with house.database.reading() as db:
        row = db.execute(select(models.Pupil).where(models.Pupil.account_uuid == merged)).mappings().one()
    assert (row["voornaam"], row["geboortedatum"]) == (("Noor", date(2015, 1, 1)) if names else (None, None))
    assert row["merged_into"] == surviving
    assert count(house, models.Account) == int(kept)
    assert knew(house) == (subs if kept else set())


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


# ---------------------------------------------------------------- names of staff, and what their programs are called


def gone(db, school, days, **columns) -> str:
    """Somebody whose last right at this school ended so many days ago."""
    words = {"e_mail": "mira@school.example", "created_at": make.NOW - 2_000 * DAY} | columns
    person, last = make.person(db, **words), make.TODAY - days * DAY
    make.right(db, person, school, begindatum=last - 100 * DAY, einddatum=last)
    return person


@pytest.mark.parametrize(("days", "named"), [(731, True), (732, False)])
def test_names_and_addresses_of_staff_go_two_years_after_the_last_right(house, days, named):
    with house.database.transaction() as db:
        school = make.school(db)
        left, working = gone(db, school, days), gone(db, school, 900)
        make.right(db, working, school)
        fresh = make.person(db, created_at=make.NOW - 300 * DAY)
    assert retention.tidy(house, make.NOW)["names of staff"] == (0 if named else 1)
    with house.database.reading() as db:
        row = db.execute(select(models.Person).where(models.Person.person_id == left)).one()
        assert (row.voornaam, row.naam, row.e_mail) == (
            ("Mira", "Peeters", "mira@school.example") if named else ("", "", None)
        )
        assert {*staff_accounts.names(db, [left, working, fresh])} == {working, fresh} | (
            {left} if named else set()
        )
        assert {one for one, _name in trail.people(db, school)} == {working} | ({left} if named else set())
        rights = db.execute(select(models.Right.person_id)).scalars().all()
    assert sorted(rights) == sorted([left, working, working]), "who could do what stays known, by id"
    assert retention.tidy(house, make.NOW)["names of staff"] == 0


@pytest.mark.parametrize(("ago", "named"), [(None, True), (730, True), (732, False)])
def test_who_agreed_to_share_is_known_by_name_while_that_counts_and_two_years_more(house, ago, named):
    """The agreement is evidence: of what was agreed, and by whom. Afterwards it names a person by id."""
    with house.database.transaction() as db:
        school = make.school(db)
        director = gone(db, school, 1_500)
        ended = {"stopped_at": make.NOW - ago * DAY, "stopped_by": f"person:{director}"} if ago else {}
        make.agreement(db, school, given_by=director, given_at=make.NOW - 1_600 * DAY, **ended)
    retention.tidy(house, make.NOW)
    with house.database.reading() as db:
        (past,) = sharing._agreements(db, school) if ago else [None]
        assert {*staff_accounts.names(db, [director])} == ({director} if named else set())
    if past:
        assert past.given_by == past.stopped_by == ("Mira Peeters" if named else director)


def test_who_is_not_known_by_name_any_more_gets_no_right_before_there_is_a_name_again(house):
    with house.database.transaction() as db:
        school = make.school(db)
        left = gone(db, school, 1_000)
    retention.tidy(house, make.NOW)
    words = {
        "person_id": left,
        "kind": models.RightKind.BEHEERDER,
        "instellingsnummer": school,
        "now": make.NOW,
    }
    known = audit.Circumstances(now=make.NOW, actor="operator:cli")
    with house.database.transaction() as db, audit.circumstances(known):
        with pytest.raises(NotFound, match="person_unknown"):
            access.grant(db, **words)
        access.meet(db, person_id=left, voornaam="Mira", naam="Peeters", now=make.NOW)
        assert access.grant(db, **words)
    assert retention.tidy(house, make.NOW)["names of staff"] == 0


@pytest.mark.parametrize("end", ["expires_at", "revoked_at"])
@pytest.mark.parametrize(("days", "left"), [(730, 1), (732, 0)])
def test_tokens_of_operators_programs_go_two_years_after_they_ended(house, end, days, left):
    with house.database.transaction() as db:
        ended = {"expires_at": make.NOW + DAY, "revoked_at": None} | {end: make.NOW - days * DAY}
        token(db, **ended)
    retention.tidy(house, make.NOW)
    assert count(house, models.OperatorToken) == left


def test_a_token_is_known_for_as_long_as_what_it_asked_for_waits(house):
    """Otherwise whoever made the token could approve the change alone."""
    with house.database.transaction() as db:
        name = token(db, expires_at=make.NOW - 900 * DAY, revoked_at=None)
        row = {
            "id": entropy.row_id(),
            "client_id": "app",
            "supplier": None,
            "changes": {},
            "widens": ["scope"],
        }
        row |= {"reason": "", "requested_by": f"operator-token:{name}", "requested_at": make.NOW}
        row |= {"state": models.RequestState.WAITING, "decided_by": None, "decided_at": None, "answer": None}
        db.execute(insert(models.AppRequest), row)
    retention.tidy(house, make.NOW)
    with house.database.transaction() as db:
        assert app_requests.principal(db, f"operator-token:{name}") == "person:anna"
        db.execute(update(models.AppRequest).values(state=models.RequestState.REFUSED))
    retention.tidy(house, make.NOW)
    assert count(house, models.OperatorToken) == 0


def token(db, **columns) -> str:
    row = {
        "id": entropy.row_id(),
        "digest": entropy.key_bytes(),
        "label": "nachtwerk van Anna",
        "scope": "apps",
    }
    row |= {"created_by": "person:anna", "created_at": make.NOW - 1_000 * DAY, "last_used_on": None}
    db.execute(insert(models.OperatorToken), row | columns)
    return row["id"]


@pytest.mark.parametrize(("days", "left"), [(29, 2), (31, 1)])
def test_what_proved_an_app_or_a_package_goes_thirty_days_after_it_ended(house, days, left):
    ended = make.NOW - days * DAY
    with house.database.transaction() as db:
        app = make.app(db)
        row = {"client_id": "pakket", "naam": "Pakket", "scope": "", "pakket": "wisa", "jwks": None}
        db.execute(insert(models.FeedClient), row | {"created_at": ended, "disabled_at": None})
        for model, whose in ((models.AppSecret, app.client_id), (models.FeedSecret, "pakket")):
            db.execute(delete(model))
            for until in (None, ended):
                row = {"id": entropy.row_id(), "client_id": whose, "digest": entropy.identifier()}
                db.execute(insert(model), row | {"created_at": ended, "expires_at": until})
    retention.tidy(house, make.NOW)
    assert (count(house, models.AppSecret), count(house, models.FeedSecret)) == (left, left)
