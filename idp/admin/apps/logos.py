"""Where does the logo of an app come from? From its `logo_uri`, read once and redrawn, or from a file of the operator.

Pages show what is kept here, from our own host: no browser is sent to an app before somebody chose to go there, and no
page waits for one. A logo that cannot be had is never a reason to refuse an app: a letter stands for it, and the reason
is kept for `idp app show`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from idp import apps, fetching
from idp.audit import apps as audit_apps
from idp.context import House
from idp.errors import Invalid, NotFound
from idp.fetching import NotFetched
from idp.models import App as AppRow
from idp.models import AppLogo

FILE = "file"
"""The source of a logo that an operator gave: it stays, whatever the app says of its logo later."""
MOST = 256 * 1024
"""Bytes of a file."""
ACCEPT = "image/png, image/webp, image/jpeg, image/gif"


def fetch_missing(house: House, client_ids: Sequence[str], now: datetime) -> dict[str, str]:
    """Read the logos of those apps that name one and have none yet. Never call it inside a transaction.

    Returns why not, for each app whose logo could not be had.
    """
    with house.database.reading() as db:
        rows = db.execute(
            select(AppRow.client_id, AppRow.registration)
            .outerjoin(AppLogo, AppLogo.client_id == AppRow.client_id)
            .where(
                AppRow.client_id.in_(client_ids), AppRow.disabled_at.is_(None), AppLogo.client_id.is_(None)
            )
        ).all()
    named = {client_id: registration.get("logo_uri") for client_id, registration in rows}
    tried = {client_id: _fetch(house, client_id, uri, now) for client_id, uri in named.items() if uri}
    return {client_id: problem for client_id, problem in tried.items() if problem}


def fetch(house: House, client_id: str, now: datetime) -> None:
    """Read it again, also when an operator gave a file. What there was stays when it cannot be had.

    Raises NotFound `app_unknown`, Invalid `logo_refused`.
    """
    with house.database.reading() as db:
        uri = _registration(db, client_id).get("logo_uri")
    if not uri:
        raise Invalid("logo_refused", "the registration has no logo_uri")
    problem = _fetch(house, client_id, uri, now)
    if problem:
        raise Invalid("logo_refused", problem)


def keep_file(house: House, client_id: str, content: bytes, now: datetime) -> None:
    """Show this picture from now on. Raises NotFound `app_unknown`, Invalid `logo_refused`."""
    image = _drawn(content)
    with house.database.transaction() as db:
        _registration(db, client_id)
        _keep(db, client_id, {"source": FILE, "fetched_at": now, "problem": None}, image)


def remove(db: Connection, client_id: str) -> None:
    """A letter stands for the app. Raises NotFound: `app_unknown`, or `logo_unknown` when there is no logo."""
    _registration(db, client_id)
    if not db.execute(delete(AppLogo).where(AppLogo.client_id == client_id)).rowcount:
        raise NotFound("logo_unknown", f"{client_id} has no logo")
    apps.changed(db)
    audit_apps.app_logo_changed(db, client_id=client_id, source="", sha256=None)


def forget_stale(db: Connection, client_id: str, logo_uri: str | None) -> None:
    """The registration was stored: a logo that came from elsewhere than it says now is not the app's any more."""
    old = AppLogo.source.not_in([FILE, logo_uri or FILE])
    db.execute(delete(AppLogo).where(AppLogo.client_id == client_id, old))


def forget(db: Connection, client_id: str) -> None:
    """The app is removed, and its logo with it."""
    db.execute(delete(AppLogo).where(AppLogo.client_id == client_id))


def about(db: Connection, client_id: str) -> dict[str, Any] | None:
    """Where the logo stands, where it came from, or why there is none; None when nothing was ever tried."""
    columns = (AppLogo.source, AppLogo.fetched_at, AppLogo.sha256, AppLogo.problem)
    row = db.execute(select(*columns).where(AppLogo.client_id == client_id)).mappings().first()
    if row is None:
        return None
    return {"path": apps.logo_path(row["sha256"]), **row}


# ---------------------------------------------------------------- inside


def _fetch(house: House, client_id: str, uri: str, now: datetime) -> str | None:
    """Read one and keep it, or why not; returns why not."""
    image, problem = None, None
    try:
        image = _drawn(_read(uri, loopback=house.settings.calls_this_machine))
    except NotFetched as no:
        problem = no.because[:200]
    except Invalid as no:
        problem = no.detail[:200]
    with house.database.transaction() as db:
        lock = select(AppRow.registration).where(AppRow.client_id == client_id, AppRow.disabled_at.is_(None))
        registration = db.execute(lock.with_for_update()).scalar()
        if registration is not None and registration.get("logo_uri") == uri:
            _keep(db, client_id, {"source": uri, "fetched_at": now, "problem": problem}, image)
    return problem


def _read(uri: str, *, loopback: bool) -> bytes:
    answer = fetching.get(uri, loopback=loopback, accept=ACCEPT, most=MOST)
    if answer.status != 200:
        raise NotFetched(f"the answer is {answer.status}, and only 200 is read")
    return answer.body


def _drawn(content: bytes) -> bytes:
    """Raises Invalid `logo_refused`."""
    from idp.admin.apps import logo_pictures  # and Pillow: only a process that read a logo carries it

    if len(content) > MOST:
        raise Invalid("logo_refused", f"the file is larger than {MOST} bytes")
    try:
        return logo_pictures.drawn(content)
    except logo_pictures.NotALogo as no:
        raise Invalid("logo_refused", no.because) from None


def _keep(db: Connection, client_id: str, columns: Mapping[str, Any], image: bytes | None) -> None:
    """Without an image, only what is said of one changes: a picture that is there stays."""
    mine = AppLogo.client_id == client_id
    before = db.execute(select(AppLogo.source, AppLogo.sha256).where(mine)).first()
    if before is None:
        db.execute(insert(AppLogo), {"client_id": client_id, "sha256": None, "image": None, **columns})
    elif image is None and before.sha256 is not None:
        columns = {"problem": columns["problem"]}
        db.execute(update(AppLogo).where(mine).values(**columns))
        return
    sha256 = hashlib.sha256(image).hexdigest() if image else None
    db.execute(update(AppLogo).where(mine).values(**columns, image=image, sha256=sha256))
    if sha256 != (before.sha256 if before else None):
        apps.changed(db)
        audit_apps.app_logo_changed(db, client_id=client_id, source=columns["source"], sha256=sha256)


def _registration(db: Connection, client_id: str) -> Mapping[str, Any]:
    mine = select(AppRow.registration).where(AppRow.client_id == client_id, AppRow.disabled_at.is_(None))
    found: Mapping[str, Any] | None = db.execute(mine.with_for_update()).scalar()
    if found is None:
        raise NotFound("app_unknown", client_id)
    return found
