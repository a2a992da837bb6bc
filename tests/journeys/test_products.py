"""Do the examples on a supplier's page work as pasted? Each runs in the product it is for; a pupil signs in there, and out."""

from __future__ import annotations

import json
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests import make_products
from tests.journeys.conftest import free_port
from tests.journeys.test_supplier import enter
from tests.long import cluster
from tests.make_products import press, sign_in, told

pytestmark = pytest.mark.browser

PROGRAMS = {
    "authlib": (make_products.authlib, "client_secret_basic"),
    "openid-client": (make_products.openid_client, "client_secret_post"),
    "mod_auth_openidc": (make_products.apache, "client_secret_basic"),
    "laravel": (make_products.laravel, "client_secret_post"),
}
BY_FORM = sorted(PROGRAMS.keys() - {"mod_auth_openidc"})
"""Programs with /sign-in and a button for /sign-out."""


@pytest.fixture(scope="module")
def desk(demo_on_sqlite, chromium, tmp_path_factory):
    origins = {slug: f"http://localhost:{free_port()}" for slug in PROGRAMS}
    apps = make_products.apps_for({slug: way for slug, (_start, way) in PROGRAMS.items()}, origins)
    file = tmp_path_factory.mktemp("pasted") / "apps.json"
    file.write_text(json.dumps([*apps.values()]))
    demo_on_sqlite.idp("app", "import", str(file))
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="nl-BE")
    page = context.new_page()
    enter(page, demo_on_sqlite.issuer, demo_on_sqlite.sandbox["suppliers"][0])
    page.wait_for_url("**/leverancier")
    yield make_products.Desk(page=page, issuer=demo_on_sqlite.issuer, apps=apps)
    context.close()


@pytest.mark.parametrize("slug", BY_FORM)
def test_the_program_signs_a_pupil_in_and_out_as_it_was_pasted(demo, desk, page, tmp_path, slug):
    with desk.pasted(slug, PROGRAMS[slug][0], tmp_path) as origin:
        page.goto(f"{origin}/sign-in")
        sign_in(page, demo.pupil(username="seppe.duinen"))
        page.wait_for_url(f"{origin}/**")
        pupil = told(page)
        assert (pupil["given_name"], pupil["ov_orgcode"]) == ("Seppe", "999901")
        page.goto(f"{origin}/sign-in")
        page.wait_for_url(f"{origin}/**")
        assert told(page)["sub"] == pupil["sub"], "still signed in with us: no question"

        token = ""
        if slug == "laravel":
            page.goto(f"{origin}/csrf")
            token = page.locator("body").inner_text()
        with page.expect_request(f"{origin}/bye**"):  # a page that the example leaves to the app
            press(page, "/sign-out", _token=token)
        until_shown(page, f"{origin}/bye")
        page.goto(f"{origin}/sign-in")
        page.locator("input[name=username]").wait_for()
        foreign_answers_are_refused(desk.issuer, origin)
    for habit in ("Stuurt state mee", "Stuurt nonce mee", "Gebruikt PKCE", "Wisselt elke code in"):
        assert "altijd" in desk.seen(slug, habit), habit


def until_shown(page, address):
    """The browser is there; for an answer without a body it shows a page of its own."""
    for _ in range(6000):
        if page.url.startswith((address, "chrome-error:")):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"not at {address} but at {page.url}")


def foreign_answers_are_refused(issuer, origin):
    """Nobody is signed in by an answer that this browser did not ask for, or that is not ours."""
    browser, back = requests.Session(), f"{origin}{make_products.BACK}"
    asked = browser.get(f"{origin}/sign-in", allow_redirects=False, timeout=60).headers["Location"]
    state = parse_qs(urlsplit(asked).query)["state"][0]
    for words in (
        {"code": "lsc_foreign", "state": "foreign", "iss": issuer},
        {"code": "lsc_foreign", "state": state, "iss": "https://elsewhere.example"},
        {"code": "lsc_foreign", "iss": issuer},
        {"error": "access_denied", "state": state, "iss": issuer},
    ):
        answer = browser.get(back, params=words, allow_redirects=False, timeout=60)
        assert answer.status_code in {400, 403}, (words, answer.status_code)
        assert '"sub"' not in unescape(answer.text)


def test_apache_opens_its_pages_to_who_signs_in_and_closes_them_when_we_say_so(demo, desk, page, tmp_path):
    with desk.pasted("mod_auth_openidc", make_products.apache, tmp_path) as origin:
        page.goto(f"{origin}/lesson")
        sign_in(page, demo.pupil(username="seppe.duinen"))
        page.wait_for_url(f"{origin}/lesson")
        pupil = told(page)
        assert (pupil["given_name"], pupil["ov_orgcode"]) == ("Seppe", "999901")
        page.goto(f"{origin}/lesson")
        assert told(page)["sub"] == pupil["sub"]
        spoken = {"OIDC_CLAIM_given_name": "Noor", "OIDC_CLAIM_sub": "somebody-else"}
        assert requests.get(f"{origin}/bye", headers=spoken, timeout=60).json() == {}, "no claim from outside"

        page.goto(f"{origin}{make_products.BACK}?logout={origin}/bye")
        page.wait_for_url(f"{origin}/bye")
        assert told(page) == {}, "open to everybody, and nobody is signed in"
        page.goto(f"{origin}/lesson")
        sign_in(page, demo.pupil(username="seppe.duinen"))
        page.wait_for_url(f"{origin}/lesson")

        page.goto(f"{demo.issuer}/afmelden")
        page.locator("form button").first.click()
        page.wait_for_load_state()
        cookies = {one["name"]: one["value"] for one in page.context.cookies(origin)}

        def closed():
            shown = requests.get(f"{origin}/lesson", cookies=cookies, allow_redirects=False, timeout=60)
            return shown.status_code == 302

        cluster.wait_for(closed, 180)
    for habit in ("Stuurt state mee", "Stuurt nonce mee", "Gebruikt PKCE", "Wisselt elke code in"):
        assert "altijd" in desk.seen("mod_auth_openidc", habit), habit
