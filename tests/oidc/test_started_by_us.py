"""A pupil's tile starts the app: the app hears who we are, where to begin, and not yet who the pupil is."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from idp import apps
from idp.claims import pages
from tests import make, make_signing
from tests.make_browser import query, said, sign_in

START = "https://rekenbuur.example/start"
HOME = "https://rekenbuur.example/thuis"


@pytest.fixture
def story(house, client):
    make_signing.keys(house)
    with house.database.transaction() as db:
        made = make.story(db, initiate_login_uri=START, client_uri=HOME)
    sign_in(client, house, made.pupil)
    return made


def tile(client, address="/mijn-apps"):
    """Where the tile of the page leads."""
    page = client.get(address)
    assert page.status_code == 200, page.text
    (found,) = {unescape(one) for one in re.findall(r'href="(https://rekenbuur[^"]*)"', page.text)}
    return found


def test_a_tile_starts_the_app_with_iss_and_the_registered_target_and_no_hint(house, client, story):
    start = urlsplit(tile(client))
    assert f"{start.scheme}://{start.netloc}{start.path}" == START
    assert parse_qs(start.query) == {"iss": [house.settings.issuer], "target_link_uri": [HOME]}


@pytest.mark.parametrize(
    "name", ["target_link_uri", "iss", "login_hint", "initiate_login_uri", "next", "url"]
)
def test_OPEN_03_nothing_in_an_address_changes_where_a_tile_leads(client, story, name):
    asked = urlencode({name: "https://rekenbuur.evil.example/"})
    assert tile(client, f"/mijn-apps?{asked}") == tile(client)
    about = client.get(f"/mijn-apps/{story.app.client_id}?{asked}")
    assert about.status_code == 200
    assert not re.findall(r'href="https?://[^"]*evil', about.text)


def test_OPEN_03_words_of_ours_in_a_registered_address_are_not_repeated():
    own = "https://app.example/go?iss=https://evil.example&target_link_uri=https://evil.example&login_hint=x&kind=1"
    app = apps.App(client_id="x", client_name="x", sector="x", initiate_login_uri=own)
    start = urlsplit(pages.start_url(app, "https://id.example"))
    assert parse_qs(start.query) == {"iss": ["https://id.example"], "kind": ["1"]}


def test_what_the_app_then_asks_is_an_everyday_request_that_ends_without_a_question(client, story):
    tile(client)
    assert "code" in said(client.get(f"/authorize?{query(story.app)}"), story.app)
