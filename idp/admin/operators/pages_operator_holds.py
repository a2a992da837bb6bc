"""What waits for an operator before enrolments change, and does it go on? The difference, and two buttons.

/beheer/leveringen              what waits: enrolments, for the operator; klasinformatie, for the school itself
/beheer/leveringen/<delivery>   enrolments that wait: who would leave and come by administratieve groep, apply or decline

Pupils are shown by stamnummer only: an operator has no need of a name, and the school knows who it is.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp import audit, context, web
from idp.admin import shell, staff_door
from idp.admin.operators import school_list
from idp.errors import NotFound
from idp.feeds import deliveries, enrolments, held, held_enrolments
from idp.models import RightKind

blueprint = Blueprint("operator_holds", __name__)
PATH = "/beheer/leveringen"
APPLY, DECLINE = "toepassen", "weigeren"
MOST_SHOWN = 60
"""Stamnummers of a group that are shown."""


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def waiting() -> Response:
    with context.house().database.reading() as db:
        found = held.waiting(db, kind=None)
        names = school_list.names(db, {one.instellingsnummer for one in found})
    return shell.page(
        "admin/operator_holds.html",
        ours=[one for one in found if one.kind == deliveries.ENROLMENTS],
        theirs=[one for one in found if one.kind != deliveries.ENROLMENTS],
        names=names,
        days=context.house().settings.keep_replaced_days,
        message=request.args.get("bericht"),
    )


@blueprint.get(f"{PATH}/<delivery>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def hold(delivery: str) -> Response:
    house = context.house()
    with house.database.reading() as db:
        found = held.find(db, delivery, kind=deliveries.ENROLMENTS)
        plan = held_enrolments.load(house, db, delivery)
        difference = held_enrolments.difference(db, plan.school, plan.today)
        names = school_list.names(db, {found.instellingsnummer})
    return shell.page(
        "admin/operator_hold.html",
        waiting=found,
        it=plan.school,
        difference=difference,
        name=names.get(found.instellingsnummer, found.instellingsnummer),
        most=MOST_SHOWN,
    )


@blueprint.post(f"{PATH}/<delivery>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def decide(delivery: str) -> Response:
    """A second tap, or a colleague who was first, finds it decided."""
    if again := staff_door.needs_fresh(back=f"{PATH}/{delivery}"):
        return again
    house, by = context.house(), audit.person(staff_door.here().person_id)
    wanted = request.form.get("besluit")
    if wanted not in {APPLY, DECLINE}:
        return web.see_other(f"{PATH}/{delivery}")
    try:
        if wanted == APPLY:
            enrolments.decide(house, delivery, by=by)
            return _back("toegepast")
        with house.database.reading() as db:
            school = held.find(db, delivery, kind=deliveries.ENROLMENTS).instellingsnummer
        held.decline(house, delivery, instellingsnummer=school, by=by, kind=deliveries.ENROLMENTS)
    except NotFound:
        return _back("beslist")
    return _back("geweigerd")


def _back(message: str) -> Response:
    return web.see_other(f"{PATH}?bericht={message}")
