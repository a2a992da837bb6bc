"""Where does an operator answer for data protection? A breach report, the register of processing, the evidence of article 6.

/beheer/datalek                       whom a breach touches; as a page, JSON or CSV
/beheer/verwerkingen                  what there is to download
/beheer/verwerkingen/register.json    the register of processing activities
/beheer/verwerkingen/bewijs.json      the evidence of article 6 of the protocol
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import orjson
from flask import Blueprint, Response, make_response, request

from idp import context, sentences, web
from idp.admin import shell, staff_door
from idp.admin.apps import app_choice
from idp.admin.privacy import breach, processing
from idp.audit import privacy as audit_privacy
from idp.clock import countable, midnight
from idp.errors import Refusal
from idp.models import RightKind

blueprint = Blueprint("privacy", __name__)
BREACH = "/beheer/datalek"
PROCESSING = "/beheer/verwerkingen"
FIELDS = ("van", "tot", "app", "instelling", "persoon")


@blueprint.get(BREACH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def ask_breach() -> Response:
    today = context.house().clock.today()
    return _breach_page(
        dict.fromkeys(FIELDS, "") | {"van": str(today - timedelta(days=7)), "tot": str(today)}
    )


@blueprint.post(BREACH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def answer_breach() -> Response:
    house = context.house()
    given = {name: request.form.get(name, "").strip()[:100] for name in FIELDS}
    begin, end = _day(given["van"]), _day(given["tot"])
    if begin is None or end is None or end < begin:
        return _breach_page(given, problem="period_unclear", status=400)
    meant = app_choice.find(house, request.form.get("kies", "")[:100] or given["app"], removed=True)
    if meant.many:
        return _breach_page(given, meant=meant)
    guessed = meant.app is not None and given["app"] not in {meant.app.client_id, meant.app.client_name}
    given["app"] = meant.app.client_id if meant.app else given["app"]
    wanted = breach.Wanted(
        begin=midnight(begin),
        end=midnight(end + timedelta(days=1)),
        client_id=given["app"],
        instellingsnummer=given["instelling"],
        person_id=given["persoon"],
    )
    try:
        with house.database.reading() as db:
            found = breach.report(db, wanted)
    except Refusal as refusal:
        return _breach_page(given, problem=refusal.code, status=400)
    with house.database.transaction() as db:
        audit_privacy.breach_reported(
            db,
            client_id=wanted.client_id or None,
            instellingsnummer=wanted.instellingsnummer or None,
            days=(end - begin).days + 1,
            count=found.total("account_uuid"),
        )
    # a file does not say which app was meant: whoever typed a part of its name sees it first
    kind = "" if guessed and not request.form.get("kies") else request.form.get("als", "")
    name = f"datalek-{given['van']}-{given['tot']}"
    if kind == "json":
        return download(found.document(), f"{name}.json")
    if kind == "csv":
        return attached(make_response(f"\ufeff{found.table()}"), "text/csv", f"{name}.csv")
    return _breach_page(given, found=found)


@blueprint.get(PROCESSING)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def processing_page() -> Response:
    house = context.house()
    with house.database.reading() as db:
        shown = processing.evidence(db, house)
        register = processing.activities(db, house)
    elsewhere = [one["article"] for one in shown["measures"] if one["evidence"] == processing.ELSEWHERE]
    return shell.page(
        "admin/processing.html", register=register, evidence=shown, elsewhere=elsewhere, path=PROCESSING
    )


@blueprint.get(f"{PROCESSING}/register.json")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def register_document() -> Response:
    house = context.house()
    with house.database.reading() as db:
        return download(processing.activities(db, house), "verwerkingsregister.json")


@blueprint.get(f"{PROCESSING}/bewijs.json")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def evidence_document() -> Response:
    house = context.house()
    with house.database.reading() as db:
        return download(processing.evidence(db, house), "bewijs-artikel-6.json")


def download(value: Any, name: str) -> Response:
    """A JSON document as a file, kept by nobody on the way."""
    body = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)
    return attached(make_response(body), "application/json", name)


def attached(answer: Response, kind: str, name: str) -> Response:
    """The answer as a file that stays on no shelf in between."""
    answer.mimetype = kind
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _breach_page(
    given: dict[str, str],
    *,
    problem: str = "",
    status: int = 200,
    found: breach.Report | None = None,
    meant: app_choice.Meant | None = None,
) -> Response:
    house = context.house()
    named = house.apps.find(given["app"])
    said = " ".join(sentences.at_work(problem, status)) if problem else ""
    return shell.page(
        "admin/breach.html",
        status=status,
        given=given,
        problem=said,
        found=found,
        meant=meant or app_choice.Meant(),
        named=named.client_name if named else "",
        few=app_choice.few(house, removed=True),
    )


def _day(text: str) -> date | None:
    try:
        return countable(date.fromisoformat(text))
    except ValueError:
        return None
