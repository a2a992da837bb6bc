"""Which pages does a school have about sharing klasinformatie? A LeerID-databeheerder decides, a LeerID-beheerder reads.

/schoolloket/klasinformatie                    how it stands; who agreed, when, to what; what arrived
/schoolloket/klasinformatie/akkoord            the text, what is new in it, and the button
/schoolloket/klasinformatie/protocol/<sha256>  any text that was ever published
/schoolloket/klasinformatie/stop               what ends by stopping, in numbers, and the button
/schoolloket/klasinformatie/pakket             a LeerID-beheerder names the package
/schoolloket/klasinformatie/hulp               what to do in the package
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import shell, staff_door
from idp.admin.agreements import protocol_text, sharing
from idp.claims import consent
from idp.errors import Invalid, NotFound
from idp.feeds import missing
from idp.models import RightKind

blueprint = Blueprint("staff_sharing", __name__)
PATH = f"{shell.HOME}/klasinformatie"
_READS = (RightKind.BEHEERDER, RightKind.DATABEHEERDER)


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(*_READS)
def standing() -> Response:
    house, desk = context.house(), staff_door.here()
    now = house.clock.now()
    with house.database.reading() as db:
        found = sharing.standing(db, desk.instellingsnummer, house.clock.today())
        late = missing.schools(db, now, desk.instellingsnummer)
    return shell.page(
        "admin/sharing.html",
        late=late[0] if late else None,
        it=found,
        now=now,
        decides=desk.has(RightKind.DATABEHEERDER),
        names_package=desk.has(RightKind.BEHEERDER),
        packages=[(word, sharing.PACKAGES[word], sharing.delivers(word)) for word in sharing.OFFERED],
        delivers=found.pakket is None or sharing.delivers(found.pakket),
        message=request.args.get("bericht", ""),
    )


@blueprint.get(f"{PATH}/protocol/<sha256>")
@web.door(web.Door.STAFF)
@staff_door.needs(*_READS)
def text(sha256: str) -> Response:
    """To read again what was agreed, or to look at another one."""
    with context.house().database.reading() as db:
        found, body = sharing.text(db, sha256), consent.body(db, sha256)
    return shell.page("admin/sharing_text.html", text=found, body=protocol_text.page(body))


@blueprint.get(f"{PATH}/akkoord")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.DATABEHEERDER)
def agree() -> Response:
    return _agree()


@blueprint.post(f"{PATH}/akkoord")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.DATABEHEERDER)
def agreed() -> Response:
    """The school shares from this moment on. A second tap finds it done."""
    house, desk = context.house(), staff_door.here()
    now, today = house.clock.now(), house.clock.today()
    try:
        with house.database.transaction() as db:
            sharing.require_package(db, desk.instellingsnummer)
            consent.give(
                db,
                instellingsnummer=desk.instellingsnummer,
                person_id=desk.person_id,
                protocol_sha256=request.form.get("tekst", "")[:64],
                now=now,
                today=today,
            )
    except Invalid as refusal:
        if refusal.code == "already_shares":
            return web.see_other(PATH)
        return _agree(problem=refusal.code, status=400)
    except NotFound:
        return _agree(problem="protocol_replaced", status=400)
    return web.see_other(f"{PATH}?bericht=gedeeld")


@blueprint.get(f"{PATH}/stop")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.DATABEHEERDER)
def stop() -> Response:
    house, desk = context.house(), staff_door.here()
    today = house.clock.today()
    with house.database.reading() as db:
        if not consent.state(db, desk.instellingsnummer, today).shares:
            return web.see_other(PATH)
        ends = sharing.ending(db, desk.instellingsnummer, today)
    return shell.page("admin/sharing_stop.html", ends=ends)


@blueprint.post(f"{PATH}/stop")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.DATABEHEERDER)
def stopped() -> Response:
    house, desk = context.house(), staff_door.here()
    with house.database.transaction() as db:
        consent.stop(
            db,
            instellingsnummer=desk.instellingsnummer,
            person_id=desk.person_id,
            now=house.clock.now(),
            today=house.clock.today(),
        )
    return web.see_other(f"{PATH}?bericht=gestopt")


@blueprint.post(f"{PATH}/pakket")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def package() -> Response:
    desk = staff_door.here()
    with context.house().database.transaction() as db:
        sharing.name_package(
            db, instellingsnummer=desk.instellingsnummer, pakket=request.form.get("pakket", "")[:20]
        )
    return web.see_other(f"{PATH}?bericht=pakket")


@blueprint.get(f"{PATH}/hulp")
@web.door(web.Door.STAFF)
@staff_door.needs(*_READS)
def help_page() -> Response:
    return shell.page("admin/sharing_help.html", oneroster=sharing.delivers("broekx"))


def _agree(*, problem: str = "", status: int = 200) -> Response:
    house, desk = context.house(), staff_door.here()
    with house.database.reading() as db:
        found = sharing.standing(db, desk.instellingsnummer, house.clock.today())
        wanted = found.next_text
        if wanted is None or (found.pakket is None and not problem):
            return web.see_other(PATH)
        body = consent.body(db, wanted.sha256)
        agreed_body = consent.body(db, found.state.agreed.sha256) if found.state.agreed else None
    renews = agreed_body is not None and found.state.agreed is not None
    return shell.page(
        "admin/sharing_agree.html",
        status=status,
        text=wanted,
        body=protocol_text.page(body),
        agreed=found.state.agreed,
        changes=protocol_text.difference(agreed_body, body) if renews and agreed_body is not None else (),
        renews=renews,
        ready=found.pakket is not None,
        problem=f"{sentences.sentence(problem)} {sentences.advice(problem)}" if problem else "",
    )
