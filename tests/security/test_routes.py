"""IDOR-14, IDOR-11, ROLE-04: every route before every kind of visitor, as the table beside this file says."""

from __future__ import annotations

import itertools
import re

import pytest

from idp import cli, web
from idp.login import sessions, staff_sessions
from tests.make_matrix import RIGHTS, ROLES, Cast, Row, outcome, rows

DENIED = frozenset({"401", "403", "404", "in"})
HOW = """
Every route has a row in tests/security/routes.csv: method, path, what is sent, and the answer to each of
{roles}
(a status, or `in` for the way to a sign-in page). These are missing; what follows each is how it answers today.
Judge every cell before you paste it, and put it beside its neighbours:

{lines}
"""


def named(method: str, path: str) -> str:
    """A route without the names of its parts, which a row may choose (<done_id> for <work_id>)."""
    return f"{method} {re.sub('<[^>]*>', '<>', path)}"


def routes(app):
    """(method, path, view) of every route, those in front of Flask too."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, rule.rule, app.view_functions[rule.endpoint]


@pytest.fixture
def cast(house, app):
    made = Cast(house, app)
    yield made
    made.close()


TABLE = rows()


def test_IDOR_14_every_route_has_a_row_and_every_row_a_route(app, cast, capsys):
    there = {named(method, path): (method, path) for method, path, _ in routes(app)}
    known = {named(row.method, row.path) for row in TABLE}
    missing = [
        Row(method=method, path=path, send="", expected={})
        for name, (method, path) in there.items()
        if name not in known
    ]
    lines = [
        ",".join([row.method, row.path, "", *(outcome(cast.ask(role, row)) for role in ROLES)])
        for row in missing
    ]
    capsys.readouterr()
    if lines:
        pytest.fail(HOW.format(roles=", ".join(ROLES), lines="\n".join(lines)), pytrace=False)
    programs = {named(row.method, row.path) for row in TABLE if row.path in IN_FRONT}
    assert not known - {*there} - programs, "these rows are of no route: take them out"


IN_FRONT = {"/token", "/userinfo", "/introspect", "/revoke", "/par", "/jwks"} | {
    f"/.well-known/{name}" for name in ("openid-configuration", "oauth-authorization-server")
}
"""Answered before Flask (oidc/endpoints.py, oidc/discovery.py)."""


def test_IDOR_14_the_table_opens_no_door_that_names_another_right(app):
    views = {named(method, path): view for method, path, view in routes(app)}
    wrong = []
    for row in TABLE:
        view = views.get(named(row.method, row.path))
        if getattr(view, "door", None) is web.Door.STAFF:
            closed = {role for role in ROLES if not RIGHTS.get(role, set()) & view.needs}
            wrong += [f"{row.name}: {role}" for role in closed if row.expected[role] not in DENIED]
        if getattr(view, "door", None) is web.Door.PUPIL:
            closed = {*ROLES} - {"pupil"}
            wrong += [f"{row.name}: {role}" for role in closed if row.expected[role] not in DENIED]
    assert not wrong


def test_IDOR_01_02_14_every_visitor_is_answered_as_the_table_says_and_told_nothing_of_school_a(
    house, cast, capsys
):
    """On PostgreSQL only what changes nothing: there the database is not put back after each form."""
    wrong: list[str] = []
    for row in TABLE:
        if not house.database.sqlite and row.method != "GET":
            continue
        for role in ROLES:
            answer = cast.ask(role, row)
            got, expected = outcome(answer), row.expected[role]
            if got != expected:
                wrong.append(f"{row.name} ({row.send}): {role} got {got}, the table says {expected}")
            leaked = cast.leaks(role, row, answer)
            if leaked and (role != "staff_a" or got in DENIED):
                wrong.append(f"{row.name} ({row.send}): {role} was told {sorted(leaked)}")
    capsys.readouterr()
    assert not wrong, "\n" + "\n".join(wrong)


ODD = ("-" * 36, "a" * 36, "\x00", "9" * 400, "' OR 1=1 --", "\u0131\u202e%_")


def test_HTTP_07_INJ_01_whatever_stands_where_an_id_should_no_route_breaks(house, cast, capsys):
    """Asked by two of those whom the door lets in: everybody else is sent away before."""
    wrong = []
    for row in TABLE:
        names = [one.rpartition(":")[2] for one in re.findall("<([^>]+)>", row.path + row.send)]
        able = [role for role in ROLES if row.expected[role] not in {"401", "403", "in"}]
        for name, odd, role in itertools.product(names, ODD, able[-2:]):
            kept, cast.things[name] = cast.things[name], odd
            answer = cast.ask(role, row)
            cast.things[name] = kept
            if answer.status_code >= 500:
                wrong.append(f"{row.name} ({row.send}): {role} with {odd!r} as {name}")
    capsys.readouterr()
    assert not wrong, "\n" + "\n".join(wrong)


def test_ROLE_08_an_operator_becomes_nobody_else(house, cast, capsys):
    """No page of ours hands an operator the session of a pupil or of a colleague, and no command is made to."""
    mine = {sessions.COOKIE, staff_sessions.COOKIE}
    given: list[str] = []
    for row in TABLE:
        if house.database.sqlite or row.method == "GET":
            answer = cast.ask("operator", row)
            cookies = [one.partition(";")[0] for one in answer.headers.getlist("Set-Cookie")]
            given += [f"{row.name}: {one}" for one in cookies if _opens(one, mine)]
    capsys.readouterr()
    assert not given
    assert _opens(f"__Host-idp-{sessions.COOKIE}=lss_x", mine)
    words = {name for command in (cli.main, *cli.main.commands.values()) for name in _names(command)}
    assert not {one for one in words if re.search("imperson|sign-in|signin|login|become|as-pupil|sudo", one)}


def _opens(cookie: str, names: set[str]) -> bool:
    name, _, value = cookie.partition("=")
    return name.rpartition("-")[2] in names and bool(value.strip('"'))


def _names(command):
    return [*getattr(command, "commands", {})]


def test_the_table_has_no_row_twice():
    known = [(row.method, row.path, row.send) for row in TABLE]
    assert len(known) == len({*known})
