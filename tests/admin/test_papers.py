"""From a selection to paper: proposed, checked, done once, downloadable for an hour by whoever made it."""

from __future__ import annotations

import io
import re
import threading
import zipfile
from html import unescape

import pytest
from sqlalchemy import func, select

from idp import models
from idp.admin.accounts import papers
from idp.errors import NotFound
from idp.login import sessions
from idp.models import AccountType, SecretKind
from tests import make, make_login, make_staff
from tests.conftest import papers_made
from tests.make_browser import path

LIST = "/schoolloket/leerid-beheer"
WORK = f"{LIST}/werk"


@pytest.fixture
def school(house):
    """Two in primary and one in secondary, without a LeerID."""
    with house.database.transaction() as db:
        made = make.school(db)
        for voornaam, naam, hoofdstructuur in (
            ("Gastón", "Logie", "211"),
            ("Süheda", "Carabin", "211"),
            ("Azmi", "Dasdan", "311"),
        ):
            words = {"voornaam": voornaam, "naam": naam, "hoofdstructuur": hoofdstructuur}
            make.enrolment(db, make.pupil(db), made, **words)
    return made


@pytest.fixture
def desk(client, house, school):
    one = make_staff.staff(house, school=school)
    make_staff.begin(client, house, one)
    return one


def word(client):
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/schoolloket/personen").text)[1]


def post(client, where, **fields):
    answer = client.post(where, data={"csrf_token": word(client)} | fields)
    papers_made()
    return answer


def begin(client, kind="maak", **fields):
    """The address of the work, begun with the whole list unless pupils are named."""
    fields = fields or {"alles": "1"}
    return path(post(client, WORK, doe=kind, **fields))


def carried_out(client, kind="maak", **fields):
    where = begin(client, kind, **fields)
    assert path(post(client, where, doe="klaar")) == where
    return where


def account(house, naam):
    with house.database.reading() as db:
        return db.execute(
            select(models.Account)
            .join(models.Enrolment, models.Enrolment.account_uuid == models.Account.account_uuid)
            .where(models.Enrolment.naam == naam)
        ).first()


def main(answer):
    return answer.text.partition("<main")[2].partition("</main>")[0]


def count(house, model=models.Account):
    with house.database.reading() as db:
        return db.scalar(select(func.count()).select_from(model))


def uuid_of(house, naam):
    with house.database.reading() as db:
        return db.scalar(select(models.Enrolment.account_uuid).where(models.Enrolment.naam == naam))


def events(house, event):
    with house.database.reading() as db:
        return db.execute(select(models.AuditEvent).where(models.AuditEvent.event == event)).all()


def test_a_selection_becomes_accounts_with_papers(house, client, school, desk):
    where = begin(client)
    page = client.get(where).text
    assert "Totaal aantal rijen: 3" in page
    assert 'value="gaston.logie"' in page
    assert count(house) == 0, "a proposal makes nothing"
    checked = post(client, where, doe="controle", n0="suheda.carabin", n2="gaston.andersom", k0="basic")
    assert checked.headers["Location"] == f"{where}?stap=controle"
    check = client.get(f"{where}?stap=controle").text
    assert "gaston.andersom" in check
    assert "3 nieuwe LeerID" in unescape(check)
    assert count(house) == 0
    assert path(post(client, where, doe="klaar")) == where
    assert account(house, "Logie").username == "gaston.andersom"
    assert account(house, "Carabin").secret_kind is SecretKind.BASIC
    assert account(house, "Dasdan").type is AccountType.ADVANCED
    done = client.get(where)
    assert "no-store" in done.headers["Cache-Control"]
    assert "3 LeerID's zijn aangemaakt" in unescape(done.text)
    answer = client.get(f"{where}/zip")
    assert answer.mimetype == "application/zip"
    assert "no-store" in answer.headers["Cache-Control"]
    names = zipfile.ZipFile(io.BytesIO(answer.data)).namelist()
    assert {"LeerID's.xlsx", "Kaarten A4.pdf", "Stickers derde leerjaar.pdf"} <= {*names}
    mine = {row.actor for row in events(house, "account_created")}
    assert mine == {f"person:{desk.person_id}"}
    (fetched,) = events(house, "papers_fetched")
    assert (fetched.instellingsnummer, fetched.details["count"]) == (school, 3)


def test_what_is_handed_out_opens_the_account(house, client, school, desk):
    where = carried_out(client, leerling=uuid_of(house, "Dasdan"))
    secret = re.findall(r"<td><code>([^<]+)</code>", client.get(where).text)[1]
    with house.database.reading() as db:
        found = make_login.named(db, "azmi.dasdan", make.TODAY)
    assert house.hasher.verify(found.stored, secret).right


def test_one_pupil_goes_from_the_proposal_straight_to_the_papers(house, client, school, desk):
    where = begin(client, leerling=uuid_of(house, "Logie"))
    assert "Bewaren en afdrukken" in client.get(where).text
    assert path(post(client, where, doe="bewaren", n0="gaston.eigen", k0="temporary")) == where
    made = account(house, "Logie")
    assert (made.username, made.type) == ("gaston.eigen", AccountType.ADVANCED)
    assert count(house) == 1
    assert "1 LeerID is aangemaakt" in client.get(where).text


def test_a_second_click_back_and_a_reload_make_no_second_set(house, client, school, desk):
    where = carried_out(client)
    before, text = account(house, "Logie").secret_hash, main(client.get(where))
    for step in ("klaar", "bewaren", "controle", "allen", "weg"):
        assert path(post(client, where, doe=step, n0="x.y", voor_allen="basic")) == where
    assert main(client.get(f"{where}?stap=controle")) == text
    assert account(house, "Logie").secret_hash == before
    assert count(house) == 3
    assert len(events(house, "account_created")) == 3


def test_two_clicks_at_once_are_one(house, client, school, desk):
    """Both pass the look before; the transaction lets one of them win, for secrets too."""
    with house.database.transaction() as db:
        make.account(db, uuid_of(house, "Logie"), "gaston.logie", secret_kind=SecretKind.BASIC)
    where = begin(client, "vernieuw", leerling=uuid_of(house, "Logie"))
    hands = papers.Desk(
        person_id=desk.person_id,
        instellingsnummer=school,
        key=client.get_cookie(make_staff.cookie_name(house).replace("staff", "papers")).value,
    )
    with house.database.reading() as db:
        work = papers.find(db, hands, where.rpartition("/")[2], make.NOW)
    from idp import audit

    ready = threading.Barrier(4)

    def click():
        with audit.circumstances(audit.Circumstances(now=make.NOW)):
            ready.wait(60)
            papers.carry_out(house, hands, work)

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join(90)
    assert len(events(house, "secret_renewed")) == 1
    assert count(house, models.Card) == 1
    with house.database.reading() as db:
        done = papers.find(db, hands, work.id, make.NOW)
        found = make_login.named(db, "gaston.logie", make.TODAY)
    assert house.hasher.verify(found.stored, done.handouts[0].secret).right, (
        "the papers are of the one who won"
    )


def test_a_failure_on_the_way_leaves_neither_accounts_nor_papers(house, client, school, desk):
    from sqlalchemy import event as sa_event

    where = begin(client)

    def fail(_connection, _cursor, statement, *_rest):
        if statement.lstrip().startswith("UPDATE paperwork"):
            raise RuntimeError("the machine stopped")

    client.application.testing = False
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    token = word(client)
    sa_event.listen(house.database.engine, "before_cursor_execute", fail)
    answer = client.post(where, data={"csrf_token": token, "doe": "klaar"})
    papers_made()
    sa_event.remove(house.database.engine, "before_cursor_execute", fail)
    assert answer.status_code == 500
    assert (count(house), count(house, models.Card)) == (0, 0)
    assert path(post(client, where, doe="klaar")) == where
    assert count(house) == 3, "and the same work can be done after all"


def test_CARD_06_the_papers_wait_for_an_hour_and_then_nobody_reads_them(house, client, school, desk, stopped):
    where = carried_out(client)
    stopped.move(minutes=25)
    assert "Papieren voor 3 leerlingen staan klaar." in client.get(LIST).text
    stopped.move(minutes=25)
    client.get(LIST)
    stopped.move(minutes=9)
    assert client.get(f"{where}/zip").status_code == 200
    stopped.move(minutes=1)
    assert client.get(f"{where}/zip").status_code == 404
    assert client.get(where).status_code == 404
    assert "Papieren" not in client.get(LIST).text
    begin(client, "kaart")
    assert count(house, models.Paperwork) == 1, "what is over goes"


def test_signing_in_again_in_the_same_browser_finds_them(house, client, school, desk, stopped):
    where = carried_out(client)
    stopped.move(minutes=40)
    assert path(client.get(where)) == "/personeel/aanmelden", "idle for half an hour"
    make_staff.begin(client, house, desk)
    assert client.get(f"{where}/zip").status_code == 200


def test_CARD_03_papers_open_in_no_other_browser_for_no_other_person_and_at_no_other_school(
    house, client, app, school, desk
):
    where = carried_out(client)
    key = client.get_cookie(make_staff.cookie_name(house).replace("staff", "papers")).value
    other_browser, colleague = app.test_client(), app.test_client()
    make_staff.begin(other_browser, house, desk)
    make_staff.begin(colleague, house, make_staff.staff(house, school=school))
    colleague.set_cookie(make_staff.cookie_name(house).replace("staff", "papers"), key)
    for browser in (other_browser, colleague):
        for address in (where, f"{where}/zip", f"{WORK}/x", f"{WORK}/{'0' * 32}/zip"):
            assert browser.get(address).status_code == 404
    with house.database.transaction() as db:
        second = make.school(db)
        make.right(db, desk.person_id, second, kind=models.RightKind.BEHEERDER)
    mine = client.get(f"{where}/zip")
    assert "no-store" in mine.headers["Cache-Control"]
    with house.database.reading() as db:
        fetched = db.execute(
            select(models.AuditEvent).where(models.AuditEvent.event == "papers_fetched")
        ).all()
    assert [one.actor for one in fetched] == [f"person:{desk.person_id}"], (
        "only who made them, and it is known"
    )
    assert path(post(client, "/schoolloket/instelling", instelling=second)) == "/schoolloket"
    assert client.get(where).status_code == 404


def test_the_database_alone_tells_no_secret(house, client, school, desk):
    where = carried_out(client, leerling=uuid_of(house, "Dasdan"))
    secret = re.findall(r"<td><code>([^<]+)</code>", client.get(where).text)[1]
    with house.database.reading() as db:
        row = db.execute(select(models.Paperwork)).one()
    assert secret.encode() not in row.sealed
    assert b"dasdan" not in row.sealed.lower()
    hands = papers.Desk(person_id=desk.person_id, instellingsnummer=school, key="another")
    with house.database.reading() as db, pytest.raises(NotFound):
        papers.find(db, hands, row.id, make.NOW)


def test_renewing_gives_what_was_chosen_and_ends_what_was_open(house, client, school, desk):
    noor = make_login.pupil(house)
    with house.database.transaction() as db:
        make.enrolment(db, noor, school, voornaam="Noor", naam="Zand")
        started = sessions.start(
            db, house, account_uuid=noor, amr=("pwd",), acr="x", must_change=False, shared=False, now=make.NOW
        )
    where = begin(client, "vernieuw")
    page = client.get(where).text
    assert "3 gekozen leerlingen slaan we over." in page
    assert 'name="n0"' not in page, "a renewal leaves the name"
    post(client, where, doe="bewaren", k0="temporary")
    renewed = account(house, "Zand")
    assert (renewed.secret_kind, renewed.type) == (SecretKind.TEMPORARY, AccountType.ADVANCED)
    with house.database.reading() as db:
        assert sessions.seen(db, house.settings, started.cookie, make.NOW) is None
    assert "1 wachtwoord is vernieuwd" in client.get(where).text


def test_a_new_card_leaves_the_secret(house, client, school, desk):
    carried_out(client, leerling=uuid_of(house, "Logie"))
    before = account(house, "Logie").secret_hash
    where = carried_out(client, "kaart", leerling=uuid_of(house, "Logie"))
    assert account(house, "Logie").secret_hash == before
    with house.database.reading() as db:
        live = db.scalars(select(models.Card.id).where(models.Card.voided_at.is_(None))).all()
    assert len(live) == 1, "the one from school before stopped"
    assert "blijft zoals het was" in client.get(where).text
    assert client.get(f"{where}/zip").status_code == 200


def test_the_same_for_everyone_and_a_name_that_cannot_be(house, client, school, desk):
    with house.database.transaction() as db:
        make.account(db, make.pupil(db), "van.iemand")
    where = begin(client)
    assert path(post(client, where, doe="allen", voor_allen="basic", n0="eerste.naam")) == where
    page = client.get(where).text
    assert page.count('value="basic" selected') == 3
    assert 'value="eerste.naam"' in page
    for step in ("controle", "bewaren"):
        answer = post(client, where, doe=step, n0="van.iemand", n1="a@b", n2="goed.zo")
        assert answer.status_code == 400
        assert "2 gebruikersnamen kunnen niet." in answer.text
        assert answer.text.count('aria-invalid="true"') == 2
        assert 'value="a@b"' in answer.text, "what was typed is still there"
    assert post(client, where, doe="klaar").status_code == 400
    assert "gebruikersnamen kunnen niet" in client.get(f"{where}?stap=controle").text
    assert post(client, where, doe="controle", n0="zelfde.naam", n1="zelfde.naam").status_code == 400
    assert count(house) == 1


def test_cancelling_leaves_nothing(house, client, school, desk):
    where = begin(client)
    assert path(post(client, where, doe="weg")) == LIST
    assert client.get(where).status_code == 404
    assert (count(house), count(house, models.Paperwork)) == (0, 0)


def test_work_that_is_not_finished_is_found_again(house, client, school, desk):
    where = begin(client)
    post(client, where, doe="controle", n0="eerste.naam")
    assert "nog niet af" in client.get(LIST).text
    assert 'value="eerste.naam"' in client.get(where).text


def test_a_selection_for_whom_there_is_nothing_to_do_is_told_so(house, client, school, desk):
    answer = post(client, WORK, doe="kaart", alles="1")
    assert path(answer) == LIST
    assert "valt er niets te maken" in client.get(answer.headers["Location"]).text
    assert post(client, WORK, doe="maak").status_code == 303
    assert post(client, WORK, doe="wis", alles="1").status_code == 400
    assert count(house, models.Paperwork) == 0


def test_the_whole_filtered_list_is_taken_on_all_its_pages_and_no_more(house, client, school, desk):
    with house.database.transaction() as db:
        for number in range(60):
            words = {"naam": f"Zand {number:02}", "administratieve_groep_code": "Z"}
            make.enrolment(db, make.pupil(db), school, **words)
    where = begin(client, alles="1", lijst="groep=Z&blad=2")
    assert "Totaal aantal rijen: 60" in client.get(where).text


def test_a_class_that_may_not_be_known_any_more_is_not_the_whole_school(house, client, school, desk):
    answer = post(client, WORK, doe="maak", alles="1", lijst="klas=3B")
    assert "papers_for_nobody" in answer.headers["Location"]


def test_IDOR_02_nobody_of_another_school_gets_into_a_selection(house, client, school, desk):
    theirs = make_login.pupil(house, "een.vreemdeling")
    with house.database.transaction() as db:
        bare = make.pupil(db)
        make.enrolment(db, bare, make.school(db), naam="Vreemdeling")
    for kind, pupil in (("vernieuw", theirs), ("kaart", theirs), ("maak", bare)):
        assert "papers_for_nobody" in post(client, WORK, doe=kind, leerling=pupil).headers["Location"]
    assert post(client, WORK, doe="maak", leerling="x").status_code == 404
    assert count(house) == 1
    assert count(house, models.Card) == 0


def test_who_left_meanwhile_is_left_out(house, client, school, desk):
    where = begin(client)
    with house.database.transaction() as db:
        db.execute(
            models.Enrolment.__table__.update()
            .where(models.Enrolment.naam == "Logie")
            .values(einddatum=make.YEAR_BEGINS)
        )
        make.account(db, uuid_of(house, "Carabin"), "al.gemaakt")
    post(client, where, doe="klaar")
    page = client.get(where).text
    assert "1 LeerID is aangemaakt" in page
    assert "2 gekozen leerlingen zijn overgeslagen." in page
    assert account(house, "Logie") is None


def test_a_thousand_at_a_time_are_enough(house, client, school, desk):
    with house.database.transaction() as db:
        for number in range(papers.MOST - 2):
            make.enrolment(db, make.pupil(db), school, naam=f"Zand {number}")
    answer = post(client, WORK, doe="maak", alles="1")
    assert "papers_for_too_many" in answer.headers["Location"]
    assert "te veel in één keer" in client.get(answer.headers["Location"]).text


def test_papers_are_grouped_by_class_while_the_school_shares(house, client, school, desk):
    with house.database.transaction() as db:
        make.membership(db, make.klas(db, school, "3B"), uuid_of(house, "Logie"))
        agreement = make.agreement(db, school)
    where = carried_out(client)
    names = zipfile.ZipFile(io.BytesIO(client.get(f"{where}/zip").data)).namelist()
    assert "Stickers 3B.pdf" in names
    with house.database.transaction() as db:
        db.execute(
            models.Agreement.__table__.update()
            .where(models.Agreement.id == agreement)
            .values(stopped_at=make.NOW)
        )
    names = zipfile.ZipFile(io.BytesIO(client.get(f"{where}/zip").data)).namelist()
    assert "Stickers 3B.pdf" not in names, "stopping counts at once"


def secrets_of(page):
    """What the proposal shows, in its order: words of pictures, or what is typed."""
    cells = re.findall(r'data-secret="k\d+">(.*?)</span>\s*<button', page.text, re.DOTALL)
    return [
        " ".join(re.findall(r"</svg>([^<]+)</span>", cell)) or re.sub("<.*?>", "", cell) for cell in cells
    ]


def test_the_secrets_that_were_proposed_are_those_that_are_given(house, client, school, desk):
    where = begin(client)
    carabin, dasdan, logie = secrets_of(client.get(where))
    assert len(carabin.split()) == len(logie.split()) == 4
    assert len(dasdan) == 8
    post(client, where, doe="nieuw-1")
    again = secrets_of(client.get(where))
    assert (again[0], again[2]) == (carabin, logie)
    assert again[1] != dasdan, "only the one that was asked"
    post(client, where, doe="controle", k2="basic")
    changed = secrets_of(client.get(where))
    assert changed[:2] == again[:2]
    assert re.fullmatch(r"\d{1,2}[a-z]{3}\d{1,2}", changed[2]), "another kind is another secret"
    for _ in range(3):  # four pictures of 20,736 are drawn again once in a while
        post(client, where, doe="nieuw")
        every = secrets_of(client.get(where))
        if not {*every} & {*changed}:
            break
    assert not {*every} & {*changed}
    post(client, where, doe="klaar")
    page = client.get(where).text
    for username, secret in zip(("azmi.dasdan", "gaston.logie"), every[1:], strict=True):
        assert f"<code>{secret}</code>" in page
        with house.database.reading() as db:
            found = make_login.named(db, username, make.TODAY)
        assert house.hasher.verify(found.stored, secret).right


def test_renewing_proposes_too_and_a_card_proposes_nothing(house, client, school, desk):
    with house.database.transaction() as db:
        make.account(db, uuid_of(house, "Logie"), "gaston.logie", secret_kind=SecretKind.BASIC)
    where = begin(client, "vernieuw", leerling=uuid_of(house, "Logie"))
    (proposed,) = secrets_of(client.get(where))
    with house.database.reading() as db:
        assert db.scalar(select(models.Account.secret_hash)) == "none", "nothing happened yet"
    post(client, where, doe="bewaren")
    assert f"<code>{proposed}</code>" in client.get(where).text
    card = begin(client, "kaart", leerling=uuid_of(house, "Logie"))
    assert not secrets_of(client.get(card))
    assert path(post(client, card, doe="nieuw")) == card


def test_card_and_secret_may_be_downloaded_apart(house, client, school, desk):
    where = carried_out(client)
    assert f"{where}/zip?apart=1" in client.get(where).text
    names = zipfile.ZipFile(io.BytesIO(client.get(f"{where}/zip?apart=1").data)).namelist()
    assert "Geheimen derde leerjaar.pdf" in names
    assert (
        "Geheimen derde leerjaar.pdf"
        not in zipfile.ZipFile(io.BytesIO(client.get(f"{where}/zip").data)).namelist()
    )
