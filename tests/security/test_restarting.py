"""FAULT-12, LEAK-07, DOS-03: two nodes under real traffic are restarted one after the other, and are counted meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from idp import audit, context, patience
from idp.demo import demo, published, sandbox
from idp.oidc.endpoints_frame import FORM
from tests.journeys.conftest import IDP, Demo, free_port
from tests.make_balancer import Balancer, balancing
from tests.security.test_running import _code, _redeem, _request, _sign_in

CHEAP = {"IDP_ARGON2_MEMORY_KIB": "8192", "IDP_ARGON2_TIME": "1"}


class Node:
    """One `idp serve` of two."""

    def __init__(self, data: Path, port: int, **settings: str) -> None:
        self.data, self.port = data, port
        self.log = data / f"node-{port}.log"
        self.env = {**os.environ, **CHEAP, "IDP_WORKERS": "2", "IDP_DRAIN_SECONDS": "5", **settings}

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [IDP, "serve", "--data", self.data, "--port", str(self.port)],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.env,
                start_new_session=True,
            )

    def until_ready(self, balancer: Balancer) -> None:
        for _ in range(1800):
            if balancer.ready[self.port]:
                return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def stop(self) -> None:
        """As a service manager does it: the first process is told, and waited for."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


def _no_error(answer: requests.Response, **_: Any) -> None:
    said = re.search(r"<h1[^>]*>(.*?)</h1>", answer.text, re.DOTALL)
    assert answer.status_code < 400, (
        f"{answer.request.method} {answer.status_code} {said and said[1].strip()}"
    )


class Traffic(threading.Thread):
    """Somebody who signs in, fetches tokens and reads userinfo, again and again; every answer that is not right is kept."""

    def __init__(self, server: Demo, pupil: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self._server, self._pupil = server, pupil
        self.over = threading.Event()
        self.done = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        app = self._server.sandbox["apps"][0]
        while not self.over.is_set():
            try:
                self._once(app)
                self.done += 1
            except Exception as failure:  # noqa: BLE001 - whatever it was, a person saw it
                self.wrong.append(repr(failure))

    def _once(self, app: dict[str, Any]) -> None:
        with requests.Session() as browser:
            way = _request(app)
            browser.hooks["response"].append(_no_error)
            signed = _sign_in(self._server, browser, self._pupil["username"], self._pupil["secret"], way)
            assert signed.status_code == 303, f"sign-in {signed.status_code}"
            tokens = _redeem(self._server, app, _code(self._server, browser, way))
            assert tokens.status_code == 200, f"token {tokens.status_code}"
            bearer = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
            told = requests.get(f"{self._server.issuer}/userinfo", headers=bearer, timeout=60)
            assert told.status_code == 200, f"userinfo {told.status_code}"


def _until_each_went(traffic: list[Traffic], more: int) -> None:
    """Until each of them went the whole way so many times more, or saw something wrong."""
    goals = [one.done + more for one in traffic]
    for _ in range(1800):
        if all(one.wrong or one.done >= goal for one, goal in zip(traffic, goals, strict=True)):
            return
        time.sleep(0.1)
    raise AssertionError("nobody gets any further")


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """A sandbox, its issuer behind a balancer with two nodes; the first has numbers for Prometheus."""
    data = tmp_path_factory.mktemp("nodes")
    front, one, two, numbers = free_port(), free_port(), free_port(), free_port()
    os.environ |= CHEAP
    try:
        settings = demo.prepare(data, front)
    finally:
        for name in CHEAP:
            del os.environ[name]
    house = context.open_house(settings)
    with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="system", source="test")):
        sandbox.load(house, apps_at=f"http://localhost:{front + 1}")
        shown = json.loads(json.dumps(published.describe(house), default=str))
    house.close()
    nodes = [
        Node(data, one, IDP_METRICS_PORT=str(numbers), IDP_ACCESS_LOG="true"),
        Node(data, two, IDP_HOST="localhost"),
    ]
    served = Demo(
        data=data,
        issuer=f"http://localhost:{front}",
        apps_at="",
        sandbox=shown,
        log=nodes[0].log,
        env={**os.environ, **CHEAP},
    )
    with balancing(front, [one, two]) as balancer:
        try:
            for node in nodes:
                node.start()
            for node in nodes:
                node.until_ready(balancer)
            yield served, nodes, balancer, numbers
        finally:
            for node in nodes:
                if node.process.poll() is None:
                    os.killpg(node.process.pid, signal.SIGKILL)
                    node.process.wait()


def test_FAULT_12_a_rolling_restart_fails_no_sign_in(school):
    server, nodes, balancer, _ = school
    one_school = [pupil for pupil in server.sandbox["pupils"] if not pupil["also_at"]]
    pupils = [pupil for pupil in one_school if pupil["kind"] in {"basic", "advanced"}][:3]
    traffic = [Traffic(server, pupil) for pupil in pupils]
    for one in traffic:
        one.start()
    _until_each_went(traffic, 1)
    for node in nodes:
        node.stop()
        assert node.process.returncode == 0
        _until_each_went(traffic, 1)
        node.start()
        node.until_ready(balancer)
    _until_each_went(traffic, 1)
    for one in traffic:
        one.over.set()
    for one in traffic:
        one.join(180)
    assert [one.wrong for one in traffic] == [[] for _ in traffic]
    assert all(one.done > 3 for one in traffic)
    assert not list(server.data.glob("stopping-*"))


def test_LEAK_07_numbers_are_beside_the_public_port_add_up_over_workers_and_name_nobody(school):
    server, nodes, _, numbers = school
    at = f"http://127.0.0.1:{nodes[0].port}"
    traffic = Traffic(server, server.pupil(kind="basic", also_at=None))
    app = server.sandbox["apps"][0]
    for _ in range(6):
        traffic._once(app)
    _sign_in(server, requests.Session(), "nobody.at.all", "wrong-secret")
    for path in ("/metrics", "/health/metrics"):
        assert requests.get(at + path, timeout=60).status_code == 404
    told = requests.get(f"http://127.0.0.1:{numbers}/metrics", timeout=60).text
    assert requests.get(f"http://127.0.0.1:{numbers}/", timeout=60).status_code == 404
    values = {
        name: float(value) for name, value in re.findall(r"^(\w+(?:\{[^}]*\})?) (\S+)$", told, re.MULTILINE)
    }
    assert (
        sum(value for name, value in values.items() if name.startswith('idp_sign_ins_total{outcome="in"'))
        >= 2
    )
    for name in (
        'idp_request_seconds_count{kind="token",status="2xx"}',
        'idp_tokens_total{kind="access"}',
        'idp_claims_total{channel="userinfo",outcome="released"}',
        'idp_ready{why=""}',
        'idp_job_last_success_timestamp_seconds{job="sign-outs"}',
        "idp_database_answer_seconds",
        'idp_key_age_seconds{alg="RS256"}',
    ):
        assert values.get(name, 0) > 0, name
    assert values['idp_hash_refused_total{because="queue_full"}'] == 0, "the first one is a rise, too"
    people = server.sandbox["pupils"] + server.sandbox["staff"]
    private = {str(person["username"]).lower() for person in people} | {
        "nobody.at.all",
        app["client_id"].lower(),
    }
    private |= {str(server.data), server.issuer, "127.0.0.1"}
    assert not [word for word in private if word in told.lower()]
    lines = [line for line in nodes[0].log.read_text().splitlines() if '"request"' in line]
    assert lines
    assert not [word for word in private if word in "\n".join(lines).lower()]


def test_a_worker_that_dies_is_replaced_and_another_tells_the_numbers(school):
    _, nodes, balancer, numbers = school
    node = nodes[0]
    children = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
    workers = [
        pid
        for pid in children
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        or b"idp.listening" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    at_ease = "import os; from idp import listening; listening.at_ease(); print(os.sched_getscheduler(0))"
    allowed = subprocess.run([sys.executable, "-c", at_ease], capture_output=True, text=True, check=True)
    assert {os.sched_getscheduler(int(pid)) for pid in workers} == {int(allowed.stdout)}
    os.kill(int(workers[0]), signal.SIGKILL)
    for _ in range(1200):
        now = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
        if workers[0] not in now and len(now) == len(children):
            break
        time.sleep(0.1)
    node.until_ready(balancer)
    for _ in range(1200):
        try:
            assert requests.get(f"http://127.0.0.1:{numbers}/metrics", timeout=60).status_code == 200
            break
        except requests.RequestException:
            time.sleep(0.1)
    else:
        raise AssertionError("nobody tells the numbers")


def test_DOS_03_slow_headers_and_five_thousand_fields_are_refused(school):
    _, nodes, _, _ = school
    fields = {f"f{number}": "x" for number in range(5000)}
    for path in ("/token", "/aanmelden"):
        answer = requests.post(f"http://127.0.0.1:{nodes[0].port}{path}", data=fields, timeout=60)
        assert answer.status_code in {400, 413}, path
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", nodes[0].port), timeout=120) as line:
        line.sendall(b"GET /aanmelden HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        got = b""
        try:
            while part := line.recv(4096):
                got += part
        except OSError:
            pass
    assert time.monotonic() - begun < 60
    assert b" 200 " not in got


def test_DOS_03_who_sends_a_body_slowly_keeps_nobody_else_waiting(school):
    """Longer than any body may take: whoever asks meanwhile and afterwards is served."""
    _, nodes, _, _ = school
    port, slow = nodes[1].port, []
    for length in (20, 100_000):
        line = socket.create_connection(("127.0.0.1", port), timeout=60)
        head = "POST /userinfo HTTP/1.1\r\nHost: x\r\n"
        head += f"Content-Type: {FORM}\r\nContent-Length: {length}\r\n\r\na"
        line.sendall(head.encode())
        slow.append(line)
    until = time.monotonic() + patience.SECONDS + 1.5
    try:
        while time.monotonic() < until:
            for form in ({"access_token": "x"}, {"access_token": "x" * 20_000}):
                asked = requests.post(f"http://127.0.0.1:{port}/userinfo", data=form, timeout=60)
                assert asked.status_code == 401
            time.sleep(0.3)
    finally:
        for line in slow:
            line.close()
