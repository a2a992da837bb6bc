"""Who says that they know of something that the nightly look found, and why? And who takes that back?

What was touched stays found until it is as it was or is purged, which may take years. An operator who knows of it says so,
with a reason: from then on it is told as known, and only what is new is an alarm. Nothing is hidden, and nothing is mended.
Whoever finds that the reason was wrong takes it back: it is an alarm again, at once.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from idp import audit
from idp.audit import backups as audit_backups
from idp.errands import job_book, patrol_book
from idp.errands.patrol_book import Known, Trouble
from idp.errors import Invalid, NotFound
from idp.marks import Marks

SHORTEST, LONGEST = 10, 500
JOB = "verify"


def acknowledge(
    db: Connection, marks: Marks, name: str, *, reason: str, now: datetime
) -> tuple[Trouble, Known]:
    """An operator (the actor) knows of the trouble by this name. Once more: the newest reason counts.

    Raises Invalid `acknowledgement_needs_reason` and NotFound `trouble_unknown`. Needs `audit.circumstances`.
    """
    words = " ".join(reason.split())
    if not SHORTEST <= len(words) <= LONGEST or not words.isprintable():
        raise Invalid(
            "acknowledgement_needs_reason",
            f"a reason of {SHORTEST} to {LONGEST} characters says what it is and who looked",
        )
    known = Known(name=name, by=audit.actor(), at=now.isoformat(), reason=words)
    trouble = patrol_book.acknowledge(db, marks, known)
    if trouble is None:
        raise NotFound("trouble_unknown", f"nothing that was found is called {name[:40]}")
    audit_backups.verify_acknowledged(
        db, trail=trouble.trail, seal=trouble.seal, what=trouble.what, count=trouble.count, trouble=name
    )
    book = patrol_book.read(db, marks)
    if not book.alarms and not book.strange:
        job_book.forgiven(db, JOB, now)
    return trouble, known


def take_back(db: Connection, marks: Marks, name: str) -> Trouble:
    """An operator (the actor) says that nobody knows of this trouble after all, whoever said so before.

    Raises NotFound `acknowledgement_unknown`. Needs `audit.circumstances`.
    """
    done = patrol_book.take_back(db, marks, name)
    if done is None:
        raise NotFound(
            "acknowledgement_unknown", f"nothing that was found and acknowledged is called {name[:40]}"
        )
    trouble, known = done
    audit_backups.verify_alarmed_again(
        db,
        trail=trouble.trail,
        seal=trouble.seal,
        what=trouble.what,
        count=trouble.count,
        trouble=name,
        known_by=known.by,
        known_at=known.at,
    )
    return trouble
