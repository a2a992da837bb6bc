"""Which codes, grants and tokens exist, and do they still stand? All SQL of the hot paths is on this page.

A *grant* is one sign-in at one app, for one school. A code begins it, access and refresh tokens belong to it,
and revoking it ends them all. Nothing about a pupil's classes is ever stored here: claims are decided anew at
every release. Tokens are kept as digests only. Refusals are values, so that what a refusal changes (a burnt
code, a revoked family) commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Date, Select, Table, bindparam, insert, select, update

from idp import entropy
from idp.apps import App
from idp.claims import catalogue, facts, pseudonym
from idp.clock import day_of_law
from idp.context import House
from idp.entropy import Token
from idp.models import AccessToken, AuthorizationCode, Base, Grant, Pupil, Session
from idp.prepared import Prepared
from idp.watching import measures

OFFLINE = "offline_access"


def table(model: type[Base]) -> Table:
    """The table of a model, for Core statements."""
    return cast("Table", model.__table__)


GRANTS, CODES, ACCESS = table(Grant), table(AuthorizationCode), table(AccessToken)
SESSIONS = table(Session)


class Asked(Protocol):
    """What `begin_grant` reads of a validated authorization request."""

    @property
    def redirect_uri(self) -> str: ...
    @property
    def scope(self) -> str:
        """Scopes between spaces, every one allowed to this app."""
        ...

    @property
    def nonce(self) -> str | None: ...
    @property
    def code_challenge(self) -> str | None:
        """S256 only; None for an app that is exempt from PKCE."""
        ...

    @property
    def claims(self) -> Mapping[str, Any] | None:
        """The parsed `claims` parameter."""
        ...


class SignedIn(Protocol):
    """What `begin_grant` reads of a session."""

    @property
    def sid(self) -> str: ...
    @property
    def account_uuid(self) -> str: ...
    @property
    def auth_time(self) -> datetime: ...
    @property
    def amr(self) -> tuple[str, ...]: ...
    @property
    def acr(self) -> str: ...


def begin_grant(
    db: Connection,
    house: House,
    *,
    app: App,
    request: Asked,
    session: SignedIn,
    instellingsnummer: str | None,
    now: datetime,
    habits: int | None = None,
    met: bool = False,
) -> str:
    """Write a grant and its code; returns the code, which is shown once (RFC 6749 section 4.1.2).

    The caller has checked that the app is visible for this pupil at this school, in the same transaction; perhaps it
    saw there, too, that the app has `met` this pupil.
    """
    settings = house.settings
    offline = OFFLINE in request.scope.split() and "refresh_token" in app.grant_types
    seconds = min(app.code_life(settings.code_seconds, day_of_law(now)), 60)
    life = (
        timedelta(days=settings.refresh_days)
        if offline
        else timedelta(seconds=seconds, minutes=settings.access_token_minutes)
    )
    if not met:
        pseudonym.remember(db, house.keys, app, session.account_uuid, now)
    grant_id, code = entropy.row_id(), entropy.token(Token.CODE, now)
    _INSERT_GRANT.later(
        db,
        {
            "id": grant_id,
            "client_id": app.client_id,
            "account_uuid": session.account_uuid,
            "instellingsnummer": instellingsnummer,
            "sid": session.sid,
            "scope": request.scope,
            "asked": dict(request.claims) if request.claims else None,
            "auth_time": session.auth_time,
            "amr": list(session.amr),
            "acr": session.acr,
            "offline": offline,
            "created_at": now,
            "expires_at": now + life,
            "habits": habits,
        },
    )
    _INSERT_CODE.later(
        db,
        {
            "digest": entropy.digest(code, Token.CODE),
            "grant_id": grant_id,
            "client_id": app.client_id,
            "redirect_uri": request.redirect_uri,
            "nonce": request.nonce,
            "code_challenge": request.code_challenge,
            "issued_at": now,
            "expires_at": now + timedelta(seconds=seconds),
        },
    )
    measures.issued("code")
    return code


# ---------------------------------------------------------------- what stands


@dataclass(frozen=True, kw_only=True, slots=True)
class Living:
    """A grant, as it is now: about whom, and whether it stands."""

    account_uuid: str
    instellingsnummer: str | None
    scope: str
    asked: dict[str, Any] | None
    offline: bool
    expires_at: datetime
    revoked: bool
    session_ended: bool
    session_expires_at: datetime

    def stands(self, now: datetime) -> bool:
        """Not revoked, not past its end, and its session lives, unless it has refresh tokens."""
        return not self.revoked and now < self.expires_at and (self.offline or self.session_lives(now))

    def session_lives(self, now: datetime) -> bool:
        return not self.session_ended and now < self.session_expires_at


@dataclass(frozen=True, kw_only=True, slots=True)
class Held(Living):
    """The same, with everything that an ID token says of its sign-in."""

    id: str
    client_id: str
    sid: str
    auth_time: datetime
    amr: list[str]
    acr: str


@dataclass(frozen=True, kw_only=True, slots=True)
class No:
    """A refusal that has been written down where needed; `because` is for the audit trail."""

    because: str
    description: str
    """For the app's developer: printable ASCII without quotes."""


LIVING = (
    GRANTS.c.id.label("grant_id"),
    GRANTS.c.account_uuid,
    GRANTS.c.instellingsnummer,
    GRANTS.c.scope.label("grant_scope"),
    GRANTS.c.asked,
    GRANTS.c.offline,
    GRANTS.c.expires_at.label("grant_expires_at"),
    GRANTS.c.revoked_at.is_not(None).label("grant_revoked"),
    SESSIONS.c.ended_at.is_not(None).label("session_ended"),
    SESSIONS.c.expires_at.label("session_expires_at"),
)
"""The columns of a Living; join GRANTS and SESSIONS."""
GRANT = (
    *LIVING,
    GRANTS.c.client_id.label("grant_client"),
    GRANTS.c.sid,
    GRANTS.c.auth_time,
    GRANTS.c.amr,
    GRANTS.c.acr,
)
"""The columns that `held_of` reads."""


def held_of(row: Any) -> Held:
    return Held(
        account_uuid=row.account_uuid,
        instellingsnummer=row.instellingsnummer,
        scope=row.grant_scope,
        asked=row.asked,
        offline=row.offline,
        expires_at=row.grant_expires_at,
        revoked=row.grant_revoked,
        session_ended=row.session_ended,
        session_expires_at=row.session_expires_at,
        id=row.grant_id,
        client_id=row.grant_client,
        sid=row.sid,
        auth_time=row.auth_time,
        amr=row.amr,
        acr=row.acr,
    )


def revoke_grant(db: Connection, grant_id: str, *, because: str, now: datetime) -> bool:
    """End everything that came of a sign-in. False: it had ended already."""
    given = {"grant": grant_id, "at": now, "why": because}
    return _REVOKE_GRANT.run(db, given) == 1


# ---------------------------------------------------------------- access tokens

KLASINFORMATIE = ".klas"
"""Behind an access token whose scope asks klasinformatie, so that this is known before the token is looked up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """An access token that exists."""

    client_id: str
    scope: str
    issued_at: datetime
    expires_at: datetime
    revoked: bool
    held: Living | None
    """None: the app speaks for itself."""

    def stands(self, now: datetime) -> bool:
        """What is stored lets it; whether the app is still visible is decided at every release."""
        return not self.revoked and now < self.expires_at and (self.held is None or self.held.stands(now))

    @property
    def asked(self) -> dict[str, Any] | None:
        """The `claims` parameter; an access token with less than the grant's scope leaves it behind."""
        return self.held.asked if self.held and self.scope == self.held.scope else None


def issue_access(
    db: Connection, *, client_id: str, grant_id: str | None, scope: str, now: datetime, expires_at: datetime
) -> str:
    """A new access token, shown once."""
    asks = catalogue.klasinformatie_in(catalogue.claims_of_scope(scope))
    token = entropy.token(Token.ACCESS, now, mark=KLASINFORMATIE if asks else "")
    _INSERT_ACCESS.later(
        db,
        {
            "digest": entropy.digest(token, Token.ACCESS),
            "grant_id": grant_id,
            "client_id": client_id,
            "scope": scope,
            "issued_at": now,
            "expires_at": expires_at,
        },
    )
    measures.issued("access")
    return token


def find_access(db: Connection, token: str) -> Access | None:
    """The access token, dead or alive, with its grant and session: one select."""
    digest = entropy.digest(token, Token.ACCESS)
    row = _ACCESS.first(db, {"digest": digest}) if digest else None
    return _access_of(row) if row is not None else None


def find_access_and_facts(db: Connection, token: str, today: date) -> tuple[Access | None, Any]:
    """The same, and what is true of its pupil today (a row for `claims/facts.py`): still one select.

    Userinfo and introspection are this select and one line in the ledger. What klasinformatie takes is looked up only for
    tokens that say that they ask it; a token that says nothing and asks it by name is looked at twice.
    """
    digest = entropy.digest(token, Token.ACCESS)
    statement = _WITH_KLASINFORMATIE if token.endswith(KLASINFORMATIE) else _WITHOUT
    row = statement.first(db, {"digest": digest, "today": today}) if digest else None
    return (None if row is None else _access_of(row)), row


def _access_of(row: Any) -> Access:
    return Access(
        client_id=row.client_id,
        scope=row.scope,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        revoked=row.revoked,
        held=Living(
            account_uuid=row.account_uuid,
            instellingsnummer=row.instellingsnummer,
            scope=row.grant_scope,
            asked=row.asked,
            offline=row.offline,
            expires_at=row.grant_expires_at,
            revoked=row.grant_revoked,
            session_ended=row.session_ended,
            session_expires_at=row.session_expires_at,
        )
        if row.grant_id
        else None,
    )


def revoke_access(db: Connection, token: str, now: datetime) -> None:
    _REVOKE_ACCESS.run(db, {"token": entropy.digest(token, Token.ACCESS), "at": now})


# ---------------------------------------------------------------- statements, prepared once

_INSERT_GRANT, _INSERT_CODE, _INSERT_ACCESS = map(Prepared, (insert(GRANTS), insert(CODES), insert(ACCESS)))
_USED = (
    ACCESS.c.client_id,
    ACCESS.c.scope,
    ACCESS.c.issued_at,
    ACCESS.c.expires_at,
    ACCESS.c.revoked_at.is_not(None).label("revoked"),
    *LIVING,
)
_USE = ACCESS.outerjoin(GRANTS, GRANTS.c.id == ACCESS.c.grant_id).outerjoin(
    SESSIONS, SESSIONS.c.sid == GRANTS.c.sid
)
_THIS_ONE = ACCESS.c.digest == bindparam("digest")
_ACCESS = Prepared(select(*_USED).select_from(_USE).where(_THIS_ONE))


def with_facts(
    columns: Sequence[Any], sources: Any, client: Any, *, klasinformatie: bool = False
) -> Select[*tuple[Any, ...]]:
    """A select of a token or code, with what is true of the pupil of its grant beside it (a row for `claims/facts.py`).

    `sources` has GRANTS, perhaps without a row; `client` is the column of the app.
    """
    asked = facts.Asked(
        account=GRANTS.c.account_uuid,
        account_text=facts.text_of(GRANTS.c.account_uuid),
        school=GRANTS.c.instellingsnummer,
        client=client,
        today=bindparam("today", type_=Date()),
    )
    pupil = sources.outerjoin(table(Pupil), Pupil.account_uuid == GRANTS.c.account_uuid)
    found = select(*columns, *facts.columns(asked, klasinformatie=klasinformatie))
    return found.select_from(facts.joined(pupil, asked))


_WITHOUT, _WITH_KLASINFORMATIE = (
    Prepared(with_facts(_USED, _USE, ACCESS.c.client_id, klasinformatie=asks).where(_THIS_ONE))
    for asks in (False, True)
)
_REVOKE_ACCESS = Prepared(
    update(ACCESS)
    .where(ACCESS.c.digest == bindparam("token"), ACCESS.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"))
)
_REVOKE_GRANT = Prepared(
    update(GRANTS)
    .where(GRANTS.c.id == bindparam("grant"), GRANTS.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"), revoked_because=bindparam("why"))
)
