"""Enrolments: who is whom, what begins and ends, and what a person must look at first."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import func, select, update

from idp import entropy, models
from idp.models import DeliveryState, Enrolment, Pupil
from tests import make as plain
from tests import make_feeds as make

YESTERDAY = date(2026, 11, 22)


def periods(house, school="999001"):
    """Stamnummer → (account_uuid, begin, end), newest period last."""
    query = select(Enrolment).where(Enrolment.instellingsnummer == school).order_by(Enrolment.begindatum)
    with house.database.reading() as db:
        return {r.stamnummer: (r.account_uuid, r.begindatum, r.einddatum) for r in db.execute(query)}


def who(house, stamnummer, school="999001"):
    return periods(house, school)[stamnummer][0]


def pupils(house):
    with house.database.reading() as db:
        return {row.account_uuid: row for row in db.execute(select(Pupil.__table__))}


def events(house):
    query = select(models.AuditEvent.event, models.AuditEvent.instellingsnummer).order_by(
        models.AuditEvent.id
    )
    with house.database.reading() as db:
        return [tuple(row) for row in db.execute(query)]


def deliveries(house):
    with house.database.reading() as db:
        rows = db.execute(select(models.Delivery.__table__).order_by(models.Delivery.id)).all()
    return [(row.instellingsnummer, row.state) for row in rows]


def codes(outcome):
    return [(problem.code, problem.line) for problem in outcome.problems]


def held(outcome):
    return [one.instellingsnummer for one in outcome.planned if one.holds]


def many(count, **words):
    return [make.row(str(n), number=n + 1, **words) for n in range(count)]


# ---------------------------------------------------------------- the synthetic schools


def test_the_synthetic_schools_arrive_and_arrive_again_without_a_change(house):
    make.schools(house)
    outcome = make.bring(house, make.DATA / "enrolments.csv")
    assert outcome.state is DeliveryState.APPLIED
    assert outcome.counts["add"] == 1260
    assert outcome.counts["new_pupils"] == 1258
    before = [periods(house, school) for school in make.SCHOOLS]
    again = make.bring(house, make.DATA / "enrolments.csv")
    assert {name: count for name, count in again.counts.items() if count} == {"keep": 1260}
    assert [periods(house, school) for school in make.SCHOOLS] == before


def test_LIFE_02_a_pupil_at_two_schools_and_one_who_moves_are_each_one_pupil(house):
    make.schools(house)
    make.bring(house, make.DATA / "enrolments.csv")
    assert who(house, "2100091", "999001") == who(house, "70001", "999003")
    assert who(house, "2410000", "999002") == who(house, "70002", "999004")
    assert periods(house, "999002")["2410000"][2] == date(2027, 1, 15)
    assert periods(house, "999004")["70002"][1] == date(2027, 1, 16)
    with house.database.reading() as db:
        several = select(Enrolment.account_uuid).group_by(Enrolment.account_uuid).having(func.count() > 1)
        assert len(db.execute(several).all()) == 2


def test_official_data_and_digests_are_there_only_with_a_number(house):
    make.schools(house)
    make.bring(house, make.DATA / "enrolments.csv")
    for pupil in pupils(house).values():
        official = (pupil.voornaam, pupil.naam, pupil.geslacht, pupil.geboortedatum)
        assert all(official) == bool(pupil.national_number_digest)
        assert any(official) == bool(pupil.national_number_digest)
        assert not pupil.national_number_digest or len(pupil.national_number_digest) == 64
    assert sum(1 for pupil in pupils(house).values() if not pupil.national_number_digest) == 55


@pytest.mark.parametrize(
    ("name", "counts", "told"),
    [
        ("control-characters.csv", {"add": 11, "refused": 1}, [("control_character", 9)]),
        ("dates-reversed.csv", {"add": 11, "refused": 1}, [("dates_reversed", 4)]),
        ("duplicate-stamnummer.csv", {"add": 12, "refused": 1}, [("duplicate", 14)]),
        ("formula-name.csv", {"add": 12}, [("formula_like", 7), ("formula_like", 7)]),
        ("impossible-date.csv", {"add": 11, "refused": 1}, [("impossible_date", 6)]),
        ("markup-name.csv", {"add": 12}, [("markup", 8), ("markup", 8)]),
        ("unknown-school.csv", {"add": 11}, [("unknown_school", 2)]),
        ("very-long-name.csv", {"add": 12}, [("long_name", 10), ("long_name", 10)]),
        ("wrong-check-number.csv", {"add": 12}, [("wrong_check_number", 3)]),
    ],
)
def test_IMP_17_a_bad_row_is_reported_and_the_good_ones_arrive(house, name, counts, told):
    make.schools(house, "999001")
    plan = make.look(house, make.DATA / "bad" / name)
    outcome = make.bring(house, make.DATA / "bad" / name)
    assert codes(plan) == told
    found = {name: count for name, count in outcome.counts.items() if count and name != "new_pupils"}
    assert found == counts
    with house.database.reading() as db:
        reports = [d["report"] for d in db.execute(select(models.Delivery.__table__)).mappings()]
    assert [(p["code"], p["line"]) for report in reports for p in report["problems"]] == told


def test_a_refused_file_changes_nothing_and_is_remembered(house):
    make.schools(house, "999001")
    outcome = make.bring(house, make.DATA / "bad" / "utf-16.csv")
    assert outcome.state is DeliveryState.REFUSED
    assert deliveries(house) == [(None, DeliveryState.REFUSED)]
    assert events(house) == [("delivery_refused", None)]
    assert not pupils(house)


# ---------------------------------------------------------------- who is whom


def test_IMP_07_a_stamnummer_means_something_at_its_own_school_only(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1"), make.row("1", instellingsnummer="999002")))
    assert who(house, "1", "999001") != who(house, "1", "999002")


def test_LIFE_05_no_name_makes_two_pupils_one(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1", number=1)))
    make.bring(house, make.file(make.row("9", instellingsnummer="999002")))
    assert who(house, "1") != who(house, "9", "999002")


def test_LIFE_05_a_pupil_who_returns_after_years_is_the_same_pupil(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1"), make.row("2", number=2), make.row("3")))
    before = periods(house)
    house.clock.move(days=700)
    make.bring(house, make.file(make.row("1", begindatum="2028-09-01", einddatum="2029-08-31")))
    make.bring(
        house,
        make.file(
            make.row(
                "77", number=2, begindatum="2028-09-01", einddatum="2029-08-31", instellingsnummer="999002"
            )
        ),
    )
    assert who(house, "1") == before["1"][0]
    assert who(house, "77", "999002") == before["2"][0]
    assert periods(house)["1"][1] == date(2028, 9, 1)
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(Enrolment)).scalar() == 5


def test_a_number_that_comes_later_is_set(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1")))
    first = who(house, "1")
    outcome = make.bring(house, make.file(make.row("1", number=1)))
    assert outcome.counts["changed_pupils"] == 1
    assert who(house, "1") == first
    pupil = pupils(house)[first]
    assert pupil.national_number_digest == entropy.keyed_digest(
        house.keys.national_number, make.national_number(1)
    )
    assert pupil.voornaam == "Bo"


def test_a_number_that_is_left_out_later_stays(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1", number=1)))
    before = pupils(house)
    make.bring(house, make.file(make.row("1")))
    assert pupils(house) == before


@pytest.mark.parametrize("account", ["neither", "stamnummer", "number"])
def test_a_number_that_was_another_pupil_merges_them(house, account):
    make.schools(house)
    make.bring(house, make.file(make.row("1")))
    house.clock.move(days=1)
    make.bring(house, make.file(make.row("9", instellingsnummer="999002", number=1)))
    numberless, numbered = who(house, "1"), who(house, "9", "999002")
    with house.database.transaction() as db:
        if account != "neither":
            has = numberless if account == "stamnummer" else numbered
            leerid = {"leerid_uuid": entropy.identifier()}
            db.execute(update(Pupil).where(Pupil.account_uuid == has).values(**leerid))
            plain.account(db, has)
    plan = make.look(house, make.file(make.row("1", number=1)))
    outcome = make.bring(house, make.file(make.row("1", number=1)))
    assert plan.planned[0].counts == outcome.counts
    surviving = numbered if account == "number" else numberless
    assert outcome.counts["merged_pupils"] == 1
    assert who(house, "1") == who(house, "9", "999002") == surviving
    rows = pupils(house)
    merged = ({numberless, numbered} - {surviving}).pop()
    assert rows[merged].merged_into == surviving
    assert rows[surviving].national_number_digest
    again = make.bring(house, make.file(make.row("1", number=1)))
    assert {name: count for name, count in again.counts.items() if count} == {"keep": 1}
    third = make.bring(house, make.file(make.row("5", instellingsnummer="999003", number=1)))
    assert third.counts["new_pupils"] == 0
    assert who(house, "5", "999003") == surviving


def test_a_merge_is_planned_across_the_schools_of_one_file(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1", instellingsnummer="999002")))
    source = make.file(make.row("8", number=1), make.row("1", number=1, instellingsnummer="999002"))
    plan = make.look(house, source)
    make.bring(house, source)
    assert sum(school.counts["merged_pupils"] for school in plan.planned) == 1
    assert who(house, "8") == who(house, "1", "999002")
    again = make.bring(house, source)
    assert {name: count for name, count in again.counts.items() if count} == {"keep": 2}


def test_IMP_07_another_number_on_a_known_stamnummer_overwrites_nobody(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1", number=1), make.row("2", number=2)))
    before, rows = pupils(house), periods(house)
    swapped = make.file(make.row("1", number=2, voornaam="X"), make.row("2", number=3, naam="Y"))
    plan = make.look(house, swapped)
    make.bring(house, swapped)
    assert codes(plan) == [("number_conflict", 2), ("number_conflict", 3)]
    assert plan.planned[0].counts["spared"] == 2
    assert (pupils(house), periods(house)) == (before, rows)


def test_a_bisnummer_that_becomes_a_rijksregisternummer_stays_one_pupil(house):
    make.schools(house)
    bis, rrn = make.national_number(1), make.national_number(2)
    make.bring(house, make.file(make.row("1", bisnummer=bis)))
    first = who(house, "1")
    both = make.row("9", rijksregisternummer=rrn, bisnummer=bis, instellingsnummer="999002")
    make.bring(house, make.file(both))
    make.bring(house, make.file(make.row("7", rijksregisternummer=rrn, instellingsnummer="999003")))
    assert who(house, "9", "999002") == who(house, "7", "999003") == first


def test_two_numbers_that_are_two_pupils_are_a_conflict(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1", number=1), make.row("2", number=2)))
    before = pupils(house)
    row = make.row("9", instellingsnummer="999002")
    row |= {"rijksregisternummer": make.national_number(1), "bisnummer": make.national_number(2)}
    plan = make.look(house, make.file(row))
    make.bring(house, make.file(row))
    assert codes(plan) == [("number_conflict", 2)]
    assert pupils(house) == before


def test_another_name_on_a_stamnummer_without_number_is_told(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1", number=1), make.row("2")))
    plan = make.look(house, make.file(make.row("1", voornaam="An", naam="Maes"), make.row("2", naam="Maes")))
    assert codes(plan) == [("other_name", 2)]


@pytest.mark.parametrize("numbers", [(None, None), (None, 1), (1, None), (1, 1)])
def test_two_periods_of_one_stamnummer_in_one_file_are_one_pupil(house, numbers):
    make.schools(house)
    first = make.row("1", number=numbers[0], einddatum="2026-10-31")
    second = make.row("1", number=numbers[1], begindatum="2026-12-01")
    outcome = make.bring(house, make.file(first, second))
    assert (outcome.counts["new_pupils"], outcome.counts["add"]) == (1, 2)
    assert len(pupils(house)) == 1
    assert make.bring(house, make.file(first, second)).counts["keep"] == 2


def test_two_numbers_on_one_stamnummer_in_one_file_are_a_conflict(house):
    make.schools(house)
    first = make.row("1", number=1, einddatum="2026-10-31")
    plan = make.look(house, make.file(first, make.row("1", number=2, begindatum="2026-12-01")))
    assert codes(plan) == [("number_conflict", 3)]


def test_a_sandbox_school_gets_no_pupil_out_of_a_file_and_loses_none(house):
    make.schools(house, "999901", kind=models.SchoolKind.SANDBOX)
    with house.database.transaction() as db:
        plain.enrolment(db, plain.pupil(db, invented=True), "999901", stamnummer="sb-noor")
    there = periods(house, "999901")
    rows = (
        make.row("1", number=1, instellingsnummer="999901"),
        make.row("sb-noor", instellingsnummer="999901"),
    )
    plan = make.look(house, make.file(*rows))
    make.bring(house, make.file(*rows))
    assert codes(plan) == [("sandbox_school", 2), ("sandbox_school", 3)]
    assert periods(house, "999901") == there


# ---------------------------------------------------------------- what begins and ends


def test_what_a_snapshot_no_longer_has_ended_yesterday(house):
    make.schools(house)
    rows = [make.row("1"), make.row("2"), make.row("3", begindatum="2027-01-10")]
    rows += [make.row("4", begindatum="2026-11-23"), make.row("5", einddatum="2026-10-01")]
    make.bring(house, make.file(*rows))
    outcome = make.bring(house, make.file(make.row("1")))
    assert outcome.counts["end"] == 3
    assert {stam: end for stam, (_, _, end) in periods(house).items()} == {
        "1": date(2027, 8, 31),
        "2": YESTERDAY,
        "5": date(2026, 10, 1),
    }
    back = make.bring(house, make.file(make.row("1"), make.row("2")))
    assert back.counts["change"] == 1
    assert periods(house)["2"][2] == date(2027, 8, 31)


def test_yesterday_is_brussels_yesterday(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1"), make.row("2")))
    house.clock.moment = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)
    make.bring(house, make.file(make.row("1")))
    assert periods(house)["2"][2] == date(2026, 12, 1)


def test_a_delta_ends_nobody(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1"), make.row("2")))
    outcome = make.bring(house, make.file(make.row("1", naam="Maes"), make.row("3")), delta=True)
    assert {n: c for n, c in outcome.counts.items() if c} == {"new_pupils": 1, "add": 1, "change": 1}
    assert set(periods(house)) == {"1", "2", "3"}


def test_a_school_that_the_file_does_not_name_is_left_alone(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1"), make.row("1", instellingsnummer="999002")))
    make.bring(house, make.file(make.row("1", instellingsnummer="999002")))
    assert periods(house)["1"][2] == date(2027, 8, 31)


@pytest.mark.parametrize(
    "broken",
    [
        {"naam": "Pee\x07ters"},
        {"begindatum": "2026-02-30"},
        {"einddatum": "2026-08-31"},
        {"hoofdstructuur": "?"},
        {"stamnummer": "2\x07"},
        {"stamnummer": ""},
        {"instellingsnummer": "99900\x071"},
        {"instellingsnummer": "999999"},
    ],
)
def test_a_refused_row_never_ends_an_enrolment(house, broken):
    make.schools(house)
    make.bring(house, make.file(make.row("1"), make.row("2"), make.row("1", instellingsnummer="999002")))
    before = periods(house)
    outcome = make.bring(house, make.file(make.row("1"), make.row("2") | broken))
    assert outcome.counts["spared"] == 1
    assert periods(house) == before
    broken = make.row("1", instellingsnummer="999002") | broken
    make.bring(house, make.file(make.row("1"), make.row("2"), broken))
    assert periods(house, "999002")["1"][2] == date(2027, 8, 31)


def test_a_row_with_a_field_too_many_ends_nobody_in_the_file(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1"), make.row("2")))
    source = make.file(make.row("1")) + b"999001;2;Bo;Pee;ters" + b";" * 13 + b"\r\n"
    outcome = make.bring(house, source)
    assert outcome.counts["spared"] == 1
    assert periods(house)["2"][2] == date(2027, 8, 31)


def test_a_period_that_overlaps_is_a_change_and_another_is_new(house):
    make.schools(house)
    make.bring(house, make.file(make.row("1", einddatum="2026-12-31")))
    one = make.bring(house, make.file(make.row("1", begindatum="2026-09-15", einddatum="2026-12-15")))
    assert {n: c for n, c in one.counts.items() if c} == {"change": 1}
    both = make.file(
        make.row("1", begindatum="2026-09-15", einddatum="2026-12-15"),
        make.row("1", begindatum="2027-01-01", einddatum="2027-08-31"),
    )
    two = make.bring(house, both)
    assert {n: c for n, c in two.counts.items() if c} == {"add": 1, "keep": 1}
    three = make.file(
        make.row("1", begindatum="2026-09-15", einddatum="2026-12-20"),
        make.row("1", begindatum="2026-12-28", einddatum="2027-08-31"),
    )
    assert make.bring(house, three).counts["change"] == 2
    assert make.bring(house, three).counts["keep"] == 2


# ---------------------------------------------------------------- what a person must look at


def test_a_truncated_file_is_held_and_the_other_schools_proceed(house):
    make.schools(house)
    make.bring(house, make.file(*many(100)))
    before = periods(house)
    short = make.file(*many(94), make.row("1", instellingsnummer="999002"))
    outcome = make.bring(house, short)
    assert outcome.state is DeliveryState.HELD
    assert outcome.schools == {"999001": DeliveryState.HELD, "999002": DeliveryState.APPLIED}
    assert periods(house) == before
    assert set(periods(house, "999002")) == {"1"}
    assert ("delivery_held", "999001") in events(house)
    accepted = make.bring(house, short, accept_holds=True)
    assert accepted.state is DeliveryState.APPLIED
    assert Counter(end for _, _, end in periods(house).values()) == {date(2027, 8, 31): 94, YESTERDAY: 6}


@pytest.mark.parametrize(
    ("pupils_there", "left", "held"),
    [(100, 95, False), (100, 94, True), (20, 16, False), (20, 15, True), (4, 1, False), (6, 1, True)],
)
def test_more_than_five_percent_and_at_least_five_are_held(house, pupils_there, left, held):
    make.schools(house)
    make.bring(house, make.file(*many(pupils_there)))
    looked = make.look(house, make.file(*many(left)))
    assert (looked.state is DeliveryState.HELD) is held
    assert bool(looked.planned[0].holds) is held


def test_ends_by_date_count_as_ends_too(house):
    make.schools(house)
    make.bring(house, make.file(*many(20)))
    for source in (many(20, einddatum="2026-11-22"), many(20, begindatum="2026-11-24")):
        assert held(make.look(house, make.file(*source))) == ["999001"]
        assert held(make.look(house, make.file(*source), delta=True)) == ["999001"]


@pytest.mark.parametrize(
    ("end", "again", "waits"),
    [
        ("2026-11-23", None, True),  # all of them would be out tonight
        ("2027-06-30", None, True),
        ("2026-11-30", ("2026-12-07", "2027-08-31"), False),  # another group from then on
        ("2026-11-30", ("2026-12-07", "2027-06-30"), True),
        ("2026-11-30", ("2027-09-01", "2028-08-31"), True),  # only the next school year
        ("2028-08-31", None, False),
    ],
)
def test_an_end_that_comes_nearer_counts_as_an_end_unless_the_pupil_goes_on(house, end, again, waits):
    make.schools(house)
    make.bring(house, make.file(*many(20)))
    rows = many(20, einddatum=end)
    if again is not None:
        rows += many(20, begindatum=again[0], einddatum=again[1], administratieve_groep="1e lj B")
    assert held(make.look(house, make.file(*rows))) == (["999001"] if waits else [])


@pytest.mark.parametrize(
    ("today", "held"),
    [
        (date(2027, 6, 14), True),
        (date(2027, 6, 15), False),
        (date(2026, 9, 30), False),
        (date(2026, 10, 1), True),
    ],
)
def test_in_summer_nobody_needs_to_look(house, today, held):
    make.schools(house)
    make.bring(house, make.file(*many(20, einddatum="2028-08-31", begindatum="2026-01-01")))
    house.clock.moment = datetime(today.year, today.month, today.day, 9, tzinfo=UTC)
    looked = make.look(house, make.file(*many(2, einddatum="2028-08-31", begindatum="2026-01-01")))
    assert (looked.state is DeliveryState.HELD) is held


def test_a_row_of_a_school_that_is_not_there_spares_who_has_its_stamnummer_and_name(house):
    make.schools(house)
    elsewhere = make.row("2", instellingsnummer="999002")
    make.bring(house, make.file(make.row("1"), make.row("2"), make.row("3", naam="Maes"), elsewhere))
    lost = [make.row(stam, instellingsnummer="999999", naam="PEETERS") for stam in ("2", "3")]
    rows = make.file(make.row("1"), *lost, make.row("1", instellingsnummer="999002"))
    for outcome in (make.look(house, rows), make.bring(house, rows)):
        told = {one.instellingsnummer: one.counts for one in outcome.planned}
        assert [(told[n]["end"], told[n]["spared"]) for n in sorted(told)] == [(1, 1), (0, 1)]
        assert codes(outcome) == [("unknown_school", 3), ("unknown_school", 4)]
    assert [periods(house)[stam][2] for stam in "123"] == [date(2027, 8, 31), date(2027, 8, 31), YESTERDAY]


def test_a_file_that_names_a_school_only_in_refused_rows_ends_nobody_there(house):
    make.schools(house)
    make.bring(house, make.file(*many(20), make.row("1", instellingsnummer="999002")))
    before = periods(house)
    make.bring(house, make.file(make.row("1", naam=""), make.row("1", instellingsnummer="999002")))
    assert periods(house) == before


def test_a_plan_speaks_without_names_or_numbers(house):
    make.schools(house)
    plan = make.look(
        house,
        make.file(make.row("19284", number=1, naam="Zeldzaam", voornaam="=Geheim"), make.row("2", naam="")),
    )
    said = "\n".join(plan.sentences())
    assert "add 1" in said
    assert "formula_like" in said
    assert not any(word in said for word in ("Zeldzaam", "Geheim", "19284", make.national_number(1)))
