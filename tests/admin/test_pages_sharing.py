"""Agreeing, reading again, renewing and stopping, on the pages of the school; and who may not."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from sqlalchemy import event, func, select, update

from idp import models
from idp.admin.agreements import sharing
from idp.claims import consent
from idp.feeds import deliveries, problems
from idp.models import Agreement, AuditEvent, DeliveryState, RightKind, RuleKind, School
from tests import make, make_staff
from tests.make_browser import path

PATH = "/schoolloket/klasinformatie"
AGREE, STOP, PACKAGE = f"{PATH}/akkoord", f"{PATH}/stop", f"{PATH}/pakket"


@pytest.fixture
def text(house) -> str:
    with house.database.transaction() as db:
        return make.protocol(db, "2026-1", body="# Afspraken\n\nWij bewaren een jaar.\n")


@pytest.fixture
def director(client, house, text):
    made = make_staff.staff(house, RightKind.DATABEHEERDER, voornaam="Ann", naam="Peeters")
    make_staff.begin(client, house, made)
    return made


def post(client, where, **fields):
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(PATH).text)[1]
    return client.post(where, data={"csrf_token": token} | fields)


def state(house, school):
    with house.database.reading() as db:
        return consent.state(db, school, house.clock.today())


def events(house, name):
    with house.database.reading() as db:
        mine = select(AuditEvent.__table__).where(AuditEvent.event == name).order_by(AuditEvent.id)
        return db.execute(mine).mappings().all()


def share(house, school, text, **columns):
    with house.database.transaction() as db:
        return make.agreement(db, school, text, **columns)


def test_CONS_10_a_director_reads_agrees_and_can_always_see_what_was_agreed(client, house, director, text):
    page = client.get(PATH).text
    assert "Je school deelt geen klasinformatie" in page
    assert "komen uit Wisa" in page
    page = client.get(AGREE).text
    assert "<h2>Afspraken</h2>" in page
    assert f"Basisschool De Wijzer ({director.school})" in page
    assert path(post(client, AGREE, tekst=text, school=director.school)) == PATH
    assert state(house, director.school).shares
    page = client.get(PATH).text
    assert "Gedeeld sinds 23 november 2026 door Ann Peeters" in page
    assert f"{PATH}/protocol/{text}" in page
    assert "Wij bewaren een jaar." in client.get(f"{PATH}/protocol/{text}").text
    (line,) = events(house, "sharing_given")
    assert (line["actor"], line["instellingsnummer"]) == (f"person:{director.person_id}", director.school)
    assert line["details"] == {"right": "leerid-databeheerder", "protocol": text}


def test_a_second_tap_and_back_agree_no_second_time(client, house, director, text):
    for _ in range(2):
        assert path(post(client, AGREE, tekst=text)) == PATH
    assert len(events(house, "sharing_given")) == 1
    assert path(client.get(AGREE)) == PATH, "there is nothing more to agree to"


def test_stopping_says_in_numbers_what_ends_and_a_second_tap_changes_nothing(client, house, director, text):
    share(house, director.school, text)
    with house.database.transaction() as db:
        klas, other = make.klas(db, director.school), make.klas(db, director.school, "3B")
        pupils = [make.pupil(db) for _ in range(3)]
        for pupil in pupils:
            make.enrolment(db, pupil, director.school)
            make.membership(db, klas, pupil)
        app = make.app(db)
        for target in (klas, other):
            make.rule(db, app.client_id, director.school, kind=RuleKind.KLAS, target=target)
        ended = {"kind": RuleKind.KLAS, "target": klas, "begindatum": date(2026, 9, 2)}
        make.rule(db, app.client_id, director.school, **ended, einddatum=date(2026, 9, 3))
    page = client.get(STOP).text
    assert "Regels op een klas die nu gelden: 2, voor 1 app. Ze worden regels op de 3 leerlingen" in page
    assert "De gegevens over wie in welke klas zit (3), worden" in page
    assert state(house, director.school).shares, "looking stops nothing"
    assert path(post(client, STOP)) == PATH
    with house.database.reading() as db:
        rules = db.execute(select(models.VisibilityRule.kind, models.VisibilityRule.target)).all()
    assert {kind for kind, _ in rules} == {RuleKind.PUPIL}
    assert {target for _, target in rules} == {*pupils}
    assert path(post(client, STOP)) == PATH
    assert path(client.get(STOP)) == PATH
    assert len(events(house, "sharing_stopped")) == 1
    page = client.get(PATH).text
    assert "Er staan nog gegevens over wie in welke klas zit (3)." in page
    assert "Ze zijn gewist ten laatste op 24 november 2026, 10:00" in page
    assert "gestopt op 23 november 2026 door Ann Peeters" in page


def test_the_numbers_of_a_stop_are_those_of_the_act(house, director, text):
    share(house, director.school, text)
    with house.database.transaction() as db:
        klas = make.klas(db, director.school)
        for last in (None, make.TODAY - timedelta(days=1)):
            pupil = make.pupil(db)
            make.enrolment(db, pupil, director.school)
            make.membership(db, klas, pupil, einddatum=last)
        left = make.pupil(db)
        make.enrolment(db, left, director.school, einddatum=make.TODAY - timedelta(days=1))
        make.membership(db, klas, left)
        make.rule(db, make.app(db).client_id, director.school, kind=RuleKind.KLAS, target=klas)
        told = sharing.ending(db, director.school, make.TODAY)
        given = {"person_id": director.person_id, "now": house.clock.now(), "today": make.TODAY}
        done = consent.stop(db, instellingsnummer=director.school, **given)
        kept = select(func.count()).where(models.VisibilityRule.kind == RuleKind.PUPIL)
        assert (told.rules, told.pupils) == (done.rules_turned, db.execute(kept).scalar_one()) == (1, 1)


def test_ROLE_04_a_beheerder_reads_and_neither_agrees_nor_stops(client, house, text):
    one = make_staff.staff(house)
    make_staff.begin(client, house, one)
    assert client.get(PATH).status_code == 200
    assert client.get(f"{PATH}/protocol/{text}").status_code == 200
    assert post(client, AGREE, tekst=text).status_code == 403
    assert not state(house, one.school).shares
    share(house, one.school, text)
    assert post(client, STOP).status_code == 403
    assert state(house, one.school).shares
    assert [line["details"]["route"] for line in events(house, "staff_refused")] == [AGREE, STOP]
    assert f'href="{STOP}"' not in client.get(PATH).text


def test_ROLE_01_the_right_ends_at_midnight_in_brussels_and_the_agreement_stays(client, house, text, stopped):
    one = make_staff.staff(house, RightKind.DATABEHEERDER, RightKind.BEHEERDER)
    with house.database.transaction() as db:
        last = {"einddatum": make.TODAY}
        db.execute(update(models.Right).where(models.Right.kind == RightKind.DATABEHEERDER).values(last))
    make_staff.begin(client, house, one)
    stopped.move(hours=13, minutes=45)
    make_staff.begin(client, house, one)
    assert path(post(client, AGREE, tekst=text)) == PATH
    stopped.move(minutes=20)
    assert post(client, STOP).status_code == 403
    assert "Gedeeld sinds 23 november 2026" in client.get(PATH).text


def test_a_teacher_has_no_business_here(client, house, text):
    make_staff.begin(client, house, make_staff.staff(house, RightKind.TEACHER))
    for where in (PATH, f"{PATH}/protocol/{text}", f"{PATH}/hulp"):
        assert client.get(where).status_code == 403


def test_IDOR_a_director_of_one_school_decides_nothing_for_another(client, house, director, text):
    with house.database.transaction() as db:
        other = make.school(db)
    share(house, other, text)
    assert post(client, STOP, school=other).status_code == 400
    assert post(client, AGREE, tekst=text, school=other).status_code == 400
    assert state(house, other).shares
    assert not state(house, director.school).shares


def test_without_a_package_nothing_can_be_agreed_and_the_page_says_why(client, house, director, text):
    with house.database.transaction() as db:
        db.execute(update(School).values(pakket=None))
    page = client.get(PATH).text
    assert re.search(r"<button[^>]* disabled aria-describedby=\"geen-pakket\"", page)
    assert path(client.get(AGREE)) == PATH
    answer = post(client, AGREE, tekst=text)
    assert answer.status_code == 400
    assert "nog geen administratief pakket" in answer.text
    assert not state(house, director.school).shares
    assert post(client, PACKAGE, pakket="wisa").status_code == 403, "a LeerID-beheerder names it"


def test_a_beheerder_names_the_package_and_it_is_audited(client, house):
    one = make_staff.staff(house)
    with house.database.transaction() as db:
        db.execute(update(School).values(pakket=None))
    make_staff.begin(client, house, one)
    for word in ("leersleutel", "oneroster", "", "' --"):
        assert post(client, PACKAGE, pakket=word).status_code == 400
    for _ in range(2):
        assert path(post(client, PACKAGE, pakket="informat")) == PATH
    assert "komen uit Informat" in client.get(PATH).text
    assert [line["details"] for line in events(house, "package_named")] == [
        {"package": "informat", "before": None}
    ]


def test_a_newer_text_says_what_changes_and_from_when_and_is_renewed(client, house, director, text):
    share(house, director.school, text, given_by=director.person_id)
    with house.database.transaction() as db:
        newer = make.protocol(
            db,
            "2027-1",
            body="# Afspraken\n\nWij bewaren zes maanden.\n",
            in_force_from=make.TODAY + timedelta(days=40),
        )
    assert "Vanaf 2 januari 2027 geldt een nieuwe tekst." in client.get(PATH).text
    page = client.get(AGREE).text
    assert re.search(r"<del>.*een jaar\.</del>", page)
    assert re.search(r"<ins>.*zes maanden\.</ins>", page)
    assert path(post(client, AGREE, tekst=newer)) == PATH
    found = state(house, director.school)
    assert (found.shares, found.agreed.sha256, found.lapses_on) == (True, newer, None)
    page = client.get(PATH).text
    assert "hernieuwd op 23 november 2026" in page
    assert "een jaar" in client.get(f"{PATH}/protocol/{text}").text


def test_a_page_about_the_coming_text_begins_no_agreement_after_a_colleague_stopped(
    client, house, director, text
):
    share(house, director.school, text)
    with house.database.transaction() as db:
        coming = make.protocol(db, "2027-1", body="# Later\n", in_force_from=date(2027, 2, 1))
    assert coming in client.get(AGREE).text
    with house.database.transaction() as db:
        words = {"instellingsnummer": director.school, "person_id": director.person_id}
        consent.stop(db, **words, now=house.clock.now(), today=house.clock.today())
    answer = post(client, AGREE, tekst=coming)
    assert answer.status_code == 400
    assert "Deze tekst geldt nog niet" in answer.text
    assert text in answer.text, "the text of today is there to read"
    assert not state(house, director.school).shares


def test_an_agreement_that_lapsed_is_said_and_the_new_text_asks(client, house, director, text, stopped):
    share(house, director.school, text, given_by=director.person_id)
    with house.database.transaction() as db:
        newer = make.protocol(db, "2027-1", in_force_from=make.TODAY + timedelta(days=30))
        make.membership(db, make.klas(db, director.school), make.pupil(db))
    stopped.move(days=30)
    make_staff.begin(client, house, director)
    page = client.get(PATH).text
    assert "Je school deelt geen klasinformatie" in page
    assert "Het akkoord van Ann Peeters is vervallen op 23 december 2026" in page
    assert "ten laatste op 24 december 2026, 00:00" in page
    answer = post(client, AGREE, tekst=text)
    assert answer.status_code == 400
    assert "nieuwere tekst" in answer.text
    assert path(post(client, AGREE, tekst=newer)) == PATH
    assert state(house, director.school).shares


@pytest.mark.parametrize("wrong", ["", "x", "0" * 64])
def test_a_text_that_nobody_published_is_agreed_to_by_nobody(client, house, director, wrong):
    assert post(client, AGREE, tekst=wrong).status_code == 400
    assert client.get(f"{PATH}/protocol/{wrong or 'y'}").status_code == 404
    assert not state(house, director.school).shares


def test_what_arrived_is_shown_with_its_state_and_reason(client, house, director):
    with house.database.transaction() as db:
        for number, (what, report) in enumerate(
            (
                (
                    DeliveryState.APPLIED,
                    {
                        "counts": {"add": 7, "keep": 5, "end": 1, "refused": 5},
                        "problem_counts": {"unknown_pupil": 3, "dates_reversed": 2, "formula_like": 9},
                    },
                ),
                (DeliveryState.HELD, {"holds": [{"code": "class_emptied", "sentence": "x"}]}),
                (DeliveryState.REFUSED, {"problem_counts": {"not_json": 1}}),
                (DeliveryState.CHECKED, {}),
            )
        ):
            deliveries.record(
                db,
                kind=deliveries.CLASSES,
                form="wisa",
                sha256=f"{number}" * 64,
                state=what,
                report=report,
                now=house.clock.now() + timedelta(minutes=number),
                instellingsnummer=director.school,
            )
    page = client.get(PATH).text
    for words in (
        "7 nieuw, 5 gebleven, 1 weg",
        "3 rijen gingen over leerlingen die niet bij deze school zijn ingeschreven.",
        "2 rijen klopten niet en zijn overgeslagen.",
        "Er zouden klassen leeg worden.",
        "(not_json)",
        "gecontroleerd",
    ):
        assert words in page


def test_whatever_is_wrong_with_a_whole_delivery_is_told_in_words(app):
    told = app.jinja_env.get_template("admin/_deliveries.html").module
    files = {code for code, (weight, _) in problems.CODES.items() if weight is problems.Weight.FILE}
    strangers = {"school_not_known", "sandbox_closed"}
    with app.test_request_context():
        said = {code: str(told.because(code)) for code in files - strangers}
    assert [
        code for code, words in said.items() if words == f"Het bestand was niet bruikbaar ({code})."
    ] == []


def test_the_page_asks_as_much_for_many_agreements_as_for_one(client, house, director, text):
    def statements() -> int:
        seen: list[str] = []

        def note(*said):
            seen.append(said[2])

        event.listen(house.database.engine, "before_cursor_execute", note)
        assert client.get(PATH).status_code == 200
        event.remove(house.database.engine, "before_cursor_execute", note)
        return len(seen)

    share(house, director.school, text)
    few = statements()
    with house.database.transaction() as db:
        db.execute(update(Agreement).values(stopped_at=house.clock.now(), stopped_by="person:x"))
        for _ in range(20):
            make.agreement(
                db,
                director.school,
                text,
                stopped_at=house.clock.now(),
                stopped_by=f"person:{make.person(db)}",
            )
        make.agreement(db, director.school, text)
    assert statements() == few


def test_without_any_text_the_page_says_so(client, house):
    make_staff.begin(client, house, make_staff.staff(house, RightKind.DATABEHEERDER))
    assert "Er is nog geen tekst" in client.get(PATH).text
    assert path(client.get(AGREE)) == PATH


def test_the_help_page_names_the_steps_and_is_honest_about_broekx(client, house, director):
    page = client.get(f"{PATH}/hulp").text
    for word in ("Synchroniseren met Leerid", "Informat", "OneRoster"):
        assert word in page
