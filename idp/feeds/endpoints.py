"""Which addresses do programs of packages call? Tokens, identifiers out, classes and directors in; JSON both ways.

POST /api/pakket/v1/token                                              a token (client credentials)
GET  /api/pakket/v1/scholen/INSTELLINGSNUMMER/leerlingen               identifiers of a school's pupils
PUT  /api/pakket/v1/scholen/INSTELLINGSNUMMER/klasinformatie           a full snapshot of its classes
GET  /api/pakket/v1/scholen/INSTELLINGSNUMMER/leveringen/DELIVERY      what became of it
PUT  /api/pakket/v1/directeurs                                         the weekly list of directors
"""

from __future__ import annotations

import hashlib
import re
import threading
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, BinaryIO

import orjson
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, UnsupportedGrantTypeError
from flask import Blueprint, Response, request
from sqlalchemy import select
from werkzeug.exceptions import ClientDisconnected

from idp import context, web
from idp.audit import feeds as audit_feeds
from idp.clock import Clock
from idp.errors import Busy, NotAllowed, NotFound, Refusal, SignInRequired
from idp.feeds import (
    cells,
    class_plan,
    classes,
    deliveries,
    directors,
    feed_clients,
    identifiers,
    intake,
    unpacking,
)
from idp.feeds.feed_clients import Feeder
from idp.feeds.problems import Broken, Problem
from idp.models import Delivery, DeliveryState, School
from idp.oidc import clients

blueprint = Blueprint("feeds", __name__)
PATH = "/api/pakket/v1"
AT_ONCE = 2
"""Deliveries that one worker unpacks and compares at a time; the next ones are told to come back."""
EARLY = timedelta(minutes=5)
"""Clocks of packages may run ahead by this much."""
STATUS = {DeliveryState.APPLIED: 200, DeliveryState.HELD: 202, DeliveryState.REFUSED: 422}
UNDERWAY = timedelta(minutes=5)
"""An import that began before an answer may end after it: its changes are told the next time, some of them twice."""
SLOWEST = timedelta(minutes=10)
"""A body that is not whole by then is not coming: it holds a place that another package needs."""
UNLIMITED = 2**40
"""For Flask: its limit is for forms, ours is looked at while the body is read."""
_ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UPLOAD = re.compile(rf"{PATH}/(?:scholen/[0-9]{{1,6}}/klasinformatie|directeurs)", re.ASCII)

_free = threading.BoundedSemaphore(AT_ONCE)


def is_upload(environ: dict[str, Any]) -> bool:
    """A body that may be larger than a form, and is read by the view, after it has looked who sends it."""
    return environ["REQUEST_METHOD"] == "PUT" and bool(UPLOAD.fullmatch(environ.get("PATH_INFO", "")))


@blueprint.post(f"{PATH}/token")
@web.door(web.Door.APP)
def token() -> Response:
    """RFC 6749 section 4.4."""
    house = context.house()
    form = request.form.to_dict()
    proof = clients.Proof(
        form=form, authorization=request.headers.get("Authorization"), source=request.remote_addr
    )
    try:
        if len(form) < len([*request.form.items(multi=True)]):
            raise InvalidRequestError("A parameter is repeated.")
        if not form.get("grant_type"):
            raise InvalidRequestError(
                "grant_type is missing: send it in a form, not in the address or as JSON."
            )
        if form["grant_type"] != "client_credentials":
            raise UnsupportedGrantTypeError(form["grant_type"])
        return _json(feed_clients.token(house, proof, now=house.clock.now()), 200)
    except OAuth2Error as error:
        status, body, headers = error()
        return _json(body, status, *headers)


@blueprint.get(f"{PATH}/scholen/<instellingsnummer>/leerlingen")
@web.door(web.Door.APP)
def pupils(instellingsnummer: str) -> Response:
    """Paged: `na` is the `volgende` of the page before; `gewijzigd_sinds` leaves out what did not change."""
    house = context.house()
    try:
        who = _feeder(feed_clients.PAKKET)
        school = _school(instellingsnummer)
        _open(who, school)
        since, most = _moment("gewijzigd_sinds"), _limit()
        after = _after()
        now = house.clock.now()
        with house.database.reading() as db:
            found = identifiers.page(
                db, school, today=house.clock.today(), since=since, after=after, most=most
            )
    except Refusal as no:
        return _refused(no)
    body = {"leerlingen": found.pupils, "volgende": found.next}
    etag = hashlib.sha256(orjson.dumps(body)).hexdigest()[:32]
    if request.if_none_match.contains_weak(etag):  # a proxy that packs makes it weak
        return Response(status=304, headers={"ETag": f'"{etag}"', "Cache-Control": "private, no-cache"})
    with house.database.transaction() as db:
        audit_feeds.identifiers_fetched(db, instellingsnummer=school, count=len(found.pupils))
    answer = _json(body | {"moment": now - UNDERWAY}, 200, ("ETag", f'"{etag}"'))
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


@blueprint.put(f"{PATH}/scholen/<instellingsnummer>/klasinformatie")
@web.door(web.Door.APP)
def deliver(instellingsnummer: str) -> Response:
    """A full snapshot: `formaat` (our own unless it says otherwise) and `gemaakt_op`, when the package made it."""
    house = context.house()
    try:
        who = _feeder(feed_clients.PAKKET)
        school = _school(instellingsnummer)
        made_at = _past(_moment("gemaakt_op"))
        gzip = _gzip()
    except Refusal as no:
        return _refused(no)
    form = request.args.get("formaat", class_plan.OURS)[:20]
    words: dict[str, Any] = {"form": form, "instellingsnummer": school, "snapshot_at": made_at}
    pakket = who.pakket or ""
    if because := intake.shut(house, **words, package=pakket):
        return _turned_away(because, words)
    if not _free.acquire(blocking=False):
        return _refused(Busy("too_many_deliveries", "come back in half a minute", retry_after=30))
    try:
        return _taken(words, gzip=gzip, pakket=pakket)
    finally:
        _free.release()


def _taken(words: dict[str, Any], *, gzip: bool, pakket: str) -> Response:
    house = context.house()
    delivery = intake.begin(house, **words)
    try:
        with _body(gzip=gzip) as file:
            outcome = intake.take(house, file, delivery=delivery, **words, package=pakket)
    except Broken as fault:
        return _turned_away(fault.problem, words, delivery=delivery)
    except (OSError, ClientDisconnected):
        return _turned_away(Problem(code="cut_short"), words, delivery=delivery)
    report = classes.report(outcome.plan)
    body = intake.told(
        delivery=delivery,
        state=outcome.state,
        form=words["form"],
        school=words["instellingsnummer"],
        report=report,
    )
    return _json(body, STATUS[outcome.state])


@blueprint.get(f"{PATH}/scholen/<instellingsnummer>/leveringen/<delivery>")
@web.door(web.Door.APP)
def delivered(instellingsnummer: str, delivery: str) -> Response:
    """What became of a delivery: a held one may be applied or declined by now."""
    try:
        who = _feeder(feed_clients.PAKKET)
        school = _school(instellingsnummer)
        _open(who, school)
        if not _ID.fullmatch(delivery):
            raise NotFound("delivery_unknown", "this school has no delivery by that name")
        columns = (Delivery.id, Delivery.format, Delivery.state, Delivery.report)
        of_classes = Delivery.kind == deliveries.CLASSES
        mine = (Delivery.id == delivery, Delivery.instellingsnummer == school, of_classes)
        with context.house().database.reading() as db:
            row = db.execute(select(*columns).where(*mine)).first()
        if row is None:
            raise NotFound("delivery_unknown", "this school has no delivery by that name")
    except Refusal as no:
        return _refused(no)
    body = intake.told(
        delivery=row.id, state=row.state, form=row.format, school=school, report=dict(row.report)
    )
    return _json(body, 200)


@blueprint.put(f"{PATH}/directeurs")
@web.door(web.Door.APP)
def take_directors() -> Response:
    """The weekly list of directors, from the one who may send it."""
    house = context.house()
    try:
        _feeder(feed_clients.DIRECTEURS)
        gzip = _gzip()
    except Refusal as no:
        return _refused(no)
    try:
        with _body(gzip=gzip) as file:
            done = directors.take_in(house, file)
    except Broken as fault:
        return _json({"state": "refused", "reasons": [fault.problem.code]}, 422)
    except (OSError, ClientDisconnected):
        return _json({"state": "refused", "reasons": ["cut_short"]}, 422)
    state = DeliveryState.REFUSED if done.refused else DeliveryState.APPLIED
    missing = [{"instellingsnummer": school, "persoon_id": person} for school, person in done.missing]
    body: dict[str, Any] = {"state": state.value, "counts": done.counts, "missing": missing}
    body["problems"] = [one.stored() | {"sentence": one.sentence} for one in done.problems]
    return _json(body | {"reasons": [done.refused.code] if done.refused else []}, STATUS[state])


# ---------------------------------------------------------------- small pieces


def _feeder(scope: str) -> Feeder:
    """Who calls. Raises SignInRequired."""
    house = context.house()
    kind, _, presented = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and 0 < len(presented) <= 200:
        with house.database.reading() as db:
            found = feed_clients.holder(db, presented, scope, house.clock.now())
        if found is not None:
            context.acting(audit_feeds.feed(found.client_id))
            return found
    raise SignInRequired(
        "invalid_token", f"send a token of this API, with the scope {scope}, that has not ended"
    )


def _school(given: str) -> str:
    found = intake.school_of(given)
    if found is None:
        raise NotFound("school_unknown", "an instellingsnummer has at most six digits")
    return found


def _open(who: Feeder, school: str) -> None:
    """Only schools that share and have named this package; the others do not exist for it. Raises NotAllowed."""
    house = context.house()
    with house.database.reading() as db:
        named = db.execute(select(School.pakket).where(School.instellingsnummer == school)).scalar()
        shut = class_plan.refusal(
            db, class_plan.OURS, school, today=house.clock.today(), package=who.pakket or ""
        )
    if named != who.pakket:
        raise NotAllowed("wrong_package", "the school has not named this package")
    if shut is not None:
        raise NotAllowed(shut.code, shut.sentence)


def _moment(name: str) -> datetime | None:
    """A moment with its zone (RFC 3339); None when it is not said. Raises Refusal."""
    given = request.args.get(name)
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not cells.EARLIEST <= found.date() <= cells.LATEST:
        raise Refusal("moment_unreadable", f"{name} must be a moment with its zone: 2026-11-23T02:15:00Z")
    return found


def _past(moment: datetime | None) -> datetime | None:
    if moment is not None and moment > context.house().clock.now() + EARLY:
        raise Refusal("from_the_future", "gemaakt_op lies in the future")
    return moment


def _after() -> str | None:
    given = request.args.get("na")
    if given is not None and not _ID.fullmatch(given):
        raise Refusal("page_unknown", "na must be the `volgende` of a page")
    return given


def _limit() -> int:
    given = request.args.get("limiet", str(identifiers.MOST))
    if not (re.fullmatch(r"[0-9]{1,6}", given) and 0 < int(given) <= identifiers.MOST):
        raise Refusal("limit_unreadable", f"limiet must be 1 to {identifiers.MOST}")
    return int(given)


def _gzip() -> bool:
    packed = request.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in {"identity", "gzip"}:
        raise _Unsupported("encoding_unknown", "Content-Encoding must be gzip, or nothing")
    return packed == "gzip"


class _Unsupported(Refusal):
    status = 415


def _body(*, gzip: bool) -> AbstractContextManager[BinaryIO]:
    """The body itself, on disk. Raises Broken."""
    request.max_content_length = UNLIMITED
    house = context.house()
    stream = _Timely(request.stream, house.clock)
    most = house.settings.import_megabytes
    return unpacking.body(stream, gzip=gzip, megabytes=most, announced=request.content_length)


class _Timely:
    """A body whose parts each come in time (idp/patience.py), and the whole of it too."""

    def __init__(self, stream: unpacking.Stream, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self._until = clock.monotonic() + SLOWEST.total_seconds()

    def read(self, size: int = -1, /) -> bytes:
        """Raises OSError when it takes too long."""
        part = self._stream.read(size)
        if self._clock.monotonic() > self._until:
            raise OSError("the body took too long")
        return part


def _turned_away(because: Problem, words: dict[str, Any], *, delivery: str | None = None) -> Response:
    made = intake.turn_away(context.house(), because, **words, delivery=delivery)
    report = {"problems": [because.stored()], "problem_counts": {because.code: 1}}
    body = intake.told(
        delivery=made,
        state=DeliveryState.REFUSED,
        form=words["form"],
        school=words["instellingsnummer"],
        report=report,
    )
    gates = {"school_not_known", "does_not_share", "wrong_package"}
    return _json(body, 403 if because.code in gates and delivery is None else 422)


def _refused(no: Refusal) -> Response:
    body = {"error": no.code, "error_description": no.detail, "incident": context.request_id()}
    if isinstance(no, SignInRequired):
        challenge = f'Bearer realm="{context.house().settings.issuer}"'
        if "Authorization" in request.headers:  # who sent nothing did nothing wrong (RFC 6750 section 3.1)
            challenge += ', error="invalid_token"'
        return _json(body, 401, ("WWW-Authenticate", challenge))
    more = [("Retry-After", str(no.retry_after))] if isinstance(no, Busy) else []
    return _json(body, no.status, *more)


def _json(body: Any, status: int, *headers: tuple[str, str]) -> Response:
    answer = Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), status, content_type="application/json")
    answer.headers["Cache-Control"] = "no-store"
    for name, value in headers:
        answer.headers[name] = value
    return answer
