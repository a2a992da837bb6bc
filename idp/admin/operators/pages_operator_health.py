"""Is this installation well? What `idp doctor` finds, for an operator in a browser, looked at now."""

from __future__ import annotations

from flask import Blueprint, Response

from idp import context, web
from idp.admin import shell, staff_door
from idp.models import RightKind
from idp.watching import doctor, health
from idp.watching.doctor import Weight

blueprint = Blueprint("operator_health", __name__)


@blueprint.get("/beheer/gezondheid")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def wellness() -> Response:
    """The worst first. It is about the machine that answered: others may stand otherwise."""
    house = context.house()
    weights = [Weight.BAD, Weight.NOTE, Weight.WELL]
    findings = sorted(doctor.examine(house), key=lambda one: weights.index(one.weight))
    seen = health.look(house)
    return shell.page(
        "admin/operator_health.html",
        findings=findings,
        bad=sum(one.weight is Weight.BAD for one in findings),
        notes=sum(one.weight is Weight.NOTE for one in findings),
        ready=not seen.why,
        because=[health.WHY[word] for word in seen.why] + [health.WARN[word] for word in seen.warn],
        now=house.clock.now(),
    )
