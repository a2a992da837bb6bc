"""What does an app call a pupil? A keyed hash over (sector, account_uuid) that never changes.

The name is remembered at the first meeting, so that it survives whatever changes later: the subject type of an
app, or a merge of two accounts. Its key never rotates (keys.pairwise).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, and_, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from idp import audit, entropy
from idp.apps import App
from idp.claims import visibility
from idp.errors import Invalid, NotFound
from idp.keys import Keys
from idp.models import ID, AppPupil, Pupil, RightScope, RuleKind, VisibilityRule
from idp.models import App as AppRow
from idp.prepared import Prepared

PUBLIC, PAIRWISE = "public", "pairwise"
_TOGETHER = 1_000
"""Identifiers in one statement."""


def sub_for(keys: Keys, app: App, account_uuid: str) -> str:
    """The `sub` of a pupil this app never met: 64 hex digits, or the account_uuid for a public app."""
    if app.subject_type == PUBLIC:
        return account_uuid
    return entropy.keyed_digest(keys.pairwise, "sub", app.sector, account_uuid)


def sid_for(keys: Keys, client_id: str, sid: str) -> str:
    """What this app calls a session (`sid`). With one name for all, two apps could lay their pupils side by side.

    A session that an earlier version began is of UUID version 4: its apps know it by its own name, and go on to.
    """
    return entropy.keyed_digest(keys.pairwise, "sid", client_id, sid) if sid[14:15] == "7" else sid


def klas_id(keys: Keys, sector: str, klas_uuid: str) -> str:
    """What apps of this sector call a class: stable when the class is renamed, meaningless elsewhere.

    `klas_uuid`: with or without dashes, as SQL made text of it.
    """
    return _klas_id(keys.pairwise, sector, klas_uuid)


@lru_cache(maxsize=4096)
def _klas_id(key: bytes, sector: str, klas_uuid: str) -> str:
    """Asked for every pupil of a class again, and never another."""
    return entropy.keyed_digest(key, "klas", sector, str(UUID(klas_uuid)))


def remember(db: Connection, keys: Keys, app: App, account_uuid: str, now: datetime) -> str:
    """The `sub` of this pupil for this app, for ever: the one it saw before, else the one its sector uses."""
    known = _known(db, app.client_id, account_uuid)
    if known is not None:
        return known
    sub = expected(db, keys, app, account_uuid)
    row = {"account_uuid": account_uuid, "client_id": app.client_id, "sub": sub, "first_seen_at": now}
    insert = sqlite.insert if db.dialect.name == "sqlite" else postgresql.insert
    new = insert(AppPupil).values(row | {"chosen_school": None}).on_conflict_do_nothing()
    if db.execute(new).rowcount:
        return sub
    return _known(db, app.client_id, account_uuid) or sub


def expected(db: Connection, keys: Keys, app: App, account_uuid: str) -> str:
    """The `sub` that an app will see when it meets this pupil: the one its sector uses, else a new one."""
    return _of_sector(db, app, account_uuid) or sub_for(keys, app, account_uuid)


def expected_each(db: Connection, keys: Keys, app: App, accounts: Sequence[str]) -> dict[str, str]:
    """The same for many that the app has not met."""
    found: dict[str, str] = {}
    for start in range(0, len(accounts), _TOGETHER):
        some = accounts[start : start + _TOGETHER]
        theirs = _subs_of(app).where(AppPupil.account_uuid.in_(some))
        for account_uuid, sub, kind in db.execute(theirs):
            if (kind or PAIRWISE) == app.subject_type:
                found.setdefault(account_uuid, sub)
    return {one: found.get(one) or sub_for(keys, app, one) for one in accounts}


def remember_each(db: Connection, app: App, subs: Mapping[str, str], now: datetime) -> None:
    """Many pupils have been named to this app: keep what they were called, by account_uuid."""
    if not subs:
        return
    dialect: Any = sqlite if db.dialect.name == "sqlite" else postgresql
    given = {"client_id": app.client_id, "first_seen_at": now, "chosen_school": None}
    rows = [{"account_uuid": account_uuid, "sub": sub} | given for account_uuid, sub in subs.items()]
    db.execute(dialect.insert(AppPupil).on_conflict_do_nothing(), rows)


def choose_school(db: Connection, app: App, account_uuid: str, instellingsnummer: str) -> None:
    """Keep the school that the pupil picked for this app. The app has met the pupil (see remember)."""
    mine = and_(AppPupil.account_uuid == account_uuid, AppPupil.client_id == app.client_id)
    db.execute(update(AppPupil).where(mine).values(chosen_school=instellingsnummer))


def chosen_school(db: Connection, app: App, account_uuid: str) -> str | None:
    """The school that the pupil picked for this app the last time, if any."""
    mine = and_(AppPupil.account_uuid == account_uuid, AppPupil.client_id == app.client_id)
    return db.execute(select(AppPupil.chosen_school).where(mine)).scalar()


def met(db: Connection, client_id: str, account_uuid: str) -> datetime | None:
    """When this app first met the pupil, or None."""
    mine = and_(AppPupil.account_uuid == account_uuid, AppPupil.client_id == client_id)
    return db.execute(select(AppPupil.first_seen_at).where(mine)).scalar()


def merge(db: Connection, *, surviving: str, merged: str) -> None:
    """Two accounts turn out to be one pupil. Identifiers only: whoever calls this moves enrolments and accounts.

    The surviving one keeps its identifiers and every `sub` it has, and lists the merged one as history; an app that
    knew only the merged one keeps the `sub` it saw. What belonged to the merged one is given to nobody else, and its
    tokens stop working. Rules that made apps visible for the merged one hold for the surviving one, and teachers who
    were to help the one help the other.

    Raises NotFound `pupil_unknown`; Invalid `already_merged`, `same_pupil`. The same merge again changes nothing.
    """
    if surviving == merged:
        raise Invalid("same_pupil")
    found = select(Pupil.account_uuid, Pupil.merged_into).where(Pupil.account_uuid.in_([surviving, merged]))
    into = {row.account_uuid: row.merged_into for row in db.execute(found.with_for_update())}
    if len(into) < 2:
        raise NotFound("pupil_unknown")
    if into[merged] == surviving:
        return
    if into[merged] is not None or into[surviving] is not None:
        raise Invalid("already_merged")
    db.execute(update(Pupil).where(Pupil.merged_into == merged).values(merged_into=surviving))
    db.execute(update(Pupil).where(Pupil.account_uuid == merged).values(merged_into=surviving))
    known = select(AppPupil.client_id).where(AppPupil.account_uuid == surviving)
    only_merged = and_(AppPupil.account_uuid == merged, AppPupil.client_id.not_in(known))
    apps = db.execute(select(AppPupil.client_id).where(only_merged)).scalars().all()
    theirs = and_(AppPupil.account_uuid == merged, AppPupil.client_id.in_(apps))
    db.execute(update(AppPupil).where(theirs).values(account_uuid=surviving))
    _retarget_rules(db, surviving, merged)
    _retarget_scopes(db, surviving, merged)
    audit.accounts_merged(db, surviving=surviving, merged=merged)


def _known(db: Connection, client_id: str, account_uuid: str) -> str | None:
    row = _KNOWN.first(db, {"account": account_uuid, "client": client_id})
    return str(row.sub) if row is not None else None


_KNOWN = Prepared(
    select(AppPupil.sub).where(
        AppPupil.account_uuid == bindparam("account", type_=ID), AppPupil.client_id == bindparam("client")
    )
)


def _of_sector(db: Connection, app: App, account_uuid: str) -> str | None:
    """Apps of one sector call a pupil the same, also when one of them met the pupil before a merge."""
    theirs = _subs_of(app).where(AppPupil.account_uuid == account_uuid)
    same = (sub for _, sub, kind in db.execute(theirs) if (kind or PAIRWISE) == app.subject_type)
    return next(same, None)


def _subs_of(app: App) -> Select[Any]:
    """What apps of this one's sector call pupils, with their subject types; the oldest first."""
    return (
        select(
            AppPupil.account_uuid, AppPupil.sub, AppRow.registration["subject_type"].as_string().label("kind")
        )
        .join(AppRow, AppRow.client_id == AppPupil.client_id)
        .where(AppRow.sector == app.sector)
        .order_by(AppPupil.first_seen_at, AppPupil.client_id)
    )


def _retarget_rules(db: Connection, surviving: str, merged: str) -> None:
    rule = VisibilityRule
    columns = (rule.id, rule.client_id, rule.instellingsnummer, rule.begindatum, rule.einddatum)
    rules = select(*columns).where(rule.kind == RuleKind.PUPIL, rule.target == merged)
    for rule_id, client_id, school, begindatum, einddatum in db.execute(rules).all():
        same = and_(
            rule.client_id == client_id,
            rule.instellingsnummer == school,
            rule.kind == RuleKind.PUPIL,
            rule.target == surviving,
            rule.begindatum == begindatum,
        )
        standing = db.execute(select(rule.id, rule.einddatum).where(same)).first()
        if standing is None:
            db.execute(update(rule).where(rule.id == rule_id).values(target=surviving))
            continue
        db.execute(
            update(rule)
            .where(rule.id == standing.id)
            .values(einddatum=visibility.later(einddatum, standing.einddatum))
        )
        db.execute(delete(rule).where(rule.id == rule_id))


def _retarget_scopes(db: Connection, surviving: str, merged: str) -> None:
    scope = RightScope
    theirs = and_(scope.kind == RuleKind.PUPIL, scope.target == merged)
    both = select(scope.right_id).where(scope.kind == RuleKind.PUPIL, scope.target == surviving)
    db.execute(delete(scope).where(theirs, scope.right_id.in_(both.scalar_subquery())))
    db.execute(update(scope).where(theirs).values(target=surviving))
