"""A browser and an app in one, over real HTTP: sign in at one node, exchange at another."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests


class Walk:
    """One pupil's browser and one confidential app. `at` is always the address of a node, without a slash at the end."""

    def __init__(self, app: dict[str, Any], scope: str = "openid profile ov_leerling offline_access") -> None:
        self.app, self.scope = app, scope
        self.browser = requests.Session()
        self.verifier = secrets.token_urlsafe(40)

    def code(self, at: str, username: str, secret: str, again: str = "") -> str:
        """Sign in (when asked) and come back with a code. `again`: what is tried after this secret."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=")
        words = {
            "client_id": self.app["client_id"],
            "redirect_uri": self.app["redirect_uris"][0],
            "response_type": "code",
            "scope": self.scope,
            "state": "s",
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        answer = self._get(at, f"/authorize?{urlencode(words)}")
        for _step in range(8):
            if answer.status_code in {302, 303}:
                to = answer.headers["Location"]
                if to.startswith(self.app["redirect_uris"][0]):
                    return dict(parse_qsl(urlsplit(to).query))["code"]
                answer = self._get(at, to)
            elif 'name="password"' in answer.text:
                answer = self._send(at, answer, password=secret)
                secret = again or secret
            else:
                answer = self._send(at, answer, username=username)
        raise AssertionError(f"no code after eight steps: {answer.status_code} {answer.text[:500]}")

    def redeem(self, at: str, code: str) -> dict[str, Any]:
        words = {"grant_type": "authorization_code", "code": code, "code_verifier": self.verifier}
        return self._token(at, words | {"redirect_uri": self.app["redirect_uris"][0]})

    def refresh(self, at: str, token: str) -> dict[str, Any]:
        return self._token(at, {"grant_type": "refresh_token", "refresh_token": token})

    def userinfo(self, at: str, token: str) -> requests.Response:
        return requests.get(f"{at}/userinfo", headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def _token(self, at: str, words: dict[str, str]) -> dict[str, Any]:
        auth = (self.app["client_id"], self.app["client_secret"])
        answer = requests.post(f"{at}/token", data=words, auth=auth, timeout=60)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def _get(self, at: str, path: str) -> requests.Response:
        return self.browser.get(self._here(at, path), allow_redirects=False, timeout=60)

    def _send(self, at: str, page: requests.Response, **fields: str) -> requests.Response:
        """The last form of a page, with its hidden fields and these."""
        forms = [
            form
            for form in re.findall(r"<form\b.*?</form>", page.text, re.DOTALL)
            if 'action="/taal"' not in form and any(f'name="{name}"' in form for name in fields)
        ]
        assert forms, f"{page.status_code} {page.url}: {page.text[:800]}"
        action = unescape(re.search(r'action="([^"]*)"', forms[-1])[1])
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', forms[-1])
        given = {name: unescape(value) for name, value in hidden} | fields
        url = self._here(at, action or urlsplit(page.url).path)
        return self._post(url, given)

    def _post(self, url: str, given: dict[str, str]) -> requests.Response:
        return self.browser.post(url, data=given, allow_redirects=False, timeout=60)

    @staticmethod
    def _here(at: str, to: str) -> str:
        """A path, or an address of ours, at this node."""
        parts = urlsplit(to)
        return f"{at}{parts.path}{'?' + parts.query if parts.query else ''}"
