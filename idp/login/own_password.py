"""How does a pupil get a password of their own? Prove the present one, choose, and everything else is signed out."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from idp import apart
from idp.context import House
from idp.errors import NotAllowed, SignInRequired
from idp.login import accounts, outbox, passwords, sessions
from idp.login.sessions import SignedIn
from idp.models import AccountType, Enrolment, School, SecretKind


@dataclass(frozen=True, kw_only=True)
class Changed:
    session: sessions.Started


@dataclass(frozen=True, kw_only=True)
class Unsuitable:
    """Codes of what is wrong with it (passwords.judge_own)."""

    codes: tuple[str, ...]


def change(house: House, who: SignedIn, chosen: str, *, language: str) -> Changed | Unsuitable:
    """Give this pupil the chosen password. Raises Busy, Invalid for a basic account, NotAllowed `sandbox_pupil`, SignInRequired when the session ended meanwhile."""
    if keeps_secret(house, who.account_uuid) and not who.must_change:
        raise NotAllowed("sandbox_pupil")
    with house.database.reading() as db:
        names = names_around(db, who.account_uuid)
        account = accounts.find(db, who.account_uuid, house.clock.today())
    codes = passwords.judge_own(chosen, names=(*names, who.username, house.settings.brand))
    canonical = passwords.canonical(SecretKind.OWN, chosen)
    if codes or canonical is None:
        return Unsuitable(codes=tuple(codes) or ("password_too_short",))
    if account is not None and who.must_change and _same(house, account, chosen):
        return Unsuitable(codes=("password_is_the_old_one",))
    stored = house.hasher.hash_waiting(canonical)
    now = house.clock.now()
    with house.database.transaction() as db:
        accounts.set_own_password(
            db, account_uuid=who.account_uuid, stored=stored, now=now, settings=house.settings
        )
        if not sessions.is_open(db, who.sid):
            # The school gave a new secret meanwhile, or ended what was open: that counts.
            raise SignInRequired("sign_in_required")
        outbox.tell_password_changed(db, account_uuid=who.account_uuid, language=language, now=now)
        started = sessions.after_own_password(
            db, house, account_uuid=who.account_uuid, sid=who.sid, shared=who.shared, now=now
        )
    return Changed(session=started)


def keeps_secret(house: House, account_uuid: str) -> bool:
    """Is it a sandbox pupil, whose password everybody reads and nobody should change? Those of a demo are one's own."""
    return apart.is_invented(account_uuid) and not house.settings.demo


def may_choose(house: House, who: SignedIn) -> bool:
    """Is there a page for a new password, for this pupil, now?"""
    free = who.must_change or not keeps_secret(house, who.account_uuid)
    return who.type is AccountType.ADVANCED and free


def names_around(db: Connection, account_uuid: str) -> tuple[str, ...]:
    """The pupil's names and those of their schools: what a classmate would try first."""
    rows = db.execute(
        select(Enrolment.voornaam, Enrolment.naam, School.naam.label("school"))
        .join(School, School.instellingsnummer == Enrolment.instellingsnummer)
        .where(Enrolment.account_uuid == account_uuid)
    ).all()
    return tuple({name for row in rows for name in (row.voornaam, row.naam, row.school)})


def _same(house: House, account: accounts.Account, chosen: str) -> bool:
    """Is it the temporary password again?"""
    tried = passwords.canonical(account.secret_kind, chosen)
    return tried is not None and house.hasher.verify(account.stored, tried).right
