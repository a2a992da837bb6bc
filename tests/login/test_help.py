"""A code from the school: good once, for one pupil, for today; and no way to learn anything by guessing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

import pytest
from sqlalchemy import func, select, update

from idp import models
from idp.login import accounts, cards, let_in, sessions, sign_in, throttle
from idp.login import help as helping
from idp.login.counting_database import InDatabase
from tests import make, make_login
from tests.login.test_pages import TAPS, identify, read, send
from tests.make_reading import stands


def give(house, account_uuid, **given):
    with house.database.transaction() as db:
        return helping.give(
            db,
            house,
            account_uuid=account_uuid,
            instellingsnummer="100001",
            by="juf",
            now=house.clock.now(),
            **given,
        )


def visit(**given):
    return let_in.Visit(**({"browser": make_login.BROWSER, "address": "192.0.2.7"} | given))


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def at_once(times: int, work) -> list:
    """Do it from many threads, each under the circumstances of the test."""
    contexts = [copy_context() for _ in range(times)]
    with ThreadPoolExecutor(8) as many:
        return list(many.map(lambda mine: mine.run(work), contexts))


def session_ends(house):
    with house.database.reading() as db:
        return db.execute(select(models.Session.expires_at)).scalar_one()


@pytest.fixture
def noor(house):
    return make_login.pupil(house)


def test_a_code_lets_in_until_the_school_day_ends_and_says_so(house, noor):
    before = (account(house, noor).stored, account(house, noor).secret_set_at)
    given = give(house, noor)
    outcome = helping.redeem(house, "Noor Peeters", given.code, visit())
    assert isinstance(outcome, sign_in.SignedIn)
    assert (outcome.amr, outcome.acr) == (("help",), "urn:leersleutel:acr:help")
    assert not outcome.must_change
    assert session_ends(house) == datetime(2026, 11, 23, 16, 0, tzinfo=UTC), "five o'clock in Brussels"
    assert (account(house, noor).stored, account(house, noor).secret_set_at) == before


def account(house, uuid):
    with house.database.reading() as db:
        return accounts.find(db, uuid, house.clock.today())


def test_in_the_evening_the_session_is_an_ordinary_one(house, noor):
    house.clock.move(hours=10)
    helping.redeem(house, "noor.peeters", give(house, noor).code, visit())
    assert session_ends(house) == house.clock.now() + timedelta(hours=house.settings.session_hours)


def test_a_code_is_good_once(house, noor):
    given = give(house, noor)
    assert isinstance(helping.redeem(house, "noor.peeters", given.code, visit()), sign_in.SignedIn)
    assert helping.redeem(house, "noor.peeters", given.code, visit()) == sign_in.Wrong()


@pytest.mark.parametrize(("minutes", "opens"), [(9.9, True), (10, False)])
def test_a_code_lives_ten_minutes(house, noor, minutes, opens):
    given = give(house, noor)
    house.clock.move(minutes=minutes)
    outcome = helping.redeem(house, "noor.peeters", given.code, visit())
    assert isinstance(outcome, sign_in.SignedIn) is opens


def test_a_new_code_voids_the_one_before(house, noor):
    first, second = give(house, noor), give(house, noor)
    if first.code != second.code:
        assert helping.redeem(house, "noor.peeters", first.code, visit()) == sign_in.Wrong()
    assert isinstance(helping.redeem(house, "noor.peeters", second.code, visit()), sign_in.SignedIn)


def test_the_code_of_one_pupil_does_not_open_another(house, noor):
    make_login.pupil(house, "seppe.duinen")
    given = give(house, noor)
    assert helping.redeem(house, "seppe.duinen", given.code, visit()) == sign_in.Wrong()


def test_help_for_many_pupils_at_once_stays_with_each_of_them(house, noor):
    lotte = make_login.pupil(house, "lotte.claes", official="Lotte")
    codes = {uuid: give(house, uuid) for uuid in (noor, lotte)}
    for given in codes.values():
        with house.database.reading() as db:
            door = helping.find_link(db, house, given.url.rpartition("/")[2], house.clock.now())
        assert door.id == given.id, "each link opens the door of its own pupil"
    assert helping.redeem(house, "lotte.claes", codes[lotte].code, visit()).account_uuid == lotte
    assert helping.redeem_link(house, codes[noor].id, visit()).account_uuid == noor, (
        "hers was not spent with it"
    )


def test_a_link_that_nobody_gave_opens_nothing_while_another_is_open(house, noor):
    token = give(house, noor).url.rpartition("/")[2]
    other = token[:-1] + ("0" if token[-1] != "0" else "1")
    with house.database.reading() as db:
        assert helping.find_link(db, house, other, house.clock.now()) is None


def test_the_link_of_a_pupil_who_was_blocked_meanwhile_names_nobody(house, noor):
    given = give(house, noor)
    with house.database.transaction() as db:
        db.execute(update(models.Account).values(blocked_at=house.clock.now()))
    with house.database.reading() as db:
        assert helping.find_link(db, house, given.url.rpartition("/")[2], house.clock.now()) is None


def test_BRUTE_01_five_guesses_spend_the_digits_but_not_the_link(house, noor):
    given = give(house, noor)
    for _ in range(5):
        assert helping.redeem(house, "noor.peeters", wrong(given.code), visit()) == sign_in.Wrong()
    assert helping.redeem(house, "noor.peeters", given.code, visit()) == sign_in.Wrong()
    assert isinstance(helping.redeem_link(house, given.id, visit()), sign_in.SignedIn)


def test_BRUTE_02_thirty_guesses_at_once_count_as_thirty(house, noor):
    given = give(house, noor)
    outcomes = at_once(30, lambda: helping.redeem(house, "noor.peeters", wrong(given.code), visit()))
    assert set(outcomes) == {sign_in.Wrong()}
    with house.database.reading() as db:
        assert db.execute(select(models.HelpCode.tries)).scalar() == 5


def test_a_code_that_many_send_at_once_opens_one_session(house, noor):
    given = give(house, noor)
    outcomes = at_once(8, lambda: helping.redeem(house, "noor.peeters", given.code, visit()))
    assert sum(isinstance(one, sign_in.SignedIn) for one in outcomes) == 1
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(models.Session)).scalar() == 1


def test_guesses_count_for_the_network_and_never_for_the_pupil(house, noor):
    given = give(house, noor)
    for _ in range(20):
        helping.redeem(house, "noor.peeters", wrong(given.code), visit())
    assert isinstance(sign_in.prove(house, make_login.attempt()), sign_in.SignedIn)
    with house.database.reading() as db:
        assert db.execute(select(func.max(models.Throttle.count))).scalar() == 20


def test_an_address_that_guesses_all_day_has_to_wait(house, noor):
    for _ in range(house.settings.throttle_address - 1):
        with house.database.transaction() as db:
            throttle.address_failed(
                InDatabase(db),
                key=house.keys.throttle,
                settings=house.settings,
                address="192.0.2.7",
                now=house.clock.now(),
            )
    for name in ("noor.peeters", "niemand.nergens"):
        outcome = helping.redeem(house, name, "123456", visit())
        assert isinstance(outcome, sign_in.Wait)
        assert outcome.seconds == 600


@pytest.mark.parametrize("change", [{"blocked_at": make.NOW}])
def test_a_blocked_pupil_is_not_helped_and_a_code_stops_with_the_account(house, noor, change):
    given = give(house, noor)
    with house.database.transaction() as db:
        db.execute(update(models.Account).values(change))
    assert helping.redeem(house, "noor.peeters", given.code, visit()) == sign_in.Wrong()
    assert helping.redeem_link(house, given.id, visit()) is None
    with pytest.raises(Exception, match="account_cannot_sign_in"):
        give(house, noor)


def test_a_pupil_who_left_is_not_helped(house):
    gone = make_login.pupil(house, enrolled=False)
    with pytest.raises(Exception, match="account_cannot_sign_in"):
        give(house, gone)


def test_a_new_secret_voids_the_code(house, noor):
    given = give(house, noor)
    with house.database.transaction() as db:
        accounts.renew(
            db,
            account_uuid=noor,
            kind=models.SecretKind.BASIC,
            stored=house.hasher.hash("29ban9"),
            now=house.clock.now(),
            settings=house.settings,
            instellingsnummer="100001",
        )
    assert helping.redeem(house, "noor.peeters", given.code, visit()) == sign_in.Wrong()
    assert helping.redeem_link(house, given.id, visit()) is None


def test_help_wakes_a_card_that_rests(house, noor):
    with house.database.transaction() as db:
        card = cards.issue(db, account_uuid=noor, label="school", now=house.clock.now(), days=395)
        held = cards.find(db, card.token, house.clock.now())
    for number in range(40):
        house.clock.move(minutes=6)
        last = sign_in.prove(house, make_login.attempt(secret=f"fout {number}", card=held))
    assert isinstance(last, sign_in.Wait)
    assert last.counter is throttle.Counter.CARD
    give(house, noor)
    house.clock.move(minutes=6)
    assert isinstance(sign_in.prove(house, make_login.attempt(card=held)), sign_in.SignedIn)


def test_help_for_one_pupil_leaves_the_card_of_another_at_rest(house, noor):
    lotte = make_login.pupil(house, "lotte.claes", official="Lotte")
    with house.database.transaction() as db:
        card = cards.issue(db, account_uuid=noor, label="school", now=house.clock.now(), days=395)
        held = cards.find(db, card.token, house.clock.now())
    for number in range(40):
        house.clock.move(minutes=6)
        sign_in.prove(house, make_login.attempt(secret=f"fout {number}", card=held))
    give(house, lotte)
    helping.wake_cards(house, [lotte])
    house.clock.move(minutes=6)
    assert isinstance(sign_in.prove(house, make_login.attempt(card=held)), sign_in.Wait)


def test_LEAK_10_neither_the_digits_nor_the_token_is_kept(house, noor):
    given = give(house, noor)
    helping.redeem(house, "noor.peeters", given.code, visit())
    token = given.url.rpartition("/")[2]
    with house.database.reading() as db:
        for table in models.Base.metadata.tables.values():
            kept = str(db.execute(select(table)).all())
            assert f"'{given.code}'" not in kept
            assert token not in kept
    assert given.code not in repr(given)
    assert token not in repr(given)


def test_AUD_03_who_gave_help_and_that_it_was_used_is_written_down(house, noor):
    given = give(house, noor)
    helping.redeem(house, "noor.peeters", "000000" if given.code != "000000" else "1", visit())
    helping.redeem(house, "noor.peeters", given.code, visit())
    with house.database.reading() as db:
        rows = db.execute(
            select(models.AuditEvent.event, models.AuditEvent.actor, models.AuditEvent.object).order_by(
                models.AuditEvent.id
            )
        ).all()
    about = f"pupil:{noor}"
    assert [tuple(row) for row in rows] == [
        ("help_given", "person:juf", about),
        ("help_refused", "system", about),
        ("signed_in", about, about),
    ]


@pytest.mark.parametrize("typed", ["123456", "123 456", " 12-34-56 ", "123.456", "１２３４５６"])
def test_six_digits_may_be_spaced(typed):
    assert helping.digits(typed) == "123456"


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "kat appel"])
def test_anything_else_is_no_code(typed):
    assert helping.digits(typed) is None


# ---------------------------------------------------------------- pages


def asked_help(client, name="noor.peeters"):
    page = identify(client, name)
    link = next(link for link in read(page).links if link.startswith("/hulp"))
    return client.get(link)


def test_every_page_for_a_secret_leads_to_the_page_for_a_code(client, house, noor):
    page = asked_help(client)
    assert "Typ de code van je juf of meester" in read(page).words
    form = read(page).forms[0]
    assert not stands("noor", unquote_plus(form["action"]))
    answer = send(client, form, code=give(house, noor).code)
    assert (answer.status_code, answer.location) == (303, "/mijn-apps")
    assert "Dag Noor!" in read(client.get("/mijn-apps")).words


def test_the_page_that_waits_leads_there_too(client, house, noor):
    for number in range(10):
        answer = send(client, read(identify(client)).forms[0], **TAPS | {"eten": str(number + 1)})
    assert answer.status_code == 429
    assert any(link.startswith("/hulp?") for link in read(answer).links)


def test_a_code_is_no_try_when_it_is_not_six_digits(client, house, noor):
    give(house, noor)
    answer = send(client, read(asked_help(client)).forms[0], code="12345")
    assert answer.status_code == 200
    assert "Een code heeft zes cijfers." in read(answer).words
    with house.database.reading() as db:
        assert db.execute(select(models.HelpCode.tries)).scalar() == 0


def test_ENUM_01_a_wrong_code_no_code_a_spent_code_and_no_such_name_look_alike(app, house, noor):
    make_login.pupil(house, "seppe.duinen")
    make_login.pupil(house, "gone.away")
    spent = give(house, noor)
    helping.redeem_link(house, spent.id, visit())
    used_up = make_login.pupil(house, "op.gebruikt")
    code = give(house, used_up).code
    for _ in range(6):
        helping.redeem(house, "op.gebruikt", wrong(code), visit())
    answers = set()
    for name, typed in (
        ("noor.peeters", spent.code),
        ("seppe.duinen", "123456"),
        ("niemand.nergens", "123456"),
        ("op.gebruikt", code),
    ):
        client = app.test_client()
        answer = send(client, read(asked_help(client, name)).forms[0], code=typed)
        answers.add((answer.status_code, read(answer).words, tuple(sorted(answer.headers.keys()))))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401


def test_a_link_is_opened_by_a_button_and_leaves_the_address(app, client, house, noor):
    given = give(house, noor)
    path = given.url.partition("//")[2].partition("/")[2]
    answer = client.get(f"/{path}")
    assert (answer.status_code, answer.location) == (303, "/hulp")
    client.get(f"/{path}")
    with house.database.reading() as db:
        assert db.execute(select(models.HelpCode.used_at)).scalar() is None, "looking changes nothing"
    page = client.get("/hulp")
    assert "Dag Noor!" in read(page).words
    answer = send(client, read(page).forms[0], link="1")
    assert answer.location == "/mijn-apps"
    other = app.test_client()
    again = other.get(f"/{path}")
    assert "Deze code werkt niet meer." in read(other.get(again.location)).words


@pytest.mark.parametrize("token", ["H1" + "0" * 26, "x", "K1" + "0" * 26])
def test_links_that_do_not_open_look_alike(client, house, noor, token):
    answer = client.get(f"/h/{token}")
    assert not stands(token, answer.location)
    assert "Deze code werkt niet meer." in read(client.get(answer.location)).words


def test_whoever_is_not_noor_says_so(client, house, noor):
    given = give(house, noor)
    client.get("/h/" + given.url.rpartition("/")[2])
    answer = send(client, read(client.get("/hulp")).forms[0], wissel="1")
    assert answer.location == "/aanmelden"
    assert client.get("/hulp").location == "/aanmelden"


def test_a_link_in_the_scanner_keeps_the_way_to_the_app(client, house, noor):
    given = give(house, noor)
    page = identify(client, given.url)
    assert "Dag Noor!" in read(page).words


def test_SESS_01_a_session_that_was_here_ends(client, house, noor):
    send(client, read(identify(client)).forms[0], **TAPS)
    client.get("/h/" + give(house, noor).url.rpartition("/")[2])
    send(client, read(client.get("/hulp")).forms[0], link="1", shared="1")
    with house.database.reading() as db:
        rows = db.execute(
            select(models.Session.ended_because, models.Session.shared).order_by(models.Session.auth_time)
        ).all()
    assert {tuple(row) for row in rows} == {("signed_in_anew", False), (None, True)}
    assert sessions.HELP == "/hulp"
