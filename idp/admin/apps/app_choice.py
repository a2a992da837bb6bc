"""Which app does somebody mean? The one with this client_id, or the only one that is called so; else those that are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from idp.admin.apps import app_list
from idp.apps import App
from idp.context import House

MOST = 12
"""So many are offered at once to choose from."""
FEW = 60
"""With no more apps than this, the field itself offers all of them."""


@dataclass(frozen=True, kw_only=True)
class Meant:
    app: App | None = None
    """The one that is meant, if only one can be."""
    among: Sequence[app_list.Named] = ()
    """Those that may be meant, and how many there are."""
    many: int = 0


def find(house: House, words: str, *, removed: bool = False) -> Meant:
    """Whoever's client_id this is, or who is called so; with `removed` also those that are no more."""
    if not words:
        return Meant()
    if app := house.apps.find(words):
        return Meant(app=app)
    with house.database.reading() as db:
        found, many = app_list.by_name(db, words, most=MOST, removed=removed)
    return Meant(app=house.apps.find(found[0].client_id)) if many == 1 else Meant(among=found, many=many)


def few(house: House, *, removed: bool = False) -> Sequence[app_list.Named]:
    """All of them, when a field can offer so many."""
    with house.database.reading() as db:
        found, many = app_list.by_name(db, "", most=FEW, removed=removed)
    return found if many <= FEW else ()
