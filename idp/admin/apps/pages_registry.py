"""How does an operator look after apps in a browser? Search, look, change with the difference first, close, approve.

/beheer/apps                      search and filter
/beheer/nieuwe-app, /beheer/apps/ID/wijzig   a form, then the difference, then it is stored (or waits for a second operator)
/beheer/apps/ID                   everything that may be seen of one
/beheer/apps/ID/doe               a new secret, end one, close, open, remove
/beheer/apps/ID/geschiedenis      every version, and two of them beside each other
/beheer/apps/ID/geweigerd         requests that were refused: received beside registered
/beheer/wijzigingen               what waits, and what changed in all apps

Thin: each calls the function that the command line and the REST API call.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import shell, staff_door
from idp.admin.apps import (
    app_approving,
    app_form,
    app_history,
    app_list,
    app_planning,
    app_requests,
    app_secrets,
    app_stopping,
    apps,
    problem_words,
)
from idp.admin.apps.app_list import Care, State
from idp.admin.makers import suppliers
from idp.errors import Invalid, NotAllowed, Refusal
from idp.models import RequestState, RightKind
from idp.oidc import app_log

blueprint = Blueprint("registry", __name__)
HOME = "/beheer"
PATH = f"{HOME}/apps"
DECISIONS = frozenset({"goed", "neen"})
DONE_ALREADY = frozenset({"app_disabled_already", "app_works_already"})
"""A second tap, or a colleague before: it is as was asked."""
NEW: dict[str, Any] = {"scope": "openid", "grant_types": ["authorization_code"]}


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def all_apps() -> Response:
    house, asked = context.house(), request.args
    state, care = _word(State, asked.get("staat")), _word(Care, asked.get("let-op"))
    with house.database.reading() as db:
        lines = app_list.search(
            db,
            today=house.clock.today(),
            words=asked.get("zoek", "")[:100],
            state=state,
            care=care,
            supplier=asked.get("leverancier") or None,
        )
        known = suppliers.listing(db)
    return shell.page(
        "admin/registry_apps.html",
        lines=lines,
        suppliers=known,
        words=asked.get("zoek", "")[:100],
        state=state,
        care=care,
        supplier=asked.get("leverancier", ""),
        states=[*State],
        cares=[*Care],
    )


@blueprint.get(f"{PATH}/<client_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def one_app(client_id: str) -> Response:
    return _app_page(client_id)


@blueprint.post(f"{PATH}/<client_id>/doe")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def act(client_id: str) -> Response:
    """A new secret, end one, close, open or remove; each says what it did."""
    page = partial(_app_page, client_id)
    if again := staff_door.needs_fresh_first(page, "dagen", "naam", back=f"{PATH}/{client_id}"):
        return again
    house, what, now = context.house(), request.form.get("wat", ""), context.house().clock.now()
    secret = None
    try:
        with house.database.transaction() as db:
            if what == "geheim":
                days = request.form.get("dagen", "")
                overlap = int(days) if days.isascii() and days.isdigit() and len(days) < 3 else 14
                secret = app_secrets.renew(
                    db, client_id, now=now, overlap_days=min(overlap, app_secrets.MOST_OVERLAP_DAYS)
                )
            elif what == "eindig":
                app_secrets.end(db, client_id, request.form.get("id", ""), now=now)
            elif what == "sluit":
                app_stopping.disable(db, client_id, now=now)
            elif what == "open":
                app_stopping.enable(db, client_id, now=now)
            elif what == "verwijder" and request.form.get("naam", "").strip() == client_id:
                app_stopping.remove(db, client_id, now=now)
            else:
                raise Invalid("not_confirmed")  # noqa: TRY301
    except Invalid as refusal:
        if refusal.code in DONE_ALREADY:
            return web.see_other(f"{PATH}/{client_id}?bericht={what}")
        given = staff_door.kept("wat", "dagen", "naam")
        return _app_page(client_id, problem=refusal.code, given=given, status=refusal.status)
    if secret is not None:
        return _app_page(client_id, secret=secret)
    return web.see_other(f"{PATH}/{client_id}?bericht={what}")


@blueprint.get(f"{PATH}/<client_id>/geschiedenis")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def history(client_id: str) -> Response:
    """Every version, and the two that were chosen beside each other (the newest two otherwise)."""
    with context.house().database.reading() as db:
        versions = app_history.history(db, client_id)
        newest = versions[0].number if versions else 0
        later = _number(request.args.get("tot"), newest)
        earlier = _number(request.args.get("van"), max(later - 1, 0))
        found = app_history.compare(db, client_id, earlier, later) if versions else ()
    return shell.page(
        "admin/registry_history.html",
        client_id=client_id,
        versions=versions,
        differences=found,
        earlier=earlier,
        later=later,
    )


@blueprint.get(f"{PATH}/<client_id>/geweigerd")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def refusals(client_id: str) -> Response:
    with context.house().database.reading() as db:
        shown = app_list.show(db, client_id)
        lines = app_log.lines(db, client_id=client_id)
    return shell.page("admin/registry_refusals.html", app=shown, lines=lines)


# ---------------------------------------------------------------- changing


@blueprint.get(f"{HOME}/nieuwe-app")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def begin() -> Response:
    return _form(NEW, version=0)


@blueprint.post(f"{HOME}/nieuwe-app")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def add() -> Response:
    client_id = request.form.get("client_id", "").strip()
    if client_id:
        with context.house().database.reading() as db:
            known = app_list.find(db, client_id[:100])
        if known is not None and known is not State.REMOVED:
            problems = {"client_id": [str(sentences.sentence("app_exists"))]}
            return _form(NEW, version=0, given=request.form, problems=problems, status=400)
    return _check_or_store({}, version=0)


@blueprint.get(f"{PATH}/<client_id>/wijzig")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def edit(client_id: str) -> Response:
    with context.house().database.reading() as db:
        document, version = app_planning.document_of(db, client_id)
    return _form(document, version=version)


@blueprint.post(f"{PATH}/<client_id>/wijzig")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def change(client_id: str) -> Response:
    with context.house().database.reading() as db:
        document, _version = app_planning.document_of(db, client_id)
    return _check_or_store(document, version=_number(request.form.get("versie"), 0))


def _check_or_store(document: Mapping[str, Any], *, version: int) -> Response:
    """First the difference; with `bevestig` it is stored; with `terug` the form comes back as it was."""
    if request.form.get("terug") == "1":
        return _form(document, version=version, given=request.form)
    wanted = app_form.read(request.form, document)
    try:
        return (
            _store(document, wanted, version)
            if request.form.get("bevestig") == "1"
            else _check(document, wanted)
        )
    except app_planning.Refused as refused:
        problems = problem_words.all_told(next(iter(refused.problems.values())))
        return _form(document, version=version, given=request.form, problems=problems, status=400)
    except Invalid as refusal:
        told = {"client_id": [f"{sentences.sentence(refusal.code)} {sentences.advice(refusal.code)}"]}
        return _form(document, version=version, given=request.form, problems=told, status=409)


def _check(document: Mapping[str, Any], wanted: Mapping[str, Any]) -> Response:
    house = context.house()
    (planned,) = app_planning.plan_apps(house, [wanted], now=house.clock.now())
    return shell.page(
        "admin/registry_check.html",
        planned=planned,
        given={name: value for name, value in request.form.items() if name != "csrf_token"},
        waits=planned.waits(four_eyes=house.settings.four_eyes),
        client_id=document.get("client_id"),
    )


def _store(document: Mapping[str, Any], wanted: Mapping[str, Any], version: int) -> Response:
    house = context.house()
    expected = {str(document["client_id"]): version} if document else None
    reason = request.form.get("reden", "")[:1000]
    (done,) = apps.import_apps(house, [wanted], now=house.clock.now(), expected=expected, reason=reason)
    if done.request:
        return web.see_other(f"{HOME}/wijzigingen?bericht=wacht")
    if done.client_secret:
        return _app_page(done.client_id, secret=done.client_secret)
    return web.see_other(f"{PATH}/{done.client_id}?bericht=bewaard")


def _form(
    document: Mapping[str, Any],
    *,
    version: int,
    given: Mapping[str, str] | None = None,
    problems: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Response:
    supplier = (given or document).get("supplier", "")
    with context.house().database.reading() as db:
        theirs = document.get("supplier")
        known = [one for one in suppliers.listing(db) if one.ended_at is None or one.supplier_id == theirs]
    return shell.page(
        "admin/registry_form.html",
        status=status,
        client_id=document.get("client_id"),
        sections=app_form.sections(document, given),
        problems=problems or {},
        suppliers=known,
        supplier=supplier,
        own_id=(given or {}).get("client_id", ""),
        version=version,
    )


# ---------------------------------------------------------------- all of them


@blueprint.get(f"{HOME}/wijzigingen")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def changes() -> Response:
    return _changes()


@blueprint.post(f"{HOME}/wijzigingen")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def decide() -> Response:
    """Approve or refuse what somebody else asked, or take back what one asked oneself."""
    if again := staff_door.needs_fresh_first(
        _changes, "antwoord", which=("aanvraag",), back=f"{HOME}/wijzigingen"
    ):
        return again
    house, now = context.house(), context.house().clock.now()
    if request.form.get("besluit") not in DECISIONS:
        return web.see_other(f"{HOME}/wijzigingen")
    which, answer = request.form.get("aanvraag", ""), request.form.get("antwoord", "").strip() or None
    try:
        if request.form.get("besluit") == "goed":
            done = app_approving.approve(house, which, answer=answer, now=now)
            if done.client_secret:
                return _app_page(done.client_id, secret=done.client_secret)
        else:
            with house.database.transaction() as db:
                app_approving.refuse(db, which, answer=answer, now=now)
    except (Invalid, NotAllowed) as refusal:
        given = staff_door.kept("aanvraag", "antwoord")
        return _changes(problem=refusal, given=given, status=refusal.status)
    return web.see_other(f"{HOME}/wijzigingen?bericht=besloten")


def _changes(
    *,
    problem: Refusal | None = None,
    given: staff_door.Typed | None = None,
    prove_first: bool = False,
    status: int = 200,
) -> Response:
    with context.house().database.reading() as db:
        waiting = app_requests.listing(db, state=RequestState.WAITING)
        mine = app_requests.principal(db, f"person:{staff_door.here().person_id}")
        own = {one.id for one in waiting if app_requests.principal(db, one.requested_by) == mine}
        done = app_history.changes(db, by=request.args.get("door") or None, most=100)
    told = f"{sentences.sentence(problem.code)} {sentences.advice(problem.code)}" if problem else ""
    return shell.page(
        "admin/registry_changes.html",
        status=status,
        waiting=waiting,
        own=own,
        versions=done,
        problem=told,
        given=given or {},
        prove_first=prove_first,
        message=request.args.get("bericht"),
    )


# ---------------------------------------------------------------- inside


def _app_page(
    client_id: str,
    *,
    secret: str | None = None,
    problem: str = "",
    given: staff_door.Typed | None = None,
    prove_first: bool = False,
    status: int = 200,
) -> Response:
    house = context.house()
    now = house.clock.now()
    with house.database.reading() as db:
        shown = app_list.show(db, client_id)
        kept = app_secrets.listing(db, client_id)
        versions = app_history.history(db, client_id)[:5]
        waiting = app_requests.listing(db, client_id=client_id, state=RequestState.WAITING)
    known = app_form.sections({name: value for name, value in shown.items() if name != "secrets"})
    return shell.page(
        "admin/registry_app.html",
        status=status,
        app=shown,
        sections=[(title, [one for one in names if one.text]) for title, names in known],
        secrets=[(one, one.good(now)) for one in kept],
        versions=versions,
        waiting=waiting,
        secret=secret,
        given=given or {},
        prove_first=prove_first,
        issuer=house.settings.issuer,
        problem=f"{sentences.sentence(problem)} {sentences.advice(problem)}" if problem else "",
        message=request.args.get("bericht"),
    )


def _word(words: Any, said: str | None) -> Any:
    return next((one for one in words if one.value == said), None)


def _number(said: str | None, otherwise: int) -> int:
    return int(said) if said and said.isascii() and said.isdigit() and len(said) < 7 else otherwise
