"""What is wrong with a registration is told on pages in the reader's language; programs and commands keep English."""

from __future__ import annotations

import ast
import re
from datetime import date
from pathlib import Path

import pytest

import idp
from idp.admin.apps import problem_words
from idp.app import create_app
from idp.errors import Problem
from idp.oidc import registration
from tests import make_staff
from tests.admin.test_pages_registry import APP, mira  # noqa: F401 - the fixture
from tests.security.test_operators_api import call, issued

PLACES = re.compile(r"%\((\w+)\)s")
HTTP = {
    "nl": "Nummer 2: moet beginnen met https://",
    "fr": "Numéro 2 : doit commencer par https://",
    "de": "Nummer 2: muss mit https:// beginnen",
    "en": "Number 2: must begin with https://",
}
TODAY = date(2026, 11, 23)


def raised() -> dict[str, set[str]]:
    """Every code of a problem in the code of the house, with the words that go with it."""
    found: dict[str, set[str]] = {}
    for file in Path(idp.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "Problem",
                "errors.Problem",
                "NotAnAddress",
            }:
                code = node.args[0] if node.args else None
                if isinstance(code, ast.Constant):
                    words = {one.arg for one in node.keywords}
                    assert found.setdefault(code.value, words) == words, code.value
    return found


def test_every_problem_has_words_for_a_page_and_the_same_places_in_them():
    there = raised()
    assert {*problem_words.WORDS} == {*there}
    for code, words in there.items():
        assert {*PLACES.findall(str(problem_words.WORDS[code]))} == words, code


@pytest.mark.parametrize("language", ["fr", "de", "en"])
def test_every_problem_is_told_in_the_other_languages_too(house, language):
    there = raised()
    with create_app(house).test_request_context("/", headers={"Accept-Language": language}):
        for code, words in there.items():
            said = problem_words.told(Problem(code, "in English", **dict.fromkeys(words, "WORD")))
            assert said.count("WORD") == len(words), (code, said)
            assert "%(" not in said


def test_a_problem_is_its_english_sentence_for_whoever_does_not_read_pages():
    with pytest.raises(registration.Refused) as refused:
        registration.validate(
            {
                "client_id": "x",
                "redirect_uris": ["https://x.example/cb", "http://x.example/cb"],
                "scop": "openid",
            },
            today=TODAY,
            loopback_ok=False,
            existing=None,
        )
    problems = refused.value.problems
    assert problems["redirect_uris"] == (
        "number 2 must begin with https:// (http is for this machine only, such as http://localhost)",
    )
    assert problems["scop"] == ("there is no such field; did you mean `scope`?",)
    assert problems["client_name"] == ("is missing: the name that pupils and schools see",)
    assert "scop: there is no such field" in refused.value.detail


def test_what_is_no_problem_of_ours_stays_as_it_is():
    assert problem_words.told("as it came") == "as it came"
    assert problem_words.told(Problem("not-one-of-ours", "in English")) == "in English"


@pytest.mark.parametrize("language", [*HTTP])
def test_beside_its_field_in_the_language_of_the_page(house, client, mira, language):  # noqa: F811
    given = make_staff.filled(client, f"{APP}/wijzig") | {"client_name": "\u200b"}
    given["redirect_uris"] += "\nhttp://evil.example/cb"
    word = client.get(f"{APP}/wijzig").text
    given["csrf_token"] = re.search(r'name="csrf_token" value="([^"]+)"', word)[1]
    page = client.post(f"{APP}/wijzig", data=given, headers={"Accept-Language": language})
    assert page.status_code == 400
    beside = page.text.partition('id="p-redirect_uris"')[2].partition("</div>")[0]
    assert HTTP[language] in beside
    assert "p-redirect_uris" in page.text.partition('id="f-redirect_uris"')[2].partition(">")[0]
    assert page.text.count('class="field-problem"') == 2
    if language != "en":
        assert "must " not in page.text.partition("<main")[2]


def test_a_new_app_is_told_beside_its_id_and_its_supplier(client, mira):  # noqa: F811
    given = make_staff.filled(client, "/beheer/nieuwe-app") | {
        "client_id": "met spatie",
        "client_name": "Ander",
    }
    page = make_staff.post(client, "/beheer/nieuwe-app", **given)
    assert page.status_code == 400
    beside = page.text.partition('id="p-client_id"')[2].partition("</div>")[0]
    assert "Moet 1 tot 100 letters" in beside
    assert "Ontbreekt: waar de app het antwoord ontvangt" in page.text


def test_in_a_file_with_the_app_and_the_field(client, mira):  # noqa: F811
    text = "- client_id: eerste\n  onbekend: 1\n- client_id: tweede\n  client_name: Tweede\n  scope: openi\n"
    page = make_staff.post(client, "/beheer/bestand", tekst=text)
    assert page.status_code == 400
    assert "eerste, onbekend: zo&#39;n veld is er niet" in page.text
    assert "tweede, scope: openi is geen scope; bedoel je openid?" in page.text


def test_a_program_reads_english_whatever_language_it_likes(house, client):
    token = issued(house, "apps.write")
    answer = call(
        client,
        token,
        "POST",
        "/apps",
        json={"client_id": "nieuw", "client_name": "Nieuw", "scope": "openi"},
        headers={"Accept-Language": "nl"},
    )
    assert answer.status_code == 422
    (problems,) = answer.json["problems"].values()
    assert problems["scope"] == ["`openi` is no scope; did you mean `openid`?"]
