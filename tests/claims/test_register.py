"""Anybody may read which apps are connected, and nothing about anyone."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from idp import models
from idp.claims import register
from tests import make


@pytest.fixture
def connected(house):
    with house.database.transaction() as db:
        real = make.school(db, kind=models.SchoolKind.REAL, naam="Basisschool De Echte")
        test = make.school(db)
        make.app(
            db,
            "rekenbuur",
            purpose="Rekenen",
            legal_ground="Taak van algemeen belang",
            reasons={"ov_klassen": "Per klas oefenen"},
            contacts=["iemand@rekenbuur.example"],
            client_uri="javascript:alert(1)",
            policy_uri="https://rekenbuur.example/privacy",
        )
        make.app(db, "weg", client_name="Weg", disabled_at=make.NOW)
        make.app(db, "proef", client_name="Proef", sandbox=True)
        make.rule(db, "rekenbuur", real)
        make.rule(db, "rekenbuur", test)
        make.rule(db, "rekenbuur", real, kind=models.RuleKind.PUPIL, target="x", einddatum=make.TODAY)
    return house


def test_the_document_says_claims_reasons_purpose_ground_and_schools(connected, client):
    answer = client.get("/apps.json")
    assert answer.status_code == 200
    (app,) = answer.json["apps"]
    assert (app["name"], app["purpose"], app["legal_ground"]) == (
        "Rekenbuur",
        "Rekenen",
        "Taak van algemeen belang",
    )
    assert app["schools"] == 1, "a school for trying out is none"
    claims = {one["claim"]: one for one in app["claims"]}
    assert claims["ov_klassen"] == {
        "claim": "ov_klassen",
        "reason": "Per klas oefenen",
        "klasinformatie": True,
    }
    assert claims["given_name"]["reason"] is None


def test_LEAK_the_register_names_no_school_contact_address_or_secret(connected, client):
    for path in ("/apps", "/apps.json"):
        text = client.get(path).text
        for word in ("De Echte", "iemand@", "rekenbuur.example/cb", "secret", "redirect"):
            assert word not in text, (path, word)
    assert 'href="javascript:' not in client.get("/apps").text


def test_programs_may_keep_it_and_ask_whether_it_changed(connected, client):
    answer = client.get("/apps.json")
    assert answer.headers["Cache-Control"] == "public, max-age=900"
    assert "Set-Cookie" not in answer.headers
    again = client.get("/apps.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("nl", "Zichtbaar in 1 school."),
        ("fr", "Visible dans 1 école."),
        ("de", "Sichtbar an 1 Schule."),
        ("en", "Visible at 1 school."),
    ],
)
def test_a_person_reads_it_in_four_languages_without_signing_in(connected, client, language, words):
    page = client.get("/apps", headers={"Accept-Language": language})
    assert page.status_code == 200
    assert words in page.text


def test_looking_for_an_app_forgives_accents_and_finds_purposes(connected, client):
    assert "Rekenbuur" in client.get("/apps?zoek=rékenen").text
    assert "Rekenbuur" not in client.get("/apps?zoek=lezen").text


def test_five_hundred_apps_are_read_in_two_statements(house):
    with house.database.transaction() as db:
        school = make.school(db, kind=models.SchoolKind.REAL)
        rows = [
            {
                "client_id": f"app-n{number}",
                "client_name": f"App {number}",
                "registration": {"scope": make.ALL_SCOPES},
                "sector": "x",
                "sandbox": False,
                "created_at": make.NOW,
                "changed_at": make.NOW,
            }
            for number in range(500)
        ]
        db.execute(insert(models.App), rows)
        make.rule(db, "app-n7", school)
        from sqlalchemy import event

        seen = []
        event.listen(db, "before_cursor_execute", lambda *given: seen.append(given[2]))
        found = register.look(db, make.TODAY, sandbox=False)
    assert (len(found), len(seen)) == (500, 2)
    assert {one.client_id: one.schools for one in found}["app-n7"] == 1
