"""How does an operator give makers of apps a sandbox, and take it away?

/beheer/zandbak    how the sandbox schools stand; POST makes them, puts everything back, or takes them away
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import shell, staff_door
from idp.admin.sandbox import sandbox_making, sandbox_school
from idp.errors import Invalid, NotAllowed, NotFound, Refusal
from idp.models import RightKind

blueprint = Blueprint("operator_sandbox", __name__)
PATH = "/beheer/zandbak"


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def sandbox() -> Response:
    return _page()


@blueprint.post(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def change() -> Response:
    """`maak` (also to put everything back), or `verwijder`, for whoever is sure."""
    if again := staff_door.needs_fresh(back=PATH):
        return again
    house, what = context.house(), request.form.get("wat", "")
    try:
        if what == "maak":
            sandbox_making.make(house)
        elif what == "verwijder" and request.form.get("zeker") == "ja":
            sandbox_making.remove(house)
        elif what == "verwijder":
            raise Invalid("removal_not_sure")  # noqa: TRY301
        else:
            raise NotFound("not_found")
    except (Invalid, NotAllowed) as refusal:
        return _page(problem=refusal, status=refusal.status)
    return web.see_other(f"{PATH}?bericht={what}")


def _page(*, problem: Refusal | None = None, status: int = 200) -> Response:
    house = context.house()
    today = house.clock.today()
    with house.database.reading() as db:
        schools = sandbox_school.schools(db, today)
        pupils = sandbox_school.pupils(db, house, today)
        apps = sandbox_making.app_names(db)
    return shell.page(
        "admin/operator_sandbox.html",
        status=status,
        schools=schools,
        counts={one.instellingsnummer: 0 for one in schools} | sandbox_school.counted(pupils),
        changed=sum(one.secret is None for one in pupils),
        apps=apps,
        demo=house.settings.demo,
        problem=f"{sentences.sentence(problem.code)} {sentences.advice(problem.code)}" if problem else "",
        message=request.args.get("bericht"),
    )
