"""Signing keys for tests: made once per run, because an RSA key takes its time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from idp.context import House
from idp.models import SigningKey
from idp.oidc import signing

_made: dict[tuple[Path, tuple[str, ...]], list[dict[str, Any]]] = {}
"""By folder with keys, and algorithms."""


def keys(house: House) -> None:
    """This house has a signing key for every algorithm of its settings; they sign from now on."""
    now, which = house.clock.now(), (house.keys.folder, tuple(house.settings.signing_algorithms))
    with house.database.transaction() as db:
        rows = _made.get(which)
        if rows is None or not all(
            (house.keys.folder / "signing" / f"{row['kid']}.pem").exists() for row in rows
        ):
            signing.ensure(db, house, now)
            found = db.execute(select(SigningKey.__table__)).mappings()
            _made[which] = [dict(row) for row in found]
        else:
            db.execute(insert(SigningKey), [row | {"announced_at": now, "signs_from": now} for row in rows])
    signing.forget(house)
