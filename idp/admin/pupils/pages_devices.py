"""Which pages does the school have about its devices? The list with a code for a new one, and *Iedereen klaar*."""

from __future__ import annotations

from typing import Any

import segno
from flask import Blueprint, Response, request

from idp import context, web
from idp.admin import shell, staff_door
from idp.admin.pupils import class_devices
from idp.errors import Invalid, NotFound
from idp.models import RightKind

blueprint = Blueprint("staff_devices", __name__)
DEVICES = f"{shell.HOME}/toestellen"
DONE = f"{shell.HOME}/iedereen-klaar"


@blueprint.get(DEVICES)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER, RightKind.TEACHER)
def devices() -> Response:
    return _devices()


@blueprint.post(DEVICES)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER, RightKind.TEACHER)
def new_code() -> Response:
    """The code is shown on this answer, and nowhere else."""
    desk = staff_door.here()
    try:
        given = class_devices.give_code(
            context.house(),
            instellingsnummer=desk.instellingsnummer,
            label=request.form.get("label", "")[:200],
            by=desk.person_id,
        )
    except Invalid:
        return _devices(message="label", status=400)
    return _devices(given=given, qr=_qr(given.link))


@blueprint.post(f"{DEVICES}/<device_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER, RightKind.TEACHER)
def change(device_id: str) -> Response:
    """Another name, or no device of the school any more."""
    desk, house = staff_door.here(), context.house()
    words: dict[str, Any] = {"instellingsnummer": desk.instellingsnummer, "by": desk.person_id}
    words |= {"now": house.clock.now(), "device_id": _known(desk.instellingsnummer, device_id)}
    try:
        with house.database.transaction() as db:
            if "weg" in request.form:
                class_devices.revoke(db, **words)
            else:
                class_devices.rename(db, label=request.form.get("label", "")[:200], **words)
    except Invalid:
        return _devices(message="label", status=400)
    return web.see_other(DEVICES)


@blueprint.get(DONE)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER, RightKind.TEACHER)
def everyone() -> Response:
    return _everyone()


@blueprint.post(DONE)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER, RightKind.TEACHER)
def everyone_done() -> Response:
    """One tap on a group, or on everyone."""
    desk, house = staff_door.here(), context.house()
    with house.database.transaction() as db:
        count = class_devices.everyone_done(
            db,
            instellingsnummer=desk.instellingsnummer,
            by=desk.person_id,
            now=house.clock.now(),
            group_code=request.form.get("groep", "")[:20] or None,
        )
    return _everyone(count=count)


def _everyone(*, count: int | None = None) -> Response:
    desk, house = staff_door.here(), context.house()
    with house.database.reading() as db:
        groups = class_devices.groups(db, desk.person_id, desk.instellingsnummer, house.clock.today())
    return shell.page(
        "admin/everyone_done.html", groups=groups, count=count, whole=desk.has(RightKind.BEHEERDER)
    )


def _devices(*, status: int = 200, **words: Any) -> Response:
    desk, house = staff_door.here(), context.house()
    with house.database.reading() as db:
        found = class_devices.listing(db, desk.instellingsnummer)
    today = house.clock.today()
    shown = {"given": None, "qr": "", "message": None} | words
    return shell.page(
        "admin/devices.html",
        status=status,
        devices=[one for one in found if one.counts(today)],
        minutes=house.settings.class_device_code_minutes,
        **shown,
    )


def _known(instellingsnummer: str, device_id: str) -> str:
    """Raises NotFound unless the school has this device: an address may hold anything."""
    with context.house().database.reading() as db:
        if device_id not in {one.id for one in class_devices.listing(db, instellingsnummer)}:
            raise NotFound("not_found")
    return device_id


def _qr(link: str) -> str:
    return str(segno.make_qr(link, error="m").svg_data_uri(scale=5, border=4))
