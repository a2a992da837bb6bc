"""What does an app do with us? Two small relying parties, on the library that many apps use (Authlib's client).

They show what a real app would keep to itself: every claim that came, and for each that did not, the gate that
was closed (looked up in the demo's own database, which no real app can do).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, Response, redirect, render_template, request, session, url_for
from jinja2 import ChoiceLoader, FileSystemLoader
from werkzeug.serving import WSGIRequestHandler, make_server

from idp import entropy
from idp.app import BESIDE, INSIDE
from idp.login.staff_sessions import SIGN_IN

Staff = Callable[[], list[dict[str, Any]]]
"""People of the sandbox's staff, each with what they sign in with now."""
Why = Callable[[str, str], list[tuple[str, str]]]
"""(client_id, sub) → (claim, 'released' or the closed gate) for each claim of the catalogue."""


@dataclass(frozen=True, kw_only=True)
class DemoApp:
    slug: str
    client_id: str
    client_secret: str
    client_name: str
    scope: str
    colour: str
    about: str


def create(issuer: str, own: str, apps: list[DemoApp], why: Why, staff: Staff) -> Flask:
    """The relying parties as one Flask app at `own`, each under its slug."""
    site = Flask("idp.demo.relying_party", root_path=str(INSIDE.parent / "demo"), static_folder=None)
    site.jinja_loader = ChoiceLoader([FileSystemLoader(INSIDE), FileSystemLoader(BESIDE)])
    site.config.update(
        SECRET_KEY=entropy.key_bytes(), SESSION_COOKIE_NAME="demo-app", SESSION_COOKIE_SAMESITE="Lax"
    )
    oauth = OAuth(site)
    by_slug = {app.slug: app for app in apps}
    for app in apps:
        oauth.register(
            app.slug,
            client_id=app.client_id,
            client_secret=app.client_secret,
            server_metadata_url=f"{issuer}/.well-known/openid-configuration",
            client_kwargs={"scope": app.scope, "code_challenge_method": "S256"},
        )

    _pages(site, issuer, by_slug, why, staff)
    _signing_in(site, issuer, own, by_slug, oauth)

    @site.after_request
    def careful(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    return site


def _pages(site: Flask, issuer: str, by_slug: dict[str, DemoApp], why: Why, staff: Staff) -> None:
    @site.get("/")
    def home() -> str:
        known = {"staff": staff(), "staff_url": f"{issuer}{SIGN_IN}"}
        return render_template("demo/home.html", apps=list(by_slug.values()), issuer=issuer, **known)

    @site.get("/<slug>/")
    def app_page(slug: str) -> Any:
        app = by_slug.get(slug)
        if app is None:
            return redirect("/")
        return render_template("demo/app.html", app=app, issuer=issuer, **_shown(session.get(slug), app, why))


def _signing_in(site: Flask, issuer: str, own: str, by_slug: dict[str, DemoApp], oauth: OAuth) -> None:
    @site.get("/<slug>/start")
    def start(slug: str) -> Any:
        """Sign in; also where a tile of the pupil's page leads (OpenID Connect Core 4: `iss` must be ours)."""
        if slug not in by_slug or request.args.get("iss", issuer) != issuer:
            return redirect("/")
        return oauth.create_client(slug).authorize_redirect(f"{own}/{slug}/callback")

    @site.get("/<slug>/callback")
    def callback(slug: str) -> Any:
        if slug not in by_slug:
            return redirect("/")
        client = oauth.create_client(slug)
        try:
            token = client.authorize_access_token()
        except OAuthError as refusal:
            return render_template(
                "demo/refused.html", app=by_slug[slug], error=refusal.error, about=refusal.description
            )
        info = client.userinfo(token=token)
        session[slug] = {
            "id_token": token["id_token"],
            "claims": dict(token["userinfo"]),
            "userinfo": dict(info),
        }
        return redirect(url_for("app_page", slug=slug))

    @site.post("/<slug>/sign-out")
    def sign_out(slug: str) -> Any:
        kept = session.pop(slug, None)
        if kept is None:
            return redirect("/")
        words = {
            "id_token_hint": kept["id_token"],
            "post_logout_redirect_uri": f"{own}/",
            "client_id": by_slug[slug].client_id,
        }
        return redirect(f"{issuer}/end_session?{urlencode(words)}", 303)


def _shown(kept: dict[str, Any] | None, app: DemoApp, why: Why) -> dict[str, Any]:
    if kept is None:
        return {"signed_in": False, "claims": {}, "protocol": {}, "withheld": []}
    protocol = {
        name: value for name, value in kept["claims"].items() if name not in kept["userinfo"] or name == "sub"
    }
    reasons = why(app.client_id, str(kept["claims"]["sub"]))
    return {
        "signed_in": True,
        "claims": {**{n: v for n, v in kept["claims"].items() if n not in protocol}, **kept["userinfo"]},
        "protocol": protocol,
        "withheld": [(claim, reason) for claim, reason in reasons if reason != "released"],
    }


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - Werkzeug's name
        """A demo's console is for people."""


def run_beside(site: Flask, port: int) -> threading.Thread:
    """Serve the relying parties from a thread of this process."""
    server = make_server("127.0.0.1", port, site, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, name="demo-app", daemon=True)
    thread.start()
    return thread
