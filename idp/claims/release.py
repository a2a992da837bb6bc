"""What does this app get, and why not the rest? Pure: no database, request, clock or chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from idp.claims.catalogue import CATALOGUE, Claim, Gate

RELEASED = "released"
"""The word beside a claim, where otherwise its closed gate stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One app, one pupil, one school, this moment."""

    registered: frozenset[str]
    """Claim names that the app's registration includes."""
    requested: frozenset[str]
    """Claim names that this request asks for."""
    shares: bool
    """The school shares klasinformatie."""
    visible: bool
    """The app is visible for the pupil at the school, or open to every pupil."""
    visible_by_school: bool
    """The school made it visible itself."""
    enrolled: bool
    """The pupil's enrolment at the school covers today."""
    values: Mapping[str, Any]
    """By claim name; None or missing is unknown, an empty list is a value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One claim: its value, or else the first closed gate."""

    claim: str
    value: Any = None
    gate: Gate | None = None

    @property
    def released(self) -> bool:
        return self.gate is None

    @property
    def word(self) -> str:
        """`released`, or the gate: what the ledger keeps."""
        return self.gate or RELEASED


def _visible(claim: Claim, question: Question) -> bool:
    return question.visible and (claim.open_is_enough or question.visible_by_school)


_Open = Callable[[Claim, Question], bool]
GATES: tuple[tuple[Gate, _Open], ...] = (
    (Gate.NOT_REGISTERED, lambda claim, asked: claim.name in asked.registered),
    (Gate.NOT_REQUESTED, lambda claim, asked: claim.name in asked.requested),
    (Gate.SCHOOL_DOES_NOT_SHARE, lambda _, asked: asked.shares),
    (Gate.NOT_VISIBLE, _visible),
    (Gate.NOT_ENROLLED, lambda _, asked: asked.enrolled),
    (Gate.UNKNOWN, lambda claim, asked: asked.values.get(claim.name) is not None),
)
"""Each gate and when it is open, in order."""


def decide(question: Question, catalogue: tuple[Claim, ...] = CATALOGUE) -> tuple[Answer, ...]:
    """Exactly one answer for every line of the catalogue, in its order."""
    return tuple(_answer(claim, question) for claim in catalogue)


def _answer(claim: Claim, question: Question) -> Answer:
    for gate, is_open in GATES:
        if not is_open(claim, question) and gate not in claim.waives:
            return Answer(claim=claim.name, gate=gate)
    return Answer(claim=claim.name, value=question.values[claim.name])
