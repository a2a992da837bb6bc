"""What can a program of an operator do with apps? The operations of the REST API about registrations.

Thin: each calls the function that the console and the command line call. `ETag` is the number of the newest version.
"""

from __future__ import annotations

from typing import Any

from flask import request
from sqlalchemy import Connection

from idp import context
from idp.admin.api import api_description
from idp.admin.api.api_fields import listed, nothing_or, number, text, thing
from idp.admin.api.api_frame import ROOT, Answer, Given, operation
from idp.admin.api.api_tokens import Scope
from idp.admin.apps import app_approving, app_history, app_list, app_planning, app_secrets, app_stopping, apps
from idp.admin.apps.app_list import Care, State
from idp.admin.apps.app_planning import Change
from idp.errors import Invalid, Problem
from idp.oidc import app_log, registration

READ, WRITE = Scope.APPS_READ, Scope.APPS_WRITE
APP = thing(("client_id", "client_name", "version", "state"), closed=False, version=number(0, 2**31))
STORED = thing(
    ("client_id", "change", "version"),
    closed=False,
    client_id=text(100),
    change={"enum": [one.value for one in Change]},
    version=number(0, 2**31),
)
DIFFERENCE = thing(("field", "before", "after"), closed=False, field=text(100))
VERSION = thing(("client_id", "version", "at", "by", "what", "fields"), closed=False)
SECRET = thing(("id", "created_at", "expires_at", "good"), closed=False)


def items(schema: Any) -> dict[str, Any]:
    return thing(("items",), closed=False, items=listed(schema))


PATCHABLE: dict[str, Any] = {
    name: nothing_or(schema) for name, schema in api_description.fields().items() if name != "client_id"
} | {"supplier": nothing_or(text(40)), "sandbox": {"type": "boolean"}}


@operation("GET", "/openapi.json", summary="This description.", scope=None, answers={200: {"type": "object"}})
def describe(_given: Given) -> Answer:
    return Answer(body=api_description.described(context.house().settings.issuer))


# ---------------------------------------------------------------- one app


@operation(
    "GET",
    "/apps",
    summary="Apps by name, with what an operator should look at.",
    scope=READ,
    query={
        "words": text(100),
        "scope": text(100),
        "state": {"type": "string", "enum": [one.value for one in State]},
        "care": {"type": "string", "enum": [one.value for one in Care]},
        "supplier": text(40),
    },
    answers={200: items(thing(("client_id", "client_name", "state"), closed=False))},
)
def list_apps(given: Given) -> Answer:
    house, asked = context.house(), given.query
    with house.database.reading() as db:
        found = app_list.search(
            db,
            today=house.clock.today(),
            words=asked["words"] or "",
            scope=asked["scope"] or None,
            state=State(asked["state"]) if asked["state"] else None,
            care=Care(asked["care"]) if asked["care"] else None,
            supplier=asked["supplier"] or None,
        )
    return Answer(body={"items": [one.as_json() for one in found]})


@operation(
    "POST",
    "/apps",
    summary="Register an app. Its secret is in this answer and in no other; 202: it waits for a second operator. "
    "With a client_id of your own it is safe to repeat: 409 app_exists says that it is there.",
    scope=WRITE,
    body=api_description.registered(required=("client_name",)),
    answers={201: STORED, 202: STORED},
)
def add_app(given: Given) -> Answer:
    house = context.house()
    client_id = given.body.get("client_id")
    if not client_id:
        return _stored(given.body, expected=None, status=201)
    with house.database.reading() as db:
        known = app_list.find(db, client_id)
    if known is not None and known is not State.REMOVED:
        raise Invalid("app_exists", client_id[:100])
    try:
        return _stored(given.body, expected=None if known else 0, status=201)
    except Invalid as refused:
        if refused.code != "app_changed_meanwhile":
            raise
        raise Invalid("app_exists", client_id[:100]) from None


@operation(
    "GET",
    "/apps/{client_id}",
    summary="Everything that may be seen of an app.",
    scope=READ,
    answers={200: APP},
)
def show_app(_given: Given, client_id: str) -> Answer:
    with context.house().database.reading() as db:
        app_planning.document_of(db, client_id)
        shown = app_list.show(db, client_id)
    return Answer(body=shown, version=shown["version"])


@operation(
    "PUT",
    "/apps/{client_id}",
    summary="Another registration in its place: what is left out goes back to its default.",
    scope=WRITE,
    body=api_description.registered(required=("client_name",)),
    match=True,
    answers={200: STORED, 202: STORED},
)
def replace_app(given: Given, client_id: str) -> Answer:
    with context.house().database.reading() as db:
        app_planning.document_of(db, client_id)
    if given.body.get("client_id", client_id) != client_id:
        told = Problem("frozen", registration.FROZEN, value=client_id)
        raise app_planning.Refused({client_id: {"client_id": [told]}})
    return _stored(given.body | {"client_id": client_id}, expected=given.if_match)


@operation(
    "PATCH",
    "/apps/{client_id}",
    summary="Change some fields (RFC 7396): null takes one away.",
    scope=WRITE,
    body=thing(**PATCHABLE),
    match=True,
    answers={200: STORED, 202: STORED},
)
def change_app(given: Given, client_id: str) -> Answer:
    with context.house().database.reading() as db:
        document, _version = app_planning.document_of(db, client_id)
    merged = app_approving.merged(document, given.body)
    if given.body.get("supplier", "") is None:
        merged["supplier"] = ""
    return _stored(merged, expected=given.if_match)


@operation(
    "DELETE",
    "/apps/{client_id}",
    summary="The app stops for good, at once.",
    scope=WRITE,
    match=True,
    answers={204: None},
)
def remove_app(given: Given, client_id: str) -> Answer:
    with context.house().database.transaction() as db:
        _same(db, client_id, given)
        app_stopping.remove(db, client_id, now=context.house().clock.now())
    return Answer(status=204)


@operation(
    "POST",
    "/apps/{client_id}/disabling",
    summary="Nobody gets in; tokens end at once.",
    scope=WRITE,
    match=True,
    answers={200: APP},
)
def disable_app(given: Given, client_id: str) -> Answer:
    with context.house().database.transaction() as db:
        _same(db, client_id, given)
        app_stopping.disable(db, client_id, now=context.house().clock.now())
        shown = app_list.show(db, client_id)
    return Answer(body=shown, version=shown["version"])


@operation(
    "POST",
    "/apps/{client_id}/enabling",
    summary="A disabled app works again.",
    scope=WRITE,
    match=True,
    answers={200: APP},
)
def enable_app(given: Given, client_id: str) -> Answer:
    with context.house().database.transaction() as db:
        _same(db, client_id, given)
        app_stopping.enable(db, client_id, now=context.house().clock.now())
        shown = app_list.show(db, client_id)
    return Answer(body=shown, version=shown["version"])


# ---------------------------------------------------------------- its secrets, its past, its refusals


@operation(
    "GET",
    "/apps/{client_id}/secrets",
    summary="Which secrets are good, and until when.",
    scope=READ,
    answers={200: items(SECRET)},
)
def list_secrets(_given: Given, client_id: str) -> Answer:
    house = context.house()
    with house.database.reading() as db:
        app_planning.document_of(db, client_id)
        found = app_secrets.listing(db, client_id)
    return Answer(body={"items": [one.as_json(house.clock.now()) for one in found]})


@operation(
    "POST",
    "/apps/{client_id}/secrets",
    summary="A new secret, in this answer only; the old one stays good for so many days.",
    scope=WRITE,
    body=thing(overlap_days=number(0, app_secrets.MOST_OVERLAP_DAYS)),
    answers={201: thing(("client_id", "client_secret"), closed=False)},
)
def renew_secret(given: Given, client_id: str) -> Answer:
    house = context.house()
    days = given.body.get("overlap_days", app_secrets.OVERLAP_DAYS)
    with house.database.transaction() as db:
        made = app_secrets.renew(db, client_id, now=house.clock.now(), overlap_days=days)
    return Answer(body={"client_id": client_id, "client_secret": made, "overlap_days": days}, status=201)


@operation(
    "DELETE",
    "/apps/{client_id}/secrets/{secret_id}",
    summary="End a secret now.",
    scope=WRITE,
    answers={204: None},
)
def end_secret(_given: Given, client_id: str, secret_id: str) -> Answer:
    house = context.house()
    with house.database.transaction() as db:
        app_secrets.end(db, client_id, secret_id, now=house.clock.now())
    return Answer(status=204)


@operation(
    "GET",
    "/apps/{client_id}/history",
    summary="Every change, newest first.",
    scope=READ,
    answers={200: items(VERSION)},
)
def show_history(_given: Given, client_id: str) -> Answer:
    with context.house().database.reading() as db:
        found = app_history.history(db, client_id)
    return Answer(body={"items": [one.as_json() for one in found]})


@operation(
    "GET",
    "/apps/{client_id}/differences",
    summary="In what two versions differ; `earlier` 0 is the time before.",
    scope=READ,
    query={"earlier": number(0, 10**6, default=0), "later": number(1, 10**6, default=1)},
    answers={200: items(DIFFERENCE)},
)
def compare_versions(given: Given, client_id: str) -> Answer:
    with context.house().database.reading() as db:
        found = app_history.compare(db, client_id, given.query["earlier"], given.query["later"])
    return Answer(body={"items": [one.as_json() for one in found]})


@operation(
    "GET",
    "/apps/{client_id}/refusals",
    summary="Requests that were refused lately: received beside registered.",
    scope=READ,
    answers={200: items({"type": "object"})},
)
def list_refusals(_given: Given, client_id: str) -> Answer:
    with context.house().database.reading() as db:
        app_planning.document_of(db, client_id)
        found = app_log.lines(db, client_id=client_id)
    shown = [
        {
            "at": one.at,
            "incident": one.incident,
            "where": one.where,
            "error": one.error,
            "because": one.because,
            "received": dict(one.received),
            "registered": dict(one.registered),
            "addresses": [
                {"received": each.received, "registered": each.registered, "differences": [*each.differences]}
                for each in one.addresses
            ],
            "advice": one.advice,
        }
        for one in found
    ]
    return Answer(body={"items": shown})


# ---------------------------------------------------------------- inside


def _same(db: Connection, client_id: str, given: Given) -> None:
    """Raises NotFound, or Invalid `app_changed_meanwhile` when the app is not as it was read."""
    _document, version = app_planning.document_of(db, client_id)
    if given.if_match != version:
        raise Invalid("app_changed_meanwhile", client_id)


def _stored(document: dict[str, Any], *, expected: int | None, status: int = 200) -> Answer:
    house = context.house()
    versions = {document["client_id"]: expected} if expected is not None else None
    (done,) = apps.import_apps(
        house,
        [document],
        now=house.clock.now(),
        expected=versions,
        reason=request.headers.get("X-Reason", "")[:1000],
    )
    return Answer(
        body=told(done),
        status=202 if done.request else status,
        version=done.version,
        location=f"{ROOT}/requests/{done.request}" if done.request else f"{ROOT}/apps/{done.client_id}",
    )


def told(done: apps.Imported) -> dict[str, Any]:
    return done.as_json() | {"change": done.change.value, "version": done.version}
