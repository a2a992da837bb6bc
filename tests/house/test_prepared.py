"""A prepared statement answers as SQLAlchemy does, on both databases."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from idp.models import ID, Moment, Release, School, SchoolKind
from idp.prepared import Prepared
from tests.conftest import MONDAY

ACCOUNT = "0190f0f0-1234-4abc-8def-001122334455"
LINE = {
    "id": "0190f0f0-1234-7abc-8def-001122334455",
    "at": MONDAY,
    "channel": "userinfo",
    "client_id": "app",
    "account_uuid": ACCOUNT,
    "instellingsnummer": None,
    "claims": {"sub": "released", "naam é": "unknown"},
    "mark": None,
}
ADD = Prepared(insert(Release))
FIND = Prepared(select(Release.__table__).where(Release.account_uuid == bindparam("who", type_=ID)))
MOVE = Prepared(
    update(Release)
    .where(Release.account_uuid == bindparam("who"))
    .values(at=bindparam("moment", type_=Moment()), instellingsnummer=bindparam("school"))
)


def test_what_goes_in_comes_out_as_sqlalchemy_would_give_it(house):
    with house.database.transaction() as db:
        assert ADD.run(db, LINE) == 1
        assert FIND.first(db, {"who": ACCOUNT})._asdict() == LINE
        assert MOVE.run(db, {"who": ACCOUNT, "moment": MONDAY, "school": "012345"}) == 1
        plain = db.execute(select(Release.__table__)).one()
        assert plain == tuple(FIND.first(db, {"who": ACCOUNT}))
        assert plain.at == MONDAY
        assert plain.instellingsnummer == "012345"


def test_no_rows_is_nothing(house):
    with house.database.reading() as db:
        assert FIND.first(db, {"who": ACCOUNT}) is None
        assert FIND.rows(db, {"who": ACCOUNT}) == []


def test_closed_words_come_back_as_words(house):
    kinds = Prepared(select(School.kind, School.created_at).where(School.kind == SchoolKind.TEST))
    school = {"instellingsnummer": "012345", "naam": "x", "kind": SchoolKind.TEST, "pakket": None}
    with house.database.transaction() as db:
        Prepared(insert(School)).run(db, school | {"created_at": MONDAY})
        assert kinds.rows(db, {}) == [(SchoolKind.TEST, MONDAY)]


def test_a_refusal_of_the_database_is_one_of_sqlalchemy_and_undoes_everything(house):
    with pytest.raises(IntegrityError), house.database.transaction() as db:
        ADD.run(db, LINE)
        ADD.run(db, LINE)
    with house.database.reading() as db:
        assert FIND.first(db, {"who": ACCOUNT}) is None


def test_a_savepoint_survives_a_refusal(house):
    with house.database.transaction() as db:
        ADD.run(db, LINE)
        with pytest.raises(IntegrityError), db.begin_nested():
            ADD.run(db, LINE)
        assert FIND.first(db, {"who": ACCOUNT}) is not None


def test_secrets_do_not_stand_in_the_message_of_an_error(house):
    with pytest.raises(DBAPIError) as failure, house.database.transaction() as db:
        ADD.run(db, LINE)
        ADD.run(db, LINE)
    assert ACCOUNT not in str(failure.value).split("[SQL")[-1]


@pytest.mark.parametrize("given", [{}, {"who": ACCOUNT, "more": 1}, {"whom": ACCOUNT}])
def test_every_parameter_is_given_and_no_other(house, given):
    with pytest.raises((TypeError, KeyError)), house.database.reading() as db:
        FIND.first(db, given)


def test_returned_columns_are_converted_too(house):
    away = Prepared(
        delete(Release).where(Release.at <= bindparam("until")).returning(Release.at, Release.claims)
    )
    with house.database.transaction() as db:
        ADD.run(db, LINE)
        (row,) = away.rows(db, {"until": datetime.combine(date(2030, 1, 1), MONDAY.timetz())})
    assert row == (MONDAY, LINE["claims"])
