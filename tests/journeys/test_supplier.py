"""From nothing to a pupil who is signed in: an operator registers an app, its maker pastes the example and runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time

import pytest
import requests

from tests.journeys.conftest import code_of, free_port

pytestmark = pytest.mark.browser


def enter(page, issuer, person):
    """Sign in; returns how many seconds went by until there was a code that no journey used before."""
    page.goto(f"{issuer}/personeel/aanmelden")
    page.get_by_label("E-mailadres of personeelsnummer").fill(person["username"])
    page.get_by_label("Wachtwoord", exact=True).fill(person["password"])
    page.get_by_role("button", name="Volgende").click()
    began = time.monotonic()
    code_of(person["totp_secret"])  # another journey may have used this half minute's
    code = code_of(person["totp_secret"])
    waited = time.monotonic() - began
    page.get_by_label("Code uit je app").fill(code)
    with page.expect_navigation():
        page.get_by_role("button", name="Aanmelden").click()
    return waited


def running(folder, text, port, **secrets):
    """The example, as it was pasted, as a program of its own."""
    (folder / "app.py").write_text(text, encoding="utf-8")
    env = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore", **secrets}
    with (folder / "app.log").open("wb") as log:
        program = subprocess.Popen([sys.executable, "app.py"], cwd=folder, env=env, stdout=log, stderr=log)
    for _ in range(1800):
        try:
            requests.get(f"http://localhost:{port}/nothing", timeout=60)
        except requests.RequestException:
            assert program.poll() is None, (folder / "app.log").read_text()
            time.sleep(0.1)
        else:
            return program
    raise AssertionError((folder / "app.log").read_text())


def test_an_operator_registers_an_app_and_its_maker_pastes_the_example_and_signs_in_a_sandbox_pupil(
    demo, page, chromium, tmp_path
):
    port = free_port()
    address = f"http://localhost:{port}/callback"
    began = time.monotonic()
    waited = enter(page, demo.issuer, demo.sandbox["operators"][0])
    page.goto(f"{demo.issuer}/beheer/nieuwe-app")
    page.locator("#f-client_id").fill("geplakt")
    page.locator("#f-supplier").select_option("sandbox")
    page.locator("#f-client_name").fill("Geplakt")
    page.locator("#f-redirect_uris").fill(address)
    page.locator("#f-scope").fill("openid profile ov_leerling")
    page.locator("#f-open_to_every_pupil").check()
    page.get_by_role("button", name="Bekijk het verschil").click()
    page.get_by_role("button", name="Bewaar").click()
    secret = page.locator("#geheim .copyable").inner_text()

    maker = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="nl-BE")
    desk = maker.new_page()
    waited += enter(desk, demo.issuer, demo.sandbox["suppliers"][0])
    desk.wait_for_url("**/leverancier")
    desk.get_by_role("link", name="Geplakt").click()
    example = desk.locator("#s-authlib pre").text_content()
    assert secret not in desk.content()

    program = running(tmp_path, example, port, CLIENT_SECRET=secret, SESSION_KEY="k" * 32)
    try:
        browser = chromium.new_context(locale="nl-BE")
        visit = browser.new_page()
        visit.goto(re.search(r"open (http://\S+)", example)[1])
        seppe = demo.pupil(username="seppe.duinen")
        visit.locator("input[name=username]").fill(seppe["username"])
        visit.locator("input[name=username]").press("Enter")
        visit.locator("input[name=password]").fill(seppe["secret"])
        visit.locator("input[name=password]").press("Enter")
        visit.wait_for_url("**/callback?**")
        told = json.loads(visit.locator("body").inner_text())
        assert told["given_name"] == "Seppe"
        assert told["sub"]
        assert "ov_klassen" not in told
        clicks = time.monotonic() - began - waited
        assert clicks < 180, "less than three minutes, from nothing"

        visit.goto(
            f"{demo.issuer}/authorize?client_id=geplakt&response_type=code&scope=openid&redirect_uri={address}/"
        )
        assert "/authorize" in visit.url
    finally:
        program.terminate()
        program.wait(60)
    desk.get_by_role("link", name=re.compile("Geweigerde aanvragen")).click()
    assert desk.locator(".beside mark").first.inner_text() == "/"
    desk.get_by_text("slash at the end", exact=True).wait_for()
    desk.goto(f"{demo.issuer}/leverancier/apps/geplakt")
    row = desk.get_by_role("row", name=re.compile("Gebruikt PKCE"))
    assert "altijd" in row.inner_text()
    maker.close()
    browser.close()
