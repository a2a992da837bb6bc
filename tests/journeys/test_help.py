"""Somebody forgot: a code from a teacher's phone, new pictures, or a mail, in real browsers and with a real mail server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from idp import models
from idp.admin.pupils import helping
from idp.admin.pupils.helping import Scope
from idp.login import postman, recovery, staff_sessions
from idp.models import RightKind, RuleKind, SecretKind
from tests import make_login, make_mail, make_staff
from tests.conftest import CHEAP
from tests.journeys.conftest import PATIENCE
from tests.journeys.test_pupils import say_who, tap, type_secret
from tests.make_running import running

pytestmark = pytest.mark.browser

OLD, NEW = "groene olifant op zolder", "paarse giraf in de kelder"
HERE = "elias@mail.example"
PHONE = {"viewport": {"width": 360, "height": 740}, "locale": "nl-BE", "has_touch": True}


@pytest.fixture
def box() -> Iterator[Any]:
    with make_mail.server() as made:
        yield made


@pytest.fixture
def house(tmp_path, database_url, key_folder, stopped, box) -> Iterator[Any]:
    """A house whose mails go over SMTP."""
    mail = {"smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_security": "none"}
    given = {**CHEAP, **mail, "mail_from": "post@leersleutel.example"}
    with running(data=tmp_path, database_url=database_url, keys=key_folder, stopped=stopped, **given) as made:
        yield made


@pytest.fixture
def noor(house) -> str:
    return make_login.pupil(house, "noor.peeters")


@pytest.fixture
def elias(house) -> str:
    """An older pupil with a password of his own."""
    uuid = make_login.pupil(house, "elias.maes", OLD, SecretKind.OWN)
    with house.database.transaction() as db:
        mine = models.Enrolment.account_uuid == uuid
        db.execute(update(models.Enrolment).where(mine).values(voornaam="Elias", naam="Maes"))
    return uuid


@pytest.fixture
def phone(chromium: Any, house, noor) -> Iterator[Page]:
    """The phone of Noor's teacher, who signed in this morning."""
    with house.database.reading() as db:
        here = db.execute(
            select(models.Enrolment.instellingsnummer).where(models.Enrolment.account_uuid == noor)
        ).scalar_one()
    boss = make_staff.staff(house, RightKind.BEHEERDER, school=here)
    teacher = make_staff.staff(house, RightKind.TEACHER, school=here)
    with house.database.transaction() as db:
        helping.narrow(
            db,
            person_id=teacher.person_id,
            instellingsnummer=here,
            scopes=[Scope(kind=RuleKind.PUPIL, target=noor)],
            by=boss.person_id,
            today=house.clock.today(),
        )
        started = staff_sessions.start(
            db,
            house,
            person_id=teacher.person_id,
            amr=("pwd", "otp"),
            device="telefoon",
            now=house.clock.now(),
        )
    context = chromium.new_context(**PHONE)
    context.set_default_timeout(PATIENCE)
    cookie = {"name": make_staff.cookie_name(house), "value": started.cookie, "url": house.settings.issuer}
    context.add_cookies([cookie])
    yield context.new_page()
    context.close()


def find_noor(phone: Page, house: Any) -> None:
    phone.goto(f"{house.settings.issuer}/schoolloket")
    phone.get_by_role("link", name="Help een leerling").click()
    phone.get_by_role("link", name=re.compile("Noor Peeters")).click()


def give_code(phone: Page, house: Any) -> str:
    find_noor(phone, house)
    phone.get_by_role("button", name="Geef een code").click()
    return phone.locator(".big-code").inner_text()


def ask_for_help(page: Page, house: Any, username: str = "noor.peeters") -> None:
    page.goto(f"{house.settings.issuer}/aanmelden")
    say_who(page, username)
    page.get_by_role("link", name="Vraag hulp").click()


def signed_in(page: Page, name: str) -> None:
    expect(page).to_have_url(re.compile("/mijn-apps"))
    expect(page.get_by_text(name).first).to_be_visible()


# ---------------------------------------------------------------- a code


def test_a_code_on_the_phone_of_the_teacher_lets_the_pupil_in_once(phone, page, house):
    code = give_code(phone, house)
    ask_for_help(page, house)
    page.get_by_label("De zes cijfers").fill("000000" if code != "000 000" else "111111")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Bijna! Dat klopt niet.")).to_be_visible()
    page.get_by_label("De zes cijfers").fill(code)
    page.keyboard.press("Enter")
    signed_in(page, "Noor")
    with page.expect_navigation():
        page.get_by_role("button", name="Klaar").click()
    ask_for_help(page, house)
    page.get_by_label("De zes cijfers").fill(code)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Bijna! Dat klopt niet.")).to_be_visible()


def test_the_link_of_a_code_opens_once_after_a_button(phone, page, house, noor):
    with house.database.reading() as db:
        teacher = db.execute(select(models.StaffSession.person_id)).scalar_one()
    with house.database.transaction() as db:
        words = {"account_uuid": noor, "now": house.clock.now(), "today": house.clock.today()}
        _, given = helping.give_code(db, house, by=teacher, **words)
    link = given.url.replace("HTTP://LOCALHOST", "http://localhost")
    page.goto(link)
    assert link.rpartition("/")[2] not in page.url, "the token leaves the address at once"
    expect(page.get_by_role("heading", name="Dag Noor!")).to_be_visible()
    page.get_by_role("button", name="Ga verder").click()
    signed_in(page, "Noor")
    with page.expect_navigation():
        page.get_by_role("button", name="Klaar").click()
    page.goto(link)
    expect(page.get_by_text("Deze code werkt niet meer.")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_teacher_and_pupil_do_it_with_the_keyboard_alone(chromium, phone, house, script):
    context = chromium.new_context(java_script_enabled=script, locale="nl-BE")
    context.set_default_timeout(PATIENCE)
    desk, tablet = (
        context.new_page(),
        chromium.new_context(java_script_enabled=script, locale="nl-BE").new_page(),
    )
    context.add_cookies(phone.context.cookies())
    desk.goto(f"{house.settings.issuer}/schoolloket/hulp")
    desk.get_by_label("Naam of gebruikersnaam").press_sequentially("pee")
    desk.keyboard.press("Enter")
    desk.get_by_role("link", name=re.compile("Noor Peeters")).press("Enter")
    desk.get_by_role("button", name="Geef een code").press("Enter")
    code = desk.locator(".big-code").inner_text()
    tablet.goto(f"{house.settings.issuer}/aanmelden")
    tablet.get_by_label("Je gebruikersnaam").press_sequentially("noor.peeters")
    tablet.keyboard.press("Enter")
    tablet.get_by_role("link", name="Vraag hulp").press("Enter")
    tablet.get_by_label("De zes cijfers").press_sequentially(code)
    tablet.keyboard.press("Enter")
    signed_in(tablet, "Noor")
    tablet.context.close()
    context.close()


# ---------------------------------------------------------------- new pictures


def new_pictures(phone: Page, house: Any) -> str:
    """What the teacher reads after the button for new ones."""
    find_noor(phone, house)
    phone.get_by_role("button", name="Nieuwe plaatjes").click()
    phone.get_by_role("button", name="Toon het op het scherm").click()
    secret = str(phone.locator("dd code").last.inner_text())
    assert len(secret.split()) == 4
    expect(phone.locator(".story .picture")).to_have_count(4)
    return secret


def test_new_pictures_are_shown_once_and_the_old_ones_stop(phone, page, house):
    page.goto(f"{house.settings.issuer}/mijn/noor.peeters")
    tap(page, make_login.KAT)
    signed_in(page, "Noor")
    while (secret := new_pictures(phone, house)) == make_login.KAT:
        """Once in 20,736 times the new ones are the old ones."""
    page.reload()
    expect(page.locator("input[name=username]")).to_be_visible()
    page.goto(f"{house.settings.issuer}/mijn/noor.peeters")
    tap(page, make_login.KAT)
    expect(page.get_by_text("Bijna! Dat klopt niet.")).to_be_visible()
    page.goto(f"{house.settings.issuer}/mijn/noor.peeters")
    tap(page, secret)
    signed_in(page, "Noor")
    phone.get_by_role("link", name="Klaar", exact=True).click()
    with phone.expect_navigation():
        phone.get_by_role("link", name=re.compile("Noor Peeters")).click()
    assert secret not in phone.content(), "shown once"


# ---------------------------------------------------------------- a forgotten password


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_forgotten_password_ends_in_a_new_one_by_mail_with_the_keyboard_alone(
    chromium, house, box, elias, script
):
    context = chromium.new_context(java_script_enabled=script, locale="nl-BE")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    issuer = house.settings.issuer
    page.goto(f"{issuer}/mijn/elias.maes")
    type_secret(page, OLD)
    signed_in(page, "Elias")
    page.get_by_role("link", name="Mijn gegevens").press("Enter")
    page.get_by_label("Je e-mailadres").press_sequentially(HERE)
    page.get_by_label("Je wachtwoord van nu").press_sequentially(OLD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Kijk in je mailbox.")).to_be_visible()
    assert not box.mails, "a request sends nothing"
    postman.deliver(house)
    page.goto(issuer + box.link())
    assert "/m/" not in page.url
    page.get_by_role("button", name="Ja, dit is mijn e-mailadres").press("Enter")
    expect(page.get_by_role("heading", name="Je e-mailadres is bewaard")).to_be_visible()

    other = chromium.new_context(java_script_enabled=script, locale="nl-BE").new_page()
    other.set_default_timeout(PATIENCE)
    other.goto(f"{issuer}/mijn/elias.maes")
    other.get_by_role("link", name="Wachtwoord vergeten?").press("Enter")
    other.get_by_role("button", name="Stuur de mail").press("Enter")
    expect(other.get_by_role("heading", name="Kijk in je mailbox")).to_be_visible()
    postman.deliver(house)
    link = issuer + box.link()
    other.goto(link)
    other.get_by_label("Je nieuwe wachtwoord").press_sequentially("kort")
    other.keyboard.press("Enter")
    expect(other.get_by_text("Dit wachtwoord is te kort.")).to_be_visible()
    other.get_by_label("Je nieuwe wachtwoord").press_sequentially(NEW)
    other.keyboard.press("Enter")
    expect(other.get_by_text("Je wachtwoord is veranderd.")).to_be_visible()
    page.goto(f"{issuer}/mijn-gegevens")
    expect(page.locator("input[name=username]")).to_be_visible()
    type_secret(other, NEW)
    signed_in(other, "Elias")
    other.goto(link)
    expect(other.get_by_text("Deze link werkt niet meer.")).to_be_visible()
    postman.deliver(house)
    assert "Je wachtwoord is veranderd" in box.mails[-1]["Subject"]
    other.context.close()
    context.close()


def test_who_has_no_address_reads_the_same_page_and_gets_no_mail(page, house, box, elias, noor):
    said = set()
    for name in ("elias.maes", "noor.peeters", "niemand.nergens"):
        page.goto(f"{house.settings.issuer}/wachtwoord-vergeten")
        say_who(page, name)
        expect(page.get_by_role("heading", name="Kijk in je mailbox")).to_be_visible()
        said.add(page.locator("main").inner_text())
    assert len(said) == 1
    postman.deliver(house)
    assert not box.mails
    with house.database.reading() as db:
        assert recovery.addresses(db, elias) == recovery.Addresses()
