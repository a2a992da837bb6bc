"""A page compiled for its language says what Jinja would say, in every language."""

from __future__ import annotations

import pytest
from flask import Flask, render_template
from flask.templating import Environment
from flask_babel import force_locale
from jinja2 import DictLoader

from idp import manners, web, wording

PAGES = {
    "macros.html": '{% macro notice(text) %}<p>{{ text }}</p>{% endmacro %}{% macro csrf() %}{{ _("Taal") }}{% endmacro %}',
    "frame.html": '{% import "macros.html" as ui %}<title>{% block title %}{{ brand }}{% endblock %}</title>'
    '{{ icon("star") }}{{ asset("style.css") }}{{ ui.csrf() }}{% block main %}{% endblock %}',
    "page.html": '{% extends "frame.html" %}{% block title %}{{ _("Wie ben je?") }}{% endblock %}'
    '{% block main %}{{ ui.notice(_("Volgende")) }}<a title="{{ _(\'Taal\') }}">{{ _("Dag %(name)s!", name=name) }}</a>'
    '{% if name == _("Volgende") %}never{% endif %}{{ _(name) }}{{ asset(name ~ ".css") }}{{ _("100%%") }}{% endblock %}',
}
NAME = "<b>Zoë & co</b>"


def said(house, environment, language):
    app = Flask("idp")
    app.jinja_environment = environment
    app.extensions["idp"] = house
    web.prepare(app, house.settings)
    app.jinja_env.loader = DictLoader(PAGES)
    with app.test_request_context("/"), force_locale(language):
        return render_template("page.html", name=NAME, brand="Leersleutel")


@pytest.mark.parametrize("language", manners.LANGUAGES)
def test_a_page_says_the_same_as_jinja_would(house, language):
    compiled = said(house, wording.Spoken, language)
    assert compiled == said(house, Environment, language)
    assert "&lt;b&gt;Zoë" in compiled
    assert "100%<" in f"{compiled}<"


def test_every_language_has_its_own_words(house):
    assert len({said(house, wording.Spoken, language) for language in manners.LANGUAGES}) == len(
        manners.LANGUAGES
    )


@pytest.mark.parametrize(
    ("line", "language"),
    [("de-BE,de;q=0.9,en;q=0.5", "de"), ("en;q=0.2, fr;q=0.8", "fr"), ("zu", "nl"), ("", "nl")],
)
def test_a_browsers_line_of_languages_is_read_alike_the_second_time_and_however_long_it_is(
    house, line, language
):
    app = Flask("idp")
    app.extensions["idp"] = house
    web.prepare(app, house.settings)
    long = f"{line}{', xx;q=0.1' * manners.EVERYDAY}"
    for said in (line, line, long):
        with app.test_request_context("/", headers={"Accept-Language": said}):
            assert web.language() == language
