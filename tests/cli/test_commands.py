"""The idp command as an operator and a script meet it: exit codes, JSON, and nothing half-done."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from idp import cli, clock, listening

TODAY = clock.Clock().today()
BEGINS = clock.school_year_ends(TODAY).year - 1
SUMMER = (6, 15) <= (TODAY.month, TODAY.day) <= (9, 30)
DATA = Path(__file__).parent.parent / "data"
CHEAP = {"IDP_ARGON2_MEMORY_KIB": "8192", "IDP_ARGON2_TIME": "1", "IDP_SIGNING_ALGORITHMS": "RS256"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A demo's folder with the sandbox in it, without a server."""
    from idp import audit, context
    from idp.demo import demo, sandbox

    folder = tmp_path_factory.mktemp("cli")
    settings = demo.prepare(folder, 18980).model_copy(update={"argon2_memory_kib": 8192, "argon2_time": 1})
    house = context.open_house(settings)
    with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="operator:test", source="cli")):
        sandbox.load(house, apps_at="http://localhost:18981")
    house.database.close()
    return folder


@pytest.fixture
def data(tmp_path):
    """A file of tests/data with the school year 2026-2027 moved to this one: commands run on the real clock."""

    def moved(name: str) -> Path:
        text = (DATA / name).read_text(encoding="utf-8")
        text = re.sub(r"\b202([67])-(?=\d\d-\d\d)", lambda year: f"{BEGINS + int(year[1]) - 6}-", text)
        (tmp_path / Path(name).name).write_text(text, encoding="utf-8")
        return tmp_path / Path(name).name

    return moved


@pytest.fixture
def idp(prepared):
    """Run a command on that folder; checks the exit code and gives standard output."""

    def run(*words: object, code: int = 0, given: str | None = None) -> str:
        done = CliRunner().invoke(
            cli.main, [*map(str, words), "--data", str(prepared)], env=CHEAP, input=given
        )
        assert done.exit_code == code, done.output
        run.errors = done.stderr
        return done.stdout

    return run


def test_a_new_installation_is_made_and_checked_and_made_again(tmp_path):
    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli.main, [*words, "--data", str(tmp_path / "new")])
        assert done.exit_code == code, done.output
        return done.output

    run("check-config", code=2)
    assert "made signing key" in run("init", "--issuer", "https://id.school.example")
    assert "in order" in run("check-config")
    assert "made" not in run("init")
    assert json.loads(run("check-config", "--json"))["issuer"] == "https://id.school.example"
    assert "up to date" in run("upgrade")
    for secret in [tmp_path / "new", *(tmp_path / "new").rglob("*")]:
        assert secret.stat().st_mode & 0o077 == 0, f"{secret}: what is made is ours alone, whatever the umask"
    run("sandbox", "--json", code=2)


def test_plain_http_anywhere_else_is_refused_with_a_clear_word(tmp_path):
    done = CliRunner().invoke(
        cli.main, ["init", "--issuer", "http://id.school.example", "--data", str(tmp_path)]
    )
    assert done.exit_code == 2
    assert "https" in done.stderr


def test_a_name_of_this_machine_is_listened_on_as_an_address_is():
    """That a server does so is seen in tests/security/test_restarting.py, one of whose nodes listens on a name."""
    for host, address in (("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1"), ("::", "::")):
        assert listening.an_address(host) == address
    assert listening.an_address("localhost") in {"127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["no..name", "n" * 70])
def test_a_name_that_is_none_is_refused_with_what_to_do(tmp_path, host):
    words = ["serve", "--host", host, "--port", "18980", "--data", str(tmp_path)]
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 2
    assert f"port 18980 of {host}: no name or address; choose another with --host" in done.stderr


def test_the_sandbox_tells_scripts_everything(idp):
    told = json.loads(idp("sandbox", "--json"))
    assert told["issuer"] == "http://localhost:18980"
    assert {pupil["kind"] for pupil in told["pupils"]} == {"picture", "basic", "advanced", "temporary"}
    assert all(pupil["secret"] and pupil["card_url"] and pupil["school"] for pupil in told["pupils"])
    assert all({"client_id", "client_secret", "redirect_uris"} <= set(app) for app in told["apps"])
    assert told["staff"]
    assert told["operators"]
    assert json.loads(idp("sandbox", "--json")) == told


def test_an_app_is_imported_shown_exported_and_imported_again(idp, tmp_path):
    document = {
        "client_id": "reader",
        "client_secret": "a-secret-of-at-least-16",
        "client_name": "Reader",
        "redirect_uris": ["https://reader.example/cb"],
        "scope": "openid profile",
        "pkce_exempt_until": str(TODAY + timedelta(days=200)),
        "claims_in_id_token": True,
        "open_to_every_pupil": False,
        "subject_type": "public",
        "backchannel_logout_uri": "https://reader.example/logout",
        "reasons": {"given_name": "Om te begroeten"},
    }
    file = tmp_path / "app.json"
    file.write_text(json.dumps(document))
    stored = json.loads(idp("app", "import", file))
    assert document.items() <= stored.items()
    assert stored["change"] == "added"
    assert "a-secret-of-at-least-16" not in idp("app", "show", "reader")
    exported = idp("app", "export", "reader")
    assert "client_secret" not in json.loads(exported)[0]
    assert json.loads(idp("app", "import", "-", given=exported))[0]["change"] == "same"
    renewed = json.loads(idp("app", "renew-secret", "reader", "--json"))
    assert renewed["client_secret"].startswith("lsk_")
    assert "Reader" in idp("app", "list")
    idp("app", "remove", "reader", "--yes")
    idp("app", "export", "reader", code=1)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"client_name": "x", "redirect_uris": ["https://*.example/cb"]}', "wildcard"),
        ('{"client_name": "x", "redirect_uris": ["javascript:alert(1)"]}', "redirect_uris"),
        ('{"client_name": "x", "redirect_uris": ["http://app.example/cb"]}', "redirect_uris"),
        ('{"client_name": "x", "redirect_uris": ["https://app.example/cb#x"]}', "fragment"),
        (
            '{"client_name": "x", "redirect_uris": ["https://a.example/cb"], "skope": "openid"}',
            "no such field",
        ),
        ("[]", "a list of registrations, is wanted"),
        ("{", "this is no JSON"),
    ],
)
def test_RURI_16_a_bad_registration_is_refused_with_a_reason_and_nothing_is_stored(idp, document, said):
    before = idp("app", "list", "--json")
    idp("app", "import", "-", given=document, code=1)
    assert said in idp.errors
    assert idp("app", "list", "--json") == before


def test_one_bad_app_in_a_list_keeps_the_good_one_out(idp):
    good = {"client_id": "good", "client_name": "Good", "redirect_uris": ["https://good.example/cb"]}
    bad = {"client_id": "bad", "client_name": "Bad", "redirect_uris": ["http://bad.example/cb"]}
    idp("app", "import", "-", given=json.dumps([good, bad]), code=1)
    idp("app", "show", "good", code=1)


def test_enrolments_become_accounts_with_cards_and_secrets_once(idp, data, tmp_path):
    planned = json.loads(idp("import-enrolments", data("enrolments.csv"), "--dry-run", "--json"))
    assert planned["state"] == "checked"
    assert json.loads(idp("accounts", "create", "--school", "999004", "--dry-run", "--json")) == []
    done = json.loads(idp("import-enrolments", data("enrolments.csv"), "--json"))
    assert done["state"] == "applied"
    assert sum(school["counts"]["add"] for school in done["schools"]) == 1262 - 2
    idp("accounts", "create", "--school", "999004", code=2)
    cards = tmp_path / "cards.pdf"
    made = json.loads(idp("accounts", "create", "--school", "999004", "--cards", cards, "--json"))
    assert cards.read_bytes().startswith(b"%PDF")
    assert cards.stat().st_mode & 0o077 == 0
    assert {one["kind"] for one in made} == {"picture"}
    assert all(len(one["secret"].split()) == 4 for one in made)
    assert len({one["username"] for one in made}) == len(made)
    assert json.loads(idp("accounts", "create", "--school", "999004", "--json")) == []
    idp("accounts", "create", "--school", "999004", "--cards", cards, code=1)


def test_a_truncated_snapshot_is_held_and_a_broken_file_refused(idp, data):
    idp("import-enrolments", data("enrolments.csv"))
    if not SUMMER:
        assert "held" in idp("import-enrolments", data("bad/markup-name.csv"), code=1)
    assert "refused" in idp("import-enrolments", data("bad/unclosed-quote.csv"), code=1)
    assert "keep" in idp("import-enrolments", data("enrolments.csv"))


def test_consent_and_visibility_open_the_gates_and_stopping_closes_them(idp, data):
    idp("import-enrolments", data("enrolments.csv"))
    made = json.loads(idp("accounts", "create", "--school", "999002", "--group", "2de leerjaar", "--json"))
    delivered = json.loads(data("informat/999002-registrations.json").read_text(encoding="utf-8"))
    seated = {
        row["stamnr"] for row in delivered if row["inschrKlassen"] and row["begindatum"] < f"{BEGINS}-09-02"
    }
    pupil = next(one["username"] for one in made if one["stamnummer"] in seated)
    document = {"client_id": "klas-app", "client_name": "Klas", "redirect_uris": ["https://klas.example/cb"]}
    document["scope"] = "openid profile ov_leerling ov_klas"
    idp("app", "import", "-", given=json.dumps(document))

    def gates() -> dict[str, str]:
        told = json.loads(idp("explain", "--app", "klas-app", "--pupil", pupil, "--json"))
        return {one["claim"]: one["reason"] for one in told["claims"]}

    assert gates()["given_name"] == "not_visible"
    idp("visible", "add", "--app", "klas-app", "--school", "999002", "--group", "2de leerjaar")
    assert gates()["given_name"] == "released"
    assert gates()["ov_klassen"] == "school_does_not_share"
    assert gates()["ov_leerjaar"] == "not_registered"
    classes = data("informat/999002-registrations.json")
    idp("import-classes", classes, "--format", "informat", "--school", "999002", code=1)
    idp("consent", "give", "--school", "999002", "--by", "sandbox-beheerder", code=1)
    idp("consent", "give", "--school", "999002", "--by", "sandbox-directeur")
    assert gates()["ov_klassen"] == "unknown"
    idp("import-classes", classes, "--format", "informat", "--school", "999002")
    assert gates()["ov_klassen"] == "released"
    idp("visible", "remove", "--app", "klas-app", "--school", "999002", "--group", "2de leerjaar")
    assert gates()["ov_klassen"] == "not_visible"
    idp("visible", "add", "--app", "klas-app", "--school", "999002", "--pupil", pupil)
    assert gates()["ov_klassen"] == "released"
    idp("consent", "stop", "--school", "999002", code=2)
    idp("consent", "stop", "--school", "999002", "--reference", "brief 2026/114")
    assert gates()["ov_klassen"] == "school_does_not_share"
    assert gates()["given_name"] == "released"
    assert json.loads(idp("consent", "show", "--school", "999002", "--json"))["shares"] is False


def test_a_user_name_changes_and_the_old_one_is_nobodys(idp):
    idp("accounts", "rename", "--pupil", "renz.strand", "renz.kust")
    idp("accounts", "rename", "--pupil", "marie.eb", "renz.strand", code=1)
    idp("accounts", "rename", "--pupil", "renz.kust", "renz.strand")
    idp("accounts", "rename", "--pupil", "renz.strand", "a@b", code=1)


def test_keys_are_listed_announced_and_revoked(idp):
    listed = json.loads(idp("keys", "list", "--json"))
    assert {key["state"] for key in listed} == {"signs"}
    assert "announced" in idp("keys", "rotate", "--alg", "RS256")
    announced = next(key for key in json.loads(idp("keys", "list", "--json")) if key["state"] == "announced")
    idp("keys", "revoke", announced["kid"], "--yes")
    assert "cookie-2" in idp("keys", "rotate", "--kind", "cookie")


def test_a_protocol_text_is_published_with_notice(idp, tmp_path):
    text = tmp_path / "protocol.md"
    text.write_text(" \n")
    idp("protocol", "publish", text, "--version", "2027-1", code=1)
    sample = idp("protocol", "sample")
    assert sample.startswith("# Voorbeeldprotocol")
    text.write_text(sample.replace("# Voorbeeldprotocol", "# Protocol"))
    idp(
        "protocol",
        "publish",
        text,
        "--version",
        "2027-1",
        "--in-force",
        str(TODAY + timedelta(days=3)),
        code=1,
    )
    assert "in force from" in idp("protocol", "publish", text, "--version", "2027-1")
    assert [one["version"] for one in json.loads(idp("protocol", "list", "--json"))][-1] == "2027-1"


def test_tidying_what_is_new_deletes_nothing(idp):
    assert "Traceback" not in idp("tidy")
    assert isinstance(json.loads(idp("tidy", "--json")), dict)
