"""The maker of an app sees its own apps, what to paste, what was refused, how it behaves; and asks, never does."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest

from idp import audit
from idp.admin.apps import app_approving, app_list, app_planning, app_requests, apps
from idp.admin.makers import conformance, snippets, suppliers
from idp.admin.staff import access
from idp.app import create_app
from idp.models import RequestState, RightKind
from idp.oidc import habits
from idp.oidc.request import AuthorizationRequest
from tests import make_staff
from tests.admin.test_apps import document
from tests.make_browser import path
from tests.make_reading import read
from tests.make_tokens import Bench

APP = "/leverancier/apps/rekenbuur"
OWNED_BY_OTHERS = "/leverancier/apps/elders"


@pytest.fixture
def lotte(client, house):
    """She looks after the apps of Rekenhuis, of which there is one; Elders belongs to somebody else."""
    now = house.clock.now()
    with house.database.transaction() as db:
        suppliers.keep(db, "rekenhuis", naam="Rekenhuis", now=now)
        suppliers.keep(db, "anderen", naam="Anderen", now=now)
    mine, theirs = document() | {"supplier": "rekenhuis"}, document() | {"supplier": "anderen"}
    theirs |= {"client_id": "elders", "client_name": "Elders"}
    apps.import_apps(house, [mine, theirs], now=now)
    made = make_staff.supplier(house, "rekenhuis")
    make_staff.begin(client, house, made)
    return made


def test_the_page_of_an_app_has_what_a_developer_needs(house, client, lotte):
    assert path(client.get("/schoolloket")) == "/leverancier"
    home = client.get("/leverancier").text
    assert "Rekenbuur" in home
    assert "Elders" not in home
    page = client.get(APP).text
    for word in (
        f"{house.settings.issuer}/authorize",
        "openid-client",
        "mod_auth_openidc",
        "Laravel",
        "Moodle",
    ):
        assert word in page
    assert "nog niet gezien" in page


def test_OPER_01_an_app_of_another_supplier_does_not_exist_here(house, client, lotte):
    with house.database.reading() as db:
        before = app_list.export(db)
    for where in ("", "/geweigerd", "/wijzig", "/meldingen.json"):
        strange, unknown = client.get(OWNED_BY_OTHERS + where), client.get(f"/leverancier/apps/nooit{where}")
        assert strange.status_code == unknown.status_code == 404
        assert "Elders" not in strange.text
    given = make_staff.filled(client, f"{APP}/wijzig")
    assert (
        make_staff.post(
            client, f"{OWNED_BY_OTHERS}/wijzig", f"{APP}/wijzig", **given, bevestig="1"
        ).status_code
        == 404
    )
    assert client.get("/beheer/apps").status_code == 403
    assert client.get("/schoolloket/leerid-beheer").status_code == 403
    with house.database.transaction() as db:
        suppliers.end(db, "rekenhuis", now=house.clock.now())
    assert client.get(APP).status_code == 404
    with house.database.reading() as db:
        assert app_list.export(db) == before
        assert app_requests.listing(db) == []


def test_an_app_whose_supplier_ended_can_still_be_looked_after(house, lotte):
    """What was exported is imported again, in one file with all others; nothing new goes to a supplier that ended."""
    with house.database.transaction() as db:
        suppliers.end(db, "rekenhuis", now=house.clock.now())
    with house.database.reading() as db:
        mine = app_planning.document_of(db, "rekenbuur")[0]
    assert mine["supplier"] == "rekenhuis"
    (same,) = apps.import_apps(house, [mine], now=house.clock.now())
    assert same.change is app_planning.Change.SAME
    (done,) = apps.import_apps(house, [mine | {"purpose": "Anders"}], now=house.clock.now())
    assert done.change is app_planning.Change.CHANGED
    with pytest.raises(app_planning.Refused, match="supplier"):
        apps.import_apps(house, [mine | {"client_id": "nieuw"}], now=house.clock.now())


def test_OPER_02_a_supplier_asks_and_an_operator_decides(house, client, lotte):
    given = make_staff.filled(client, f"{APP}/wijzig")
    assert "open_to_every_pupil" not in given
    assert "Er is geen verschil" in make_staff.post(client, f"{APP}/wijzig", **given).text
    given["redirect_uris"] += "\nhttps://rekenbuur.example/nieuw"
    given["open_to_every_pupil"] = "1"
    check = make_staff.post(client, f"{APP}/wijzig", **given)
    assert "geeft de app meer" in check.text
    assert "open_to_every_pupil" not in check.text.partition('<dl class="diff">')[2].partition("</dl>")[0]
    asked = make_staff.post(client, f"{APP}/wijzig", **given, bevestig="1", reden="Nieuwe server")
    assert path(asked) == APP
    with house.database.reading() as db:
        (waiting,) = app_requests.listing(db, state=RequestState.WAITING)
        assert "https://rekenbuur.example/nieuw" not in app_list.export(db, ["rekenbuur"])[0]["redirect_uris"]
    assert set(waiting.changes) == {"redirect_uris"}
    assert waiting.supplier == "rekenhuis"
    assert "Nieuwe server" in client.get(APP).text
    these = audit.Circumstances(now=house.clock.now(), actor="person:mira", source="test")
    with audit.circumstances(these):
        app_approving.approve(house, waiting.id, now=house.clock.now())
    page = client.get(APP).text
    assert "goedgekeurd" in page
    assert "https://rekenbuur.example/nieuw" in page


def test_what_one_asked_oneself_can_be_taken_back(house, client, lotte):
    given = make_staff.filled(client, f"{APP}/wijzig") | {"purpose": "Rekenen en tellen"}
    make_staff.post(client, f"{APP}/wijzig", **given, bevestig="1")
    with house.database.reading() as db:
        (waiting,) = app_requests.listing(db)
    assert path(make_staff.post(client, f"{APP}/trek-in", APP, aanvraag=waiting.id)) == APP
    with house.database.reading() as db:
        assert app_requests.find(db, waiting.id).state is RequestState.WITHDRAWN


def test_a_change_that_could_never_be_stored_says_so_at_its_field(house, client, lotte):
    given = make_staff.filled(client, f"{APP}/wijzig") | {
        "redirect_uris": "http://rekenbuur.example/onveilig"
    }
    answer = make_staff.post(client, f"{APP}/wijzig", **given, bevestig="1")
    assert answer.status_code == 400
    assert 'href="#f-redirect_uris"' in answer.text


def test_the_difference_of_a_wrong_address_is_marked(house, client, lotte):
    right = document()["redirect_uris"][0]
    wrong = f"{right}/"
    client.get(f"/authorize?client_id=rekenbuur&response_type=code&scope=openid&redirect_uri={wrong}")
    page = client.get(f"{APP}/geweigerd").text
    assert f"{right}<mark>/</mark>" in page


def test_notices_are_for_the_supplier_and_for_the_app_that_proves_itself(house, client, lotte):
    with house.database.reading() as db:
        document_now = app_list.export(db, ["rekenbuur"])[0]
    changed = document_now | {"purpose": "Anders", "code_seconds": 60, "code_seconds_until": "2027-06-30"}
    secret = "s" * 43
    apps.import_apps(house, [changed | {"client_secret": secret}], now=house.clock.now())
    feed = client.get(f"{APP}/meldingen.json")
    assert feed.mimetype == "application/feed+json"
    items = {one["id"]: one for one in feed.json["items"]}
    assert len(items) == len(feed.json["items"])
    kinds = {one["_idp"]["kind"] for one in items.values()}
    assert {"registration", "switch"} <= kinds
    ends = items["switch:rekenbuur:code_seconds_until:2027-06-30"]["_idp"]
    assert ends["until"] == "2027-06-30"
    assert ends["effective"] == "2027-06-30T22:00:00+00:00", "midnight in Brussels: the whole day counts"
    proof = base64.b64encode(f"rekenbuur:{secret}".encode()).decode()
    program = create_app(house).test_client()
    same = program.get("/leverancier/meldingen.json", headers={"Authorization": f"Basic {proof}"})
    assert same.json == feed.json
    assert program.get("/leverancier/meldingen.json").status_code == 401
    wrong = base64.b64encode(b"elders:nothing").decode()
    assert (
        program.get("/leverancier/meldingen.json", headers={"Authorization": f"Basic {wrong}"}).status_code
        == 401
    )
    assert secret not in feed.text


def test_every_example_is_filled_in_and_holds_no_secret(house, lotte):
    app = house.apps.find("rekenbuur")
    shown = snippets.of(app, house.settings.issuer)
    assert [one.slug for one in shown] == [*snippets.PRODUCTS]
    for one in shown:
        text = "".join(one.files.values())
        assert not re.search(r"@[A-Z_]+@", text), one.slug
        assert "rekenbuur" in text
        assert house.settings.issuer in text
        assert "CLIENT_SECRET" in text
    compile(shown[0].files["app.py"], "app.py", "exec")
    assert snippets.of(replace(app, token_endpoint_auth_method="none"), house.settings.issuer) == ()


def test_the_table_tells_what_was_seen_and_nothing_else(house):
    bench = Bench(house)
    story, now = bench.story(), house.clock.now()
    with house.database.reading() as db:
        empty = conformance.of(db, story.app.client_id, now)
    assert {one.seen for one in empty.checks} == {conformance.Seen.NOT_YET}
    asks = {"app": story.app, "redirect_uri": story.app.redirect_uris[0], "state": "s"}
    good = AuthorizationRequest(**asks, nonce="n", code_challenge="c")
    bench.tokens(story, habits=habits.of(good))
    bench.code(story, habits=habits.of(replace(good, prompt=frozenset({"login"}))))
    bench.code(story, habits=habits.of(replace(good, nonce=None)))
    bench.code(story)
    with house.database.reading() as db:
        found = {one.name: one for one in conformance.of(db, story.app.client_id, now).checks}
    assert (found["state"].seen, found["state"].of) == ("always", 3)
    assert (found["nonce"].seen, found["nonce"].count, found["nonce"].good) == ("sometimes", 2, False)
    assert (found["prompt"].count, found["prompt"].good) == (1, None)
    assert (found["code_redeemed"].seen, found["code_redeemed"].of) == ("always", 1)
    assert (found["code_once"].seen, found["userinfo"].seen) == ("always", "never")


# ---------------------------------------------------------------- the operator's side


def test_an_operator_invites_somebody_who_then_sees_only_the_apps_of_that_supplier(house, client):
    mira = make_staff.staff(house, RightKind.OPERATOR)
    make_staff.begin(client, house, mira)
    made = make_staff.post(client, "/beheer/leveranciers", id="rekenhuis", naam="Rekenhuis")
    assert path(made) == "/beheer/leveranciers/rekenhuis"
    assert make_staff.post(client, "/beheer/leveranciers", id="rekenhuis", naam="Nog eens").status_code == 400
    here = "/beheer/leveranciers/rekenhuis"
    words = {"voornaam": "Lotte", "naam": "Maas", "e_mail": "lotte@rekenhuis.example"}
    shown = make_staff.post(client, f"{here}/personen", here, wat="nodig-uit", **words)
    link = re.search(r"/personeel/uitnodiging/[^<\s]+", shown.text)[0]
    stranger = create_app(house).test_client()
    assert "Lotte" in stranger.get(link, follow_redirects=True).text
    with house.database.reading() as db:
        (held,) = access.holders(db, house.clock.today(), supplier="rekenhuis")
    assert held.kind is RightKind.SUPPLIER
    assert "Lotte Maas ziet de apps van deze leverancier dan niet meer" in client.get(here).text
    assert path(make_staff.send(client, client.get(here), recht=held.id)) == here
    assert "Lotte" not in read(client.get(here)).seen
    assert stranger.get(link, follow_redirects=True).status_code == 404


def test_a_right_of_a_school_or_operator_is_not_stopped_through_a_supplier(house, client, lotte):
    mira = make_staff.staff(house, RightKind.OPERATOR)
    make_staff.begin(client, house, mira)
    other = make_staff.staff(house, RightKind.OPERATOR)
    with house.database.reading() as db:
        (held,) = access.holders(db, house.clock.today(), person_id=other.person_id)
    here = "/beheer/leveranciers/rekenhuis"
    assert make_staff.post(client, f"{here}/personen", here, wat="stop", recht=held.id).status_code == 404
    with house.database.reading() as db:
        assert access.holders(db, house.clock.today(), person_id=other.person_id) == (held,)
