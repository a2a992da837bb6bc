"""What does a program want of a list? OneRoster's limit, offset, sort, orderBy, filter and fields, as values. Pure.

Refused instead of ignored: a filter that is quietly left out would answer with more than was asked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from idp.errors import Refusal

MOST, USUAL = 1_000, 100
DEEPEST = 10_000_000
TERMS = 4
"""Conditions in one filter."""
STATUS, CHANGED, NAME = "status", "dateLastModified", "sourcedId"
FILTERED = (STATUS, CHANGED, NAME)
"""What a list can be filtered and sorted by: of the rest we would have to tell the order, and so the value."""
ACTIVE, GONE = "active", "tobedeleted"
PARAMETERS = ("limit", "offset", "sort", "orderBy", "filter", "fields", "after")

_TERM = re.compile(r"\s*([A-Za-z.]{1,40})\s*(!=|>=|<=|=|>|<|~)\s*'([^']{0,100})'\s*", re.ASCII)
_GLUE = re.compile(r"(AND|OR)(?=\s)")
_AFTER = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)


class Wrong(Refusal):
    """What was asked cannot be answered. `code` is OneRoster's minor code, `detail` says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One condition."""

    field: str
    operator: str
    value: str | datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    limit: int = USUAL
    offset: int = 0
    after: str | None = None
    """The sourcedId after which the page begins; Link has it, so that nobody is skipped when a line goes meanwhile."""
    sort: str = NAME
    descending: bool = False
    terms: tuple[Term, ...] = ()
    either: bool = False
    """One of the terms is enough."""
    fields: frozenset[str] | None = None
    """None: all."""
    words: tuple[tuple[str, str], ...] = ()
    """What the next page repeats."""

    @property
    def first(self) -> bool:
        """The first page: a new look at the list begins."""
        return self.offset == 0 and self.after is None

    @property
    def tombstones(self) -> bool:
        """Whoever asks for a status or for changes hears of what went, too."""
        return any(term.field in {STATUS, CHANGED} for term in self.terms)

    def page(self, *, offset: int, after: str | None = None) -> str:
        """The query of another page of the same list."""
        words = [*self.words, ("limit", str(self.limit)), ("offset", str(offset))]
        if after is not None:
            words.append(("after", after))
        return urlencode(words)


def read(given: Mapping[str, list[str]], known: Collection[str]) -> Ask:
    """`given` is the query, `known` the fields of what is listed. Raises Wrong."""
    for name, values in given.items():
        if name not in PARAMETERS:
            raise Wrong("invaliddata", f"there is no parameter {name[:40]!r}: {', '.join(PARAMETERS)}")
        if len(values) > 1:
            raise Wrong("invaliddata", f"{name} is there twice")
    words = {name: values[0] for name, values in given.items()}
    sort, how = words.get("sort", NAME), words.get("orderBy", "asc")
    if sort not in FILTERED:
        raise Wrong("invalid_sort_field", f"sort is one of {', '.join(FILTERED)}")
    if how not in {"asc", "desc"}:
        raise Wrong("invaliddata", "orderBy is asc or desc")
    after = words.get("after")
    if after is not None and (not _AFTER.fullmatch(after) or sort != NAME or how != "asc"):
        raise Wrong("invaliddata", "after comes from the Link of a page: follow that address as it is")
    terms, either = _filter(words["filter"]) if "filter" in words else ((), False)
    return Ask(
        limit=_number(words, "limit", USUAL, 1, MOST),
        offset=_number(words, "offset", 0, 0, DEEPEST),
        after=after,
        sort=sort,
        descending=how == "desc",
        terms=terms,
        either=either,
        fields=_fields(words["fields"], known) if "fields" in words else None,
        words=tuple((name, words[name]) for name in ("sort", "orderBy", "filter", "fields") if name in words),
    )


def _number(words: Mapping[str, str], name: str, usual: int, least: int, most: int) -> int:
    said = words.get(name)
    if said is None:
        return usual
    if not (said.isascii() and said.isdigit() and len(said) <= 9 and least <= int(said) <= most):
        raise Wrong("invaliddata", f"{name} is a whole number from {least} to {most}")
    return int(said)


def _filter(said: str) -> tuple[tuple[Term, ...], bool]:
    terms: list[Term] = []
    glue: set[str] = set()
    place = 0
    while True:
        found = _TERM.match(said, place)
        if found is None:
            raise Wrong(
                "invalid_filter_field",
                "a filter looks like status='active' AND dateLastModified>'2026-11-23'",
            )
        terms.append(_term(*found.groups()))
        place = found.end()
        if place == len(said):
            break
        more = _GLUE.match(said, place)
        if more is None or len(terms) == TERMS:
            raise Wrong("invalid_filter_field", f"at most {TERMS} conditions, with AND or OR between them")
        glue.add(more.group())
        place = more.end()
    if len(glue) > 1:
        raise Wrong("invalid_filter_field", "AND and OR do not go together in one filter")
    return tuple(terms), glue == {"OR"}


def _term(field: str, operator: str, value: str) -> Term:
    if field not in FILTERED:
        raise Wrong("invalid_filter_field", f"a list is filtered by {', '.join(FILTERED)}")
    if field == CHANGED:
        if operator == "~":
            raise Wrong("invalid_filter_field", "dateLastModified takes = != > >= < <=")
        return Term(field=field, operator=operator, value=_moment(value))
    if operator not in {"=", "!="}:
        raise Wrong("invalid_filter_field", f"{field} takes = and !=")
    if field == STATUS and value not in {ACTIVE, GONE}:
        raise Wrong("invalid_filter_field", f"status is '{ACTIVE}' or '{GONE}'")
    return Term(field=field, operator=operator, value=value)


def _moment(said: str) -> datetime:
    try:
        found = datetime.fromisoformat(said)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Wrong("invalid_filter_field", "dateLastModified is a moment: '2026-11-23T02:15:00Z'") from None


def _fields(said: str, known: Collection[str]) -> frozenset[str]:
    asked = [name.strip() for name in said.split(",") if name.strip()]
    wrong = [name for name in asked if name not in known]
    if wrong or not asked:
        raise Wrong("invalid_selection_field", f"fields are some of {', '.join(known)}")
    return frozenset(asked)
