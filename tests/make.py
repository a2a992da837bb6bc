"""Plain factories: each inserts one row, with sensible values that keywords override, and returns its name.

`make.story(db)` is the shortest way to a pupil who gets everything: a school that shares, a class, an account,
an app with every scope that is visible for the school.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from idp import apart, apps, entropy, models
from idp.claims import disclose
from idp.context import House

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""The moment at which the clock of tests/conftest.py stands still."""
TODAY = date(2026, 11, 23)
YEAR_BEGINS, YEAR_ENDS = date(2026, 9, 1), date(2027, 8, 31)
ALL_SCOPES = "openid profile ov_leerling ov_inschrijving ov_klas offline_access"

_count = itertools.count(1_000_001)
"""As many digits in every test, whatever ran before it: names sort as they were made, and none begins another."""


def school(db: Connection, instellingsnummer: str | None = None, **columns: Any) -> str:
    """A school; returns its instellingsnummer, one of the reserved ones for a sandbox school."""
    free = 999900 if columns.get("kind") is models.SchoolKind.SANDBOX else 100000
    row = {
        "instellingsnummer": instellingsnummer
        or f"{free + next(_count) % (100 if free == 999900 else 800000)}",
        "naam": "Basisschool De Wijzer",
    }
    row |= {"kind": models.SchoolKind.TEST, "pakket": "wisa", "created_at": NOW} | columns
    db.execute(insert(models.School), row)
    return row["instellingsnummer"]


def pupil(db: Connection, *, invented: bool = False, **columns: Any) -> str:
    """A pupil without enrolment or account; returns the account_uuid. No official names unless given.

    Only an `invented` one can go to a sandbox school, and can go to no other.
    """
    name = apart.identifier(entropy.key_bytes(16)) if invented else entropy.identifier()
    row = {"account_uuid": name, "leerid_uuid": None, "national_number_digest": None}
    row |= {"voornaam": None, "naam": None, "geslacht": None, "geboortedatum": None, "merged_into": None}
    row |= {"created_at": NOW} | columns
    db.execute(insert(models.Pupil), row)
    return row["account_uuid"]


def enrolment(db: Connection, account_uuid: str, instellingsnummer: str, **columns: Any) -> str:
    """An enrolment for this school year; returns its id."""
    row = {"id": entropy.row_id(), "account_uuid": account_uuid, "instellingsnummer": instellingsnummer}
    row |= {"stamnummer": f"s{next(_count)}", "voornaam": "Gaston", "naam": "Logie", "hoofdstructuur": "211"}
    row |= {"administratieve_groep": "derde leerjaar", "administratieve_groep_code": "L3", "leerjaar": "3"}
    row |= {"vestigingsplaats": None, "begindatum": YEAR_BEGINS, "einddatum": YEAR_ENDS, "changed_at": NOW}
    row |= columns
    db.execute(insert(models.Enrolment), row)
    return row["id"]


def klas(db: Connection, instellingsnummer: str, code: str = "3A", **columns: Any) -> str:
    """A class (or subclass: soort=models.Soort.SUBKLAS); returns Klas.id."""
    row = {"id": entropy.identifier(), "instellingsnummer": instellingsnummer, "klas_id": f"k{next(_count)}"}
    row |= {"code": code, "naam": f"Klas {code}", "soort": models.Soort.KLAS, "changed_at": NOW} | columns
    db.execute(insert(models.Klas), row)
    return row["id"]


def membership(db: Connection, klas_id: str, account_uuid: str, **columns: Any) -> str:
    """The pupil sits in that class (Klas.id) this school year; returns the id of the row."""
    where = select(models.Klas.instellingsnummer).where(models.Klas.id == klas_id)
    row = {"id": entropy.row_id(), "klas": klas_id, "account_uuid": account_uuid}
    row |= {"instellingsnummer": columns.get("instellingsnummer") or db.execute(where).scalar_one()}
    row |= {"begindatum": YEAR_BEGINS, "einddatum": None, "replaced_at": None} | columns
    db.execute(insert(models.ClassMembership), row)
    return row["id"]


def account(db: Connection, account_uuid: str, username: str | None = None, **columns: Any) -> str:
    """An account with a secret that nobody knows (bring secret_hash and pepper_id to sign in); returns the user name."""
    row = {"account_uuid": account_uuid, "username": username or f"gaston.logie{next(_count)}"}
    row |= {"type": models.AccountType.BASIC, "secret_kind": models.SecretKind.PICTURE, "secret_hash": "none"}
    row |= {"pepper_id": "pepper-1", "secret_set_at": NOW, "secret_expires_at": None, "blocked_at": None}
    row |= {"last_sign_in_on": None, "created_at": NOW} | columns
    db.execute(insert(models.Account), row)
    return row["username"]


def app(db: Connection, client_id: str | None = None, **given: Any) -> apps.App:
    """A registered confidential app, visible for nobody yet; other words than columns go into its registration."""
    client_id = client_id or f"app-{next(_count)}"
    columns = {"client_id": client_id, "client_name": "Rekenbuur", "sector": f"{client_id}.example"}
    columns |= {"sandbox": False, "disabled_at": None, "created_at": NOW, "changed_at": NOW}
    columns |= {name: given.pop(name) for name in [*columns] if name in given}
    secrets = given.pop("secrets", ())
    registration = {"client_name": columns["client_name"], "scope": ALL_SCOPES}
    registration |= {"redirect_uris": [f"https://{client_id}.example/cb"]}
    registration |= {"grant_types": ["authorization_code", "refresh_token"]} | given
    db.execute(insert(models.App), columns | {"registration": registration})
    for digest in secrets:
        app_secret(db, client_id, digest=digest)
    apps.changed(db)
    found = apps.load(db, client_id)
    assert found is not None
    return found


def app_secret(db: Connection, client_id: str, *, digest: str, **columns: Any) -> None:
    """One more live client secret, by its digest."""
    row = {"id": entropy.row_id(), "client_id": client_id, "digest": digest, "created_at": NOW}
    db.execute(insert(models.AppSecret), row | {"expires_at": None} | columns)


def person(db: Connection, person_id: str | None = None, **columns: Any) -> str:
    """A member of staff without rights; returns the person_id."""
    row = {"person_id": person_id or f"person-{next(_count)}", "voornaam": "Mira", "naam": "Peeters"}
    db.execute(insert(models.Person), row | {"e_mail": None, "created_at": NOW} | columns)
    return row["person_id"]


def right(db: Connection, person_id: str, instellingsnummer: str | None, **columns: Any) -> str:
    """A right for this school year, of LeerID-databeheerder unless `kind` says otherwise; returns its id."""
    row = {"id": entropy.row_id(), "person_id": person_id, "kind": models.RightKind.DATABEHEERDER}
    row |= {"instellingsnummer": instellingsnummer, "begindatum": YEAR_BEGINS, "einddatum": YEAR_ENDS}
    db.execute(insert(models.Right), row | {"source": "test", "granted_at": NOW} | columns)
    return row["id"]


def director(db: Connection, instellingsnummer: str, **columns: Any) -> str:
    """A person who is LeerID-databeheerder of that school; returns the person_id."""
    made = person(db)
    right(db, made, instellingsnummer, **columns)
    return made


def protocol(db: Connection, version: str | None = None, **columns: Any) -> str:
    """A protocol text that has been in force for months; returns its sha256."""
    number = next(_count)
    row = {
        "version": version or f"v{number}",
        "body": f"# Protocol {version or number}\n",
        "names_teachers": True,
    }
    row |= {"published_at": datetime(2026, 6, 1, tzinfo=UTC), "in_force_from": date(2026, 7, 1)} | columns
    row = {"sha256": hashlib.sha256(row["body"].encode()).hexdigest()} | row
    db.execute(insert(models.ProtocolText), row)
    return row["sha256"]


def agreement(
    db: Connection, instellingsnummer: str, protocol_sha256: str | None = None, **columns: Any
) -> str:
    """The school shares: an agreement, and a director and text for it unless given; returns its id."""
    given_by = columns.pop("given_by", None) or director(db, instellingsnummer)
    row = {"id": entropy.row_id(), "instellingsnummer": instellingsnummer, "given_by": given_by}
    row |= {"protocol_sha256": protocol_sha256 or _any_protocol(db), "given_at": NOW}
    row |= {"given_as": models.RightKind.DATABEHEERDER, "stopped_at": None, "stopped_by": None}
    db.execute(insert(models.Agreement), row | {"stop_reference": None} | columns)
    return row["id"]


def rule(db: Connection, client_id: str, instellingsnummer: str, **columns: Any) -> str:
    """The app is visible for the whole school (or kind=…, target=…); returns the id of the rule."""
    row = {"id": entropy.row_id(), "client_id": client_id, "instellingsnummer": instellingsnummer}
    row |= {"kind": models.RuleKind.SCHOOL, "target": "", "begindatum": YEAR_BEGINS, "einddatum": None}
    db.execute(insert(models.VisibilityRule), row | {"created_by": "test", "created_at": NOW} | columns)
    return row["id"]


@dataclass(frozen=True, kw_only=True)
class Story:
    """Names of what `story` made."""

    school: str
    pupil: str
    username: str
    klas: str
    app: apps.App


def story(db: Connection, **given: Any) -> Story:
    """A pupil who gets everything. `shares`, `visible`, `in_class` = False leave that row out; other words go to app()."""
    shares, visible, in_class = (given.pop(word, True) for word in ("shares", "visible", "in_class"))
    here = given.pop("school", None) or school(db)
    who = pupil(db, invented=apart.is_reserved(here), leerid_uuid=entropy.identifier())
    enrolment(db, who, here)
    username = account(db, who, given.pop("username", None))
    class_id = klas(db, here)
    if in_class:
        membership(db, class_id, who)
    if shares:
        agreement(db, here)
    shown = app(db, **given)
    if visible:
        rule(db, shown.client_id, here)
    return Story(school=here, pupil=who, username=username, klas=class_id, app=shown)


def released(db: Connection, house: House, told: Story) -> disclose.Disclosure:
    """The app asks userinfo about the pupil of this story, with every scope; the ledger keeps it."""
    return disclose.disclose(
        db,
        keys=house.keys,
        app=told.app,
        account_uuid=told.pupil,
        instellingsnummer=told.school,
        scope=ALL_SCOPES,
        asked=None,
        channel=disclose.Channel.USERINFO,
        now=house.clock.now(),
        today=house.clock.today(),
        record=True,
    )


def _any_protocol(db: Connection) -> str:
    newest = select(models.ProtocolText.sha256).order_by(models.ProtocolText.in_force_from.desc())
    return db.execute(newest).scalars().first() or protocol(db)
