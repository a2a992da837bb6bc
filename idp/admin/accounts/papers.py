"""How do new accounts, secrets or cards get from a proposal to paper, once? Begun, edited, done, downloaded for an hour.

What is proposed, and later the secrets, are kept encrypted under a key that only the browser of this person has. The
accounts and their papers are written in one transaction, which one click wins: a second click, Back or a laptop that
was closed finds the same papers, and never makes a second set of secrets.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from idp import entropy
from idp.admin.accounts import bulk
from idp.admin.printing import bundle
from idp.admin.printing.handout import Handout, Picture
from idp.admin.printing.sheets import Progress, silent
from idp.audit import accounts as audit_accounts
from idp.claims import agreements
from idp.context import House
from idp.errors import Invalid, NotFound
from idp.login import accounts, free_names, usernames
from idp.login.accounts import Proposal
from idp.models import AccountType, Paperwork, PaperworkKind, SecretKind

MOST = 1_000
"""Pupils at a time."""
KINDS = (SecretKind.PICTURE, SecretKind.BASIC, SecretKind.TEMPORARY)
"""What a school can give."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Whose papers, at which school, and the key that this person's browser holds."""

    person_id: str
    instellingsnummer: str
    key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What somebody has in hands. While it is not done there are proposals, then there are handouts."""

    id: str
    kind: PaperworkKind
    done: bool
    expires_at: datetime
    proposals: tuple[Proposal, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """account_uuid → what is proposed to give; as it is typed."""
    handouts: tuple[Handout, ...] = field(default=(), repr=False)
    left_out: int = 0
    """Chosen, and not part of it: they have an account already, or have none."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Something that can still be finished or downloaded."""

    id: str
    kind: PaperworkKind
    count: int
    done: bool
    expires_at: datetime


class _AlreadyDone(Exception):
    """Another click was first: nothing of this one happens."""


def propose(
    db: Connection, house: House, desk: Desk, kind: PaperworkKind, account_uuids: Sequence[str]
) -> tuple[Proposal, ...]:
    """What could be done for these pupils of the school: accounts for who has none, the rest for who has one."""
    today = house.clock.today()
    if kind is PaperworkKind.CREATE:
        return accounts.propose(
            db, instellingsnummer=desk.instellingsnummer, today=today, account_uuids=account_uuids
        )
    return bulk.existing(
        db,
        instellingsnummer=desk.instellingsnummer,
        account_uuids=account_uuids,
        today=today,
        renewing=kind is PaperworkKind.RENEW,
    )


def begin(
    house: House, desk: Desk, kind: PaperworkKind, proposals: Sequence[Proposal], *, left_out: int = 0
) -> str:
    """Keep a proposal; returns its id. Raises Invalid (`papers_for_nobody`, `papers_for_too_many`)."""
    if not proposals:
        raise Invalid("papers_for_nobody")
    if len(proposals) > MOST:
        raise Invalid("papers_for_too_many", str(len(proposals)))
    now, work_id = house.clock.now(), entropy.identifier()
    secrets = {} if kind is PaperworkKind.CARD else _drawn(proposals)
    sealed = _seal(desk, work_id, {"proposals": _plain(proposals), "secrets": secrets, "left_out": left_out})
    with house.database.transaction() as db:
        db.execute(delete(Paperwork).where(Paperwork.expires_at <= now))
        db.execute(
            insert(Paperwork),
            {
                "id": work_id,
                "person_id": desk.person_id,
                "instellingsnummer": desk.instellingsnummer,
                "kind": kind,
                "count": len(proposals),
                "sealed": sealed,
                "made_at": now,
                "expires_at": _end(house, now),
            },
        )
    return work_id


def find(db: Connection, desk: Desk, work_id: str, now: datetime) -> Work:
    """Raises NotFound `papers_gone`: of somebody else, of another school or browser, or its hour is over."""
    row = db.execute(
        select(Paperwork.kind, Paperwork.sealed, Paperwork.done_at, Paperwork.expires_at).where(
            *_mine(desk, work_id), Paperwork.expires_at > now
        )
    ).one_or_none()
    inside = _unseal(desk, work_id, row.sealed) if row else None
    if row is None or inside is None:
        raise NotFound("papers_gone")
    return Work(
        id=work_id,
        kind=row.kind,
        done=row.done_at is not None,
        expires_at=row.expires_at,
        proposals=tuple(_proposal(one) for one in inside.get("proposals", ())),
        secrets=inside.get("secrets", {}),
        handouts=tuple(_handout(one) for one in inside.get("handouts", ())),
        left_out=inside["left_out"],
    )


def waiting(db: Connection, person_id: str, instellingsnummer: str, now: datetime) -> tuple[Waiting, ...]:
    """What this person began at this school and can still come back to, the latest first."""
    rows = db.execute(
        select(
            Paperwork.id,
            Paperwork.kind,
            Paperwork.count,
            Paperwork.done_at.is_not(None).label("done"),
            Paperwork.expires_at,
        )
        .where(
            Paperwork.person_id == person_id,
            Paperwork.instellingsnummer == instellingsnummer,
            Paperwork.expires_at > now,
        )
        .order_by(Paperwork.made_at.desc())
        .limit(5)
    )
    return tuple(Waiting(**row | {"done": bool(row["done"])}) for row in map(dict, rows.mappings()))


def save(
    house: House, desk: Desk, work: Work, proposals: Sequence[Proposal], *, renewed: Container[str] = ()
) -> Work | None:
    """Keep what was edited, for a new hour. None when it was done meanwhile: then nothing changes.

    Who gets another kind of secret, or is in `renewed`, gets a new one proposed.
    """
    now = house.clock.now()
    before = {one.account_uuid: one.secret_kind for one in work.proposals}
    same = [
        one.account_uuid
        for one in proposals
        if one.secret_kind is before.get(one.account_uuid) and one.account_uuid not in renewed
    ]
    kept = {uuid: work.secrets[uuid] for uuid in same if uuid in work.secrets}
    secrets = kept | _drawn([one for one in proposals if one.account_uuid not in kept])
    edited = replace(work, proposals=tuple(proposals), secrets=secrets)
    inside = {"proposals": _plain(proposals), "secrets": secrets, "left_out": work.left_out}
    values = {"sealed": _seal(desk, work.id, inside), "expires_at": _end(house, now), "count": len(proposals)}
    with house.database.transaction() as db:
        return edited if db.execute(_draft(desk, work.id).values(values)).rowcount else None


def drop(db: Connection, desk: Desk, work_id: str) -> None:
    """Cancel: nothing was made yet. What is done stays."""
    db.execute(delete(Paperwork).where(*_mine(desk, work_id), Paperwork.done_at.is_(None)))


def problems(db: Connection, work: Work) -> dict[str, str]:
    """account_uuid → code of what is wrong with its user name; only new accounts have one to choose."""
    if work.kind is not PaperworkKind.CREATE:
        return {}
    found = {
        one.account_uuid: code
        for one in work.proposals
        if (code := usernames.valid(one.username)) is not None
    }
    good = [one for one in work.proposals if one.account_uuid not in found]
    names = [one.username for one in good]
    for one, free in zip(good, free_names.choose(db, names), strict=True):
        if one.username != free:
            found[one.account_uuid] = "username_taken"
    return found


def carry_out(house: House, desk: Desk, work: Work, *, progress: Progress = silent) -> None:
    """Do it, once: whoever comes second changes nothing and finds the papers of the first.

    Raises Invalid `papers_for_nobody` when nobody is left, and those of bulk.
    """
    if work.done:
        return
    now = house.clock.now()

    def keep(db: Connection, handouts: tuple[Handout, ...]) -> None:
        if not handouts:
            raise Invalid("papers_for_nobody")
        left_out = work.left_out + len(work.proposals) - len(handouts)
        said = {"handouts": [asdict(one) for one in handouts], "left_out": left_out}
        values = {
            "sealed": _seal(desk, work.id, said),
            "done_at": now,
            "drawn": 0,
            "expires_at": _end(house, now),
            "count": len(handouts),
        }
        if not db.execute(_draft(desk, work.id).values(values)).rowcount:
            raise _AlreadyDone

    here = _still_here(house, desk, work)
    if not here:
        raise Invalid("papers_for_nobody")
    uuids = [one.account_uuid for one in here]
    try:
        match work.kind:
            case PaperworkKind.CREATE:
                bulk.create(house, here, given=work.secrets, progress=progress, also=keep)
            case PaperworkKind.RENEW:
                bulk.renew(
                    house,
                    instellingsnummer=desk.instellingsnummer,
                    account_uuids=uuids,
                    kinds={one.account_uuid: one.secret_kind for one in here},
                    given=work.secrets,
                    progress=progress,
                    also=keep,
                )
            case PaperworkKind.CARD:
                bulk.new_cards(
                    house, instellingsnummer=desk.instellingsnummer, account_uuids=uuids, also=keep
                )
    except _AlreadyDone:
        return


def zipped(house: House, desk: Desk, work: Work, *, apart: bool = False) -> tuple[str, bytes]:
    """(name, content) of the zip: Excel, cards, and lists and stickers per (sub)klas or group. Audited.

    It was drawn ahead, or is drawn now. `apart`: the secrets on sheets of their own.
    """
    today = house.clock.today()
    with house.database.transaction() as db:
        shares = agreements.shares_today(db, desk.instellingsnummer, today)
        ahead = select(Paperwork.file).where(*_mine(desk, work.id), Paperwork.file_by_klas == shares)
        sealed = None if apart else db.execute(ahead).scalar()
        audit_accounts.papers_fetched(
            db, instellingsnummer=desk.instellingsnummer, papers=work.id, count=len(work.handouts)
        )
        for one in work.handouts:
            audit_accounts.pupil_exported(
                db,
                account_uuid=one.account_uuid,
                instellingsnummer=desk.instellingsnummer,
                papers=work.id,
            )
    content = _safe(desk, work.id).decrypt(sealed) if sealed else None
    if content is None:
        content = _drawn_zip(house, desk, work, shares=shares, apart=apart)
    return bundle.zip_name(desk.instellingsnummer, today), content


def draw_ahead(house: House, desk: Desk, work_id: str, *, progress: Progress = silent) -> None:
    """Draw the zip before somebody asks, and keep it encrypted as long as the rest. `progress` counts cards and stickers."""
    with house.database.reading() as db:
        work = find(db, desk, work_id, house.clock.now())
        shares = agreements.shares_today(db, desk.instellingsnummer, house.clock.today())
    content = _drawn_zip(house, desk, work, shares=shares, progress=progress)
    values = {"file": _safe(desk, work_id).encrypt(content), "file_by_klas": shares, "working_until": None}
    with house.database.transaction() as db:
        db.execute(update(Paperwork).where(*_mine(desk, work_id)).values(values))


def with_kind(one: Proposal, kind: SecretKind) -> Proposal:
    """The same with this secret: a temporary password makes an account advanced, the others make it basic."""
    type_ = AccountType.ADVANCED if kind is SecretKind.TEMPORARY else AccountType.BASIC
    return replace(one, secret_kind=kind, type=type_)


# ---------------------------------------------------------------- inside


def _drawn_zip(
    house: House,
    desk: Desk,
    work: Work,
    *,
    shares: bool,
    apart: bool = False,
    progress: Progress = silent,
) -> bytes:
    """With classes only while the school shares them."""
    with house.database.reading() as db:
        look = bulk.look(db, house, desk.instellingsnummer)
    handouts = [one if shares else replace(one, klassen=()) for one in work.handouts]
    file = BytesIO()
    bundle.write(file, handouts, look, by_klas=shares, apart=apart, progress=progress)
    return file.getvalue()


def _drawn(proposals: Sequence[Proposal]) -> dict[str, str]:
    chance = entropy.Chance()
    return {one.account_uuid: accounts.new_secret(one.secret_kind, chance) for one in proposals}


def _still_here(house: House, desk: Desk, work: Work) -> tuple[Proposal, ...]:
    """Without those who left the school, or got (or lost) an account, since it was proposed."""
    with house.database.reading() as db:
        now = propose(db, house, desk, work.kind, [one.account_uuid for one in work.proposals])
    here = {one.account_uuid for one in now}
    return tuple(one for one in work.proposals if one.account_uuid in here)


def _end(house: House, now: datetime) -> datetime:
    return now + timedelta(minutes=house.settings.papers_minutes)


def _mine(desk: Desk, work_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        Paperwork.id == work_id,
        Paperwork.person_id == desk.person_id,
        Paperwork.instellingsnummer == desk.instellingsnummer,
    )


def _draft(desk: Desk, work_id: str) -> Any:
    return update(Paperwork).where(*_mine(desk, work_id), Paperwork.done_at.is_(None))


def _safe(desk: Desk, work_id: str) -> Fernet:
    digest = entropy.keyed_digest(desk.key.encode(), "paperwork", work_id, desk.person_id)
    return Fernet(base64.urlsafe_b64encode(bytes.fromhex(digest)))


def _seal(desk: Desk, work_id: str, inside: Mapping[str, Any]) -> bytes:
    return _safe(desk, work_id).encrypt(json.dumps(inside).encode())


def _unseal(desk: Desk, work_id: str, sealed: bytes) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(_safe(desk, work_id).decrypt(sealed))
    except InvalidToken:
        return None
    return found


def _plain(proposals: Sequence[Proposal]) -> list[dict[str, Any]]:
    return [asdict(one) for one in proposals]


def _proposal(said: Mapping[str, Any]) -> Proposal:
    kinds = {"type": AccountType(said["type"]), "secret_kind": SecretKind(said["secret_kind"])}
    return Proposal(**{**said, **kinds})


def _handout(said: Mapping[str, Any]) -> Handout:
    parts = {
        "kind": SecretKind(said["kind"]),
        "klassen": tuple(said["klassen"]),
        "pictures": tuple(Picture(**one) for one in said["pictures"]),
    }
    return Handout(**{**said, **parts})
