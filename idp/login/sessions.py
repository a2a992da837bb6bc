"""Who is signed in on this browser? A row per sign-in; the cookie is opaque, new at every sign-in, and known by digest.

The only file of plain login code that knows Flask: `current()` answers for the request at hand, and Flask-Login
asks it. While `must_change` is set nobody counts as signed in for a `Door.PUPIL`: such a request goes to
`/nieuw-wachtwoord`, which asks `current()` itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Flask, Response, request
from flask_login import LoginManager
from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Executable,
    Integer,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from idp import audit, context, entropy, web
from idp.clock import BRUSSELS, day_of_law
from idp.config import Settings
from idp.context import House
from idp.login import accounts, farewell
from idp.models import Account, AccountType, ClassDevice, DeviceKind, Grant, Marker, Session
from idp.prepared import Prepared

COOKIE = "session"
SIGN_IN = "/aanmelden"
NEW_PASSWORD = "/nieuw-wachtwoord"
HELP = "/hulp"
WAY_BACK = ("/authorize?", "/mijn-apps", "/mijn-aanmeldingen")
"""Where a sign-in may lead: nowhere else, and never to another host."""
ACR = "urn:leersleutel:acr:"
_TOUCH = timedelta(minutes=1)
_BEGIN, _MARK = Prepared(insert(Session)), Prepared(insert(Marker))
_RUB_OUT = Prepared(
    delete(Marker).where(Marker.sid == bindparam("sid"), Marker.request_digest == bindparam("request_digest"))
)


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """The pupil behind this request, in the words that Flask-Login wants too."""

    sid: str
    account_uuid: str
    username: str
    type: AccountType
    given_name: str
    auth_time: datetime
    amr: tuple[str, ...]
    acr: str
    must_change: bool
    shared: bool

    is_active = True
    is_anonymous = False

    @property
    def is_authenticated(self) -> bool:
        return not self.must_change

    def get_id(self) -> str:
        return self.sid


class Started(NamedTuple):
    sid: str
    cookie: str
    """The value of the cookie; shown to the browser once, and nowhere else."""


# ---------------------------------------------------------------- beginning and ending


def start(
    db: Connection,
    house: House,
    *,
    account_uuid: str,
    amr: tuple[str, ...],
    acr: str,
    must_change: bool,
    shared: bool,
    now: datetime,
    until: datetime | None = None,
    device: DeviceKind = DeviceKind.OTHER,
    class_device: str | None = None,
) -> Started:
    """Begin a session, that ends at `until` at the latest. Beyond settings.sessions_per_pupil the oldest gives way."""
    _make_room(db, account_uuid, now, most=house.settings.sessions_per_pupil)
    sid, cookie = entropy.row_id(), entropy.token(entropy.Token.SESSION, now)
    _BEGIN.later(
        db,
        {
            "sid": sid,
            "cookie_digest": entropy.digest(cookie, entropy.Token.SESSION),
            "account_uuid": account_uuid,
            "auth_time": now,
            "amr": [*amr],
            "acr": acr,
            "must_change": must_change,
            "shared": shared,
            "device": device,
            "class_device": class_device,
            "last_seen_at": now,
            "expires_at": min(filter(None, (_ends(house.settings, now, shared=shared), until))),
        },
    )
    return Started(sid=sid, cookie=cookie)


def end(db: Connection, sid: str, because: str, now: datetime) -> bool:
    """End one session; False when it had ended. Grants that live on it end with it, by being looked at."""
    ended = _carry_out(db, _ending(Session.sid == sid), because, now)
    for _, account_uuid in ended:
        audit.signed_out(db, account_uuid=account_uuid, because=because)
    return bool(ended)


def end_all(
    db: Connection, account_uuid: str, because: str, now: datetime, *, grants: bool = False
) -> tuple[str, ...]:
    """End every session of a pupil; with `grants` also all that apps hold, refresh tokens included.

    Returns the sids that ended.
    """
    mine = Session.account_uuid == account_uuid
    sids = tuple(ended for ended, _ in _carry_out(db, _ending(mine), because, now))
    if grants:
        db.execute(
            update(Grant)
            .where(Grant.account_uuid == account_uuid, Grant.revoked_at.is_(None))
            .values(revoked_at=now, revoked_because=because)
        )
    if sids:
        audit.signed_out(db, account_uuid=account_uuid, because=because)
    return sids


def after_own_password(
    db: Connection, house: House, *, account_uuid: str, shared: bool, now: datetime, sid: str | None = None
) -> Started:
    """The pupil just chose a password in session `sid`: all ends, and this browser goes on with one of its own."""
    here = db.execute(select(Session.device, Session.class_device).where(Session.sid == sid)).one_or_none()
    end_all(db, account_uuid, "password_changed", now, grants=True)
    return start(
        db,
        house,
        account_uuid=account_uuid,
        amr=("pwd",),
        acr=f"{ACR}own",
        must_change=False,
        shared=shared,
        now=now,
        device=here.device if here else DeviceKind.OTHER,
        class_device=here.class_device if here else None,
    )


def end_on_devices(
    db: Connection,
    devices: ColumnElement[bool],
    because: str,
    now: datetime,
    *,
    of: ColumnElement[bool] | None = None,
) -> int:
    """End the sessions on these class devices (a condition on ClassDevice), perhaps only `of` some pupils.

    Returns how many ended. Each pupil's trail says so.
    """
    mine = Session.class_device.in_(select(ClassDevice.id).where(devices).scalar_subquery())
    ended = _carry_out(db, _ending(mine if of is None else and_(mine, of)), because, now)
    for account_uuid in {account_uuid for _, account_uuid in ended}:
        audit.signed_out(db, account_uuid=account_uuid, because=because)
    return len(ended)


def end_expired(db: Connection, since: datetime, now: datetime, *, most: int) -> int:
    """End the sessions whose last hour came after `since`, at most so many; returns how many.

    A session that is merely idle is not ended for the apps: whoever works in an app does not come by here.
    """
    over = (
        select(Session.sid)
        .where(Session.expires_at > since, Session.expires_at <= now, Session.ended_at.is_(None))
        .order_by(Session.expires_at)
        .limit(most)
    )
    return len(_carry_out(db, _ending(Session.sid.in_(over.scalar_subquery())), "expired", now))


def _make_room(db: Connection, account_uuid: str, now: datetime, *, most: int) -> None:
    """Looks first, in a statement of its own: one that waited for another sign-in of this pupil would not see its session."""
    given = {"of": account_uuid, "most": most - 1}
    if _FULL.first(db, given) is not None:
        _carry_out(db, _ending_oldest(), "too_many", now, **given)


_FULL = Prepared(
    select(Session.sid)
    .where(Session.account_uuid == bindparam("of"), Session.ended_at.is_(None))
    .limit(1)
    .offset(bindparam("most", type_=Integer))
)
"""Something when more than `most` sessions of a pupil live."""


@cache
def _ending_oldest() -> Prepared:
    too_old = (
        select(Session.sid)
        .where(Session.account_uuid == bindparam("of"), Session.ended_at.is_(None))
        .order_by(Session.auth_time.desc(), Session.sid)
        .limit(1000)
        .offset(bindparam("most", type_=Integer))
    )
    return Prepared(_ending(Session.sid.in_(too_old.scalar_subquery())))


def _ending(which: ColumnElement[bool]) -> Any:
    """The only statement that ends sessions; `_carry_out` sees to what belongs to it."""
    return (
        update(Session)
        .where(which, Session.ended_at.is_(None))
        .values(ended_at=bindparam("now"), ended_because=bindparam("because"))
        .returning(Session.sid, Session.account_uuid)
    )


def _carry_out(
    db: Connection, ending: Executable | Prepared, because: str, now: datetime, **which: Any
) -> list[tuple[str, str]]:
    """End sessions, and note which apps must hear of it: together, or not at all. Returns (sid, account_uuid)."""
    given = {"because": because, "now": now} | which
    rows = ending.rows(db, given) if isinstance(ending, Prepared) else db.execute(ending, given).all()
    ended = [(row.sid, row.account_uuid) for row in rows]
    if ended:
        farewell.note(db, [sid for sid, _ in ended], now)
    return ended


def _ends(settings: Settings, now: datetime, *, shared: bool) -> datetime:
    longest = now + timedelta(hours=settings.session_hours)
    return min(longest, school_day_ends(settings, now)) if shared else longest


def school_day_ends(settings: Settings, now: datetime) -> datetime:
    """The next time the clock in Brussels shows this hour."""
    hour, minute = map(int, settings.school_day_ends.split(":"))
    day = day_of_law(now)
    for ahead in (0, 1):
        on = day + timedelta(days=ahead)
        moment = datetime(on.year, on.month, on.day, hour, minute, tzinfo=BRUSSELS)
        if moment > now:
            return moment
    raise AssertionError("tomorrow is later than now")


# ---------------------------------------------------------------- looking


def seen(db: Connection, settings: Settings, cookie: str, now: datetime) -> SignedIn | None:
    """Whose session this cookie opens, if it is alive and its pupil may still sign in; it is noted as used now."""
    row = _find(db, cookie, now)
    if row is None or not alive(row, settings, now) or not _may_sign_in(row):
        return None
    _note_use(db, row, now)
    return _value(row)


def is_open(db: Connection, sid: str) -> bool:
    """Did nobody end it?"""
    return (
        db.execute(select(Session.sid).where(Session.sid == sid, Session.ended_at.is_(None))).first()
        is not None
    )


def current() -> SignedIn | None:
    """The pupil behind this request. Looks once; an account that went inactive ends its session here."""
    notes = context.notes()
    if "signed_in" not in notes:
        notes.signed_in = _look_now(web.read_cookie(COOKIE))
    signed_in: SignedIn | None = notes.signed_in
    return signed_in


def _look_now(cookie: str) -> SignedIn | None:
    if not cookie:
        return None
    house, now = context.house(), context.now()
    with house.database.reading() as db:
        row = _find(db, cookie, now)
    if row is None or not alive(row, house.settings, now):
        return None
    if not _may_sign_in(row):
        with house.database.transaction() as db:
            end(db, row.sid, "inactive", now)
        return None
    if now - row.last_seen_at >= _TOUCH:
        with house.database.transaction() as db:
            _note_use(db, row, now)
    return _value(row)


def _note_use(db: Connection, row: Any, now: datetime) -> None:
    if now - row.last_seen_at >= _TOUCH:
        db.execute(update(Session).where(Session.sid == row.sid).values(last_seen_at=now))


def _find(db: Connection, cookie: str, now: datetime) -> Any:
    """The session that has not ended, with what decides about its pupil."""
    digest = entropy.digest(cookie, entropy.Token.SESSION)
    if digest is None:
        return None
    return _session_and_pupil().first(db, {"digest": digest, "today": day_of_law(now)})


@cache
def _session_and_pupil() -> Prepared:
    return Prepared(
        select(
            Session.sid,
            Session.account_uuid,
            Session.auth_time,
            Session.amr,
            Session.acr,
            Session.must_change,
            Session.shared,
            Session.last_seen_at,
            Session.expires_at,
            Account.username,
            Account.type,
            Account.blocked_at,
            accounts.given_name_today(bindparam("today", type_=Date())).label("given_name"),
        )
        .join(Account, Account.account_uuid == Session.account_uuid)
        .where(Session.cookie_digest == bindparam("digest"), Session.ended_at.is_(None))
    )


def alive(row: Any, settings: Settings, now: datetime) -> bool:
    """Not over and not idle too long (a row of Session)."""
    idle = settings.shared_idle_minutes if row.shared else settings.session_idle_minutes
    return bool(row.expires_at > now and row.last_seen_at + timedelta(minutes=idle) > now)


def _may_sign_in(row: Any) -> bool:
    return row.blocked_at is None and row.given_name is not None


def _value(row: Any) -> SignedIn:
    return SignedIn(
        sid=row.sid,
        account_uuid=row.account_uuid,
        username=row.username,
        type=row.type,
        given_name=row.given_name,
        auth_time=row.auth_time,
        amr=tuple(row.amr),
        acr=row.acr,
        must_change=row.must_change,
        shared=row.shared,
    )


# ---------------------------------------------------------------- markers


def leave_marker(db: Connection, sid: str, url: str, now: datetime) -> None:
    """This session is fresh for the authorization request at `url` (path and query, or the whole address)."""
    mark = {"sid": sid, "request_digest": _request_digest(url)}
    _RUB_OUT.run(db, mark)
    _MARK.run(db, mark | {"created_at": now})


def leave_first_marker(db: Connection, sid: str, url: str, now: datetime) -> None:
    """The same for a session that began in this very transaction, and so has none yet."""
    _MARK.later(db, {"sid": sid, "request_digest": _request_digest(url), "created_at": now})


def _request_digest(url: str) -> str:
    """Of the parameters in their order, however the address was escaped."""
    given = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return hashlib.sha256(urlencode(given).encode()).hexdigest()


# ---------------------------------------------------------------- Flask-Login


class Manager(LoginManager):  # type: ignore[misc]
    """Flask-Login asks `current()` and nothing else: no user in Flask's session, no remember-me cookie."""

    def init_app(self, app: Flask, add_context_processor: bool = True) -> None:  # noqa: FBT001, FBT002
        super().init_app(app, add_context_processor)
        app.config["REMEMBER_COOKIE_NAME"] = "__Host-idp-no-such-cookie"
        app.config["SESSION_PROTECTION"] = None

    def _load_user(self) -> None:
        """Straight to the answer: Flask-Login would look through Flask's session and its cookies first."""
        self._update_request_context_with_user(current())

    def _update_remember_cookie(self, response: Response) -> Response:
        """There is none."""
        return response


login_manager = Manager()
login_manager.session_protection = None


@login_manager.unauthorized_handler  # type: ignore[untyped-decorator]
def _sign_in_first() -> Response | None:
    """To the sign-in page and back; a pupil with a temporary password changes it first."""
    signed_in = current()
    if signed_in is None:
        return web.see_other(_with_way_back(SIGN_IN))
    return None if request.path == NEW_PASSWORD else web.see_other(_with_way_back(NEW_PASSWORD))


def _with_way_back(page: str) -> str:
    here = request.full_path.rstrip("?")
    return f"{page}?{urlencode({'next': here})}" if here.startswith(WAY_BACK) else page
