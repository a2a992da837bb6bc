"""The list of pupils of a school, and the page of one: search forgives, filters stand in the address, others stay out."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import unquote_plus, urlsplit

import pytest
from sqlalchemy import delete, event, select

from idp import models
from idp.admin.pupils import pupil_list
from idp.admin.pupils.pupil_list import Asked, Order, State
from idp.login import cards, sessions
from idp.models import AccountType, RightKind, SecretKind
from tests import make, make_login, make_staff
from tests.make_browser import path
from tests.make_reading import stands

LIST = "/schoolloket/leerid-beheer"
PUPILS = (
    ("Gastón", "Logie", "2100091", "3de leerjaar", "L3"),
    ("Milan", "De Bremme", "60351", "3de leerjaar", "L3"),
    ("Łukasz", "Wędka", "2100017", "10de groep", "G10"),
    ("Süheda", "Carabin", "2300106", "2de groep", "G2"),
    ("عائشة", "البحر", "2000020", "2de groep", "G2"),
)


@pytest.fixture
def school(house):
    """Five pupils; the first two have a LeerID; it does not share."""
    with house.database.transaction() as db:
        made = make.school(db)
        for voornaam, naam, stamnummer, group, code in PUPILS:
            pupil = make.pupil(db, voornaam=voornaam, naam=naam)
            words = {"voornaam": voornaam, "naam": naam, "stamnummer": stamnummer}
            words |= {"administratieve_groep": group, "administratieve_groep_code": code}
            make.enrolment(db, pupil, made, **words)
            if code == "L3":
                make.account(db, pupil, f"{voornaam[:3].lower()}.jansen")
    return made


@pytest.fixture
def desk(client, house, school):
    one = make_staff.staff(house, school=school)
    make_staff.begin(client, house, one)
    return one


def look(house, school, **asked):
    with house.database.reading() as db:
        return pupil_list.look(db, school, make.TODAY, Asked(**asked))


def names(found):
    return [one.naam for one in found.lines]


def uuid_of(house, naam, school=None):
    with house.database.reading() as db:
        where = models.Enrolment.naam == naam
        if school:
            where = where & (models.Enrolment.instellingsnummer == school)
        return db.scalars(select(models.Enrolment.account_uuid).where(where)).first()


def word(client):
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/schoolloket/personen").text)[1]


def post(client, where, **fields):
    return client.post(where, data={"csrf_token": word(client)} | fields)


def events(house, *wanted):
    with house.database.reading() as db:
        rows = db.execute(select(models.AuditEvent).where(models.AuditEvent.event.in_(wanted))).all()
    return [(row.event, row.actor, row.object, row.instellingsnummer) for row in rows]


# ---------------------------------------------------------------- the list


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("logie", ["Logie"]),
        ("GASTON", ["Logie"]),
        ("Logie gastón", ["Logie"]),
        ("debremme", ["De Bremme"]),
        ("de bre", ["De Bremme"]),
        ("2100", ["Logie", "Wędka"]),
        ("lukasz wedka", ["Wędka"]),
        ("suheda", ["Carabin"]),
        ("البحر", ["البحر"]),
        ("mil.jansen", ["De Bremme"]),
        ("%", []),
        ("_", []),
        ("logie carabin", []),
    ],
)
def test_a_search_forgives_accents_capitals_order_and_parts(house, school, words, found):
    assert names(look(house, school, words=words)) == found


@pytest.mark.parametrize(
    "words", ["12-34/B", "1234", "d\u2019hondt", "dhondt", "'t lukasz", "ŁUKASZ", "", "  "]
)
def test_a_pupil_is_meant_whatever_signs_are_typed(words):
    assert pupil_list.finder(words)("Łukasz", "d'Hondt 't Kint", "12-34/B", None)


@pytest.mark.parametrize("words", ["%", "'", "peeters", "12-35", "lukasz hondt peeters"])
def test_signs_alone_and_other_words_mean_nobody(words):
    assert not pupil_list.finder(words)("Łukasz", "d'Hondt 't Kint", "12-34/B", None)


def test_filters_and_orders(house, school):
    assert look(house, school).total == 5
    assert names(look(house, school, group="G2")) == ["Carabin", "البحر"]
    assert names(look(house, school, account=True)) == ["De Bremme", "Logie"]
    assert look(house, school, state=State.NONE).total == 3
    assert look(house, school, type=AccountType.ADVANCED).total == 0
    assert names(look(house, school, type=AccountType.BASIC, down=True)) == ["Logie", "De Bremme"]
    assert names(look(house, school, order=Order.STAMNUMMER))[0] == "De Bremme", "60351 is less than 2000020"
    by_group = look(house, school, order=Order.GROUP)
    assert [one.group for one in by_group.lines] == [*["2de groep"] * 2, *["3de leerjaar"] * 2, "10de groep"]
    assert [label for _code, label in by_group.groups] == ["2de groep", "3de leerjaar", "10de groep"]


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        ({}, State.NEW),
        ({"last_sign_in_on": make.TODAY}, State.ACTIVE),
        ({"secret_kind": SecretKind.TEMPORARY, "type": AccountType.ADVANCED}, State.TEMPORARY),
        ({"blocked_at": make.NOW, "last_sign_in_on": make.TODAY}, State.BLOCKED),
    ],
)
def test_the_state_of_a_leerid(house, school, columns, state):
    with house.database.transaction() as db:
        pupil = make.pupil(db)
        make.enrolment(db, pupil, school, naam="Nieuw")
        make.account(db, pupil, **columns)
    assert names(look(house, school, state=state, words="nieuw")) == ["Nieuw"]


def test_classes_are_seen_and_filtered_on_only_while_the_school_shares(house, client, school, desk):
    with house.database.transaction() as db:
        klas = make.klas(db, school, "3B")
        make.membership(
            db, klas, db.scalar(select(models.Enrolment.account_uuid).where(models.Enrolment.naam == "Logie"))
        )
        agreement = make.agreement(db, school)
    shared = look(house, school, klas="3B")
    assert (names(shared), shared.klassen, shared.lines[0].klassen) == (["Logie"], ("3B",), ("3B",))
    assert 'name="klas"' in client.get(LIST).text
    with house.database.transaction() as db:
        db.execute(
            models.Agreement.__table__.update()
            .where(models.Agreement.id == agreement)
            .values(stopped_at=make.NOW)
        )
    stopped = look(house, school, klas="3B")
    assert (stopped.total, stopped.klassen) == (5, ())
    page = client.get(f"{LIST}?klas=3B").text
    assert ">3B<" not in page
    assert 'name="lijst" value=""' in page
    assert 'name="klas"' not in page


def test_who_left_comes_later_or_goes_elsewhere_is_not_in_the_list(house, school):
    with house.database.transaction() as db:
        for naam, begin, end in (
            ("Weg", make.YEAR_BEGINS, make.TODAY - timedelta(days=1)),
            ("Later", make.TODAY + timedelta(days=1), make.YEAR_ENDS),
            ("Vandaag", make.TODAY, make.TODAY),
        ):
            make.enrolment(db, make.pupil(db), school, naam=naam, begindatum=begin, einddatum=end)
        make.enrolment(db, make.pupil(db), make.school(db), naam="Elders")
    found = names(look(house, school))
    assert "Vandaag" in found
    assert not {"Weg", "Later", "Elders"} & {*found}


def test_a_pupil_with_two_enrolments_is_one_line(house, school):
    with house.database.transaction() as db:
        pupil = db.scalar(select(models.Enrolment.account_uuid).where(models.Enrolment.naam == "Logie"))
        make.enrolment(db, pupil, school, naam="Logie", begindatum=make.TODAY, administratieve_groep="4A")
    found = look(house, school, words="logie")
    assert [one.group for one in found.lines] == ["4A"]


def test_pages_of_fifty(house, school, client, desk):
    with house.database.transaction() as db:
        for number in range(60):
            make.enrolment(db, make.pupil(db), school, naam=f"Zand {number:02}")
    second = look(house, school, page=2)
    assert (second.total, second.pages, len(second.lines)) == (65, 2, 15)
    assert names(look(house, school, page=99)) == names(second), "beyond the last is the last"
    page = client.get(LIST).text
    assert "Totaal aantal rijen: 65" in page
    assert f"{LIST}?blad=2" in page
    assert "Bladzijde 2 van 2" in client.get(f"{LIST}?blad=2").text


def test_the_list_takes_the_same_few_statements_whatever_the_school_and_the_question(house, school):
    def count(**asked):
        seen = []

        def note(*said):
            seen.append(said[2])

        event.listen(house.database.engine, "before_cursor_execute", note)
        look(house, school, **asked)
        event.remove(house.database.engine, "before_cursor_execute", note)
        return sum(one.lstrip().upper().startswith("SELECT") for one in seen)

    with house.database.transaction() as db:
        make.agreement(db, school)
        klas = make.klas(db, school)
    before = count()
    with house.database.transaction() as db:
        for number in range(120):
            pupil = make.pupil(db)
            make.enrolment(db, pupil, school, naam=f"Zand {number}")
            make.membership(db, klas, pupil)
    assert before == count() == count(words="zand", group="L3", order=Order.KLAS, page=2) == 3


def test_no_statement_of_the_list_walks_through_a_whole_table(house, school):
    """A system of a million pupils costs a school no more than one of a thousand: every table is reached by an index."""
    asked = []

    def note(_connection, _cursor, statement, parameters, *_rest):
        asked.append((statement, parameters))

    event.listen(house.database.engine, "before_cursor_execute", note)
    with house.database.reading() as db:
        pupil_list.look(db, school, make.TODAY, pupil_list.Asked(words="logie", group="L3", klas="3A"))
    event.remove(house.database.engine, "before_cursor_execute", note)
    statements = [pair for pair in asked if "SELECT" in pair[0]]
    assert len(statements) >= 2
    with house.database.engine.connect() as db:
        if not house.database.sqlite:
            db.exec_driver_sql("SET enable_seqscan = off")
        for statement, parameters in statements:
            how = "EXPLAIN QUERY PLAN " if house.database.sqlite else "EXPLAIN "
            plan = [str(row[-1]) for row in db.exec_driver_sql(how + statement, parameters)]
            walks = [line for line in plan if line.lstrip().startswith("SCAN ") or "Seq Scan" in line]
            assert not [line for line in walks if "protocol_text" not in line], plan  # a handful of texts


def test_IDOR_05_no_filter_reaches_into_another_school(house, client, school, desk):
    with house.database.transaction() as db:
        other = make.school(db)
        make.enrolment(db, make.pupil(db), other, naam="Vreemdeling", administratieve_groep_code="VR")
    for query in (
        "",
        "?groep=VR",
        "?groep=%25",
        "?klas=%25&type=_&staat=%27",
        "?blad=-1",
        "?op=zz&blad=99999999",
    ):
        answer = client.get(f"{LIST}{query}")
        assert answer.status_code == 200
        assert "Vreemdeling" not in answer.text
    found = client.get(post(client, LIST, woorden="Vreemdeling").headers["Location"])
    assert "Niemand gevonden" in found.text


def test_words_that_were_searched_stand_in_no_address(house, client, school, desk):
    answer = post(client, LIST, woorden="Gaston", groep="L3", op="-stamnummer")
    where = answer.headers["Location"]
    assert not stands("gaston", unquote_plus(where).lower())
    assert "groep=L3" in where
    assert "op=-stamnummer" in where
    page = client.get(where)
    assert "Logie" in page.text
    assert "Carabin" not in page.text
    addresses = re.findall(r'(?:href|action)="([^"]+)"', page.text)
    assert not [one for one in addresses if stands("gaston", unquote_plus(one).lower())]
    assert 'value="Gaston"' in page.text, "and the field still says what was typed"


def test_an_address_with_words_is_good_for_colleagues_and_for_no_other_school(
    house, client, app, school, desk
):
    where = post(client, LIST, woorden="Gaston").headers["Location"]
    colleague, stranger = app.test_client(), app.test_client()
    make_staff.begin(colleague, house, make_staff.staff(house, school=school))
    make_staff.begin(stranger, house, make_staff.staff(house))
    assert 'value="Gaston"' in colleague.get(where).text
    answer = stranger.get(where)
    assert (answer.status_code, "Gaston" in answer.text) == (200, False)
    assert "van een andere school" in answer.text
    assert client.get(f"{LIST}?zoek=nonsense").status_code == 200


def test_XSS_names_of_pupils_are_text(house, client, school, desk):
    with house.database.transaction() as db:
        pupil = make.pupil(db, voornaam="<b>x", naam="<script>alert(1)</script>")
        make.enrolment(db, pupil, school, voornaam="<img src=x>", naam="<script>alert(1)</script>")
    for where in (LIST, f"{LIST}/leerling/{pupil}"):
        page = client.get(where).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_an_empty_school_is_told_what_comes_next(house, client):
    make_staff.begin(client, house, make_staff.staff(house))
    assert "Er zijn nog geen leerlingen." in client.get(LIST).text


# ---------------------------------------------------------------- one pupil


def test_a_pupil_without_account_without_official_data(house, client, school, desk):
    with house.database.transaction() as db:
        pupil = make.pupil(db)
        make.enrolment(db, pupil, school, naam="Zonder")
    page = client.get(f"{LIST}/leerling/{pupil}").text
    for said in ("Nog geen LeerID", "31 augustus 2027", "Maak een LeerID aan", "geen officiële gegevens"):
        assert said in page


def test_a_pupil_with_an_account(house, client, school, desk):
    with house.database.transaction() as db:
        pupil = make.pupil(
            db, voornaam="Gaston", naam="Logie", geslacht="M", geboortedatum=make.TODAY.replace(2018, 5, 31)
        )
        make.enrolment(db, pupil, school, naam="Volledig")
        make.account(db, pupil, "gaston.volledig", last_sign_in_on=make.TODAY)
    page = client.get(f"{LIST}/leerling/{pupil}").text
    for said in (
        "Basis LeerID",
        "gaston.volledig",
        "31 mei 2018",
        "23 november 2026",
        "Afbeeldingswachtwoord",
        "Actief",
    ):
        assert said in page
    assert "09:00" not in page
    assert "10:00" not in page


def test_IDOR_01_a_pupil_of_another_school_is_not_there_and_trying_leaves_a_trace(
    house, client, school, desk
):
    with house.database.transaction() as db:
        other = make.school(db)
        theirs = make.pupil(db)
        make.enrolment(db, theirs, other, naam="Vreemdeling", stamnummer="900")
        make.account(db, theirs, "een.vreemdeling")
    for name in (theirs, theirs.upper(), theirs.replace("-", "")):
        answer = client.get(f"{LIST}/leerling/{name}")
        assert (answer.status_code, "Vreemdeling" in answer.text) == (404, False)
    for name in ("x", "900", "een.vreemdeling", "00000000-0000-0000-0000-000000000000", "%00"):
        assert client.get(f"{LIST}/leerling/{name}").status_code in {400, 404}
    refused = events(house, "staff_refused")
    assert len(refused) == 4
    assert {(actor, where) for _event, actor, _object, where in refused} == {
        (f"person:{desk.person_id}", school)
    }


@pytest.mark.parametrize("act", ["naam", "blokkeer", "kaart"])
def test_IDOR_02_nothing_of_a_pupil_of_another_school_changes(house, client, school, desk, act):
    theirs = make_login.pupil(house, "een.vreemdeling")
    with house.database.transaction() as db:
        card = cards.issue(db, account_uuid=theirs, label="school", now=make.NOW, days=9)
    fields = {"naam": "van.mij", "doe": "blokkeer", "kaart": card.id}
    assert post(client, f"{LIST}/leerling/{theirs}/{act}", **fields).status_code == 404
    with house.database.reading() as db:
        row = db.execute(
            select(models.Account.username, models.Account.blocked_at).where(
                models.Account.account_uuid == theirs
            )
        ).one()
        live = db.execute(select(models.Card.voided_at)).scalar()
    assert tuple(row) == ("een.vreemdeling", None)
    assert live is None


def test_IDOR_02_a_card_of_another_pupil_is_not_stopped_through_an_own_one(house, client, school, desk):
    theirs = make_login.pupil(house, "een.vreemdeling")
    with house.database.transaction() as db:
        card = cards.issue(db, account_uuid=theirs, label="school", now=make.NOW, days=9)
    mine = uuid_of(house, "Logie")
    assert post(client, f"{LIST}/leerling/{mine}/kaart", kaart=card.id).status_code == 404
    with house.database.reading() as db:
        assert db.execute(select(models.Card.voided_at)).scalar() is None


def test_a_former_pupil_is_not_managed_any_more(house, client, school, desk):
    mine = uuid_of(house, "Logie")
    with house.database.transaction() as db:
        db.execute(
            models.Enrolment.__table__.update()
            .where(models.Enrolment.naam == "Logie")
            .values(einddatum=make.TODAY - timedelta(days=1))
        )
    assert client.get(f"{LIST}/leerling/{mine}").status_code == 404
    assert post(client, f"{LIST}/leerling/{mine}/blokkeer", doe="blokkeer").status_code == 404


@pytest.mark.parametrize("kind", [RightKind.TEACHER, RightKind.DATABEHEERDER, RightKind.OPERATOR])
def test_ROLE_04_only_a_leerid_beheerder_sees_the_list(house, client, school, kind):
    make_staff.begin(client, house, make_staff.staff(house, kind, school=school))
    assert client.get(LIST).status_code == 403
    assert client.get(f"{LIST}/leerling/{uuid_of(house, 'Logie')}").status_code == 403


def test_a_user_name_is_changed_and_the_old_one_stays_the_pupils(house, client, school, desk):
    mine = uuid_of(house, "Logie")
    where = f"{LIST}/leerling/{mine}"
    assert path(post(client, f"{where}/naam", naam="gaston.nieuw")) == where
    page = client.get(where).text
    assert "gaston.nieuw" in page
    assert "Gebruikersnaam gewijzigd" in page
    assert events(house, "username_changed") == [
        ("username_changed", f"person:{desk.person_id}", f"pupil:{mine}", school)
    ]
    assert path(post(client, f"{where}/naam", naam="gas.jansen")) == where, "the own old name may come back"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mil.jansen", "van iemand anders"),
        ("a@b", "geen @"),
        ("x" * 51, "te lang"),
        ("Gaston Logie", "teken dat niet kan"),
        ("", "leeg"),
    ],
)
def test_a_user_name_that_cannot_be_is_explained_with_and_without_script(
    house, client, school, desk, name, said
):
    mine = uuid_of(house, "Logie")
    answer = post(client, f"{LIST}/leerling/{mine}/naam", naam=name)
    assert answer.status_code == 400
    assert said in answer.text
    assert said in post(client, f"{LIST}/naam", naam=name, nu="gas.jansen").json["problem"]
    assert post(client, f"{LIST}/naam", naam="gas.jansen", nu="gas.jansen").json == {"problem": ""}
    assert post(client, f"{LIST}/naam", naam="iemand.anders", nu="").json == {"problem": ""}
    with house.database.reading() as db:
        assert (
            db.scalar(select(models.Account.username).where(models.Account.account_uuid == mine))
            == "gas.jansen"
        )


def test_a_block_ends_sessions_and_grants_and_can_be_lifted(house, client, app, school, desk):
    noor = make_login.pupil(house)
    with house.database.transaction() as db:
        db.execute(delete(models.Enrolment).where(models.Enrolment.account_uuid == noor))
        make.enrolment(db, noor, school, voornaam="Noor", naam="Peeters")
        started = sessions.start(
            db, house, account_uuid=noor, amr=("pwd",), acr="x", must_change=False, shared=False, now=make.NOW
        )
    where = f"{LIST}/leerling/{noor}"
    assert path(post(client, f"{where}/blokkeer", doe="blokkeer")) == where
    post(client, f"{where}/blokkeer", doe="blokkeer")
    with house.database.reading() as db:
        assert sessions.seen(db, house.settings, started.cookie, make.NOW) is None
        because = db.scalar(select(models.Session.ended_because))
    assert because == "blocked"
    page = client.get(where).text
    assert "Geblokkeerd" in page
    assert "Hef de blokkering op" in page
    assert path(post(client, f"{where}/blokkeer", doe="open")) == where
    assert "Hef de blokkering op" not in client.get(where).text
    mine = (f"person:{desk.person_id}", f"pupil:{noor}", school)
    assert sorted(events(house, "account_blocked", "account_unblocked")) == [
        ("account_blocked", *mine),
        ("account_unblocked", *mine),
    ]


def test_one_card_is_stopped_and_the_page_says_so(house, client, school, desk):
    mine = uuid_of(house, "Logie")
    with house.database.transaction() as db:
        school_card = cards.issue(db, account_uuid=mine, label="school", now=make.NOW, days=9)
        cards.issue(db, account_uuid=mine, label="thuis", now=make.NOW, days=9)
    where = f"{LIST}/leerling/{mine}"
    assert "Kaart van school" in client.get(where).text
    (ask,) = [part for part in client.get(where).text.split("<details")[1:] if school_card.id in part]
    assert ask.startswith(' class="quiet-more"><summary>Zet stop'), "one press asks, and does nothing"
    assert "komt er dan niet meer mee binnen" in ask
    assert "overal afgemeld" not in ask, "only where a card is enough"
    post(client, f"{where}/kaart", kaart=school_card.id)
    page = client.get(where).text
    assert "Kaart van school" not in page
    assert "thuis" in page
    assert "Kaart stopgezet" in page
    assert post(client, f"{where}/kaart", kaart=school_card.id).status_code == 404


def test_the_history_names_people_of_this_school_only_and_no_act_of_the_pupil(house, client, school, desk):
    from idp import audit

    mine = uuid_of(house, "Logie")
    with house.database.transaction() as db:
        elsewhere = make.person(db, voornaam="Vreemde", naam="Collega")
        with audit.acting(f"person:{elsewhere}"):
            audit.secret_renewed(db, account_uuid=mine, instellingsnummer="999999", kind="basic")
        audit.signed_in(db, account_uuid=mine, amr=["pwd"], acr="x")
        audit.sign_in_failed(db, account_uuid=mine, channel="web", way="x")
        audit.password_changed(db, account_uuid=mine)
        with audit.acting(f"person:{desk.person_id}"):
            audit.help_given(db, account_uuid=mine, instellingsnummer=school, by=desk.person_id)
    page = client.get(f"{LIST}/leerling/{mine}").text
    history = page.partition("Wat gebeurde er?")[2]
    assert history.count("<li>") == 2
    assert "Vreemde" not in history
    assert "niet door iemand van deze school" in history
    with house.database.reading() as db:
        me = db.execute(select(models.Person.naam).where(models.Person.person_id == desk.person_id)).scalar()
    assert me in history


def test_a_form_that_was_opened_for_one_school_never_works_on_another(house, client, school, desk):
    mine = uuid_of(house, "Logie")
    answer = post(client, f"{LIST}/leerling/{mine}/blokkeer", doe="blokkeer", school="000000")
    assert answer.status_code == 400
    assert "andere school" in answer.text
    assert events(house, "account_blocked") == []


def test_addresses_of_the_list_stay_within_the_list(house, client, school, desk):
    page = client.get(f"{LIST}?op=//evil.example&groep=https://evil.example").text
    for href in re.findall(r'href="([^"]+)"', page):
        assert not urlsplit(href).netloc
