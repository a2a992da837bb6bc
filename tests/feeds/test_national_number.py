"""Check digits of national numbers."""

from __future__ import annotations

import csv
from datetime import date

import pytest

from idp.feeds import national_number
from tests import make_feeds as make


@pytest.mark.parametrize(
    ("typed", "born", "expected"),
    [
        ("85073003328", None, "85073003328"),
        ("85.07.30-033 28", None, "85073003328"),
        ("85073003328", date(1985, 7, 30), "85073003328"),
        ("85073003328", date(2085, 7, 30), None),
        ("17073003384", None, "17073003384"),
        ("17073003384", date(2017, 7, 30), "17073003384"),
        ("17073003384", date(1917, 7, 30), None),
        ("85073003329", None, None),
        ("8507300332", None, None),
        ("850730033281", None, None),
        ("٨٥٠٧٣٠٠٣٣٢٨", None, None),
        ("", None, None),
        ("10410100000", date(2010, 1, 1), None),
        ("00000000097", None, None),
    ],
)
def test_a_number_is_right_or_none(typed, born, expected):
    assert national_number.canonical(typed, born) == expected


def test_every_invented_number_of_the_synthetic_schools_is_right():
    with (make.DATA / "enrolments.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter=";") if row["rijksregisternummer"]]
    assert len(rows) == 1205
    for row in rows:
        born = date.fromisoformat(row["geboortedatum"])
        assert national_number.canonical(row["rijksregisternummer"], born) == row["rijksregisternummer"]


@pytest.mark.parametrize("digit", range(11))
def test_a_number_with_one_wrong_digit_is_never_right(digit):
    right = make.national_number(7)
    wrong = right[:digit] + str((int(right[digit]) + 1) % 10) + right[digit + 1 :]
    assert national_number.canonical(wrong, date(2012, 5, 6)) is None
