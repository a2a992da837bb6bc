"""Does the house keep its promises after any row of steps, in any order? Hypothesis looks for a row that breaks one.

The machine drives the real web application on the real database, and tells every step to a small model of the rules
(tests/make_reference.py). After every step it asks for every token what it is worth, and reads the ledger. CI walks
the same few rows every time; `WALKS=100 pytest tests/oidc/test_state_machine.py` walks that many longer ones from every
beginning, new ones every time.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from idp import config, errors, models
from idp.admin.apps import app_secrets
from idp.claims import consent, visibility
from idp.login import accounts, sessions
from idp.oidc import signing
from tests import make
from tests.conftest import CHEAP, MONDAY
from tests.make_browser import fill_in, path, query, said
from tests.make_reference import (
    GRACE,
    App,
    Family,
    Pupil,
    Refresh,
    Rule,
    School,
    Seat,
    Session,
)
from tests.make_walk import ALWAYS, WORDS, Ground, challenge

HOW_FAR = timedelta(days=80)
"""Signing keys are looked after every day in real life, and never here."""
ASKED = (
    None,
    {"id_token": {"ov_klassen": None, "given_name": None}, "userinfo": {"ov_administratieve_groep": None}},
    {"userinfo": {"ov_klassen": None, "ov_leerjaar": None, "national_number": None}},
)
DECISIONS = ("sharing", "visible", "invisible", "enrolment", "klas", "blocked", "reset", "renamed")
BEGINNINGS = (
    ("", 0, 0),
    ("sharing", 0, 0),
    ("sharing", 0, 1),
    ("class rule", 0, 0),
    ("invisible", 0, 0),
    ("invisible", 0, 3),
    ("enrolment", 0, 0),
    ("enrolment", 1, 1),
    ("klas", 0, 0),
    ("blocked", 0, 0),
    ("blocked", 1, 0),
    ("reset", 1, 0),
    ("renamed", 0, 0),
    ("replay", 0, 0),
    ("late reuse", 0, 0),
    ("sign out", 1, 0),
    ("sign out", 1, 1),
)
"""What happens first: a decision, or a sign-out, and about which pupil and school. Chance alone would leave some out."""
MOVES = (
    {"seconds": 5},
    {"seconds": 26},
    {"seconds": 31},
    {"minutes": 20},
    {"minutes": 61},
    {"hours": 3},
    {"hours": 11},
    {"days": 9},
    {"days": 29},
)
WALKS = int(os.environ.get("WALKS", "0"))
PROFILE = settings(
    max_examples=WALKS or 3,
    stateful_step_count=60 if WALKS else 12,
    derandomize=not WALKS,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if WALKS else [])],
)


@pytest.fixture
def machine(database_url, tmp_path, key_folder):
    """How to begin again on an empty house: a class of machines."""
    read = config.read({}, data=tmp_path, database_url=database_url, keys=key_folder, **CHEAP)
    return type("Walk", (Machine,), {"settings_of_house": read})


@pytest.mark.parametrize("beginning", BEGINNINGS, ids=lambda one: f"{one[0]} {one[1]} {one[2]}".strip())
def test_whatever_happens_in_whatever_order_the_promises_hold(machine, beginning):
    machine.beginning = beginning
    run_state_machine_as_test(machine, settings=PROFILE)


class Machine(Ground):
    """Every rule does one thing to the house, and says in the reference what should have come of it."""

    beginning: tuple[str, int, int]

    # ================================================================ steps: somebody signs in

    @rule(
        browser=st.integers(0, 1),
        who=st.integers(0, 1),
        app=st.integers(0, 2),
        less=st.sampled_from(["", "offline_access", "ov_klas", "profile ov_leerling ov_inschrijving"]),
        asked=st.sampled_from(ASKED),
        pick=st.integers(0, 1),
        silent=st.sampled_from([False, False, False, True]),
        at_once=st.sampled_from([True, True, True, False]),
    )
    def go_to_app(
        self, browser: int, who: int, app: int, less: str, asked: Any, pick: int, silent: bool, at_once: bool
    ) -> None:
        self._go_to_app(browser, who, app, less, asked, pick=pick, silent=silent, at_once=at_once)

    def _go_to_app(
        self,
        browser: int,
        who: int,
        app: int,
        less: str,
        asked: Any,
        *,
        pick: int,
        silent: bool,
        at_once: bool,
    ) -> None:
        to = self.known.apps[app]
        scope = " ".join(
            one for one in make.ALL_SCOPES.split() if one in to.scopes and one not in less.split()
        )
        verifier = f"verifier-{len(self.known.families)}".ljust(64, "x")
        words: dict[str, Any] = {"scope": scope, "code_challenge": challenge(verifier)}
        words |= {
            "claims": orjson.dumps(asked).decode() if asked else None,
            "prompt": "none" if silent else None,
        }
        registered = self.house.apps.find(to.client_id)
        assert registered is not None
        url = f"/authorize?{query(registered, **words)}"
        answer = self.browsers[browser].get(url)
        session = self._seen(browser)
        if session is None and not silent:
            assert path(answer) == "/aanmelden"
            session, answer = self._sign_in(browser, self.known.pupils[who], url)
            if session is None:
                return
            if answer.headers["Location"].startswith("/authorize?"):
                answer = self.browsers[browser].get(url)
        if session is None:
            assert said(answer, registered)["error"] == "login_required"
            return
        choices = self.known.choices(to, session.pupil)
        school = self._school(to, session.pupil, choices)
        if not choices:
            assert (
                said(answer, registered)["error"] == "access_denied" if silent else answer.status_code == 403
            )
            return
        if school is None and silent:
            assert said(answer, registered)["error"] == "interaction_required"
            return
        if school is None:
            school = choices[pick]
            assert answer.status_code == 200
            self.known.chosen[to.client_id, session.pupil.uuid] = school.number
            assert path(fill_in(self.browsers[browser], answer, school=school.number)) == "/authorize"
            answer = self.browsers[browser].get(url)
        told = said(answer, registered)
        assert set(told) == {"code", "state", "iss"}, told
        assert told["iss"] == self.house.settings.issuer
        self.known.families.append(
            Family(
                app=to,
                pupil=session.pupil,
                school=school,
                session=session,
                scope=scope,
                asked=asked,
                code=told["code"],
                verifier=verifier,
                began=self.clock.now(),
            )
        )
        if at_once:
            self._redeem(self.known.families[-1], "right")

    def _school(self, app: App, pupil: Pupil, choices: list[School]) -> School | None:
        """The only one, or the one that was picked before."""
        if len(choices) == 1:
            return choices[0]
        chosen = self.known.chosen.get((app.client_id, pupil.uuid))
        return next((one for one in choices if one.number == chosen), None)

    def _sign_in(
        self, browser: int, pupil: Pupil, url: str, words: str = WORDS
    ) -> tuple[Session | None, Any]:
        """Through the pages, as a child does. Also the last answer: to the app at once, when there is nothing to ask."""
        page = self.browsers[browser].get(f"/aanmelden?{urlencode({'next': url})}")
        assert page.status_code == 200, page.location
        asked = fill_in(self.browsers[browser], page, username=pupil.username)
        answer = fill_in(
            self.browsers[browser], self.browsers[browser].get(asked.headers["Location"]), password=words
        )
        now, before = self.clock.now(), self._seen(browser)
        if words != WORDS or not pupil.active:
            assert answer.status_code == 401
            pupil.wrong_tries += 1
            return None, answer
        assert answer.status_code == 303
        if before is not None:
            before.ended = True
        session = self.signed_in[browser] = Session(pupil=pupil, began=now, seen=now)
        self.sessions.append(session)
        return session, answer

    @precondition(lambda self: all(one.wrong_tries < 3 for one in self.known.pupils))
    @rule(
        browser=st.integers(0, 1),
        who=st.integers(0, 1),
        words=st.sampled_from([WORDS, WORDS, "kat kat kat kat"]),
    )
    def sign_in_again(self, browser: int, who: int, words: str) -> None:
        registered = self.house.apps.find("rekenbuur")
        assert registered is not None
        self._sign_in(
            browser,
            self.known.pupils[who],
            f"/authorize?{query(registered, prompt='login', response_mode='form_post')}",
            words,
        )

    @rule(browser=st.integers(0, 1), hint=st.booleans(), yes=st.booleans())
    def sign_out(self, browser: int, hint: bool, yes: bool) -> None:
        self._sign_out(browser, hint=hint, yes=yes)

    def _sign_out(self, browser: int, *, hint: bool, yes: bool) -> None:
        session = self._seen(browser)
        mine = [one for one in self.known.families if one.session is session and one.id_token]
        words = {"id_token_hint": mine[-1].id_token} if hint and mine else {}
        answer = self.browsers[browser].get(f"/end_session?{urlencode(words)}")
        if session is not None and not words:
            fill_in(self.browsers[browser], answer, antwoord="ja" if yes else "nee")
            session.ended = yes
        elif session is not None:
            session.ended = True

    # ================================================================ steps: an app at the token endpoint

    @precondition(lambda self: self.known.families)
    @rule(
        data=st.data(),
        how=st.sampled_from(["right", "right", "right", "verifier", "address", "other app", "no secret"]),
    )
    def redeem(self, data: Any, how: str) -> None:
        self._redeem(_draw(data, self.known.families[-4:]), how)

    def _redeem(self, family: Family, how: str) -> None:
        app = family.app if how != "other app" else self._another(family.app)
        if how == "other app" and family.foreign_tries >= 3:
            return
        form = {"grant_type": "authorization_code", "code": family.code, "code_verifier": family.verifier}
        form["redirect_uri"] = f"https://{family.app.client_id}.example/cb"
        if how == "verifier":
            form["code_verifier"] = family.verifier[::-1]
        if how == "address":
            form["redirect_uri"] += "/"
        answer = self._token(app, form, secret="wrong" if how == "no secret" and app.secrets else None)
        if how == "no secret" and app.secrets:
            assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
            return
        if how == "other app":
            family.foreign_tries += 1
            self._refused(answer)
            return
        if family.spent:
            family.revoked = True
            self._refused(answer)
            return
        if self.clock.now() >= family.began + timedelta(seconds=30):
            self._refused(answer)
            return
        family.spent = True
        if how in {"verifier", "address"}:
            family.revoked = True
            self._refused(answer)
            return
        if not (
            family.stands(self.clock.now())
            and family.session.lives(self.clock.now())
            and self.known.alive(family)
        ):
            self._refused(answer)
            return
        self._given(family, answer, family.scope)
        if family.offline:
            family.refreshes.append(Refresh(token=answer.json["refresh_token"], family=family))
        assert ("refresh_token" in answer.json) is family.offline

    @precondition(lambda self: any(one.refreshes for one in self.known.families))
    @rule(data=st.data(), later=st.sampled_from([None, None, 20, 31]))
    def refresh_as_it_should_be(self, data: Any, later: int | None) -> None:
        self._refresh(data, "right")
        if later:
            self._move(seconds=later)

    @precondition(lambda self: any(one.refreshes for one in self.known.families))
    @rule(data=st.data(), how=st.sampled_from(["right", "less", "wider", "other app", "no secret", "twice"]))
    def refresh(self, data: Any, how: str) -> None:
        self._refresh(data, how)

    def _refresh(self, data: Any, how: str) -> None:
        every = [one for family in self.known.families for one in family.refreshes]
        self._use(_draw(data, every[-6:]), how)

    def _use(self, found: Refresh, how: str) -> None:
        every = [one for family in self.known.families for one in family.refreshes]
        family, now = found.family, self.clock.now()
        form = {"grant_type": "refresh_token", "refresh_token": found.token}
        scope = family.scope
        if how == "less":
            form["scope"] = scope = "openid"
        if how == "wider":
            form["scope"] = f"{family.scope} vo"
        if how in {"other app", "no secret"}:
            app = self._another(family.app) if how == "other app" else family.app
            answer = self._token(app, form, secret="wrong" if how == "no secret" else None)
            assert answer.status_code == (400 if how == "other app" else 401)
            assert "access_token" not in answer.json
            return
        for _ in range(2 if how == "twice" else 1):
            answer = self._token(family.app, form)
            if not family.stands(now):
                self._refused(answer)
                continue
            if found.rotated is not None and now > found.rotated + GRACE:
                family.revoked = True
                self._refused(answer)
                continue
            if how == "wider":
                self._refused(answer, "invalid_scope")
                continue
            if not self.known.alive(family):
                self._refused(answer)
                continue
            self._given(family, answer, scope)
            token = answer.json["refresh_token"]
            if found.successor is None:
                assert token not in {one.token for one in every}
                found.rotated, found.successor = now, Refresh(token=token, family=family)
                family.refreshes.append(found.successor)
            assert token == found.successor.token, "a repeat within the grace gives the same successor"

    @precondition(lambda self: any(one.accesses for one in self.known.families))
    @rule(data=st.data(), whole_family=st.booleans(), by_owner=st.sampled_from([True, True, False]))
    def revoke(self, data: Any, whole_family: bool, by_owner: bool) -> None:
        family = _draw(data, [one for one in self.known.families if one.accesses])
        one = family.refreshes[-1] if whole_family and family.refreshes else family.accesses[-1]
        app = family.app if by_owner else self._another(family.app)
        answer = self._post(app, "/revoke", {"token": one.token})
        if not by_owner:
            self._refused(answer)
            return
        assert answer.status_code == 200
        if isinstance(one, Refresh):
            family.revoked = True
        else:
            one.revoked = True

    # ================================================================ steps: schools, pupils, operators

    @initialize(asked=st.sampled_from(ASKED))
    def something_happens_to_tokens_that_live(self, asked: Any) -> None:
        """Every walk begins with tokens that have something to lose, and with what may end them."""
        self.everybody_is_somewhere(asked)
        self.the_promises_hold()
        what, who, school = self.beginning
        if what == "sign out":
            self._sign_out(who, hint=bool(school), yes=True)
        elif what == "class rule":
            self._leave_only_a_rule_on_the_class(self.known.schools[school], self.known.pupils[who])
            self.the_promises_hold()
            self._share(self.known.schools[school], on=False)
        elif what == "invisible":
            self._make_invisible(self.known.rules[school])
        elif what == "replay":
            self._redeem(self.known.families[0], "right")
        elif what == "late reuse":
            self._use(self.known.families[0].refreshes[0], "twice")
            self._move(seconds=31)
            self._use(self.known.families[0].refreshes[0], "right")
        elif what:
            self._decide(what, school, who, None, on=False)

    def _leave_only_a_rule_on_the_class(self, at: School, pupil: Pupil) -> None:
        with self.house.database.transaction() as db:
            app, klas = self.known.apps[0], pupil.seats[at.number].klas
            self._rule(db, app, at, models.RuleKind.KLAS, klas)
        whole_school = [one for one in self.known.rules if one.app is app and one.school is at]
        self._make_invisible(whole_school[0])

    def everybody_is_somewhere(self, asked: Any) -> None:
        for who in (0, 1):
            words = {"less": "", "asked": asked, "pick": who, "silent": False, "at_once": True}
            self._go_to_app(browser=who, who=who, app=who, **words)
        self._go_to_app(browser=1, who=1, app=0, **words | {"less": "offline_access"})

    @rule(
        what=st.sampled_from(DECISIONS),
        school=st.integers(0, 1),
        who=st.integers(0, 1),
        on=st.sampled_from([True, True, False]),
        data=st.data(),
    )
    def somebody_decides(self, what: str, school: int, who: int, on: bool, data: Any) -> None:
        self._decide(what, school, who, data, on=on)

    def _decide(self, what: str, school: int, who: int, data: Any, *, on: bool) -> None:
        """A school, or whoever looks after its pupils. `on` is the everyday state, and comes more often."""
        at, pupil = self.known.schools[school], self.known.pupils[who]
        seat = pupil.seats.get(at.number)
        match what:
            case "sharing":
                self._share(at, on=on)
            case "visible" if seat is not None:
                self._make_visible(at, pupil, seat, data)
            case "invisible" if self.known.rules:
                self._make_invisible(_draw(data, self.known.rules))
            case "enrolment" if seat is not None:
                seat.enrolled = on
                ends = make.YEAR_ENDS if on else self.clock.today() - timedelta(days=1)
                self._change(models.Enrolment.id == seat.enrolment, einddatum=ends)
            case "klas" if seat is not None:
                seat.in_class = on
                gone_at = None if on else self.clock.now()
                self._change(models.ClassMembership.id == seat.membership, replaced_at=gone_at)
            case "blocked":
                pupil.blocked = not on
                blocked_at = None if on else self.clock.now()
                self._change(models.Account.account_uuid == pupil.uuid, blocked_at=blocked_at)
            case "reset" if not on:
                with self.house.database.transaction() as db:
                    sessions.end_all(db, pupil.uuid, "reset", self.clock.now(), grants=True)
                self.known.end_everything(pupil, self.sessions)
            case "renamed":
                self._rename(pupil)

    def _share(self, at: School, *, on: bool) -> None:
        words = {"instellingsnummer": at.number, "person_id": at.director, "now": self.clock.now()}
        with self.house.database.transaction() as db:
            if on and not at.shares:
                text = db.execute(select(models.ProtocolText.sha256)).scalars().one()
                consent.give(db, protocol_sha256=text, today=self.clock.today(), **words)
                at.shares = True
            elif not on:
                consent.stop(db, today=self.clock.today(), **words)
                self.known.stop_sharing(at)
                rules = {_of_rule(one): one.id for one in visibility.listing(db, instellingsnummer=at.number)}
        for one in self.known.rules:
            one.id = one.id or rules[one.app.client_id, one.kind, one.target]

    def _make_invisible(self, gone: Rule) -> None:
        self.known.rules.remove(gone)
        with self.house.database.transaction() as db:
            visibility.remove(db, instellingsnummer=gone.school.number, rule_id=gone.id)

    def _make_visible(self, at: School, pupil: Pupil, seat: Seat, data: Any) -> None:
        kinds = [one for one in models.RuleKind if at.shares or one is not models.RuleKind.KLAS]
        app, kind = _draw(data, self.known.apps), _draw(data, kinds)
        target = {"school": "", "group": seat.groep_code, "klas": seat.klas, "pupil": pupil.uuid}[kind]
        with self.house.database.transaction() as db:
            self._rule(db, app, at, kind, target)

    def _rename(self, pupil: Pupil) -> None:
        """Another user name, and another first name at every school: `sub` stays what it was."""
        pupil.username += "x"
        with self.house.database.transaction() as db:
            accounts.rename(db, account_uuid=pupil.uuid, username=pupil.username, now=self.clock.now())
        for seat in pupil.seats.values():
            seat.voornaam += "tje"
            self._change(models.Enrolment.id == seat.enrolment, voornaam=seat.voornaam)

    @rule(
        what=st.sampled_from(["renew", "old", "first", "key"]), app=st.integers(0, 1), overlaps=st.booleans()
    )
    def operator_acts(self, what: str, app: int, overlaps: bool) -> None:
        """A secret that was renewed counts as long as was said; a new key is announced before it signs."""
        to, now = self.known.apps[app], self.clock.now()
        if what in {"old", "first"}:
            secret = ALWAYS if what == "first" else to.secrets[0][0]
            answer = self._post(to, "/introspect", {"token": "lsa_nothing"}, secret)
            assert answer.status_code == (200 if to.takes(secret, now) else 401)
        elif what == "key" and self.keys_made < 2:
            self.keys_made += 1
            with self.house.database.transaction() as db:
                signing.rotate(db, self.house, "ES256", now)
        elif what == "renew":
            days = 7 if overlaps else 0
            if overlaps and sum(until is None or now < until for _, until in to.secrets) > 1:
                with self.house.database.transaction() as db, pytest.raises(errors.Invalid):
                    app_secrets.renew(db, to.client_id, now=now, overlap_days=days)
                return
            with self.house.database.transaction() as db:
                secret = app_secrets.renew(db, to.client_id, now=now, overlap_days=days)
            (before, until), ends = to.secrets[-1], now + timedelta(days=days)
            to.secrets = [(before, min(until or ends, ends))] if days else []
            to.secrets.append((secret, None))
            self._move(seconds=3)

    @precondition(lambda self: self.clock.now() < MONDAY + HOW_FAR - timedelta(days=30))
    @rule(by=st.sampled_from(MOVES))
    def time_passes(self, by: dict[str, float]) -> None:
        self._move(**by)

    # ================================================================ promises

    @invariant()
    def the_promises_hold(self) -> None:
        self.every_token_is_worth_what_it_should_be()
        self.the_ledger_has_a_line_of_names_and_reasons_for_every_release()
        self.a_code_yields_one_family_at_most()
        self.apps_of_different_sectors_know_a_pupil_by_different_names()
        self.what_was_signed_in_the_last_hour_can_be_verified()


def _of_rule(one: visibility.Rule) -> tuple[str, str, str]:
    return one.client_id, one.kind, one.target


def _draw(data: Any, these: list[Any]) -> Any:
    """One of these, by its place: a report of a failure stays short."""
    return these[-1 - data.draw(st.integers(0, len(these) - 1), label="from the last")]
