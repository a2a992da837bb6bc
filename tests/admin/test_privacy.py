"""Who may ask what we know gets it, and no more; whom a breach touches is found."""

from __future__ import annotations

import csv
import io
import json
import re
import tracemalloc
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from idp import audit, entropy, models
from idp.admin.privacy import breach, extracts, processing, school_extract, terms
from idp.audit import accounts as audit_accounts
from idp.errors import Invalid, NotFound
from idp.models import RightKind
from tests import make, make_browser, make_staff
from tests.make_reading import stands

DAY = timedelta(days=1)
KEEPING = (
    "keep_replaced_days",
    "keep_names_days",
    "keep_identifiers_days",
    "keep_expired_days",
    "keep_ledger_years",
    "keep_audit_days",
    "keep_staff_names_days",
)
"""The settings of which a document tells."""
PERIOD = {"begin": make.NOW - DAY, "end": make.NOW + DAY}


@pytest.fixture
def story(house):
    """A pupil of two schools, an app that was told, a beheerder who looked, and a sign-in."""
    with house.database.transaction() as db:
        made = make.story(db, purpose="Rekenen", reasons={"ov_klassen": "Per klas oefenen"})
        other = make.school(db, naam="De Andere")
        make.enrolment(db, made.pupil, other, stamnummer="elders-1")
        make.released(db, house, made)
        audit.signed_in(db, account_uuid=made.pupil, amr=["pictures"], acr="x")
        with audit.acting(audit.person("ann")):
            audit_accounts.pupil_seen(db, account_uuid=made.pupil, instellingsnummer=made.school)
            audit_accounts.account_blocked(db, account_uuid=made.pupil, instellingsnummer=other)
    return made


def look(house, story, **given):
    with house.database.reading() as db:
        return extracts.of_pupil(db, house, story.pupil, **given)


def test_a_pupil_gets_everything_moments_included(house, story):
    document = look(house, story)
    assert len(document["held"]["enrolments"]) == 2
    assert document["held"]["account"]["username"] == story.username
    assert document["held"]["classes"][0]["code"] == "3A"
    (app,) = document["apps"]
    assert app["gets"]["ov_klassen"]["reason"] == "Per klas oefenen"
    assert app["gets"]["ov_klassen"]["value"][0]["code"] == "3A"
    (release,) = document["releases"]
    assert (release["at"], release["claims"]["ov_klassen"]) == (make.NOW, "released")
    assert {act["event"] for act in document["acts"]} >= {"signed_in", "pupil_seen", "account_blocked"}


def test_AUD_06_a_school_gives_parents_what_is_of_the_school_and_no_moment(house, story):
    document = look(house, story, instellingsnummer=story.school)
    assert [one["stamnummer"] for one in document["held"]["enrolments"]] != []
    assert "elders-1" not in str(document)
    assert "sessions" not in document["held"]
    assert "e_mail" not in document["held"]["account"]
    assert document["releases"] == [
        {
            "client_id": story.app.client_id,
            "first_on": make.TODAY,
            "claims": sorted(document["releases"][0]["claims"]),
        }
    ]
    assert [(act["event"], act["by"], act["on"]) for act in document["acts"]] == [
        ("pupil_seen", "school", make.TODAY)
    ]
    assert not stands("ann", document["acts"])


@pytest.fixture
def desk(house, client, story):
    one = make_staff.staff(house, school=story.school)
    make_staff.begin(client, house, one)
    return one


PAGES = "/schoolloket/leerid-beheer/leerling"


def events(house, name):
    wanted = select(models.AuditEvent.actor, models.AuditEvent.details).where(models.AuditEvent.event == name)
    with house.database.reading() as db:
        return [tuple(row) for row in db.execute(wanted.order_by(models.AuditEvent.id))]


def test_AUD_06_opening_a_pupil_and_handing_out_what_we_know_is_written_down(house, client, desk, story):
    assert client.get(f"{PAGES}/{story.pupil}").status_code == 200
    page = client.get(f"{PAGES}/{story.pupil}/wie-weet-wat")
    assert "Per klas oefenen" in page.text
    assert "Klopt dit niet?" in page.text
    answer = client.get(f"{PAGES}/{story.pupil}/wie-weet-wat.json")
    assert answer.json["for"] == "school"
    assert answer.headers["Cache-Control"] == "no-store"
    me = audit.person(desk.person_id)
    assert events(house, "pupil_seen")[1:] == [(me, {})], "once a day"
    assert events(house, "extract_given") == [(me, {"kind": "school"})]


def test_IDOR_a_pupil_of_another_school_has_no_extract_here(house, client, desk):
    with house.database.transaction() as db:
        other = make.story(db)
    for path in ("wie-weet-wat", "wie-weet-wat.json"):
        assert client.get(f"{PAGES}/{other.pupil}/{path}").status_code == 404


def test_a_school_reads_and_takes_what_apps_were_told(house, client, desk, story):
    page = client.get("/schoolloket/verstrekkingen")
    assert "Rekenbuur" in page.text
    document = client.get("/schoolloket/verstrekkingen.json").json
    (told,) = document["told"]
    assert (told["account_uuid"], told["first_on"]) == (story.pupil, str(make.TODAY))
    acts = {act["event"] for act in document["audit_trail"]}
    assert acts == {"pupil_seen", "school_extract_given"}, "written down before it leaves"
    assert all("source" not in act and act["digest"] for act in document["audit_trail"])


def test_a_pupil_fetches_the_own_extract(house, client):
    with house.database.transaction() as db:
        story = make.story(db)
    make_browser.sign_in(client, house, story.pupil)
    answer = client.get("/mijn-gegevens/uittreksel.json")
    assert answer.json["about"]["account_uuid"] == story.pupil
    assert "attachment" in answer.headers["Content-Disposition"]
    assert events(house, "extract_given") == [(f"pupil:{story.pupil}", {"kind": "own"})]


# ---------------------------------------------------------------- a breach


def found(house, **given):
    with house.database.reading() as db:
        return breach.report(db, breach.Wanted(**PERIOD, **given))


def test_an_app_that_leaked_is_told_with_schools_pupils_and_claims(house, story):
    (line,) = found(house, client_id=story.app.client_id).lines
    assert (line["account_uuid"], line["instellingsnummer"], line["times"]) == (story.pupil, story.school, 1)
    assert "ov_klassen" in line["what"]
    with house.database.transaction() as db:
        other = make.app(db)
    assert not found(house, client_id=other.client_id).lines
    with pytest.raises(NotFound):
        found(house, client_id="a-slip-of-the-pen")


def test_an_account_of_staff_in_wrong_hands_is_told_with_whom_it_reached(house, story):
    report = found(house, person_id="ann")
    assert {line["source"] for line in report.lines} == {"audit"}
    assert {event for line in report.lines for event in line["what"]} == {"pupil_seen", "account_blocked"}
    assert report.total("instellingsnummer") == 2


def test_a_question_that_cannot_be_meant_never_reads_as_nobody(house, client, story):
    with pytest.raises(NotFound):
        found(house, person_id="a-slip-of-the-pen")
    with pytest.raises(Invalid):
        found(house, person_id="ann", client_id=story.app.client_id)
    idle = make_staff.staff(house)
    assert not found(house, person_id=idle.person_id).lines, "known, and did nothing"
    make_staff.begin(client, house, make_staff.staff(house, RightKind.OPERATOR))
    words = {"van": "2026-11-20", "tot": "2026-11-30"}
    for given, said in (
        ({"persoon": "a-slip-of-the-pen"}, "Dit personeelslid kennen we niet."),
        ({"app": "a-slip-of-the-pen"}, "Zoek ze in de lijst van apps."),
        ({"persoon": "ann", "app": story.app.client_id}, "Kies een app of een personeelslid, niet allebei."),
    ):
        page = make_staff.form(client, "/beheer/datalek", **words, **given)
        assert page.status_code == 400
        assert said in page.text
        assert 'id="gevonden"' not in page.text


def test_an_operator_names_the_app_that_leaked_and_chooses_when_several_are_called_so(house, client, story):
    with house.database.transaction() as db:
        for client_id, name in (("lees-een", "Lees en Lach"), ("lees-twee", "Lees méér")):
            make.app(db, client_id=client_id, client_name=name)
        gone = models.App.client_id == "lees-twee"
        db.execute(update(models.App).where(gone).values(disabled_at=make.NOW, paused_at=None))
    make_staff.begin(client, house, make_staff.staff(house, RightKind.OPERATOR))
    words = {"van": "2026-11-20", "tot": "2026-11-30"}
    asked = make_staff.form(client, "/beheer/datalek", app="lees", **words)
    assert re.findall(r'name="kies" value="([^"]+)"', asked.text) == ["lees-een", "lees-twee"]
    assert "verwijderd" in asked.text, "what leaked from an app that is no more is asked for, too"
    assert 'id="gevonden"' not in asked.text, "nothing reads as nobody before it is known which app"
    assert not events(house, "breach_reported")
    for given in ({"app": "lees", "kies": "lees-twee"}, {"app": "meer lees"}):
        told = make_staff.form(client, "/beheer/datalek", **words, **given)
        assert "0 leerlingen geraakt" in told.text
        assert 'value="lees-twee"' in told.text
        assert "<strong>Lees méér</strong>" in told.text
    assert len(events(house, "breach_reported")) == 2


def test_a_file_about_an_app_that_was_guessed_is_given_when_somebody_saw_which(house, client, story):
    """A file has no line that says which app it is about when nobody was touched."""
    with house.database.transaction() as db:
        make.app(db, client_id="lees-een", client_name="Lees en Lach")
    make_staff.begin(client, house, make_staff.staff(house, RightKind.OPERATOR))
    words = {"van": "2026-11-20", "tot": "2026-11-30", "als": "csv"}
    guessed = make_staff.form(client, "/beheer/datalek", app="lees", **words)
    assert guessed.mimetype == "text/html"
    assert "<strong>Lees en Lach</strong>" in guessed.text
    for given in ({"app": "lees-een"}, {"app": "Lees en Lach"}, {"app": "lees", "kies": "lees-een"}, {}):
        assert make_staff.form(client, "/beheer/datalek", **words, **given).mimetype == "text/csv"


@pytest.mark.parametrize("days", [("0001-01-01", "2026-11-30"), ("2026-11-20", "9999-12-31")])
def test_a_period_with_which_nobody_can_count_is_refused_as_one(house, client, days):
    make_staff.begin(client, house, make_staff.staff(house, RightKind.OPERATOR))
    page = make_staff.form(client, "/beheer/datalek", van=days[0], tot=days[1])
    assert page.status_code == 400


def test_what_lies_outside_the_period_or_the_school_is_left_out(house, story):
    with house.database.reading() as db:
        later = breach.Wanted(begin=make.NOW + DAY, end=make.NOW + 2 * DAY)
        assert not breach.report(db, later).lines
    here = found(house, instellingsnummer=story.school)
    assert {line["instellingsnummer"] for line in here.lines} == {story.school}


def test_INJ_no_cell_of_the_table_begins_a_formula(house, story):
    with house.database.transaction() as db:
        evil = make.school(db, naam="=HYPERLINK(1)")
        make.enrolment(db, story.pupil, evil)
        with audit.acting(audit.person("ann")):
            audit_accounts.account_blocked(db, account_uuid=story.pupil, instellingsnummer=evil)
    rows = list(csv.reader(io.StringIO(found(house, person_id="ann").table()), delimiter=";"))
    assert rows[0] == list(breach.COLUMNS)
    assert not [cell for row in rows for cell in row if cell.startswith("=")]


def test_an_operator_asks_and_the_question_is_written_down(house, client, story):
    make_staff.begin(client, house, make_staff.staff(house, RightKind.OPERATOR))
    words = {"van": "2026-11-20", "tot": "2026-11-30", "app": story.app.client_id}
    page = make_staff.form(client, "/beheer/datalek", **words)
    assert "1 leerling geraakt" in page.text
    assert events(house, "breach_reported")[0][1] == {"days": 11, "count": 1}
    wrong = make_staff.form(client, "/beheer/datalek", van="2026-11-30", tot="2026-11-20")
    assert wrong.status_code == 400


# ---------------------------------------------------------------- register and evidence


def test_the_register_of_processing_names_every_app_and_what_is_kept(house, story):
    with house.database.transaction() as db:
        make.app(db, "rekenland", client_name="Rekenland", legal_ground="Algemeen belang")
    with house.database.reading() as db:
        document = processing.activities(db, house)
    recipients = document["activities"][2]["recipients"]
    assert {"rekenland", story.app.client_id} <= {one["client_id"] for one in recipients}
    assert document["controller"] == processing.NOT_SET.format("controller")
    assert document["activities"][3]["kept"] == f"{house.settings.keep_audit_days} dagen"


def test_both_tellings_of_how_long_something_is_kept_follow_the_same_settings(house):
    lengths = {name: 101 + number for number, name in enumerate(sorted(KEEPING))}
    known = terms.of(house.settings.model_copy(update=lengths))
    told = set()
    for term in known.values():
        numbers = re.findall(r"\d+", term.english.how_long)
        assert numbers == re.findall(r"\d+", term.dutch.how_long)
        told |= {int(one) for one in numbers} - {24}
    assert told == {*lengths.values()}
    assert {*terms.OF_PUPILS} == {*known} - {terms.Kept.STAFF}


def test_the_evidence_shows_each_measure_or_says_that_no_program_can(house, story):
    with house.database.reading() as db:
        document = processing.evidence(db, house)
    articles = [one["article"] for one in document["measures"]]
    assert articles[:8] == [f"6.{letter}" for letter in "ABCDEFGH"]
    assert all(one["evidence"] for one in document["measures"])
    assert document["agreements"][0]["schools"] == 1


def test_an_operator_downloads_both(house, client, story):
    make_staff.begin(client, house, make_staff.staff(house, RightKind.OPERATOR))
    assert "6.A" in client.get("/beheer/verwerkingen").text
    assert client.get("/beheer/verwerkingen/register.json").json["activities"]
    assert client.get("/beheer/verwerkingen/bewijs.json").json["measures"]


def test_the_extract_of_a_school_without_anything_is_empty(house):
    with house.database.transaction() as db:
        school = make.school(db)
    document = json.loads(b"".join(school_extract.pieces(house, school)))
    assert (document["told"], document["audit_trail"]) == ([], [])
    assert document["anchor_keys"]["keys"]


def _a_year(house, school: str, pupils: int, days: int = 20) -> None:
    """Each pupil was told about to one of two apps, some days, and signed in."""
    ledger, trail = models.Release.__table__, models.AuditEvent.__table__
    with house.database.transaction() as db:
        apps = [make.app(db).client_id for _ in range(2)]
        ids = [make.pupil(db) for _ in range(pupils)]
        for one in ids:
            make.enrolment(db, one, school)
        base = {"instellingsnummer": school, "mark": None}
        for day in range(days):
            at = make.NOW - timedelta(days=days - day)
            claims = {"sub": "released", "ov_klassen": "released" if day % 2 else "school_does_not_share"}
            told = {"at": at, "channel": "id_token", "client_id": apps[day % 2], "claims": claims}
            db.execute(
                insert(ledger), [base | told | {"id": entropy.row_id(), "account_uuid": one} for one in ids]
            )
            act = {"at": at, "event": "signed_in", "object": None, "result": "done", "details": {}}
            act |= {"source": "192.0.2.1", "request_id": None}
            db.execute(
                insert(trail),
                [base | act | {"id": entropy.row_id(), "actor": audit.pupil(one)} for one in ids],
            )


def test_the_extract_of_a_school_tells_each_pupil_and_act_once_and_no_address(house):
    with house.database.transaction() as db:
        school, other = make.school(db), make.school(db)
    _a_year(house, school, 120)
    _a_year(house, other, 3)
    document = json.loads(b"".join(school_extract.pieces(house, school)))
    assert len(document["told"]) == 240
    assert len({(one["client_id"], one["account_uuid"]) for one in document["told"]}) == 240
    assert {tuple(one["claims"]) for one in document["told"]} == {("sub",), ("ov_klassen", "sub")}
    assert {one["first_on"] for one in document["told"]} == {"2026-11-03", "2026-11-04"}
    acts = [one for one in document["audit_trail"] if one["event"] == "signed_in"]
    assert len({one["id"] for one in acts}) == len(acts) == 120 * 20
    assert "192.0.2.1" not in json.dumps(document)
    with house.database.reading() as db:
        told = school_extract.told(db, school, make.NOW - timedelta(days=300))
    assert sorted((one.pupils, one.claims) for one in told) == [(120, ("ov_klassen", "sub")), (120, ("sub",))]


def test_the_extract_of_a_large_school_takes_no_more_memory_than_that_of_a_small_one(house):
    peaks = []
    for pupils in (250, 1_500):
        with house.database.transaction() as db:
            school = make.school(db)
        _a_year(house, school, pupils, days=8)
        tracemalloc.start()
        length = sum(len(piece) for piece in school_extract.pieces(house, school))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert length > pupils * 1_500
    assert peaks[1] < peaks[0] + 2 * 2**20, peaks
