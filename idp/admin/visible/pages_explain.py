"""Where does an operator read why an app gets something, or not? One form: an app, and a pupil or a school.

/beheer/uitleg    the app by its client_id or by words of its name; when several are called so, one is chosen; what is typed goes in the body: no name of a pupil stands in an address; a look at a pupil is audited
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import shell, staff_door
from idp.admin.apps import app_choice
from idp.admin.visible import explaining
from idp.audit import accounts as audit_accounts
from idp.claims import explain
from idp.errors import Invalid, NotFound
from idp.models import RightKind

blueprint = Blueprint("explaining", __name__)
PATH = "/beheer/uitleg"


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def ask() -> Response:
    given = {name: request.args.get(name, "")[:100] for name in ("app", "school")}
    return _page(given | {"leerling": "", "voor": ""})


@blueprint.post(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def answer() -> Response:
    house = context.house()
    given = {
        name: request.form.get(name, "").strip()[:100] for name in ("app", "leerling", "instelling", "voor")
    }
    given["school"] = given.pop("instelling")
    meant = app_choice.find(house, request.form.get("kies", "")[:100] or given["app"])
    if meant.many:
        return _page(given, meant=meant)
    app = meant.app
    if app is None:
        return _page(given, problem="no_app_like_this", status=404)
    given["app"] = app.client_id
    if not given["leerling"] and not given["school"]:
        return _page(given, problem="explain_whom", status=400)
    try:
        with house.database.reading() as db:
            if given["leerling"]:
                found: Any = explaining.of_pupil(
                    db, house, app, given["leerling"], instellingsnummer=given["school"] or None
                )
            else:
                found = explaining.of_school(db, app, given["school"], house.clock.today())
    except (NotFound, Invalid) as refusal:
        return _page(given, problem=refusal.code, status=refusal.status)
    if found is None:
        return _page(given, problem="school_unknown", status=404)
    if isinstance(found, explaining.OfPupil):
        with house.database.transaction() as db:
            audit_accounts.pupil_seen(
                db, account_uuid=found.account_uuid, instellingsnummer=found.instellingsnummer
            )
    lines = explain.for_someone(given["voor"], found.answers)
    return _page(given, app=app, found=found, lines=lines, of_pupil=isinstance(found, explaining.OfPupil))


def _page(given: dict[str, str], *, problem: str = "", status: int = 200, **words: Any) -> Response:
    known = {"app": None, "found": None, "lines": (), "of_pupil": False, "meant": app_choice.Meant()} | words
    house = context.house()
    named = house.apps.find(given["app"])
    said = f"{sentences.sentence(problem)} {sentences.advice(problem)}" if problem else ""
    return shell.page(
        "admin/explain.html",
        status=status,
        given=given,
        problem=said,
        voices=explain.VOICES,
        named=named.client_name if named else "",
        few=app_choice.few(house),
        **known,
    )
