"""Pages with blanks that are filled in (idp/blanks.py) are the pages that their templates make."""

import itertools

import pytest
from flask import render_template
from markupsafe import Markup

from idp import blanks
from idp.login import pages
from idp.login.first_pages import About

HOSTILE = '"><script>alert(1)</script>{{ 7 * 7 }}%(app)s&amp;'
LANGUAGES = ("nl", "fr", "de", "en")
APPS = (
    {"app_name": None, "app_logo": None, "app_about": About(policy=None, tos=None)},
    {
        "app_name": "Bingel & <b>co</b>",
        "app_logo": "/app-logo/1",
        "app_about": About(policy="https://bingel.example/?a=1&b=2", tos=None),
    },
)
OWN = ("next", "action", "wie", "name", "username", "away", "help", "forgot")


def everyday():
    """Template, the names that are somebody's own, and the words of a small choice: in every combination."""
    for app, shared, asks in itertools.product(APPS, (False, True), (False, True)):
        common = {**app, "shared": shared, "ask_shared": asks}
        for message in (None, "wrong", "nieuw", "incomplete"):
            yield "login/password.html", OWN, common | {"message": message}
        for message, typing in itertools.product((None, "wrong", "incomplete"), (False, True)):
            yield "login/pictures.html", OWN, common | {"message": message, "typing": typing}
        for message in (None, *sorted(pages.WHO_MESSAGES)):
            words = {**app, "shared": shared, "class_device": asks, "message": message, "hosts": "id.example"}
            yield "login/who.html", ("next", "action", "typed"), words


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_filled_page_is_the_page_that_its_template_makes_whatever_stands_in_its_blanks(app, language):
    asked = {"headers": {"Accept-Language": language}, "query_string": {"next": "/mijn-apps?a=<b>"}}
    with app.test_request_context("/aanmelden", **asked):
        for template, own, words in everyday():
            if template == "login/pictures.html":
                words["screens"] = Markup("<fieldset>four</fieldset>")
            for fill in (
                dict.fromkeys(own, ""),
                {name: f"{name}: {HOSTILE}" for name in own},
                {name: name if at % 2 else "" for at, name in enumerate(own)},
            ):
                assert blanks.filled(template, fill, words) == render_template(template, **fill, **words)


def test_a_page_that_was_kept_tells_the_next_person_nothing_of_the_one_before(app):
    words = {**APPS[0], "shared": False, "class_device": False, "message": None, "hosts": ""}
    said = []
    for who in ("wim.claes", "lies.maes"):
        with app.test_request_context(f"/aanmelden?bij={who}"):
            fill = {"next": "", "action": f"/aanmelden?{who}", "typed": who}
            said.append(blanks.filled("login/who.html", fill, words))
    assert "wim.claes" in said[0]
    assert "wim" not in said[1]
    assert said[1].count("lies.maes") == 3
    tokens = [page.partition('name="csrf_token" value="')[2].partition('"')[0] for page in said]
    nonces = [page.partition('nonce="')[2].partition('"')[0] for page in said]
    assert len({*tokens, *nonces}) == 4
    assert all((*tokens, *nonces))
    assert not any(blanks._MARK in page for page in said)


def test_it_keeps_a_page_for_each_choice_and_not_for_each_person(app):
    words = {**APPS[1], "shared": False, "class_device": False, "message": None, "hosts": ""}
    kept = app.extensions["blanks"]
    for at in range(30):
        with app.test_request_context("/aanmelden"):
            blanks.filled(
                "login/who.html",
                {"next": f"/mijn-apps?{at}", "action": f"/{at}", "typed": f"pupil{at}"},
                words,
            )
    assert len(kept) == 1
