"""What becomes of an authorization request, now? Look, decide, and write the code: in one transaction.

What the request asks was checked before (request.py); what to do is decided by next_step.py. Here is what they need
to know, and the only place that leads to a code: session, visibility, school and evidence are read in the very
transaction that writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from idp import prepared, pushed
from idp.claims import disclose, pseudonym, visibility
from idp.claims.release import Answer
from idp.claims.visibility import SchoolChoice
from idp.clock import day_of_law
from idp.context import House
from idp.login import sessions
from idp.login.sessions import SignedIn
from idp.models import ID, Session
from idp.oidc import evidence, habits, next_step, signing, tokens
from idp.oidc.next_step import Evidence, Issue, RefuseToApp, Situation, Somebody, Step
from idp.oidc.request import AuthorizationRequest
from idp.prepared import Prepared

USED_UP = RefuseToApp(error="invalid_request_uri", description="request_uri has expired or was used")


@dataclass(frozen=True, kw_only=True)
class Issued:
    """The code is written."""

    code: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Considered:
    """The next step, or the code; and the schools by name, for a page that asks."""

    step: Step | Issued
    schools: tuple[SchoolChoice, ...] = ()

    def school_name(self, instellingsnummer: str) -> str | None:
        return next((one.naam for one in self.schools if one.instellingsnummer == instellingsnummer), None)


def consider(house: House, request: AuthorizationRequest, session: SignedIn | None) -> Considered:
    """Take the next step with this request; writes a grant and its code when nothing is left to ask."""
    now = house.clock.now()
    if session is None:
        return Considered(step=next_step.decide(Situation(request=request, now=now)))
    with house.database.transaction() as db, prepared.together(db):
        if _LIVES.first(db, {"sid_": session.sid}) is None:
            return Considered(step=next_step.decide(Situation(request=request, now=now)))
        return _consider(db, house, request, session, now)


def passing(house: House, request: AuthorizationRequest, cookie: str, now: datetime) -> Step | Issued | None:
    """The same for whoever shows this cookie of a session (or none), in one look; None: it opens no session now."""
    if not cookie:
        return next_step.decide(Situation(request=request, now=now))
    with house.database.transaction() as db, prepared.together(db):
        session = sessions.seen(db, house.settings, cookie, now)
        return _consider(db, house, request, session, now).step if session is not None else None


def _consider(
    db: Connection, house: House, request: AuthorizationRequest, session: SignedIn, now: datetime
) -> Considered:
    situation, schools = _look(db, house, request, session, now)
    step: Step | Issued = next_step.decide(situation)
    if (
        isinstance(step, Issue)
        and step.uses
        and not evidence.take(
            db, session.sid, request.query, step.uses, now, seconds=house.settings.marker_seconds
        )
    ):
        step = next_step.decide(replace(situation, evidence=frozenset()))
    if isinstance(step, Issue):
        step = _issue(db, house, request, session, step, schools=schools, now=now)
    return Considered(step=step, schools=schools)


def at_once(
    db: Connection, house: House, request: AuthorizationRequest, session: SignedIn, now: datetime
) -> str | None:
    """The code for whoever signs in for this very request, in the transaction in which the session begins.

    None: something is to be asked or refused. Nothing was written then, and /authorize sees to it.
    """
    situation, schools = _look(db, house, request, session, now, fresh=True)
    step = next_step.decide(situation)
    if not isinstance(step, Issue):
        return None
    issued = _issue(db, house, request, session, step, schools=schools, now=now)
    return issued.code if isinstance(issued, Issued) else None


def _issue(
    db: Connection,
    house: House,
    request: AuthorizationRequest,
    session: SignedIn,
    step: Issue,
    *,
    schools: tuple[SchoolChoice, ...],
    now: datetime,
) -> Issued | RefuseToApp:
    """Write the grant and its code, which uses a kept request up."""
    if request.kept is not None and not pushed.spend(db, request.kept, session.sid, now):
        return USED_UP
    code = tokens.begin_grant(
        db,
        house,
        app=request.app,
        request=request,
        session=session if session.acr == step.acr else replace(session, acr=step.acr),
        instellingsnummer=step.school,
        met=any(one.met for one in schools),
        now=now,
        habits=habits.of(request),
    )
    return Issued(code=code)


def answered(house: House, request: AuthorizationRequest, session: SignedIn, answer: Evidence) -> None:
    """The pupil answered a question of ours about this request."""
    with house.database.transaction() as db:
        evidence.leave(db, session.sid, request.query, answer, house.clock.now())


def pick(house: House, request: AuthorizationRequest, session: SignedIn, instellingsnummer: str) -> bool:
    """The pupil picked a school for this app; it is remembered. False: it is none of those to pick from."""
    now = house.clock.now()
    with house.database.transaction() as db:
        schools = visibility.schools_for(db, request.app, session.account_uuid, day_of_law(now))
        if instellingsnummer not in {one.instellingsnummer for one in schools}:
            return False
        pseudonym.remember(db, house.keys, request.app, session.account_uuid, now)
        pseudonym.choose_school(db, request.app, session.account_uuid, instellingsnummer)
        evidence.leave(db, session.sid, request.query, Evidence.CHOSEN, now)
    return True


def would_be_told(
    house: House, request: AuthorizationRequest, session: SignedIn, school: str
) -> tuple[Answer, ...]:
    """What the app would get for this request at this school, and why not the rest. Leaves no trace."""
    now = house.clock.now()
    with house.database.reading() as db:
        return disclose.disclose(
            db,
            keys=house.keys,
            app=request.app,
            account_uuid=session.account_uuid,
            instellingsnummer=school,
            scope=request.scope,
            asked=request.claims,
            channel=disclose.Channel.PREVIEW,
            now=now,
            today=day_of_law(now),
            record=False,
        ).answers


def _look(
    db: Connection,
    house: House,
    request: AuthorizationRequest,
    session: SignedIn,
    now: datetime,
    *,
    fresh: bool = False,
) -> tuple[Situation, tuple[SchoolChoice, ...]]:
    """`fresh`: this session begins in this transaction, for this request: no other answer can be there yet."""
    schools = visibility.schools_for(db, request.app, session.account_uuid, day_of_law(now))
    names = bool(request.id_token_hint or request.sub_needed)
    asks = bool(request.prompt - {"none"} or request.max_age is not None or names or request.acr_needed)
    seconds = house.settings.marker_seconds
    situation = Situation(
        request=request,
        now=now,
        somebody=Somebody(
            auth_time=session.auth_time,
            acr=session.acr,
            must_change=session.must_change,
            shared=session.shared,
        ),
        evidence=frozenset({Evidence.FRESH})
        if fresh
        else evidence.found(db, session.sid, request.query, now, seconds=seconds)
        if asks or session.shared
        else frozenset(),
        schools=tuple(one.instellingsnummer for one in schools),
        remembered=next((one.instellingsnummer for one in schools if one.chosen), None),
        hinted_another=names and _names_another(db, house, request, session, now),
    )
    return situation, schools


def _names_another(
    db: Connection, house: House, request: AuthorizationRequest, session: SignedIn, now: datetime
) -> bool:
    """Does the app mean somebody else: by a good id_token_hint, or by a sub that it must be?

    A hint that we did not sign for this app names nobody.
    """
    meant = [{*request.sub_needed}] if request.sub_needed else []
    claims = signing.verify(house, request.id_token_hint) if request.id_token_hint else None
    if claims is not None and claims.get("aud") == request.app.client_id:
        meant.append({str(claims.get("sub"))})
    if not meant:
        return False
    if pseudonym.met(db, request.app.client_id, session.account_uuid) is None:
        mine = pseudonym.expected(db, house.keys, request.app, session.account_uuid)
    else:
        mine = pseudonym.remember(db, house.keys, request.app, session.account_uuid, now)
    return any(mine not in subs for subs in meant)


_LIVES = Prepared(
    select(Session.sid).where(Session.sid == bindparam("sid_", type_=ID), Session.ended_at.is_(None))
)
