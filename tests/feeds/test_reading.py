"""Files become rows, or are refused as a whole; nothing disappears silently."""

from __future__ import annotations

import codecs
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.feeds import reading
from idp.feeds.problems import CODES, Weight
from tests import make_feeds as make

REFUSED = {
    "empty.csv": ("empty_file", None, None),
    "header-only.csv": ("no_rows", None, None),
    "invalid-utf-8.csv": ("not_utf_8", 2, None),
    "missing-column.csv": ("missing_column", 1, "einddatum"),
    "unclosed-quote.csv": ("unclosed_quote", 2, None),
    "unknown-column.csv": ("unknown_column", 1, "column 17"),
    "utf-16.csv": ("utf_16", None, None),
    "windows-1252.csv": ("not_utf_8", 12, None),
}
REPORTED = {
    "control-characters.csv": (11, [("control_character", 9, "naam")]),
    "dates-reversed.csv": (11, [("dates_reversed", 4, "einddatum")]),
    "duplicate-stamnummer.csv": (12, [("duplicate", 14, None)]),
    "formula-name.csv": (12, [("formula_like", 7, "voornaam"), ("formula_like", 7, "naam")]),
    "impossible-date.csv": (11, [("impossible_date", 6, "begindatum")]),
    "markup-name.csv": (12, [("markup", 8, "voornaam"), ("markup", 8, "naam")]),
    "unknown-school.csv": (12, []),
    "very-long-name.csv": (12, [("long_name", 10, "voornaam"), ("long_name", 10, "naam")]),
    "wrong-check-number.csv": (12, [("wrong_check_number", 3, "rijksregisternummer")]),
}


def told(found):
    return [(problem.code, problem.line, problem.column) for problem in found.problems]


def test_every_bad_file_has_its_expectation():
    assert {path.name for path in (make.DATA / "bad").iterdir()} == REFUSED.keys() | REPORTED.keys()


@pytest.mark.parametrize("name", REFUSED)
def test_IMP_06_a_file_that_cannot_be_trusted_is_refused_as_a_whole(name):
    found = make.read(make.DATA / "bad" / name)
    assert (found.rows, told(found)) == (0, [REFUSED[name]])
    assert found.refused == found.problems[0]
    assert len(found.found.sha256) == 64


@pytest.mark.parametrize("name", REPORTED)
def test_IMP_17_a_bad_row_among_good_ones_is_reported_with_its_line(name):
    found = make.read(make.DATA / "bad" / name)
    assert found.refused is None
    assert (found.rows, told(found)) == REPORTED[name]
    assert found.rows + len(found.refused_rows) == found.found.records


def test_a_report_never_repeats_what_the_file_said():
    """IMP-17"""
    source = make.file(make.row("1", naam="Geheim\x07", voornaam="Zeldzaam"), make.row("2", number=1))
    headless = b"Zeldzaam;Geheim\n1;2\n"
    for found in (make.read(source), make.read(headless)):
        said = repr(found) + " ".join(problem.sentence for problem in found.problems)
        assert "Geheim" not in said
        assert "Zeldzaam" not in said
        assert make.national_number(1) not in said


def test_the_same_rows_come_out_of_every_form():
    rows = [make.row("1", number=1), make.row("2", naam='Zoë "Zo" O\'Neill; van, A')]
    csv = make.file(*rows)
    forms = [
        csv,
        codecs.BOM_UTF8 + csv,
        csv.replace(b"\r\n", b"\n"),
        csv.removesuffix(b"\r\n"),
        csv + b"\r\n\r\n",
        make.file(*rows, delimiter=","),
        make.file(*rows, header=sorted(make.HEADER)),
        "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(),
        "\n".join(json.dumps(row) for row in rows).encode() + b"\n\n",
    ]
    first = _said(make.read(csv))
    assert len(first) == 2
    for form in forms:
        assert _said(make.read(form)) == first
        assert _said(make.read(io.BytesIO(form))) == first


def _said(found):
    return [replace(row, line=0) for rows in found.schools.values() for row in rows]


def test_names_are_kept_as_people_write_them():
    found = make.read(
        make.file(
            make.row("1", voornaam="Zoe\u0308", naam=" Van  den\u00a0Broeck "),
            make.row("2", voornaam="عائشة", naam="王"),
            make.row("3", voornaam="ما\u200cری", naam="-"),
        )
    )
    names = [(row.voornaam, row.naam) for row in found.schools["999001"]]
    assert names == [("Zoë", "Van den Broeck"), ("عائشة", "王"), ("ما\u200cری", "-")]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("change", "code", "column"),
    [
        ({"voornaam": ""}, "missing_value", "voornaam"),
        ({"naam": "x" * 401}, "too_long", "naam"),
        ({"naam": "Peeters\u202esllew"}, "control_character", "naam"),
        ({"naam": "Pee\u200bters"}, "control_character", "naam"),
        ({"naam": "Pee\ufffdters"}, "replacement_character", "naam"),
        ({"stamnummer": "1\n2"}, "control_character", "stamnummer"),
        ({"instellingsnummer": "A1"}, "not_a_school_number", "instellingsnummer"),
        ({"instellingsnummer": "1234567"}, "not_a_school_number", "instellingsnummer"),
        ({"hoofdstructuur": "999"}, "unknown_word", "hoofdstructuur"),
        ({"geslacht": "?"}, "unknown_word", "geslacht"),
        ({"begindatum": "01/09/2026"}, "impossible_date", "begindatum"),
        ({"begindatum": "1026-09-01"}, "date_out_of_range", "begindatum"),
        ({"einddatum": "9999-12-31"}, "date_out_of_range", "einddatum"),
        ({"einddatum": ""}, "missing_value", "einddatum"),
        ({"administratieve_groep_code": "x" * 21}, "too_long", "administratieve_groep_code"),
    ],
)
def test_a_row_that_cannot_be_used_names_its_column(change, code, column):
    found = make.read(make.file(make.row("1"), make.row("2") | change))
    assert found.rows == 1
    assert told(found) == [(code, 3, column)]


def test_a_school_number_is_padded():
    assert list(make.read(make.file(make.row(instellingsnummer="42"))).schools) == ["000042"]


def test_official_data_need_a_valid_number():
    found = make.read(
        make.file(
            make.row("1", number=1),
            make.row("2", number=2, rijksregisternummer="12450600299"),
            make.row("3", officiele_voornaam="Bo"),
        )
    )
    one, two, three = found.schools["999001"]
    assert one.official
    assert one.official.voornaam == "Bo"
    assert two.official is None
    assert two.numbers == ()
    assert three.official is None
    assert told(found) == [
        ("wrong_check_number", 3, "rijksregisternummer"),
        ("official_data_dropped", 4, None),
    ]


def test_IMP_07_a_stamnummer_or_number_twice_at_one_school_is_reported():
    found = make.read(
        make.file(
            make.row("1", number=1, einddatum="2026-10-31"),
            make.row("1", number=1, begindatum="2026-11-01"),
            make.row("1", number=1, begindatum="2026-12-01"),
            make.row("2", number=1),
            make.row("2", number=2, instellingsnummer="999002"),
        )
    )
    assert told(found) == [("duplicate", 4, None), ("number_twice", 5, None)]
    assert {school: [row.line for row in rows] for school, rows in found.schools.items()} == {
        "999001": [2, 3],
        "999002": [6],
    }


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        (b'999001;1;"Zo"e;x\r\n', "broken_quotes", 2),
        (b'999001;1;Z"o"e;x\r\n', "broken_quotes", 2),
        (b"999001;1;Zo\re;x\r\n", "broken_line_end", 2),
        (b"\r\n999001;1;Zo\xc3;x\r\n", "not_utf_8", 3),
        (b"x" * 70_000, "line_too_long", 2),
        (b'"' + b"x\n" * 40_000, "unclosed_quote", 2),
    ],
)
def test_a_fault_of_form_refuses_the_file(body, code, line):
    found = make.read(";".join(make.HEADER).encode() + b"\r\n" + body)
    assert found.refused
    assert (found.refused.code, found.refused.line) == (code, line)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('{"naam": "a", "naam": "b"}', "not_json"),
        ('{"naam": NaN}', "not_json"),
        ('{"naam": ', "not_json"),
        ("[" * 100_000, "line_too_long"),
        ('{"naam": ' + "[" * 30_000, "not_json"),
        ('{"wachtwoord": "x"}', "unknown_column"),
        ("[]", "not_json"),
    ],
)
def test_a_fault_in_a_json_line_refuses_the_file(line, code):
    found = make.read((json.dumps(make.row()) + "\n" + line).encode())
    assert found.refused
    assert (found.refused.code, found.refused.line) == (code, 2)


def test_a_json_value_that_is_no_text_refuses_the_row():
    lines = [json.dumps(make.row(stamnummer=value)) for value in ("1", 2, True, ["3"], {"x": 1}, "\ud800")]
    found = make.read("\n".join(lines).encode())
    assert found.rows == 1
    assert [problem.code for problem in found.problems] == ["not_text"] * 4 + ["control_character"]


def test_IMP_05_a_file_stops_at_its_limits():
    rows = make.file(*[make.row(str(n)) for n in range(5)])
    few = reading.Limits(megabytes=1, rows=4)
    assert make.read(rows, limits=few).refused.code == "too_many_rows"
    endless = _Endless(b"999001;" * 1000)
    assert make.read(endless, limits=few).refused.code == "line_too_long"
    endless = _Endless(b"x;y\n")
    assert make.read(endless, limits=few).refused.code in {"unknown_column", "too_large"}
    assert endless.given <= 3 * reading.MEGABYTE
    assert make.read(make.DATA).refused.code == "not_a_file"
    assert make.read(make.DATA / "not there").refused.code == "not_a_file"


class _Endless(io.RawIOBase):
    """A stream that never stops."""

    def __init__(self, again: bytes) -> None:
        self.again, self.given = again, 0

    def readline(self, size=-1):
        found = self.again if b"\n" in self.again else (self.again * (size // len(self.again) + 1))[:size]
        self.given += len(found)
        return found

    def read(self, size=-1):
        found = (self.again * (size // len(self.again) + 1))[:size]
        self.given += len(found)
        return found


def test_every_code_has_a_sentence_and_a_weight():
    assert all(isinstance(weight, Weight) and sentence.endswith(".") for weight, sentence in CODES.values())


# ---------------------------------------------------------------- properties

cell = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", '"', '""', ";", ",", "\r", "\n", "2026-09-01", "999001", "=1+1", "\x00", "M", "111"]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_at_all_make_it_raise(source):
    found = make.read(source)
    assert found.refused or found.found.records == found.rows + len(found.refused_rows)
    header = ";".join(make.HEADER).encode() + b"\n"
    found = make.read(header + source)
    assert found.refused or found.found.records == found.rows + len(found.refused_rows)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(make.HEADER), cell, max_size=5), min_size=1, max_size=6))
def test_a_well_formed_file_loses_no_row(changes):
    """Rows and refused rows are all lines of a file that RFC 4180 allows."""
    rows = [make.row(str(n), number=n + 1) | change for n, change in enumerate(changes)]
    rows = [{name: value.encode(errors="ignore").decode() for name, value in row.items()} for row in rows]
    found = make.read(make.file(*rows))
    assert found.refused is None
    assert found.found.records == len(rows)
    assert found.rows + len(found.refused_rows) == len(rows)
    lines = {row.line for school in found.schools.values() for row in school}
    refused = {row.line for row in found.refused_rows}
    assert not lines & refused
    assert refused == {problem.line for problem in found.problems if problem.weight is Weight.ROW}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(make.HEADER), st.one_of(cell, st.integers(), st.none())), max_size=6
    )
)
def test_a_well_formed_json_file_loses_no_row(rows):
    found = make.read("\n".join(json.dumps(row) for row in rows).encode())
    assert found.refused is None or not rows
    assert found.rows + len(found.refused_rows) == found.found.records == (0 if found.refused else len(rows))
