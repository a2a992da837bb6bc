"""A LeerID-beheerder sees which app is visible for whom, looks before showing, shows and stops; for the own school only."""

from __future__ import annotations

import re
from datetime import date, timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import event, func, insert, select, update

from idp import entropy, models
from idp.claims import visibility
from idp.models import AuditEvent, Enrolment, Release, RightKind, RuleKind, School, SchoolKind, VisibilityRule
from tests import make, make_staff
from tests.make_browser import path
from tests.make_reading import read, stands

PATH = "/schoolloket/applicatiebeheer"
TODAY = make.TODAY.isoformat()
UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def story(house):
    with house.database.transaction() as db:
        return make.story(db, visible=False, purpose="Rekenen oefenen", reasons={"ov_klassen": "Per klas"})


@pytest.fixture
def one(client, house, story):
    made = make_staff.staff(house, school=story.school)
    make_staff.begin(client, house, made)
    return made


@pytest.fixture
def elsewhere(house, story):
    """The same at another school, with a rule of every kind."""
    with house.database.transaction() as db:
        other = make.story(db, visible=False)
        db.execute(update(Enrolment).where(Enrolment.account_uuid == other.pupil).values(naam="Geheim"))
        words = {"kind": RuleKind.GROUP, "target": "L3"}
        return other, make.rule(db, story.app.client_id, other.school, **words)


def post(client, where, **fields):
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(PATH).text)[1]
    return client.post(where, data={"csrf_token": token} | fields)


def rules(house, school):
    columns = (
        VisibilityRule.kind,
        VisibilityRule.target,
        VisibilityRule.begindatum,
        VisibilityRule.einddatum,
    )
    with house.database.reading() as db:
        found = db.execute(select(*columns).where(VisibilityRule.instellingsnummer == school)).all()
    return sorted(tuple(row) for row in found)


def visible(house, story):
    with house.database.reading() as db:
        return bool(visibility.schools_for(db, story.app, story.pupil, house.clock.today()))


def app_page(story):
    return f"{PATH}/app/{story.app.client_id}"


def test_the_overview_has_every_app_with_its_purpose_and_two_counts(client, house, one, story):
    with house.database.transaction() as db:
        make.enrolment(db, make.pupil(db), story.school, administratieve_groep_code="L4")
        make.rule(db, story.app.client_id, story.school, kind=RuleKind.GROUP, target="L3")
        make.app(db, client_name="Dicht", disabled_at=house.clock.now())
        make.app(db, client_name="Zandbak", sandbox=True)
        db.execute(update(School).values(kind=SchoolKind.REAL))
    page = client.get(PATH).text
    assert "Rekenen oefenen" in page
    assert re.findall(r'class="number">(\d+ / \d+)', page) == ["1 / 2", "1 / 2"]
    assert "Dicht" not in read(page).seen
    assert "Zandbak" not in page, "sandbox apps and real pupils never meet"
    assert "Geen app met die naam" in client.get(f"{PATH}?zoek=qq").text


def test_an_app_says_what_it_asks_and_why(client, one, story):
    page = client.get(app_page(story)).text
    for words in ("Klassen en subklassen", "Per klas", "klasinformatie", "Voornaam"):
        assert words in page
    assert "Verwerkersovereenkomst" not in page, "what is not known is not shown"


@pytest.mark.parametrize("what", ["heel", "groep", "klas", "leerling"])
def test_an_app_is_made_visible_and_a_second_tap_changes_nothing(client, house, one, story, what):
    value = {"heel": "1", "groep": "L3", "klas": story.klas, "leerling": story.pupil}[what]
    assert not visible(house, story)
    for _ in range(2):
        answer = post(client, app_page(story), **{what: value}, van=TODAY, tot="", school=one.school)
        assert path(answer) == app_page(story)
        assert visible(house, story)
    assert len(rules(house, story.school)) == 1
    with house.database.reading() as db:
        said = select(AuditEvent.actor, AuditEvent.object).where(AuditEvent.event == "app_made_visible")
        assert {*map(tuple, db.execute(said))} == {(f"person:{one.person_id}", f"app:{story.app.client_id}")}
    shown = {"heel": "de hele school", "groep": "groep derde leerjaar", "klas": "klas 3A"}
    assert shown.get(what, "Gaston Logie") in client.get(app_page(story)).text


def test_a_rule_gets_dates_is_lengthened_not_repeated_and_stopped(client, house, one, story):
    last = (make.TODAY + timedelta(days=10)).isoformat()
    post(client, app_page(story), groep="L3", van=TODAY, tot=last)
    assert rules(house, story.school)[0][2:] == (make.TODAY, make.TODAY + timedelta(days=10))
    tomorrow = (make.TODAY + timedelta(days=1)).isoformat()
    post(client, app_page(story), groep="L3", van=tomorrow, tot="")
    assert [rule[2:] for rule in rules(house, story.school)] == [(make.TODAY, None)]
    rule = re.search(r'name="regel" value="([^"]+)"', client.get(app_page(story)).text)[1]
    back = {"bij": "app", "wie": story.app.client_id}
    assert path(post(client, f"{PATH}/regel", regel=rule, tot=last, **back)) == app_page(story)
    assert rules(house, story.school)[0][3] == make.TODAY + timedelta(days=10)
    answer = post(client, f"{PATH}/regel", regel=rule, stop="1", **back)
    assert answer.headers["Location"] == f"{app_page(story)}?bericht=gestopt"
    assert rules(house, story.school) == []
    assert not visible(house, story)
    answer = post(client, f"{PATH}/regel", regel=rule, stop="1", **back)
    assert answer.headers["Location"] == f"{app_page(story)}?bericht=weg", "Back and a second tap do no harm"
    assert "Er is niets veranderd" in client.get(answer.headers["Location"]).text


@pytest.mark.parametrize(
    "wrong",
    [
        {"van": TODAY},
        {"heel": "1"},
        {"heel": "1", "van": "morgen"},
        {"heel": "1", "van": TODAY, "tot": "2026-11-01"},
        {"heel": "1", "van": TODAY, "tot": "x"},
    ],
)
def test_what_is_incomplete_or_cannot_be_changes_nothing(client, house, one, story, wrong):
    answer = post(client, app_page(story), **wrong)
    assert answer.status_code == 400
    assert rules(house, story.school) == []


def test_a_begin_in_the_past_is_today(client, house, one, story):
    post(client, app_page(story), heel="1", van="2020-01-01")
    assert rules(house, story.school)[0][2] == make.TODAY


def test_CONS_07_rules_on_classes_exist_only_while_the_school_shares(client, house, one, story):
    with house.database.transaction() as db:
        db.execute(update(models.Agreement).values(stopped_at=house.clock.now(), stopped_by="person:x"))
    page = client.get(app_page(story)).text
    assert 'name="klas"' not in page
    assert "Per klas kan als je school klasinformatie deelt." in page
    assert "3A" not in read(client.get(f"{PATH}/groepen")).seen
    assert client.get(f"{PATH}/klas/{story.klas}").status_code == 404
    assert post(client, app_page(story), klas=story.klas, van=TODAY).status_code == 400
    assert rules(house, story.school) == []


def test_IDOR_07_a_group_a_class_and_a_pupil_of_another_school_are_not_there(
    client, house, one, story, elsewhere
):
    other, _rule = elsewhere
    with house.database.transaction() as db:
        db.execute(
            update(Enrolment)
            .where(Enrolment.account_uuid == other.pupil)
            .values(administratieve_groep_code="L9")
        )
    for what in ({"klas": other.klas}, {"leerling": other.pupil}, {"groep": "L9"}, {"klas": UNKNOWN}):
        assert post(client, app_page(story), **what, van=TODAY).status_code == 404
    for where in (
        f"klas/{other.klas}",
        f"leerling/{other.pupil}",
        "groep/L9",
        f"leerling/{UNKNOWN}",
        "klas/x",
    ):
        assert client.get(f"{PATH}/{where}").status_code == 404
        assert post(client, f"{PATH}/{where}", app=story.app.client_id, van=TODAY).status_code == 404
    assert rules(house, story.school) == []


def test_IDOR_02_a_rule_of_another_school_is_neither_stopped_nor_changed_nor_told_apart(
    client, house, one, story, elsewhere
):
    other, theirs = elsewhere
    before = rules(house, other.school)
    answers = {
        post(client, f"{PATH}/regel", regel=rule, **what).headers["Location"]
        for rule in (theirs, UNKNOWN, "x", "")
        for what in ({"stop": "1"}, {"tot": TODAY})
    }
    assert answers == {f"{PATH}?bericht=weg"}
    assert rules(house, other.school) == before


def test_IDOR_01_what_an_app_gets_is_told_about_own_pupils_only(client, house, one, story, elsewhere):
    other, _ = elsewhere
    for who in (other.pupil, UNKNOWN, "x"):
        answer = client.get(f"{PATH}/wat/{story.app.client_id}?leerling={who}")
        assert answer.status_code == 404
        assert "Geheim" not in answer.text
    for where in ("leerlingen", f"wat/{story.app.client_id}", f"leerlingen?app={story.app.client_id}"):
        assert "Geheim" not in client.get(f"{PATH}/{where}").text


@pytest.mark.parametrize("words", ["%", "_", "%25", "' OR 1=1 --"])
def test_IDOR_05_searching_with_wildcards_finds_nobody(client, one, story, elsewhere, words):
    page = found(client, f"{PATH}/leerlingen", words)
    assert "Logie" not in read(page).seen
    assert "Geheim" not in page.text
    assert post(client, f"{PATH}/leerlingen", woorden="\x00").status_code == 400


def found(client, where, words, **fields):
    """What a search for these words leads to; nothing of them stands in the address."""
    answer = post(client, where, woorden=words, **fields)
    assert answer.status_code == 303
    assert quote(words) not in answer.headers["Location"].partition("zoek=")[0]
    assert words not in answer.headers["Location"] or len(words) < 3
    return client.get(answer.headers["Location"])


@pytest.mark.parametrize("words", ["lukasik", "dhondt", "d\u2019hondt", "61-7"])
def test_a_pupil_is_found_as_forgivingly_as_in_the_list_of_the_school(client, house, one, story, words):
    with house.database.transaction() as db:
        named = {"voornaam": "Bo", "naam": "d'Hondt-Łukasik", "stamnummer": "61-7"}
        make.enrolment(db, make.pupil(db), story.school, **named)
    page = found(client, f"{PATH}/leerlingen", words)
    assert "Łukasik" in page.text
    assert "Gaston Logie" not in page.text


@pytest.mark.parametrize("where", ["leerlingen", "wat"])
def test_LEAK_names_that_were_typed_stand_sealed_in_the_address(client, house, one, story, where):
    with house.database.transaction() as db:
        make.enrolment(db, make.pupil(db), story.school, voornaam="Zoë", naam="Peeters")
        other = make.school(db)
    path = f"{PATH}/leerlingen" if where == "leerlingen" else f"{PATH}/wat/{story.app.client_id}"
    answer = post(client, path, woorden="Peeters Zoe", app=story.app.client_id)
    address = answer.headers["Location"]
    assert "eeters" not in address
    page = client.get(address).text
    assert "Zoë Peeters" in page
    assert "Gaston Logie" not in page
    assert 'value="Peeters Zoe"' in page
    if where == "leerlingen":
        assert f"app={story.app.client_id}" in address
    make_staff.begin(client, house, make_staff.staff(house, school=other))
    with house.database.transaction() as db:
        make.rule(db, story.app.client_id, other)
    page = client.get(address.partition("&")[0]).text
    assert "Zoë" not in page, "an address opens for the school that it was made for"
    assert "Deze zoekopdracht is te oud" in page


def test_LEAK_words_in_a_plain_address_search_nothing(client, house, one, story):
    page = client.get(f"{PATH}/leerlingen?zoek=Logie").text
    assert "Deze zoekopdracht is te oud" in page
    assert 'value="Logie"' not in page


def test_a_pupil_of_now_and_of_the_coming_year_is_previewed_for_either(client, house, one, story):
    first = date(2027, 9, 1)
    with house.database.transaction() as db:
        words = {"administratieve_groep": "vierde leerjaar", "leerjaar": "4", "begindatum": first}
        make.enrolment(db, story.pupil, story.school, **words, einddatum=date(2028, 8, 31))
    where = f"{PATH}/wat/{story.app.client_id}?leerling={story.pupil}"
    now, then = client.get(where).text, client.get(f"{where}&dag=2027-09-01").text
    assert "2026-2027" in now
    assert "2027-2028" in then
    assert "Zo zal het zijn vanaf 1 september 2027" in then
    assert client.get(f"{where}&dag=<b>").text.count("2026-2027") == now.count("2026-2027")


@pytest.mark.parametrize("kind", ["sandbox", "disabled", "unknown"])
def test_an_app_that_the_school_cannot_have_is_not_there(client, house, one, story, kind):
    with house.database.transaction() as db:
        db.execute(update(School).values(kind=SchoolKind.REAL))
        if kind == "sandbox":
            name = make.app(db, sandbox=True).client_id
        elif kind == "disabled":
            name = make.app(db, disabled_at=house.clock.now()).client_id
        else:
            name = "nobody"
    assert client.get(f"{PATH}/app/{name}").status_code == 404
    assert client.get(f"{PATH}/wat/{name}").status_code == 404
    assert post(client, f"{PATH}/app/{name}", heel="1", van=TODAY).status_code == 404
    assert post(client, f"{PATH}/groep/L3", app=name, van=TODAY).status_code == 404


@pytest.mark.parametrize("kind", [RightKind.DATABEHEERDER, RightKind.TEACHER])
def test_nobody_but_a_beheerder_comes_in(client, house, story, kind):
    make_staff.begin(client, house, make_staff.staff(house, kind, school=story.school))
    for where in ("", f"/app/{story.app.client_id}", "/groepen", "/leerlingen", f"/leerling/{story.pupil}"):
        assert client.get(f"{PATH}{where}").status_code == 403


def test_a_group_and_a_pupil_show_their_apps_and_get_more(client, house, one, story):
    with house.database.transaction() as db:
        second = make.app(db, client_name="Lezen")
    group = f"{PATH}/groep/L3"
    assert path(post(client, group, app=[story.app.client_id, second.client_id], van=TODAY)) == group
    assert len(rules(house, story.school)) == 2
    page = client.get(group).text
    assert page.count('class="pill applied"') == 2
    words = read(client.get(f"{PATH}/leerling/{story.pupil}")).words
    assert "via groep derde leerjaar" in words
    assert stands("3A", words)
    klas = f"{PATH}/klas/{story.klas}"
    assert path(post(client, klas, app=second.client_id, van=TODAY)) == klas
    pupil = f"{PATH}/leerling/{story.pupil}"
    assert path(post(client, pupil, app=second.client_id, van=TODAY)) == pupil
    assert {rule[0] for rule in rules(house, story.school)} == {
        RuleKind.GROUP,
        RuleKind.KLAS,
        RuleKind.PUPIL,
    }


def test_what_an_app_gets_is_shown_with_values_and_reasons_before_it_is_visible(client, house, one, story):
    page = client.get(f"{PATH}/wat/{story.app.client_id}?leerling={story.pupil}").text
    for words in ("nu niet zichtbaar", "Gaston", "Klas 3A", story.pupil, "Per klas"):
        assert words in page
    with house.database.transaction() as db:
        db.execute(update(models.Agreement).values(stopped_at=house.clock.now(), stopped_by="person:x"))
    page = client.get(f"{PATH}/wat/{story.app.client_id}?leerling={story.pupil}").text
    assert "Klas 3A" not in page
    assert "De school deelt geen klasinformatie" in page
    assert not visible(house, story), "looking shows nothing to anybody"
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(Release)).scalar_one() == 0
        assert db.execute(select(func.count()).select_from(models.AppPupil)).scalar_one() == 0


def test_what_an_app_gets_about_somebody_who_begins_later_is_told_for_the_first_day(
    client, house, one, story
):
    first = date(2027, 9, 1)
    with house.database.transaction() as db:
        comes = make.pupil(db)
        words = {"administratieve_groep": "vierde leerjaar", "leerjaar": "4", "begindatum": first}
        make.enrolment(db, comes, story.school, **words, einddatum=date(2028, 8, 31), naam="Straks")
    page = client.get(f"{PATH}/wat/{story.app.client_id}?leerling={comes}").text
    assert "begint op 1 september 2027" in page
    assert "2027-2028" in page
    assert "vierde leerjaar" in page
    assert "Straks" in client.get(f"{PATH}/leerlingen").text


def test_an_app_with_a_strange_client_id_and_names_with_markup_are_text(client, house, one, story):
    strange = "https://app.example/a b?c=d&<x>"
    with house.database.transaction() as db:
        make.app(db, strange, client_name="<script>alert(1)</script>", sector="app.example")
        words = {"administratieve_groep_code": "L/4 ?", "administratieve_groep": "<b>vier</b>"}
        make.enrolment(db, make.pupil(db), story.school, **words, naam="<i>x</i>")
    where = f"{PATH}/app/{quote(strange, safe='')}"
    assert client.get(where).status_code == 200
    answer = post(client, where, groep="L/4 ?", van=TODAY)
    assert client.get(answer.headers["Location"]).status_code == 200
    group = client.get(f"{PATH}/groep/{quote('L/4 ?', safe='')}")
    assert group.status_code == 200
    everything = group.text + client.get(PATH).text + client.get(f"{PATH}/leerlingen").text
    for never in ("<script>alert", "<b>vier", "<i>x"):
        assert never not in everything


def _statements(client, house, where):
    seen: list[str] = []

    def note(*said):
        seen.append(said[2])

    event.listen(house.database.engine, "before_cursor_execute", note)
    assert client.get(where).status_code == 200
    event.remove(house.database.engine, "before_cursor_execute", note)
    return len(seen)


def test_every_page_asks_as_much_for_a_large_school_as_for_a_small_one(client, house, one, story):
    pages = [
        "",
        "/groepen",
        "/leerlingen",
        f"/app/{story.app.client_id}",
        f"/leerlingen?app={story.app.client_id}",
        "/groep/L3",
        f"/klas/{story.klas}",
        f"/leerling/{story.pupil}",
        f"/wat/{story.app.client_id}?leerling={story.pupil}",
    ]
    client.get(f"{PATH}/leerling/{story.pupil}")  # that somebody looked is noted once a day
    small = {where: _statements(client, house, f"{PATH}{where}") for where in pages}
    with house.database.transaction() as db:
        for number in range(60):
            app = make.app(db, client_name=f"App {number:03}")
            make.rule(db, app.client_id, story.school, kind=RuleKind.GROUP, target=f"L{number % 7}")
            make.rule(db, app.client_id, story.school, kind=RuleKind.KLAS, target=story.klas)
        for number in range(120):
            pupil = make.pupil(db)
            words = {"administratieve_groep_code": f"L{number % 7}", "naam": f"N{number:03}"}
            make.enrolment(db, pupil, story.school, **words)
            make.membership(db, story.klas, pupil)
            make.rule(db, story.app.client_id, story.school, kind=RuleKind.PUPIL, target=pupil)
    large = {where: _statements(client, house, f"{PATH}{where}") for where in pages}
    assert large == small
    assert max(large.values()) <= 20


def test_long_lists_are_turned_page_by_page(client, house, one, story):
    with house.database.transaction() as db:
        for number in range(60):
            make.app(db, client_name=f"Zz {number:03}")
            make.enrolment(db, make.pupil(db), story.school, naam=f"Zz{number:03}", voornaam="A")
    first, second = (client.get(f"{PATH}?pagina={number}").text for number in (1, 2))
    assert "Bladzijde 1 van 2" in first
    assert "Zz 059" in second
    assert "Zz 059" not in first
    assert "Zz059" in client.get(f"{PATH}/leerlingen?pagina=2").text
    for strange in ("0", "-1", "99", "x", "9999999", "²"):
        assert client.get(f"{PATH}?pagina={strange}").status_code == 200


def test_pages_of_three_thousand_pupils_and_three_hundred_apps_stay_readable(client, house, one, story):
    """In numbers of lines, not seconds: what is sent does not grow with the school."""
    with house.database.transaction() as db:
        uuids = [entropy.identifier() for _ in range(3000)]
        blank = {"leerid_uuid": None, "national_number_digest": None, "voornaam": None, "naam": None}
        blank |= {"geslacht": None, "geboortedatum": None, "merged_into": None, "created_at": make.NOW}
        db.execute(insert(models.Pupil), [{"account_uuid": uuid} | blank for uuid in uuids])
        row = {"instellingsnummer": story.school, "voornaam": "A", "hoofdstructuur": "211", "leerjaar": "1"}
        row |= {"vestigingsplaats": None, "begindatum": make.YEAR_BEGINS, "einddatum": make.YEAR_ENDS}
        row |= {"changed_at": make.NOW, "administratieve_groep": "g", "administratieve_groep_code": "G"}
        db.execute(
            insert(Enrolment),
            [
                row
                | {"id": entropy.row_id(), "account_uuid": uuid, "stamnummer": f"x{n}", "naam": f"N{n:04}"}
                for n, uuid in enumerate(uuids)
            ],
        )
        for number in range(300):
            make.app(db, client_name=f"App {number:03}")
        make.rule(db, story.app.client_id, story.school)
    assert "3001 / 3001" in client.get(f"{PATH}?zoek=rekenbuur").text
    for where in ("", "/leerlingen", f"/leerlingen?app={story.app.client_id}", "/groep/G"):
        assert len(client.get(f"{PATH}{where}").text) < 120_000
