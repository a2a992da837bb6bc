"""What are the four pictures of a pupil, tapped or typed?

Four screens of twelve, one tap on each: 12⁴ = 20,736 secrets, always assigned and never chosen. The secret is
the four Dutch words in the order of the screens. Who cannot see or tap types the same words, in any of our
languages. The scheme is the table below and nothing else, so that a test with children can change it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, product

from idp.entropy import Chance

LANGUAGES = ("nl", "fr", "de", "en")
_LONGEST_TYPED = 200


@dataclass(frozen=True, kw_only=True)
class Picture:
    key: str
    """The Dutch word in ASCII: the name of the file, and the word in the canonical secret."""
    icon: str
    """Its name in the set `fluent-emoji-flat`."""
    words: Mapping[str, str]
    """One word for a tile, by language."""
    in_story: Mapping[str, str]
    """Its part of the sentence on the card, by language, with article and preposition."""


@dataclass(frozen=True, kw_only=True)
class Screen:
    name: str
    question: str
    """In Dutch; also the msgid of its translations."""
    pictures: tuple[Picture, ...]


_ANIMALS = """
aap      | monkey      | aap: de aap         | singe: le singe        | Affe: der Affe         | monkey: the monkey
beer     | bear        | beer: de beer       | ours: l’ours           | Bär: der Bär           | bear: the bear
eend     | duck        | eend: de eend       | canard: le canard      | Ente: die Ente         | duck: the duck
hond     | dog         | hond: de hond       | chien: le chien        | Hund: der Hund         | dog: the dog
kat      | cat-face    | kat: de kat         | chat: le chat          | Katze: die Katze       | cat: the cat
leeuw    | lion        | leeuw: de leeuw     | lion: le lion          | Löwe: der Löwe         | lion: the lion
muis     | mouse       | muis: de muis       | souris: la souris      | Maus: die Maus         | mouse: the mouse
olifant  | elephant    | olifant: de olifant | éléphant: l’éléphant   | Elefant: der Elefant   | elephant: the elephant
paard    | horse       | paard: het paard    | cheval: le cheval      | Pferd: das Pferd       | horse: the horse
slak     | snail       | slak: de slak       | escargot: l’escargot   | Schnecke: die Schnecke | snail: the snail
uil      | owl         | uil: de uil         | hibou: le hibou        | Eule: die Eule         | owl: the owl
vis      | fish        | vis: de vis         | poisson: le poisson    | Fisch: der Fisch       | fish: the fish
"""

_FOOD = """
appel    | red-apple      | appel: een appel    | pomme: une pomme     | Apfel: einen Apfel    | apple: an apple
banaan   | banana         | banaan: een banaan  | banane: une banane   | Banane: eine Banane   | banana: a banana
druif    | grapes         | druif: een druif    | raisin: du raisin    | Traube: eine Traube   | grape: a grape
friet    | french-fries   | friet: friet        | frites: des frites   | Pommes: Pommes        | fries: fries
ijsje    | soft-ice-cream | ijsje: een ijsje    | glace: une glace     | Eis: ein Eis          | ice cream: an ice cream
kaas     | cheese-wedge   | kaas: kaas          | fromage: du fromage  | Käse: Käse            | cheese: cheese
lolly    | lollipop       | lolly: een lolly    | sucette: une sucette | Lutscher: einen Lutscher | lollipop: a lollipop
mais     | ear-of-corn    | maïs: maïs          | maïs: du maïs        | Mais: Mais            | corn: corn
peer     | pear           | peer: een peer      | poire: une poire     | Birne: eine Birne     | pear: a pear
rijst    | cooked-rice    | rijst: rijst        | riz: du riz          | Reis: Reis            | rice: rice
taart    | shortcake      | taart: taart        | gâteau: du gâteau    | Torte: Torte          | cake: cake
wortel   | carrot         | wortel: een wortel  | carotte: une carotte | Karotte: eine Karotte | carrot: a carrot
"""

_VEHICLES = """
auto       | automobile   | auto: in de auto             | voiture: en voiture         | Auto: im Auto                 | car: in the car
boot       | sailboat     | boot: in de boot             | bateau: en bateau           | Boot: im Boot                 | boat: in the boat
fiets      | bicycle      | fiets: op de fiets           | vélo: à vélo                | Fahrrad: auf dem Fahrrad      | bike: on the bike
helikopter | helicopter   | helikopter: in de helikopter | hélicoptère: en hélicoptère | Hubschrauber: im Hubschrauber | helicopter: in the helicopter
kano       | canoe        | kano: in de kano             | canoë: en canoë             | Kanu: im Kanu                 | canoe: in the canoe
lift       | elevator     | lift: in de lift             | ascenseur: dans l’ascenseur | Aufzug: im Aufzug             | lift: in the lift
metro      | metro        | metro: in de metro           | métro: dans le métro        | U-Bahn: in der U-Bahn         | underground: on the underground
parachute  | parachute    | parachute: aan de parachute  | parachute: en parachute     | Fallschirm: am Fallschirm     | parachute: under the parachute
raket      | rocket       | raket: in de raket           | fusée: dans la fusée        | Rakete: in der Rakete         | rocket: in the rocket
step       | kick-scooter | step: op de step             | trottinette: en trottinette | Roller: auf dem Roller        | scooter: on the scooter
trein      | locomotive   | trein: in de trein           | train: dans le train        | Zug: im Zug                   | train: on the train
vliegtuig  | airplane     | vliegtuig: in het vliegtuig  | avion: dans l’avion         | Flugzeug: im Flugzeug         | plane: in the plane
"""

_PLACES = """
berg     | mountain         | berg: naar de berg         | montagne: vers la montagne | Berg: zum Berg         | mountain: to the mountain
eiland   | desert-island    | eiland: naar het eiland    | île: vers l’île            | Insel: zur Insel       | island: to the island
flat     | office-building  | flat: naar de flat         | immeuble: vers l’immeuble  | Hochhaus: zum Hochhaus | flat: to the flat
huis     | house            | huis: naar het huis        | maison: vers la maison     | Haus: zum Haus         | house: to the house
kasteel  | castle           | kasteel: naar het kasteel  | château: vers le château   | Schloss: zum Schloss   | castle: to the castle
maan     | crescent-moon    | maan: naar de maan         | lune: vers la lune         | Mond: zum Mond         | moon: to the moon
nest     | nest-with-eggs   | nest: naar het nest        | nid: vers le nid           | Nest: zum Nest         | nest: to the nest
park     | playground-slide | park: naar het park        | parc: vers le parc         | Park: zum Park         | park: to the park
school   | school           | school: naar de school     | école: vers l’école        | Schule: zur Schule     | school: to the school
tent     | tent             | tent: naar de tent         | tente: vers la tente       | Zelt: zum Zelt         | tent: to the tent
vulkaan  | volcano          | vulkaan: naar de vulkaan   | volcan: vers le volcan     | Vulkan: zum Vulkan     | volcano: to the volcano
zee      | water-wave       | zee: naar de zee           | mer: vers la mer           | Meer: zum Meer         | sea: to the sea
"""

_EATS = {"nl": "eet", "fr": "mange", "de": "isst", "en": "eats"}


def _read(table: str) -> tuple[Picture, ...]:
    return tuple(_picture(line) for line in table.strip().splitlines())


def _picture(line: str) -> Picture:
    key, icon, *spoken = (cell.strip() for cell in line.split("|"))
    pairs = {language: cell.split(": ") for language, cell in zip(LANGUAGES, spoken, strict=True)}
    return Picture(
        key=key,
        icon=icon,
        words={language: word for language, (word, _) in pairs.items()},
        in_story={language: phrase for language, (_, phrase) in pairs.items()},
    )


SCREENS: tuple[Screen, ...] = (
    Screen(name="dier", question="Welk dier?", pictures=_read(_ANIMALS)),
    Screen(name="eten", question="Welk eten?", pictures=_read(_FOOD)),
    Screen(name="waarmee", question="Waarmee ga je?", pictures=_read(_VEHICLES)),
    Screen(name="waar", question="Waar woon je?", pictures=_read(_PLACES)),
)


def generate(chance: Chance) -> tuple[Picture, Picture, Picture, Picture]:
    """Four pictures, one of each screen, for one pupil."""
    one, two, three, four = (chance.pick(screen.pictures) for screen in SCREENS)
    return one, two, three, four


def canonical(pictures: Sequence[Picture]) -> str:
    """The secret that is hashed: the four Dutch words, in ASCII, with one space between."""
    return " ".join(picture.key for picture in pictures)


def taps(indices: Sequence[int]) -> str | None:
    """The secret behind a tap on each screen (0 to 11, in the order of the screens); None when out of range."""
    if len(indices) != len(SCREENS):
        return None
    if any(not 0 <= index < len(screen.pictures) for index, screen in zip(indices, SCREENS, strict=True)):
        return None
    return canonical([screen.pictures[index] for index, screen in zip(indices, SCREENS, strict=True)])


def typed(text: str) -> str | None:
    """The secret that these words mean, in the order of the screens; None when they mean none or more than one.

    Case, accents, spaces, hyphens and anything else that is not a letter make no difference.
    """
    if len(text) > _LONGEST_TYPED:
        return None
    found = {" ".join(keys) for letters in _spellings(text) for keys in _readings(letters, 0)}
    return found.pop() if len(found) == 1 else None


def of(secret: str) -> tuple[Picture, ...]:
    """The four pictures of a canonical secret. Raises KeyError when it is none."""
    keys = secret.split()
    if len(keys) != len(SCREENS):
        raise KeyError(secret)
    return tuple(_by_key()[number][key] for number, key in enumerate(keys))


def story(secret: str, language: str) -> str:
    """The sentence on the card: `de kat eet een appel in de trein naar het kasteel`."""
    animal, food, vehicle, place = (picture.in_story[language] for picture in of(secret))
    return f"{animal} {_EATS[language]} {food} {vehicle} {place}"


def every() -> Iterator[str]:
    """All canonical secrets, for tests and for nothing else."""
    for pictures in product(*(screen.pictures for screen in SCREENS)):
        yield canonical(pictures)


def _readings(letters: str, screen: int) -> Iterator[tuple[str, ...]]:
    """Every way to read these letters as one word of each screen from this one on."""
    if screen == len(SCREENS):
        if not letters:
            yield ()
        return
    for word, key in _words()[screen].get(letters[:1], ()):
        if letters.startswith(word):
            for rest in _readings(letters[len(word) :], screen + 1):
                yield (key, *rest)


def _spellings(text: str) -> set[str]:
    """The letters alone, with `ä` as `a` and as `ae`."""
    lowered = unicodedata.normalize("NFC", text).casefold()
    written_out = lowered.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    return {_letters(lowered), _letters(written_out)}


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("æ", "ae")))


@cache
def _words() -> tuple[dict[str, list[tuple[str, str]]], ...]:
    """For each screen every accepted word, letters only, with the key of its picture; by first letter."""
    return tuple(
        {
            initial: [*words]
            for initial, words in groupby(
                sorted(
                    {
                        (letters, picture.key)
                        for picture in screen.pictures
                        for word in (picture.key, *picture.words.values())
                        for letters in _spellings(word)
                    }
                ),
                key=lambda word: word[0][0],
            )
        }
        for screen in SCREENS
    )


@cache
def _by_key() -> tuple[dict[str, Picture], ...]:
    return tuple({picture.key: picture for picture in screen.pictures} for screen in SCREENS)
