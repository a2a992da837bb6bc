"""The REST API of operators: what it says of itself is what it does, whatever is sent, and nobody gets further than a token."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from sqlalchemy import func, select

from idp import audit, models
from idp.admin.api import api_tokens
from idp.admin.api.api_frame import MANY, NOTED, OPERATIONS, ROOT
from idp.admin.api.api_tokens import Scope
from idp.admin.apps import apps
from tests import make, make_feeds
from tests.admin.test_apps import document

LEFT_OUT = {schemathesis.checks.positive_data_acceptance}
"""What a registration must be beyond its types (an address of https, keys that can be read, scopes that go together) is
more than a schema can say: such a body is refused with sentences."""


@pytest.fixture
def token(house):
    return issued(house, *Scope)


def issued(house, *scopes, by="person:mira", days=30):
    with audit.acting(by), house.database.transaction() as db:
        until = make.TODAY + timedelta(days=days)
        return api_tokens.issue(
            db, label="git", scopes=frozenset(scopes), until=until, now=house.clock.now()
        )[1]


def call(client, token, method, path, **words):
    headers = {"Authorization": f"Bearer {token}"} | words.pop("headers", {})
    return client.open(ROOT + path, method=method, headers=headers, **words)


def events(house, name):
    with house.database.reading() as db:
        mine = select(models.AuditEvent).where(models.AuditEvent.event == name)
        return db.execute(mine).mappings().all()


# ---------------------------------------------------------------- what it says of itself


def test_the_description_is_valid_openapi(client, token):
    told = call(client, token, "GET", "/openapi.json").json
    assert told["openapi"].startswith("3.1")
    assert [*OpenAPIV31SpecValidator(told).iter_errors()] == []
    assert {(method.upper(), path) for path, item in told["paths"].items() for method in item} == {
        (line.method, line.path) for line in OPERATIONS
    }


def test_whatever_is_sent_is_answered_as_described(house, app, client, token):
    """Schemathesis, a few examples for every operation, good and bad ones."""
    apps.import_apps(house, [document()], now=house.clock.now())
    with house.database.transaction() as db:
        make.school(db, "123456")
    make_feeds.held_enrolments(house)
    described = schemathesis.openapi.from_dict(call(client, token, "GET", "/openapi.json").json)
    described.app = app
    checked = []
    for found in described.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=6,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[*HealthCheck],
        )
        @schemathesis_given(operation)
        def run(case):
            house.clock.move(minutes=11)  # wrong tokens are tried as well: who tries many has to wait
            case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=[*LEFT_OUT])

        run()
        checked.append(operation.label)
    assert len(checked) == len(OPERATIONS)


def schemathesis_given(operation):
    from hypothesis import given
    from hypothesis import strategies as st
    from schemathesis.generation import GenerationMode

    return given(
        case=st.one_of(
            operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        )
    )


# ---------------------------------------------------------------- nobody gets further than a token


def test_every_operation_asks_for_a_good_token_with_its_scope(house, client):
    other = {scope: issued(house, *({*Scope} - {scope})) for scope in Scope}
    ended, gone = issued(house, *Scope, days=0), issued(house, *Scope)
    with house.database.transaction() as db:
        api_tokens.revoke(db, api_tokens.listing(db)[0].id, now=house.clock.now())
    house.clock.move(days=1)
    for line in OPERATIONS:
        path = line.path.replace("{client_id}", "x").replace("{instellingsnummer}", "123456")
        house.clock.move(hours=1)
        for bad in (ended, gone, "", "lso_x", f"{gone}x"):
            answer = call(client, bad, line.method, path)
            assert answer.status_code == 401, line.path
            assert answer.json["code"] == "token_refused"
        if line.scope is not None:
            assert call(client, other[line.scope], line.method, path).status_code == 403, line.path
    assert {one["result"] for one in events(house, "operator_token_refused")} == {"refused"}


def test_a_token_is_shown_once_and_kept_as_a_digest(house, token):
    with house.database.reading() as db:
        assert token not in repr(db.execute(select(models.OperatorToken.__table__)).all())
        (listed,) = api_tokens.listing(db)
    (issued_,) = events(house, "operator_token_issued")
    assert (issued_["actor"], issued_["object"]) == ("person:mira", f"operator-token:{listed.id}")
    assert token not in repr(events(house, "operator_token_issued"))


def test_an_app_is_added_changed_disabled_and_removed(house, client, token):
    made = call(client, token, "POST", "/apps", json=document())
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert made.json["client_secret"].startswith("lsk_")
    assert call(client, token, "POST", "/apps", json=document()).status_code == 409
    shown = call(client, token, "GET", "/apps/rekenbuur")
    assert made.json["client_secret"] not in shown.text
    match = {"If-Match": shown.headers["ETag"]}
    assert call(client, token, "PATCH", "/apps/rekenbuur", json={"purpose": "Rekenen"}).status_code == 428
    changed = call(client, token, "PATCH", "/apps/rekenbuur", json={"purpose": "Rekenen"}, headers=match)
    assert (changed.status_code, changed.json["purpose"], changed.headers["ETag"]) == (200, "Rekenen", '"2"')
    stale = call(client, token, "PATCH", "/apps/rekenbuur", json={"purpose": "Anders"}, headers=match)
    assert (stale.status_code, stale.json["code"]) == (412, "app_changed_meanwhile")
    assert stale.mimetype == "application/problem+json"
    told = call(client, token, "GET", "/apps/rekenbuur/differences?earlier=1&later=2").json["items"]
    assert [(one["field"], one["after"]) for one in told] == [("purpose", "Rekenen")]
    renewed = call(client, token, "POST", "/apps/rekenbuur/secrets", json={"overlap_days": 3})
    assert renewed.status_code == 201
    assert len(call(client, token, "GET", "/apps/rekenbuur/secrets").json["items"]) == 2
    for path, state in (("disabling", "disabled"), ("enabling", "works")):
        etag = {"If-Match": call(client, token, "GET", "/apps/rekenbuur").headers["ETag"]}
        answer = call(client, token, "POST", f"/apps/rekenbuur/{path}", headers=etag)
        assert answer.json["state"] == state
    etag = {"If-Match": call(client, token, "GET", "/apps/rekenbuur").headers["ETag"]}
    assert call(client, token, "DELETE", "/apps/rekenbuur", headers=etag).status_code == 204
    assert call(client, token, "GET", "/apps/rekenbuur").status_code == 404
    actors = {one["actor"] for one in events(house, "app_changed")}
    assert [actor.partition(":")[0] for actor in actors] == ["operator-token"]


def test_registering_again_changes_nothing_and_a_lost_secret_is_made_anew(house, client, token):
    lost = call(client, token, "POST", "/apps", json=document()).json["client_secret"]
    again = call(client, token, "POST", "/apps", json=document() | {"client_name": "Van een ander"})
    assert (again.status_code, again.json["code"]) == (409, "app_exists")
    assert "client_secret" not in again.text
    shown = call(client, token, "GET", "/apps/rekenbuur")
    assert (shown.json["client_name"], shown.headers["ETag"]) == (document()["client_name"], '"1"')
    made = call(client, token, "POST", "/apps/rekenbuur/secrets", json={"overlap_days": 0})
    assert made.json["client_secret"] not in {lost, None}
    assert len(call(client, token, "GET", "/apps/rekenbuur/secrets").json["items"]) == 1


def test_of_programs_that_register_one_client_id_together_one_does(house, app, token):
    def register(number):
        with app.app_context():
            return call(
                app.test_client(),
                token,
                "POST",
                "/apps",
                json=document() | {"client_name": f"Nummer {number}"},
            )

    with ThreadPoolExecutor(6) as pool:
        answers = [*pool.map(register, range(6))]
    (made,) = [one for one in answers if one.status_code == 201]
    assert {one.status_code for one in answers} == {201, 409}
    shown = call(app.test_client(), token, "GET", "/apps/rekenbuur").json
    assert (shown["client_name"], shown["version"]) == (made.json["client_name"], 1)


def test_who_guesses_tokens_waits_and_a_good_token_from_there_still_works(house, client, token):
    guesses = [call(client, f"lso_{number:043}", "GET", "/apps") for number in range(MANY + 2)]
    assert [one.status_code for one in guesses] == [401] * MANY + [429, 429]
    assert guesses[-1].headers["Retry-After"] == "600"
    assert len(events(house, "operator_token_refused")) == NOTED
    assert call(client, token, "GET", "/apps").status_code == 200
    house.clock.move(minutes=11)
    assert call(client, "lso_x", "GET", "/apps").status_code == 401


def test_many_apps_are_stored_after_a_look_at_the_differences(house, client, token):
    both = [document(), document("ander")]
    told = call(client, token, "POST", "/registrations?dry_run=true", json=both).json["items"]
    assert [one["change"] for one in told] == ["added", "added"]
    assert call(client, token, "GET", "/registrations").json == []
    assert call(client, token, "POST", "/registrations", json=both).status_code == 200
    kept = call(client, token, "GET", "/registrations").json
    assert [one["client_id"] for one in kept] == ["ander", "rekenbuur"]
    again = call(client, token, "POST", "/registrations?dry_run=true", json=kept).json["items"]
    assert [one["change"] for one in again] == ["same", "same"]
    assert "client_id: ander" in call(client, token, "GET", "/registrations.yaml").text


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "[::1]", "0.0.0.0", "192.168.1.1"]
)
@pytest.mark.parametrize("field", ["jwks_uri", "backchannel_logout_uri"])
def test_SSRF_01_addresses_inside_a_network_are_refused_at_registration(house, client, token, field, host):
    given = document(**{field: f"https://{host}/x"})
    if field == "jwks_uri":
        given["token_endpoint_auth_method"] = "private_key_jwt"
    answer = call(client, token, "POST", "/apps", json=given)
    assert answer.status_code == 422
    assert "inside a network" in str(answer.json["problems"]["rekenbuur"][field])
    assert call(client, token, "GET", "/registrations").json == []


@pytest.mark.parametrize(
    "field", ["is_admin", "registration", "disabled_at", "version", "paused_at", "secrets", "__class__"]
)
def test_INJ_04_fields_that_nobody_knows_are_refused(client, token, field):
    for method, path in (("POST", "/apps"), ("PUT", "/apps/rekenbuur"), ("PATCH", "/apps/rekenbuur")):
        answer = call(
            client, token, method, path, json=document() | {field: True}, headers={"If-Match": '"1"'}
        )
        assert answer.status_code == 400, method


@pytest.mark.parametrize(
    "words", ["' OR 1=1--", '"; DROP TABLE app;--', "%", "_", "\\", "1'||pg_sleep(9)||'"]
)
def test_INJ_01_what_is_searched_is_text(house, client, token, words):
    apps.import_apps(house, [document()], now=house.clock.now())
    with house.database.transaction() as db:
        make.school(db, "123456")
    for path in ("/apps", "/schools"):
        found = call(client, token, "GET", path, query_string={"words": words})
        assert (found.status_code, found.json["items"]) == (200, [])
    for name in ("actor", "event", "object", "request_id"):
        found = call(client, token, "GET", "/audit", query_string={name: words})
        assert (found.status_code, found.json["items"]) == (200, [])


def test_the_trail_is_read_a_page_at_a_time(house, client, token):
    for number in range(5):
        apps.import_apps(house, [document(f"app-{number}")], now=house.clock.now())
    seen, after = [], None
    while True:
        given = {"event": "app_registered", "limit": "2"} | ({"after": after} if after else {})
        page = call(client, token, "GET", "/audit", query_string=given).json
        seen += [one["object"] for one in page["items"]]
        after = page["after"]
        if after is None:
            break
    assert seen == [f"app:app-{number}" for number in (4, 3, 2, 1, 0)]
    assert call(client, token, "GET", "/audit?after=nonsense").status_code == 400
    assert call(client, token, "GET", "/audit?object=app:app-3").json["items"][0]["event"] == "app_registered"


@pytest.mark.parametrize(
    "path",
    [
        "/audit?until=0001-01-01T00:00:00Z",
        "/audit?since=0001-01-01T00:00:00%2B14:00",
        "/audit?until=9999-12-31T23:59:59-14:00",
        "/changes?since=0001-01-01T00:00:00%2B14:00",
        "/changes?since=9999-12-31T23:59:59-14:00",
    ],
)
def test_moments_that_nobody_can_mean_are_refused_in_words(client, token, path):
    answer = call(client, token, "GET", path)
    assert (answer.status_code, answer.json["code"]) == (400, "not_as_described")
    assert answer.json["detail"].endswith("must be a date-time of 1900 to 2199")


def test_a_rule_lasts_until_a_day_that_can_be_counted(house, client, token):
    apps.import_apps(house, [document()], now=house.clock.now())
    with house.database.transaction() as db:
        make.school(db, "123456")
    body = {"client_id": "rekenbuur", "einddatum": "9999-12-31"}
    answer = call(client, token, "POST", "/schools/123456/visibility", json=body)
    assert (answer.status_code, answer.json["detail"]) == (
        400,
        "body.einddatum must be a date of 1900 to 2199",
    )
    body["einddatum"] = "2199-12-31"
    assert call(client, token, "POST", "/schools/123456/visibility", json=body).status_code == 201


def test_an_app_is_not_replaced_by_one_of_another_name(house, client, token):
    apps.import_apps(house, [document()], now=house.clock.now())
    other = document("rekenkundig")
    answer = call(client, token, "PUT", "/apps/rekenbuur", json=other, headers={"If-Match": '"1"'})
    assert (answer.status_code, [*answer.json["problems"]["rekenbuur"]]) == (422, ["client_id"])
    same = call(client, token, "PUT", "/apps/rekenbuur", json=document(), headers={"If-Match": '"1"'})
    assert (same.status_code, same.json["change"]) == (200, "same")


@pytest.mark.parametrize("words", ["école", "ECOLE", "École île", "ile ecole", "1234"])
def test_a_school_is_found_whatever_its_capitals_and_accents(house, client, token, words):
    with house.database.transaction() as db:
        make.school(db, "123456", naam="ÉCOLE DE L'ÎLE")
        make.school(db, "223456", naam="Ecosysteem")
    found = call(client, token, "GET", "/schools", query_string={"words": words}).json["items"]
    assert [one["instellingsnummer"] for one in found] == ["123456"]


def test_schools_that_are_searched_for_come_a_page_at_a_time(house, client, token):
    with house.database.transaction() as db:
        for number in ("123456", "123457", "123458"):
            make.school(db, number, naam="De Wijzer")
        make.school(db, "123459", naam="Elders")
    page = call(client, token, "GET", "/schools?words=wijzer&limit=2").json
    assert ([one["instellingsnummer"] for one in page["items"]], page["after"]) == (
        ["123456", "123457"],
        "123457",
    )
    page = call(client, token, "GET", "/schools?words=wijzer&limit=2&after=123457").json
    assert ([one["instellingsnummer"] for one in page["items"]], page["after"]) == (["123458"], None)


def test_schools_and_what_they_made_visible(house, client, token):
    apps.import_apps(house, [document()], now=house.clock.now())
    made = call(client, token, "PUT", "/schools/123456", json={"naam": "De Wijzer", "pakket": "wisa"})
    assert (made.status_code, made.json["kind"]) == (201, "real")
    frozen = call(client, token, "PUT", "/schools/123456", json={"naam": "De Wijzer", "kind": "sandbox"})
    assert (frozen.status_code, frozen.json["code"]) == (409, "kind_is_frozen")
    rule = call(client, token, "POST", "/schools/123456/visibility", json={"client_id": "rekenbuur"})
    assert rule.status_code == 201
    (listed,) = call(client, token, "GET", "/schools/123456/visibility").json["items"]
    assert (listed["id"], listed["kind"]) == (rule.json["id"], "school")
    gone = call(client, token, "DELETE", f"/schools/123456/visibility/{rule.json['id']}")
    assert gone.status_code == 204
    assert call(client, token, "GET", "/schools?words=wijz").json["items"][0]["naam"] == "De Wijzer"


# ---------------------------------------------------------------- deliveries that wait


def enrolled(house, school):
    with house.database.reading() as db:
        mine = (
            select(func.count())
            .select_from(models.Enrolment)
            .where(
                models.Enrolment.instellingsnummer == school,
                models.Enrolment.einddatum >= house.clock.today(),
            )
        )
        return db.execute(mine).scalar_one()


def test_enrolments_that_wait_are_listed_seen_and_applied_once(house, client):
    school, delivery = make_feeds.held_enrolments(house)
    reads, writes = issued(house, "holds.read"), issued(house, "holds.write")
    (line,) = call(client, reads, "GET", "/holds?kind=enrolments").json["items"]
    assert (line["delivery"], line["instellingsnummer"], line["decided_by"]) == (delivery, school, "operator")
    shown = call(client, reads, "GET", f"/holds/{delivery}")
    first, second = shown.json["groups"]
    assert (first["group"], first["before"], first["after"], len(first["leave"])) == ("1e lj A", 40, 30, 10)
    assert (second["group"], second["come"]) == ("2e lj B", ["40"])
    assert "Peeters" not in shown.text, "stamnummers, and no names"
    where = f"/holds/{delivery}/approval"
    for token in (reads, issued(house, "schools.write")):
        assert call(client, token, "POST", where).status_code == 403
    assert enrolled(house, school) == 40
    done = call(client, writes, "POST", where)
    assert (done.status_code, done.json["counts"]["end"], enrolled(house, school)) == (200, 10, 31)
    for path in (where, f"/holds/{delivery}/refusal"):
        again = call(client, writes, "POST", path)
        assert (again.status_code, again.json["code"]) == (404, "hold_gone")
    assert call(client, reads, "GET", "/holds").json["items"] == []
    (event,) = [
        one for one in events(house, "enrolments_imported") if one["actor"].startswith("operator-token:")
    ]
    assert event["instellingsnummer"] == school


def test_enrolments_that_wait_are_declined_and_all_stays_as_it_was(house, client):
    school, delivery = make_feeds.held_enrolments(house)
    token = issued(house, "holds.write")
    assert call(client, token, "POST", f"/holds/{delivery}/refusal").status_code == 204
    assert enrolled(house, school) == 40
    (event,) = events(house, "hold_decided")
    assert (event["details"]["decision"], event["actor"].partition(":")[0]) == ("declined", "operator-token")


def test_classes_that_wait_are_told_and_are_for_the_school_to_decide(house, client):
    school, delivery = make_feeds.held_delivery(house)
    token = issued(house, "holds.read", "holds.write")
    (line,) = call(client, token, "GET", "/holds").json["items"]
    assert (line["instellingsnummer"], line["decided_by"]) == (school, "school")
    for method, path in (("GET", ""), ("POST", "/approval"), ("POST", "/refusal")):
        answer = call(client, token, method, f"/holds/{delivery}{path}")
        assert (answer.status_code, answer.json["code"]) == (404, "hold_gone"), path
    assert len(call(client, token, "GET", "/holds").json["items"]) == 1
