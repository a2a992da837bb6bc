"""How does a teacher help a pupil, from a phone? Find the pupil, give a code, or give a new secret: shown once."""

from __future__ import annotations

import io
from urllib.parse import urlencode

import segno
from flask import Blueprint, Response, request

from idp import context, web
from idp.admin import sealed_words, shell, staff_door
from idp.admin.accounts import bulk
from idp.admin.printing import sheets
from idp.admin.printing.handout import Handout
from idp.admin.pupils import helping
from idp.admin.pupils.helping import Pupil
from idp.admin.records import trail
from idp.login import help as login_help
from idp.models import AccountType, RightKind, SecretKind

blueprint = Blueprint("staff_help", __name__)
HELP = f"{shell.HOME}/hulp"
MOST = 60
"""Pupils that a list shows; whoever is not there is found by name."""


@blueprint.get(HELP)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER, RightKind.TEACHER)
def choose() -> Response:
    """The pupils whom this person may help."""
    house, desk = context.house(), staff_door.here()
    words = sealed_words.read(house, request.args.get("zoek", ""), desk.instellingsnummer)
    with house.database.reading() as db:
        found = helping.pupils(
            db,
            desk.person_id,
            house.clock.today(),
            instellingsnummer=desk.instellingsnummer,
            words=words,
            most=MOST + 1,
        )
    gone = bool(request.args.get("zoek")) and not words
    return shell.page(
        "admin/help.html",
        pupils=found[:MOST],
        more=len(found) > MOST,
        words=words,
        gone=gone,
        home=HELP,
        everyone=desk.has(RightKind.BEHEERDER),
    )


@blueprint.post(HELP)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER, RightKind.TEACHER)
def search() -> Response:
    """What was typed goes into the address sealed: names end in no log."""
    words, desk = request.form.get("woorden", ""), staff_door.here()
    sealed = sealed_words.seal(context.house(), words, desk.instellingsnummer)
    return web.see_other(f"{HELP}?{urlencode({'zoek': sealed})}" if sealed else HELP)


@blueprint.get(f"{HELP}/<account_uuid>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER, RightKind.TEACHER)
def one_pupil(account_uuid: str) -> Response:
    return _pupil_page(_pupil(account_uuid), sure=request.args.get("vraag") == "nieuw")


@blueprint.post(f"{HELP}/<account_uuid>/code")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER, RightKind.TEACHER)
def give_code(account_uuid: str) -> Response:
    """The code stands on this page and nowhere else: a reload gives a new one."""
    house, desk = context.house(), staff_door.here()
    now = house.clock.now()
    with house.database.transaction() as db:
        pupil, given = helping.give_code(
            db,
            house,
            by=desk.person_id,
            account_uuid=account_uuid,
            now=now,
            today=house.clock.today(),
            instellingsnummer=desk.instellingsnummer,
        )
    login_help.wake_cards(house, [account_uuid])
    qr = segno.make(given.url, error="m").svg_data_uri(scale=6, border=4, dark="#000", light="#fff")
    return shell.page(
        "admin/help_code.html",
        pupil=pupil,
        code=f"{given.code[:3]} {given.code[3:]}",
        qr=qr,
        seconds=int((given.expires_at - now).total_seconds()),
        minutes=house.settings.help_code_minutes,
        home=HELP,
    )


@blueprint.post(f"{HELP}/<account_uuid>/nieuw")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER, RightKind.TEACHER)
def renew(account_uuid: str) -> Response:
    """First the question, then the new secret: on the page, or on a card. From a desk that nobody left alone."""
    house, desk = context.house(), staff_door.here()
    pupil = _pupil(account_uuid)
    back = f"{HELP}/{account_uuid}?vraag=nieuw"
    if (proof := staff_door.needs_fresh(house.settings.help_fresh_minutes, back)) is not None:
        return proof
    if request.form.get("zeker") != "ja":
        return _pupil_page(pupil, sure=True)
    on_card = request.form.get("kaart") == "1"
    made = helping.renew(
        house,
        by=desk.person_id,
        account_uuid=account_uuid,
        with_card=on_card,
        instellingsnummer=desk.instellingsnummer,
    )
    return _card(made) if on_card else shell.page("admin/help_secret.html", pupil=pupil, made=made, home=HELP)


def _pupil(account_uuid: str) -> Pupil:
    house, desk = context.house(), staff_door.here()
    with house.database.reading() as db:
        return helping.require(
            db,
            desk.person_id,
            account_uuid,
            house.clock.today(),
            instellingsnummer=desk.instellingsnummer,
        )


def _pupil_page(pupil: Pupil, *, sure: bool = False) -> Response:
    desk = staff_door.here()
    trail.saw(
        context.house(),
        person_id=desk.person_id,
        instellingsnummer=desk.instellingsnummer,
        account_uuid=pupil.account_uuid,
    )
    return shell.page(
        "admin/help_pupil.html",
        pupil=pupil,
        pictures=pupil.kind is SecretKind.PICTURE,
        advanced=pupil.type is AccountType.ADVANCED,
        sure=sure,
        home=HELP,
    )


def _card(made: Handout) -> Response:
    """A PDF to print, which no browser keeps."""
    house = context.house()
    with house.database.reading() as db:
        look = bulk.look(db, house, staff_door.here().instellingsnummer)
    file = io.BytesIO()
    sheets.cards(file, [made], look)
    headers = {
        "Content-Disposition": f'attachment; filename="kaart-{made.username}.pdf"',
        "Cache-Control": "no-store",
    }
    return Response(file.getvalue(), mimetype="application/pdf", headers=headers)
