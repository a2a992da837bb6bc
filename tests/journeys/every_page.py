"""Which pages does a pupil ever see? A house that has them all, served on this machine, and the way to each.

`STOPS` names every page with the steps that lead to it, from a browser that nobody used before. Tests and
tools/screenshots.py walk past them; a page is shown as a real answer to a real browser, never as a file.
"""

from __future__ import annotations

import email
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from email import policy
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyotp
from sqlalchemy import create_engine, delete, insert, update
from werkzeug.serving import WSGIRequestHandler, make_server

from idp import apps, audit, clock, config, context, keys, models
from idp.admin.api import api_tokens
from idp.admin.apps import app_files, app_list, registering
from idp.admin.sandbox import sandbox_making
from idp.claims import disclose
from idp.errands import job_book, jobs, patrol_book
from idp.login import (
    browsers,
    cards,
    postman,
    recovery,
    sessions,
    sign_in,
    staff_sessions,
    staff_setup,
    support,
)
from idp.login import help as helping
from idp.models import AccountType, RightKind, SecretKind
from tests import make, make_feeds, make_login, make_mail, make_staff
from tests.make_browser import query

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
WORDS = make_login.KAT
WRONG = "aap appel trein kasteel"
LONG_NAME = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
WOLF = "Wolfeschlegelsteinhausenbergerdorff"
REASONS = {
    "ov_klassen": "Om je oefeningen van je eigen klas te tonen",
    "given_name": "Om je bij je naam te noemen",
    "ov_account_uuid": "Om je werk te bewaren",
}


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A house that is served, and who lives there (account_uuid by user name)."""

    house: context.House
    issuer: str
    pupils: dict[str, str]
    apps: dict[str, Any]
    staff: make_staff.Staff

    # ------------------------------------------------------------ steps that pages share

    def mailed(self) -> str:
        """Send what is due; the link in the mail that went out, which a demo keeps in a folder."""
        before = {*self.house.settings.mail_folder.glob("*.eml")}
        postman.deliver(self.house)
        (file,) = {*self.house.settings.mail_folder.glob("*.eml")} - before
        mail = email.message_from_bytes(file.read_bytes(), policy=policy.default)
        return self.issuer + make_mail.path(mail)

    def keep_address(self, username: str, address: str = "yasmine@mail.example") -> None:
        """This pupil has a confirmed address."""
        uuid, now = self.pupils[username], self.house.clock.now()
        with self.house.database.transaction() as db:
            db.execute(delete(models.AccountEmail).where(models.AccountEmail.account_uuid == uuid))
            row = {"account_uuid": uuid, "address": address, "confirmed_at": now}
            db.execute(insert(models.AccountEmail), row)

    def ask_to_confirm(self, username: str, address: str = "nieuw.adres@mail.example") -> None:
        uuid = self.pupils[username]
        assert recovery.ask_to_confirm(self.house, account_uuid=uuid, address=address, language="nl")

    def sign_in(self, page: Any, username: str, **given: Any) -> str:
        """This browser has a session of this pupil; returns the sid."""
        words = {"amr": ("pictures",), "acr": f"{sessions.ACR}basic", "must_change": False, "shared": False}
        now = self.house.clock.now()
        with self.house.database.transaction() as db:
            started = sessions.start(
                db, self.house, account_uuid=self.pupils[username], now=now, **(words | given)
            )
        self.cookie(page, sessions.COOKIE, started.cookie)
        return started.sid

    def sign_in_staff(self, page: Any, person_id: str = "") -> None:
        with self.house.database.transaction() as db:
            started = staff_sessions.start(
                db,
                self.house,
                person_id=person_id or self.staff.person_id,
                amr=("pwd", "otp"),
                device="Firefox · Linux",
                now=self.house.clock.now(),
            )
        self.cookie(page, staff_sessions.COOKIE, started.cookie)

    def cookie(self, page: Any, word: str, value: str) -> None:
        name = f"idp-{self.issuer.rpartition(':')[2]}-{word}"
        page.context.add_cookies([{"name": name, "value": value, "url": self.issuer}])

    def card(self, username: str) -> cards.NewCard:
        """A new card of this pupil, for its token."""
        with self.house.database.transaction() as db:
            return cards.issue(
                db,
                account_uuid=self.pupils[username],
                label="school",
                now=self.house.clock.now(),
                days=100,
                instellingsnummer=None,
            )

    def ask(self, app: str, **changes: Any) -> str:
        """Where an app sends a browser."""
        return f"{self.issuer}/authorize?{query(self.apps[app], **changes)}"

    def wrong(self, times: int, **given: Any) -> None:
        """So many different mistakes, without the pages."""
        words = [f"{a} {b} trein kasteel" for a in _ANIMALS for b in _FOOD if (a, b) != ("kat", "appel")]
        for word in words[:times]:
            sign_in.prove(self.house, make_login.attempt(**({"secret": word} | given)))


_ANIMALS = ("aap", "beer", "eend", "hond", "kat", "leeuw", "muis", "olifant", "paard", "slak", "uil", "vis")
_FOOD = ("appel", "banaan", "druif", "friet", "ijsje", "kaas", "lolly", "maïs", "peer", "rijst", "taart")


@contextmanager
def place(folder: Path, **settings: Any) -> Iterator[Place]:
    """Everybody and everything that the pages need, served by this process until the block ends."""
    keys.create(folder / "keys")
    url = f"sqlite:///{folder / 'idp.sqlite'}"
    engine = create_engine(url)
    models.Base.metadata.create_all(engine)
    engine.dispose()
    made: list[Any] = []
    server = make_server(
        "localhost",
        0,
        lambda environ, start: made[0](environ, start),  # noqa: PLW0108 - it is made a moment later
        threaded=True,
        request_handler=_Quiet,
    )
    issuer = f"http://localhost:{server.server_port}"
    given = {"argon2_memory_kib": 8192, "argon2_time": 1, "hash_wait_seconds": 1, "hash_slots": 1}
    given |= {"mails_per_account_hour": 1000} | settings
    read = config.read(
        {}, data=folder, database_url=url, keys=folder / "keys", issuer=issuer, demo=True, **given
    )
    house = context.open_house(read, clock=clock.Stopped(MONDAY))
    from idp.app import create_app

    with audit.circumstances(audit.Circumstances(now=MONDAY, actor="system", source="test")):
        with house.database.transaction() as db:
            db.execute(insert(models.RegistryVersion), {"id": 1, "version": 1})
        there = _settle(house, issuer)
        made.append(create_app(house).wsgi_app)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield there
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            house.database.close()


def _settle(house: context.House, issuer: str) -> Place:
    hashed = {
        text: house.hasher.hash(text) for text in (WORDS, "zeilboot7", "vier blauwe paarden", "tijdelijk7")
    }
    people = {
        "noor.peeters": ("Noor", "Peeters", WORDS, SecretKind.PICTURE),
        "wolf.keihanai": (WOLF, "Keihanaikukauakahihuliheekahaunaele", WORDS, SecretKind.PICTURE),
        "seppe.duinen": ("Seppe", "Duinen", "zeilboot7", SecretKind.BASIC),
        "yasmine.elbahri": ("Yasmine", "El Bahri", "vier blauwe paarden", SecretKind.OWN),
        "jean.debranding": ("Jean", "De Branding", "tijdelijk7", SecretKind.TEMPORARY),
        "nul.apps": ("Nina", "Niets", "zeilboot7", SecretKind.BASIC),
        "een.app": ("Eva", "Een", "zeilboot7", SecretKind.BASIC),
        "veel.apps": ("Vic", "Veel", "zeilboot7", SecretKind.BASIC),
        "alle.apps": ("Alle", "Apps", "zeilboot7", SecretKind.BASIC),
        "mila.nodig": ("Mila", "Nodig", WORDS, SecretKind.PICTURE),
        "tom.nodig": ("Tom", "Nodig", "tijdelijk7", SecretKind.TEMPORARY),
        "elis.meeuw": ("Elis", "Meeuw", "zeilboot7", SecretKind.BASIC),
    }
    pupils = {}
    with house.database.transaction() as db:
        school = make.school(db, naam="Basisschool De Wijzer")
        other = make.school(db, naam="Gemeentelijk Technisch Atheneum Sint-Katelijne-Waver")
        closed = make.school(db, naam="De Grendel")
        make.agreement(db, school)
        for username, (voornaam, naam, secret, kind) in people.items():
            who = make.pupil(db)
            older = kind in {SecretKind.OWN, SecretKind.TEMPORARY}
            year = {"hoofdstructuur": "311", "leerjaar": "4"} if older else {}
            where = {"nul.apps": other, "een.app": closed}.get(username, school)
            make.enrolment(db, who, where, voornaam=voornaam, naam=naam, **year)
            stored = hashed[secret]
            make.account(
                db,
                who,
                username,
                secret_kind=kind,
                type=AccountType.ADVANCED if older else AccountType.BASIC,
                secret_expires_at=MONDAY - timedelta(days=1) if kind is SecretKind.TEMPORARY else None,
                secret_hash=stored.hash,
                pepper_id=stored.pepper_id,
            )
            pupils[username] = who
        make.enrolment(db, pupils["elis.meeuw"], other, voornaam="Elis", naam="Meeuw")
        make.membership(db, make.klas(db, school, "2A"), pupils["noor.peeters"])
        apps = {
            "rekenbuur": make.app(
                db,
                "rekenbuur",
                purpose="Rekenen op jouw niveau",
                reasons=REASONS,
                policy_uri="https://rekenbuur.example/privacy",
                tos_uri="https://rekenbuur.example/voorwaarden",
                client_uri="https://rekenbuur.example/",
            ),
            "leesland": make.app(db, "leesland", client_name="Leesland", scope="openid ov_leerling"),
            "lang": make.app(
                db, "lang", client_name=LONG_NAME, client_uri="https://lang.example/", purpose=LONG_NAME
            ),
            "nergens": make.app(db, "nergens", client_name="Nergens"),
        }
        make.rule(db, "rekenbuur", school)
        make.rule(db, "rekenbuur", other, kind=models.RuleKind.PUPIL, target=pupils["elis.meeuw"])
        make.rule(db, "rekenbuur", closed)
        make.rule(db, "leesland", school)
        make.rule(db, "lang", school, kind=models.RuleKind.PUPIL, target=pupils["wolf.keihanai"])
        make.rule(db, "lang", school, kind=models.RuleKind.PUPIL, target=pupils["noor.peeters"])
        for number in range(298):
            name = f"{_FOOD[number % 11].capitalize()} {number + 1}"
            one = make.app(
                db, f"veel-{number}", client_name=name, client_uri=f"https://veel-{number}.example/"
            )
            for who in ("alle.apps", "veel.apps") if number < 27 else ("alle.apps",):
                make.rule(db, one.client_id, school, kind=models.RuleKind.PUPIL, target=pupils[who])
    staff = make_staff.staff(house, RightKind.BEHEERDER, RightKind.DATABEHEERDER, school=school)
    return Place(house=house, issuer=issuer, pupils=pupils, apps=apps, staff=staff)


# ---------------------------------------------------------------- the way to every page

Way = Callable[[Any, Place], None]
STOPS: dict[str, Way] = {}


def stop(name: str) -> Callable[[Way], Way]:
    def keep(way: Way) -> Way:
        STOPS[name] = way
        return way

    return keep


def _goes(name: str, path: str) -> None:
    STOPS[name] = lambda page, there: page.goto(there.issuer + path)


def _signed_in(name: str, username: str, path: str, **given: Any) -> None:
    def way(page: Any, there: Place) -> None:
        there.sign_in(page, username, **given)
        page.goto(there.issuer + path)

    STOPS[name] = way


def say_who(page: Any, username: str) -> None:
    page.locator("#username").fill(username)
    with page.expect_navigation():
        page.locator("#username").press("Enter")


def follow(page: Any, link: Any) -> None:
    """Click it; the page behind it is there when this returns."""
    with page.expect_navigation():
        link.click()


def type_words(page: Any, words: str) -> None:
    if page.locator("summary").count() and not page.locator("details[open]").count():
        page.locator("summary").first.click()
    page.locator("input[name=password]").fill(words)
    with page.expect_navigation():
        page.locator("input[name=password]").press("Enter")


_goes("who", "/aanmelden")
_goes("who-card-unknown", "/aanmelden?bericht=kaart")
_goes("who-help-unknown", "/aanmelden?bericht=hulp")
_goes("who-signed-out", "/aanmelden?bericht=klaar")


@stop("who-for-an-app")
def _(page, there):
    page.goto(there.ask("rekenbuur"))


@stop("who-for-a-long-app")
def _(page, there):
    page.goto(there.ask("lang"))


@stop("who-name-impossible")
def _(page, there):
    page.goto(f"{there.issuer}/aanmelden")
    say_who(page, "!!!")


@stop("who-told-more")
def _(page, there):
    page.goto(f"{there.issuer}/aanmelden")
    page.locator("summary").click()


@stop("pictures")
def _(page, there):
    page.goto(there.ask("rekenbuur"))
    say_who(page, "noor.peeters")


@stop("pictures-second-screen")
def _(page, there):
    STOPS["pictures"](page, there)
    page.locator("label.picture-tile").nth(4).click()
    page.wait_for_selector(".screen.now:nth-of-type(2)")


_goes("pictures-personal-url", "/mijn/noor.peeters")


@stop("pictures-with-a-card")
def _(page, there):
    page.goto(f"{there.issuer}/k/{there.card('wolf.keihanai').token}")


@stop("pictures-typing")
def _(page, there):
    STOPS["pictures-personal-url"](page, there)
    page.locator("summary").first.click()


@stop("pictures-wrong")
def _(page, there):
    STOPS["pictures-personal-url"](page, there)
    type_words(page, WRONG)


@stop("pictures-wrong-tapped")
def _(page, there):
    STOPS["pictures-personal-url"](page, there)
    for number in range(1, 5):
        page.locator(f".screen.now:nth-of-type({number}) label.picture-tile").first.click()
        page.wait_for_timeout(320)
    page.wait_for_selector(".notice")


_goes("password", "/mijn/seppe.duinen")


@stop("password-shown")
def _(page, there):
    STOPS["password"](page, there)
    page.locator("input[name=password]").fill("zeilboot7")
    page.locator(".in-field").click()


@stop("card-alone")
def _(page, there):
    uuid, house = there.pupils["wolf.keihanai"], there.house
    words = {"account_uuid": uuid, "instellingsnummer": there.staff.school, "now": house.clock.now()}
    with house.database.transaction() as db:
        support.allow_card_alone(db, by=there.staff.person_id, anywhere=True, **words)
        key = cards.issue(db, label="sleutel", days=100, **words)
    page.goto(f"{there.issuer}/k/{key.token}")


@stop("password-with-a-card")
def _(page, there):
    page.goto(f"{there.issuer}/k/{there.card('seppe.duinen').token}")


@stop("password-wrong")
def _(page, there):
    STOPS["password"](page, there)
    type_words(page, "motorboot")


@stop("busy")
def _(page, there):
    STOPS["password"](page, there)
    places = there.house.hasher._gate._places
    taken = sum(iter(lambda: places.take(0), False))
    try:
        type_words(page, "zeilboot7")
    finally:
        for _ in range(taken):
            places.give_back()


@stop("wait-soon")
def _(page, there):
    browser = make_login.known_browser(there.pupils["yasmine.elbahri"], there.house)
    there.wrong(5, username="yasmine.elbahri", browser=browser)
    there.cookie(page, browsers.COOKIE, browsers.cookie(there.house.keys, browser, there.house.clock.now()))
    page.goto(f"{there.issuer}/mijn/yasmine.elbahri")
    type_words(page, "wat dan ook")


@stop("wait-later")
def _(page, there):
    there.wrong(10, username="veel.apps")
    page.goto(f"{there.issuer}/mijn/veel.apps")
    type_words(page, "wat dan ook")


@stop("wait-card-rests")
def _(page, there):
    token = there.card("wolf.keihanai").token
    with there.house.database.reading() as db:
        held = cards.find(db, token, there.house.clock.now())
    for number in range(8):
        browser = replace(make_login.BROWSER, id=f"b{number}")
        words = {"username": "wolf.keihanai", "card": held, "browser": browser}
        for one in _ANIMALS[:4]:
            tried = make_login.attempt(secret=f"{one} {_FOOD[number]} boot tent", **words)
            sign_in.prove(there.house, tried)
    page.goto(f"{there.issuer}/k/{token}")
    type_words(page, WRONG)


@stop("wait-help")
def _(page, there):
    uuid = there.pupils["alle.apps"]
    for number in range(26):
        browser = make_login.known_browser(uuid, there.house)
        for one in range(4):
            tried = make_login.attempt(username="alle.apps", secret=f"mis-{number}-{one}", browser=browser)
            sign_in.prove(there.house, tried)
    page.goto(f"{there.issuer}/mijn/alle.apps")
    type_words(page, "wat dan ook")


_signed_in("new-password-forced", "yasmine.elbahri", "/nieuw-wachtwoord", must_change=True)
_signed_in("new-password", "yasmine.elbahri", "/nieuw-wachtwoord")


@stop("new-password-refused")
def _(page, there):
    STOPS["new-password"](page, there)
    page.locator("#current").fill("vier blauwe paarden")
    page.locator("#password").fill("kort")
    with page.expect_navigation():
        page.locator("#password").press("Enter")


@stop("help")
def _(page, there):
    STOPS["password"](page, there)
    follow(page, page.locator("a[href*='/hulp']"))


@stop("help-wrong")
def _(page, there):
    STOPS["help"](page, there)
    page.locator("#code").fill("000000")
    with page.expect_navigation():
        page.locator("#code").press("Enter")


@stop("help-link")
def _(page, there):
    house, noor = there.house, there.pupils["noor.peeters"]
    with house.database.transaction() as db:
        given = helping.give(
            db,
            house,
            account_uuid=noor,
            instellingsnummer=there.staff.school,
            by=there.staff.person_id,
            now=house.clock.now(),
        )
    page.goto(given.url.replace("HTTP://LOCALHOST", "http://localhost"))


@stop("password-forgotten-maybe")
def _(page, there):
    page.goto(f"{there.issuer}/mijn/yasmine.elbahri")


@stop("forgot-known")
def _(page, there):
    STOPS["password-forgotten-maybe"](page, there)
    follow(page, page.locator("a[href*='/wachtwoord-vergeten']"))


_goes("forgot", "/wachtwoord-vergeten")


@stop("forgot-name-impossible")
def _(page, there):
    STOPS["forgot"](page, there)
    say_who(page, "!!!")


@stop("forgot-sent")
def _(page, there):
    STOPS["forgot"](page, there)
    say_who(page, "yasmine.elbahri")
    postman.deliver(there.house)


_signed_in("my-details-basic", "noor.peeters", "/mijn-gegevens")


@stop("my-details")
def _(page, there):
    with there.house.database.transaction() as db:
        db.execute(delete(models.AccountEmail))
    there.sign_in(page, "yasmine.elbahri")
    page.goto(f"{there.issuer}/mijn-gegevens")


@stop("my-details-address")
def _(page, there):
    there.keep_address("yasmine.elbahri", f"{'lang' * 12}@{'adres' * 8}.example")
    there.sign_in(page, "yasmine.elbahri")
    page.goto(f"{there.issuer}/mijn-gegevens")


@stop("my-details-to-confirm")
def _(page, there):
    there.keep_address("yasmine.elbahri")
    there.ask_to_confirm("yasmine.elbahri")
    there.sign_in(page, "yasmine.elbahri")
    page.goto(f"{there.issuer}/mijn-gegevens")
    there.mailed()


@stop("my-details-unclear")
def _(page, there):
    STOPS["my-details"](page, there)
    page.locator("#email").fill("yasmine@mail")
    page.locator("#current").fill("vier blauwe paarden")
    with page.expect_navigation():
        page.locator("#current").press("Enter")


@stop("confirm-mail")
def _(page, there):
    there.ask_to_confirm("yasmine.elbahri")
    page.goto(there.mailed())


@stop("confirmed-mail")
def _(page, there):
    STOPS["confirm-mail"](page, there)
    with page.expect_navigation():
        page.locator("main form .button").click()
    postman.deliver(there.house)


@stop("choose-password")
def _(page, there):
    there.keep_address("yasmine.elbahri")
    recovery.ask_to_reset(there.house, username="yasmine.elbahri", address="192.0.2.7", language="nl")
    page.goto(there.mailed())


@stop("choose-password-refused")
def _(page, there):
    STOPS["choose-password"](page, there)
    page.locator("#password").fill("kort")
    with page.expect_navigation():
        page.locator("#password").press("Enter")


@stop("password-chosen")
def _(page, there):
    STOPS["choose-password"](page, there)
    page.locator("#password").fill("vier blauwe paarden")
    with page.expect_navigation():
        page.locator("#password").press("Enter")
    postman.deliver(there.house)


_goes("link-gone", "/m/lsm_nooit")
_signed_in("my-apps", "noor.peeters", "/mijn-apps")
_signed_in("my-apps-shared", "noor.peeters", "/mijn-apps", shared=True)
_signed_in("my-apps-none", "nul.apps", "/mijn-apps")
_signed_in("my-apps-one", "een.app", "/mijn-apps")
_signed_in("my-apps-29", "veel.apps", "/mijn-apps")
_signed_in("my-apps-300", "alle.apps", "/mijn-apps")
_signed_in("my-apps-long-name", "wolf.keihanai", "/mijn-apps")
_signed_in("app-sees", "noor.peeters", "/mijn-apps/rekenbuur")
_signed_in("app-sees-little", "noor.peeters", "/mijn-apps/leesland")
_signed_in("app-sees-not-shared", "een.app", "/mijn-apps/rekenbuur")
_signed_in("app-sees-secondary", "yasmine.elbahri", "/mijn-apps/rekenbuur")
_signed_in("app-sees-long-name", "wolf.keihanai", "/mijn-apps/lang")
_signed_in("where-signed-in", "noor.peeters", "/mijn-aanmeldingen")
_signed_in("sign-out", "noor.peeters", "/afmelden")
_signed_in("sign-out-long-name", "wolf.keihanai", "/afmelden")
_signed_in("sign-out-of-an-app", "noor.peeters", "/end_session")


@stop("signed-out")
def _(page, there):
    STOPS["sign-out"](page, there)
    with page.expect_navigation():
        page.locator("button[value=ja]").click()


@stop("signed-out-of-an-app")
def _(page, there):
    STOPS["sign-out-of-an-app"](page, there)
    with page.expect_navigation():
        page.locator("button[value=ja]").click()


@stop("is-it-you")
def _(page, there):
    there.sign_in(page, "wolf.keihanai", shared=True)
    page.goto(there.ask("rekenbuur"))


@stop("pick-school")
def _(page, there):
    there.sign_in(page, "elis.meeuw")
    page.goto(there.ask("rekenbuur"))


@stop("not-visible")
def _(page, there):
    there.sign_in(page, "noor.peeters")
    page.goto(there.ask("nergens"))


@stop("show-release")
def _(page, there):
    there.sign_in(page, "noor.peeters")
    page.goto(there.ask("rekenbuur", prompt="consent"))


@stop("form-post")
def _(page, there):
    there.sign_in(page, "noor.peeters")
    # An app that has nothing to show leaves the person where they are.
    page.route("https://leesland.example/**", lambda route: route.fulfill(status=204))
    page.goto(there.ask("leesland", response_mode="form_post"), wait_until="commit")
    page.locator("main .button").wait_for()


_goes("refused-unknown-app", "/authorize?client_id=onbekend&redirect_uri=https%3A%2F%2Fx.example")
_goes("refused-no-such-page", "/" + quote("er-is-hier-niets"))


@stop("refused-expired-page")
def _(page, there):
    page.goto(f"{there.issuer}/aanmelden")
    page.context.clear_cookies()
    say_who(page, "noor.peeters")


@stop("refused-expired-password")
def _(page, there):
    page.goto(f"{there.issuer}/mijn/jean.debranding")
    type_words(page, "tijdelijk7")


_goes("device", "/toestel")
_goes("out-of-order", "/static/stuk.html")
_goes("staff-sign-in", "/personeel/aanmelden")
_goes("staff-refused-outside", "/beheer/er-is-hier-niets")


def _desk(name: str, path: str) -> None:
    def way(page: Any, there: Place) -> None:
        there.sign_in_staff(page)
        page.goto(there.issuer + path)

    STOPS[name] = way


_desk("staff-overview", "/schoolloket")
_desk("staff-devices", "/schoolloket/toestellen")


_desk("staff-help", "/schoolloket/hulp")
_desk("staff-help-gone", "/schoolloket/hulp?zoek=zzz")


@stop("staff-help-nobody")
def _(page, there):
    STOPS["staff-help"](page, there)
    page.locator("#zoek").fill("zzz")
    with page.expect_navigation():
        page.locator("#zoek").press("Enter")


def _helps(name: str, username: str, *buttons: str) -> None:
    """The page of this pupil, and these buttons one after the other."""

    def way(page: Any, there: Place) -> None:
        there.sign_in_staff(page)
        page.goto(f"{there.issuer}/schoolloket/hulp/{there.pupils[username]}")
        for button in buttons:
            with page.expect_navigation():
                page.get_by_role("button", name=button).click()

    STOPS[name] = way


_helps("staff-help-pupil", "mila.nodig")
_helps("staff-help-older-pupil", "tom.nodig")
_helps("staff-help-code", "mila.nodig", "Geef een code")
_helps("staff-help-sure", "mila.nodig", "Nieuwe plaatjes")
_helps("staff-help-pictures", "mila.nodig", "Nieuwe plaatjes", "Toon het op het scherm")
_helps("staff-help-password", "tom.nodig", "Nieuw wachtwoord", "Toon het op het scherm")
_desk("staff-prove", "/personeel/bevestigen?next=%2Fschoolloket%2Fhulp")


# ---------------------------------------------------------------- staff: the list, papers, the trail

_LIST = "/schoolloket/leerid-beheer"
_desk("staff-list", _LIST)
_desk("staff-list-nobody", f"{_LIST}?staat=geblokkeerd")


def _papers(name: str, *steps: str) -> None:
    """Three pupils chosen to get new passwords, and these steps."""

    def way(page: Any, there: Place) -> None:
        STOPS["staff-list"](page, there)
        for row in page.locator("[data-row]").all()[:3]:
            row.check()
        for step in ("vernieuw", *steps):
            with page.expect_navigation():
                page.locator(f"button[name=doe][value={step}]").last.click()

    STOPS[name] = way


_papers("staff-papers-proposal")
_papers("staff-papers-check", "controle")
_papers("staff-papers-done", "controle", "klaar")


def _underway(name: str, minutes: int) -> None:
    def way(page: Any, there: Place) -> None:
        STOPS["staff-papers-check"](page, there)
        values = {"working_until": there.house.clock.now() + timedelta(minutes=minutes), "hashed": 1}
        with there.house.database.transaction() as db:
            db.execute(update(models.Paperwork).where(models.Paperwork.done_at.is_(None)).values(values))
        page.reload()

    STOPS[name] = way


_underway("staff-papers-underway", 10)
_underway("staff-papers-interrupted", -10)


@stop("staff-trail")
def _(page, there):
    STOPS["staff-papers-done"](page, there)
    page.goto(f"{there.issuer}/schoolloket/logboek")


_desk("staff-trail-nothing", "/schoolloket/logboek?tot=2020-01-01")


# ---------------------------------------------------------------- staff: signing in, rights, own data

_goes("staff-sign-in-unknown", "/personeel/aanmelden?bericht=staff_unknown")


@stop("staff-sign-in-wrong")
def _(page, there):
    page.goto(f"{there.issuer}/personeel/aanmelden")
    _staff_password(page, "wie.ook", "niet het juiste wachtwoord")


@stop("staff-code")
def _(page, there):
    page.goto(f"{there.issuer}/personeel/aanmelden")
    _staff_password(page, there.staff.person_id, there.staff.password)


@stop("staff-code-wrong")
def _(page, there):
    STOPS["staff-code"](page, there)
    page.locator("#code").fill("12")
    with page.expect_navigation():
        page.locator("#code").press("Enter")


def _staff_password(page: Any, name: str, password: str) -> None:
    page.locator("#name").fill(name)
    page.locator("input[name=password]").fill(password)
    with page.expect_navigation():
        page.locator("input[name=password]").press("Enter")


def _colleague(there: Place, **columns: Any) -> str:
    """A new teacher of this school who cannot sign in yet."""
    with there.house.database.transaction() as db:
        person = make.person(db, **columns)
        make.right(db, person, there.staff.school, kind=RightKind.TEACHER)
    return person


@stop("staff-set-up")
def _(page, there):
    person = _colleague(there, voornaam="Fien", e_mail="fien.haven@school.example")
    with there.house.database.transaction() as db:
        settings, now = there.house.settings, there.house.clock.now()
        link = staff_setup.invite(db, settings, person_id=person, by="operator:cli", now=now)
    page.goto(link)


@stop("staff-set-up-wrong")
def _(page, there):
    STOPS["staff-set-up"](page, there)
    type_staff_password(page, "te kort")


@stop("staff-set-up-app")
def _(page, there):
    STOPS["staff-set-up"](page, there)
    type_staff_password(page, "vier lange woorden samen")


@stop("staff-recovery-codes")
def _(page, there):
    STOPS["staff-set-up-app"](page, there)
    page.locator("summary").click()
    secret = page.locator("details code").inner_text().replace(" ", "")
    page.locator("#code").fill(pyotp.TOTP(secret).at(there.house.clock.now()))
    with page.expect_navigation():
        page.locator("#code").press("Enter")


def type_staff_password(page: Any, words: str) -> None:
    page.locator("input[name=password]").fill(words)
    with page.expect_navigation():
        page.locator("input[name=password]").press("Enter")


_goes("staff-invitation-unknown", "/personeel/uitnodiging/lsi_bestaat-niet")


@stop("staff-people")
def _(page, there):
    _colleague(there, voornaam="Bo", naam=WOLF, e_mail="bo.wolfeschlegelstein@eenheellangeschoolnaam.example")
    there.sign_in_staff(page)
    page.goto(f"{there.issuer}/schoolloket/personen")


@stop("staff-people-stop")
def _(page, there):
    STOPS["staff-people"](page, there)
    page.locator("td.acts summary").first.click()


@stop("staff-people-wrong")
def _(page, there):
    STOPS["staff-people"](page, there)
    for name, words in (("voornaam", "Cem"), ("naam", "Boei"), ("e_mail", "cem@school")):
        page.locator(f"#{name}").fill(words)
    page.locator("input[value=leerkracht]").check()
    with page.expect_navigation():
        page.get_by_role("button", name="Geef het recht").click()


@stop("staff-pupils-of-a-teacher")
def _(page, there):
    teacher = _colleague(there, voornaam="Ida", naam=WOLF)
    there.sign_in_staff(page)
    page.goto(f"{there.issuer}/schoolloket/personen/leerkracht/{teacher}")
    page.locator("#woorden").fill("mila")
    with page.expect_navigation():
        page.locator("#woorden").press("Enter")


@stop("staff-invitation")
def _(page, there):
    STOPS["staff-people"](page, there)
    with page.expect_navigation():
        page.get_by_role("button", name="Nodig uit").first.click()


@stop("staff-pupil")
def _(page, there):
    there.card("wolf.keihanai")
    there.sign_in_staff(page)
    page.goto(f"{there.issuer}/schoolloket/leerid-beheer/leerling/{there.pupils['wolf.keihanai']}")
    for summary in page.locator("main section summary").all():
        summary.click()


@stop("staff-pupil-card-alone")
def _(page, there):
    uuid, now = there.pupils["elis.meeuw"], there.house.clock.now()
    with there.house.database.transaction() as db:
        mine = {"account_uuid": uuid, "instellingsnummer": there.staff.school}
        support.allow_card_alone(db, by=there.staff.person_id, anywhere=False, now=now, **mine)
    there.card("elis.meeuw")
    there.sign_in_staff(page)
    page.goto(f"{there.issuer}/schoolloket/leerid-beheer/leerling/{uuid}")
    page.locator(".lines summary").click()


@stop("staff-new-school-year")
def _(page, there):
    """At a school of its own, where everything happens when the year turns."""
    house, last = there.house, {"begindatum": date(2025, 9, 1), "einddatum": date(2026, 8, 31)}
    with house.database.transaction() as db:
        school, other = make.school(db, naam=LONG_NAME), make.school(db)
        for naam, before, after, account in (
            ("Nieuw", None, {}, False),
            (WOLF, None, {"administratieve_groep": LONG_NAME, "administratieve_groep_code": "Z"}, False),
            ("Komt", None, {}, True),
            ("Groot", {}, {"hoofdstructuur": "311"}, True),
            (
                "Hoger",
                {"administratieve_groep": "tweede leerjaar", "administratieve_groep_code": "L2"},
                {},
                True,
            ),
            ("Weg", {}, None, True),
        ):
            who = make.pupil(db)
            for words in (None if before is None else last | before, after):
                if words is not None:
                    make.enrolment(db, who, school, **({"naam": naam, "voornaam": "An"} | words))
            if account:
                make.account(db, who)
        make.enrolment(db, who, other)
    there.sign_in_staff(page, make_staff.staff(house, RightKind.BEHEERDER, school=school).person_id)
    page.goto(f"{there.issuer}/schoolloket/nieuw-schooljaar")
    page.locator("section details summary").first.click()


_desk("staff-my-data", "/personeel/mijn-gegevens")
_desk("staff-my-password", "/personeel/mijn-gegevens/wachtwoord")
_desk("staff-my-app", "/personeel/mijn-gegevens/app")
_desk("staff-my-passkey", "/personeel/mijn-gegevens/passkey")


@stop("staff-operator")
def _(page, there):
    there.sign_in_staff(page, make_staff.staff(there.house, RightKind.OPERATOR).person_id)
    page.goto(f"{there.issuer}/beheer")


def _operator(name: str, path: str) -> None:
    def way(page: Any, there: Place) -> None:
        there.sign_in_staff(page, make_staff.staff(there.house, RightKind.OPERATOR).person_id)
        page.goto(there.issuer + path)

    STOPS[name] = way


_operator("operator-apps", "/beheer/apps")
_operator("operator-app", "/beheer/apps/rekenbuur")
_operator("operator-app-form", "/beheer/apps/rekenbuur/wijzig")
_operator("operator-app-history", "/beheer/apps/rekenbuur/geschiedenis")
_operator("operator-app-refusals", "/beheer/apps/rekenbuur/geweigerd")
_operator("operator-changes", "/beheer/wijzigingen")
_operator("operator-system", "/beheer/systeem")
_operator("operator-waiting", "/beheer/wachten")
_operator("operator-refused-nowhere", f"/beheer/apps/{LONG_NAME}")
_operator("operator-audit", "/beheer/audit")
_operator("operator-schools", "/beheer/scholen")
_operator("operator-packages", "/beheer/pakketten")
_operator("operator-protocol", "/beheer/protocol")
_operator("operator-rights", "/beheer/rechten")
_operator("operator-files", "/beheer/bestand")


@stop("operator-tokens")
def _(page, there):
    now, by = there.house.clock.now(), "person:mira"
    words = {"label": LONG_NAME, "until": there.house.clock.today() + timedelta(days=60), "now": now}
    with there.house.database.transaction() as db:
        api_tokens.issue(db, scopes=frozenset({"apps.read"}), **words)
        registering.issue(db, scope="openid", uses=3, pkce_exempt_until=None, by=by, **words)
    there.sign_in_staff(page, make_staff.staff(there.house, RightKind.OPERATOR).person_id)
    page.goto(f"{there.issuer}/beheer/tokens")
    for ask in page.locator(".lines summary").all():
        ask.click()


@stop("operator-rights-stop")
def _(page, there):
    STOPS["operator-rights"](page, there)
    for ask in page.locator("td.acts summary").all():
        ask.click()


@stop("operator-tokens-kept")
def _(page, there):
    STOPS["operator-tokens"](page, there)
    with there.house.database.transaction() as db:
        db.execute(update(models.StaffSession).values(proven_at=there.house.clock.now() - timedelta(hours=1)))
    page.locator("#label-app").fill(LONG_NAME)
    page.locator("#tot-app").fill("2027-01-31")
    with page.expect_navigation():
        page.locator("button[value=app]").click()


_operator("operator-health", "/beheer/gezondheid")
_operator("operator-holds-none", "/beheer/leveringen")


@stop("operator-holds")
def _(page, there):
    make_feeds.held_enrolments(there.house, naam=LONG_NAME, group=LONG_NAME)
    make_feeds.held_delivery(there.house, naam=LONG_NAME, pupil=WOLF)
    there.sign_in_staff(page, make_staff.staff(there.house, RightKind.OPERATOR).person_id)
    page.goto(f"{there.issuer}/beheer/leveringen")


@stop("operator-hold")
def _(page, there):
    STOPS["operator-holds"](page, there)
    follow(page, page.locator("main a.primary").first)


def _brings(page: Any, there: Place, text: str) -> None:
    _as_operator(page, there, "/beheer/bestand")
    page.locator("#tekst").fill(text)
    with page.expect_navigation():
        page.get_by_role("button", name="Bekijk het verschil").click()


def _as_operator(page: Any, there: Place, path: str) -> None:
    there.sign_in_staff(page, make_staff.staff(there.house, RightKind.OPERATOR).person_id)
    page.goto(there.issuer + path)


@stop("operator-file-wrong")
def _(page, there):
    _brings(page, there, f"{LONG_NAME}:\n  onbekend_veld: 1\n")


@stop("operator-file-check")
def _(page, there):
    _brings(page, there, _file(there))
    page.get_by_role("button", name="Bewaar").wait_for()


@stop("operator-file-done")
def _(page, there):
    _brings(page, there, _file(there))
    with page.expect_navigation():
        page.get_by_role("button", name="Bewaar").click()


def _file(there: Place) -> str:
    """Every registration, one of them with another name, and one that is new and gets a secret."""
    with there.house.database.reading() as db:
        documents = app_list.export(db)
    changed = [one | {"client_name": f"{one['client_name']} {WOLF}"[:100]} for one in documents[:1]]
    new = documents[0] | {"client_id": f"nieuw-{WOLF.lower()}-{WOLF.lower()}", "client_name": LONG_NAME}
    return app_files.write_yaml([*changed, new])


@stop("operator-app-check")
def _(page, there):
    _as_operator(page, there, "/beheer/apps/rekenbuur/wijzig")
    page.locator("#f-client_name").fill(LONG_NAME)
    with page.expect_navigation():
        page.get_by_role("button", name="Bekijk het verschil").click()


@stop("operator-new-app-wrong")
def _(page, there):
    _as_operator(page, there, "/beheer/nieuwe-app")
    page.locator("#f-client_id").fill("nieuw")
    with page.expect_navigation():
        page.get_by_role("button", name="Bekijk het verschil").click()


@stop("operator-protocol-check")
def _(page, there):
    _as_operator(page, there, "/beheer/protocol")
    page.locator("#versie").fill("2027-01")
    page.locator("#tekst").fill(f"# Protocol\n\n{LONG_NAME} en wie meeleest.\n\n- een\n- twee\n")
    with page.expect_navigation():
        page.get_by_role("button", name="Bekijk hoe scholen het lezen").click()


@stop("operator-protocol-text")
def _(page, there):
    _as_operator(page, there, "/beheer/protocol")
    follow(page, page.locator("main td a").first)


@stop("operator-system-touched")
def _(page, there):
    """Somebody edited rows, and the night found them; of one an operator knows."""
    house = there.house
    jobs.announce(house)
    trouble = patrol_book.Trouble(trail="audit_event", seal=12, what="edited", rows=(3, 7), count=2)
    trouble = replace(trouble, since="2026-11-20", ids=("01936f2c-77aa-7bbb-8ccc-123456789abc",))
    place = patrol_book.Place(number=40, hash="0" * 64)
    now = house.clock.now()
    standing = patrol_book.Standing(
        trail="audit_event", newest=place, old=replace(place, number=12), until=40, begun_at=now
    )
    with house.database.transaction() as db:
        ran = {"begun": now, "now": now, "seconds": 1}
        job_book.failed(db, "keys", "OSError: [Errno 28] No space left on device", **ran)
        job_book.went_well(db, "keys", {}, **ran, rhythm=jobs.BY_NAME["keys"].rhythm)
        job_book.failed(db, "drop", "Invalid: broken: the drop folder is not there", **ran)
        known = replace(trouble, seal=9, rows=(1,), count=1)
        patrol_book.write(db, house.keys.marks, replace(standing, troubles=(trouble, known)))
        patrol_book.acknowledge(
            db,
            house.keys.marks,
            patrol_book.Known(
                name=known.name,
                by="operator:cli",
                at=now.isoformat(),
                reason="Een schijf die stuk was, nagekeken op 3 november",
            ),
        )
    _as_operator(page, there, "/beheer/systeem")


@stop("operator-school-and-text")
def _(page, there):
    there.sign_in_staff(page, make_staff.staff(there.house, RightKind.OPERATOR).person_id)
    page.goto(f"{there.issuer}/beheer/protocol")
    follow(page, page.locator("main td a").first)
    page.goto(f"{there.issuer}/beheer/scholen")
    follow(page, page.locator("main td a").first)


_operator("operator-suppliers", "/beheer/leveranciers")


def _supplier(name: str, path: str) -> None:
    def way(page: Any, there: Place) -> None:
        made = make_staff.supplier(there.house, "rekenhuis")
        with there.house.database.transaction() as db:
            mine = models.App.client_id == "rekenbuur"
            db.execute(update(models.App).where(mine).values(supplier="rekenhuis"))
        there.sign_in_staff(page, made.person_id)
        page.goto(there.issuer + path)

    STOPS[name] = way


_supplier("supplier-home", "/leverancier")


@stop("operator-supplier-stop")
def _(page, there):
    make_staff.supplier(there.house, "rekenhuis")
    _as_operator(page, there, "/beheer/leveranciers/rekenhuis")
    for ask in page.locator("#blad summary").all():
        ask.click()


_supplier("supplier-app", "/leverancier/apps/rekenbuur")
_supplier("supplier-app-change", "/leverancier/apps/rekenbuur/wijzig")


@stop("supplier-app-change-check")
def _(page, there):
    STOPS["supplier-app-change"](page, there)
    page.locator("#f-client_name").fill(LONG_NAME)
    with page.expect_navigation():
        page.get_by_role("button", name="Bekijk het verschil").click()


_supplier("supplier-sandbox", "/zandbak")
_supplier("supplier-rehearsal", "/leverancier/apps/rekenbuur/proef")


def _with_sandbox(there: Place) -> None:
    """The sandbox of an installation, of whose pupils one changed the secret; and an app that must push and sign."""
    house = there.house
    plain = replace(house, settings=house.settings.model_copy(update={"demo": False}))
    sandbox_making.make(plain)
    with house.database.transaction() as db:
        if apps.load(db, "zandbakapp") is None:
            words = {"require_pushed_authorization_requests": True, "require_signed_request_object": True}
            make.app(db, "zandbakapp", sandbox=True, client_name=LONG_NAME, **words)
        mine = models.App.client_id == "zandbakapp"
        db.execute(update(models.App).where(mine).values(supplier="rekenhuis"))
    sandbox_making.make(plain)


@stop("operator-sandbox")
def _(page, there):
    _with_supplier(there)
    _with_sandbox(there)
    there.sign_in_staff(page, make_staff.staff(there.house, RightKind.OPERATOR).person_id)
    page.goto(f"{there.issuer}/beheer/zandbak")


@stop("supplier-sandbox-pupils")
def _(page, there):
    there.sign_in_staff(page, _with_supplier(there))
    _with_sandbox(there)
    page.goto(f"{there.issuer}/zandbak")


@stop("supplier-rehearsal-of-a-pupil")
def _(page, there):
    there.sign_in_staff(page, _with_supplier(there))
    _with_sandbox(there)
    page.goto(f"{there.issuer}/leverancier/apps/zandbakapp/proef?leerling=zoe.vloed")


def _with_supplier(there: Place) -> str:
    return make_staff.supplier(there.house, "rekenhuis").person_id


@stop("operator-supplier")
def _(page, there):
    make_staff.supplier(there.house, "rekenhuis")
    there.sign_in_staff(page, make_staff.staff(there.house, RightKind.OPERATOR).person_id)
    page.goto(f"{there.issuer}/beheer/leveranciers/rekenhuis")


@stop("staff-without-rights")
def _(page, there):
    with there.house.database.transaction() as db:
        person = make.person(db)
    there.sign_in_staff(page, person)
    page.goto(f"{there.issuer}/schoolloket")


@stop("staff-schools")
def _(page, there):
    person = _colleague(there)
    with there.house.database.transaction() as db:
        make.right(db, person, make.school(db, naam=LONG_NAME), kind=RightKind.BEHEERDER)
    there.sign_in_staff(page, person)
    page.goto(f"{there.issuer}/schoolloket/instelling")


@stop("app-sees-two-schools")
def _(page, there):
    there.sign_in(page, "elis.meeuw")
    page.goto(f"{there.issuer}/mijn-apps/rekenbuur")
    page.locator("details summary").first.click()


@stop("staff-successors")
def _(page, there):
    """Two classes and a group that are empty, with long names; one of them has no likely successor."""
    house, today = there.house, there.house.clock.today()
    with house.database.transaction() as db:
        school = make.school(db, naam=LONG_NAME)
        make.agreement(db, school)
        app = make.app(db, sandbox=True, client_name=f"Rekenen met {WOLF}")
        pupil, group = (
            make.pupil(db),
            {"administratieve_groep_code": "G2", "administratieve_groep": LONG_NAME},
        )
        make.enrolment(db, pupil, school, **group)
        make.membership(db, make.klas(db, school, "1A"), pupil)
        for code in ("1A", "9Z"):
            empty = make.klas(db, school, code)
            make.rule(db, app.client_id, school, kind=models.RuleKind.KLAS, target=empty, begindatum=today)
        make.rule(db, app.client_id, school, kind=models.RuleKind.GROUP, target="WEG", begindatum=today)
    there.sign_in_staff(page, make_staff.staff(house, school=school).person_id)
    page.goto(f"{there.issuer}/schoolloket/applicatiebeheer/jaarwissel")


@stop("staff-delivery-that-waits")
def _(page, there):
    school, delivery = make_feeds.held_delivery(there.house, naam=LONG_NAME, pupil=WOLF)
    person = _colleague(there)
    with there.house.database.transaction() as db:
        db.execute(delete(models.Right).where(models.Right.person_id == person))
        make.right(db, person, school, kind=RightKind.BEHEERDER)
    there.sign_in_staff(page, person)
    page.goto(f"{there.issuer}/schoolloket/klasinformatie/leveringen/{delivery}")


@stop("staff-delivery-that-counts-no-more")
def _(page, there):
    STOPS["staff-delivery-that-waits"](page, there)
    school = page.locator("form [name=school]").first.get_attribute("value")
    with there.house.database.transaction() as db:
        theirs = models.Agreement.instellingsnummer == school
        db.execute(update(models.Agreement).where(theirs).values(stopped_at=there.house.clock.now()))
    page.reload()
    page.wait_for_selector("[value=weigeren].primary")


_goes("register", "/apps?zoek=donau")


@stop("register-one-app")
def _(page, there):
    page.goto(f"{there.issuer}/apps?zoek=rekenbuur")
    page.locator("summary").first.click()


@stop("staff-who-knows-what")
def _(page, there):
    there.sign_in_staff(page)
    page.goto(
        f"{there.issuer}/schoolloket/leerid-beheer/leerling/{there.pupils['noor.peeters']}/wie-weet-wat"
    )


@stop("staff-what-apps-were-told")
def _(page, there):
    _told(there)
    there.sign_in_staff(page)
    page.goto(f"{there.issuer}/schoolloket/verstrekkingen")


@stop("staff-breach")
def _(page, there):
    _told(there)
    there.sign_in_staff(page, make_staff.staff(there.house, RightKind.OPERATOR).person_id)
    page.goto(f"{there.issuer}/beheer/datalek")
    page.locator("button.primary").click()
    page.wait_for_selector("#gevonden")


@stop("staff-processing")
def _(page, there):
    there.sign_in_staff(page, make_staff.staff(there.house, RightKind.OPERATOR).person_id)
    page.goto(f"{there.issuer}/beheer/verwerkingen")


@stop("staff-explain")
def _(page, there):
    there.sign_in_staff(page, make_staff.staff(there.house, RightKind.OPERATOR).person_id)
    page.goto(f"{there.issuer}/beheer/uitleg")
    page.locator("#app").fill("lang")
    page.locator("#leerling").fill("noor.peeters")
    page.locator("button.primary").click()
    page.wait_for_selector("#gevonden")


@stop("staff-explain-which-app")
def _(page, there):
    _as_operator(page, there, "/beheer/uitleg")
    page.locator("#app").fill("e")
    page.locator("#leerling").fill("noor.peeters")
    page.locator("button.primary").click()
    page.wait_for_selector("#welke")


@stop("staff-refused-right")
def _(page, there):
    """A teacher, who is LeerID-beheerder of a second school, at a page for those."""
    one = make_staff.staff(there.house, RightKind.TEACHER)
    with there.house.database.transaction() as db:
        make.right(db, one.person_id, make.school(db, naam=LONG_NAME), kind=RightKind.BEHEERDER)
    there.sign_in_staff(page, one.person_id)
    page.goto(f"{there.issuer}/schoolloket/personen")


def _told(there: Place) -> None:
    """An app was told something about Noor."""
    house, now = there.house, there.house.clock.now()
    with house.database.transaction() as db:
        disclose.disclose(
            db,
            keys=house.keys,
            app=there.apps["lang"],
            account_uuid=there.pupils["noor.peeters"],
            instellingsnummer=there.staff.school,
            scope=make.ALL_SCOPES,
            asked=None,
            channel=disclose.Channel.USERINFO,
            now=now,
            today=house.clock.today(),
            record=True,
        )


PUPILS = [name for name in STOPS if not name.startswith("staff-")]


def go(name: str, page: Any, there: Place) -> None:
    """Open this page in a browser that knows nothing yet."""
    page.context.clear_cookies()
    STOPS[name](page, there)
