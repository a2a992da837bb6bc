"""May an app register itself, and with what? With a token of the operator, and never with more than that allows.

RFC 7591, RFC 7592 and OpenID Connect Dynamic Client Registration. An initial access token is good so often, until a
day, for some scopes. What an app says of itself goes through oidc/registration.py like everything else; what only
an operator decides (see OPERATOR) it cannot say, and a change leaves that as it is. A registered app is visible for
nobody until a school makes it so; only with a token for the sandbox it is a sandbox app, which real pupils never meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from idp import entropy
from idp.admin.apps import app_planning, app_secrets, app_stopping, logos
from idp.admin.apps import apps as store
from idp.apps import App, load
from idp.audit import apps as audit_apps
from idp.claims import catalogue, visibility
from idp.clock import LAST_DAY, countable, day_of_law, midnight
from idp.context import House
from idp.entropy import Token
from idp.errors import Invalid, NotFound
from idp.models import App as AppRow
from idp.models import InitialAccessToken, RuleKind, School, SchoolKind, SelfRegistration
from idp.oidc import clients, fields, registration, sector_documents

NEVER = frozenset({"ov_klas", "vo"})
"""Scopes that no token gives: an operator adds them, app by app."""
SCOPES = tuple(scope for scope in catalogue.SCOPES if scope not in NEVER)
OPERATOR = frozenset(
    {
        "pkce_exempt_until",
        "open_to_every_pupil",
        "code_seconds",
        "code_seconds_until",
        "claims_in_id_token",
        "claims_in_id_token_until",
        "sector",
        "supplier_protocol",
        "supplier_protocol_signed",
    }
)
"""What only an operator decides."""
SCHOOLS_READ = frozenset({"purpose", "legal_ground", "processor_agreement", "retention", "reasons"})
"""What schools decide by: an app says it once; afterwards an operator changes it."""
REFUSED = frozenset(
    {
        "id_token_encrypted_response_alg",
        "userinfo_encrypted_response_alg",
        "request_object_encryption_alg",
        "tls_client_certificate_bound_access_tokens",
        "dpop_bound_access_tokens",
        "authorization_signed_response_alg",
    }
)
"""Known words for protection that we do not offer: an app that asks for it should not think it has it."""
LONGEST_LABEL = 100
MOST_USES = 1000


@dataclass(frozen=True, kw_only=True)
class InitialToken:
    id: str
    label: str
    scope: str
    pkce_exempt_until: date | None
    visible_in_sandbox: bool
    uses: int
    used: int
    expires_at: datetime
    revoked_at: datetime | None
    created_at: datetime
    created_by: str

    def good(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at and self.used < self.uses


@dataclass(frozen=True, kw_only=True)
class Registered:
    """What an app gets to read of its registration (RFC 7591 section 3.2.1, RFC 7592 section 3)."""

    metadata: dict[str, Any]
    client_id: str
    created_at: datetime
    secret: str | None = field(default=None, repr=False)
    """Only when it was made just now."""
    has_secret: bool = False
    token: str = field(repr=False, default="")

    def as_json(self, issuer: str) -> dict[str, Any]:
        hidden = {"sector", "open_to_every_pupil"}
        shown = {name: value for name, value in self.metadata.items() if name not in hidden}
        shown |= {
            "client_id": self.client_id,
            "client_id_issued_at": int(self.created_at.timestamp()),
            "registration_access_token": self.token,
            "registration_client_uri": f"{issuer}/register/{self.client_id}",
        }
        if self.secret is not None:
            shown["client_secret"] = self.secret
        if self.has_secret:
            shown["client_secret_expires_at"] = 0
        return shown


class Refused(Exception):
    """The answer is an error of RFC 7591 section 3.2.2; `status` is 400, or 401 for `invalid_token`."""

    def __init__(
        self, error: str, description: str, *, status: int = 400, client_id: str | None = None
    ) -> None:
        super().__init__(error)
        self.error, self.description = error, description
        self.status, self.client_id = status, client_id


# ---------------------------------------------------------------- the operator


def issue(
    db: Connection,
    *,
    label: str,
    scope: str,
    uses: int,
    until: date,
    pkce_exempt_until: date | None,
    visible_in_sandbox: bool = False,
    by: str,
    now: datetime,
) -> tuple[str, str]:
    """A new initial access token, shown once: (id, token). It is good through the day `until`. Raises Invalid.

    `visible_in_sandbox`: its apps are for the sandbox schools, and can never meet pupils of a real one.
    """
    asked, label = scope.split(), label.strip()
    unknown = [one for one in asked if one not in SCOPES]
    if unknown or "openid" not in asked:
        raise Invalid("scope_refused", f"scope must have openid, and may have: {', '.join(SCOPES)}")
    today = day_of_law(now)
    if until < today:
        raise Invalid("date_refused", "the token would have ended already")
    if countable(until) is None:
        raise Invalid("date_refused", f"its last day is {LAST_DAY} at most")
    if pkce_exempt_until is not None and not today <= pkce_exempt_until <= today + fields.LONGEST_EXEMPTION:
        raise Invalid("date_refused", "an exemption from PKCE ends within two years")
    if not 0 < len(label) <= LONGEST_LABEL or not label.isprintable() or not 0 < uses <= MOST_USES:
        raise Invalid("token_refused", f"a label, and 1 to {MOST_USES} uses, are wanted")
    if visible_in_sandbox and not _sandbox_schools(db):
        raise Invalid(
            "no_sandbox", "there is no sandbox school here, and real schools decide themselves what they show"
        )
    token, name = entropy.token(Token.INITIAL_ACCESS, now), entropy.row_id()
    most = " ".join(one for one in SCOPES if one in asked)
    row = {
        "id": name,
        "digest": entropy.digest(token, Token.INITIAL_ACCESS),
        "label": label,
        "scope": most,
        "pkce_exempt_until": pkce_exempt_until,
        "visible_in_sandbox": visible_in_sandbox,
        "uses": uses,
        "used": 0,
        "expires_at": midnight(date.fromordinal(until.toordinal() + 1)),
        "created_at": now,
        "created_by": by,
    }
    db.execute(insert(InitialAccessToken), row)
    audit_apps.initial_token_issued(
        db, token=name, label=label, uses=uses, scope=most, visible_in_sandbox=visible_in_sandbox
    )
    return name, token


def listing(db: Connection) -> list[InitialToken]:
    """Every initial access token, newest first; never the token itself."""
    rows = db.execute(select(InitialAccessToken.__table__).order_by(InitialAccessToken.id.desc())).mappings()
    return [_initial(row) for row in rows]


def revoke(db: Connection, name: str, now: datetime) -> None:
    """No app registers with it any more; those that did stay. Raises NotFound."""
    mine = (InitialAccessToken.id == name) & InitialAccessToken.revoked_at.is_(None)
    known = {one.id for one in listing(db)}
    if (
        name not in known
        or not db.execute(update(InitialAccessToken).where(mine).values(revoked_at=now)).rowcount
    ):
        raise NotFound("token_unknown", name)
    audit_apps.initial_token_revoked(db, token=name)


# ---------------------------------------------------------------- the app


def register(house: House, token: str, metadata: Any, *, now: datetime) -> Registered:
    """A new app. Raises Refused; a refusal uses nothing up."""
    with house.database.reading() as db:
        initial = _find_initial(db, token)
    if initial is None or not initial.good(now):
        raise _bad_token()
    document = _document(house, metadata, initial, existing=None)
    with house.database.transaction() as db:
        if not _use_up(db, initial, now):
            raise _bad_token()
        stored = _store(db, house, document, now, sandbox=initial.visible_in_sandbox)
        if initial.visible_in_sandbox:
            _show_in_sandbox(db, stored.client_id, initial, now)
        kept = entropy.token(Token.REGISTRATION, now)
        row = {"client_id": stored.client_id, "digest": entropy.digest(kept, Token.REGISTRATION)}
        db.execute(insert(SelfRegistration), row | {"initial_token": initial.id, "created_at": now})
    logos.fetch_missing(house, [stored.client_id], now)
    return _answer(stored.client_id, dict(stored.registration), now, kept, secret=stored.client_secret)


def read(house: House, client_id: str, token: str) -> Registered:
    """The registration as it is (RFC 7592 section 2.1). Raises Refused."""
    with house.database.reading() as db:
        app, _, created_at = _mine(db, client_id, token)
        metadata = db.execute(
            select(AppRow.registration).where(AppRow.client_id == app.client_id)
        ).scalar_one()
    return _answer(app.client_id, metadata, created_at, token)


def change(house: House, client_id: str, token: str, metadata: Any, *, now: datetime) -> Registered:
    """Replace the registration (RFC 7592 section 2.2): what is left out goes back to its default. Raises Refused."""
    with house.database.reading() as db:
        app, initial, created_at = _mine(db, client_id, token)
        old = db.execute(select(AppRow.registration).where(AppRow.client_id == client_id)).scalar_one()
    given = metadata if isinstance(metadata, dict) else {}
    if given.get("client_id") != client_id:
        raise Refused(
            "invalid_client_metadata", "client_id must be the one of this address.", client_id=client_id
        )
    if (secret := given.get("client_secret")) and not clients.is_secret(app, str(secret), now):
        told = "client_secret must be the one that the app has; leave it out to keep it."
        raise Refused("invalid_client_metadata", told, client_id=client_id)
    given = {name: value for name, value in given.items() if name not in SCHOOLS_READ}
    document = _document(house, given, initial, existing=app)
    stays = (OPERATOR | SCHOOLS_READ) - {"sector"}
    if document.get("token_endpoint_auth_method") == "none":
        stays -= {"pkce_exempt_until"}  # who gives up the secret always uses PKCE
    document |= {name: old[name] for name in stays if name in old}
    with house.database.transaction() as db:
        _mine(db, client_id, token)
        stored = _store(db, house, document, now, four_eyes=house.settings.four_eyes)
    if stored.request is not None:
        told = f"This change waits for an operator, since it widens {', '.join(stored.widens)}: request {stored.request}."
        raise Refused("invalid_client_metadata", told, client_id=client_id)
    logos.fetch_missing(house, [client_id], now)
    return _answer(client_id, dict(stored.registration), created_at, token, secret=stored.client_secret)


def remove(house: House, client_id: str, token: str, *, now: datetime) -> None:
    """The app takes itself out, at once (RFC 7592 section 2.3). Raises Refused."""
    with house.database.transaction() as db:
        _mine(db, client_id, token)
        app_stopping.remove(db, client_id, now=now)
        db.execute(delete(SelfRegistration).where(SelfRegistration.client_id == client_id))


# ---------------------------------------------------------------- what it may say


def _document(house: House, metadata: Any, initial: InitialToken, *, existing: App | None) -> dict[str, Any]:
    """What goes to the one door of registrations. What we do not understand is ignored (RFC 7591 section 2)."""
    if not isinstance(metadata, dict):
        raise Refused("invalid_client_metadata", "The body must be a JSON object.")
    asked = sorted(REFUSED & {name for name, value in metadata.items() if value})
    if asked:
        raise Refused("invalid_client_metadata", f"{', '.join(asked)}: not supported.")
    known = {
        name: value
        for name, value in metadata.items()
        if name in registration.FIELDS
        and name not in OPERATOR | {"client_id"}
        and value not in (None, "", [])
    }
    if existing is not None:
        known["client_id"] = existing.client_id
    elif initial.pkce_exempt_until is not None and known.get("token_endpoint_auth_method") != "none":
        known["pkce_exempt_until"] = initial.pkce_exempt_until.isoformat()
    known.setdefault("client_name", _name_of(known))
    known["scope"] = _scope(known, initial, existing)
    if known.get("subject_type") == "public" and "ov_leerling" not in known["scope"].split():
        raise Refused(
            "invalid_client_metadata",
            "subject_type: public tells who a pupil is, so it needs the scope ov_leerling.",
        )
    _check_sector(house, known, existing)
    return known


def _name_of(known: Mapping[str, Any]) -> str:
    """client_name is optional (RFC 7591 section 2): then the place of the app names it."""
    uris = known.get("redirect_uris")
    first = uris[0] if isinstance(uris, list) and uris and isinstance(uris[0], str) else ""
    return first.partition("://")[2].partition("/")[0][:200] or "app"


def _scope(known: Mapping[str, Any], initial: InitialToken, existing: App | None) -> str:
    """What was asked, as far as the token allows it, or an operator gave it since; everything when nothing was asked."""
    allowed = {*initial.scope.split(), *(existing.scopes if existing else ())}
    asked = known.get("scope", initial.scope)
    if not isinstance(asked, str):
        raise Refused("invalid_client_metadata", "scope: must be text: scopes with a space between them.")
    wanted = {*asked.split()}
    grants = known.get("grant_types")
    if not (isinstance(grants, list) and "refresh_token" in grants):
        wanted.discard("offline_access")
    return " ".join(scope for scope in catalogue.SCOPES if scope in allowed & (wanted | {"openid"}))


def _check_sector(house: House, known: Mapping[str, Any], existing: App | None) -> None:
    """A sector stays for ever, so an app that moves away from its host must show that this host knows of it."""
    if existing is not None and "sector_identifier_uri" not in known:
        moved = sector_documents.elsewhere(known, existing, loopback=house.settings.demo)
        if moved:
            told = f"redirect_uris: {', '.join(moved)} is not {existing.sector}: name a sector_identifier_uri there."
            raise Refused("invalid_client_metadata", told, client_id=existing.client_id)
    wrong = sector_documents.problem(known, loopback=house.settings.calls_this_machine)
    if wrong is not None:
        raise Refused("invalid_client_metadata", f"{wrong.field}: {wrong.problem}.")


# ---------------------------------------------------------------- inside


def _store(
    db: Connection,
    house: House,
    document: dict[str, Any],
    now: datetime,
    *,
    sandbox: bool = False,
    four_eyes: bool = False,
) -> store.Imported:
    settings = house.settings
    try:
        (stored,) = store.store(
            db,
            [document],
            loopback_ok=settings.demo,
            algorithms=settings.signing_algorithms,
            sandbox=True if sandbox or settings.demo else None,
            now=now,
            four_eyes=four_eyes,
        )
    except app_planning.Refused as refused:
        problems = next(iter(refused.problems.values()))
        error = "invalid_redirect_uri" if "redirect_uris" in problems else "invalid_client_metadata"
        told = "; ".join(f"{name}: {said}" for name, sentences in problems.items() for said in sentences)
        raise Refused(error, told) from None
    return stored


def _sandbox_schools(db: Connection) -> list[str]:
    here = select(School.instellingsnummer).where(School.kind == SchoolKind.SANDBOX)
    return [*db.execute(here.order_by(School.instellingsnummer)).scalars()]


def _show_in_sandbox(db: Connection, client_id: str, initial: InitialToken, now: datetime) -> None:
    """As `idp visible add` would, for every sandbox school that there is by now."""
    app = load(db, client_id)
    assert app is not None
    for school in _sandbox_schools(db):
        visibility.add(
            db,
            app=app,
            instellingsnummer=school,
            kind=RuleKind.SCHOOL,
            begindatum=day_of_law(now),
            by=initial.created_by,
            now=now,
        )


def _use_up(db: Connection, initial: InitialToken, now: datetime) -> bool:
    good = (
        (InitialAccessToken.id == initial.id)
        & (InitialAccessToken.used < InitialAccessToken.uses)
        & InitialAccessToken.revoked_at.is_(None)
        & (InitialAccessToken.expires_at > now)
    )
    one_more = update(InitialAccessToken).where(good).values(used=InitialAccessToken.used + 1)
    return db.execute(one_more).rowcount == 1


def _find_initial(db: Connection, token: str) -> InitialToken | None:
    digest = entropy.digest(token, Token.INITIAL_ACCESS)
    if digest is None:
        return None
    row = db.execute(
        select(InitialAccessToken.__table__).where(InitialAccessToken.digest == digest)
    ).mappings()
    found = row.first()
    return _initial(found) if found else None


def _mine(db: Connection, client_id: str, token: str) -> tuple[App, InitialToken, datetime]:
    """The app whose registration this token looks after: this one, and no other."""
    digest = entropy.digest(token, Token.REGISTRATION)
    row = (
        db.execute(
            select(
                SelfRegistration.client_id,
                SelfRegistration.created_at.label("since"),
                InitialAccessToken.__table__,
            )
            .join(InitialAccessToken, InitialAccessToken.id == SelfRegistration.initial_token)
            .where(SelfRegistration.digest == digest, SelfRegistration.client_id == client_id)
        )
        .mappings()
        .first()
        if digest
        else None
    )
    app = load(db, client_id) if row else None
    if row is None or app is None or app.disabled:
        raise _bad_token()
    return app, _initial(row), row["since"]


def _initial(row: Mapping[Any, Any]) -> InitialToken:
    return InitialToken(**{name: row[name] for name in InitialToken.__dataclass_fields__})


def _bad_token() -> Refused:
    return Refused("invalid_token", "The token is unknown, used up, or has ended.", status=401)


def _answer(
    client_id: str, metadata: dict[str, Any], created_at: datetime, token: str, *, secret: str | None = None
) -> Registered:
    return Registered(
        metadata=metadata,
        client_id=client_id,
        created_at=created_at,
        secret=secret,
        has_secret=metadata["token_endpoint_auth_method"] in app_secrets.WITH_SECRET,
        token=token,
    )
