"""How does an operator look after suppliers? Make one known, invite its people, stop their rights.

/beheer/leveranciers              every supplier; a form for a new one
/beheer/leveranciers/ID           its apps and people; change, end
/beheer/leveranciers/ID/personen  invite somebody (the link is shown once), a new link, stop a right
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from idp import context, entropy, sentences, web
from idp.admin import shell, staff_door
from idp.admin.apps import app_list
from idp.admin.makers import suppliers
from idp.admin.staff import access
from idp.admin.staff.pages_people import NAMES, marked, wrong_in
from idp.clock import school_year_ends
from idp.errors import Invalid, NotAllowed, NotFound, Refusal
from idp.login import staff_accounts, staff_setup
from idp.models import RightKind

blueprint = Blueprint("suppliers", __name__)
PATH = "/beheer/leveranciers"


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def all_suppliers() -> Response:
    return _list()


@blueprint.post(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def add() -> Response:
    """Make one known. One that exists is changed on its own page, not here."""
    house, given = context.house(), _given("id", "naam", "contact")
    try:
        with house.database.transaction() as db:
            if any(one.supplier_id == given["id"] for one in suppliers.listing(db)):
                raise Invalid("supplier_exists", given["id"])  # noqa: TRY301
            suppliers.keep(
                db, given["id"], naam=given["naam"], contact=given["contact"], now=house.clock.now()
            )
    except Invalid as refusal:
        return _list(problem=refusal, given=given, status=refusal.status)
    return web.see_other(f"{PATH}/{given['id']}?bericht=bewaard")


@blueprint.get(f"{PATH}/<supplier_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def one_supplier(supplier_id: str) -> Response:
    return _page(supplier_id)


@blueprint.post(f"{PATH}/<supplier_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def change(supplier_id: str) -> Response:
    """Another name or contact (which also brings an ended one back), or the end."""
    house, now, given = context.house(), context.house().clock.now(), _given("naam", "contact")
    try:
        with house.database.transaction() as db:
            _known(db, supplier_id)
            if request.form.get("wat") == "eindig":
                suppliers.end(db, supplier_id, now=now)
            else:
                suppliers.keep(db, supplier_id, naam=given["naam"], contact=given["contact"], now=now)
    except Invalid as refusal:
        return _page(supplier_id, problem=refusal, status=refusal.status)
    return web.see_other(f"{PATH}/{supplier_id}?bericht=bewaard")


@blueprint.post(f"{PATH}/<supplier_id>/personen")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def people(supplier_id: str) -> Response:
    """`nodig-uit` (a right, and a link that is shown once), `link` (a new one), `stop`."""
    page = partial(_page, supplier_id)
    if again := staff_door.needs_fresh_first(page, *NAMES, back=f"{PATH}/{supplier_id}"):
        return again
    house, what = context.house(), request.form.get("wat", "")
    given = _given(*NAMES)
    try:
        if what == "stop":
            with house.database.transaction() as db:
                _stop(db, supplier_id, request.form.get("recht", ""))
            return web.see_other(f"{PATH}/{supplier_id}?bericht=gestopt")
        with house.database.transaction() as db:
            person_id = (
                _invite(db, supplier_id, **given)
                if what == "nodig-uit"
                else _mine(db, supplier_id, request.form.get("persoon", ""))
            )
            person = staff_accounts.find(db, person_id)
            link = None
            if person is not None and person.user_handle is None and not house.settings.upstream_only:
                by = f"person:{staff_door.here().person_id}"
                now = house.clock.now()
                link = staff_setup.invite(db, house.settings, person_id=person_id, by=by, now=now)
    except (Invalid, NotAllowed) as refusal:
        return _page(supplier_id, problem=refusal, given=given, status=refusal.status)
    if link is None:
        return web.see_other(f"{PATH}/{supplier_id}?bericht=kan-al")
    hours = house.settings.staff_invitation_hours
    return shell.page(
        "admin/invitation.html",
        link=link,
        person=person,
        days=hours // 24,
        hours=hours,
        back=f"{PATH}/{supplier_id}",
        back_to=supplier_id,
    )


def _invite(db: Connection, supplier_id: str, *, voornaam: str, naam: str, e_mail: str) -> str:
    """The person with this e-mail address (a new one, or a known one that keeps its names) looks after these apps."""
    if wrong_in({"voornaam": voornaam, "naam": naam, "e_mail": e_mail}):
        raise Invalid("appointment_incomplete")
    house = context.house()
    now, today = house.clock.now(), house.clock.today()
    known = access.with_e_mail(db, e_mail)
    if len(known) > 1:
        raise Invalid("e_mail_shared")
    if known:
        person_id = known[0]
    else:
        fresh = f"p-{entropy.row_id()}"
        person_id = access.meet(db, person_id=fresh, voornaam=voornaam, naam=naam, e_mail=e_mail, now=now)
    if all(one.supplier != supplier_id for one in access.holders(db, today, person_id=person_id)):
        me = staff_door.here().person_id
        access.grant(
            db,
            person_id=person_id,
            kind=RightKind.SUPPLIER,
            instellingsnummer=None,
            supplier=supplier_id,
            einddatum=school_year_ends(today).replace(year=school_year_ends(today).year + 1),
            by=me,
            source=f"person:{me}"[:40],
            now=now,
        )
    return person_id


def _mine(db: Connection, supplier_id: str, person_id: str) -> str:
    today = context.house().clock.today()
    if all(one.person_id != person_id for one in access.holders(db, today, supplier=supplier_id)):
        raise NotFound("person_unknown", person_id[:60])
    return person_id


def _stop(db: Connection, supplier_id: str, right_id: str) -> None:
    """Only rights at this supplier: an operator's own, and those of schools, are not stopped here."""
    today = context.house().clock.today()
    if all(one.id != right_id for one in access.holders(db, today, supplier=supplier_id)):
        raise NotFound("right_unknown", right_id[:40])
    access.stop(db, right_id=right_id, by=staff_door.here().person_id, today=today)


def _known(db: Connection, supplier_id: str) -> suppliers.Supplier:
    found = next((one for one in suppliers.listing(db) if one.supplier_id == supplier_id), None)
    if found is None:
        raise NotFound("supplier_unknown", supplier_id[:40])
    return found


def _list(
    *, problem: Refusal | None = None, given: dict[str, str] | None = None, status: int = 200
) -> Response:
    with context.house().database.reading() as db:
        known = suppliers.listing(db)
    return shell.page(
        "admin/suppliers.html", status=status, suppliers=known, problem=_said(problem), given=given or {}
    )


def _page(
    supplier_id: str,
    *,
    problem: Refusal | None = None,
    given: Mapping[str, str] | None = None,
    prove_first: bool = False,
    status: int = 200,
) -> Response:
    house = context.house()
    today = house.clock.today()
    with house.database.reading() as db:
        supplier = _known(db, supplier_id)
        apps = app_list.search(db, today=today, supplier=supplier_id)
        holders = access.holders(db, today, supplier=supplier_id)
        can = {one.person_id for one in holders if _can_sign_in(db, one.person_id)}
    return shell.page(
        "admin/supplier_people.html",
        status=status,
        supplier=supplier,
        apps=apps,
        holders=holders,
        can=can,
        problem=_said(problem),
        wrong=marked(problem.code if problem else "", given or {}),
        given=given or {},
        prove_first=prove_first,
        message=request.args.get("bericht"),
    )


def _can_sign_in(db: Connection, person_id: str) -> bool:
    found = staff_accounts.find(db, person_id)
    return found is not None and found.user_handle is not None


def _given(*names: str) -> dict[str, str]:
    return {name: request.form.get(name, "").strip()[:254] for name in names}


def _said(problem: Refusal | None) -> str:
    return f"{sentences.sentence(problem.code)} {sentences.advice(problem.code)}" if problem else ""
