"""Does a school share klasinformatie, who said so, and to which text?

An agreement is the school's: it outlives the right of whoever gave it. It lapses on the day a newer text comes
into force (`product.md` rule 1). Sharing is read at every release and copied nowhere: stopping needs no cleaning up.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import resources

from sqlalchemy import Connection, and_, func, insert, select, update

from idp import audit, entropy
from idp.claims import agreements, visibility
from idp.claims.agreements import sharing_schools
from idp.clock import day_of_law
from idp.errors import Invalid, NotAllowed, NotFound
from idp.models import Agreement, ProtocolText, Right, RightKind, School, SchoolKind

__all__ = [
    "Sharing",
    "Stopped",
    "Text",
    "body",
    "check_protocol",
    "give",
    "give_by_operator",
    "publish_protocol",
    "sample",
    "settle_lapsed",
    "sharing_schools",
    "state",
    "stop",
    "stop_by_operator",
    "texts",
]

RENEWED = "renewed"
"""What stands as reference in an agreement that gave way to one on a newer text."""

FARTHEST = timedelta(days=731)
"""So far ahead a text may be announced."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """A protocol text, without its body."""

    sha256: str
    version: str
    in_force_from: date
    names_teachers: bool


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """What a school has agreed to, and what it could agree to."""

    shares: bool
    agreed: Text | None
    """The text of the agreement that nobody stopped, lapsed or not."""
    counts: Text | None
    """The same; of an agreement that was given ahead of its text, until that day the one that it renews."""
    given_by: str | None
    given_at: datetime | None
    lapses_on: date | None
    """The day on which the agreement ends by itself because a newer text comes into force."""
    newest: Text | None
    """The text in force today."""
    upcoming: Text | None
    class_rules: int
    """How many rules on classes would be turned into rules on pupils by stopping."""

    @property
    def teachers(self) -> bool:
        """Does the agreed text name teachers as receivers of klasinformatie, today?"""
        return self.shares and self.counts is not None and self.counts.names_teachers


@dataclass(frozen=True, kw_only=True)
class Stopped:
    was_agreed: bool
    """False: there was nothing to stop, and nothing was changed."""
    rules_turned: int


# ---------------------------------------------------------------- looking


def state(db: Connection, instellingsnummer: str, today: date) -> Sharing:
    """How a school stands with sharing today. An unknown school shares nothing."""
    agreement = _open_agreement(db, instellingsnummer)
    every = texts(db)
    newest = next((text for text in reversed(every) if text.in_force_from <= today), None)
    upcoming = next((text for text in every if text.in_force_from > today), None)
    agreed = next((text for text in every if agreement and text.sha256 == agreement.protocol_sha256), None)
    later = [text for text in every if agreed and text.in_force_from > agreed.in_force_from]
    return Sharing(
        shares=agreements.shares_today(db, instellingsnummer, today),
        agreed=agreed,
        counts=_counts(db, instellingsnummer, agreement, every, today) if agreement else None,
        given_by=agreement.given_by if agreement else None,
        given_at=agreement.given_at if agreement else None,
        lapses_on=later[0].in_force_from if later else None,
        newest=newest,
        upcoming=upcoming,
        class_rules=visibility.class_rules(db, instellingsnummer, today),
    )


def body(db: Connection, protocol_sha256: str) -> str:
    """The text itself, as it was published. Raises NotFound."""
    found = db.execute(select(ProtocolText.body).where(ProtocolText.sha256 == protocol_sha256)).scalar()
    if found is None:
        raise NotFound("protocol_unknown")
    return found


def sample() -> str:
    """A protocol text of our own, in Markdown: to begin from, and for schools for trying out."""
    return resources.files("idp.claims").joinpath("voorbeeldprotocol.md").read_text(encoding="utf-8")


# ---------------------------------------------------------------- changing


def check_protocol(
    db: Connection, *, version: str, body: str, in_force_from: date, notice_days: int, now: datetime
) -> bool:
    """May this text be published? False: it is there already. Raises what `publish_protocol` raises."""
    if not body.strip():
        raise Invalid("protocol_empty", "there is nothing to agree to in this file")
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    every = texts(db)
    if any(text.sha256 == sha256 for text in every):
        return False
    if any(text.version == version for text in every):
        raise Invalid("protocol_version_taken", version)
    if every and in_force_from <= every[-1].in_force_from:
        raise Invalid("protocol_out_of_order", f"the newest text is in force from {every[-1].in_force_from}")
    if every and in_force_from < day_of_law(now) + timedelta(days=notice_days):
        raise Invalid("protocol_too_soon", f"schools get {notice_days} days")
    if in_force_from > day_of_law(now) + FARTHEST:
        raise Invalid("protocol_too_far", f"{in_force_from} is more than two years away: look at the year")
    return True


def publish_protocol(
    db: Connection,
    *,
    version: str,
    body: str,
    in_force_from: date,
    names_teachers: bool,
    notice_days: int,
    now: datetime,
) -> str:
    """Publish a text and return its sha256. The same text again changes nothing.

    Raises Invalid: `protocol_empty`, `protocol_too_soon` (a next text is announced `notice_days` ahead), `protocol_too_far` (a
    mistyped year would stand in the way of every text after it), `protocol_out_of_order`
    (it comes into force after the ones we have), `protocol_version_taken`.
    """
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    new = check_protocol(
        db, version=version, body=body, in_force_from=in_force_from, notice_days=notice_days, now=now
    )
    if not new:
        return sha256
    row = {"sha256": sha256, "version": version, "body": body, "names_teachers": names_teachers}
    db.execute(insert(ProtocolText), row | {"published_at": now, "in_force_from": in_force_from})
    audit.protocol_published(db, version=version, protocol_sha256=sha256)
    return sha256


def give(
    db: Connection,
    *,
    instellingsnummer: str,
    person_id: str,
    protocol_sha256: str,
    now: datetime,
    today: date,
) -> str:
    """A LeerID-databeheerder agrees for the school; returns the id of the agreement.

    Raises NotFound (`school_unknown`, `protocol_unknown`), NotAllowed (`not_databeheerder`), Invalid
    (`already_shares`; `protocol_replaced`: a newer text is in force; `protocol_not_yet`: a text that is only announced
    renews an agreement that counts, and begins none).
    """
    _lock(db, instellingsnummer)
    if not _is_databeheerder(db, person_id, instellingsnummer, today):
        raise NotAllowed("not_databeheerder", "only a LeerID-databeheerder of this school may, today")
    return _give(
        db,
        school=instellingsnummer,
        person_id=person_id,
        sha256=protocol_sha256,
        now=now,
        today=today,
    )


def give_by_operator(
    db: Connection,
    *,
    instellingsnummer: str,
    person_id: str,
    protocol_sha256: str,
    now: datetime,
    today: date,
) -> str:
    """The command line lets a databeheerder agree for a sandbox or test school; never for a real one.

    Raises NotAllowed `school_is_real`, and what `give` raises.
    """
    if _lock(db, instellingsnummer) is SchoolKind.REAL:
        raise NotAllowed("school_is_real", "a real school agrees itself, in the Schoolloket")
    return give(
        db,
        instellingsnummer=instellingsnummer,
        person_id=person_id,
        protocol_sha256=protocol_sha256,
        now=now,
        today=today,
    )


def stop(db: Connection, *, instellingsnummer: str, person_id: str, now: datetime, today: date) -> Stopped:
    """A LeerID-databeheerder stops sharing: at once, and rules on classes become rules on the pupils they covered.

    Idempotent. Raises NotFound (`school_unknown`), NotAllowed (`not_databeheerder`).
    """
    _lock(db, instellingsnummer)
    if not _is_databeheerder(db, person_id, instellingsnummer, today):
        raise NotAllowed("not_databeheerder", "only a LeerID-databeheerder of this school may, today")
    return _stop(
        db, school=instellingsnummer, by=audit.person(person_id), reference=None, now=now, today=today
    )


def stop_by_operator(
    db: Connection, *, instellingsnummer: str, operator: str, reference: str, now: datetime, today: date
) -> Stopped:
    """The same on the school's written notice, whose reference is kept (Invalid `reference_missing` without it).

    `operator` is the actor as audit writes it, such as `operator:cli`.
    """
    _lock(db, instellingsnummer)
    if not reference.strip():
        raise Invalid("reference_missing", "the reference of the school's written notice is wanted")
    reference = reference.strip()[:200]
    return _stop(db, school=instellingsnummer, by=operator, reference=reference, now=now, today=today)


def settle_lapsed(db: Connection, *, today: date) -> int:
    """Turn the class rules of schools whose agreement lapsed, before their classes are purged. Returns how many rules."""
    lapsed = visibility.schools_with_class_rules(db) - set(db.execute(sharing_schools(today)).scalars())
    return sum(visibility.turn_class_rules(db, school, today) for school in sorted(lapsed))


# ---------------------------------------------------------------- small pieces


def _give(
    db: Connection,
    *,
    school: str,
    person_id: str,
    sha256: str,
    now: datetime,
    today: date,
) -> str:
    known = {text.sha256: text for text in texts(db)}
    text = known.get(sha256)
    if text is None:
        raise NotFound("protocol_unknown")
    if any(text.in_force_from < other.in_force_from <= today for other in known.values()):
        raise Invalid("protocol_replaced", f"version {text.version}")
    if text.in_force_from > today and not agreements.shares_today(db, school, today):
        raise Invalid("protocol_not_yet", f"version {text.version} is in force from {text.in_force_from}")
    standing = _open_agreement(db, school)
    if standing is not None:
        if known[standing.protocol_sha256].in_force_from >= text.in_force_from:
            raise Invalid("already_shares", "the school shares already, under this text or a newer one")
        _close(db, standing.id, audit.person(person_id), RENEWED, now)
    agreement = entropy.row_id()
    row = {"id": agreement, "instellingsnummer": school, "protocol_sha256": sha256}
    db.execute(
        insert(Agreement), row | {"given_by": person_id, "given_as": RightKind.DATABEHEERDER, "given_at": now}
    )
    audit.sharing_given(
        db,
        instellingsnummer=school,
        person_id=person_id,
        right=RightKind.DATABEHEERDER,
        protocol_sha256=sha256,
    )
    return agreement


def _stop(
    db: Connection, *, school: str, by: str, reference: str | None, now: datetime, today: date
) -> Stopped:
    standing = _open_agreement(db, school)
    if standing is None:
        return Stopped(was_agreed=False, rules_turned=0)
    turned = visibility.turn_class_rules(db, school, today)
    _close(db, standing.id, by, reference, now)
    audit.sharing_stopped(db, instellingsnummer=school, by=by, reference=reference, rules_turned=turned)
    return Stopped(was_agreed=True, rules_turned=turned)


def _close(db: Connection, agreement: str, by: str, reference: str | None, now: datetime) -> None:
    closing = {"stopped_at": now, "stopped_by": by[:60], "stop_reference": reference}
    db.execute(update(Agreement).where(Agreement.id == agreement).values(closing))


@dataclass(frozen=True, kw_only=True)
class _Agreement:
    id: str
    protocol_sha256: str
    given_by: str
    given_at: datetime


def _open_agreement(db: Connection, instellingsnummer: str) -> _Agreement | None:
    columns = (Agreement.id, Agreement.protocol_sha256, Agreement.given_by, Agreement.given_at)
    mine = and_(Agreement.instellingsnummer == instellingsnummer, Agreement.stopped_at.is_(None))
    row = db.execute(select(*columns).where(mine)).mappings().first()
    return _Agreement(**row) if row else None


def texts(db: Connection) -> list[Text]:
    """All texts, in the order in which they come into force."""
    columns = (
        ProtocolText.sha256,
        ProtocolText.version,
        ProtocolText.in_force_from,
        ProtocolText.names_teachers,
    )
    rows = db.execute(select(*columns).order_by(ProtocolText.in_force_from, ProtocolText.published_at))
    return [Text(**row) for row in rows.mappings()]


def _counts(
    db: Connection, instellingsnummer: str, standing: _Agreement, every: list[Text], today: date
) -> Text | None:
    """The text that counts today: a new one from its own day on, until then the one before (`product.md` rule 1)."""
    known = {text.sha256: text for text in every}
    text, since = known[standing.protocol_sha256], standing.given_at
    if text.in_force_from <= today:
        return text
    columns = (Agreement.protocol_sha256, Agreement.given_at, Agreement.stopped_at)
    mine = (Agreement.instellingsnummer == instellingsnummer, Agreement.stop_reference == RENEWED)
    newest = select(*columns).where(*mine).order_by(Agreement.stopped_at.desc(), Agreement.id.desc())
    for before in db.execute(newest):
        if before.stopped_at < since:
            return None
        text, since = known[before.protocol_sha256], before.given_at
        if text.in_force_from <= today:
            return text
    return None


def _is_databeheerder(db: Connection, person_id: str, instellingsnummer: str, today: date) -> bool:
    right = (
        select(func.count())
        .select_from(Right)
        .where(
            Right.person_id == person_id,
            Right.kind == RightKind.DATABEHEERDER,
            Right.instellingsnummer == instellingsnummer,
            Right.begindatum <= today,
            Right.einddatum >= today,
        )
    )
    return db.execute(right).scalar_one() > 0


def _lock(db: Connection, instellingsnummer: str) -> SchoolKind:
    """Two people of one school decide one after the other."""
    mine = select(School.kind).where(School.instellingsnummer == instellingsnummer)
    kind = db.execute(mine.with_for_update()).scalar()
    if kind is None:
        raise NotFound("school_unknown", f"there is no school {instellingsnummer}")
    return kind
