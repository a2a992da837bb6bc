"""What can a program of an operator do with schools, with what they made visible, and with the audit trail?"""

from __future__ import annotations

from datetime import date
from typing import Any

from idp import apps, context
from idp.admin.api.api_fields import DAY, MOMENT, UUID, listed, number, text, thing
from idp.admin.api.api_frame import Answer, Given, operation
from idp.admin.api.api_tokens import Scope
from idp.admin.operators import school_list
from idp.admin.records import audit_search
from idp.admin.sandbox import sandbox_making, sandbox_school
from idp.claims import visibility
from idp.errors import NotFound
from idp.feeds.schools import PACKAGES
from idp.models import RuleKind, SchoolKind

READ, WRITE = Scope.SCHOOLS_READ, Scope.SCHOOLS_WRITE
KINDS = {"type": "string", "enum": [one.value for one in SchoolKind]}
SANDBOX = thing(("instellingsnummer", "naam", "shares", "pupils"), closed=False)
LINE = thing(("instellingsnummer", "naam", "kind", "pakket"), closed=False)
RULE = thing(("id", "client_id", "kind", "target", "begindatum", "einddatum"), closed=False)


def page(schema: Any) -> dict[str, Any]:
    return thing(("items", "after"), closed=False, items=listed(schema))


@operation(
    "GET",
    "/schools",
    summary="Schools by instellingsnummer; `after` is the last one of the page before.",
    scope=READ,
    query={
        "words": text(100),
        "kind": KINDS,
        "pakket": {"type": "string", "enum": [*PACKAGES]},
        "after": text(6, pattern="^[0-9]*$"),
        "limit": number(1, 200, default=50),
    },
    answers={200: page(LINE)},
)
def list_schools(given: Given) -> Answer:
    asked = given.query
    with context.house().database.reading() as db:
        found = school_list.search(
            db,
            words=asked["words"] or "",
            kind=SchoolKind(asked["kind"]) if asked["kind"] else None,
            pakket=asked["pakket"],
            after=asked["after"] or "",
            most=asked["limit"] + 1,
        )
    shown = found[: asked["limit"]]
    after = shown[-1].instellingsnummer if len(found) > len(shown) else None
    return Answer(body={"items": [one.as_json() for one in shown], "after": after})


@operation(
    "GET", "/schools/{instellingsnummer}", summary="One school, in numbers.", scope=READ, answers={200: LINE}
)
def show_school(_given: Given, instellingsnummer: str) -> Answer:
    house = context.house()
    with house.database.reading() as db:
        return Answer(body=school_list.show(db, instellingsnummer, house.clock.today()).as_json())


@operation(
    "PUT",
    "/schools/{instellingsnummer}",
    summary="Make a school known, or change its name and package. Its kind never changes.",
    scope=WRITE,
    body=thing(
        ("naam",), naam=text(200, least=1), kind=KINDS, pakket={"type": "string", "enum": [*PACKAGES]}
    ),
    answers={200: LINE, 201: LINE},
)
def keep_school(given: Given, instellingsnummer: str) -> Answer:
    house, body = context.house(), given.body
    with house.database.transaction() as db:
        new = school_list.keep(
            db,
            instellingsnummer,
            naam=body["naam"],
            kind=SchoolKind(body["kind"]) if "kind" in body else None,
            pakket=body.get("pakket"),
            now=house.clock.now(),
        )
        shown = school_list.show(db, instellingsnummer, house.clock.today())
    return Answer(body=shown.as_json(), status=201 if new else 200)


@operation(
    "GET",
    "/sandbox",
    summary="The sandbox schools, with how many pupils; no items where there is no sandbox.",
    scope=READ,
    answers={200: thing(("items",), closed=False, items=listed(SANDBOX))},
)
def show_sandbox(_given: Given) -> Answer:
    return Answer(body={"items": _sandbox()})


@operation(
    "PUT",
    "/sandbox",
    summary="Make the sandbox schools, or put everything in them back as it was published.",
    scope=WRITE,
    answers={200: thing(("items",), closed=False, items=listed(SANDBOX))},
)
def keep_sandbox(_given: Given) -> Answer:
    sandbox_making.make(context.house())
    return Answer(body={"items": _sandbox()})


@operation(
    "DELETE",
    "/sandbox",
    summary="Take the sandbox schools away, with all their pupils. Made again, those have the same identifiers.",
    scope=WRITE,
    answers={204: None},
)
def remove_sandbox(_given: Given) -> Answer:
    sandbox_making.remove(context.house())
    return Answer(status=204)


@operation(
    "GET",
    "/schools/{instellingsnummer}/visibility",
    summary="Which apps the school gave to whom.",
    scope=READ,
    answers={200: thing(("items",), closed=False, items=listed(RULE))},
)
def list_rules(_given: Given, instellingsnummer: str) -> Answer:
    with context.house().database.reading() as db:
        school_list.require(db, instellingsnummer)
        found = visibility.listing(db, instellingsnummer=instellingsnummer)
    return Answer(body={"items": [_rule(one) for one in found]})


@operation(
    "POST",
    "/schools/{instellingsnummer}/visibility",
    summary="Make an app visible; the same rule again only gets the new last day.",
    scope=WRITE,
    body=thing(
        ("client_id",),
        client_id=text(100, least=1),
        kind={"type": "string", "enum": [one.value for one in RuleKind]},
        target=text(60),
        begindatum=DAY,
        einddatum=DAY,
    ),
    answers={201: thing(("id",), closed=False, id=UUID)},
)
def add_rule(given: Given, instellingsnummer: str) -> Answer:
    house, body = context.house(), given.body
    with house.database.transaction() as db:
        app = apps.load(db, body["client_id"])
        if app is None or app.disabled:
            raise NotFound("app_unknown", body["client_id"])
        rule = visibility.add(
            db,
            app=app,
            instellingsnummer=instellingsnummer,
            kind=RuleKind(body.get("kind", RuleKind.SCHOOL.value)),
            target=body.get("target", ""),
            begindatum=_day(body.get("begindatum")) or house.clock.today(),
            einddatum=_day(body.get("einddatum")),
            by=school_list.actor(),
            now=house.clock.now(),
        )
    return Answer(body={"id": rule}, status=201)


@operation(
    "DELETE",
    "/schools/{instellingsnummer}/visibility/{rule_id}",
    summary="The app is no longer visible by this rule, from the next look.",
    scope=WRITE,
    answers={204: None},
)
def remove_rule(_given: Given, instellingsnummer: str, rule_id: str) -> Answer:
    with context.house().database.transaction() as db:
        visibility.remove(db, instellingsnummer=instellingsnummer, rule_id=rule_id)
    return Answer(status=204)


@operation(
    "GET",
    "/audit",
    summary="The audit trail, newest first: who, what, when, about whom. Without `since`: the last 30 days.",
    scope=Scope.AUDIT_READ,
    query={
        "actor": text(120),
        "event": text(60),
        "object": text(120),
        "instellingsnummer": text(6),
        "request_id": text(40),
        "since": MOMENT,
        "until": MOMENT,
        "after": text(200),
        "limit": number(1, 200, default=50),
    },
    answers={200: page(thing(("id", "at", "event", "actor", "result"), closed=False))},
)
def search_audit(given: Given) -> Answer:
    house, asked = context.house(), given.query
    question = audit_search.Question(
        actor=asked["actor"] or "",
        event=asked["event"] or "",
        about=asked["object"] or "",
        instellingsnummer=asked["instellingsnummer"] or "",
        request_id=asked["request_id"] or "",
        since=asked["since"],
        until=asked["until"],
    )
    with house.database.reading() as db:
        found = audit_search.search(
            db, question, now=house.clock.now(), after=asked["after"] or None, most=asked["limit"]
        )
    return Answer(body={"items": [one.as_json() for one in found.events], "after": found.after})


def _sandbox() -> list[dict[str, Any]]:
    house = context.house()
    with house.database.reading() as db:
        schools = sandbox_school.schools(db, house.clock.today())
        counts = sandbox_school.counted(sandbox_school.pupils(db, house, house.clock.today()))
    return [
        {
            "instellingsnummer": one.instellingsnummer,
            "naam": one.naam,
            "shares": one.shares,
            "pupils": counts.get(one.instellingsnummer, 0),
        }
        for one in schools
    ]


def _rule(one: visibility.Rule) -> dict[str, Any]:
    return {
        "id": one.id,
        "client_id": one.client_id,
        "kind": one.kind.value,
        "target": one.target,
        "begindatum": one.begindatum.isoformat(),
        "einddatum": one.einddatum.isoformat() if one.einddatum else None,
    }


def _day(text_: str | None) -> date | None:
    return date.fromisoformat(text_) if text_ else None
