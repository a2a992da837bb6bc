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
from idp.oidc.request_checks import ACR_VALUES


class Evidence(StrEnum):
    FRESH = "fresh"
    """The pupil signed in for this request."""
    CONFIRMED = "confirmed"
    """*Ben jij Noor?* Yes."""
    CHOSEN = "chosen"
    """The pupil picked a school, just now, for this request."""
    INFORMED = "informed"
    """The pupil saw what the app will be told."""


@dataclass(frozen=True, kw_only=True)
class Somebody:
    """Who is signed in on this browser, as far as the decision cares."""

    auth_time: datetime
    acr: str = ""
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
    """A good id_token_hint, or the claims parameter, names somebody else than who is signed in."""


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
    acr: str = ""
    """What the ID token says about how the pupil signed in."""
    uses: frozenset[Evidence] = field(default=frozenset())
    """Evidence that this code uses up: it must be taken in the transaction that writes the code."""


@dataclass(frozen=True, kw_only=True)
class RefuseToApp:
    error: str
    description: str


Step = SignIn | ChangePassword | ConfirmPupil | NotVisible | PickSchool | ShowRelease | Issue | RefuseToApp


def decide(situation: Situation) -> Step:
    """The next step. With prompt=none every question becomes a refusal (OpenID Connect Core 3.1.2.6)."""
    step = _who(situation) or _which_school(situation) or _release(situation)
    return _SILENT.get(type(step), step) if situation.request.silent else step


def met(needed: tuple[str, ...], acr: str) -> str | None:
    """The first of these values that a sign-in with this acr meets: itself, or the same without its card. None: none."""
    if not needed:
        return acr
    return next((one for one in needed if one in {acr, acr.removesuffix("+card")}), None)


def _who(situation: Situation) -> Step | None:  # noqa: PLR0911 - one answer for each way in which it is not
    """Is it clear who sits here?"""
    somebody, fresh = situation.somebody, Evidence.FRESH in situation.evidence
    needed = situation.request.acr_needed
    if needed and not {*needed} & {*ACR_VALUES}:
        return UNMET
    if somebody is None:
        return SignIn()
    if situation.hinted_another and fresh:
        return RefuseToApp(error="login_required", description="somebody else than id_token_hint signed in")
    if fresh and met(needed, somebody.acr) is None:
        return UNMET
    if _must_be_fresh(situation, somebody) and not fresh:
        return SignIn(again=True)
    if somebody.must_change:
        return ChangePassword()
    if _must_confirm(situation, somebody) and not situation.evidence & {Evidence.FRESH, Evidence.CONFIRMED}:
        return ConfirmPupil()
    return None


def _which_school(situation: Situation) -> Step | None:
    """Is the app visible, and is it clear through which school?"""
    if not situation.schools:
        return NotVisible()
    if _must_pick(situation) and Evidence.CHOSEN not in situation.evidence:
        return PickSchool(schools=situation.schools)
    if _school(situation) is None:
        return PickSchool(schools=situation.schools)
    return None


def _release(situation: Situation) -> Step:
    school, somebody = _school(situation), situation.somebody
    assert school is not None
    assert somebody is not None
    if "consent" in situation.request.prompt and Evidence.INFORMED not in situation.evidence:
        return ShowRelease(school=school)
    request = situation.request
    acr = met(request.acr_needed, somebody.acr)
    assert acr is not None
    if not request.acr_needed:
        acr = met(request.acr_values, acr) or acr
    return Issue(school=school, acr=acr, uses=_uses(situation, somebody))


def _uses(situation: Situation, somebody: Somebody) -> frozenset[Evidence]:
    """What each question that had to be asked was answered with."""
    who = Evidence.FRESH if Evidence.FRESH in situation.evidence else Evidence.CONFIRMED
    answers = (
        (_must_be_fresh(situation, somebody), Evidence.FRESH),
        (_must_confirm(situation, somebody), who),
        (_must_pick(situation), Evidence.CHOSEN),
        ("consent" in situation.request.prompt, Evidence.INFORMED),
    )
    return frozenset(answer for was_asked, answer in answers if was_asked)


def _must_be_fresh(situation: Situation, somebody: Somebody) -> bool:
    request = situation.request
    if situation.hinted_another or "login" in request.prompt or request.max_age == 0:
        return True
    if met(request.acr_needed, somebody.acr) is None:
        return True
    if request.max_age is None:
        return False
    return situation.now - somebody.auth_time > timedelta(seconds=request.max_age)


def _must_confirm(situation: Situation, somebody: Somebody) -> bool:
    return somebody.shared or "select_account" in situation.request.prompt


def _must_pick(situation: Situation) -> bool:
    """prompt=select_account is also the way to another school than the remembered one."""
    return "select_account" in situation.request.prompt and len(situation.schools) > 1


def _school(situation: Situation) -> str | None:
    """The only school, or the one this pupil chose for this app, as long as it is still one of them."""
    if len(situation.schools) == 1:
        return situation.schools[0]
    return situation.remembered if situation.remembered in situation.schools else None


UNMET = RefuseToApp(
    error="unmet_authentication_requirements",
    description="the pupil cannot sign in, or did not, with an acr that the request needs",
)
"""OpenID Connect Core 5.5.1.1, and the error code of its own specification."""
NOT_VISIBLE = RefuseToApp(error="access_denied", description="the app is not visible for this pupil")
_SILENT: dict[type[Step], RefuseToApp] = {
    SignIn: RefuseToApp(error="login_required", description="nobody is signed in, or not recently enough"),
    ChangePassword: RefuseToApp(
        error="interaction_required", description="the temporary password must be changed first"
    ),
    ConfirmPupil: RefuseToApp(
        error="interaction_required", description="the device is shared: the pupil must confirm"
    ),
    PickSchool: RefuseToApp(error="interaction_required", description="the pupil must pick a school first"),
    NotVisible: NOT_VISIBLE,
    ShowRelease: RefuseToApp(error="consent_required", description="the release must be shown first"),
}
