"""Where does a member of staff arrive? At the first page that is theirs; here they also choose another school."""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp import context, web
from idp.admin import shell, staff_door
from idp.errors import NotAllowed
from idp.login import staff_sessions
from idp.models import RightKind

blueprint = Blueprint("staff_home", __name__)


@blueprint.get(shell.HOME)
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def home() -> Response:
    """To the first tab; operators without a school to their own page."""
    desk = staff_door.here()
    shown = shell.tabs(desk)
    if shown:
        return web.see_other(shown[0].path)
    if desk.has(RightKind.OPERATOR):
        return web.see_other("/beheer")
    return shell.page("admin/nothing_yet.html")


@blueprint.get(f"{shell.HOME}/instelling")
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def schools() -> Response:
    """Wijzig instelling."""
    return shell.page("admin/schools.html")


@blueprint.post(f"{shell.HOME}/instelling")
@web.door(web.Door.STAFF)
@staff_door.needs(*staff_door.ANY)
def choose_school() -> Response:
    desk, chosen = staff_door.here(), request.form.get("instelling", "")
    if chosen not in {place.instellingsnummer for place in desk.places}:
        raise NotAllowed("right_missing", "no right at that school")
    with context.house().database.transaction() as db:
        staff_sessions.choose_school(db, desk.who.sid, chosen)
    return web.see_other(shell.HOME)
