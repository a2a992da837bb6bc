"""What did the restored database forget? Everything that was taken away since, done again; and every token that lived.

Tokens, codes, sessions and links in a backup are those of another day: some were spent since, some revoked. None counts
any more. The rest comes from the journal (idp/journal.py): the last act about a thing wins, and in doubt nobody gets
more than before. Nothing here gives anything: what was given since the backup has to be given again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from idp import apps
from idp.admin.apps import app_stopping, widening
from idp.claims import consent, visibility
from idp.clock import day_of_law
from idp.context import House
from idp.errors import Invalid, NotFound
from idp.login import blocking, support
from idp.models import (
    AccessToken,
    Account,
    AccountEmail,
    AppSecret,
    AuthorizationCode,
    Card,
    ClassDevice,
    DeviceCode,
    ErrandState,
    FeedClient,
    FeedSecret,
    Grant,
    HelpCode,
    InitialAccessToken,
    Lease,
    Letter,
    LogoutDelivery,
    MailLink,
    Marker,
    OperatorToken,
    Paperwork,
    Passkey,
    PushedRequest,
    RecoveryCode,
    RefreshToken,
    Right,
    School,
    Session,
    SigningKey,
    StaffAccount,
    StaffLink,
    StaffSession,
    Supplier,
    VisibilityRule,
)
from idp.models import App as AppRow

RESTORED = "restored"
Event = dict[str, Any]


def cut_off(db: Connection, now: datetime) -> dict[str, int]:
    """Nothing that was handed out before counts any more. Returns how much of each was still alive."""
    ends = {"ended_at": now, "ended_because": RESTORED}
    statements = {
        "sessions": update(Session).where(Session.ended_at.is_(None)).values(ends),
        "sessions of staff": update(StaffSession).where(StaffSession.ended_at.is_(None)).values(ends),
        "grants": update(Grant)
        .where(Grant.revoked_at.is_(None))
        .values(revoked_at=now, revoked_because=RESTORED),
        "access tokens": update(AccessToken).where(AccessToken.revoked_at.is_(None)).values(revoked_at=now),
        "tokens of operators": update(OperatorToken)
        .where(OperatorToken.revoked_at.is_(None), OperatorToken.expires_at > now)
        .values(revoked_at=now),
        "initial access tokens": update(InitialAccessToken)
        .where(InitialAccessToken.revoked_at.is_(None), InitialAccessToken.expires_at > now)
        .values(revoked_at=now),
        "help codes": update(HelpCode)
        .where(HelpCode.used_at.is_(None), HelpCode.voided_at.is_(None))
        .values(voided_at=now),
        "mailed links": update(MailLink).where(MailLink.used_at.is_(None)).values(used_at=now),
        "invitations": update(StaffLink).where(StaffLink.used_at.is_(None)).values(used_at=now),
        "letters": delete(Letter).where(Letter.state == ErrandState.WAITING),
    }
    counts = {what: db.execute(statement).rowcount for what, statement in statements.items()}
    for model in (
        AuthorizationCode,
        RefreshToken,
        PushedRequest,
        Marker,
        DeviceCode,
        Paperwork,
        Lease,
        LogoutDelivery,
    ):
        db.execute(delete(model))
    return counts


def again(db: Connection, house: House, events: Iterable[Event], now: datetime) -> dict[str, int]:
    """Do again what these events took away, oldest first; returns how many acts changed something, by event."""
    done: Counter[str] = Counter()
    for event in _last(events):
        act = ACTS.get(event["event"])
        if act is not None and act(db, house, event, now):
            done[event["event"]] += 1
    return dict(done)


def _last(events: Iterable[Event]) -> list[Event]:
    """Where one act undoes another, only the last about the same thing."""
    last: dict[tuple[Any, ...], Event] = {}
    for event in events:
        pair = PAIRS.get(str(event["event"]), str(event["event"]))
        details = event["details"]
        about = (
            pair,
            event["object"],
            event["instellingsnummer"],
            *(SAME.get(str(value), str(value)) for value in map(details.get, KEY_DETAILS.get(pair, ()))),
        )
        last.pop(about, None)
        last[about] = event
    return [*last.values()]


PAIRS = {
    "account_unblocked": "account_blocked",
    "card_alone_allowed": "card_alone_stopped",
    "app_made_visible": "app_made_invisible",
    "app_registered": "app_removed",
    "app_enabled": "app_disabled",
    "right_given": "right_stopped",
    "password_changed": "secret_renewed",
    "password_reset": "secret_renewed",
}
"""Event → the event that it undoes, or that is about the same thing."""
KEY_DETAILS = {
    "app_made_invisible": ("kind", "target"),
    "right_stopped": ("right",),
    "card_voided": ("card",),
    "staff_way_changed": ("what", "change"),
    "signing_key_retired": ("kid",),
    "app_secret_ended": ("secret",),
    "app_changed": ("fields",),
    "feed_client_changed": ("change",),
    "school_kept": ("fields",),
}
SAME = {"opened": "closed"}
"""Details of two events that are about the same thing."""
STEERING = frozenset(name for name, rule in widening.RULES.items() if rule is not widening.never)
"""Fields of an app with which it can do more or less: the older registration may be the wider one."""


# ---------------------------------------------------------------- one function an act; each answers: did it change?


def _sharing_stopped(db: Connection, _house: House, event: Event, now: datetime) -> bool:
    school = event["instellingsnummer"]
    if db.execute(select(School.instellingsnummer).where(School.instellingsnummer == school)).first() is None:
        return False
    reference = event["details"].get("reference") or f"stopped at {event['at']:%Y-%m-%d %H:%M} UTC"
    stopped = consent.stop_by_operator(
        db,
        instellingsnummer=school,
        operator=f"operator:{RESTORED}",
        reference=reference,
        now=now,
        today=day_of_law(now),
    )
    return stopped.was_agreed


def _blocked(db: Connection, _house: House, event: Event, now: datetime) -> bool:
    try:
        blocking.block(db, account_uuid=_name(event), instellingsnummer=event["instellingsnummer"], now=now)
    except NotFound:
        return False
    return True


def _unblocked(db: Connection, _house: House, event: Event, _now: datetime) -> bool:
    try:
        blocking.unblock(db, account_uuid=_name(event), instellingsnummer=event["instellingsnummer"])
    except NotFound:
        return False
    return True


def _secret_gone(db: Connection, _house: House, event: Event, _now: datetime) -> bool:
    """The newer secret is lost and the older one was replaced for a reason: the school gives another."""
    mine = Account.account_uuid == _name(event)
    older = update(Account).where(mine, Account.secret_set_at < event["at"])
    return bool(db.execute(older.values(secret_expires_at=event["at"])).rowcount)


def _card_voided(db: Connection, _house: House, event: Event, _now: datetime) -> bool:
    mine = update(Card).where(Card.id == event["details"].get("card"), Card.voided_at.is_(None))
    return bool(db.execute(mine.values(voided_at=event["at"])).rowcount)


def _card_alone_stopped(db: Connection, _house: House, event: Event, now: datetime) -> bool:
    mine = {"account_uuid": _name(event), "instellingsnummer": event["instellingsnummer"]}
    return support.stop_card_alone(db, now=now, **mine)


def _invisible(db: Connection, _house: House, event: Event, _now: datetime) -> bool:
    rule = select(VisibilityRule.id, VisibilityRule.instellingsnummer).where(
        VisibilityRule.client_id == _name(event),
        VisibilityRule.instellingsnummer == event["instellingsnummer"],
        VisibilityRule.kind == event["details"].get("kind"),
        VisibilityRule.target == event["details"].get("target"),
    )
    found = db.execute(rule).all()
    for row in found:
        visibility.remove(db, instellingsnummer=row.instellingsnummer, rule_id=row.id)
    return bool(found)


def _app_removed(db: Connection, _house: House, event: Event, now: datetime) -> bool:
    try:
        app_stopping.remove(db, _name(event), now=now)
    except NotFound:
        return False
    return True


def _app_secrets(db: Connection, _house: House, event: Event, _now: datetime) -> bool:
    """The new one is lost, the old one was to end: the app needs another."""
    old = delete(AppSecret).where(AppSecret.client_id == _name(event), AppSecret.created_at < event["at"])
    gone = bool(db.execute(old).rowcount)
    if gone:
        apps.changed(db)
    return gone


def _device(db: Connection, _house: House, event: Event, _now: datetime) -> bool:
    mine = update(ClassDevice).where(ClassDevice.id == _name(event), ClassDevice.revoked_at.is_(None))
    return bool(db.execute(mine.values(revoked_at=event["at"])).rowcount)


def _app_disabled(db: Connection, _house: House, event: Event, now: datetime) -> bool:
    try:
        app_stopping.disable(db, _name(event), now=now)
    except (NotFound, Invalid):
        return False
    return True


def _app_changed(db: Connection, house: House, event: Event, now: datetime) -> bool:
    """An address or a key that was withdrawn would be good again: the app waits until somebody has compared."""
    older = select(AppRow.client_id).where(AppRow.client_id == _name(event), AppRow.created_at < event["at"])
    if not STEERING & {*event["details"].get("fields", ())} or db.execute(older).first() is None:
        return False
    return _app_disabled(db, house, event, now)


def _app_secret_ended(db: Connection, house: House, event: Event, now: datetime) -> bool:
    secret = event["details"].get("secret")
    if secret is None:
        return _app_secrets(db, house, event, now)  # from before the event said which one
    gone = bool(db.execute(delete(AppSecret).where(AppSecret.id == secret)).rowcount)
    if gone:
        apps.changed(db)
    return gone


def _feed_client(db: Connection, _house: House, event: Event, now: datetime) -> bool:
    """Its tokens are gone already; what lives is the program, its secrets and its keys."""
    mine = _name(event)
    match event["details"].get("change"):
        case "secret made" | "secrets ended":
            old = delete(FeedSecret).where(FeedSecret.client_id == mine, FeedSecret.created_at < event["at"])
            return bool(db.execute(old).rowcount)
        case "opened":
            return False
        case _:  # closed, or its keys became others, which are lost
            stop = update(FeedClient).where(FeedClient.client_id == mine, FeedClient.disabled_at.is_(None))
            return bool(db.execute(stop.values(disabled_at=now)).rowcount)


def _supplier(db: Connection, _house: House, event: Event, now: datetime) -> bool:
    if event["details"].get("change") != "ended":
        return False
    mine = update(Supplier).where(Supplier.supplier_id == _name(event), Supplier.ended_at.is_(None))
    return bool(db.execute(mine.values(ended_at=now)).rowcount)


def _package(db: Connection, _house: House, event: Event, _now: datetime) -> bool:
    """The package of before would meet the school's pupils again: the school names its package anew."""
    details = event["details"]
    if event["event"] == "school_kept" and "pakket" not in details.get("fields", ()):
        return False
    named = details.get("package")
    mine = update(School).where(
        School.instellingsnummer == event["instellingsnummer"], School.pakket.is_not(None)
    )
    if named is not None:
        mine = mine.where(School.pakket != named)
    return bool(db.execute(mine.values(pakket=None)).rowcount)


def _right_stopped(db: Connection, _house: House, event: Event, _now: datetime) -> bool:
    last_day = date.fromordinal(day_of_law(event["at"]).toordinal() - 1)
    school = event["instellingsnummer"]
    mine = update(Right).where(
        Right.person_id == _name(event),
        Right.kind == event["details"].get("right"),
        Right.instellingsnummer.is_(None) if school is None else Right.instellingsnummer == school,
        Right.einddatum > last_day,
    )
    return bool(db.execute(mine.values(einddatum=last_day)).rowcount)


def _staff_way(db: Connection, _house: House, event: Event, _now: datetime) -> bool:
    """What was removed or replaced would be good again: this person sets everything up anew, by invitation."""
    person = _name(event)
    if event["event"] == "staff_way_changed" and event["details"].get("change") == "added":
        return False
    earlier = select(StaffAccount.person_id).where(
        StaffAccount.person_id == person, StaffAccount.created_at < event["at"]
    )
    if db.execute(earlier).first() is None:
        return False
    for model in (Passkey, RecoveryCode):
        db.execute(delete(model).where(model.person_id == person))
    db.execute(delete(StaffAccount).where(StaffAccount.person_id == person))
    return True


def _recovery_code(db: Connection, _house: House, event: Event, _now: datetime) -> bool:
    mine = delete(RecoveryCode).where(
        RecoveryCode.person_id == _name(event), RecoveryCode.created_at < event["at"]
    )
    return bool(db.execute(mine).rowcount)


def _address(db: Connection, _house: House, event: Event, _now: datetime) -> bool:
    return bool(db.execute(delete(AccountEmail).where(AccountEmail.account_uuid == _name(event))).rowcount)


def _signing_key(db: Connection, house: House, event: Event, now: datetime) -> bool:
    kid = str(event["details"].get("kid"))
    mine = update(SigningKey).where(
        SigningKey.kid == kid, SigningKey.gone_at.is_(None) | (SigningKey.gone_at > now)
    )
    if event["details"].get("because") != "revoked":
        return False
    house.keys.forget_private(kid)
    return bool(db.execute(mine.values(retires_at=now, gone_at=now)).rowcount)


def _name(event: Event) -> str:
    """What stands behind the colon of `object`."""
    return str(event["object"] or "").partition(":")[2]


ACTS: dict[str, Callable[[Connection, House, Event, datetime], bool]] = {
    "sharing_stopped": _sharing_stopped,
    "account_blocked": _blocked,
    "account_unblocked": _unblocked,
    "secret_renewed": _secret_gone,
    "password_changed": _secret_gone,
    "password_reset": _secret_gone,
    "card_voided": _card_voided,
    "card_alone_stopped": _card_alone_stopped,
    "app_made_invisible": _invisible,
    "app_removed": _app_removed,
    "app_changed": _app_changed,
    "app_disabled": _app_disabled,
    "app_secret_ended": _app_secret_ended,
    "app_secret_renewed": _app_secrets,
    "device_revoked": _device,
    "feed_client_changed": _feed_client,
    "package_named": _package,
    "right_narrowed": _right_stopped,
    "school_kept": _package,
    "supplier_changed": _supplier,
    "right_stopped": _right_stopped,
    "staff_set_up": _staff_way,
    "staff_way_changed": _staff_way,
    "staff_recovery_code_used": _recovery_code,
    "address_removed": _address,
    "signing_key_retired": _signing_key,
}
"""Every event of the journal but those that only undo another."""
