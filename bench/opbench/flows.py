"""OAuth/OIDC client side: the flows that the workloads repeat."""

import base64
import hashlib
import itertools
import json
import os
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from .browser import Browser, FlowError
from .http1 import Conn

_SEQ = itertools.count()


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def fetch_json(resp):
    if resp.status != 200:
        raise FlowError(repr(resp))
    return json.loads(resp.body)


class Client:
    """The relying party: prebuilt request heads for every endpoint."""

    def __init__(self, provider, meta):
        self.p, self.meta = provider, meta
        u = urlsplit(provider.issuer)
        self.host, self.port = u.hostname, u.port or 80
        self.origin = f"{u.scheme}://{u.netloc}"
        self.basic = self._basic(provider.client_id, provider.client_secret)
        self.cc_basic = self._basic(*provider.cc_client) if provider.cc_client else self.basic

    @staticmethod
    def _basic(client_id, secret):
        pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()
        return f"Authorization: Basic {base64.b64encode(pair).decode()}\r\n"

    def _head(self, method, url, extra):
        u = urlsplit(url)
        t = (u.path or "/") + ("?" + u.query if u.query else "")
        return f"{method} {t} HTTP/1.1\r\nHost: {u.netloc}\r\nAccept: application/json\r\nUser-Agent: opbench\r\n{extra}"

    def get(self, url, extra=""):
        return (self._head("GET", url, extra) + "\r\n").encode()

    def form(self, url, pairs, extra=""):
        body = urlencode(pairs).encode()
        return (
            self._head(
                "POST",
                url,
                extra + f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n",
            ).encode()
            + b"\r\n"
            + body
        )

    # requests that never change, prebuilt ---------------------------------
    def discovery_req(self):
        return self.get(self.p.discovery())

    def jwks_req(self):
        return self.get(self.meta["jwks_uri"])

    def client_credentials_req(self):
        pairs = [("grant_type", "client_credentials")]
        if self.p.cc_scope:
            pairs.append(("scope", self.p.cc_scope))
        return self.form(self.meta["token_endpoint"], pairs, self.cc_basic)

    def userinfo_req(self, at):
        return self.get(self.meta["userinfo_endpoint"], f"Authorization: Bearer {at}\r\n")

    def introspect_req(self, token):
        return self.form(
            self.meta["introspection_endpoint"],
            [("token", token), ("token_type_hint", "access_token")],
            self.basic,
        )

    def refresh_req(self, rt):
        return self.form(
            self.meta["token_endpoint"], [("grant_type", "refresh_token"), ("refresh_token", rt)], self.basic
        )

    # flows ---------------------------------------------------------------
    def authorize_url(self, extra=None):
        n = next(_SEQ)
        verifier = b64u(os.urandom(32))
        challenge = b64u(hashlib.sha256(verifier.encode()).digest())
        state, nonce = f"s{n}x{verifier[:10]}", f"n{n}x{verifier[10:20]}"
        q = {
            "response_type": "code",
            "client_id": self.p.client_id,
            "redirect_uri": self.p.redirect_uri,
            "scope": self.p.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **self.p.authorize_extra,
            **(extra or {}),
        }
        return self.meta["authorization_endpoint"] + "?" + urlencode(q), state, nonce, verifier

    def callback(self, url, state):
        q = parse_qs(urlsplit(url).query)
        if "code" not in q or q.get("state") != [state]:
            raise FlowError(f"bad callback {url}")
        return q["code"][0]

    async def redeem(self, conn, code, verifier):
        pairs = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", self.p.redirect_uri)]
        if verifier:
            pairs.append(("code_verifier", verifier))
        return await conn.send(self.form(self.meta["token_endpoint"], pairs, self.basic))

    async def code_flow(self, browser, conn, user, sso):
        """Full authorization code + PKCE flow, ending with userinfo.

        ``sso`` True: the browser has a session, and any login page is an error.
        """
        url, state, nonce, verifier = self.authorize_url(self.p.sso_params(browser) if sso else None)
        resp = await browser.get(url)
        page, cb = await browser.follow(resp, self.p.redirect_uri)
        if cb is None:
            if sso:
                cb = await self.p.sso_page(browser, page)
            else:
                cb = await self.p.login(browser, page, user)
        elif not sso:
            raise FlowError("no login was asked for")
        code = self.callback(cb, state)
        resp = await self.redeem(conn, code, verifier)
        tokens = fetch_json(resp)
        info = fetch_json(await conn.send(self.userinfo_req(tokens["access_token"])))
        if "sub" not in info:
            raise FlowError(f"no sub in userinfo {info}")
        tokens["_nonce"], tokens["_info"] = nonce, info
        browser.id_token = tokens.get("id_token")
        return tokens

    async def sso_code(self, browser):
        """A fresh code for a browser that has a session, with its PKCE verifier."""
        url, state, _, verifier = self.authorize_url(self.p.sso_params(browser))
        page, cb = await browser.follow(await browser.get(url), self.p.redirect_uri)
        if cb is None:
            cb = await self.p.sso_page(browser, page)
        return self.callback(cb, state), verifier

    def browser(self):
        return Browser(self.origin)

    def conn(self):
        return Conn(self.host, self.port)
