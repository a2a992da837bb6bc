"""What would this app get if this pupil signed in now? The steps of a real sign-in, without a code, token or trace.

For pupils of sandbox schools, whoever calls sees to that. Request, next step, release and ID token come of the very
functions that the endpoints use; only what would be a secret is a word that says so.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection

from idp import entropy
from idp.apps import LISTS_SCOPE, App
from idp.claims import disclose, pseudonym, visibility
from idp.claims.disclose import Channel, Disclosure
from idp.claims.release import Answer
from idp.claims.visibility import SchoolChoice
from idp.clock import day_of_law
from idp.context import House
from idp.login import sessions
from idp.models import SecretKind
from idp.oidc import id_token, next_step, signing, tokens
from idp.oidc.arriving import SCOPES_KNOWN
from idp.oidc.next_step import Evidence, Issue, PickSchool, RefuseToApp, Situation, Somebody
from idp.oidc.request import AuthorizationRequest, Refused, Untrusted, read

ACCESS_TOKEN = "NOT-USABLE-access-token"
REFRESH_TOKEN = "NOT-USABLE-refresh-token"
ID_TOKEN = "NOT-USABLE-id-token"
SID = "NOT-USABLE-sid"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An authorization request as this app would send it."""

    parameters: Mapping[str, str]
    verifier: str = field(repr=False)
    url: str


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    error: str = ""
    """What the app is told instead of a code; empty: it gets one."""
    description: str = ""
    schools: tuple[SchoolChoice, ...] = ()
    """The pupil must pick one of these first."""
    password_first: bool = False
    """The pupil changes a temporary password before anything else."""
    token_answer: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    id_token: Mapping[str, Any] = field(default_factory=dict)
    userinfo: Mapping[str, Any] = field(default_factory=dict)
    answers: tuple[Answer, ...] = ()
    """Every claim of the catalogue, released or the gate that is closed."""


def ask(house: House, app: App) -> Asked:
    """Everything that the app is registered for, with fresh state, nonce and PKCE. Needs a redirect URI."""
    verifier = entropy.url_safe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    words = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uris[0],
        "scope": " ".join(sorted(app.scopes - {LISTS_SCOPE}, key=lambda one: (one != "openid", one))),
        "state": entropy.url_safe(),
        "nonce": entropy.url_safe(),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    url = f"{house.settings.issuer}/authorize?{urlencode(words)}"
    return Asked(parameters=words, verifier=verifier, url=url)


def run(
    house: House, app: App, asked: Asked, *, account_uuid: str, kind: SecretKind, school: str = ""
) -> Rehearsed:
    """What comes of this request when the pupil has just signed in, and picked `school` when there is a choice."""
    today = house.clock.today()
    request = read(
        [*asked.parameters.items()],
        find_app=house.apps.find,
        scopes_known=SCOPES_KNOWN,
        today=today,
        pushed=app.require_pushed_authorization_requests,
        signed=app.require_signed_request_object,
    )
    if isinstance(request, Untrusted):
        return Rehearsed(error=request.code, description=request.because)
    if isinstance(request, Refused):
        return Rehearsed(error=request.error, description=request.description)
    with house.database.reading() as db:
        return _look(db, house, request, account_uuid=account_uuid, kind=kind, school=school)


def _look(
    db: Connection,
    house: House,
    request: AuthorizationRequest,
    *,
    account_uuid: str,
    kind: SecretKind,
    school: str,
) -> Rehearsed:
    now, app = house.clock.now(), request.app
    first = kind is SecretKind.TEMPORARY
    known = SecretKind.OWN if first else kind
    schools = visibility.schools_for(db, app, account_uuid, day_of_law(now))
    numbers = tuple(one.instellingsnummer for one in schools)
    step = next_step.decide(
        Situation(
            request=request,
            now=now,
            somebody=Somebody(auth_time=now, acr=f"{sessions.ACR}{known}"),
            evidence=frozenset({Evidence.FRESH}),
            schools=numbers,
            remembered=school if school in numbers else pseudonym.chosen_school(db, app, account_uuid),
        )
    )
    if isinstance(step, PickSchool):
        return Rehearsed(schools=schools, password_first=first)
    if not isinstance(step, Issue):
        no = step if isinstance(step, RefuseToApp) else next_step.NOT_VISIBLE
        answers = _released(db, house, request, Channel.PREVIEW, of=account_uuid, school=None).answers
        return Rehearsed(error=no.error, description=no.description, password_first=first, answers=answers)
    offline = tokens.OFFLINE in request.scope.split() and "refresh_token" in app.grant_types
    minutes = timedelta(minutes=house.settings.access_token_minutes)
    held = tokens.Held(
        id="rehearsal",
        client_id=app.client_id,
        account_uuid=account_uuid,
        instellingsnummer=step.school,
        sid=SID,
        scope=request.scope,
        asked=dict(request.claims) if request.claims else None,
        auth_time=now,
        amr=["pictures" if known is SecretKind.PICTURE else "pwd"],
        acr=step.acr,
        offline=offline,
        expires_at=now + minutes,
        revoked=False,
        session_ended=False,
        session_expires_at=now + minutes,
    )
    told = _released(db, house, request, Channel.ID_TOKEN, of=account_uuid, school=step.school)
    info = _released(db, house, request, Channel.USERINFO, of=account_uuid, school=step.school)
    claims = id_token.payload(
        house, app, held, released=told.claims, access_token=ACCESS_TOKEN, nonce=request.nonce, now=now
    )
    alg = app.id_token_signed_response_alg
    kid = next(
        (one.kid for one in signing.listing(db) if one.alg == alg and one.state(now) is signing.State.SIGNS),
        "",
    )
    answer: dict[str, Any] = {"access_token": ACCESS_TOKEN, "token_type": "Bearer"}
    answer |= {"expires_in": int(minutes.total_seconds()), "scope": request.scope}
    answer |= ({"refresh_token": REFRESH_TOKEN} if offline else {}) | {"id_token": ID_TOKEN}
    return Rehearsed(
        password_first=first,
        token_answer=answer,
        header={"alg": alg, "typ": "JWT", "kid": kid},
        id_token=claims,
        userinfo=info.claims,
        answers=_released(db, house, request, Channel.PREVIEW, of=account_uuid, school=step.school).answers,
    )


def _released(
    db: Connection,
    house: House,
    request: AuthorizationRequest,
    channel: Channel,
    *,
    of: str,
    school: str | None,
) -> Disclosure:
    now = house.clock.now()
    return disclose.disclose(
        db,
        keys=house.keys,
        app=request.app,
        account_uuid=of,
        instellingsnummer=school,
        scope=request.scope,
        asked=request.claims,
        channel=channel,
        now=now,
        today=day_of_law(now),
        record=False,
        rehearsal=True,
    )
