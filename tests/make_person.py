"""A person at a browser without script: reads a page, fills in its form, follows where it leads, until an app is reached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

STEPS = 20


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Where a way ended: at an app, with what a page of ours posts to it; or at a page that leads nowhere."""

    url: str
    form: dict[str, str] | None = None
    status: int | None = None
    """Set when it ended at a page of ours."""


class Person:
    """Somebody with a user name and a secret; without them, nobody who ever signs in."""

    def __init__(self, issuer: str, username: str = "", secret: str = "") -> None:
        self.issuer, self.username, self.secret = issuer, username, secret
        self.browser = requests.Session()
        self.steps: list[str] = []
        """The pages that were read on the last way."""

    def visit(self, url: str) -> Arrival:
        """Open this address and do what the pages ask: sign in, say yes, go back to the app."""
        self.steps = []
        page = self.browser.get(url, allow_redirects=False, timeout=60)
        for _ in range(STEPS):
            if page.is_redirect:
                target = urljoin(page.url, page.headers["Location"])
                if not self._ours(target):
                    return Arrival(url=target)
                page = self.browser.get(target, allow_redirects=False, timeout=60)
                continue
            self.steps.append(urlsplit(page.url).path)
            found = _form(page)
            if found is None:
                back = re.search(r'href="(/authorize/terug[^"]*)"', page.text)
                if back is None:
                    return Arrival(url=page.url, status=page.status_code)
                target = urljoin(page.url, unescape(back[1]))
                page = self.browser.get(target, allow_redirects=False, timeout=60)
                continue
            action, fields = found
            if not self._ours(action):
                return Arrival(url=action, form=fields)
            fields |= self._answer(page)
            page = self.send(action, fields)
        raise AssertionError(f"this way does not end: {self.steps}")

    def send(self, action: str, fields: dict[str, str]) -> requests.Response:
        """Send a form of ours, as a browser would."""
        return self.browser.post(
            action, fields, headers={"Origin": self.issuer}, allow_redirects=False, timeout=60
        )

    def _answer(self, page: requests.Response) -> dict[str, str]:
        if 'name="antwoord"' in page.text:
            return {"antwoord": "ja"}
        assert self.username, f"nobody is there to answer {page.url}"
        if 'name="password"' in page.text:
            return {"password": self.secret}
        return {"username": self.username}

    def _ours(self, url: str) -> bool:
        return url == self.issuer or url.startswith(f"{self.issuer}/")


def _form(page: requests.Response) -> tuple[str, dict[str, str]] | None:
    """The form that a page is about: where it goes, and its hidden fields."""
    for form in re.findall(r"<form\b.*?</form>", page.text, re.DOTALL):
        action = urljoin(page.url, unescape(_attribute(form, "action") or page.url))
        asks = any(f'name="{name}"' in form for name in ("username", "password", "antwoord"))
        if asks or not action.startswith(page.url.partition("/")[0] + "//" + urlsplit(page.url).netloc):
            hidden = [field for field in re.findall(r"<input[^>]*>", form) if 'type="hidden"' in field]
            fields = {_attribute(one, "name"): unescape(_attribute(one, "value")) for one in hidden}
            return action, fields
    return None


def _attribute(tag: str, name: str) -> str:
    found: Any = re.search(rf'\b{name}="([^"]*)"', tag)
    return found[1] if found else ""
