"""What goes wrong under the desk of staff is told to an adult: what, which right it takes, and where to go on."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update

from idp import manners, models, sentences
from idp.models import RightKind
from tests import make, make_staff

NOTHING = "Hier vinden we niets voor jou."
MENU = 'class="tabs"'
UNKNOWN = ("/beheer/niets", "/schoolloket/niets", "/leverancier/niets", "/personeel/niets", "/zandbak/niets")


def begin(client, house, *kinds, **words):
    one = make_staff.staff(house, *kinds, **words)
    make_staff.begin(client, house, one)
    return one


def told(answer) -> str:
    """What stands in the page itself, but for the number of the request."""
    page = answer.text.partition('id="blad"')[2].partition("</main>")[0]
    return re.sub(r"<code>[^<]*</code>", "", page.partition(">")[2])


@pytest.mark.parametrize("where", UNKNOWN)
def test_an_unknown_address_of_staff_speaks_to_an_adult(house, client, where):
    outside = client.get(where)
    assert outside.status_code == 404
    assert NOTHING in outside.text
    assert 'href="/personeel/aanmelden"' in outside.text
    assert 'class="staff"' in outside.text
    assert "/mijn-apps" not in outside.text
    assert "friend" not in outside.text
    begin(client, house, RightKind.BEHEERDER)
    inside = client.get(where)
    assert inside.status_code == 404
    assert NOTHING in inside.text
    assert MENU in inside.text
    assert 'href="/personeel/aanmelden"' not in inside.text


@pytest.mark.parametrize("where", ["/niets", "/beheerder", "/mijn/niets/daar"])
def test_elsewhere_it_speaks_to_a_pupil_as_before(house, client, where):
    begin(client, house, RightKind.OPERATOR)
    answer = client.get(where)
    assert answer.status_code == 404
    assert "Deze pagina bestaat niet." in answer.text
    assert 'href="/mijn-apps"' in answer.text
    assert MENU not in answer.text


def test_a_program_gets_json_as_before(client):
    answer = client.get("/beheer/niets", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("kind", "where", "needed", "said"),
    [
        (RightKind.TEACHER, "/beheer/apps", "Operator", "geeft een operator van deze installatie"),
        (RightKind.BEHEERDER, "/leverancier", "Leverancier", "geeft een operator van deze installatie"),
        (RightKind.DATABEHEERDER, "/schoolloket/personen", "LeerID-beheerder", "een LeerID-beheerder van"),
        (RightKind.OPERATOR, "/schoolloket/hulp", "LeerID-beheerder, Leerkracht", "een LeerID-beheerder van"),
    ],
)
def test_a_missing_right_names_the_right_and_who_gives_it(house, client, kind, where, needed, said):
    begin(client, house, kind)
    answer = client.get(where)
    assert answer.status_code == 403
    page = told(answer)
    assert "Voor deze pagina heb je geen recht." in page
    assert said in page
    listed = re.findall(r"<dd>([^<]*)</dd>", page)
    assert listed[0] == needed
    assert "Wijzig instelling" not in page, "there is one school"
    assert MENU in answer.text


def test_whoever_works_for_several_schools_is_told_to_choose_the_other_one(house, client):
    one = begin(client, house, RightKind.TEACHER)
    with house.database.transaction() as db:
        make.right(db, one.person_id, make.school(db, naam="Zonneberg"), kind=RightKind.BEHEERDER)
        db.execute(update(models.StaffSession).values(chosen_school=one.school))
    page = told(client.get("/schoolloket/personen"))
    assert "Kies dan eerst die school." in page
    assert 'href="/schoolloket/instelling"' in page
    assert "Kies dan eerst" not in told(client.get("/beheer/apps")), "that right is of no school"


def test_what_was_refused_for_another_reason_names_no_right(house, client):
    begin(client, house, RightKind.BEHEERDER)
    with house.database.transaction() as db:
        strange = make.school(db, naam="Van een ander")
    answer = make_staff.post(client, "/schoolloket/instelling", instelling=strange)
    assert answer.status_code == 403
    assert "<dl" not in told(answer)
    assert "Van een ander" not in answer.text


def test_somebody_without_any_right_reads_so_and_is_sent_nowhere(house, client):
    one = begin(client, house, RightKind.TEACHER)
    with house.database.transaction() as db:
        mine = models.Right.person_id == one.person_id
        db.execute(update(models.Right).where(mine).values(einddatum=make.YEAR_BEGINS))
    answer = client.get("/schoolloket/hulp")
    assert answer.status_code == 403
    assert "geen rechten" in answer.text
    assert MENU not in answer.text
    assert 'class="button primary"' not in told(answer)


@pytest.mark.parametrize(
    ("where", "back"),
    [
        ("/beheer/apps/niets", "/beheer/apps"),
        ("/beheer/scholen/999999", "/beheer/scholen"),
        ("/beheer/niets", "/beheer"),
        ("/beheer/apps/niets/geschiedenis/niets", "/beheer/apps"),
    ],
)
def test_it_leads_back_to_the_list_that_the_address_lies_under(house, client, where, back):
    begin(client, house, RightKind.OPERATOR)
    answer = client.get(where)
    assert answer.status_code == 404
    assert re.findall(r'<a class="button primary" href="([^"]+)"', told(answer)) == [back]


def test_IDOR_02_what_is_of_others_and_what_is_not_there_are_told_alike(house, client):
    make_staff.begin(client, house, make_staff.supplier(house, "zachte-waren"))
    with house.database.transaction() as db:
        make.app(db, client_id="van-een-ander", client_name="Geheim Rekenplan")
    of_others, nowhere = (client.get(f"/leverancier/apps/{one}") for one in ("van-een-ander", "nergens-ooit"))
    assert (of_others.status_code, nowhere.status_code) == (404, 404)
    assert "Deze app vinden we niet." in told(of_others)
    assert told(of_others) == told(nowhere)
    assert "Geheim Rekenplan" not in of_others.text


def test_IDOR_01_a_pupil_of_another_school_is_told_as_one_that_does_not_exist(house, client):
    one = begin(client, house, RightKind.BEHEERDER)
    with house.database.transaction() as db:
        elsewhere = make.story(db, school=make.school(db, naam="Zonneberg"))
    where = "/schoolloket/leerid-beheer/leerling/"
    of_others = client.get(where + elsewhere.pupil)
    nowhere = client.get(where + "01936f2c-77aa-7bbb-8ccc-123456789abc")
    assert (of_others.status_code, nowhere.status_code) == (404, 404)
    assert told(of_others) == told(nowhere)
    assert one.school in of_others.text, "their own school stands above it, and no other"
    assert "Zonneberg" not in of_others.text


def test_too_much_a_bad_form_and_an_old_page_are_told_with_the_menu(house, client):
    begin(client, house, RightKind.OPERATOR)
    large = client.post("/beheer/apps/x/wijzig", data={"client_name": "x" * (manners.LARGEST_BODY + 1)})
    assert large.status_code == 413
    assert "Neem een kleiner bestand" in large.text
    bad = client.get("/beheer/apps?zoek=%00")
    assert bad.status_code == 400
    assert "Dit konden we niet verwerken." in bad.text
    old = client.post("/beheer/tokens", data={"wat": "api"})
    assert old.status_code == 400
    assert "Dit formulier is niet verwerkt" in old.text
    assert 'href="/beheer/tokens"' in told(old)
    for answer in (large, bad, old):
        assert MENU in answer.text
        assert "Er ging iets stuk" not in answer.text


def test_what_breaks_says_so_to_an_adult_and_may_be_tried_again(app, house, client):
    begin(client, house, RightKind.OPERATOR)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with house.database.transaction() as db:
        db.exec_driver_sql("ALTER TABLE job RENAME TO elsewhere")
    try:
        answer = client.get("/beheer/systeem?van=hier")
    finally:
        with house.database.transaction() as db:
            db.exec_driver_sql("ALTER TABLE elsewhere RENAME TO job")
    assert answer.status_code in {500, 503}
    assert MENU in answer.text, "the door knew who it is before it broke"
    assert 'href="/beheer/systeem?van=hier"' in told(answer)
    assert "Er ging iets stuk" not in answer.text
    assert re.search(r"<code>[\w-]{6,}</code>", answer.text), "the number that is in the log"


def test_every_sentence_for_staff_has_a_code_that_is_raised_or_said():
    assert {*sentences._AT_WORK} - sentences.codes() == {"right_of_operators", "right_of_directors"}
