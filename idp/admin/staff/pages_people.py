"""Who may do what at this school? A LeerID-beheerder sees it, appoints others, stops rights and invites.

/schoolloket/personen              everyone with a right here; a form to appoint somebody
/schoolloket/personen/stop         stop a right (never an own one: so a beheerder always stays)
/schoolloket/personen/uitnodigen   a link, shown once, for somebody who cannot sign in yet
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from idp import context, entropy, sentences, web
from idp.admin import shell, staff_door
from idp.admin.staff import access
from idp.clock import school_year_ends
from idp.errors import Invalid, NotAllowed
from idp.login import staff_accounts, staff_setup
from idp.models import RightKind

blueprint = Blueprint("staff_people", __name__)

PATH = f"{shell.HOME}/personen"
NAMES = ("voornaam", "naam", "e_mail")
"""What says who a person is."""


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def people() -> Response:
    return _page()


@blueprint.post(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def appoint() -> Response:
    """Give a right to a person, by e-mail address: a known one keeps the names we have."""
    house, desk = context.house(), staff_door.here()
    who = {name: request.form.get(name, "").strip()[:200] for name in NAMES}
    given = who | {name: request.form.get(name, "").strip()[:60] for name in ("recht", "tot")}
    kind, until = _kind(given["recht"]), _day(given["tot"])
    if kind is None or until is None or wrong_in(who):
        return _page(problem="appointment_incomplete", given=given, status=400)
    now = house.clock.now()
    try:
        with house.database.transaction() as db:
            person_id = _person(db, **who)
            access.grant(
                db,
                person_id=person_id,
                kind=kind,
                instellingsnummer=desk.instellingsnummer,
                einddatum=until,
                by=desk.person_id,
                source=f"person:{desk.person_id}"[:40],
                now=now,
            )
    except (Invalid, NotAllowed) as refusal:
        return _page(problem=refusal.code, given=given, status=refusal.status)
    return web.see_other(f"{PATH}?bericht=gegeven")


@blueprint.post(f"{PATH}/stop")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def stop() -> Response:
    house, desk = context.house(), staff_door.here()
    try:
        with house.database.transaction() as db:
            access.stop(
                db,
                right_id=request.form.get("recht", ""),
                by=desk.person_id,
                today=house.clock.today(),
                instellingsnummer=desk.instellingsnummer,
            )
    except NotAllowed as refusal:
        return _page(problem=refusal.code, status=refusal.status)
    return web.see_other(f"{PATH}?bericht=gestopt")


@blueprint.post(f"{PATH}/uitnodigen")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def invite() -> Response:
    """The link, once: the beheerder hands it over. Only for who has no other rights and no account yet."""
    house, desk = context.house(), staff_door.here()
    person_id = request.form.get("persoon", "")[:60]
    with house.database.transaction() as db:
        if not access.may_invite(db, person_id, desk.instellingsnummer, house.clock.today()):
            raise NotAllowed("invitation_by_operator")
        by = f"person:{desk.person_id}"
        link = staff_setup.invite(db, house.settings, person_id=person_id, by=by, now=house.clock.now())
        person = staff_accounts.find(db, person_id)
    hours = house.settings.staff_invitation_hours
    return shell.page("admin/invitation.html", link=link, person=person, days=hours // 24, hours=hours)


def _page(*, problem: str = "", given: dict[str, str] | None = None, status: int = 200) -> Response:
    house, desk = context.house(), staff_door.here()
    today = house.clock.today()
    with house.database.reading() as db:
        holders = access.holders(db, today, instellingsnummer=desk.instellingsnummer)
        open_to = {
            one.person_id
            for one in holders
            if not house.settings.upstream_only
            and access.may_invite(db, one.person_id, desk.instellingsnummer, today)
        }
    return shell.page(
        "admin/people.html",
        status=status,
        holders=holders,
        may_invite=open_to,
        may_stop=staff_setup.APPOINTED_BY_SCHOOL,
        problem=f"{sentences.sentence(problem)} {sentences.advice(problem)}" if problem else "",
        given=given or {},
        wrong=marked(problem, given or {}),
        until=school_year_ends(today),
        today=today,
        message=request.args.get("bericht"),
    )


def _person(db: Connection, *, voornaam: str, naam: str, e_mail: str) -> str:
    """The person with this e-mail address; a new one when nobody has it. Raises Invalid when two people share it."""
    known = access.with_e_mail(db, e_mail)
    if len(known) > 1:
        raise Invalid("e_mail_shared")
    if known:
        return known[0]
    person_id = f"p-{entropy.row_id()}"
    now = context.house().clock.now()
    return access.meet(db, person_id=person_id, voornaam=voornaam, naam=naam, e_mail=e_mail, now=now)


def _kind(word: str) -> RightKind | None:
    return next((kind for kind in RightKind if kind.value == word), None)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def marked(problem: str, given: Mapping[str, str]) -> frozenset[str]:
    """The fields beside which this problem is said."""
    if problem == "dates_reversed":
        return frozenset({"tot"})
    return wrong_in(given) if problem == "appointment_incomplete" else frozenset()


def wrong_in(given: Mapping[str, str]) -> frozenset[str]:
    """Which fields of what was sent are empty, no address, no right, or no day."""
    wrong = {name for name, text in given.items() if not text}
    checks = {"e_mail": _is_address, "recht": _kind, "tot": _day}
    return frozenset(
        wrong | {name for name, check in checks.items() if name in given and not check(given[name])}
    )


def _is_address(text: str) -> bool:
    name, _, host = text.partition("@")
    return bool(name) and "." in host and not any(sign.isspace() for sign in text)
