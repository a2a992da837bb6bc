"""Passwords: those we make, and those we accept."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.entropy import Chance
from idp.login import passwords
from idp.models import SecretKind


def test_the_short_words_are_many_distinct_and_of_three_letters():
    assert len(passwords.WORDS) >= 150
    assert len(set(passwords.WORDS)) == len(passwords.WORDS)
    consonant = "[bcdfghjklmnprstvwz]"
    assert all(re.fullmatch(f"{consonant}[aeiou]{consonant}", word) for word in passwords.WORDS)


@given(st.binary(min_size=8, max_size=8))
def test_a_basic_password_is_a_word_among_three_digits(seed):
    made = passwords.generate_basic(Chance(seed))
    found = re.fullmatch(r"([2-9]{1,2})([a-z]{3})([2-9]{1,2})", made)
    assert found
    assert len(made) == 6
    assert found[2] in passwords.WORDS
    assert passwords.canonical(SecretKind.BASIC, made) == made


@given(st.binary(min_size=8, max_size=8))
def test_a_temporary_password_has_eight_characters_nobody_mistakes(seed):
    made = passwords.generate_temporary(Chance(seed))
    assert len(made) == 8
    assert made.isascii()
    assert made.isalnum()
    assert not set(made) & set("0Oo1lIi")
    assert made not in {made.lower(), made.upper()}


def test_a_basic_password_forgives_case_and_spaces_around_it_and_an_own_one_does_not():
    assert passwords.canonical(SecretKind.BASIC, " 29BAN9\n") == "29ban9"
    assert passwords.canonical(SecretKind.BASIC, "2 9ban9") == "2 9ban9"
    assert passwords.canonical(SecretKind.TEMPORARY, " pgu9J7Zn ") == "pgu9J7Zn"
    assert passwords.canonical(SecretKind.OWN, " Zonnebloem in 7 ") == " Zonnebloem in 7 "


def test_an_own_password_is_the_same_on_every_keyboard():
    assert passwords.canonical(SecretKind.OWN, "cafe\u0301 op de hoek") == "café op de hoek"


@pytest.mark.parametrize("kind", SecretKind)
def test_DOS_01_too_much_is_nothing(kind):
    assert passwords.canonical(kind, "a" * 1_000_000) is None
    assert passwords.canonical(kind, "") is None


NAMES = ("Milan", "De Bremme", "milan.debremme", "Basisschool De Wijzer", "Leersleutel", "LeerID")


@pytest.mark.parametrize(
    ("password", "codes"),
    [
        ("kort", ["password_too_short"]),
        ("a" * 129, ["password_too_long"]),
        ("password", ["password_too_common"]),
        ("Wachtwoord123", ["password_too_common"]),
        ("welkom01", ["password_too_common"]),
        ("Welkom01!!", ["password_too_common"]),
        ("AZERTYUIOP", ["password_too_common"]),
        ("qwertyuiop", ["password_too_common"]),
        ("aaaaaaaaaaaa", ["password_too_common"]),
        ("MilanDeBremme", ["password_is_a_name"]),
        ("milan2014!", ["password_is_a_name"]),
        ("DeWijzer2026", ["password_is_a_name"]),
        ("leersleutel1", ["password_is_a_name"]),
        ("leerid2026", ["password_is_a_name"]),
        ("milan houdt van kaas", []),
        ("zonnebloem in 7", []),
        ("сорок два тигра", []),
        ("👩‍🚀🚲🥕🐌 maandag", []),
        ("x9" + "é" * 60 + "klm", []),
        ("acht tekens lang en meer " * 5, []),
    ],
)
def test_PWD_02_an_own_password_is_judged_by_length_and_by_what_everyone_tries(password, codes):
    assert passwords.judge_own(password, names=NAMES) == codes


def test_PWD_02_the_three_thousand_most_common_ones_are_refused():
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    common = [word for word in FREQUENCY_LISTS["passwords"][:3000] if len(word) >= 8]
    assert len(common) > 300
    assert not [word for word in common if not passwords.judge_own(word, names=())]


@given(st.text(min_size=8, max_size=128))
def test_judging_is_the_same_for_composed_and_decomposed_text(password):
    composed = unicodedata.normalize("NFC", password)
    assert passwords.judge_own(password, names=NAMES) == passwords.judge_own(composed, names=NAMES)
