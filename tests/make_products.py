"""What apps are made of, with an example pasted into it as it stands: each starts on a port of this machine, and ends."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = ROOT / "tests" / "oidc" / "clients"
sys.path.insert(0, str(ROOT / "tools"))

import npm  # noqa: E402

APACHE = shutil.which("apache2") or "/usr/sbin/apache2"
MODULES = Path("/usr/lib/apache2/modules")
NEEDED = "mpm_event authz_core authz_user authn_core proxy proxy_http auth_openidc"
LARAVEL = Path("/usr/share/php/Illuminate/autoload.php")
GUZZLE = Path("/usr/share/php/GuzzleHttp/autoload.php")


@contextmanager
def program(
    folder: Path, command: list[Any], address: str, words: Mapping[str, str], *, patience: float = 20
) -> Iterator[None]:
    """Start this, wait until something answers at this address, end it."""
    log = folder / "program.log"
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder), **words}
    with log.open("wb") as out:
        started = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=out)
    try:
        until = time.monotonic() + patience
        while time.monotonic() < until:
            assert started.poll() is None, log.read_text()
            try:
                requests.get(address, timeout=10, allow_redirects=False)
            except requests.ConnectionError:
                time.sleep(0.1)
            else:
                break
        else:
            raise AssertionError(f"{address} does not answer: {log.read_text()}")
        yield
    finally:
        started.terminate()
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@contextmanager
def authlib(folder: Path, files: Mapping[str, str], port: int, secret: str) -> Iterator[None]:
    (folder / "app.py").write_text(files["app.py"], encoding="utf-8")
    words = {"CLIENT_SECRET": secret, "SESSION_KEY": secrets.token_hex(16), "PYTHONWARNINGS": "ignore"}
    with program(folder, [sys.executable, "app.py"], f"http://localhost:{port}/nothing", words):
        yield


@contextmanager
def openid_client(folder: Path, files: Mapping[str, str], port: int, secret: str) -> Iterator[None]:
    if not npm.installed(CLIENTS):
        pytest.skip("the libraries are not installed: python tools/npm.py tests/oidc/clients")
    (folder / "app.mjs").write_text(files["app.mjs"], encoding="utf-8")
    (folder / "node_modules").symlink_to(CLIENTS / "node_modules")
    command = [*npm.command("node"), "--no-warnings", "--preserve-symlinks-main", "app.mjs"]
    with program(folder, command, f"http://localhost:{port}/nothing", {"CLIENT_SECRET": secret}):
        yield


class _Page(BaseHTTPRequestHandler):
    """A page behind Apache: it says what it was told of the pupil."""

    def do_GET(self) -> None:
        told = {
            name.removeprefix("OIDC_CLAIM_"): value
            for name, value in self.headers.items()
            if name.startswith("OIDC_CLAIM_")
        }
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Nothing."""


@contextmanager
def apache(folder: Path, files: Mapping[str, str], port: int, secret: str) -> Iterator[None]:
    """Apache with that file, in front of a page that shows the claims."""
    if not Path(APACHE).exists() or not (MODULES / "mod_auth_openidc.so").exists():
        pytest.skip("Apache is not installed (Debian: apache2-bin libapache2-mod-auth-openidc)")
    behind = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    (text,) = files.values()
    (folder / "school.conf").write_text(text, encoding="utf-8")
    lines = [
        f'ServerRoot "{folder}"',
        "ServerName localhost",
        f"Listen 127.0.0.1:{port}",
        f'PidFile "{folder}/apache.pid"',
        f'ErrorLog "{folder}/error.log"',
        f'DefaultRuntimeDir "{folder}"',
        *(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in NEEDED.split()),
        f'ProxyPass "/" "http://127.0.0.1:{behind.server_port}/"',
        f'Include "{folder}/school.conf"',
    ]
    (folder / "apache.conf").write_text("\n".join(lines) + "\n")
    command = [APACHE, "-D", "FOREGROUND", "-f", folder / "apache.conf"]
    words = {"CLIENT_SECRET": secret, "OIDC_CRYPTO": secrets.token_hex(16)}
    try:
        with program(folder, command, f"http://localhost:{port}/bye", words):
            yield
    finally:
        behind.shutdown()
        behind.server_close()


@contextmanager
def laravel(folder: Path, files: Mapping[str, str], port: int, secret: str) -> Iterator[None]:
    """Debian's Laravel with that file as its routes; config/services.php is what the file says it is."""
    if shutil.which("php") is None or not LARAVEL.exists() or not GUZZLE.exists():
        pytest.skip("Laravel is not installed (Debian: php-cli php-laravel-framework php-guzzlehttp-guzzle)")
    base = folder / "base"
    shutil.copytree(CLIENTS / "laravel" / "config", base / "config")
    for one in ("routes", "bootstrap/cache", "storage/logs", "storage/framework/sessions"):
        (base / one).mkdir(parents=True)
    text = files["routes/web.php"]
    (base / "routes" / "web.php").write_text(text, encoding="utf-8")
    line = re.search(r"^// In config/services.php:  (.+)$", text, re.MULTILINE)
    assert line
    (base / "config" / "services.php").write_text(f"<?php return [{line[1]}];\n")
    key = "base64:" + base64.b64encode(secrets.token_bytes(32)).decode()
    words = {"APP_BASE": str(base), "APP_KEY": key, "CLIENT_SECRET": secret}
    command = ["php", "-S", f"127.0.0.1:{port}", CLIENTS / "laravel" / "server.php"]
    with program(folder, command, f"http://localhost:{port}/nothing", words):
        yield
