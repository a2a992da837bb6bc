"""Workers are killed and disks run full under load: what was acknowledged is so, and what was not is asked again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time

import psutil
import pytest
import requests

from tests.journeys.conftest import IDP, free_port
from tests.journeys.conftest import running as demo
from tests.long import cluster
from tests.long.load import Load

pytestmark = pytest.mark.long


def workers_of(data):
    """The processes that answer requests of the demo in this folder, not the parent that watches them."""
    ours = []
    for one in psutil.process_iter():
        try:
            if str(data) in one.cmdline() and any(
                str(data) in parent.cmdline() for parent in one.parents()[:1]
            ):
                ours.append(one.pid)
        except psutil.Error:
            continue
    return sorted(ours)


def kept(load, shown):
    """Everything that was acknowledged is still so."""
    assert not load.told.wrong, load.told.wrong[:3]
    for walk, token in load.told.chains:
        assert "refresh_token" in walk.refresh(shown.issuer, token)
    for walk, code in load.told.codes:
        with pytest.raises(AssertionError, match="invalid_grant"):
            walk.redeem(shown.issuer, code)


def test_FAULT_04_workers_that_are_killed_lose_nothing_and_others_take_over(tmp_path):
    with demo(tmp_path) as shown:
        with Load([shown.issuer], shown.sandbox) as load:
            cluster.wait_for(lambda: len(load.told.good) >= 3, 60)
            for _round in range(3):
                os.kill(workers_of(tmp_path)[0], signal.SIGKILL)
                after = len(load.told.good)
                cluster.wait_for(lambda after=after: len(load.told.good) >= after + 3, 60)
        kept(load, shown)


def test_FAULT_06_a_full_disk_refuses_cleanly_and_nothing_is_corrupt_afterwards(tmp_path):
    """Files of the server may not grow: what SQLite then meets is what a full disk gives it."""
    with demo(tmp_path) as shown:
        sandbox, port = shown.sandbox, free_port()
    largest = max(path.stat().st_size for path in tmp_path.glob("idp.sqlite*"))
    env = {**shown.env, "IDP_ISSUER": shown.issuer, "IDP_PORT": str(port)}

    node = f"http://localhost:{port}"
    command = [
        "prlimit",
        f"--fsize={largest + 65_536}",
        IDP,
        "serve",
        "--data",
        tmp_path,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    with (tmp_path / "small.log").open("wb") as out:
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.DEVNULL, stderr=out, start_new_session=True
        )
    try:
        cluster.wait_for(lambda: _answers(node), 60, lambda: (tmp_path / "small.log").read_text()[-2000:])
        with Load([node], sandbox, pause=0.01) as load:
            cluster.wait_for(
                lambda: len(load.told.away) >= 6, 90, lambda: (len(load.told.good), load.told.wrong[:2])
            )
            assert requests.get(f"{node}/.well-known/openid-configuration", timeout=60).ok
        assert not load.told.wrong, load.told.wrong[:3]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    with sqlite3.connect(tmp_path / "idp.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    began = time.monotonic()
    with demo(tmp_path) as again:
        for walk, token in load.told.chains:
            walk.app = again.sandbox["apps"][0]
            assert "refresh_token" in walk.refresh(again.issuer, token)
        with Load([again.issuer], again.sandbox) as later:
            cluster.wait_for(lambda: len(later.told.good) >= 2, 60)
    assert time.monotonic() - began < 120


def _answers(node):
    try:
        return requests.get(f"{node}/.well-known/openid-configuration", timeout=1).ok
    except requests.RequestException:
        return False
