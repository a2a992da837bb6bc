"""The nightly look at the audit trail and the ledger: a part each night, everything in a cycle, and what is found stays found."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, text, update

from idp import audit, models, upgrading
from idp.admin.privacy import retention
from idp.admin.records import acknowledging, anchors, patrol, sealing
from idp.audit import apps as audit_apps
from idp.errands import jobs, patrol_book
from idp.errors import Invalid, NotFound
from idp.watching import doctor, exposing, health

EVENTS = models.AuditEvent.__table__
DAYS = 6


@pytest.fixture
def lived(house, stopped):
    """Six days with three events each: a seal a day, an anchor a day; the clock stands on the seventh."""
    for day in range(DAYS):
        with audit.circumstances(audit.Circumstances(now=stopped.now(), actor="system")):
            with house.database.transaction() as db:
                for number in range(3):
                    audit_apps.app_changed(db, client_id=f"app-{day}-{number}", fields=["client_name"])
            assert sealing.seal(house, stopped.now() + timedelta(minutes=2)) == 3
            assert sealing.anchor(house, stopped.now() + timedelta(minutes=2)) is not None
        stopped.move(days=1)
    with house.database.transaction() as db:
        db.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        db.execute(text("INSERT INTO alembic_version VALUES (:step)"), {"step": upgrading.newest()})
    return replace(house, settings=house.settings.model_copy(update={"verify_nights": 3}))


def night(house, **given):
    """Tonight's part, as the job does it: few rows a night, so that the cycle takes several."""
    return patrol.tonight(house, least=1, kept_every=1, **given)


def nights(house, stopped, most: int = 40) -> list[str]:
    """Night after night until something is found. Returns what, or nothing when the cycle is round."""
    for _ in range(most):
        try:
            night(house)
        except patrol.TouchedError as touched:
            return [str(one) for one in touched.troubles]
        stopped.move(days=1)
    return []


def tamper(house, *statements) -> None:
    with house.database.transaction() as db:
        for one in statements:
            db.execute(one)


def ids(house) -> list[str]:
    with house.database.reading() as db:
        return list(db.execute(select(EVENTS.c.id).order_by(EVENTS.c.id)).scalars())


def standing(house, trail: str = "audit_event") -> patrol_book.Standing:
    with house.database.reading() as db:
        return patrol_book.read(db, house.keys.marks).standings[trail]


def test_a_cycle_looks_at_everything_once_and_a_night_at_a_part(lived, stopped):
    first = night(lived)
    assert 0 < first["seals"] < DAYS
    assert standing(lived).whole_at is None
    for _ in range(lived.settings.verify_nights):
        stopped.move(days=1)
        night(lived)
    assert standing(lived).whole_at is not None
    assert standing(lived).newest.number == DAYS


def test_a_small_installation_is_looked_at_whole_every_night(lived, stopped):
    counts = patrol.tonight(lived)
    assert (counts["seals"], counts["rows"], counts["anchors"]) == (DAYS, 3 * DAYS, DAYS)
    assert standing(lived).whole_at == stopped.now()


@pytest.mark.parametrize("when", ["before the first night", "after the walk began"])
def test_AUD_01_an_edited_row_in_an_old_seal_is_found_within_the_cycle(lived, stopped, when):
    if when == "after the walk began":
        night(lived)
        stopped.move(days=1)
    row = 3 * 3 + 1
    tamper(lived, update(EVENTS).where(EVENTS.c.id == ids(lived)[row]).values(object="app:other"))
    assert nights(lived, stopped) == ["audit_event seal 4: edited row 2"]


def test_AUD_01_a_deleted_row_in_an_old_seal_is_found_within_the_cycle(lived, stopped):
    night(lived)
    stopped.move(days=1)
    tamper(lived, delete(EVENTS).where(EVENTS.c.id.in_(ids(lived)[6:8])))
    assert nights(lived, stopped) == ["audit_event seal 3: deleted row 1, 2"]


def test_AUD_01_rows_of_an_old_seal_that_changed_places_are_found_within_the_cycle(lived, stopped):
    night(lived)
    stopped.move(days=1)
    one, other = ids(lived)[9], ids(lived)[11]
    nowhere = "00000000-0000-7000-8000-000000000001"
    moves = ((one, nowhere), (other, one), (nowhere, other))
    tamper(lived, *(update(EVENTS).where(EVENTS.c.id == old).values(id=new) for old, new in moves))
    assert nights(lived, stopped) == ["audit_event seal 4: edited row 1, 3"]


def test_AUD_01_a_row_that_somebody_put_between_old_ones_is_found_within_the_cycle(lived, stopped):
    with lived.database.reading() as db:
        copied = dict(db.execute(select(EVENTS).order_by(EVENTS.c.id).limit(1)).mappings().one())
    tamper(lived, insert(EVENTS).values(copied | {"id": ids(lived)[4][:-4] + "ffff"}))
    assert nights(lived, stopped) == ["audit_event seal 2: inserted"]


def test_a_changed_or_lost_seal_is_found_and_so_is_a_chain_that_was_cut_off(lived, stopped):
    while standing_or_none(lived) is None or standing(lived).whole_at is None:
        night(lived)
        stopped.move(days=1)
    mine = models.Seal.trail == "audit_event"
    tamper(lived, delete(models.Seal).where(mine, models.Seal.number == DAYS))
    found = nights(lived, stopped, most=1)
    assert f"audit_event seal {DAYS}: seal_missing" in found
    assert f"audit_event seal {DAYS}: chain_rewritten" in found, "the anchor states it"
    stopped.move(days=1)
    assert f"audit_event seal {DAYS}: seal_missing" in nights(lived, stopped, most=1), "and it stays found"


def standing_or_none(house):
    with house.database.reading() as db:
        return patrol_book.read(db, house.keys.marks).standings.get("audit_event")


def test_a_night_that_is_broken_off_goes_on_where_it_was(lived, stopped):
    class Ended(Exception):
        """As if the process was killed there."""

    came_by: list[int] = []

    def seen(trail: str, seal: int) -> None:
        came_by.append(seal)
        if len(came_by) == 3:
            raise Ended

    with pytest.raises(Ended):
        patrol.tonight(lived, kept_every=1, seen=seen)
    assert (came_by, standing(lived).old.number) == ([1, 2, 3], 3)
    patrol.tonight(lived, kept_every=1, seen=lambda _trail, seal: came_by.append(seal))
    assert came_by == [1, 2, 3, 4, 5, 6], "none twice, none left out"
    assert standing(lived).whole_at == stopped.now()


def test_what_was_found_is_looked_at_again_and_is_well_when_it_is_as_it_was(lived, stopped):
    one = ids(lived)[0]
    with lived.database.reading() as db:
        was = db.execute(select(EVENTS.c.object).where(EVENTS.c.id == one)).scalar_one()
    tamper(lived, update(EVENTS).where(EVENTS.c.id == one).values(object="app:other"))
    found = nights(lived, stopped)
    assert found == ["audit_event seal 1: edited row 1"]
    seals: list[int] = []
    for _ in range(2):
        with pytest.raises(patrol.TouchedError, match="seal 1: edited row 1"):
            night(lived, seen=lambda _trail, seal: seals.append(seal))
    assert seals == [], "the same night: only what was wrong is looked at again"
    since = standing(lived).troubles[0].since
    stopped.move(days=2)
    with pytest.raises(patrol.TouchedError):
        night(lived)
    assert standing(lived).troubles[0].since == since
    tamper(lived, update(EVENTS).where(EVENTS.c.id == one).values(object=was))
    stopped.move(days=1)
    assert night(lived)["troubles"] == 0


def test_a_purge_looks_like_no_tampering(lived, stopped):
    night(lived)
    stopped.move(days=729)
    with audit.circumstances(audit.Circumstances(now=stopped.now(), actor="system")):
        with lived.database.transaction() as db:
            audit_apps.app_removed(db, client_id="later")
        counts = retention.tidy(lived, stopped.now())
        assert 0 < counts["audit_event"] < 3 * DAYS, "some of it went"
    assert nights(lived, stopped) == []
    with lived.database.reading() as db:
        left = dict(db.execute(select(EVENTS).order_by(EVENTS.c.id).limit(1)).mappings().one())
    tamper(lived, delete(EVENTS).where(EVENTS.c.id == left["id"]))
    assert [one.partition(":")[2] for one in nights(lived, stopped)] == [" deleted row 1"]


def test_a_purge_that_is_under_way_looks_like_no_tampering(lived, stopped):
    with lived.database.reading() as db:
        seal = db.execute(
            select(models.Seal).where(models.Seal.trail == "audit_event", models.Seal.number == 3)
        ).one()
    words = {"trail": "audit_event", "through": 3, "hash": seal.hash, "last_id": seal.last_id}
    assert anchors.state(lived, "purge", stopped.now(), before=stopped.now().isoformat(), **words)
    tamper(lived, delete(EVENTS).where(EVENTS.c.id.in_(ids(lived)[:4])))
    assert nights(lived, stopped) == []


def test_a_row_that_was_sealed_late_is_looked_at_with_its_own_seal(lived, stopped):
    with lived.database.reading() as db:
        row = dict(db.execute(select(EVENTS).order_by(EVENTS.c.id.desc()).limit(1)).mappings().one())
    row["id"] = ids(lived)[-2][:-4] + "ffff"
    row["mark"] = lived.keys.marks.of("audit_event", row)
    tamper(lived, insert(EVENTS).values(row))
    assert patrol.tonight(lived)["troubles"] == 0, "ours, and not sealed yet"
    assert sealing.anchor(lived, stopped.now()) is not None
    stopped.move(days=1)
    assert patrol.tonight(lived)["troubles"] == 0
    tamper(lived, delete(EVENTS).where(EVENTS.c.id == row["id"]))
    assert nights(lived, stopped) == [f"audit_event seal {DAYS + 1}: deleted row 1"]


def test_rows_that_no_seal_has_yet_are_looked_at_too(lived, stopped):
    with lived.database.transaction() as db:
        audit_apps.app_removed(db, client_id="app-1")
    tamper(lived, update(EVENTS).where(EVENTS.c.id == ids(lived)[-1]).values(object="app:app-2"))
    assert nights(lived, stopped, most=1) == ["audit_event: edited"]


def test_a_statement_that_was_forged_or_that_went_is_found_the_same_night(lived, stopped):
    patrol.tonight(lived)
    stopped.move(days=1)
    kept = anchors.file_of(lived)
    kept.rename(kept.with_suffix(".away"))
    tamper(lived, delete(models.Anchor).where(models.Anchor.number == DAYS))
    assert nights(lived, stopped, most=1) == ["anchor: anchor_missing"]
    kept.with_suffix(".away").rename(kept)
    assert nights(lived, stopped, most=1) == ["anchor: anchor_lost", "anchor: anchor_missing"]


def test_who_writes_that_all_was_looked_at_is_found_and_the_walk_begins_again(lived, stopped):
    patrol.tonight(lived)
    tamper(lived, update(models.Patrol).where(models.Patrol.trail == "release").values(newest=9_999))
    stopped.move(days=1)
    assert nights(lived, stopped, most=1) == ["release: night_rewritten"]


def test_operators_see_it_in_the_book_of_jobs_the_doctor_health_and_prometheus(lived, stopped):
    jobs.announce(lived)
    job = jobs.BY_NAME["verify"]
    assert jobs.run(lived, job, "test", whenever=True).failure is None
    assert [one.weight for one in doctor.examine(lived) if one.about == "trail"] == [doctor.Weight.WELL]
    assert b'idp_trail_troubles{trail="audit_event"} 0.0' in exposing.told(lived)
    tamper(lived, update(EVENTS).where(EVENTS.c.id == ids(lived)[4]).values(result="x"))
    stopped.move(days=1)
    failure = jobs.run(lived, job, "test", whenever=True).failure
    assert failure == "audit_event seal 2: edited row 2: `idp audit night`"
    found = [one for one in doctor.examine(lived) if one.about == "trail"]
    assert [one.weight for one in found] == [doctor.Weight.BAD]
    assert "audit_event seal 2: edited row 2" in found[0].seen
    assert "trail" in health.look(lived).warn
    told = exposing.told(lived)
    assert b'idp_trail_troubles{trail="audit_event"} 1.0' in told
    assert b'idp_trail_whole_age_seconds{trail="audit_event"} 0.0' in told
    assert b'idp_warning{what="trail"} 1.0' in told


def acknowledge(house, name: str, reason: str = "A disk that Mira looked at") -> None:
    with audit.acting("person:mira"), house.database.transaction() as db:
        acknowledging.acknowledge(db, house.keys.marks, name, reason=reason, now=house.clock.now())


def alarms(house) -> list[patrol_book.Trouble]:
    with house.database.reading() as db:
        return list(patrol_book.read(db, house.keys.marks).alarms)


def weights(house, about: str) -> list[doctor.Weight]:
    return [one.weight for one in doctor.examine(house) if one.about == about]


def unwell(house) -> bool:
    """Does the doctor say anything of the job?"""
    return any(one.about == "jobs" and one.seen.startswith("verify ") for one in doctor.examine(house))


def touched(house, stopped, *rows: int) -> list[patrol_book.Trouble]:
    """Edit these rows; what the job finds the next day."""
    for row in rows:
        tamper(house, update(EVENTS).where(EVENTS.c.id == ids(house)[row]).values(result="x"))
    stopped.move(days=1)
    jobs.run(house, jobs.BY_NAME["verify"], "test", whenever=True)
    return alarms(house)


def test_what_an_operator_knows_of_is_told_as_known_and_what_is_new_is_an_alarm_at_once(lived, stopped):
    jobs.announce(lived)
    (found,) = touched(lived, stopped, 4)
    assert (weights(lived, "trail"), unwell(lived)) == ([doctor.Weight.BAD], True)
    stopped.move(days=2)
    acknowledge(lived, found.name)
    (said,) = [one for one in doctor.examine(lived) if one.about == "trail"]
    assert said.weight is doctor.Weight.NOTE
    assert f"known since {found.since}, acknowledged by person:mira on " in said.seen
    assert said.seen.endswith("A disk that Mira looked at")
    assert not unwell(lived), "it failed on nothing else"
    assert "trail" not in health.look(lived).warn
    told = exposing.told(lived)
    for line in (
        b'idp_trail_troubles{trail="audit_event"} 0.0',
        b'idp_trail_troubles_known{trail="audit_event"} 1.0',
    ):
        assert line in told
    with lived.database.reading() as db:
        (event,) = db.execute(select(EVENTS).where(EVENTS.c.event == "verify_acknowledged")).mappings()
    assert (event["actor"], event["object"]) == ("person:mira", "trail:audit_event")
    assert event["details"] | {"trouble": ""} == {"seal": 2, "what": "edited", "count": 1, "trouble": ""}
    outcome = jobs.run(lived, jobs.BY_NAME["verify"], "test", whenever=True)
    assert (outcome.failure, outcome.counts["troubles"], outcome.counts["known"]) == (None, 0, 1)
    (more,) = touched(lived, stopped, 5)
    assert (more.seal, more.count) == (2, 2), "one row more in the same seal"
    assert more.name != found.name
    assert "trail" in health.look(lived).warn
    acknowledge(lived, more.name)
    (other,) = touched(lived, stopped, 12)
    assert other.seal == 5, "what is known of seal 2 stays known"


def test_what_was_known_and_is_well_again_is_new_when_it_comes_back(lived, stopped):
    jobs.announce(lived)
    (found,) = touched(lived, stopped, 4)
    acknowledge(lived, found.name)
    tamper(lived, update(EVENTS).where(EVENTS.c.id == ids(lived)[4]).values(result="done"))
    assert touched(lived, stopped) == []
    assert [one.name for one in touched(lived, stopped, 4)] == [found.name]


def test_nobody_acknowledges_without_a_reason_or_what_was_not_found_or_with_the_database_alone(
    lived, stopped
):
    jobs.announce(lived)
    (found,) = touched(lived, stopped, 4)
    for reason in ("", "too short", "x" * 501, "a reason\x00 with a hole"):
        with pytest.raises(Invalid):
            acknowledge(lived, found.name, reason)
    for name in ("", "0" * 12, found.name[:-1]):
        with pytest.raises(NotFound):
            acknowledge(lived, name)
    assert alarms(lived) == [found]
    with lived.database.reading() as db:
        mine = models.Patrol.trail == "audit_event"
        kept = db.execute(select(models.Patrol.troubles).where(mine)).scalar_one()
    known = {"name": found.name, "by": "person:eve", "at": "2026-11-23T09:00:00+00:00", "reason": "nothing"}
    tamper(lived, update(models.Patrol).where(mine).values(troubles=kept | {"known": [known]}))
    assert weights(lived, "trail") == [doctor.Weight.BAD], "the row is not ours any more"


def test_what_is_said_while_a_night_goes_is_not_lost(lived, stopped):
    jobs.announce(lived)
    (found,) = touched(lived, stopped, 4)
    stopped.move(days=1)
    said = []

    def seen(_trail, _seal):
        if not said:
            said.append(True)
            acknowledge(lived, found.name)

    night(lived, seen=seen)
    assert (said, alarms(lived)) == ([True], [])


def test_the_doctor_says_when_the_cycle_does_not_come_round(lived, stopped):
    night(lived)
    stopped.move(days=3 * lived.settings.verify_nights)
    found = [one for one in doctor.examine(lived) if one.about == "trail"]
    assert [one.weight for one in found] == [doctor.Weight.NOTE]


def test_what_a_failed_night_says_fits_into_the_book_of_jobs():
    many = [
        patrol_book.Trouble(trail="audit_event", seal=n, what="edited", rows=(1, 2, 3)) for n in range(99)
    ]
    said = str(patrol.TouchedError(many))
    assert len(said) <= 200
    assert "and 9" in said
    assert said.endswith("`idp audit night`")
