"""How does a pupil with an advanced account come back without help? With an e-mail address of their own, confirmed before.

Whoever asks for a new password hears the same, in the same time, whatever there is behind the name: one row is written
in any case, and the worker finds out whether somebody gets a mail. A link is good once, for what it was mailed for, and
only while the address it went to is still the pupil's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from idp import entropy
from idp.audit import mail as audit_mail
from idp.clock import day_of_law
from idp.context import House
from idp.errors import NotAllowed
from idp.login import (
    accounts,
    browsers,
    outbox,
    own_password,
    passwords,
    postman,
    sessions,
    throttle,
    tries,
)
from idp.login.browsers import Browser
from idp.login.own_password import Unsuitable, keeps_secret
from idp.models import Account, AccountEmail, AccountType, LetterKind, LinkKind, MailLink, SecretKind

COOKIE = "link"
"""Word and purpose of the sealed cookie `this browser opened a link that was mailed`."""
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """What a pupil gave us."""

    address: str | None = None
    """The confirmed one."""
    pending: str | None = None


@dataclass(frozen=True, kw_only=True)
class Link:
    """A mailed link that still works."""

    digest: bytes
    kind: LinkKind
    account_uuid: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Reset:
    """A new password; this browser knows the pupil now, and nobody is signed in."""

    username: str
    browser_cookie: str


# ---------------------------------------------------------------- an address of one's own


def addresses(db: Connection, account_uuid: str) -> Addresses:
    row = db.execute(
        select(AccountEmail.address, AccountEmail.pending).where(AccountEmail.account_uuid == account_uuid)
    ).one_or_none()
    return Addresses(address=row.address, pending=row.pending) if row else Addresses()


def ask_to_confirm(house: House, *, account_uuid: str, address: str, language: str) -> bool:
    """Mail a link to this (canonical) address; it counts once the link was used. False: too many mails of late.

    Raises NotAllowed `sandbox_pupil`: whoever reads the secrets would send mail to anybody.
    """
    now = house.clock.now()
    most = house.settings.mails_per_account_hour
    if keeps_secret(house, account_uuid):
        raise NotAllowed("sandbox_pupil")
    if (
        max(_asked(house, now, "mail of", account_uuid), _asked(house, now, "mail to", address.casefold()))
        > most
    ):
        return False

    def work(db: Connection) -> bool:
        if not _may_have_an_address(db, account_uuid, now):
            return False
        mine = AccountEmail.account_uuid == account_uuid
        waiting = {"pending": address, "asked_at": now}
        if not db.execute(update(AccountEmail).where(mine).values(waiting)).rowcount:
            db.execute(insert(AccountEmail), waiting | {"account_uuid": account_uuid})
        _end_links(db, account_uuid, LinkKind.CONFIRM, now)
        outbox.post(db, LetterKind.CONFIRM, account_uuid=account_uuid, language=language, now=now)
        audit_mail.address_asked(db, account_uuid=account_uuid)
        return True

    return house.database.retrying(work)


def confirm(house: House, link: Link, *, language: str) -> bool:
    """The link was opened and the button pressed. Also where nobody is signed in: it came by mail."""
    now = house.clock.now()

    def work(db: Connection) -> bool:
        there = addresses(db, link.account_uuid)
        if not _spend(db, link, now) or there.pending != link.address:
            return False
        if not _may_have_an_address(db, link.account_uuid, now):
            return False
        fresh = {"address": link.address, "confirmed_at": now, "pending": None, "asked_at": None}
        db.execute(update(AccountEmail).where(AccountEmail.account_uuid == link.account_uuid).values(fresh))
        _end_links(db, link.account_uuid, LinkKind.RESET, now)
        if there.address and there.address != link.address:
            _tell_old(db, link.account_uuid, there.address, language, now)
        audit_mail.address_confirmed(db, account_uuid=link.account_uuid)
        return True

    return house.database.retrying(work)


def remove(db: Connection, *, account_uuid: str, language: str, now: datetime) -> None:
    """No address any more, and no link that came by it; the old one hears of it."""
    there = addresses(db, account_uuid)
    db.execute(delete(AccountEmail).where(AccountEmail.account_uuid == account_uuid))
    for kind in LinkKind:
        _end_links(db, account_uuid, kind, now)
    if there.address:
        _tell_old(db, account_uuid, there.address, language, now)
    audit_mail.address_removed(db, account_uuid=account_uuid)


# ---------------------------------------------------------------- a forgotten password


def ask_to_reset(house: House, *, username: str, address: str, language: str) -> None:
    """Somebody at this network address forgot the password of this (canonical) name. Says nothing, on purpose."""
    now = house.clock.now()
    over = max(
        _asked(house, now, "mail about", username) - house.settings.mails_per_account_hour,
        _asked(house, now, "mail from", throttle.network(address)) - house.settings.mails_per_network_hour,
    )
    if over > 1:
        # The audit trail said so already, and a stranger must not be able to fill it.
        return

    def work(db: Connection) -> None:
        account_uuid = db.execute(select(Account.account_uuid).where(Account.username == username)).scalar()
        audit_mail.reset_asked(db, account_uuid=account_uuid, result="too many" if over == 1 else "done")
        if over < 1:
            outbox.post(db, LetterKind.RESET, account_uuid=account_uuid, language=language, now=now)

    house.database.retrying(work)


def reset(
    house: House, link: Link, chosen: str, browser: Browser, *, language: str
) -> Reset | Unsuitable | None:
    """Set the chosen password and end everything that the old one opened. None: the link does not work (any more).

    Raises Busy.
    """
    now = house.clock.now()
    with house.database.reading() as db:
        account = accounts.find(db, link.account_uuid, day_of_law(now))
        names = own_password.names_around(db, link.account_uuid)
    if account is None or not account.active or account.type is not AccountType.ADVANCED:
        return None
    codes = passwords.judge_own(chosen, names=(*names, account.username, house.settings.brand))
    canonical = passwords.canonical(SecretKind.OWN, chosen)
    if codes or canonical is None:
        return Unsuitable(codes=tuple(codes) or ("password_too_short",))
    stored = house.hasher.hash_waiting(canonical)

    def work(db: Connection) -> bool:
        if addresses(db, link.account_uuid).address != link.address or not _spend(db, link, now):
            return False
        if not _may_have_an_address(db, link.account_uuid, now):
            return False
        accounts.set_own_password(
            db, account_uuid=link.account_uuid, stored=stored, now=now, settings=house.settings
        )
        sessions.end_all(db, link.account_uuid, "password_reset", now, grants=True)
        outbox.tell_password_changed(db, account_uuid=link.account_uuid, language=language, now=now)
        audit_mail.password_reset(db, account_uuid=link.account_uuid)
        return True

    if not house.database.retrying(work):
        return None
    met = browsers.after_meeting(browser, link.account_uuid, now)
    return Reset(username=account.username, browser_cookie=browsers.cookie(house.keys, met, now))


# ---------------------------------------------------------------- links


def find(db: Connection, token: str, now: datetime) -> Link | None:
    """The link with this token, if it still works. Looking changes nothing: programs that read mail look too."""
    for kind, prefix in postman.TOKENS.items():
        digest = entropy.digest(token, prefix)
        if digest is not None:
            return _live(db, digest, kind, now)
    return None


def hold(house: House, link: Link, now: datetime) -> str:
    """The value of the cookie that says this browser opened the link."""
    return house.keys.seal(COOKIE, {"d": link.digest.hex(), "k": link.kind.value}, now)


def held(db: Connection, house: House, cookie: str, kind: LinkKind, now: datetime) -> Link | None:
    inside = house.keys.unseal(COOKIE, cookie, now, seconds=60 * house.settings.mail_reset_minutes)
    if inside is None or inside["k"] != kind.value:
        return None
    return _live(db, bytes.fromhex(inside["d"]), kind, now)


def _live(db: Connection, digest: bytes, kind: LinkKind, now: datetime) -> Link | None:
    row = (
        db.execute(
            select(MailLink.digest, MailLink.kind, MailLink.account_uuid, MailLink.address).where(
                MailLink.digest == digest,
                MailLink.kind == kind,
                MailLink.used_at.is_(None),
                MailLink.expires_at > now,
            )
        )
        .mappings()
        .one_or_none()
    )
    return Link(**row) if row else None


def _spend(db: Connection, link: Link, now: datetime) -> bool:
    """One winner, however many press the button."""
    done = db.execute(
        update(MailLink)
        .where(MailLink.digest == link.digest, MailLink.used_at.is_(None), MailLink.expires_at > now)
        .values(used_at=now)
    )
    return bool(done.rowcount)


def _end_links(db: Connection, account_uuid: str, kind: LinkKind, now: datetime) -> None:
    mine = (MailLink.account_uuid == account_uuid, MailLink.kind == kind, MailLink.used_at.is_(None))
    db.execute(update(MailLink).where(*mine).values(used_at=now))


# ---------------------------------------------------------------- inside


def _may_have_an_address(db: Connection, account_uuid: str, now: datetime) -> bool:
    account = accounts.find(db, account_uuid, day_of_law(now))
    return account is not None and account.active and account.type is AccountType.ADVANCED


def _tell_old(db: Connection, account_uuid: str, address: str, language: str, now: datetime) -> None:
    outbox.post(
        db,
        LetterKind.ADDRESS_CHANGED,
        account_uuid=account_uuid,
        address=address,
        language=language,
        now=now,
    )


def _asked(house: House, now: datetime, *words: str) -> int:
    """How often in this hour, this time included? Counted under a keyed digest; not inside a transaction."""
    name = entropy.keyed_digest(house.keys.throttle, *words)
    return tries.anywhere(house, lambda counters: counters.bump(name, now, kept=_HOUR, after=_HOUR))
