"""What should be true after any row of steps? A second, smaller telling of the rules, for the state machine.

It shares no code with the product: the table of claims, the gates and the lives of tokens are written down again,
as plainly as they are meant, so that a mistake has to be made twice to go unseen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

CODE, ACCESS, GRACE = timedelta(seconds=30), timedelta(hours=1), timedelta(seconds=30)
OFFLINE_ENDS = timedelta(days=30)
IDLE, SESSION_ENDS, TOUCH = timedelta(hours=2), timedelta(hours=10), timedelta(minutes=1)

SCOPES = {
    "sub": "openid",
    "given_name": "profile",
    "family_name": "profile",
    "name": "profile",
    "ov_account_uuid": "ov_leerling",
    "ov_leerid_uuid": "ov_leerling",
    "ov_historiek_account_uuid": "ov_leerling",
    "ov_orgcode": "ov_leerling",
    "ov_orgnaam": "ov_leerling",
    "ov_leerjaar": "ov_inschrijving",
    "ov_schooljaar": "ov_inschrijving",
    "ov_administratieve_groep": "ov_klas",
    "ov_klassen": "ov_klas",
}
"""Every claim there is, and the scope that asks for it."""
KLASINFORMATIE = {"ov_administratieve_groep", "ov_klassen"}
OF_THE_PERSON = {"ov_account_uuid", "ov_leerid_uuid", "ov_historiek_account_uuid"}
"""What does not need an enrolment of today."""


@dataclass(eq=False, repr=False, kw_only=True)
class School:
    number: str
    naam: str
    director: str
    shares: bool = True


@dataclass(eq=False, repr=False, kw_only=True)
class Seat:
    """A pupil at a school: an enrolment, and a place in its class."""

    enrolment: str
    membership: str
    klas: str
    code: str
    groep: str
    groep_code: str
    voornaam: str
    naam: str
    enrolled: bool = True
    in_class: bool = True


@dataclass(eq=False, repr=False, kw_only=True)
class Pupil:
    uuid: str
    leerid: str
    username: str
    seats: dict[str, Seat]
    """By number of the school."""
    blocked: bool = False
    wrong_tries: int = 0

    @property
    def active(self) -> bool:
        return not self.blocked and any(seat.enrolled for seat in self.seats.values())


@dataclass(eq=False, repr=False, kw_only=True)
class App:
    client_id: str
    scopes: frozenset[str]
    secrets: list[tuple[str, datetime | None]] = field(default_factory=list)
    """With the moment at which each ends, the newest last; empty: a public app."""
    open_to_every_pupil: bool = False
    in_id_token: bool = False
    alg: str = "RS256"

    def takes(self, secret: str, now: datetime) -> bool:
        return any(one == secret and (until is None or now < until) for one, until in self.secrets)


@dataclass(eq=False, repr=False, kw_only=True)
class Rule:
    id: str
    app: App
    school: School
    kind: str
    target: str


@dataclass(eq=False, repr=False, kw_only=True)
class Session:
    pupil: Pupil
    began: datetime
    seen: datetime
    ended: bool = False

    def lives(self, now: datetime) -> bool:
        """As tokens see it: whoever works in an app does not come by here."""
        return not self.ended and now < self.began + SESSION_ENDS

    def opens(self, now: datetime) -> bool:
        """As the browser sees it."""
        return self.lives(now) and now < self.seen + IDLE


@dataclass(eq=False, repr=False, kw_only=True)
class Refresh:
    token: str
    family: Family
    rotated: datetime | None = None
    successor: Refresh | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class Access:
    token: str
    family: Family
    scope: str
    ends: datetime
    revoked: bool = False


@dataclass(eq=False, repr=False, kw_only=True)
class Family:
    """One sign-in at one app for one school, and all that came of its code."""

    app: App
    pupil: Pupil
    school: School
    session: Session
    scope: str
    asked: dict[str, Any] | None
    code: str
    verifier: str
    began: datetime
    spent: bool = False
    foreign_tries: int = 0
    revoked: bool = False
    id_token: str = ""
    accesses: list[Access] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)

    @property
    def offline(self) -> bool:
        return "offline_access" in self.scope.split()

    @property
    def ends(self) -> datetime:
        return self.began + (OFFLINE_ENDS if self.offline else CODE + ACCESS)

    def stands(self, now: datetime) -> bool:
        return not self.revoked and now < self.ends and (self.offline or self.session.lives(now))


@dataclass(repr=False, kw_only=True)
class Reference:
    now: datetime
    schools: list[School] = field(default_factory=list)
    pupils: list[Pupil] = field(default_factory=list)
    apps: list[App] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    chosen: dict[tuple[str, str], str] = field(default_factory=dict)
    """By app and pupil: the number of the school that the pupil picked."""

    # ------------------------------------------------------------ visibility

    def covered(self, app: App, pupil: Pupil, school: School) -> bool:
        """The school itself made the app visible for this pupil."""
        seat = pupil.seats.get(school.number)
        return seat is not None and any(
            self._covers(rule, pupil, seat)
            for rule in self.rules
            if rule.app is app and rule.school is school
        )

    def _covers(self, rule: Rule, pupil: Pupil, seat: Seat) -> bool:
        match rule.kind:
            case "school":
                return True
            case "group":
                return rule.target == seat.groep_code
            case "pupil":
                return rule.target == pupil.uuid
            case "klas":
                return rule.target == seat.klas and seat.in_class and seat.enrolled
        raise AssertionError(rule.kind)

    def visible(self, app: App, pupil: Pupil, school: School) -> bool:
        here = school.number in pupil.seats
        return here and (app.open_to_every_pupil or self.covered(app, pupil, school))

    def choices(self, app: App, pupil: Pupil) -> list[School]:
        """The schools through which this pupil may sign in at this app today."""
        return [
            school
            for school in self.schools
            if school.number in pupil.seats
            and pupil.seats[school.number].enrolled
            and self.visible(app, pupil, school)
        ]

    # ------------------------------------------------------------ tokens

    def alive(self, family: Family) -> bool:
        """No token without an active account and visibility."""
        return family.pupil.active and self.visible(family.app, family.pupil, family.school)

    def good(self, access: Access) -> bool:
        stands = not access.revoked and self.now < access.ends and access.family.stands(self.now)
        return stands and self.alive(access.family)

    # ------------------------------------------------------------ claims

    def words(self, family: Family, scope: str, channel: str) -> dict[str, str]:
        """Every claim of the catalogue, with `released` or the first closed gate."""
        app, pupil, school = family.app, family.pupil, family.school
        seat, wanted = pupil.seats[school.number], self._wanted(family, scope, channel)
        covered = self.covered(app, pupil, school)

        def word(claim: str) -> str:
            if SCOPES[claim] not in app.scopes:
                return "not_registered"
            if claim not in wanted:
                return "not_requested"
            if claim == "sub":
                return "released"
            if claim in KLASINFORMATIE and not school.shares:
                return "school_does_not_share"
            if not covered and (claim in KLASINFORMATIE or not app.open_to_every_pupil):
                return "not_visible"
            if claim not in OF_THE_PERSON and not seat.enrolled:
                return "not_enrolled"
            return "unknown" if claim == "ov_klassen" and not seat.in_class else "released"

        return {claim: word(claim) for claim in SCOPES}

    def _wanted(self, family: Family, scope: str, channel: str) -> set[str]:
        scopes = scope.split()
        wanted = {claim for claim, one in SCOPES.items() if one in scopes}
        if channel == "id_token" and not family.app.in_id_token:
            wanted &= {"sub"}
        place = "id_token" if channel == "id_token" else "userinfo"
        named = (family.asked or {}).get(place, {}) if scope == family.scope else {}
        return wanted | {*named} & {*SCOPES}

    def values(self, family: Family) -> dict[str, Any]:
        """What may be released, where it does not depend on a key."""
        pupil, school = family.pupil, family.school
        seat = pupil.seats[school.number]
        return {
            "given_name": seat.voornaam,
            "family_name": seat.naam,
            "name": f"{seat.voornaam} {seat.naam}",
            "ov_account_uuid": pupil.uuid,
            "ov_leerid_uuid": [pupil.leerid],
            "ov_historiek_account_uuid": [],
            "ov_orgcode": school.number,
            "ov_orgnaam": school.naam,
            "ov_leerjaar": "3",
            "ov_schooljaar": "2026-2027",
            "ov_administratieve_groep": seat.groep,
        }

    # ------------------------------------------------------------ steps that reach further than one row

    def stop_sharing(self, school: School) -> None:
        """Rules on classes become rules on the pupils that they covered."""
        school.shares = False
        for rule in [one for one in self.rules if one.school is school and one.kind == "klas"]:
            self.rules.remove(rule)
            for pupil in self.pupils:
                seat = pupil.seats.get(school.number)
                if seat is None or not self._covers(rule, pupil, seat):
                    continue
                words = {"app": rule.app, "school": school, "kind": "pupil", "target": pupil.uuid}
                if not any(
                    all(getattr(one, name) == value for name, value in words.items()) for one in self.rules
                ):
                    self.rules.append(Rule(id="", **words))

    def end_everything(self, pupil: Pupil, sessions: list[Session]) -> None:
        """A reset: sessions and all that apps hold."""
        for session in sessions:
            session.ended = session.ended or session.pupil is pupil
        for family in self.families:
            family.revoked = family.revoked or family.pupil is pupil
