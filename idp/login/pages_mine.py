"""What does a pupil see of their own account? Where they are signed in, how to end that, and who helped them.

Only the pupil sees this: no page of the school shows when or where a child signed in.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, make_response, render_template, request
from flask_babel import format_date

from idp import context, web, wording
from idp.clock import BRUSSELS, day_of_law
from idp.login import helped, pages_own, sessions, support, way_back, whereabouts

blueprint = Blueprint("mine", __name__)
PAGE = "/mijn-aanmeldingen"
_PARTS = ((6, "night"), (12, "morning"), (18, "afternoon"), (24, "evening"))
"""Until this hour by the clock in Brussels, the part of a day."""


@blueprint.get(PAGE)
@web.door(web.Door.PUPIL)
def signed_in_where() -> Response:
    house, who = context.house(), _who()
    now = house.clock.now()
    with house.database.reading() as db:
        live = whereabouts.live(db, house.settings, who.account_uuid, now)
        remembering = whereabouts.remembering_apps(db, who.account_uuid, now)
        acts = helped.acts(db, who.account_uuid, now)
        alone = support.alone(db, who.account_uuid, house.clock.today())
    live.sort(key=lambda one: one.sid != who.sid)
    body = render_template(
        "login/mine.html",
        mine=[_shown(one, who.sid, now) for one in live],
        remembering=remembering,
        acts=[{"act": one.act, "by": one.by, "school": one.school, "day": _day(one.day)} for one in acts],
        alone=[{"school": one.school, "since": _day(one.since), "until": _day(one.until)} for one in alone],
        home=way_back.HOME,
        shared=who.shared,
    )
    return make_response(body)


@blueprint.post(PAGE)
@web.door(web.Door.PUPIL)
def sign_out_there() -> Response:
    """One session by its name, or all; whoever ends this one is done here."""
    house, who = context.house(), _who()
    now, sid = house.clock.now(), _sid(request.form.get("sid", ""))
    if "overal" in request.form:
        with house.database.transaction() as db:
            sessions.end_all(db, who.account_uuid, "signed_out", now, grants="apps" in request.form)
        return pages_own.goodbye()
    with house.database.transaction() as db:
        whereabouts.end(db, who.account_uuid, sid, now)
    return pages_own.goodbye() if sid == who.sid else web.see_other(PAGE)


def _shown(one: whereabouts.Live, here: str, now: datetime) -> dict[str, Any]:
    began = one.since.astimezone(BRUSSELS)
    part = next(word for until, word in _PARTS if began.hour < until)
    return {
        "sid": one.sid,
        "here": one.sid == here,
        "device": one.device,
        "of_school": one.of_school,
        "today": day_of_law(one.since) == day_of_law(now),
        "yesterday": day_of_law(one.since) == day_of_law(now) - timedelta(days=1),
        "part": part,
    }


def _sid(given: str) -> str:
    """As we write it; anything else names no session."""
    try:
        return str(UUID(given))
    except ValueError:
        return str(UUID(int=0))


def _day(day: date) -> str:
    return str(format_date(day, wording.day_pattern(day)))


def _who() -> sessions.SignedIn:
    who = sessions.current()
    assert who is not None, "the door let in somebody who is not signed in"
    return who
