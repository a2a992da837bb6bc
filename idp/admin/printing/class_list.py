"""What does the teacher keep? A list on A4 per group: names, user names and secrets, to be put away safely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from idp.admin.printing import paper
from idp.admin.printing.handout import Handout
from idp.admin.printing.paper import A4, MM, QUIET_INK, Paper
from idp.admin.printing.sheets import Look, Progress, long_date, silent
from idp.admin.printing.typefaces import BOLD, CODE, TEXT

LEFT, RIGHT = 15.0, 195.0
FIRST_ROW = 250.0
ROW = 9.0
ROWS = 25
COLUMNS = (("Naam", 0.0, 52.0), ("Stamnummer", 54.0, 20.0), ("Gebruikersnaam", 76.0, 46.0), ("", 124.0, 56.0))


def lists(
    target: BinaryIO, groups: Mapping[str, Sequence[Handout]], look: Look, *, progress: Progress = silent
) -> None:
    """A PDF with one list per group, each on its own sheets."""
    sheet = Paper(target, title=f"Lijsten {look.school}", author=look.brand, accent=paper.accent(look.accent))
    done, total, first = 0, sum(len(group) for group in groups.values()), True
    for name, group in groups.items():
        pages = max(1, math.ceil(len(group) / ROWS))
        for page in range(pages):
            if not first:
                sheet.turn()
            first = False
            _frame(sheet, name, look, f"Blad {page + 1} van {pages}")
            for row, one in enumerate(group[page * ROWS : (page + 1) * ROWS]):
                _row(sheet, FIRST_ROW - row * ROW, one)
                done += 1
                progress(done, total)
    sheet.close()


def _frame(sheet: Paper, group: str, look: Look, number: str) -> None:
    width = (RIGHT - LEFT) * MM
    sheet.mark(LEFT, 281.2, 6)
    sheet.text(LEFT + 7.4, 280.2, BOLD.fit(look.brand, width=width / 2, size=9, smallest=6), ink=sheet.accent)
    made = TEXT.fit(long_date(look.made_on), width=width / 2, size=9, smallest=6)
    sheet.text(RIGHT, 280.2, made, ink=QUIET_INK, align=1)
    sheet.text(LEFT, 270, BOLD.fit(group, width=width, size=18, smallest=8))
    sheet.text(LEFT, 264, TEXT.fit(look.school, width=width, size=10, smallest=6), ink=QUIET_INK)
    for title, x, wide in COLUMNS:
        head = BOLD.fit(title or "Wachtwoord", width=wide * MM, size=8.5, smallest=6)
        sheet.text(LEFT + x, FIRST_ROW + 3.6, head, ink=QUIET_INK)
    sheet.rule(LEFT, FIRST_ROW + 2, RIGHT, FIRST_ROW + 2)
    warning = "Op deze lijst staan wachtwoorden. Bewaar ze achter slot en vernietig ze na gebruik."
    sheet.text(LEFT, 12, TEXT.fit(warning, width=width * 0.8, size=8.5, smallest=6), ink=QUIET_INK)
    sheet.text(RIGHT, 12, TEXT.fit(number, width=width * 0.2, size=8.5, smallest=6), ink=QUIET_INK, align=1)


def _row(sheet: Paper, top: float, one: Handout) -> None:
    base = top - 4.2
    (_, name, name_wide), (_, stam, stam_wide), (_, user, user_wide), (_, secret, secret_wide) = COLUMNS
    names = BOLD.wrap(one.name, width=name_wide * MM, size=10, smallest=6, lines=2, whole=7.5)
    sheet.lines(LEFT + name, base + (1.6 if len(names) > 1 else 0), names, leading=1.05)
    stamnummer = TEXT.fit(one.stamnummer, width=stam_wide * MM, size=9, smallest=5)
    sheet.text(LEFT + stam, base, stamnummer, ink=QUIET_INK)
    usernames = CODE.fold(one.username, width=user_wide * MM, size=9, smallest=6.5, lines=2)
    sheet.lines(LEFT + user, base + (1.6 if len(usernames) > 1 else 0), usernames, leading=1.05)
    x = LEFT + secret
    for index, picture in enumerate(one.pictures if one.secret else ()):
        cell = secret_wide / 4
        drawn = sheet.picture(x + cell * index, top - 4, 4.8, picture.key)
        word = TEXT.fit(picture.word, width=(cell - 0.6) * MM, size=6.5 if drawn else 8, smallest=4)
        sheet.text(x + cell * index, top - 6.5 if drawn else base, word)
    if one.secret and not one.pictures:
        sheet.text(x, base, CODE.fit(one.secret, width=secret_wide * MM, size=11, smallest=6))
    sheet.rule(LEFT, top - ROW + 1.4, RIGHT, top - ROW + 1.4)


assert FIRST_ROW - ROWS * ROW > 15, "the last row stays above the foot"
assert A4[1] > FIRST_ROW
