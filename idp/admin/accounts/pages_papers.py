"""How does a LeerID-beheerder make accounts, secrets and cards for one or many? Voorstel, controle, klaar.

/schoolloket/leerid-beheer/werk            begins with a selection
/schoolloket/leerid-beheer/werk/ID         the proposal; with ?stap=controle the check; once done, the papers
/schoolloket/leerid-beheer/werk/ID/zip     the zip, for an hour

Back, a second click and a reload are harmless: what an address shows follows from what was done (admin/accounts/papers.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from flask import Blueprint, Response, request

from idp import context, entropy, sentences, web
from idp.admin import shell, staff_door
from idp.admin.accounts import papers, underway
from idp.admin.accounts.papers import Work
from idp.admin.pupils import pages_pupils, pupil_list
from idp.errors import Invalid, NotFound
from idp.login import pictures
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
    with house.database.reading() as db:
        today = house.clock.today()
        if whole:
            lines = pupil_list.everyone(db, desk.instellingsnummer, today, asked)
        else:
            lines = pupil_list.chosen(db, desk.instellingsnummer, today, picked)
    where = pages_pupils.address(asked, desk.instellingsnummer)
    secret = _kind(request.form.get("soort", "")) if kind is PaperworkKind.RENEW else None
    return start(kind, [one.account_uuid for one in lines], where, secret=secret)


def start(
    kind: PaperworkKind, account_uuids: Sequence[str], where: str, *, secret: SecretKind | None = None
) -> Response:
    """Begin with these pupils of the chosen school, perhaps all with this kind of secret.

    Back to `where`, with the reason, when there is nothing to do.
    """
    house, hands = context.house(), _hands()
    with house.database.reading() as db:
        proposals = papers.propose(db, house, hands, kind, account_uuids)
    if secret is not None:
        proposals = tuple(papers.with_kind(one, secret) for one in proposals)
    try:
        work_id = papers.begin(house, hands, kind, proposals, left_out=len(account_uuids) - len(proposals))
    except Invalid as refusal:
        return web.see_other(f"{where}{'&' if '?' in where else '?'}bericht={refusal.code}")
    step = "?stap=controle" if kind is PaperworkKind.CARD else ""
    return _with_key(web.see_other(f"{WORK}/{work_id}{step}"), hands)


@blueprint.get(f"{WORK}/<work_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def show(work_id: str) -> Response:
    work, state = _work(work_id), _state(work_id)
    if work.done:
        return _done(work, state)
    if state and state.problem is None:
        return _busy(work, state)
    return _proposal(
        work, check=request.args.get("stap") == "controle", problem=state.problem if state else ""
    )


@blueprint.post(f"{WORK}/<work_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def go_on(work_id: str) -> Response:
    """The step that a button named. What is done already is shown, whatever the button said."""
    hands, work, state, step = _hands(), _work(work_id), _state(work_id), request.form.get("doe", "")
    if work.done or (state and state.works and step != "weg"):
        return web.see_other(f"{WORK}/{work.id}")
    if step == "weg":
        with context.house().database.transaction() as db:
            papers.drop(db, hands, work.id)
        return web.see_other(pages_pupils.LIST)
    return _with_key(_step(hands, work, step), hands)


@blueprint.get(f"{WORK}/<work_id>/zip")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def fetch(work_id: str) -> Response:
    work = _work(work_id)
    if not work.done:
        raise NotFound("papers_gone")
    name, content = papers.zipped(context.house(), _hands(), work, apart="apart" in request.args)
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


def _step(hands: papers.Desk, work: Work, step: str) -> Response:
    house, here = context.house(), f"{WORK}/{work.id}"
    renewed = _renewed(work, step)
    if renewed or step in {"controle", "allen", "bewaren"}:
        edited = papers.save(house, hands, work, _edited(work), renewed=renewed)
        if edited is None:
            return web.see_other(here)
        work = edited
    if renewed or step == "allen":
        return web.see_other(f"{here}#l{step.partition('-')[2] or 0}")
    with house.database.reading() as db:
        wrong = papers.problems(db, work)
    if wrong:
        return _proposal(work, check=False, wrong=wrong, status=400)
    if step in {"klaar", "bewaren"}:
        underway.start(house, hands, work)
        return web.see_other(here)
    return web.see_other(f"{here}?stap=controle")


def _state(work_id: str) -> underway.State | None:
    house = context.house()
    with house.database.reading() as db:
        return underway.look(db, pages_pupils.known_id(work_id), house.clock.now())


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


def _renewed(work: Work, step: str) -> set[str]:
    """For whom the button asks another secret: `nieuw` for everyone, `nieuw-3` for the fourth."""
    word, _, place = step.partition("-")
    if word != "nieuw" or work.kind is PaperworkKind.CARD:
        return set()
    chosen = [work.proposals[int(place)]] if place.isdecimal() and int(place) < len(work.proposals) else []
    return {one.account_uuid for one in (chosen if place else work.proposals)}


def _kind(word: str) -> SecretKind | None:
    return next((kind for kind in papers.KINDS if kind == word), None)


def _proposal(
    work: Work,
    *,
    check: bool,
    wrong: dict[str, str] | None = None,
    problem: str | None = "",
    status: int = 200,
) -> Response:
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
        four={
            one.account_uuid: pictures.of(work.secrets[one.account_uuid])
            for one in work.proposals
            if one.secret_kind is SecretKind.PICTURE and one.account_uuid in work.secrets
        },
        problem=f"{sentences.sentence(problem)} {sentences.advice(problem)}" if problem else "",
        at=f"{WORK}/{work.id}",
        home=pages_pupils.LIST,
    )


def _busy(work: Work, state: underway.State) -> Response:
    """How far it is; whoever comes back to work that was interrupted may let it go on."""
    return shell.page(
        "admin/papers_busy.html", work=work, state=state, at=f"{WORK}/{work.id}", home=pages_pupils.LIST
    )


def _done(work: Work, state: underway.State | None) -> Response:
    """While the zip is drawn it says how far that is."""
    return shell.page(
        "admin/papers_done.html",
        work=work,
        state=state,
        counts=Counter(one.kind for one in work.handouts),
        at=f"{WORK}/{work.id}",
        home=pages_pupils.LIST,
    )
