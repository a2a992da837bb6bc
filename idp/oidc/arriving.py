"""Where does an authorization request itself stand: in its address, signed inside `request`, or kept here?

`arrive` looks at what a browser brought. An everyday request is read as it stands. One that is signed, or that
came in a large form, is checked once and kept: from then on the address only names it, and every step leads back
to that. One that is kept already, because its app pushed it, is looked up and checked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from idp import pushed
from idp.apps import App
from idp.claims import catalogue
from idp.context import House
from idp.errors import Busy
from idp.lately import Counter
from idp.login import throttle
from idp.oidc import fields, request_objects
from idp.oidc import request as requests
from idp.oidc.request import AuthorizationRequest, Refused, Untrusted
from idp.oidc.request_checks import MANY, No

SCOPES_KNOWN = frozenset(catalogue.SCOPES) | frozenset(fields.STAFF_SCOPES)
BY_REFERENCE = frozenset({"request", "request_uri"})
LARGE = 2_000
"""Characters of an address: a longer request that came in a form is kept. Addresses travel inside addresses here."""

MOST_OF_ONE_NETWORK = 3_000
"""Requests of strangers from one network (a large school) that are kept in ten minutes: of browsers, and as many pushed."""
WINDOW = timedelta(minutes=10)
_lately = Counter(window=WINDOW)


@dataclass(frozen=True, kw_only=True)
class NotKept(No):
    """Why a pushed request was refused, and what it said: also what was inside a signed one."""

    said: Mapping[str, str] = field(repr=False)


Pairs = list[tuple[str, str]]
Arrived = AuthorizationRequest | Refused | Untrusted


def arrive(house: House, given: Pairs, *, source: str = "") -> Arrived:
    """What these parameters, from a browser, ask. `source`: its network address. Raises Busy."""
    names = [name for name, _ in given if name not in MANY]
    outside = {name: value for name, value in given if value}
    if BY_REFERENCE.isdisjoint(outside) or len({*names}) < len(names):
        return _read(house, given)
    if outside.keys() >= BY_REFERENCE:
        return _refused(
            house, outside, No(error="invalid_request", because="request and request_uri together")
        )
    if pushed.is_name(outside.get("request_uri", "")):
        return _kept(house, outside)
    return _signed(house, outside, source)


def by_form(house: House, given: Pairs, *, source: str = "") -> Arrived:
    """The same, from a form. A large request is kept, so that the address of what follows stays short."""
    arrived = arrive(house, given, source=source)
    if isinstance(arrived, AuthorizationRequest) and arrived.kept is None and len(arrived.query) > LARGE:
        return _keep(house, arrived, source)
    return arrived


def push(house: House, app: App, form: Mapping[str, str]) -> tuple[str, int] | NotKept:
    """Keep what an app that proved itself pushed (RFC 9126 section 2); returns request_uri and its seconds.

    `form` holds parameters only. With `request` nothing beside it counts (RFC 9126 section 3).
    """
    if "request_uri" in form:
        because = "request_uri is what you get here: do not send one"
        return NotKept(error="invalid_request", because=because, said=form)
    now, signed = house.clock.now(), "request" in form
    inside = request_objects.read(house, app, form["request"], now=now) if signed else dict(form)
    if isinstance(inside, No):
        return NotKept(error=inside.error, because=inside.because, said=form)
    arrived = _read(house, [*(inside | {"client_id": app.client_id}).items()], by_app=True, signed=signed)
    if isinstance(arrived, Untrusted):
        return NotKept(error="invalid_request", because=arrived.because, said=dict(form) | inside)
    if isinstance(arrived, Refused):
        return NotKept(error=arrived.error, because=arrived.description, said=dict(form) | inside)
    seconds = house.settings.pushed_request_seconds
    with house.database.transaction() as db:
        request_uri = pushed.keep(
            db,
            client_id=app.client_id,
            parameters=dict(arrived.said),
            pushed=True,
            now=now,
            life=timedelta(seconds=seconds),
        )
    return request_uri, seconds


# ---------------------------------------------------------------- inside


def _read(house: House, given: Pairs, *, by_app: bool = False, signed: bool = False) -> Arrived:
    return requests.read(
        given,
        find_app=house.apps.find,
        scopes_known=SCOPES_KNOWN,
        today=house.clock.today(),
        pushed=by_app,
        signed=signed,
    )


def _kept(house: House, outside: Mapping[str, str]) -> Arrived:
    """A request that is kept here. What stands beside its name in the address counts for nothing."""
    now, client_id, request_uri = house.clock.now(), outside.get("client_id", ""), outside["request_uri"]
    with house.database.reading() as db:
        kept = pushed.find(db, request_uri, client_id)
    if kept is None:
        return Untrusted(
            code="request_gone",
            client_id=client_id[:100],
            because="request_uri is unknown, or of another app",
            app=house.apps.find(client_id),
        )
    arrived = _read(house, [*kept.parameters.items()], by_app=kept.pushed, signed=True)
    if not isinstance(arrived, AuthorizationRequest):
        return arrived
    if not kept.stands(now):
        return _refusal(
            arrived, No(error="invalid_request_uri", because="request_uri has expired or was used")
        )
    if not kept.opened:
        with house.database.transaction() as db:
            pushed.opened(db, kept, now, life=_time_to_sign_in(house))
    return _named(arrived, request_uri)


def _signed(house: House, outside: dict[str, str], source: str) -> Arrived:
    """A request object, by value or at a registered address. What it says wins (OpenID Connect Core 6.1, 6.2)."""
    plain = {name: value for name, value in outside.items() if name not in BY_REFERENCE}
    without = _read(house, [*plain.items()], by_app=True, signed=True)
    app = without.app
    if app is None or (isinstance(without, Untrusted) and (app.disabled or "redirect_uri" in plain)):
        return without
    inside = _inside(house, app, outside)
    if isinstance(inside, No):
        return _refused(house, outside, inside)
    beside = {} if app.require_signed_request_object else plain
    arrived = _read(house, [*(beside | inside | {"client_id": app.client_id}).items()], signed=True)
    return _keep(house, arrived, source) if isinstance(arrived, AuthorizationRequest) else arrived


def _inside(house: House, app: App, outside: Mapping[str, str]) -> dict[str, str] | No:
    signed: str | No = outside.get("request", "")
    if not signed:
        if not house.settings.request_uri_by_reference:
            return No(
                error="request_uri_not_supported", because="request_uri is not supported, save those of /par"
            )
        signed = request_objects.fetched(house, app, outside["request_uri"])
    if isinstance(signed, No):
        return signed
    return request_objects.read(house, app, signed, now=house.clock.now())


def _refused(house: House, outside: Mapping[str, str], no: No) -> Refused | Untrusted:
    """To the app when what stands in the open names a registered address; else to the person."""
    plain = [(name, value) for name, value in outside.items() if name not in BY_REFERENCE]
    without = _read(house, plain, by_app=True, signed=True)
    if isinstance(without, Untrusted):
        known = without.code == "address_unknown" and not outside.get("redirect_uri")
        return replace(without, code="bad_request", because=f"{no.error}: {no.because}") if known else without
    return _refusal(without, no)


def _refusal(to: AuthorizationRequest | Refused, no: No) -> Refused:
    return Refused(
        app=to.app,
        redirect_uri=to.redirect_uri,
        response_mode=to.response_mode,
        state=to.state,
        error=no.error,
        description=no.because,
    )


def too_many(lately: Counter, house: House, source: str) -> bool:
    """Count one more request of a stranger that would be kept: together they cannot fill the table."""
    network = (id(house.database), throttle.network(source))
    return lately.add(network, house.clock.now()) > MOST_OF_ONE_NETWORK


def _keep(house: House, arrived: AuthorizationRequest, source: str) -> AuthorizationRequest:
    """Put it away; from now on an address names it. Raises Busy."""
    now = house.clock.now()
    if too_many(_lately, house, source):
        raise Busy("too_many_requests", retry_after=60)
    with house.database.transaction() as db:
        request_uri = pushed.keep(
            db,
            client_id=arrived.app.client_id,
            parameters=dict(arrived.said),
            pushed=False,
            now=now,
            life=_time_to_sign_in(house),
        )
    return _named(arrived, request_uri)


def _named(arrived: AuthorizationRequest, request_uri: str) -> AuthorizationRequest:
    said = {"client_id": arrived.app.client_id, "request_uri": request_uri}
    return replace(arrived, said=said, kept=pushed.digest(request_uri))


def _time_to_sign_in(house: House) -> timedelta:
    return timedelta(minutes=house.settings.pushed_sign_in_minutes)
