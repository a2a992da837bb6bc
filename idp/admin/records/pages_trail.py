"""Which page shows a school what was done there? The trail, by person, pupil, topic and period, and as a file.

/schoolloket/logboek           the lines, the latest first; filters stand in the address, which holds no names
/schoolloket/logboek/export    the same as a file for Excel
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from flask_babel import gettext, lazy_gettext

from idp import context, web
from idp.admin import shell, staff_door
from idp.admin.pupils import pages_pupils
from idp.admin.records import trail
from idp.admin.records.trail import Asked, Line, Topic
from idp.errors import NotFound
from idp.models import RightKind

_ = lazy_gettext
blueprint = Blueprint("staff_trail", __name__)
TRAIL = f"{shell.HOME}/logboek"
EVENTS = {
    "pupil_seen": _("Gegevens bekeken"),
    "pupils_listed": _("Leerlingenlijst bekeken"),
    "pupil_exported": _("In een zipbestand gedownload"),
    "trail_exported": _("Logboek gedownload"),
    "extract_given": _("Alles over een leerling gedownload"),
    "school_extract_given": _("Uittreksel van de school gedownload"),
    "breach_reported": _("Nagekeken wie een lek raakt"),
    "account_created": _("LeerID aangemaakt"),
    "secret_renewed": _("Wachtwoord vernieuwd"),
    "username_changed": _("Gebruikersnaam gewijzigd"),
    "account_blocked": _("LeerID geblokkeerd"),
    "account_unblocked": _("Blokkering opgeheven"),
    "words_first": _("Woorden of plaatjes eerst: keuze gewijzigd"),
    "card_alone_allowed": _("Kaart alleen is genoeg: toegestaan"),
    "card_alone_stopped": _("Kaart alleen is genoeg: gestopt"),
    "card_issued": _("Kaart gemaakt"),
    "card_voided": _("Kaart stopgezet"),
    "cards_printed": _("Kaarten klaargemaakt"),
    "papers_fetched": _("Zipbestand gedownload"),
    "help_given": _("Hulpcode gegeven"),
    "sign_in_needs_help": _("Te veel foute pogingen: wacht op hulp"),
    "sign_in_released": _("Wachttijd opgeheven"),
    "app_made_visible": _("App zichtbaar gemaakt"),
    "app_made_invisible": _("App niet meer zichtbaar"),
    "sharing_given": _("Akkoord gegeven om klasinformatie te delen"),
    "sharing_stopped": _("Delen van klasinformatie gestopt"),
    "package_named": _("Pakket gekozen"),
    "right_given": _("Recht gegeven"),
    "right_stopped": _("Recht gestopt"),
    "right_narrowed": _("Leerlingen van een leerkracht gekozen"),
    "staff_refused": _("Toegang geweigerd"),
    "device_code_given": _("Code voor een toestel gegeven"),
    "device_enrolled": _("Toestel toegevoegd"),
    "device_renamed": _("Toestel hernoemd"),
    "device_revoked": _("Toestel verwijderd"),
    "everyone_signed_out": _("Iedereen klaar"),
    "enrolments_imported": _("Inschrijvingen verwerkt"),
    "classes_imported": _("Klassen verwerkt"),
    "delivery_held": _("Levering tegengehouden"),
    "delivery_refused": _("Levering geweigerd"),
    "hold_decided": _("Over een tegengehouden levering beslist"),
    "identifiers_fetched": _("Lijst van leerlingen opgehaald"),
    "roster_exported": _("Lijsten als bestand opgehaald door een app"),
    "school_kept": _("Naam of pakket van de school ingesteld"),
    "sandbox_changed": _("Iets uitgeprobeerd in de zandbakschool"),
}
TOPIC_NAMES = {
    Topic.SEEN: _("Wie zag wat"),
    Topic.ACCOUNTS: _("LeerID's en wachtwoorden"),
    Topic.PAPERS: _("Kaarten en papieren"),
    Topic.HELP: _("Hulp aan leerlingen"),
    Topic.APPS: _("Apps"),
    Topic.SHARING: _("Klasinformatie delen"),
    Topic.PEOPLE: _("Personen en rechten"),
    Topic.DEVICES: _("Toestellen"),
    Topic.DATA: _("Binnengekomen gegevens"),
}
DECISIONS = {
    "applied": _("toegepast"),
    "declined": _("niet toegepast"),
    "refused": _("geweigerd"),
}
"""What was decided about a held delivery."""
RULES = {
    "school": _("voor de hele school"),
    "group": _("voor een administratieve groep"),
    "klas": _("voor een klas of subklas"),
}
"""For whom an app became visible, or no longer is; a pupil is named instead."""
RIGHTS = {
    "leerid-beheerder": _("LeerID-beheerder"),
    "leerid-databeheerder": _("LeerID-databeheerder"),
    "leerkracht": _("Leerkracht"),
}
WHICH = {
    "hold_decided": DECISIONS,
    "app_made_visible": RULES,
    "app_made_invisible": RULES,
    "right_given": RIGHTS,
    "right_stopped": RIGHTS,
}
"""Of what an event has several kinds, and what each is called."""
OTHERS = {
    "system": _("Vanzelf"),
    "operator": _("De beheerder van het systeem"),
    "app": _("Een app"),
    "feed": _("Het pakket van de school"),
    "operator-token": _("Een programma van het systeem"),
    "nobody": _("Iemand die niet was aangemeld"),
    "person": _("Iemand die hier niet meer bekend is"),
}


@blueprint.get(TRAIL)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def lines() -> Response:
    house, desk, asked = context.house(), staff_door.here(), _asked()
    with house.database.reading() as db:
        found = trail.read(db, desk.instellingsnummer, asked)
        people = trail.people(db, desk.instellingsnummer)
        pupil = trail.pupil_name(db, desk.instellingsnummer, asked.account_uuid)
    if asked.account_uuid and not pupil:
        raise NotFound("not_found")

    def to(**changes: Any) -> str:
        return _address(TRAIL, replace(asked, **changes))

    return shell.page(
        "admin/trail.html",
        asked=asked,
        found=found,
        people=people,
        pupil=pupil,
        said=said,
        which=which,
        who=who,
        topics=TOPIC_NAMES,
        to=to,
        home=TRAIL,
        list=pages_pupils.LIST,
        file=_address(f"{TRAIL}/export", replace(asked, before="")),
        filtered=replace(asked, before="") != Asked(),
    )


@blueprint.get(f"{TRAIL}/export")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.BEHEERDER)
def export() -> Response:
    house, desk = context.house(), staff_door.here()
    headings = (
        gettext("Wanneer"),
        gettext("Wie"),
        gettext("Wat"),
        gettext("Leerling, persoon of app"),
        gettext("Aantal"),
        gettext("Code"),
    )
    content = trail.export(house, desk.instellingsnummer, _asked(), headings, _cells)
    name = f"logboek-{desk.instellingsnummer}-{house.clock.today()}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, content_type="text/csv; charset=utf-8", headers=headers)


def said(line: Line) -> str:
    """What happened, as a sentence; the event's own word where there is none."""
    return str(EVENTS.get(line.event, line.event))


def which(line: Line) -> str:
    """Which of several things happened, where the sentence leaves that open."""
    return str(WHICH.get(line.event, {}).get(line.kind, ""))


def who(line: Line) -> str:
    return str(OTHERS.get(line.who, line.who))


def _cells(line: Line) -> tuple[str, ...]:
    count = "" if line.count is None else str(line.count)
    what = ": ".join(filter(None, (said(line), which(line))))
    whom = ", ".join(filter(None, (line.app, line.pupil, line.person)))
    return (trail.moment(line.at), who(line), what, whom, count, line.event)


def _asked() -> Asked:
    """What the address asks; what is no word of ours is left out."""
    topic = request.args.get("over", "")
    return Asked(
        person_id=request.args.get("wie", "")[:60],
        account_uuid=pages_pupils.known_id(request.args["leerling"]) if request.args.get("leerling") else "",
        topic=Topic(topic) if topic in {*Topic} else None,
        first=_day("van"),
        last=_day("tot"),
        before=_before(),
    )


def _before() -> str:
    """The first page for what is no line of ours."""
    try:
        return pages_pupils.known_id(request.args["voor"]) if request.args.get("voor") else ""
    except NotFound:
        return ""


def _day(name: str) -> date | None:
    try:
        found = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return found if date(2000, 1, 1) <= found <= date(2999, 12, 31) else None


def _address(path: str, asked: Asked) -> str:
    fields = {
        "wie": asked.person_id,
        "leerling": asked.account_uuid,
        "over": asked.topic or "",
        "van": str(asked.first or ""),
        "tot": str(asked.last or ""),
        "voor": asked.before,
    }
    query = urlencode({name: str(value) for name, value in fields.items() if value})
    return f"{path}?{query}" if query else path
