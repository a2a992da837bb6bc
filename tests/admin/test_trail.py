"""A school reads who did what to whom and when, finds who saw which pupil, and takes it along as a file."""

from __future__ import annotations

import ast
import csv
import io
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy import func, select, text

from idp import audit, models
from idp.admin.records import pages_trail, trail
from idp.admin.records.trail import Asked, Topic
from idp.audit import accounts as audit_accounts
from idp.audit import feeds as audit_feeds
from idp.models import RightKind
from tests import make, make_staff

TRAIL = "/schoolloket/logboek"
LIST = "/schoolloket/leerid-beheer"


@pytest.fixture
def school(house):
    with house.database.transaction() as db:
        return make.school(db)


@pytest.fixture
def pupil(house, school):
    with house.database.transaction() as db:
        made = make.pupil(db)
        make.enrolment(db, made, school, voornaam="Süheda", naam="Carabin")
        make.account(db, made, "suheda.carabin")
        return made


@pytest.fixture
def desk(client, house, school):
    one = make_staff.staff(house, school=school, voornaam="Mira", naam="Maes")
    make_staff.begin(client, house, one)
    return one


def write(house, act, *, actor="person:x", **words):
    """An event of this moment, done by this one."""
    these = audit.Circumstances(now=house.clock.now(), actor=actor)
    with audit.circumstances(these), house.database.transaction() as db:
        act(db, **words)


def events(house, name):
    with house.database.reading() as db:
        return db.execute(select(models.AuditEvent).where(models.AuditEvent.event == name)).all()


def exported(answer):
    assert answer.mimetype == "text/csv"
    assert answer.data.startswith(b"\xef\xbb\xbf")
    return [*csv.reader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=";")]


def test_it_says_who_did_what_to_whom_and_when(house, client, school, pupil, desk, stopped):
    words = {"account_uuid": pupil, "instellingsnummer": school}
    write(house, audit_accounts.account_blocked, actor=f"person:{desk.person_id}", **words)
    stopped.move(minutes=5)
    write(house, audit.secret_renewed, actor="operator:cli", kind="picture", **words)
    page = unescape(client.get(TRAIL).text)
    first, second = page.index("Wachtwoord vernieuwd"), page.index("LeerID geblokkeerd")
    assert first < second, "the latest is on top"
    assert "afbeeldingswachtwoord" in page
    assert "Mira Maes" in page
    assert "De beheerder van het systeem" in page
    assert "Süheda Carabin" in page
    assert "23 november 2026, 10:05" in page


def test_filters_on_person_pupil_topic_and_period_and_pages(house, client, school, pupil, desk, stopped):
    with house.database.transaction() as db:
        other = make.pupil(db)
        make.enrolment(db, other, school, naam="Anders")
    mine, words = f"person:{desk.person_id}", {"instellingsnummer": school}
    write(house, audit_accounts.account_blocked, actor=mine, account_uuid=pupil, **words)
    write(house, audit.help_given, account_uuid=other, by="iemand", **words)
    stopped.move(days=2)
    for number in range(120):
        write(house, audit.cards_printed, actor=mine, count=number, **words)

    def found(**asked):
        with house.database.reading() as db:
            return trail.read(db, school, Asked(**asked))

    assert [one.event for one in found(account_uuid=pupil).lines] == ["account_blocked"]
    assert [one.event for one in found(topic=Topic.HELP).lines] == ["help_given"]
    assert [one.event for one in found(person_id="iemand").lines] == ["help_given"]
    assert len(found(last=make.TODAY).lines) == 2
    assert len(found(first=make.TODAY + timedelta(days=3)).lines) == 0
    seen, before = [], ""
    while True:
        page = found(topic=Topic.PAPERS, before=before)
        seen += [one.count for one in page.lines]
        if not (before := page.older):
            break
        assert len(page.lines) == trail.PAGE
    assert seen == [*reversed(range(120))]
    make_staff.begin(client, house, desk)
    shown = client.get(f"{TRAIL}?over=papieren").text
    assert "voor=" in shown
    assert client.get(f"{TRAIL}?over=x&van=niets&tot=9999-99-99&voor=y&wie=%27--").status_code == 200


def test_IDOR_05_what_another_school_did_and_what_the_pupil_does_is_not_in_it(
    house, client, school, pupil, desk
):
    with house.database.transaction() as db:
        elsewhere = make.school(db)
        theirs = make.pupil(db)
        make.enrolment(db, theirs, elsewhere, naam="Vanelders")
        make.enrolment(db, pupil, elsewhere)
    write(house, audit_accounts.account_blocked, account_uuid=pupil, instellingsnummer=elsewhere)
    write(house, audit.signed_in, account_uuid=pupil, amr=["pwd"], acr="x")
    page = client.get(TRAIL).text
    assert "geblokkeerd" not in page
    assert "signed_in" not in page
    assert client.get(f"{TRAIL}?leerling={theirs}").status_code == 404
    assert "Vanelders" not in client.get(f"{TRAIL}/export?leerling={theirs}").text


def test_AUD_06_who_saw_which_pupil_is_asked_per_pupil(house, client, school, pupil, desk, stopped):
    for _ in range(3):
        client.get(LIST)
        client.get(f"{LIST}/leerling/{pupil}")
        client.get(f"/schoolloket/hulp/{pupil}")
        client.get(f"/schoolloket/applicatiebeheer/leerling/{pupil}")
    assert len(events(house, "pupil_seen")) == 1, "once a day for each person"
    assert len(events(house, "pupils_listed")) == 1
    stopped.move(hours=24)
    make_staff.begin(client, house, desk)
    client.get(f"{LIST}/leerling/{pupil}")
    assert len(events(house, "pupil_seen")) == 2
    page = client.get(f"{TRAIL}?leerling={pupil}")
    assert page.text.count("Gegevens bekeken") == 2
    assert "Alleen over Süheda Carabin." in unescape(page.text)
    assert f"{TRAIL}?leerling={pupil}" in client.get(f"{LIST}/leerling/{pupil}").text


def test_AUD_06_a_zip_leaves_a_line_for_every_pupil_in_it(house, client, school, pupil, desk):
    from idp.admin.accounts import papers
    from idp.models import PaperworkKind

    hands = papers.Desk(person_id=desk.person_id, instellingsnummer=school, key="k" * 43)
    with house.database.reading() as db:
        proposals = papers.propose(db, house, hands, PaperworkKind.RENEW, [pupil])
    work_id = papers.begin(house, hands, PaperworkKind.RENEW, proposals)
    with house.database.reading() as db:
        work = papers.find(db, hands, work_id, make.NOW)
    papers.carry_out(house, hands, work)
    with house.database.reading() as db:
        papers_done = papers.find(db, hands, work_id, make.NOW)
    papers.zipped(house, hands, papers_done)
    assert [row.object for row in events(house, "pupil_exported")] == [f"pupil:{pupil}"]


def test_CARD_01_the_file_holds_the_filtered_lines_and_no_formula_and_is_itself_in_the_trail(
    house, client, school, pupil, desk
):
    with house.database.transaction() as db:
        evil = make.pupil(db)
        make.enrolment(db, evil, school, voornaam="=cmd|'/c calc'!A1", naam="@x")
    for number in range(trail.BATCH + 10):
        write(house, audit.cards_printed, count=number, instellingsnummer=school)
    write(house, audit.help_given, account_uuid=evil, by=desk.person_id, instellingsnummer=school)
    head, first, *rest = exported(client.get(f"{TRAIL}/export"))
    assert head == ["Wanneer", "Wie", "Wat", "Leerling, persoon of app", "Aantal", "Code"]
    assert first[1:] == ["Mira Maes", "Hulpcode gegeven", "'=cmd|'/c calc'!A1 @x", "", "help_given"]
    assert first[0] == "2026-11-23 10:00:00"
    assert len(rest) == trail.BATCH + 10
    (row,) = events(house, "trail_exported")
    assert (row.instellingsnummer, row.details["count"]) == (school, trail.BATCH + 11)
    assert len(exported(client.get(f"{TRAIL}/export?over=hulp"))) == 2


@pytest.mark.parametrize(
    ("kind", "status"), [(RightKind.BEHEERDER, 200), (RightKind.DATABEHEERDER, 403), (RightKind.TEACHER, 403)]
)
def test_ROLE_who_may_read_it(house, client, school, kind, status):
    make_staff.begin(client, house, make_staff.staff(house, kind, school=school))
    assert client.get(TRAIL).status_code == status
    assert client.get(f"{TRAIL}/export").status_code == status


def test_a_page_is_found_by_the_index_however_long_the_trail(house, school):
    """A page reads its own lines and no more: no scan, no sort of the whole trail."""
    asked = []
    sa_event.listen(house.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    with house.database.reading() as db:
        trail.read(db, school, Asked())
    statement, words = next((one, more) for one, more in asked if "audit_event" in one)
    with house.database.engine.connect() as db:
        if house.database.sqlite:
            plan = " ".join(
                str(row[-1]) for row in db.connection.execute(f"EXPLAIN QUERY PLAN {statement}", words)
            )
            assert "ix_audit_event_instellingsnummer" in plan
        else:
            db.execute(text("SET enable_seqscan = off"))
            cursor = db.connection.cursor()
            cursor.execute(f"EXPLAIN {statement}", words)
            plan = " ".join(row[0] for row in cursor.fetchall())
            assert "Index" in plan
    with house.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(models.AuditEvent)) == 0


def test_every_event_that_a_school_may_see_has_a_sentence_and_a_topic():
    seen = set()
    for file in Path(audit.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and any(word.arg == "school" for word in node.keywords):
                seen |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    assert {"pupil_seen", "identifiers_fetched"} <= seen
    assert seen == {*trail.TOPICS} == {*pages_trail.EVENTS}


def test_who_is_no_person_is_told_in_words_and_a_decision_too(house, client, school, desk):
    write(house, audit_feeds.identifiers_fetched, actor="feed:w", instellingsnummer=school, count=7)
    words = {"instellingsnummer": school, "delivery": "d", "decision": "declined"}
    write(house, audit_feeds.hold_decided, actor=audit.person(desk.person_id), **words)
    page = unescape(client.get(TRAIL).text)
    for shown in (
        "Het pakket van de school",
        "Lijst van leerlingen opgehaald",
        "Over een tegengehouden levering beslist</strong> niet toegepast",
    ):
        assert shown in page
    assert "Over een tegengehouden levering beslist: niet toegepast" in client.get(f"{TRAIL}/export").text


@pytest.mark.parametrize("probe", ["{{7*7}}", "${jndi:ldap://x}", "%s%n%(x)s", "{0.__class__}"])
def test_INJ_07_a_name_that_looks_like_a_template_is_shown_as_it_is(house, client, school, desk, probe):
    with house.database.transaction() as db:
        odd = make.pupil(db)
        make.enrolment(db, odd, school, voornaam=probe, naam=probe)
        make.account(db, odd, "odd.name")
    write(house, audit_accounts.account_blocked, account_uuid=odd, instellingsnummer=school)
    for where in (LIST, f"{LIST}/leerling/{odd}", TRAIL, f"{TRAIL}/export"):
        answer = client.get(where)
        assert answer.status_code == 200
        assert f"{probe} {probe}" in unescape(answer.text) or unescape(answer.text).count(probe) >= 2, where


def test_it_says_which_app_became_visible_and_for_whom(house, client, school, pupil, desk):
    with house.database.transaction() as db:
        app = make.app(db, client_name="Rekenbuur")
    words = {"client_id": app.client_id, "instellingsnummer": school}
    write(house, audit.app_made_visible, kind="pupil", target=pupil, **words)
    write(house, audit.app_made_invisible, kind="school", target="", **words)
    page = unescape(client.get(TRAIL).text)
    assert page.count("<bdi>Rekenbuur</bdi>") == 2
    assert f'{LIST}/leerling/{pupil}"><bdi>Süheda Carabin' in page
    assert "voor de hele school" in page
    rows = exported(client.get(f"{TRAIL}/export"))
    told = {(row[2], row[3]) for row in rows if row[5].startswith("app_made")}
    assert told == {
        ("App zichtbaar gemaakt", "Rekenbuur, Süheda Carabin"),
        ("App niet meer zichtbaar: voor de hele school", "Rekenbuur"),
    }


def test_it_says_which_right_was_given(house, client, school, desk):
    colleague = make_staff.staff(house, RightKind.TEACHER, school=school, voornaam="Tom", naam="Thys")
    words = {"person_id": colleague.person_id, "instellingsnummer": school}
    write(house, audit.right_given, right=RightKind.TEACHER.value, **words)
    assert "leerkracht" in unescape(client.get(TRAIL).text).partition("Recht gegeven")[2][:200].lower()
