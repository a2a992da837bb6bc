"""OPS-07: the previous release runs on while the database goes ahead, beside this one, and after this one went back."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
import requests

from tests.conftest import _create_database, _drop_database, _named
from tests.journeys.conftest import free_port
from tests.make_http_walk import Walk
from tests.upgrading import previous


@contextmanager
def running(words, env, folder, url):
    """A server of ours as a process of its own, until the block ends."""
    log = folder / f"{secrets.token_hex(3)}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            words, env=env, cwd=folder, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        ends = time.monotonic() + 180
        while not _answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.2)
        yield
        assert "incident" not in log.read_text(), log.read_text()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(url):
    try:
        return requests.get(f"{url}/.well-known/openid-configuration", timeout=10).ok
    except requests.RequestException:
        return False


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_OPS_07_both_releases_serve_the_upgraded_database_and_the_old_one_goes_on_alone(
    kind, request, tmp_path
):
    tree = previous.unpack(tmp_path)
    more = {}
    if kind == "postgresql":
        server, name = request.getfixturevalue("postgres_url"), f"upgrade_{secrets.token_hex(4)}"
        _create_database(server, name)
        request.addfinalizer(lambda: _drop_database(server, name))
        more = {"IDP_DATABASE_URL": _named(server, name)}
    data, port = tmp_path / "data", free_port()
    old = f"http://localhost:{port}"

    def words(of, *said):
        command, env = previous.command(of, *said, "--data", data)
        return command, env | more

    def told(of, *said):
        command, env = words(of, *said)
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with running(*words(tree, "demo", "--port", port), tmp_path, old):
        sandbox = json.loads(told(tree, "sandbox", "--json"))
        app = sandbox["apps"][0]
        pupil, other = sandbox["pupils"][0], sandbox["pupils"][1]
        before = Walk(app)
        first = before.redeem(old, before.code(old, pupil["username"], pupil["secret"]))
        sub = before.userinfo(old, first["access_token"]).json()["sub"]

        assert "→" in told(None, "upgrade")
        assert before.userinfo(old, first["access_token"]).json()["sub"] == sub
        first = before.refresh(old, first["refresh_token"])
        again = Walk(app)
        again.redeem(old, again.code(old, other["username"], other["secret"]))

        ours = free_port()
        new = f"http://localhost:{ours}"
        with running(*words(None, "serve", "--port", ours, "--workers", 1), tmp_path, new):
            assert before.userinfo(new, first["access_token"]).json()["sub"] == sub
            first = before.refresh(new, first["refresh_token"])
            here = before.redeem(new, before.code(new, "nobody", "is asked: the session of before counts"))
            assert before.userinfo(old, here["access_token"]).json()["sub"] == sub
            before.refresh(old, here["refresh_token"])
            for begins, ends in ((old, new), (new, old)):
                walk = Walk(app)
                found = walk.redeem(ends, walk.code(begins, pupil["username"], pupil["secret"]))
                assert walk.userinfo(begins, found["access_token"]).json()["sub"] == sub
            told(None, "check-config")

        assert before.userinfo(old, first["access_token"]).json()["sub"] == sub, (
            "back to the release of before"
        )
        walk = Walk(app)
        walk.redeem(old, walk.code(old, other["username"], other["secret"]))
