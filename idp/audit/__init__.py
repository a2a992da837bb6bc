"""Which events are worth remembering? This page, and no others.

Each event is a function named as a sentence would name it. It writes in the caller's transaction: an act and
its trace commit together or not at all. Details hold ids, counts and codes: never names, secrets or tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from idp import entropy, journal, marks
from idp.models import AuditEvent
from idp.prepared import Prepared
from idp.watching import measures


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """Of the request or command that is being handled."""

    now: datetime
    actor: str = "nobody"
    source: str | None = None
    """Network address, or `cli`."""
    request_id: str | None = None


Words = Mapping[str, Any] | None
"""Parameters by name."""

_circumstances: ContextVar[Circumstances] = ContextVar("circumstances")


class circumstances:  # noqa: N801 - it reads as what it does, and a generator would cost every request four times as much
    """Every event written inside carries these."""

    __slots__ = ("_before", "_these")

    def __init__(self, these: Circumstances) -> None:
        self._these = these

    def __enter__(self) -> None:
        self._before = _circumstances.set(self._these)

    def __exit__(self, *_: object) -> None:
        _circumstances.reset(self._before)


@contextmanager
def acting(actor: str) -> Iterator[None]:
    """Every event written inside was done by this one, under the circumstances of the moment."""
    with circumstances(replace(_circumstances.get(), actor=actor)):
        yield


def handled() -> str | None:
    """The number of the request that is being handled, if one is: for the log."""
    these = _circumstances.get(None)
    return these.request_id if these else None


def begin(these: Circumstances) -> None:
    """The same for a web request, which ends by itself."""
    _circumstances.set(these)


def actor() -> str:
    """Who is at work now, as the trail would say it."""
    return _circumstances.get().actor


def pupil(account_uuid: str) -> str:
    return f"pupil:{account_uuid}"


def person(person_id: str) -> str:
    return f"person:{person_id}"


def app(client_id: str) -> str:
    return f"app:{client_id}"


# ---------------------------------------------------------------- signing in


def signed_in(db: Connection, *, account_uuid: str, amr: list[str], acr: str) -> None:
    _write(db, "signed_in", actor=pupil(account_uuid), object=pupil(account_uuid), amr=amr, acr=acr)


def sign_in_failed(db: Connection, *, account_uuid: str | None, channel: str, way: str) -> None:
    about = pupil(account_uuid) if account_uuid else None
    _write(db, "sign_in_failed", object=about, result="wrong", channel=channel, way=way)


def sign_in_slowed(db: Connection, *, account_uuid: str | None, channel: str, counter: str) -> None:
    about = pupil(account_uuid) if account_uuid else None
    _write(db, "sign_in_slowed", object=about, result="wait", channel=channel, counter=counter)


def sign_in_needs_help(
    db: Connection, *, account_uuid: str | None, instellingsnummer: str | None, counter: str
) -> None:
    """Waiting does not help any more: told to the school."""
    about = pupil(account_uuid) if account_uuid else None
    _write(
        db,
        "sign_in_needs_help",
        object=about,
        school=instellingsnummer,
        result="until help",
        counter=counter,
    )


def sign_in_released(
    db: Connection, *, account_uuid: str, instellingsnummer: str | None, counters: list[str]
) -> None:
    """Somebody opened what wrong tries had closed."""
    _write(db, "sign_in_released", object=pupil(account_uuid), school=instellingsnummer, counters=counters)


def signed_out(db: Connection, *, account_uuid: str, because: str) -> None:
    _write(db, "signed_out", actor=pupil(account_uuid), object=pupil(account_uuid), because=because)


def card_refused(db: Connection, *, because: str) -> None:
    _write(db, "card_refused", result="refused", because=because)


def help_given(db: Connection, *, account_uuid: str, instellingsnummer: str, by: str) -> None:
    _write(db, "help_given", actor=person(by), object=pupil(account_uuid), school=instellingsnummer)


def help_refused(db: Connection, *, account_uuid: str | None) -> None:
    """A code was typed that does not open, or not any more."""
    _write(db, "help_refused", object=pupil(account_uuid) if account_uuid else None, result="wrong")


def password_changed(db: Connection, *, account_uuid: str) -> None:
    _write(db, "password_changed", actor=pupil(account_uuid), object=pupil(account_uuid))


# ---------------------------------------------------------------- accounts


def account_created(db: Connection, *, account_uuid: str, instellingsnummer: str, kind: str) -> None:
    _write(db, "account_created", object=pupil(account_uuid), school=instellingsnummer, kind=kind)


def secret_renewed(db: Connection, *, account_uuid: str, instellingsnummer: str, kind: str) -> None:
    _write(db, "secret_renewed", object=pupil(account_uuid), school=instellingsnummer, kind=kind)


def username_changed(db: Connection, *, account_uuid: str, instellingsnummer: str | None) -> None:
    _write(db, "username_changed", object=pupil(account_uuid), school=instellingsnummer)


def card_issued(db: Connection, *, account_uuid: str, instellingsnummer: str | None, card: str) -> None:
    _write(db, "card_issued", object=pupil(account_uuid), school=instellingsnummer, card=card)


def cards_printed(db: Connection, *, instellingsnummer: str, count: int) -> None:
    _write(db, "cards_printed", school=instellingsnummer, count=count)


def accounts_merged(db: Connection, *, surviving: str, merged: str) -> None:
    _write(db, "accounts_merged", object=pupil(surviving), merged=merged)


# ---------------------------------------------------------------- agreements and visibility


def sharing_given(
    db: Connection, *, instellingsnummer: str, person_id: str, right: str, protocol_sha256: str
) -> None:
    _write(
        db,
        "sharing_given",
        actor=person(person_id),
        school=instellingsnummer,
        right=right,
        protocol=protocol_sha256,
    )


def sharing_stopped(
    db: Connection, *, instellingsnummer: str, by: str, reference: str | None, rules_turned: int
) -> None:
    _write(
        db,
        "sharing_stopped",
        actor=by,
        school=instellingsnummer,
        reference=reference,
        rules_turned=rules_turned,
    )


def app_made_visible(
    db: Connection, *, client_id: str, instellingsnummer: str, kind: str, target: str
) -> None:
    _write(db, "app_made_visible", object=app(client_id), school=instellingsnummer, kind=kind, target=target)


def app_made_invisible(
    db: Connection, *, client_id: str, instellingsnummer: str, kind: str, target: str
) -> None:
    _write(
        db, "app_made_invisible", object=app(client_id), school=instellingsnummer, kind=kind, target=target
    )


def protocol_published(db: Connection, *, version: str, protocol_sha256: str) -> None:
    _write(db, "protocol_published", object=f"protocol:{version}", protocol=protocol_sha256)


def right_narrowed(
    db: Connection, *, person_id: str, right: str, instellingsnummer: str, counts: dict[str, int]
) -> None:
    """For whom a right counts was chosen."""
    _write(
        db,
        "right_narrowed",
        object=person(person_id),
        school=instellingsnummer,
        right=right,
        counts=counts,
    )


def right_given(db: Connection, *, person_id: str, right: str, instellingsnummer: str | None) -> None:
    _write(db, "right_given", object=person(person_id), school=instellingsnummer, right=right)


# ---------------------------------------------------------------- apps and tokens


def app_refused(
    db: Connection,
    *,
    client_id: str | None,
    error: str,
    because: str,
    received: Words = None,
    registered: Words = None,
) -> None:
    """A client could not be authenticated, or asked what it may not."""
    told = {"received": received, "registered": registered}
    _refused(db, "app_refused", client_id=client_id, error=error, because=because, told=told)


def authorization_refused(
    db: Connection,
    *,
    client_id: str | None,
    error: str,
    because: str,
    received: Words = None,
    registered: Words = None,
    at: str | None = None,
) -> None:
    """`at`: where, when it was not /authorize."""
    told = {"received": received, "registered": registered}
    _refused(db, "authorization_refused", client_id=client_id, error=error, because=because, at=at, told=told)


def sign_out_refused(
    db: Connection,
    *,
    client_id: str | None,
    error: str,
    because: str,
    received: Words = None,
    registered: Words = None,
) -> None:
    told = {"received": received, "registered": registered}
    _refused(db, "sign_out_refused", client_id=client_id, error=error, because=because, told=told)


def logout_not_delivered(db: Connection, *, client_id: str, count: int, because: str) -> None:
    """An app did not hear yet that so many sessions ended; it is tried again."""
    _write(
        db,
        "logout_not_delivered",
        actor="system",
        object=app(client_id),
        result="tried",
        count=count,
        because=because,
    )


def logout_given_up(db: Connection, *, client_id: str, count: int, because: str) -> None:
    """An app never heard that so many sessions ended."""
    _write(
        db,
        "logout_given_up",
        actor="system",
        object=app(client_id),
        result="given up",
        count=count,
        because=because,
    )


def registration_refused(
    db: Connection,
    *,
    client_id: str | None,
    error: str,
    because: str,
    received: Words = None,
    registered: Words = None,
) -> None:
    """An app wanted to register itself, or to change its registration."""
    told = {"received": received, "registered": registered}
    _refused(db, "registration_refused", client_id=client_id, error=error, because=because, told=told)


def code_replayed(db: Connection, *, client_id: str, account_uuid: str, grant_id: str) -> None:
    _write(
        db,
        "code_replayed",
        actor=app(client_id),
        object=pupil(account_uuid),
        result="revoked",
        grant=grant_id,
    )


def refresh_replayed(db: Connection, *, client_id: str, account_uuid: str, grant_id: str) -> None:
    _write(
        db,
        "refresh_replayed",
        actor=app(client_id),
        object=pupil(account_uuid),
        result="revoked",
        grant=grant_id,
    )


def signing_key_made(db: Connection, *, kid: str, alg: str) -> None:
    _write(db, "signing_key_made", object=f"key:{kid}", alg=alg)


def signing_key_retired(db: Connection, *, kid: str, because: str) -> None:
    _write(db, "signing_key_retired", object=f"key:{kid}", because=because)


# ---------------------------------------------------------------- data in, and time passing


def enrolments_imported(
    db: Connection, *, instellingsnummer: str, delivery: str, counts: dict[str, int]
) -> None:
    _write(db, "enrolments_imported", school=instellingsnummer, delivery=delivery, counts=counts)


def classes_imported(
    db: Connection, *, instellingsnummer: str, delivery: str, counts: dict[str, int]
) -> None:
    _write(db, "classes_imported", school=instellingsnummer, delivery=delivery, counts=counts)


def delivery_held(
    db: Connection, *, instellingsnummer: str | None, delivery: str, because: list[str]
) -> None:
    _write(db, "delivery_held", school=instellingsnummer, result="held", delivery=delivery, because=because)


def delivery_refused(db: Connection, *, instellingsnummer: str | None, delivery: str, because: str) -> None:
    _write(
        db, "delivery_refused", school=instellingsnummer, result="refused", delivery=delivery, because=because
    )


def tidied(db: Connection, *, counts: dict[str, int]) -> None:
    _write(db, "tidied", actor="system", counts=counts)


def _refused(
    db: Connection,
    event: str,
    *,
    client_id: str | None,
    error: str,
    because: str,
    told: Mapping[str, Words],
    at: str | None = None,
) -> None:
    """For whoever builds the app: what was received, beside what is registered (oidc/app_log.py shows it)."""
    about = app(client_id[:100]) if client_id else None
    words: dict[str, Any] = {"because": because[:500]}
    if any(told.values()):
        words |= told
    if at is not None:
        words["at"] = at
    _write(db, event, object=about, result=error, **words)


def _write(
    db: Connection,
    event: str,
    *,
    actor: str | None = None,
    object: str | None = None,  # noqa: A002 - the column's name
    school: str | None = None,
    result: str = "done",
    **details: Any,
) -> None:
    these = _circumstances.get()
    row = {
        "id": entropy.row_id(),
        "at": these.now,
        "event": event,
        "actor": actor or these.actor,
        "instellingsnummer": school,
        "object": object,
        "result": result,
        "source": these.source,
        "request_id": these.request_id,
        "details": details,
    }
    _LINE.later(db, row | {"mark": marks.for_row(db, TRAIL, row)})
    journal.note(db.info, row)
    measures.event(event, details)


TRAIL = AuditEvent.__tablename__
_LINE = Prepared(insert(AuditEvent))

write = _write
"""For the other pages of this list (audit/staff.py)."""
