"""Where does anybody read which apps are connected and what they may know? No sign-in, four languages, and JSON.

/apps        the page
/apps.json   the same for programs; may be kept for a quarter of an hour
"""

from __future__ import annotations

import hashlib

import orjson
from flask import Blueprint, Response, make_response, render_template, request

from idp import context, web
from idp.claims import register
from idp.claims.pages import plain
from idp.config import LOOPBACK
from idp.web import Door

blueprint = Blueprint("register", __name__)
KEPT = 900
"""Seconds that whoever asked may keep the answer."""


@blueprint.get("/apps")
@web.door(Door.ANYONE)
def page() -> str:
    looked_for = request.args.get("zoek", "")[:60].strip()
    found = register.entries(context.house())
    shown = [one for one in found if plain(looked_for) in plain(f"{one.name} {one.purpose}")]
    return render_template(
        "claims/register.html", entries=shown, count=len(found), looked_for=looked_for, safe=_safe
    )


@blueprint.get("/apps.json")
@web.door(Door.ANYONE)
def document() -> Response:
    house = context.house()
    said = {"issuer": house.settings.issuer, "apps": [one.said() for one in register.entries(house)]}
    body = orjson.dumps(said)
    answer = make_response(body)
    answer.mimetype = "application/json"
    answer.headers["Cache-Control"] = f"public, max-age={KEPT}"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.set_etag(hashlib.sha256(body).hexdigest()[:32])
    answer.make_conditional(request)
    return answer


def _safe(uri: str | None) -> bool:
    """May this be a link? What an app registered is a stranger's word."""
    return bool(uri) and (
        str(uri).startswith("https://") or any(str(uri).startswith(f"http://{name}") for name in LOOPBACK)
    )
