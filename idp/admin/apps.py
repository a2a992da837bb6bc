"""How do apps get in, change and leave? As documents that can be reviewed: import, export, remove, a new secret.

A document is a JSON object with the names of RFC 7591 and our own fields (oidc/registration.py knows them),
and two words beside: `client_id` and `client_secret` may be given. A secret is kept as a digest and shown once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from idp import apps, audit_apps, entropy
from idp.admin import logos
from idp.apps import App
from idp.clock import day_of_law
from idp.context import House
from idp.entropy import Token
from idp.errors import Invalid, NotFound
from idp.models import App as AppRow
from idp.models import AppSecret, Grant, VisibilityRule
from idp.oidc import clients, registration, sector_documents

SHORTEST_SECRET = 16
OVERLAP_DAYS = 14
"""How long an old secret stays good beside a new one."""
WITH_SECRET = frozenset({"client_secret_basic", "client_secret_post"})


class Change(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of one document."""

    client_id: str
    change: Change
    registration: Mapping[str, Any]
    """As stored."""
    sandbox: bool
    client_secret: str | None = field(default=None, repr=False)
    """Only when it was made or given just now: it cannot be shown again."""
    logo_problem: str | None = None
    """Why its logo_uri, read just now, gave no logo."""

    def as_json(self) -> dict[str, Any]:
        """For the command line: the stored document, with the secret when there is one to show."""
        shown = {"client_id": self.client_id} | dict(self.registration) | {"sandbox": self.sandbox}
        return shown | ({"client_secret": self.client_secret} if self.client_secret else {})


class Refused(Invalid):
    """No document was stored; `problems` has, for each document that is wrong, sentences for each field."""

    def __init__(self, problems: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        told = [
            f"{which}: {name}: {said}"
            for which, fields in problems.items()
            for name, sentences in fields.items()
            for said in sentences
        ]
        super().__init__("registration_refused", "; ".join(told))
        self.problems = problems
        self.sentences = told


def import_apps(
    house: House, documents: Sequence[Mapping[str, Any]], *, now: datetime
) -> tuple[Imported, ...]:
    """Add or change apps, by client_id; all of the documents or none.

    In a demo every imported app is a sandbox app. Raises Refused with every problem of every document; a logo that
    cannot be had is none.
    """
    sectors = _sectors(house, documents)
    with house.database.transaction() as db:
        stored = store(
            db,
            documents,
            loopback_ok=house.settings.demo,
            algorithms=house.settings.signing_algorithms,
            sandbox=True if house.settings.demo else None,
            now=now,
            found=sectors,
        )
    without = logos.fetch_missing(house, [one.client_id for one in stored], now)
    return tuple(replace(one, logo_problem=without.get(one.client_id)) for one in stored)


def _sectors(house: House, documents: Sequence[Mapping[str, Any]]) -> dict[int, sector_documents.Problem]:
    """What is wrong with documents at a sector_identifier_uri, by place in the list; read where something is new."""
    named = [one for one in documents if isinstance(one, Mapping) and one.get("sector_identifier_uri")]
    if not named:
        return {}
    with house.database.reading() as db:
        stored = {one["client_id"]: one for one in export(db)}
    found = {}
    for number, document in enumerate(documents, 1):
        if document not in named:
            continue
        known = stored.get(str(document.get("client_id")), {})
        if all(known.get(name) == document.get(name) for name in ("sector_identifier_uri", "redirect_uris")):
            continue
        wrong = sector_documents.problem(document, loopback=house.settings.calls_this_machine)
        if wrong is not None:
            found[number] = wrong
    return found


def store(
    db: Connection,
    documents: Sequence[Mapping[str, Any]],
    *,
    loopback_ok: bool,
    algorithms: Sequence[str],
    sandbox: bool | None,
    now: datetime,
    found: Mapping[int, sector_documents.Problem] | None = None,
) -> tuple[Imported, ...]:
    """The same inside a transaction of the caller, who has read the documents at `sector_identifier_uri`.

    `algorithms` are those we have keys for; `sandbox` None: as it is, a new app is no sandbox app; `found`: what was
    wrong with those documents, by place in the list.
    """
    found = found or {}
    problems: dict[str, dict[str, tuple[str, ...]]] = {}
    checked: list[tuple[App | None, dict[str, Any], str | None]] = []
    seen: set[str] = set()
    for number, document in enumerate(documents, 1):
        which = _name_of(document, number)
        try:
            one = _check(db, document, loopback_ok=loopback_ok, algorithms=algorithms, now=now)
            if number in found:
                raise registration.Refused({found[number].field: [found[number].sentence]})  # noqa: TRY301
            if one[1]["client_id"] in seen:
                raise registration.Refused({"client_id": ["is there twice in this list"]})  # noqa: TRY301
        except registration.Refused as refused:
            problems[which] = refused.problems
            continue
        seen.add(one[1]["client_id"])
        checked.append(one)
    if problems:
        raise Refused(problems)
    stored = tuple(
        _store(db, existing, document, secret, sandbox=sandbox, now=now)
        for existing, document, secret in checked
    )
    if any(one.change is not Change.SAME for one in stored):
        apps.changed(db)
    return stored


def export(db: Connection, client_ids: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Documents that `import_apps` takes, without secrets; of all apps that are not removed, or of these."""
    rows = db.execute(
        select(AppRow.client_id, AppRow.registration)
        .where(AppRow.disabled_at.is_(None))
        .order_by(AppRow.client_id)
    ).all()
    documents = [{"client_id": row.client_id} | row.registration for row in rows]
    if client_ids is None:
        return documents
    known = {document["client_id"]: document for document in documents}
    for client_id in client_ids:
        if client_id not in known:
            raise NotFound("app_unknown", client_id)
    return [known[client_id] for client_id in client_ids]


def show(db: Connection, client_id: str) -> dict[str, Any]:
    """Everything about one app that may be seen: its document, its state, and until when its secrets are good."""
    row = _row(db, client_id)
    secrets = db.execute(
        select(AppSecret.created_at, AppSecret.expires_at)
        .where(AppSecret.client_id == client_id)
        .order_by(AppSecret.created_at.desc())
    ).all()
    return {
        "client_id": client_id,
        **row["registration"],
        "sandbox": row["sandbox"],
        "removed_at": row["disabled_at"],
        "created_at": row["created_at"],
        "changed_at": row["changed_at"],
        "logo": logos.about(db, client_id),
        "secrets": [{"created_at": made, "expires_at": until} for made, until in secrets],
    }


def listing(db: Connection) -> list[App]:
    """Every app that is not removed, by name."""
    return [app for app in apps.load_all(db) if not app.disabled]


def remove(db: Connection, client_id: str, *, now: datetime) -> None:
    """The app stops at once: its secrets, its tokens and what schools made visible are gone.

    Its name and its subjects stay, so that what it once got can be explained, and the same app registered
    again knows the same pupils. Raises NotFound `app_unknown`.
    """
    if _row(db, client_id)["disabled_at"] is not None:
        raise NotFound("app_unknown", client_id)
    stop = update(AppRow).where(AppRow.client_id == client_id).values(disabled_at=now, changed_at=now)
    db.execute(stop)
    db.execute(delete(AppSecret).where(AppSecret.client_id == client_id))
    logos.forget(db, client_id)
    db.execute(delete(VisibilityRule).where(VisibilityRule.client_id == client_id))
    db.execute(
        update(Grant)
        .where(Grant.client_id == client_id, Grant.revoked_at.is_(None))
        .values(revoked_at=now, revoked_because="app_removed")
    )
    apps.changed(db)
    audit_apps.app_removed(db, client_id=client_id)


def renew_secret(db: Connection, client_id: str, *, now: datetime, overlap_days: int = OVERLAP_DAYS) -> str:
    """A new secret, shown once; the one it replaces stays good for `overlap_days` (0: not at all).

    At most two are good at a time: anything older ends now. Raises NotFound `app_unknown`, Invalid
    `app_has_no_secret`.
    """
    row = _row(db, client_id)
    if row["disabled_at"] is not None:
        raise NotFound("app_unknown", client_id)
    if row["registration"].get("token_endpoint_auth_method", "client_secret_basic") not in WITH_SECRET:
        raise Invalid("app_has_no_secret", client_id)
    mine = AppSecret.client_id == client_id
    newest_first = select(AppSecret.id, AppSecret.expires_at).where(mine)
    old = db.execute(newest_first.order_by(AppSecret.created_at.desc(), AppSecret.id.desc())).all()
    ends = now + timedelta(days=overlap_days)
    for place, (secret_id, expires_at) in enumerate(old):
        this = AppSecret.id == secret_id
        if place or overlap_days <= 0:
            db.execute(delete(AppSecret).where(this))
        elif expires_at is None or expires_at > ends:
            db.execute(update(AppSecret).where(this).values(expires_at=ends))
    secret = entropy.token(Token.SECRET, now)
    _keep_secret(db, client_id, secret, now)
    apps.changed(db)
    audit_apps.app_secret_renewed(db, client_id=client_id)
    return secret


# ---------------------------------------------------------------- inside


def _check(
    db: Connection,
    document: Mapping[str, Any],
    *,
    loopback_ok: bool,
    algorithms: Sequence[str],
    now: datetime,
) -> tuple[App | None, dict[str, Any], str | None]:
    if not isinstance(document, Mapping):
        raise registration.Refused({"document": ["must be a JSON object"]})
    given = {name: value for name, value in document.items() if name not in {"client_secret", "sandbox"}}
    secret = document.get("client_secret")
    if given.get("client_id") is None:
        given["client_id"] = entropy.identifier()
    client_id = given["client_id"]
    sound = isinstance(client_id, str) and client_id.isascii() and client_id.isprintable()
    existing = apps.load(db, client_id) if sound and len(client_id) <= 100 else None
    problems: dict[str, list[str]] = {}
    read: dict[str, Any] = {}
    try:
        read = registration.validate(
            given, today=day_of_law(now), loopback_ok=loopback_ok, algorithms=algorithms, existing=existing
        )
    except registration.Refused as refused:
        problems = {name: [*told] for name, told in refused.problems.items()}
    if secret is not None and (said := _wrong_secret(secret, given)):
        problems["client_secret"] = [said]
    if problems:
        raise registration.Refused(problems)
    return existing, read, secret


def _wrong_secret(secret: Any, given: Mapping[str, Any]) -> str | None:
    if given.get("token_endpoint_auth_method", "client_secret_basic") not in WITH_SECRET:
        return "an app that does not sign in with a secret has none"
    if not isinstance(secret, str) or not secret.isascii() or not secret.isprintable():
        return "must be text of visible ASCII characters"
    if not SHORTEST_SECRET <= len(secret) <= clients.LONGEST_SECRET:
        return f"must have {SHORTEST_SECRET} to {clients.LONGEST_SECRET} characters"
    return None


def _store(
    db: Connection,
    existing: App | None,
    document: dict[str, Any],
    secret: str | None,
    *,
    sandbox: bool | None,
    now: datetime,
) -> Imported:
    client_id = document["client_id"]
    columns = {
        "client_name": document["client_name"],
        "registration": document,
        "sandbox": (existing.sandbox if existing else False) if sandbox is None else sandbox,
        "changed_at": now,
        "disabled_at": None,
    }
    if existing is None:
        fixed = {"client_id": client_id, "sector": document["sector"], "created_at": now}
        db.execute(insert(AppRow), columns | fixed)
        shown = _settle_secret(db, document, secret, now)
        audit_apps.app_registered(db, client_id=client_id)
        change = Change.ADDED
    else:
        fields = _differences(_row(db, client_id), columns)
        shown = _settle_secret(db, document, secret, now)
        fields += ["client_secret"] if shown else []
        change = Change.CHANGED if fields else Change.SAME
        if fields:
            db.execute(update(AppRow).where(AppRow.client_id == client_id).values(columns))
            logos.forget_stale(db, client_id, document.get("logo_uri"))
            audit_apps.app_changed(db, client_id=client_id, fields=fields)
    return Imported(
        client_id=client_id,
        change=change,
        registration=document,
        sandbox=bool(columns["sandbox"]),
        client_secret=shown,
    )


def _differences(row: Mapping[str, Any], columns: Mapping[str, Any]) -> list[str]:
    before, after = row["registration"], columns["registration"]
    fields = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    fields += ["sandbox"] if row["sandbox"] != columns["sandbox"] else []
    return fields + (["removed"] if row["disabled_at"] is not None else [])


def _settle_secret(
    db: Connection, document: Mapping[str, Any], given: str | None, now: datetime
) -> str | None:
    """Keep the given secret as the only one, or make one where one is needed; returns what is new."""
    client_id, mine = document["client_id"], AppSecret.client_id == document["client_id"]
    if document["token_endpoint_auth_method"] not in WITH_SECRET:
        db.execute(delete(AppSecret).where(mine))
        return None
    live = db.execute(
        select(AppSecret.digest).where(mine, (AppSecret.expires_at.is_(None)) | (AppSecret.expires_at > now))
    ).scalars()
    digests = [*live]
    if given is None:
        if digests:
            return None
        given = entropy.token(Token.SECRET, now)
    elif digests == [clients.digest(given)]:
        return None
    db.execute(delete(AppSecret).where(mine))
    _keep_secret(db, client_id, given, now)
    return given


def _keep_secret(db: Connection, client_id: str, secret: str, now: datetime) -> None:
    db.execute(
        insert(AppSecret),
        {
            "id": entropy.row_id(),
            "client_id": client_id,
            "digest": clients.digest(secret),
            "created_at": now,
            "expires_at": None,
        },
    )


def _row(db: Connection, client_id: str) -> dict[str, Any]:
    row = db.execute(select(AppRow.__table__).where(AppRow.client_id == client_id)).mappings().first()
    if row is None:
        raise NotFound("app_unknown", client_id)
    return dict(row)


def _name_of(document: Any, number: int) -> str:
    said = document.get("client_id") if isinstance(document, Mapping) else None
    return str(said)[:100] if said else f"document {number}"
