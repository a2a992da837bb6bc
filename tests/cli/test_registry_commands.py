"""`idp app`, `idp supplier` and `idp api-token`: what an operator and a script see, file by file and step by step."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
import yaml
from click.testing import CliRunner

from idp import cli, config, context, upgrading
from idp.admin.apps import app_files
from idp.clock import Clock

CHEAP = {"IDP_ARGON2_MEMORY_KIB": "8192", "IDP_ARGON2_TIME": "1"}
ADD = (
    "app",
    "add",
    "--name",
    "Leesland",
    "--client-id",
    "leesland",
    "--redirect-uri",
    "https://leesland.example/cb",
)
FILE = """\
- client_id: leesland
  client_name: Leesland
  redirect_uris: [https://leesland.example/cb, https://leesland.example/twee]
  scope: openid
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory, key_folder):
    """An installation's database without anything in it, made once."""
    folder = tmp_path_factory.mktemp("cli-registry")
    (folder / config.FILE).write_text(f'keys = "{key_folder}"\n')
    house = context.open_house(config.read(CHEAP, data=folder))
    upgrading.upgrade(house.database)
    house.close()
    return folder


@pytest.fixture
def idp(empty, tmp_path):
    for file in empty.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())

    def run(*words, code=0, given=None, **settings):
        done = CliRunner().invoke(
            cli.main, [*map(str, words), "--data", str(tmp_path)], env=CHEAP | settings, input=given
        )
        assert done.exit_code == code, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
        run.errors = done.stderr
        return done.stdout

    return run


# ---------------------------------------------------------------- changes


def test_an_app_is_added_changed_compared_closed_and_opened(idp):
    secret = json.loads(idp(*ADD))["client_secret"]
    planned = idp("app", "import", "-", "--dry-run", given=FILE)
    assert "redirect_uris   (widens)\n    + https://leesland.example/twee\n" in planned
    assert planned.endswith("1 would change, 0 stay as they are; nothing was stored\n")
    assert [one["version"] for one in json.loads(idp("app", "history", "leesland", "--json"))] == [1]
    (changed,) = json.loads(idp("app", "import", "-", given=FILE))
    assert (changed["change"], "client_secret" in changed) == ("changed", False)
    assert "0 would change, 1 stay" in idp("app", "import", "-", "--dry-run", given=FILE)
    assert idp("app", "diff", "leesland") == "redirect_uris\n  + https://leesland.example/twee\n"
    assert idp("app", "diff", "leesland", 2, 2) == "no differences\n"
    history = idp("app", "history", "leesland")
    assert all(word in history for word in ("at (UTC)", "operator:cli", "registered", "redirect_uris"))
    assert idp("app", "history", "--by", "person:nobody") == "nothing changed yet\n"
    assert "disabled leesland" in idp("app", "disable", "leesland")
    assert "enabled leesland" in idp("app", "enable", "leesland")
    everything = "".join(idp(*words) for words in SHOWING)
    assert secret not in everything


SHOWING = [
    ("app", "show", "leesland"),
    ("app", "secrets", "leesland"),
    ("app", "secrets", "leesland", "--json"),
    ("app", "history", "--json"),
    ("app", "diff", "leesland", "--json"),
    ("app", "export"),
    ("app", "export", "--yaml"),
    ("audit", "export"),
]


def test_an_app_that_is_there_is_not_written_over_by_adding_it_again(idp):
    """Somebody typed an id that was taken: its addresses and scopes would be gone, and its pupils locked out."""
    idp(*ADD)
    before = idp("app", "export", "leesland")
    other = ("--name", "Anders", "--redirect-uri", "https://elsewhere.example/cb", "--client-id", "leesland")
    idp("app", "add", *other, code=1)
    assert "app_exists" in idp.errors
    assert "idp app import" in idp.errors
    assert idp("app", "export", "leesland") == before
    idp("app", "disable", "leesland")
    idp("app", "add", *other, code=1)
    idp("app", "remove", "leesland", "--yes")
    idp("app", "add", *other)
    assert "elsewhere.example" in idp("app", "export", "leesland")


def test_of_two_secrets_one_is_ended_and_the_last_one_stays(idp):
    first = json.loads(idp(*ADD))["client_secret"]
    second = idp("app", "renew-secret", "leesland", "--overlap", 3).strip()
    new, old = json.loads(idp("app", "secrets", "leesland", "--json"))
    assert (new["expires_at"], new["good"], old["good"]) == (None, True, True)
    shown = idp("app", "secrets", "leesland")
    assert "until it is renewed" in shown
    assert f"ended {old['id']}" in idp("app", "end-secret", "leesland", old["id"])
    idp("app", "end-secret", "leesland", new["id"], code=1)
    assert "last_secret" in idp.errors
    assert "idp app renew-secret" in idp.errors
    everything = "".join(idp(*words) for words in SHOWING)
    assert first not in everything
    assert second not in everything


def test_what_is_exported_can_be_reviewed_and_imported_without_a_change(idp):
    idp(*ADD)
    text = idp("app", "export", "--yaml")
    assert "client_secret" not in text.replace("client_secret_basic", "")
    assert yaml.safe_load(text) == json.loads(idp("app", "export"))
    assert idp("app", "import", "-", "--dry-run", given=text).startswith("0 would change, 1 stay")
    assert json.loads(idp("app", "import", "-", given=text))[0]["change"] == "same"


def test_what_widens_waits_and_who_asked_cannot_approve(idp):
    idp(*ADD)
    strict = {"IDP_FOUR_EYES": "true"}
    (asked,) = json.loads(idp("app", "import", "-", "--reason", "Nieuw adres", given=FILE, **strict))
    assert asked["change"] == "waiting"
    assert f"waits for somebody else to approve: {asked['request']}" in idp.errors
    assert "+ https://leesland.example/twee" in idp("app", "requests", **strict)
    idp("app", "approve", asked["request"], code=1, **strict)
    assert "a second operator does" in idp.errors
    assert "leesland.example/twee" not in idp("app", "show", "leesland")
    assert "refused" in idp("app", "refuse", asked["request"], "--answer", "Toch niet", **strict)
    idp("app", "refuse", asked["request"], code=1, **strict)
    assert "idp app requests --all" in idp.errors
    assert idp("app", "requests") == "nothing waits\n"
    (kept,) = json.loads(idp("app", "requests", "--all", "--json"))
    assert (kept["state"], kept["reason"], kept["answer"]) == ("withdrawn", "Nieuw adres", "Toch niet")


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("app", "history", "nope"), 1, "idp app list"),
        (("app", "diff", "nope"), 1, "idp app list"),
        (("app", "diff", "leesland", 7, 9), 1, "idp app history CLIENT_ID"),
        (("app", "diff", "leesland", "een"), 2, "'een' is not a valid integer"),
        (("app", "disable", "nope"), 1, "idp app list"),
        (("app", "enable", "leesland"), 1, "open already"),
        (("app", "secrets", "nope"), 1, "idp app list"),
        (("app", "end-secret", "leesland", "nope"), 1, "idp app secrets CLIENT_ID"),
        (("app", "approve", "nope"), 1, "idp app requests"),
        (("app", "refuse", "nope"), 1, "idp app requests"),
        (("app", "export", "nope", "--yaml"), 1, "idp app list"),
        (("app", "import", "/not/there.yaml"), 2, "No such file"),
        (("supplier", "keep", "UITGEVER", "--name", "Uitgever"), 1, "small letters"),
        (("supplier", "keep", "uitgever"), 2, "--name"),
        (("supplier", "keep", "uitgever", "--name", " "), 1, "1 to 200 characters"),
        (("supplier", "end", "nope"), 1, "idp supplier list"),
        (("api-token", "issue", "--label", "CI", "--scope", "all", "--until", "2199-01-01"), 1, "apps.read"),
        (
            ("api-token", "issue", "--label", "CI", "--scope", "apps.read", "--until", "2020-01-01"),
            1,
            "today or later",
        ),
        (("api-token", "issue", "--label", "CI", "--scope", "apps.read", "--until", "morgen"), 2, "%Y-%m-%d"),
        (("api-token", "revoke", "nope"), 1, "idp api-token list"),
    ],
)
def test_a_refusal_says_what_to_do(idp, command, code, said):
    idp(*ADD)
    assert idp(*command, code=code) == ""
    assert said in idp.errors
    assert "Traceback" not in idp.errors


# ---------------------------------------------------------------- suppliers and tokens


def test_a_supplier_is_kept_changed_and_ended(idp):
    assert (
        idp("supplier", "keep", "uitgever", "--name", "Uitgever", "--contact", "a@b.example")
        == "added uitgever\n"
    )
    assert idp("supplier", "keep", "uitgever", "--name", "Uitgever [bold]NV") == "changed uitgever\n"
    assert "Uitgever [bold]NV" in idp("supplier", "list")
    assert idp("supplier", "end", "uitgever") == "ended uitgever\n"
    (one,) = json.loads(idp("supplier", "list", "--json"))
    assert (one["supplier_id"], one["apps"], bool(one["ended_at"])) == ("uitgever", 0, True)
    idp("supplier", "end", "uitgever", code=1)


def test_a_token_of_the_interface_is_shown_once(idp):
    day = (Clock().today() + timedelta(days=1)).isoformat()
    made = ("api-token", "issue", "--label", "CI", "--scope", "apps.write apps.read", "--until", day)
    token, other = idp(*made).strip(), json.loads(idp(*made, "--json"))
    assert other["api"].endswith("/api/beheer/v1")
    shown = idp("api-token", "list") + idp("api-token", "list", "--json") + idp("audit", "export")
    assert token not in shown
    assert other["token"] not in shown
    assert idp("api-token", "revoke", other["id"]) == f"revoked {other['id']}\n"
    good = {one["id"]: one["good"] for one in json.loads(idp("api-token", "list", "--json"))}
    assert sorted(good.values()) == [False, True]
    assert good[other["id"]] is False
    idp("api-token", "revoke", other["id"], code=1)


# ---------------------------------------------------------------- files


LAUGHS = "a: &a [ha, ha]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a registration, or a list"),
        ("[]", "a registration, or a list"),
        ("just words", "a registration, or a list"),
        ("- 1\n- 2", "a registration, or a list"),
        (LAUGHS, "anchors and aliases are not read"),
        ("<<: {client_id: a}\nclient_id: b", "`<<` is not read"),
        ("client_id: a\nclient_id: b", "`client_id` is there twice (line 2)"),
        ("- client_id: a\n- reasons: {x: 1, x: 2}", "`x` is there twice (line 2)"),
        ('{"client_id": "a", "client_id": "b"}', "`client_id` is there twice"),
        ('{"client_id": NaN}', "NaN is no value of JSON"),
        ('{"client_id"', "this is no JSON that we read"),
        ("a: !!python/object/apply:os.system [id]", "tags such as !!… are not read (line 1)"),
        ("a: 1\nb: !!binary aGk=", "tags such as !!… are not read (line 2)"),
        ("!!set {a}", "tags such as !!… are not read"),
        ("!eigen x", "tags such as !!… are not read"),
        ("? [a]\n: 1", "a name is plain text"),
        ("a: [", "this is no YAML that we read"),
        ("--- 1\n--- 2", "expected a single document"),
        ("a: 2027-13-45", "this is no YAML that we read"),
        ("a: \x00", "this is no YAML that we read"),
        ("a: " + "9" * 5000, "this is no YAML that we read"),
        ("[" * 5000, "far too deep"),
        ("- " * 5000, "far too deep"),
        (b"client_name: \xff\xfe", "save it as UTF-8"),
        ("client_id: a\nclient_name: [1]\nredirect_uris: yes\nscope: 3", "a: client_name: must be text"),
        ("client_id: 12\nclient_name: .nan", "12: client_name: must be text"),
        (FILE + "  scope2: x\n", "leesland: scope2: there is no such field"),
        (FILE + "- client_id: ander\n  client_name: Ander\n", "ander: redirect_uris: is missing"),
        (FILE + FILE, "leesland"),
        ("#" * (8 * 1024 * 1024 + 1), "at most 8388608 characters"),
        ("- {}\n" * 5001, "at most 5000 registrations"),
    ],
)
def test_a_file_that_we_do_not_read_is_refused_with_words_and_nothing_is_stored(idp, text, said):
    for dry in ((), ("--dry-run",)):
        assert idp("app", "import", "-", *dry, code=1, given=text) == ""
        assert said in idp.errors
        assert len(idp.errors) < 8_000
    assert json.loads(idp("app", "list", "--json")) == []


def test_what_is_wrong_with_a_file_fits_the_screen(idp):
    idp("app", "import", "-", code=1, given="".join(f"name{number}: 1\n" for number in range(2_000)))
    assert "more like these" in idp.errors
    assert len(idp.errors.splitlines()) < 50


def test_many_names_cost_no_more_to_check_than_to_read():
    text = "".join(f"name{number}: 1\n" for number in range(20_000))
    began = time.process_time()
    yaml.safe_load(text)
    between = time.process_time()
    app_files.read(text)
    assert time.process_time() - between < 3 * (between - began)
