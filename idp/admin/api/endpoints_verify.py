"""What can a program of an operator do about the nightly look at the audit trail? See what it found, say that it is known, and take that back."""

from __future__ import annotations

from typing import Any

from idp import context
from idp.admin.api.api_fields import YES_OR_NO, listed, nothing_or, number, text, thing
from idp.admin.api.api_frame import Answer, Given, operation
from idp.admin.api.api_tokens import Scope
from idp.admin.records import acknowledging
from idp.errands import patrol_book
from idp.errands.patrol_book import Known, Trouble

KNOWN = thing(("by", "at", "reason"), closed=False)
TROUBLE = thing(
    ("trouble", "trail", "seal", "what", "count", "rows", "ids", "since", "acknowledged"),
    closed=False,
    rows=listed(number(0, 10_000_000)),
    ids=listed(text(100)),
    acknowledged=nothing_or(KNOWN),
)
FOUND = thing(("good", "items", "rewritten"), closed=False, good=YES_OR_NO, items=listed(TROUBLE))


@operation(
    "GET",
    "/verify",
    summary="What the nightly look found that is not as it was written; `good` when there is nothing that nobody acknowledged.",
    scope=Scope.AUDIT_READ,
    answers={200: FOUND},
)
def show_verify(_given: Given) -> Answer:
    house = context.house()
    with house.database.reading() as db:
        book = patrol_book.read(db, house.keys.marks)
    alarms = [_trouble(one, None) for one in book.alarms]
    known = [_trouble(one, said) for one, said in book.known]
    good = not book.alarms and not book.strange
    return Answer(body={"good": good, "items": alarms + known, "rewritten": [*book.strange]})


@operation(
    "POST",
    "/verify/{trouble}/acknowledgement",
    summary="Say that you know of this, and why: it is no alarm any more. More of it, or anything else, is one at once.",
    scope=Scope.AUDIT_WRITE,
    body=thing(("reason",), reason=text(acknowledging.LONGEST, least=acknowledging.SHORTEST)),
    answers={200: TROUBLE},
)
def acknowledge_trouble(given: Given, trouble: str) -> Answer:
    house = context.house()
    with house.database.transaction() as db:
        found, known = acknowledging.acknowledge(
            db, house.keys.marks, trouble, reason=given.body["reason"], now=house.clock.now()
        )
    return Answer(body=_trouble(found, known))


@operation(
    "DELETE",
    "/verify/{trouble}/acknowledgement",
    summary="Take back that this is known, whoever said so: it is an alarm again at once.",
    scope=Scope.AUDIT_WRITE,
    answers={200: TROUBLE},
)
def take_back_acknowledgement(_given: Given, trouble: str) -> Answer:
    house = context.house()
    with house.database.transaction() as db:
        found = acknowledging.take_back(db, house.keys.marks, trouble)
    return Answer(body=_trouble(found, None))


def _trouble(one: Trouble, known: Known | None) -> dict[str, Any]:
    said = {"by": known.by, "at": known.at, "reason": known.reason} if known else None
    told = {name: value for name, value in vars(one).items() if name != "expected"}
    return told | {"trouble": one.name, "rows": [*one.rows], "ids": [*one.ids], "acknowledged": said}
