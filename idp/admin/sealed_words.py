"""How do words that somebody searched for stand in an address? Sealed: names of people end in no log and no history.

An address finds the same for a month, for everyone at the school it was made for (or for every operator), and opens for no
other school.
"""

from __future__ import annotations

from idp.context import House

PURPOSE = "search of pupils"
LIVES = 60 * 60 * 24 * 30
"""Seconds that an address with words in it still finds the same."""
LONGEST = 120
OPERATORS = "operators"
"""In the place of a school, for what operators search."""


def seal(house: House, words: str, instellingsnummer: str) -> str:
    """What stands in the address; nothing for no words."""
    said = {"words": words.strip()[:LONGEST], "school": instellingsnummer}
    return house.keys.seal(PURPOSE, said, house.clock.now()) if said["words"] else ""


def read(house: House, sealed: str, instellingsnummer: str) -> str:
    """The words again; nothing for what is too old, of another school, or no seal of ours."""
    if not sealed:
        return ""
    inside = house.keys.unseal(PURPOSE, sealed[:2000], house.clock.now(), seconds=LIVES)
    if inside is None or inside.get("school") != instellingsnummer:
        return ""
    return str(inside["words"])
