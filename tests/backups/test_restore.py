"""A drill: a backup, a bad day, a restore. What was handed out before is worthless, what was withdrawn stays withdrawn."""

from __future__ import annotations

import secrets
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import make_url, select, update

from idp import audit, config, context, database, entropy, journal, models, steps, upgrading
from idp.admin.agreements import sharing
from idp.admin.api import api_tokens
from idp.admin.apps import app_secrets, app_stopping
from idp.admin.makers import suppliers
from idp.admin.records import anchors, sealing, verifying
from idp.admin.staff import access
from idp.audit import accounts as audit_accounts
from idp.audit import apps as audit_apps
from idp.audit import staff as audit_staff
from idp.backups import box, dump, making, restoring, taken_back
from idp.claims import consent, visibility
from idp.cli import running
from idp.errors import Invalid
from idp.feeds import feed_clients
from idp.login import accounts, blocking, cards, support
from tests import make, make_commands
from tests.conftest import _create_database, _drop_database, _named
from tests.make_tokens import Bench

TODAY = make.TODAY


@pytest.fixture
def reader(tmp_path):
    """(file with the identity, recipient)."""
    identity, recipient = box.new_identity()
    file = tmp_path / "identity"
    file.write_text(f"# of the tests\n{identity}\n", encoding="utf-8")
    return file, recipient


class Drill:
    """A house with a backup of one moment, and the way to bring it back elsewhere."""

    def __init__(self, house, request, reader, tmp_path) -> None:
        self.house, self.bench, self.request, self.tmp_path = house, Bench(house), request, tmp_path
        self.identity, self.recipient = reader
        self.file = tmp_path / "box.age"
        make_commands.stamp(house)

    def backup(self):
        house = self.house
        return making.make(house, self.file, to=[self.recipient], with_keys=False)

    def later(self, **words):
        """So much later; whatever happens from now on happens then."""
        self.house.clock.move(**words)
        now = self.house.clock.now()
        audit.begin(audit.Circumstances(now=now, actor="system", source="test"))
        return now

    def restore(self, **words):
        data = self.tmp_path / "other"
        data.mkdir(exist_ok=True)
        url = self._empty() if not self.house.database.sqlite else f"sqlite:///{data / 'idp.sqlite'}"
        lines = [f'keys = "{self.house.settings.keys_folder}"', f'database_url = "{url}"']
        lines += ["argon2_memory_kib = 8192", "argon2_time = 1"]
        (data / "idp.toml").write_text("\n".join(lines), encoding="utf-8")
        given = {"journals": [self.house.settings.journal_folder], "clock": self.house.clock} | words
        done = restoring.restore(self.file, identity=self.identity, data=data, **given)
        settings = config.read({}, data=data)
        opened = context.open_house(settings, clock=self.house.clock)
        self.request.addfinalizer(opened.close)
        return done, opened

    def _empty(self):
        server = self.request.getfixturevalue("postgres_url")
        name = f"restored_{secrets.token_hex(5)}"
        _create_database(server, name)
        self.request.addfinalizer(lambda: _drop_database(server, name))
        return _named(server, name)


@pytest.fixture
def drill(house, request, reader, tmp_path):
    return Drill(house, request, reader, tmp_path)


def rows(house, statement):
    with house.database.reading() as db:
        return db.execute(statement).all()


def test_OPS_05_tokens_codes_and_sessions_from_before_a_restore_are_refused(drill):
    story = drill.bench.story()
    session = drill.bench.sign_in(story)
    tokens = drill.bench.tokens(story, session)
    code = drill.bench.code(story, session)
    drill.backup()
    assert drill.bench.userinfo(tokens["access_token"]).status_code == 200
    done, there = drill.restore()
    bench = Bench(there, keys=False)
    assert bench.userinfo(tokens["access_token"]).status_code == 401
    assert bench.refresh(story, tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert bench.redeem(story, code).json["error"] == "invalid_grant"
    assert not bench.introspect(story, tokens["access_token"]).json["active"]
    assert done.cut_off["sessions"] == 1
    assert done.cut_off["grants"] == 2
    assert not rows(there, select(models.Session.sid).where(models.Session.ended_at.is_(None)))


def test_OPS_05_what_a_code_yielded_after_the_backup_is_refused_too(drill):
    story = drill.bench.story()
    drill.backup()
    later = drill.bench.tokens(story)
    _done, there = drill.restore()
    bench = Bench(there, keys=False)
    assert bench.userinfo(later["access_token"]).status_code == 401
    assert bench.refresh(story, later["refresh_token"]).json["error"] == "invalid_grant"


def test_OPS_05_a_withdrawn_agreement_stays_withdrawn_and_rules_on_classes_stay_turned(drill):
    story = drill.bench.story()
    with drill.house.database.transaction() as db:
        make.rule(db, story.app.client_id, story.school, kind=models.RuleKind.KLAS, target=story.klas)
        director = make.director(db, story.school)
    drill.backup()
    now = drill.later(hours=1)
    with drill.house.database.transaction() as db:
        consent.stop(db, instellingsnummer=story.school, person_id=director, now=now, today=TODAY)
    done, there = drill.restore()
    assert done.again["sharing_stopped"] == 1
    with there.database.reading() as db:
        assert not consent.state(db, story.school, TODAY).shares
        assert not visibility.class_rules(db, story.school, TODAY)
    (closed,) = rows(there, select(models.Agreement.stopped_by, models.Agreement.stop_reference))
    assert closed.stopped_by == "operator:restored"
    assert "10:00" in closed.stop_reference


def test_OPS_05_who_was_blocked_stays_blocked_and_who_was_opened_again_is_open(drill):
    story, other = drill.bench.story(), drill.bench.story()
    drill.backup()
    now = drill.house.clock.now()
    with drill.house.database.transaction() as db:
        for one in (story, other):
            blocking.block(db, account_uuid=one.pupil, instellingsnummer=one.school, now=now)
    with drill.house.database.transaction() as db:
        blocking.unblock(db, account_uuid=other.pupil, instellingsnummer=other.school)
    _done, there = drill.restore()
    blocked = dict(rows(there, select(models.Account.account_uuid, models.Account.blocked_at)))
    assert blocked[story.pupil] is not None
    assert blocked[other.pupil] is None


def test_OPS_05_a_renewed_secret_does_not_become_the_old_one_again(drill):
    story = drill.bench.story()
    drill.backup()
    now, stored = drill.later(minutes=20), drill.house.hasher.hash("kat appel trein kasteel")
    with drill.house.database.transaction() as db:
        accounts.renew(
            db,
            account_uuid=story.pupil,
            instellingsnummer=story.school,
            kind=models.SecretKind.PICTURE,
            stored=stored,
            now=now,
            settings=drill.house.settings,
        )
    done, there = drill.restore()
    assert done.again["secret_renewed"] == 1
    ((expires,),) = rows(
        there, select(models.Account.secret_expires_at).where(models.Account.account_uuid == story.pupil)
    )
    assert expires == now, "the old secret must not open this account"


def test_OPS_05_cards_rights_rules_apps_and_ways_to_sign_in_that_went_stay_gone(drill):
    story, gone = drill.bench.story(), drill.bench.story()
    house, now = drill.house, drill.house.clock.now()
    with house.database.transaction() as db:
        card = cards.issue(db, account_uuid=story.pupil, label="school", now=now, days=395)
        person = make.person(db)
        key = {"account_uuid": story.pupil, "instellingsnummer": story.school, "now": now}
        support.allow_card_alone(db, by=person, anywhere=True, **key)
        right = make.right(db, person, story.school)
        db.execute(
            models.StaffAccount.__table__.insert(),
            {
                "person_id": person,
                "user_handle": entropy.identifier(),
                "secret_hash": "x",
                "pepper_id": "pepper-1",
                "secret_set_at": now,
                "totp_secret": None,
                "totp_set_at": None,
                "totp_last_step": 0,
                "created_at": now,
            },
        )
    drill.backup()
    now = drill.later(minutes=5)
    with house.database.transaction() as db:
        audit_accounts.card_voided(db, account_uuid=story.pupil, instellingsnummer=story.school, card=card.id)
        support.stop_card_alone(db, **(key | {"now": now}))
        access.stop(db, right_id=right, by=None, today=TODAY)
        audit_staff.staff_way_changed(db, person_id=person, what="password", change="changed")
        (rule,) = [
            one
            for one in db.execute(select(models.VisibilityRule)).all()
            if one.client_id == story.app.client_id
        ]
        visibility.remove(db, instellingsnummer=story.school, rule_id=rule.id)
        app_stopping.remove(db, gone.app.client_id, now=now)
    done, there = drill.restore()
    ((voided,),) = rows(there, select(models.Card.voided_at).where(models.Card.id == card.id))
    assert voided is not None
    ((until,),) = rows(there, select(models.Right.einddatum).where(models.Right.id == right))
    assert until < TODAY
    assert not rows(there, select(models.StaffAccount.person_id))
    mine = models.VisibilityRule.client_id == story.app.client_id
    assert not rows(there, select(models.VisibilityRule.id).where(mine))
    ((disabled,),) = rows(
        there, select(models.App.disabled_at).where(models.App.client_id == gone.app.client_id)
    )
    assert disabled is not None
    assert not rows(there, select(models.Support.card_alone_since))[0][0]
    assert {
        "card_voided",
        "card_alone_stopped",
        "right_stopped",
        "staff_way_changed",
        "app_made_invisible",
        "app_removed",
    } <= {*done.again}


def test_OPS_05_apps_programs_suppliers_packages_and_tokens_that_went_stay_gone(drill):
    house, now = drill.house, drill.house.clock.now()
    disabled, opened, moved, renamed, ended = (drill.bench.story() for _ in range(5))
    with house.database.transaction() as db:
        closed, _ = feed_clients.add(db, naam="Package", pakket="wisa", now=now)
        lost, _ = feed_clients.add(db, naam="Package", pakket="informat", now=now)
        reopened, _ = feed_clients.add(db, naam="Package", pakket="wisa", now=now)
        suppliers.keep(db, "maker", naam="Maker", now=now)
        suppliers.keep(db, "other", naam="Other", now=now)
        api_tokens.issue(
            db,
            label="program",
            scopes=frozenset({api_tokens.Scope.APPS_READ}),
            until=TODAY + timedelta(days=9),
            now=now,
        )
        db.execute(update(models.School).values(pakket="wisa"))
        teacher = make.person(db)
        right = make.right(db, teacher, moved.school, kind=models.RightKind.TEACHER)
        first = app_secrets.listing(db, ended.app.client_id)
    drill.backup()
    now = drill.later(minutes=5)
    with house.database.transaction() as db:
        app_stopping.disable(db, disabled.app.client_id, now=now)
        app_stopping.disable(db, opened.app.client_id, now=now)
        audit_apps.app_changed(db, client_id=moved.app.client_id, fields=["redirect_uris"])
        audit_apps.app_changed(db, client_id=renamed.app.client_id, fields=["client_name"])
        for one in first:
            audit_apps.app_secret_ended(db, client_id=ended.app.client_id, secret=one.id)
        feed_clients.close(db, closed, closed=True, now=now)
        feed_clients.close(db, reopened, closed=True, now=now)
        feed_clients.end_secrets(db, lost, now=now)
        suppliers.end(db, "maker", now=now)
        suppliers.end(db, "other", now=now)
        sharing.name_package(db, instellingsnummer=moved.school, pakket="informat")
        audit.right_narrowed(
            db, person_id=teacher, right="leerkracht", instellingsnummer=moved.school, counts={"klas": 1}
        )
    now = drill.later(minutes=5)
    with house.database.transaction() as db:
        app_stopping.enable(db, opened.app.client_id, now=now)
        audit_apps.app_changed(db, client_id=moved.app.client_id, fields=["client_name"])
        feed_clients.close(db, reopened, closed=False, now=now)
        suppliers.keep(db, "other", naam="Other", now=now)
    done, there = drill.restore()
    off = {*rows(there, select(models.App.client_id).where(models.App.paused_at.is_not(None)))}
    assert off == {(disabled.app.client_id,), (moved.app.client_id,)}
    assert not rows(there, select(models.AppSecret.id).where(models.AppSecret.id.in_([x.id for x in first])))
    feeds = dict(rows(there, select(models.FeedClient.client_id, models.FeedClient.disabled_at)))
    assert {one for one, at in feeds.items() if at} == {closed}
    assert lost not in {row[0] for row in rows(there, select(models.FeedSecret.client_id))}
    over = dict(rows(there, select(models.Supplier.supplier_id, models.Supplier.ended_at)))
    assert over["maker"] is not None
    assert over["other"] is None
    packages = dict(rows(there, select(models.School.instellingsnummer, models.School.pakket)))
    assert packages[moved.school] is None
    assert packages[opened.school] == "wisa"
    ((until,),) = rows(there, select(models.Right.einddatum).where(models.Right.id == right))
    assert until < TODAY
    assert done.cut_off["tokens of operators"] == 1
    assert not rows(there, select(models.OperatorToken.id).where(models.OperatorToken.revoked_at.is_(None)))


def test_the_trail_tells_of_the_restore_and_stays_whole(drill):
    drill.bench.story()
    drill.backup()
    done, there = drill.restore()
    ((details,),) = rows(
        there, select(models.AuditEvent.details).where(models.AuditEvent.event == "restored")
    )
    assert details["made_at"] == done.manifest.made_at
    assert details["cut_off"] == done.cut_off


def test_anchors_that_a_restore_lost_are_told_with_the_restore_until_somebody_accepts_it(drill, tmp_path):
    drill.bench.story()
    now = drill.later(minutes=5)
    sealing.seal(drill.house, now)
    sealing.anchor(drill.house, now)
    drill.backup()
    now = drill.later(hours=5)
    drill.bench.story()
    drill.house.clock.move(minutes=5)
    sealing.seal(drill.house, now)
    assert sealing.anchor(drill.house, now, anew=True)
    drill.later(minutes=5)
    _done, there = drill.restore()
    now = drill.later(minutes=5)
    assert sealing.seal(there, now)
    assert sealing.anchor(there, now, anew=True)
    kept = anchors.file_of(drill.house)
    assert verifying.verify(there).good
    report = verifying.verify(there, kept=[kept])
    (told,) = report.problems
    assert told.what == "restored"
    assert "1 kept anchors" in told.words
    assert verifying.verify(there, kept=[kept], accepted=[told.where]).good
    assert not verifying.verify(there, kept=[kept], accepted=["another"]).good
    strange = tmp_path / "strange.txt"
    strange.write_text(f"{anchors.file_of(there).read_text().split()[-1]}x\n", encoding="ascii")
    report = verifying.verify(there, kept=[kept, strange], accepted=[told.where])
    assert [one.what for one in report.problems] == ["anchor_lost"]
    with there.database.transaction() as db:
        db.execute(
            update(models.AuditEvent).where(models.AuditEvent.event == "restored").values(result="edited")
        )
    found = {one.what for one in verifying.verify(there, kept=[kept], accepted=[told.where]).problems}
    assert "anchor_lost" in found, "a restore without our mark explains nothing"


def test_without_a_journal_somebody_has_to_say_so_and_nothing_is_touched(drill):
    drill.backup()
    with pytest.raises(Invalid) as refused:
        drill.restore(journals=[])
    assert refused.value.code == "backup_journal"
    if drill.house.database.sqlite:
        assert not (drill.tmp_path / "other" / "idp.sqlite").exists()
    _done, there = drill.restore(journals=[], without_journal=True)
    assert rows(there, select(models.RegistryVersion.id))


def test_another_identity_opens_nothing_and_a_damaged_file_is_refused(drill, tmp_path):
    drill.backup()
    stranger = tmp_path / "stranger"
    stranger.write_text(box.new_identity()[0], encoding="utf-8")
    with pytest.raises(Invalid) as refused:
        restoring.check(drill.file, identity=stranger)
    assert refused.value.code == "backup_closed"
    whole = drill.file.read_bytes()
    for place in (len(whole) // 2, len(whole) - 20):
        drill.file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Invalid) as refused:
            restoring.check(drill.file, identity=drill.identity)
        assert refused.value.code == "backup_broken"
    drill.file.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(Invalid) as refused:
        restoring.check(drill.file, identity=drill.identity)
    assert refused.value.code == "backup_broken"
    drill.file.write_bytes(whole)
    assert restoring.check(drill.file, identity=drill.identity).rows == dict.fromkeys(dump.COUNTED, 0)


def test_a_backup_never_overwrites_and_leaves_nothing_behind_when_it_fails(drill, tmp_path):
    drill.backup()
    with pytest.raises(Invalid) as refused:
        drill.backup()
    assert refused.value.code == "backup_target"
    with pytest.raises(Invalid):
        making.make(drill.house, tmp_path / "never.age", to=["age1nonsense"])
    with pytest.raises(Invalid) as refused:
        making.make(drill.house, tmp_path / "never.age", to=[])
    assert refused.value.code == "backup_recipient"
    assert not [*tmp_path.glob("never*")]
    assert not [*tmp_path.glob("backup-*")]
    assert stat.S_IMODE(drill.file.stat().st_mode) == 0o600


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_backup_and_a_restore_find_the_server_that_an_address_of_several_machines_names(drill, tmp_path):
    """As docs/high-availability.md writes it; pg_dump and pg_restore must not look at a server of this machine instead."""

    def of_several(url):
        address = make_url(url)
        return address.update_query_dict({"host": [str(tmp_path), address.query["host"]]}).render_as_string(
            hide_password=False
        )

    drill.bench.story(username="milan.debremme")
    several = replace(drill.house, database=database.Database(of_several(drill.house.database.url)))
    drill.request.addfinalizer(several.database.close)
    making.make(several, drill.file, to=[drill.recipient], with_keys=False)
    done, _there = drill.restore(database_url=of_several(drill._empty()))
    assert done.manifest.rows["pupil"] == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_restore_that_is_broken_off_leaves_nothing_that_can_be_served(drill, tmp_path):
    """Tokens of before would be good again in it, and agreements that were stopped."""
    drill.bench.story(username="milan.debremme")
    dump.save(drill.house.database, tmp_path / "dump")
    filled = database.Database(drill._empty())
    try:
        dump.load(tmp_path / "dump", filled.url)
        with filled.reading() as db:
            assert dump.count(db)["pupil"] == 1
        assert steps.behind(upgrading.current(filled))
        with pytest.raises(config.ConfigurationError, match="a restore into this database was broken off"):
            running._upgraded(filled)
    finally:
        filled.close()
    drill.backup()
    _done, there = drill.restore()
    assert upgrading.is_current(there.database)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_nobody_else_sees_a_step_before_a_restore_took_back_what_was_withdrawn(drill, monkeypatch):
    """Killed while it brings an older backup up to date, it would leave what `idp serve` takes for its own."""
    drill.bench.story(username="milan.debremme")
    drill.backup()
    url = drill._empty()
    elsewhere, seen = database.Database(url), []
    drill.request.addfinalizer(elsewhere.close)

    def watched(there, name):
        work = getattr(there, name)

        def looked_at(*given, **words):
            seen.append(upgrading.current(elsewhere))
            done = work(*given, **words)
            seen.append(upgrading.current(elsewhere))
            return done

        monkeypatch.setattr(there, name, looked_at)

    watched(upgrading.command, "upgrade")
    watched(taken_back, "cut_off")
    drill.restore(database_url=url)
    assert seen == [None] * 4
    assert upgrading.is_current(elsewhere)


@pytest.mark.parametrize("password", ["//idp:hush@db/idp", "//idp@/idp?host=db&password=hush"])
def test_the_password_of_the_database_is_in_no_list_of_processes(monkeypatch, tmp_path, password):
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\necho "$0 $@ $PGPASSWORD" >&2; exit 1\n', encoding="utf-8")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Invalid) as told:
        dump._run("pg_dump", f"postgresql+psycopg:{password}")
    *words, environment = str(told.value.detail).split()
    assert (environment, "hush" in str(words), "host=db" in str(words)) == ("hush", False, True)


def test_LEAK_10_a_backup_shows_nothing_to_who_cannot_open_it(drill):
    story = drill.bench.story(username="canary.pupil")
    drill.backup()
    inside = drill.file.read_bytes()
    for canary in (b"canary.pupil", story.pupil.encode(), b"SQLite format", b"manifest"):
        assert canary not in inside


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_in_use_is_not_set_aside(drill):
    drill.backup()
    _done, there = drill.restore()
    rows(there, select(models.RegistryVersion.id))  # idle since, as a server at night
    with pytest.raises(Invalid) as refused:
        drill.restore(replace=True)
    assert refused.value.code == "backup_in_use"
    there.close()
    done, _again = drill.restore(replace=True)
    assert done.set_aside.exists()


def test_a_database_that_is_not_empty_is_never_filled(drill):
    drill.backup()
    with pytest.raises(Invalid) as refused:
        if drill.house.database.sqlite:
            drill.restore()
            drill.restore()
        else:
            words = {"database_url": drill.house.settings.database_url}
            drill.restore(**words)
    assert refused.value.code == "backup_target"


# ---------------------------------------------------------------- the journal


def test_an_act_that_was_rolled_back_is_not_in_the_journal(drill):
    story = drill.bench.story()
    house, now = drill.house, drill.house.clock.now()

    class Stop(Exception):
        pass

    with pytest.raises(Stop), house.database.transaction() as db:
        blocking.block(db, account_uuid=story.pupil, instellingsnummer=story.school, now=now)
        raise Stop
    with house.database.transaction() as db:
        blocking.block(db, account_uuid=story.pupil, instellingsnummer=story.school, now=now)
    events = [*journal.read([house.database.journal.folder], now - timedelta(days=1))]
    assert [event["event"] for event in events] == ["account_blocked"]


def test_LEAK_03_the_journal_holds_ids_only_and_is_ours_alone(drill):
    story = drill.bench.story(username="canary.pupil")
    with drill.house.database.transaction() as db:
        blocking.block(
            db, account_uuid=story.pupil, instellingsnummer=story.school, now=drill.house.clock.now()
        )
    (file,) = drill.house.settings.journal_folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"canary" not in file.read_bytes()
    assert b"Logie" not in file.read_bytes()


def test_the_journals_of_several_nodes_are_read_as_one_and_a_broken_line_is_left_out(tmp_path):
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    words = {"actor": "x", "object": "pupil:1", "instellingsnummer": "1", "details": {}}
    for number, minutes in enumerate((5, 1, 3)):
        node = journal.Journal(tmp_path / str(number))
        node.write([{"at": noon + timedelta(minutes=minutes), "event": "account_blocked", **words}])
    with (tmp_path / "0" / "journal-2026-11-23.jsonl").open("ab") as file:
        file.write(b'{"at": "2026-11-23T12:0')
    found = [event["at"].minute for event in journal.read([tmp_path / str(n) for n in range(3)], noon)]
    assert found == [1, 3, 5]
    assert not [*journal.read([tmp_path / "1"], noon + timedelta(minutes=2))]


def test_an_act_after_a_line_that_broke_off_on_a_full_disk_is_not_lost_with_it(tmp_path):
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    words = {"actor": "x", "object": "pupil:1", "instellingsnummer": "1", "details": {}}
    node = journal.Journal(tmp_path)
    (tmp_path / "journal-2026-11-23.jsonl").write_bytes(b'{"at": "2026-11-23T12:0')
    for minutes in (1, 2):
        node.write([{"at": noon + timedelta(minutes=minutes), "event": "account_blocked", **words}])
    assert [event["at"].minute for event in journal.read([tmp_path], noon)] == [1, 2]


def test_FAULT_06_a_journal_that_cannot_be_written_is_said_and_stops_nobody(house, caplog, capfd):
    story = Bench(house).story()
    blocked = house.settings.data / "a-file"
    blocked.write_text("", encoding="utf-8")
    house.database.journal = journal.Journal(blocked / "journal")
    with house.database.transaction() as db:
        blocking.block(db, account_uuid=story.pupil, instellingsnummer=story.school, now=house.clock.now())
    assert rows(house, select(models.Account.account_uuid).where(models.Account.blocked_at.is_not(None)))
    out, err = capfd.readouterr()
    assert "journal_not_written" in out + err + caplog.text


def test_old_files_of_the_journal_go_by_themselves(tmp_path):
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    node = journal.Journal(tmp_path)
    for day in ("2025-01-01", "2026-11-22"):
        (tmp_path / f"journal-{day}.jsonl").write_text("", encoding="utf-8")
    assert node.tidy(now) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["journal-2026-11-22.jsonl"]


def test_every_event_of_the_journal_is_done_again_or_undoes_another():
    assert {*taken_back.ACTS} | {*taken_back.PAIRS} == journal.EVENTS
