"""What does a job of the installation do, and when, in the words of an operator? The book itself keeps English (errands/jobs.py)."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask_babel import gettext, lazy_gettext, ngettext

_ = lazy_gettext

WHAT = {
    "sign-outs": _("Zegt aan apps wie zich afmeldde"),
    "mail": _("Verstuurt de mails die wachten"),
    "sessions": _("Beëindigt aanmeldingen waarvan de tijd voorbij is"),
    "seals": _("Verzegelt het logboek en wat apps kregen"),
    "agreements": _("Sluit overeenkomsten af die om middernacht eindigden"),
    "keys": _("Kondigt nieuwe sleutels op tijd aan"),
    "purge": _("Wist wat lang genoeg bewaard is"),
    "verify": _("Kijkt na of er aan het logboek geraakt is"),
    "sandbox": _("Zet de zandbak terug zoals hij bekendgemaakt is"),
    "rosters": _("Kijkt wat er veranderde in de lijsten van apps"),
    "drop": _("Neemt aan wat in de map voor leveringen ligt"),
    "missing-deliveries": _("Zoekt scholen waarvan geen levering kwam"),
    "missing-directors": _("Kijkt of de lijst van directeurs kwam"),
}
"""One sentence for each job, by its name."""

_EVERY: dict[str, Callable[[int], str]] = {
    "second": lambda count: ngettext("elke seconde", "elke %(num)s seconden", count),
    "minute": lambda count: ngettext("elke minuut", "elke %(num)s minuten", count),
    "hour": lambda count: ngettext("elk uur", "elke %(num)s uur", count),
    "day": lambda count: ngettext("elke dag", "elke %(num)s dagen", count),
}
_DAYS = {
    "Monday": _("elke maandag"),
    "Tuesday": _("elke dinsdag"),
    "Wednesday": _("elke woensdag"),
    "Thursday": _("elke donderdag"),
    "Friday": _("elke vrijdag"),
    "Saturday": _("elke zaterdag"),
    "Sunday": _("elke zondag"),
}
_RHYTHM = re.compile(
    rf"(?:every (?:(?P<count>\d+) )?(?P<unit>{'|'.join(_EVERY)})s?|(?P<day>{'|'.join(_DAYS)}))(?: at (?P<time>\d\d:\d\d))?"
)


def when(rhythm: str) -> str:
    """A `job_book.Rhythm` as it stands in the book, in the language of the page; as it is when it has another shape."""
    found = _RHYTHM.fullmatch(rhythm)
    if found is None:
        return rhythm
    said = str(_DAYS[found["day"]]) if found["day"] else _EVERY[found["unit"]](int(found["count"] or 1))
    return gettext("%(day)s om %(time)s", day=said, time=found["time"]) if found["time"] else said
