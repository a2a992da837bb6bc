"""An operator looks after schools, packages, protocol texts, rights and files of registrations in a browser."""

from __future__ import annotations

import html
import io
import re
from datetime import UTC, date, datetime, timedelta
from urllib.parse import unquote_plus

import pytest
from flask_babel import force_locale
from sqlalchemy import select, update

from idp.admin import shell
from idp.admin.apps import app_files, app_list, apps
from idp.admin.staff import access, right_list
from idp.audit import apps as audit_apps
from idp.claims import consent
from idp.errors import NotFound
from idp.feeds import feed_clients
from idp.login import staff_setup
from idp.models import Right, RightKind, SchoolKind, StaffLink
from tests import make, make_staff
from tests.admin.test_apps import document
from tests.admin.test_pages_registry import exported
from tests.make_browser import path
from tests.make_reading import read, stands
from tests.make_staff import post


def held(house, **where):
    with house.database.reading() as db:
        return access.holders(db, house.clock.today(), **where)


# ---------------------------------------------------------------- schools and packages


def test_schools_are_found_and_shown_in_numbers_without_a_name(house, client, mira):
    with house.database.transaction() as db:
        school = make.school(db, naam="De Regenboog", pakket="informat", kind=SchoolKind.REAL)
        make.agreement(db, school, given_by=make.director(db, school, kind=RightKind.DATABEHEERDER))
        other = make.school(db, naam="Elders & <b>Verder</b>")
    found = client.get("/beheer/scholen?zoek=regenboog&soort=real&pakket=informat").text
    assert f"/beheer/scholen/{school}" in found
    assert f"/beheer/scholen/{other}" not in found
    assert "gedeeld</span>" in found
    assert "<b>Verder" not in client.get("/beheer/scholen").text
    page = client.get(f"/beheer/scholen/{school}").text
    assert "Gedeeld sinds" in page
    assert "Mira Peeters" not in page.partition("<main")[2].partition("<h1")[2]
    assert client.get("/beheer/scholen/999999").status_code == 404


def test_a_long_list_of_schools_goes_on(house, client, mira):
    with house.database.transaction() as db:
        numbers = [make.school(db, naam=f"Reeks {one}") for one in range(51)]
    first = client.get("/beheer/scholen?zoek=reeks").text
    assert f"/beheer/scholen/{numbers[50]}" not in first
    after = html.unescape(re.search(r'href="(/beheer/scholen\?[^"]*na=\d+)"', first)[1])
    assert f"/beheer/scholen/{numbers[50]}" in client.get(after).text


def test_OPER_04_a_package_gets_a_secret_a_second_one_and_no_third(house, client, mira):
    where = "/beheer/pakketten"
    secret = re.compile(r"lsk_[\w-]{20,}")
    page = post(client, where, wat="maak", naam="Wisa & co", pakket="wisa").text
    client_id = re.search(r"<code class=\"copyable\">(wisa-[^<]+)<", page)[1]
    assert secret.search(page)
    assert not secret.search(client.get(where).text)
    assert secret.search(post(client, where, wat="geheim", id=client_id, dagen="3").text)
    with house.database.reading() as db:
        ends = [until for _digest, until in feed_clients.find(db, client_id).secrets if until]
    assert ends == [house.clock.now() + timedelta(days=3)]
    assert post(client, where, wat="geheim", id=client_id).status_code == 400
    post(client, where, wat="sluit", id=client_id)
    assert "gesloten</span>" in client.get(where).text
    post(client, where, wat="open", id=client_id)
    assert "gesloten</span>" not in client.get(where).text
    post(client, where, wat="eindig", id=client_id)
    assert "geheimen die werken: 0" in client.get(where).text
    assert post(client, where, wat="maak", naam=" ", pakket="wisa").status_code == 400
    assert post(client, where, wat="maak", naam="x", pakket="nee").status_code == 400


# ---------------------------------------------------------------- protocol texts


def test_the_name_of_a_package_does_not_turn_its_client_id_around(house, client, mira):
    post(client, "/beheer/pakketten", wat="maak", naam="Wisa\u202e noord\x07 ", pakket="wisa")
    with house.database.reading() as db:
        assert [one.naam for one in feed_clients.listing(db)] == ["Wisa noord"]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("nl", "30 november 2026"),
        ("fr", "30 novembre 2026"),
        ("de", "30. November 2026"),
        ("en", "30 November 2026"),
    ],
)
def test_a_day_is_written_as_the_day_of_a_moment_is(app, language, said):
    with app.test_request_context(), force_locale(language):
        assert shell.day(date(2026, 11, 30)) == said
        assert shell.day_and_hour(datetime(2026, 11, 30, 9, 5, tzinfo=UTC)) == f"{said}, 10:05"


def test_a_text_is_shown_as_schools_read_it_and_then_published(house, client, mira):
    with house.database.transaction() as db:
        old = make.protocol(db, "2026", body="# Protocol\n\nWij delen de klas.\n")
        school = make.school(db, naam="De Regenboog", kind=SchoolKind.REAL)
        make.agreement(db, school, old)
        make.school(db, kind=SchoolKind.REAL)
    day = house.clock.today() + timedelta(days=60)
    given = {
        "versie": "2027",
        "vanaf": day.isoformat(),
        "tekst": "# Protocol\r\n\r\nWij delen de <i>subklas</i>.",
    }
    check = post(client, "/beheer/protocol", **given).text
    assert "&lt;i&gt;subklas&lt;/i&gt;" in check
    assert "<del>" in check
    assert "2027" not in read(client.get("/beheer/protocol")).words
    done = post(client, "/beheer/protocol", **given, bevestig="1")
    page = client.get(path(done)).text
    assert "Nog niet, wel met een oudere tekst" in page
    assert re.findall(r"<dd>(\d+)</dd>", page)[:3] == ["0", "1", "1"]
    assert "De Regenboog" in page
    with house.database.reading() as db:
        assert [one.version for one in consent.texts(db)] == ["2026", "2027"]
    assert "De Regenboog" in client.get(f"/beheer/protocol/{old}").text


@pytest.mark.parametrize(
    "wrong",
    [{"versie": ""}, {"vanaf": "morgen"}, {"tekst": " "}, {"versie": "2026"}, {"vanaf": "2026-12-01"}],
)
def test_a_text_that_could_not_be_published_is_told_before_the_preview(house, client, mira, wrong):
    with house.database.transaction() as db:
        make.protocol(db, "2026")
    day = house.clock.today() + timedelta(days=60)
    given = {"versie": "2027", "vanaf": day.isoformat(), "tekst": "Nieuw."} | wrong
    page = post(client, "/beheer/protocol", **given)
    assert page.status_code == 400
    assert "Publiceer een tekst" in page.text
    assert given["tekst"].strip() in page.text


# ---------------------------------------------------------------- rights


def test_an_operator_gives_the_first_beheerder_of_a_school_and_stops_the_right(house, client, mira):
    with house.database.transaction() as db:
        school = make.school(db)
    until = house.clock.today() + timedelta(days=90)
    given = {"voornaam": "An", "naam": "De Witte Raaf", "e_mail": "an@school.example"}
    given |= {"tot": until.isoformat()}
    post(client, "/beheer/rechten", **given, recht="leerid-beheerder", bij=school)
    (one,) = held(house, instellingsnummer=school)
    assert (one.kind, one.einddatum, one.name) == (RightKind.BEHEERDER, until, "An De Witte Raaf")
    found = post(client, "/beheer/rechten/zoek", at="/beheer/rechten", woorden="witte raaf", bij=school)
    address = unquote_plus(found.headers["Location"]).lower()
    assert not [word for word in ("witte", "raaf") if stands(word, address)]
    assert "An De Witte Raaf" in client.get(found.headers["Location"]).text
    invitation = post(client, "/beheer/rechten/uitnodigen", at="/beheer/rechten", persoon=one.person_id)
    assert "/personeel/uitnodiging/" in invitation.text
    post(client, "/beheer/rechten/stop", at="/beheer/rechten", recht=one.id, bij=school)
    assert not held(house, instellingsnummer=school)


def asks(page):
    """What is asked before each right stops, by the id of the right."""
    folded = re.findall(r"<details.*?</details>", page, re.DOTALL)
    found = {
        right[1]: html.unescape(part)
        for part in folded
        if (right := re.search(r'name="recht" value="([^"]+)"', part))
    }
    return {right: " ".join(re.sub(r"<[^>]*>", " ", part).split()) for right, part in found.items()}


def test_what_it_means_is_read_before_a_right_is_stopped(house, client, mira):
    rights = {}
    with house.database.transaction() as db:
        school = make.school(db)
        for kind, source in (
            (RightKind.BEHEERDER, "person:x"),
            (RightKind.DATABEHEERDER, "directeursopdracht"),
            (RightKind.TEACHER, "person:x"),
            (RightKind.OPERATOR, "cli"),
        ):
            person = make.person(db, voornaam="Zo", naam=kind.value)
            place = None if kind is RightKind.OPERATOR else school
            rights[kind] = make.right(db, person, place, kind=kind, source=source)
    asked = asks(client.get("/beheer/rechten").text)
    assert {*asked} == {*rights.values()}, "never the own right"
    means = {
        RightKind.BEHEERDER: "beheert dan meteen geen accounts, kaarten, apps en rechten",
        RightKind.DATABEHEERDER: "Staat deze persoon in de volgende lijst van directeurs",
        RightKind.TEACHER: "kan dan als leerkracht meteen geen leerlingen meer helpen",
        RightKind.OPERATOR: "Tokens die deze persoon voor programma's maakte, blijven werken",
    }
    assert all(words in asked[rights[kind]] for kind, words in means.items())
    nobody = {kind for kind in rights if "Niemand anders heeft dit recht" in asked[rights[kind]]}
    assert nobody == {RightKind.BEHEERDER, RightKind.DATABEHEERDER}
    post(client, "/beheer/rechten/stop", at="/beheer/rechten", recht=rights[RightKind.OPERATOR], bij="")
    assert [one.person_id for one in held(house) if one.kind is RightKind.OPERATOR] == [mira.person_id]


def test_who_has_a_right_alone_is_told_apart_from_who_has_not(house, client, mira):
    today, kind = house.clock.today(), {"kind": RightKind.BEHEERDER}
    with house.database.transaction() as db:
        two, one, later = (make.school(db) for _ in range(3))
        many = [make.right(db, make.person(db), two, **kind) for _ in range(2)]
        single = make.right(db, make.person(db), one, **kind)
        now = make.right(db, make.person(db), later, **kind)
        to_come = make.right(db, make.person(db), later, begindatum=today + timedelta(days=3), **kind)
        past = today - timedelta(days=1)
        make.right(db, make.person(db), one, begindatum=past, einddatum=past, **kind)
    asked = asks(client.get("/beheer/rechten").text)
    alone = {right for right, words in asked.items() if "Niemand anders heeft dit recht" in words}
    assert {*asked} == {*many, single, now, to_come}
    assert alone == {single, now}


@pytest.mark.parametrize(
    ("where", "field", "at"),
    [
        ("/beheer/rechten/zoek", "woorden", "/beheer/rechten"),
        ("/beheer/audit", "wie", "/beheer/audit"),
        ("/beheer/audit", "over", "/beheer/audit"),
    ],
)
def test_LEAK_a_name_that_an_operator_looks_for_stands_in_no_address(house, client, mira, where, field, at):
    looked = post(client, where, at=at, **{field: "person:zephyrine" if field == "wie" else "zephyrine"})
    address = looked.headers["Location"]
    assert looked.status_code == 303
    assert "zephyrine" not in address.lower()
    assert 'value="' in client.get(address).text
    assert "zephyrine" in client.get(address).text, "Back and a colleague find the same"
    other = client.get(f"{at}?zoek=zephyrine&wie=zephyrine")
    assert "Dit adres is verlopen" in other.text
    assert "zephyrine" not in other.text.partition("<main")[2].partition("<table")[0]


@pytest.mark.parametrize("asked", ["van=0001-01-01", "tot=9999-12-31", "van=9999-12-31&tot=0001-01-01"])
def test_days_at_the_ends_of_the_calendar_break_no_page(client, mira, asked):
    assert client.get(f"/beheer/audit?{asked}").status_code == 200


def test_a_token_until_the_end_of_the_calendar_is_refused_in_words(client, mira):
    for what in ("app", "api"):
        words = {"wat": what, "label": "x", "scope": "openid", "keer": "1", "tot": "9999-12-31"}
        assert post(client, "/beheer/tokens", **words).status_code == 400


def test_the_next_page_of_the_trail_keeps_the_question_and_names_nobody(house, client, mira):
    with house.database.transaction() as db:
        for number in range(60):
            audit_apps.app_changed(db, client_id="rekenbuur", fields=[str(number)])
    looked = post(client, "/beheer/audit", wie="system", over="app:rekenbuur", wat="app_changed")
    page = client.get(looked.headers["Location"]).text
    older = html.unescape(re.search(r'rel="next" href="([^"]+)"', page)[1])
    assert "rekenbuur" not in older
    assert page.count("<code>app:rekenbuur</code>") == 50
    assert client.get(older).text.count("<code>app:rekenbuur</code>") == 10


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"recht": "leerid-databeheerder"}, 400),
        ({"bij": ""}, 400),
        ({"bij": "999999"}, 404),
        ({"recht": "operator"}, 400),
        ({"tot": "2020-01-01"}, 400),
        ({"tot": "nooit"}, 400),
        ({"e_mail": "an"}, 400),
    ],
)
def test_ROLE_a_right_that_is_not_theirs_to_give_is_not_given(house, client, mira, wrong, status):
    with house.database.transaction() as db:
        school = make.school(db)
    given = {"voornaam": "An", "naam": "De Wit", "e_mail": "an@school.example", "recht": "leerid-beheerder"}
    given |= {"bij": school, "tot": "2027-06-30"} | wrong
    assert post(client, "/beheer/rechten", **given).status_code == status
    assert len(held(house)) == 1


@pytest.mark.parametrize("words", ["élise", "ELISE", "o'reilly", "oreilly elise", "Élise.O@School"])
def test_a_right_is_found_whatever_the_capitals_and_accents_of_a_name(house, words):
    with house.database.transaction() as db:
        one = make.person(db, voornaam="Élise", naam="O’REILLY", e_mail="elise.o@school.example")
        other = make.person(db, voornaam="Elisabeth", naam="Reil", e_mail="reil@school.example")
        school = make.school(db)
        for person in (one, other):
            make.right(db, person, school)
    with house.database.reading() as db:
        found = right_list.search(db, house.clock.today(), words=words)
        assert [holder.person_id for holder in found] == [one]
        assert right_list.search(db, house.clock.today(), words="_") == ()
        both = right_list.search(db, house.clock.today(), words="elis")
        assert len(both) == 2
        assert right_list.search(db, house.clock.today(), words="elis", most=1) == both[:1]


def test_nobody_stops_an_own_right_or_invites_who_can_sign_in(house, client, mira):
    (own,) = held(house, person_id=mira.person_id)
    page = post(client, "/beheer/rechten/stop", at="/beheer/rechten", recht=own.id, bij="")
    assert page.status_code == 403
    again = post(client, "/beheer/rechten/uitnodigen", at="/beheer/rechten", persoon=mira.person_id)
    assert again.status_code == 403


def test_a_link_of_an_operator_ends_with_the_right_of_the_operator(house, client, mira):
    with house.database.transaction() as db:
        person = make.person(db)
        make.right(db, person, make.school(db), kind=RightKind.BEHEERDER)
    page = post(client, "/beheer/rechten/uitnodigen", at="/beheer/rechten", persoon=person).text
    token = re.search(r"/personeel/uitnodiging/([\w-]+)", page)[1]
    now = house.clock.now()
    with house.database.transaction() as db:
        assert staff_setup.invited(db, token, now).person_id == person
        assert db.execute(select(StaffLink.made_by)).scalar_one().startswith(staff_setup.BY_OPERATOR)
        yesterday = house.clock.today() - timedelta(days=1)
        db.execute(update(Right).where(Right.person_id == mira.person_id).values(einddatum=yesterday))
    with house.database.reading() as db, pytest.raises(NotFound):
        staff_setup.invited(db, token, now)


# ---------------------------------------------------------------- files and health


def test_registrations_leave_as_a_file_and_come_back_changing_nothing(house, client, mira):
    apps.import_apps(house, [document()], now=house.clock.now())
    for form in ("yaml", "json"):
        text = client.get(f"/beheer/bestand/registraties.{form}").text
        assert not re.search(r"lsk_[\w-]{43}", text)
        assert [one["client_id"] for one in app_files.read(text)] == ["rekenbuur"]
        check = post(client, "/beheer/bestand", tekst=text).text
        assert "Nieuw of gewijzigd: 0. Ongewijzigd: 1." in check
        assert 'name="bevestig"' not in check


def test_a_file_shows_what_it_would_change_and_is_stored_only_as_shown(house, client, mira):
    apps.import_apps(house, [document()], now=house.clock.now())
    before = exported(house)
    changed = before | {"purpose": "Rekenen & <b>tellen</b>"}
    fresh = document(client_id="ander", client_name="Ander")
    text = app_files.write_yaml([changed, fresh])
    page = client.get("/beheer/bestand").text
    word = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    sent = {"csrf_token": word, "bestand": (io.BytesIO(text.encode()), "alle.yaml")}
    check = client.post("/beheer/bestand", data=sent).text
    assert "Rekenen &amp; &lt;b&gt;tellen" in check
    assert exported(house) == before
    versions = html.unescape(re.search(r'<textarea name="versies" hidden>([^<]*)</textarea>', check)[1])
    assert versions.split() == ["1", "rekenbuur", "0", "ander"]
    confirmed = {"tekst": text, "versies": versions, "bevestig": "1"}
    done = post(client, "/beheer/bestand", **confirmed).text
    assert re.search(r"lsk_[\w-]{20,}", done)
    assert exported(house)["purpose"].startswith("Rekenen")
    elsewhere = app_files.write_yaml([changed | {"purpose": "Anders"}])
    stale = post(client, "/beheer/bestand", tekst=elsewhere, versies=versions, bevestig="1")
    assert stale.status_code == 400
    assert exported(house)["purpose"].startswith("Rekenen")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", '<li lang="en">'),
        ("[", '<li lang="en">'),
        ("a: &x 1\nb: *x", '<li lang="en">'),
        ("- 3", '<li lang="en">'),
        ("redirect_uris: [x]", "<li>document 1, redirect_uris: nummer 1: moet een volledig adres zijn"),
    ],
)
def test_a_file_that_is_none_is_refused_with_what_is_wrong(house, client, mira, text, said):
    """What the reader of files says is English; what is wrong with a registration, in the language of the page."""
    page = post(client, "/beheer/bestand", tekst=text)
    assert page.status_code == 400
    assert said in page.text
    with house.database.reading() as db:
        assert not app_list.search(db, today=house.clock.today())


def test_health_says_what_the_doctor_says(house, client, mira):
    page = client.get("/beheer/gezondheid")
    assert page.status_code == 200
    assert "<strong>database</strong>" in page.text
    assert "<strong>disk</strong>" in page.text


@pytest.mark.parametrize(
    ("where", "typed"),
    [
        ("/beheer/protocol", {"versie": "2027", "vanaf": "2027-09-01", "tekst": "Een lange tekst."}),
        ("/beheer/bestand", {"tekst": "- client_name: Rekenbuur"}),
        (
            "/beheer/rechten",
            {
                "voornaam": "Tom",
                "naam": "Thys",
                "e_mail": "tom@school.example",
                "recht": "operator",
                "tot": "2027-06-30",
            },
        ),
    ],
)
def test_what_was_typed_stays_when_an_operator_must_first_prove_to_be_there(
    house, client, mira, where, typed
):
    house.clock.move(minutes=house.settings.staff_fresh_minutes + 1)
    page = post(client, where, **typed)
    assert page.status_code == 403
    shown = html.unescape(page.text)
    assert all(value in shown for value in typed.values())
    proof = re.search(r'href="(/personeel/bevestigen[^"]*)" target="_blank"', shown)[1]
    done = make_staff.form(client, proof, password=mira.password, code=mira.code(house))
    assert "Sluit dit tabblad" in client.get(done.headers["Location"]).text
    assert post(client, where, **typed).status_code in (200, 303, 400)


def test_a_right_that_could_not_be_given_keeps_what_was_chosen(client, mira):
    wrong = {
        "voornaam": "Tom",
        "naam": "",
        "e_mail": "tom@school.example",
        "recht": "operator",
        "tot": "2027-06-30",
    }
    page = post(client, "/beheer/rechten", **wrong)
    assert page.status_code == 400
    assert '<option value="operator" selected>' in page.text.partition('id="recht"')[2]
    assert 'value="2027-06-30"' in page.text
