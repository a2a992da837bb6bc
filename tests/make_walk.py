"""What does the state machine stand on? A house with two schools, two pupils and three apps, and what must always hold.

tests/oidc/test_state_machine.py walks; this file settles, sends, and looks at every token and at the ledger.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from contextlib import ExitStack
from typing import Any

import orjson
from hypothesis.stateful import RuleBasedStateMachine
from joserfc import jws
from joserfc.jwk import import_key
from sqlalchemy import delete, func, insert, select, update

from idp import apps, audit, clock, config, context, models
from idp.app import create_app
from idp.claims import visibility
from idp.oidc import clients, discovery
from tests import make, make_signing
from tests.make_reference import (
    ACCESS,
    KLASINFORMATIE,
    SCOPES,
    TOUCH,
    Access,
    App,
    Family,
    Pupil,
    Reference,
    Rule,
    School,
    Seat,
    Session,
)
from tests.make_tokens import basic

WORDS = "kat appel trein kasteel"
ALWAYS = "lsk_the-first-secret-that-an-app-was-given"
LATEST = 5
"""Of the tokens of one kind, after every step, besides the ones that the step itself used."""


class Ground(RuleBasedStateMachine):
    """Every walk begins here, on a database that was emptied."""

    settings_of_house: config.Settings

    def __init__(self) -> None:
        super().__init__()
        self.ways_out = ExitStack()
        self.clock = clock.Stopped(make.NOW)
        self.house = context.open_house(self.settings_of_house, clock=self.clock)
        self.ways_out.callback(self.house.database.close)
        with self.house.database.transaction() as db:
            for table in reversed(models.Base.metadata.sorted_tables):
                db.execute(delete(table))
            db.execute(insert(models.RegistryVersion), {"id": 1, "version": 1})
        self._circumstances()
        make_signing.keys(self.house)
        application = create_app(self.house)
        application.testing = True
        application.wsgi_app = discovery.in_front_of(application.wsgi_app, self.house)
        self.browsers = [application.test_client() for _ in range(2)]
        self.program = application.test_client(use_cookies=False)
        self.signed_in: list[Session | None] = [None, None]
        self.sessions: list[Session] = []
        self.subs: dict[tuple[str, str], str] = {}
        self.klas_ids: dict[tuple[str, str], str] = {}
        self.released: Counter[str] = Counter()
        self.releases = 0
        self.keys_made = 0
        self.known = Reference(now=make.NOW)
        with self.house.database.transaction() as db:
            self._settle(db)

    def teardown(self) -> None:
        self.ways_out.close()

    def _circumstances(self) -> None:
        these = audit.Circumstances(now=self.clock.now(), actor="system", source="test")
        self.ways_out.enter_context(audit.circumstances(these))

    def _settle(self, db: Any) -> None:
        """Two schools that share, a pupil at the first and one at both, and three apps of different kinds."""
        for naam in ("De Wijzer", "De Toren"):
            number = make.school(db, naam=naam)
            school = School(number=number, naam=naam, director=make.director(db, number))
            make.agreement(db, number, given_by=school.director)
            self.known.schools.append(school)
        stored = self.house.hasher.hash(WORDS)
        for naam, at in (("noor", self.known.schools[:1]), ("lou", self.known.schools)):
            leerid = f"00000000-0000-4000-8000-0000000000{len(naam):02}"
            uuid = make.pupil(db, leerid_uuid=leerid)
            seats = {school.number: self._seat(db, uuid, naam, school) for school in at}
            words = {"secret_hash": stored.hash, "pepper_id": stored.pepper_id}
            username = make.account(db, uuid, f"{naam}.peeters", **words)
            self.known.pupils.append(Pupil(uuid=uuid, leerid=leerid, username=username, seats=seats))
        every = make.ALL_SCOPES
        self._app(db, "rekenbuur", every, in_id_token=True, alg="ES256")
        self._app(db, "leesbuur", every.replace("ov_klas ", ""))
        self._app(db, "open", every.replace(" offline_access", ""), public=True)
        for app in (self.known.apps[0], self.known.apps[1]):
            for school in self.known.schools:
                self._rule(db, app, school, models.RuleKind.SCHOOL, "")

    def _seat(self, db: Any, uuid: str, naam: str, school: School) -> Seat:
        code = f"3{school.naam[3]}{naam[0].upper()}"
        groep = {"administratieve_groep": f"derde {code}", "administratieve_groep_code": f"L{code}"}
        names = {"voornaam": naam.title(), "naam": "Peeters"}
        klas = make.klas(db, school.number, code)
        return Seat(
            enrolment=make.enrolment(db, uuid, school.number, **groep, **names),
            membership=make.membership(db, klas, uuid),
            klas=klas,
            code=code,
            groep=groep["administratieve_groep"],
            groep_code=groep["administratieve_groep_code"],
            **names,
        )

    def _app(
        self,
        db: Any,
        name: str,
        scope: str,
        *,
        public: bool = False,
        in_id_token: bool = False,
        alg: str = "RS256",
    ) -> None:
        words: dict[str, Any] = {"scope": scope, "id_token_signed_response_alg": alg}
        words |= {"claims_in_id_token": in_id_token, "open_to_every_pupil": public}
        words |= {"token_endpoint_auth_method": "none"} if public else {"secrets": [clients.digest(ALWAYS)]}
        made = make.app(db, name, **words)
        self.known.apps.append(
            App(
                client_id=made.client_id,
                scopes=frozenset(scope.split()),
                secrets=[] if public else [(ALWAYS, None)],
                open_to_every_pupil=public,
                in_id_token=in_id_token,
                alg=alg,
            )
        )

    def _rule(self, db: Any, app: App, school: School, kind: models.RuleKind, target: str) -> None:
        made = visibility.add(
            db,
            app=self.house.apps.find(app.client_id) or self._registered(db, app),
            instellingsnummer=school.number,
            kind=kind,
            target=target,
            begindatum=make.YEAR_BEGINS,
            by="test",
            now=self.clock.now(),
        )
        if all(one.id != made for one in self.known.rules):
            self.known.rules.append(Rule(id=made, app=app, school=school, kind=kind, target=target))

    def _registered(self, db: Any, app: App) -> Any:
        return apps.load(db, app.client_id)

    # ================================================================ what browsers and apps do

    def _another(self, app: App) -> App:
        return next(one for one in self.known.apps if one is not app and one.secrets)

    def _token(self, app: App, form: dict[str, str], secret: str | None = None) -> Any:
        return self._post(app, "/token", form, secret)

    def _post(self, app: App, where: str, form: dict[str, str], secret: str | None = None) -> Any:
        if not app.secrets:
            return self.program.post(where, data=form | {"client_id": app.client_id})
        header = basic(app.client_id, secret or app.secrets[-1][0])
        return self.program.post(where, data=form, headers={"Authorization": header})

    def _refused(self, answer: Any, error: str = "invalid_grant") -> None:
        assert (answer.status_code, answer.json.get("error")) == (400, error), answer.text
        assert not {"access_token", "id_token", "refresh_token"} & {*answer.json}

    def _given(self, family: Family, answer: Any, scope: str) -> None:
        """Tokens that were due: note them, and read the ID token as the app would."""
        assert answer.status_code == 200, answer.text
        assert answer.json["scope"] == scope
        now = self.clock.now()
        ends = min(now + ACCESS, family.ends)
        family.accesses.append(
            Access(token=answer.json["access_token"], family=family, scope=scope, ends=ends)
        )
        family.id_token = answer.json["id_token"]
        claims = self._verified(family.id_token, family.app)
        protocol = {"iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "at_hash", "sid", "nonce"}
        assert claims["aud"] == family.app.client_id
        assert claims["auth_time"] == int(family.session.began.timestamp())
        self._is_right(
            family, scope, "id_token", {name: claims[name] for name in claims if name not in protocol}
        )

    def _verified(self, token: str, app: App) -> dict[str, Any]:
        header = orjson.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
        assert header["alg"] == app.alg
        published = orjson.loads(self.program.get("/jwks").data)["keys"]
        (key,) = [one for one in published if one["kid"] == header["kid"]]
        read = jws.deserialize_compact(token, import_key(key), algorithms=[app.alg])
        return dict(orjson.loads(read.payload))

    def _move(self, **by: float) -> None:
        """On to another moment. The ledger of this one is closed."""
        self.clock.move(**by)
        self.known.now = self.clock.now()
        self.released.clear()
        self._circumstances()

    def _change(self, which: Any, **values: Any) -> None:
        with self.house.database.transaction() as db:
            db.execute(update(which.left.table).where(which).values(values))

    def _seen(self, browser: int) -> Session | None:
        """Who the house sees behind this browser, and what looking does."""
        session, now = self.signed_in[browser], self.clock.now()
        if session is None or not session.opens(now):
            return None
        if not session.pupil.active:
            session.ended = True
            return None
        if now - session.seen >= TOUCH:
            session.seen = now
        return session

    # ================================================================ what must always hold

    def every_token_is_worth_what_it_should_be(self) -> None:
        """Userinfo and introspection of the latest tokens, dead and alive."""
        every = [one for family in self.known.families for one in family.accesses]
        for access in every[-LATEST:]:
            answer = self.program.get("/userinfo", headers={"Authorization": f"Bearer {access.token}"})
            if self.known.good(access):
                assert answer.status_code == 200, answer.text
                self._is_right(access.family, access.scope, "userinfo", answer.json)
            else:
                assert answer.status_code == 401, answer.text
            self._introspect(access.family, access.token, access.scope, good=self.known.good(access))
        refreshes = [one for family in self.known.families for one in family.refreshes]
        for one in refreshes[-LATEST:]:
            stands = one.rotated is None and one.family.stands(self.known.now)
            good = stands and self.known.alive(one.family)
            self._introspect(one.family, one.token, one.family.scope, good=good)

    def _introspect(self, family: Family, token: str, scope: str, *, good: bool) -> None:
        answer = self._post(family.app, "/introspect", {"token": token})
        if not family.app.secrets:
            assert answer.status_code == 401
            return
        if not good:
            assert answer.json == {"active": False}
            return
        protocol = {"active", "client_id", "aud", "iss", "scope", "exp", "iat", "token_type"}
        told = {name: value for name, value in answer.json.items() if name not in protocol}
        self._is_right(family, scope, "introspection", told)

    def _is_right(self, family: Family, scope: str, channel: str, told: dict[str, Any]) -> None:
        """Exactly the claims that are due, with the right values; and a line for the ledger."""
        words = self.known.words(family, scope, channel)
        due = {name for name, word in words.items() if word == "released"}
        assert {*told} == due, (channel, words)
        if not family.school.shares:
            assert not KLASINFORMATIE & {*told}
        values = self.known.values(family)
        assert all(told[name] == values[name] for name in due & {*values})
        assert self.subs.setdefault((family.pupil.uuid, family.app.client_id), told["sub"]) == told["sub"]
        if "ov_klassen" in due:
            seat = family.pupil.seats[family.school.number]
            (one,) = told["ov_klassen"]
            assert (one["code"], one["orgcode"]) == (seat.code, family.school.number)
            assert self.klas_ids.setdefault((seat.klas, family.app.client_id), one["id"]) == one["id"]
        self.releases += 1
        self.released[
            _line(channel, family.app.client_id, family.pupil.uuid, family.school.number, words)
        ] += 1

    def the_ledger_has_a_line_of_names_and_reasons_for_every_release(self) -> None:
        row = models.Release
        columns = (row.channel, row.client_id, row.account_uuid, row.instellingsnummer, row.claims)
        with self.house.database.reading() as db:
            rows = db.execute(select(*columns).where(row.at == self.clock.now())).all()
            total = db.execute(select(func.count()).select_from(row)).scalar_one()
        assert Counter(_line(*one) for one in rows) == self.released
        assert total == self.releases

    def a_code_yields_one_family_at_most(self) -> None:
        access, refresh = models.AccessToken, models.RefreshToken
        with self.house.database.reading() as db:
            grants = db.execute(select(func.count()).select_from(models.Grant)).scalar_one()
            given = db.execute(select(func.count(access.digest)).group_by(access.grant_id)).scalars().all()
            chains = db.execute(select(func.count(refresh.digest)).group_by(refresh.grant_id)).scalars().all()
        families = self.known.families
        assert grants == len(families)
        assert sorted(given) == sorted(len(one.accesses) for one in families if one.accesses)
        assert sorted(chains) == sorted(len(one.refreshes) for one in families if one.refreshes)

    def apps_of_different_sectors_know_a_pupil_by_different_names(self) -> None:
        assert len({*self.subs.values()}) == len(self.subs)

    def what_was_signed_in_the_last_hour_can_be_verified(self) -> None:
        for family in self.known.families[-2:]:
            if family.id_token:
                said_at = orjson.loads(base64.urlsafe_b64decode(family.id_token.split(".")[1] + "=="))["iat"]
                if self.known.now.timestamp() - said_at < 3600:
                    self._verified(family.id_token, family.app)


def _line(channel: str, client_id: str, account_uuid: str, school: str, words: dict[str, str]) -> str:
    """One line of the ledger; anything but names of claims and reasons in it would show."""
    assert {*words} == {*SCOPES}
    return orjson.dumps(
        [channel, client_id, account_uuid, school, words], option=orjson.OPT_SORT_KEYS
    ).decode()


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
