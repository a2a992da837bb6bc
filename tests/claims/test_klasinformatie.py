"""Is what a package delivered kept as one snapshot of the school?"""

from __future__ import annotations

import time
from datetime import date

import pytest
from sqlalchemy import func, select

from idp import models
from idp.claims import disclose, klasinformatie
from idp.claims.klasinformatie import Counts, DeliveredKlas
from idp.claims.seating import DeliveredMembership
from idp.errors import Invalid, NotAllowed, NotFound
from tests import make

LATER = make.NOW.replace(day=24)


def standing(db):
    """How many rows of memberships nothing took the place of."""
    mine = models.ClassMembership.replaced_at.is_(None)
    return db.scalar(select(func.count()).select_from(models.ClassMembership).where(mine))


def klas(klas_id="k-3a", code="3A", naam="Klas 3A", soort=models.Soort.KLAS):
    return DeliveredKlas(klas_id=klas_id, code=code, naam=naam, soort=soort)


def seat(who, klas_id="k-3a", begindatum=make.YEAR_BEGINS, einddatum=None):
    return DeliveredMembership(klas_id=klas_id, account_uuid=who, begindatum=begindatum, einddatum=einddatum)


def classes(house, db, story):
    told = disclose.preview(
        db, keys=house.keys, app=story.app, account_uuid=story.pupil,
        instellingsnummer=story.school, today=make.TODAY,
    )  # fmt: skip
    return told.claims.get("ov_klassen")


def begin(db):
    return make.story(db, in_class=False)


def test_a_snapshot_is_stored_and_the_same_one_again_changes_nothing(house):
    with house.database.transaction() as db:
        story = begin(db)
        snapshot = [klas()], [seat(story.pupil), seat(story.pupil)]
        first = klasinformatie.replace(db, story.school, *snapshot, make.NOW)
        assert first == Counts(
            classes_new=1, classes_changed=0, members_new=1, members_kept=0, members_replaced=0
        )
        again = klasinformatie.replace(db, story.school, *snapshot, LATER)
        assert again == Counts(
            classes_new=0, classes_changed=0, members_new=0, members_kept=1, members_replaced=0
        )
        assert [one["code"] for one in classes(house, db, story)] == ["3A"]
        assert standing(db) == 1


def test_the_identifier_of_a_class_survives_renaming(house):
    with house.database.transaction() as db:
        story = begin(db)
        klasinformatie.replace(db, story.school, [klas()], [seat(story.pupil)], make.NOW)
        (before,) = classes(house, db, story)
        renamed = [klas(code="3C", naam="De vossen")]
        counts = klasinformatie.replace(db, story.school, renamed, [seat(story.pupil)], LATER)
        assert (counts.classes_changed, counts.members_kept) == (1, 1)
        (after,) = classes(house, db, story)
        assert after == before | {"code": "3C", "naam": "De vossen"}


def test_what_a_delivery_no_longer_has_is_never_released_again(house):
    with house.database.transaction() as db:
        story = begin(db)
        two = [klas(), klas("k-3b", "3B", "Klas 3B")]
        klasinformatie.replace(db, story.school, two, [seat(story.pupil)], make.NOW)
        counts = klasinformatie.replace(db, story.school, two, [seat(story.pupil, "k-3b")], LATER)
        assert (counts.members_new, counts.members_replaced) == (1, 1)
        assert [one["code"] for one in classes(house, db, story)] == ["3B"]
        klasinformatie.replace(db, story.school, [], [], LATER)
        assert classes(house, db, story) is None
        replaced = db.execute(select(models.ClassMembership.replaced_at)).scalars().all()
        assert replaced == [LATER, LATER]


def test_a_delivery_of_one_school_leaves_the_others_alone(house):
    with house.database.transaction() as db:
        one, other = begin(db), begin(db)
        for story in (one, other):
            klasinformatie.replace(db, story.school, [klas()], [seat(story.pupil)], make.NOW)
        klasinformatie.replace(db, one.school, [], [], LATER)
        assert classes(house, db, one) is None
        assert classes(house, db, other)


def test_a_changed_date_replaces_the_row(house):
    with house.database.transaction() as db:
        story = begin(db)
        klasinformatie.replace(db, story.school, [klas()], [seat(story.pupil)], make.NOW)
        ended = seat(story.pupil, einddatum=date(2026, 11, 22))
        counts = klasinformatie.replace(db, story.school, [klas()], [ended], LATER)
        assert (counts.members_new, counts.members_replaced) == (1, 1)
        assert classes(house, db, story) is None


def test_a_snapshot_that_contradicts_itself_is_refused(house):
    with house.database.transaction() as db:
        story = begin(db)
        with pytest.raises(Invalid, match="klas_unknown"):
            klasinformatie.replace(db, story.school, [klas()], [seat(story.pupil, "k-9z")], make.NOW)
    with house.database.transaction() as db:
        with pytest.raises(Invalid, match="klas_twice"):
            klasinformatie.replace(db, story.school, [klas(), klas(code="3Z")], [], make.NOW)
        with pytest.raises(NotFound, match="school_unknown"):
            klasinformatie.replace(db, "999999", [], [], make.NOW)


def test_the_classes_of_a_school_are_listed_with_how_many_sit_there(house):
    with house.database.transaction() as db:
        story = begin(db)
        friend = make.pupil(db)
        sub = klas("k-frans", "frans", "Frans", models.Soort.SUBKLAS)
        seats = [
            seat(story.pupil),
            seat(friend),
            seat(friend, "k-frans"),
            seat(story.pupil, "k-leeg", einddatum=date(2026, 9, 2)),
        ]
        klasinformatie.replace(db, story.school, [sub, klas("k-leeg", "3L", "Leeg"), klas()], seats, make.NOW)
        listed = klasinformatie.listing(db, story.school, make.TODAY)
        assert [(one.code, one.soort, one.members) for one in listed] == [
            ("3A", models.Soort.KLAS, 2),
            ("frans", models.Soort.SUBKLAS, 1),
        ]


def test_a_school_of_two_thousand_pupils_is_replaced_within_seconds(house):
    with house.database.transaction() as db:
        school = make.school(db)
        make.agreement(db, school)
        pupils = [make.pupil(db) for _ in range(2_000)]
        some = [klas(f"k{number}", f"{number}", f"Klas {number}") for number in range(80)]
        before = time.process_time()
        first = [seat(who, f"k{number % 80}") for number, who in enumerate(pupils)]
        klasinformatie.replace(db, school, some, first, make.NOW)
        second = [seat(who, f"k{(number + 1) % 80}") for number, who in enumerate(pupils)]
        counts = klasinformatie.replace(db, school, some, second, LATER)
        assert (counts.members_new, counts.members_replaced) == (2_000, 2_000)
        assert time.process_time() - before < 10, "of work, however busy the machine is"


def test_nothing_is_stored_of_a_school_that_does_not_share(house):
    with house.database.transaction() as db:
        story = make.story(db, shares=False, in_class=False)
        with pytest.raises(NotAllowed, match="school_does_not_share"):
            klasinformatie.replace(db, story.school, [klas()], [seat(story.pupil)], make.NOW)
        assert standing(db) == 0
