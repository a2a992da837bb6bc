"""Four pictures: assigned, tapped, typed, and told as a story."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.entropy import Chance
from idp.login import passwords, pictures
from idp.models import SecretKind

PLACES = st.tuples(*[st.integers(0, 11)] * 4)


def test_BRUTE_11_four_screens_of_twelve_make_20736_secrets():
    assert [len(screen.pictures) for screen in pictures.SCREENS] == [12] * 4
    assert len({*pictures.every()}) == 20_736
    assert 100 / 20_736 < 1 / 200  # the chance within the limit of the month


def test_the_words_of_a_screen_begin_with_different_letters_and_keys_are_words():
    for screen in pictures.SCREENS:
        assert len({picture.key[0] for picture in screen.pictures}) == 12
        for picture in screen.pictures:
            plain = unicodedata.normalize("NFKD", picture.words["nl"]).encode("ascii", "ignore").decode()
            assert picture.key == plain
            assert set(picture.words) == set(picture.in_story) == set(pictures.LANGUAGES)
            assert all(picture.in_story[one] for one in pictures.LANGUAGES)


@pytest.mark.parametrize("language", pictures.LANGUAGES)
def test_every_secret_can_be_typed_in_every_language_and_means_only_itself(language):
    for four in itertools.product(*(screen.pictures for screen in pictures.SCREENS)):
        assert pictures.typed(" ".join(picture.words[language] for picture in four)) == pictures.canonical(
            four
        )


@settings(max_examples=300)
@given(
    PLACES, st.tuples(*[st.sampled_from(pictures.LANGUAGES)] * 4), st.sampled_from(["", " ", "-", ", ", "  "])
)
def test_words_of_mixed_languages_mean_one_secret_with_or_without_spaces(places, languages, between):
    four = [screen.pictures[place] for screen, place in zip(pictures.SCREENS, places, strict=True)]
    text = between.join(one.words[language] for one, language in zip(four, languages, strict=True))
    for written in (text, text.upper(), unicodedata.normalize("NFD", text)):
        assert pictures.typed(written) == pictures.canonical(four)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("kat appel trein kasteel", "kat appel trein kasteel"),
        ("  Kat, APPEL - Trein / kasteel ", "kat appel trein kasteel"),
        ("katappeltreinkasteel", "kat appel trein kasteel"),
        ("Löwe mais u-bahn meer", "leeuw mais metro zee"),
        ("Loewe Käse Hubschrauber Schloss", "leeuw kaas helikopter kasteel"),
        ("Loewe Kaese Hubschrauber Schloss", "leeuw kaas helikopter kasteel"),
        ("éléphant gâteau fusée île", "olifant taart raket eiland"),
        ("dog ice cream plane sea", "hond ijsje vliegtuig zee"),
        ("appel kat trein kasteel", None),
        ("kat appel trein", None),
        ("kat appel trein kasteel zee", None),
        ("", None),
        ("kat" * 400, None),
        ("\x00", None),
    ],
)
def test_PWD_09_typed_words_count_in_the_order_of_the_screens(text, meant):
    assert pictures.typed(text) == meant
    assert passwords.canonical(SecretKind.PICTURE, text) == meant


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_secret_or_nothing(text):
    found = pictures.typed(text)
    assert found is None or pictures.typed(found) == found


@given(PLACES)
def test_taps_and_typing_lead_to_the_same_secret(places):
    secret = pictures.taps(places)
    assert secret is not None
    assert pictures.typed(secret) == secret
    assert [one.key for one in pictures.of(secret)] == secret.split()


@pytest.mark.parametrize("places", [(), (1, 2, 3), (0, 0, 0, 12), (-1, 0, 0, 0), (0, 0, 0, 0, 0)])
def test_taps_beside_the_pictures_are_no_secret(places):
    assert pictures.taps(places) is None


def test_assigned_pictures_are_spread_over_all_and_repeat_only_for_a_seed():
    drawn = [pictures.generate(Chance()) for _ in range(600)]
    for screen in range(4):
        assert len({four[screen].key for four in drawn}) == 12
    assert pictures.generate(Chance(b"seed")) == pictures.generate(Chance(b"seed"))


@pytest.mark.parametrize(
    ("secret", "language", "story"),
    [
        ("kat appel trein kasteel", "nl", "de kat eet een appel in de trein naar het kasteel"),
        ("paard rijst fiets zee", "nl", "het paard eet rijst op de fiets naar de zee"),
        ("kat appel trein kasteel", "fr", "le chat mange une pomme dans le train vers le château"),
        ("aap ijsje step school", "fr", "le singe mange une glace en trottinette vers l’école"),
        ("kat appel trein kasteel", "de", "die Katze isst einen Apfel im Zug zum Schloss"),
        ("eend wortel metro zee", "de", "die Ente isst eine Karotte in der U-Bahn zum Meer"),
        ("kat appel trein kasteel", "en", "the cat eats an apple on the train to the castle"),
    ],
)
def test_the_pictures_make_a_story(secret, language, story):
    assert pictures.story(secret, language) == story


def test_the_story_is_told_with_the_words_that_can_be_typed():
    for screen in pictures.SCREENS:
        for picture in screen.pictures:
            for language in pictures.LANGUAGES:
                assert picture.in_story[language].endswith(picture.words[language])
