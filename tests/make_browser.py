"""A browser at our door: requests of an app, a session of a pupil, forms that are filled in."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from idp import models
from idp.apps import App
from idp.context import House
from idp.login import sessions
from tests.make import Story

CHALLENGE = "c" * 43


def query(app: App, **changes: Any) -> str:
    """The query of a good authorization request of this app; None takes a parameter away."""
    words = {"client_id": app.client_id, "redirect_uri": app.redirect_uris[0], "response_type": "code"}
    words |= {"scope": "openid", "state": "s-1", "nonce": "n-1"}
    words |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"} | changes
    return urlencode({name: value for name, value in words.items() if value is not None})


def sign_in(client: FlaskClient, house: House, account_uuid: str, **given: Any) -> str:
    """This browser has a session of this pupil now; returns its sid."""
    words = {"amr": ("pwd",), "acr": f"{sessions.ACR}basic", "must_change": False, "shared": False}
    with house.database.transaction() as db:
        started = sessions.start(
            db, house, account_uuid=account_uuid, now=house.clock.now(), **(words | given)
        )
    client.set_cookie(f"idp-{house.settings.issuer.rpartition(':')[2]}-session", started.cookie)
    return started.sid


def fresh(house: House, sid: str, url: str) -> None:
    """What the sign-in page leaves: this session began for this authorization request."""
    with house.database.transaction() as db:
        sessions.leave_marker(db, sid, url, house.clock.now())


def said(answer: TestResponse, app: App, *, at: str | None = None) -> dict[str, str]:
    """What the app was told, in the query of its address. The answer must be a 303 to exactly there."""
    assert answer.status_code == 303, answer.text
    address, _, told = answer.headers["Location"].partition("?")
    assert address == (at or app.redirect_uris[0]).partition("?")[0]
    return dict(parse_qsl(told, keep_blank_values=True, strict_parsing=True))


def path(answer: TestResponse) -> str:
    """Where a redirect within our house leads, without the query."""
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.headers["Location"])
    assert not parts.netloc
    return parts.path


def next_of(answer: TestResponse) -> str:
    """The way back that a redirect to the sign-in page carries."""
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))["next"]


def fill_in(client: FlaskClient, page: TestResponse, **fields: str) -> TestResponse:
    """Send the last form of a page, with its hidden fields and these."""
    form = [
        form
        for form in re.findall(r"<form\b.*?</form>", page.text, re.DOTALL)
        if 'action="/taal"' not in form
    ][-1]
    action = unescape(re.search(r'action="([^"]*)"', form)[1])
    hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
    given = {name: unescape(value) for name, value in hidden} | fields
    return client.post(action, data=given)


def codes(house: House) -> int:
    with house.database.reading() as db:
        return len(db.execute(select(models.AuthorizationCode.digest)).all())


def grant_of(house: House) -> dict[str, Any]:
    with house.database.reading() as db:
        return dict(db.execute(select(models.Grant.__table__)).mappings().one())


def story_at_two_schools(db: Any, make: Any, **given: Any) -> tuple[Story, str]:
    """A pupil at two schools that both made the app visible; also the number of the second school."""
    story = make.story(db, **given)
    second = make.school(db, naam="Atheneum De Toren")
    make.enrolment(db, story.pupil, second)
    make.rule(db, story.app.client_id, second)
    return story, second
