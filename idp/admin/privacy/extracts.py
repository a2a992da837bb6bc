"""What do we hold about a pupil, what were apps told, who looked and who helped? One document (GDPR, article 15).

Two readers: the pupil, who gets everything, moments included; and the school, for the parents, which gets what is of that
school, with days: nobody else sees when or where a child signed in. Of staff the role is told, never the name.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select

from idp import audit
from idp.admin.privacy import terms
from idp.apps import App, load
from idp.claims import disclose, visibility
from idp.clock import day_of_law
from idp.context import House
from idp.models import (
    Account,
    AccountEmail,
    AppPupil,
    AuditEvent,
    Card,
    ClassMembership,
    Enrolment,
    Klas,
    Pupil,
    Release,
    School,
    Session,
)

ROLES = {"pupil": "leerling", "person": "school", "app": "app", "operator": "operator"}
"""Kind of actor in the audit trail → who did it, in a word."""
OWN_EYES = frozenset(
    {"signed_in", "signed_out", "sign_in_failed", "sign_in_slowed", "help_refused", "reset_asked"}
)
"""When and how a child signed in is for the child alone."""


def of_pupil(
    db: Connection, house: House, account_uuid: str, *, instellingsnummer: str | None = None
) -> dict[str, Any]:
    """The document about this pupil: whole, or (for a school) what is of that school."""
    own = instellingsnummer is None
    pupil = db.execute(select(Pupil.__table__).where(Pupil.account_uuid == account_uuid)).mappings().one()
    merged = db.execute(select(Pupil.account_uuid).where(Pupil.merged_into == account_uuid)).scalars()
    return {
        "about": {
            "account_uuid": account_uuid,
            "leerid_uuid": pupil["leerid_uuid"],
            "earlier_account_uuids": sorted(merged),
        },
        "for": "pupil" if own else "school",
        "school": instellingsnummer,
        "made_at": house.clock.now(),
        "by": house.settings.issuer,
        "held": {
            "official": _official(pupil),
            "enrolments": _enrolments(db, account_uuid, instellingsnummer),
            "classes": _classes(db, account_uuid, instellingsnummer),
            "account": _account(db, account_uuid, own=own),
            "cards": _cards(db, account_uuid),
            **({"sessions": _sessions(db, account_uuid)} if own else {}),
        },
        "apps": apps_of(db, house, account_uuid, instellingsnummer=instellingsnummer),
        "releases": _releases(db, account_uuid, instellingsnummer),
        "acts": acts(db, account_uuid, instellingsnummer=instellingsnummer),
        "kept": terms.in_english(house.settings, terms.OF_PUPILS),
        "corrections": "Gegevens van de inschrijving en de klas verbetert de school in haar administratief pakket; "
        "een dag later staan ze hier juist. Wat een app zelf bewaart, verbetert de maker van de app.",
    }


def _official(pupil: Any) -> dict[str, Any]:
    return {
        "voornaam": pupil["voornaam"],
        "naam": pupil["naam"],
        "geslacht": pupil["geslacht"],
        "geboortedatum": pupil["geboortedatum"],
        "national_number": "only a keyed digest" if pupil["national_number_digest"] else None,
    }


def _enrolments(db: Connection, account_uuid: str, school: str | None) -> list[dict[str, Any]]:
    one = Enrolment
    columns = (
        one.instellingsnummer,
        School.naam.label("school"),
        one.stamnummer,
        one.voornaam,
        one.naam,
        one.hoofdstructuur,
        one.administratieve_groep,
        one.leerjaar,
        one.vestigingsplaats,
        one.begindatum,
        one.einddatum,
    )
    wanted = select(*columns).join(School, School.instellingsnummer == one.instellingsnummer)
    wanted = wanted.where(one.account_uuid == account_uuid, *_at(one.instellingsnummer, school))
    return [dict(row) for row in db.execute(wanted.order_by(one.begindatum)).mappings()]


def _classes(db: Connection, account_uuid: str, school: str | None) -> list[dict[str, Any]]:
    sits = ClassMembership
    wanted = (
        select(sits.instellingsnummer, Klas.code, Klas.naam, Klas.soort, sits.begindatum, sits.einddatum)
        .join(Klas, Klas.id == sits.klas)
        .where(sits.account_uuid == account_uuid, *_at(sits.instellingsnummer, school))
    )
    return [dict(row) for row in db.execute(wanted.order_by(sits.begindatum, Klas.code)).mappings()]


def _account(db: Connection, account_uuid: str, *, own: bool) -> dict[str, Any] | None:
    row = db.execute(select(Account.__table__).where(Account.account_uuid == account_uuid)).mappings().first()
    if row is None:
        return None
    told = {
        "username": row["username"],
        "type": row["type"],
        "secret": row["secret_kind"],
        "made_on": day_of_law(row["created_at"]),
        "secret_set_on": day_of_law(row["secret_set_at"]),
        "last_sign_in_on": row["last_sign_in_on"],
        "blocked": row["blocked_at"] is not None,
    }
    if own:
        address = select(AccountEmail.address).where(AccountEmail.account_uuid == account_uuid)
        told["e_mail"] = db.execute(address).scalar()
    return told


def _cards(db: Connection, account_uuid: str) -> list[dict[str, Any]]:
    rows = db.execute(select(Card.__table__).where(Card.account_uuid == account_uuid)).mappings()
    return [
        {
            "label": row["label"],
            "made_on": day_of_law(row["created_at"]),
            "until": day_of_law(row["expires_at"]),
            "stopped": row["voided_at"] is not None,
        }
        for row in rows
    ]


def _sessions(db: Connection, account_uuid: str) -> list[dict[str, Any]]:
    columns = (Session.device, Session.auth_time, Session.amr, Session.last_seen_at, Session.ended_at)
    wanted = select(*columns).where(Session.account_uuid == account_uuid).order_by(Session.auth_time)
    return [dict(row) for row in db.execute(wanted).mappings()]


def apps_of(
    db: Connection, house: House, account_uuid: str, *, instellingsnummer: str | None = None
) -> list[dict[str, Any]]:
    """Every app that is visible or was ever told something: what it gets today, by the engine of the tokens, and why."""
    today = house.clock.today()
    mine = select(AppPupil.client_id, AppPupil.chosen_school).where(AppPupil.account_uuid == account_uuid)
    met = {row.client_id: row.chosen_school for row in db.execute(mine)}
    known = [*dict.fromkeys([*visibility.visible_apps(db, account_uuid, today), *met])]
    told = []
    for client_id in known:
        app = load(db, client_id)
        if app is None:
            continue
        schools = [one.instellingsnummer for one in visibility.schools_for(db, app, account_uuid, today)]
        school = instellingsnummer or next((one for one in schools if one == met.get(client_id)), None)
        school = school or (schools[0] if schools else met.get(client_id))
        if instellingsnummer is not None and instellingsnummer not in schools:
            continue
        told.append(_app(db, house, app, account_uuid, school))
    return told


def _app(db: Connection, house: House, app: App, account_uuid: str, school: str | None) -> dict[str, Any]:
    found = disclose.preview(
        db,
        keys=house.keys,
        app=app,
        account_uuid=account_uuid,
        instellingsnummer=school,
        today=house.clock.today(),
    )
    return {
        "client_id": app.client_id,
        "name": app.client_name,
        "through_school": school,
        "purpose": app.purpose,
        "legal_ground": app.legal_ground,
        "processor_agreement": app.processor_agreement,
        "retention": app.retention,
        "gets": {
            one.claim: {"value": one.value, "reason": app.reasons.get(one.claim)}
            for one in found.answers
            if one.released and found.alive
        },
        "gets_not": {one.claim: str(one.gate) for one in found.answers if one.gate},
    }


def _releases(db: Connection, account_uuid: str, school: str | None) -> list[dict[str, Any]]:
    columns = (Release.at, Release.channel, Release.client_id, Release.instellingsnummer, Release.claims)
    wanted = select(*columns).where(
        Release.account_uuid == account_uuid, *_at(Release.instellingsnummer, school)
    )
    rows = db.execute(wanted.order_by(Release.at)).all()
    if school is None:
        return [
            {
                "at": row.at,
                "channel": row.channel,
                "client_id": row.client_id,
                "school": row.instellingsnummer,
                "claims": row.claims,
            }
            for row in rows
        ]
    first: dict[str, datetime] = {}
    claims: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        first.setdefault(row.client_id, row.at)
        claims[row.client_id] |= {name for name, word in row.claims.items() if word == "released"}
    return [
        {"client_id": one, "first_on": day_of_law(at), "claims": sorted(claims[one])}
        for one, at in first.items()
    ]


def acts(db: Connection, account_uuid: str, *, instellingsnummer: str | None = None) -> list[dict[str, Any]]:
    """Who helped, who looked, what was changed. For a school: what was done in its name, by day."""
    about, columns = audit.pupil(account_uuid), AuditEvent.__table__.c
    wanted = select(columns.at, columns.event, columns.actor, columns.instellingsnummer)
    wanted = wanted.where(
        or_(columns.object == about, columns.actor == about),
        *_at(columns.instellingsnummer, instellingsnummer),
    )
    if instellingsnummer is not None:
        wanted = wanted.where(columns.event.not_in(OWN_EYES), columns.actor != about)
    return [
        {
            "event": row.event,
            **({"at": row.at} if instellingsnummer is None else {"on": day_of_law(row.at)}),
            "by": ROLES.get(row.actor.partition(":")[0], row.actor),
            "school": row.instellingsnummer,
        }
        for row in db.execute(wanted.order_by(columns.at, columns.id))
    ]


def _at(column: Any, school: str | None) -> list[ColumnElement[bool]]:
    return [] if school is None else [column == school]
