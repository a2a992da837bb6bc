"""Which addresses do apps call for their lists? OneRoster 1.2, read only, with a token of the app itself.

GET /ims/oneroster/rostering/v1p2/LIST                                     orgs, users, classes, enrollments …
GET /ims/oneroster/rostering/v1p2/LIST/ID                                  one of them
GET /ims/oneroster/rostering/v1p2/LIST/ID/LIST                             schools/ID/students, classes/ID/students …
GET /ims/oneroster/rostering/v1p2/schools/ID/classes/ID/LIST               students, teachers, enrollments
GET /ims/oneroster/rostering/v1p2/discovery/imsoneroster_rostering_v1p2p0_openapi3_v1p0.json   what this API is
GET /ims/oneroster/csv/v1p2/rostering.zip                                  the same lists as OneRoster's CSV files

A list without a filter has what stands today; whoever filters by `status` or `dateLastModified` also hears of what went.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import orjson
from flask import Blueprint, Response, request

from idp import audit, context, entropy, web
from idp.apps import App
from idp.claims.disclose import Channel
from idp.context import House
from idp.errors import Busy, Refusal
from idp.lately import Counter
from idp.oidc import tokens
from idp.rosters import again, answering, asking, description, shapes
from idp.rosters.again import TooOften
from idp.rosters.answering import Answer, Closed, Lists
from idp.rosters.asking import Ask, Wrong

blueprint = Blueprint("rosters", __name__)
BASE = shapes.BASE
DISCOVERY = f"{BASE}/discovery/imsoneroster_rostering_v1p2p0_openapi3_v1p0.json"
ZIP = "/ims/oneroster/csv/v1p2/rostering.zip"
WINDOW, MANY = timedelta(minutes=10), 1_200
"""Pages of one app that one worker answers in that time; a country of pupils is a thousand."""

_asked = Counter(window=WINDOW)
ALONE = frozenset({"fields"})
"""What can be asked of one line."""
MINOR = {
    401: "unauthorisedrequest",
    403: "forbidden",
    404: "unknownobject",
    429: "server_busy",
    503: "server_busy",
}
"""OneRoster's word for a status."""


@blueprint.get(f"{BASE}/<collection>")
@web.door(web.Door.APP)
def everything(collection: str) -> Response:
    return _answered(collection, lambda lists, ask: lists.all(collection, ask))


@blueprint.get(f"{BASE}/<collection>/<sourced_id>")
@web.door(web.Door.APP)
def one(collection: str, sourced_id: str) -> Response:
    return _answered(collection, lambda lists, _: lists.one(collection, sourced_id), only=ALONE)


@blueprint.get(f"{BASE}/<around>/<sourced_id>/<collection>")
@web.door(web.Door.APP)
def inside(around: str, sourced_id: str, collection: str) -> Response:
    names = [(around, sourced_id)]
    return _answered(collection, lambda lists, ask: lists.inside(collection, ask, names), inside=around)


@blueprint.get(f"{BASE}/schools/<school>/classes/<sourced_id>/<collection>")
@web.door(web.Door.APP)
def inside_class(school: str, sourced_id: str, collection: str) -> Response:
    names = [("schools", school), ("classes", sourced_id)]
    return _answered(collection, lambda lists, ask: lists.inside(collection, ask, names), inside="classes")


@blueprint.get(DISCOVERY)
@web.door(web.Door.ANYONE)
def discovery() -> Response:
    """OpenAPI 3: which of OneRoster's operations are here."""
    body = orjson.dumps(description.described(context.house().settings.issuer))
    answer = Response(body, content_type="application/json")
    answer.headers["Cache-Control"] = "public, max-age=900"
    return answer


@blueprint.get(ZIP)
@web.door(web.Door.APP)
def export() -> Response:
    """`school` (an instellingsnummer) leaves the others out."""
    house = context.house()
    try:
        app = caller(house)
        wrong = {*request.args} - {"school"}
        if wrong:
            raise Wrong("invaliddata", "the only parameter is school")
        now = house.clock.now()
        again.begin(house, app, request.path, request.args.items(), now=now)
        lists = Lists(house, app, now=now, today=house.clock.today())
        file = lists.file(request.args.get("school"))
    except Refusal as no:
        return refused(no)
    answer = Response(file.parts(), content_type="application/zip")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Disposition"] = 'attachment; filename="rostering.zip"'
    return answer


# ---------------------------------------------------------------- who asks


class _Token(Refusal):
    """RFC 6750: this token opens nothing here."""

    def __init__(self, status: int, error: str | None, detail: str) -> None:
        super().__init__(error or "no_token", detail)
        self.status, self.error = status, error


def caller(house: House) -> App:
    """The app that asks, by a token of its own that may read lists. Raises Refusal."""
    now = house.clock.now()
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not presented:
        raise _Token(401, None, "send an access token of the app: Authorization: Bearer …")
    with house.database.reading() as db:
        access = tokens.find_access(db, presented.strip())
    app = house.apps.find(access.client_id) if access is not None and access.stands(now) else None
    if access is None or app is None or app.disabled:
        raise _Token(401, "invalid_token", "the access token is unknown, has ended, or was taken back")
    if access.held is not None or shapes.SCOPE not in access.scope.split() or not app.reads_lists:
        raise _Token(
            403, "insufficient_scope", "this takes a token of the app itself (client_credentials) for lists"
        )
    context.acting(audit.app(app.client_id))
    if _asked.add((id(house.database), app.client_id), now) > MANY:
        wait = int(WINDOW.total_seconds())
        raise TooOften("too_many_requests", f"at most {MANY} pages in ten minutes", retry_after=wait)
    return app


# ---------------------------------------------------------------- answers


def _answered(
    collection: str,
    work: Callable[[Lists, Ask], Answer],
    *,
    inside: str | None = None,
    only: Iterable[str] = asking.PARAMETERS,
) -> Response:
    house = context.house()
    try:
        app = caller(house)
        answering.check(collection, inside=inside)
        ask = asking.read(_query(only), shapes.FIELDS[answering.word(collection)])
        now = house.clock.now()
        if only is not ALONE and ask.first and not _conditional():
            again.begin(house, app, request.path, request.args.items(), now=now)
        lists = Lists(house, app, now=now, today=house.clock.today())
        found = work(lists, ask)
        body, headers = _body(found, ask)
        etag = entropy.keyed_digest(house.keys.pairwise, "roster_etag", app.client_id, body.decode())[:32]
        headers = {**headers, "ETag": f'"{etag}"', "Cache-Control": "private, no-cache"}
        known = request.if_none_match
        if known.is_strong(etag) or known.is_weak(etag):  # "*" knows nothing: it is told, and written down
            return Response(status=304, headers=headers)
        answering.record(house, app, found.page.told, Channel.ROSTER, now=now)
    except Refusal as no:
        return refused(no)
    return Response(body, headers=headers, content_type="application/json")


def _conditional() -> bool:
    """Does it name a page that it has? `*` names none."""
    return bool(request.if_none_match) and not request.if_none_match.star_tag


def _query(only: Iterable[str]) -> Mapping[str, list[str]]:
    given = dict(request.args.lists())
    wrong = [name for name in given if name in asking.PARAMETERS and name not in only]
    if wrong:
        raise Wrong("invaliddata", f"{wrong[0]} is for lists")
    return given


def _body(found: Answer, ask: Ask) -> tuple[bytes, dict[str, str]]:
    if found.alone:
        item = shapes.some(found.page.items[0], ask.fields)
        return orjson.dumps({shapes.ALONE[found.word]: item}), {}
    headers = {"X-Total-Count": str(found.page.total)}
    links = _links(found, ask)
    if links:
        headers["Link"] = ", ".join(f'<{address}>; rel="{rel}"' for rel, address in links.items())
    return orjson.dumps({found.word: found.page.items}), headers


def _links(found: Answer, ask: Ask) -> dict[str, str]:
    """RFC 8288, as OneRoster wants it: the next page, the first, the one before and the last."""
    here = context.house().settings.issuer + request.path
    links = {}
    if found.page.more:
        plain = ask.sort == asking.NAME and not ask.descending
        after = found.page.last if plain else None
        links["next"] = f"{here}?{ask.page(offset=ask.offset + ask.limit, after=after)}"
    if not ask.first or found.page.more:
        links["first"] = f"{here}?{ask.page(offset=0)}"
        last = max(0, (found.page.total - 1) // ask.limit * ask.limit)
        links["last"] = f"{here}?{ask.page(offset=last)}"
    if ask.offset:
        links["prev"] = f"{here}?{ask.page(offset=max(0, ask.offset - ask.limit))}"
    return links


def refused(no: Refusal) -> Response:
    """In OneRoster's shape. `reason` is the gate that is closed, when one is."""
    minor = no.code if isinstance(no, Wrong) else MINOR.get(no.status, "invaliddata")
    fields = [{"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": minor}]
    body: dict[str, Any] = {
        "imsx_codeMajor": "failure",
        "imsx_severity": "error",
        "imsx_description": no.detail or no.code.replace("_", " "),
        "imsx_CodeMinor": {"imsx_codeMinorField": fields},
        "incident": context.request_id(),
    }
    if isinstance(no, Closed):
        body["reason"] = no.code
        fields.append({"imsx_codeMinorFieldName": "reason", "imsx_codeMinorFieldValue": no.code})
    answer = Response(orjson.dumps(body), no.status, content_type="application/json")
    answer.headers["Cache-Control"] = "no-store"
    if isinstance(no, _Token):
        said = f'Bearer realm="{context.house().settings.issuer}"'
        if no.error:
            said += f', error="{no.error}"'
        if no.status == 403:
            said += f', scope="{shapes.SCOPE}"'
        answer.headers["WWW-Authenticate"] = said
    if isinstance(no, (Busy, TooOften)):
        answer.headers["Retry-After"] = str(no.retry_after)
    return answer
