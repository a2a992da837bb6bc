"""Which events of registrations are worth remembering? Of apps, and of tokens with which they register; a page of idp/audit."""

from __future__ import annotations

from sqlalchemy import Connection

from idp.audit import app, write


def app_registered(db: Connection, *, client_id: str) -> None:
    write(db, "app_registered", object=app(client_id))


def app_changed(db: Connection, *, client_id: str, fields: list[str]) -> None:
    write(db, "app_changed", object=app(client_id), fields=fields)


def app_logo_changed(db: Connection, *, client_id: str, source: str, sha256: str | None) -> None:
    write(db, "app_logo_changed", object=app(client_id), source=source, sha256=sha256)


def app_removed(db: Connection, *, client_id: str) -> None:
    write(db, "app_removed", object=app(client_id))


def app_secret_renewed(db: Connection, *, client_id: str) -> None:
    write(db, "app_secret_renewed", object=app(client_id))


def app_secret_ended(db: Connection, *, client_id: str, secret: str) -> None:
    """Somebody ended a secret before its time; `secret` is its id."""
    write(db, "app_secret_ended", object=app(client_id), secret=secret)


def app_disabled(db: Connection, *, client_id: str) -> None:
    write(db, "app_disabled", object=app(client_id))


def app_enabled(db: Connection, *, client_id: str) -> None:
    write(db, "app_enabled", object=app(client_id))


def app_change_requested(
    db: Connection, *, client_id: str, request: str, fields: list[str], widens: list[str]
) -> None:
    """A change waits for somebody else; `widens` are the fields with which the app could do more."""
    write(
        db,
        "app_change_requested",
        object=app(client_id),
        result="waiting",
        request=request,
        fields=fields,
        widens=widens,
    )


def app_change_decided(db: Connection, *, client_id: str, request: str, decision: str, asked_by: str) -> None:
    write(
        db,
        "app_change_decided",
        object=app(client_id),
        result=decision,
        request=request,
        asked_by=asked_by,
    )


def supplier_changed(db: Connection, *, supplier: str, change: str) -> None:
    """Who makes apps: made known, renamed, or ended."""
    write(db, "supplier_changed", object=f"supplier:{supplier}", change=change)


def sandbox_changed(db: Connection, *, instellingsnummer: str, change: str, pupils: int) -> None:
    """The maker of an app tried something in a sandbox school: its sharing, or the class of so many pupils."""
    write(db, "sandbox_changed", school=instellingsnummer, change=change, pupils=pupils)


def operator_token_issued(db: Connection, *, token: str, scope: str, until: str) -> None:
    """A program of the operator may use the REST API."""
    write(db, "operator_token_issued", object=f"operator-token:{token}", scope=scope, until=until)


def operator_token_revoked(db: Connection, *, token: str) -> None:
    write(db, "operator_token_revoked", object=f"operator-token:{token}")


def operator_token_refused(db: Connection, *, token: str | None, because: str) -> None:
    """Somebody came to the REST API with a token that is not good, or not for this."""
    about = f"operator-token:{token}" if token else None
    write(db, "operator_token_refused", object=about, result="refused", because=because)


def initial_token_issued(
    db: Connection, *, token: str, label: str, uses: int, scope: str, visible_in_sandbox: bool
) -> None:
    write(
        db,
        "initial_token_issued",
        object=f"initial-token:{token}",
        label=label,
        uses=uses,
        scope=scope,
        visible_in_sandbox=visible_in_sandbox,
    )


def initial_token_revoked(db: Connection, *, token: str) -> None:
    write(db, "initial_token_revoked", object=f"initial-token:{token}")


def roster_exported(db: Connection, *, client_id: str, instellingsnummer: str, pupils: int) -> None:
    """An app fetched its lists of a school as one file."""
    write(db, "roster_exported", object=app(client_id), school=instellingsnummer, pupils=pupils)
