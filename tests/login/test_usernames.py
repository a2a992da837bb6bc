"""User names: what is proposed, and what is meant by what somebody typed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.login import usernames


@pytest.mark.parametrize(
    ("voornaam", "naam", "proposed"),
    [
        ("Gastón", "Logie", "gaston.logie"),
        ("Süheda", "Carabin", "suheda.carabin"),
        ("Milan", "De Bremme", "milan.debremme"),
        ("Lena", "D'Hondt", "lena.dhondt"),
        ("Yasmine", "El Amrani", "yasmine.elamrani"),
        ("Anne-Sophie", "Van der Elst-Łukasz", "annesophie.vanderelstlukasz"),
        ("Øyvind", "Strauß", "oyvind.strauss"),
        ("Işıl", "Þórsdóttir", "isil.thorsdottir"),
        ("明", "李", "ming.li"),
        ("Мила", "Петрова", "mila.petrova"),
        ("Plato", "", "plato"),
        ("", "", "leerling"),
        ("’", "-", "leerling"),
    ],
)
def test_NAME_03_a_name_gives_one_plain_user_name(voornaam, naam, proposed):
    assert usernames.propose(voornaam, naam) == proposed


@given(st.text(max_size=450), st.text(max_size=450))
def test_NAME_03_whatever_the_name_the_proposal_can_be_kept_and_typed(voornaam, naam):
    name = usernames.propose(voornaam, naam)
    assert usernames.valid(name) is None
    assert usernames.canonical(name) == name


@pytest.mark.parametrize(
    "typed",
    [
        "jan.peeters",
        "JAN.PEETERS",
        "  jan.peeters ",
        "jan peeters",
        "Jan  Peeters",
        "jan．peeters",
        "ｊａｎ.peeters",
        "ján.péeters",
        "j\u0430n.peeters",
        "jan.peeters.",
        "j'an.pee-ters",
        "ja\u0301n.peeters",
    ],
)
def test_NAME_01_many_ways_to_type_it_mean_one_user_name(typed):
    assert usernames.canonical(typed) == "jan.peeters"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        ".",
        "jan.peeters\x00",
        "jan@school.example",
        "a" * 51,
        "a" * 5000,
        "\u202ejan",
        "ja\u200bn",
        "jan/peeters",
        "jan%00",
        "ﷺ" * 40,
        "\ud800",
    ],
)
def test_NAME_07_what_cannot_be_a_user_name_is_none(typed):
    assert usernames.canonical(typed) is None


@given(st.text(max_size=300))
def test_NAME_02_what_is_canonical_stays_so_and_is_plain_ascii(typed):
    name = usernames.canonical(typed)
    if name is not None:
        assert usernames.canonical(name) == name
        assert usernames.canonical(name.upper()) == name
        assert usernames.valid(name) is None
        assert name.isascii()
        assert len(name) <= 50


def test_candidates_count_up_and_never_grow_too_long():
    assert [*itertools.islice(usernames.candidates("elis.ademova"), 3)] == [
        "elis.ademova",
        "elis.ademova2",
        "elis.ademova3",
    ]
    long = [*itertools.islice(usernames.candidates("a" * 47 + ".bc"), 1500)]
    assert len(set(long)) == 1500
    assert all(usernames.valid(name) is None for name in long)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("abdulghani.bogdannnn", None),
        ("", "username_empty"),
        ("a" * 51, "username_too_long"),
        ("jan@x", "username_at"),
        ("Jan.Peeters", "username_characters"),
        ("jan..peeters", "username_characters"),
        ("jan.peeters\n", "username_characters"),
    ],
)
def test_an_edited_user_name_is_refused_with_a_reason(name, code):
    assert usernames.valid(name) == code
