"""An e-mail address of one's own and a forgotten password: no oracle, one use, and a real mail server."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from idp import config, models
from idp.config import ConfigurationError
from idp.errors import Invalid
from idp.login import accounts, letters, mail_address, outbox, postman, recovery, sessions, sign_in
from idp.models import AccountType, ErrandState, LetterKind, SecretKind
from idp.redis_link import RedisLink
from tests import make, make_devices, make_login, make_mail, make_staff
from tests.login.test_help import at_once as _at_once
from tests.login.test_pages import identify, read, send

OLD, NEW = "groene olifant op zolder", "paarse giraf in de kelder"
HERE = "elias@mail.example"


@pytest.fixture
def box():
    with make_mail.server() as running:
        yield running


@pytest.fixture
def house(house, box):
    """A house that sends its mails to `box`."""
    given = {"smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_security": "none"}
    settings = house.settings.model_copy(update=given | {"mail_from": "post@leersleutel.example"})
    return dataclasses.replace(house, settings=settings)


@pytest.fixture
def elias(house):
    """A pupil of a secondary school with a password of his own."""
    return make_login.pupil(house, "elias.maes", OLD, SecretKind.OWN)


def add(house, uuid, address=HERE):
    return recovery.ask_to_confirm(house, account_uuid=uuid, address=address, language="nl")


def found(house, path):
    with house.database.reading() as db:
        return recovery.find(db, path.removeprefix("/m/"), house.clock.now())


def confirmed(house, box, uuid, address=HERE):
    assert add(house, uuid, address)
    postman.deliver(house)
    assert recovery.confirm(house, found(house, box.link()), language="nl")


def ask(house, name="elias.maes", network="192.0.2.7"):
    recovery.ask_to_reset(house, username=name, address=network, language="nl")


def addresses(house, uuid):
    with house.database.reading() as db:
        return recovery.addresses(db, uuid)


def letters_of(house):
    with house.database.reading() as db:
        return db.execute(select(models.Letter.__table__).order_by(models.Letter.id)).mappings().all()


def at_once(times, work):
    numbers = iter(range(times))
    return _at_once(times, lambda: work(next(numbers)))


def reset(house, path, chosen=NEW):
    link = found(house, path)
    return recovery.reset(house, link, chosen, make_login.BROWSER, language="nl") if link else None


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Elias@Mail.Example ", "Elias@mail.example"),
        ("e.maes+school@mail.example", "e.maes+school@mail.example"),
        ("elias@münchen.example", "elias@xn--mnchen-3ya.example"),
    ],
)
def test_an_address_is_kept_in_one_spelling(typed, kept):
    assert mail_address.canonical(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "elias",
        "@mail.example",
        "elias@",
        "elias@mail",
        "a b@mail.example",
        "elias@mail.example\r\nBcc: x@y.example",
        "elias@mail.example, x@y.example",
        "<elias@mail.example>",
        '"e l"@mail.example',
        "elias@@mail.example",
        "elias@-mail.example",
        "elias@127.0.0.1",
        "e" * 65 + "@mail.example",
        "e@" + "m" * 64 + ".example",
        "élias@mail.example",
        "elias@mail.example\x00",
        ".elias@mail.example",
    ],
)
def test_HTTP_03_what_is_no_address_or_could_begin_a_header_is_refused(typed):
    assert mail_address.canonical(typed) is None


def test_HTTP_03_a_brand_of_two_lines_begins_no_header():
    settings = config.Settings(brand="Leer\r\nBcc: x@y.example", mail_from="post@leersleutel.example")
    words = {"to": HERE, "language": "nl", "letter_id": "1", "now": make.NOW}
    mail = letters.write(settings, LetterKind.PASSWORD_CHANGED, **words)
    assert mail["Bcc"] is None
    assert b"\nBcc:" not in mail.as_bytes().partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("language", ["nl", "fr", "de", "en"])
@pytest.mark.parametrize("kind", [*LetterKind])
def test_every_mail_is_text_and_html_in_the_language_of_the_pupil(kind, language):
    settings = config.Settings(brand="Leer<b>ID", mail_from="post@leersleutel.example")
    link = "https://id.example/m/x" if kind in {LetterKind.CONFIRM, LetterKind.RESET} else None
    mail = letters.write(settings, kind, to=HERE, language=language, letter_id="1", now=make.NOW, link=link)
    text = mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    assert "Leer<b>ID" in text
    assert "Leer&lt;b&gt;ID" in html
    assert "%(" not in text + html + str(mail["Subject"])
    assert (link is None) or (link in text and link in html)
    dutch = letters.write(settings, kind, to=HERE, language="nl", letter_id="1", now=make.NOW, link=link)
    assert (str(dutch["Subject"]) == str(mail["Subject"])) is (language == "nl")


def test_an_address_counts_after_its_link_was_used_once(house, box, elias):
    add(house, elias)
    assert addresses(house, elias) == recovery.Addresses(pending=HERE)
    postman.deliver(house)
    mail = box.mails[-1]
    assert (mail["To"], mail["From"].addresses[0].addr_spec) == (HERE, "post@leersleutel.example")
    link = found(house, box.link())
    assert addresses(house, elias).address is None, "looking changes nothing"
    assert recovery.confirm(house, link, language="nl")
    assert addresses(house, elias) == recovery.Addresses(address=HERE)
    assert not recovery.confirm(house, link, language="nl")
    assert found(house, box.link()) is None


def test_AUD_03_the_trail_says_when_an_address_was_asked_for_counted_and_was_taken_away(house, box, elias):
    confirmed(house, box, elias)
    with house.database.transaction() as db:
        recovery.remove(db, account_uuid=elias, language="nl", now=house.clock.now())
    event = models.AuditEvent
    with house.database.reading() as db:
        noted = db.execute(select(event.event, event.object).order_by(event.id)).all()
    said = ("address_asked", "address_confirmed", "address_removed")
    assert [row for row in noted if row.event in said] == [(name, f"pupil:{elias}") for name in said]


def test_a_pupil_who_was_blocked_meanwhile_confirms_no_address(house, box, elias):
    assert add(house, elias)
    postman.deliver(house)
    link = found(house, box.link())
    with house.database.transaction() as db:
        db.execute(update(models.Account).values(blocked_at=house.clock.now()))
    assert not recovery.confirm(house, link, language="nl")
    assert addresses(house, elias).address is None
    assert not add(house, elias, "elders@mail.example"), "and asks for no other one"


@pytest.mark.parametrize(("hours", "works"), [(23.9, True), (24, False)])
def test_a_link_to_confirm_lives_a_day(house, box, elias, hours, works):
    add(house, elias)
    postman.deliver(house)
    house.clock.move(hours=hours)
    assert (found(house, box.link()) is not None) is works


def test_another_address_is_told_to_the_old_one_and_ends_its_links(house, box, elias):
    confirmed(house, box, elias)
    ask(house)
    postman.deliver(house)
    old_link = box.link()
    house.clock.move(minutes=1)
    confirmed(house, box, elias, "nieuw@mail.example")
    assert found(house, old_link) is None
    postman.deliver(house)
    assert box.mails[-1]["To"] == HERE
    assert "veranderd" in box.mails[-1]["Subject"]


def test_an_address_that_was_taken_away_resets_nothing_any_more(house, box, elias):
    confirmed(house, box, elias)
    ask(house)
    postman.deliver(house)
    link = box.link()
    with house.database.transaction() as db:
        recovery.remove(db, account_uuid=elias, language="nl", now=house.clock.now())
    assert addresses(house, elias) == recovery.Addresses()
    assert reset(house, link) is None
    postman.deliver(house)
    assert box.mails[-1]["To"] == HERE
    before = len(box.mails)
    house.clock.move(hours=2)
    ask(house)
    postman.deliver(house)
    assert len(box.mails) == before


def test_three_mails_an_hour_about_one_account(house, box, elias):
    assert [add(house, elias) for _ in range(4)] == [True, True, True, False]
    house.clock.move(hours=1)
    assert add(house, elias)


# ---------------------------------------------------------------- a forgotten password


def test_PWD_06_a_reset_is_good_once_and_ends_what_the_old_password_opened(house, box, elias):
    confirmed(house, box, elias)
    before = sign_in.prove(house, make_login.attempt("elias.maes", OLD))
    ask(house)
    postman.deliver(house)
    link = box.link()
    house.clock.move(minutes=5)
    outcome = reset(house, link)
    assert isinstance(outcome, recovery.Reset)
    with house.database.reading() as db:
        assert sessions.seen(db, house.settings, before.cookie, house.clock.now()) is None
    assert reset(house, link) is None
    assert isinstance(sign_in.prove(house, make_login.attempt("elias.maes", OLD)), sign_in.Wrong)
    assert isinstance(sign_in.prove(house, make_login.attempt("elias.maes", NEW)), sign_in.SignedIn)
    postman.deliver(house)
    assert "wachtwoord is veranderd" in box.mails[-1]["Subject"]


def test_SESS_04_a_reset_ends_refresh_tokens_too(house, box, elias):
    confirmed(house, box, elias)
    begun = sign_in.prove(house, make_login.attempt("elias.maes", OLD))
    with house.database.transaction() as db:
        app = make.app(db)
        row = {"id": begun.sid, "client_id": app.client_id, "account_uuid": elias, "sid": begun.sid}
        row |= {"scope": "openid", "auth_time": make.NOW, "amr": [], "acr": "x", "offline": True}
        db.execute(
            models.Grant.__table__.insert(),
            row | {"created_at": make.NOW, "expires_at": make.NOW + timedelta(days=30)},
        )
    ask(house)
    postman.deliver(house)
    reset(house, box.link())
    with house.database.reading() as db:
        assert db.execute(select(models.Grant.revoked_because)).scalar() == "password_reset"


@pytest.mark.parametrize("by", ["the pupil", "the school", "another link"])
def test_PWD_06_no_link_outlives_the_password_it_was_asked_for(house, box, elias, by):
    confirmed(house, box, elias)
    ask(house)
    postman.deliver(house)
    link = box.link()
    if by == "the school":
        renewed_by_school(house, elias, SecretKind.TEMPORARY)
    elif by == "the pupil":
        with house.database.transaction() as db:
            accounts.set_own_password(
                db,
                account_uuid=elias,
                stored=house.hasher.hash(NEW),
                now=house.clock.now(),
                settings=house.settings,
            )
    else:
        house.clock.move(minutes=1)
        ask(house)
        postman.deliver(house)
        assert box.link() != link
        assert isinstance(reset(house, box.link()), recovery.Reset)
    assert found(house, link) is None
    assert reset(house, link) is None


def test_PWD_06_two_who_press_at_the_same_moment_spend_a_link_once(house, box, elias):
    confirmed(house, box, elias)
    ask(house)
    postman.deliver(house)
    link = found(house, box.link())

    def press(number: int):
        return recovery.reset(house, link, f"{NEW} {number}", make_login.BROWSER, language="nl")

    outcomes = at_once(4, press)
    assert sum(isinstance(one, recovery.Reset) for one in outcomes) == 1


@pytest.mark.parametrize(("minutes", "works"), [(29.9, True), (30, False)])
def test_a_link_to_reset_lives_half_an_hour(house, box, elias, minutes, works):
    confirmed(house, box, elias)
    ask(house)
    postman.deliver(house)
    house.clock.move(minutes=minutes)
    assert isinstance(reset(house, box.link()), recovery.Reset) is works


@pytest.mark.parametrize("chosen", ["kort", "elias.maes", "wachtwoord123"])
def test_PWD_02_an_unsuitable_password_leaves_the_link_alive(house, box, elias, chosen):
    confirmed(house, box, elias)
    ask(house)
    postman.deliver(house)
    assert not isinstance(reset(house, box.link(), chosen), recovery.Reset)
    assert isinstance(reset(house, box.link()), recovery.Reset)


@pytest.mark.parametrize(
    "change",
    [
        {"type": AccountType.BASIC, "secret_kind": SecretKind.BASIC},
        {"blocked_at": make.NOW},
    ],
    ids=["basic", "blocked"],
)
def test_a_basic_or_blocked_account_gets_no_mail_and_no_password(house, box, elias, change):
    confirmed(house, box, elias)
    ask(house)
    postman.deliver(house)
    link, count = box.link(), len(box.mails)
    with house.database.transaction() as db:
        db.execute(update(models.Account).values(change))
    assert reset(house, link) is None
    ask(house)
    postman.deliver(house)
    assert len(box.mails) == count


def test_a_pupil_who_left_gets_no_mail(house, box, elias):
    confirmed(house, box, elias)
    with house.database.transaction() as db:
        db.execute(update(models.Enrolment).values(einddatum=make.YEAR_BEGINS))
    count = len(box.mails)
    ask(house)
    postman.deliver(house)
    assert len(box.mails) == count


def test_ENUM_06_every_name_costs_the_same_work_and_gets_the_same_page(app, house, box, elias, noor_too):
    app.extensions["idp"] = house
    confirmed(house, box, elias)
    seen, work = set(), set()
    for name in ("elias.maes", "noor.peeters", "niemand.nergens"):
        before = len(letters_of(house))
        client = app.test_client()
        page = client.get("/wachtwoord-vergeten")
        with counted(house) as statements:
            answer = send(client, read(page).forms[0], username=name)
        seen.add((answer.status_code, read(answer).words, tuple(sorted(answer.headers.keys()))))
        work.add((tuple(statements), len(letters_of(house)) - before))
    assert len(seen) == 1
    assert len(work) == 1, "the same statements, and one row more, whatever there is behind the name"
    count = len(box.mails)
    postman.deliver(house)
    assert [mail["To"] for mail in box.mails[count:]] == [HERE]


@pytest.fixture
def noor_too(house):
    return make_login.pupil(house)


class counted:  # noqa: N801 - reads as a word
    """The statements that the database is asked, without their values."""

    def __init__(self, house) -> None:
        self._engine, self._found = house.database.engine, []

    def _note(self, _connection, _cursor, statement, *_rest) -> None:
        self._found.append(statement)

    def __enter__(self):
        from sqlalchemy import event

        event.listen(self._engine, "before_cursor_execute", self._note)
        return self._found

    def __exit__(self, *_how) -> None:
        from sqlalchemy import event

        event.remove(self._engine, "before_cursor_execute", self._note)


def test_a_name_and_a_network_get_so_many_mails_an_hour(house, box, elias):
    for _ in range(5):
        ask(house)
    assert len(letters_of(house)) == 3
    for number in range(house.settings.mails_per_network_hour + 20):
        ask(house, f"naam{number}")
    assert len(letters_of(house)) <= house.settings.mails_per_network_hour
    with house.database.reading() as db:
        noted = db.execute(select(models.AuditEvent.result).where(models.AuditEvent.event == "reset_asked"))
        said = [*noted.scalars()]
    assert len(said) <= house.settings.mails_per_network_hour + 3, "a stranger cannot fill the audit trail"
    assert "too many" in said


def test_mails_are_counted_where_tries_are_and_nothing_is_sent_in_the_request(house, box, elias, redis_url):
    link = RedisLink(redis_url, clock=house.clock, connections=4)
    both = dataclasses.replace(house, redis=link)
    for _ in range(5):
        ask(both)
    assert len(letters_of(house)) == 3
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(models.Throttle)).scalar() == 0
    link.close()
    assert not box.mails


def test_LEAK_10_no_link_is_kept_anywhere(house, box, elias):
    confirmed(house, box, elias)
    ask(house)
    postman.deliver(house)
    tokens = [make_mail.re.search(r"/m/(\S+)", m.get_body(("plain",)).get_content())[1] for m in box.mails]
    with house.database.reading() as db:
        for table in models.Base.metadata.tables.values():
            kept = str(db.execute(select(table)).all())
            assert not [token for token in tokens if token in kept]
        audit = str(db.execute(select(models.AuditEvent.details, models.AuditEvent.object)).all())
    assert HERE not in audit
    assert not [row for row in letters_of(house) if row["address"]], "sent: the address is gone"


# ---------------------------------------------------------------- the server


def test_a_server_with_starttls_and_a_password(house, box, elias, tmp_path):
    context, trusted = make_mail.certificate(tmp_path, house.clock.now())
    secret = tmp_path / "password"
    secret.write_text(make_mail.PASSWORD + "\n")
    with make_mail.server(tls=context, user=True) as safe:
        given = {"smtp_port": safe.port, "smtp_security": "starttls", "smtp_ca_file": trusted}
        given |= {"smtp_user": make_mail.USER, "smtp_password_file": secret}
        known = dataclasses.replace(house, settings=house.settings.model_copy(update=given))
        add(known, elias)
        postman.deliver(known)
        assert len(safe.mails) == 1
        stranger = known.settings.model_copy(update={"smtp_ca_file": None})
        add(known, elias)
        postman.deliver(dataclasses.replace(known, settings=stranger))
        assert len(safe.mails) == 1, "a server that we do not trust gets nothing"
    assert letters_of(house)[1]["result"] == "no connection: SSLCertVerificationError"


def test_a_server_without_tls_gets_nothing_when_we_ask_for_it(house, box, elias):
    plain = house.settings.model_copy(update={"smtp_security": "starttls"})
    add(house, elias)
    postman.deliver(dataclasses.replace(house, settings=plain))
    assert not box.mails
    assert letters_of(house)[0]["state"] is ErrandState.WAITING


def test_FAULT_08_a_server_that_is_away_is_tried_again_until_it_is_there(house, box, elias):
    box.answer = "451 not now"
    add(house, elias)
    postman.deliver(house)
    assert postman.deliver(house) == 0, "not before its time"
    box.answer = "250 OK"
    house.clock.move(seconds=30)
    postman.deliver(house)
    assert len(box.mails) == 1
    row = letters_of(house)[0]
    assert (row["state"], row["tries"], row["address"]) == (ErrandState.DELIVERED, 2, None)


def test_what_never_arrives_is_given_up_and_can_be_tried_anew(house, box, elias):
    nowhere = house.settings.model_copy(update={"smtp_port": 1})
    add(house, elias)
    for wait in (0, *outbox.WAITS):
        house.clock.move(seconds=wait)
        assert postman.deliver(dataclasses.replace(house, settings=nowhere)) == 1
    row = letters_of(house)[0]
    assert (row["state"], row["result"]) == (
        ErrandState.GIVEN_UP,
        "no connection: ConnectionRefusedError",
    )
    with house.database.transaction() as db:
        assert outbox.try_again(db, house.clock.now()) == 1
    postman.deliver(house)
    assert len(box.mails) == 1


def test_a_mail_that_a_server_will_never_take_is_given_up_at_once_and_others_go_on(house, box, elias):
    box.recipient_answer = "550 who is that"
    add(house, elias)
    postman.deliver(house)
    row = letters_of(house)[0]
    assert (row["state"], row["result"]) == (ErrandState.GIVEN_UP, "SMTP 550")
    with house.database.reading() as db:
        events = db.execute(select(func.count()).where(models.AuditEvent.event == "mail_given_up")).scalar()
    assert events == 1


def test_a_mail_that_cannot_be_written_is_given_up_and_keeps_nobody_waiting(house, box, elias):
    other = make_login.pupil(house, "lotte.maes", NEW, SecretKind.OWN)
    add(house, elias)
    add(house, other, "lotte@mail.example")
    with house.database.transaction() as db:
        mine = models.AccountEmail.account_uuid == elias
        db.execute(update(models.AccountEmail).where(mine).values(pending="no\naddress"))
    postman.deliver(house)
    assert [mail["To"] for mail in box.mails] == ["lotte@mail.example"]
    assert sorted(row["state"] for row in letters_of(house)) == ["delivered", "given_up"]


@pytest.mark.parametrize(
    "given",
    [
        {"smtp_host": "mail.example"},
        {"smtp_host": "mail.example", "mail_from": "a@b.example", "smtp_security": "none"},
        {"smtp_host": "mail.example", "mail_from": "a@b.example", "smtp_user": "me"},
        {"smtp_host": "mail.example", "mail_from": "a@b.example\nBcc: c@d.example"},
    ],
)
def test_OPS_09_half_a_mail_server_is_no_setting(tmp_path, given):
    with pytest.raises(ConfigurationError):
        config.read({}, data=tmp_path, **given)


# ---------------------------------------------------------------- pages


@pytest.fixture
def pages(app, house):
    app.extensions["idp"] = house
    return app.test_client()


def test_from_my_own_page_to_an_address_and_back_in_by_mail(pages, house, box, elias):
    send(pages, read(identify(pages, "elias.maes")).forms[0], password=OLD)
    page = pages.get("/mijn-gegevens")
    form = next(form for form in read(page).forms if "email" in form["kinds"])
    wrong = send(pages, form, email=HERE, current="fout")
    assert "Je wachtwoord van nu klopt niet." in read(wrong).words
    assert addresses(house, elias) == recovery.Addresses()
    assert send(pages, form, email="geen adres", current=OLD).status_code == 200
    assert send(pages, form, email=HERE, current=OLD).location == "/mijn-gegevens"
    assert "Kijk in je mailbox." in read(pages.get("/mijn-gegevens")).words
    postman.deliver(house)
    other = pages.application.test_client()
    link = box.link()
    opened = other.get(link)
    assert opened.location == "/e-mail-bevestigen"
    page = other.get(opened.location)
    assert link.rpartition("/")[2] not in page.text
    done = send(other, read(page).forms[0])
    assert "Je e-mailadres is bewaard" in read(done).words

    asked = identify(other, "elias.maes")
    link = next(link for link in read(asked).links if link.startswith("/wachtwoord-vergeten"))
    sent = send(other, read(other.get(link)).forms[0])
    assert "Kijk in je mailbox" in read(sent).words
    postman.deliver(house)
    opened = other.get(box.link())
    page = other.get(opened.location)
    refused = send(other, read(page).forms[0], password="kort")
    assert "Dit wachtwoord is te kort." in read(refused).words
    done = send(other, read(refused).forms[0], password=NEW)
    page = other.get(done.location)
    assert "Je wachtwoord is veranderd." in read(page).words
    assert pages.get("/mijn-gegevens").status_code == 303, "everybody else is signed out"
    assert send(other, read(page).forms[0], password=NEW).location == "/mijn-apps"


def everything(house) -> str:
    with house.database.reading() as db:
        return str([db.execute(select(table)).all() for table in models.Base.metadata.tables.values()])


def test_PWD_06_a_program_that_reads_mail_looks_and_nothing_changes(pages, house, box, elias):
    add(house, elias)
    postman.deliver(house)
    links = [box.link()]
    assert recovery.confirm(house, found(house, links[0]), language="nl")
    ask(house)
    add(house, elias, "nieuw@mail.example")
    postman.deliver(house)
    before = everything(house)
    for mail in box.mails[-2:]:
        path = make_mail.path(mail)
        for look in (pages.head, pages.get, pages.get):
            opened = look(path)
            assert opened.status_code == 303
            assert path.rpartition("/")[2] not in opened.location
            assert pages.get(opened.location).status_code == 200
    assert everything(house) == before


def test_PWD_06_a_link_opens_its_own_page_only_and_no_other_host_hears_of_it(pages, house, box, elias):
    add(house, elias)
    postman.deliver(house)
    opened = pages.get(box.link())
    assert pages.get(opened.location).headers["Referrer-Policy"] == "same-origin"
    assert pages.get("/wachtwoord-kiezen").status_code == 404, "a link to confirm sets no password"
    pages.get(box.link())
    assert pages.get("/e-mail-bevestigen").status_code == 200
    stranger = pages.application.test_client()
    for path in ("/e-mail-bevestigen", "/wachtwoord-kiezen"):
        assert stranger.get(path).status_code == 404


def test_a_password_chosen_by_mail_ends_the_session_that_this_browser_had(pages, house, box, elias, noor_too):
    confirmed(house, box, elias)
    send(pages, read(identify(pages)).forms[0], dier="4", eten="0", waarmee="10", waar="4")
    ask(house)
    postman.deliver(house)
    opened = pages.get(box.link())
    send(pages, read(pages.get(opened.location)).forms[0], password=NEW)
    with house.database.reading() as db:
        assert not db.execute(select(models.Session.sid).where(models.Session.ended_at.is_(None))).all()


def test_SESS_11_on_a_device_of_the_school_no_page_has_a_password_kept(pages, house, box, elias):
    confirmed(house, box, elias)
    make_staff.form(pages, "/toestel", code=make_devices.code(house, make_devices.school_of(house, elias)))
    shown = [pages.get("/wachtwoord-vergeten")]
    ask(house)
    postman.deliver(house)
    shown.append(pages.get(pages.get(box.link()).location))
    send(pages, read(identify(pages, "elias.maes")).forms[0], password=OLD)
    shown += [pages.get("/mijn-gegevens"), pages.get("/nieuw-wachtwoord")]
    for page in shown:
        assert page.status_code == 200
        assert {*re.findall('autocomplete="([a-z-]+)"', page.text)} == {"off"}, page.request.path


def test_HTTP_01_links_never_come_from_the_host_header(pages, house, box, elias):
    confirmed(house, box, elias)
    page = pages.get("/wachtwoord-vergeten")
    form = read(page).forms[0]
    pages.post(
        form["action"], data=form["fields"] | {"username": "elias.maes"}, headers={"Host": "evil.example"}
    )
    postman.deliver(house)
    assert "evil.example" not in box.mails[-1].as_string()
    assert f"{house.settings.issuer}/m/" in box.mails[-1].get_body(("plain",)).get_content()


def test_a_name_that_cannot_be_one_is_still_there_to_be_mended(pages):
    form = read(pages.get("/wachtwoord-vergeten")).forms[0]
    again = pages.post(form["action"], data=form["fields"] | {"username": '@"!'})
    assert again.status_code == 400
    assert read(again).forms[0]["fields"]["username"] == '@"!'


@pytest.mark.parametrize("token", ["x", "lsm_" + "a" * 43, "lsv_" + "a" * 43, "lss_" + "a" * 43])
def test_links_that_do_not_work_look_alike(pages, token):
    answer = pages.get(f"/m/{token}")
    assert answer.status_code == 404
    assert "Deze link werkt niet meer." in read(answer).words


def test_without_a_mail_server_nothing_of_it_shows(client, house, app, elias):
    bare = dataclasses.replace(house, settings=house.settings.model_copy(update={"smtp_host": ""}))
    app.extensions["idp"] = bare
    page = identify(client, "elias.maes")
    assert not [link for link in read(page).links if "vergeten" in link]
    assert client.get("/wachtwoord-vergeten").status_code == 404
    send(client, read(page).forms[0], password=OLD)
    assert "E-mail" not in client.get("/mijn-gegevens").text
    assert postman.deliver(bare) == 0


def test_a_basic_account_keeps_no_address(pages, house, noor_too):
    send(pages, read(identify(pages)).forms[0], dier="4", eten="0", waarmee="10", waar="4")
    page = pages.get("/mijn-gegevens")
    assert 'name="email"' not in page.text
    form = read(page).forms[0]
    answer = pages.post(
        "/mijn-gegevens/e-mail", data=form["fields"] | {"email": HERE, "current": make_login.KAT}
    )
    assert answer.status_code == 404


def renewed_by_school(house, uuid, kind):
    with house.database.transaction() as db:
        accounts.renew(
            db,
            account_uuid=uuid,
            kind=kind,
            stored=house.hasher.hash("29ban9"),
            now=house.clock.now(),
            settings=house.settings,
            instellingsnummer="100001",
        )


@pytest.mark.parametrize("kind", [SecretKind.BASIC, SecretKind.TEMPORARY])
def test_a_secret_from_school_takes_away_the_address_that_a_classmate_may_have_given(house, box, elias, kind):
    confirmed(house, box, elias)
    ask(house)
    renewed_by_school(house, elias, kind)
    assert addresses(house, elias) == recovery.Addresses()
    count = len(box.mails)
    ask(house)
    postman.deliver(house)
    assert len(box.mails) == count


def test_a_basic_account_has_no_password_of_its_own(house, elias):
    renewed_by_school(house, elias, SecretKind.BASIC)
    with house.database.transaction() as db, pytest.raises(Invalid, match="own_password_not_for_basic"):
        accounts.set_own_password(
            db,
            account_uuid=elias,
            stored=house.hasher.hash(NEW),
            now=house.clock.now(),
            settings=house.settings,
        )
