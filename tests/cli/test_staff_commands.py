"""`idp rights` and `idp staff` as an operator and a script meet them: help that reads well, JSON, exit codes."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from idp import cli

CHEAP = {"IDP_ARGON2_MEMORY_KIB": "8192", "IDP_ARGON2_TIME": "1", "IDP_SIGNING_ALGORITHMS": "RS256"}
GIVE = ("rights", "give", "--person", "cem", "--voornaam", "Cem", "--naam", "Boei")
HERE = ("--right", "leerid-beheerder", "--school", "999901")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A demo's folder with the sandbox in it, without a server."""
    from idp import audit, context
    from idp.demo import demo, sandbox

    folder = tmp_path_factory.mktemp("cli-staff")
    settings = demo.prepare(folder, 18982).model_copy(update={"argon2_memory_kib": 8192, "argon2_time": 1})
    house = context.open_house(settings)
    with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="operator:test", source="cli")):
        sandbox.load(house, apps_at="http://localhost:18983")
    house.database.close()
    return folder


@pytest.fixture
def idp(prepared):
    def run(*words: object, code: int = 0) -> str:
        done = CliRunner().invoke(cli.main, [*map(str, words), "--data", str(prepared)], env=CHEAP)
        assert done.exit_code == code, done.output
        run.errors = done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("rights",), ["give", "list", "stop", "What members of staff may do."]),
        (("rights", "give"), ["leerid-beheerder", "31 August", "not known yet"]),
        (("rights", "list"), ["Instellingsnummer", "--json"]),
        (("rights", "stop"), ["RIGHT", "idp rights list"]),
        (("staff",), ["forget", "invite"]),
        (("staff", "invite"), ["PERSON", "once", "whoever has it can sign in as them"]),
        (("staff", "forget"), ["Rights stay as they are"]),
    ],
)
def test_help_says_what_a_command_does_and_fits_the_screen(command, said):
    done = CliRunner().invoke(cli.main, [*command, "--help"], terminal_width=80)
    assert done.exit_code == 0
    words = " ".join(done.output.split())
    assert all(word in words for word in said), done.output
    assert max(map(len, done.output.splitlines())) <= 80


def test_a_right_is_given_listed_and_stopped(idp):
    right = json.loads(idp(*GIVE, *HERE, "--until", "2199-08-31", "--json"))["id"]
    (line,) = json.loads(idp("rights", "list", "--person", "cem", "--json"))
    assert (line["id"], line["right"], line["school"]) == (right, "leerid-beheerder", "999901")
    assert (line["name"], line["until"]) == ("Cem Boei", "2199-08-31")
    assert "cem" in idp("rights", "list", "--school", "999901")
    assert "cem is no longer leerid-beheerder" in idp("rights", "stop", right)
    assert json.loads(idp("rights", "list", "--person", "cem", "--json")) == []
    idp("rights", "stop", right, code=1)
    assert "right_unknown" in idp.errors


def test_without_a_day_a_right_lasts_the_school_year(idp):
    said = idp(*GIVE, *HERE)
    assert re.search("cem is leerid-beheerder at 999901; right [0-9a-f-]{36}", said)
    (line,) = json.loads(idp("rights", "list", "--person", "cem", "--json"))
    assert line["until"].endswith("-08-31")
    idp("rights", "stop", line["id"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((*GIVE, "--right", "leerid-beheerder"), 1, "right_needs_school"),
        ((*GIVE, "--right", "leerid-beheerder", "--school", "1"), 1, "school_unknown"),
        ((*GIVE, "--right", "operator", "--school", "999901"), 1, "right_is_everywhere"),
        ((*GIVE, *HERE, "--until", "2001-01-01"), 1, "dates_reversed"),
        ((*GIVE, *HERE, "--until", "31/08/2027"), 2, "does not match the format"),
        ((*GIVE, "--right", "boss", "--school", "999901"), 2, "is not one of"),
        (("rights", "give", "--person", "nobody", *HERE), 1, "person_unknown"),
        (("rights", "give", "--person", "nobody", "--naam", "Boei", *HERE), 1, "--voornaam"),
        (("rights", "give", *HERE), 2, "--person"),
        (("rights", "stop", "not-an-id"), 1, "right_unknown"),
        (("staff", "invite", "nobody"), 1, "person_unknown"),
        (("staff", "forget", "nobody"), 1, "person_unknown"),
        (("staff", "invite"), 2, "PERSON"),
    ],
)
def test_a_mistake_is_named_and_changes_nothing(idp, words, code, said):
    before = idp("rights", "list", "--json")
    idp(*words, code=code)
    assert said in idp.errors
    assert idp("rights", "list", "--json") == before


def test_an_invitation_is_printed_once_and_forgetting_takes_everything_away(idp):
    answer = json.loads(idp("staff", "invite", "sandbox-beheerder", "--json"))
    assert answer["person_id"] == "sandbox-beheerder"
    assert answer["hours"] == 72
    again = idp("staff", "invite", "sandbox-beheerder").splitlines()
    assert again[0].startswith("http://localhost:18982/personeel/uitnodiging/")
    assert again[0] != answer["link"]
    assert again[1] == "works once, for 72 hours"
    assert "idp staff invite sandbox-beheerder" in idp("staff", "forget", "sandbox-beheerder")
