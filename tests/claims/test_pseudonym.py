"""Does an app see one name for a pupil, always the same, and nobody else's?"""

from __future__ import annotations

import concurrent.futures
import json

import pytest
from sqlalchemy import func, insert, select, update

from idp import apps, models
from idp.claims import disclose, pseudonym
from idp.errors import Invalid, NotFound
from tests import make
from tests.make_reading import stands


def meet(house, db, app, pupil):
    return pseudonym.remember(db, house.keys, app, pupil, make.NOW)


def test_a_subject_is_64_hex_digits_and_differs_for_every_sector(house):
    with house.database.transaction() as db:
        who, one, other = make.pupil(db), make.app(db), make.app(db)
        subs = {meet(house, db, app, who) for app in (one, other)}
    assert len(subs) == 2
    assert all(len(sub) == 64 and int(sub, 16) >= 0 for sub in subs)
    assert all(who not in sub for sub in subs)


def test_JWT_12_a_subject_never_changes_with_school_name_user_name_or_app_secret(house):
    with house.database.transaction() as db:
        story = make.story(db)
        before = meet(house, db, story.app, story.pupil)
        db.execute(
            update(models.Enrolment).values(voornaam="Gus", stamnummer="9", instellingsnummer=make.school(db))
        )
        db.execute(update(models.Account).values(username="gus.logie"))
        make.app_secret(db, story.app.client_id, digest="0" * 64)
        again = apps.load(db, story.app.client_id)
        assert meet(house, db, again, story.pupil) == before


def test_a_remembered_subject_outlives_a_change_of_subject_type(house):
    with house.database.transaction() as db:
        who, app = make.pupil(db), make.app(db)
        before = meet(house, db, app, who)
        row = db.execute(select(models.App.registration)).scalar_one()
        db.execute(update(models.App).values(registration=row | {"subject_type": "public"}))
        assert meet(house, db, apps.load(db, app.client_id), who) == before


def test_a_public_app_sees_the_account_uuid(house):
    with house.database.transaction() as db:
        who, app = make.pupil(db), make.app(db, subject_type="public")
        assert meet(house, db, app, who) == who


def test_apps_of_one_sector_call_a_pupil_the_same(house):
    with house.database.transaction() as db:
        who = make.pupil(db)
        one, other = (make.app(db, sector="uitgeverij.example") for _ in range(2))
        public = make.app(db, sector="uitgeverij.example", subject_type="public")
        assert meet(house, db, public, who) == who
        assert meet(house, db, one, who) == meet(house, db, other, who) != who


def test_a_class_is_named_per_sector_and_apart_from_pupils(house):
    klas = "9f0c0a52-6a3e-4b7e-9f68-0d1c5b1d2a11"
    app = apps.App(client_id="x", client_name="x", sector="a.example")
    names = {
        pseudonym.klas_id(house.keys, "a.example", klas),
        pseudonym.klas_id(house.keys, "b.example", klas),
        pseudonym.sub_for(house.keys, app, klas),
    }
    assert len(names) == 3


def test_the_school_a_pupil_picked_is_kept_for_that_app(house):
    with house.database.transaction() as db:
        story = make.story(db)
        assert pseudonym.chosen_school(db, story.app, story.pupil) is None
        assert pseudonym.met(db, story.app.client_id, story.pupil) is None
        meet(house, db, story.app, story.pupil)
        pseudonym.choose_school(db, story.app, story.pupil, story.school)
        assert pseudonym.chosen_school(db, story.app, story.pupil) == story.school
        assert pseudonym.met(db, story.app.client_id, story.pupil) == make.NOW


def test_eight_first_meetings_at_once_leave_one_subject(house):
    with house.database.transaction() as db:
        story = make.story(db)

    def first() -> str:
        with house.database.transaction() as db:
            return meet(house, db, story.app, story.pupil)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        subs = {future.result() for future in [pool.submit(first) for _ in range(8)]}
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(models.AppPupil)).scalar() == 1
    assert len(subs) == 1


def story_of_a_merge(house, db):
    surviving, merged = make.pupil(db), make.pupil(db)
    known_to_both, only_merged, only_surviving = make.app(db), make.app(db, sector="s.example"), make.app(db)
    subs = {
        "both": (meet(house, db, known_to_both, surviving), meet(house, db, known_to_both, merged)),
        "merged": meet(house, db, only_merged, merged),
        "surviving": meet(house, db, only_surviving, surviving),
    }
    pseudonym.merge(db, surviving=surviving, merged=merged)
    return surviving, merged, known_to_both, only_merged, only_surviving, subs


def test_a_first_meeting_needs_no_transaction_around_it(house):
    """Userinfo writes one row at a time: a savepoint has no place there."""
    with house.database.transaction() as db:
        story = make.story(db)
    with house.database.each_by_itself() as db:
        sub = meet(house, db, story.app, story.pupil)
        assert meet(house, db, story.app, story.pupil) == sub
    with house.database.reading() as db:
        assert db.execute(select(models.AppPupil.sub)).scalars().all() == [sub]


def test_after_a_merge_every_app_keeps_the_subject_it_saw(house):
    with house.database.transaction() as db:
        surviving, merged, both, only_merged, only_surviving, subs = story_of_a_merge(house, db)
        assert meet(house, db, both, surviving) == subs["both"][0]
        assert meet(house, db, only_merged, surviving) == subs["merged"]
        assert meet(house, db, only_surviving, surviving) == subs["surviving"]
        sibling = make.app(db, sector="s.example")
        assert meet(house, db, sibling, surviving) == subs["merged"]
        kept = (
            db.execute(select(models.AppPupil.sub).where(models.AppPupil.account_uuid == merged))
            .scalars()
            .all()
        )
        assert kept == [subs["both"][1]]
        assert pseudonym.expected(db, house.keys, sibling, surviving) == subs["merged"]


def test_teachers_of_either_pupil_are_teachers_of_the_one_they_turn_out_to_be(house):
    with house.database.transaction() as db:
        surviving, merged, other, school = make.pupil(db), make.pupil(db), make.pupil(db), make.school(db)
        chosen = {}
        for pupils in ((merged,), (surviving, merged), (surviving,), (other,)):
            right = make.right(db, make.person(db), school, kind=models.RightKind.TEACHER)
            chosen[right] = {other if one == other else surviving for one in pupils}
            rows = [{"right_id": right, "kind": models.RuleKind.PUPIL, "target": one} for one in pupils]
            db.execute(insert(models.RightScope), rows)
        pseudonym.merge(db, surviving=surviving, merged=merged)
        found = db.execute(select(models.RightScope.right_id, models.RightScope.target)).all()
    assert sorted(map(tuple, found)) == sorted((right, one) for right, ones in chosen.items() for one in ones)


def test_after_merges_the_surviving_account_lists_all_the_others(house):
    with house.database.transaction() as db:
        story = make.story(db)
        first, second = make.pupil(db), make.pupil(db)
        pseudonym.merge(db, surviving=second, merged=first)
        pseudonym.merge(db, surviving=story.pupil, merged=second)
        pseudonym.merge(db, surviving=story.pupil, merged=second)
        told = disclose.preview(
            db, keys=house.keys, app=story.app, account_uuid=story.pupil,
            instellingsnummer=story.school, today=make.TODAY,
        )  # fmt: skip
        assert told.claims["ov_historiek_account_uuid"] == sorted([first, second])
        assert told.claims["ov_account_uuid"] == story.pupil
        events = db.execute(
            select(models.AuditEvent).where(models.AuditEvent.event == "accounts_merged")
        ).mappings()
        assert len(events.all()) == 2


def test_merges_that_make_no_sense_are_refused(house):
    with house.database.transaction() as db:
        one, two, three = make.pupil(db), make.pupil(db), make.pupil(db)
        with pytest.raises(Invalid, match="same_pupil"):
            pseudonym.merge(db, surviving=one, merged=one)
        with pytest.raises(NotFound, match="pupil_unknown"):
            pseudonym.merge(db, surviving=one, merged="9f0c0a52-6a3e-4b7e-9f68-0d1c5b1d2a11")
        pseudonym.merge(db, surviving=one, merged=two)
        for surviving, merged in [(two, three), (three, two), (two, one)]:
            with pytest.raises(Invalid, match="already_merged"):
                pseudonym.merge(db, surviving=surviving, merged=merged)


def test_no_subject_is_written_into_the_ledger_or_the_audit_trail(house):
    with house.database.transaction() as db:
        story = make.story(db)
        got = make.released(db, house, story)
        written = [*db.execute(select(models.Release.claims)).scalars()]
        written += db.execute(select(models.AuditEvent.details)).scalars()
    for value in (got.claims["sub"], "Gaston", got.claims["ov_klassen"][0]["id"]):
        assert value not in json.dumps(written)
    assert not stands("3A", written)
