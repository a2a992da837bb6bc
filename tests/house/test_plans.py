"""What is asked all day costs the same in a country as in a town: no statement of it walks through a table."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Index, PrimaryKeyConstraint, UniqueConstraint

from idp import models
from idp.admin.privacy import deleting, retention
from idp.app import create_app
from idp.errands import jobs
from idp.oidc import clients, discovery
from tests import make, make_signing
from tests.make_http_walk import Walk
from tests.make_plans import asked, walked
from tests.make_tokens import SECRET, basic

WORDS = "kat appel trein kasteel"
SMALL = {"anchor", "app", "job_record", "lease", "protocol_text", "registry_version", "signing_key", "turn"}
"""Tables that do not grow with pupils: some rows, one a day, or hundreds of apps that are kept in memory anyway."""
STAY = {
    ("agreement", "protocol_sha256"): "a text that schools agreed to stays",
    ("agreement", "given_by"): "so does who agreed",
    ("app_pupil", "client_id"): "an app that is removed keeps its row, so that no other gets its name",
}
"""Rows that others point at, and that are never deleted."""


class InHouse(Walk):
    """The same walk without a network."""

    def __init__(self, house: Any, client_id: str) -> None:
        uris = [f"https://{client_id}.example/cb"]
        super().__init__(
            {"client_id": client_id, "client_secret": SECRET, "redirect_uris": uris}, make.ALL_SCOPES
        )
        application = create_app(house)
        application.testing = True
        application.wsgi_app = discovery.in_front_of(application.wsgi_app, house)
        self.pages, self.program = application.test_client(), application.test_client(use_cookies=False)

    def _get(self, at: str, path: str) -> Any:
        return _Answer(self.pages.get(self._here(at, path)))

    def _post(self, url: str, given: dict[str, str]) -> Any:
        return _Answer(self.pages.post(url, data=given))

    def post(self, where: str, **form: str) -> Any:
        header = {"Authorization": basic(self.app["client_id"], SECRET)}
        return self.program.post(where, data=form, headers=header)

    def redeem(self, at: str, code: str) -> dict[str, Any]:
        uri = self.app["redirect_uris"][0]
        words = {"grant_type": "authorization_code", "code": code, "code_verifier": self.verifier}
        answer = self.post(f"{at}/token", redirect_uri=uri, **words)
        assert answer.status_code == 200, answer.text
        return dict(answer.json)


class _Answer:
    """What Walk reads of an answer."""

    def __init__(self, response: Any) -> None:
        self.status_code, self.headers, self.text = response.status_code, response.headers, response.text
        self.url = response.request.path


@pytest.fixture
def walk(house):
    make_signing.keys(house)
    stored = house.hasher.hash(WORDS)
    with house.database.transaction() as db:
        story = make.story(db, username="noor.peeters", secrets=(clients.digest(SECRET),))
        words = {"secret_hash": stored.hash, "pepper_id": stored.pepper_id}
        db.execute(models.Account.__table__.update().values(words))
    return InHouse(house, story.app.client_id)


def all_day(house, walk) -> None:
    """Sign in with a wrong secret first, open an app twice, read, refresh, ask, revoke, and stop."""
    code = walk.code("", "noor.peeters", "kat appel trein huis", again=WORDS)
    given = walk.redeem("", code)
    walk.redeem("", walk.code("", "noor.peeters", WORDS))
    bearer = {"Authorization": f"Bearer {given['access_token']}"}
    assert walk.program.get("/userinfo", headers=bearer).status_code == 200
    assert walk.post("/introspect", token=given["access_token"]).json["active"]
    assert walk.post("/introspect", token=given["refresh_token"]).json["active"]
    fresh = walk.post("/token", grant_type="refresh_token", refresh_token=given["refresh_token"])
    assert fresh.status_code == 200
    assert walk.post("/revoke", token=fresh.json["refresh_token"]).status_code == 200
    assert walk.pages.get("/mijn-apps").status_code == 200
    house.clock.move(minutes=2)
    for light in (jobs.sign_outs, jobs.mails, jobs.end_expired, jobs.seal):
        light(house)


def test_no_statement_of_the_day_walks_through_a_table_that_grows(house, walk):
    with asked(house) as statements:
        all_day(house, walk)
    assert len(statements) > 40
    walks = {(table, one) for one, given in statements for table in walked(house, one, given) - SMALL}
    assert not walks, "\n\n".join(f"{table}: {one}" for table, one in walks)


def test_what_the_purge_deletes_straight_away_is_found_by_an_index(house):
    with asked(house) as statements:
        for model, moment, condition in retention._expired(house, house.clock.now()):
            deleting.straight(house, model, moment, condition)
    assert len(statements) > 15
    walks = {(table, one) for one, given in statements for table in walked(house, one, given)}
    assert not walks, "\n\n".join(f"{table}: {one}" for table, one in walks)


def test_a_row_that_goes_is_looked_for_by_an_index_of_every_table_that_points_at_it():
    """Deleting a session looks for its grants: without an index that is a walk through all of them, for each session."""
    lacking = set()
    for table in models.Base.metadata.sorted_tables:
        keys = [table.primary_key, *table.indexes, *table.constraints]
        led = [
            [*key.columns.keys()]
            for key in keys
            if isinstance(key, PrimaryKeyConstraint | Index | UniqueConstraint)
        ]
        for key in table.foreign_key_constraints:
            names = [column.name for column in key.columns]
            if not any(columns[: len(names)] == names for columns in led):
                lacking.add((table.name, *names))
    assert lacking == {*STAY}
