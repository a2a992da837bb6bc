"""Every change of a registration is a version that can be read and compared, and never holds a secret."""

from __future__ import annotations

import functools
import json

import pytest
from sqlalchemy import event, insert, select

from idp import audit, entropy, models
from idp.admin.apps import app_history, app_list, app_secrets, app_stopping, apps
from idp.admin.apps.app_list import Care, State
from idp.admin.apps.differences import differences
from idp.admin.makers import suppliers
from idp.errors import Invalid, NotFound
from idp.models import AppChange
from idp.oidc import clients
from tests import make, make_tokens
from tests.admin.test_apps import document

NOW = make.NOW


def imported(house, *documents, **words):
    return apps.import_apps(house, documents, now=house.clock.now(), **words)


def versions(house, client_id="rekenbuur"):
    with house.database.reading() as db:
        return app_history.history(db, client_id)


def test_each_change_says_who_when_and_what(house, stopped):
    with audit.acting("person:mira"):
        imported(house, document())
    stopped.move(hours=1)
    with audit.acting("person:cem"):
        imported(house, document(purpose="Rekenen"))
    imported(house, document(purpose="Rekenen"))
    with house.database.transaction() as db:
        app_secrets.renew(db, "rekenbuur", now=NOW)
        app_stopping.disable(db, "rekenbuur", now=NOW)
        app_stopping.enable(db, "rekenbuur", now=NOW)
        app_stopping.remove(db, "rekenbuur", now=NOW)
    told = [(one.number, one.by, one.what, one.fields) for one in reversed(versions(house))]
    assert told[:2] == [
        (
            1,
            "person:mira",
            AppChange.REGISTERED,
            tuple(told[0][3]),
        ),
        (2, "person:cem", AppChange.CHANGED, ("purpose",)),
    ]
    assert {"redirect_uris", "scope"} <= {*told[0][3]}
    assert [one[2] for one in told[2:]] == [
        AppChange.SECRET_RENEWED,
        AppChange.DISABLED,
        AppChange.ENABLED,
        AppChange.REMOVED,
    ]
    assert versions(house)[-2].at - versions(house)[-1].at == stopped.now() - NOW


def test_two_versions_are_compared_field_by_field(house):
    imported(house, document())
    imported(house, document(redirect_uris=["https://rekenbuur.example/terug"], purpose="Rekenen"))
    with house.database.reading() as db:
        purpose, uris = sorted(app_history.compare(db, "rekenbuur", 1, 2), key=lambda one: one.field)
        assert (purpose.before, purpose.after) == (None, "Rekenen")
        assert uris.removed == ("https://rekenbuur.example/cb",)
        assert uris.added == ("https://rekenbuur.example/terug",)
        assert app_history.compare(db, "rekenbuur", 2, 2) == ()
        assert {one.field for one in app_history.compare(db, "rekenbuur", 0, 1)} >= {"client_name", "scope"}
        for number in (3, -1):
            with pytest.raises(NotFound, match="version_unknown"):
                app_history.compare(db, "rekenbuur", 1, number)


def test_an_app_from_before_the_history_keeps_how_it_was(house):
    with house.database.transaction() as db:
        make.app(db, "oud", purpose="Vroeger")
    with house.database.reading() as db:
        (given,) = app_list.export(db, ["oud"])
    imported(house, given | {"purpose": "Nu"})
    newest, first = versions(house, "oud")
    assert (first.by, first.what, first.number) == (app_history.UNKNOWN, AppChange.REGISTERED, 1)
    with house.database.reading() as db:
        assert app_history.at_version(db, "oud", 1)["purpose"] == "Vroeger"
        assert "purpose" in newest.fields
        assert "purpose" in {one.field for one in app_history.compare(db, "oud", 1, 2)}


def test_no_version_ever_holds_a_secret(house):
    secret = "a secret of at least sixteen"
    imported(house, document(client_secret=secret))
    imported(house, document(client_secret=f"{secret} more"))
    with house.database.transaction() as db:
        new = app_secrets.renew(db, "rekenbuur", now=NOW)
    with house.database.reading() as db:
        kept = json.dumps([*db.execute(select(models.AppVersion.snapshot)).scalars()])
    for word in (secret, new, 'client_secret"', clients.digest(new)):
        assert word not in kept
    assert "client_secret" in versions(house)[1].fields


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        ({"scope": "openid vo"}, {"scope": "openid profile"}, [("-", "vo"), ("+", "profile")]),
        ({"contacts": []}, {}, []),
        ({}, {"claims_in_id_token": False}, []),
        ({}, {"claims_in_id_token": True}, [("+", "true")]),
        ({"purpose": "a"}, {"purpose": "b"}, [("-", "a"), ("+", "b")]),
        ({"reasons": {"sub": "x"}}, {"reasons": {"sub": "y"}}, [("-", "sub: x"), ("+", "sub: y")]),
    ],
)
def test_a_difference_reads_as_what_went_and_what_came(before, after, seen):
    assert [line for one in differences(before, after) for line in one.lines()] == seen


# ---------------------------------------------------------------- secrets


def secrets(house):
    with house.database.reading() as db:
        return app_secrets.listing(db, "rekenbuur")


def works(house, secret):
    proof = clients.Proof(form={}, authorization=make_tokens.basic("rekenbuur", secret), source="127.0.0.1")
    try:
        return clients.authenticate(house, proof, now=house.clock.now()).client_id == "rekenbuur"
    except clients.InvalidClientError:
        return False


def test_OPER_04_a_new_secret_and_the_old_one_work_until_the_old_one_ends(house, stopped):
    (one,) = imported(house, document())
    with house.database.transaction() as db:
        second = app_secrets.renew(db, "rekenbuur", now=NOW, overlap_days=3)
    stopped.move(seconds=3)
    assert works(house, one.client_secret)
    assert works(house, second)
    stopped.move(days=3)
    assert not works(house, one.client_secret)
    assert works(house, second)
    assert [one.good(stopped.now()) for one in secrets(house)] == [True, False]


def test_OPER_04_the_old_secret_can_be_ended_by_hand_and_the_last_one_cannot(house, stopped):
    (one,) = imported(house, document())
    with house.database.transaction() as db:
        second = app_secrets.renew(db, "rekenbuur", now=NOW, overlap_days=30)
    newest, oldest = secrets(house)
    with house.database.transaction() as db:
        app_secrets.end(db, "rekenbuur", oldest.id, now=NOW)
    stopped.move(seconds=3)
    assert not works(house, one.client_secret)
    assert works(house, second)
    with house.database.transaction() as db:
        with pytest.raises(Invalid, match="last_secret"):
            app_secrets.end(db, "rekenbuur", newest.id, now=NOW)
        for wrong in (oldest.id, "x", ""):
            with pytest.raises(NotFound, match="secret_unknown"):
                app_secrets.end(db, "rekenbuur", wrong, now=NOW)


# ---------------------------------------------------------------- disable and enable


def test_a_disabled_app_loses_its_tokens_at_once_and_keeps_what_schools_decided(house):
    bench = make_tokens.Bench(house)
    story = bench.story()
    got = bench.tokens(story, scope=make.ALL_SCOPES)
    assert bench.userinfo(got["access_token"]).status_code == 200
    with house.database.transaction() as db:
        app_stopping.disable(db, story.app.client_id, now=NOW)
    assert bench.userinfo(got["access_token"]).status_code == 401
    house.clock.move(seconds=3)
    assert bench.refresh(story, got["refresh_token"]).status_code == 401
    with house.database.transaction() as db:
        with pytest.raises(Invalid, match="app_disabled_already"):
            app_stopping.disable(db, story.app.client_id, now=NOW)
        assert app_list.show(db, story.app.client_id)["state"] == "disabled"
        assert db.execute(select(models.VisibilityRule.id)).first() is not None
        app_stopping.enable(db, story.app.client_id, now=NOW)
        with pytest.raises(Invalid, match="app_works_already"):
            app_stopping.enable(db, story.app.client_id, now=NOW)
    house.clock.move(seconds=3)
    assert bench.userinfo(got["access_token"]).status_code == 401
    assert bench.refresh(story, got["refresh_token"]).json["error"] == "invalid_grant"
    assert bench.userinfo(bench.tokens(story)["access_token"]).status_code == 200


def test_an_import_changes_a_disabled_app_and_leaves_it_disabled(house):
    imported(house, document())
    with house.database.transaction() as db:
        app_stopping.disable(db, "rekenbuur", now=NOW)
    imported(house, document(purpose="Rekenen"))
    with house.database.reading() as db:
        assert app_list.show(db, "rekenbuur")["state"] == "disabled"
        assert app_list.export(db)[0]["purpose"] == "Rekenen"


# ---------------------------------------------------------------- class scopes, suppliers


def test_no_class_scope_without_a_dated_protocol_of_the_supplier(house):
    scope = "openid ov_leerling ov_klas"
    for given in (
        {},
        {"supplier_protocol": "P-12"},
        {"supplier_protocol": "P-12", "supplier_protocol_signed": "2027-01-01"},
    ):
        with pytest.raises(apps.Refused) as refused:
            imported(house, document(scope=scope, **given))
        assert "supplier_protocol" in str(refused.value)
    signed = {"supplier_protocol": "P-12", "supplier_protocol_signed": "2026-11-01"}
    imported(house, document(scope=scope, **signed))
    with pytest.raises(apps.Refused, match="supplier_protocol"):
        imported(house, document(scope=scope))


def test_an_app_that_had_classes_before_the_rule_keeps_them_and_is_pointed_at(house):
    with house.database.transaction() as db:
        make.app(db, "oud", token_endpoint_auth_method="client_secret_basic")
        (given,) = app_list.export(db, ["oud"])
    imported(house, given | {"purpose": "Rekenen"})
    with house.database.reading() as db:
        (line,) = app_list.search(db, today=make.TODAY, care=Care.NO_PROTOCOL)
    assert line.client_id == "oud"


def test_an_app_belongs_to_a_supplier_that_is_known(house):
    with pytest.raises(apps.Refused, match="supplier"):
        imported(house, document(supplier="rekenhuis"))
    with house.database.transaction() as db:
        assert suppliers.keep(db, "rekenhuis", naam="Rekenhuis nv", contact="ict@rekenhuis.example", now=NOW)
        assert not suppliers.keep(db, "rekenhuis", naam="Rekenhuis", now=NOW)
        for wrong in ("Rekenhuis", "", "a" * 41, "a b", "-a"):
            with pytest.raises(Invalid, match="supplier_refused"):
                suppliers.keep(db, wrong, naam="X", now=NOW)
    imported(house, document(supplier="rekenhuis"))
    with house.database.reading() as db:
        (known,) = suppliers.listing(db)
        assert (known.apps, known.naam) == (1, "Rekenhuis")
        assert app_list.export(db)[0]["supplier"] == "rekenhuis"
        assert [one.client_id for one in app_list.search(db, today=make.TODAY, supplier="rekenhuis")] == [
            "rekenbuur"
        ]
    with house.database.transaction() as db:
        suppliers.end(db, "rekenhuis", now=NOW)
        with pytest.raises(NotFound, match="supplier_unknown"):
            suppliers.end(db, "rekenhuis", now=NOW)


# ---------------------------------------------------------------- a registry of 500 apps and 5,000 changes


@pytest.fixture
def big(house):
    """500 apps and 5,000 changes."""
    words = {"by": "operator:cli", "approved_by": None}
    with house.database.transaction() as db:
        for number in range(500):
            make.app(
                db,
                f"app-{number:03}",
                client_name=f"Rekenbuur é{number}",
                version=10,
                purpose=f"Vak {number % 7}",
            )
        rows = [
            {
                "id": entropy.row_id(),
                "client_id": f"app-{number:03}",
                "number": version,
                "at": NOW,
                "what": AppChange.CHANGED if version > 1 else AppChange.REGISTERED,
                "fields": ["purpose"],
                "snapshot": {"purpose": f"versie {version}", "scope": "openid", "sandbox": False},
            }
            | words
            for number in range(500)
            for version in range(1, 11)
        ]
        db.execute(insert(models.AppVersion), rows)
    return house


def counted(house, work):
    """How many statements this took, and what it gave."""
    said = []
    engine = house.database.engine
    listen = (engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    event.listen(*listen)
    try:
        with house.database.reading() as db:
            found = work(db)
    finally:
        event.remove(*listen)
    return len([one for one in said if one.lstrip().upper().startswith("SELECT")]), found


def test_500_apps_and_5000_changes_are_searched_and_compared_in_a_few_statements(big):
    few, lines = counted(big, lambda db: app_list.search(db, today=make.TODAY, words="E499"))
    assert [line.client_id for line in lines] == ["app-499"]
    assert few == 3
    few, lines = counted(big, lambda db: app_list.search(db, today=make.TODAY, state=State.WORKS))
    assert (few, len(lines)) == (3, 500)
    few, listed = counted(big, app_list.listing)
    assert (few, len(listed)) == (2, 500)
    few, found = counted(big, lambda db: app_history.history(db, "app-250"))
    assert (few, [one.number for one in found]) == (2, [*range(10, 0, -1)])
    few, differing = counted(big, lambda db: app_history.compare(db, "app-250", 3, 9))
    assert few == 2
    assert [(one.before, one.after) for one in differing] == [("versie 3", "versie 9")]
    few, page = counted(big, lambda db: app_history.changes(db, client_id="app-007", most=5))
    assert (few, len(page)) == (1, 5)
    last = (page[-1].at, page[-1].id)
    few, rest = counted(big, lambda db: app_history.changes(db, client_id="app-007", before=last, most=50))
    assert (few, len(rest)) == (1, 5)
    assert not {one.id for one in page} & {one.id for one in rest}


def _keep(said, *given):
    said.append(given)


def test_the_newest_changes_come_by_index_and_not_by_reading_everything(big):
    if not big.database.sqlite:
        pytest.skip("SQLite tells its plan in one word; PostgreSQL rightly reads small tables whole")
    for words in ({}, {"client_id": "app-007"}, {"by": "person:x"}):
        said: list = []
        keep = functools.partial(_keep, said)
        listen = (big.database.engine, "before_cursor_execute", keep)
        event.listen(*listen)
        try:
            with big.database.reading() as db:
                app_history.changes(db, **words)
        finally:
            event.remove(*listen)
        query, parameters = said[-1][2:4]
        with big.database.reading() as db:
            plan = " ".join(str(row) for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", parameters))
        assert "SEARCH app_version USING INDEX" in plan or "SCAN app_version USING INDEX" in plan, plan
