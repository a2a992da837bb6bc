"""How does an operator see and give rights, at every school? The first LeerID-beheerder of a school, and operators.

/beheer/rechten             who has which right; give one
/beheer/rechten/zoek        by name, school and right; a name goes into the address sealed
/beheer/rechten/stop        stop one (never an own one: so an operator always stays)
/beheer/rechten/uitnodigen  a link, shown once, for somebody who cannot sign in yet
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import sealed_words, shell, staff_door
from idp.admin.staff import access, right_list
from idp.admin.staff.pages_people import NAMES, _person, marked, wrong_in
from idp.clock import school_year_ends
from idp.errors import Invalid, NotAllowed, NotFound
from idp.login import staff_accounts, staff_setup
from idp.models import RightKind

blueprint = Blueprint("operator_rights", __name__)
PATH = "/beheer/rechten"
GIVEN = (RightKind.BEHEERDER, RightKind.OPERATOR)
"""What an operator gives here. A school appoints its own teachers; a databeheerder comes from the directeursopdracht."""


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def rights() -> Response:
    return _page()


@blueprint.post(f"{PATH}/zoek")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def search() -> Response:
    form = request.form
    return web.see_other(
        _address(form.get("woorden", ""), school=form.get("bij", "").strip()[:6], recht=form.get("recht", ""))
    )


def _address(words: str, **also: str) -> str:
    query = {"zoek": sealed_words.seal(context.house(), words, sealed_words.OPERATORS)} | also
    told = urlencode({name: value for name, value in query.items() if value})
    return f"{PATH}?{told}" if told else PATH


@blueprint.post(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def give() -> Response:
    """By e-mail address: a person who is known keeps the names we have."""
    house, desk, form = context.house(), staff_door.here(), request.form
    who = {name: form.get(name, "").strip()[:200] for name in NAMES}
    given = who | {name: form.get(name, "").strip()[:60] for name in ("recht", "bij", "tot")}
    if again := staff_door.needs_fresh_first(_page, *given, back=PATH):
        return again
    kind = next((one for one in GIVEN if one.value == given["recht"]), None)
    place = given["bij"][:6] or None
    try:
        until = date.fromisoformat(given["tot"])
        if kind is None or wrong_in(who):
            raise Invalid("appointment_incomplete")  # noqa: TRY301
        with house.database.transaction() as db:
            person_id = _person(db, **who)
            access.grant(
                db,
                person_id=person_id,
                kind=kind,
                instellingsnummer=place,
                einddatum=until,
                by=desk.person_id,
                source=f"person:{desk.person_id}"[:40],
                now=house.clock.now(),
            )
    except ValueError:
        return _page(problem="appointment_incomplete", given=given, status=400)
    except (Invalid, NotAllowed, NotFound) as refusal:
        return _page(problem=refusal.code, given=given, status=refusal.status)
    return web.see_other(_address(person_id, bericht="gegeven"))


@blueprint.post(f"{PATH}/stop")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def stop() -> Response:
    if again := staff_door.needs_fresh(back=PATH):
        return again
    house, desk = context.house(), staff_door.here()
    try:
        with house.database.transaction() as db:
            access.stop(
                db,
                right_id=request.form.get("recht", ""),
                by=desk.person_id,
                today=house.clock.today(),
                instellingsnummer=request.form.get("bij", "")[:6] or None,
            )
    except NotAllowed as refusal:
        return _page(problem=refusal.code, status=refusal.status)
    return web.see_other(f"{PATH}?bericht=gestopt")


@blueprint.post(f"{PATH}/uitnodigen")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def invite() -> Response:
    """The link, once. Only for who has no account: starting somebody anew is for the command line."""
    if again := staff_door.needs_fresh(back=PATH):
        return again
    house, desk = context.house(), staff_door.here()
    person_id = request.form.get("persoon", "")[:60]
    with house.database.transaction() as db:
        person = staff_accounts.find(db, person_id)
        if person is None:
            raise NotFound("person_unknown", person_id)
        if person.user_handle is not None:
            raise NotAllowed("invitation_by_operator")
        by = f"{staff_setup.BY_OPERATOR}{desk.person_id}"
        link = staff_setup.invite(db, house.settings, person_id=person_id, by=by, now=house.clock.now())
    hours = house.settings.staff_invitation_hours
    return shell.page(
        "admin/invitation.html",
        link=link,
        person=person,
        days=hours // 24,
        hours=hours,
        back=PATH,
    )


def _page(
    *,
    problem: str = "",
    given: Mapping[str, str] | None = None,
    prove_first: bool = False,
    status: int = 200,
) -> Response:
    house, asked = context.house(), request.args
    today = house.clock.today()
    words = sealed_words.read(house, asked.get("zoek", ""), sealed_words.OPERATORS)
    place = asked.get("school", "").strip()[:6]
    kind = next((one for one in RightKind if one.value == asked.get("recht")), None)
    with house.database.reading() as db:
        found = right_list.search(db, today, words=words, kind=kind, instellingsnummer=place)
        holders = found[: right_list.MOST]
        can = right_list.with_account(db, {one.person_id for one in holders})
        alone = right_list.alone(db, today, holders)
    return shell.page(
        "admin/operator_rights.html",
        status=status,
        holders=holders,
        more=len(found) > right_list.MOST,
        can_sign_in=can,
        alone=alone,
        invites=not house.settings.upstream_only,
        words=words,
        gone=bool(asked.get("zoek")) and not words,
        place=place,
        kind=kind,
        kinds=[*RightKind],
        given_here=GIVEN,
        given=given or {},
        wrong=marked(problem, {name: text for name, text in (given or {}).items() if name != "bij"}),
        prove_first=prove_first,
        until=school_year_ends(today),
        today=today,
        problem=f"{sentences.sentence(problem)} {sentences.advice(problem)}" if problem else "",
        message=asked.get("bericht"),
    )
