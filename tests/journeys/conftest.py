"""A real demo, as `make run` starts it, and a real browser in front of it."""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
import pytest
import requests

from tests.conftest import _create_database, _named

IDP = Path(sys.executable).parent / "idp"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 60_000
"""Milliseconds for a page or a word to come, on a machine that does something else as well."""
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A running demo: the folder, where it is, and what `idp sandbox --json` says."""

    data: Path
    issuer: str
    apps_at: str
    sandbox: dict[str, Any]
    log: Path
    env: dict[str, str]

    def pupil(self, **wanted: Any) -> dict[str, Any]:
        return next(
            p for p in self.sandbox["pupils"] if all(p[name] == value for name, value in wanted.items())
        )

    def idp(self, *words: str, exit_code: int = 0) -> str:
        """Run a command of ours on this demo; its standard output."""
        command = [IDP, *words, "--data", self.data]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=self.env)
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout


PORTS = 3_000
"""For each process of tests: below those that the system hands to connections (32768 and up), which would take them meanwhile."""
_turn = itertools.count(os.getpid() % PORTS)


def free_port() -> int:
    """A port whose neighbour is free as well; no two calls give the same, nor do two processes of one run."""
    first = 20_000 + PORTS * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4)
    for _ in range(PORTS // 2):
        port = first + 2 * next(_turn) % PORTS
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise RuntimeError("no two free ports side by side")


@contextmanager
def running(data: Path, **settings: str) -> Iterator[Demo]:
    """`idp demo` in a folder of its own, two workers, cheap hashes so that the suite is quick."""
    port = free_port()
    log = data / "demo.log"
    env = {**os.environ, "IDP_ARGON2_MEMORY_KIB": "8192", "IDP_ARGON2_TIME": "1", **settings}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [IDP, "demo", "--data", data, "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )
    issuer = f"http://localhost:{port}"
    try:
        _wait_for(f"{issuer}/.well-known/openid-configuration", process, log)
        shown = subprocess.run(
            [IDP, "sandbox", "--json", "--data", data], capture_output=True, text=True, check=True, env=env
        )
        yield Demo(
            data=data,
            issuer=issuer,
            apps_at=f"http://localhost:{port + 1}",
            sandbox=json.loads(shown.stdout),
            log=log,
            env=env,
        )
    finally:
        with suppress(ProcessLookupError):  # it never came up, and says why
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="session")
def demo_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A running demo on its embedded database."""
    with running(tmp_path_factory.mktemp("demo")) as made:
        yield made


@pytest.fixture
def demo(demo_on_sqlite: Demo) -> Demo:
    return demo_on_sqlite


@pytest.fixture(scope="session")
def demo_on_postgres(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Demo]:
    """A running demo on PostgreSQL."""
    name = f"demo_{secrets.token_hex(4)}"
    _create_database(postgres_url, name)
    with running(tmp_path_factory.mktemp("demo-pg"), IDP_DATABASE_URL=_named(postgres_url, name)) as made:
        yield made


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < ends:
        try:
            if requests.get(url, timeout=10).ok:
                return
        except requests.RequestException:
            """Not yet."""
        time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    """Playwright, which a process may start once."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: no journeys in a browser")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(driver: Any) -> Iterator[Any]:
    """One Chromium for all journeys; every journey opens a context (a person's own browser) in it."""
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
    yield browser
    browser.close()


_last_steps: dict[str, int] = {}


def code_of(secret: str) -> str:
    """What the code app of this member of staff shows; the next code when one journey after another signs in."""
    step = max(int(time.time()) // 30, _last_steps.get(secret, 0) + 1)
    _last_steps[secret] = step
    if step > int(time.time()) // 30 + 1:
        time.sleep(30)
    return str(pyotp.TOTP(secret).at(step * 30))


@contextmanager
def a_code_of_now(secret: str) -> Iterator[None]:
    """A half minute whose own code nobody has used; it, and one that begins within the block, is for the caller."""
    while int(time.time()) // 30 <= _last_steps.get(secret, 0):
        time.sleep(1)
    yield
    _last_steps[secret] = int(time.time()) // 30


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page in a browser that nobody used before, tablet size, in Dutch; it may reach this machine only."""
    context = chromium.new_context(viewport={"width": 820, "height": 1180}, locale="nl-BE", has_touch=True)
    context.set_default_timeout(PATIENCE)
    foreign: list[str] = []

    def only_here(route: Any) -> None:
        if route.request.url.startswith(("http://localhost:", "http://127.0.0.1:")):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    context.route("**/*", only_here)
    yield context.new_page()
    context.close()
    assert not foreign, f"asked another host: {foreign}"
