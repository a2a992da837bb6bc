"""An installation that is no demo: an operator makes the sandbox, the maker of an app tries it, and a pupil of it signs in.

Both work in their own browser, on our application in this process. The app lives at an address of https that exists
nowhere: the browser sets out for it with the code, and the test redeems it as the app's server would.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect

from idp.admin.sandbox.sandbox_people import SCHOOLS
from idp.claims import consent
from idp.login import staff_sessions
from idp.models import RightKind
from tests import make_staff
from tests.conftest import CHEAP
from tests.journeys.test_pupils import say_who, tap
from tests.make_running import running

pytestmark = pytest.mark.browser

APP = "https://proef.example/cb"
VERIFIER = "v" * 50


@pytest.fixture
def house(tmp_path, database_url, key_folder, stopped) -> Iterator[Any]:
    words = {"data": tmp_path, "database_url": database_url, "keys": key_folder, "stopped": stopped}
    with running(**words, demo=False, **CHEAP) as made:
        now, today = made.clock.now(), made.clock.today()
        with made.database.transaction() as db:
            consent.publish_protocol(
                db,
                version="1",
                body=consent.sample(),
                in_force_from=today,
                names_teachers=True,
                notice_days=0,
                now=now,
            )
        yield made


def desk(browser: Any, house: Any, person: make_staff.Staff, path: str) -> Page:
    """A browser of this person, who proved a moment ago to be there."""
    page: Page = browser.new_context(locale="nl-BE", base_url=house.settings.issuer).new_page()
    with house.database.transaction() as db:
        started = staff_sessions.start(
            db,
            house,
            person_id=person.person_id,
            amr=("pwd", "otp"),
            device="Firefox · Linux",
            now=house.clock.now(),
        )
    name = f"idp-{house.settings.issuer.rpartition(':')[2]}-{staff_sessions.COOKIE}"
    page.context.add_cookies([{"name": name, "value": started.cookie, "url": house.settings.issuer}])
    page.goto(path)
    return page


def secret_of(page: Page, username: str) -> str:
    return page.locator("tr", has_text=username).locator("code.copyable").nth(1).inner_text()


def test_the_sandbox_of_a_real_installation_from_making_it_to_a_pupil_in_an_app(house, chromium):
    eva = make_staff.supplier(house, "rekenhuis")
    maker = desk(chromium, house, eva, "/zandbak")
    expect(maker.get_by_text("Deze installatie heeft geen zandbakschool.")).to_be_visible()

    operator = desk(chromium, house, make_staff.staff(house, RightKind.OPERATOR), "/beheer/zandbak")
    operator.get_by_role("button", name="Maak de zandbak").click()
    expect(operator.get_by_text("De zandbak is zoals ze hoort.")).to_be_visible()
    for naam in SCHOOLS.values():
        expect(operator.get_by_role("link", name=naam)).to_be_visible()

    operator.get_by_role("link", name="Nieuwe app").click()
    operator.locator("#f-client_id").fill("zandbakapp")
    operator.locator("#f-client_name").fill("Rekenbuur in de zandbak")
    operator.locator("#f-redirect_uris").fill(APP)
    operator.locator("#f-scope").fill("openid profile ov_leerling ov_inschrijving ov_klas")
    operator.locator("#f-sandbox").select_option("true")
    operator.locator("#f-supplier").select_option("rekenhuis")
    operator.get_by_role("button", name="Bekijk het verschil").click()
    operator.get_by_role("button", name="Bewaar").click()
    client_id, secret = "zandbakapp", operator.locator("#geheim .copyable").inner_text()

    maker.reload()
    expect(maker.get_by_role("row", name=re.compile("Zoë Vloed"))).to_contain_text("straks 2B")
    pictures = secret_of(maker, "zoe.vloed")

    tried = f"/leverancier/apps/{client_id}/proef?leerling=zoe.vloed"
    maker.goto(tried)
    expect(maker.get_by_role("heading", name="/userinfo")).to_be_visible()
    expect(maker.get_by_text('"code": "2A"')).to_be_visible()

    maker.goto("/zandbak")
    maker.get_by_role("button", name="Morgen is nu").click()
    expect(maker.get_by_text("De klas is nu veranderd.")).to_be_visible()
    maker.goto(tried)
    expect(maker.get_by_text('"code": "2B"')).to_be_visible()

    answer = signed_in(chromium, house, client_id, secret, "zoe.vloed", pictures)
    claims = userinfo(house, answer)
    assert (claims["given_name"], claims["ov_orgcode"]) == ("Zoë", "999901")
    assert [one["code"] for one in claims["ov_klassen"]] == ["2B"]
    assert claims["ov_account_uuid"][14] == "8"

    maker.goto("/zandbak")
    card = maker.locator("section.card", has_text="999901")
    card.get_by_role("button", name="School stopt met delen").click()
    expect(maker.get_by_text("De school deelt geen klasinformatie meer.")).to_be_visible()
    assert "ov_klassen" not in userinfo(house, answer), "the same token, at once"
    maker.goto(tried)
    expect(maker.locator("#waarom + ul")).to_contain_text("deelt")

    operator.goto("/beheer/zandbak")
    operator.get_by_role("button", name="Zet terug").click()
    expect(operator.get_by_text("De zandbak is zoals ze hoort.")).to_be_visible()
    assert [one["code"] for one in userinfo(house, answer)["ov_klassen"]] == ["2A"]

    operator.get_by_label("Ja, ik ben zeker").check()
    operator.get_by_role("button", name="Neem weg").click()
    expect(operator.get_by_text("De zandbak is weg.")).to_be_visible()
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    assert requests.get(f"{house.settings.issuer}/userinfo", headers=bearer, timeout=60).status_code == 401


def signed_in(
    browser: Any, house: Any, client_id: str, secret: str, username: str, pictures: str
) -> dict[str, Any]:
    """By hand, in the app's own way: from its request to the tokens that its server gets for the code."""
    page = browser.new_context(locale="nl-BE", base_url=house.settings.issuer).new_page()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    asked = {"client_id": client_id, "redirect_uri": APP, "response_type": "code", "state": "s", "nonce": "n"}
    asked |= {"scope": "openid profile ov_leerling ov_inschrijving ov_klas"}
    asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    page.goto(f"/authorize?{urlencode(asked)}")
    say_who(page, username)
    with page.expect_request(re.compile("^https://proef.example/cb")) as back:
        tap(page, pictures)
    came = parse_qs(urlsplit(back.value.url).query)
    form = {"grant_type": "authorization_code", "code": came["code"][0], "redirect_uri": APP}
    token = requests.post(
        f"{house.settings.issuer}/token",
        data=form | {"code_verifier": VERIFIER},
        auth=(client_id, secret),
        timeout=60,
    )
    assert token.status_code == 200, token.text
    told: dict[str, Any] = token.json()
    return told


def userinfo(house: Any, answer: dict[str, Any]) -> dict[str, Any]:
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    told = requests.get(f"{house.settings.issuer}/userinfo", headers=bearer, timeout=60)
    assert told.status_code == 200, told.text
    claims: dict[str, Any] = json.loads(told.text)
    return claims
