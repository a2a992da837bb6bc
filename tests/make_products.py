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
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from idp.admin.makers import snippets

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = ROOT / "tests" / "oidc" / "clients"
sys.path.insert(0, str(ROOT / "tools"))

import npm  # noqa: E402

APACHE = shutil.which("apache2") or "/usr/sbin/apache2"
MODULES = Path("/usr/lib/apache2/modules")
NEEDED = "mpm_event authz_core authz_user authn_core proxy proxy_http auth_openidc"
LARAVEL = Path("/usr/share/php/Illuminate/autoload.php")
GUZZLE = Path("/usr/share/php/GuzzleHttp/autoload.php")
BACK = "/school/cb"
"""Where all of them come back."""

Start = Callable[[Path, Mapping[str, str], int, str], AbstractContextManager[None]]


@contextmanager
def program(
    folder: Path, command: list[Any], address: str, words: Mapping[str, str], *, patience: float = 180
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
                requests.get(address, timeout=60, allow_redirects=False)
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
            started.wait(60)
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
    """A page behind a proxy: it says what it was told of the pupil."""

    def do_GET(self) -> None:
        told = {
            name.removeprefix("OIDC_CLAIM_"): value
            for name, value in self.headers.items()
            if name.startswith("OIDC_CLAIM_")
        }
        if "X-Forwarded-User" in self.headers:
            told["sub"] = self.headers["X-Forwarded-User"]
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Nothing."""


@contextmanager
def _behind() -> Iterator[int]:
    """The port of that page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def oauth2_proxy(folder: Path, files: Mapping[str, str], port: int, secret: str) -> Iterator[None]:
    """The proxy with that file, on http, in front of a page that shows who it is."""
    if shutil.which("oauth2-proxy") is None:
        pytest.skip("oauth2-proxy is not installed")
    (text,) = files.values()
    with _behind() as behind:
        text = text.replace("127.0.0.1:4180", f"127.0.0.1:{port}").replace(":8080/", f":{behind}/")
        (folder / "oauth2-proxy.cfg").write_text(f"{text}cookie_secure = false\n", encoding="utf-8")
        words = {"OAUTH2_PROXY_CLIENT_SECRET": secret, "OAUTH2_PROXY_COOKIE_SECRET": secrets.token_hex(16)}
        command = ["oauth2-proxy", "--config", "oauth2-proxy.cfg"]
        with program(folder, command, f"http://localhost:{port}/ping", words):
            yield


@contextmanager
def apache(folder: Path, files: Mapping[str, str], port: int, secret: str) -> Iterator[None]:
    """Apache with that file, in front of a page that shows the claims."""
    if not Path(APACHE).exists() or not (MODULES / "mod_auth_openidc.so").exists():
        pytest.skip("Apache is not installed (Debian: apache2-bin libapache2-mod-auth-openidc)")
    with _behind() as behind:
        yield from _apache(folder, files, port, secret, behind)


def _apache(folder: Path, files: Mapping[str, str], port: int, secret: str, behind: int) -> Iterator[None]:
    (text,) = files.values()
    (folder / "school.conf").write_text(text, encoding="utf-8")
    lines = [
        f'ServerRoot "{folder}"',
        "ServerName localhost",
        f"Listen 127.0.0.1:{port}",
        f'PidFile "{folder}/apache.pid"',
        f'ErrorLog "{folder}/error.log"',
        f'DefaultRuntimeDir "{folder}"',
        *(["User www-data", "Group www-data"] if os.geteuid() == 0 else []),
        *(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in NEEDED.split()),
        f'ProxyPass "/" "http://127.0.0.1:{behind}/"',
        f'Include "{folder}/school.conf"',
    ]
    (folder / "apache.conf").write_text("\n".join(lines) + "\n")
    command = [APACHE, "-D", "FOREGROUND", "-f", folder / "apache.conf"]
    words = {"CLIENT_SECRET": secret, "OIDC_CRYPTO": secrets.token_hex(16)}
    with program(folder, command, f"http://localhost:{port}/bye", words):
        yield


@contextmanager
def laravel(folder: Path, files: Mapping[str, str], port: int, secret: str) -> Iterator[None]:
    """Debian's Laravel with those files."""
    if shutil.which("php") is None or not LARAVEL.exists() or not GUZZLE.exists():
        pytest.skip("Laravel is not installed (Debian: php-cli php-laravel-framework php-guzzlehttp-guzzle)")
    base = folder / "base"
    shutil.copytree(CLIENTS / "laravel" / "config", base / "config")
    for one in ("routes", "bootstrap/cache", "storage/logs", "storage/framework/sessions"):
        (base / one).mkdir(parents=True)
    (base / "routes" / "web.php").write_text(files["routes/web.php"], encoding="utf-8")
    (base / "config" / "services.php").write_text(f"<?php return [\n{files['config/services.php']}];\n")
    key = "base64:" + base64.b64encode(secrets.token_bytes(32)).decode()
    words = {"APP_BASE": str(base), "APP_KEY": key, "CLIENT_SECRET": secret}
    command = ["php", "-S", f"127.0.0.1:{port}", CLIENTS / "laravel" / "server.php"]
    with program(folder, command, f"http://localhost:{port}/nothing", words):
        yield


# ---------------------------------------------------------------- Spring

POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <parent>
    <groupId>org.springframework.boot</groupId>
    <artifactId>spring-boot-starter-parent</artifactId>
    <version>{version}</version>
  </parent>
  <groupId>com.example</groupId>
  <artifactId>demo</artifactId>
  <version>1</version>
  <properties><java.version>17</java.version></properties>
  <dependencies>
    <dependency>
      <groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-web</artifactId>
    </dependency>
    <dependency>
      <groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-oauth2-client</artifactId>
    </dependency>
  </dependencies>
  <build><plugins><plugin>
    <groupId>org.springframework.boot</groupId><artifactId>spring-boot-maven-plugin</artifactId>
  </plugin></plugins></build>
</project>
"""
MAIN = """\
package com.example.demo;

import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.security.web.csrf.CsrfToken;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class DemoApplication {
  public static void main(String[] words) {
    SpringApplication.run(DemoApplication.class, words);
  }

  @GetMapping("/lesson")
  Map<String, Object> lesson(@AuthenticationPrincipal OidcUser pupil) {
    return pupil.getClaims();
  }

  @GetMapping("/csrf")
  String csrf(CsrfToken token) {
    return token.getToken();
  }

  @GetMapping("/bye")
  String bye() {
    return "bye";
  }
}
"""
NOT_REACHED = ("Could not resolve", "Could not transfer", "Non-resolvable parent", "in offline mode")


def _build(folder: Path) -> None:
    """From what Maven has here, or else from what it can get; skips when that is not enough."""
    for words in (["-o"], []):
        try:
            built = subprocess.run(
                ["mvn", "-q", "-B", *words, "package"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
        except subprocess.TimeoutExpired:
            continue
        if built.returncode == 0:
            return
        assert any(word in built.stdout for word in NOT_REACHED), built.stdout
    pytest.skip("Maven does not get the libraries of Spring on this machine")


@contextmanager
def spring(folder: Path, files: Mapping[str, str], port: int, secret: str) -> Iterator[None]:
    """An application of Spring Boot with those files, built here; skips where Maven has nothing to build from."""
    if shutil.which("mvn") is None or shutil.which("java") is None:
        pytest.skip("Maven is not installed (Debian: maven)")
    version = re.search(r"Spring Boot ([\d.]+)", snippets.PRODUCTS["spring"].tried)
    assert version
    ours = {
        "pom.xml": POM.format(version=version[1]),
        "src/main/java/com/example/demo/DemoApplication.java": MAIN,
    }
    for where, text in (ours | dict(files)).items():
        (folder / where).parent.mkdir(parents=True, exist_ok=True)
        (folder / where).write_text(text, encoding="utf-8")
    _build(folder)
    command = ["java", "-jar", "target/demo-1.jar", f"--server.port={port}"]
    address = f"http://localhost:{port}/nothing"
    with program(folder, command, address, {"CLIENT_SECRET": secret}, patience=300):
        yield


# ---------------------------------------------------------------- at the supplier's page, and at the app


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A supplier's own pages, in a browser where it is signed in, with an app for each product."""

    page: Any
    issuer: str
    apps: Mapping[str, Mapping[str, Any]]

    def address(self, slug: str) -> str:
        return f"{self.issuer}/leverancier/apps/{self.apps[slug]['client_id']}"

    def origin(self, slug: str) -> str:
        return str(self.apps[slug]["redirect_uris"][0]).removesuffix(BACK)

    @contextmanager
    def pasted(self, slug: str, start: Start, folder: Path) -> Iterator[str]:
        """That product with what its app's page shows for it, letter by letter; the origin where it runs."""
        app = self.apps[slug]
        self.page.goto(self.address(slug))
        assert app["client_secret"] not in self.page.content()
        texts = self.page.locator(f"#s-{slug} pre").all_text_contents()
        files = dict(zip(snippets.PRODUCTS[slug].files, texts, strict=True))
        port = int(self.origin(slug).rpartition(":")[2])
        with start(folder, files, port, app["client_secret"]):
            yield self.origin(slug)

    def seen(self, slug: str, habit: str) -> str:
        """What the app's page says of this habit."""
        self.page.goto(self.address(slug))
        return str(self.page.get_by_role("row", name=re.compile(habit)).inner_text())


def apps_for(products: Mapping[str, str], origins: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """A registration for each of these products, by the way it proves itself."""
    leaves = {
        "mod_auth_openidc": f"{BACK}?logout=backchannel",
        "spring": "/logout/connect/back-channel/school",
    }
    return {
        slug: {
            "client_id": f"pasted-{slug}",
            "client_name": f"Product {slug}",
            "client_secret": secrets.token_urlsafe(32),
            "redirect_uris": [f"{origins[slug]}{BACK}"],
            "post_logout_redirect_uris": [f"{origins[slug]}/bye"],
            "scope": "openid profile ov_leerling",
            "token_endpoint_auth_method": way,
            "open_to_every_pupil": True,
            "supplier": "sandbox",
        }
        | ({"backchannel_logout_uri": f"{origins[slug]}{leaves[slug]}"} if slug in leaves else {})
        for slug, way in products.items()
    }


def sign_in(page: Any, pupil: Mapping[str, Any]) -> None:
    page.locator("input[name=username]").fill(pupil["username"])
    page.locator("input[name=username]").press("Enter")
    page.locator("input[name=password]").fill(pupil["secret"])
    page.locator("input[name=password]").press("Enter")


def told(page: Any) -> dict[str, Any]:
    """What a page says in JSON."""
    found = json.loads(page.locator("body").inner_text())
    assert isinstance(found, dict)
    return found


def press(page: Any, action: str, **fields: str) -> None:
    """Send a form to this path, as a button in a page of the app would."""
    page.evaluate(
        """([action, fields]) => {
          const form = document.createElement("form");
          form.method = "post";
          form.action = action;
          for (const [name, value] of Object.entries(fields)) {
            const field = document.createElement("input");
            [field.name, field.value] = [name, value];
            form.append(field);
          }
          document.body.append(form);
          form.submit();
        }""",
        [action, fields],
    )
