"""An app registers itself with what the operator allowed, looks after its own registration, and nobody else's."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select, update

from idp import apps, errors, models
from idp.admin.apps import registering
from idp.admin.privacy import retention
from idp.claims import visibility
from idp.oidc import discovery
from tests import make, make_signed
from tests.make_browser import query

PLAIN = {"client_name": "Leesland", "redirect_uris": ["https://leesland.example/cb"]}


def issue(house, **given):
    words = {"label": "Leesland", "scope": "openid profile ov_leerling offline_access", "uses": 3}
    words |= {"until": date(2026, 12, 31), "pkce_exempt_until": None, "by": "operator:test"} | given
    with house.database.transaction() as db:
        return registering.issue(db, now=house.clock.now(), **words)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def post(client, token, **metadata):
    return client.post("/register", json=PLAIN | metadata, headers=bearer(token))


@pytest.fixture
def token(house):
    return issue(house)[1]


@pytest.fixture
def mine(client, token):
    answer = post(client, token)
    assert answer.status_code == 201, answer.text
    return answer.json


def put(client, mine, **changes):
    words = PLAIN | {"client_id": mine["client_id"]} | changes
    return client.put(
        f"/register/{mine['client_id']}", json=words, headers=bearer(mine["registration_access_token"])
    )


def registered(house, client_id):
    with house.database.reading() as db:
        return apps.load(db, client_id)


# ---------------------------------------------------------------- registering


def test_an_app_registers_itself_and_reads_what_became_of_it(house, client, token):
    answer = post(client, token, something_new=1, **{"client_name#fr": "Pays"})
    said = answer.json
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert said["client_secret"].startswith("lsk_")
    assert said["client_secret_expires_at"] == 0
    assert said["client_id_issued_at"] == int(house.clock.now().timestamp())
    assert said["registration_client_uri"] == f"{house.settings.issuer}/register/{said['client_id']}"
    assert said["token_endpoint_auth_method"] == "client_secret_basic"
    assert said["response_types"] == ["code"]
    assert said["subject_type"] == "pairwise"
    assert said["scope"] == "openid profile ov_leerling"
    assert not {"something_new", "client_name#fr", "sector", "open_to_every_pupil"} & set(said)
    app = registered(house, said["client_id"])
    assert app.redirect_uris == ("https://leesland.example/cb",)
    assert app.pkce_required(house.clock.today())


def test_it_is_visible_for_nobody(house, client, mine):
    with house.database.reading() as db:
        assert not db.execute(select(models.VisibilityRule.id)).all()
    app = registered(house, mine["client_id"])
    assert client.get(f"/authorize?{query(app)}").status_code == 303


def test_outside_a_demo_it_is_no_sandbox_app(house, client, token):
    assert not registered(house, post(client, token).json["client_id"]).sandbox


def sandbox(house, *kinds):
    """A school of each of these kinds; returns their numbers."""
    with house.database.transaction() as db:
        return [make.school(db, kind=kind) for kind in kinds]


KINDS = (models.SchoolKind.SANDBOX, models.SchoolKind.TEST, models.SchoolKind.REAL, models.SchoolKind.SANDBOX)


def test_with_a_token_for_the_sandbox_it_is_visible_there_at_once_and_nowhere_else(house, client):
    first, _, real, second = sandbox(house, *KINDS)
    _, token = issue(house, visible_in_sandbox=True)
    app = registered(house, post(client, token).json["client_id"])
    assert app.sandbox
    with house.database.reading() as db:
        rules = visibility.listing(db, client_id=app.client_id)
        event = models.AuditEvent.event == "initial_token_issued"
        details = db.execute(select(models.AuditEvent.details).where(event)).scalar_one()
    assert {(rule.instellingsnummer, rule.kind, rule.target) for rule in rules} == {
        (school, models.RuleKind.SCHOOL, "") for school in (first, second)
    }
    assert details["visible_in_sandbox"] is True
    words = {"kind": models.RuleKind.SCHOOL, "begindatum": house.clock.today(), "by": "operator:test"}
    with house.database.transaction() as db, pytest.raises(errors.Invalid, match="app_not_for_school"):
        visibility.add(db, app=app, instellingsnummer=real, now=house.clock.now(), **words)


def test_it_stays_a_sandbox_app_when_it_changes_itself(house, client):
    sandbox(house, *KINDS)
    _, token = issue(house, visible_in_sandbox=True)
    said = post(client, token).json
    assert put(client, said, client_name="Leesland 2").status_code == 200
    assert registered(house, said["client_id"]).sandbox
    with house.database.reading() as db:
        assert len(visibility.listing(db, client_id=said["client_id"])) == 2


def test_where_every_school_is_real_no_token_for_the_sandbox_is_given(house):
    sandbox(house, models.SchoolKind.REAL, models.SchoolKind.TEST)
    with pytest.raises(errors.Invalid, match="no_sandbox"):
        issue(house, visible_in_sandbox=True)


def test_what_is_kept_of_the_tokens_is_a_digest(house, mine, token):
    with house.database.reading() as db:
        rows = [
            *db.execute(select(models.InitialAccessToken.__table__)),
            *db.execute(select(models.SelfRegistration.__table__)),
        ]
    said = repr(rows)
    assert token not in said
    assert mine["registration_access_token"] not in said


@pytest.mark.parametrize("sent", ["", "lsi_nothing", "Basic x", None])
def test_without_a_good_token_nothing_is_registered(client, sent):
    headers = {} if sent is None else {"Authorization": sent if " " in sent else f"Bearer {sent}"}
    answer = client.post("/register", json=PLAIN, headers=headers)
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_token")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer realm=")
    assert ("error=" in challenge) == (sent is not None), (
        "who sent nothing did nothing wrong (RFC 6750 section 3.1)"
    )


@pytest.mark.parametrize("label", ["", "   ", "Lees\u202eland", "Lees\x07", "x" * 101])
def test_a_token_says_whose_it_is_in_signs_that_can_be_seen(house, label):
    with pytest.raises(errors.Invalid, match="token_refused"):
        issue(house, label=label)


def test_a_token_is_good_so_often_until_its_day_and_until_it_is_revoked(house, client):
    _, twice = issue(house, uses=2)
    assert [post(client, twice).status_code for _ in range(3)] == [201, 201, 401]
    name, revoked = issue(house)
    with house.database.transaction() as db:
        registering.revoke(db, name, house.clock.now())
        with pytest.raises(errors.NotFound):
            registering.revoke(db, name, house.clock.now())
    assert post(client, revoked).status_code == 401
    _, short = issue(house, until=house.clock.today())
    assert post(client, short).status_code == 201
    house.clock.move(hours=15)
    assert post(client, short).status_code == 401


def test_a_refusal_uses_nothing_up(house, client):
    _, once = issue(house, uses=1)
    assert post(client, once, redirect_uris=["javascript:alert(1)"]).status_code == 400
    assert post(client, once).status_code == 201


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"redirect_uris": ["https://leesland.example/*"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://leesland.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://leesland.example/cb#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://leesland.example/cb"}, "invalid_redirect_uri"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "x"}]}}, "invalid_client_metadata"),
        ({"jwks_uri": "https://10.0.0.1/jwks"}, "invalid_client_metadata"),
        ({"backchannel_logout_uri": "https://localhost/out"}, "invalid_client_metadata"),
        ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
        ({"id_token_encrypted_response_alg": "RSA-OAEP"}, "invalid_client_metadata"),
        ({"subject_type": "mine"}, "invalid_client_metadata"),
        ({"default_acr_values": ["high"]}, "invalid_client_metadata"),
        ({"sector_identifier_uri": "https://169.254.169.254/sector"}, "invalid_client_metadata"),
        ({"logo_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
        ({"client_name": "a\u202eb"}, "invalid_client_metadata"),
        ({"default_max_age": -1}, "invalid_client_metadata"),
        ({"scope": ["openid"]}, "invalid_client_metadata"),
    ],
)
def test_RURI_16_and_SSRF_01_metadata_that_cannot_be_are_refused_by_the_standards_words(
    house, client, token, metadata, error
):
    answer = post(client, token, **metadata)
    assert (answer.status_code, answer.json["error"]) == (400, error)
    assert answer.json["error_description"].isascii()
    with house.database.reading() as db:
        assert not db.execute(select(models.App.client_id)).all()
        assert db.execute(select(models.InitialAccessToken.used)).scalar() == 0


@pytest.mark.parametrize("body", [b"[]", b"1", b"{", b"\xff", b'"x"', b"null", b"{}" + b" " * 70_000])
def test_a_body_that_is_no_object_is_refused(client, token, body):
    answer = client.post("/register", data=body, content_type="application/json", headers=bearer(token))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_client_metadata")
    assert client.post("/register", data=PLAIN, headers=bearer(token)).status_code == 400


# ---------------------------------------------------------------- limits


def test_OPER_02_an_app_gets_only_scopes_that_the_token_allows_and_never_classes(house, client, token):
    said = post(client, token, scope="openid ov_klas ov_inschrijving profile email").json
    assert said["scope"] == "openid profile"
    for scope in ("openid ov_klas", "openid vo", "profile", "openid everything"):
        with pytest.raises(errors.Invalid):
            issue(house, scope=scope)


def test_a_change_takes_no_secret_but_the_one_that_the_app_has(client, mine):
    """RFC 7592 section 2.2."""
    for wrong in ("mine-mine-mine-mine", mine["client_secret"].upper(), ["x"], 7):
        refused = put(client, mine, client_name="Leesland 2", client_secret=wrong)
        assert (refused.status_code, refused.json["error"]) == (400, "invalid_client_metadata"), wrong
    read = client.get(f"/register/{mine['client_id']}", headers=bearer(mine["registration_access_token"]))
    assert read.json["client_name"] == "Leesland"
    assert put(client, mine, client_secret=mine["client_secret"]).status_code == 200
    assert put(client, mine, client_secret="").status_code == 200


def test_what_only_an_operator_decides_an_app_cannot_say(house, client, token):
    said = post(
        client,
        token,
        pkce_exempt_until="2027-06-30",
        open_to_every_pupil=True,
        code_seconds=60,
        claims_in_id_token=True,
        sector="other.example",
        client_id="rekenbuur",
        client_secret="mine-mine-mine-mine",
    ).json
    app = registered(house, said["client_id"])
    assert said["client_id"] != "rekenbuur"
    assert (app.pkce_exempt_until, app.open_to_every_pupil, app.code_seconds) == (None, False, None)
    assert (app.claims_in_id_token, app.sector) == (False, "leesland.example")
    assert said["client_secret"] != "mine-mine-mine-mine"


def test_a_token_may_carry_a_dated_exemption_from_PKCE(house, client):
    until = house.clock.today() + timedelta(days=90)
    _, exempt = issue(house, pkce_exempt_until=until)
    assert post(client, exempt).json["pkce_exempt_until"] == until.isoformat()
    public = post(client, exempt, token_endpoint_auth_method="none").json
    assert "pkce_exempt_until" not in public
    assert "client_secret" not in public


def test_an_app_that_gives_up_its_secret_gives_up_its_exemption_from_PKCE_too(house, client):
    until = house.clock.today() + timedelta(days=90)
    mine = post(client, issue(house, pkce_exempt_until=until)[1]).json
    public = put(client, mine, token_endpoint_auth_method="none")
    assert public.status_code == 200, public.text
    assert registered(house, mine["client_id"]).pkce_exempt_until is None
    assert put(client, mine, token_endpoint_auth_method="client_secret_basic").status_code == 200
    assert registered(house, mine["client_id"]).pkce_exempt_until is None


def test_a_public_sub_needs_the_scope_that_tells_it_anyway(house, client):
    _, little = issue(house, scope="openid")
    assert post(client, little, subject_type="public").status_code == 400
    assert post(client, issue(house)[1], subject_type="public").json["subject_type"] == "public"


def test_refresh_tokens_are_asked_for_by_their_grant_type(client, token):
    said = post(client, token, grant_types=["authorization_code", "refresh_token"]).json
    assert "offline_access" in said["scope"].split()


def test_an_app_without_a_name_is_named_by_its_place(client, token):
    said = client.post(
        "/register", json={"redirect_uris": PLAIN["redirect_uris"]}, headers=bearer(token)
    ).json
    assert said["client_name"] == "leesland.example"


@pytest.fixture
def sector():
    """A document on this machine that names addresses."""
    listed = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if listed else 404)
            self.end_headers()
            self.wfile.write(json.dumps(listed).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/sector", listed
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_sector_document_must_name_every_redirect_uri(house, sector):
    from dataclasses import replace

    uri, listed = sector
    demo = replace(house, settings=house.settings.model_copy(update={"demo": True}))
    uris = ["https://one.example/cb", "https://two.example/cb"]
    _, initial = issue(demo)
    metadata = PLAIN | {"redirect_uris": uris, "sector_identifier_uri": uri}

    def refused():
        with pytest.raises(registering.Refused) as said:
            registering.register(demo, initial, metadata, now=demo.clock.now())
        return said.value.error

    assert refused() == "invalid_client_metadata"
    listed.append(uris[0])
    assert refused() == "invalid_client_metadata"
    listed.append(uris[1])
    done = registering.register(demo, initial, metadata, now=demo.clock.now())
    app = registered(house, done.client_id)
    assert app.sector == uri.removeprefix("http://").removesuffix("/sector")
    assert app.sandbox


# ---------------------------------------------------------------- looking after it


def test_an_app_reads_its_own_registration(client, mine):
    answer = client.get(f"/register/{mine['client_id']}", headers=bearer(mine["registration_access_token"]))
    assert answer.status_code == 200
    assert answer.json == {name: value for name, value in mine.items() if name != "client_secret"}


def test_a_change_replaces_everything_that_the_app_may_say(house, client, mine):
    answer = put(client, mine, client_name="Leesland 2", tos_uri="https://leesland.example/terms")
    assert answer.status_code == 200
    assert answer.json["tos_uri"] == "https://leesland.example/terms"
    assert "client_secret" not in answer.json
    again = put(client, mine)
    assert (again.json["client_name"], "tos_uri" in again.json) == ("Leesland", False)
    assert registered(house, mine["client_id"]).client_name == "Leesland"
    with house.database.reading() as db:
        events = [*db.execute(select(models.AuditEvent.event, models.AuditEvent.actor)).all()]
    assert ("app_changed", f"app:{mine['client_id']}") in events
    assert ("app_registered", "initial-token") in events


def test_a_change_leaves_what_an_operator_and_schools_decided(house, client, token):
    said = post(client, token, purpose="Lezen", reasons={"given_name": "om te groeten"}).json
    with house.database.transaction() as db:
        row = db.execute(select(models.App.registration)).scalar_one()
        given = {"scope": "openid profile ov_klas", "pkce_exempt_until": "2027-06-30", "code_seconds": 60}
        db.execute(update(models.App).values(registration=row | given))
        apps.changed(db)
    done = put(
        client,
        said,
        scope="openid ov_klas ov_inschrijving",
        purpose="Iets anders",
        pkce_exempt_until="2028-01-01",
    )
    assert done.status_code == 200, done.text
    app = registered(house, said["client_id"])
    assert app.scopes == {"openid", "ov_klas"}
    assert (app.purpose, app.reasons) == ("Lezen", {"given_name": "om te groeten"})
    assert (app.pkce_exempt_until, app.code_seconds) == (date(2027, 6, 30), 60)


def test_what_subjects_hang_on_is_frozen(client, mine):
    assert put(client, mine, subject_type="public").json["error"] == "invalid_client_metadata"
    other = put(client, mine, client_id="another")
    assert (other.status_code, other.json["error"]) == (400, "invalid_client_metadata")


@pytest.mark.parametrize("sign", ["\x00", "\n", "\u202e"])
def test_HTTP_07_a_key_is_not_named_by_what_cannot_be_seen(client, house, token, sign):
    key = make_signed.RSA.as_dict(private=False) | {"kid": f"a{sign}b"}
    answer = post(client, token, jwks={"keys": [key]})
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_client_metadata")


@pytest.mark.parametrize("name", ["scope", "client_id", "request_uri", "redirect_uri"])
def test_HTTP_07_a_refusal_with_a_zero_byte_is_remembered_without_it(client, house, name):
    """Anybody may send it, without any token."""
    answer = client.post("/register", json={name: "a\x00b"}, headers=bearer("lsi_x"))
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_token")
    with house.database.reading() as db:
        details = db.execute(select(models.AuditEvent.details)).scalar_one()
    assert details["received"] == {name: "a?b"}


def test_JWT_12_an_app_does_not_take_the_names_of_another_host_along_to_its_own(house, client, token):
    """It says that it lives at another maker's host, gets that sector, and then moves home."""
    said = post(client, token, redirect_uris=["https://rekenbuur.example/cb"]).json
    home = ["https://evil.example/cb"]
    for uris in (home, ["https://rekenbuur.example/cb", *home], ["http://127.0.0.1/cb"]):
        answer = put(client, said, redirect_uris=uris)
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_client_metadata")
        assert "sector_identifier_uri" in answer.json["error_description"]
    app = registered(house, said["client_id"])
    assert (app.sector, app.redirect_uris) == ("rekenbuur.example", ("https://rekenbuur.example/cb",))
    assert put(client, said, redirect_uris=["https://rekenbuur.example/other"]).status_code == 200


def test_a_native_app_changes_its_address_on_loopback_as_it_likes(house, client, token):
    """Its sector is its own, so there is nothing of anybody else to take along."""
    words = {"application_type": "native", "token_endpoint_auth_method": "none"}
    said = post(client, token, redirect_uris=["http://127.0.0.1:5000/cb"], **words).json
    for uris in (["http://127.0.0.1:5001/cb"], ["http://[::1]/cb", "http://127.0.0.1/cb"]):
        assert put(client, said, redirect_uris=uris, **words).status_code == 200
    assert registered(house, said["client_id"]).sector == said["client_id"]


def test_a_native_app_of_before_changes_its_address_on_loopback_too_and_leaves_it_for_nowhere(
    house, client, token
):
    """Then the place on loopback was the sector, and stays it."""
    words = {"application_type": "native", "token_endpoint_auth_method": "none"}
    said = post(client, token, redirect_uris=["http://127.0.0.1:5000/cb"], **words).json
    with house.database.transaction() as db:
        theirs = update(models.App).where(models.App.client_id == said["client_id"])
        db.execute(theirs.values(sector="127.0.0.1:5000"))
    for uris in (["http://127.0.0.1:5001/cb"], ["http://[::1]/cb", "http://127.0.0.1/cb"]):
        assert put(client, said, redirect_uris=uris, **words).status_code == 200
    assert put(client, said, redirect_uris=["https://evil.example/cb"], **words).status_code == 400
    assert registered(house, said["client_id"]).sector == "127.0.0.1:5000"


def test_an_app_moves_when_the_host_of_its_sector_names_the_new_address(house, sector):
    house = replace(house, settings=house.settings.model_copy(update={"demo": True}))
    uri, listed = sector
    _, token = issue(house)
    old, new = ["https://old.example/cb"], ["https://new.example/cb"]
    listed.extend(old + new)
    now = house.clock.now()
    metadata = PLAIN | {"redirect_uris": old, "sector_identifier_uri": uri}
    first = registering.register(house, token, metadata, now=now)
    there = metadata | {"client_id": first.client_id, "redirect_uris": new}
    moved = registering.change(house, first.client_id, first.token, there, now=now)
    assert moved.metadata["redirect_uris"] == new
    assert moved.metadata["sector"] == uri.removeprefix("http://").removesuffix("/sector")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_OPER_01_a_token_looks_after_its_own_registration_only(house, client, token, mine, method):
    other = post(client, token).json
    for wrong in (other["registration_access_token"], token, "", mine["client_secret"]):
        answer = client.open(
            f"/register/{mine['client_id']}",
            method=method,
            json=PLAIN | {"client_id": mine["client_id"]},
            headers=bearer(wrong),
        )
        assert (answer.status_code, answer.json["error"]) == (401, "invalid_token")
    assert not registered(house, mine["client_id"]).disabled


def test_an_app_takes_itself_out(house, client, mine):
    where, words = f"/register/{mine['client_id']}", bearer(mine["registration_access_token"])
    answer = client.delete(where, headers=words)
    assert (answer.status_code, answer.data) == (204, b"")
    assert registered(house, mine["client_id"]).disabled
    assert client.get(where, headers=words).status_code == 401
    assert client.delete(where, headers=words).status_code == 401


def test_an_app_that_the_operator_removed_looks_after_nothing(house, client, mine):
    from idp.admin.apps import app_stopping

    with house.database.transaction() as db:
        app_stopping.remove(db, mine["client_id"], now=house.clock.now())
    words = bearer(mine["registration_access_token"])
    assert client.get(f"/register/{mine['client_id']}", headers=words).status_code == 401


# ---------------------------------------------------------------- around it


def test_who_is_refused_all_day_long_has_to_wait_and_fills_no_table(house, client):
    answers = [client.post("/register", json=PLAIN).status_code for _ in range(40)]
    assert set(answers) == {401, 429}
    with house.database.reading() as db:
        refused = select(models.AuditEvent.id).where(models.AuditEvent.event == "registration_refused")
        assert len(db.execute(refused).all()) == 10


def test_metadata_say_where_to_register_only_when_one_can(house):
    on = discovery.metadata(house.settings)
    off = discovery.metadata(house.settings.model_copy(update={"dynamic_registration": False}))
    assert on["registration_endpoint"] == f"{house.settings.issuer}/register"
    assert "registration_endpoint" not in off


def test_tokens_are_tidied_away_when_no_app_hangs_on_them(house, client, token):
    post(client, token)
    issue(house, label="never used")
    house.clock.move(days=100)
    retention.tidy(house, house.clock.now())
    with house.database.reading() as db:
        assert [one.label for one in registering.listing(db)] == ["Leesland"]
