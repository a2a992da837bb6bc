"""Where does a pupil, a parent or a school get what we hold and what apps were told?

/mijn-gegevens/uittreksel.json                                    the pupil: everything, as a file
/schoolloket/leerid-beheer/leerling/UUID/wie-weet-wat             the school, for the parents: a page to print
/schoolloket/leerid-beheer/leerling/UUID/wie-weet-wat.json        the same as a file
/schoolloket/verstrekkingen                                       what apps were told about pupils of the school
/schoolloket/verstrekkingen.json                                  that, and the school's part of the audit trail
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp import context, web
from idp.admin import shell, staff_door
from idp.admin.privacy import school_extract
from idp.admin.privacy.extracts import acts, of_pupil
from idp.admin.privacy.pages_privacy import attached, download
from idp.admin.pupils import pages_pupils, pupil_record
from idp.admin.records import trail
from idp.audit import privacy as audit_privacy
from idp.claims import disclose, explain, visibility
from idp.clock import midnight, school_year_ends
from idp.errors import SignInRequired
from idp.login import sessions
from idp.models import RightKind

blueprint = Blueprint("extracts", __name__)
OWN = "/mijn-gegevens/uittreksel.json"
PUPIL = f"{pages_pupils.PUPIL}/wie-weet-wat"
LEDGER = f"{shell.HOME}/verstrekkingen"


@blueprint.get(OWN)
@web.door(web.Door.PUPIL)
def own_extract() -> Response:
    house, who = context.house(), sessions.current()
    if who is None:
        raise SignInRequired("sign_in_required")
    with house.database.reading() as db:
        document = of_pupil(db, house, who.account_uuid)
    with house.database.transaction() as db:
        audit_privacy.extract_given(db, account_uuid=who.account_uuid, instellingsnummer=None, kind="own")
    return download(document, "mijn-gegevens.json")


@blueprint.get(PUPIL)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def who_knows_what(account_uuid: str) -> Response:
    """For the parents: what we hold, what every app gets and why, who helped and looked. A page to print."""
    house, desk = context.house(), staff_door.here()
    one = pages_pupils.here(account_uuid)
    today, told = house.clock.today(), []
    with house.database.reading() as db:
        record = pupil_record.read(db, desk.instellingsnummer, one, house.clock.now())
        for client_id in visibility.visible_apps(db, one, today):
            app = house.apps.find(client_id)
            places = visibility.schools_for(db, app, one, today) if app else ()
            if app is None or desk.instellingsnummer not in {place.instellingsnummer for place in places}:
                continue
            found = disclose.preview(
                db,
                keys=house.keys,
                app=app,
                account_uuid=one,
                instellingsnummer=desk.instellingsnummer,
                today=today,
            )
            told.append((app, explain.for_school(app, found.answers)))
        seen = acts(db, one, instellingsnummer=desk.instellingsnummer)
    trail.saw(house, person_id=desk.person_id, instellingsnummer=desk.instellingsnummer, account_uuid=one)
    return shell.page(
        "admin/who_knows_what.html",
        one=record,
        told=told,
        acts=seen[-40:],
        today=today,
        keep=house.settings,
        home=pages_pupils.LIST,
    )


@blueprint.get(f"{PUPIL}.json")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def pupil_extract(account_uuid: str) -> Response:
    house, desk = context.house(), staff_door.here()
    one = pages_pupils.here(account_uuid)
    with house.database.reading() as db:
        document = of_pupil(db, house, one, instellingsnummer=desk.instellingsnummer)
    with house.database.transaction() as db:
        audit_privacy.extract_given(
            db, account_uuid=one, instellingsnummer=desk.instellingsnummer, kind="school"
        )
    return download(document, "wie-weet-wat.json")


@blueprint.get(LEDGER)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER, RightKind.DATABEHEERDER)
def ledger() -> Response:
    """What apps were told about pupils of this school, this school year."""
    house, desk = context.house(), staff_door.here()
    ends = school_year_ends(house.clock.today())
    since = midnight(ends.replace(year=ends.year - 1, month=9, day=1))
    with house.database.reading() as db:
        lines = school_extract.told(db, desk.instellingsnummer, since)
    return shell.page(
        "admin/told.html", lines=lines, since=since, path=request.path, takes=desk.has(RightKind.BEHEERDER)
    )


@blueprint.get(f"{LEDGER}.json")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def school_document() -> Response:
    """The school's own extract: the ledger by app and pupil, its part of the audit trail, and the anchors to verify it.

    It leaves while it is made; what breaks off is no JSON, so nobody takes a part for the whole.
    """
    house, desk = context.house(), staff_door.here()
    with house.database.transaction() as db:
        audit_privacy.school_extract_given(db, instellingsnummer=desk.instellingsnummer)
    content = school_extract.pieces(house, desk.instellingsnummer)
    return attached(Response(content), "application/json", f"uittreksel-{desk.instellingsnummer}.json")
