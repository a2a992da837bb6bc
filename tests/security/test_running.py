"""LEAK-10, HTTP-04, HTTP-09, DOS-03, RACE-01, INJ-03: attacks on a server that runs, and what they leave behind."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.journeys.conftest import IDP, Demo, running
from tests.make_reading import stands

VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("attacked")) as made:
        yield made


def test_a_second_server_on_the_same_port_says_so_instead_of_taking_half_of_the_requests(server, tmp_path):
    def idp(*words: str) -> subprocess.CompletedProcess[str]:
        command = [IDP, *words, "--data", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    port = str(urlsplit(server.issuer).port)
    assert idp("init", "--issuer", "http://localhost:1").returncode == 0
    done = idp("serve", "--port", port)
    assert done.returncode == 2, done
    assert f"port {port} of 127.0.0.1 is taken" in done.stderr
    assert "--port" in done.stderr


def _hidden(page: str) -> dict[str, str]:
    return {
        unescape(name): unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    }


def _request(app: dict[str, Any], **changes: str) -> str:
    words = {"client_id": app["client_id"], "redirect_uri": app["redirect_uris"][0], "response_type": "code"}
    words |= {"scope": app["scope"], "state": "s", "nonce": "n", "code_challenge": CHALLENGE}
    return "/authorize?" + urlencode(words | {"code_challenge_method": "S256"} | changes)


def _sign_in(server: Demo, browser: Any, username: str, secret: str, way: str = "") -> requests.Response:
    page = browser.get(f"{server.issuer}/aanmelden", params={"next": way} if way else None)
    page = browser.post(page.url, data=_hidden(page.text) | {"username": username})
    return browser.post(page.url, data=_hidden(page.text) | {"password": secret}, allow_redirects=False)


def _code(server: Demo, browser: requests.Session, way: str) -> str:
    answer = browser.get(server.issuer + way, allow_redirects=False)
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def _redeem(server: Demo, app: dict[str, Any], code: str, **changes: str) -> requests.Response:
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    form |= {"redirect_uri": app["redirect_uris"][0]} | changes
    return requests.post(f"{server.issuer}/token", data=form, auth=(app["client_id"], app["client_secret"]))


def _everything_kept(server: Demo) -> str:
    """Every byte of the log and of every cell of every table, as text."""
    kept = [server.log.read_text(errors="replace").partition("stop with Ctrl+C")[2]]
    database = sqlite3.connect(server.data / "idp.sqlite")
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in database.execute(f'SELECT * FROM "{table}"'):
            kept += [cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for cell in row]
    database.close()
    kept += [path.read_bytes().decode("latin-1") for path in server.data.glob("idp.sqlite*")]
    return "\n".join(kept).lower()


def _mailed(server: Demo, many: int) -> str:
    """The token in the newest mail, once so many went out."""
    for _ in range(1200):
        files = sorted((server.data / "mail").glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)
        if len(files) >= many and (found := re.search(r"/m/(\w\S+)", files[-1].read_text())):
            return found[1]
        time.sleep(0.1)
    raise AssertionError("no mail went out")


def test_LEAK_10_and_03_nothing_secret_that_was_used_is_kept_in_clear(server):
    app = next(a for a in server.sandbox["apps"] if "offline_access" in a["scope"])
    auth = (app["client_id"], app["client_secret"])
    pupil, temporary = server.pupil(kind="advanced", also_at=None), server.pupil(kind="temporary")
    basic = server.pupil(kind="basic", also_at=None)
    browser, planted = requests.Session(), {"client secret": app["client_secret"], "verifier": VERIFIER}
    way = _request(app)

    planted["wrong password"] = "canary-wrong-8hx2"
    _sign_in(server, requests.Session(), pupil["username"], planted["wrong password"], way)
    planted["card"] = pupil["card_url"].rpartition("/")[2]
    planted["wrong card"] = "K1" + "9" * 26
    for card in (planted["card"], planted["wrong card"]):
        browser.get(f"{server.issuer}/k/{card}", allow_redirects=False)
    planted |= {f"card cookie {cookie.name}": cookie.value for cookie in browser.cookies}
    planted["password"] = pupil["secret"]
    assert _sign_in(server, browser, pupil["username"], pupil["secret"], way).status_code == 303
    planted |= {f"cookie {cookie.name}": cookie.value for cookie in browser.cookies}
    planted["code"] = _code(server, browser, way)
    assert _redeem(server, app, "canary" + planted["code"]).status_code == 400
    answer = _redeem(server, app, planted["code"]).json()
    planted |= {name: answer[name] for name in ("access_token", "refresh_token", "id_token")}
    planted |= {"in query": "canary-in-query", "in body": "canary-in-body"}
    requests.post(
        f"{server.issuer}/token?client_secret=canary-in-query", data={"client_secret": "canary-in-body"}
    )
    refresh = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    again = requests.post(f"{server.issuer}/token", data=refresh, auth=auth).json()
    planted |= {"refreshed": again["refresh_token"], "second access": again["access_token"]}
    bearer = {"Authorization": f"Bearer {again['access_token']}"}
    assert requests.get(f"{server.issuer}/userinfo", headers=bearer).ok
    requests.get(f"{server.issuer}/userinfo?access_token={answer['access_token']}")

    assert _sign_in(server, requests.Session(), basic["username"], basic["secret"]).status_code == 303

    changer = requests.Session()
    _sign_in(server, changer, temporary["username"], temporary["secret"])
    page = changer.get(f"{server.issuer}/nieuw-wachtwoord")
    planted |= {"temporary": temporary["secret"], "own": "canary-Eigen-woord-77"}
    fields = [field for field in re.findall(r"<input[^>]*>", page.text) if 'type="password"' in field]
    own = {re.search(r'name="([^"]+)"', field)[1]: planted["own"] for field in fields}
    done = changer.post(page.url, data=_hidden(page.text) | own, allow_redirects=False)
    assert done.status_code == 303, own
    planted |= {f"changed {cookie.name}": cookie.value for cookie in changer.cookies}

    helped = ("--pupil", pupil["username"], "--by", "sandbox-beheerder", "--json")
    given = json.loads(server.idp("help", "code", *helped))
    planted |= {"help link": given["url"].rpartition("/")[2], "wrong help link": "H1" + "8" * 26}
    for token in (planted["help link"], planted["wrong help link"]):
        for small in ("h", "H"):
            requests.get(f"{server.issuer}/{small}/{token}", allow_redirects=False)
    page = changer.get(f"{server.issuer}/mijn-gegevens")
    mine = {"email": "canary@mail.example", "current": planted["own"]}
    kept_address = changer.post(f"{page.url}/e-mail", data=_hidden(page.text) | mine, allow_redirects=False)
    assert kept_address.status_code == 303
    mailed = _mailed(server, 1)
    planted |= {"mailed link": mailed, "wrong mailed link": "lsm_" + "w" * 43}
    for token in (mailed, planted["wrong mailed link"]):
        requests.get(f"{server.issuer}/m/{token}", headers={"Referer": f"{server.issuer}/m/{token}"})

    kept = _everything_kept(server)
    assert pupil["username"] in kept
    assert not [what for what, value in planted.items() if value.lower() in kept]
    assert not stands(basic["secret"], kept), "six characters: within a digest they could be by chance"


def test_INJ_03_every_line_that_a_request_writes_is_a_json_object(server):
    for words in ("\r\n{}", "\x1b[2J", '"}\n{"event":"forged"}', "\u2028"):
        query = urlencode({"client_id": words, "redirect_uri": words, "state": words})
        requests.get(f"{server.issuer}/authorize?{query}", headers={"User-Agent": "a\tb"})
        requests.post(f"{server.issuer}/aanmelden", data={"username": words})
        requests.post(f"{server.issuer}/taal", data={"taal": "x" * 300_000})
    lines = server.log.read_text().partition("stop with Ctrl+C")[2].strip().splitlines()
    assert "forged" not in [json.loads(line)["event"] for line in lines if line]


# ---------------------------------------------------------------- sockets


def _raw(server: Demo, sent: bytes, seconds: float = 2) -> bytes:
    got = b""
    with socket.create_connection(("127.0.0.1", urlsplit(server.issuer).port), timeout=seconds) as line:
        try:
            line.sendall(sent)
            while part := line.recv(65536):
                got += part
        except OSError:
            pass
    return got


POST = b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
SECOND = b"GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        POST
        + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(SECOND))
        + SECOND,
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde" + SECOND,
        POST + b"Content-Length: 5, 5\r\n\r\nabcde" + SECOND,
        POST + b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nabcde" + SECOND,
        POST + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SECOND,
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SECOND,
        POST + b"Content-Length: +5\r\n\r\nabcde" + SECOND,
        b"GET /aanmelden HTTP/1.1\r\nHost: x\r\nX: a\r\n folded\r\n\r\n" + SECOND,
        b"GET /aanmelden HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n" + SECOND,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=range(10),
)
def test_HTTP_04_what_can_be_read_in_two_ways_is_never_two_requests(server, sent):
    got = _raw(server, sent)
    assert got.count(b"HTTP/1.1 ") <= 1
    assert b"200 OK" not in got


def test_DOS_03_headers_without_end_are_refused(server):
    many = b"".join(b"X%d: a\r\n" % number for number in range(2000))
    for sent in (b"X: " + b"a" * 300_000, many):
        assert b" 200 " not in _raw(server, b"GET /aanmelden HTTP/1.1\r\nHost: x\r\n" + sent + b"\r\n\r\n")
    long = b"GET /aanmelden?" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert b" 414 " in _raw(server, long, seconds=60)


@contextmanager
def _slow(server: Demo, many: int) -> Iterator[None]:
    """So many who said to send a hundred bytes, sent three, and wait."""
    port = urlsplit(server.issuer).port
    lines = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(many)]
    try:
        for line in lines:
            line.sendall(POST + b"Content-Length: 100\r\n\r\nabc")
        yield
    finally:
        for line in lines:
            line.close()


def _ask_for_tokens(server: Demo) -> requests.Response:
    return requests.post(f"{server.issuer}/token", data={"grant_type": "x"}, timeout=60)


def test_DOS_03_a_hundred_slow_bodies_keep_nobody_out(server):
    with _slow(server, 100):
        assert requests.get(f"{server.issuer}/aanmelden", timeout=60).status_code == 200
        assert _ask_for_tokens(server).status_code == 400


def test_DOS_03_while_slow_bodies_take_all_room_the_next_is_refused_and_pages_go_on(server):
    """Room for 120 in each of two workers."""
    with _slow(server, 400):
        assert requests.get(f"{server.issuer}/aanmelden", timeout=60).status_code == 200
        refused = _ask_for_tokens(server)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    until = time.monotonic() + 60
    while (answer := _ask_for_tokens(server)).status_code == 503 and time.monotonic() < until:
        time.sleep(0.1)
    assert answer.status_code == 400, "room again for who is quick"


# ---------------------------------------------------------------- many at once


def test_RACE_01_two_workers_redeem_a_code_once(server):
    app, browser = server.sandbox["apps"][0], requests.Session()
    pupil, way = server.pupil(kind="advanced"), _request(app)
    assert _sign_in(server, browser, pupil["username"], pupil["secret"], way).status_code == 303
    code = _code(server, browser, way)
    with ThreadPoolExecutor(12) as many:
        answers = list(many.map(lambda _: _redeem(server, app, code), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 11
    token = next(answer.json()["access_token"] for answer in answers if answer.ok)
    bearer = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{server.issuer}/userinfo", headers=bearer).status_code == 401


def test_BRUTE_02_and_16_a_burst_of_strangers_counts_and_the_right_word_is_no_oracle(server):
    def guess(number: int) -> int:
        """Comes back when it was too busy to look, as the page does by itself."""
        for _ in range(120):
            answer = _sign_in(server, requests.Session(), "renz.strand", f"{number}aap{number}")
            if answer.status_code != 503:
                break
            time.sleep(0.5)
        return answer.status_code

    with ThreadPoolExecutor(30) as many:
        answers = list(many.map(guess, range(30)))
    assert answers.count(401) <= 10
    assert set(answers) <= {401, 429}
    right = server.pupil(username="renz.strand")["secret"]
    assert _sign_in(server, requests.Session(), "renz.strand", right).status_code == 429
