"""What widens an app waits for somebody else: the second operator of two, or an operator for a supplier."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from idp import audit, entropy, models
from idp.admin.apps import app_approving, app_history, app_list, app_requests, app_stopping, apps, widening
from idp.admin.apps.apps import Change
from idp.admin.makers import suppliers
from idp.errors import Invalid, NotAllowed, NotFound
from idp.models import RequestState
from idp.oidc import registration
from tests import make
from tests.admin.test_apps import document

NOW = make.NOW
MIRA, CEM = "person:mira", "person:cem"


@pytest.fixture
def strict(house):
    """Two operators must agree."""
    return replace(house, settings=house.settings.model_copy(update={"four_eyes": True}))


def asked(house, *documents, by=MIRA, **words):
    with audit.acting(by):
        return apps.import_apps(house, documents, now=house.clock.now(), **words)


def approved(house, request, by=CEM):
    with audit.acting(by):
        return app_approving.approve(house, request, now=house.clock.now())


def exported(house, client_id="rekenbuur"):
    with house.database.reading() as db:
        return app_list.export(db, [client_id])[0]


def events(house, name):
    with house.database.reading() as db:
        mine = select(models.AuditEvent).where(models.AuditEvent.event == name)
        return db.execute(mine).mappings().all()


WIDER = {
    "redirect_uris": ["https://rekenbuur.example/cb", "https://evil.example/cb"],
    "post_logout_redirect_uris": ["https://rekenbuur.example/bye"],
    "scope": "openid profile ov_leerling",
    "grant_types": ["authorization_code", "client_credentials"],
    "token_endpoint_auth_method": "none",
    "pkce_exempt_until": "2027-01-01",
    "claims_in_id_token": True,
    "open_to_every_pupil": True,
    "code_seconds": 60,
    "backchannel_logout_uri": "https://evil.example/out",
}


@pytest.mark.parametrize("field", [*WIDER])
def test_OPER_02_what_widens_waits_for_a_second_operator(house, strict, field):
    asked(house, document())
    before = exported(house)
    (one,) = asked(strict, document(**{field: WIDER[field]}), reason="school asked")
    assert (one.change, one.client_secret) == (Change.WAITING, None)
    assert exported(house) == before
    with pytest.raises(NotAllowed, match="four_eyes"):
        approved(strict, one.request, by=MIRA)
    assert exported(house) == before
    done = approved(strict, one.request)
    assert done.change is Change.CHANGED
    assert exported(house)[field] == WIDER[field]
    with house.database.reading() as db:
        newest = app_history.history(db, "rekenbuur")[0]
    assert (newest.by, newest.approved_by) == (MIRA, CEM)
    (requested,), (decided,) = events(house, "app_change_requested"), events(house, "app_change_decided")
    assert (requested["actor"], requested["details"]["widens"]) == (MIRA, [field])
    assert (decided["actor"], decided["result"]) == (CEM, "approved")


def test_OPER_02_a_new_app_waits_too_and_its_secret_is_shown_to_who_approves(strict):
    (one,) = asked(strict, document())
    assert (one.change, one.client_secret) == (Change.WAITING, None)
    with strict.database.reading() as db:
        assert app_list.search(db, today=make.TODAY) == []
    done = approved(strict, one.request)
    assert done.client_secret.startswith("lsk_")
    with pytest.raises(apps.Refused, match="client_secret"):
        asked(strict, document("ander", client_secret="a secret of at least sixteen"))


def test_what_does_not_widen_is_stored_at_once(house, strict):
    asked(house, document(redirect_uris=["https://rekenbuur.example/a", "https://rekenbuur.example/b"]))
    (one,) = asked(strict, document(redirect_uris=["https://rekenbuur.example/a"], purpose="Rekenen"))
    assert one.change is Change.CHANGED
    (one,) = asked(strict, document(redirect_uris=["https://rekenbuur.example/a"], purpose="Rekenen"))
    assert one.change is Change.SAME


def test_a_removed_app_that_comes_back_waits(house, strict):
    asked(house, document())
    with house.database.transaction() as db:
        app_stopping.remove(db, "rekenbuur", now=NOW)
    (one,) = asked(strict, document())
    assert one.change is Change.WAITING
    assert approved(strict, one.request).change is Change.CHANGED
    assert exported(house)["client_name"] == "Rekenbuur"


def test_a_request_is_kept_once_and_decided_once(house, strict):
    asked(house, document())
    (one,) = asked(strict, document(scope="openid profile"))
    (again,) = asked(strict, document(scope="openid profile"))
    assert one.request == again.request
    with house.database.reading() as db:
        assert app_requests.waiting(db) == 1
    approved(strict, one.request)
    for decide in (approved, refused):
        with pytest.raises(Invalid, match="request_decided"):
            decide(strict, one.request)
    for wrong in ("x", "", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(NotFound, match="request_unknown"):
            approved(strict, wrong)


def refused(house, request, by=CEM, answer="neen"):
    with audit.acting(by), house.database.transaction() as db:
        app_approving.refuse(db, request, answer=answer, now=NOW)


@pytest.mark.parametrize(("by", "state"), [(CEM, RequestState.REFUSED), (MIRA, RequestState.WITHDRAWN)])
def test_a_request_is_refused_by_another_and_taken_back_by_who_asked(house, strict, by, state):
    asked(house, document())
    (one,) = asked(strict, document(scope="openid profile"))
    refused(strict, one.request, by=by)
    with house.database.reading() as db:
        found = app_requests.find(db, one.request)
    assert (found.state, found.answer, found.decided_by) == (state, "neen", by)
    assert exported(house)["scope"] == "openid ov_leerling"


def test_a_request_about_what_changed_since_is_not_done(house, strict):
    asked(house, document())
    (one,) = asked(strict, document(scope="openid profile"))
    asked(house, document(purpose="Rekenen"))
    (other,) = asked(strict, document(scope="openid ov_inschrijving", purpose="Rekenen"))
    approved(strict, one.request)
    assert exported(house)["purpose"] == "Rekenen", "a change of another field stays"
    with pytest.raises(Invalid, match="request_outdated"):
        approved(strict, other.request)


def test_OPER_02_nobody_approves_through_a_token_of_their_own(house, strict):
    asked(house, document())
    token = entropy.row_id()
    row = {"id": token, "digest": b"x", "label": "git", "scope": "apps.write", "created_by": MIRA}
    with house.database.transaction() as db:
        db.execute(insert(models.OperatorToken), row | {"created_at": NOW, "expires_at": NOW})
    (one,) = asked(strict, document(scope="openid profile"))
    with pytest.raises(NotAllowed, match="four_eyes"):
        approved(strict, one.request, by=f"operator-token:{token}")
    (two,) = asked(strict, document(scope="openid ov_inschrijving"), by=f"operator-token:{token}")
    with pytest.raises(NotAllowed, match="four_eyes"):
        approved(strict, two.request, by=MIRA)


def test_a_sandbox_app_does_not_wait(strict):
    at_home = replace(strict, settings=strict.settings.model_copy(update={"demo": True}))
    (one,) = asked(at_home, document())
    assert one.change is Change.ADDED


# ---------------------------------------------------------------- suppliers


@pytest.fixture
def supplied(house):
    with house.database.transaction() as db:
        for name in ("rekenhuis", "taalhuis"):
            suppliers.keep(db, name, naam=name, now=NOW)
    asked(house, document(supplier="rekenhuis"), document("taal", supplier="taalhuis"))
    return house


def wish(house, client_id, **changes):
    """Rekenhuis asks."""
    with audit.acting("supplier:rekenhuis"):
        return app_approving.request_change(house, client_id, changes, supplier="rekenhuis", now=NOW)


def test_OPER_01_a_supplier_asks_nothing_about_an_app_of_somebody_else(supplied):
    for client_id in ("taal", "nobody", ""):
        with pytest.raises(NotFound, match="app_unknown"):
            wish(supplied, client_id, purpose="Mijn")
    with supplied.database.reading() as db:
        assert app_requests.listing(db) == []


@pytest.mark.parametrize(
    "changes",
    [{"open_to_every_pupil": True}, {"sector": "evil.example"}, {"supplier": "taalhuis"}],
)
def test_OPER_01_some_fields_are_the_operators(supplied, changes):
    with pytest.raises(NotAllowed, match="field_of_operator"):
        wish(supplied, "rekenbuur", **changes)


def test_OPER_02_whatever_a_supplier_asks_waits_for_an_operator(supplied):
    request = wish(supplied, "rekenbuur", purpose="Rekenen", scope="openid profile")
    assert "purpose" not in exported(supplied)
    with pytest.raises(NotAllowed, match="four_eyes"):
        approved(supplied, request, by="supplier:rekenhuis")
    with supplied.database.reading() as db:
        (found,) = app_requests.listing(db, supplier="rekenhuis", state=RequestState.WAITING)
        assert app_requests.listing(db, supplier="taalhuis") == []
    assert (found.id, found.widens) == (request, ("scope",))
    approved(supplied, request)
    assert exported(supplied)["scope"] == "openid profile"


def test_a_supplier_is_told_at_once_what_could_never_be(supplied):
    with pytest.raises(apps.Refused, match="redirect_uris"):
        wish(supplied, "rekenbuur", redirect_uris=["http://evil.example/cb"])
    with pytest.raises(apps.Refused, match="supplier_protocol"):
        wish(supplied, "rekenbuur", scope="openid ov_klas")
    with pytest.raises(Invalid, match="nothing_changed"):
        wish(supplied, "rekenbuur", client_name="Rekenbuur")


# ---------------------------------------------------------------- the table


def test_every_field_of_a_registration_has_a_line_in_the_table():
    assert {*widening.RULES} == {*registration.FIELDS, "sandbox", "supplier"}


@pytest.mark.parametrize(
    ("before", "after", "wider"),
    [
        ({"scope": "openid vo"}, {"scope": "openid"}, ()),
        ({"scope": "openid"}, {"scope": "openid vo"}, ("scope",)),
        ({"default_acr_values": ["urn:leersleutel:acr:own"]}, {}, ("default_acr_values",)),
        (
            {"default_acr_values": ["urn:leersleutel:acr:own"]},
            {"default_acr_values": ["urn:leersleutel:acr:basic"]},
            ("default_acr_values",),
        ),
        (
            {"default_acr_values": ["urn:leersleutel:acr:basic"]},
            {"default_acr_values": ["urn:leersleutel:acr:own"]},
            (),
        ),
        ({}, {"default_acr_values": ["urn:leersleutel:acr:help"]}, ()),
        (
            {"default_acr_values": ["urn:leersleutel:acr:picture"]},
            {"default_acr_values": ["urn:leersleutel:acr:help"]},
            ("default_acr_values",),
        ),
        ({"default_max_age": 60}, {"default_max_age": 600}, ("default_max_age",)),
        ({"default_max_age": 60}, {}, ("default_max_age",)),
        ({}, {"default_max_age": 60}, ()),
        ({"require_signed_request_object": True}, {}, ("require_signed_request_object",)),
        (
            {"token_endpoint_auth_method": "private_key_jwt"},
            {"token_endpoint_auth_method": "client_secret_basic"},
            ("token_endpoint_auth_method",),
        ),
        (
            {"token_endpoint_auth_method": "client_secret_basic"},
            {"token_endpoint_auth_method": "client_secret_post"},
            (),
        ),
        ({"pkce_exempt_until": "2027-01-01"}, {"pkce_exempt_until": "2026-12-01"}, ()),
        ({"pkce_exempt_until": "2026-12-01"}, {"pkce_exempt_until": "2027-01-01"}, ("pkce_exempt_until",)),
        (
            {"code_seconds": 60, "code_seconds_until": "2026-12-01"},
            {"code_seconds": 60},
            ("code_seconds_until",),
        ),
        ({"sandbox": True}, {"sandbox": False}, ("sandbox",)),
        ({}, {"invented": 1}, ("invented",)),
        (None, {"scope": "openid"}, ("new",)),
    ],
)
def test_the_table_knows_what_is_more(before, after, wider):
    assert widening.widens(before, after) == wider
