"""What does the Leerlingloket show? A pupil's apps, and what each of them knows."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from flask import Blueprint, Response, render_template, request

from idp import context, web
from idp.apps import App
from idp.claims import disclose, explain, pseudonym, visibility
from idp.clock import day_of_law
from idp.config import LOOPBACK
from idp.errors import NotFound, SignInRequired
from idp.login import own_password, sessions
from idp.models import AccountType

blueprint = Blueprint("claims", __name__)

MANY = 12
"""With more apps than this, looking for one is quicker than seeing it."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One app on the page."""

    client_id: str
    name: str
    logo: str | None
    purpose: str
    start: str | None
    """Where the app begins, or None when only the app itself can."""


@blueprint.get("/mijn-apps")
@web.door(web.Door.PUPIL)
def my_apps() -> str:
    house, who = context.house(), _who()
    with house.database.reading() as db:
        visible = visibility.visible_apps(db, who.account_uuid, house.clock.today())
    apps = [app for app in map(house.apps.find, visible) if app is not None]
    many = len(apps) > MANY
    looked_for = request.args.get("zoek", "")[:60].strip() if many else ""  # few are all shown, with no field
    found = [app for app in apps if plain(looked_for) in plain(app.client_name)]
    return render_template(
        "claims/my_apps.html",
        name=who.given_name,
        apps=[_tile(app) for app in found],
        many=many,
        looked_for=looked_for,
        young=who.type is AccountType.BASIC,
        shared=who.shared,
        own_password=own_password.may_choose(house, who),
    )


@blueprint.get("/mijn-apps/<client_id>")
@web.door(web.Door.PUPIL)
def app_sees(client_id: str) -> str:
    """Also for an app that knew the pupil before and is not visible any more."""
    house, who = context.house(), _who()
    app = house.apps.find(client_id)
    if app is None:
        raise NotFound("not_found")
    today = house.clock.today()
    with house.database.reading() as db:
        choices = visibility.schools_for(db, app, who.account_uuid, today)
        chosen = pseudonym.chosen_school(db, app, who.account_uuid)
        if not choices and pseudonym.met(db, client_id, who.account_uuid) is None:
            raise NotFound("not_found")
        school = next((one for one in choices if one.instellingsnummer == chosen), None)
        school = school or (choices[0] if choices else None)
        about = disclose.preview(
            db,
            keys=house.keys,
            app=app,
            account_uuid=who.account_uuid,
            instellingsnummer=school.instellingsnummer if school else chosen,
            today=today,
        )
    gets, not_gets = explain.for_pupil(app, about.answers)
    return render_template(
        "claims/app_sees.html",
        app=_tile(app),
        school=school.naam if school else None,
        others=[one for one in choices if one.instellingsnummer != chosen] if len(choices) > 1 else [],
        gets=gets if about.alive else (),
        not_gets=not_gets,
        start=start_url(app, house.settings.issuer) if school else None,
        young=who.type is AccountType.BASIC,
        lists=app.reads_lists and about.alive,
    )


@blueprint.post("/mijn-apps/<client_id>/school")
@web.door(web.Door.PUPIL)
def choose_school(client_id: str) -> Response:
    """Another school for this app, from the next sign-in on. One that does not show the app (any more) changes nothing."""
    house, who, chosen = context.house(), _who(), request.form.get("school", "")
    app = house.apps.find(client_id)
    if app is None:
        raise NotFound("not_found")
    now = house.clock.now()
    with house.database.transaction() as db:
        choices = visibility.schools_for(db, app, who.account_uuid, day_of_law(now))
        if chosen in {one.instellingsnummer for one in choices}:
            pseudonym.remember(db, house.keys, app, who.account_uuid, now)
            pseudonym.choose_school(db, app, who.account_uuid, chosen)
    return web.see_other(f"/mijn-apps/{quote(client_id, safe='')}")


OURS = frozenset({"iss", "login_hint", "target_link_uri"})
"""What we alone say when we start an app; who is signed in here is never told ahead (no login_hint)."""


def start_url(app: App, issuer: str) -> str | None:
    """Where a tile leads: the app's own sign-in (OpenID Connect Core section 4), else its home page, else nowhere."""
    if app.initiate_login_uri and _safe(app.initiate_login_uri):
        parts = urlsplit(app.initiate_login_uri)
        own = parse_qsl(parts.query, keep_blank_values=True)
        words = [(name, value) for name, value in own if name not in OURS] + [("iss", issuer)]
        if app.client_uri and _safe(app.client_uri):
            words.append(("target_link_uri", app.client_uri))
        return parts._replace(query=urlencode(words), fragment="").geturl()
    return app.client_uri if app.client_uri and _safe(app.client_uri) else None


def plain(text: str) -> str:
    """For comparing: small letters, without accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def _safe(uri: str) -> bool:
    parts = urlsplit(uri)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _tile(app: App) -> Tile:
    return Tile(
        client_id=app.client_id,
        name=app.client_name,
        logo=app.logo,
        purpose=app.purpose,
        start=start_url(app, context.house().settings.issuer),
    )


def _who() -> sessions.SignedIn:
    who = sessions.current()
    if who is None:
        raise SignInRequired("sign_in_required")
    return who
