"""What does the maker of an app see? Its own apps: what to paste, what was refused, how they behave, and what will change.

/leverancier                            the apps of this supplier
/leverancier/apps/ID                    addresses, examples, conformance, keys, requests
/leverancier/apps/ID/geweigerd          requests that were refused: received beside registered
/leverancier/apps/ID/wijzig             ask for a change: a form, the difference, and an operator decides
/leverancier/apps/ID/trek-in            take back what one asked oneself
/leverancier/apps/ID/meldingen.json     what changes for the app, for people
/leverancier/meldingen.json             the same for the app itself, which proves who it is as at /token

An app of somebody else does not exist here, whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response, request
from sqlalchemy import Connection

from idp import context, sentences, web
from idp.admin import shell, staff_door
from idp.admin.apps import (
    app_approving,
    app_form,
    app_list,
    app_planning,
    app_requests,
    app_secrets,
    problem_words,
)
from idp.admin.makers import conformance, notices, snippets, suppliers
from idp.errors import Invalid, NotAllowed, NotFound
from idp.models import RightKind
from idp.oidc import app_log, clients, signing

blueprint = Blueprint("supplier", __name__)
HOME = "/leverancier"
PATH = f"{HOME}/apps"


@blueprint.get(HOME)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.SUPPLIER)
def home() -> Response:
    house = context.house()
    with house.database.reading() as db:
        mine = _mine(db)
        found = [one for one in suppliers.listing(db) if one.supplier_id in mine]
        today = house.clock.today()
        apps = {one.supplier_id: app_list.search(db, today=today, supplier=one.supplier_id) for one in found}
    return shell.page("admin/supplier_home.html", suppliers=found, apps=apps, issuer=house.settings.issuer)


@blueprint.get(f"{PATH}/<client_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.SUPPLIER)
def one_app(client_id: str) -> Response:
    return _app_page(client_id)


@blueprint.get(f"{PATH}/<client_id>/geweigerd")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.SUPPLIER)
def refusals(client_id: str) -> Response:
    with context.house().database.reading() as db:
        require(db, client_id)
        shown = app_list.show(db, client_id)
        lines = app_log.lines(db, client_id=client_id)
    return shell.page("admin/registry_refusals.html", app=shown, lines=lines, back=f"{PATH}/{client_id}")


@blueprint.get(f"{PATH}/<client_id>/wijzig")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.SUPPLIER)
def ask(client_id: str) -> Response:
    with context.house().database.reading() as db:
        require(db, client_id)
        document, _version = app_planning.document_of(db, client_id)
    return _form(document)


@blueprint.post(f"{PATH}/<client_id>/wijzig")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.SUPPLIER)
def send(client_id: str) -> Response:
    """The difference first; with `bevestig` it is asked of the operator."""
    house = context.house()
    with house.database.reading() as db:
        supplier = require(db, client_id)
        document, _version = app_planning.document_of(db, client_id)
    if request.form.get("terug") == "1":
        return _form(document, given=request.form)
    wanted = app_form.read(request.form, document) | {"supplier": supplier}
    changes = {
        name: wanted.get(name)
        for name in sorted(app_approving.FOR_SUPPLIERS - app_form.FIXED)
        if wanted.get(name) != document.get(name)
    }
    now = house.clock.now()
    try:
        if request.form.get("bevestig") != "1":
            (planned,) = app_planning.plan_apps(house, [app_approving.merged(document, changes)], now=now)
            given = {name: value for name, value in request.form.items() if name != "csrf_token"}
            return shell.page("admin/supplier_check.html", client_id=client_id, planned=planned, given=given)
        reason = request.form.get("reden", "").strip()[:1000]
        app_approving.request_change(house, client_id, changes, supplier=supplier, reason=reason, now=now)
    except app_planning.Refused as refused:
        problems = problem_words.all_told(next(iter(refused.problems.values())))
        return _form(document, given=request.form, problems=problems, status=400)
    except (Invalid, NotAllowed) as refusal:
        told = {"client_name": [f"{sentences.sentence(refusal.code)} {sentences.advice(refusal.code)}"]}
        return _form(document, given=request.form, problems=told, status=refusal.status)
    return web.see_other(f"{PATH}/{client_id}?bericht=gevraagd")


@blueprint.post(f"{PATH}/<client_id>/trek-in")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.SUPPLIER)
def withdraw(client_id: str) -> Response:
    house, which = context.house(), request.form.get("aanvraag", "")
    with house.database.transaction() as db:
        require(db, client_id)
        found = app_requests.find(db, which)
        me = f"person:{staff_door.here().person_id}"
        if found.client_id != client_id or found.requested_by != me:
            raise NotFound("request_unknown", which[:40])
        app_approving.refuse(db, which, now=house.clock.now())
    return web.see_other(f"{PATH}/{client_id}?bericht=ingetrokken")


@blueprint.get(f"{PATH}/<client_id>/meldingen.json")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.SUPPLIER)
def notices_of(client_id: str) -> Response:
    with context.house().database.reading() as db:
        require(db, client_id)
    return _feed(client_id)


@blueprint.route(f"{HOME}/meldingen.json", methods=["GET", "POST"])
@web.door(web.Door.APP)
def notices_for_program() -> Response:
    """GET with a secret in the header, or POST with the same form as at /token. A public app proves nothing: refused."""
    house = context.house()
    proof = clients.Proof(
        form=request.form.to_dict(),
        authorization=request.headers.get("Authorization"),
        source=request.remote_addr,
    )
    try:
        app = clients.authenticate(house, proof, now=house.clock.now())
        if app.public:
            raise clients.refused("A public app proves nothing: its supplier reads the notices.")
    except OAuth2Error as refusal:
        status, body, headers = refusal()
        return Response(orjson.dumps(body), status, [*headers])
    return _feed(app.client_id)


# ---------------------------------------------------------------- inside


def _mine(db: Connection) -> frozenset[str]:
    """The suppliers of this person that have not ended."""
    return frozenset(one for one in staff_door.here().suppliers if suppliers.exists(db, one))


def require_supplier(db: Connection) -> None:
    """Raises NotFound `supplier_unknown` for who works for no supplier (any more)."""
    if not _mine(db):
        raise NotFound("supplier_unknown")


def require(db: Connection, client_id: str) -> str:
    """The supplier of this app, when it is one of this person's. Raises NotFound `app_unknown`."""
    document, _version = app_planning.document_of(db, client_id)
    supplier = str(document.get("supplier") or "")
    if supplier not in _mine(db):
        raise NotFound("app_unknown", client_id[:100])
    return supplier


def _app_page(client_id: str) -> Response:
    house = context.house()
    now = house.clock.now()
    with house.database.reading() as db:
        require(db, client_id)
        shown = app_list.show(db, client_id)
        table = conformance.of(db, client_id, now)
        requests = app_requests.listing(db, client_id=client_id, most=20)
        secrets = [(one, one.good(now)) for one in app_secrets.listing(db, client_id)]
        keys = [(one, one.state(now).value) for one in signing.listing(db)]
        coming = [one for one in notices.of(db, house, client_id, now) if one.effective > now]
        refused = len(app_log.lines(db, client_id=client_id))
    app = house.apps.find(client_id)
    known = app_form.sections({name: value for name, value in shown.items() if name != "secrets"})
    return shell.page(
        "admin/supplier_app.html",
        app=shown,
        issuer=house.settings.issuer,
        reads_lists=app is not None and app.reads_lists,
        snippets=snippets.of(app, house.settings.issuer) if app else (),
        sections=[(title, [one for one in names if one.text]) for title, names in known],
        table=table,
        requests=requests,
        secrets=secrets,
        keys=[(one, state) for one, state in keys if state != "gone"],
        coming=coming,
        refused=refused,
        me=f"person:{staff_door.here().person_id}",
        message=request.args.get("bericht"),
    )


def _form(
    document: Mapping[str, Any],
    *,
    given: Mapping[str, str] | None = None,
    problems: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Response:
    theirs = [
        (title, [one for one in names if one.name in app_approving.FOR_SUPPLIERS])
        for title, names in app_form.sections(document, given)
    ]
    return shell.page(
        "admin/supplier_change.html",
        status=status,
        client_id=document["client_id"],
        sections=theirs,
        problems=problems or {},
    )


def _feed(client_id: str) -> Response:
    house = context.house()
    with house.database.reading() as db:
        found = notices.of(db, house, client_id, house.clock.now())
    body = orjson.dumps(notices.feed(house, client_id, found), option=orjson.OPT_INDENT_2)
    return Response(body, mimetype="application/feed+json", headers={"Cache-Control": "no-store"})
