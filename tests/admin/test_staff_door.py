"""Who comes in where? Doors of staff and pupils, over all routes; rights of today, at the chosen school."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select, update

from idp import models, web
from idp.admin import staff_door
from idp.models import RightKind
from tests import make, make_login, make_staff
from tests.make_browser import path, sign_in

HOME = "/schoolloket"


def routes(app, *doors):
    """(path, method) of every route with one of these doors."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if getattr(view, "door", None) in doors:
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield re.sub(r"<[^>]+>", "x", rule.rule), method, view


def with_word(client):
    """This browser's CSRF word."""
    page = client.get("/personeel/aanmelden", follow_redirects=True)
    return {"csrf_token": re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]}


def ask(client, where, method, word):
    return client.open(where, method=method, data=word if method != "GET" else None)


def test_IDOR_11_no_session_and_no_pupil_opens_a_door_of_staff(app, house, client):
    sign_in(client, house, make_login.pupil(house))
    found = [*routes(app, web.Door.STAFF)]
    assert found
    for browser in (client, app.test_client()):
        word = with_word(browser)
        for where, method, _view in found:
            answer = ask(browser, where, method, word)
            assert path(answer) == "/personeel/aanmelden", f"{method} {where}"


def test_a_sign_in_leads_back_to_whichever_page_of_staff_was_asked_for(app, client):
    asked = [where for where, method, _view in routes(app, web.Door.STAFF) if method == "GET"]
    assert {"/leverancier", "/zandbak", "/beheer", "/personeel/mijn-gegevens"} <= {*asked}
    for where in asked:
        if where not in {HOME, "/personeel/bevestigen"}:  # whoever just signed in need not prove it again
            page = client.get(f"{where}?q=1", follow_redirects=True)
            assert f'name="next" value="{where}?q=1"' in page.text, where


def test_the_cookie_of_staff_opens_no_door_of_pupils(app, house, client):
    make_staff.begin(client, house, make_staff.staff(house))
    word = with_word(client)
    for where, method, _view in routes(app, web.Door.PUPIL):
        answer = ask(client, where, method, word)
        assert path(answer) in {"/aanmelden", "/nieuw-wachtwoord"}, f"{method} {where}"


def test_ROLE_08_a_cookie_of_staff_under_the_name_of_pupils_is_nothing_and_the_reverse(app, house, client):
    make_staff.begin(client, house, make_staff.staff(house))
    token = client.get_cookie(make_staff.cookie_name(house)).value
    other = app.test_client()
    other.set_cookie(make_staff.cookie_name(house).replace("staff", "session"), token)
    assert path(other.get("/mijn-apps")) == "/aanmelden"
    sign_in(other, house, make_login.pupil(house))
    pupil = other.get_cookie(make_staff.cookie_name(house).replace("staff", "session")).value
    client.set_cookie(make_staff.cookie_name(house), pupil)
    assert path(client.get(HOME)) == "/personeel/aanmelden"


def test_programs_find_no_door_of_staff(app, house, client):
    token = "lsa_" + "0" * 51
    for where, method, _view in routes(app, web.Door.STAFF):
        answer = client.open(where, method=method, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code in {303, 400}, f"{method} {where}"


@pytest.mark.parametrize("kind", [*RightKind])
def test_IDOR_14_each_right_opens_the_routes_that_name_it_and_no_others(app, house, client, kind):
    one = make_staff.staff(house, kind)
    make_staff.begin(client, house, one)
    word = with_word(client)
    closed = set()
    for where, method, view in routes(app, web.Door.STAFF):
        answer = ask(client, where, method, word)
        assert answer.status_code < 500, f"{method} {where}"
        if kind not in view.needs:
            assert answer.status_code == 403, f"{method} {where}"
            closed.add(where)
    with house.database.reading() as db:
        rows = db.execute(select(models.AuditEvent).where(models.AuditEvent.event == "staff_refused")).all()
    assert {re.sub(r"<[^>]+>", "x", row.details["route"]) for row in rows} == closed
    assert {row.actor for row in rows} <= {f"person:{one.person_id}"}


def test_ROLE_04_a_missing_right_is_refused_and_audited(house, client):
    make_staff.begin(client, house, make_staff.staff(house, RightKind.DATABEHEERDER))
    answer = client.get(f"{HOME}/leerid-beheer")
    assert answer.status_code == 403
    assert "recht" in answer.text
    with house.database.reading() as db:
        row = db.execute(select(models.AuditEvent).where(models.AuditEvent.event == "staff_refused")).one()
    assert row.details["route"] == f"{HOME}/leerid-beheer"


@pytest.mark.parametrize(
    ("last", "before_midnight"),
    [
        (date(2027, 8, 31), datetime(2027, 8, 31, 21, 55, tzinfo=UTC)),
        (date(2026, 12, 31), datetime(2026, 12, 31, 22, 55, tzinfo=UTC)),
        (date(2027, 3, 28), datetime(2027, 3, 28, 21, 55, tzinfo=UTC)),
        (date(2026, 10, 25), datetime(2026, 10, 25, 22, 55, tzinfo=UTC)),
    ],
    ids=["summer", "winter", "the day that summer time begins", "the day that it ends"],
)
def test_ROLE_01_a_right_ends_at_midnight_in_brussels_in_a_session_that_goes_on(
    house, client, stopped, last, before_midnight
):
    one = make_staff.staff(house)
    with house.database.transaction() as db:
        db.execute(update(models.Right).values(einddatum=last))
    stopped.moment = before_midnight
    make_staff.begin(client, house, one)
    assert client.get(f"{HOME}/leerid-beheer").status_code == 200
    stopped.move(minutes=5)
    answer = client.get(f"{HOME}/leerid-beheer")
    assert answer.status_code == 403
    assert "geen rechten" in answer.text


def test_ROLE_03_a_right_that_was_taken_away_counts_at_the_next_request(house, client):
    make_staff.begin(client, house, make_staff.staff(house))
    assert client.get(f"{HOME}/leerid-beheer").status_code == 200
    with house.database.transaction() as db:
        db.execute(update(models.Right).values(einddatum=make.YEAR_BEGINS))
    assert client.get(f"{HOME}/leerid-beheer").status_code == 403


def test_a_right_at_one_school_opens_nothing_at_another(house, client):
    one = make_staff.staff(house)
    with house.database.transaction() as db:
        other = make.school(db, naam="Atheneum De Toren")
        make.right(db, one.person_id, other, kind=RightKind.TEACHER)
        strange = make.school(db, naam="Van een ander")
    make_staff.begin(client, house, one)
    word = with_word(client)
    refused = client.post(f"{HOME}/instelling", data=word | {"instelling": strange})
    assert refused.status_code == 403
    assert client.post(f"{HOME}/instelling", data=word | {"instelling": other}).status_code == 303
    assert client.get(f"{HOME}/leerid-beheer").status_code == 403
    assert client.post(f"{HOME}/instelling", data=word | {"instelling": one.school}).status_code == 303
    assert client.get(f"{HOME}/leerid-beheer").status_code == 200


def test_a_form_for_one_school_never_works_on_another(house, client):
    """The school was changed in another tab meanwhile."""
    one = make_staff.staff(house)
    with house.database.transaction() as db:
        other = make.school(db)
        make.right(db, one.person_id, other, kind=RightKind.BEHEERDER)
    make_staff.begin(client, house, one)
    word = with_word(client)
    client.post(f"{HOME}/instelling", data=word | {"instelling": other})
    answer = client.post(f"{HOME}/instelling", data=word | {"school": one.school, "instelling": one.school})
    assert answer.status_code == 400
    assert "andere school" in answer.text


def test_operators_arrive_on_their_own_page(house, client):
    make_staff.begin(client, house, make_staff.staff(house, RightKind.OPERATOR))
    answer = client.get(HOME)
    assert path(answer) == "/beheer"
    page = client.get("/beheer")
    nav = page.text.partition("<nav")[2].partition("</nav>")[0]
    assert {"/beheer/apps", "/beheer/rechten", "/beheer/scholen"} <= {*re.findall(r"href=\"([^\"]*)\"", nav)}
    assert "/schoolloket/" not in nav


def test_the_list_counts_pupils_of_this_school_only(house, client):
    one = make_staff.staff(house)
    with house.database.transaction() as db:
        make.story(db, school=one.school)
        make.enrolment(db, make.pupil(db), one.school)
        make.story(db)
    make_staff.begin(client, house, one)
    page = client.get(f"{HOME}/leerid-beheer")
    assert "Totaal aantal rijen: 2<" in page.text


def test_every_page_that_a_tab_names_exists_or_is_not_shown(house, client):
    make_staff.begin(client, house, make_staff.staff(house, *RightKind))
    page = client.get(f"{HOME}/leerid-beheer")
    links = {link for link in re.findall(r'href="(/[^"]*)"', page.text) if not link.startswith("/static")}
    assert links
    for link in links:
        assert client.get(link).status_code in {200, 303}, link


def test_a_desk_without_right_is_never_made(app):
    assert {*staff_door.ANY} == {*RightKind}


def test_the_long_menu_can_be_skipped_by_keyboard(client, house):
    make_staff.begin(client, house, make_staff.staff(house, RightKind.OPERATOR))
    page = client.get("/beheer").text
    skip = page.index('href="#blad"')
    assert page.index("<body>") < skip < page.index("<header")
    assert page.index("</nav>") < page.index('id="blad" tabindex="-1"') < page.index("<h1")
