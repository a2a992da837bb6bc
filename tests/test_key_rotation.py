"""Peppers and cookie keys change while pupils are signed in and pages are open: nobody notices."""

from __future__ import annotations

import shutil

import pytest
from sqlalchemy import select

from idp import context, keys
from idp.app import create_app
from idp.config import ConfigurationError
from idp.models import Account
from tests import make_login
from tests.make_browser import fill_in


@pytest.fixture
def nodes(house, tmp_path):
    """`nodes(folder)`: a node of this installation that starts now, with the keys that are in this folder."""
    opened = []

    def start(folder):
        settings = house.settings.model_copy(update={"keys": folder})
        made = context.open_house(settings, clock=house.clock)
        opened.append(made)
        app = create_app(made)
        app.testing = True
        return made, app

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def folder(house, tmp_path):
    """Keys of one node."""
    copy = tmp_path / "keys-of-a-node"
    shutil.copytree(house.settings.keys_folder, copy)
    return copy


def carry(browser, app):
    """The same browser, at another node: it has its cookies."""
    there = app.test_client()
    there._cookies = dict(browser._cookies)
    return there


@pytest.mark.parametrize("kind", ["pepper", "cookie"])
def test_a_page_that_was_open_during_a_rotation_still_signs_in(nodes, folder, kind):
    before, app = nodes(folder)
    who = make_login.pupil(before)
    browser = app.test_client()
    who_page = browser.get("/aanmelden?next=/mijn-apps")
    assert keys.add(folder, kind).endswith("-2")
    after, later = nodes(folder)
    browser = carry(browser, later)
    secret_page = fill_in(browser, who_page, username="noor.peeters")
    while secret_page.status_code in {302, 303}:
        secret_page = browser.get(secret_page.location)
    done = fill_in(browser, secret_page, password=make_login.KAT)
    assert done.status_code == 303, done.text
    assert browser.get("/mijn-apps").status_code == 200
    with after.database.reading() as db:
        pepper = db.execute(select(Account.pepper_id).where(Account.account_uuid == who)).scalar_one()
    assert pepper == ("pepper-2" if kind == "pepper" else "pepper-1"), "hashed anew with the newest one"


def test_who_is_signed_in_stays_so_through_every_rotation(nodes, folder):
    house, app = nodes(folder)
    make_login.pupil(house)
    browser = app.test_client()
    page = fill_in(browser, browser.get("/aanmelden?next=/mijn-apps"), username="noor.peeters")
    while page.status_code in {302, 303}:
        page = browser.get(page.location)
    fill_in(browser, page, password=make_login.KAT)
    for kind in ("cookie", "pepper", "cookie"):
        keys.add(folder, kind)
        _house, app = nodes(folder)
        browser = carry(browser, app)
        assert browser.get("/mijn-apps").status_code == 200


def test_an_announced_key_opens_but_does_not_seal_until_it_takes_over(nodes, folder, tmp_path, house):
    other = tmp_path / "keys-of-another-node"
    name = keys.add(folder, "cookie", announce=True)
    assert keys.announced(folder, "cookie") == f"{name}.announced"
    with pytest.raises(FileExistsError):
        keys.add(folder, "cookie", announce=True)
    shutil.copytree(folder, other)
    waiting, now = keys.load(other), house.clock.now()
    assert keys.load(house.settings.keys_folder).unseal("x", waiting.seal("x", {}, now), now, seconds=9) == {}
    assert keys.take_over(folder, "cookie") == name
    sealed = keys.load(folder).seal("x", {"a": 1}, now)
    assert waiting.unseal("x", sealed, now, seconds=9) == {"a": 1}, "the other node can read it already"
    assert keys.load(house.settings.keys_folder).unseal("x", sealed, now, seconds=9) is None
    assert keys.take_over(folder, "cookie") is None


def test_an_announced_pepper_verifies_what_another_node_hashed(nodes, folder, tmp_path, house):
    keys.add(folder, "pepper", announce=True)
    other = tmp_path / "keys-of-another-node"
    shutil.copytree(folder, other)
    slower, _app = nodes(other)
    assert slower.keys.pepper == "pepper-1"
    keys.take_over(folder, "pepper")
    faster, _app = nodes(folder)
    stored = faster.hasher.hash("29ban9")
    assert stored.pepper_id == "pepper-2"
    assert slower.hasher.verify(stored, "29ban9").right


def test_an_announced_key_that_others_may_read_is_refused_too(folder):
    name = keys.add(folder, "cookie", announce=True)
    (folder / f"{name}.announced").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod"):
        keys.load(folder)
