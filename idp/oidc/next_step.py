"""What happens next with an authorization request: sign in, ask, issue or refuse?

A pure decision over values: no database, no request, no clock, no chance. /authorize looks everything up, asks
`decide`, and does what it answers. Because the address of the request is all that a step needs, Back, reload and
two tabs meet the same decision again.

A question that was answered is remembered as *evidence*: bound to this session and this very request, and used
up by the code it leads to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from idp.oidc.request import AuthorizationRequest


class Evidence(StrEnum):
    FRESH = "fresh"
    """The pupil signed in for this request."""
    CONFIRMED = "confirmed"
    """*Ben jij Noor?* Yes."""
    INFORMED = "informed"
    """The pupil saw what the app will be told."""


@dataclass(frozen=True, kw_only=True)
class Somebody:
    """Who is signed in on this browser, as far as the decision cares."""

    auth_time: datetime
    must_change: bool = False
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class Situation:
    request: AuthorizationRequest
    now: datetime
    somebody: Somebody | None = None
    evidence: frozenset[Evidence] = frozenset()
    schools: tuple[str, ...] = ()
    """Numbers of the schools through which the app is visible for this pupil today."""
    remembered: str | None = None
    """The school that this pupil chose for this app before."""
    hinted_another: bool = False
    """A good id_token_hint names somebody else than who is signed in."""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """Nobody is signed in, or must prove it again."""

    again: bool = False


@dataclass(frozen=True, kw_only=True)
class ChangePassword:
    """The temporary password comes first: no code before it is changed."""


@dataclass(frozen=True, kw_only=True)
class ConfirmPupil:
    """Is it still the same pupil? On shared devices, and when the app asks prompt=select_account."""


@dataclass(frozen=True, kw_only=True)
class NotVisible:
    """A friendly page; its button tells the app access_denied."""


@dataclass(frozen=True, kw_only=True)
class PickSchool:
    schools: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ShowRelease:
    """prompt=consent: inform the pupil. It asks no child for consent."""

    school: str


@dataclass(frozen=True, kw_only=True)
class Issue:
    school: str
    uses: frozenset[Evidence] = field(default=frozenset())
    """Evidence that this code uses up: it must be taken in the transaction that writes the code."""


@dataclass(frozen=True, kw_only=True)
class RefuseToApp:
    error: str
    description: str


Step = SignIn | ChangePassword | ConfirmPupil | NotVisible | PickSchool | ShowRelease | Issue | RefuseToApp


def decide(situation: Situation) -> Step:
    """The next step. With prompt=none every question becomes a refusal (OpenID Connect Core 3.1.2.6)."""
    step = _step(situation)
    return _in_silence(step) if situation.request.silent else step


def _step(situation: Situation) -> Step:
    request, somebody, evidence = situation.request, situation.somebody, situation.evidence
    if somebody is None:
        return SignIn()
    fresh = Evidence.FRESH in evidence
    if situation.hinted_another and fresh:
        return RefuseToApp(error="login_required", description="somebody else than id_token_hint signed in")
    must_be_fresh = situation.hinted_another or _must_be_fresh(request, somebody, situation.now)
    if must_be_fresh and not fresh:
        return SignIn(again=True)
    if somebody.must_change:
        return ChangePassword()
    must_confirm = somebody.shared or "select_account" in request.prompt
    if must_confirm and not evidence & {Evidence.FRESH, Evidence.CONFIRMED}:
        return ConfirmPupil()
    if not situation.schools:
        return NotVisible()
    school = _school(situation)
    if school is None:
        return PickSchool(schools=situation.schools)
    must_inform = "consent" in request.prompt
    if must_inform and Evidence.INFORMED not in evidence:
        return ShowRelease(school=school)
    uses = set()
    if must_be_fresh:
        uses.add(Evidence.FRESH)
    if must_confirm:
        uses.add(Evidence.FRESH if fresh else Evidence.CONFIRMED)
    if must_inform:
        uses.add(Evidence.INFORMED)
    return Issue(school=school, uses=frozenset(uses))


def _must_be_fresh(request: AuthorizationRequest, somebody: Somebody, now: datetime) -> bool:
    if "login" in request.prompt:
        return True
    if request.max_age is None:
        return False
    return request.max_age == 0 or now - somebody.auth_time > timedelta(seconds=request.max_age)


def _school(situation: Situation) -> str | None:
    """The only school, or the one this pupil chose for this app, as long as it is still one of them."""
    if len(situation.schools) == 1:
        return situation.schools[0]
    return situation.remembered if situation.remembered in situation.schools else None


def _in_silence(step: Step) -> Step:
    match step:
        case SignIn():
            return RefuseToApp(
                error="login_required", description="nobody is signed in, or not recently enough"
            )
        case ChangePassword():
            return RefuseToApp(error="interaction_required", description="the password must be changed first")
        case ConfirmPupil():
            return RefuseToApp(
                error="interaction_required", description="the device is shared: ask who it is"
            )
        case PickSchool():
            return RefuseToApp(error="interaction_required", description="a school must be chosen first")
        case NotVisible():
            return NOT_VISIBLE
        case ShowRelease():
            return RefuseToApp(error="consent_required", description="the release must be shown first")
    return step


NOT_VISIBLE = RefuseToApp(error="access_denied", description="the app is not visible for this pupil")
