"""Two processes that share a database and keys agree: what one signs, the other publishes, before, during and after."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest
from joserfc import jws
from joserfc.jwk import import_key

from idp import audit, config, context, keys
from idp.admin.privacy import retention
from idp.database import Database
from idp.oidc import signing
from tests.make_nodes import Node

MINUTES = 60
DAY = 24 * MINUTES


@pytest.fixture
def nodes(database_url, tmp_path, stopped):
    folder = tmp_path / "keys"
    keys.create(folder)
    first = Database(database_url)
    with first.reading():
        pass
    first.close()
    where = (database_url, folder, tmp_path, stopped.now())
    made = [Node(where), Node(where)]
    yield made
    for one in made:
        one.orders.put(None)
        one.process.join(timeout=60)


def both(nodes, order, minutes=0):
    for one in nodes:
        one.tell(order, minutes)
    return [one.answer() for one in nodes]


def verified(signed: str, jwks: bytes) -> str:
    kid = jws.extract_compact(signed.encode()).headers()["kid"]
    key = next(key for key in orjson.loads(jwks)["keys"] if key["kid"] == kid)
    jws.deserialize_compact(signed, import_key(key), algorithms=["RS256"])
    return kid


def agreed(nodes, minutes=0) -> set[str]:
    """Each verifies what the other signed, with what it publishes; returns the ids that signed."""
    (mine, my_keys), (yours, your_keys) = both(nodes, "look", minutes)
    return {verified(mine, your_keys), verified(yours, my_keys), verified(mine, my_keys)}


def test_two_nodes_that_start_together_make_one_key_and_go_through_a_year_of_changes_together(nodes):
    made = both(nodes, "ensure")
    assert Counter(kid.split("-")[0] for kids in made for kid in kids) == {"rs256": 1, "es256": 1}
    (first,) = agreed(nodes)
    assert both(nodes, "ensure", 75 * DAY) == [[], []]
    announced = [kid for kids in both(nodes, "ensure", DAY) for kid in kids]
    assert len(announced) == 2
    assert agreed(nodes, 1) == {first}
    (second,) = agreed(nodes, 14 * DAY)
    assert second in announced
    (_, published), _ = both(nodes, "look", 30)
    assert {first, second} <= {key["kid"] for key in orjson.loads(published)["keys"]}
    (_, published), _ = both(nodes, "look", DAY)
    assert first not in {key["kid"] for key in orjson.loads(published)["keys"]}


def test_nodes_whose_clocks_differ_by_minutes_agree_while_a_key_takes_over(nodes):
    both(nodes, "ensure")
    both(nodes, "ensure", 76 * DAY)
    slow, fast = nodes
    fast.tell("look", 14 * DAY + 3)
    slow.tell("look", 14 * DAY - 2)
    (new, fast_keys), (old, slow_keys) = fast.answer(), slow.answer()
    assert verified(new, slow_keys) != verified(old, fast_keys)


def test_a_revoked_key_signs_nothing_on_the_other_node_within_the_same_minute(nodes):
    both(nodes, "ensure")
    (first,) = agreed(nodes)
    nodes[0].tell("revoke")
    assert nodes[0].answer() == [first]
    (second,) = agreed(nodes, 0.5)
    assert second != first


def test_the_private_half_of_a_key_that_is_gone_is_deleted_and_of_no_other(database_url, tmp_path, stopped):
    folder = tmp_path / "keys"
    keys.create(folder)
    settings = config.read({}, data=tmp_path, database_url=database_url, keys=folder)
    house = context.open_house(settings, clock=stopped)

    def files():
        return {path.stem for path in (folder / "signing").glob("*.pem")}

    with audit.circumstances(audit.Circumstances(now=stopped.now(), actor="system", source="test")):
        with house.database.transaction() as db:
            first = set(signing.ensure(db, house, stopped.now()))
        stopped.move(days=76)
        with house.database.transaction() as db:
            second = set(signing.ensure(db, house, stopped.now()))
        stopped.move(days=14)
        assert retention.tidy(house, stopped.now())["private keys"] == 0
        assert files() == first | second
        stopped.move(days=1)
        assert retention.tidy(house, stopped.now())["private keys"] == 2
        assert files() == second
        assert retention.tidy(house, stopped.now())["private keys"] == 0
    house.database.close()
