"""Do the examples hold out? Spring Boot's is built and run as it was pasted; and none minds that our keys change at once."""

from __future__ import annotations

import json
from contextlib import ExitStack
from urllib.parse import urljoin

import pytest
import requests

from idp.admin.makers import snippets
from idp.apps import App
from tests import make_products
from tests.journeys.conftest import free_port
from tests.journeys.conftest import running as demo
from tests.journeys.test_supplier import enter
from tests.long import cluster
from tests.make_person import Person
from tests.make_products import press, sign_in, told

pytestmark = [pytest.mark.long, pytest.mark.browser]


def test_an_application_of_spring_boot_signs_a_pupil_in_and_out_as_it_was_pasted(tmp_path, chromium, page):
    (tmp_path / "demo").mkdir()
    (tmp_path / "app").mkdir()
    origins = {"spring": f"http://localhost:{free_port()}"}
    apps = make_products.apps_for({"spring": "client_secret_basic"}, origins)
    with demo(tmp_path / "demo") as shown:
        (tmp_path / "apps.json").write_text(json.dumps([*apps.values()]))
        shown.idp("app", "import", str(tmp_path / "apps.json"))
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="nl-BE")
        enter(context.new_page(), shown.issuer, shown.sandbox["suppliers"][0])
        context.pages[0].wait_for_url("**/leverancier")
        desk = make_products.Desk(page=context.pages[0], issuer=shown.issuer, apps=apps)
        with desk.pasted("spring", make_products.spring, tmp_path / "app") as origin:
            seppe = shown.pupil(username="seppe.duinen")
            page.goto(f"{origin}/lesson")
            sign_in(page, seppe)
            page.wait_for_url(f"{origin}/lesson**")
            pupil = told(page)
            assert (pupil["given_name"], pupil["ov_orgcode"]) == ("Seppe", "999901")

            page.goto(f"{origin}/csrf")
            press(page, "/logout", _csrf=page.locator("body").inner_text())
            page.wait_for_url(f"{origin}/bye")
            page.goto(f"{origin}/lesson")
            sign_in(page, seppe)
            page.wait_for_url(f"{origin}/lesson**")
            assert told(page)["sub"] == pupil["sub"]

            page.goto(f"{shown.issuer}/afmelden")
            page.locator("form button").first.click()
            page.wait_for_load_state()
            cookies = {one["name"]: one["value"] for one in page.context.cookies(origin)}

            def closed() -> bool:
                there = requests.get(f"{origin}/lesson", cookies=cookies, allow_redirects=False, timeout=10)
                return there.status_code == 302

            cluster.wait_for(closed, 30)
        for habit in ("Stuurt state mee", "Stuurt nonce mee", "Gebruikt PKCE", "Wisselt elke code in"):
            assert "altijd" in desk.seen("spring", habit), habit
        context.close()


PROGRAMS = {
    "authlib": (make_products.authlib, "/sign-in"),
    "openid-client": (make_products.openid_client, "/sign-in"),
    "mod_auth_openidc": (make_products.apache, "/lesson"),
    "laravel": (make_products.laravel, "/sign-in"),
    "spring": (make_products.spring, "/lesson"),
}


def signed_in(issuer, pupil, address):
    """What somebody reads at this address of an app who comes with a new browser and signs in on the way."""
    person, url = Person(issuer, pupil["username"], pupil["secret"]), address
    for _ in range(10):
        page = person.browser.get(url, allow_redirects=False, timeout=20)
        if not page.is_redirect:
            assert page.status_code == 200, page.text
            return page.json()
        url = urljoin(url, page.headers["Location"])
        if url.startswith(issuer):
            url = person.visit(url).url
    raise AssertionError(f"{address} leads nowhere")


@pytest.mark.parametrize("slug", PROGRAMS)
def test_a_signing_key_that_is_taken_out_at_once_keeps_nobody_out(tmp_path, slug):
    """No two weeks of notice: the program read our keys when there was another."""
    start, path = PROGRAMS[slug]
    (tmp_path / "demo").mkdir()
    (tmp_path / "app").mkdir()
    port = free_port()
    document = make_products.apps_for({slug: "client_secret_basic"}, {slug: f"http://localhost:{port}"})[slug]
    with demo(tmp_path / "demo") as shown, ExitStack() as running:
        (tmp_path / "apps.json").write_text(json.dumps([document]))
        shown.idp("app", "import", str(tmp_path / "apps.json"))
        app = App(
            client_id=document["client_id"],
            client_name="",
            sector="",
            redirect_uris=tuple(document["redirect_uris"]),
            scopes=frozenset(document["scope"].split()),
        )
        files = {one.slug: one.files for one in snippets.of(app, shown.issuer)}[slug]
        running.enter_context(start(tmp_path / "app", files, port, document["client_secret"]))
        address, seppe = f"http://localhost:{port}{path}", shown.pupil(username="seppe.duinen")
        before = signed_in(shown.issuer, seppe, address)
        old = {one["kid"] for one in requests.get(f"{shown.issuer}/jwks", timeout=5).json()["keys"]}
        for kid in sorted(old):
            shown.idp("keys", "revoke", kid, "--yes")

        def changed() -> bool:
            keys = requests.get(f"{shown.issuer}/jwks", timeout=5).json()["keys"]
            return old.isdisjoint(one["kid"] for one in keys)

        cluster.wait_for(changed, 60)
        after = signed_in(shown.issuer, seppe, address)
        assert after["sub"] == before["sub"]
