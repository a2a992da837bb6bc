"""Which passwords do we make, and which do we accept?

Basic: a word of three letters among three digits (`29ban9`, `4mam38`), forgiving about case and spaces around
it. Temporary: eight characters that nobody mistakes for one another. Own: 8 to 128 characters of any kind,
no composition rules, but not what everyone tries first (NIST SP 800-63B-4, 3.1.1.2).
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable
from functools import cache

from idp.entropy import Chance
from idp.login import pictures
from idp.models import SecretKind

SHORTEST, LONGEST = 8, 128
"""Characters of an own password."""

_WORDS = """
    bad bak bal ban bas bed bel ben bes bik bof bok bol bon bos bot bus
    dak dal dam das dek dok dol don dop dos dot duk dus fan fel fit
    gem gom gul gum hak hal ham hap hek hem heg hen hik hip hof hok hop hut
    jak jam jas jet job jol jop jus kam kan kap kar kas kat ken kik kim kin kip kis kit kok kom kop
    lak lam lap las lat lef lek lep les lip lis lof lok lot lus
    mak mam man map mat mem mik min mok mol mop mos mug mus
    nap nat nek net nis nok nop pak pal pan pap pas pat pen pet pil pin pit pop pup put
    rad rek ren rib rif rij rit rob rok rol ros rug sap sas set sim sok som sop
    tak tam tas tel ten tik til tin tip tok tol ton top tor tos
    vak van vat vel ver vin vis vol vos wal was web weg wek wen wig wij wit wol zeg zet zin zon zus
"""
WORDS = tuple(_WORDS.split())
_DIGITS = "23456789"
_UNLUCKY = ("69", "88", "666")
_LOWER = "abcdefghjkmnpqrstuvwxyz"
_UPPER = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_TEMPORARY_LENGTH = 8
_COMMON_HERE = """
    azertyui azerty123 azerty1234 azertyuiop wachtwoord wachtwoord1 wachtwoord123 welkom01 welkom123 welkom1234
    motdepasse motdepasse1 passwort passwort1 passwort123 geheim123 geheim1234 hallo123 hallo1234 voetbal1
    voetbal123 school123 school1234 leerling leerling1 leerling123 ikhouvanjou ikhouvanje soleil123 doudou123
    bonjour1 bonjour123 chouchou schatje123 schatje1 knuffel1 knuffel123 belgie123 belgique vlaanderen
    anderlecht clubbrugge paardjes konijntje
"""


def generate_basic(chance: Chance) -> str:
    """Six characters: a short word with two digits before and one after, or one before and two after."""
    while True:
        digits = "".join(chance.pick(_DIGITS) for _ in range(3))
        if not any(unlucky in digits for unlucky in _UNLUCKY):
            break
    word, before = chance.pick(WORDS), 1 + chance.below(2)
    return digits[:before] + word + digits[before:]


def generate_temporary(chance: Chance) -> str:
    """Eight letters and digits without look-alikes (0 O o, 1 l I i), with at least one of either case."""
    while True:
        made = "".join(chance.pick(_LOWER + _UPPER + _DIGITS) for _ in range(_TEMPORARY_LENGTH))
        if made != made.lower() and made != made.upper():
            return made


def canonical(kind: SecretKind, typed: str) -> str | None:
    """What is hashed of a typed secret; None when it cannot be one of this kind."""
    if len(typed) > 4 * LONGEST:
        return None
    match kind:
        case SecretKind.PICTURE:
            return pictures.typed(typed)
        case SecretKind.BASIC:
            found = unicodedata.normalize("NFKC", typed).strip().lower()
        case SecretKind.TEMPORARY:
            found = typed.strip()
        case SecretKind.OWN:
            found = unicodedata.normalize("NFC", typed)
    return found if 0 < len(found) <= LONGEST else None


def judge_own(password: str, *, names: Iterable[str]) -> list[str]:
    """Codes of what keeps this from being an own password; empty when it will do.

    `names` are words that anyone who knows the pupil would try: given and family names, user name, school, brand.
    """
    chosen = unicodedata.normalize("NFC", password)
    problems = []
    if len(chosen) < SHORTEST:
        problems.append("password_too_short")
    if len(chosen) > LONGEST:
        problems.append("password_too_long")
        return problems
    folded = _folded(chosen)
    if len(set(folded)) < 4 or {folded, _core(folded)} & _common():
        problems.append("password_too_common")
    if _is_mostly(folded, names):
        problems.append("password_is_a_name")
    return problems


def _is_mostly(folded: str, names: Iterable[str]) -> bool:
    """Too little is left when the names are taken out, and at least one was in it."""
    words = {part for name in names for part in (_plain(name), *map(_plain, re.split(r"[\s.'’-]+", name)))}
    rest = _plain(folded)
    before = rest
    for word in sorted((word for word in words if len(word) >= 3), key=lambda word: (-len(word), word)):
        rest = rest.replace(word, "")
    return rest != before and len(rest) < SHORTEST


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _plain(text: str) -> str:
    return "".join(character for character in _folded(text) if character.isalnum())


def _core(folded: str) -> str:
    """Without the digits and signs around it: `welkom01!!` is `welkom`."""
    return folded.strip(string.digits + string.punctuation + string.whitespace)


@cache
def _common() -> frozenset[str]:
    """The passwords that everyone tries first. Read when the first pupil chooses one."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    return frozenset(_COMMON_HERE.split()) | frozenset(FREQUENCY_LISTS["passwords"])
