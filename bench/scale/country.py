"""Invent a country of schools and pupils, as large as asked; the same one every time. Nobody in it exists.

`write(folder, pupils)` makes schools.csv and enrolments.csv (docs/packages.md has the columns), and yields for every
school its class rows, so that a country never stands in memory.
"""

import csv
import datetime as dt
import random

FIRST = (
    "Emma Louise Noor Olivia Mila Ella Marie Elise Lina Nora Camille Juliette Anna Lotte Fien Janne Amber Femke Hanne "
    "Yasmine Aya Fatima Salma Zeynep Elif Azra Noah Arthur Liam Lucas Louis Adam Jules Victor Finn Lowie Milan Kobe "
    "Wout Seppe Stan Lars Jonas Thibault Mohamed Yassine Ayoub Bilal Hamza Emir Yusuf Mehmet Süheda Aurelian Gastón "
    "Zoë Chloé Anaïs Noémie Maïté José Inês Łukasz Zofia Małgorzata Søren Åse Đorđe Çağla Şeyma Oğuz Björn Ružica "
    "Jean-Baptiste Marie-Louise Олександр Марія 美玲 عائشة"
).split()
LAST = (
    "Peeters Janssens Maes Jacobs Willems Mertens Claes Goossens Wouters Smet Vandenberghe Vermeulen Desmet Martens "
    "Dubois Lambert Dupont Leclercq Logie Carabin Abbou Abdi Dasdan Yıldız Şahin Öztürk Kaya Demir Çelik Nowak "
    "Kowalczyk Wójcik Popescu Ionescu Ștefănescu O'Neill Müller Strauß Ørsted Bjørnson Đukić Žižek Шевченко 王 الحسن "
    "Janssens-Peeters Vandecasteele Vanhoenacker Verschueren"
).split()
GROUPS = {
    "111": [("1ste kleuterklas", "1101"), ("2de kleuterklas", "1102"), ("3de kleuterklas", "1103")],
    "211": [(f"{n}de leerjaar", f"111{n}") for n in range(1, 7)],
    "311": [
        ("1e lj A", "2112"),
        ("1e lj B", "2113"),
        ("1e lj 2e gr Hout BSO", "2109"),
        ("2e lj 3e gr Lassen", "2108"),
    ],
}
AGE = {"111": 4, "211": 9, "311": 15}
KINDS = ("211", "111", "211", "311", "211")
SIZE = 254
"""Pupils of a school, on average: a million of them are 3,937 schools."""
HEAD = (
    "instellingsnummer;stamnummer;voornaam;naam;officiele_voornaam;officiele_naam;geslacht;geboortedatum;"
    "rijksregisternummer;hoofdstructuur;administratieve_groep;administratieve_groep_code;leerjaar;vestigingsplaats;"
    "begindatum;einddatum"
).split(";")


def schools(pupils):
    """Instellingsnummer, kind and number of pupils."""
    left, place = pupils, 0
    while left > 0:
        size = min(left, SIZE + (place * 37 % 200) - 100)
        yield f"{100000 + place}", KINDS[place % len(KINDS)], size
        left, place = left - size, place + 1


def write(folder, pupils, year):
    """The two files that come to an operator: all schools, and everyone who goes to them."""
    given = {}
    with (folder / "schools.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(("instellingsnummer", "naam", "pakket"))
        rows.writerows((number, f"SCHOOL {number}", "leersleutel") for number, _, _ in schools(pupils))
    with (folder / "enrolments.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(HEAD)
        for number, kind, size in schools(pupils):
            rows.writerows(_pupils(number, kind, size, year, given))


def classes(number, kind, size, year):
    """Tonight's class rows of one school, in our own format."""
    for place in range(size):
        group = GROUPS[kind][place % len(GROUPS[kind])][1]
        code = f"{group[-2:]}{'ABC'[place // len(GROUPS[kind]) % 3]}"
        yield stamnummer(place), code
        if place % 3 == 0:
            yield stamnummer(place), f"{code}.{('NCZ', 'ISL', 'RKG')[place % 9 // 3]}"


def stamnummer(place):
    return f"{2400000 + place}"


def _pupils(number, kind, size, year, given):
    chance = random.Random(number)
    for place in range(size):
        voornaam, naam = chance.choice(FIRST), chance.choice(LAST)
        born = dt.date(year - AGE[kind], 1, 1) + dt.timedelta(days=chance.randrange(365 * 3))
        known = place % 23 != 11
        group, code = GROUPS[kind][place % len(GROUPS[kind])]
        official = (
            (voornaam, naam, chance.choice("MV"), born, _national_number(born, given)) if known else ("",) * 5
        )
        yield (
            *(number, stamnummer(place), voornaam, naam, *official, kind, group, code),
            *("", f"{number}01", dt.date(year, 9, 1), dt.date(year + 1, 8, 31)),
        )


def _national_number(born, given):
    """The day's next invented number. Month + 40 says that the sex is known, + 20 not: three ranges before it is full."""
    serial = given[born] = given.get(born, -1) + 1
    month = born.month + (40, 20, 0)[serial // 998 % 3]
    body = f"{born:%y}{month:02}{born.day:02}{serial % 998 + 1:03}"
    return body + f"{97 - int(('2' if born.year >= 2000 else '') + body) % 97:02}"
