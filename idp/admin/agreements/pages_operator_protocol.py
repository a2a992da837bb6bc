"""How does an operator publish a protocol text, and see who agreed? First it is shown as schools will read it.

/beheer/protocol         every text; a form for the next one, then how it reads and what it changes, then it is published
/beheer/protocol/SHA256  one text, what it changed, and which schools agreed or have yet to
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import shell, staff_door
from idp.admin.agreements import protocol_progress, protocol_text, sharing
from idp.claims import consent
from idp.errors import Invalid, Refusal
from idp.models import RightKind

blueprint = Blueprint("operator_protocol", __name__)
PATH = "/beheer/protocol"
LONGEST = 100_000
LONGEST_VERSION = 40
TYPED = ("versie", "vanaf", "leerkrachten", "tekst")
"""Fields of the form for a text."""


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def texts() -> Response:
    return _texts()


@blueprint.post(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def publish() -> Response:
    """First how it reads; with `bevestig` it is published, with `terug` the form comes back as it was."""
    house, form = context.house(), request.form
    body = form.get("tekst", "").replace("\r\n", "\n").strip() + "\n"
    version = form.get("versie", "").strip()
    if form.get("terug") == "1":
        return _texts(given=form)
    if again := staff_door.needs_fresh_first(_texts, *TYPED, longest=2 * LONGEST, back=PATH):
        return again
    try:
        day = _day(version, body, form.get("vanaf", ""))
        if form.get("bevestig") != "1":
            _check(version, body, day)
            return _preview(version, body, day)
        with house.database.transaction() as db:
            sha256 = consent.publish_protocol(
                db,
                version=version,
                body=body,
                in_force_from=day,
                names_teachers=form.get("leerkrachten") == "1",
                notice_days=house.settings.protocol_notice_days,
                now=house.clock.now(),
            )
    except Invalid as refusal:
        return _texts(given=form, problem=refusal, status=refusal.status)
    return web.see_other(f"{PATH}/{sha256}?bericht=bewaard")


@blueprint.get(f"{PATH}/<sha256>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def one_text(sha256: str) -> Response:
    house = context.house()
    with house.database.reading() as db:
        text, body = sharing.text(db, sha256), consent.body(db, sha256)
        before = [one for one in consent.texts(db) if one.in_force_from < text.in_force_from]
        old = consent.body(db, before[-1].sha256) if before else None
        progress = protocol_progress.of_text(db, text, house.clock.today())
    return shell.page(
        "admin/operator_protocol_text.html",
        text=text,
        body=protocol_text.page(body),
        previous=before[-1] if before else None,
        changes=protocol_text.difference(old, body) if old is not None else (),
        progress=progress,
        most=protocol_progress.MOST,
        message=request.args.get("bericht"),
    )


def _day(version: str, body: str, day: str) -> date:
    """Raises Invalid for what cannot be shown, let alone published."""
    if not 0 < len(version) <= LONGEST_VERSION or not version.isprintable():
        raise Invalid("protocol_incomplete", "version")
    if not body.strip() or len(body) > LONGEST:
        raise Invalid("protocol_incomplete", "text")
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise Invalid("protocol_incomplete", "date") from None


def _check(version: str, body: str, day: date) -> None:
    """Raises Invalid for what could not be published."""
    house = context.house()
    with house.database.reading() as db:
        consent.check_protocol(
            db,
            version=version,
            body=body,
            in_force_from=day,
            notice_days=house.settings.protocol_notice_days,
            now=house.clock.now(),
        )


def _preview(version: str, body: str, day: date) -> Response:
    with context.house().database.reading() as db:
        before = consent.texts(db)
        old = consent.body(db, before[-1].sha256) if before else None
    return shell.page(
        "admin/operator_protocol_check.html",
        version=version,
        day=day,
        body=protocol_text.page(body),
        previous=before[-1] if before else None,
        changes=protocol_text.difference(old, body) if old is not None else (),
        given={name: value for name, value in request.form.items() if name != "csrf_token"},
    )


def _texts(
    *,
    given: Mapping[str, str] | None = None,
    problem: Refusal | None = None,
    prove_first: bool = False,
    status: int = 200,
) -> Response:
    house = context.house()
    today = house.clock.today()
    with house.database.reading() as db:
        found = consent.texts(db)
        agreed = protocol_progress.counts(db)
    notice = house.settings.protocol_notice_days
    return shell.page(
        "admin/operator_protocol.html",
        status=status,
        lines=[(one, agreed.get(one.sha256, 0)) for one in reversed(found)],
        today=today,
        first=today + timedelta(days=notice) if found else today,
        notice=notice,
        given=given or {},
        prove_first=prove_first,
        problem=f"{sentences.sentence(problem.code)} {sentences.advice(problem.code)}" if problem else "",
        detail=problem.detail if problem else "",
    )
