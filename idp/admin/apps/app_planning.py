"""What would a registration do, if it were stored? Documents are read and compared; nothing is changed.

A document is a JSON object with the names of RFC 7591 and our own fields (oidc/registration.py knows them), and words
beside: `client_id`, `client_secret`, `supplier` and `sandbox` may be given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from idp import apps, entropy
from idp.admin.apps import app_history, app_secrets
from idp.admin.apps.differences import Difference, differences
from idp.admin.apps.widening import widens
from idp.admin.makers import suppliers
from idp.apps import App
from idp.clock import day_of_law
from idp.context import House
from idp.errors import Invalid, NotFound, Problem
from idp.models import App as AppRow
from idp.oidc import fields, registration, sector_documents

BESIDE = frozenset({"client_secret", "sandbox", "supplier"})
"""Words that may stand beside a registration in a document."""


class Change(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    SAME = "same"
    WAITING = "waiting"
    """It widens the app: somebody else has to approve it first."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What one document would do."""

    client_id: str
    registration: Mapping[str, Any]
    """As it would be stored."""
    existing: App | None
    row: Mapping[str, Any] | None = field(repr=False)
    """The app as it is stored."""
    sandbox: bool
    supplier: str | None
    differences: tuple[Difference, ...]
    widens: tuple[str, ...]
    new_secret: bool
    """A secret would be made, or the given one is another than before."""
    secret: str | None = field(default=None, repr=False)
    """The given one."""

    @property
    def change(self) -> Change:
        if self.row is None:
            return Change.ADDED
        return Change.CHANGED if self.differences or self.new_secret or gone(self.row) else Change.SAME

    @property
    def snapshot(self) -> dict[str, Any]:
        beside = {"sandbox": self.sandbox} | ({"supplier": self.supplier} if self.supplier else {})
        return {**self.registration, **beside}

    def waits(self, *, four_eyes: bool) -> bool:
        return four_eyes and bool(self.widens) and not self.sandbox

    def as_json(self, *, four_eyes: bool) -> dict[str, Any]:
        change = Change.WAITING if self.waits(four_eyes=four_eyes) else self.change
        return {
            "client_id": self.client_id,
            "change": change.value,
            "differences": [one.as_json() for one in self.differences],
            "widens": [*self.widens],
            "new_secret": self.new_secret,
        }


class Refused(Invalid):
    """No document was stored; `problems` has, for each document that is wrong, what is wrong with each field."""

    def __init__(self, problems: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        told = [
            f"{which}: {name}: {said}"
            for which, fields_ in problems.items()
            for name, sentences in fields_.items()
            for said in sentences
        ]
        super().__init__("registration_refused", "; ".join(told))
        self.problems = problems
        self.sentences = told


def plan_apps(house: House, documents: Sequence[Mapping[str, Any]], *, now: datetime) -> tuple[Planned, ...]:
    """What `import_apps` would do, without doing it. Raises the same."""
    sectors = read_sectors(house, documents)
    with house.database.reading() as db:
        return plan(
            db,
            documents,
            loopback_ok=house.settings.demo,
            algorithms=house.settings.signing_algorithms,
            sandbox=True if house.settings.demo else None,
            now=now,
            found=sectors,
        )


def read_sectors(house: House, documents: Sequence[Mapping[str, Any]]) -> dict[int, sector_documents.Problem]:
    """What is wrong with documents at a sector_identifier_uri, by place in the list; read where something is new."""
    named = [one for one in documents if isinstance(one, Mapping) and one.get("sector_identifier_uri")]
    if not named:
        return {}
    with house.database.reading() as db:
        stored = {row.client_id: row.registration for row in db.execute(_REGISTRATIONS)}
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


_REGISTRATIONS = select(AppRow.client_id, AppRow.registration).where(AppRow.disabled_at.is_(None))


def plan(
    db: Connection,
    documents: Sequence[Mapping[str, Any]],
    *,
    loopback_ok: bool,
    algorithms: Sequence[str],
    sandbox: bool | None,
    now: datetime,
    found: Mapping[int, sector_documents.Problem] | None = None,
    lock: bool = False,
) -> tuple[Planned, ...]:
    """What each document would do. Raises Refused with every problem of every document.

    `algorithms` are those we have keys for; `sandbox` None: as the document says, else as it is; `found`: what was
    wrong with documents at a sector_identifier_uri, by place in the list.
    """
    problems: dict[str, Mapping[str, Sequence[str]]] = {}
    planned: list[Planned] = []
    for number, document in enumerate(documents, 1):
        try:
            if number in (found or {}):
                wrong = (found or {})[number]
                raise registration.Refused({wrong.field: [wrong.problem]})  # noqa: TRY301
            one = _plan(
                db,
                document,
                loopback_ok=loopback_ok,
                algorithms=algorithms,
                sandbox=sandbox,
                now=now,
                lock=lock,
            )
            if one.client_id in {other.client_id for other in planned}:
                twice = Problem("twice_in_file", "is there twice in this list")
                raise registration.Refused({"client_id": [twice]})  # noqa: TRY301
        except registration.Refused as refused:
            problems[_name_of(document, number)] = refused.problems
            continue
        planned.append(one)
    if problems:
        raise Refused(problems)
    return tuple(planned)


def document_of(db: Connection, client_id: str) -> tuple[dict[str, Any], int]:
    """The registration as a document that `import_apps` takes, and its version. Raises NotFound `app_unknown`."""
    where = AppRow.client_id == client_id
    row = db.execute(select(AppRow.__table__).where(where)).mappings().first()
    if row is None or gone(row):
        raise NotFound("app_unknown", client_id[:100])
    return as_document(row), row["version"]


def gone(row: Mapping[Any, Any]) -> bool:
    """Is it removed? (An app that is disabled may come back as it was.)"""
    return row["disabled_at"] is not None and row["paused_at"] is None


def as_document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """In the order of the fields, which a database may have lost."""
    registered = {
        name: row["registration"][name] for name in registration.FIELDS if name in row["registration"]
    }
    supplier = {"supplier": row["supplier"]} if row["supplier"] else {}
    trying = {"sandbox": True} if row["sandbox"] else {}
    return {"client_id": row["client_id"]} | registered | supplier | trying


# ---------------------------------------------------------------- inside


def _plan(
    db: Connection,
    document: Mapping[str, Any],
    *,
    loopback_ok: bool,
    algorithms: Sequence[str],
    sandbox: bool | None,
    now: datetime,
    lock: bool,
) -> Planned:
    if not isinstance(document, Mapping):
        raise registration.Refused({"document": [Problem("no_object", "must be a JSON object")]})
    given = {name: value for name, value in document.items() if name not in BESIDE}
    secret = document.get("client_secret")
    if given.get("client_id") is None:
        given["client_id"] = entropy.identifier()
    existing, row = _known(db, given["client_id"], lock=lock)
    problems: registration.Problems = {}
    read: dict[str, Any] = {}
    try:
        read = registration.validate(
            given, today=day_of_law(now), loopback_ok=loopback_ok, algorithms=algorithms, existing=existing
        )
    except registration.Refused as refused:
        problems = {name: [*told] for name, told in refused.problems.items()}
    if secret is not None and (said := app_secrets.problem(secret, given)):
        problems["client_secret"] = [said]
    theirs = row["supplier"] if row and not gone(row) else None
    supplier = document.get("supplier", row["supplier"] if row else None) or None
    if supplier is not None and supplier != theirs and not suppliers.exists(db, supplier):
        unknown = "is unknown: `idp supplier list` shows who is known"
        problems["supplier"] = [Problem("no_supplier", unknown)]
    asked = document.get("sandbox", existing.sandbox if existing else False)
    if not isinstance(asked, bool):
        problems["sandbox"] = [fields.NOT_YES_OR_NO]
    trying_out = asked is True if sandbox is None else sandbox
    if said := _without_protocol(existing, read, sandbox=trying_out):
        problems["supplier_protocol"] = [said]
    if problems:
        raise registration.Refused(problems)
    kept = {**read, "sandbox": trying_out} | ({"supplier": supplier} if supplier else {})
    before = app_history.snapshot(row) if row and not gone(row) else None
    return Planned(
        client_id=read["client_id"],
        registration=read,
        existing=existing,
        row=row,
        sandbox=trying_out,
        supplier=supplier,
        differences=differences(before, kept),
        widens=widens(before, kept),
        new_secret=app_secrets.would_be_new(db, read, secret, now),
        secret=secret,
    )


def _known(db: Connection, client_id: Any, *, lock: bool) -> tuple[App | None, Mapping[str, Any] | None]:
    sound = isinstance(client_id, str) and client_id.isascii() and client_id.isprintable()
    if not sound or len(client_id) > 100:
        return None, None
    mine = select(AppRow.__table__).where(AppRow.client_id == client_id)
    row = db.execute(mine.with_for_update() if lock else mine).mappings().first()
    return (apps.load(db, client_id), dict(row)) if row else (None, None)


def _without_protocol(existing: App | None, read: Mapping[str, Any], *, sandbox: bool) -> Problem | None:
    """No new class scope without a dated protocol of the supplier; what an app has had since before, it keeps.

    A sandbox app needs none, so what it had there counts for nothing when it goes on to real pupils.
    """
    was = existing if existing is not None and not existing.disabled and not existing.sandbox else None
    had = was.scopes if was is not None else frozenset()
    new = (fields.CLASS_SCOPES & {*str(read.get("scope", "")).split()}) - had
    lost = existing is not None and existing.supplier_protocol_signed and fields.CLASS_SCOPES & had
    keeps = fields.CLASS_SCOPES & {*str(read.get("scope", "")).split()}
    if sandbox or "supplier_protocol_signed" in read or not (new or (lost and keeps)):
        return None
    scopes = " ".join(sorted(new or keeps))
    said = "is missing: {scopes} needs a protocol of the supplier, and supplier_protocol_signed, its day"
    return Problem("protocol_missing", said, scopes=scopes)


def _name_of(document: Any, number: int) -> str:
    said = document.get("client_id") if isinstance(document, Mapping) else None
    return str(said)[:100] if said else f"document {number}"
