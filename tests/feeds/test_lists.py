"""Schools and directors: small lists that an operator brings."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from idp import audit, models
from idp.claims import consent
from idp.feeds import directors, schools
from idp.models import Person, Right, School
from tests import make_feeds as make

HEAD = "instellingsnummer;persoon_id;voornaam;naam;e_mail;aanstelling;begindatum;einddatum\n"
ANN = "999001;d-1;Ann;Peeters;ann@school.example;vast;2019-09-01;\n"
BART = "999002;d-2;Bart;Maes;;tijdelijk;2026-09-01;2027-08-31\n"


def bring_schools(house, source, **words):
    with house.database.reading() as db:
        made = schools.plan(db, schools.read(source), **words)
    return schools.apply(house, made)


def bring_directors(house, source):
    with house.database.reading() as db:
        made = directors.plan(db, directors.read(source), today=house.clock.today())
    with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="operator:cli", source="cli")):
        return directors.apply(house, made)


def rights(house):
    with house.database.reading() as db:
        rows = db.execute(
            select(Right.__table__).order_by(Right.instellingsnummer, Right.person_id, Right.begindatum)
        )
        return [(r.instellingsnummer, r.person_id, r.begindatum, r.einddatum) for r in rows]


def some(counts):
    return {name: count for name, count in counts.items() if count}


def codes(plan):
    return [(problem.code, problem.line) for problem in plan.problems]


# ---------------------------------------------------------------- schools


def test_the_synthetic_schools_are_added_once(house):
    path = make.DATA / "schools.csv"
    assert some(bring_schools(house, path, kind=models.SchoolKind.TEST).counts) == {"add": 4}
    assert some(bring_schools(house, path).counts) == {"keep": 4}
    with house.database.reading() as db:
        found = {r.instellingsnummer: (r.pakket, r.kind) for r in db.execute(select(School.__table__))}
    assert found == {number: (pakket, "test") for number, pakket in make.SCHOOLS.items()}


def test_a_school_changes_its_name_and_package_and_nothing_is_removed(house):
    bring_schools(house, make.DATA / "schools.csv", kind=models.SchoolKind.TEST)
    done = bring_schools(
        house, b"instellingsnummer,naam,pakket\n999001,Nieuw,informat\n999002,Anders,\n7,Zeven,\n"
    )
    assert some(done.counts) == {"add": 1, "change": 2}
    with house.database.reading() as db:
        found = {
            r.instellingsnummer: (r.naam, r.pakket, r.kind) for r in db.execute(select(School.__table__))
        }
    assert found["999001"] == ("Nieuw", "informat", "test")
    assert found["999002"] == ("Anders", "informat", "test")
    assert found["000007"] == ("Zeven", None, "real")
    assert len(found) == 5


def test_a_wrong_line_in_a_list_of_schools_is_told(house):
    source = b"instellingsnummer;naam;pakket\n1;A;wisa\nx;B;\n2;;\n3;C;smartschool\n1;D;\n4;E;;;\n"
    assert codes(bring_schools(house, source)) == [
        ("not_a_school_number", 3),
        ("missing_value", 4),
        ("unknown_word", 5),
        ("school_twice", 6),
        ("field_count", 7),
    ]


@pytest.mark.parametrize(
    "source", [b"", b"naam\nx\n", b"instellingsnummer;naam\n", b"instellingsnummer;naam\n1;\xff\n"]
)
def test_a_list_with_a_fault_of_form_is_refused(house, source):
    done = bring_schools(house, source)
    assert done.refused
    with house.database.reading() as db:
        assert db.execute(select(models.Delivery.state)).scalars().all() == [models.DeliveryState.REFUSED]
        assert db.execute(select(School.naam)).all() == []


# ---------------------------------------------------------------- directors


def test_the_synthetic_directors_get_their_rights(house):
    make.schools(house)
    done = bring_directors(house, make.DATA / "directors.csv")
    assert some(done.counts) == {"give": 4, "persons": 3}
    assert rights(house) == [
        ("999001", "d-1", date(2019, 9, 1), date(2036, 11, 22)),
        ("999002", "d-2", date(2026, 9, 1), date(2027, 8, 31)),
        ("999003", "d-1", date(2024, 9, 1), date(2036, 11, 22)),
        ("999003", "d-3", date(2026, 9, 1), date(2026, 12, 31)),
    ]
    with house.database.reading() as db:
        given = db.execute(select(models.AuditEvent.event)).scalars().all()
    assert sorted(given) == ["directors_imported", *["right_given"] * 4]
    house.clock.move(days=7)
    assert some(bring_directors(house, make.DATA / "directors.csv").counts) == {"keep": 4}


def test_a_director_may_agree_to_share(house):
    from tests import make as plain

    make.schools(house)
    bring_directors(house, make.DATA / "directors.csv")
    today, now = house.clock.today(), house.clock.now()
    with house.database.transaction() as db:
        text = plain.protocol(db)
        consent.give(
            db, instellingsnummer="999003", person_id="d-3", protocol_sha256=text, now=now, today=today
        )
        assert consent.state(db, "999003", today).shares


def test_who_is_missing_is_told_and_keeps_the_right(house):
    make.schools(house)
    bring_directors(house, (HEAD + ANN + BART).encode())
    before = rights(house)
    done = bring_directors(house, (HEAD + ANN).encode())
    assert done.missing == (("999002", "d-2"),)
    assert rights(house) == before
    house.clock.move(days=400)
    assert bring_directors(house, (HEAD + ANN).encode()).missing == ()


def test_an_end_row_ends_the_right_and_a_prolonged_one_prolongs_it(house):
    make.schools(house)
    bring_directors(house, (HEAD + ANN + BART).encode())
    ended = ANN.replace("2019-09-01;", "2019-09-01;2026-11-30")
    longer = BART.replace("2027-08-31", "2028-08-31")
    assert some(bring_directors(house, (HEAD + ended + longer).encode()).counts) == {"change": 2}
    assert [right[3] for right in rights(house)] == [date(2026, 11, 30), date(2028, 8, 31)]
    later = BART.replace("2026-09-01;2027-08-31", "2029-09-01;2030-08-31")
    assert some(bring_directors(house, (HEAD + ended + longer + later).encode()).counts) == {
        "keep": 2,
        "give": 1,
    }


@pytest.mark.parametrize("rows", [(0, 1), (1, 0)])
def test_two_assignments_of_one_director_that_overlap_are_two_rights_every_week(house, rows):
    make.schools(house)
    first = BART
    second = BART.replace("2026-09-01;2027-08-31", "2027-03-01;2028-08-31")
    bring_directors(house, (HEAD + first).encode())
    both = (HEAD + "".join((first, second)[n] for n in rows)).encode()
    assert some(bring_directors(house, both).counts) == {"give": 1, "keep": 1}
    assert rights(house) == [
        ("999002", "d-2", date(2026, 9, 1), date(2027, 8, 31)),
        ("999002", "d-2", date(2027, 3, 1), date(2028, 8, 31)),
    ]
    for _ in range(2):
        assert some(bring_directors(house, both).counts) == {"keep": 2}


def test_an_assignment_that_is_yet_to_begin_takes_no_running_right_away(house):
    make.schools(house)
    bring_directors(house, (HEAD + BART).encode())
    later = BART.replace("2026-09-01;2027-08-31", "2027-03-01;2028-08-31")
    assert some(bring_directors(house, (HEAD + later).encode()).counts) == {"give": 1}
    assert rights(house)[0] == ("999002", "d-2", date(2026, 9, 1), date(2027, 8, 31))
    earlier = BART.replace("2026-09-01", "2026-08-15")
    assert some(bring_directors(house, (HEAD + earlier + later).encode()).counts) == {"change": 1, "keep": 1}
    assert rights(house)[0] == ("999002", "d-2", date(2026, 8, 15), date(2027, 8, 31))


def test_a_permanent_right_is_renewed_in_its_last_year(house):
    make.schools(house)
    bring_directors(house, (HEAD + ANN).encode())
    house.clock.move(days=3652 - 364)
    assert some(bring_directors(house, (HEAD + ANN).encode()).counts) == {"change": 1}
    assert rights(house)[0][3] == house.clock.today() + directors.MAXIMUM_VALIDITY


def test_a_name_that_changes_is_followed(house):
    make.schools(house)
    bring_directors(house, (HEAD + ANN).encode())
    assert some(bring_directors(house, (HEAD + ANN.replace("Peeters", "Maes")).encode()).counts) == {
        "keep": 1,
        "persons": 1,
    }
    with house.database.reading() as db:
        assert db.execute(select(Person.naam)).scalars().all() == ["Maes"]


def test_a_wrong_line_in_a_list_of_directors_is_told(house):
    make.schools(house)
    lines = [
        ANN.replace("999001", "999009"),
        BART.replace(";2027-08-31", ";"),
        BART.replace("2027-08-31", "2026-01-01"),
        ANN.replace("vast", "gast"),
        ANN.replace("d-1", ""),
        ANN,
        ANN,
    ]
    done = bring_directors(house, (HEAD + "".join(lines)).encode())
    assert codes(done) == [
        ("unknown_school", 2),
        ("missing_value", 3),
        ("dates_reversed", 4),
        ("unknown_word", 5),
        ("missing_value", 6),
        ("director_twice", 8),
    ]
    assert not any("Ann" in line for line in done.sentences())
