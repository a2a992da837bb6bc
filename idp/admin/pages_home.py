"""Where does a member of staff arrive? At the first page that is theirs; here they also choose another school."""

from __future__ import annotations

from flask import Blueprint, Response, request
from sqlalchemy import Connection, func, select

from idp import context, web
from idp.admin import shell, staff_door
from idp.errors import NotAllowed
from idp.login import staff_sessions
from idp.models import Account, Enrolment, RightKind

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


@blueprint.get("/beheer")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def operators() -> Response:
    return shell.page("admin/operators.html")


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


@blueprint.get(f"{shell.HOME}/leerid-beheer")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def overview() -> Response:
    """How many pupils have an account, and how many do not."""
    house, desk = context.house(), staff_door.here()
    with house.database.reading() as db:
        pupils, accounts = _counts(db, desk.instellingsnummer)
    return shell.page("admin/overview.html", pupils=pupils, accounts=accounts)


def _counts(db: Connection, instellingsnummer: str) -> tuple[int, int]:
    """(pupils who are enrolled today, those among them who have an account)."""
    today = context.house().clock.today()
    row = db.execute(
        select(
            func.count(func.distinct(Enrolment.account_uuid)).label("pupils"),
            func.count(func.distinct(Account.account_uuid)).label("accounts"),
        )
        .outerjoin(Account, Account.account_uuid == Enrolment.account_uuid)
        .where(
            Enrolment.instellingsnummer == instellingsnummer,
            Enrolment.begindatum <= today,
            Enrolment.einddatum >= today,
        )
    ).one()
    return row.pupils, row.accounts
