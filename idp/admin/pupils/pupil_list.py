"""Which pupils does the list of a school show? One look at the whole school, then search, filters, order and pages.

A school is small (a few thousand pupils) and names are not: accents, order of words and parts are forgiven alike on
both databases, because folding is done here. The look is bounded and takes a fixed number of statements.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from anyascii import anyascii
from sqlalchemy import Connection, select

from idp.claims import agreements, visibility
from idp.models import Account, AccountType, ClassMembership, Enrolment, Klas, SecretKind, Soort

PAGE = 50
_DIGITS = re.compile("([0-9]+)")
_COMBINING = re.compile("[\u0300-\u036f]+")
_SIGNS: dict[int, str | None] = {
    ord(sign): None for sign in map(chr, range(128)) if not sign.isalnum() and sign != " "
}
_SIGNS[ord(".")] = " "
MOST = 20_000
"""Enrolments of one school that a look reads; the largest schools have a quarter of it."""


class State(StrEnum):
    """How a pupil stands with a LeerID."""

    NONE = "geen"
    TEMPORARY = "tijdelijk"
    """The temporary password is still to be changed."""
    NEW = "nieuw"
    """Has one, and never signed in."""
    ACTIVE = "actief"
    BLOCKED = "geblokkeerd"


class Order(StrEnum):
    NAAM = "naam"
    VOORNAAM = "voornaam"
    STAMNUMMER = "stamnummer"
    GROUP = "groep"
    KLAS = "klas"
    TYPE = "type"
    STATE = "staat"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody wants to see. All but the words stand in the address as they are."""

    words: str = field(default="", repr=False)
    type: AccountType | None = None
    state: State | None = None
    account: bool | None = None
    """With, or without, a LeerID."""
    group: str = ""
    """administratieve_groep_code."""
    klas: str = ""
    """Code of a (sub)klas; counts while the school shares."""
    order: Order = Order.NAAM
    down: bool = False
    page: int = 1


class Line(NamedTuple):
    """A pupil in the list."""

    account_uuid: str
    stamnummer: str
    voornaam: str
    naam: str
    group: str
    klassen: tuple[str, ...]
    type: AccountType | None
    state: State

    @property
    def name(self) -> str:
        return f"{self.voornaam} {self.naam}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A page of the list, and what can be filtered on."""

    lines: tuple[Line, ...]
    total: int
    """Of all pages."""
    page: int
    pages: int
    groups: tuple[tuple[str, str], ...]
    """(code, label) of the administratieve groepen of the school."""
    klassen: tuple[str, ...]
    """Codes; empty unless the school shares."""
    shares: bool


def look(db: Connection, instellingsnummer: str, today: date, asked: Asked) -> Found:
    """One page of the pupils who are enrolled here today."""
    whole = _school(db, instellingsnummer, today)
    matching = _matching(whole, asked)
    pages = max(1, -(-len(matching) // PAGE))
    page = min(max(1, asked.page), pages)
    shown = matching[(page - 1) * PAGE : page * PAGE]
    return Found(
        lines=tuple(_line(row, whole.klassen) for row in shown),
        total=len(matching),
        page=page,
        pages=pages,
        groups=tuple(sorted(whole.groups.items(), key=lambda pair: _natural(pair[1]))),
        klassen=tuple(sorted({code for codes in whole.klassen.values() for code in codes}, key=_natural)),
        shares=whole.shares,
    )


def everyone(db: Connection, instellingsnummer: str, today: date, asked: Asked) -> tuple[Line, ...]:
    """Every pupil of the filtered list, on all its pages, in its order.

    Nobody when a class was asked and the school stopped sharing: never more than what was seen.
    """
    whole = _school(db, instellingsnummer, today)
    if asked.klas and not whole.shares:
        return ()
    return tuple(_line(row, whole.klassen) for row in _matching(whole, asked))


def chosen(
    db: Connection, instellingsnummer: str, today: date, account_uuids: Iterable[str]
) -> tuple[Line, ...]:
    """Those of these pupils who are enrolled here today, by name; others are not there."""
    wanted = set(account_uuids)
    return tuple(one for one in everyone(db, instellingsnummer, today, Asked()) if one.account_uuid in wanted)


def fold(text: str) -> str:
    """Without capitals, accents and signs, in our letters: what a search compares."""
    plain = text if text.isascii() else _COMBINING.sub("", unicodedata.normalize("NFKD", text))
    if not plain.isascii():  # letters that do not come apart, and other scripts
        plain = anyascii(plain)
    return plain.lower().translate(_SIGNS)


def finder(words: str) -> Callable[..., bool]:
    """Whether a pupil is meant: called with first name, last name, and what else is known by (stamnummer, user name).

    All the words must be somewhere in those; a name may be written as one. Words of nothing but signs mean nobody.
    """
    wanted = fold(words).split()
    anyone = not words.strip()

    def means(voornaam: str, naam: str, *others: str | None) -> bool:
        if not wanted:
            return anyone
        first, last = fold(voornaam), fold(naam)
        whole = f"{first}{last}".replace(" ", "")
        said = " ".join((first, last, whole, *(fold(other) for other in others if other)))
        return all(word in said for word in wanted)

    return means


# ---------------------------------------------------------------- inside


class _School(NamedTuple):
    rows: list[Any]
    klassen: Mapping[str, tuple[str, ...]]
    groups: dict[str, str]
    shares: bool


def _school(db: Connection, instellingsnummer: str, today: date) -> _School:
    """Three statements at most, whatever is asked: sharing, pupils, classes."""
    shares = agreements.shares_today(db, instellingsnummer, today)
    rows = db.execute(
        select(
            Enrolment.account_uuid,
            Enrolment.stamnummer,
            Enrolment.voornaam,
            Enrolment.naam,
            Enrolment.administratieve_groep.label("group"),
            Enrolment.administratieve_groep_code.label("group_code"),
            Account.username,
            Account.type,
            Account.secret_kind,
            Account.blocked_at,
            Account.last_sign_in_on,
        )
        .outerjoin(Account, Account.account_uuid == Enrolment.account_uuid)
        .where(
            Enrolment.instellingsnummer == instellingsnummer,
            Enrolment.begindatum <= today,
            Enrolment.einddatum >= today,
        )
        .order_by(Enrolment.begindatum.desc(), Enrolment.id)
        .limit(MOST)
    ).all()
    one_each: dict[str, Any] = {}
    for row in rows:
        one_each.setdefault(row.account_uuid, row)
    found = [*one_each.values()]
    return _School(
        rows=found,
        klassen=_klassen(db, instellingsnummer, today) if shares else {},
        groups={row.group_code: row.group for row in found},
        shares=shares,
    )


def _klassen(db: Connection, instellingsnummer: str, today: date) -> dict[str, tuple[str, ...]]:
    rows = db.execute(
        select(ClassMembership.account_uuid, Klas.code)
        .join(Klas, Klas.id == ClassMembership.klas)
        .where(
            ClassMembership.instellingsnummer == instellingsnummer, visibility.current(ClassMembership, today)
        )
        .order_by(Klas.soort != Soort.KLAS, Klas.code)
    )
    found: dict[str, dict[str, None]] = {}
    for account_uuid, code in rows:
        found.setdefault(account_uuid, {})[code] = None
    return {account_uuid: tuple(codes) for account_uuid, codes in found.items()}


def _matching(whole: _School, asked: Asked) -> list[Any]:
    klas = asked.klas if whole.shares else ""
    means = finder(asked.words)
    kept = [
        row
        for row in whole.rows
        if (not asked.group or row.group_code == asked.group)
        and (not klas or klas in whole.klassen.get(row.account_uuid, ()))
        and (asked.type is None or row.type is asked.type)
        and (asked.account is None or asked.account is (row.type is not None))
        and (asked.state is None or state_of(row) is asked.state)
        and means(row.voornaam, row.naam, row.stamnummer, row.username)
    ]
    by_name = {row.account_uuid: (fold(row.naam), fold(row.voornaam), row.stamnummer) for row in kept}
    kept.sort(key=lambda row: by_name[row.account_uuid])
    if asked.order is not Order.NAAM:
        natural = functools.cache(_natural)  # thousands of pupils sit in a hundred classes
        keys = {row.account_uuid: _key(row, asked.order, whole.klassen, natural) for row in kept}
        kept.sort(key=lambda row: keys[row.account_uuid], reverse=asked.down)
    elif asked.down:
        kept.reverse()
    return kept


def _key(
    row: Any, order: Order, klassen: Mapping[str, tuple[str, ...]], natural: Callable[[str], Any]
) -> Any:
    keys: dict[Order, Callable[[], Any]] = {
        Order.NAAM: lambda: fold(row.naam),
        Order.VOORNAAM: lambda: fold(row.voornaam),
        Order.STAMNUMMER: lambda: natural(row.stamnummer),
        Order.GROUP: lambda: natural(row.group),
        Order.KLAS: lambda: [natural(code) for code in klassen.get(row.account_uuid, ())],
        Order.TYPE: lambda: row.type or "",
        Order.STATE: lambda: [*State].index(state_of(row)),
    }
    return keys[order]()


def _natural(text: str) -> list[tuple[int, int, str]]:
    """`2A` before `10A`."""
    return [
        (0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part)
        for part in _DIGITS.split(fold(text))
        if part
    ]


def state_of(row: Any) -> State:
    """Of a row with the columns of Account, or with None in them."""
    if row.type is None:
        return State.NONE
    if row.blocked_at is not None:
        return State.BLOCKED
    if row.secret_kind is SecretKind.TEMPORARY:
        return State.TEMPORARY
    return State.ACTIVE if row.last_sign_in_on is not None else State.NEW


def _line(row: Any, klassen: Mapping[str, tuple[str, ...]]) -> Line:
    return Line(
        account_uuid=row.account_uuid,
        stamnummer=row.stamnummer,
        voornaam=row.voornaam,
        naam=row.naam,
        group=row.group,
        klassen=klassen.get(row.account_uuid, ()),
        type=row.type,
        state=state_of(row),
    )
