"""What does this app get, and why not the rest? Pure: no database, request, clock or chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruling:
    """What the gates say of one question, whatever the values are. Shared by all who ask the same: never change it."""

    gates: tuple[tuple[str, Answer | None], ...]
    """Every claim with the answer of its first closed gate; None: all are open."""
    open: tuple[str, ...]
    """The claims that are released."""
    words: dict[str, str]
    """What the ledger keeps: `released`, or the gate, by claim."""

    def answers(self, values: Mapping[str, Any]) -> tuple[Answer, ...]:
        return tuple([closed or Answer(claim=name, value=values[name]) for name, closed in self.gates])

    def claims(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What is released, by name."""
        return {name: values[name] for name in self.open}


def decide(question: Question, catalogue: tuple[Claim, ...] = CATALOGUE) -> tuple[Answer, ...]:
    """Exactly one answer for every line of the catalogue, in its order."""
    return rule(question, catalogue).answers(question.values)


def rule(question: Question, catalogue: tuple[Claim, ...] = CATALOGUE) -> Ruling:
    """The same decision, before the values are put in it."""
    known = frozenset([name for name, value in question.values.items() if value is not None])
    return (_remembered if catalogue is CATALOGUE else _rule)(
        question.registered,
        question.requested,
        known,
        (question.shares, question.visible, question.visible_by_school, question.enrolled),
        catalogue=None if catalogue is CATALOGUE else catalogue,
    )


def _rule(
    registered: frozenset[str],
    requested: frozenset[str],
    known: frozenset[str],
    circumstances: tuple[bool, bool, bool, bool],
    *,
    catalogue: tuple[Claim, ...] | None,
) -> Ruling:
    """No value is looked at here."""
    shares, visible, visible_by_school, enrolled = circumstances
    question = Question(
        registered=registered,
        requested=requested,
        shares=shares,
        visible=visible,
        visible_by_school=visible_by_school,
        enrolled=enrolled,
        values=dict.fromkeys(known, True),
    )
    gates = tuple((claim.name, _closed(claim, question)) for claim in catalogue or CATALOGUE)
    return Ruling(
        gates=gates,
        open=tuple(name for name, closed in gates if closed is None),
        words={name: str(closed.word) if closed else RELEASED for name, closed in gates},
    )


def _closed(claim: Claim, question: Question) -> Answer | None:
    for gate, is_open in GATES:
        if not is_open(claim, question) and gate not in claim.waives:
            return Answer(claim=claim.name, gate=gate)
    return None


_remembered = lru_cache(maxsize=4096)(_rule)
"""A country of pupils has few kinds of questions, and the same question always has the same gates."""
