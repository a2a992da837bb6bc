"""What does an exchange cost? One look, one act and one signature; and what programs read about us costs nothing.

Counted, not timed: the drivers tell every BEGIN and COMMIT that they send, and Python's profiler every signature.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import event

from idp import context
from idp.oidc import discovery
from tests import make
from tests.conftest import CHEAP
from tests.make_running import running
from tests.make_tokens import SECRET, VERIFIER, Bench

PRIVATE = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)


class Counted:
    """What happened since the last look."""

    def __init__(self, house: context.House) -> None:
        self.wires: list[tuple[Any, Any]] = []
        self.told: Counter[str] = Counter()
        self.house = house
        event.listen(house.database.engine, "connect", self._listen)
        threading.setprofile(self._called)

    def _listen(self, connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(self._statement)
        else:
            wire = (self.house.settings.data / f"wire-{len(self.wires)}").open("w+b")
            connection.pgconn.trace(wire.fileno())
            self.wires.append((connection, wire))

    def _statement(self, sql: str) -> None:
        self.told["statement"] += 1
        self.told[sql.split(maxsplit=1)[0].upper()] += 1

    def _called(self, _frame: Any, what: str, called: Any) -> None:
        if what == "c_call" and getattr(called, "__name__", "") == "sign":
            self.told["signature"] += isinstance(getattr(called, "__self__", None), PRIVATE)

    def look(self) -> dict[str, int]:
        for connection, wire in self.wires:
            connection.pgconn.untrace()
            connection.pgconn.trace(wire.fileno())
            wire.seek(0)
            for line in wire.read().decode(errors="replace").splitlines():
                parts = line.split("\t")
                if "F" in parts and any(kind in parts for kind in ("Query", "Bind")):
                    self._statement(parts[-1].strip().strip('"') or "BIND")
            wire.seek(0)
            wire.truncate()
        told, self.told = dict(self.told), Counter()
        return told

    def close(self) -> None:
        threading.setprofile(None)
        for connection, wire in self.wires:
            if not connection.closed:
                connection.pgconn.untrace()
            wire.close()


@pytest.fixture
def counted(tmp_path, database_url, key_folder, stopped):
    """A running application with a counter in it, and codes of a pupil who is signed in."""
    where = {"data": tmp_path, "database_url": database_url, "keys": key_folder, "stopped": stopped}
    with running(**where, **CHEAP) as house:
        counter = Counted(house)
        house.database.close()
        yield house, counter
        counter.close()


def story_of(house: context.House) -> tuple[Bench, Any]:
    bench = Bench(house, keys=False)
    return bench, bench.story()


def exchange(house: context.House, story: Any, **form: str) -> dict[str, Any]:
    words = {"redirect_uri": story.app.redirect_uris[0], "code_verifier": VERIFIER} | form
    auth = (story.app.client_id, SECRET)
    answer = requests.post(f"{house.settings.issuer}/token", words, auth=auth, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def whole(house: context.House, cost: dict[str, int]) -> bool:
    """One transaction; on PostgreSQL a select and one statement that writes, which needs none around it."""
    said = (cost.get("BEGIN", 0), cost.get("COMMIT", 0))
    return said == ((1, 1) if house.database.sqlite else (0, 0)) and (
        house.database.sqlite or cost["statement"] == 2
    )


def test_an_exchange_is_one_transaction_at_most_and_one_signature(counted):
    house, counter = counted
    bench, story = story_of(house)
    codes = [bench.code(story) for _ in range(3)]
    exchange(house, story, grant_type="authorization_code", code=codes[0])
    for code in codes[1:]:
        counter.look()
        token = exchange(house, story, grant_type="authorization_code", code=code)
        cost = counter.look()
        assert whole(house, cost), cost
        assert cost["signature"] == 1
    counter.look()
    exchange(house, story, grant_type="refresh_token", refresh_token=token["refresh_token"])
    cost = counter.look()
    assert whole(house, cost), cost
    assert cost["signature"] == 1


@pytest.mark.parametrize("path", [*discovery.PATHS, discovery.JWKS_PATH])
def test_what_programs_read_about_us_comes_from_memory(counted, path):
    house, counter = counted
    first = requests.get(house.settings.issuer + path, timeout=60)
    counter.look()
    for _ in range(3):
        known = {"If-None-Match": first.headers["ETag"]}
        assert requests.get(house.settings.issuer + path, timeout=60).content == first.content
        assert requests.get(house.settings.issuer + path, headers=known, timeout=60).status_code == 304
    assert counter.look() == {}


def test_the_counter_counts(counted):
    house, counter = counted
    with house.database.transaction() as db:
        make.school(db)
    assert counter.look()["COMMIT"] == 1
