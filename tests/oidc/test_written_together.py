"""Is what an exchange writes there as a whole, or not at all; and what when the database breaks it off?"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import bindparam, event, insert, select, update
from sqlalchemy.exc import OperationalError

from idp import driver, models, prepared
from idp.prepared import Prepared
from tests.make_tokens import Bench


def rows(bench: Bench, table: Any) -> int:
    return len(bench.rows(select(table)))


class BrokenOff:
    """The first time that a statement with these words is sent, the database refuses the transaction."""

    def __init__(self, bench: Bench, words: str, failure: type[psycopg.Error], *, lost: bool = False) -> None:
        self.words, self.failure, self.lost, self.times = words, failure, lost, 0
        event.listen(bench.house.database.engine, "before_cursor_execute", self._sent)

    def _sent(self, _db: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if self.words in sql and not self.times:
            self.times += 1
            raise OperationalError(sql, None, self.failure(), connection_invalidated=self.lost)


def meanwhile(bench: Bench, words: str, act: Any) -> list[Any]:
    """Do something just before a statement with these words is sent for the first time; what it gave is in the list.

    `act` is handed the connection that sends the statement.
    """
    began: list[bool] = []
    gave: list[Any] = []

    def sent(db: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if words in sql and not began:
            began.append(True)
            gave.append(act(db))

    event.listen(bench.house.database.engine, "before_cursor_execute", sent)
    return gave


@pytest.mark.parametrize(
    "failure",
    [psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected],
    ids=lambda one: one.__name__,
)
def test_an_exchange_that_is_broken_off_is_done_again_and_spends_its_code_once(house, failure):
    bench = Bench(house)
    story = bench.story()
    code = bench.code(story, scope="openid offline_access")
    broken = BrokenOff(bench, "INSERT INTO access_token", failure)
    answer = bench.redeem(story, code)
    assert (answer.status_code, broken.times) == (200, 1)
    assert (
        rows(bench, models.AccessToken),
        rows(bench, models.RefreshToken),
        rows(bench, models.Release),
    ) == (1, 1, 1)
    assert bench.userinfo(answer.json["access_token"]).status_code == 200
    assert bench.redeem(story, code).json["error"] == "invalid_grant"
    assert bench.userinfo(answer.json["access_token"]).status_code == 401


def test_an_exchange_whose_connection_is_lost_is_not_done_again(house):
    bench = Bench(house)
    story = bench.story()
    code = bench.code(story)
    broken = BrokenOff(bench, "INSERT INTO access_token", psycopg.OperationalError, lost=True)
    assert bench.redeem(story, code).status_code >= 500
    assert (broken.times, rows(bench, models.AccessToken), rows(bench, models.Release)) == (1, 0, 0)
    assert bench.redeem(story, code).status_code == 200, "nothing of the first try was kept"


def test_a_refresh_that_is_broken_off_gives_one_successor(house):
    bench = Bench(house)
    story = bench.story()
    got = bench.tokens(story, scope="openid offline_access")
    broken = BrokenOff(bench, "UPDATE refresh_token", psycopg.errors.DeadlockDetected)
    first = bench.refresh(story, got["refresh_token"])
    assert (first.status_code, broken.times) == (200, 1)
    again = bench.refresh(story, got["refresh_token"])
    assert again.json["refresh_token"] == first.json["refresh_token"]
    assert rows(bench, models.RefreshToken) == 2


def test_what_is_written_later_is_there_at_the_end_of_the_block_and_nothing_of_it_when_the_block_fails(house):
    bench = Bench(house)
    story = bench.story()
    first, second = (Prepared(insert(models.UsedAssertion)) for _ in range(2))

    def line(jti: str) -> dict[str, Any]:
        return {"client_id": story.app.client_id, "jti_digest": jti * 64, "expires_at": house.clock.now()}

    with house.database.transaction() as db, prepared.together(db):
        first.later(db, line("a"))
        second.later(db, line("b"))
        assert not db.execute(select(models.UsedAssertion.jti_digest)).all()
    assert rows(bench, models.UsedAssertion) == 2
    with pytest.raises(ZeroDivisionError), house.database.transaction() as db, prepared.together(db):
        first.later(db, line("c"))
        raise ZeroDivisionError
    assert rows(bench, models.UsedAssertion) == 2
    with house.database.transaction() as db:
        first.later(db, line("d"))
        assert len(db.execute(select(models.UsedAssertion.jti_digest)).all()) == 3


def test_a_refresh_whose_connection_goes_away_before_it_writes_is_done_again_with_a_new_one(house):
    if house.database.sqlite:
        pytest.skip("a file has no connection to lose")
    bench = Bench(house)
    story = bench.story()
    got = bench.tokens(story, scope="openid offline_access")
    address = house.database.url.replace("+psycopg", "")

    def cut(db: Any) -> None:
        with psycopg.connect(address, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(%s)", [db.connection.driver_connection.info.backend_pid]
            )

    gone = meanwhile(bench, "FROM refresh_token", cut)
    answer = bench.refresh(story, got["refresh_token"])
    assert (len(gone), answer.status_code) == (1, 200)
    assert rows(bench, models.RefreshToken) == 2


@pytest.mark.parametrize("beside", [0, 1, 2])
def test_what_a_guard_does_not_let_through_is_not_written(house, beside):
    bench = Bench(house)
    story = bench.story()
    line = {"client_id": story.app.client_id, "expires_at": house.clock.now()}
    add = Prepared(insert(models.UsedAssertion))
    found = update(models.School).where(models.School.naam == bindparam("old"))
    guard = Prepared(found.values(naam=bindparam("new")), guards=True)

    def write(old: str, new: str) -> None:
        with house.database.each_by_itself() as db, prepared.together(db):
            for number in range(beside):
                add.later(db, line | {"jti_digest": f"{new}{number}".ljust(64)})
            guard.later(db, {"old": old, "new": new})

    (name,) = bench.rows(select(models.School.naam))
    write(*name, "a")
    assert rows(bench, models.UsedAssertion) == beside
    with pytest.raises(driver.Overtaken):
        write(*name, "b")
    assert rows(bench, models.UsedAssertion) == beside
    write("a", "c")
    assert rows(bench, models.UsedAssertion) == 2 * beside
    assert bench.rows(select(models.School.naam)) == [("c",)]


def test_a_code_that_is_redeemed_between_look_and_act_gives_nothing_and_ends_what_it_gave(house):
    if house.database.sqlite:
        pytest.skip("nobody comes between where there is one writer")
    bench = Bench(house)
    story = bench.story()
    code = bench.code(story, scope="openid offline_access")
    gave = meanwhile(bench, "UPDATE authorization_code", lambda _db: bench.redeem(story, code))
    second = bench.redeem(story, code)
    (first,) = gave
    assert (first.status_code, second.status_code, second.json["error"]) == (200, 400, "invalid_grant")
    tables = (models.AccessToken, models.RefreshToken, models.Release)
    assert [rows(bench, one) for one in tables] == [1, 1, 1], "only the first was given anything"
    assert bench.userinfo(first.json["access_token"]).status_code == 401
    assert len(bench.events("code_replayed")) == 1


def test_a_refresh_token_that_is_used_between_look_and_act_gives_the_same_successor(house):
    if house.database.sqlite:
        pytest.skip("nobody comes between where there is one writer")
    bench = Bench(house)
    story = bench.story()
    got = bench.tokens(story, scope="openid offline_access")
    gave = meanwhile(bench, "UPDATE refresh_token", lambda _db: bench.refresh(story, got["refresh_token"]))
    second = bench.refresh(story, got["refresh_token"])
    (first,) = gave
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json["refresh_token"] == second.json["refresh_token"]
    assert rows(bench, models.RefreshToken) == 2
