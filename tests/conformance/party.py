"""Who plays the app and the browser in the conformance tests? A relying party and a person, over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urljoin, urlsplit

import requests
from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from idp.cli import main
from tests.journeys.conftest import Demo
from tests.make_signed import Site, jwks, sign

CERTIFIED = ("sub", "iss", "aud", "exp", "iat")
ERROR_WORDS = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")
"""What an error and its description may hold (RFC 6749 section 5.2)."""
TOKEN_WORDS = re.compile(r"[\x20-\x7e]+")
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
NEEDS_A_PERSON = {
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
}
JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A running provider, what it says of itself, a site of the app, and two pupils."""

    demo: Demo
    site: Site
    metadata: dict[str, Any]
    initial_token: str
    pupil: dict[str, Any]
    other_pupil: dict[str, Any]

    @property
    def issuer(self) -> str:
        return self.demo.issuer

    def keys(self) -> dict[str, Any]:
        answer = requests.get(self.metadata["jwks_uri"], timeout=60)
        assert answer.status_code == 200
        return answer.json()

    def idp(self, *words: str) -> str:
        """A command of ours, in this process: quicker than a new one, and the same."""
        done = CliRunner().invoke(main, [*words, "--data", str(self.demo.data)], env=_ours(self.demo))
        assert done.exit_code == 0, done.output
        return done.stdout

    def show_to_the_school(self, client_id: str) -> None:
        self.idp("visible", "add", "--app", client_id, "--school", self.pupil["school"])

    def register(self, **changes: Any) -> requests.Response:
        """Ask for a registration; None takes a field away."""
        words: dict[str, Any] = {"client_name": "Conformance", "redirect_uris": [f"{self.site.address}/cb"]}
        words |= {"response_types": ["code"], "grant_types": ["authorization_code"]} | changes
        body = {name: value for name, value in words.items() if value is not None}
        headers = {"Authorization": f"Bearer {self.initial_token}"}
        return requests.post(self.metadata["registration_endpoint"], json=body, headers=headers, timeout=60)

    def registered(self, **changes: Any) -> Party:
        """An app that registered itself with a token for the sandbox: it is visible there at once."""
        answer = self.register(**changes)
        assert (answer.status_code, answer.headers["Content-Type"]) == (201, JSON), answer.text
        said = answer.json()
        assert answer.headers["Cache-Control"] == "no-store"
        return Party(
            provider=self,
            client_id=said["client_id"],
            method=said["token_endpoint_auth_method"],
            secret=said.get("client_secret", ""),
            redirect_uri=said["redirect_uris"][0],
            alg=said["id_token_signed_response_alg"],
            registration=said,
        )

    def registered_with_keys(self, key: RSAKey, **changes: Any) -> Party:
        """The app of the Dynamic plan: it proves itself with private_key_jwt."""
        words = {"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks(key)} | changes
        party = self.registered(**words)
        party.key = key
        return party


def _ours(demo: Demo) -> dict[str, str]:
    return {name: value for name, value in demo.env.items() if name.startswith("IDP_")}


# ---------------------------------------------------------------- a person with a browser


@dataclass(kw_only=True)
class Landed:
    """Where the browser ended: at the app, with parameters, or on a page of ours."""

    at: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    page: requests.Response | None = None
    sign_ins: int = 0
    """How often a secret was asked."""


class Browser:
    """A browser without script, and the person who fills in its forms."""

    def __init__(self, provider: Provider, pupil: dict[str, Any] | None = None) -> None:
        self.provider, self.pupil = provider, pupil or provider.pupil
        self.http = requests.Session()
        self.pages: list[requests.Response] = []

    def go(self, url: str, form: dict[str, str] | None = None, *, fills_in: bool = True) -> Landed:
        """Follow the way from here, until it leaves us or a page has no question that a person would answer."""
        landed = Landed()
        page = self._send(url, form)
        for _ in range(20):
            if page.is_redirect:
                assert page.status_code == 303 or page.request.method == "GET"
                target = urljoin(page.url, page.headers["Location"])
                if not target.startswith(self.provider.issuer + "/"):
                    landed.at, _, query = target.partition("?")
                    landed.parameters = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))
                    return landed
                page = self._send(target)
                continue
            self.pages.append(page)
            if 'id="antwoord"' in page.text:
                return self._post_to_the_app(page, landed)
            filled = self._filled(page) if fills_in else None
            if filled is None:
                landed.page = page
                return landed
            landed.sign_ins += "password" in filled[1]
            page = self._send(*filled)
        raise AssertionError("the way does not end")

    def _send(self, url: str, form: dict[str, str] | None = None) -> requests.Response:
        if form is None:
            return self.http.get(url, allow_redirects=False, timeout=60)
        return self.http.post(url, data=form, allow_redirects=False, timeout=60)

    def _filled(self, page: requests.Response) -> tuple[str, dict[str, str]] | None:
        """The question on this page, answered."""
        for action, text in _forms(page):
            fields = _hidden(text)
            if 'name="username"' in text:
                return action, fields | {"username": self.pupil["username"]}
            if 'name="password"' in text:
                return action, fields | {"password": self.pupil["secret"]}
            if 'name="antwoord"' in text:
                return action, fields | {"antwoord": "ja"}
        return None

    def _post_to_the_app(self, page: requests.Response, landed: Landed) -> Landed:
        """response_mode=form_post: what its script would send, sent to the app's own server."""
        (action, text), *_ = [one for one in _forms(page) if 'id="antwoord"' in one[1]]
        assert page.headers["Cache-Control"] == "no-store"
        assert 'method="post"' in text
        [script] = re.findall(
            r'<script nonce="[^"]+">([^<]*getElementById\("antwoord"\)[^<]*)</script>', page.text
        )
        assert script.count("form.submit()") == 1
        requests.post(action, data=_hidden(text), timeout=60)
        path, headers, body = self.provider.site.posted.get(timeout=60)
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        query = dict(parse_qsl(urlsplit(path).query))
        assert not {"code", "error"} & query.keys()
        landed.at = action.partition("?")[0]
        landed.parameters = query | dict(parse_qsl(body.decode(), keep_blank_values=True))
        return landed


def _forms(page: requests.Response) -> Iterator[tuple[str, str]]:
    for text in re.findall(r"<form\b.*?</form>", page.text, re.DOTALL):
        action = re.search(r'action="([^"]*)"', text)
        if 'action="/taal"' not in text:
            yield urljoin(page.url, unescape(action[1]) if action else ""), text


def _hidden(form: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
    return {unescape(name): unescape(value) for name, value in found}


# ---------------------------------------------------------------- an app


@dataclass(kw_only=True)
class Answer:
    """What came back for one authorization request."""

    sent: dict[str, str]
    landed: Landed
    verifier: str = ""

    @property
    def code(self) -> str:
        return self.landed.parameters["code"]


@dataclass(kw_only=True)
class Done:
    """A whole sign-in: the answer, the tokens, and the claims of the ID token."""

    answer: Answer
    tokens: dict[str, Any]
    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def sign_ins(self) -> int:
        return self.answer.landed.sign_ins


@dataclass(kw_only=True)
class Party:
    """A relying party. `mode` is the response_mode of the plan that it runs."""

    provider: Provider
    client_id: str
    method: str
    redirect_uri: str
    secret: str = ""
    key: RSAKey | None = None
    mode: str = "query"
    alg: str = "RS256"
    registration: dict[str, Any] = field(default_factory=dict)

    # ------------------------------------------------ asking

    def words(self, **changes: Any) -> dict[str, str]:
        words: dict[str, Any] = {"client_id": self.client_id, "redirect_uri": self.redirect_uri}
        words |= {"response_type": "code", "scope": "openid"}
        words |= {"state": secrets.token_urlsafe(8), "nonce": secrets.token_urlsafe(8)}
        if self.mode != "query":
            words["response_mode"] = self.mode
        return {name: str(value) for name, value in (words | changes).items() if value is not None}

    def url(self, words: dict[str, str]) -> str:
        return f"{self.provider.metadata['authorization_endpoint']}?{urlencode(words)}"

    def ask(self, browser: Browser | None = None, *, by_post: bool = False, **changes: Any) -> Answer:
        """Send a browser with a request, and read what the app is told."""
        words, browser = self.words(**changes), browser or Browser(self.provider)
        if by_post:
            landed = browser.go(self.provider.metadata["authorization_endpoint"], words)
        else:
            landed = browser.go(self.url(words))
        if landed.at is not None:
            assert landed.at == self.redirect_uri.partition("?")[0]
            self.check_answer(landed.parameters, words)
        return Answer(sent=words, landed=landed)

    def check_answer(self, told: dict[str, str], sent: dict[str, str]) -> None:
        assert told.get("state") == sent.get("state")
        assert told["iss"] == self.provider.issuer
        assert ("code" in told) != ("error" in told)
        known = {"code", "state", "iss", "error", "error_description"}
        assert told.keys() <= known | dict(parse_qsl(urlsplit(self.redirect_uri).query)).keys()
        for name in ("error", "error_description"):
            assert ERROR_WORDS.fullmatch(told.get(name, "x"))

    def refused(self, browser: Browser | None = None, **changes: Any) -> str:
        """The error that the app is told; nobody is asked anything."""
        answer = self.ask(browser, **changes)
        assert answer.landed.sign_ins == 0
        return answer.landed.parameters["error"]

    def error_page(self, **changes: Any) -> requests.Response:
        """The page that a person sees instead: nothing goes to any app."""
        page = self.ask(**changes).landed.page
        assert page is not None
        assert page.status_code == 400
        assert page.headers["Content-Type"].startswith("text/html")
        assert page.headers["X-Request-Id"] in page.text
        return page

    # ------------------------------------------------ tokens

    def proof(self, *, aud: str | None = None) -> dict[str, Any]:
        """What proves this app at /token, for requests.post."""
        endpoint = self.provider.metadata["token_endpoint"]
        if self.method == "client_secret_basic":
            return {"auth": (quote_plus(self.client_id), quote_plus(self.secret)), "data": {}}
        if self.method == "client_secret_post":
            return {"data": {"client_id": self.client_id, "client_secret": self.secret}}
        now = int(time.time())
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": aud or endpoint}
        claims |= {"iat": now, "exp": now + 60, "jti": secrets.token_hex(16)}
        return {"data": {"client_assertion_type": BEARER, "client_assertion": sign(claims, self.key)}}

    def post_token(self, form: dict[str, str], *, aud: str | None = None) -> requests.Response:
        proof = self.proof(aud=aud)
        form = proof.pop("data") | form
        answer = requests.post(self.provider.metadata["token_endpoint"], data=form, timeout=60, **proof)
        assert answer.headers["Content-Type"] == JSON
        assert answer.headers["Cache-Control"] == "no-store"
        return answer

    def redeem(self, answer: Answer, *, aud: str | None = None) -> requests.Response:
        form = {"grant_type": "authorization_code", "code": answer.code, "redirect_uri": self.redirect_uri}
        verifier = {"code_verifier": answer.verifier} if answer.verifier else {}
        return self.post_token(form | verifier, aud=aud)

    def refresh(self, token: str) -> requests.Response:
        return self.post_token({"grant_type": "refresh_token", "refresh_token": token})

    def sign_in(self, browser: Browser | None = None, *, by_post: bool = False, **changes: Any) -> Done:
        """A whole flow, with every check that each module makes."""
        return self.finish(self.ask(browser, by_post=by_post, **changes))

    def finish(self, answer: Answer, *, aud: str | None = None) -> Done:
        assert "code" in answer.landed.parameters, answer.landed.parameters or answer.landed.page.text
        given = self.redeem(answer, aud=aud)
        assert given.status_code == 200, given.text
        done = self.check_tokens(given.json(), answer)
        told = self.userinfo(done.tokens)
        assert told["sub"] == done.claims["sub"]
        return done

    def check_tokens(self, tokens: dict[str, Any], answer: Answer) -> Done:
        assert tokens["token_type"] == "Bearer"
        assert type(tokens["expires_in"]) is int
        assert tokens["expires_in"] > 0
        assert TOKEN_WORDS.fullmatch(tokens["access_token"])
        assert ("refresh_token" in tokens) == ("offline_access" in answer.sent["scope"].split())
        header, claims = self.verified(tokens["id_token"])
        assert (header["alg"], header["kid"] in {key["kid"] for key in self.provider.keys()["keys"]}) == (
            self.alg,
            True,
        )
        now = time.time()
        assert (claims["iss"], claims["aud"]) == (self.provider.issuer, self.client_id)
        assert type(claims["iat"]) is int
        assert type(claims["exp"]) is int
        assert abs(claims["iat"] - now) < 30
        assert now < claims["exp"] <= now + 24 * 3600
        assert claims.get("nonce") == answer.sent.get("nonce")
        assert 0 < len(claims["sub"]) <= 255
        assert claims["sub"].isascii()
        assert claims["auth_time"] <= now + 1
        assert claims["acr"] in self.provider.metadata["acr_values_supported"]
        assert claims["at_hash"] == at_hash(tokens["access_token"])
        assert not {"name", "given_name", "c_hash"} & claims.keys()
        return Done(answer=answer, tokens=tokens, header=header, claims=claims)

    def verified(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of a JWT that the provider signed with a key that it publishes."""
        algorithms = self.provider.metadata["id_token_signing_alg_values_supported"]
        read = jwt.decode(token, KeySet.import_key_set(self.provider.keys()), algorithms=algorithms)
        return read.header, read.claims

    def userinfo(self, tokens: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        answer = requests.get(self.provider.metadata["userinfo_endpoint"], headers=headers, timeout=60)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, JSON)
        return check_userinfo(answer.json())


def check_userinfo(told: dict[str, Any]) -> dict[str, Any]:
    """The standard claims, where they are there, are of the kind that OpenID Connect Core 5.1 says."""
    assert isinstance(told["sub"], str)
    for name in ("name", "given_name", "family_name"):
        assert isinstance(told.get(name, "x"), str)
        assert told.get(name, "x")
    assert None not in told.values()
    return told


def check_refusal(answer: requests.Response, error: str) -> None:
    """A refusal of /token, as RFC 6749 section 5.2 says."""
    assert answer.status_code == 400, answer.text
    said = answer.json()
    assert said["error"] == error
    assert ERROR_WORDS.fullmatch(said.get("error_description", "x"))


def at_hash(access_token: str) -> str:
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def in_a_year() -> str:
    return (date.today() + timedelta(days=300)).isoformat()  # noqa: DTZ011 - any day ahead will do


def wait_until(moment: float) -> None:
    """Sleep until this moment of the monotonic clock has passed."""
    left = moment - time.monotonic()
    if left > 0:
        time.sleep(left)


@contextmanager
def changed(site: Site, path: str, body: Any) -> Iterator[None]:
    before = site.documents[path]
    site.put(path, body)
    try:
        yield
    finally:
        site.documents[path] = before
