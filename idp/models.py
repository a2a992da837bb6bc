"""What do we keep? Every table, as a document: schools and pupils, accounts, agreements, apps, tokens, traces.

Moments are aware UTC, days are Brussels days (both ends included), identifiers that outsiders see are random
UUIDs, and secrets are digests or hashes. A table never holds what its retention line in `docs/retention.md`
does not name.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Moment(TypeDecorator[datetime]):
    """An aware moment in UTC. SQLite keeps it without zone, PostgreSQL as timestamptz."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment must be aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        datetime: Moment(),
        dict[str, Any]: JSON().with_variant(JSONB(), "postgresql"),
        list[str]: JSON().with_variant(JSONB(), "postgresql"),
        bytes: LargeBinary(64),
    }


def _words(words: type[StrEnum]) -> Enum:
    """A closed list of stored words, kept as text."""
    return Enum(words, native_enum=False, length=32, values_callable=lambda e: [word.value for word in e])


ID = Uuid(as_uuid=False)
SCHOOL = String(6)
DIGEST = String(64)


# ---------------------------------------------------------------- schools and pupils


class SchoolKind(StrEnum):
    REAL = "real"
    TEST = "test"
    """Synthetic pupils in the real formats."""
    SANDBOX = "sandbox"
    """Published secrets; can never hold a real pupil."""


class School(Base):
    __tablename__ = "school"
    instellingsnummer: Mapped[str] = mapped_column(SCHOOL, primary_key=True)
    naam: Mapped[str] = mapped_column(String(200))
    kind: Mapped[SchoolKind] = mapped_column(_words(SchoolKind), default=SchoolKind.REAL)
    pakket: Mapped[str | None] = mapped_column(String(20))
    """The administrative package configured in Mijn Schoolsoftware."""
    created_at: Mapped[datetime]


class Pupil(Base):
    """A person, from the first school to the last. The identifiers never change."""

    __tablename__ = "pupil"
    account_uuid: Mapped[str] = mapped_column(ID, primary_key=True)
    leerid_uuid: Mapped[str | None] = mapped_column(ID, unique=True)
    """Given with the first account."""
    national_number_digest: Mapped[str | None] = mapped_column(DIGEST, unique=True)
    voornaam: Mapped[str | None] = mapped_column(String(400))
    """Official data: all of these are empty without a valid national number."""
    naam: Mapped[str | None] = mapped_column(String(400))
    geslacht: Mapped[str | None] = mapped_column(String(1))
    geboortedatum: Mapped[date | None]
    merged_into: Mapped[str | None] = mapped_column(ForeignKey("pupil.account_uuid"), index=True)
    created_at: Mapped[datetime]


class Enrolment(Base):
    __tablename__ = "enrolment"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"), index=True)
    instellingsnummer: Mapped[str] = mapped_column(ForeignKey("school.instellingsnummer"))
    stamnummer: Mapped[str] = mapped_column(String(40))
    voornaam: Mapped[str] = mapped_column(String(400))
    naam: Mapped[str] = mapped_column(String(400))
    hoofdstructuur: Mapped[str] = mapped_column(String(3))
    administratieve_groep: Mapped[str] = mapped_column(String(200))
    administratieve_groep_code: Mapped[str] = mapped_column(String(20))
    leerjaar: Mapped[str | None] = mapped_column(String(20))
    vestigingsplaats: Mapped[str | None] = mapped_column(String(20))
    begindatum: Mapped[date]
    einddatum: Mapped[date]
    """Last day, included."""
    changed_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("instellingsnummer", "stamnummer", "begindatum"),
        CheckConstraint("einddatum >= begindatum", name="dates"),
        Index(None, "instellingsnummer", "einddatum"),
    )


class Soort(StrEnum):
    KLAS = "klas"
    SUBKLAS = "subklas"


class Klas(Base):
    """A class or subclass, as the school's package names it. `id` survives renaming."""

    __tablename__ = "klas"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    instellingsnummer: Mapped[str] = mapped_column(ForeignKey("school.instellingsnummer"))
    klas_id: Mapped[str] = mapped_column(String(100))
    """The package's own, stable identifier."""
    code: Mapped[str] = mapped_column(String(60))
    naam: Mapped[str] = mapped_column(String(200))
    soort: Mapped[Soort] = mapped_column(_words(Soort))
    changed_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("instellingsnummer", "klas_id"),)


class ClassMembership(Base):
    __tablename__ = "class_membership"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    klas: Mapped[str] = mapped_column(ForeignKey("klas.id", ondelete="CASCADE"), index=True)
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"))
    instellingsnummer: Mapped[str] = mapped_column(SCHOOL)
    begindatum: Mapped[date]
    einddatum: Mapped[date | None]
    replaced_at: Mapped[datetime | None] = mapped_column(index=True)
    """Set when a later delivery no longer has it: never released again, purged after a week."""
    __table_args__ = (Index(None, "account_uuid", "instellingsnummer"), Index(None, "instellingsnummer"))


class DeliveryState(StrEnum):
    CHECKED = "checked"
    HELD = "held"
    APPLIED = "applied"
    REFUSED = "refused"


class Delivery(Base):
    """One file of enrolments or classes that arrived, and what became of it."""

    __tablename__ = "delivery"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    instellingsnummer: Mapped[str | None] = mapped_column(SCHOOL, index=True)
    format: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(DIGEST)
    snapshot_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    state: Mapped[DeliveryState] = mapped_column(_words(DeliveryState))
    report: Mapped[dict[str, Any]]


# ---------------------------------------------------------------- accounts and secrets


class AccountType(StrEnum):
    BASIC = "basis"
    ADVANCED = "gevorderd"


class SecretKind(StrEnum):
    PICTURE = "picture"
    BASIC = "basic"
    TEMPORARY = "temporary"
    OWN = "own"


class Account(Base):
    """A LeerID: the way a pupil signs in."""

    __tablename__ = "account"
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"), primary_key=True)
    username: Mapped[str] = mapped_column(String(50), unique=True)
    type: Mapped[AccountType] = mapped_column(_words(AccountType))
    secret_kind: Mapped[SecretKind] = mapped_column(_words(SecretKind))
    secret_hash: Mapped[str] = mapped_column(String(200))
    pepper_id: Mapped[str] = mapped_column(String(40))
    secret_set_at: Mapped[datetime]
    secret_expires_at: Mapped[datetime | None]
    blocked_at: Mapped[datetime | None]
    last_sign_in_on: Mapped[date | None]
    """A day, never a moment: nobody sees when a child signed in."""
    created_at: Mapped[datetime]


class RetiredUsername(Base):
    """A user name that was somebody's: not given to anyone else within the retention period."""

    __tablename__ = "retired_username"
    username: Mapped[str] = mapped_column(String(50), primary_key=True)
    account_uuid: Mapped[str] = mapped_column(ID)
    retired_at: Mapped[datetime]


class Card(Base):
    __tablename__ = "card"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    account_uuid: Mapped[str] = mapped_column(ForeignKey("account.account_uuid"), index=True)
    label: Mapped[str] = mapped_column(String(40))
    token_digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]


class Session(Base):
    """Someone signed in on one browser. `sid` is what apps hear; the cookie is known by its digest only."""

    __tablename__ = "session"
    sid: Mapped[str] = mapped_column(ID, primary_key=True)
    cookie_digest: Mapped[bytes] = mapped_column(unique=True)
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"), index=True)
    auth_time: Mapped[datetime]
    amr: Mapped[list[str]]
    acr: Mapped[str] = mapped_column(String(100))
    must_change: Mapped[bool]
    """Only the page for a new password is open until the temporary one is changed."""
    shared: Mapped[bool] = mapped_column(default=False)
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[str | None] = mapped_column(String(40))


class Marker(Base):
    """A fresh sign-in that one authorization request may use, once (prompt=login, max_age)."""

    __tablename__ = "marker"
    sid: Mapped[str] = mapped_column(ForeignKey("session.sid", ondelete="CASCADE"), primary_key=True)
    request_digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(index=True)


class Throttle(Base):
    """A counter of wrong tries; `key` names what is counted as a keyed digest, never in clear."""

    __tablename__ = "throttle"
    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    count: Mapped[int]
    since: Mapped[datetime]
    closed_until: Mapped[datetime | None]
    level: Mapped[int] = mapped_column(default=0)
    """How often it closed in a row: the wait doubles."""
    changed_at: Mapped[datetime] = mapped_column(index=True)


class WrongSecret(Base):
    """A wrong secret, as a keyed digest for a day, so that the same mistake twice counts once."""

    __tablename__ = "wrong_secret"
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    tried_at: Mapped[datetime] = mapped_column(index=True)


# ---------------------------------------------------------------- people and agreements


class RightKind(StrEnum):
    BEHEERDER = "leerid-beheerder"
    DATABEHEERDER = "leerid-databeheerder"
    TEACHER = "leerkracht"
    OPERATOR = "operator"


class Person(Base):
    """A member of staff or an operator."""

    __tablename__ = "person"
    person_id: Mapped[str] = mapped_column(String(60), primary_key=True)
    voornaam: Mapped[str] = mapped_column(String(200))
    naam: Mapped[str] = mapped_column(String(200))
    e_mail: Mapped[str | None] = mapped_column(String(254))
    created_at: Mapped[datetime]


class Right(Base):
    """What a person may do, at which school (none: everywhere), from which day through which."""

    __tablename__ = "staff_right"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.person_id"), index=True)
    kind: Mapped[RightKind] = mapped_column(_words(RightKind))
    instellingsnummer: Mapped[str | None] = mapped_column(ForeignKey("school.instellingsnummer"), index=True)
    begindatum: Mapped[date]
    einddatum: Mapped[date]
    source: Mapped[str] = mapped_column(String(40))
    granted_at: Mapped[datetime]


class ProtocolText(Base):
    """A text that schools agree to. `sha256` of its bytes is its name for ever."""

    __tablename__ = "protocol_text"
    sha256: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    version: Mapped[str] = mapped_column(String(40), unique=True)
    body: Mapped[str] = mapped_column(Text)
    names_teachers: Mapped[bool] = mapped_column(default=False)
    published_at: Mapped[datetime]
    in_force_from: Mapped[date]
    """Before this day the older text still counts; from it on, an agreement to the older one has lapsed."""


class Agreement(Base):
    """A school agreed to share klasinformatie. The row is the evidence: it is closed, never changed."""

    __tablename__ = "agreement"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    instellingsnummer: Mapped[str] = mapped_column(ForeignKey("school.instellingsnummer"))
    protocol_sha256: Mapped[str] = mapped_column(ForeignKey("protocol_text.sha256"))
    given_by: Mapped[str] = mapped_column(ForeignKey("person.person_id"))
    given_as: Mapped[RightKind] = mapped_column(_words(RightKind))
    given_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    stopped_by: Mapped[str | None] = mapped_column(String(60))
    stop_reference: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (
        Index(
            "uq_agreement_open",
            "instellingsnummer",
            unique=True,
            sqlite_where=text("stopped_at IS NULL"),
            postgresql_where=text("stopped_at IS NULL"),
        ),
    )


# ---------------------------------------------------------------- apps


class App(Base):
    """A relying party. What decides something is a column; the whole registration is in `registration`."""

    __tablename__ = "app"
    client_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    client_name: Mapped[str] = mapped_column(String(200))
    registration: Mapped[dict[str, Any]]
    """RFC 7591 metadata plus our own fields, as validated and exported (idp/apps.py reads it)."""
    sector: Mapped[str] = mapped_column(String(253))
    """Frozen at registration: pairwise subjects hang on it."""
    sandbox: Mapped[bool] = mapped_column(default=False)
    """Admits pupils of sandbox and test schools, and no others."""
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class AppSecret(Base):
    """A client secret, as a digest; two may live side by side while an app changes over."""

    __tablename__ = "app_secret"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(DIGEST)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class RegistryVersion(Base):
    """One row: goes up with every change of an app, so that workers drop what they cached."""

    __tablename__ = "registry_version"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]


class RuleKind(StrEnum):
    SCHOOL = "school"
    GROUP = "group"
    KLAS = "klas"
    PUPIL = "pupil"


class VisibilityRule(Base):
    """An app is visible for: a school, an administratieve groep, a (sub)klas, or one pupil."""

    __tablename__ = "visibility_rule"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"))
    instellingsnummer: Mapped[str] = mapped_column(ForeignKey("school.instellingsnummer"))
    kind: Mapped[RuleKind] = mapped_column(_words(RuleKind))
    target: Mapped[str] = mapped_column(String(60), default="")
    """'' for a school, administratieve_groep_code, Klas.id, or account_uuid."""
    begindatum: Mapped[date]
    einddatum: Mapped[date | None]
    created_by: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("client_id", "instellingsnummer", "kind", "target", "begindatum"),
        Index(None, "instellingsnummer", "kind", "target"),
    )


class AppPupil(Base):
    """What an app calls a pupil, kept from the first meeting on, and the school this pupil chose for it."""

    __tablename__ = "app_pupil"
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"), primary_key=True)
    sub: Mapped[str] = mapped_column(String(64))
    chosen_school: Mapped[str | None] = mapped_column(SCHOOL)
    first_seen_at: Mapped[datetime]


# ---------------------------------------------------------------- codes and tokens


class Grant(Base):
    """One sign-in at one app, for one school: what a code began and all tokens after it belong to."""

    __tablename__ = "grant_"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("app.client_id", ondelete="CASCADE"), index=True)
    account_uuid: Mapped[str] = mapped_column(ForeignKey("pupil.account_uuid"), index=True)
    instellingsnummer: Mapped[str | None] = mapped_column(SCHOOL)
    sid: Mapped[str] = mapped_column(ForeignKey("session.sid"), index=True)
    scope: Mapped[str] = mapped_column(String(500))
    asked: Mapped[dict[str, Any] | None]
    """The `claims` parameter, for those scopes."""
    auth_time: Mapped[datetime]
    amr: Mapped[list[str]]
    acr: Mapped[str] = mapped_column(String(100))
    offline: Mapped[bool]
    """Has refresh tokens, and so outlives its session."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """The absolute end of everything that comes of it."""
    revoked_at: Mapped[datetime | None]
    revoked_because: Mapped[str | None] = mapped_column(String(40))


class AuthorizationCode(Base):
    __tablename__ = "authorization_code"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grant_.id", ondelete="CASCADE"), index=True)
    client_id: Mapped[str] = mapped_column(String(100))
    redirect_uri: Mapped[str] = mapped_column(String(2000))
    nonce: Mapped[str | None] = mapped_column(String(1000))
    code_challenge: Mapped[str | None] = mapped_column(String(128))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    spent_at: Mapped[datetime | None]


class AccessToken(Base):
    __tablename__ = "access_token"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    grant_id: Mapped[str | None] = mapped_column(ForeignKey("grant_.id", ondelete="CASCADE"), index=True)
    """None: the app itself (client_credentials)."""
    client_id: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(String(500))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class RefreshToken(Base):
    """One link of a chain. Its successor is derived from it, so that a repeated refresh gets the same one."""

    __tablename__ = "refresh_token"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grant_.id", ondelete="CASCADE"), index=True)
    client_id: Mapped[str] = mapped_column(String(100))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    rotated_at: Mapped[datetime | None]


class UsedAssertion(Base):
    """A client assertion that was accepted: its `jti` is good once."""

    __tablename__ = "used_assertion"
    client_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    jti_digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SigningKey(Base):
    """A signing key's public half and its life; the private half is a file (idp/keys.py)."""

    __tablename__ = "signing_key"
    kid: Mapped[str] = mapped_column(String(60), primary_key=True)
    alg: Mapped[str] = mapped_column(String(10))
    public_jwk: Mapped[dict[str, Any]]
    announced_at: Mapped[datetime]
    signs_from: Mapped[datetime]
    retires_at: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]


# ---------------------------------------------------------------- traces


class Release(Base):
    """The ledger: what an app was told about a pupil. Claim names and reasons, never values."""

    __tablename__ = "release"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    channel: Mapped[str] = mapped_column(String(20))
    client_id: Mapped[str] = mapped_column(String(100))
    account_uuid: Mapped[str] = mapped_column(ID)
    instellingsnummer: Mapped[str | None] = mapped_column(SCHOOL)
    claims: Mapped[dict[str, Any]]
    """Claim name → 'released' or the gate that closed it."""
    __table_args__ = (Index(None, "account_uuid", "at"),)


class AuditEvent(Base):
    """Who did what to whom, when. Written by idp/audit.py only, never changed."""

    __tablename__ = "audit_event"
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    event: Mapped[str] = mapped_column(String(60))
    actor: Mapped[str] = mapped_column(String(120))
    """`pupil:UUID`, `person:ID`, `app:ID`, `system`, `operator:NAME` or `nobody`."""
    instellingsnummer: Mapped[str | None] = mapped_column(SCHOOL)
    object: Mapped[str | None] = mapped_column(String(120))
    result: Mapped[str] = mapped_column(String(40))
    source: Mapped[str | None] = mapped_column(String(45))
    request_id: Mapped[str | None] = mapped_column(String(40))
    details: Mapped[dict[str, Any]]
    __table_args__ = (Index(None, "instellingsnummer", "at"), Index(None, "object", "at"))
