"""Who passes /authorize without a page? A request in its everyday spelling, whose answer is a redirect: before Flask.

Most who come by are on their way: to sign in, or, signed in and with nothing to be asked, back to the app with a code.
They get what `oidc/pages.py` would say, from the same functions, for half the work. Everything else goes on to it, and
nothing was changed here then: requests that are signed or kept, refusals, questions, sessions that have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote_plus

from werkzeug.http import parse_cookie

from idp import audit, entropy, manners, web
from idp.context import House
from idp.login import sessions
from idp.oidc import arriving, authorize, responses
from idp.oidc import request as requests
from idp.oidc.authorize import Issued
from idp.oidc.next_step import SignIn
from idp.oidc.request import AuthorizationRequest

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def in_front_of(inner: Wsgi, house: House) -> Wsgi:
    """A WSGI application that answers those who pass, and leaves the rest to `inner`."""
    always = [*manners.for_every_answer(house.settings), *manners.for_every_redirect()]
    cookie = manners.cookie_called(house.settings.issuer, sessions.COOKIE)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != "/authorize" or environ["REQUEST_METHOD"] != "GET":
            return inner(environ, start_response)
        request_id = entropy.request_id()
        try:
            location = _location(house, environ, cookie, request_id)
        except Exception as failure:  # noqa: BLE001 - raised again where there is a page to say so
            environ[web.FAILED] = failure
            location = None
        if location is None:
            return inner(environ, start_response)
        start_response("303 SEE OTHER", [("Location", location), *always, ("X-Request-Id", request_id)])
        return []

    return answer


def _location(house: House, environ: dict[str, Any], cookie: str, request_id: str) -> str | None:
    """Where somebody goes at once; None: a page is needed, or more is to be looked at."""
    query = environ.get("QUERY_STRING", "").encode("latin-1")
    given = None if manners.SUSPECT.search(query) else requests.pairs(query)
    if given is None or not arriving.BY_REFERENCE.isdisjoint(name for name, _ in given):
        return None
    asked = arriving.arrive(house, given)
    if not isinstance(asked, AuthorizationRequest) or asked.response_mode != "query":
        return None
    now = house.clock.now()
    shown = environ.get("HTTP_COOKIE", "")
    opened = parse_cookie(shown).get(cookie, "") if cookie in shown else ""
    with audit.circumstances(
        audit.Circumstances(now=now, source=environ.get("REMOTE_ADDR"), request_id=request_id)
    ):
        step = authorize.passing(house, asked, opened, now)
    match step:
        case SignIn():
            return f"{sessions.SIGN_IN}?next={quote_plus(asked.url)}"
        case Issued():
            return responses.with_code(asked, step.code, house.settings.issuer).location
    return None
