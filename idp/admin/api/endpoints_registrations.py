"""What can a program of an operator do with many apps at once, with changes that wait, and with suppliers?"""

from __future__ import annotations

from idp import context
from idp.admin.api import endpoints_apps
from idp.admin.api.api_fields import MOMENT, YES_OR_NO, listed, number, text, thing
from idp.admin.api.api_frame import Answer, Given, operation
from idp.admin.api.endpoints_apps import READ, STORED, VERSION, WRITE, items
from idp.admin.apps import app_approving, app_files, app_history, app_list, app_planning, app_requests, apps
from idp.admin.makers import suppliers
from idp.models import AppChange, RequestState

REASON = thing(reason=text(1000))
REQUEST = thing(("id", "client_id", "state", "widens", "differences"), closed=False)
SUPPLIER = thing(("supplier_id", "naam", "apps"), closed=False)


# ---------------------------------------------------------------- all of them


@operation(
    "GET",
    "/changes",
    summary="What changed in any app, newest first.",
    scope=READ,
    query={
        "by": text(120),
        "what": {"type": "string", "enum": [one.value for one in AppChange]},
        "since": MOMENT,
        "limit": number(1, 200, default=50),
    },
    answers={200: items(VERSION)},
)
def list_changes(given: Given) -> Answer:
    asked = given.query
    with context.house().database.reading() as db:
        found = app_history.changes(
            db,
            by=asked["by"] or None,
            what=AppChange(asked["what"]) if asked["what"] else None,
            since=asked["since"],
            most=asked["limit"],
        )
    return Answer(body={"items": [one.as_json() for one in found]})


@operation(
    "GET",
    "/registrations",
    summary="All registrations as one reviewable document, in a stable order and without secrets.",
    scope=READ,
    answers={200: listed({"type": "object"})},
)
def export_apps(_given: Given) -> Answer:
    with context.house().database.reading() as db:
        return Answer(body=app_list.export(db))


@operation(
    "GET",
    "/registrations.yaml",
    summary="The same as YAML, for a file in git.",
    scope=READ,
    answers={200: listed({"type": "object"}) | {"x-yaml": True}},
)
def export_apps_as_yaml(_given: Given) -> Answer:
    with context.house().database.reading() as db:
        return Answer(text=app_files.write_yaml(app_list.export(db)))


@operation(
    "POST",
    "/registrations",
    summary="Add or change many apps: all or none. With dry_run nothing is stored, and the differences are told.",
    scope=WRITE,
    query={"dry_run": YES_OR_NO | {"default": False}},
    body=listed({"type": "object"}, minItems=1, maxItems=500),
    answers={200: items(thing(("client_id", "change"), closed=False))},
)
def import_apps(given: Given) -> Answer:
    house = context.house()
    if given.query["dry_run"]:
        planned = app_planning.plan_apps(house, given.body, now=house.clock.now())
        told = [one.as_json(four_eyes=house.settings.four_eyes) for one in planned]
        return Answer(body={"items": told})
    done = apps.import_apps(house, given.body, now=house.clock.now())
    return Answer(body={"items": [endpoints_apps.told(one) for one in done]})


# ---------------------------------------------------------------- requests and suppliers


@operation(
    "GET",
    "/requests",
    summary="Changes that wait for somebody else, and how earlier ones ended.",
    scope=READ,
    query={"state": {"type": "string", "enum": [one.value for one in RequestState]}},
    answers={200: items(REQUEST)},
)
def list_requests(given: Given) -> Answer:
    state = RequestState(given.query["state"]) if given.query["state"] else None
    with context.house().database.reading() as db:
        found = app_requests.listing(db, state=state)
    return Answer(body={"items": [one.as_json() for one in found]})


@operation(
    "GET",
    "/requests/{request_id}",
    summary="One request, field by field.",
    scope=READ,
    answers={200: REQUEST},
)
def show_request(_given: Given, request_id: str) -> Answer:
    with context.house().database.reading() as db:
        return Answer(body=app_requests.find(db, request_id).as_json())


@operation(
    "POST",
    "/requests/{request_id}/approval",
    summary="Do it. Never by who asked.",
    scope=WRITE,
    body=REASON,
    answers={200: STORED},
)
def approve_request(given: Given, request_id: str) -> Answer:
    house = context.house()
    done = app_approving.approve(house, request_id, answer=given.body.get("reason"), now=house.clock.now())
    return Answer(body=endpoints_apps.told(done), version=done.version)


@operation(
    "POST",
    "/requests/{request_id}/refusal",
    summary="Do not do it.",
    scope=WRITE,
    body=REASON,
    answers={200: REQUEST},
)
def refuse_request(given: Given, request_id: str) -> Answer:
    house = context.house()
    with house.database.transaction() as db:
        app_approving.refuse(db, request_id, answer=given.body.get("reason"), now=house.clock.now())
        return Answer(body=app_requests.find(db, request_id).as_json())


@operation("GET", "/suppliers", summary="Who makes apps.", scope=READ, answers={200: items(SUPPLIER)})
def list_suppliers(_given: Given) -> Answer:
    with context.house().database.reading() as db:
        return Answer(body={"items": [one.as_json() for one in suppliers.listing(db)]})


@operation(
    "PUT",
    "/suppliers/{supplier_id}",
    summary="Make a supplier known, or change name and contact.",
    scope=WRITE,
    body=thing(("naam",), naam=text(200, least=1), contact=text(254)),
    answers={200: thing(("supplier_id", "new"), closed=False)},
)
def keep_supplier(given: Given, supplier_id: str) -> Answer:
    house, body = context.house(), given.body
    with house.database.transaction() as db:
        new = suppliers.keep(
            db, supplier_id, naam=body["naam"], contact=body.get("contact"), now=house.clock.now()
        )
    return Answer(body={"supplier_id": supplier_id, "new": new})


@operation(
    "DELETE",
    "/suppliers/{supplier_id}",
    summary="Nothing new comes from it; its apps stay.",
    scope=WRITE,
    answers={204: None},
)
def end_supplier(_given: Given, supplier_id: str) -> Answer:
    house = context.house()
    with house.database.transaction() as db:
        suppliers.end(db, supplier_id, now=house.clock.now())
    return Answer(status=204)
