"""Where do browsers get the logo of an app? From our own host, at an address that changes with the picture."""

from __future__ import annotations

import re

from flask import Blueprint, Response, make_response

from idp import apps, assets, context, web
from idp.errors import NotFound

blueprint = Blueprint("logo", __name__)


@blueprint.get(f"{apps.LOGOS}<digest>.png")
@web.door(web.Door.ANYONE)
def logo(digest: str) -> Response:
    """Nothing but a picture that we drew ourselves: whatever else a browser thinks it sees there, it does nothing."""
    image = None
    if re.fullmatch(r"[0-9a-f]{64}", digest):
        with context.house().database.reading() as db:
            image = apps.logo(db, digest)
    if image is None:
        raise NotFound("not_found")
    response = make_response(image)
    response.headers.update(
        {
            "Content-Type": "image/png",
            "Content-Security-Policy": "default-src 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": f"public, max-age={assets.YEAR}, immutable",
        }
    )
    return response
