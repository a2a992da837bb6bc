"""What does a LeerID-beheerder confirm when the year turns? Which group or class comes in the place of one that empties.

/schoolloket/applicatiebeheer/jaarwissel    the rules that would cover nobody, with their likely successor; one click each
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp import context, web
from idp.admin import shell, staff_door
from idp.admin.visible import assigning, pages_apps, succession
from idp.errors import Invalid
from idp.models import RightKind, RuleKind

blueprint = Blueprint("staff_succession", __name__)
PATH = f"{pages_apps.PATH}/jaarwissel"
_KINDS = {"groep": RuleKind.GROUP, "klas": RuleKind.KLAS}


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def lost() -> Response:
    house, desk = context.house(), staff_door.here()
    with house.database.reading() as db:
        here = assigning.desk(db, desk.instellingsnummer, house.clock.today())
        found = succession.look(db, here)
    names = {app.client_id: app.client_name for app in here.apps}
    return shell.page(
        "admin/app_successors.html",
        path=pages_apps.PATH,
        own=PATH,
        now="jaarwissel",
        shares=here.shares,
        found=found,
        apps={(one.kind, one.target): sorted({names[rule.client_id] for rule in one.rules}) for one in found},
        likely=sum(one.likely is not None for one in found),
        lost=0,
        message=request.args.get("bericht", ""),
    )


@blueprint.post(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def decide() -> Response:
    """One of them, or all that are likely. What is not lost (any more) is left alone: a second tap changes nothing."""
    house, desk, form = context.house(), staff_door.here(), request.form
    now, by = house.clock.now(), f"person:{desk.person_id}"
    words, act = {"instellingsnummer": desk.instellingsnummer, "by": by}, form.get("doe", "")
    with house.database.transaction() as db:
        if act == "alle":
            here = assigning.desk(db, desk.instellingsnummer, house.clock.today())
            pairs = [
                ((one.kind, one.target), one.likely.place.target)
                for one in succession.look(db, here)
                if one.likely is not None
            ]
            done = succession.carry_over(db, pairs=pairs, now=now, **words)
        else:
            kind = _KINDS.get(form.get("wat", ""))
            if kind is None or act not in {"neem", "weg"}:
                raise Invalid("bad_request")
            target = (kind, form.get("van", "")[:60])
            if act == "weg":
                done = succession.let_go(db, targets=[target], now=now, **words)
            else:
                chosen = form.get("naar", "")[:60]
                done = succession.carry_over(db, pairs=[(target, chosen)], now=now, **words)
    said = ("gestopt" if act == "weg" else "overgenomen") if done else "weg"
    return web.see_other(f"{PATH}?bericht={said}")
