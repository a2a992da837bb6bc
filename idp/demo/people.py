"""Who works in a demo, and which schools are there beside the sandbox ones? Everybody is invented."""

from __future__ import annotations

from dataclasses import dataclass

from idp.admin.sandbox.sandbox_people import SCHOOLS

TEST_SCHOOLS = {
    "999001": ("BRUSSEL-STAD - TEST School 1", "wisa"),
    "999002": ("BRUSSEL-STAD - TEST School 2", "informat"),
    "999003": ("LEUVEN - TEST BuSO De Brug", "oneroster"),
    "999004": ("GENT - TEST School zonder akkoord", "informat"),
}
"""Empty at first: files with synthetic pupils in the real formats can be imported into them."""


@dataclass(frozen=True, kw_only=True)
class Staff:
    person_id: str
    voornaam: str
    naam: str
    rights: tuple[tuple[str, str], ...]
    """(right, instellingsnummer), with an empty instellingsnummer for an operator."""


_EVERYWHERE = (*SCHOOLS, *TEST_SCHOOLS)
STAFF = (
    Staff(
        person_id="sandbox-directeur",
        voornaam="Ann",
        naam="Vuurtoren",
        rights=tuple(("leerid-databeheerder", school) for school in _EVERYWHERE),
    ),
    Staff(
        person_id="sandbox-beheerder",
        voornaam="Bart",
        naam="Anker",
        rights=tuple(("leerid-beheerder", school) for school in _EVERYWHERE),
    ),
    Staff(
        person_id="sandbox-leerkracht",
        voornaam="Cem",
        naam="Boei",
        rights=tuple(("leerkracht", school) for school in SCHOOLS),
    ),
)
SUPPLIER = "sandbox"
"""Who makes the demo's own apps."""
SUPPLIERS = (
    Staff(person_id="sandbox-leverancier", voornaam="Eva", naam="Kade", rights=(("leverancier", ""),)),
)
OPERATORS = (Staff(person_id="sandbox-operator", voornaam="Dina", naam="Loods", rights=(("operator", ""),)),)
