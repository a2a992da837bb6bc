"""What is remembered says who, what, where and when; and it never says a name, a secret or a token."""

from __future__ import annotations

import dataclasses
import json
import re

import orjson
import pytest
from sqlalchemy import select

from idp import audit, models
from idp.admin.privacy import breach, processing
from idp.admin.records import exporting, sealing, verifying
from idp.audit import accounts as audit_accounts
from idp.audit import apps as audit_apps
from idp.audit import mail as audit_mail
from idp.audit import privacy as audit_privacy
from idp.audit import staff as audit_staff
from idp.models import RightKind, SecretKind
from tests import make, make_login, make_staff
from tests.make_browser import fill_in
from tests.make_reading import stands

PUPIL, SCHOOL, PERSON = "5e0f6f0e-1111-4222-8333-444455556666", "123456", "ann"
SECURITY = {
    "sign-in": lambda db: audit.signed_in(db, account_uuid=PUPIL, amr=["pictures"], acr="x"),
    "wrong sign-in": lambda db: audit.sign_in_failed(db, account_uuid=PUPIL, channel="browser", way="name"),
    "sign-in of staff": lambda db: audit_staff.staff_signed_in(db, person_id=PERSON, amr=["pwd", "otp"]),
    "reset": lambda db: audit_mail.password_reset(db, account_uuid=PUPIL),
    "new secret": lambda db: audit.secret_renewed(
        db, account_uuid=PUPIL, instellingsnummer=SCHOOL, kind="picture"
    ),
    "cards printed": lambda db: audit.cards_printed(db, instellingsnummer=SCHOOL, count=3),
    "consent given": lambda db: audit.sharing_given(
        db, instellingsnummer=SCHOOL, person_id=PERSON, right="leerid-databeheerder", protocol_sha256="a" * 64
    ),
    "consent stopped": lambda db: audit.sharing_stopped(
        db, instellingsnummer=SCHOOL, by=f"person:{PERSON}", reference=None, rules_turned=2
    ),
    "right given": lambda db: audit.right_given(
        db, person_id=PERSON, right="leerid-beheerder", instellingsnummer=SCHOOL
    ),
    "app changed": lambda db: audit_apps.app_changed(db, client_id="rekenbuur", fields=["scope"]),
    "key made": lambda db: audit.signing_key_made(db, kid="k1", alg="RS256"),
    "extract": lambda db: audit_privacy.extract_given(
        db, account_uuid=PUPIL, instellingsnummer=SCHOOL, kind="school"
    ),
    "who saw": lambda db: audit_accounts.pupil_seen(db, account_uuid=PUPIL, instellingsnummer=SCHOOL),
}


@pytest.mark.parametrize("act", SECURITY)
def test_AUD_03_every_security_event_leaves_one_row_with_who_what_where_and_when(house, act):
    these = audit.Circumstances(
        now=make.NOW, actor=f"person:{PERSON}", source="192.0.2.7", request_id="incident-1"
    )
    with audit.circumstances(these), house.database.transaction() as db:
        SECURITY[act](db)
    with house.database.reading() as db:
        (row,) = db.execute(select(models.AuditEvent.__table__)).mappings().all()
    assert row["at"] == make.NOW
    assert row["actor"].partition(":")[0] in {"person", "pupil"}
    assert (row["source"], row["request_id"]) == ("192.0.2.7", "incident-1")
    assert row["object"] or row["instellingsnummer"]
    assert row["result"]
    assert row["mark"]


def test_LEAK_10_no_name_secret_or_token_stands_in_trail_ledger_export_or_report(house, client):
    """A school works, a pupil signs in wrong and right, an app is told: then everything that is kept is read."""
    make_login.pupil(house, username="zephyrine.geplant", secret="zeilboot7", kind=SecretKind.BASIC)
    with house.database.transaction() as db:
        story = make.story(db)
        db.execute(models.Pupil.__table__.update().values(voornaam="Zephyrine", naam="Geplant"))
        make.released(db, house, story)
    for secret in ("verkeerd9", "zeilboot7"):
        page = fill_in(client, client.get("/aanmelden"), username="zephyrine.geplant")
        page = client.get(page.headers["Location"]) if page.status_code == 303 else page
        fill_in(client, page, password=secret)
    staff = make_staff.staff(house, school=story.school)
    make_staff.sign_in(client, house, staff)
    client.get(f"/schoolloket/leerid-beheer/leerling/{story.pupil}/wie-weet-wat")
    later = house.clock.now()
    sealing.seal(house, later.replace(hour=later.hour + 1))
    sealing.anchor(house, later.replace(hour=later.hour + 1))
    with house.database.reading() as db:
        kept = "\n".join(exporting.lines(db, house, exporting.Wanted()))
        report = breach.report(
            db, breach.Wanted(begin=make.NOW.replace(hour=0), end=make.NOW.replace(hour=23))
        )
        kept += report.table() + orjson.dumps(processing.evidence(db, house)).decode()
    assert '"event":"signed_in"' in kept
    assert '"event":"staff_signed_in"' in kept
    planted = ("Zephyrine", "Geplant", "zephyrine.geplant", "zeilboot7", "verkeerd9", make_staff.PASSWORD)
    cookies = [cookie.value for cookie in client._cookies.values()]
    assert not [word for word in (*planted, staff.secret, *cookies) if word and word in kept]
    assert json.dumps([dataclasses.asdict(one) for one in verifying.verify(house).problems]) == "[]"


def test_LEAK_05_no_page_for_anybody_loads_or_tells_anything_elsewhere(app, client):
    seen = set()
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.arguments or rule.endpoint == "static":
            continue
        answer = client.get(rule.rule)
        if answer.mimetype != "text/html" or answer.status_code != 200:
            continue
        seen.add(rule.rule)
        assert answer.headers["Referrer-Policy"] == "same-origin", rule.rule
        loads = re.findall(
            r"<(?:script|img|link|iframe|source)[^>]*(?:src|href)=\"(https?:[^\"]*)", answer.text
        )
        assert not loads, rule.rule
    assert seen >= {"/aanmelden", "/apps"}


def test_LEAK_09_no_answer_says_what_we_are_made_of(client):
    for path in ("/aanmelden", "/apps.json", "/.well-known/openid-configuration", "/nowhere"):
        answer = client.get(path)
        assert answer.headers.get("Server") == "idp", (
            "our own word stands in for the banner of the real server"
        )
        assert not {"x-powered-by", "via"} & {name.lower() for name, _value in answer.headers}
        for word in ("Werkzeug", "Flask", "Python", "SQLAlchemy"):
            assert not stands(word, answer.text + str(answer.headers)), path


def test_LEAK_07_what_is_public_about_apps_holds_nobody(house, client):
    with house.database.transaction() as db:
        story = make.story(db, contacts=["iemand@app.example"])
    make_staff.staff(house, RightKind.OPERATOR, voornaam="Geheim", naam="Persoon")
    text = client.get("/apps").text + client.get("/apps.json").text
    for word in (story.pupil, story.username, story.school, "iemand@", "Geheim"):
        assert word not in text
