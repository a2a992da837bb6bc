"""What would a held delivery change, and does the school want it? A LeerID-beheerder looks, and applies or declines it.

/schoolloket/klasinformatie/leveringen/<delivery>   the difference, class by class, and the two buttons
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp import audit, context, web
from idp.admin import shell, staff_door
from idp.admin.agreements import pages_sharing
from idp.errors import NotFound
from idp.feeds import class_difference, classes, held
from idp.models import DeliveryState, RightKind

blueprint = Blueprint("staff_deliveries", __name__)
PATH = f"{pages_sharing.PATH}/leveringen"
APPLY, DECLINE = "toepassen", "weigeren"


@blueprint.get(f"{PATH}/<delivery>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def hold(delivery: str) -> Response:
    house, school = context.house(), staff_door.here().instellingsnummer
    with house.database.reading() as db:
        waiting = held.find(db, delivery, school)
    plan = classes.held_plan(house, delivery, school)
    with house.database.reading() as db:
        found = class_difference.difference(db, plan)
    days = house.settings.keep_replaced_days
    return shell.page("admin/hold.html", waiting=waiting, plan=plan, it=found, days=days)


@blueprint.post(f"{PATH}/<delivery>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def decide(delivery: str) -> Response:
    """A second tap, or a colleague who was first, finds it decided."""
    house, desk = context.house(), staff_door.here()
    by, school = audit.person(desk.person_id), desk.instellingsnummer
    wanted = request.form.get("besluit")
    if wanted not in {APPLY, DECLINE}:
        return web.see_other(f"{PATH}/{delivery}")
    try:
        if wanted == DECLINE:
            held.decline(house, delivery, instellingsnummer=school, by=by)
            return _back("geweigerd")
        plan = classes.held_plan(house, delivery, school)
        outcome = classes.apply(house, plan, delivery=delivery, decided_by=by)
    except NotFound:
        return _back("beslist")
    return _back("toegepast" if outcome.state is DeliveryState.APPLIED else "niet-toegepast")


def _back(message: str) -> Response:
    return web.see_other(f"{pages_sharing.PATH}?bericht={message}#leveringen")
