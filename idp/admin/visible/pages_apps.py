"""Which pages does Applicatiebeheer have? A LeerID-beheerder sees and chooses which app is visible for whom.

/schoolloket/applicatiebeheer                      every app, with its two counts
/schoolloket/applicatiebeheer/app/<client_id>      what it is for and asks; its rules; make it visible
/schoolloket/applicatiebeheer/wat/<client_id>      what it gets about one pupil, before it is made visible
/schoolloket/applicatiebeheer/groepen              groups and classes; /groep/<code> and /klas/<id>: their apps
/schoolloket/applicatiebeheer/leerlingen           pupils (to choose some for an app); /leerling/<uuid>: their apps
/schoolloket/applicatiebeheer/regel                another last day for a rule, or stop it

Names of pupils that were typed stand sealed in an address (sealed_words.py); names of apps as they are.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, request

from idp import context, web
from idp.admin import sealed_words, shell, staff_door
from idp.admin.records import trail
from idp.admin.visible import assigning, explaining, succession
from idp.claims import disclose, explain
from idp.errors import Invalid, NotFound
from idp.models import RightKind, RuleKind

blueprint = Blueprint("staff_apps", __name__)
PATH = f"{shell.HOME}/applicatiebeheer"
VIEWS = {"app", "groep", "klas", "leerling"}
_WORDS = {"groep": RuleKind.GROUP, "klas": RuleKind.KLAS, "leerling": RuleKind.PUPIL}


# ---------------------------------------------------------------- by app


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def overview() -> Response:
    here = _here()
    return _page(
        "admin/apps.html",
        here,
        now="apps",
        part=assigning.overview(here, words=_asked(), page=_number()),
        groups=len(here.people.groups()),
        pupils=len(here.people.everyone),
    )


@blueprint.get(f"{PATH}/app/<path:client_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def app(client_id: str) -> Response:
    here = _here()
    one = here.app(client_id)
    return _page(
        "admin/app.html",
        here,
        now="apps",
        app=one,
        asks=explain.asked_of_schools(one),
        part=assigning.rules_of(here, one, _number()),
        reached=len(here.reached(one)),
        groups=here.people.groups(),
        classes=here.people.classes,
        pupils=len(here.people.everyone),
    )


@blueprint.post(f"{PATH}/app/<path:client_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def show_app(client_id: str) -> Response:
    """For the whole school, groups, classes or pupils, all in one go."""
    form = request.form
    targets = [(RuleKind.SCHOOL, "")] if "heel" in form else []
    targets += [(kind, value[:60]) for word, kind in _WORDS.items() for value in form.getlist(word)]
    _show([client_id], targets)
    return _back("app", client_id, "zichtbaar")


@blueprint.get(f"{PATH}/wat/<path:client_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def what(client_id: str) -> Response:
    """Real values of a real pupil of this school; the same decision as in tokens, and no line in the ledger."""
    here, house, desk = _here(), context.house(), staff_door.here()
    one, words = here.app(client_id), _whom()
    chosen = request.args.get("leerling", "")[:60]
    stays = here.people.of(chosen)
    if chosen and not stays:
        raise NotFound("not_found")
    if not stays:
        part = assigning.pupils(here, words=words, page=_number())
        with house.database.reading() as db:
            school = explaining.of_school(db, one, desk.instellingsnummer, here.today)
        return _page(
            "admin/app_what_whom.html",
            here,
            now="apps",
            app=one,
            part=part,
            words=words,
            school=school,
            lines=explain.for_operator(school.answers) if school else (),
        )
    stay = next((one for one in stays if one.day.isoformat() == request.args.get("dag")), stays[0])
    with house.database.reading() as db:
        found = disclose.preview(
            db,
            keys=house.keys,
            app=one,
            account_uuid=chosen,
            instellingsnummer=desk.instellingsnummer,
            today=stay.day,
            as_if_visible=True,
        )
    _saw(chosen)
    return _page(
        "admin/app_what.html",
        here,
        now="apps",
        app=one,
        stay=stay,
        stays=stays,
        visible=chosen in here.reached(one),
        active=found.active,
        told=explain.for_school(one, found.answers),
    )


# ---------------------------------------------------------------- by group, class and pupil


@blueprint.get(f"{PATH}/groepen")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def groups() -> Response:
    here = _here()
    people = here.people
    return _page(
        "admin/app_groups.html",
        here,
        now="groepen",
        groups=[
            (code, label, len(people.members(RuleKind.GROUP, code)))
            for code, label in people.groups().items()
        ],
        classes=[(klas, len(people.members(RuleKind.KLAS, klas.id))) for klas in people.classes],
    )


@blueprint.get(f"{PATH}/groep/<path:code>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def group(code: str) -> Response:
    return _choices("groep", code)


@blueprint.get(f"{PATH}/klas/<klas_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def klas(klas_id: str) -> Response:
    return _choices("klas", klas_id)


@blueprint.get(f"{PATH}/leerling/<account_uuid>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def pupil(account_uuid: str) -> Response:
    return _choices("leerling", account_uuid)


@blueprint.post(f"{PATH}/groep/<path:code>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def show_to_group(code: str) -> Response:
    return _chosen("groep", code)


@blueprint.post(f"{PATH}/klas/<klas_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def show_to_class(klas_id: str) -> Response:
    return _chosen("klas", klas_id)


@blueprint.post(f"{PATH}/leerling/<account_uuid>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def show_to_pupil(account_uuid: str) -> Response:
    return _chosen("leerling", account_uuid)


@blueprint.get(f"{PATH}/leerlingen")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def pupils() -> Response:
    """With `app` they can be ticked, to make that app visible for them."""
    here = _here()
    client_id = request.args.get("app", "")
    one = here.app(client_id) if client_id else None
    words = _whom()
    part = assigning.pupils(here, words=words, page=_number())
    reached = {app.client_id: here.reached(app) for app in ([one] if one else here.apps)}
    counts = {
        stays[0].account_uuid: sum(stays[0].account_uuid in who for who in reached.values())
        for stays in part.items
    }
    return _page(
        "admin/app_pupils.html", here, now="leerlingen", app=one, part=part, counts=counts, words=words
    )


@blueprint.post(f"{PATH}/leerlingen")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def search_pupils() -> Response:
    """What was typed goes into the address sealed, so that a page with names has an address without."""
    return _found(f"{PATH}/leerlingen", app=request.form.get("app", "")[:200])


@blueprint.post(f"{PATH}/wat/<path:client_id>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def search_whom(client_id: str) -> Response:
    return _found(f"{PATH}/wat/{quote(client_id, safe='')}")


# ---------------------------------------------------------------- one rule


@blueprint.post(f"{PATH}/regel")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def rule() -> Response:
    """A second tap, or a rule that is not of this school, changes nothing."""
    house, desk, form = context.house(), staff_door.here(), request.form
    words: dict[str, Any] = {
        "instellingsnummer": desk.instellingsnummer,
        "rule_id": form.get("regel", ""),
    }
    with house.database.transaction() as db:
        if "stop" in form:
            done = assigning.stop(db, **words)
        else:
            last, by = _day("tot"), f"person:{desk.person_id}"
            done = assigning.end_on(db, einddatum=last, by=by, now=house.clock.now(), **words)
    said = ("gestopt" if "stop" in form else "bewaard") if done else "weg"
    return _back(form.get("bij", ""), form.get("wie", "")[:200], said)


# ---------------------------------------------------------------- small pieces


def _saw(account_uuid: str) -> None:
    desk = staff_door.here()
    trail.saw(
        context.house(),
        person_id=desk.person_id,
        instellingsnummer=desk.instellingsnummer,
        account_uuid=account_uuid,
    )


def _here() -> assigning.Desk:
    house, desk = context.house(), staff_door.here()
    with house.database.reading() as db:
        return assigning.desk(db, desk.instellingsnummer, house.clock.today())


def _choices(word: str, target: str) -> Response:
    here = _here()
    kind, people = _WORDS[word], here.people
    stays = people.of(target) if kind is RuleKind.PUPIL else ()
    label = {
        RuleKind.GROUP: people.groups(),
        RuleKind.KLAS: {klas.id: klas.code for klas in people.classes},
        RuleKind.PUPIL: {target: stays[0].name} if stays else {},
    }[kind].get(target)
    if label is None:
        raise NotFound("not_found")
    if stays:
        _saw(target)
    return _page(
        "admin/app_choices.html",
        here,
        now="leerlingen" if kind is RuleKind.PUPIL else "groepen",
        word=word,
        target=target,
        label=label,
        stays=stays,
        klassen=people.classes_of(target) if stays else (),
        members=1 if stays else len(people.members(kind, target)),
        part=assigning.choices(here, kind, target, words=_asked(), page=_number()),
    )


def _chosen(word: str, target: str) -> Response:
    _show(request.form.getlist("app"), [(_WORDS[word], target[:60])])
    return _back(word, target, "zichtbaar")


def _show(client_ids: list[str], targets: list[tuple[RuleKind, str]]) -> None:
    house, desk = context.house(), staff_door.here()
    begin = _day("van")
    if begin is None:
        raise Invalid("rule_incomplete")
    with house.database.transaction() as db:
        assigning.show(
            db,
            instellingsnummer=desk.instellingsnummer,
            client_ids=client_ids,
            targets=targets,
            begindatum=begin,
            einddatum=_day("tot"),
            by=f"person:{desk.person_id}",
            now=house.clock.now(),
        )


def _day(name: str) -> date | None:
    """A day of the form; None when it is empty. Raises Invalid for what is no day."""
    text = request.form.get(name, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid("rule_incomplete") from None


def _asked() -> str:
    return request.args.get("zoek", "").strip()[:100]


def _whom() -> str:
    """The names that somebody looks for: they stand sealed in the address."""
    return sealed_words.read(
        context.house(), request.args.get("zoek", ""), staff_door.here().instellingsnummer
    )


def _found(path: str, **also: str) -> Response:
    """To the list that shows whom these words name."""
    words, school = request.form.get("woorden", ""), staff_door.here().instellingsnummer
    query = {"zoek": sealed_words.seal(context.house(), words, school)} | also
    asked = urlencode({name: value for name, value in query.items() if value})
    return web.see_other(f"{path}?{asked}" if asked else path)


def _number() -> int:
    """The page that is asked for; the first for what is no number."""
    text = request.args.get("pagina", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 1


def _back(view: str, which: str, said: str) -> Response:
    """To the page the form was on: always one of ours."""
    path = f"{PATH}/{view}/{quote(which, safe='')}" if view in VIEWS and which else PATH
    return web.see_other(f"{path}?bericht={said}")


def _page(template: str, here: assigning.Desk, **words: Any) -> Response:
    return shell.page(
        template,
        path=PATH,
        today=here.today,
        shares=here.shares,
        lost=succession.count(here),
        query=request.args.get("zoek", "")[:2000],
        message=request.args.get("bericht", ""),
        **{"words": _asked()} | words,
    )
