"""Which apps are there, and what may be seen of one? Lists, searches, exports; never a secret.

However many apps there are, a list is a fixed number of statements.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select

from idp import apps
from idp.admin.apps import app_secrets, logos
from idp.admin.apps.app_planning import as_document
from idp.apps import App
from idp.errors import NotFound
from idp.models import App as AppRow
from idp.models import AppRequest, RequestState, VisibilityRule
from idp.oidc import fields


class State(StrEnum):
    """How an app stands."""

    WORKS = "works"
    DISABLED = "disabled"
    REMOVED = "removed"


class Care(StrEnum):
    """What an operator should look at."""

    NO_PROTOCOL = "no_protocol"
    """It may ask for classes, and its supplier signed nothing."""
    NO_REASONS = "no_reasons"
    """Schools do not read why it needs what it asks for."""
    SWITCHES = "switches"
    """It lives on an exemption."""
    REQUESTS = "requests"
    """A change of it waits."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """An app in the list."""

    client_id: str
    client_name: str
    state: State
    sandbox: bool
    supplier: str | None
    scopes: tuple[str, ...]
    version: int
    changed_at: datetime
    schools: int
    """That made it visible today."""
    care: tuple[Care, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "client_id": self.client_id,
            "client_name": self.client_name,
            "state": self.state.value,
            "sandbox": self.sandbox,
            "supplier": self.supplier,
            "scope": " ".join(self.scopes),
            "version": self.version,
            "changed_at": self.changed_at.isoformat(),
            "schools": self.schools,
            "care": [one.value for one in self.care],
        }


def search(
    db: Connection,
    *,
    today: date,
    words: str = "",
    scope: str | None = None,
    state: State | None = None,
    care: Care | None = None,
    supplier: str | None = None,
) -> list[Line]:
    """Apps by name that have every one of these words somewhere: name, id, address, contact, purpose, supplier.

    Without `state` those that are removed are left out. Three statements.
    """
    schools = _schools(db, today)
    asked = _requests(db)
    found = []
    wanted = fold(words).split()
    columns = select(AppRow.__table__).order_by(func.lower(AppRow.client_name), AppRow.client_id)
    for row in db.execute(columns).mappings():
        if not _fits(row, state=state, supplier=supplier, scope=scope, words=wanted):
            continue
        cares = care_of(row, today, requests=asked.get(row["client_id"], 0))
        if care is None or care in cares:
            found.append(_line(row, schools.get(row["client_id"], 0), cares))
    return found


def _fits(
    row: Mapping[Any, Any],
    *,
    state: State | None,
    supplier: str | None,
    scope: str | None,
    words: Sequence[str],
) -> bool:
    how = state_of(row)
    if how is not state if state else how is State.REMOVED:
        return False
    if supplier is not None and row["supplier"] != supplier:
        return False
    if scope is not None and scope not in _scopes(row):
        return False
    return not words or all(word in text for text in [_text(row)] for word in words)


@dataclass(frozen=True, kw_only=True)
class Named:
    """An app by its names."""

    client_id: str
    client_name: str
    state: State
    sandbox: bool


def by_name(db: Connection, words: str, *, most: int, removed: bool = False) -> tuple[list[Named], int]:
    """Apps with every one of these words in their name or client_id, and how many there are; `removed` ones, too, if so said.

    Whoever is called just so comes first, then whoever begins so. One statement that reads names alone.
    """
    columns = (AppRow.client_id, AppRow.client_name, AppRow.sandbox, AppRow.disabled_at, AppRow.paused_at)
    whole = fold(words).strip()
    found = []
    for row in db.execute(select(*columns)).mappings():
        state, names = state_of(row), (fold(row["client_name"]), fold(row["client_id"]))
        if (state is State.REMOVED and not removed) or not all(
            word in " ".join(names) for word in whole.split()
        ):
            continue
        near = 0 if whole in names else 1 if any(name.startswith(whole) for name in names) else 2
        one = Named(
            client_id=row["client_id"], client_name=row["client_name"], state=state, sandbox=row["sandbox"]
        )
        found.append((near, *names, one))
    found.sort(key=lambda ranked: ranked[:3])
    return [ranked[-1] for ranked in found[:most]], len(found)


def find(db: Connection, client_id: str) -> State | None:
    """How this app stands; None when there never was one."""
    columns = select(AppRow.disabled_at, AppRow.paused_at).where(AppRow.client_id == client_id)
    row = db.execute(columns).mappings().first()
    return state_of(row) if row else None


def state_of(row: Mapping[Any, Any]) -> State:
    if row["disabled_at"] is None:
        return State.WORKS
    return State.REMOVED if row["paused_at"] is None else State.DISABLED


def care_of(row: Mapping[Any, Any], today: date, *, requests: int = 0) -> tuple[Care, ...]:
    """What there is to look at, of an app that is no sandbox app."""
    document, scopes = row["registration"], _scopes(row)
    real = not row["sandbox"]
    switches = (
        document.get("pkce_exempt_until", "") >= today.isoformat(),
        document.get("claims_in_id_token"),
        document.get("code_seconds"),
        document.get("open_to_every_pupil"),
    )
    about_pupils = {*scopes} - {"openid", "offline_access", "vo"}
    checks = (
        (
            Care.NO_PROTOCOL,
            real and fields.CLASS_SCOPES & {*scopes} and "supplier_protocol_signed" not in document,
        ),
        (Care.NO_REASONS, real and about_pupils and not document.get("reasons")),
        (Care.SWITCHES, any(switches)),
        (Care.REQUESTS, requests),
    )
    return tuple(care for care, there in checks if there)


def export(db: Connection, client_ids: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Documents that admin/apps/apps.py takes, without secrets, by client_id; of all apps that are not removed, or of these."""
    rows = db.execute(select(AppRow.__table__).order_by(AppRow.client_id)).mappings()
    known = {row["client_id"]: as_document(row) for row in rows if state_of(row) is not State.REMOVED}
    if client_ids is None:
        return [*known.values()]
    for client_id in client_ids:
        if client_id not in known:
            raise NotFound("app_unknown", client_id)
    return [known[client_id] for client_id in client_ids]


def show(db: Connection, client_id: str) -> dict[str, Any]:
    """Everything about one app that may be seen: its document, its state, and until when its secrets are good."""
    where = AppRow.client_id == client_id
    row = db.execute(select(AppRow.__table__).where(where)).mappings().first()
    if row is None:
        raise NotFound("app_unknown", client_id[:100])
    state = state_of(row)
    return {
        **as_document(row),
        "sector": row["sector"],
        "sandbox": row["sandbox"],
        "state": state.value,
        "version": row["version"],
        "disabled_at": row["disabled_at"] if state is State.DISABLED else None,
        "removed_at": row["disabled_at"] if state is State.REMOVED else None,
        "created_at": row["created_at"],
        "changed_at": row["changed_at"],
        "logo": logos.about(db, client_id),
        "secrets": [
            {"id": one.id, "created_at": one.created_at, "expires_at": one.expires_at}
            for one in app_secrets.listing(db, client_id)
        ],
    }


def listing(db: Connection) -> list[App]:
    """Every app that works, by name."""
    return [app for app in apps.load_all(db) if not app.disabled]


def fold(text: str) -> str:
    """Without accents and capitals."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


def _text(row: Mapping[Any, Any]) -> str:
    document = row["registration"]
    lists = ("redirect_uris", "post_logout_redirect_uris", "contacts")
    parts = [row["client_id"], row["client_name"], row["sector"], row["supplier"] or ""]
    parts += [str(document.get(name, "")) for name in ("purpose", "client_uri", "jwks_uri", "software_id")]
    return fold(" ".join([*parts, *(str(one) for name in lists for one in document.get(name, ()))]))


def _scopes(row: Mapping[Any, Any]) -> tuple[str, ...]:
    return tuple(str(row["registration"].get("scope", "openid")).split())


def _line(row: Mapping[Any, Any], schools: int, care: tuple[Care, ...]) -> Line:
    return Line(
        client_id=row["client_id"],
        client_name=row["client_name"],
        state=state_of(row),
        sandbox=row["sandbox"],
        supplier=row["supplier"],
        scopes=_scopes(row),
        version=row["version"],
        changed_at=row["changed_at"],
        schools=schools,
        care=care,
    )


def _schools(db: Connection, today: date) -> dict[str, int]:
    rule = VisibilityRule
    counted = (
        select(rule.client_id, func.count(rule.instellingsnummer.distinct()))
        .where(rule.begindatum <= today, (rule.einddatum.is_(None)) | (rule.einddatum >= today))
        .group_by(rule.client_id)
    )
    return {row[0]: row[1] for row in db.execute(counted)}


def _requests(db: Connection) -> dict[str, int]:
    counted = (
        select(AppRequest.client_id, func.count())
        .where(AppRequest.state == RequestState.WAITING)
        .group_by(AppRequest.client_id)
    )
    return {row[0]: row[1] for row in db.execute(counted)}
