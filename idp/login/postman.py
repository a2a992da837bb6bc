"""How does a mail leave the house? Over SMTP to the server of the settings; in a demo, into a folder.

The link of a mail is made here, at the last moment, and kept as a digest only: no queue, log or backup ever holds it.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from email.errors import MessageError
from email.message import EmailMessage
from pathlib import Path

import structlog
from sqlalchemy import Connection, insert, select

from idp import entropy
from idp.audit import mail as audit_mail
from idp.config import Settings
from idp.context import House
from idp.entropy import Token
from idp.login import accounts, letters, outbox
from idp.login.outbox import Due
from idp.models import AccountEmail, AccountType, LetterKind, LinkKind, MailLink

log = structlog.get_logger(__name__)
SECONDS = 10.0
"""For every step of a conversation with the server."""
ROUND = 20.0
"""Seconds after which a round ends: other work waits too."""
TOKENS = {LinkKind.CONFIRM: Token.CONFIRM, LinkKind.RESET: Token.RESET}
_PERMANENT = 500

Send = Callable[[EmailMessage], object]


class NotSentError(Exception):
    """The server did not take it."""

    def __init__(self, because: str, *, for_good: bool) -> None:
        super().__init__(because)
        self.because = because
        self.for_good = for_good


def deliver(house: House) -> int:
    """Send what is due; returns how many rows were taken. Safe in any number of processes."""
    with house.database.reading() as db:
        if not house.settings.sends_mail or not outbox.is_due(db, house.clock.now()):
            return 0
    with house.database.transaction() as db:
        taken = outbox.take(db, house.clock.now())
    left = list(taken)
    ends = house.clock.monotonic() + ROUND
    try:
        with _connected(house.settings) as send:
            while left and house.clock.monotonic() < ends:
                _send_one(house, left[0], send)
                left.pop(0)
    except NotSentError as no:
        # The server itself is away: one answer for everything that is left.
        for one in left:
            _note_failure(house, one, no)
        left = []
    if left:
        with house.database.transaction() as db:
            outbox.back(db, tuple(left), house.clock.now())
    return len(taken)


def knock(settings: Settings) -> None:
    """Is the server there, safe, and does it know us? Sends nothing. Raises NotSentError."""
    with _connected(settings):
        pass


def url(settings: Settings, token: str) -> str:
    return f"{settings.issuer}/m/{token}"


# ---------------------------------------------------------------- one mail


def _send_one(house: House, one: Due, send: Send) -> None:
    """Send it, or note that it could not be; raises NotSentError when nothing else can be sent either."""
    try:
        with house.database.transaction() as db:
            mail = _write(db, house, one)
            if mail is None:
                outbox.forget(db, one.id)
                return
    except (ValueError, LookupError, MessageError) as bad:
        # One mail that cannot be written must not keep the others, or other work, waiting.
        _note_failure(house, one, NotSentError(f"not written: {type(bad).__name__}", for_good=True))
        return
    try:
        send(mail)
    except smtplib.SMTPRecipientsRefused as refused:
        code = max((reply[0] for reply in refused.recipients.values()), default=_PERMANENT)
        _note_failure(house, one, NotSentError(f"SMTP {code}", for_good=code >= _PERMANENT))
    except smtplib.SMTPResponseException as answer:
        no = NotSentError(f"SMTP {answer.smtp_code}", for_good=answer.smtp_code >= _PERMANENT)
        _note_failure(house, one, no)
    except (OSError, smtplib.SMTPException) as away:
        raise NotSentError(f"no connection: {type(away).__name__}", for_good=False) from away
    else:
        with house.database.transaction() as db:
            outbox.sent(db, one, house.clock.now())


def _write(db: Connection, house: House, one: Due) -> EmailMessage | None:
    """The mail, with a link of its own; None when this pupil gets none (any more)."""
    to = _address(db, one, house.clock.today())
    if to is None or one.account_uuid is None:
        return None
    now = house.clock.now()
    link = None
    if one.kind in {LetterKind.CONFIRM, LetterKind.RESET}:
        kind = LinkKind(one.kind.value)
        life = {
            LinkKind.CONFIRM: timedelta(hours=house.settings.mail_confirm_hours),
            LinkKind.RESET: timedelta(minutes=house.settings.mail_reset_minutes),
        }[kind]
        token = entropy.token(TOKENS[kind], now)
        row = {"digest": entropy.digest(token, TOKENS[kind]), "account_uuid": one.account_uuid, "kind": kind}
        db.execute(insert(MailLink), row | {"address": to, "made_at": now, "expires_at": now + life})
        link = url(house.settings, token)
    return letters.write(
        house.settings,
        one.kind,
        to=to,
        language=one.language,
        letter_id=f"{one.id}.{one.tries}",
        now=now,
        link=link,
    )


def _address(db: Connection, one: Due, today: date) -> str | None:
    """Notices go where they were meant to; links only to an address that the account has at this moment."""
    if one.kind in {LetterKind.ADDRESS_CHANGED, LetterKind.PASSWORD_CHANGED}:
        return one.address
    account = accounts.find(db, one.account_uuid, today) if one.account_uuid else None
    row = db.execute(
        select(AccountEmail.address, AccountEmail.pending).where(
            AccountEmail.account_uuid == one.account_uuid
        )
    ).one_or_none()
    if row is None or account is None or not account.active or account.type is not AccountType.ADVANCED:
        return None
    found: str | None = row.address if one.kind is LetterKind.RESET else row.pending
    return found


def _note_failure(house: House, one: Due, no: NotSentError) -> None:
    now = house.clock.now()
    with house.database.transaction() as db:
        given_up = outbox.not_sent(db, one, no.because, now, for_good=no.for_good)
        if given_up:
            audit_mail.mail_given_up(db, kind=one.kind, because=no.because)
    log.warning("mail_not_sent", letter=one.id, kind=one.kind.value, because=no.because, given_up=given_up)


# ---------------------------------------------------------------- the server, or a folder


@contextmanager
def _connected(settings: Settings) -> Iterator[Send]:
    """Something that sends. Raises NotSentError when the server cannot be reached, or does not know us."""
    if not settings.smtp_host:
        yield lambda mail: _into_folder(settings.mail_folder, mail)
        return
    try:
        server = _open(settings)
    except smtplib.SMTPResponseException as answer:
        raise NotSentError(f"SMTP {answer.smtp_code} at the door", for_good=False) from answer
    except (OSError, smtplib.SMTPException) as away:
        raise NotSentError(f"no connection: {type(away).__name__}", for_good=False) from away
    try:
        yield server.send_message
    finally:
        _close(server)


def _open(settings: Settings) -> smtplib.SMTP:
    """A connection that is safe, and on which we are known. A server that offers no TLS is no server of ours."""
    trusted = ssl.create_default_context(cafile=str(settings.smtp_ca_file) if settings.smtp_ca_file else None)
    host, port = settings.smtp_host, settings.smtp_port
    if settings.smtp_security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=trusted)
    else:
        server = smtplib.SMTP(host, port, timeout=SECONDS)
    try:
        if settings.smtp_security == "starttls":
            server.starttls(context=trusted)
        if settings.smtp_user and settings.smtp_password_file is not None:
            password = settings.smtp_password_file.read_text(encoding="utf-8").strip()
            server.login(settings.smtp_user, password)
    except BaseException:
        server.close()
        raise
    return server


def _close(server: smtplib.SMTP) -> None:
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()


def _into_folder(folder: Path, mail: EmailMessage) -> None:
    """In a demo: one file a mail, readable by us alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = str(mail["Message-ID"]).strip("<>").partition("@")[0]
    file = folder / f"{name}.eml"
    file.touch(mode=0o600)
    file.write_bytes(mail.as_bytes())
