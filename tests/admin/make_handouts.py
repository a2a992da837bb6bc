"""Handouts for tests: what a card of a pupil says, with sensible values that keywords override."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

from idp.admin.printing.handout import Handout, Picture
from idp.admin.printing.sheets import Look
from idp.login import usernames
from idp.models import SecretKind

ENROLMENTS = Path(__file__).parent.parent / "data" / "enrolments.csv"
LOOK = Look(brand="Leersleutel", school="BRUSSEL-STAD - TEST School 1", made_on=date(2026, 11, 23))
FOUR = ("kat", "appel", "trein", "kasteel")
TOKEN = "K10123456789ABCDEFGHJKMNPQRS"
EVIL = (
    "=cmd|'/c calc'!A1",
    "+1+1",
    "-1",
    "@x",
    "\t=1+1",
    "<b>Vet</b><para>x</para>",
    '<img src="http://127.0.0.1:9/x.png"/>',
    "&amp; &#x41; %(x)s {y}",
    "\u202etxt.exe",
    "Noor\x00\x07Peeters",
    "😀",
    "ⵣⴰⴽⴰⵔⵢⴰ",
    "  ",
    "Z̤͔͝a͎l̸go",
)


def handout(kind: SecretKind = SecretKind.PICTURE, **given: Any) -> Handout:
    secret = {
        SecretKind.PICTURE: " ".join(FOUR),
        SecretKind.BASIC: "29ban9",
        SecretKind.TEMPORARY: "qgRkpckU",
        SecretKind.OWN: None,
    }[kind]
    four = tuple(Picture(key=key, word=key) for key in FOUR) if kind is SecretKind.PICTURE else ()
    values = {"account_uuid": "0", "stamnummer": "2100091", "voornaam": "Gastón", "naam": "Logie"}
    values |= {"group": "4de leerjaar", "username": "gaston.logie", "kind": kind, "secret": secret}
    values |= {"pictures": four, "personal_url": "https://id.school.example/mijn/gaston.logie"}
    values |= {"story": "De kat eet een appel in de trein naar het kasteel." if four else ""}
    values |= {"card_url": f"HTTPS://ID.SCHOOL.EXAMPLE/K/{TOKEN}"} | given
    return Handout(**values)


def everyone(**given: Any) -> list[Handout]:
    """A handout for each row of tests/data/enrolments.csv, kinds by turns."""
    kinds = (SecretKind.PICTURE, SecretKind.BASIC, SecretKind.TEMPORARY)
    with ENROLMENTS.open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file, delimiter=";")]
    return [
        handout(
            kinds[number % 3],
            stamnummer=row["stamnummer"],
            voornaam=row["voornaam"],
            naam=row["naam"],
            group=row["administratieve_groep"],
            username=usernames.propose(row["voornaam"], row["naam"]),
            **given,
        )
        for number, row in enumerate(rows)
    ]
