"""What a person meets who signs in: read as a program would read it, form by form."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import pytest
from sqlalchemy import select

from idp import assets, models, web
from idp.login import cards, sign_in, slowing, throttle, way_back
from idp.login.counting_database import InDatabase
from tests import make, make_login
from tests.make_reading import read, stands

TAPS = {"dier": "4", "eten": "0", "waarmee": "10", "waar": "4"}
WORDS = "kat appel trein kasteel"


def send(client, form: dict, **words: str):
    return client.post(form["action"], data={**form["fields"], **words})


@pytest.fixture
def noor(house) -> str:
    """A pupil of a primary school, with pictures."""
    with house.database.transaction() as db:
        school = make.school(db)
        uuid = make.pupil(db)
        make.enrolment(db, uuid, school, voornaam="Noor", naam="Peeters")
        stored = house.hasher.hash(WORDS)
        make.account(db, uuid, "noor.peeters", secret_hash=stored.hash, pepper_id=stored.pepper_id)
    return uuid


@pytest.fixture
def elias(house) -> str:
    """A pupil of a secondary school, with a temporary password."""
    with house.database.transaction() as db:
        school = make.school(db)
        uuid = make.pupil(db)
        make.enrolment(db, uuid, school, voornaam="Elias", naam="Maes", hoofdstructuur="311")
        stored = house.hasher.hash("Tijdelijk7")
        make.account(
            db,
            uuid,
            "elias.maes",
            secret_hash=stored.hash,
            pepper_id=stored.pepper_id,
            type=models.AccountType.ADVANCED,
            secret_kind=models.SecretKind.TEMPORARY,
        )
    return uuid


@pytest.fixture
def rekenbuur(house):
    with house.database.transaction() as db:
        return make.app(db, "rekenbuur")


def identify(client, name: str = "noor.peeters", after: str = ""):
    page = client.get("/aanmelden" + (f"?{urlencode({'next': after})}" if after else ""))
    answer = send(client, read(page).forms[0], username=name)
    assert answer.status_code == 303
    return client.get(answer.location)


def asked(app) -> str:
    words = {
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uris[0],
        "scope": "openid",
        "response_type": "code",
        "state": "s",
    }
    return f"/authorize?{urlencode(words)}"


# ---------------------------------------------------------------- two steps


def test_the_first_form_asks_for_the_user_name(client):
    first = read(client.get("/aanmelden")).forms[0]
    assert first["kinds"]["username"] == "text"
    assert set(first["fields"]) == {"csrf_token", "username"}


def test_the_name_leads_to_pictures_and_stands_in_no_address(client, noor):
    page = client.get("/aanmelden")
    answer = send(client, read(page).forms[0], username=" Noor PEETERS ")
    assert answer.status_code == 303
    assert not stands("noor", unquote_plus(answer.location))
    form = read(client.get(answer.location)).forms[0]
    assert [name for name, kind in form["kinds"].items() if kind == "radio"] == [*TAPS]
    assert form["kinds"]["password"] == "password"
    assert not form["checked"]


@pytest.mark.parametrize("secret", [TAPS, {"password": WORDS}, {"password": "Chat, POMME; train château"}])
def test_four_taps_or_four_words_sign_in(client, noor, secret):
    answer = send(client, read(identify(client)).forms[0], **secret)
    assert (answer.status_code, answer.location) == (303, "/mijn-apps")
    page = client.get("/mijn-apps")
    assert page.status_code == 200
    assert "Dag Noor!" in read(page).words


def test_a_password_that_is_typed_counts_more_than_taps(client, noor):
    form = read(identify(client)).forms[0]
    answer = send(client, form, **TAPS | {"dier": "0"}, password=WORDS)
    assert answer.status_code == 303


def test_wrong_pictures_say_almost_and_ask_again(client, noor):
    answer = send(client, read(identify(client)).forms[0], **TAPS | {"waar": "0"})
    page = read(answer)
    assert answer.status_code == 401
    assert "Bijna! Dat klopt niet. Probeer nog eens." in page.words
    assert not page.forms[0]["checked"]
    assert send(client, page.forms[0], **TAPS).status_code == 303


def test_pictures_have_a_way_back_without_script_too(client, noor, rekenbuur):
    page = read(identify(client, after=asked(rekenbuur)))
    assert f"/aanmelden?{urlencode({'next': asked(rekenbuur)})}" in page.links


def test_a_screen_without_a_tap_is_not_a_try(client, noor, house):
    form = read(identify(client)).forms[0]
    answer = send(client, form, dier="1")
    assert "Tik op elk scherm op één plaatje." in read(answer).words
    with house.database.reading() as db:
        assert db.execute(select(models.Throttle)).first() is None


@pytest.mark.parametrize("tap", ["12", "-1", "x", "٣", "1e1", "999999999999"])
def test_a_tap_beside_the_pictures_is_no_try(client, noor, tap):
    assert send(client, read(identify(client)).forms[0], **TAPS | {"waar": tap}).status_code == 200


def test_a_name_that_does_not_exist_gets_the_same_answers(client, noor):
    answers = []
    for name in ("noor.peeters", "noor.peters", "niemand.nergens"):
        page = identify(client, name)
        form = read(page).forms[0]
        answers.append(
            (page.status_code, "Bijna!" in read(send(client, form, password="fout fout fout fout")).words)
        )
    assert set(answers) == {(200, True)}


def test_what_cannot_be_a_name_is_told_at_once(client):
    page = client.get("/aanmelden")
    answer = send(client, read(page).forms[0], username="noor@school.be")
    assert answer.status_code == 400
    assert "Zo ziet een gebruikersnaam er niet uit." in read(answer).words


def test_the_sixth_wrong_try_waits_with_a_countdown(client, noor, house):
    send(client, read(identify(client)).forms[0], **TAPS)
    client.post("/afmelden", data=read(client.get("/mijn-apps")).forms[0]["fields"])
    page = identify(client)
    for number in range(6):
        answer = send(client, read(page).forms[0], **TAPS | {"waar": str(number + 5)})
        page = identify(client)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) == 30
    assert "Even wachten: 30 tellen" in read(answer).words
    house.clock.move(seconds=31)
    assert send(client, read(page).forms[0], **TAPS).status_code == 303


def test_whoever_waits_for_what_strangers_did_is_sent_to_the_card_and_not_told_to_breathe(
    client, noor, house
):
    for number in range(10):
        sign_in.prove(house, make_login.attempt(secret=f"fout {number}"))
    house.clock.move(minutes=55)
    page = read(send(client, read(identify(client)).forms[0], **TAPS))
    assert "Gebruik je kaart, of vraag hulp aan je juf of meester." in page.words
    assert "Je probeerde een paar keer." not in page.words


def test_a_wie_of_yesterday_starts_again_with_the_same_request(client, noor, house, rekenbuur):
    page = identify(client, after=asked(rekenbuur))
    house.clock.move(hours=2)
    answer = send(client, read(page).forms[0], **TAPS)
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.location).query) == {"next": [asked(rekenbuur)]}


def test_too_busy_keeps_the_try_and_sends_it_again(client, noor, house, monkeypatch):
    form = read(identify(client)).forms[0]
    places = house.hasher._gate._places
    taken = sum(iter(lambda: places.take(0), False))
    assert taken
    answer = send(client, form, **TAPS)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert WORDS not in answer.get_data(as_text=True)
    for _ in range(taken):
        places.give_back()
    again = read(answer).forms[0]
    assert set(again["fields"]) == {"csrf_token", "wie", "opnieuw"}
    assert send(client, again).status_code == 303


# ---------------------------------------------------------------- an app on the way


def test_the_way_back_to_the_app_is_kept(client, noor, rekenbuur):
    page = identify(client, after=asked(rekenbuur))
    assert "om door te gaan naar Rekenbuur" in read(page).words
    assert "form-action 'self' https://rekenbuur.example;" in page.headers["Content-Security-Policy"]
    answer = send(client, read(page).forms[0], **TAPS)
    assert answer.location == asked(rekenbuur)


def test_a_sign_in_for_an_app_leaves_its_mark(client, noor, house, rekenbuur):
    send(client, read(identify(client, after=asked(rekenbuur))).forms[0], **TAPS)
    with house.database.reading() as db:
        assert len(db.execute(select(models.Marker)).all()) == 1


def test_an_address_that_the_app_did_not_register_is_no_place_for_a_form(client, rekenbuur):
    elsewhere = asked(rekenbuur).replace("rekenbuur.example", "elders.example")
    page = client.get(f"/aanmelden?{urlencode({'next': elsewhere})}")
    assert "form-action 'self';" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://elders.example/",
        "//elders.example/",
        "/\\elders.example",
        "/\t/elders.example",
        "/authorize",
        "/static/x",
        "javascript:alert(1)",
        "/authorize?x=\r\nSet-Cookie: a=b",
        "/authorize?" + "x" * 30_000,
    ],
)
def test_nothing_leads_to_another_place(client, noor, house, elsewhere):
    assert way_back.read(elsewhere, house.apps, lambda _: {}).url == ""


def test_the_hint_of_an_app_only_fills_in(client, house, noor, rekenbuur):
    page = client.get(f"/aanmelden?{urlencode({'next': asked(rekenbuur) + '&login_hint=noor.peeters'})}")
    assert read(page).forms[0]["fields"]["username"] == "noor.peeters"


def test_another_tab_goes_on_when_somebody_signed_in_meanwhile(client, noor, rekenbuur):
    send(client, read(identify(client)).forms[0], **TAPS)
    here = f"/aanmelden?{urlencode({'next': asked(rekenbuur)})}"
    assert client.get(here).location == asked(rekenbuur)


@pytest.mark.parametrize(
    "words", ["&prompt=login", "&max_age=0", "&acr_values=x", "&id_token_hint=x", "&claims={}"]
)
def test_a_request_that_may_want_a_fresh_sign_in_asks_again(client, noor, rekenbuur, words):
    send(client, read(identify(client)).forms[0], **TAPS)
    page = client.get(f"/aanmelden?{urlencode({'next': asked(rekenbuur) + words})}")
    assert (page.status_code, "Wie ben je?" in read(page).words) == (200, True)


def test_QR_07_a_tab_or_link_that_says_who_is_signed_in_goes_on_and_another_name_is_asked(
    client, noor, elias, house, rekenbuur
):
    waited = identify(client, after=asked(rekenbuur)).request.url
    assert send(client, read(identify(client)).forms[0], **TAPS).status_code == 303
    assert client.get(waited).location == asked(rekenbuur)
    own = client.get(client.get("/mijn/noor.peeters").location)
    assert (own.status_code, own.location) == (303, "/mijn-apps")
    page = client.get(client.get("/mijn/elias.maes").location)
    assert (page.status_code, read(page).forms[0]["kinds"]["password"]) == (200, "password")


def test_who_must_prove_it_anew_is_asked_though_the_name_is_the_same(client, noor, rekenbuur):
    again = identify(client, after=asked(rekenbuur) + "&prompt=login").request.url
    assert send(client, read(identify(client)).forms[0], **TAPS).status_code == 303
    assert client.get(again).status_code == 200


# ---------------------------------------------------------------- personal URL and card


def test_a_personal_url_names_and_nothing_more(client, noor):
    answer = client.get("/mijn/noor.peeters")
    assert answer.status_code == 303
    assert not stands("noor", unquote_plus(answer.location))
    page = client.get(answer.location)
    assert "Dag" not in read(page).words
    assert read(page).forms[0]["kinds"]["dier"] == "radio"


@pytest.mark.parametrize("path", ["/", "/mijn", "/mijn/"])
def test_who_types_the_beginning_of_an_address_is_asked_who_it_is(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.location) == (303, "/aanmelden")


def test_QR_09_a_slash_behind_a_personal_url_makes_no_other(client, noor):
    page = client.get(client.get("/mijn/noor.peeters/").location)
    assert send(client, read(page).forms[0], **TAPS).location == "/mijn-apps"
    assert client.get("/mijn/noor.peeters/x").status_code == 404


def _card(house, uuid: str) -> str:
    with house.database.transaction() as db:
        return cards.issue(db, account_uuid=uuid, label="school", now=house.clock.now(), days=395).token


@pytest.mark.parametrize("path", ["/k/{}", "/K/{}"])
def test_a_card_greets_and_leaves_the_address(client, house, noor, path):
    token = _card(house, noor)
    answer = client.get(path.format(token))
    assert answer.status_code == 303
    assert token not in answer.location
    page = client.get(answer.location)
    assert "Dag Noor!" in read(page).words
    answer = send(client, read(page).forms[0], **TAPS)
    assert answer.location == "/mijn-apps"


def test_a_scanner_that_types_is_a_card_too_and_keeps_the_app(client, house, noor, rekenbuur):
    token = _card(house, noor)
    page = identify(client, cards.url(house.settings, token), after=asked(rekenbuur))
    assert "Dag Noor!" in read(page).words
    assert send(client, read(page).forms[0], **TAPS).location == asked(rekenbuur)


@pytest.mark.parametrize("end", ["\n", "\t", "\r\n", ""])
def test_what_a_scanner_types_may_be_in_capitals_and_end_with_a_key(client, house, noor, end):
    page = identify(client, cards.url(house.settings, _card(house, noor)).upper() + end)
    assert "Dag Noor!" in read(page).words


def test_a_personal_url_in_the_field_says_who_it_is(client, house, noor):
    page = identify(client, f"{house.settings.my_url}/noor.peeters")
    assert send(client, read(page).forms[0], **TAPS).location == "/mijn-apps"


def test_whoever_is_not_noor_says_so(client, house, noor):
    client.get(f"/k/{_card(house, noor)}")
    page = read(client.get("/aanmelden"))
    assert "Dag Noor!" in page.words
    other = page.forms[1]
    assert send(client, other, wissel="1").location == "/aanmelden"
    assert "Wie ben je?" in read(client.get("/aanmelden")).words


def test_a_card_asks_itself_whether_the_device_is_shared(client, house, noor):
    page = read(client.get(client.get(f"/k/{_card(house, noor)}").location))
    assert page.forms[0]["kinds"]["shared"] == "checkbox"
    send(client, page.forms[0], **TAPS, shared="1")
    with house.database.reading() as db:
        assert db.execute(select(models.Session.shared)).scalar() is True


@pytest.mark.parametrize("token", ["K1" + "0" * 26, "x", "K1" + "U" * 26])
def test_cards_that_do_not_work_look_alike(client, house, noor, token):
    answer = client.get(f"/k/{token}")
    assert not stands(token, answer.location)
    assert "Deze kaart werkt niet meer." in read(client.get(answer.location)).words


@pytest.mark.parametrize("path", ["/k/K1" + "0" * 26, "/h/H1" + "0" * 26, "/mijn/!!!"])
def test_what_does_not_work_is_said_though_this_browser_holds_the_card_of_a_classmate(
    client, house, noor, path
):
    client.get(f"/k/{_card(house, noor)}")
    page = read(client.get(client.get(path).location))
    assert "Noor" not in page.words
    assert any(word in page.words for word in ("werkt niet meer.", "Zo ziet een gebruikersnaam er niet uit."))


def test_QR_01_a_card_that_does_not_work_takes_the_place_of_the_one_before(client, house, noor):
    client.get(f"/k/{_card(house, noor)}")
    client.get("/k/K1" + "0" * 26)
    assert "Noor" not in read(client.get("/aanmelden")).words


# ---------------------------------------------------------------- a password of one's own


def test_a_temporary_password_is_changed_before_anything_else(client, elias, rekenbuur):
    answer = send(
        client, read(identify(client, "elias.maes", after=asked(rekenbuur))).forms[0], password="Tijdelijk7"
    )
    assert answer.status_code == 303
    assert urlsplit(answer.location).path == "/nieuw-wachtwoord"
    assert client.get("/mijn-apps").status_code == 303
    page = client.get(answer.location)
    form = read(page).forms[0]
    assert "current" not in form["kinds"]
    refused = send(client, form, password="elias.maes")
    assert refused.status_code == 200
    assert read(refused).forms[0]["kinds"]["password"] == "password"
    done = send(client, read(refused).forms[0], password="groene olifant op zolder")
    assert (done.status_code, done.location) == (303, asked(rekenbuur))
    assert "Dag Elias!" in read(client.get("/mijn-apps")).words


def test_whoever_will_not_choose_a_password_now_may_leave_and_nobody_else_chooses_it(client, elias):
    send(client, read(identify(client, "elias.maes")).forms[0], password="Tijdelijk7")
    page = read(client.get("/nieuw-wachtwoord"))
    leave = next(form for form in page.forms if form["action"] == "/afmelden")
    assert send(client, leave).location == "/aanmelden?bericht=klaar"
    assert client.get("/nieuw-wachtwoord").status_code == 303


def test_the_temporary_password_is_no_own_password(client, elias):
    send(client, read(identify(client, "elias.maes")).forms[0], password="Tijdelijk7")
    form = read(client.get("/nieuw-wachtwoord")).forms[0]
    assert send(client, form, password="Tijdelijk7").status_code == 200


def test_a_wished_change_asks_for_the_present_password(client, elias):
    send(client, read(identify(client, "elias.maes")).forms[0], password="Tijdelijk7")
    send(client, read(client.get("/nieuw-wachtwoord")).forms[0], password="groene olifant op zolder")
    form = read(client.get("/nieuw-wachtwoord")).forms[0]
    assert form["kinds"]["current"] == "password"
    wrong = send(client, form, current="fout", password="paarse olifant op zolder")
    assert wrong.status_code == 200
    right = send(
        client, read(wrong).forms[0], current="groene olifant op zolder", password="paarse olifant op zolder"
    )
    assert right.location == "/mijn-apps"
    assert client.get("/mijn-apps").status_code == 200


def test_whoever_may_not_try_any_more_is_sent_to_the_school_and_not_told_to_wait(client, house):
    own = "groene olifant op zolder"
    make_login.pupil(house, "elias.maes", own, models.SecretKind.OWN)
    send(client, read(identify(client, "elias.maes")).forms[0], password=own)
    since = make.NOW.isoformat()
    month = throttle.name_of(house.keys.throttle, throttle.Counter.MONTH, "elias.maes", since)
    with house.database.transaction() as db:
        InDatabase(db).close(month, slowing.UNTIL_HELP, house.clock.now())
    form = read(client.get("/nieuw-wachtwoord")).forms[0]
    page = read(send(client, form, current=own, password="blauwe olifant op zolder"))
    assert "Vraag een nieuw aan je school." in page.words
    assert "Wacht" not in page.words


def test_a_basic_account_has_no_password_of_its_own(client, noor):
    send(client, read(identify(client)).forms[0], **TAPS)
    assert client.get("/nieuw-wachtwoord").location == "/mijn-apps"


# ---------------------------------------------------------------- done, and languages


def test_done_ends_the_session_and_the_next_child_is_asked_who(client, noor, house):
    send(client, read(identify(client)).forms[0], **TAPS)
    answer = send(client, read(client.get("/afmelden")).forms[0], antwoord="ja")
    assert answer.status_code == 303
    page = read(client.get(answer.location))
    assert "Wie ben je?" in page.words
    assert "Noor" not in page.words
    assert client.get("/mijn-apps").status_code == 303
    with house.database.reading() as db:
        assert db.execute(select(models.Session.ended_because)).scalar() == "signed_out"


def test_not_done_changes_nothing(client, noor):
    send(client, read(identify(client)).forms[0], **TAPS)
    send(client, read(client.get("/afmelden")).forms[0], antwoord="nee")
    assert client.get("/mijn-apps").status_code == 200


def test_a_shared_device_is_said_once(client, noor, house):
    page = client.get("/aanmelden")
    answer = send(client, read(page).forms[0], username="noor.peeters", shared="1")
    send(client, read(client.get(answer.location)).forms[0], **TAPS)
    with house.database.reading() as db:
        assert db.execute(select(models.Session.shared)).scalar() is True


@pytest.mark.parametrize(
    ("language", "question"),
    [("fr", "Qui es-tu ?"), ("de", "Wer bist du?"), ("en", "Who are you?"), ("nl", "Wie ben je?")],
)
def test_four_languages_keep_the_way_back(client, rekenbuur, language, question):
    here = f"/aanmelden?{urlencode({'next': asked(rekenbuur)})}"
    form = read(client.get(here)).forms[-1]
    answer = send(client, form, taal=language)
    assert answer.location == here
    assert question in read(client.get(here)).words


def test_the_language_that_an_app_asks_for_counts_until_the_person_chooses(client, rekenbuur):
    here = f"/aanmelden?{urlencode({'next': asked(rekenbuur) + '&ui_locales=fr-BE+nl'})}"
    page = read(client.get(here))
    assert "Qui es-tu ?" in page.words
    send(client, page.forms[-1], taal="de")
    assert "Wer bist du?" in read(client.get(here)).words


@pytest.mark.parametrize("elsewhere", ["https://elders.example", "//elders.example", "/\\elders.example", ""])
def test_choosing_a_language_never_leads_elsewhere(client, elsewhere):
    form = read(client.get("/aanmelden")).forms[-1]
    assert (
        client.post("/taal", data=form["fields"] | {"terug": elsewhere, "taal": "fr"}).location
        == "/aanmelden"
    )


# ---------------------------------------------------------------- what every page keeps


def test_a_form_without_our_word_starts_again_at_the_same_page(client, noor, rekenbuur):
    page = identify(client, after=asked(rekenbuur))
    form = read(page).forms[0]
    answer = client.post(form["action"], data=form["fields"] | TAPS | {"csrf_token": "x"})
    assert answer.status_code == 400
    assert form["action"] in read(answer).links


def test_a_language_that_is_chosen_too_late_leads_back_to_the_page_and_the_app(client, noor, rekenbuur):
    here = identify(client, after=asked(rekenbuur)).request
    form = next(form for form in read(client.get(here.full_path)).forms if form["action"] == "/taal")
    answer = client.post("/taal", data=form["fields"] | {"csrf_token": "x", "taal": "fr"})
    assert (answer.status_code, answer.location) == (400, None)
    (again,) = {form["fields"]["terug"]} & {*read(answer).links}
    assert "om door te gaan naar Rekenbuur" in read(client.get(again)).words
    answer = client.post("/taal", data={"taal": "fr", "terug": "//elders.example/"})
    assert not stands("elders", answer.text)


def test_a_page_that_answers_a_form_may_be_read_in_another_language(client):
    fields = read(client.get("/personeel/aanmelden")).forms[0]["fields"]
    answer = client.post("/personeel/aanmelden/passkey", data=fields)
    assert answer.status_code == 401
    form = next(form for form in read(answer).forms if form["action"] == "/taal")
    chosen = send(client, form, taal="fr")
    assert client.get(chosen.location).status_code == 200


def test_whatever_is_only_sent_has_a_page_above_it(app):
    routes = app.url_map.bind("")
    for rule in app.url_map.iter_rules():
        door = getattr(app.view_functions[rule.endpoint], "door", None)
        if rule.methods & {"GET"} or door in web.PROGRAMS:
            continue
        path = re.sub(r"<[^>]*>", "0", rule.rule)
        with app.test_request_context(path, method="POST", query_string={"x": "é&"}):
            above, _, query = assets.here().partition("?")
        assert routes.test(above, method="GET"), f"{path} leads to {above}"
        assert query == "x=%C3%A9%26"


def test_a_form_from_another_site_is_refused(client, noor):
    form = read(identify(client)).forms[0]
    answer = client.post(
        form["action"], data=form["fields"] | TAPS, headers={"Origin": "https://elders.example"}
    )
    assert answer.status_code == 400


def test_pages_ask_no_other_host_and_run_no_script_of_others(client, noor):
    page = identify(client)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    html = page.get_data(as_text=True)
    assert " style=" not in html
    assert " onclick=" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html


def test_parents_find_the_privacy_statement_and_terms_of_the_app(client, house):
    pages = {"policy_uri": "https://rekenbuur.example/privacy", "tos_uri": "https://rekenbuur.example/terms"}
    with house.database.transaction() as db:
        story, plain = make.story(db, **pages), make.app(db)
    for app, wanted in ((story.app, {*pages.values()}), (plain, set())):
        query = urlencode({"client_id": app.client_id, "redirect_uri": app.redirect_uris[0]})
        page = client.get("/aanmelden", query_string={"next": f"/authorize?{query}"})
        links = {link for link in read(page).links if link.startswith("https://")}
        assert links == wanted
        assert ("ouders" in page.text) == bool(wanted)
