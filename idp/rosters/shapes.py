"""What does a line of a list look like? OneRoster's own names, filled with claims that were released, and nothing else. Pure.

A field whose claim is not released is absent. What the specification asks for and we never tell (a user name to sign in
with, an e-mail address) is the pseudonym, or absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from idp.apps import LISTS_SCOPE, App
from idp.claims import catalogue
from idp.clock import midnight, school_year, school_year_ends
from idp.models import RosterKind

BASE = "/ims/oneroster/rostering/v1p2"
SCOPE = LISTS_SCOPE
Item = dict[str, Any]

SKELETON = frozenset({"sub", "ov_orgcode"})
"""Without these two a pupil cannot stand in a list."""
OF_USER: Mapping[str, frozenset[str]] = {
    "givenName": frozenset({"given_name"}),
    "familyName": frozenset({"family_name"}),
    "userIds": frozenset({"ov_account_uuid", "ov_leerid_uuid", "ov_historiek_account_uuid"}),
    "grades": frozenset({"ov_leerjaar"}),
    "metadata": frozenset({"ov_administratieve_groep"}),
}
"""Which claims stand in which field of a user."""
CLASSES = "ov_klassen"
OF_CLASSES = SKELETON | {CLASSES}
"""The claims behind classes, and behind who sits in which."""

_EVERY = ("sourcedId", "status", "dateLastModified")
FIELDS: Mapping[str, tuple[str, ...]] = {
    "orgs": (*_EVERY, "name", "type", "identifier"),
    "academicSessions": (
        *_EVERY,
        "title",
        "startDate",
        "endDate",
        "type",
        "parent",
        "children",
        "schoolYear",
    ),
    "courses": (*_EVERY, "title", "schoolYear", "courseCode", "org"),
    "classes": (*_EVERY, "title", "classCode", "classType", "course", "school", "terms", "metadata"),
    "enrollments": (*_EVERY, "user", "class", "school", "role"),
    "users": (
        *_EVERY,
        "username",
        "userIds",
        "enabledUser",
        "givenName",
        "familyName",
        "roles",
        "primaryOrg",
        "grades",
        "metadata",
    ),
}
"""What each kind of line can hold, by the word around a list of them."""
ALONE = {
    "orgs": "org",
    "academicSessions": "academicSession",
    "courses": "course",
    "classes": "class",
    "enrollments": "enrollment",
    "users": "user",
}
"""The word around one of them."""
WORDS = {
    RosterKind.ORG: "orgs",
    RosterKind.USER: "users",
    RosterKind.CLASS: "classes",
    RosterKind.ENROLLMENT: "enrollments",
}
COURSES = {"klas": "Klassen", "subklas": "Subklassen"}
"""We know no courses, and OneRoster wants one for every class: two for each school, by what kind of class it is."""


def of_users(app: App, fields: frozenset[str] | None = None) -> frozenset[str]:
    """The claims that a list of pupils asks for."""
    named = OF_USER.keys() if fields is None else fields & OF_USER.keys()
    return SKELETON.union(*(OF_USER[name] for name in named)) & catalogue.claims_of(app.scopes)


def reads_lists(app: App) -> bool:
    """Its registration has what every list needs."""
    return app.reads_lists and catalogue.claims_of(app.scopes) >= SKELETON


def reads_classes(app: App) -> bool:
    return reads_lists(app) and CLASSES in catalogue.claims_of(app.scopes)


def ref(base: str, kind: str, sourced_id: str) -> Item:
    """A GUIDRef; `kind` is the word for one."""
    where = {"org": "orgs", "academicSession": "academicSessions", "course": "courses"} | {
        "class": "classes",
        "user": "users",
    }
    return {"href": f"{base}/{where[kind]}/{sourced_id}", "sourcedId": sourced_id, "type": kind}


def user(base: str, sub: str, told: Sequence[Mapping[str, Any]]) -> Item:
    """A pupil: what was released at each school, the first school first."""
    first = told[0]
    item: Item = {"sourcedId": sub, "username": sub, "enabledUser": True}
    ids = [
        {"type": claim, "identifier": one}
        for claim in ("ov_account_uuid", "ov_leerid_uuid", "ov_historiek_account_uuid")
        for one in _listed(first.get(claim))
    ]
    if ids:
        item["userIds"] = ids
    for field, claim in (("givenName", "given_name"), ("familyName", "family_name")):
        if claim in first:
            item[field] = first[claim]
    item["roles"] = [
        {
            "roleType": "secondary" if place else "primary",
            "role": "student",
            "org": ref(base, "org", one["ov_orgcode"]),
        }
        for place, one in enumerate(told)
    ]
    item["primaryOrg"] = ref(base, "org", first["ov_orgcode"])
    grades = [one["ov_leerjaar"] for one in told if "ov_leerjaar" in one]
    if grades:
        item["grades"] = [*dict.fromkeys(grades)]
    groups = {
        one["ov_orgcode"]: one["ov_administratieve_groep"]
        for one in told
        if "ov_administratieve_groep" in one
    }
    if groups:
        item["metadata"] = {"ov_administratieve_groep": groups}
    return item


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [*value]


def klas(base: str, told: Mapping[str, Any]) -> Item:
    """A class, from one element of ov_klassen."""
    year = told["schooljaar"]
    return {
        "sourcedId": told["id"],
        "title": told["naam"],
        "classCode": told["code"],
        "classType": "homeroom" if told["soort"] == "klas" else "scheduled",
        "course": ref(base, "course", course_id(told["orgcode"], told["soort"])),
        "school": ref(base, "org", told["orgcode"]),
        "terms": [ref(base, "academicSession", term_id(year))],
        "metadata": {"ov_soort": told["soort"]},
    }


def enrollment(base: str, sourced_id: str, sub: str, told: Mapping[str, Any]) -> Item:
    """A pupil sits in a class, which is one element of ov_klassen."""
    return {
        "sourcedId": sourced_id,
        "user": ref(base, "user", sub),
        "class": ref(base, "class", told["id"]),
        "school": ref(base, "org", told["orgcode"]),
        "role": "student",
    }


def org(number: str, naam: str) -> Item:
    return {"sourcedId": number, "name": naam, "type": "school", "identifier": number}


def course_id(number: str, soort: str) -> str:
    return f"{number}-{soort}"


def course(base: str, number: str, soort: str, today: date) -> Item:
    year = school_year(today)
    return _standing(today) | {
        "sourcedId": course_id(number, soort),
        "title": COURSES[soort],
        "schoolYear": ref(base, "academicSession", year),
        "courseCode": soort,
        "org": ref(base, "org", number),
    }


def term_id(year: str) -> str:
    return f"{year}-jaar"


def sessions(base: str, today: date) -> tuple[Item, Item]:
    """The school year of today, and its one term: the whole of it."""
    year, last = school_year(today), school_year_ends(today)
    same: Item = {
        "title": year,
        "startDate": date(last.year - 1, 9, 1).isoformat(),
        "endDate": (last + timedelta(days=1)).isoformat(),  # the first day that is not of it (OneRoster 1.2)
        "schoolYear": str(last.year),
    }
    whole: Item = {"sourcedId": year, "type": "schoolYear"} | same
    whole["children"] = [ref(base, "academicSession", term_id(year))]
    term: Item = {"sourcedId": term_id(year), "type": "term"} | same
    term["parent"] = ref(base, "academicSession", year)
    return _standing(today) | whole, _standing(today) | term


def _standing(today: date) -> Item:
    """Of what only turns with the school year."""
    begin = date(school_year_ends(today).year - 1, 9, 1)
    return {"status": "active", "dateLastModified": moment(midnight(begin))}


def moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def dressed(item: Item, *, gone: bool, changed_at: datetime) -> Item:
    """With what every line has, in the usual order."""
    first = {"sourcedId": item["sourcedId"], "status": "tobedeleted" if gone else "active"}
    return first | {"dateLastModified": moment(changed_at)} | item


def some(item: Item, fields: frozenset[str] | None) -> Item:
    """Only what was asked for."""
    return item if fields is None else {name: value for name, value in item.items() if name in fields}
