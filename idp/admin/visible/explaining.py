"""Why does an app get this of a pupil, or of the pupils of a school, and not that? The engine of the tokens, asked by people.

About a pupil: what disclose.preview decides. About a school: release.decide, once for all: a claim is released when it is
for at least one pupil for whom the app is visible. Values are never shown here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, exists, select

from idp.admin import finding
from idp.admin.operators import school_list
from idp.admin.visible import reach
from idp.apps import App
from idp.claims import agreements, catalogue, disclose, pseudonym, release, visibility
from idp.context import House
from idp.models import ClassMembership, School


@dataclass(frozen=True, kw_only=True)
class OfPupil:
    account_uuid: str
    instellingsnummer: str | None
    """The school through which a sign-in would go, when none was named."""
    visible: bool
    active: bool
    answers: tuple[release.Answer, ...]


@dataclass(frozen=True, kw_only=True)
class OfSchool:
    instellingsnummer: str
    naam: str
    shares: bool
    pupils: int
    """Enrolled today."""
    reached: int
    """For whom of them the school made the app visible."""
    answers: tuple[release.Answer, ...]
    """One for every claim of the catalogue. Their values say nothing."""


def of_pupil(
    db: Connection, house: House, app: App, word: str, *, instellingsnummer: str | None = None
) -> OfPupil:
    """The pupil behind a user name, a stamnummer with its school, or an identifier. Raises NotFound and Invalid.

    A school that nobody knows is `school_unknown`: a slip of the pen must not read as "not visible there".
    """
    today = house.clock.today()
    if instellingsnummer is not None:
        school_list.require(db, instellingsnummer)
    account_uuid = finding.pupil(db, word, instellingsnummer=instellingsnummer)
    school = instellingsnummer or _usual_school(db, app, account_uuid, today)
    found = disclose.preview(
        db, keys=house.keys, app=app, account_uuid=account_uuid, instellingsnummer=school, today=today
    )
    return OfPupil(
        account_uuid=account_uuid,
        instellingsnummer=school,
        visible=found.visible,
        active=found.active,
        answers=found.answers,
    )


def of_school(db: Connection, app: App, instellingsnummer: str, today: date) -> OfSchool | None:
    """None: we do not know this school."""
    school = db.execute(
        select(School.naam, School.kind).where(School.instellingsnummer == instellingsnummer)
    ).first()
    if school is None:
        return None
    shares = agreements.shares_today(db, instellingsnummer, today)
    people = reach.roster(db, instellingsnummer, today, classes=shares)
    here = {stay.account_uuid for stay in people.stays if stay.day == today}
    mine = reach.rules(db, instellingsnummer, today).get(app.client_id, ())
    admitted = visibility.admits(app, school.kind)
    reached = reach.reached(people, mine) & here if admitted else frozenset()
    seats = exists().where(
        ClassMembership.instellingsnummer == instellingsnummer, visibility.current(ClassMembership, today)
    )
    known = dict.fromkeys(catalogue.NAMES, True) | {"ov_klassen": db.execute(select(seats)).scalar() or None}
    registered = catalogue.claims_of(app.scopes)
    answers = release.decide(
        release.Question(
            registered=registered,
            requested=registered,
            shares=shares,
            visible=bool(reached) or (admitted and app.open_to_every_pupil),
            visible_by_school=bool(reached),
            enrolled=bool(here),
            values=known,
        )
    )
    return OfSchool(
        instellingsnummer=instellingsnummer,
        naam=school.naam,
        shares=shares,
        pupils=len(here),
        reached=len(reached),
        answers=answers,
    )


def _usual_school(db: Connection, app: App, account_uuid: str, today: date) -> str | None:
    choices = [choice.instellingsnummer for choice in visibility.schools_for(db, app, account_uuid, today)]
    chosen = pseudonym.chosen_school(db, app, account_uuid)
    if chosen in choices:
        return chosen
    return choices[0] if choices else finding.school_today(db, account_uuid, today)
