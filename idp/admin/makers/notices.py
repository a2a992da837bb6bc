"""What changes for an app, and when? Signing keys, its registration, dates on which something ends: a JSON Feed (1.1).

For programs: ids are stable, so that a reader knows what it has seen. Holds no secret, and nothing of another app.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from idp.admin.apps import app_history, app_planning, app_secrets
from idp.clock import midnight
from idp.context import House
from idp.oidc import signing

MOST = 50
SWITCHES = {
    "pkce_exempt_until": "From the day after, requests without PKCE are refused.",
    "claims_in_id_token_until": "From the day after, claims come from /userinfo only.",
    "code_seconds_until": "From the day after, codes live as short as for every app.",
}
"""Fields with a last day, and what it means."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    id: str
    kind: str
    """`key`, `registration`, `switch` or `secret`."""
    title: str
    text: str
    at: datetime
    """When it became known; for an end, when it comes."""
    effective: datetime
    """From when it counts."""
    about: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "content_text": self.text,
            "date_published": self.at.isoformat(),
            "_idp": {"kind": self.kind, "effective": self.effective.isoformat(), **self.about},
        }


def of(db: Connection, house: House, client_id: str, now: datetime) -> tuple[Notice, ...]:
    """The newest first. Raises NotFound `app_unknown`."""
    found = [*_keys(db, house, now), *_changes(db, client_id), *_ends(db, client_id, now)]
    return tuple(sorted(found, key=lambda one: (one.effective, one.id), reverse=True))[:MOST]


def feed(house: House, client_id: str, notices: tuple[Notice, ...]) -> dict[str, Any]:
    """The whole as JSON Feed."""
    return {
        "version": "https://jsonfeed.org/version/1.1",
        "title": f"Changes for {client_id}",
        "home_page_url": f"{house.settings.issuer}/leverancier",
        "language": "en",
        "items": [one.as_json() for one in notices],
    }


def _keys(db: Connection, house: House, now: datetime) -> Iterator[Notice]:
    for line in signing.listing(db):
        if line.alg not in house.settings.signing_algorithms or line.state(now) is signing.State.GONE:
            continue
        yield Notice(
            id=f"key:{line.kid}:signs",
            kind="key",
            title=f"Key {line.kid} signs from {line.signs_from:%Y-%m-%d}",
            text="It is at /jwks already. Whoever reads /jwks when a kid is unknown has nothing to do.",
            at=line.announced_at,
            effective=line.signs_from,
            about={"kid": line.kid, "alg": line.alg, "state": line.state(now).value},
        )
        if line.gone_at is not None:
            yield Notice(
                id=f"key:{line.kid}:gone",
                kind="key",
                title=f"Key {line.kid} leaves /jwks on {line.gone_at:%Y-%m-%d}",
                text="Nothing that is still good was signed with it then.",
                at=line.announced_at,
                effective=line.gone_at,
                about={"kid": line.kid, "alg": line.alg, "state": line.state(now).value},
            )


def _changes(db: Connection, client_id: str) -> Iterator[Notice]:
    for one in app_history.history(db, client_id)[:MOST]:
        fields = ", ".join(one.fields)
        yield Notice(
            id=f"registration:{client_id}:{one.number}",
            kind="registration",
            title=f"Registration {one.what.value}" + (f": {fields}" if fields else ""),
            text=f"Version {one.number} of the registration.",
            at=one.at,
            effective=one.at,
            about={"what": one.what.value, "version": one.number, "fields": [*one.fields]},
        )


def _ends(db: Connection, client_id: str, now: datetime) -> Iterator[Notice]:
    document, _version = app_planning.document_of(db, client_id)
    for name, meaning in SWITCHES.items():
        if name in document:
            over = midnight(date.fromisoformat(str(document[name])) + timedelta(days=1))
            yield Notice(
                id=f"switch:{client_id}:{name}:{document[name]}",
                kind="switch",
                title=f"{name} is {document[name]}",
                text=meaning,
                at=over,
                effective=over,
                about={"field": name, "until": str(document[name])},
            )
    for secret in app_secrets.listing(db, client_id):
        if secret.expires_at is not None and secret.expires_at > now:
            yield Notice(
                id=f"secret:{secret.id}",
                kind="secret",
                title=f"A secret of {secret.created_at:%Y-%m-%d} ends on {secret.expires_at:%Y-%m-%d}",
                text="Use the newest one from then on.",
                at=secret.created_at,
                effective=secret.expires_at,
                about={"until": secret.expires_at.isoformat()},
            )
