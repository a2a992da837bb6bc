"""`idp help` and `idp mail`: help for one pupil of an invented school, and what became of mails."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from idp import audit, cli, context, models
from idp.demo import demo, sandbox
from idp.login import help as helping
from idp.login import let_in, recovery, sign_in
from idp.models import School, SchoolKind
from tests import make_login

CHEAP = {"IDP_ARGON2_MEMORY_KIB": "8192", "IDP_ARGON2_TIME": "1", "IDP_SIGNING_ALGORITHMS": "RS256"}
TEACHER, BEHEERDER = ("--by", "sandbox-leerkracht"), ("--by", "sandbox-beheerder")
NOOR = ("--pupil", "noor.zandman")
HERE = "elias@mail.example"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A demo's folder with the sandbox in it, without a server."""
    folder = tmp_path_factory.mktemp("cli-help")
    settings = demo.prepare(folder, 18984).model_copy(update={"argon2_memory_kib": 8192, "argon2_time": 1})
    made = context.open_house(settings)
    with audit.circumstances(audit.Circumstances(now=made.clock.now(), actor="operator:test", source="cli")):
        sandbox.load(made, apps_at="http://localhost:18985")
        yield made
    made.database.close()


@pytest.fixture
def idp(house):
    def run(*words: object, code: int = 0) -> str:
        done = CliRunner().invoke(cli.main, [*map(str, words), "--data", str(house.settings.data)], env=CHEAP)
        assert done.exit_code == code, done.output
        run.errors = done.stderr
        return done.stdout

    return run


@pytest.fixture
def advanced(house):
    """A pupil with a password of the own and an e-mail address that waits to be confirmed."""
    with house.database.transaction() as db:
        own = select(models.Account.account_uuid, models.Account.username)
        uuid, name = db.execute(own.where(models.Account.secret_kind == models.SecretKind.OWN)).first()
        for table in (models.Letter, models.MailLink, models.AccountEmail, models.Throttle):
            db.execute(table.__table__.delete())
    assert recovery.ask_to_confirm(house, account_uuid=uuid, address=HERE, language="nl")
    return name


# ---------------------------------------------------------------- idp help


def test_a_code_of_the_command_line_opens_once_for_who_may_give_it(house, idp):
    shown = json.loads(idp("help", "code", *NOOR, *TEACHER, "--json"))
    assert shown["username"] == "noor.zandman"
    assert "/H/H1" in shown["url"]
    visit = let_in.Visit(browser=make_login.BROWSER, address="192.0.2.7")
    assert isinstance(helping.redeem(house, "noor.zandman", shown["code"], visit), sign_in.SignedIn)
    assert isinstance(helping.redeem(house, "noor.zandman", shown["code"], visit), sign_in.Wrong)
    said = idp("help", "code", *NOOR, *TEACHER)
    assert "for noor.zandman, until" in said
    assert "http" in said.splitlines()[1].lower()


def test_IDOR_02_a_teacher_gives_no_code_for_the_pupil_of_another(idp):
    mine = {one["username"] for one in json.loads(idp("help", "whom", "--person", TEACHER[1], "--json"))}
    every = {one["username"] for one in json.loads(idp("help", "whom", "--person", BEHEERDER[1], "--json"))}
    assert mine < every
    other = min(every - mine)
    for command in ("code", "renew"):
        assert idp("help", command, "--pupil", other, *TEACHER, code=1) == ""
        assert "help_not_allowed" in idp.errors
        assert idp("help", command, "--pupil", "niemand.nergens", *TEACHER, code=1) == ""


def test_a_renewed_secret_is_shown_once_and_works(house, idp, tmp_path):
    card = tmp_path / "kaart.pdf"
    shown = json.loads(idp("help", "renew", *NOOR, *TEACHER, "--card", card, "--json"))
    assert card.read_bytes().startswith(b"%PDF")
    secret = shown["secret"]
    outcome = sign_in.prove(house, make_login.attempt("noor.zandman", secret))
    assert isinstance(outcome, sign_in.SignedIn)
    said = idp("help", "renew", *NOOR, *TEACHER)
    if secret in said:  # four pictures of 20,736 are drawn again once in a while
        said = idp("help", "renew", *NOOR, *TEACHER)
    assert "noor.zandman: " in said
    assert isinstance(sign_in.prove(house, make_login.attempt("noor.zandman", secret)), sign_in.Wrong)


def test_a_beheerder_chooses_whom_a_teacher_helps(idp):
    whom = ("help", "whom", "--person", TEACHER[1])
    before = json.loads(idp(*whom, "--json"))
    idp(*whom, *BEHEERDER, code=2)
    idp(*whom, "--pupil", "noor.zandman", code=2)
    idp(*whom, *BEHEERDER, "--school", "999901", *NOOR)
    assert [one["username"] for one in json.loads(idp(*whom, "--json"))] == ["noor.zandman"]
    assert "noor.zandman" in idp(*whom)
    (group,) = {one["administratieve_groep"] for one in before}
    idp(*whom, *BEHEERDER, "--school", "999901", "--group", group)
    assert json.loads(idp(*whom, "--json")) == before


def test_in_a_real_school_nobody_helps_from_the_command_line(house, idp):
    def real(kind: SchoolKind) -> None:
        with house.database.transaction() as db:
            db.execute(update(School).where(School.instellingsnummer == "999901").values(kind=kind))

    with house.database.reading() as db:
        kind = db.execute(select(School.kind).where(School.instellingsnummer == "999901")).scalar()
    real(SchoolKind.REAL)
    try:
        for command in ("code", "renew"):
            assert idp("help", command, *NOOR, *TEACHER, code=1) == ""
            assert "help_not_from_here" in idp.errors
    finally:
        real(kind)


# ---------------------------------------------------------------- idp mail


def test_a_demo_keeps_its_mails_and_shows_them_and_a_list_holds_no_address(house, idp, advanced):
    waiting = json.loads(idp("mail", "list", "--json"))
    assert [(one["kind"], one["state"], one["tries"]) for one in waiting] == [("confirm", "waiting", 0)]
    assert "0 given a new chance, 1 tried" in idp("mail", "retry")
    shown = idp("mail", "show")
    assert f"To: {HERE}" in shown
    assert "/m/" in shown
    listed = idp("mail", "list") + idp("mail", "list", "--json")
    assert "delivered" in listed
    assert HERE not in listed
    assert "/m/" not in listed
    kept = [*house.settings.mail_folder.glob("*.eml")]
    assert kept
    assert not [one for one in kept if one.stat().st_mode & 0o077], "nobody else on this machine reads them"


def test_what_was_given_up_gets_a_new_chance(house, idp, advanced):
    with house.database.transaction() as db:
        db.execute(
            update(models.Letter).values(state=models.ErrandState.GIVEN_UP, tries=8, result="SMTP 550")
        )
    assert json.loads(idp("mail", "list", "--most", "1", "--json"))[0]["last"] == "SMTP 550"
    assert "1 given a new chance, 1 tried" in idp("mail", "retry")
    assert json.loads(idp("mail", "list", "--json"))[0]["state"] == "delivered"


def test_LEAK_10_outside_a_demo_no_command_shows_a_mail(house, idp, advanced):
    idp("mail", "retry")
    file = house.settings.data / "idp.toml"
    kept = file.read_text()
    assert "demo = true" in kept
    file.write_text(kept.replace("demo = true", "demo = false"))
    try:
        assert idp("mail", "show", code=1) == ""
        assert "not_a_demo" in idp.errors
    finally:
        file.write_text(kept)
