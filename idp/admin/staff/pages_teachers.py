"""Whom may a teacher help? A LeerID-beheerder chooses administratieve groepen, (sub)klassen and single pupils.

/schoolloket/personen/leerkracht/PERSON    what is chosen; search for a pupil to add; save

Classes can be chosen while the school shares and the agreed text names teachers; those chosen before are kept, and
do not count, as long as it does not.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from flask import Blueprint, Response, request
from sqlalchemy import Connection, select

from idp import context, web
from idp.admin import sealed_words, shell, staff_door
from idp.admin.pupils import helping, pupil_list
from idp.admin.pupils.helping import Scope
from idp.admin.pupils.pupil_list import Asked
from idp.admin.staff import access, pages_people
from idp.claims import consent
from idp.errors import NotFound
from idp.models import Klas, RightKind, RuleKind

blueprint = Blueprint("staff_teachers", __name__)
PATH = f"{pages_people.PATH}/leerkracht/<path:person_id>"
MOST_FOUND = 20
_KINDS = {"groep": RuleKind.GROUP, "klas": RuleKind.KLAS, "leerling": RuleKind.PUPIL}


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def chosen(person_id: str) -> Response:
    house, desk = context.house(), staff_door.here()
    today, school = house.clock.today(), desk.instellingsnummer
    words = sealed_words.read(house, request.args.get("zoek", ""), school)
    with house.database.reading() as db:
        right = _teacher(db, person_id)
        mine = helping.scopes(db, right.id)
        found = pupil_list.look(db, school, today, Asked(words=words))
        pupils = pupil_list.chosen(db, school, today, _targets(mine, RuleKind.PUPIL))
        teachers = consent.state(db, school, today).teachers
        codes = _codes(db, school)
        reach = len(helping.pupils(db, person_id, today, instellingsnummer=school, most=100_000))
    there = {one.account_uuid for one in pupils}
    return shell.page(
        "admin/teacher.html",
        right=right,
        groups=found.groups,
        group_codes=_targets(mine, RuleKind.GROUP),
        klassen=found.klassen if teachers else (),
        klas_codes={codes.get(one, "") for one in _targets(mine, RuleKind.KLAS)},
        pupils=pupils,
        found=[one for one in found.lines if one.account_uuid not in there][:MOST_FOUND] if words else [],
        more=found.total > MOST_FOUND,
        words=words,
        reach=reach,
        message=request.args.get("bericht", ""),
        home=pages_people.PATH,
    )


@blueprint.post(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def choose(person_id: str) -> Response:
    """Save what is ticked, in place of what was chosen before; and perhaps search for more."""
    house, desk = context.house(), staff_door.here()
    today, school = house.clock.today(), desk.instellingsnummer
    scopes = {
        Scope(kind=kind, target=one[:60])
        for word, kind in _KINDS.items()
        for one in request.form.getlist(word)[:500]
    }
    with house.database.transaction() as db:
        right = _teacher(db, person_id)
        if not consent.state(db, school, today).teachers:
            codes = _codes(db, school)
            before = _targets(helping.scopes(db, right.id), RuleKind.KLAS)
            scopes = {one for one in scopes if one.kind is not RuleKind.KLAS}
            scopes |= {Scope(kind=RuleKind.KLAS, target=codes[one]) for one in before if one in codes}
        helping.narrow(
            db,
            person_id=right.person_id,
            instellingsnummer=school,
            scopes=scopes,
            by=desk.person_id,
            today=today,
        )
    query = {"bericht": "bewaard"}
    if request.form.get("doe") == "zoek":
        query["zoek"] = sealed_words.seal(house, request.form.get("woorden", ""), school)
    return web.see_other(f"{pages_people.PATH}/leerkracht/{quote(person_id, safe='')}?{urlencode(query)}")


def _teacher(db: Connection, person_id: str) -> access.Holder:
    """The right of this teacher at the chosen school. Raises NotFound `teacher_unknown`."""
    house, desk = context.house(), staff_door.here()
    today = house.clock.today()
    held = access.holders(db, today, instellingsnummer=desk.instellingsnummer, person_id=person_id[:60])
    for one in held:
        if one.kind is RightKind.TEACHER and one.begindatum <= today:
            return one
    raise NotFound("teacher_unknown")


def _targets(scopes: tuple[Scope, ...], kind: RuleKind) -> set[str]:
    return {one.target for one in scopes if one.kind is kind}


def _codes(db: Connection, instellingsnummer: str) -> dict[str, str]:
    """Code of every (sub)klas of the school, by its id."""
    rows = db.execute(select(Klas.id, Klas.code).where(Klas.instellingsnummer == instellingsnummer))
    return {row.id: row.code for row in rows}
