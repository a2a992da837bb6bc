"""Every text that a person reads exists in four languages, with the same gaps to fill."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from idp import sentences
from idp.login import pages, pictures

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
OWN_NAMES = {"Nederlands", "Français", "Deutsch", "English"}
"""Languages, each in itself."""
STAFF = ("templates/admin/", "idp/admin/", "templates/login/staff_", "idp/login/pages_staff")
"""Where texts stand that staff read."""
TO_PUPILS = {"Ben je leerling?", "Meld je hier aan."}
"""What a page of staff says to a pupil who came there by mistake."""
SOME = r"%\(\w+\)s (apps|leerlingen|klassen|subklassen|groepen|scholen|gegevens|aanmeldingen|kaarten|regels|accounts)\b"
"""A number, and things of which there may be one."""
MANY = {"gaat naar %(num)s scholen en kiest er een"}
"""Said of two and more only."""
sys.path.insert(0, str(ROOT / "tools"))

import translations  # noqa: E402


@pytest.fixture(scope="module")
def texts():
    return translations.texts()


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_nothing_is_untranslated(texts, language):
    assert translations.missing(translations.read(language), texts) == []


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_nothing_is_kept_that_no_page_says(texts, language):
    kept = {message.id for message in translations.read(language) if message.id}
    assert kept == {message.id for message in texts if message.id}


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_a_translation_fills_the_same_gaps(language):
    for message in translations.read(language):
        originals = message.id if isinstance(message.id, tuple) else (message.id,)
        given = message.string if isinstance(message.string, tuple) else (message.string,)
        for original, translation in zip(originals, given, strict=True):
            assert _gaps(original) == _gaps(translation), original


@pytest.mark.parametrize(
    ("language", "familiar"),
    [
        (
            "de",
            r"\b(du|dein\w*|dir|dich)\b|^(wähle|gib|nimm|schau|frag|tippe|versuch|melde|warte|geh|such)\b",
        ),
        ("fr", r"\b(tu|ton|ta|tes|toi)\b|^(choisis|rends|essaie|prends|attends|tape|ouvre|retourne)\b"),
    ],
)
def test_staff_are_not_spoken_to_as_children_are(texts, language, familiar):
    """Dutch says *je* to everybody, these two do not: what both read needs a text for each."""
    translated, looked = translations.read(language), 0
    for message in texts:
        if message.id in TO_PUPILS:
            continue
        if message.id and any(file.startswith(STAFF) for file, _line in message.locations):
            given = translated.get(message.id).string
            said = given if isinstance(given, str) else " ".join(given)
            assert not re.search(familiar, said, re.IGNORECASE), said
            looked += 1
    assert looked > 500


def test_what_counts_things_can_say_one(texts):
    counted = [message.id for message in texts if isinstance(message.id, str) and re.search(SOME, message.id)]
    assert {*counted} == MANY


def _gaps(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)s", text))


WORDS = {
    "fr": (r"beheerder", r"\bapps?\b(?! ?[.(])", r"\benfants?\b"),
    "de": (r"beheerder", r"\bLernende", r"\b(Kind|Kinder|Kindern|Kindes)\b"),
    "en": (r"beheerder", r"\badministrator\b", r"\bchild(ren)?\b"),
}
"""What a translation calls by another word everywhere: a right, an app, a pupil."""


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_one_thing_has_one_name_in_a_language(language):
    for message in translations.read(language):
        given = message.string if isinstance(message.string, tuple) else (message.string,)
        for said in given if message.id and "hun kind" not in message.id else ():
            text = re.sub(r"%\(\w+\)s|https?://\S+|\S*\.example\S*", "", said)
            assert not [word for word in WORDS[language] if re.search(word, text)], said


def test_the_questions_of_the_pictures_are_texts(texts):
    asked = {screen.question for screen in pictures.SCREENS}
    assert asked == {str(question._args[0]) for question in pages.QUESTIONS}
    assert all(texts.get(question) for question in asked)


def test_every_code_has_a_sentence_and_advice():
    for code in sentences.codes():
        for text in sentences._SENTENCES[code]:
            assert str(text._args[0]).endswith((".", "!", "?"))


@pytest.mark.parametrize(
    "template",
    sorted(path.relative_to(TEMPLATES) for path in TEMPLATES.rglob("*.html") if path.parent.name != "demo"),
)
def test_templates_have_no_text_that_escapes_translation(template):
    """Letters outside tags and `{{ }}` would be Dutch for everyone. The demo apps are not ours: they speak Dutch."""
    html = (TEMPLATES / template).read_text(encoding="utf-8")
    for gap in (
        r"\{#.*?#\}",
        r"\{% block family %\}.*?\{% endblock %\}",
        r"<script nonce.*?</script>",
        r"\{%.*?%\}",
        r"\{\{.*?\}\}",
        r"<[^>]*>",
    ):
        html = re.sub(gap, " ", html, flags=re.DOTALL)
    assert set(re.findall(r"[^\W\d_]{2,}", html)) <= OWN_NAMES
