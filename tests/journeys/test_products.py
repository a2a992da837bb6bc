"""Do the examples on a supplier's page work as pasted? Each runs in the product it is for; a pupil signs in there, and out."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass

import pytest

from idp.admin import snippets
from tests import make_products
from tests.journeys.conftest import free_port
from tests.journeys.test_supplier import enter

pytestmark = pytest.mark.browser

PROGRAMS = {
    "authlib": make_products.authlib,
    "openid-client": make_products.openid_client,
    "mod_auth_openidc": make_products.apache,
    "laravel": make_products.laravel,
}
SIGNS_OUT_ITSELF = "mod_auth_openidc"
"""At an address, not by a form of the app."""
WAYS = {"laravel": "client_secret_post"}


@dataclass(frozen=True, kw_only=True)
class Pasted:
    port: int
    secret: str
    files: dict[str, str]


@pytest.fixture(scope="module")
def desk(demo_on_sqlite, chromium, tmp_path_factory):
    """A supplier who is signed in, with an app for every product."""
    demo, apps = demo_on_sqlite, []
    for slug in PROGRAMS:
        origin = f"http://localhost:{free_port()}"
        apps.append(
            {
                "client_id": f"pasted-{slug}",
                "client_name": f"Geplakt {slug}",
                "client_secret": secrets.token_urlsafe(32),
                "redirect_uris": [f"{origin}/school/cb"],
                "post_logout_redirect_uris": [f"{origin}/bye"],
                "scope": "openid profile ov_leerling",
                "token_endpoint_auth_method": WAYS.get(slug, "client_secret_basic"),
                "open_to_every_pupil": True,
                "supplier": "sandbox",
            }
        )
    file = tmp_path_factory.mktemp("pasted") / "apps.json"
    file.write_text(json.dumps(apps))
    demo.idp("app", "import", str(file))
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="nl-BE")
    page = context.new_page()
    enter(page, demo.issuer, demo.sandbox["suppliers"][0])
    page.wait_for_url("**/leverancier")
    page.apps = {one["client_id"]: one for one in apps}
    yield page
    context.close()


def pasted(desk, issuer, slug):
    """What the page of this app shows for this product, letter by letter."""
    app = desk.apps[f"pasted-{slug}"]
    desk.goto(f"{issuer}/leverancier/apps/{app['client_id']}")
    texts = desk.locator(f"#s-{slug} pre").all_text_contents()
    assert app["client_secret"] not in desk.content()
    port = int(re.search(r":(\d+)/", app["redirect_uris"][0])[1])
    files = dict(zip(snippets.PRODUCTS[slug].files, texts, strict=True))
    return Pasted(port=port, secret=app["client_secret"], files=files)


def told(page):
    return json.loads(page.locator("body").inner_text())


@pytest.mark.parametrize("slug", PROGRAMS)
def test_the_example_signs_a_pupil_in_and_out_in_its_product_as_it_was_pasted(
    demo, desk, chromium, tmp_path, slug
):
    given = pasted(desk, demo.issuer, slug)
    origin = f"http://localhost:{given.port}"
    seppe = demo.pupil(username="seppe.duinen")
    browser = chromium.new_context(locale="nl-BE")
    page = browser.new_page()
    page.set_default_timeout(10_000)
    if (
        slug != SIGNS_OUT_ITSELF
    ):  # a page that these apps would have; Apache's must be open without a question
        page.route(f"{origin}/bye**", lambda route: route.fulfill(body="Tot ziens"))
    with PROGRAMS[slug](tmp_path, given.files, given.port, given.secret):
        start = f"{origin}/lesson" if slug == SIGNS_OUT_ITSELF else f"{origin}/sign-in"
        page.goto(start)
        page.locator("input[name=username]").fill(seppe["username"])
        page.locator("input[name=username]").press("Enter")
        page.locator("input[name=password]").fill(seppe["secret"])
        page.locator("input[name=password]").press("Enter")
        page.wait_for_url(f"{origin}/**")
        pupil = told(page)
        assert pupil["given_name"] == "Seppe"
        assert pupil["ov_orgcode"] == "999901"
        assert pupil["sub"]

        page.goto(start)
        page.wait_for_url(f"{origin}/**")
        assert told(page)["sub"] == pupil["sub"], "still signed in with us: no question"

        if slug == SIGNS_OUT_ITSELF:
            page.goto(f"{origin}/school/cb?logout={origin}/bye")
        else:
            sign_out(page, origin, csrf=slug == "laravel")
        page.wait_for_url(f"{origin}/bye**")
        page.goto(start)
        page.locator("input[name=username]").wait_for()
    browser.close()

    desk.goto(f"{demo.issuer}/leverancier/apps/pasted-{slug}")
    for habit in ("Stuurt state mee", "Stuurt nonce mee", "Gebruikt PKCE", "Wisselt elke code in"):
        assert "altijd" in desk.get_by_role("row", name=re.compile(habit)).inner_text(), habit


def sign_out(page, origin, *, csrf):
    """As a button in a page of that app would."""
    token = ""
    if csrf:
        page.goto(f"{origin}/csrf")
        token = page.locator("body").inner_text()
    page.evaluate(
        """token => {
          const form = document.createElement("form");
          form.method = "post";
          form.action = "/sign-out";
          form.innerHTML = '<input name="_token">';
          form.firstChild.value = token;
          document.body.append(form);
          form.submit();
        }""",
        token,
    )
