"""RACE-02, RACE-06, FAULT-11 in the Schoolloket: several people, or one impatient person, at the same moment."""

from __future__ import annotations

import re
import threading

import pytest
from sqlalchemy import func, select

from idp import audit, models
from idp.admin.accounts import bulk
from idp.models import PaperworkKind, RightKind
from tests import make, make_staff
from tests.conftest import papers_made

LIST = "/schoolloket/leerid-beheer"


def together(*acts):
    """Run all of these at the same moment; what each gave, or the exception."""
    ready, given = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place, act):
        ready.wait(120)
        try:
            given[place] = act()
        except Exception as failure:  # noqa: BLE001 - the test looks at it
            given[place] = failure

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(300)
    return given


class Browser:
    """A member of staff at a browser of their own."""

    def __init__(self, app, house, person):
        self.client = app.test_client()
        make_staff.begin(self.client, house, person)
        page = self.client.get("/personeel/mijn-gegevens").text
        self.word = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]

    def post(self, where, **fields):
        return lambda: self.client.post(where, data={"csrf_token": self.word} | fields)

    def again(self, app):
        """Another tab of the same browser."""
        other = object.__new__(Browser)
        other.client, other.word = app.test_client(), self.word
        for one in self.client._cookies.values():
            other.client.set_cookie(one.key, one.value)
        return other


def rows(house, model, *where):
    with house.database.reading() as db:
        return db.execute(select(model).where(*where)).all()


def number_of(house, model):
    with house.database.reading() as db:
        return db.scalar(select(func.count()).select_from(model))


def acts(house, event):
    return rows(house, models.AuditEvent, models.AuditEvent.event == event)


@pytest.fixture
def school(house):
    with house.database.transaction() as db:
        return make.school(db)


@pytest.fixture
def pupil(house, school):
    with house.database.transaction() as db:
        made = make.pupil(db)
        make.enrolment(db, made, school, voornaam="Noor", naam="Peeters")
        make.account(db, made, "noor.peeters")
        return made


def test_RACE_02_fifty_namesakes_of_five_schools_at_once_get_fifty_names(house):
    schools = []
    with house.database.transaction() as db:
        for _ in range(5):
            schools.append(make.school(db))
            for _ in range(10):
                make.enrolment(db, make.pupil(db), schools[-1], voornaam="Jan", naam="Peeters")
    with house.database.reading() as db:
        proposals = [bulk.propose(db, instellingsnummer=one, today=make.TODAY) for one in schools]
    assert len({one.username for some in proposals for one in some}) == 10, "all five propose the same"

    def create(those):
        def act():
            with audit.circumstances(audit.Circumstances(now=make.NOW)):
                return bulk.create(house, those)

        return act

    made = together(*map(create, proposals))
    assert not [one for one in made if isinstance(one, Exception)]
    names = [one.username for some in made for one in some]
    assert len(names) == len({*names}) == number_of(house, models.Account) == 50
    assert all(re.fullmatch(r"jan\.peeters\d*", one) for one in names)
    assert number_of(house, models.Card) == len(acts(house, "account_created")) == 50


def test_RACE_06_two_people_change_the_same_pupil_the_last_one_counts_and_both_are_in_the_trail(
    app, house, school, pupil
):
    ann, bo = (Browser(app, house, make_staff.staff(house, school=school)) for _ in range(2))
    where = f"{LIST}/leerling/{pupil}"
    given = together(
        ann.post(f"{where}/naam", naam="noor.een"),
        bo.post(f"{where}/naam", naam="noor.twee"),
        ann.again(app).post(f"{where}/blokkeer", doe="blokkeer"),
        bo.again(app).post(f"{where}/blokkeer", doe="blokkeer"),
    )
    assert {answer.status_code for answer in given} == {303}
    with house.database.reading() as db:
        name = db.scalar(select(models.Account.username))
        kept = {*db.execute(select(models.RetiredUsername.username)).scalars()}
    assert {name} | kept == {"noor.een", "noor.twee", "noor.peeters"}, "no name is lost to somebody else"
    assert len({row.actor for row in acts(house, "username_changed")}) == 2
    assert len(acts(house, "account_blocked")) == 1, "once is enough"


@pytest.mark.parametrize("kind", [*PaperworkKind])
def test_FAULT_11_four_clicks_at_once_make_one_set(app, house, school, pupil, kind):
    with house.database.transaction() as db:
        other = make.pupil(db)
        make.enrolment(db, other, school, voornaam="Azmi", naam="Dasdan")
    before = rows(house, models.Account)
    browser = Browser(app, house, make_staff.staff(house, school=school))
    begun = browser.post(f"{LIST}/werk", doe=str(kind), alles="1")()
    where = begun.headers["Location"].partition("?")[0]
    tabs = [browser.again(app) for _ in range(4)]
    given = together(*(tab.post(where, doe="klaar") for tab in tabs))
    assert {answer.status_code for answer in given} == {303}
    papers_made()
    expected = {
        "maak": ("account_created", 2),
        "vernieuw": ("secret_renewed", 1),
        "kaart": ("card_issued", 1),
    }
    event, accounts = expected[str(kind)]
    assert len(acts(house, event)) == number_of(house, models.Card) == 1
    assert number_of(house, models.Account) == accounts
    if kind is not PaperworkKind.RENEW:
        kept = {row.secret_hash for row in rows(house, models.Account)}
        assert {row.secret_hash for row in before} <= kept, "nobody got another secret"


def test_FAULT_11_two_clicks_at_once_make_an_app_visible_once_and_agree_once(app, house, school):
    with house.database.transaction() as db:
        text = make.protocol(db)
        shown = make.app(db)
    beheerder = Browser(app, house, make_staff.staff(house, school=school))
    where = f"/schoolloket/applicatiebeheer/app/{shown.client_id}"
    tabs = [beheerder.again(app) for _ in range(3)]
    given = together(*(tab.post(where, heel="1", van=str(make.TODAY)) for tab in tabs))
    assert {answer.status_code for answer in given} == {303}
    assert number_of(house, models.VisibilityRule) == 1
    director = Browser(app, house, make_staff.staff(house, RightKind.DATABEHEERDER, school=school))
    tabs = [director.again(app) for _ in range(3)]
    given = together(*(tab.post("/schoolloket/klasinformatie/akkoord", tekst=text) for tab in tabs))
    assert {answer.status_code for answer in given} == {303}
    assert number_of(house, models.Agreement) == len(acts(house, "sharing_given")) == 1
