"""What a program wants of a list, read or refused. Pure."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.rosters import asking, shapes
from idp.rosters.asking import Ask, Term, Wrong

USERS = shapes.FIELDS["users"]


def read(**words):
    return asking.read({name: [value] for name, value in words.items()}, USERS)


def test_nothing_asked_is_the_first_hundred_of_what_stands():
    assert read() == Ask(limit=100, offset=0)
    assert read().first
    assert not read().tombstones


@pytest.mark.parametrize(
    ("said", "terms", "either"),
    [
        ("status='active'", [("status", "=", "active")], False),
        ("status != 'tobedeleted'", [("status", "!=", "tobedeleted")], False),
        ("sourcedId='abc'", [("sourcedId", "=", "abc")], False),
        (
            "status='active' AND dateLastModified>='2026-11-23T01:00:00+01:00'",
            [("status", "=", "active"), ("dateLastModified", ">=", datetime(2026, 11, 23, tzinfo=UTC))],
            False,
        ),
        (
            "dateLastModified<'2026-11-23' OR status='tobedeleted'",
            [("dateLastModified", "<", datetime(2026, 11, 23, tzinfo=UTC)), ("status", "=", "tobedeleted")],
            True,
        ),
    ],
)
def test_filters_as_onerosters_grammar_has_them(said, terms, either):
    got = read(filter=said)
    assert got.terms == tuple(Term(field=f, operator=o, value=v) for f, o, v in terms)
    assert got.either is either


@pytest.mark.parametrize(
    ("words", "minor"),
    [
        ({"limit": "0"}, "invaliddata"),
        ({"limit": "1001"}, "invaliddata"),
        ({"limit": "ten"}, "invaliddata"),
        ({"limit": "٣"}, "invaliddata"),
        ({"offset": "-1"}, "invaliddata"),
        ({"offset": "99999999999999999999"}, "invaliddata"),
        ({"orderBy": "up"}, "invaliddata"),
        ({"after": "a b"}, "invaliddata"),
        ({"after": "a", "sort": "status"}, "invaliddata"),
        ({"rows": "5"}, "invaliddata"),
        ({"sort": "familyName"}, "invalid_sort_field"),
        ({"fields": "password"}, "invalid_selection_field"),
        ({"fields": ","}, "invalid_selection_field"),
        ({"filter": ""}, "invalid_filter_field"),
        ({"filter": "familyName='Logie'"}, "invalid_filter_field"),
        ({"filter": "status>'active'"}, "invalid_filter_field"),
        ({"filter": "status='gone'"}, "invalid_filter_field"),
        ({"filter": "dateLastModified>'yesterday'"}, "invalid_filter_field"),
        ({"filter": "dateLastModified~'2026'"}, "invalid_filter_field"),
        ({"filter": "status='active' AND"}, "invalid_filter_field"),
        ({"filter": "status='active' XOR status='active'"}, "invalid_filter_field"),
        ({"filter": "status='active' AND sourcedId='a' OR sourcedId='b'"}, "invalid_filter_field"),
        ({"filter": " AND ".join(["status='active'"] * 5)}, "invalid_filter_field"),
        ({"filter": "status='active'; DROP TABLE pupil"}, "invalid_filter_field"),
        ({"filter": "dateLastModified>'0001-01-01T00:00:00+23:00'"}, "invalid_filter_field"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_onerosters_word_for_it(words, minor):
    with pytest.raises(Wrong) as no:
        read(**words)
    assert (no.value.code, no.value.status) == (minor, 400)
    assert no.value.detail


def test_a_word_that_is_there_twice_is_refused():
    with pytest.raises(Wrong):
        asking.read({"limit": ["1", "2"]}, USERS)


@given(st.dictionaries(st.sampled_from(asking.PARAMETERS), st.text(max_size=60)))
def test_whatever_is_sent_is_read_or_refused(words):
    with contextlib.suppress(Wrong):
        assert isinstance(read(**words), Ask)


def test_the_next_page_repeats_what_was_asked():
    query = read(limit="5", filter="status='active'", fields="sourcedId").page(offset=5, after="ab")
    assert query == "filter=status%3D%27active%27&fields=sourcedId&limit=5&offset=5&after=ab"
