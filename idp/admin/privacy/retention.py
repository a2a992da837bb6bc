"""What may not be kept any longer? The retention table of `docs/retention.md`, carried out in small batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select, update

from idp import audit, pushed
from idp.admin.privacy import deleting
from idp.admin.records import sealing
from idp.claims import consent, visibility
from idp.clock import day_of_law, midnight
from idp.context import House
from idp.feeds import deliveries
from idp.models import (
    AccessToken,
    Account,
    AccountEmail,
    Agreement,
    App,
    AppLogo,
    AppPupil,
    AppRequest,
    AppSecret,
    AuditEvent,
    AuthorizationCode,
    Base,
    Card,
    ClassDevice,
    ClassMembership,
    Delivery,
    DeviceCode,
    Enrolment,
    FeedSecret,
    Grant,
    HeldPart,
    HelpCode,
    InitialAccessToken,
    Klas,
    Letter,
    LogoutDelivery,
    MailLink,
    Marker,
    OperatorToken,
    Paperwork,
    Passkey,
    Person,
    Pupil,
    PushedRequest,
    RecoveryCode,
    RefreshToken,
    Release,
    RequestState,
    RetiredUsername,
    Right,
    RightScope,
    RuleKind,
    School,
    SelfRegistration,
    Session,
    StaffAccount,
    StaffLink,
    StaffSession,
    Support,
    Throttle,
    UsedAssertion,
    UsedChallenge,
    VisibilityRule,
    WrongSecret,
)
from idp.oidc import signing


def tidy(house: House, now: datetime) -> dict[str, int]:
    """Delete or blank everything that is past its time. Returns how many rows of each table; safe to repeat."""
    counts: dict[str, int] = {}
    with house.database.transaction() as db:
        consent.settle_lapsed(db, today=day_of_law(now))
    sealing.seal(house, now)
    sealing.anchor(house, now)
    for model, moment, condition in _expired(house, now):
        counts[model.__tablename__] = deleting.straight(house, model, moment, condition)
    for model, condition in _left_over(house, now):
        count = deleting.walking(house, model, condition)
        counts[model.__tablename__] = counts.get(model.__tablename__, 0) + count
    counts["names"] = _forget_names(house, now)
    counts["names of staff"] = _forget_staff(house, now)
    counts["identifiers"] = _leave_tombstones(house, now)
    until = house.clock.monotonic() + 60 * house.settings.purge_minutes
    for model, before in _purged(house, now):
        counts[model.__tablename__] = sealing.purge(house, model, before, now, until=until)
    counts["private keys"] = signing.forget_gone(house, now)
    if house.database.journal is not None:
        counts["files of the journal"] = house.database.journal.tidy(now)
    with house.database.transaction() as db:
        audit.tidied(db, counts={what: count for what, count in counts.items() if count})
    return counts


Deletion = tuple[type[Base], ColumnElement[bool]]


def _expired(house: House, now: datetime) -> Iterator[tuple[type[Base], Any, ColumnElement[bool]]]:
    """What goes when its moment has come: an index on that moment leads to it."""
    keep = house.settings
    expired = now - timedelta(days=keep.keep_expired_days)
    replaced = now - timedelta(days=keep.keep_replaced_days)
    yield AccessToken, AccessToken.expires_at, AccessToken.expires_at < expired
    yield RefreshToken, RefreshToken.expires_at, RefreshToken.expires_at < expired
    yield AuthorizationCode, AuthorizationCode.expires_at, AuthorizationCode.expires_at < expired
    yield (
        Grant,
        Grant.expires_at,
        and_(Grant.expires_at < expired, ~exists().where(AccessToken.grant_id == Grant.id)),
    )
    yield Marker, Marker.created_at, Marker.created_at < now - timedelta(seconds=keep.marker_seconds)
    yield LogoutDelivery, LogoutDelivery.created_at, LogoutDelivery.created_at < expired
    yield (
        Session,
        Session.expires_at,
        and_(Session.expires_at < expired, ~exists().where(Grant.sid == Session.sid)),
    )
    yield StaffLink, StaffLink.expires_at, StaffLink.expires_at < expired
    yield StaffSession, StaffSession.expires_at, StaffSession.expires_at < expired
    yield UsedChallenge, UsedChallenge.expires_at, UsedChallenge.expires_at < now
    yield Throttle, Throttle.changed_at, Throttle.changed_at < expired
    yield HelpCode, HelpCode.expires_at, HelpCode.expires_at < expired
    yield MailLink, MailLink.expires_at, MailLink.expires_at < expired
    yield Letter, Letter.created_at, Letter.created_at < expired
    yield (
        WrongSecret,
        WrongSecret.tried_at,
        WrongSecret.tried_at < now - timedelta(hours=keep.keep_wrong_secret_hours),
    )
    yield UsedAssertion, UsedAssertion.expires_at, UsedAssertion.expires_at < now
    yield PushedRequest, PushedRequest.expires_at, PushedRequest.expires_at < now - pushed.KEPT
    yield ClassMembership, ClassMembership.replaced_at, ClassMembership.replaced_at < replaced


def _left_over(house: House, now: datetime) -> Iterator[Deletion]:
    """What goes because something else is gone, or is rare: looking at each row tells."""
    keep = house.settings
    expired = now - timedelta(days=keep.keep_expired_days)
    replaced = now - timedelta(days=keep.keep_replaced_days)
    day = day_of_law(now)
    yield (
        InitialAccessToken,
        and_(
            InitialAccessToken.expires_at < expired,
            ~exists().where(SelfRegistration.initial_token == InitialAccessToken.id),
        ),
    )
    yield (
        AppLogo,
        exists().where(
            App.client_id == AppLogo.client_id, App.disabled_at.is_not(None), App.paused_at.is_(None)
        ),
    )
    yield AppSecret, AppSecret.expires_at < expired
    yield FeedSecret, FeedSecret.expires_at < expired
    yield OperatorToken, _token_nobody_asks_for(house, now - timedelta(days=keep.keep_staff_names_days))
    for way in (RecoveryCode, Passkey, StaffAccount):
        yield way, way.person_id.in_(_staff_without_rights(now - timedelta(days=keep.keep_staff_days)))
    yield DeviceCode, DeviceCode.expires_at < now
    yield ClassDevice, or_(ClassDevice.einddatum < day_of_law(expired), ClassDevice.revoked_at < expired)
    yield Paperwork, Paperwork.expires_at < now
    yield AccountEmail, and_(AccountEmail.address.is_(None), AccountEmail.asked_at < replaced)
    yield (
        RightScope,
        exists().where(
            Right.id == RightScope.right_id, Right.einddatum < day - timedelta(days=keep.keep_expired_days)
        ),
    )
    yield ClassMembership, _membership_of_who_left(now)
    yield ClassMembership, _membership_after_stopping(now)
    yield HeldPart, HeldPart.held_at < replaced
    yield HeldPart, _held_classes_of_who_does_not_share(now)
    yield (
        Klas,
        and_(
            Klas.changed_at < replaced,
            ~exists().where(ClassMembership.klas == Klas.id),
            ~_is_named_by_a_rule(),
        ),
    )
    yield Support, _support_of_who_left(now)
    yield Delivery, Delivery.received_at < now - timedelta(days=keep.keep_audit_days)
    yield Card, and_(Card.voided_at.is_not(None), Card.voided_at < now - timedelta(days=keep.keep_names_days))


def _purged(house: House, now: datetime) -> Iterator[tuple[type[Base], datetime]]:
    """The trail and the ledger go in whole runs that were sealed and anchored, so that what stays can be verified."""
    day, keep = day_of_law(now), house.settings
    first_of_september = date(day.year - keep.keep_ledger_years - (day.month < 9), 9, 1)
    yield Release, midnight(first_of_september)
    yield AuditEvent, now - timedelta(days=keep.keep_audit_days)


def _staff_without_rights(since: datetime) -> Any:
    """Who has had no right since then, and no account that is younger than that."""
    held = exists().where(Right.person_id == StaffAccount.person_id, Right.einddatum >= day_of_law(since))
    return select(StaffAccount.person_id).where(StaffAccount.created_at < since, ~held)


def _token_nobody_asks_for(house: House, since: datetime) -> ColumnElement[bool]:
    """Ended before that. Of a change that still waits it must be known who stands behind its token (four eyes)."""
    ended = or_(OperatorToken.expires_at < since, OperatorToken.revoked_at < since)
    asked = select(AppRequest.requested_by).where(
        AppRequest.state == RequestState.WAITING, AppRequest.requested_by.startswith("operator-token:")
    )
    with house.database.reading() as db:
        waiting = [one.partition(":")[2] for one in db.execute(asked).scalars()]
    return and_(ended, OperatorToken.id.not_in(waiting))


def _is_named_by_a_rule() -> ColumnElement[bool]:
    return exists().where(
        VisibilityRule.kind == RuleKind.KLAS,
        VisibilityRule.instellingsnummer == Klas.instellingsnummer,
        visibility.names(VisibilityRule.target, Klas.id),
    )


def _membership_of_who_left(now: datetime) -> ColumnElement[bool]:
    """One year after the active enrolment at that school ended, at the very latest (protocol, article 3)."""
    year_ago = day_of_law(now) - timedelta(days=365)
    here = exists().where(
        Enrolment.account_uuid == ClassMembership.account_uuid,
        Enrolment.instellingsnummer == ClassMembership.instellingsnummer,
        Enrolment.einddatum >= year_ago,
    )
    return ~here


def _support_of_who_left(now: datetime) -> ColumnElement[bool]:
    """What a pupil needs is known to a school as long as the pupil is there, or comes."""
    here = exists().where(
        Enrolment.account_uuid == Support.account_uuid,
        Enrolment.instellingsnummer == Support.instellingsnummer,
        Enrolment.einddatum >= day_of_law(now),
    )
    return ~here


def _membership_after_stopping(now: datetime) -> ColumnElement[bool]:
    """All within 24 hours of stopping: whatever is here of a school that does not share."""
    return _of_who_does_not_share(ClassMembership.instellingsnummer, now)


def _held_classes_of_who_does_not_share(now: datetime) -> ColumnElement[bool]:
    """Enrolments are no part of an agreement: those wait for their week."""
    of_classes = select(Delivery.id).where(Delivery.kind == deliveries.CLASSES)
    return and_(HeldPart.delivery.in_(of_classes), _of_who_does_not_share(HeldPart.instellingsnummer, now))


def _of_who_does_not_share(school: Any, now: datetime) -> ColumnElement[bool]:
    sharing = consent.sharing_schools(day_of_law(now))
    wanted: ColumnElement[bool] = school.in_(
        select(School.instellingsnummer).where(School.instellingsnummer.not_in(sharing))
    )
    return wanted


def _gone_since(days: int, now: datetime) -> ColumnElement[bool]:
    """Pupils whose last enrolment ended more than so many days ago; of one who was merged, that of who they are now."""
    before = day_of_law(now) - timedelta(days=days)
    mine = Enrolment.account_uuid == func.coalesce(Pupil.merged_into, Pupil.account_uuid)
    return and_(~exists().where(mine, Enrolment.einddatum >= before), exists().where(mine))


def _forget_names(house: House, now: datetime) -> int:
    """Of pupils who left long ago. Returns how many rows have no names now."""
    personal: tuple[Any, ...] = (Card, Support, AccountEmail, MailLink, Letter)
    named = or_(Pupil.voornaam.is_not(None), Pupil.naam.is_not(None), Pupil.geboortedatum.is_not(None))
    enrolled = or_(Enrolment.voornaam != "", Enrolment.naam != "")
    left = or_(
        named,
        exists().where(Enrolment.account_uuid == Pupil.account_uuid, enrolled),
        *(exists().where(model.account_uuid == Pupil.account_uuid) for model in personal),
    )
    gone = and_(_gone_since(house.settings.keep_names_days, now), left)

    def forget(db: Connection, *, found: Sequence[str]) -> int:
        some = _still(db, found, gone)
        for model in personal:
            db.execute(delete(model).where(model.account_uuid.in_(some)))
        official = update(Pupil).where(Pupil.account_uuid.in_(some), named)
        official = official.values(voornaam=None, naam=None, geslacht=None, geboortedatum=None)
        local = (
            update(Enrolment).where(Enrolment.account_uuid.in_(some), enrolled).values(voornaam="", naam="")
        )
        return db.execute(official).rowcount + db.execute(local).rowcount

    return deleting.by_and_by(house, Pupil.account_uuid, gone, forget)


def _forget_staff(house: House, now: datetime) -> int:
    """Of who has had no right for long: rights, agreements and the trail keep the ids. Returns how many people."""
    since = now - timedelta(days=house.settings.keep_staff_names_days)
    held = select(Right.person_id).where(Right.einddatum >= day_of_law(since))
    agreed = select(Agreement.given_by).where(
        or_(Agreement.stopped_at.is_(None), Agreement.stopped_at >= since)
    )
    named = or_(Person.voornaam != "", Person.naam != "", Person.e_mail.is_not(None))
    here = or_(Person.person_id.in_(held), Person.person_id.in_(agreed))
    gone = and_(Person.created_at < since, named, ~here)

    def forget(db: Connection, *, found: Sequence[str]) -> int:
        blank = update(Person).where(Person.person_id.in_(found), gone)
        return db.execute(blank.values(voornaam="", naam="", e_mail=None)).rowcount

    return deleting.by_and_by(house, Person.person_id, gone, forget)


def _leave_tombstones(house: House, now: datetime) -> int:
    """Identifiers stay without anything that recognises a person; they are never given to anyone else.

    By what name an app knew who left goes too. Who comes back before that has the very same, also after a merge or when
    the app changed its subject type: that is what those rows are kept for. Afterwards the digest of the national number is
    gone, so only the same school meets them again, by stamnummer: with the name that the app's registration gives them.
    """
    others = (RetiredUsername, Account, AppPupil)
    left = or_(
        Pupil.national_number_digest.is_not(None),
        *(exists().where(model.account_uuid == Pupil.account_uuid) for model in others),
    )
    gone = and_(_gone_since(house.settings.keep_identifiers_days, now), left)

    def bury(db: Connection, *, found: Sequence[str]) -> int:
        some = _still(db, found, gone)
        rows = sum(db.execute(delete(one).where(one.account_uuid.in_(some))).rowcount for one in others)
        db.execute(update(Pupil).where(Pupil.account_uuid.in_(some)).values(national_number_digest=None))
        return rows

    return deleting.by_and_by(house, Pupil.account_uuid, gone, bury)


def _still(db: Connection, found: Sequence[str], gone: ColumnElement[bool]) -> Sequence[str]:
    """Those of whom it is still true: one may have come back meanwhile."""
    return db.execute(select(Pupil.account_uuid).where(Pupil.account_uuid.in_(found), gone)).scalars().all()
