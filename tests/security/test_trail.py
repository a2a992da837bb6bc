"""Nothing in the audit trail or the ledger changes unseen, whoever has the database, and the place is named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import KeySet
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from idp import audit, context, entropy, keys, marks, models
from idp.admin.privacy import retention
from idp.admin.records import anchors, exporting, roles, sealing, verifying
from idp.audit import accounts as audit_accounts
from idp.audit import apps as audit_apps
from idp.database import Database
from idp.errors import Invalid
from tests import make

EVENTS, LEDGER = models.AuditEvent.__table__, models.Release.__table__
LATER = make.NOW + timedelta(minutes=5)


@pytest.fixture
def trail(house):
    """Ten events and five releases, sealed and anchored."""
    with house.database.transaction() as db:
        story = make.story(db)
        for number in range(10):
            audit_apps.app_changed(db, client_id=f"app-{number}", fields=["client_name", "ł"])
    for _ in range(5):
        release(house, story)
    assert sealing.seal(house, LATER) == 15
    assert sealing.anchor(house, LATER) is not None
    assert verifying.verify(house).good
    return house


def release(house, story) -> None:
    with house.database.transaction() as db:
        make.released(db, house, story)


def tamper(house, statement, *more) -> None:
    """As somebody who has the database, and not our keys."""
    with house.database.transaction() as db:
        for one in (statement, *more):
            db.execute(one)


def ids(house, table=EVENTS) -> list[str]:
    with house.database.reading() as db:
        return list(db.execute(select(table.c.id).order_by(table.c.id)).scalars())


def problems(house, **given) -> list[tuple[str, str, str]]:
    found = verifying.verify(house, **given).problems
    return sorted((one.trail, one.what, one.where) for one in found)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", make.NOW - timedelta(days=1)),
        ("event", "app_removed"),
        ("actor", "person:somebody-else"),
        ("instellingsnummer", "999999"),
        ("object", "app:other"),
        ("result", "refused"),
        ("source", None),
        ("request_id", "x"),
        ("details", {"fields": []}),
        ("mark", None),
    ],
)
def test_AUD_01_an_edited_event_is_found_and_located(trail, column, value):
    one = ids(trail)[3]
    tamper(trail, update(EVENTS).where(EVENTS.c.id == one).values({column: value}))
    assert problems(trail) == [("audit_event", "edited", one)]


def test_AUD_01_an_edited_release_is_found_and_located(trail):
    one = ids(trail, LEDGER)[2]
    claims = {"sub": "released", "ov_klassen": "not_visible"}
    tamper(trail, update(LEDGER).where(LEDGER.c.id == one).values(claims=claims))
    assert problems(trail) == [("release", "edited", one)]


def test_AUD_01_deleted_events_are_found_and_located(trail):
    first, middle, last = (ids(trail)[at] for at in (0, 4, 9))
    tamper(trail, delete(EVENTS).where(EVENTS.c.id.in_([first, middle, last])))
    assert problems(trail) == sorted(("audit_event", "deleted", one) for one in (first, middle, last))


def test_AUD_01_two_events_that_changed_places_are_found_and_located(trail):
    one, other = ids(trail)[2], ids(trail)[7]
    nowhere = "00000000-0000-7000-8000-000000000001"
    moves = ((one, nowhere), (other, one), (nowhere, other))
    tamper(trail, *(update(EVENTS).where(EVENTS.c.id == old).values(id=new) for old, new in moves))
    assert problems(trail) == sorted(("audit_event", "edited", id_) for id_ in (one, other))


def test_AUD_01_an_event_that_somebody_added_is_found_and_located(trail):
    """With the mark of another one, with none, and with a mark of another key; before, among and after the sealed."""
    with trail.database.reading() as db:
        copied = dict(db.execute(select(EVENTS).order_by(EVENTS.c.id).limit(1)).mappings().one())
    among = ids(trail)[4][:-4] + "ffff"
    before, after = "00000000-0000-7000-8000-000000000001", entropy.row_id()
    strange = marks.named({"audit-1": entropy.key_bytes()})
    forged = copied | {"id": after, "mark": strange.of("audit_event", copied | {"id": after})}
    tamper(
        trail,
        insert(EVENTS).values(copied | {"id": among}),
        insert(EVENTS).values(copied | {"id": before, "mark": None}),
        insert(EVENTS).values(forged),
    )
    expected = [("inserted", among), ("inserted", before), ("strange_key", after)]
    assert problems(trail) == sorted(("audit_event", what, one) for what, one in expected)


def test_AUD_01_the_newest_events_are_guarded_before_they_are_sealed(trail):
    with trail.database.transaction() as db:
        audit_apps.app_removed(db, client_id="app-1")
    newest = ids(trail)[-1]
    assert verifying.verify(trail).good
    tamper(trail, update(EVENTS).where(EVENTS.c.id == newest).values(object="app:app-2"))
    assert problems(trail) == [("audit_event", "edited", newest)]


def test_AUD_01_who_rewrites_the_seals_as_well_is_given_away_by_the_anchor(trail):
    """Somebody takes an event away and makes a chain without it; only signing an anchor needs our key."""
    one = ids(trail)[3]
    tamper(trail, delete(EVENTS).where(EVENTS.c.id == one))
    mine = models.SealedRows.trail == "audit_event"
    with trail.database.transaction() as db:
        body = db.execute(select(models.SealedRows.rows).where(mine)).scalar_one()
        left = b"".join(
            body[at : at + 32]
            for at in range(0, len(body), 32)
            if body[at : at + 16].hex() != one.replace("-", "")
        )
        db.execute(update(models.SealedRows).where(mine).values(rows=left))
        seal = dict(
            db.execute(select(models.Seal.__table__).where(models.Seal.trail == "audit_event"))
            .mappings()
            .one()
        )
        seal |= {"count": 9, "rows_sha256": hashlib.sha256(left).hexdigest()}
        seal["hash"] = sealing.hash_of(seal)
        db.execute(update(models.Seal).where(models.Seal.trail == "audit_event").values(seal))
    assert problems(trail) == [("audit_event", "chain_rewritten", "1")]
    tamper(trail, delete(models.Anchor))
    assert problems(trail) == [], "who removes the anchors as well is only given away by a kept one"
    assert problems(trail, kept=[anchors.file_of(trail)]) == [("anchor", "anchor_lost", "anchors.txt:1")]


@pytest.mark.parametrize("change", ["seal", "rows", "statement"])
def test_AUD_01_a_changed_seal_or_anchor_is_found(trail, change):
    if change == "seal":
        tamper(trail, update(models.Seal).where(models.Seal.trail == "release").values(unmarked=3))
        assert problems(trail) == [("release", "seal_changed", "1")]
    elif change == "rows":
        tamper(
            trail,
            update(models.SealedRows).where(models.SealedRows.trail == "release").values(rows=b"x" * 64),
        )
        assert ("release", "seal_changed", "1") in problems(trail)
    else:
        with trail.database.reading() as db:
            said = db.execute(select(models.Anchor.statement)).scalar_one()
        tamper(
            trail,
            update(models.Anchor).values(statement=said.replace(said[-6], "A" if said[-6] != "A" else "B")),
        )
        assert problems(trail) == [("anchor", "anchor_forged", "1")]


def test_seals_and_anchors_that_go_missing_are_named(trail):
    for day in (1, 2):
        with trail.database.transaction() as db:
            audit_apps.app_removed(db, client_id=f"gone-{day}")
        then = LATER + timedelta(days=day)
        assert sealing.seal(trail, then) == 1
        assert sealing.anchor(trail, then) is not None
    assert verifying.verify(trail, kept=[anchors.file_of(trail)]).good
    tamper(
        trail,
        delete(models.Seal).where(models.Seal.trail == "audit_event", models.Seal.number == 2),
        delete(models.Anchor).where(models.Anchor.number == 2),
    )
    found = problems(trail)
    assert ("audit_event", "seal_missing", "2") in found
    assert ("anchor", "anchor_missing", "3") in found


def test_a_row_that_was_committed_late_is_sealed_at_the_next_anchor(trail):
    """Its transaction began before its neighbours were sealed, and ended after."""
    with trail.database.reading() as db:
        row = dict(db.execute(select(EVENTS).order_by(EVENTS.c.id).limit(1)).mappings().one())
    row["id"] = ids(trail)[4][:-4] + "ffff"
    row["mark"] = trail.keys.marks.of("audit_event", row)
    tamper(trail, insert(EVENTS).values(row))
    report = verifying.verify(trail)
    assert (report.good, [one.what for one in report.remarks]) == (True, ["late"])
    tomorrow = LATER + timedelta(days=1)
    assert sealing.anchor(trail, tomorrow) is not None
    assert not verifying.verify(trail).remarks
    tamper(trail, delete(EVENTS).where(EVENTS.c.id == row["id"]))
    assert problems(trail) == [("audit_event", "deleted", row["id"])]


def test_rows_that_are_too_young_wait_and_are_not_overtaken(house):
    with house.database.transaction() as db:
        audit_apps.app_removed(db, client_id="first")
    assert sealing.seal(house, house.clock.now() + timedelta(seconds=30)) == 0
    assert sealing.seal(house, house.clock.now() + timedelta(seconds=90)) == 1
    assert sealing.seal(house, house.clock.now() + timedelta(seconds=90)) == 0


def test_what_an_older_version_wrote_is_sealed_and_told_apart(trail):
    with trail.database.reading() as db:
        row = dict(db.execute(select(EVENTS).order_by(EVENTS.c.id).limit(1)).mappings().one())
    tamper(trail, insert(EVENTS).values(row | {"id": entropy.row_id(), "mark": None}))
    report = verifying.verify(trail)
    assert (report.good, [one.what for one in report.remarks]) == (True, ["unmarked"])
    sealing.seal(trail, LATER)
    report = verifying.verify(trail)
    assert (report.good, [one.what for one in report.remarks]) == (True, ["unmarked"])


def test_after_a_purge_what_stays_can_still_be_verified(trail, stopped):
    for _ in range(2):
        stopped.move(days=400)
        with audit.circumstances(audit.Circumstances(now=stopped.now(), actor="system")):
            with trail.database.transaction() as db:
                audit_apps.app_removed(db, client_id="later")
            sealing.seal(trail, stopped.now() + timedelta(minutes=2))
            sealing.anchor(trail, stopped.now() + timedelta(minutes=2))
    stopped.move(minutes=3)
    first = ids(trail)
    with audit.circumstances(audit.Circumstances(now=stopped.now(), actor="system")):
        counts = retention.tidy(trail, stopped.now())
    assert (counts["audit_event"], counts["release"]) == (10, 5)
    report = verifying.verify(trail, kept=[anchors.file_of(trail)])
    assert report.good, report.problems
    left = ids(trail)
    assert set(left) & set(first) == set(first[10:])
    tamper(trail, delete(EVENTS).where(EVENTS.c.id == left[0]))
    assert problems(trail) == [("audit_event", "deleted", left[0])]


def test_who_removes_the_oldest_as_if_it_were_purged_is_found(trail):
    mine = (models.Seal.trail == "audit_event", models.SealedRows.trail == "audit_event")
    with trail.database.transaction() as db:
        audit_apps.app_removed(db, client_id="later")
    tomorrow = LATER + timedelta(days=1)
    sealing.seal(trail, tomorrow)
    tamper(
        trail,
        delete(EVENTS).where(EVENTS.c.id < ids(trail)[-1]),
        delete(models.Seal).where(mine[0], models.Seal.number == 1),
        delete(models.SealedRows).where(mine[1], models.SealedRows.number == 1),
    )
    assert ("audit_event", "seal_missing", "1") in problems(trail)


def test_a_purge_that_was_broken_off_goes_on(trail, stopped):
    stopped.move(days=800)
    with trail.database.reading() as db:
        seal = sealing.head(db, trail, "audit_event")
    words = {"trail": "audit_event", "through": seal.number, "hash": seal.hash, "last_id": seal.last_id}
    assert anchors.state(trail, "purge", stopped.now(), before=stopped.now().isoformat(), **words)
    tamper(trail, delete(EVENTS).where(EVENTS.c.id.in_(ids(trail)[:4])))
    assert verifying.verify(trail).good
    words = (trail, models.AuditEvent, make.NOW - timedelta(days=1), stopped.now())
    assert sealing.purge(*words, until=trail.clock.monotonic() - 1) == 0, "this night's minutes are over"
    assert verifying.verify(trail).good
    assert sealing.purge(*words) == 6
    assert ids(trail) == []
    assert verifying.verify(trail).good
    with trail.database.transaction() as db:
        audit_apps.app_removed(db, client_id="goes-on")
    sealing.seal(trail, stopped.now())
    assert verifying.verify(trail).good


def test_an_outsider_checks_an_anchor_with_our_public_key_alone(trail):
    line = anchors.file_of(trail).read_text(encoding="ascii").strip()
    published = KeySet.import_key_set(json.loads(json.dumps(anchors.public_keys(trail))))
    with pytest.warns(SecurityWarning, match="9864"):
        said = json.loads(jws.deserialize_compact(line, published, algorithms=["EdDSA"]).payload)
    assert said["kind"] == "anchor"
    assert {end["trail"]: end["number"] for end in said["heads"]} == {"audit_event": 1, "release": 1}


def test_a_day_has_one_anchor(trail):
    assert sealing.anchor(trail, LATER + timedelta(hours=1)) is None
    assert sealing.anchor(trail, LATER + timedelta(hours=20)) is not None


def test_the_export_carries_what_proves_it(trail):
    with trail.database.reading() as db:
        lines = [json.loads(line) for line in exporting.lines(db, trail, exporting.Wanted())]
    assert [line["table"] for line in lines] == ["audit_event"] * 10 + ["release"] * 5 + ["seal"] * 2 + [
        "anchor",
        "anchor_keys",
    ]
    seal = next(line for line in lines if line["table"] == "seal")
    first = next(line for line in lines if line["table"] == "audit_event")
    assert seal["rows"].startswith(first["id"].replace("-", ""))


def test_a_new_key_marks_and_the_old_one_still_judges(house, tmp_path):
    folder = tmp_path / "ring"
    keys.create(folder)
    old = keys.load(folder).marks
    keys.add(folder, "audit")
    new = keys.load(folder).marks
    row = {"id": entropy.row_id(), "at": make.NOW, "event": "x", "details": {"a": 1}}
    marked = row | {"mark": old.of("audit_event", row)}
    assert new.judge("audit_event", marked) is marks.Verdict.GOOD
    assert new.current != old.current
    assert old.judge("audit_event", row | {"mark": new.of("audit_event", row)}) is marks.Verdict.STRANGE_KEY
    assert new.judge("release", marked) is marks.Verdict.WRONG, "a row of one trail is none of the other"


@pytest.mark.postgres
def test_AUD_02_the_program_adds_to_the_trail_and_changes_nothing_in_it(
    request, tmp_path, key_folder, stopped
):
    from tests.conftest import fresh_database

    with fresh_database(request, "postgresql", tmp_path) as url:
        owner = Database(url)
        names = {role: f"{role}_{entropy.key_bytes(4).hex()}" for role in ("program", "purger")}
        with owner.transaction() as db:
            for name in names.values():
                db.execute(text(f"CREATE ROLE {name} LOGIN"))
            for _ in range(2):
                roles.apply(db, **names)
        try:
            _as_program(url, names, tmp_path, key_folder, stopped)
        finally:
            with owner.transaction() as db:
                for name in names.values():
                    db.execute(text(f"DROP OWNED BY {name}"))
                    db.execute(text(f"DROP ROLE {name}"))
            owner.close()


_DENIED = r"permission denied|must be owner"
_MOMENT = {"seal": "sealed_at", "sealed_rows": "trail", "anchor": "made_at"}


def _as_program(url, names, tmp_path, key_folder, stopped) -> None:
    from idp import config

    urls = {role: url.replace("//idp@", f"//{name}@") for role, name in names.items()}
    given = {"database_url": urls["program"], "purge_database_url": urls["purger"]}
    settings = config.read({}, data=tmp_path, keys=key_folder, **given)
    house = context.open_house(settings, clock=stopped)
    these = audit.Circumstances(now=stopped.now(), actor="system")
    with audit.circumstances(these):
        with house.database.transaction() as db:
            db.execute(insert(models.RegistryVersion), {"id": 1, "version": 1})
            story = make.story(db)
            audit_apps.app_removed(db, client_id="x")
        release(house, story)
        assert sealing.seal(house, LATER) == 2
        assert sealing.anchor(house, LATER) is not None
        for table in roles.APPENDED:
            for statement in (
                f"UPDATE {table} SET {_MOMENT.get(table, 'at')} = NULL",
                f"DELETE FROM {table}",
                f"TRUNCATE {table}",
                f"DROP TABLE {table}",
                f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            ):
                with pytest.raises(DBAPIError, match=_DENIED), house.database.transaction() as db:
                    db.execute(text(statement))
        for statement in ("UPDATE audit_event SET event = 'x'", "DELETE FROM anchor", "TRUNCATE release"):
            with pytest.raises(DBAPIError, match="permission denied"), house.purging.transaction() as db:
                db.execute(text(statement))
        stopped.move(days=800)
        counts = retention.tidy(house, stopped.now())
        assert (counts["audit_event"], counts["release"]) == (1, 1)
        assert verifying.verify(house).good
    house.close()


def test_AUD_02_a_name_that_is_no_name_makes_no_sql():
    with pytest.raises(Invalid):
        roles.statements(program='x"; DROP TABLE audit_event; --', purger="y")


def test_AUD_08_without_a_trail_nothing_privileged_is_done(house):
    """The act and its trace are one transaction: when the one cannot be written, the other is not done."""
    with house.database.transaction() as db:
        story = make.story(db)
        db.execute(text("ALTER TABLE audit_event RENAME TO away"))
    with pytest.raises(DBAPIError), house.database.transaction() as db:
        db.execute(update(models.Account).values(blocked_at=make.NOW))
        audit_accounts.account_blocked(db, account_uuid=story.pupil, instellingsnummer=story.school)
    with house.database.reading() as db:
        assert db.execute(select(models.Account.blocked_at)).scalar_one() is None


def test_AUD_08_without_a_ledger_nothing_is_released(house):
    with house.database.transaction() as db:
        story = make.story(db)
        db.execute(text("ALTER TABLE release RENAME TO away"))
    with pytest.raises(DBAPIError):
        release(house, story)


def test_every_column_of_both_trails_is_under_the_mark(house):
    """Whatever a later version adds is covered as soon as it says something."""
    for table in (EVENTS, LEDGER):
        row = dict.fromkeys((column.name for column in table.columns), "x")
        mark = house.keys.marks.of(table.name, row)
        for name in row.keys() - {"mark"}:
            assert house.keys.marks.judge(table.name, row | {name: "y", "mark": mark}) is marks.Verdict.WRONG
    assert replace(house.keys.marks).current.startswith("audit-1.")
