"""What else does an operator look at in a browser? How the installation stands, tokens, keys, jobs, who waits, the trail.

/beheer            how it stands: what to look at, jobs, keys
/beheer/systeem    jobs; the nightly look at the trail: say that you know of it, or take that back; signing keys: make a new one, take one out
/beheer/tokens     tokens for the REST API, and for apps that register themselves: issue (shown once), revoke
/beheer/wachten    a pupil whom wrong tries made wait: look, and open again
/beheer/audit      the audit trail, by who, what, when and about whom (both sealed in an address)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import finding, sealed_words, shell, staff_door
from idp.admin.api import api_tokens
from idp.admin.apps import app_list, app_requests, registering
from idp.admin.apps.app_list import Care
from idp.admin.operators import job_words, school_list
from idp.admin.records import acknowledging, audit_search
from idp.clock import BRUSSELS, countable
from idp.errands import patrol_book
from idp.errands.job_book import overview
from idp.errors import Invalid, NotFound, Refusal
from idp.feeds import deliveries, held, overdue
from idp.login import attention
from idp.models import RightKind
from idp.oidc import signing

blueprint = Blueprint("operator", __name__)
HOME = "/beheer"


@blueprint.get(HOME)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def home() -> Response:
    house = context.house()
    now, today = house.clock.now(), house.clock.today()
    with house.database.reading() as db:
        lines = app_list.search(db, today=today)
        waiting = app_requests.waiting(db)
        schools, sandbox = school_list.counted(db)
        jobs = overview(db, now)
        keys = signing.listing(db)
        held_lists = held.waiting(db, kind=deliveries.ENROLMENTS)
        no_directors = overdue.directors(db, now)
    return shell.page(
        "admin/operators.html",
        held_lists=held_lists,
        no_directors=no_directors,
        apps=len(lines),
        waiting=waiting,
        schools=schools,
        sandbox=sandbox,
        cares={care: sum(care in line.care for line in lines) for care in Care},
        jobs=jobs,
        keys=[(one, one.state(now).value) for one in keys],
        four_eyes=house.settings.four_eyes,
        now=now,
    )


@blueprint.get(f"{HOME}/systeem")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def system() -> Response:
    return _system()


@blueprint.post(f"{HOME}/systeem")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def keys() -> Response:
    """Announce a new signing key, take one out because somebody else may have it; know of what was touched, or not."""
    if again := staff_door.needs_fresh_first(_system, "reden", which=("geraakt",), back=f"{HOME}/systeem"):
        return again
    house, now = context.house(), context.house().clock.now()
    if "geraakt" in request.form:
        return _acknowledge(request.form["geraakt"], request.form.get("reden", ""))
    if "toch-niet" in request.form:
        with house.database.transaction() as db:
            acknowledging.take_back(db, house.keys.marks, request.form["toch-niet"])
        return web.see_other(f"{HOME}/systeem?bericht=alarm#nagekeken")
    with house.database.transaction() as db:
        if request.form.get("alg", "") in house.settings.signing_algorithms:
            signing.rotate(db, house, request.form["alg"], now)
        elif signing.revoke(db, house, request.form.get("kid", ""), now) is None:
            raise NotFound("key_unknown")
    return web.see_other(f"{HOME}/systeem?bericht=gedaan")


def _acknowledge(name: str, reason: str) -> Response:
    house = context.house()
    try:
        with house.database.transaction() as db:
            acknowledging.acknowledge(db, house.keys.marks, name, reason=reason, now=house.clock.now())
    except Invalid as refusal:
        return _system(problem=refusal, given=staff_door.kept("geraakt", "reden"), status=refusal.status)
    return web.see_other(f"{HOME}/systeem?bericht=gekend#nagekeken")


def _system(
    *,
    problem: Refusal | None = None,
    given: staff_door.Typed | None = None,
    prove_first: bool = False,
    status: int = 200,
) -> Response:
    house = context.house()
    now = house.clock.now()
    with house.database.reading() as db:
        jobs, found = overview(db, now), signing.listing(db)
        book = patrol_book.read(db, house.keys.marks)
    return shell.page(
        "admin/operator_system.html",
        status=status,
        problem=sentences.sentence(problem.code) if problem else "",
        given=given or {},
        prove_first=prove_first,
        longest=acknowledging.LONGEST,
        jobs=jobs,
        what=job_words.WHAT,
        when=job_words.when,
        ran=any(one.reached for one in jobs),
        looked=[(name, one) for name, one in book.standings.items() if name != patrol_book.ANCHORS],
        alarms=book.alarms,
        known=book.known,
        strange=book.strange,
        nights=house.settings.verify_nights,
        keys=[(one, one.state(now).value) for one in found],
        algorithms=house.settings.signing_algorithms,
        message=request.args.get("bericht"),
    )


# ---------------------------------------------------------------- tokens

TYPED = ("label", "scope", "keer", "tot")
"""Fields of a form for a token."""


@blueprint.get(f"{HOME}/tokens")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def tokens() -> Response:
    return _tokens()


@blueprint.post(f"{HOME}/tokens")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def change_tokens() -> Response:
    """Issue one (shown in this answer only) or revoke one."""
    if again := staff_door.needs_fresh_first(_tokens, *TYPED, back=f"{HOME}/tokens"):
        return again
    house, form = context.house(), request.form
    now, what = house.clock.now(), request.form.get("wat", "")
    made = ""
    try:
        with house.database.transaction() as db:
            if what == "api":
                made = api_tokens.issue(
                    db,
                    label=form.get("label", "")[:200],
                    scopes=frozenset(form.getlist("scope")),
                    until=_day(form.get("tot", "")),
                    now=now,
                )[1]
            elif what == "app":
                uses = form.get("keer", "1")
                made = registering.issue(
                    db,
                    label=form.get("label", "")[:200],
                    scope=" ".join(form.getlist("scope")),
                    uses=int(uses) if uses.isascii() and uses.isdigit() and len(uses) < 6 else 0,
                    until=_day(form.get("tot", "")),
                    pkce_exempt_until=None,
                    by=f"person:{staff_door.here().person_id}"[:100],
                    now=now,
                )[1]
            elif what == "stop-api":
                api_tokens.revoke(db, form.get("id", ""), now=now)
            elif what == "stop-app":
                registering.revoke(db, form.get("id", ""), now)
    except Invalid as refusal:
        return _tokens(problem=refusal, given=staff_door.kept("wat", *TYPED), status=refusal.status)
    return _tokens(made=made) if made else web.see_other(f"{HOME}/tokens?bericht=gedaan")


def _tokens(
    *,
    made: str = "",
    problem: Refusal | None = None,
    given: staff_door.Typed | None = None,
    prove_first: bool = False,
    status: int = 200,
) -> Response:
    house = context.house()
    now = house.clock.now()
    with house.database.reading() as db:
        programs, apps = api_tokens.listing(db), registering.listing(db)
    return shell.page(
        "admin/operator_tokens.html",
        status=status,
        programs=[(one, one.good(now)) for one in programs],
        apps=[(one, one.good(now)) for one in apps],
        scopes=[one.value for one in api_tokens.Scope],
        app_scopes=registering.SCOPES,
        made=made,
        given=given or {},
        prove_first=prove_first,
        problem=f"{sentences.sentence(problem.code)} {sentences.advice(problem.code)}" if problem else "",
        detail=problem.detail if problem else "",
        today=house.clock.today(),
        message=request.args.get("bericht"),
    )


# ---------------------------------------------------------------- who waits


@blueprint.post(f"{HOME}/wachten")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def release() -> Response:
    """Look whom wrong tries made wait, and open it again. By form: a name does not belong in an address."""
    house = context.house()
    words, school = request.form.get("leerling", "").strip()[:100], request.form.get("bij", "").strip()[:6]
    try:
        with house.database.reading() as db:
            account_uuid = finding.pupil(db, words, instellingsnummer=school or None)
    except Refusal as refusal:
        return _waiting(words=words, school=school, problem=refusal, status=refusal.status)
    opened = attention.release(house, account_uuid) if request.form.get("open") == "1" else None
    return _waiting(
        words=words, school=school, standing=attention.of_pupil(house, account_uuid), opened=opened
    )


@blueprint.get(f"{HOME}/wachten")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def waiting() -> Response:
    return _waiting()


def _waiting(
    *,
    words: str = "",
    school: str = "",
    standing: attention.Standing | None = None,
    opened: tuple[object, ...] | None = None,
    problem: Refusal | None = None,
    status: int = 200,
) -> Response:
    return shell.page(
        "admin/operator_waiting.html",
        status=status,
        words=words,
        school=school,
        standing=standing,
        opened=opened,
        problem=problem is not None,
    )


# ---------------------------------------------------------------- the trail


AUDIT = f"{HOME}/audit"
SEALED = ("wie", "over")
"""Fields of a search that may name somebody: sealed in an address."""


@blueprint.post(AUDIT)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def search_trail() -> Response:
    """What was typed goes into the address sealed, so that no log holds whom an operator looked for."""
    form = request.form
    plain = {name: form.get(name, "").strip()[:120] for name in ("wat", "nummer", "van", "tot")}
    words = {name: form.get(name, "") for name in SEALED}
    return web.see_other(_trail_address(words, plain | {"school": form.get("bij", "").strip()[:6]}))


def _trail_address(words: Mapping[str, str], plain: Mapping[str, str]) -> str:
    house = context.house()
    query = {name: sealed_words.seal(house, word, sealed_words.OPERATORS) for name, word in words.items()}
    told = urlencode({name: value for name, value in {**query, **plain}.items() if value})
    return f"{AUDIT}?{told}" if told else AUDIT


@blueprint.get(AUDIT)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def trail() -> Response:
    house, asked = context.house(), request.args
    now = house.clock.now()
    words = {name: asked.get(name, "").strip()[:120] for name in ("wat", "school", "nummer")}
    words |= {name: sealed_words.read(house, asked.get(name, ""), sealed_words.OPERATORS) for name in SEALED}
    since, until = _day_or_none(asked.get("van", "")), _day_or_none(asked.get("tot", ""))
    question = audit_search.Question(
        actor=words["wie"],
        event=words["wat"],
        about=words["over"],
        instellingsnummer=words["school"],
        request_id=words["nummer"],
        since=_midnight(since) if since else None,
        until=_midnight(date.fromordinal(until.toordinal() + 1)) if until else None,
    )
    with house.database.reading() as db:
        page = audit_search.search(db, question, now=now, after=asked.get("na") or None)
        events = audit_search.names(db, since=now - audit_search.USUAL)
    return shell.page(
        "admin/operator_audit.html",
        page=page,
        words=words,
        since=asked.get("van", "")[:10],
        until=asked.get("tot", "")[:10],
        events=events,
        gone=any(asked.get(name) and not words[name] for name in SEALED),
        older=page.after
        and _trail_address(
            {name: words[name] for name in SEALED},
            {name: asked.get(name, "")[:120] for name in ("wat", "school", "nummer", "van", "tot")}
            | {"na": page.after},
        ),
    )


def _day(text: str) -> date:
    found = _day_or_none(text)
    if found is None:
        raise Invalid("date_refused", text[:20])
    return found


def _day_or_none(text: str) -> date | None:
    try:
        return countable(date.fromisoformat(text))
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=BRUSSELS).astimezone(UTC)
