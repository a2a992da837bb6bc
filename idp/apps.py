"""Which apps are registered, as values that every floor can read?

A registration is one reviewable document (RFC 7591 metadata plus our own fields); oidc/registration.py
validates it, admin/apps/apps.py stores it, this page reads it and caches it for as long as nobody changes one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select, select, update

from idp.clock import Clock
from idp.database import Database
from idp.models import App as AppRow
from idp.models import AppLogo, AppSecret, RegistryVersion

CACHE_SECONDS = 2.0
"""A change of a registration is seen by every worker at most this much later."""
DAYS = (
    "pkce_exempt_until",
    "claims_in_id_token_until",
    "code_seconds_until",
    "supplier_protocol_signed",
)
"""Fields of a registration that are days."""
LISTS_SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"
"""With which an app reads lists of its pupils by itself (rosters/)."""
LOGOS = "/app-logo/"
"""Where our own host shows the logos of apps."""


@dataclass(frozen=True, kw_only=True)
class App:
    """A registered app. Names are those of RFC 7591 and OpenID Connect Registration where they exist."""

    client_id: str
    client_name: str
    sector: str
    sandbox: bool = False
    disabled: bool = False
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset({"openid"})
    grant_types: frozenset[str] = frozenset({"authorization_code"})
    token_endpoint_auth_method: str = "client_secret_basic"
    token_endpoint_auth_signing_alg: str | None = None
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    request_object_signing_alg: str | None = None
    """Signed requests must use this one; None: any that we know."""
    require_signed_request_object: bool = False
    """RFC 9101: only signed requests, and only what is inside them counts."""
    require_pushed_authorization_requests: bool = False
    """RFC 9126: only requests that came through /par."""
    request_uris: tuple[str, ...] = ()
    """Where signed requests may be read, exactly."""
    subject_type: str = "pairwise"
    id_token_signed_response_alg: str = "RS256"
    userinfo_signed_response_alg: str | None = None
    initiate_login_uri: str | None = None
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    default_max_age: int | None = None
    default_acr_values: tuple[str, ...] = ()
    """How it would like somebody to have signed in, dearest first, for requests that do not say (a wish)."""
    require_auth_time: bool = False
    client_uri: str | None = None
    logo_uri: str | None = None
    """What the app says; pages show `logo`."""
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[str, ...] = ()
    pkce_exempt_until: date | None = None
    """A visible, dated exemption; None: PKCE S256 is required."""
    claims_in_id_token: bool = False
    claims_in_id_token_until: date | None = None
    """The last day of that switch; None: until somebody turns it off."""
    open_to_every_pupil: bool = False
    code_seconds: int | None = None
    code_seconds_until: date | None = None
    purpose: str = ""
    legal_ground: str = ""
    processor_agreement: str = ""
    retention: str = ""
    supplier_protocol: str = ""
    """Where the protocol that its supplier signed can be found."""
    supplier_protocol_signed: date | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why the app needs a claim, by claim name; schools and pupils read it."""
    secrets: tuple[tuple[str, datetime | None], ...] = field(default=(), repr=False)
    """Digests of live client secrets and until when each is good."""
    logo_sha256: str | None = None

    @property
    def logo(self) -> str | None:
        """Where its logo stands on our own host; None: a letter stands for it."""
        return logo_path(self.logo_sha256)

    @property
    def public(self) -> bool:
        return self.token_endpoint_auth_method == "none"

    @property
    def reads_lists(self) -> bool:
        """Does it get its pupils as lists too, without anybody signing in? Never more than at a sign-in."""
        return LISTS_SCOPE in self.scopes

    def pkce_required(self, today: date) -> bool:
        return self.public or self.pkce_exempt_until is None or today > self.pkce_exempt_until

    def tells_in_id_token(self, today: date) -> bool:
        """Do claims go into its ID tokens too? A switch for apps that cannot call userinfo."""
        return self.claims_in_id_token and not _over(self.claims_in_id_token_until, today)

    def code_life(self, usual: int, today: date) -> int:
        """Seconds that its authorization codes live."""
        if self.code_seconds is None or _over(self.code_seconds_until, today):
            return usual
        return self.code_seconds


def _over(last: date | None, today: date) -> bool:
    return last is not None and today > last


def logo_path(sha256: str | None) -> str | None:
    """The address, on our own host, of the logo with this digest."""
    return f"{LOGOS}{sha256}.png" if sha256 else None


def from_registration(client_id: str, registration: Mapping[str, Any], **columns: Any) -> App:
    """The value of a stored registration; `columns` are those that the table decides (sector, sandbox …)."""
    known = {name: registration[name] for name in App.__dataclass_fields__ if name in registration}
    known["scopes"] = frozenset(str(registration.get("scope", "openid")).split())
    for name in (
        "redirect_uris",
        "post_logout_redirect_uris",
        "request_uris",
        "contacts",
        "default_acr_values",
    ):
        known[name] = tuple(registration.get(name, ()))
    known["grant_types"] = frozenset(registration.get("grant_types", ("authorization_code",)))
    for name in DAYS:
        day = registration.get(name)
        known[name] = date.fromisoformat(day) if isinstance(day, str) else day
    return App(**(known | {"client_id": client_id} | columns))


def load(db: Connection, client_id: str) -> App | None:
    """The app as it is now, or None."""
    row = db.execute(_rows().where(AppRow.client_id == client_id)).mappings().first()
    if row is None:
        return None
    secrets = db.execute(_SECRETS.where(AppSecret.client_id == client_id)).all()
    return _value(dict(row), [(digest, until) for _, digest, until in secrets])


def load_all(db: Connection) -> list[App]:
    """Every app, by name."""
    rows = db.execute(_rows().order_by(AppRow.client_name, AppRow.client_id)).mappings().all()
    secrets: dict[str, list[tuple[str, datetime | None]]] = {}
    for client_id, digest, until in db.execute(_SECRETS):
        secrets.setdefault(client_id, []).append((digest, until))
    return [_value(dict(row), secrets.get(row["client_id"], ())) for row in rows]


def logo(db: Connection, sha256: str) -> bytes | None:
    """The picture with this digest, while an app has it."""
    return db.execute(select(AppLogo.image).where(AppLogo.sha256 == sha256).limit(1)).scalar()


def _rows() -> Select[Any]:
    """Everything that a value is made of but its secrets."""
    return select(AppRow.__table__, AppLogo.sha256.label("logo_sha256")).outerjoin(
        AppLogo, AppLogo.client_id == AppRow.client_id
    )


def changed(db: Connection) -> None:
    """Tell every worker that a registration changed. Call it in the transaction that changes one."""
    db.execute(update(RegistryVersion).values(version=RegistryVersion.version + 1))


class Registry:
    """Registered apps by client_id, from memory; looks every few seconds whether anything changed."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        self._apps: dict[str, App | None] = {}
        self._version: int | None = None
        self._looked = float("-inf")

    def find(self, client_id: str) -> App | None:
        """The app, also when disabled; None when there is none."""
        self._look()
        known = (
            self._apps
        )  # what is read now belongs to this version, even when another thread sees a newer one meanwhile
        if client_id in known:
            return known[client_id]
        if not 0 < len(client_id) <= 100 or "\x00" in client_id:
            return None
        with self._database.reading() as db:
            app = load(db, client_id)
        if app is not None:
            known[client_id] = app
        return app

    def _look(self) -> None:
        if self._clock.monotonic() - self._looked < CACHE_SECONDS:
            return
        with self._lock:
            with self._database.reading() as db:
                version = db.execute(select(RegistryVersion.version)).scalar()
            if version != self._version:
                self._apps, self._version = {}, version
            self._looked = self._clock.monotonic()


_SECRETS = select(AppSecret.client_id, AppSecret.digest, AppSecret.expires_at).order_by(
    AppSecret.created_at.desc()
)


def _value(row: dict[str, Any], secrets: Iterable[tuple[str, datetime | None]]) -> App:
    return from_registration(
        row["client_id"],
        row["registration"],
        client_name=row["client_name"],
        sector=row["sector"],
        sandbox=row["sandbox"],
        disabled=row["disabled_at"] is not None,
        logo_sha256=row["logo_sha256"],
        secrets=tuple(secrets),
    )
