"""Plain factories for lists: an app that may read them, its own token, and pages of a list as it sees them."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import event

from idp import context, models
from idp.rosters import endpoints, shapes
from tests import make
from tests.make_tokens import SECRET, Bench

SCOPES = f"{make.ALL_SCOPES} {shapes.SCOPE}"
GRANTS = ["authorization_code", "refresh_token", "client_credentials"]
ACTIVE_AND_GONE = "status='active' OR status='tobedeleted'"


class Rosters(Bench):
    """A bench where apps read lists, too."""

    def __init__(self, house: context.House, *, keys: bool = True, **settings: int) -> None:
        """Every first page looks anew, unless the settings say otherwise: the clock of most tests stands still."""
        update = {"roster_fresh_seconds": 0} | settings
        super().__init__(replace(house, settings=house.settings.model_copy(update=update)), keys=keys)
        self.app.register_blueprint(endpoints.blueprint)
        self._tokens: dict[str, tuple[str, datetime]] = {}

    def story(self, **given: Any) -> make.Story:
        return super().story(**({"scope": SCOPES, "grant_types": GRANTS} | given))

    def classmate(self, story: make.Story, **enrolment: Any) -> str:
        """One more pupil of that school and class; returns the account_uuid."""
        with self.house.database.transaction() as db:
            who = make.pupil(db)
            make.enrolment(db, who, story.school, **enrolment)
            make.account(db, who)
            make.membership(db, story.klas, who)
        return who

    def own_token(self, client_id: str, scope: str | None = shapes.SCOPE) -> str:
        form = {"grant_type": "client_credentials", "scope": scope}
        answer = self.post("/token", form, auth=(client_id, SECRET))
        assert answer.status_code == 200, answer.text
        return str(answer.json["access_token"])

    def kept_token(self, client_id: str) -> str:
        """A token of the app that it keeps as long as it is good."""
        now = self.house.clock.now()
        if client_id not in self._tokens or now - self._tokens[client_id][1] > timedelta(minutes=50):
            self._tokens[client_id] = self.own_token(client_id), now
        return self._tokens[client_id][0]

    def get(self, client_id: str, path: str, **query: Any) -> Any:
        """A list, as this app asks for it (with a token that it keeps)."""
        headers = {"Authorization": f"Bearer {self.kept_token(client_id)}"} | query.pop("headers", {})
        where = path if path.startswith("/ims/") else f"{shapes.BASE}/{path}"
        return self.browser.get(where, query_string=query or None, headers=headers)

    def items(self, client_id: str, path: str, **query: Any) -> list[dict[str, Any]]:
        answer = self.get(client_id, path, **query)
        assert answer.status_code == 200, answer.text
        (listed,) = answer.json.values()
        return list(listed)

    def pages(self, client_id: str, path: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
        """Page by page, along the Link of each."""
        where, asked = path, query
        while True:
            answer = self.get(client_id, where, **asked)
            assert answer.status_code == 200, answer.text
            (listed,) = answer.json.values()
            yield listed
            links = {
                part.split('rel="')[1].rstrip('"'): part.partition("<")[2].partition(">")[0]
                for part in answer.headers.get("Link", "").split(", ")
                if part
            }
            if "next" not in links:
                return
            where, asked = links["next"].removeprefix(self.house.settings.issuer), {}

    def ledger(self, channel: str = "roster") -> list[Any]:
        mine = [row for row in self.rows(models.Release.__table__.select()) if row.channel == channel]
        return sorted(mine, key=lambda row: row.id)

    def statements(self) -> list[str]:
        """Every statement from now on."""
        said: list[str] = []
        event.listen(
            self.house.database.engine, "before_cursor_execute", lambda *given: said.append(given[2])
        )
        return said


def as_claims(bench: Rosters, client_id: str) -> dict[str, dict[str, Any]]:
    """What the pages say of each pupil, in the words of userinfo, by `sub`."""
    told = {}
    for user in bench.items(client_id, "users"):
        (role,) = user["roles"]
        number = role["org"]["sourcedId"]
        claims = {"sub": user["sourcedId"], "ov_orgcode": number}
        named = {"given_name": "givenName", "family_name": "familyName"}
        claims |= {claim: user[field] for claim, field in named.items() if field in user}
        if "grades" in user:
            (claims["ov_leerjaar"],) = user["grades"]
        if "metadata" in user:
            claims["ov_administratieve_groep"] = user["metadata"]["ov_administratieve_groep"][number]
        ids = {(one["type"], one["identifier"]) for one in user.get("userIds", ())}
        claims |= {"ids": ids}
        told[user["sourcedId"]] = claims
    answers = [bench.get(client_id, path) for path in ("classes", "enrollments")]
    if {answer.status_code for answer in answers} == {403}:
        assert {answer.json["reason"] for answer in answers} == {"not_registered"}
        return told
    classes = {one["sourcedId"]: one for one in answers[0].json["classes"]}
    for sits in answers[1].json["enrollments"]:
        one = classes[sits["class"]["sourcedId"]]
        klas = {"id": one["sourcedId"], "code": one["classCode"], "naam": one["title"]}
        klas |= {"soort": one["metadata"]["ov_soort"], "orgcode": one["school"]["sourcedId"]}
        klas["schooljaar"] = one["terms"][0]["sourcedId"].removesuffix("-jaar")
        told[sits["user"]["sourcedId"]].setdefault("ov_klassen", []).append(klas)
    assert set(classes) == {klas["id"] for one in told.values() for klas in one.get("ov_klassen", ())}
    return told


def from_zip(bench: Rosters, client_id: str) -> dict[str, dict[str, Any]]:
    """The same of the CSV files."""
    answer = bench.get(client_id, endpoints.ZIP)
    assert answer.status_code == 200, answer.text
    files = read_zip(answer.data)
    told: dict[str, dict[str, Any]] = {}
    numbers = {role["userSourcedId"]: role["orgSourcedId"] for role in files["roles"]}
    for user in files["users"]:
        claims = {"sub": user["sourcedId"], "ov_orgcode": numbers[user["sourcedId"]]}
        named = {"given_name": "givenName", "family_name": "familyName", "ov_leerjaar": "grades"}
        claims |= {claim: user[field] for claim, field in named.items() if user[field]}
        pairs = [one.strip("{}").split(":") for one in user["userIds"].split(",") if one]
        told[user["sourcedId"]] = claims | {"ids": {(kind, value) for kind, value in pairs}}
    classes = {one["sourcedId"]: one for one in files["classes"]}
    for sits in files["enrollments"]:
        one = classes[sits["classSourcedId"]]
        klas = {"id": one["sourcedId"], "code": one["classCode"], "naam": one["title"]}
        klas |= {"soort": one["courseSourcedId"].partition("-")[2], "orgcode": one["schoolSourcedId"]}
        klas["schooljaar"] = one["termSourcedIds"].removesuffix("-jaar")
        told[sits["userSourcedId"]].setdefault("ov_klassen", []).append(klas)
    assert set(classes) == {klas["id"] for one in told.values() for klas in one.get("ov_klassen", ())}
    return told


def read_zip(data: bytes) -> dict[str, list[dict[str, str]]]:
    """Rows by file, without `.csv`."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            name.removesuffix(".csv"): [*csv.DictReader(io.StringIO(archive.read(name).decode()))]
            for name in archive.namelist()
        }
