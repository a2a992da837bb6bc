"""Which sandbox pupils are there, and what can the maker of an app let happen to them?

/zandbak                         pupils with published secrets; POST lets a class change, a school stop sharing, or
                                 gives a published secret back
/leverancier/apps/ID/proef       what an app gets for one of them: request, answers and reasons, without real tokens
"""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import shell, staff_door
from idp.admin.makers import pages_supplier
from idp.admin.sandbox import sandbox_making, sandbox_school
from idp.claims import explain
from idp.errors import Busy, Invalid, NotAllowed, NotFound, Refusal
from idp.models import RightKind
from idp.oidc import rehearsal

blueprint = Blueprint("sandbox", __name__)
PATH = "/zandbak"


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.SUPPLIER)
def overview() -> Response:
    return _page()


@blueprint.post(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.SUPPLIER)
def change() -> Response:
    """`stop`, `deel`, `klas-nu` or `klas-terug`, at one sandbox school; `geheim-terug` for one pupil."""
    house = context.house()
    now, today = house.clock.now(), house.clock.today()
    school, what = request.form.get("zandbakschool", ""), request.form.get("wat", "")
    try:
        if what == "geheim-terug":
            return _put_back(house, request.form.get("leerling", "")[:60])
        with house.database.transaction() as db:
            pages_supplier.require_supplier(db)
            if what == "stop":
                sandbox_school.stop_sharing(db, school, now=now, today=today)
            elif what == "deel":
                sandbox_school.share_again(db, school, now=now, today=today)
            elif what in {"klas-nu", "klas-terug"}:
                back = what == "klas-terug"
                sandbox_school.turn_classes(db, school, back=back, now=now, today=today)
            else:
                raise NotFound("school_unknown")
    except (Invalid, NotAllowed, Busy) as refusal:
        return _page(problem=refusal, status=refusal.status)
    return web.see_other(f"{PATH}?bericht={what}")


def _put_back(house: context.House, stamnummer: str) -> Response:
    with house.database.reading() as db:
        pages_supplier.require_supplier(db)
    sandbox_making.put_back(house, stamnummer)
    return web.see_other(f"{PATH}?bericht=geheim-terug")


@blueprint.get(f"{pages_supplier.PATH}/<client_id>/proef")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.SUPPLIER)
def rehearse(client_id: str) -> Response:
    """Looks only: nothing is issued or remembered, so it can be looked at again."""
    house = context.house()
    today = house.clock.today()
    username, school = request.args.get("leerling", ""), request.args.get("instelling", "")
    with house.database.reading() as db:
        pages_supplier.require(db, client_id)
        pupils = sandbox_school.pupils(db, house, today)
        chosen = sandbox_school.find(db, house, username, today) if username else None
    app = house.apps.find(client_id)
    asked = rehearsal.ask(house, app) if app is not None and app.redirect_uris else None
    found = None
    if chosen is not None and app is not None and asked is not None:
        found = rehearsal.run(
            house, app, asked, account_uuid=chosen.account_uuid, kind=chosen.kind, school=school
        )
    return shell.page(
        "admin/rehearsal.html",
        client_id=client_id,
        app=app,
        pupils=pupils,
        chosen=chosen,
        asked=asked,
        found=found,
        shown=_documents(found),
        lines=explain.for_supplier(found.answers) if found else (),
    )


def _documents(found: rehearsal.Rehearsed | None) -> list[tuple[str, str]]:
    """What would go over the line, in order, as text."""
    if found is None or not found.token_answer:
        return []
    parts: list[tuple[str, Any]] = [
        ("/token", found.token_answer),
        ("ID token: header", found.header),
        ("ID token: claims", found.id_token),
        ("/userinfo", found.userinfo),
    ]
    return [
        (name, orjson.dumps(words, option=orjson.OPT_INDENT_2).decode()) for name, words in parts if words
    ]


def _page(*, problem: Refusal | None = None, status: int = 200) -> Response:
    house = context.house()
    today = house.clock.today()
    with house.database.reading() as db:
        pages_supplier.require_supplier(db)
        schools = sandbox_school.schools(db, today)
        pupils = sandbox_school.pupils(db, house, today)
    told = f"{sentences.sentence(problem.code)} {sentences.advice(problem.code)}" if problem else ""
    return shell.page(
        "admin/sandbox.html",
        status=status,
        schools=schools,
        names={one.instellingsnummer: one for one in schools},
        pupils=pupils,
        demo=house.settings.demo,
        problem=told,
        message=request.args.get("bericht"),
    )
