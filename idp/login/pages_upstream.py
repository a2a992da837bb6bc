"""How does a member of staff go to the upstream provider, and come back?

/personeel/aanmelden/extern   off to the provider; `opnieuw` asks it for a fresh proof
/personeel/aanmelden/terug    back, signed in, or with a friendly word
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp import context, web
from idp.errors import Busy, NotAllowed, NotFound
from idp.login import pages_staff, staff_sessions, upstream

blueprint = Blueprint("staff_upstream", __name__)


@blueprint.get(upstream.START)
@web.door(web.Door.ANYONE)
def leave() -> Response:
    house = context.house()
    if not house.settings.upstream_issuer:
        raise NotFound("not_found")
    try:
        begun = upstream.begin(house, pages_staff.way_back(), fresh="opnieuw" in request.args)
    except Busy as busy:
        return _say(busy.code)
    response = web.see_other(begun.url)
    web.set_cookie(response, upstream.COOKIE, begun.sealed, seconds=upstream.COOKIE_SECONDS)
    return response


@blueprint.get(upstream.BACK)
@web.door(web.Door.ANYONE)
def arrive() -> Response:
    house, sealed = context.house(), web.read_cookie(upstream.COOKIE)
    if not house.settings.upstream_issuer:
        raise NotFound("not_found")
    if not sealed and staff_sessions.current() is not None:
        return web.see_other(staff_sessions.HOME)
    try:
        who = upstream.finish(house, sealed, request.args.to_dict(flat=False))
    except (NotAllowed, Busy) as no:
        return _say(no.code)
    response = pages_staff.welcome(
        who.person_id, ("upstream",), pages_staff.here(), back=who.back, proven_at=who.proven_at
    )
    web.drop_cookie(response, upstream.COOKIE)
    return response


def _say(code: str) -> Response:
    """On the sign-in page: what the provider sent does not stay in an address."""
    return web.see_other(f"{staff_sessions.SIGN_IN}?bericht={code}")
