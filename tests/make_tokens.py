"""Plain factories for apps at our back doors: a story, who is signed in, a code, and what a program sends.

`bench = Bench(house)` is a house with keys and a web application; `bench.story()` a pupil who gets everything.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import orjson
from flask import Flask
from joserfc import jws
from joserfc.jwk import import_key
from sqlalchemy import select

from idp import apps, context, entropy, failing, models, web
from idp.login import sessions
from idp.oidc import clients, endpoints, signing, tokens
from tests import make, make_signing

SECRET = "lsk_a-secret-of-the-tests-that-is-long-enough"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """What `tokens.begin_grant` reads of a validated request."""

    redirect_uri: str
    scope: str = make.ALL_SCOPES
    nonce: str | None = "n-0S6"
    code_challenge: str | None = CHALLENGE
    claims: dict[str, Any] | None = None


class Bench:
    def __init__(self, house: context.House, *, keys: bool = True) -> None:
        self.house = house
        if keys:
            make_signing.keys(house)
        self.app = Flask("bench", root_path=str(Path.cwd()))
        self.app.testing = True
        self.app.extensions["idp"] = house
        web.prepare(self.app, house.settings)
        failing.prepare(self.app)
        self.app.wsgi_app = endpoints.in_front_of(self.app.wsgi_app, house)
        self.browser = self.app.test_client()

    def story(self, **given: Any) -> make.Story:
        """A pupil who gets everything of an app with one secret."""
        secret = given.pop("secret", SECRET)
        with self.house.database.transaction() as db:
            return make.story(db, secrets=(clients.digest(secret),), **given)

    def sign_in(self, story: make.Story) -> sessions.SignedIn:
        now = self.house.clock.now()
        words = {"amr": ("pwd",), "acr": "urn:leersleutel:acr:basic", "must_change": False, "shared": False}
        with self.house.database.transaction() as db:
            started = sessions.start(db, self.house, account_uuid=story.pupil, now=now, **words)
            signed_in = sessions.seen(db, self.house.settings, started.cookie, now)
        assert signed_in is not None
        return signed_in

    def code(self, story: make.Story, session: sessions.SignedIn | None = None, **request: Any) -> str:
        """A code for the pupil of this story; words go into the authorization request."""
        habits = request.pop("habits", None)
        words = {"redirect_uri": story.app.redirect_uris[0]} | request
        signed_in = session or self.sign_in(story)
        with self.house.database.transaction() as db:
            return tokens.begin_grant(
                db,
                self.house,
                app=story.app,
                request=AuthorizationRequest(**words),
                session=signed_in,
                instellingsnummer=story.school,
                now=self.house.clock.now(),
                habits=habits,
            )

    # ------------------------------------------------------------ what a program sends

    def post(
        self, path: str, form: dict[str, Any], *, auth: tuple[str, str] | None = None, **words: Any
    ) -> Any:
        """A form, with Basic credentials unless `auth` is None."""
        headers = words.pop("headers", {})
        if auth is not None:
            headers = {"Authorization": basic(*auth)} | headers
        given = {name: value for name, value in form.items() if value is not None}
        return self.browser.post(path, data=given, headers=headers, **words)

    def redeem(self, story: make.Story, code: str, **form: Any) -> Any:
        """Exchange a code as that app would; words override the form, None leaves one out."""
        auth = form.pop("auth", (story.app.client_id, SECRET))
        words = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        headers = form.pop("headers", {})
        words |= {"redirect_uri": story.app.redirect_uris[0]} | form
        return self.post("/token", words, auth=auth, headers=headers)

    def tokens(
        self, story: make.Story, session: sessions.SignedIn | None = None, **request: Any
    ) -> dict[str, Any]:
        """Everything that a good exchange gives."""
        answer = self.redeem(story, self.code(story, session, **request))
        assert answer.status_code == 200, answer.text
        return dict(answer.json)

    def refresh(self, story: make.Story, token: str, **form: Any) -> Any:
        auth = form.pop("auth", (story.app.client_id, SECRET))
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": token} | form, auth=auth)

    def userinfo(self, token: str) -> Any:
        return self.browser.get("/userinfo", headers={"Authorization": f"Bearer {token}"})

    def introspect(self, story: make.Story, token: str, **form: Any) -> Any:
        auth = form.pop("auth", (story.app.client_id, SECRET))
        return self.post("/introspect", {"token": token} | form, auth=auth)

    def revoke(self, story: make.Story, token: str, **form: Any) -> Any:
        auth = form.pop("auth", (story.app.client_id, SECRET))
        return self.post("/revoke", {"token": token} | form, auth=auth)

    # ------------------------------------------------------------ what it finds

    def id_token(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims, verified with the published key of its kid."""
        header = orjson.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
        published = orjson.loads(signing.jwks(self.house).body)["keys"]
        key = next(key for key in published if key["kid"] == header["kid"])
        read = jws.deserialize_compact(token, import_key(key), algorithms=[header["alg"]])
        return header, orjson.loads(read.payload)

    def change(self, statement: Any) -> None:
        with self.house.database.transaction() as db:
            db.execute(statement)

    def rows(self, statement: Any) -> list[Any]:
        with self.house.database.reading() as db:
            return list(db.execute(statement).all())

    def events(self, name: str) -> list[Any]:
        return self.rows(select(models.AuditEvent).where(models.AuditEvent.event == name))

    def registered_again(self) -> None:
        """A registration changed, and every worker has seen it by now."""
        with self.house.database.transaction() as db:
            apps.changed(db)
        self.house.clock.move(seconds=3)


def basic(client_id: str, secret: str) -> str:
    joined = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(joined.encode()).decode()


def garbage(kind: entropy.Token, house: context.House) -> str:
    """A token of that kind that nobody was ever given."""
    return entropy.token(kind, house.clock.now())
