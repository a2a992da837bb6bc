"""How does a LeerID-beheerder make accounts, secrets and cards for one or many? Voorstel, controle, klaar.

/schoolloket/leerid-beheer/werk            begins with a selection
/schoolloket/leerid-beheer/werk/ID         the proposal; with ?stap=controle the check; once done, the papers
/schoolloket/leerid-beheer/werk/ID/zip     the zip, for an hour

Back, a second click and a reload are harmless: what an address shows follows from what was done (admin/papers.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from urllib.parse import parse_qsl

from flask import Blueprint, Response, request

from idp import context, entropy, sentences, web
from idp.admin import pages_pupils, papers, pupil_list, shell, staff_door
from idp.admin.papers import Work
from idp.errors import Invalid, NotFound
from idp.login.accounts import Proposal
from idp.models import PaperworkKind, RightKind, SecretKind

blueprint = Blueprint("staff_papers", __name__)
WORK = f"{pages_pupils.LIST}/werk"
COOKIE = "papers"
"""The word of the cookie that holds the key to what this browser made."""


@blueprint.post(WORK)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def begin() -> Response:
    house, desk = context.house(), staff_door.here()
    back = request.form.get("lijst", "")[:4000]
    asked = pages_pupils.asked_by(dict(parse_qsl(back)), desk.instellingsnummer)
    kind = next((one for one in PaperworkKind if one == request.form.get("doe")), None)
    if kind is None:
        raise Invalid("bad_request")
    whole = "alles" in request.form
    picked = [pages_pupils.known_id(one) for one in request.form.getlist("leerling")[:5000]]
    hands = _hands()
    with house.database.reading() as db:
        today = house.clock.today()
        if whole:
            lines = pupil_list.everyone(db, desk.instellingsnummer, today, asked)
        else:
            lines = pupil_list.chosen(db, desk.instellingsnummer, today, picked)
        proposals = papers.propose(db, house, hands, kind, [one.account_uuid for one in lines])
    where = pages_pupils.address(asked, desk.instellingsnummer)
    try:
        work_id = papers.begin(house, hands, kind, proposals, left_out=len(lines) - len(proposals))
    except Invalid as refusal:
        return web.see_other(f"{where}{'&' if '?' in where else '?'}bericht={refusal.code}")
    step = "?stap=controle" if kind is PaperworkKind.CARD else ""
    return _with_key(web.see_other(f"{WORK}/{work_id}{step}"), hands)


@blueprint.get(f"{WORK}/<work_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def show(work_id: str) -> Response:
    work = _work(work_id)
    if work.done:
        return _done(work)
    return _proposal(work, check=request.args.get("stap") == "controle")


@blueprint.post(f"{WORK}/<work_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def go_on(work_id: str) -> Response:
    """The step that a button named. What is done already is shown, whatever the button said."""
    house, hands, work = context.house(), _hands(), _work(work_id)
    here, step = f"{WORK}/{work.id}", request.form.get("doe", "")
    if work.done:
        return web.see_other(here)
    if step == "weg":
        with house.database.transaction() as db:
            papers.drop(db, hands, work.id)
        return web.see_other(pages_pupils.LIST)
    if step in {"controle", "allen", "bewaren"}:
        work = replace(work, proposals=tuple(_edited(work)))
        papers.save(house, hands, work, work.proposals)
    if step == "allen":
        return _with_key(web.see_other(here), hands)
    with house.database.reading() as db:
        wrong = papers.problems(db, work)
    if wrong:
        return _proposal(work, check=False, wrong=wrong, status=400)
    if step in {"klaar", "bewaren"}:
        papers.carry_out(house, hands, work)
        return _with_key(web.see_other(here), hands)
    return _with_key(web.see_other(f"{here}?stap=controle"), hands)


@blueprint.get(f"{WORK}/<work_id>/zip")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def fetch(work_id: str) -> Response:
    work = _work(work_id)
    if not work.done:
        raise NotFound("papers_gone")
    name, content = papers.zipped(context.house(), _hands(), work)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, mimetype="application/zip", headers=headers)


def _hands() -> papers.Desk:
    """This person, at this school, with the key of this browser: a new one when there is none."""
    desk = staff_door.here()
    return papers.Desk(
        person_id=desk.person_id,
        instellingsnummer=desk.instellingsnummer,
        key=web.read_cookie(COOKIE) or entropy.url_safe(32),
    )


def _with_key(response: Response, hands: papers.Desk) -> Response:
    """Let the browser keep the key as long as what is finished within this hour can be downloaded."""
    seconds = 2 * 60 * context.house().settings.papers_minutes
    web.set_cookie(response, COOKIE, hands.key, seconds=seconds)
    return response


def _work(work_id: str) -> Work:
    house = context.house()
    with house.database.reading() as db:
        return papers.find(db, _hands(), pages_pupils.known_id(work_id), house.clock.now())


def _edited(work: Work) -> list[Proposal]:
    """The proposals as the form says; a field that is missing leaves what was there."""
    every = _kind(request.form.get("voor_allen", "")) if request.form.get("doe") == "allen" else None
    found = []
    for place, before in enumerate(work.proposals):
        one = before
        if work.kind is PaperworkKind.CREATE:
            one = replace(one, username=request.form.get(f"n{place}", one.username).strip()[:100])
        kind = every or _kind(request.form.get(f"k{place}", ""))
        found.append(papers.with_kind(one, kind) if kind else one)
    return found


def _kind(word: str) -> SecretKind | None:
    return next((kind for kind in papers.KINDS if kind == word), None)


def _proposal(work: Work, *, check: bool, wrong: dict[str, str] | None = None, status: int = 200) -> Response:
    house = context.house()
    if wrong is None:
        with house.database.reading() as db:
            wrong = papers.problems(db, work)
    return shell.page(
        "admin/papers_check.html" if check and not wrong else "admin/papers_proposal.html",
        status=status,
        work=work,
        wrong={one: sentences.sentence(code) for one, code in wrong.items()},
        counts=Counter(one.secret_kind for one in work.proposals),
        kinds=papers.KINDS,
        at=f"{WORK}/{work.id}",
        home=pages_pupils.LIST,
    )


def _done(work: Work) -> Response:
    return shell.page(
        "admin/papers_done.html",
        work=work,
        counts=Counter(one.kind for one in work.handouts),
        at=f"{WORK}/{work.id}",
        home=pages_pupils.LIST,
    )
