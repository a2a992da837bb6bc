"""How does a member of staff get a way to sign in? By an invitation: a link that works once, for some days.

The link is used up when the way is complete, in the same transaction: whoever closes the page halfway opens it again.
An invitation to somebody who could sign in already starts anew: what there was before is gone.

Whoever holds a link can become that person. A link that a LeerID-beheerder handed out is therefore worth what that
beheerder may give at the moment it is opened: it ends when the person got a stronger right, a right elsewhere or a way to
sign in meanwhile, and when the beheerder is none any more. One of an operator ends when that is no operator any more, or
when the person can sign in: in the console nobody starts anew who has an account.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, delete, exists, insert, or_, select, update

from idp import audit, entropy
from idp.audit import staff as audit_staff
from idp.clock import day_of_law
from idp.config import Settings
from idp.context import House
from idp.entropy import Token
from idp.errors import NotAllowed, NotFound
from idp.hashing import Stored
from idp.login import staff_accounts, staff_password, staff_sessions
from idp.login.staff_accounts import Key, Staff
from idp.login.staff_factors import Answer
from idp.login.staff_sign_in import TOTP, spend_challenge
from idp.models import Passkey, RecoveryCode, Right, RightKind, StaffAccount, StaffLink

PATH = "/personeel/uitnodiging/"
APPOINTED_BY_SCHOOL = frozenset({RightKind.BEHEERDER, RightKind.TEACHER})
"""What a LeerID-beheerder may give to others. A LeerID-databeheerder comes from the directeursopdracht."""
BY_OPERATOR = "console:"
"""Begins `made_by` of a link that an operator handed out, before the person_id."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """This person can sign in from now on."""

    session: staff_sessions.Started
    recovery_codes: tuple[str, ...]
    """Shown once; none for who has only a passkey."""


def require_own_ways(settings: Settings) -> None:
    """Raises NotAllowed `staff_only_upstream` where staff sign in at the upstream provider alone."""
    if settings.upstream_only:
        raise NotAllowed("staff_only_upstream")


def invite(db: Connection, settings: Settings, *, person_id: str, by: str, now: datetime) -> str:
    """The address to send to this person; an older one stops working.

    Raises NotFound `person_unknown`, and NotAllowed `staff_only_upstream` where nobody could use it.
    """
    require_own_ways(settings)
    if staff_accounts.find(db, person_id) is None:
        raise NotFound("person_unknown", person_id)
    token = entropy.token(Token.INVITATION, now)
    db.execute(delete(StaffLink).where(StaffLink.person_id == person_id, StaffLink.used_at.is_(None)))
    db.execute(
        insert(StaffLink),
        {
            "digest": entropy.digest(token, Token.INVITATION),
            "person_id": person_id,
            "made_by": by,
            "created_at": now,
            "expires_at": now + timedelta(hours=settings.staff_invitation_hours),
        },
    )
    audit_staff.staff_invited(db, person_id=person_id)
    return f"{settings.issuer}{PATH}{token}"


def invited(db: Connection, token: str, now: datetime) -> Staff:
    """Who this link invites. Raises NotFound `invitation_unknown`."""
    digest = entropy.digest(token, Token.INVITATION)
    link = (
        digest
        and db.execute(
            select(StaffLink.person_id, StaffLink.made_by).where(
                StaffLink.digest == digest, StaffLink.used_at.is_(None), StaffLink.expires_at > now
            )
        ).first()
    )
    staff = staff_accounts.find(db, link.person_id) if link else None
    if not link or staff is None or not _still_theirs(db, staff, link.made_by, day_of_law(now)):
        raise NotFound("invitation_unknown")
    return staff


def _still_theirs(db: Connection, staff: Staff, made_by: str, today: date) -> bool:
    """May whoever made this link still hand out all that it opens? The command line always may."""
    if made_by.startswith(BY_OPERATOR):
        return staff.user_handle is None and _operates(db, made_by.removeprefix(BY_OPERATOR), today)
    maker = made_by.removeprefix(audit.person(""))
    if maker == made_by:
        return True
    if _operator_invites_supplier(db, staff, maker, today):
        return True
    schools = select(Right.instellingsnummer).where(
        Right.person_id == maker,
        Right.kind == RightKind.BEHEERDER,
        Right.begindatum <= today,
        Right.einddatum >= today,
    )
    alive = (
        Right.person_id == staff.person_id,
        Right.einddatum >= today,
        Right.begindatum <= Right.einddatum,
    )
    more = or_(
        Right.kind.not_in(APPOINTED_BY_SCHOOL),
        Right.instellingsnummer.is_(None),
        Right.instellingsnummer.not_in(schools),
    )
    has_any = db.execute(select(exists().where(*alive))).scalar_one()
    has_more = db.execute(select(exists().where(*alive, more))).scalar_one()
    return staff.user_handle is None and bool(has_any) and not has_more


def _operator_invites_supplier(db: Connection, staff: Staff, maker: str, today: date) -> bool:
    """An operator may hand out a link to somebody who has nothing but apps of suppliers to look after."""
    counts = (Right.begindatum <= today, Right.einddatum >= today)
    operates = exists().where(Right.person_id == maker, Right.kind == RightKind.OPERATOR, *counts)
    alive = (Right.person_id == staff.person_id, Right.einddatum >= today)
    theirs = exists().where(*alive, Right.kind == RightKind.SUPPLIER)
    more = exists().where(*alive, Right.kind != RightKind.SUPPLIER, Right.begindatum <= Right.einddatum)
    return staff.user_handle is None and bool(db.execute(select(operates & theirs & ~more)).scalar_one())


def _operates(db: Connection, person_id: str, today: date) -> bool:
    """Is this person an operator today?"""
    right = exists().where(
        Right.person_id == person_id,
        Right.kind == RightKind.OPERATOR,
        Right.begindatum <= today,
        Right.einddatum >= today,
    )
    return bool(db.execute(select(right)).scalar_one())


def handle_for(house: House, token: str) -> str:
    """What a passkey made for this invitation knows the person by: the same for every page of it."""
    digest = entropy.keyed_digest(house.keys.throttle, "user handle", token)
    return str(uuid.UUID(digest[:32]))


def unsuitable(house: House, staff: Staff, password: str) -> list[str]:
    """Codes of what is wrong with a password for this person."""
    names = [
        staff.voornaam,
        staff.naam,
        staff.person_id,
        house.settings.brand,
        *(staff.e_mail or "").split("@"),
    ]
    return staff_password.judge(password, names=names)


def with_password(
    house: House, token: str, *, stored: Stored, totp_secret: str, step: int, device: str
) -> Ready:
    """The link is used: this password and this app. Raises NotFound when it was used meanwhile."""
    now = house.clock.now()

    def finish(db: Connection) -> Ready:
        staff = _use(db, token, now)
        staff_accounts.ensure(db, staff.person_id, now)
        staff_accounts.set_password(db, staff.person_id, stored, now)
        sealed = house.keys.keep(TOTP, totp_secret)
        staff_accounts.set_totp(db, staff.person_id, sealed, step=step, now=now)
        codes = staff_accounts.new_recovery_codes(db, staff.person_id, entropy.Chance(), now)
        audit_staff.staff_set_up(db, person_id=staff.person_id, way="password")
        return _begin(db, house, staff, ("pwd", "otp"), device=device, now=now, codes=tuple(codes))

    return house.database.retrying(finish)


def with_passkey(
    house: House, token: str, *, answer: Answer, user_handle: str, label: str, device: str
) -> Ready:
    """The link is used: this passkey alone. Raises NotFound when it was used meanwhile."""
    now = house.clock.now()

    def finish(db: Connection) -> Ready:
        staff = _use(db, token, now)
        staff_accounts.ensure(db, staff.person_id, now, user_handle=user_handle)
        if not spend_challenge(db, answer.challenge, now):
            raise NotFound("invitation_unknown")
        staff_accounts.add_passkey(db, new_key(staff.person_id, answer, label, now))
        audit_staff.staff_set_up(db, person_id=staff.person_id, way="passkey")
        return _begin(db, house, staff, ("passkey",), device=device, now=now)

    return house.database.retrying(finish)


def new_key(person_id: str, answer: Answer, label: str, now: datetime) -> Key:
    return Key(
        id=entropy.row_id(),
        person_id=person_id,
        credential_id=answer.credential_id,
        public_key=answer.public_key,
        sign_count=answer.sign_count,
        label=label[:60],
        created_at=now,
    )


def _use(db: Connection, token: str, now: datetime) -> Staff:
    """Take the link, and with it every way that there was before."""
    staff = invited(db, token, now)
    used = db.execute(
        update(StaffLink)
        .where(StaffLink.digest == entropy.digest(token, Token.INVITATION), StaffLink.used_at.is_(None))
        .values(used_at=now)
    )
    if not used.rowcount:
        raise NotFound("invitation_unknown")
    forget(db, staff.person_id, "set_up_anew", now)
    return staff


def forget(db: Connection, person_id: str, because: str, now: datetime) -> None:
    """Take away every way in which this person signs in, and end what is open."""
    staff_sessions.end_others(db, person_id, None, because, now)
    for table in (Passkey, RecoveryCode, StaffAccount):
        db.execute(delete(table).where(table.person_id == person_id))


def _begin(
    db: Connection,
    house: House,
    staff: Staff,
    amr: tuple[str, ...],
    *,
    device: str,
    now: datetime,
    codes: tuple[str, ...] = (),
) -> Ready:
    session = staff_sessions.start(db, house, person_id=staff.person_id, amr=amr, device=device, now=now)
    return Ready(session=session, recovery_codes=codes)
