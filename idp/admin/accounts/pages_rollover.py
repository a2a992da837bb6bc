"""What does a LeerID-beheerder do when the year turns? Read who is new, moved and left, and make what they need.

/schoolloket/nieuw-schooljaar    the report (admin/accounts/rollover.py); a button takes a part of it to the papers
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import shell, staff_door
from idp.admin.accounts import pages_papers, rollover
from idp.admin.accounts.rollover import Part
from idp.clock import school_year
from idp.errors import Invalid
from idp.models import RightKind

blueprint = Blueprint("staff_rollover", __name__)
YEAR = f"{shell.HOME}/nieuw-schooljaar"


@blueprint.get(YEAR)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def turning() -> Response:
    house, desk = context.house(), staff_door.here()
    with house.database.reading() as db:
        found = rollover.report(db, desk.instellingsnummer, house.clock.now())
    said = request.args.get("bericht", "")
    return shell.page(
        "admin/rollover.html",
        found=found,
        parts={part: found.groups(part) for part in Part},
        year=school_year(found.turns),
        papers_from=rollover.papers_from(found.turns),
        too_early=found.ahead and house.clock.today() < rollover.papers_from(found.turns),
        problem=f"{sentences.sentence(said)} {sentences.advice(said)}" if said in sentences.codes() else "",
        home=YEAR,
    )


@blueprint.post(YEAR)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def begin() -> Response:
    """Take the chosen groups of one part to a proposal: nothing is made before that is confirmed."""
    house, desk = context.house(), staff_door.here()
    part = next((one for one in rollover.DOES if one == request.form.get("deel")), None)
    if part is None:
        raise Invalid("bad_request")
    with house.database.reading() as db:
        found = rollover.report(db, desk.instellingsnummer, house.clock.now())
    uuids = rollover.chosen(found, part, request.form.getlist("groep")[:1000])
    return pages_papers.start(rollover.DOES[part], uuids, YEAR)
