"""Requests that are kept here: pushed by their app, or sent in a large form."""

from __future__ import annotations

import threading
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode

import pytest
from sqlalchemy import select, update

from idp import entropy, models, pushed
from idp.admin.privacy import retention
from idp.errors import Busy
from idp.oidc import app_log, arriving, clients, pushing
from tests import make, make_browser, make_signed
from tests.make_browser import fill_in, fresh, next_of, path, query, said, sign_in
from tests.make_tokens import SECRET, basic


@pytest.fixture
def story(house):
    with house.database.transaction() as db:
        return make.story(db, secrets=(clients.digest(SECRET),))


def push(client, app, *, headers=None, auth=True, **changes):
    if headers is None:
        headers = {"Authorization": basic(app.client_id, SECRET)} if auth else {}
    return client.post("/par", data=dict(parse_qsl(query(app, **changes))), headers=headers)


def named(app, answer, **more):
    assert answer.status_code == 201, answer.text
    words = {"client_id": app.client_id, "request_uri": answer.json["request_uri"]} | more
    return f"/authorize?{urlencode(words)}"


def rows(house):
    with house.database.reading() as db:
        return db.execute(select(models.PushedRequest.__table__)).mappings().all()


# ---------------------------------------------------------------- pushing


def test_a_pushed_request_leads_to_a_code(client, house, story):
    answer = push(client, story.app, state="a b&c=é", scope="openid profile")
    assert answer.json["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert answer.json["expires_in"] == 90
    assert answer.headers["Cache-Control"] == "no-store"
    sign_in(client, house, story.pupil)
    told = said(client.get(named(story.app, answer)), story.app)
    assert told["state"] == "a b&c=é"
    assert make_browser.grant_of(house)["scope"] == "openid profile"


def test_an_app_proves_itself_as_at_token(client, story):
    for headers in ({}, {"Authorization": basic(story.app.client_id, "wrong")}):
        answer = push(client, story.app, headers=headers)
        assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_a_public_app_pushes_with_its_client_id(client, house):
    with house.database.transaction() as db:
        app = make.app(db, token_endpoint_auth_method="none")
    assert push(client, app, auth=False).status_code == 201


def test_nothing_that_proves_the_app_is_kept(client, house):
    with house.database.transaction() as db:
        app = make.app(db, token_endpoint_auth_method="client_secret_post", secrets=(clients.digest(SECRET),))
    assert push(client, app, auth=False, client_secret=SECRET, x="y").status_code == 201
    (row,) = rows(house)
    assert SECRET not in str(dict(row))
    assert not {"client_secret", "x"} & row["parameters"].keys()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://evil.example"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid vo"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"claims": "[]"}, "invalid_request"),
        ({"request": "e30.e30."}, "invalid_request_object"),
        ({"registration": "{}"}, "registration_not_supported"),
    ],
)
def test_what_authorize_refuses_cannot_be_pushed(client, house, story, changes, error):
    answer = push(client, story.app, **changes)
    assert (answer.status_code, answer.json["error"]) == (400, error)
    assert rows(house) == []


def test_a_parameter_twice_or_another_body_is_refused(client, story):
    headers = {"Authorization": basic(story.app.client_id, SECRET)}
    kind = "application/x-www-form-urlencoded"
    twice = client.post("/par", data=query(story.app) + "&nonce=x", content_type=kind, headers=headers)
    assert twice.json["error"] == "invalid_request"
    assert client.post("/par", json={}, headers=headers).json["error"] == "invalid_request"
    assert client.get("/par").status_code == 405


def test_the_developers_log_says_what_was_received(client, house, story):
    push(client, story.app, redirect_uri="https://evil.example/cb")
    with house.database.reading() as db:
        events = models.AuditEvent.event == "authorization_refused"
        (details,) = db.execute(select(models.AuditEvent.details).where(events)).scalars()
    assert details["because"] == "redirect_uri is not registered"
    assert details["received"]["redirect_uri"] == "https://evil.example/cb"


def test_the_developers_log_puts_an_address_of_par_beside_the_registered_one(client, house, story):
    wrong = story.app.redirect_uris[0] + "/"
    push(client, story.app, redirect_uri=wrong, state="s3cret")
    with house.database.reading() as db:
        [line] = app_log.lines(db, client_id=story.app.client_id)
    assert (line.where, line.error) == ("/par", "invalid_request")
    [shown] = line.addresses
    assert (shown.received, shown.registered) == (wrong, story.app.redirect_uris[0])
    assert "slash at the end" in line.advice
    assert line.received["state"] == "(6 characters)"


def test_the_developers_log_shows_what_was_inside_a_signed_push(client, house):
    with house.database.transaction() as db:
        story = make.story(db, jwks=make_signed.jwks(), secrets=(clients.digest(SECRET),))
    signed = make_signed.sign(make_signed.wishes(house, story.app, redirect_uri="https://evil.example/cb"))
    headers = {"Authorization": basic(story.app.client_id, SECRET)}
    client.post("/par", data={"client_id": story.app.client_id, "request": signed}, headers=headers)
    with house.database.reading() as db:
        [line] = app_log.lines(db, client_id=story.app.client_id)
    assert [one.received for one in line.addresses] == ["https://evil.example/cb"]


def test_other_refusals_of_par_compare_no_addresses(client, house, story):
    push(client, story.app, prompt="none login")
    with house.database.reading() as db:
        [line] = app_log.lines(db, client_id=story.app.client_id)
    assert (line.where, line.error, line.addresses) == ("/par", "invalid_request", ())
    assert line.received["prompt"] == "none login"
    assert line.registered["scope"]


# ---------------------------------------------------------------- coming with it


def test_it_is_this_apps_alone(client, house, story):
    with house.database.transaction() as db:
        other = make.app(db)
    answer = push(client, story.app)
    sign_in(client, house, story.pupil)
    page = client.get(named(story.app, answer, client_id=other.client_id))
    assert (page.status_code, page.headers.get("Location")) == (400, None)
    assert "Begin daar opnieuw" in page.text or "begin daar opnieuw" in page.text
    assert client.get(named(story.app, answer, client_id="")).status_code == 400


@pytest.mark.parametrize("name", ["", "x", "lsq_", "lsq_" + "x" * 43, "lsa_" + "x" * 43, "%00", "é"])
def test_a_name_that_we_never_gave_is_a_page(client, story, name):
    words = {"client_id": story.app.client_id, "request_uri": pushed.URN + name}
    answer = client.get(f"/authorize?{urlencode(words)}")
    assert (answer.status_code, answer.headers.get("Location")) == (400, None)


def test_what_stands_beside_the_name_counts_for_nothing(client, house, story):
    answer = push(client, story.app, state="pushed")
    sign_in(client, house, story.pupil)
    url = named(
        story.app, answer, state="beside", scope="openid profile", redirect_uri="https://evil.example"
    )
    assert said(client.get(url), story.app)["state"] == "pushed"
    assert make_browser.grant_of(house)["scope"] == "openid"


def test_it_must_come_through_a_browser_in_time(client, house, story):
    answer = push(client, story.app)
    house.clock.move(seconds=90)
    told = said(client.get(named(story.app, answer)), story.app)
    assert (told["error"], told["state"], told["iss"]) == (
        "invalid_request_uri",
        "s-1",
        house.settings.issuer,
    )


def test_once_it_came_there_is_time_to_sign_in_and_every_step_leads_back(client, house, story):
    answer = push(client, story.app)
    first = client.get(named(story.app, answer))
    assert path(first) == "/aanmelden"
    for _ in range(3):
        house.clock.move(minutes=15)
        assert path(client.get(next_of(first))) == "/aanmelden"
    sign_in(client, house, story.pupil)
    assert said(client.get(next_of(first)), story.app)["code"]


def test_a_page_left_open_overnight_leads_back_to_the_app(client, house, story):
    url = next_of(client.get(named(story.app, push(client, story.app))))
    house.clock.move(hours=14)
    assert said(client.get(url), story.app)["error"] == "invalid_request_uri"


def test_a_code_uses_it_up_but_a_double_click_gets_another(client, house, story):
    url = named(story.app, push(client, story.app))
    sign_in(client, house, story.pupil)
    assert said(client.get(url), story.app)["code"] != said(client.get(url), story.app)["code"]
    house.clock.move(seconds=31)
    assert said(client.get(url), story.app)["error"] == "invalid_request_uri"
    assert make_browser.codes(house) == 2


def test_another_browser_cannot_use_it_again(app, client, house, story):
    url = named(story.app, push(client, story.app))
    sign_in(client, house, story.pupil)
    assert said(client.get(url), story.app)["code"]
    other = app.test_client()
    sign_in(other, house, story.pupil)
    assert said(other.get(url), story.app)["error"] == "invalid_request_uri"


def test_prompt_login_is_answered_by_a_sign_in_for_this_very_request(client, house, story):
    sid = sign_in(client, house, story.pupil)
    answer = client.get(named(story.app, push(client, story.app, prompt="login")))
    assert path(answer) == "/aanmelden"
    assert path(client.get(next_of(answer))) == "/aanmelden"
    fresh(house, sid, next_of(answer))
    assert said(client.get(next_of(answer)), story.app)["code"]


def test_a_question_about_it_is_answered_and_leads_on(client, house, story):
    sign_in(client, house, story.pupil)
    page = client.get(named(story.app, push(client, story.app, prompt="consent")))
    assert page.status_code == 200
    answer = fill_in(client, page, antwoord="ja")
    assert said(client.get(answer.headers["Location"]), story.app)["code"]


def test_a_registration_that_changed_since_counts(client, house, story):
    answer = push(client, story.app)
    with house.database.transaction() as db:
        new = models.App.registration
        registration = db.execute(select(new)).scalar_one() | {"redirect_uris": ["https://new.example/cb"]}
        db.execute(update(models.App).values(registration=registration))
        db.execute(update(models.RegistryVersion).values(version=99))
    house.clock.move(seconds=3)
    assert client.get(named(story.app, answer)).status_code == 400


def test_the_pages_of_signing_in_know_what_it_asks(client, house):
    uris = ["https://a.example/cb", "https://b.example/cb"]
    with house.database.transaction() as db:
        story = make.story(db, redirect_uris=uris, secrets=(clients.digest(SECRET),))
    answer = push(
        client, story.app, ui_locales="fr-BE", login_hint="gaston.logie", redirect_uri=uris[1], state="x"
    )
    page = client.get(client.get(named(story.app, answer)).headers["Location"])
    assert '<html lang="fr"' in page.text
    assert 'value="gaston.logie"' in page.text
    assert "https://b.example" in page.headers["Content-Security-Policy"]


def test_an_app_may_insist_on_pushing(client, house):
    with house.database.transaction() as db:
        story = make.story(db, require_pushed_authorization_requests=True, secrets=(clients.digest(SECRET),))
    sign_in(client, house, story.pupil)
    assert said(client.get(f"/authorize?{query(story.app)}"), story.app)["error"] == "invalid_request"
    big = client.post("/authorize", data=dict(parse_qsl(query(story.app, state="x" * 2048))))
    assert said(big, story.app)["error"] == "invalid_request"
    assert said(client.get(named(story.app, push(client, story.app))), story.app)["code"]


def test_what_ended_is_kept_for_a_day_and_no_longer(client, house, story):
    push(client, story.app)
    for hours, left in ((23, 1), (2, 0)):
        house.clock.move(hours=hours)
        retention.tidy(house, house.clock.now())
        assert len(rows(house)) == left


# ---------------------------------------------------------------- large forms


def test_AUTHZ_21_a_large_form_is_kept_and_a_small_one_stays_an_address(client, house, story):
    sign_in(client, house, story.pupil)
    small = client.post("/authorize", data=dict(parse_qsl(query(story.app))))
    assert "code_challenge=" in small.headers["Location"]
    assert rows(house) == []
    large = client.post("/authorize", data=dict(parse_qsl(query(story.app, state="é" * 1000))))
    assert len(large.headers["Location"]) < 300
    (row,) = rows(house)
    assert row["expires_at"] == house.clock.now() + timedelta(minutes=60)
    assert said(client.get(large.headers["Location"]), story.app)["state"] == "é" * 1000


def test_PAR_with_a_signed_request_counts_only_what_is_inside(client, house):
    with house.database.transaction() as db:
        story = make.story(db, jwks=make_signed.jwks(), secrets=(clients.digest(SECRET),))
    signed = make_signed.sign(make_signed.wishes(house, story.app))
    headers = {"Authorization": basic(story.app.client_id, SECRET)}
    form = {"client_id": story.app.client_id, "request": signed, "scope": "openid profile", "prompt": "none"}
    answer = client.post("/par", data=form, headers=headers)
    sign_in(client, house, story.pupil)
    assert said(client.get(named(story.app, answer)), story.app)["state"] == "inside"
    assert make_browser.grant_of(house)["scope"] == "openid"


def test_strangers_cannot_fill_the_table(client, house, story):
    form = dict(parse_qsl(query(story.app, state="x" * 2048)))
    given = [*form.items()]
    source = "192.0.2.7"
    for _ in range(2):
        arriving.by_form(house, given, source=source)
    counted = arriving._lately._counts
    key = next(key for key in counted if key[0] == id(house.database))
    counted[key] = (house.clock.now(), arriving.MOST_OF_ONE_NETWORK)
    with pytest.raises(Busy):
        arriving.by_form(house, given, source=source)
    assert len(rows(house)) == 2
    assert arriving.by_form(house, given, source="198.51.100.7").kept
    house.clock.move(minutes=11)
    assert arriving.by_form(house, given, source=source).kept


def test_strangers_cannot_fill_the_table_as_a_public_app_either(client, house, story):
    """Its client_id is all that it takes, and everybody can read that."""
    with house.database.transaction() as db:
        public = make.story(db, client_id="native", token_endpoint_auth_method="none").app
    assert push(client, public, auth=False, client_id="native").status_code == 201
    counted = pushing._strangers._counts
    key = next(key for key in counted if key[0] == id(house.database))
    counted[key] = (house.clock.now(), arriving.MOST_OF_ONE_NETWORK)
    answer = push(client, public, auth=False, client_id="native")
    assert (answer.status_code, answer.json) == (429, {"error": "temporarily_unavailable"})
    assert (answer.headers["Retry-After"], len(rows(house))) == ("60", 1)
    assert push(client, story.app).status_code == 201, "whoever proves itself goes on"
    house.clock.move(minutes=11)
    assert push(client, public, auth=False, client_id="native").status_code == 201


def test_one_who_pushes_as_a_public_app_turns_nobody_of_the_same_school_away(client, house):
    with house.database.transaction() as db:
        public = make.story(db, client_id="native", token_endpoint_auth_method="none").app
    assert push(client, public, auth=False, client_id="native").status_code == 201
    for counted in (arriving._lately._counts, pushing._strangers._counts):
        for key in [key for key in counted if key[0] == id(house.database)]:
            counted[key] = (house.clock.now(), arriving.MOST_OF_ONE_NETWORK)
    assert push(client, public, auth=False, client_id="native").status_code == 429
    given = [*dict(parse_qsl(query(public, state="x" * 2048))).items()]
    assert arriving.by_form(house, given, source="127.0.0.1").kept


def test_RACE_eight_sessions_that_come_with_one_request_give_one_code(client, house, story):
    asked = push(client, story.app).json["request_uri"]
    start, won = threading.Barrier(8), []

    def come(sid):
        start.wait()
        with house.database.transaction() as db:
            if pushed.spend(db, pushed.digest(asked), sid, house.clock.now()):
                won.append(sid)

    browsers = [threading.Thread(target=come, args=(entropy.identifier(),)) for _ in range(8)]
    for browser in browsers:
        browser.start()
    for browser in browsers:
        browser.join()
    assert len(won) == 1
    (row,) = rows(house)
    assert row["used_by"] == won[0]


def test_without_a_database_the_words_on_a_page_are_those_of_the_address(house):
    asked = {"client_id": "x", "request_uri": f"{pushed.URN}lsq_{'x' * 43}", "ui_locales": "fr"}
    with house.database.transaction() as db:
        db.exec_driver_sql("ALTER TABLE pushed_request RENAME TO elsewhere")
    assert pushed.words(house.database, asked) == asked
