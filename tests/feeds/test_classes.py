"""Classes: what a package may deliver, what is stored of it, and what a person must look at first."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from idp import audit, config, models
from idp.claims import consent
from idp.feeds import classes
from idp.models import ClassMembership, DeliveryState, Klas
from tests import make as plain
from tests import make_feeds as make

INFORMAT = make.DATA / "informat" / "999002-registrations.json"
WISA = make.DATA / "wisa" / "999001-leerlingen.csv"
SETTINGS = config.read({})


def school(house, *, number="999002", pakket="informat", shares=True, pupils=0):
    with house.database.transaction() as db:
        plain.school(db, number, pakket=pakket)
        if shares:
            plain.agreement(db, number)
    if pupils:
        rows = [make.row(str(n), instellingsnummer=number) for n in range(pupils)]
        make.bring(house, make.file(*rows))


def plan(house, source, form="informat", number="999002", **words):
    found = classes.read(form, source, settings=house.settings)
    today = words.pop("today", house.clock.today())
    with house.database.reading() as db:
        return classes.plan(
            db, found, instellingsnummer=number, today=today, settings=house.settings, **words
        )


def bring(house, source, form="informat", number="999002", *, accept_holds=False, **words):
    made = plan(house, source, form, number, **words)
    with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="operator:cli", source="cli")):
        return classes.apply(house, made, accept_holds=accept_holds)


def ours(*rows):
    """Our own format, from (stamnummer, klas_id) and changes."""
    base = {"soort": "klas", "begindatum": "2026-09-01", "einddatum": None}
    made = []
    for stamnummer, klas, *change in rows:
        words = {"stamnummer": stamnummer, "klas_id": klas, "klascode": klas, "klasnaam": f"Klas {klas}"}
        made.append(base | words | (change[0] if change else {}))
    return json.dumps(made).encode()


def seats(house, number="999002"):
    """Who sits where: (stamnummer, klas_id) of standing rows."""
    query = (
        select(models.Enrolment.stamnummer, Klas.klas_id)
        .select_from(ClassMembership)
        .join(Klas, Klas.id == ClassMembership.klas)
        .join(models.Enrolment, models.Enrolment.account_uuid == ClassMembership.account_uuid)
        .where(ClassMembership.replaced_at.is_(None), models.Enrolment.instellingsnummer == number)
        .where(ClassMembership.instellingsnummer == number)
    )
    with house.database.reading() as db:
        return sorted({tuple(row) for row in db.execute(query)})


def everything_stored(house):
    with house.database.reading() as db:
        return [*db.execute(select(Klas.id)), *db.execute(select(ClassMembership.id))]


def codes(made):
    return [(problem.code, problem.line) for problem in made.problems]


# ---------------------------------------------------------------- adapters


def test_informat_gives_classes_and_subclasses_and_no_olod():
    found = classes.read("informat", INFORMAT, settings=SETTINGS)
    raw = json.loads(INFORMAT.read_text(encoding="utf-8"))
    kinds = [klas["groepType"] for one in raw for klas in one["inschrKlassen"]]
    assert 3 in kinds
    assert len(found.rows) == len([kind for kind in kinds if kind in {0, 1}])
    assert {row.soort for row in found.rows} == {models.Soort.KLAS, models.Soort.SUBKLAS}
    assert (found.ignored, found.problems) == (kinds.count(3), ())
    first = found.rows[0]
    assert (first.instellingsnummer, first.stamnummer, first.klascode) == ("999002", "2410000", "K01A")
    assert (first.begindatum, first.einddatum) == (date(2026, 9, 1), None)


@pytest.mark.parametrize(
    ("change", "ignored", "told"),
    [
        ({"status": 1}, 1, []),
        ({"status": 4}, 1, []),
        ({"status": False}, 1, []),
        ({"stamnr": 7}, 0, ["not_text"]),
        ({"stamnr": ""}, 0, ["missing_value"]),
        ({"instelnr": "x"}, 0, ["not_a_school_number"]),
        ({"inschrKlassen": None}, 0, ["missing_value"]),
        ({"inschrKlassen": [7]}, 0, ["not_text"]),
        ({"inschrKlassen": [{"groepType": 2}]}, 0, ["unknown_word"]),
        ({"inschrKlassen": [{"groepType": 3}]}, 1, []),
        (
            {"inschrKlassen": [{"groepType": 0, "klasCode": "1A", "begindatum": "2026-02-30"}]},
            0,
            ["impossible_date"],
        ),
    ],
)
def test_informat_registrations_that_do_not_count(change, ignored, told):
    one = {"instelnr": "42", "stamnr": "1", "status": 0, "inschrKlassen": []} | change
    found = classes.read("informat", json.dumps([one]).encode(), settings=SETTINGS)
    assert (len(found.rows), found.ignored, [p.code for p in found.problems]) == (0, ignored, told)


def test_informat_numbers_of_schools_are_padded_and_lines_are_told():
    klas = {"groepType": 0, "klasCode": "1A", "begindatum": "2026-09-01T00:00:00"}
    one = {"instelnr": "42", "stamnr": "1", "status": 0, "inschrKlassen": [klas]}
    text = "[\n" + json.dumps(one) + ",\n\n" + json.dumps(one | {"stamnr": "2"}) + "\n]\n"
    found = classes.read("informat", text.encode(), settings=SETTINGS)
    assert [(row.line, row.instellingsnummer, row.klas_id) for row in found.rows] == [
        (2, "000042", "1A"),
        (4, "000042", "1A"),
    ]


def test_wisa_gives_a_class_and_a_subclass_whatever_its_letters():
    found = classes.read("wisa", WISA, settings=SETTINGS)
    assert (found.refused, found.problems) == (None, ())
    of = [(row.klascode, row.soort.value) for row in found.rows if row.stamnummer == "2300063"]
    assert ("DV2", "klas") in of
    assert ("DV2.AVN.3", "subklas") in of
    assert all(row.begindatum and row.begindatum >= date(2026, 9, 1) for row in found.rows)
    assert not any("ë" in repr(row) for row in found.rows)


def test_our_own_format_comes_as_csv_json_lines_or_an_array():
    array = ours(("1", "1A"), ("2", "1A"))
    objects = json.loads(array)
    lines = "\n".join(json.dumps(one) for one in objects).encode()
    head = list(objects[0])
    csv = ";".join(head) + "\n" + "\n".join(";".join(one[name] or "" for name in head) for one in objects)
    forms = [classes.read("leersleutel", form, settings=SETTINGS) for form in (array, lines, csv.encode())]
    for found in forms:
        assert found.problems == ()
        assert [(row.stamnummer, row.klas_id) for row in found.rows] == [("1", "1A"), ("2", "1A")]


@pytest.mark.parametrize(
    ("form", "source", "code"),
    [
        ("informat", b"", "empty_file"),
        ("informat", b"{}", "not_json"),
        ("informat", b"[]", "no_rows"),
        ("informat", b"[{]", "not_json"),
        ("informat", b"[{},]", "not_json"),
        ("informat", b"[{}] x", "not_json"),
        ("informat", b"[" * 100_000, "not_json"),
        ("informat", b"\xff\xfe[\x00", "utf_16"),
        ("informat", b'[{"x": "\xff"}]', "not_utf_8"),
        ("informat", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "packed"),
        ("leersleutel", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "packed"),
        ("wisa", b"PK\x03\x04\x14\x00\x06\x00", "packed"),
        ("leersleutel", b'[{"wachtwoord": "x"}]', "unknown_column"),
        ("leersleutel", b"klas_id;naam\n1;2\n", "unknown_column"),
        ("leersleutel", b"klas_id;klascode\n1;2\n", "missing_column"),
        ("wisa", b"KLAS,NAAM\n1,2\n", "missing_column"),
        ("wisa", b'KLAS,KLASGROEP,STAMBOEKNUMMER,KLASWIJZIGING\n1A,"00,1,', "unclosed_quote"),
        ("broekx", b"", "unknown_format"),
    ],
)
def test_a_delivery_with_a_fault_of_form_is_refused(form, source, code):
    found = classes.read(form, source, settings=SETTINGS)
    assert found.refused
    assert found.refused.code == code
    assert found.rows == ()


def test_IMP_05_limits_of_size_rows_and_classes():
    few = config.read({}, import_rows=3, import_classes=2, import_megabytes=1)
    four = ours(*[(str(n), "1A") for n in range(4)])
    assert classes.read("leersleutel", four, settings=few).refused.code == "too_many_rows"
    three = ours(*[(str(n), f"1{n}") for n in range(3)])
    assert classes.read("leersleutel", three, settings=few).refused.code == "too_many_classes"
    assert classes.read("leersleutel", b"[" + b" " * 2_000_000, settings=few).refused.code == "too_large"


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("words", "form", "number", "code"),
    [
        ({}, "informat", "999009", "school_not_known"),
        ({"shares": False}, "informat", "999002", "does_not_share"),
        ({"pakket": "wisa"}, "informat", "999002", "wrong_package"),
        ({"pakket": None}, "informat", "999002", "wrong_package"),
        ({}, "leersleutel", "999002", "wrong_package"),
    ],
)
def test_a_school_gets_classes_only_from_its_package_and_only_while_it_shares(
    house, words, form, number, code
):
    school(house, pupils=1, **words)
    source = INFORMAT if form == "informat" else ours(("1", "1A"))
    outcome = bring(house, source, form, number)
    assert outcome.state is DeliveryState.REFUSED
    assert outcome.plan.refused.code == code
    assert everything_stored(house) == []
    with house.database.reading() as db:
        assert (
            db.execute(select(models.AuditEvent.event).order_by(models.AuditEvent.id)).scalars().all()[-1]
            == "delivery_refused"
        )


def test_IMP_10_sharing_stopped_between_arrival_and_processing_stores_nothing(house):
    school(house, pupils=2)
    made = plan(house, ours(("0", "1A"), ("1", "1A")), "leersleutel", operator=True)
    assert made.refused is None
    with house.database.transaction() as db:
        db.execute(update(models.Agreement).values(stopped_at=house.clock.now()))
        assert not consent.state(db, "999002", house.clock.today()).shares
    outcome = classes.apply(house, made)
    assert (outcome.state, outcome.plan.refused.code) == (DeliveryState.REFUSED, "does_not_share")
    assert everything_stored(house) == []


def test_an_older_snapshot_than_the_last_applied_is_refused(house):
    school(house, pupils=2)
    now = house.clock.now()
    source = ours(("0", "1A"))
    first = bring(house, source, "leersleutel", operator=True, snapshot_at=now)
    again = bring(house, source, "leersleutel", operator=True, snapshot_at=now)
    older = bring(house, source, "leersleutel", operator=True, snapshot_at=now - timedelta(hours=1))
    assert [first.state, again.state] == [DeliveryState.APPLIED] * 2
    assert (older.state, older.plan.refused.code) == (DeliveryState.REFUSED, "stale")


# ---------------------------------------------------------------- applied


def test_the_synthetic_classes_arrive_and_arrive_again_without_a_change(house):
    make.schools(house)
    make.bring(house, make.DATA / "enrolments.csv")
    with house.database.transaction() as db:
        for number in ("999001", "999002"):
            plain.agreement(db, number)
    outcome = bring(house, INFORMAT)
    assert outcome.state is DeliveryState.APPLIED
    assert codes(outcome.plan) == []
    stored = seats(house)
    assert len(stored) == outcome.plan.counts["add"] == len(outcome.plan.memberships)
    again = bring(house, INFORMAT)
    assert again.state is DeliveryState.APPLIED
    assert {n: c for n, c in again.plan.counts.items() if c and n not in {"classes", "ignored"}} == {
        "keep": len(stored)
    }
    wisa = bring(house, WISA, "wisa", "999001")
    assert wisa.state is DeliveryState.APPLIED
    assert ("2300063", "DV2.AVN.3") in seats(house, "999001")


def test_rows_that_cannot_be_used_are_told_and_end_nothing(house):
    school(house, pupils=40)
    everyone = [(str(n), "1A") for n in range(40)]
    bring(house, ours(*everyone), "leersleutel", operator=True)
    rows = [*everyone[4:], ("99", "1A"), ("0", "1A", {"begindatum": "2026-02-30"})]
    rows += [("1", "1A", {"instellingsnummer": "999001"}), ("2", "1A", {"klasnaam": "Anders"})]
    rows += [("4", "1A")]
    made = plan(house, ours(*rows), "leersleutel", operator=True)
    told = sorted(code for code, _ in codes(made))
    assert told == ["duplicate", "impossible_date", "klas_differs", "other_school", "unknown_pupil"]
    outcome = bring(house, ours(*rows), "leersleutel", operator=True)
    assert outcome.state is DeliveryState.APPLIED
    left = {stamnummer for stamnummer, _ in seats(house)}
    assert {"0", "2"} <= left
    assert "3" not in left


def test_a_pupil_is_found_by_every_identifier_and_only_at_this_school(house):
    school(house, number="999001", pupils=1)
    school(house, pupils=3)
    with house.database.transaction() as db:
        uuids = dict(
            db.execute(
                select(models.Enrolment.stamnummer, models.Enrolment.account_uuid).where(
                    models.Enrolment.instellingsnummer == "999002"
                )
            ).all()
        )
        other = db.execute(
            select(models.Enrolment.account_uuid).where(models.Enrolment.instellingsnummer == "999001")
        ).scalar_one()
        leerid = "7f3d14ef-6c53-42c2-a54b-1c7d0670217d"
        one = models.Pupil.account_uuid == uuids["1"]
        db.execute(update(models.Pupil).where(one).values(leerid_uuid=leerid))
        merged = plain.pupil(db, merged_into=uuids["2"])
    rows = [
        (None, "1A", {"account_uuid": uuids["0"]}),
        ("1", "1A", {"leerid_uuid": leerid.upper()}),
        (None, "1A", {"account_uuid": merged}),
        (None, "1A", {"account_uuid": other}),
        ("0", "1B", {"account_uuid": uuids["1"]}),
        ("0", "1B", {"account_uuid": merged[:-1]}),
        (None, "1B"),
    ]
    made = plan(house, ours(*rows), "leersleutel", operator=True)
    assert sorted(one.account_uuid for one in made.memberships) == sorted(uuids.values())
    assert sorted(code for code, _ in codes(made)) == [
        "different_pupils",
        "missing_value",
        "not_an_identifier",
        "unknown_pupil",
    ]


def test_a_row_without_a_begin_counts_from_the_enrolment(house):
    school(house, pupils=1)
    made = plan(house, ours(("0", "1A", {"begindatum": None})), "leersleutel", operator=True)
    assert next(iter(made.memberships)).begindatum == date(2026, 9, 1)


def test_a_row_without_a_begin_counts_from_the_enrolment_of_now_and_not_of_next_year(house):
    school(house)
    years = (("2024-09-01", "2025-08-31"), ("2026-09-01", "2027-08-31"), ("2027-09-01", "2028-08-31"))
    rows = [
        make.row(str(n), instellingsnummer="999002", begindatum=first, einddatum=last)
        for n, some in enumerate((years, years[:1], years[2:]))
        for first, last in some
    ]
    make.bring(house, make.file(*rows))
    source = ours(*((str(n), "1A", {"begindatum": None}) for n in range(3)))
    made = plan(house, source, "leersleutel", operator=True)
    assert [one.begindatum.year for one in made.memberships] == [2026, 2024, 2027]


# ---------------------------------------------------------------- held


def _held(house, before, after, **words):
    school(house, pupils=40)
    first = bring(house, ours(*before), "leersleutel", operator=True)
    assert first.state is DeliveryState.APPLIED
    there = seats(house)
    outcome = bring(house, ours(*after), "leersleutel", operator=True, **words)
    if outcome.state is DeliveryState.HELD:
        assert seats(house) == there
    return [hold.code for hold in outcome.plan.holds]


TEN = [(str(n), "1A") for n in range(10)]
OTHERS = [(str(n), "1B") for n in range(10, 40)]
LAST_YEAR = {"begindatum": "2025-09-01", "einddatum": "2026-11-22"}
"""It ended yesterday."""
NEXT_YEAR = {"begindatum": "2027-09-01"}
EVERYBODY = ["class_emptied", "many_memberships_gone"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (TEN + OTHERS, TEN + OTHERS, []),
        (TEN + OTHERS, TEN[:5] + OTHERS, []),
        (TEN + OTHERS, TEN[:4] + OTHERS, ["class_halved"]),
        (TEN + OTHERS, OTHERS[:29] + TEN[:3], ["class_halved"]),
        (TEN + OTHERS, TEN + OTHERS[:22], []),
        (TEN + OTHERS, TEN + OTHERS[:21], ["many_memberships_gone"]),
        ([*TEN, ("39", "1C")], TEN, ["class_emptied"]),
        ([*TEN, ("39", "1C")], [*TEN, ("38", "1C")], []),
        (TEN + OTHERS, OTHERS, ["class_emptied", "many_memberships_gone"]),
        (
            [*TEN, ("11", "2"), ("12", "2"), ("13", "2"), ("14", "2")],
            [*TEN, ("11", "2")],
            ["many_memberships_gone"],
        ),
        ([*TEN, *OTHERS], [(*one, LAST_YEAR) for one in TEN + OTHERS], EVERYBODY),
        ([*TEN, *OTHERS], [(*one, NEXT_YEAR) for one in TEN + OTHERS], EVERYBODY),
        (TEN + OTHERS, [(*one, LAST_YEAR) for one in TEN[:6]] + TEN[6:] + OTHERS, ["class_halved"]),
        (TEN + OTHERS, [(*one, {"einddatum": "2027-06-30"}) for one in TEN + OTHERS], []),
        ([*TEN, ("39", "1C", LAST_YEAR)], [*TEN, ("39", "1C", LAST_YEAR)], []),
    ],
)
def test_a_delivery_that_empties_classes_is_held(house, before, after, expected):
    assert _held(house, before, after) == expected


def test_a_delivery_that_renames_many_classes_is_held_outside_the_summer(house):
    before = [(str(n), f"k{n % 5}") for n in range(40)]
    one = [(s, k, {"klasnaam": "Nieuw"} if k == "k0" else {}) for s, k in before]
    two = [(s, k, {"klasnaam": "Nieuw"} if k in {"k0", "k1", "k2"} else {}) for s, k in before]
    assert _held(house, before, one) == []
    assert [hold.code for hold in plan(house, ours(*two), "leersleutel", operator=True).holds] == [
        "many_names_changed"
    ]
    summer = plan(house, ours(*two), "leersleutel", operator=True, today=date(2026, 9, 30))
    assert summer.holds == ()


def test_in_summer_new_classes_are_no_loss_but_no_class_at_all_is(house):
    before = [(str(n), "3A") for n in range(40)]
    after = [(str(n), "4A") for n in range(40)]
    school(house, pupils=40)
    bring(house, ours(*before), "leersleutel", operator=True)
    words = {"operator": True, "today": date(2026, 9, 2)}
    assert plan(house, ours(*after), "leersleutel", **words).holds == ()
    assert plan(house, ours(*after[:10]), "leersleutel", **words).holds
    assert plan(house, ours(*after), "leersleutel", operator=True).holds


def test_pupils_who_left_the_school_may_leave_their_classes(house):
    school(house, pupils=40)
    everyone = [(str(n), "1A") for n in range(40)]
    bring(house, ours(*everyone), "leersleutel", operator=True)
    with house.database.transaction() as db:
        gone = models.Enrolment.stamnummer.in_([str(n) for n in range(20)])
        db.execute(update(models.Enrolment).where(gone).values(einddatum=date(2026, 11, 22)))
    assert plan(house, ours(*everyone[20:]), "leersleutel", operator=True).holds == ()


def test_a_person_who_looked_may_let_a_held_delivery_through(house):
    school(house, pupils=40)
    bring(house, ours(*TEN, *OTHERS), "leersleutel", operator=True)
    outcome = bring(house, ours(*OTHERS), "leersleutel", operator=True, accept_holds=True)
    assert outcome.state is DeliveryState.APPLIED
    assert seats(house) == sorted(OTHERS)


# ---------------------------------------------------------------- properties

anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just("2026-09-01"), st.just(0)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["instelnr", "stamnr", "status", "inschrKlassen", "klasCode", "groepType", "klas_id", "soort"]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(classes.ADAPTERS)),
    st.one_of(
        st.binary(max_size=200), anything.map(json.dumps), st.lists(anything, max_size=4).map(json.dumps)
    ),
)
def test_no_delivery_at_all_makes_reading_raise(form, source):
    found = classes.read(form, source if isinstance(source, bytes) else source.encode(), settings=SETTINGS)
    assert found.refused or found.format == form
