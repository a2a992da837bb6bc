"""LEAK-07, FAULT-16, OPS-03: what a load balancer, Prometheus, a trace and the doctor are told, and what they never are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import insert, update
from sqlalchemy.exc import DBAPIError
from werkzeug.test import Client

from idp import (
    audit,
    cli,
    clock,
    config,
    context,
    failing,
    keys,
    listening,
    models,
    serving,
    steps,
    upgrading,
)
from idp.audit import backups as audit_backups
from idp.backups import box
from idp.config import ConfigurationError
from idp.errands import job_book, jobs
from idp.watching import doctor, health, spans, watched
from tests import make, make_feeds, make_signing
from tests.conftest import MONDAY


@pytest.fixture
def served(database_url, tmp_path):
    """A house with keys of its own that could serve: every key, every step, and the time it is."""
    keys.create(tmp_path / "keys")
    settings = config.read(
        {}, data=tmp_path, database_url=database_url, argon2_memory_kib=8192, argon2_time=1
    )
    made = context.open_house(settings, clock=clock.Stopped(clock.Clock().now()))
    with (
        audit.circumstances(audit.Circumstances(now=made.clock.now(), actor="system", source="test")),
        _standing(made),
    ):
        yield made
    made.close()


@contextmanager
def _standing(made):
    with made.database.transaction() as db:
        db.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        db.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{upgrading.newest()}')")
        db.execute(insert(models.RegistryVersion), {"id": 1, "version": 1})
    make_signing.keys(made)
    yield


@pytest.fixture
def another():
    """Another process of the same installation, with other settings or another clock; closed at the end."""
    made = []

    def open_one(house, here=None, **changes):
        settings = house.settings.model_copy(update=changes)
        made.append(context.open_house(settings, clock=here or house.clock))
        return made[-1]

    yield open_one
    for one in made:
        one.close()


def step(house, number):
    with house.database.transaction() as db:
        db.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{number}'")


def test_the_steps_that_a_process_knows_are_those_of_alembic():
    assert steps.newest() == upgrading.newest()
    assert steps.behind(None)
    assert steps.behind("0001")
    assert not steps.behind(steps.newest())
    assert not steps.behind("9999"), "a database that is ahead serves the version before"


def test_a_process_that_can_serve_says_so_and_why_when_it_cannot(served):
    assert health.look(served) == health.Seen()
    step(served, "0001")
    assert health.look(served).why == ("database_behind",)
    step(served, "9999")
    assert health.look(served).why == ()
    (served.keys.folder / "signing").rename(served.keys.folder / "elsewhere")
    from idp.oidc import signing

    signing.forget(served)
    assert health.look(served).why == ("keys",)
    with served.database.transaction() as db:
        db.exec_driver_sql("ALTER TABLE signing_key RENAME TO gone")
    assert health.look(served).why == ("database_away",)


def test_what_would_close_every_machine_at_once_is_a_warning(served):
    jobs.announce(served)
    with served.database.transaction() as db:
        db.execute(update(models.JobRecord).values(failures=2, failed_at=served.clock.now()))
    assert health.look(served) == health.Seen(warn=("jobs",))
    served.clock.move(minutes=-5)
    assert "clock" in health.look(served).warn or served.database.sqlite


def test_FAULT_16_and_OPS_03_clocks_that_differ_are_seen(served):
    here = clock.Stopped(served.clock.now())
    assert health.skew(served, here=here) < health.SKEW
    jobs.announce(served)
    with served.database.transaction() as db:
        job_book.begin(db, "purge", "fast", here.now() + timedelta(minutes=5), seconds=60)
    assert health.skew(served, here=here) >= timedelta(minutes=5) - timedelta(seconds=30)
    here.move(minutes=4.5)
    assert health.database_skew(served, here=here) > health.SKEW or served.database.sqlite


def test_FAULT_16_a_machine_with_other_keys_or_another_time_does_not_start(served, another, tmp_path):
    other = tmp_path / "other"
    keys.create(other)
    with pytest.raises(ConfigurationError, match="private half is not on this node"):
        serving.check(another(served, keys=other))
    shutil.copytree(served.keys.folder / "signing", other / "signing")
    serving.check(another(served, keys=other))
    late = another(served, clock.Stopped(served.clock.now() + timedelta(minutes=5)))
    if served.database.sqlite:
        serving.check(late)
    else:
        with pytest.raises(ConfigurationError, match="same time servers"):
            serving.check(late)


def test_LEAK_07_and_02_health_is_two_words_for_who_asks_directly_and_nothing_through_a_proxy(served):
    beside = Client(serving.assemble(served))
    live, ready = beside.get("/health/live"), beside.get("/health/ready")
    assert (live.status_code, live.json) == (200, {"live": True})
    assert (ready.status_code, ready.json) == (200, {"ready": True})
    assert beside.post("/health/ready").status_code == 405
    step(served, "0001")
    served.clock.move(seconds=health.AGAIN)
    ready = beside.get("/health/ready")
    assert (ready.status_code, ready.json) == (503, {"ready": False, "why": ["database_behind"]})
    assert beside.head("/health/ready").status_code == 503
    for header in ("X-Forwarded-For", "Forwarded"):
        for path in (health.LIVE, health.READY):
            assert beside.get(path, headers={header: "198.51.100.7"}).status_code == 404
    for path in ("/metrics", "/health", "/health/", "/debug", "/console", "/.env", "/.git/config", "/admin"):
        assert beside.get(path).status_code == 404


def test_ready_is_looked_at_once_in_two_seconds_whoever_asks(served):
    beside = Client(serving.assemble(served))
    assert beside.get("/health/ready").status_code == 200
    step(served, "0001")
    assert beside.get("/health/ready").status_code == 200
    served.clock.move(seconds=health.AGAIN)
    assert beside.get("/health/ready").status_code == 503


def test_a_server_that_is_about_to_stop_says_so_at_once(served, tmp_path, monkeypatch):
    beside = Client(serving.assemble(served))
    monkeypatch.setenv(listening.STOPPING, str(tmp_path / "stopping"))
    assert beside.get("/health/ready").status_code == 200
    (tmp_path / "stopping").touch()
    assert beside.get("/health/ready").json == {"ready": False, "why": ["stopping"]}
    assert beside.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/k/K1ABC", "card"), ("/K/K1ABC", "card"), ("/mijn/jan.jansen", "personal"), ("/token", "token"),
     ("/.well-known/openid-configuration", "metadata"), ("//authorize", "authorize"), ("/jan.jansen", "page"), ("", "page")],
)  # fmt: skip
def test_LEAK_03_a_request_has_a_kind_of_a_closed_list_whatever_its_path(path, kind):
    assert watched.kind_of(path) == kind


LOGGED = """
import json, sys
from pathlib import Path
import structlog
from werkzeug.test import Client
from idp import config, context, keys, serving, upgrading
folder = Path(sys.argv[1])
keys.create(folder / "keys")
settings = config.read({}, data=folder, access_log=True)
serving.prepare_logs(settings)
house = context.open_house(settings)
upgrading.upgrade(house.database)
pages = serving.create_app
def ugly():
    structlog.get_logger().warning("on the way")
    raise RuntimeError("broken")
from idp import web
ugly.door = web.Door.ANYONE
def with_a_broken_page(house):
    app = pages(house)
    app.add_url_rule("/lelijk", view_func=ugly)
    return app
serving.create_app = with_a_broken_page
client = Client(serving.assemble(house))
page = client.get("/lelijk")
mine = client.get("/mijn/jan.jansen?geheim=canary", environ_base={"REMOTE_ADDR": "198.51.100.7"})
client.get("/k/K1" + "9" * 26)
client.open("/jwks", method="CANARY")
house.close()
print(json.dumps([page.headers["X-Request-Id"], page.text, mine.headers["X-Request-Id"], mine.status_code]))
"""


def test_LEAK_03_what_a_request_leaves_in_the_log_has_its_number_and_nothing_of_whom(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LOGGED, str(tmp_path)], check=True, capture_output=True, text=True
    )
    shown, page, number, status = json.loads(done.stdout)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["event"] for line in lines if line.get("request_id") == shown} == {
        "on the way",
        "unexpected",
        "request",
    }, "whatever is logged during a request has the number of its error page"
    assert shown in page
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["kind"] for line in requests] == ["page", "personal", "card", "jwks"]
    assert [line["method"] for line in requests] == ["GET", "GET", "GET", "other"]
    assert (requests[1]["request_id"], requests[1]["status"]) == (number, status)
    said = json.dumps(requests)
    assert not re.search(r"jansen|canary|geheim|198\.51\.100|K19999", said, re.IGNORECASE)


def test_a_trace_tells_kinds_and_times_and_nobody(served, another):
    exporter = InMemorySpanExporter()
    one = another(served, traces_to="http://127.0.0.1:4318")
    spans.begin(one.settings.traces_to, share=1.0, exporter=exporter)
    try:
        with one.database.transaction() as db:
            story = make.story(db)
        Client(serving.assemble(one)).get(
            "/mijn/jan.jansen", headers={"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}
        )
        Client(serving.assemble(one)).get(f"/authorize?client_id={story.app.client_id}")
    finally:
        spans.end()
    found = exporter.get_finished_spans()
    assert {"personal", "authorize", "database read"} <= {one.name for one in found}
    assert all(one.context.trace_id != int("1" * 32, 16) for one in found), "strangers choose no trace"
    said = json.dumps([[one.name, dict(one.attributes or {}), [e.name for e in one.events]] for one in found])
    assert not re.search(f"jansen|{story.app.client_id}", said)


def test_without_traces_a_span_is_one_object_that_does_nothing():
    assert spans.span("a") is spans.span("b", rows=1)
    assert spans.request("token") is spans.span("a")
    assert spans.number() is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"metrics_port": 9000, "metrics_host": "0.0.0.0"}, "metrics_token_file: needed"),
        ({"metrics_port": 9000, "metrics_token_file": "/nowhere/token"}, "there is no file"),
        ({"metrics_port": 8080}, "the public port is another one"),
        ({"issuer": "https://ID.school.example"}, "as browsers write it"),
        ({"issuer": "https://id.school.example:443"}, "as browsers write it"),
        ({"issuer": "https://schoolé.example"}, "as browsers write it"),
        ({"issuer": "https://id.school.example:99999"}, "port that does not exist"),
        ({"school_day_ends": "24:00"}, "school_day_ends"),
        ({"purge_database_url": "nonsense"}, "purge_database_url: must begin with"),
        ({"argon2_memory_kib": 10**9}, "argon2_memory_kib"),
        ({"argon2_parallelism": 5000}, "argon2_parallelism"),
        ({"traces_to": "collector:4318"}, "traces_to: must be a full address"),
        ({"traces_share": 2}, "traces_share"),
        ({"issuer": "http://id.school.example"}, "http is for this machine only"),
        ({"issuer": "https://id.school.example", "demo": True}, "a demo shows secrets"),
        ({"issuer": "https://id.school.example", "argon2_time": 1}, "weaker than OWASP"),
        ({"debug": True}, "debug"),
        ({"secret_key": "changeme"}, "secret_key"),
    ],
)
def test_OPS_09_what_is_weak_or_unknown_is_refused_with_words_that_say_which(wrong, says, tmp_path):
    with pytest.raises(ConfigurationError, match=says):
        config.read({}, data=tmp_path, **wrong)


@pytest.mark.parametrize(
    "issuer",
    [
        "http://[::1]:8080",
        "http://localhost",
        "https://id.school.example:8443",
        "https://xn--d1acpjx3f.example",
    ],
)
def test_an_issuer_as_browsers_write_it_is_taken_as_it_is(issuer, tmp_path):
    assert config.read({}, data=tmp_path, issuer=issuer).issuer == issuer


@pytest.mark.parametrize("lost", ["pepper-1", "pairwise", "cookie-1"])
def test_OPS_09_without_a_key_nothing_starts_and_the_message_names_it(served, lost):
    (served.keys.folder / lost).unlink()
    with pytest.raises(ConfigurationError, match=lost.partition("-")[0]):
        context.open_house(served.settings)


# ---------------------------------------------------------------- the doctor


def found(house, weight):
    return {one.about: one for one in doctor.examine(house) if one.weight is weight}


def test_the_doctor_finds_a_well_house_well(served):
    jobs.announce(served)
    assert not found(served, doctor.Weight.BAD)
    assert {"keys", "database", "signing keys", "clock", "jobs", "disk"} <= {
        *found(served, doctor.Weight.WELL)
    }


def test_the_doctor_says_what_to_do_about_each_ill(served):
    jobs.announce(served)
    with served.database.transaction() as db:
        story = make.story(db)
        db.execute(update(models.Account).values(pepper_id="pepper-9"))
        now = served.clock.now()
        job_book.failed(db, "purge", "OSError: no room", begun=now, now=now, seconds=1)
        db.execute(
            insert(models.AccessToken),
            {"digest": b"x" * 32, "grant_id": None, "client_id": story.app.client_id, "scope": "", "issued_at": now,
             "expires_at": now - timedelta(days=60)},
        )  # fmt: skip
    (served.keys.folder / "throttle").chmod(0o644)
    next((served.keys.folder / "signing").glob("es256*")).unlink()
    ill = found(served, doctor.Weight.BAD)
    assert {*ill} == {"keys", "signing keys", "jobs", "retention"}
    assert "idp jobs run purge" in ill["jobs"].do
    assert all(one.do for one in ill.values())
    seen = " ".join(one.seen for one in doctor.examine(served))
    assert "pepper-9" in seen
    assert "throttle" in seen


@pytest.mark.parametrize(("mode", "noted"), [(0o600, False), (0o640, False), (0o644, True), (0o602, True)])
def test_the_doctor_says_when_everybody_may_read_the_settings(served, mode, noted):
    file = served.settings.data / config.FILE
    file.write_text("")
    file.chmod(mode)
    said = found(served, doctor.Weight.NOTE).get("idp.toml")
    assert (said is not None) == noted
    assert not noted or "chmod 600" in said.do


@pytest.mark.parametrize(
    ("folder", "file", "noted"), [(0o755, 0o644, True), (0o700, 0o644, False), (0o755, 0o600, False)]
)
def test_the_doctor_says_when_everybody_may_read_the_embedded_database(served, tmp_path, folder, file, noted):
    if not served.database.sqlite:
        pytest.skip("PostgreSQL keeps its own files")
    there = tmp_path / "idp.sqlite"
    tmp_path.chmod(folder)
    there.chmod(file)
    said = [
        one for one in doctor.examine(served) if one.weight is doctor.Weight.NOTE and str(there) in one.seen
    ]
    assert (["chmod 600" in one.do for one in said]) == [True] * noted


def test_a_database_that_takes_no_writes_is_no_place_to_send_people(served, another):
    if served.database.sqlite:
        pytest.skip("PostgreSQL has standbys")
    with served.database.reading() as db:
        name = db.exec_driver_sql("SELECT current_database()").scalar()
        db.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    try:
        reading = another(served)
        assert health.look(reading).why == ("database_read_only",)
        assert "target_session_attrs" in found(reading, doctor.Weight.BAD)["database"].do
        with pytest.raises(DBAPIError) as refused, reading.database.transaction() as db:
            make.story(db)
        no = failing.to_program(refused.value, "1")
        assert (no.status, no.error, no.headers) == (503, "temporarily_unavailable", [("Retry-After", "5")])
    finally:
        with served.database.reading() as db:
            db.exec_driver_sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    assert health.look(served).why == ()


def test_the_doctor_finds_folders_that_are_elsewhere_and_not_there(served, another, tmp_path):
    (file := tmp_path / "file").write_text("")
    ill = found(
        another(served, journal=file / "journal", drop_folder=tmp_path / "not-mounted"), doctor.Weight.BAD
    )
    assert {"journal", "drop_folder"} <= {*ill}
    assert "ReadWritePaths" in ill["journal"].do
    unseen = found(  # as below a folder that this user may not enter, which root may
        another(served, journal=file / "journal", drop_folder=tmp_path / ("n" * 300)), doctor.Weight.BAD
    )
    assert {"journal", "drop_folder"} <= {*unseen}, "what cannot be looked at ends no examination"
    (drop := tmp_path / "drop").mkdir()
    well = found(
        another(served, journal=tmp_path / "yet" / "to" / "come", drop_folder=drop), doctor.Weight.BAD
    )
    assert not {"journal", "drop_folder"} & {*well}


def test_the_doctor_says_that_no_list_of_directors_came_and_that_enrolments_wait(served):
    served.clock.moment = MONDAY  # these rows are of that school year
    make_feeds.schools(served, "800001", kind=models.SchoolKind.REAL)
    rows = [make_feeds.row(str(n), instellingsnummer="800001") for n in range(12)]
    make_feeds.bring(served, make_feeds.file(*rows))
    make_feeds.bring(served, make_feeds.file(*rows[:3]))
    noted = found(served, doctor.Weight.NOTE)
    assert "no list of directors came ever" in noted["directors"].seen
    assert ("800001" in noted["enrolments"].seen, noted["enrolments"].do) == (
        True,
        "*Leveringen* in the console, or `idp holds list`",
    )


def test_the_doctor_says_when_backups_that_somebody_can_open_are_not_made(served, another):
    _identity, recipient = box.new_identity()
    one = another(served, backup_recipients=[recipient])

    def about_backups(house):
        return [(found.weight, found.seen[:22]) for found in doctor.examine(house) if found.about == "backup"]

    assert not about_backups(served), "whoever makes none with us is told nothing"
    assert about_backups(one) == [(doctor.Weight.NOTE, "none was ever made")]
    with one.database.transaction() as db:
        audit_backups.backup_made(db, sha256="0" * 64, with_keys=True)
    assert about_backups(one) == [(doctor.Weight.WELL, "the last was made at 2"[:22])]
    one.clock.move(days=3)
    assert about_backups(one) == [(doctor.Weight.NOTE, "the last was made on 2")]


def test_the_doctor_knows_a_database_that_is_behind_or_away(served):
    step(served, "0001")
    assert "idp upgrade" in found(served, doctor.Weight.BAD)["database"].do
    with served.database.transaction() as db:
        db.exec_driver_sql("DROP TABLE alembic_version")
    assert "idp init" in found(served, doctor.Weight.BAD)["database"].do


def test_the_doctor_of_the_command_line_speaks_to_people_and_programs(served, tmp_path):
    runner = CliRunner(env={"IDP_DATABASE_URL": served.settings.database_url, "IDP_DATA": str(tmp_path)})
    with served.database.transaction() as db:
        job_book.announce(db, {}, served.clock.now())
    well = runner.invoke(cli.main, ["doctor", "--json"])
    assert {one["is"] for one in json.loads(well.output)} == {"well", "look"}, well.output
    assert well.exit_code == 0
    step(served, "0001")
    ill = runner.invoke(cli.main, ["doctor"])
    assert ill.exit_code == 1
    assert "→ run `idp upgrade`" in ill.output
    Path(tmp_path / "keys" / "pairwise").unlink()
    lost = runner.invoke(cli.main, ["doctor"])
    assert lost.exit_code == 2
    assert "pairwise" in lost.output
