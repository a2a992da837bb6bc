"""Signed authorization requests: what is inside wins, and only the app itself can have put it there."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from idp import apps, models
from idp.oidc import arriving
from tests import make, make_browser, make_signed
from tests.make_browser import next_of, path, query, said, sign_in
from tests.make_signed import ALL, EC, RSA, RSA_2, jwks, sign, wishes


@pytest.fixture
def story(house):
    return told(house)


def told(house, **given):
    with house.database.transaction() as db:
        return make.story(db, **({"jwks": jwks(RSA, EC, make_signed.ED)} | given))


def ask(client, app, signed, **beside):
    """The request that carries this object, up to where it is kept."""
    words = {"client_id": app.client_id, "request": signed} | beside
    return client.get(f"/authorize?{urlencode(words)}")


def kept(house):
    with house.database.reading() as db:
        return db.execute(select(models.PushedRequest.__table__)).mappings().all()


@pytest.mark.parametrize(("key", "alg"), ALL)
def test_a_signed_request_leads_to_a_code(client, house, story, key, alg):
    sign_in(client, house, story.pupil)
    answer = ask(client, story.app, sign(wishes(house, story.app), key, alg))
    assert path(answer) == "/authorize"
    assert said(client.get(answer.headers["Location"]), story.app)["state"] == "inside"


def test_what_is_inside_wins_and_what_is_only_outside_counts_too(client, house, story):
    sign_in(client, house, story.pupil)
    signed = sign(wishes(house, story.app, scope="openid ov_leerling", state=None))
    beside = {"scope": "openid profile", "state": "outside", "response_type": "code"}
    answer = ask(client, story.app, signed, **beside)
    assert said(client.get(answer.headers["Location"]), story.app)["state"] == "outside"
    assert make_browser.grant_of(house)["scope"] == "openid ov_leerling"


def test_an_app_that_always_signs_is_told_nothing_by_others(client, house):
    story = told(house, require_signed_request_object=True)
    sign_in(client, house, story.pupil)
    assert said(client.get(f"/authorize?{query(story.app)}"), story.app)["error"] == "invalid_request"
    signed = sign(wishes(house, story.app, state=None))
    answer = ask(client, story.app, signed, state="outside", prompt="consent")
    told_app = said(client.get(answer.headers["Location"]), story.app)
    assert "state" not in told_app
    assert told_app["code"]


def test_it_is_checked_once_so_that_signing_in_may_take_longer_than_it_lives(client, house, story):
    answer = ask(client, story.app, sign(wishes(house, story.app)))
    house.clock.move(minutes=20)
    url = next_of(client.get(answer.headers["Location"]))
    sign_in(client, house, story.pupil)
    assert said(client.get(url), story.app)["code"]


def test_numbers_and_objects_inside_are_read(client, house, story):
    claims = {"id_token": {"given_name": {"essential": True}}}
    signed = sign(wishes(house, story.app, max_age=600, claims=claims, scope="openid profile", more=[1]))
    sign_in(client, house, story.pupil)
    said(client.get(ask(client, story.app, signed).headers["Location"]), story.app)
    assert make_browser.grant_of(house)["asked"] == {"id_token": {"given_name": None}}


def unsigned(header, claims):
    parts = (json.dumps(header).encode(), json.dumps(claims).encode())
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def refused(client, story, signed, error="invalid_request_object"):
    """To the app, when a registered address stands in the open; else to the person."""
    outside = {"redirect_uri": story.app.redirect_uris[0], "state": "outside", "response_type": "code"}
    told_app = said(ask(client, story.app, signed, **outside), story.app)
    assert (told_app["error"], told_app["state"]) == (error, "outside")
    page = ask(client, story.app, signed)
    assert (page.status_code, page.headers.get("Location")) == (400, None)


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "", None, "HS256", 7])
def test_ROBJ_01_an_unsigned_request_counts_for_nothing(client, house, story, alg):
    claims = wishes(house, story.app, redirect_uri="https://evil.example")
    refused(client, story, unsigned({"alg": alg}, claims))
    assert kept(house) == []


def test_ROBJ_01_only_the_apps_own_keys_and_algorithm_count(client, house, story):
    claims = wishes(house, story.app)
    refused(client, story, sign(claims, RSA_2))
    refused(client, story, sign(claims, RSA_2, kid="one", jwk=RSA_2.as_dict(private=False)))
    refused(client, story, sign(claims).rpartition(".")[0] + ".")
    refused(client, told(house, jwks=None), sign(claims))
    refused(client, told(house, request_object_signing_alg="PS256"), sign(claims))
    for rubbish in ("x", "a.b.c", "a.b.c.d.e", ".", "é.é.é", "x" * 9_000):
        refused(client, story, rubbish)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody-else"},
        {"client_id": "somebody-else"},
        {"iss": None, "client_id": None},
        {"iss": ["x"]},
        {"aud": "https://other.example"},
        {"aud": 7},
        {"exp": 1_700_000_000},
        {"exp": "soon"},
        {"exp": True},
        {"nbf": 2_000_000_000},
        {"iat": 2_000_000_000},
        {"request": "e30"},
        {"request_uri": "https://evil.example"},
        {"state": 7},
        {"scope": ["openid"]},
        {"max_age": 1.5},
        {"prompt": {}},
    ],
)
def test_a_request_that_is_not_for_us_now_or_not_readable_is_refused(client, house, story, changes):
    refused(client, story, sign(wishes(house, story.app, **changes)))


def test_an_audience_may_be_missing_unless_the_app_always_signs(client, house, story):
    signed = sign(wishes(house, story.app, aud=None))
    assert ask(client, story.app, signed).status_code == 303
    strict = told(house, require_signed_request_object=True)
    refused(client, strict, sign(wishes(house, strict.app, aud=None)))


def test_a_client_assertion_is_no_request_and_says_so_in_its_type(client, house, story):
    refused(client, story, sign(wishes(house, story.app, sub=story.app.client_id)))
    refused(client, story, sign(wishes(house, story.app), typ="client-authentication+jwt"))
    answer = ask(client, story.app, sign(wishes(house, story.app), typ="oauth-authz-req+jwt"))
    assert answer.status_code == 303


def test_the_same_checks_hold_for_what_is_inside(client, house, story):
    evil = sign(wishes(house, story.app, redirect_uri="https://evil.example"))
    for beside in ({}, {"redirect_uri": story.app.redirect_uris[0]}):
        page = ask(client, story.app, evil, **beside)
        assert (page.status_code, page.headers.get("Location")) == (400, None)
    for changes, error in (
        ({"scope": "openid vo"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"registration": {}}, "registration_not_supported"),
    ):
        told_app = said(ask(client, story.app, sign(wishes(house, story.app, **changes))), story.app)
        assert (told_app["error"], told_app["state"]) == (error, "inside")
    assert kept(house) == []


def test_an_app_that_is_unknown_off_or_named_twice_stays_here(client, house, story):
    signed = sign(wishes(house, story.app))
    assert (
        client.get(f"/authorize?{urlencode({'client_id': 'nobody', 'request': signed})}").status_code == 400
    )
    assert client.get(f"/authorize?{urlencode({'request': signed})}").status_code == 400
    twice = urlencode([("client_id", story.app.client_id), ("client_id", "x"), ("request", signed)])
    assert client.get(f"/authorize?{twice}").status_code == 400
    both = query(story.app, request=signed, request_uri="urn:ietf:params:oauth:request_uri:x")
    assert said(client.get(f"/authorize?{both}"), story.app)["error"] == "invalid_request"
    again = f"{query(story.app, request=signed)}&request=x"
    assert said(client.get(f"/authorize?{again}"), story.app)["error"] == "invalid_request"


def test_a_signed_request_in_a_form_is_the_same(client, house, story):
    sign_in(client, house, story.pupil)
    form = {"client_id": story.app.client_id, "request": sign(wishes(house, story.app))}
    answer = client.post("/authorize", data=form)
    assert said(client.get(answer.headers["Location"]), story.app)["state"] == "inside"
    assert len(kept(house)) == 1


# ---------------------------------------------------------------- by reference


@pytest.fixture
def site():
    with make_signed.site() as here:
        yield here


def switched_on(house, **more):
    words = {"request_uri_by_reference": True, "fetch_from_loopback": True} | more
    return replace(house, settings=house.settings.model_copy(update=words))


def by_reference(house, app, uri):
    given = [("client_id", app.client_id), ("request_uri", uri), ("redirect_uri", app.redirect_uris[0])]
    return arriving.arrive(house, given)


def with_uris(house, *uris):
    story = told(house)
    with house.database.transaction() as db:
        document = db.execute(select(models.App.registration)).scalar_one() | {"request_uris": [*uris]}
        db.execute(models.App.__table__.update().values(registration=document))
        apps.changed(db)
        found = apps.load(db, story.app.client_id)
    house.clock.move(seconds=3)
    return found


def test_ROBJ_02_by_reference_is_off_and_nothing_is_fetched(house, site):
    app = with_uris(house, site.put("/r", b"x", "application/jwt"))
    no = by_reference(house, app, site.address + "/r")
    assert no.error == "request_uri_not_supported"
    assert site.asked == []


def test_ROBJ_02_switched_on_it_reads_registered_addresses_only(house, site):
    house = switched_on(house)
    uri = site.address + "/r#GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM"
    app = with_uris(house, uri)
    site.put("/r", sign(wishes(house, app)).encode(), "application/oauth-authz-req+jwt; charset=utf-8")
    for other in (
        site.address + "/other",
        site.address + "/r",
        uri + "x",
        uri.upper(),
        "http://canary.example",
    ):
        assert by_reference(house, app, other).error == "invalid_request_uri"
    assert site.asked == []
    asked = by_reference(house, app, uri)
    assert (asked.state, site.asked) == ("inside", ["/r"])
    assert asked.kept


@pytest.mark.parametrize("kind", ["application/jwt", "application/jose", "application/oauth-authz-req+jwt"])
def test_every_media_type_of_a_signed_jwt_is_read(house, site, kind):
    house = switched_on(house)
    app = with_uris(house, site.address + "/r")
    site.put("/r", sign(wishes(house, app)).encode(), kind)
    assert by_reference(house, app, site.address + "/r").state == "inside"


def test_SSRF_01_a_registered_address_on_this_machine_is_not_read_without_the_switch(house, site):
    house = switched_on(house, fetch_from_loopback=False)
    app = with_uris(house, site.put("/r", b"x", "application/jwt"))
    assert by_reference(house, app, site.address + "/r").error == "invalid_request_uri"
    assert site.asked == []


@pytest.mark.parametrize(
    ("kind", "body"), [("text/html", b"x"), ("application/jwt", b"x" * 70_000), ("application/json", b"{}")]
)
def test_what_stands_there_must_be_a_small_jwt(house, site, kind, body):
    house = switched_on(house)
    app = with_uris(house, site.put("/r", body, kind))
    assert by_reference(house, app, site.address + "/r").error == "invalid_request_uri"


def test_what_stands_there_must_be_signed(house, site):
    house = switched_on(house)
    app = with_uris(house, site.address + "/r")
    site.put("/r", unsigned({"alg": "none"}, wishes(house, app)).encode(), "application/jwt")
    assert by_reference(house, app, site.address + "/r").error == "invalid_request_object"


@pytest.mark.parametrize(
    "claims",
    [
        b'"aud":[7]',
        b'"aud":{"a":1}',
        b'"aud":true',
        b'"exp":"4000000000"',
        b'"exp":1e400',
        b'"exp":60.5',
        b'"exp":1000000000000000000000000000000',
        b'"nbf":"now"',
        b'"scope":["openid"]',
        b'"redirect_uri":["https://evil.example"]',
        b'"aud":"http://localhost:8080","aud":"https://evil.example"',
    ],
)
def test_JWT_18_a_claim_of_another_kind_makes_a_request_unreadable(client, house, story, claims):
    sign_in(client, house, story.pupil)
    name = claims.partition(b":")[0].strip(b'"').decode()
    good = json.dumps(wishes(house, story.app, **{name: None})).encode()
    answer = ask(client, story.app, sign(good[:-1] + b"," + claims + b"}"))
    assert answer.status_code in {303, 400}
    assert "evil.example" not in answer.headers.get("Location", "")
    assert kept(house) == []
