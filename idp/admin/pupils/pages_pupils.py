"""Which pages does a LeerID-beheerder have about pupils? The list of the school, and one pupil.

/schoolloket/leerid-beheer                  the list; filters stand in the address, the words that were typed sealed
/schoolloket/leerid-beheer/naam             may this be a user name? (for the page's script)
/schoolloket/leerid-beheer/leerling/UUID    one pupil; …/naam …/blokkeer …/kaart change something

An address of the list can be given to a colleague of the school. Names in it are sealed: they end in no log.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, make_response, request

from idp import context, sentences, web
from idp.admin import sealed_words, shell, staff_door
from idp.admin.accounts import papers
from idp.admin.pupils import pupil_list, pupil_record
from idp.admin.pupils.pupil_list import Asked, Order, State
from idp.admin.records import trail
from idp.audit import staff as audit_staff
from idp.errors import Invalid, NotFound
from idp.feeds import held
from idp.login import accounts, blocking, free_names, usernames
from idp.models import AccountType, RightKind

blueprint = Blueprint("staff_pupils", __name__)
LIST = f"{shell.HOME}/leerid-beheer"
PUPIL = f"{LIST}/leerling/<account_uuid>"


@blueprint.get(LIST)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def pupils() -> Response:
    house, desk = context.house(), staff_door.here()
    asked = asked_by(request.args, desk.instellingsnummer)
    with house.database.reading() as db:
        found = pupil_list.look(db, desk.instellingsnummer, house.clock.today(), asked)
        waiting = papers.waiting(db, desk.person_id, desk.instellingsnummer, house.clock.now())
        holds = held.waiting(db, desk.instellingsnummer) if found.shares else ()
    trail.listed(house, person_id=desk.person_id, instellingsnummer=desk.instellingsnummer)
    asked = asked if found.shares else replace(asked, klas="")

    def to(**changes: Any) -> str:
        return address(replace(asked, **changes), desk.instellingsnummer)

    return shell.page(
        "admin/pupils.html",
        asked=asked,
        found=found,
        waiting=[one for one in waiting if one.done] + [one for one in waiting if not one.done][:1],
        holds=holds,
        to=to,
        home=LIST,
        query=to().partition("?")[2],
        orders=Order,
        filtered=replace(asked, order=Order.NAAM, down=False, page=1) != Asked(),
        gone=bool(request.args.get("zoek")) and not asked.words,
        first=(found.page - 1) * pupil_list.PAGE + 1,
        problem=_said(request.args.get("bericht", "")),
    )


@blueprint.post(LIST)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def search() -> Response:
    """What was typed goes into the address sealed, so that a page with names has an address without."""
    desk = staff_door.here()
    words = request.form.get("woorden", "")[:100].strip()
    asked = replace(asked_by(request.form, desk.instellingsnummer), words=words, page=1)
    return web.see_other(address(asked, desk.instellingsnummer))


@blueprint.post(f"{LIST}/naam")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def check_name() -> Response:
    """What is wrong with this user name, as a sentence; nothing when it is free."""
    name = request.form.get("naam", "")[:100]
    code = usernames.valid(name)
    if code is None and name != request.form.get("nu"):
        with context.house().database.reading() as db:
            code = None if free_names.choose(db, [name]) == [name] else "username_taken"
    return make_response(jsonify(problem=sentences.sentence(code) if code else ""))


@blueprint.get(PUPIL)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def pupil(account_uuid: str) -> Response:
    desk, one = staff_door.here(), here(account_uuid)
    trail.saw(
        context.house(), person_id=desk.person_id, instellingsnummer=desk.instellingsnummer, account_uuid=one
    )
    return show(one, message=request.args.get("bericht", ""))


@blueprint.post(f"{PUPIL}/naam")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def rename(account_uuid: str) -> Response:
    house, desk, name = context.house(), staff_door.here(), request.form.get("naam", "").strip()[:100]
    one = here(account_uuid)
    try:
        with house.database.transaction() as db:
            accounts.rename(
                db,
                account_uuid=one,
                username=name,
                now=house.clock.now(),
                instellingsnummer=desk.instellingsnummer,
            )
    except Invalid as refusal:
        return show(one, problem=refusal.code, typed=name, status=400)
    return web.see_other(f"{LIST}/leerling/{one}?bericht=naam")


@blueprint.post(f"{PUPIL}/blokkeer")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def block(account_uuid: str) -> Response:
    """Close the account, or open it again: what the button said, so that twice is once."""
    house, desk = context.house(), staff_door.here()
    one, closes = here(account_uuid), request.form.get("doe") == "blokkeer"
    words = {"account_uuid": one, "instellingsnummer": desk.instellingsnummer}
    with house.database.transaction() as db:
        if closes:
            blocking.block(db, now=house.clock.now(), **words)
        else:
            blocking.unblock(db, **words)
    return web.see_other(f"{LIST}/leerling/{one}?bericht={'dicht' if closes else 'open'}")


@blueprint.post(f"{PUPIL}/kaart")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def void_card(account_uuid: str) -> Response:
    """One card stops; the others and the secret stay."""
    house, desk = context.house(), staff_door.here()
    one = here(account_uuid)
    with house.database.transaction() as db:
        pupil_record.void_card(
            db,
            instellingsnummer=desk.instellingsnummer,
            account_uuid=one,
            card_id=known_id(request.form.get("kaart", "")),
            now=house.clock.now(),
        )
    return web.see_other(f"{LIST}/leerling/{one}?bericht=kaart")


# ---------------------------------------------------------------- for the pages of papers and support too


def show(
    account_uuid: str, *, message: str = "", problem: str = "", typed: str = "", status: int = 200
) -> Response:
    """The page of this pupil, who is of the chosen school."""
    house, desk = context.house(), staff_door.here()
    with house.database.reading() as db:
        record = pupil_record.read(db, desk.instellingsnummer, account_uuid, house.clock.now())
    return shell.page(
        "admin/pupil.html",
        status=status,
        one=record,
        home=LIST,
        message=message,
        problem=_said(problem),
        typed=typed,
    )


def here(account_uuid: str) -> str:
    """This pupil, of the chosen school. Raises NotFound; an address of another school is in the audit trail."""
    house, desk, one = context.house(), staff_door.here(), known_id(account_uuid)
    try:
        with house.database.reading() as db:
            pupil_record.require(db, desk.instellingsnummer, one, house.clock.today())
    except NotFound:
        with house.database.transaction() as db:
            audit_staff.staff_refused(
                db,
                person_id=desk.person_id,
                instellingsnummer=desk.instellingsnummer,
                route=str(request.url_rule),
            )
        raise
    return one


def known_id(text: str) -> str:
    """An identifier as the database knows it. Raises NotFound: an address may hold anything."""
    try:
        return str(uuid.UUID(text[:40]))
    except ValueError:
        raise NotFound("not_found") from None


def asked_by(given: Mapping[str, str], instellingsnummer: str) -> Asked:
    """What an address (or a form with the same fields) asks of the list; what is no word of ours is left out."""
    house = context.house()
    kind, state, order = given.get("type", ""), given.get("staat", ""), given.get("op", "")
    page = given.get("blad", "")
    return Asked(
        words=sealed_words.read(house, given.get("zoek", ""), instellingsnummer),
        type=AccountType(kind) if kind in {*AccountType} else None,
        state=State(state) if state in {*State} else None,
        account=True if state == "met" else False if kind == "geen" else None,
        group=given.get("groep", "")[:20],
        klas=given.get("klas", "")[:60],
        order=Order(order.removeprefix("-")) if order.removeprefix("-") in {*Order} else Order.NAAM,
        down=order.startswith("-"),
        page=int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
    )


def address(asked: Asked, instellingsnummer: str) -> str:
    """The address of the list that asks this."""
    order = f"{'-' if asked.down else ''}{asked.order}"
    fields = {
        "zoek": sealed_words.seal(context.house(), asked.words, instellingsnummer),
        "type": "geen" if asked.account is False else asked.type or "",
        "staat": "met" if asked.account else asked.state or "",
        "groep": asked.group,
        "klas": asked.klas,
        "op": "" if order == Order.NAAM else order,
        "blad": str(asked.page) if asked.page > 1 else "",
    }
    query = urlencode({name: str(value) for name, value in fields.items() if value})
    return f"{LIST}?{query}" if query else LIST


def _said(code: str) -> str:
    """The sentence and the advice of a code of ours; nothing for any other word."""
    return f"{sentences.sentence(code)} {sentences.advice(code)}" if code in sentences.codes() else ""
