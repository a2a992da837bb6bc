"""Who goes to the sandbox schools? Invented pupils, chosen for what breaks software; dates follow from today."""

from __future__ import annotations

from dataclasses import dataclass

from idp.models import SecretKind

SCHOOLS = {
    "999901": "Sandboxschool De Sleutel",
    "999902": "Sandboxschool Het Slot",
    "999903": "Sandboxschool De Grendel",
}
"""The first two share klasinformatie; De Grendel has stopped."""
SHARING = ("999901", "999902")
STOPPED = "999903"


@dataclass(frozen=True, kw_only=True)
class Year:
    """An administratieve groep."""

    group: str
    leerjaar: str
    hoofdstructuur: str = "211"

    @property
    def code(self) -> str:
        return f"{self.hoofdstructuur}-{self.leerjaar}"


@dataclass(frozen=True, kw_only=True)
class Invented:
    voornaam: str
    naam: str
    username: str
    kind: SecretKind
    year: Year
    note: str
    school: str = "999901"
    also_at: str | None = None
    klassen: tuple[str, ...] = ()
    """Codes; one with a dot is a subclass."""
    tomorrow: tuple[str, ...] | None = None
    """Classes from tomorrow on, when they change."""
    official: bool = True

    @property
    def stamnummer(self) -> str:
        return f"sb-{self.username}"


_PICTURE, _BASIC, _TEMPORARY, _OWN = (
    SecretKind.PICTURE,
    SecretKind.BASIC,
    SecretKind.TEMPORARY,
    SecretKind.OWN,
)
_SECOND = Year(group="2de leerjaar", leerjaar="2")
_FOURTH = Year(group="4de leerjaar", leerjaar="4")
_TECHNICAL = Year(group="2e lj 2e gr Elektrotechnieken TSO", leerjaar="4", hoofdstructuur="311")

PUPILS = (
    Invented(voornaam="Noor", naam="Zandman", username="noor.zandman", kind=_PICTURE, klassen=("2A", "2A.NCZ"), note="pictures; class and subclass", year=_SECOND),
    Invented(voornaam="Seppe", naam="Duinen", username="seppe.duinen", kind=_BASIC, klassen=("4A",), note="a word and digits", year=_FOURTH),
    Invented(voornaam="Yasmine", naam="El Bahri", username="yasmine.elbahri", kind=_OWN, klassen=("4ET",), note="a password of her own", year=_TECHNICAL),
    Invented(voornaam="Jean", naam="De Branding", username="jean.debranding", kind=_TEMPORARY, klassen=("4ET",), note="temporary: must be changed first", year=_TECHNICAL),
    Invented(voornaam="Elis", naam="Meeuw", username="elis.meeuw", kind=_BASIC, klassen=("4A",), also_at="999902", note="two schools: picks one", year=_FOURTH),
    Invented(voornaam="Marie", naam="Eb", username="marie.eb", kind=_PICTURE, school=STOPPED, klassen=(), note="her school stopped sharing", year=_SECOND),
    Invented(voornaam="Emma", naam="Schelp", username="emma.schelp", kind=_PICTURE, klassen=("2A",), note="one of twins", year=_SECOND),
    Invented(voornaam="Emma-Lou", naam="Schelp", username="emmalou.schelp", kind=_PICTURE, klassen=("2B",), note="the other", year=_SECOND),
    Invented(voornaam="Łukasz", naam="Wędka", username="lukasz.wedka", kind=_PICTURE, klassen=("2B",), note="letters that do not decompose", year=_SECOND),
    Invented(voornaam="Ma'aya", naam="ʼt Hof", username="maaya.thof", kind=_BASIC, klassen=("4A",), note="apostrophes; no official data", official=False, year=_FOURTH),
    Invented(voornaam="Milan", naam="Van der Golf", username="milan.vandergolf", kind=_OWN, klassen=("4ET", "4ET.1", "4ET.2", "4ET.ELE", "4ET.LAB", "4ET.NCZ", "4ET.WIS"), note="six subclasses", year=_TECHNICAL),
    Invented(voornaam="Renz", naam="Strand", username="renz.strand", kind=_BASIC, klassen=(), note="in no class", year=_FOURTH),
    Invented(voornaam="Zoë", naam="Vloed", username="zoe.vloed", kind=_PICTURE, klassen=("2A",), tomorrow=("2B",), note="another class from tomorrow", year=_SECOND),
    Invented(voornaam="عائشة", naam="البحر", username="aisha.albahr", kind=_PICTURE, klassen=("2B",), note="a name in Arabic script", year=_SECOND),
    Invented(voornaam="Wolfeschlegelsteinhausenbergerdorff", naam="Keihanaikukauakahihuliheekahaunaele", username="wolf.keihanai", kind=_PICTURE, klassen=("2B",), note="a very long name", year=_SECOND),
)  # fmt: skip

BY_STAMNUMMER = {one.stamnummer: one for one in PUPILS}
