"""The rules of docs/architecture.md that code can prove."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

import idp
from idp import audit, config, journal, models, web
from tests import make_matrix

HOUSE = Path(idp.__file__).parent
PYTHON = [path for path in sorted(HOUSE.rglob("*.py")) if "versions" not in path.parts]
TEMPLATES = HOUSE.parent / "templates"
POST_WITHOUT_WORD = {
    "/token",
    "/userinfo",
    "/introspect",
    "/revoke",
    "/par",
    "/register",
    "/api/pakket/v1/token",
    "/leverancier/meldingen.json",
}
"""Machine endpoints: no cookie counts there. /authorize and /end_session are listed where it is tested."""


def trees():
    for path in PYTHON:
        yield path.relative_to(HOUSE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.AST) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_only_the_clock_reads_time():
    forbidden = {
        "datetime.now",
        "datetime.utcnow",
        "date.today",
        "time.time",
        "time.monotonic",
        "time.time_ns",
    }
    guilty = {path: calls(tree) & forbidden for path, tree in trees() if path != "clock.py"}
    assert not {path: found for path, found in guilty.items() if found}


def test_only_entropy_draws_chance():
    forbidden = {"secrets", "random", "uuid_utils"}
    guilty = {}
    for path, tree in trees():
        if path == "entropy.py":
            continue
        names = {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        if names & forbidden or calls(tree) & {"uuid.uuid4", "os.urandom", "uuid.uuid1"}:
            guilty[path] = names & forbidden
    assert not guilty


def test_SSRF_05_nothing_but_the_guarded_fetcher_calls_out():
    """Mail goes to the one server of the settings, logos through the fetcher; a server looks whether its port is free."""
    callers = {
        "socket",
        "ssl",
        "http.client",
        "urllib.request",
        "requests",
        "httpx",
        "urllib3",
        "aiohttp",
        "smtplib",
    }
    guilty = set()
    for path, tree in trees():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            if callers & {*names}:
                guilty.add(path)
    assert guilty == {"fetching.py", "listening.py", "login/postman.py"}


def test_nothing_but_a_transaction_commits():
    """`database.transaction()` speaks to the driver itself: it, and no other file, says COMMIT."""
    guilty = [path for path, tree in trees() if any(call.endswith(".commit") for call in calls(tree))]
    assert guilty == ["database.py"]


def test_authlibs_deprecated_jose_is_never_imported():
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith("authlib.jose"), path


def test_no_file_answers_two_questions():
    long = {
        path: len(text.splitlines()) for path in PYTHON if len((text := path.read_text()).splitlines()) > 450
    }
    assert not long, "split: a file that is this long answers two questions"


def test_every_module_opens_with_a_sentence():
    assert not [path for path, tree in trees() if not ast.get_docstring(tree)]


def test_every_route_has_a_door(app):
    missing = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
        and not isinstance(getattr(app.view_functions[rule.endpoint], "door", None), web.Door)
    ]
    assert not missing


def test_CSRF_10_every_form_of_a_person_refuses_a_post_without_its_word(app, client):
    checked = []
    for rule in app.url_map.iter_rules():
        door = getattr(app.view_functions[rule.endpoint], "door", web.Door.ANYONE)
        unsafe = (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}
        if door in web.PROGRAMS or not unsafe or rule.endpoint == "static":
            continue
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        for method in unsafe:
            for headers in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
                answer = client.open(path, method=method, headers=headers, data={"csrf_token": "foreign"})
                assert answer.status_code in {400, 403}, f"{method} {path}"
            checked.append(path)
    assert checked
    programs = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "door", None) in web.PROGRAMS
        and "POST" in (rule.methods or ())
    }
    programs = {path for path in programs if not path.startswith("/api/beheer/")}
    assert programs <= POST_WITHOUT_WORD | {"/authorize", "/end_session"}


def test_every_event_of_the_audit_trail_is_used():
    events = {
        f"{page.__name__.removeprefix('idp.').replace('.', '_')}.{name}("
        for page in (
            audit,
            *(
                importlib.import_module(f"idp.audit.{path.stem}")
                for path in HOUSE.glob("audit/*.py")
                if path.stem != "__init__"
            ),
        )
        for name, value in vars(page).items()
        if callable(value)
        and getattr(value, "__module__", "") == page.__name__
        and "db" in getattr(value, "__annotations__", {})
        and name != "write"
        and not name.startswith("_")
    }
    said = "\n".join(path.read_text(encoding="utf-8") for path in PYTHON if path.parent.name != "audit")
    assert not {event for event in events if event not in said}


def test_every_event_of_the_audit_trail_is_thought_of_for_a_restore():
    written = {
        node.args[1].value
        for path in HOUSE.glob("audit/*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", None) in {"write", "_write", "_refused"}
        and isinstance(node.args[1], ast.Constant)
    }
    assert written - {*journal.KINDS} == set(), (
        "does it take something away? Say so in idp/journal.py (KINDS)"
    )
    assert {*journal.KINDS} - written == set(), "this event is never written: take it out of idp/journal.py"


@pytest.mark.parametrize("name", config.Settings.model_fields)
def test_every_setting_is_used_and_described(name):
    said = "\n".join(path.read_text(encoding="utf-8") for path in PYTHON)
    assert config.Settings.model_fields[name].description
    assert re.search(rf"\.{name}\b", said), f"nobody reads the setting {name}"


def test_every_column_is_read_or_written_somewhere():
    said = "\n".join(path.read_text(encoding="utf-8") for path in PYTHON if path.name != "models.py")
    idle = {
        f"{table.name}.{column.name}"
        for table in models.Base.metadata.tables.values()
        for column in table.columns
        if not re.search(rf"\b{column.name}\b", said)
    }
    assert not idle


def test_no_template_has_inline_handlers_or_styles():
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\son[a-z]+\s*=", text), path
        if "demo" not in path.parts:
            assert not re.search(r"\sstyle\s*=|<style", text), path
        assert "|safe" not in text.replace(" ", ""), path


def test_every_route_of_staff_names_the_rights_that_open_it(app):
    missing = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if getattr(view, "door", None) is web.Door.STAFF:
            named = getattr(view, "needs", None)
            if not named or not {*named} <= {*models.RightKind}:
                missing.append(rule.rule)
        else:
            assert not hasattr(view, "needs"), f"{rule.rule} names rights that nobody looks at"
    assert not missing


def test_IDOR_14_every_route_has_a_row_in_the_table_of_who_may_enter(app):
    known = {re.sub("<[^>]*>", "<>", row.name) for row in make_matrix.rows()}
    missing = [
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if re.sub("<[^>]*>", "<>", f"{method} {rule.rule}") not in known
    ]
    assert not missing, "pytest tests/security/test_routes.py -k has_a_row prints the rows to add"
