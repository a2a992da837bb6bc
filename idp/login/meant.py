"""Who is meant by a user name? The same statement, and the same work, whether it exists or not."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Date, String, Uuid, and_, bindparam, func, select
from sqlalchemy.orm import aliased

from idp import entropy
from idp.clock import day_of_law
from idp.keys import Keys
from idp.login import accounts, cards
from idp.login.accounts import Account
from idp.login.cards import HeldCard
from idp.login.devices import Device
from idp.models import Account as AccountRow
from idp.models import Card, Enrolment, Moment, SecretKind
from idp.prepared import Prepared

_NO_CARD = str(uuid.UUID(int=0))
_NO_SCHOOL = ""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What there is behind a name."""

    account: Account | None
    kind: SecretKind
    """Of the account, or of the one a name without account pretends to be."""
    card: str | None
    """The card of this pupil that this browser holds, and that is still live."""
    at_home: bool = False
    """This browser is a device of a school where this pupil is enrolled today."""


def look_up(
    db: Connection,
    keys: Keys,
    username: str,
    now: datetime,
    *,
    card: HeldCard | None = None,
    device: Device | None = None,
) -> Found:
    """The same statement, and the same work, whether the name exists or not."""
    pivot = entropy.keyed_digest(keys.throttle, "step", username)
    row = _statement().first(
        db,
        {
            "name": username,
            "card": card.id if card else _NO_CARD,
            "school": device.instellingsnummer if device else _NO_SCHOOL,
            "now": now,
            "today": day_of_law(now),
            "pivot": str(uuid.UUID(pivot[:32])),
        },
    )
    pretended = row.pretended or (SecretKind.PICTURE if int(pivot[-1], 16) % 2 else SecretKind.BASIC)
    if row.account_uuid is None:
        return Found(account=None, kind=pretended, card=None)
    account = accounts.from_row(row)
    return Found(
        account=account, kind=account.secret_kind, card=row.card_id, at_home=row.enrolled_here is not None
    )


@cache
def _statement() -> Prepared:
    """The account of a name, this browser's card if it is of that account, whether this device is of a school of
    that pupil, and the kind of a drawn account.

    Drawing (by a keyed hash of the name, among random account_uuids) gives names without account the real mix
    of kinds, and the same one each time.
    """
    asked = select(bindparam("name", type_=String).label("name")).subquery("asked")
    drawn = aliased(AccountRow)
    pretended = (
        select(drawn.secret_kind)
        .where(drawn.account_uuid >= bindparam("pivot", type_=Uuid(as_uuid=False)))
        .order_by(drawn.account_uuid)
        .limit(1)
        .scalar_subquery()
    )
    first = aliased(AccountRow)
    around = select(first.secret_kind).order_by(first.account_uuid).limit(1).scalar_subquery()
    today = bindparam("today", type_=Date())
    given_name = accounts.given_name_today(today)
    enrolled_here = (
        select(Enrolment.id)
        .where(
            Enrolment.account_uuid == AccountRow.account_uuid,
            Enrolment.instellingsnummer == bindparam("school", type_=String),
            Enrolment.begindatum <= today,
            Enrolment.einddatum >= today,
        )
        .limit(1)
        .scalar_subquery()
    )
    return Prepared(
        select(
            *accounts.COLUMNS,
            given_name.label("given_name"),
            Card.id.label("card_id"),
            func.coalesce(pretended, around).label("pretended"),
            enrolled_here.label("enrolled_here"),
        )
        .select_from(asked)
        .outerjoin(AccountRow, AccountRow.username == asked.c.name)
        .outerjoin(
            Card,
            and_(
                Card.id == bindparam("card", type_=Uuid(as_uuid=False)),
                Card.account_uuid == AccountRow.account_uuid,
                Card.voided_at.is_(None),
                Card.expires_at > bindparam("now", type_=Moment()),
                cards.at_its_school(today),
            ),
        )
    )
