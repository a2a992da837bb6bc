"""A developer who was refused reads what came beside what is registered, and nobody's secrets."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text, update

from idp import models, upgrading
from idp.cli import main
from idp.clock import Clock
from idp.login import sessions
from idp.oidc import app_log
from idp.oidc.beside import beside, differences
from tests import make, make_signing
from tests.make_browser import query
from tests.make_tokens import SECRET, Bench, basic

CB = "https://app.example/cb"


@pytest.mark.parametrize(
    ("received", "said"),
    [
        (CB, ()),
        ("https://app.example/cb/", ("slash at the end",)),
        ("http://app.example/cb", ("scheme",)),
        ("https://app.example:8443/cb", ("port",)),
        ("https://www.app.example/cb", ("host",)),
        ("https://app.example/CB", ("case of the path",)),
        ("https://APP.example/cb", ("case",)),
        ("https://app.example/%63b", ("spelling of the path (%XX)",)),
        ("https://app.example/cb?next=1", ("extra parameter next",)),
        ("https://app.example/cb#", ("fragment",)),
        ("https://app.example/other", ("path",)),
        ("https://me@app.example/cb", ("user name before the host",)),
        ("http://app.example:80/cb/?a=1", ("scheme", "port", "slash at the end", "extra parameter a")),
        ("https://app.example:x/cb", ("cannot be read as an address",)),
        ("https://app.example/cb?", ("spelling",)),
    ],
)
def test_every_difference_of_an_address_is_named(received, said):
    assert differences(received, CB) == said


def test_a_query_that_differs_is_named_by_its_parameters():
    said = differences("https://app.example/cb?a=2&c=1", "https://app.example/cb?a=1&b=1")
    assert said == ("extra parameter c", "missing parameter b", "value of parameter a")
    assert differences(f"{CB}?a=%20", f"{CB}?a=+") == ("spelling of the query",)


def test_the_nearest_registered_address_stands_beside():
    found = beside(f"{CB}/", ["https://other.example/", "https://app.example/callback", CB])
    assert (found.registered, found.differences) == (CB, ("slash at the end",))
    assert beside(CB, []).registered is None


@pytest.fixture
def story(house):
    make_signing.keys(house)
    with house.database.transaction() as db:
        return make.story(db, post_logout_redirect_uris=["https://rekenbuur.example/bye"])


def lines(house, **words):
    with house.database.reading() as db:
        return app_log.lines(db, **words)


def test_RURI_a_slash_too_many_at_authorize_is_one_glance(client, house, story):
    wrong = story.app.redirect_uris[0] + "/"
    page = client.get(f"/authorize?{query(story.app, redirect_uri=wrong)}")
    assert page.status_code == 400
    incident = page.headers["X-Request-Id"]
    assert incident in page.text
    [line] = lines(house, incident=incident)
    assert (line.client_id, line.where, line.error) == (story.app.client_id, "/authorize", "address_unknown")
    [shown] = line.addresses
    assert (shown.received, shown.registered) == (wrong, story.app.redirect_uris[0])
    assert shown.differences == ("slash at the end",)
    assert "slash at the end" in line.advice


def test_nothing_that_could_be_a_secret_or_a_name_is_kept(client, house, story):
    words = {
        "login_hint": "noor.peeters",
        "id_token_hint": "eyJ.secret.x",
        "state": "st4te-of-the-app",
        "nonce": "n0nce-of-the-app",
    }
    words |= {"redirect_uri": "https://app.example/cb?token=s3cret#s3cret", "code_challenge": "ch4llenge" * 5}
    client.get(f"/authorize?{query(story.app, **words)}")
    with house.database.reading() as db:
        kept = json.dumps([*db.execute(select(models.AuditEvent.details)).scalars()])
    for secret in ("noor.peeters", "eyJ.secret.x", "st4te-of", "n0nce-of", "s3cret", "ch4llenge"):
        assert secret not in kept
    assert "token=…" in json.loads(kept)[-1]["received"]["redirect_uri"]
    assert "(12 characters)" in kept


def test_the_reasons_of_token_are_there_with_the_number_of_the_answer(house):
    bench = Bench(house)
    story = bench.story()
    code = bench.code(story)
    answers = [
        bench.redeem(story, code, auth=(story.app.client_id, "lsk_wrong-secret-of-the-tests")),
        bench.redeem(story, code, redirect_uri=story.app.redirect_uris[0] + "/"),
    ]
    found = [lines(house, incident=answer.headers["X-Request-Id"])[0] for answer in answers]
    assert [(one.where, one.error, one.because) for one in found] == [
        ("/token", "invalid_client", "wrong secret"),
        ("/token", "invalid_grant", "code burnt: redirect_uri"),
    ]
    assert "renew-secret" in found[0].advice
    assert "same redirect_uri" in found[1].advice
    with house.database.reading() as db:
        kept = json.dumps([*db.execute(select(models.AuditEvent.details)).scalars()])
    for secret in (code, SECRET, "wrong-secret-of", "v" * 64, basic(story.app.client_id, SECRET)):
        assert secret not in kept


def test_a_refused_sign_out_is_there_too(client, house, story):
    words = {"client_id": story.app.client_id, "post_logout_redirect_uri": "https://rekenbuur.example/bye/"}
    page = client.get(f"/end_session?{urlencode(words)}")
    [line] = lines(house, client_id=story.app.client_id)
    assert (line.where, line.incident) == ("/end_session", page.headers["X-Request-Id"])
    assert line.addresses[0].differences == ("slash at the end",)


def test_somebody_who_asks_nonsense_all_day_fills_no_table(client, house, story):
    for _ in range(60):
        client.get("/end_session?client_id=x&client_id=y")
    assert len(lines(house, most=200)) == 20


def test_every_reason_has_an_advice_of_its_own():
    assert app_log.advice("something new").startswith("Compare")
    for words, said in app_log._ADVICE:
        assert app_log.advice(f"x {words} y").endswith(".")
        assert said.endswith((".", ")."))


@pytest.mark.parametrize(
    ("because", "word"),
    [
        ("request_uri has expired or was used", "Push"),
        ("request_uri is unknown, or of another app", "/par"),
        ("invalid_request: request and request_uri together", "one of the two"),
        ("request is not signed with a registered key and algorithm of this app", "request"),
        ("request has expired", "request"),
        ("request must have our issuer as aud", "request"),
        ("the pupil cannot sign in, or did not, with an acr that the request needs", "acr_values"),
        ("the pupil said: not now", "no mistake"),
        ("is not signed with a registered key and algorithm", "assertion"),
        ("has expired", "assertion"),
        ("must have our issuer, token endpoint or /par as aud", "assertion"),
    ],
)
def test_what_is_said_of_a_request_is_not_about_an_assertion(because, word):
    assert word in app_log.advice(because)
    assert ("assertion" in app_log.advice(because)) is (word == "assertion")


@pytest.fixture
def idp(house):
    """The idp command on this house's database."""
    with house.database.transaction() as db:
        db.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        db.execute(text("INSERT INTO alembic_version VALUES (:step)"), {"step": upgrading.newest()})
    environ = {"IDP_DATABASE_URL": house.settings.database, "IDP_KEYS": str(house.settings.keys_folder)}

    def run(*words):
        return CliRunner().invoke(main, [*words, "--data", str(house.settings.data)], env=environ)

    return run


def test_the_command_shows_the_difference_and_finds_an_incident(client, house, story, idp):
    page = client.get(f"/authorize?{query(story.app, redirect_uri=story.app.redirect_uris[0] + '/')}")
    done = idp("app", "log", story.app.client_id)
    assert done.exit_code == 0, done.output
    assert "differs in  slash at the end" in done.output
    [line] = json.loads(idp("app", "log", "--json", "--incident", page.headers["X-Request-Id"]).stdout)
    assert line["addresses"][0]["differences"] == ["slash at the end"]
    missing = idp("app", "log", "--incident", "nothing")
    assert missing.exit_code == 1
    assert "server's log" in missing.output
    with house.database.transaction() as db:
        make.app(db, "other-app")
    assert idp("app", "log", "other-app").output == "nothing was refused\n"


def test_a_name_that_is_mistyped_is_no_app_of_which_nothing_is_to_be_told(client, story, idp):
    for command in ("log", "logouts"):
        done = idp("app", command, "rekenburu")
        assert (done.exit_code, "app_unknown" in done.output) == (1, True)
    client.get(f"/authorize?{query(story.app, client_id='rekenburu')}")
    assert "client_id is not registered" in idp("app", "log", "rekenburu").output, "an app that sends it so"


def test_the_commands_about_logouts_show_and_try_again(house, idp):
    bench = Bench(house)
    story = bench.story(backchannel_logout_uri="https://169.254.169.254/logout")
    session = bench.sign_in(story)
    bench.tokens(story, session)
    with house.database.transaction() as db:
        sessions.end(db, session.sid, "signed_out", house.clock.now())
    lately = Clock().now() - timedelta(minutes=1)
    bench.change(update(models.LogoutDelivery).values(next_at=lately, created_at=lately))
    bench.change(update(models.SigningKey).values(signs_from=lately))
    assert idp("deliver-logouts", "--once").output == "tried 1\n"
    [line] = json.loads(idp("app", "logouts", "--json").stdout)
    assert (line["app"], line["state"], line["tries"]) == (story.app.client_id, "waiting", 1)
    assert "inside a network" in line["last"]
    assert "waiting" in idp("app", "logouts", story.app.client_id).output
    assert idp("app", "logouts", "--retry").exit_code == 2
    assert "0 will be tried again" in idp("app", "logouts", "--retry", story.app.client_id).output


def test_an_initial_token_is_issued_listed_and_revoked(idp):
    words = ("app", "initial-token", "issue", "--until", "2030-01-01", "--uses", "2", "--label", "Leesland")
    made = json.loads(idp(*words, "--scope", "openid profile", "--json").stdout)
    assert made["initial_access_token"].startswith("lsi_")
    [line] = json.loads(idp("app", "initial-token", "list", "--json").stdout)
    assert (line["id"], line["good"], line["uses"], line["used"]) == (made["id"], True, 2, 0)
    assert "initial_access_token" not in line
    assert "Leesland" in idp("app", "initial-token", "list").output
    assert idp("app", "initial-token", "revoke", made["id"]).exit_code == 0
    assert idp("app", "initial-token", "revoke", made["id"]).exit_code == 1
    assert idp(*words, "--scope", "openid ov_klas").exit_code == 1
    without = idp(*words, "--visible-in-sandbox")
    assert (without.exit_code, "there is no sandbox school here" in without.stderr) == (1, True)
