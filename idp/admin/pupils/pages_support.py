"""How does a LeerID-beheerder give one pupil another way to sign in? Words first; or a card that is enough by itself.

…/leerling/UUID/woorden        words to type come first, or pictures
…/leerling/UUID/kaart-alleen   a new card is enough from now on, or none is

Which secret a pupil has is chosen where it is renewed (pages_papers), which apps in Applicatiebeheer.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from idp import context, web
from idp.admin import staff_door
from idp.admin.pupils import pages_pupils
from idp.errors import Invalid
from idp.login import support
from idp.models import RightKind

blueprint = Blueprint("staff_support", __name__)


@blueprint.post(f"{pages_pupils.PUPIL}/woorden")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def words(account_uuid: str) -> Response:
    house, desk, one = context.house(), staff_door.here(), pages_pupils.here(account_uuid)
    typed = request.form.get("doe") == "typen"
    with house.database.transaction() as db:
        support.let_type(db, account_uuid=one, instellingsnummer=desk.instellingsnummer, typed=typed)
    return web.see_other(f"{pages_pupils.LIST}/leerling/{one}?bericht=woorden")


@blueprint.post(f"{pages_pupils.PUPIL}/kaart-alleen")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def card_alone(account_uuid: str) -> Response:
    """To allow it somebody must have proved lately to be there, and ticked that the risk was read; stopping is one tap."""
    house, desk, one = context.house(), staff_door.here(), pages_pupils.here(account_uuid)
    back, now = f"{pages_pupils.LIST}/leerling/{one}", house.clock.now()
    mine: dict[str, Any] = {"account_uuid": one, "instellingsnummer": desk.instellingsnummer, "now": now}
    if request.form.get("doe") == "stop":
        with house.database.transaction() as db:
            support.stop_card_alone(db, **mine)
        return web.see_other(f"{back}?bericht=kaartstop")
    if (proof := staff_door.needs_fresh(house.settings.help_fresh_minutes, back)) is not None:
        return proof
    if request.form.get("gelezen") != "ja":
        return pages_pupils.show(one, problem="card_alone_not_read", status=400)
    anywhere = request.form.get("waar") == "overal"
    try:
        with house.database.transaction() as db:
            support.allow_card_alone(db, by=desk.person_id, anywhere=anywhere, **mine)
    except Invalid as refusal:
        return pages_pupils.show(one, problem=refusal.code, status=400)
    return web.see_other(f"{back}?bericht=kaartalleen")
