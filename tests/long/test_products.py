"""Do the examples hold out? Spring Boot's is built and run as it was pasted; and none minds that our keys change at once."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
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

PROGRAMS = {
    "authlib": (make_products.authlib, "/sign-in"),
    "openid-client": (make_products.openid_client, "/sign-in"),
    "mod_auth_openidc": (make_products.apache, "/lesson"),
    "laravel": (make_products.laravel, "/sign-in"),
}


GUIDES = (Path(__file__).resolve().parents[2] / "docs" / "guides.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def apps():
    slugs = [*PROGRAMS, "spring"]
    origins = {slug: f"http://localhost:{free_port()}" for slug in slugs}
    return make_products.apps_for(dict.fromkeys(slugs, "client_secret_basic"), origins)


@pytest.fixture(scope="module")
def shown(tmp_path_factory, apps):
    folder = tmp_path_factory.mktemp("products")
    with demo(folder) as made:
        (folder / "apps.json").write_text(json.dumps([*apps.values()]))
        made.idp("app", "import", str(folder / "apps.json"))
        yield made


def origin_of(app):
    return app["redirect_uris"][0].removesuffix(make_products.BACK)


def signed_in(shown, address):
    """What somebody reads at this address of an app who comes with a new browser and signs in on the way."""
    seppe = shown.pupil(username="seppe.duinen")
    person, url = Person(shown.issuer, seppe["username"], seppe["secret"]), address
    for _ in range(10):
        page = person.browser.get(url, allow_redirects=False, timeout=60)
        if not page.is_redirect:
            assert page.status_code == 200, (address, page.text)
            return page.json()
        url = urljoin(url, page.headers["Location"])
        if url.startswith(shown.issuer):
            url = person.visit(url).url
    raise AssertionError(f"{address} leads nowhere")


def take_out_all_keys(shown):
    """As after a theft: no two weeks of notice. Returns when every worker signs with new ones."""
    old = {one["kid"] for one in requests.get(f"{shown.issuer}/jwks", timeout=60).json()["keys"]}
    for kid in sorted(old):
        shown.idp("keys", "revoke", kid, "--yes")

    def changed():
        keys = [requests.get(f"{shown.issuer}/jwks", timeout=60).json()["keys"] for _ in range(6)]
        return all(old.isdisjoint(one["kid"] for one in found) for found in keys)

    cluster.wait_for(changed, 60)


def test_programs_that_read_our_keys_go_on_when_all_of_them_are_taken_out(shown, apps, tmp_path):
    with ExitStack() as running:
        addresses = {}
        for slug, (start, path) in PROGRAMS.items():
            document = apps[slug]
            app = App(
                client_id=document["client_id"],
                client_name="",
                sector="",
                redirect_uris=tuple(document["redirect_uris"]),
                scopes=frozenset(document["scope"].split()),
            )
            files = {one.slug: one.files for one in snippets.of(app, shown.issuer)}[slug]
            port = int(origin_of(document).rpartition(":")[2])
            (tmp_path / slug).mkdir()
            running.enter_context(start(tmp_path / slug, files, port, document["client_secret"]))
            addresses[slug] = f"{origin_of(document)}{path}"
        before = {slug: signed_in(shown, address)["sub"] for slug, address in addresses.items()}
        take_out_all_keys(shown)
        after = {slug: signed_in(shown, address)["sub"] for slug, address in addresses.items()}
        assert after == before


def test_an_application_of_spring_boot_signs_a_pupil_in_and_out_as_it_was_pasted(
    shown, apps, tmp_path, chromium, page
):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="nl-BE")
    enter(context.new_page(), shown.issuer, shown.sandbox["suppliers"][0])
    context.pages[0].wait_for_url("**/leverancier")
    desk = make_products.Desk(page=context.pages[0], issuer=shown.issuer, apps=apps)
    with desk.pasted("spring", make_products.spring, tmp_path) as origin:
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

        def closed():
            there = requests.get(f"{origin}/lesson", cookies=cookies, allow_redirects=False, timeout=60)
            return there.status_code == 302

        cluster.wait_for(closed, 30)
        take_out_all_keys(shown)
        assert signed_in(shown, f"{origin}/lesson")["sub"] == pupil["sub"]
    for habit in ("Stuurt state mee", "Stuurt nonce mee", "Gebruikt PKCE", "Wisselt elke code in"):
        assert "altijd" in desk.seen("spring", habit), habit
    context.close()


def test_oauth2_proxy_with_the_file_of_the_guide_says_who_it_is(shown, tmp_path):
    guide = GUIDES.partition("\n## Anything behind oauth2-proxy\n")[2]
    document, text = (
        re.search(rf"```{language}\n(.*?)```", guide, re.DOTALL)[1] for language in ("json", "toml")
    )
    port = free_port()
    origin, secret = f"http://localhost:{port}", "like-ours-url-safe_and-long-enough"
    document = json.loads(document.replace("https://app.example", origin))
    document |= {"client_id": "behind", "client_secret": secret, "open_to_every_pupil": True}
    (tmp_path / "apps.json").write_text(json.dumps([document]))
    text = text.replace("https://app.example", origin).replace("CLIENT_ID", "behind")
    text = text.replace("https://id.example.org", shown.issuer)
    with make_products.oauth2_proxy(tmp_path, {"oauth2-proxy.cfg": text}, port, secret):
        shown.idp("app", "import", str(tmp_path / "apps.json"))
        first = signed_in(shown, f"{origin}/lesson")["sub"]
        assert re.fullmatch(r"[0-9a-f]{64}", first)
        assert signed_in(shown, f"{origin}/lesson")["sub"] == first
