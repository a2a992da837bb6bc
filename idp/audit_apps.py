"""Which events of registrations are worth remembering? Of apps, and of tokens with which they register; a page of audit.py."""

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
