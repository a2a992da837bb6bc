"""Which sandbox pupils are there, and what can the maker of an app let happen to them?

/zandbak    pupils with published secrets; POST lets a class change, or a school stop sharing
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import pages_supplier, sandbox_school, shell, staff_door
from idp.errors import Invalid, NotAllowed, NotFound, Refusal
from idp.models import RightKind

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
    """`stop`, `deel`, `klas-nu` or `klas-terug`, at one sandbox school."""
    house = context.house()
    now, today = house.clock.now(), house.clock.today()
    school, what = request.form.get("zandbakschool", ""), request.form.get("wat", "")
    try:
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
    except (Invalid, NotAllowed) as refusal:
        return _page(problem=refusal, status=refusal.status)
    return web.see_other(f"{PATH}?bericht={what}")


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
        problem=told,
        message=request.args.get("bericht"),
    )
