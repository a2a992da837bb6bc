"""What can a program of an operator do with deliveries that wait for a person? What the operator can, and no more.

Enrolments are the operator's to decide. Classes are listed, so that somebody can call the school, which decides about them on
its own page. Pupils are stamnummers: the school knows who they are.
"""

from __future__ import annotations

from typing import Any

from idp import audit, context
from idp.admin.api.api_fields import listed, number, text, thing
from idp.admin.api.api_frame import Answer, Given, operation
from idp.admin.api.api_tokens import Scope
from idp.feeds import deliveries, enrolments, held, held_enrolments

READ, WRITE = Scope.HOLDS_READ, Scope.HOLDS_WRITE
KINDS = {"type": "string", "enum": [deliveries.ENROLMENTS, deliveries.CLASSES]}
_NUMBER = number(0, 10_000_000)
COUNTS = thing((), closed=False)
LINE = thing(
    ("delivery", "kind", "decided_by", "instellingsnummer", "received_at", "because", "rows"),
    closed=False,
    kind=KINDS,
    decided_by={"type": "string", "enum": ["operator", "school"]},
    because=listed(text(60)),
    rows=_NUMBER,
)
GROUP = thing(
    ("group", "before", "after", "leave", "come"),
    closed=False,
    before=_NUMBER,
    after=_NUMBER,
    leave=listed(text(60)),
    come=listed(text(60)),
)
DIFFERENCE = thing(
    ("delivery", "instellingsnummer", "counts", "groups", "more"),
    closed=False,
    counts=COUNTS,
    groups=listed(GROUP),
    more=_NUMBER,
)


@operation(
    "GET",
    "/holds",
    summary="Deliveries that wait for a person, the newest first. A school decides about its classes itself.",
    scope=READ,
    query={"kind": KINDS},
    answers={200: thing(("items",), closed=False, items=listed(LINE))},
)
def list_holds(given: Given) -> Answer:
    with context.house().database.reading() as db:
        found = held.waiting(db, kind=given.query["kind"])
    return Answer(body={"items": [_line(one) for one in found]})


@operation(
    "GET",
    "/holds/{delivery}",
    summary="What enrolments that wait would change: by administratieve groep, who would leave and come, by stamnummer.",
    scope=READ,
    answers={200: DIFFERENCE},
)
def show_hold(_given: Given, delivery: str) -> Answer:
    house = context.house()
    with house.database.reading() as db:
        waiting = held.find(db, delivery, kind=deliveries.ENROLMENTS)
        plan = held_enrolments.load(house, db, delivery)
        found = held_enrolments.difference(db, plan.school, plan.today)
    groups = [one.as_json() for one in found.groups]
    counts = dict(plan.school.counts)
    return Answer(body=_line(waiting) | {"counts": counts, "groups": groups, "more": found.others})


@operation(
    "POST",
    "/holds/{delivery}/approval",
    summary="Apply enrolments that wait: somebody looked at the difference, and it is right.",
    scope=WRITE,
    answers={200: thing(("delivery", "counts"), closed=False, counts=COUNTS)},
)
def apply_hold(_given: Given, delivery: str) -> Answer:
    house = context.house()
    with house.database.reading() as db:
        held.find(db, delivery, kind=deliveries.ENROLMENTS)
    done = enrolments.decide(house, delivery, by=audit.actor())
    return Answer(body={"delivery": delivery, "counts": dict(done.counts)})


@operation(
    "POST",
    "/holds/{delivery}/refusal",
    summary="Decline enrolments that wait: all stays as it was, and the rows are deleted.",
    scope=WRITE,
    answers={204: None},
)
def decline_hold(_given: Given, delivery: str) -> Answer:
    house, kind = context.house(), deliveries.ENROLMENTS
    with house.database.reading() as db:
        school = held.find(db, delivery, kind=kind).instellingsnummer
    held.decline(house, delivery, instellingsnummer=school, by=audit.actor(), kind=kind)
    return Answer(status=204)


def _line(one: held.Waiting) -> dict[str, Any]:
    return {
        "delivery": one.id,
        "kind": one.kind,
        "decided_by": "operator" if one.kind == deliveries.ENROLMENTS else "school",
        "instellingsnummer": one.instellingsnummer,
        "format": one.format,
        "received_at": one.received_at.isoformat(),
        "snapshot_at": one.snapshot_at.isoformat() if one.snapshot_at else None,
        "because": [*one.codes],
        "rows": one.records,
    }
