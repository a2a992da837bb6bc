"""What was typed stays when somebody must first prove to be there, and nothing is done before the button is pressed again."""

from __future__ import annotations

import ast
import html
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from idp import entropy, models
from idp.admin import staff_door
from idp.admin.apps import app_secrets, apps
from idp.errands import patrol_book
from idp.feeds import feed_clients
from tests import make_staff
from tests.admin.test_apps import document
from tests.make_browser import path

ADMIN = Path(staff_door.__file__).parent
PROOF = "/personeel/bevestigen"
KEPT = {
    "/beheer/tokens": 2,
    "/beheer/pakketten": 4,
    "/beheer/leveranciers/reken": 1,
    "/beheer/systeem": 1,
    "/beheer/apps/rekenbuur": 2,
    "/beheer/wijzigingen": 2,
    "/beheer/rechten": 1,
    "/beheer/protocol": 1,
    "/beheer/bestand": 1,
}
"""How many buttons of each page come back with what was typed beside them."""
NOTHING_IS_TYPED = {
    "change": "the sandbox: a button, and a tick that says one is sure",
    "decide": "enrolments that wait: two buttons",
    "stop": "a right: a button",
    "invite": "a person: a button",
    "renew": "a pupil's secret: buttons",
    "card_alone": "a tick that says one read what may happen: it is read again",
    "password_answer": "a secret",
    "app_answer": "a secret",
    "recovery_codes": "a button",
    "passkey_answer": "the answer of a passkey",
    "remove_passkey": "a button",
}
"""Views that send to the proof and back, and keep nothing."""


@dataclass
class Form:
    action: str
    hidden: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    """Name → kind of field, or what stands in it."""
    shown: dict[str, list[str]] = field(default_factory=dict)
    """What it would send now."""
    ticks: dict[str, list[str]] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def same(self) -> tuple[object, ...]:
        hidden = {name: value for name, value in self.hidden.items() if name != "csrf_token"}
        return self.action, sorted(hidden.items()), sorted(self.typed), self.buttons


class Forms(HTMLParser):
    """The forms that a page sends, but for those around it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._area = self._select = ""
        self.feed(text.partition('id="blad"')[2])

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method") == "post":
            self._form = Form(given["action"])
            self.forms.append(self._form)
        form, name, value = self._form, given.get("name", ""), given.get("value", "")
        if form is None:
            return
        if tag == "button":
            form.buttons.append((name, value))
        elif tag == "textarea":
            self._area, form.typed[name], form.shown[name] = name, "textarea", [""]
        elif tag == "select":
            self._select, form.options[name], form.shown[name] = name, [], []
        elif tag == "option":
            form.options[self._select].append(value)
            if "selected" in given:
                form.shown[self._select] = [value]
        elif tag == "input" and given.get("type") == "hidden":
            form.hidden[name] = value
        elif tag == "input" and given.get("type") == "checkbox":
            form.ticks.setdefault(name, []).append(value)
            if "checked" in given:
                form.shown.setdefault(name, []).append(value)
        elif tag == "input" and given.get("type") != "file":
            form.typed[name], form.shown[name] = given.get("type", "text"), [value]

    def handle_data(self, data):
        if self._area and self._form:
            self._form.shown[self._area][0] += data.lstrip("\n")

    def handle_endtag(self, tag):
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._area = ""


def words(form: Form) -> dict[str, list[str]]:
    """Something in every field, and other choices than those that stand there."""
    kinds = {"number": "7", "date": "2027-05-09", "email": "getypt@school.example"}
    typed = {name: [kinds.get(kind, f"Getypt in {name} & <b>zo</b>")] for name, kind in form.typed.items()}
    ticked = {name: values[1:] or values for name, values in form.ticks.items()}
    return typed | ticked | {name: values[-1:] for name, values in form.options.items()}


def count(house, model) -> int:
    with house.database.reading() as db:
        return db.execute(select(func.count()).select_from(model)).scalar_one()


@pytest.fixture
def lived(house):
    """Something of everything that a page of an operator has a form for."""
    now = house.clock.now()
    apps.import_apps(house, [document()], now=now)
    make_staff.supplier(house, "reken")
    place = patrol_book.Place(number=9, hash="0" * 64)
    trouble = patrol_book.Trouble(trail="release", seal=7, what="deleted", rows=(1,), since="2026-11-21")
    standing = patrol_book.Standing(
        trail="release", newest=place, old=place, until=9, begun_at=now, troubles=(trouble,)
    )
    asked = {"client_id": "rekenbuur", "supplier": None, "changes": {}, "widens": ["scope"], "reason": ""}
    asked |= {"id": entropy.row_id(), "requested_by": "person:an", "requested_at": now, "answer": None}
    asked |= {"state": models.RequestState.WAITING, "decided_by": None, "decided_at": None}
    with house.database.transaction() as db:
        app_secrets.renew(db, "rekenbuur", now=now)
        feed_clients.add(db, naam="Wisa", pakket="wisa", now=now)
        patrol_book.write(db, house.keys.marks, standing)
        db.execute(insert(models.AppRequest), asked)


def test_every_form_of_an_operator_keeps_what_was_typed_and_does_nothing(house, client, mira, lived):
    house.clock.move(minutes=house.settings.staff_fresh_minutes + 1)
    met: Counter[str] = Counter()
    for where in KEPT:
        page = client.get(where)
        assert page.status_code == 200, where
        for form in Forms(page.text).forms:
            for button, value in form.buttons:
                chosen, before = words(form), count(house, models.AuditEvent)
                answer = client.post(
                    form.action, data=form.hidden | chosen | ({button: value} if button else {})
                )
                if answer.status_code == 303 and path(answer) == PROOF:
                    assert not form.typed, f"{where}: {form.action} {value} loses what was typed"
                elif answer.status_code == 403:
                    assert re.search(f'href="{PROOF}[^"]*" target="_blank"', answer.text)
                    (again,) = [one for one in Forms(answer.text).forms if one.same == form.same]
                    assert {name: again.shown[name] for name in chosen} == chosen, f"{where}: {form.action}"
                    assert "<b>zo" not in answer.text
                    assert count(house, models.AuditEvent) == before
                    met[where] += 1
    assert met == KEPT


def test_a_token_is_made_when_the_button_is_pressed_again_and_not_by_the_proof(house, client, mira):
    typed = {"wat": "api", "label": "nachtwerk van Mira", "scope": "apps.read", "tot": "2027-01-31"}
    house.clock.move(minutes=house.settings.staff_fresh_minutes + 1)
    page = make_staff.post(client, "/beheer/tokens", **typed)
    assert page.status_code == 403
    proof = html.unescape(re.search(f'href="({PROOF}[^"]*)"', page.text)[1])
    make_staff.form(client, proof, password=mira.password, code=mira.code(house))
    assert typed["label"] not in client.get("/beheer/tokens").text, "the server keeps nothing of it"
    assert count(house, models.OperatorToken) == 0
    assert "lso_" in make_staff.send(client, page, **typed).text
    assert count(house, models.OperatorToken) == 1


def test_what_is_kept_of_a_form_is_bounded_and_no_secret(house, client, mira):
    house.clock.move(minutes=house.settings.staff_fresh_minutes + 1)
    page = make_staff.post(client, "/beheer/tokens", wat="api", label="x" * 5_000).text
    assert "x" * staff_door.LONGEST_KEPT in page
    assert "x" * (staff_door.LONGEST_KEPT + 1) not in page
    sent = {"scope": [f"s{number}" for number in range(500)], "label": "a", "other": "b"}
    with client.application.test_request_context("/", method="POST", data=sent):
        kept = staff_door.kept("scope", "label")
        assert (len(kept.getlist("scope")), {*kept}) == (staff_door.MOST_KEPT, {"scope", "label"})
        for secret in staff_door.SECRET_FIELDS:
            with pytest.raises(AssertionError, match="typed anew"):
                staff_door.kept(secret)


def test_whoever_sends_a_form_to_the_proof_and_back_has_nothing_typed_in_it():
    """A form with words goes through `needs_fresh_first`."""
    found = set()
    for file in ADMIN.rglob("*.py"):
        for view in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(view, ast.FunctionDef) and any(
                ".post(" in ast.unparse(d) for d in view.decorator_list
            ):
                calls = {ast.unparse(one.func) for one in ast.walk(view) if isinstance(one, ast.Call)}
                found |= {view.name} if "staff_door.needs_fresh" in calls else set()
    assert found == {*NOTHING_IS_TYPED}
