"""FAULT-01, DOS-03, INJ-03 and what strangers may write: what happens when something is missing, late, or too much."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import func, select

from idp import audit, config, context, entropy, failing, models, patience
from idp.app import create_app
from idp.oidc import discovery
from tests import make, make_tokens
from tests.make_browser import query, sign_in

PEOPLE = (
    "/aanmelden",
    "/mijn-apps",
    "/nieuw-wachtwoord",
    "/afmelden",
    "/end_session",
    "/authorize?client_id=a",
)
PROGRAMS = ("/token", "/introspect", "/revoke", "/userinfo")


@pytest.fixture(params=["sqlite", "postgresql"])
def away(request, tmp_path, key_folder, stopped):
    """A house whose database is nowhere."""
    gone = {
        "sqlite": f"sqlite:///{tmp_path / 'gone' / 'idp.sqlite'}",
        "postgresql": "postgresql://idp@127.0.0.1:1/idp",
    }
    settings = config.read({}, data=tmp_path, database_url=gone[request.param], keys=key_folder)
    house = context.open_house(settings, clock=stopped)
    (tmp_path / "gone").rmdir() if request.param == "sqlite" else None
    with audit.circumstances(audit.Circumstances(now=stopped.now())):
        yield house
    house.database.close()


@pytest.mark.parametrize("path", PEOPLE)
def test_FAULT_01_without_a_database_a_person_gets_a_page_and_may_come_back(away, path):
    browser = create_app(away).test_client()
    browser.set_cookie("idp-8080-session", entropy.token(entropy.Token.SESSION, away.clock.now()))
    answer = browser.get(path)
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert int(answer.headers["Retry-After"]) > 0
    assert "no-store" in answer.headers["Cache-Control"]
    assert not [cookie for cookie in answer.headers.getlist("Set-Cookie") if "session" in cookie]


@pytest.mark.parametrize("path", PROGRAMS)
def test_FAULT_01_without_a_database_a_program_gets_json_and_may_come_back(away, path):
    form = {"grant_type": "authorization_code", "code": "c", "token": "t", "client_id": "a"}
    token = entropy.token(entropy.Token.ACCESS, away.clock.now())
    headers = {"Authorization": f"Bearer {token}"} if path == "/userinfo" else {}
    answer = create_app(away).test_client().post(path, data=form, headers=headers)
    assert (answer.status_code, answer.json["error"]) == (503, "temporarily_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_FAULT_01_without_a_database_keys_are_told_to_come_back_in_json(away):
    from werkzeug.test import Client

    answer = Client(discovery.in_front_of(create_app(away).wsgi_app, away)).get("/jwks")
    assert (answer.status_code, answer.json) == (503, {"error": "temporarily_unavailable"})


def test_FAULT_01_signing_in_comes_back_with_the_database(client, house):
    with house.database.transaction() as db:
        story = make.story(db)
    sign_in(client, house, story.pupil)
    with house.database.transaction() as db:
        db.exec_driver_sql("ALTER TABLE session RENAME TO elsewhere")
    assert client.get(f"/authorize?{query(story.app)}").status_code in {500, failing.Busy.status}
    with house.database.transaction() as db:
        db.exec_driver_sql("ALTER TABLE elsewhere RENAME TO session")
    assert (
        client.get(f"/authorize?{query(story.app)}")
        .headers["Location"]
        .startswith(story.app.redirect_uris[0])
    )


# ---------------------------------------------------------------- bodies


def _answer(environ, start_response):
    start_response("200 OK", [])
    return [environ["wsgi.input"].read() if environ["wsgi.input"] else b""]


def _call(app, **environ):
    said = []
    body = b"".join(
        app({"REQUEST_METHOD": "POST", **environ}, lambda status, head: said.append((status, head)))
    )
    return said[0][0], body


class Never(io.RawIOBase):
    """A body that does not come."""

    def __init__(self):
        self.left = threading.Event()

    def read(self, size=-1):
        self.left.wait(120)
        return b""


def test_DOS_03_who_waits_for_a_body_takes_nobodys_seat():
    never = Never()
    app = patience.before(_answer, seats=1, waiting=9, largest=100, seconds=120)
    slow = [
        threading.Thread(target=_call, args=(app,), kwargs={"CONTENT_LENGTH": "9", "wsgi.input": never})
        for _ in range(8)
    ]
    for thread in slow:
        thread.start()
    begun = time.monotonic()
    assert _call(app, CONTENT_LENGTH="2", **{"wsgi.input": io.BytesIO(b"hi")}) == ("200 OK", b"hi")
    assert time.monotonic() - begun < 60, "before the slow ones were given up"
    never.left.set()
    for thread in slow:
        thread.join()


@pytest.mark.parametrize(
    ("said", "sent", "status"),
    [("10", b"short", "400 Bad Request"), ("x", b"", "400 Bad Request"), ("5", b"whole", "200 OK")],
)
def test_HTTP_04_a_body_is_as_long_as_it_says(said, sent, status):
    app = patience.before(_answer, seats=1, waiting=1, largest=100)
    assert _call(app, CONTENT_LENGTH=said, **{"wsgi.input": io.BytesIO(sent)})[0] == status


def test_DOS_03_a_stream_without_length_stops_at_the_limit():
    app = patience.before(_answer, seats=1, waiting=1, largest=100)
    _, body = _call(app, HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": io.BytesIO(b"a" * 1000)})
    assert len(body) == 101


# ---------------------------------------------------------------- what strangers write


def _rows(house, event):
    with house.database.reading() as db:
        of = models.AuditEvent
        return db.execute(select(func.count()).select_from(of).where(of.event == event)).scalar()


def test_DOS_07_refused_requests_fill_the_log_but_not_the_audit_trail(client, house, capfd):
    for number in range(60):
        client.get(f"/authorize?client_id=nobody-{number}&redirect_uri=https://evil.example/{number}")
    assert _rows(house, "authorization_refused") == 21
    assert "".join(capfd.readouterr()).count("authorization_refused") == 60
    client.get("/authorize?client_id=nobody", environ_overrides={"REMOTE_ADDR": "198.51.100.7"})
    assert _rows(house, "authorization_refused") == 22
    house.clock.move(minutes=2)
    client.get("/authorize?client_id=nobody")
    assert _rows(house, "authorization_refused") == 23


def test_DOS_07_cards_that_do_not_work_fill_no_table(client, house):
    for number in range(60):
        client.get(f"/k/K1{number:026d}")
    assert _rows(house, "card_refused") == 20


LOGGED = """
import logging, structlog
from idp import config, serving
serving.prepare_logs(config.read({{}}))
words = {words!r}
structlog.get_logger().warning("refused", client_id=words)
logging.getLogger("somebody.else").warning(words)
try:
    raise ValueError(words)
except ValueError:
    logging.getLogger("somebody.else").exception("broken")
"""


@pytest.mark.parametrize("words", ["a\nb", "\x1b[31mred", '"}\n{"event": "forged"}', "\u2028x\u0085y"])
def test_INJ_03_whatever_is_logged_is_one_json_object_a_line(words):
    done = subprocess.run([sys.executable, "-c", LOGGED.format(words=words)], capture_output=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["refused", words, "broken"]
    assert lines[0]["client_id"] == words
    assert b"\x1b" not in done.stderr


def test_TOK_16_wrong_secrets_write_a_few_lines(house):
    bench = make_tokens.Bench(house)
    story = bench.story()
    for _ in range(40):
        bench.redeem(story, "c", auth=(story.app.client_id, "wrong"))
    assert _rows(house, "app_refused") <= 7
