"""What does an operator see of schools and packages? Schools with how they stand, and the programs that deliver.

/beheer/scholen         search by name or number, kind, package
/beheer/scholen/NUMBER  how one stands: what it shares since when, and what arrived; numbers, and no names
/beheer/pakketten       programs of packages and of the list of directors: add (secret shown once), renew, close
"""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import shell, staff_door
from idp.admin.agreements import sharing
from idp.admin.operators import school_list
from idp.claims import agreements
from idp.errors import Invalid, NotFound, Refusal
from idp.feeds import feed_clients, missing
from idp.models import RightKind, School, SchoolKind

blueprint = Blueprint("operator_schools", __name__)
SCHOOLS, PACKAGES = "/beheer/scholen", "/beheer/pakketten"
PAGE = 50
OVERLAP_DAYS, MOST_OVERLAP_DAYS = 14, 90
WHICH, TYPED = ("wat", "id"), ("naam", "pakket", "dagen")
"""Fields of the forms for a package: which form it was, and what is typed in one."""


@blueprint.get(SCHOOLS)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def schools() -> Response:
    house, asked = context.house(), request.args
    today, words = house.clock.today(), asked.get("zoek", "").strip()[:100]
    kind = next((one for one in SchoolKind if one.value == asked.get("soort")), None)
    package = asked.get("pakket") if asked.get("pakket") in sharing.PACKAGES else None
    with house.database.reading() as db:
        found = school_list.search(
            db, words=words, kind=kind, pakket=package, after=asked.get("na", "")[:6], most=PAGE + 1
        )
        numbers = [one.instellingsnummer for one in found]
        of_these = agreements.sharing_schools(today).where(School.instellingsnummer.in_(numbers))
        sharing_now = {*db.execute(of_these).scalars()}
        late = {one.instellingsnummer for one in missing.schools(db, house.clock.now())}
    return shell.page(
        "admin/operator_schools.html",
        lines=found[:PAGE],
        more=found[PAGE - 1].instellingsnummer if len(found) > PAGE else "",
        sharing=sharing_now,
        late=late,
        words=words,
        kind=kind,
        package=package,
        kinds=[*SchoolKind],
        packages=sharing.PACKAGES,
    )


@blueprint.get(f"{SCHOOLS}/<instellingsnummer>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def school(instellingsnummer: str) -> Response:
    house = context.house()
    now, today = house.clock.now(), house.clock.today()
    with house.database.reading() as db:
        shown = school_list.show(db, instellingsnummer, today)
        standing = sharing.standing(db, instellingsnummer, today)
        late = missing.schools(db, now, instellingsnummer)
    return shell.page(
        "admin/operator_school.html", it=shown, standing=standing, late=late, packages=sharing.PACKAGES
    )


@blueprint.get(PACKAGES)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def packages() -> Response:
    return _packages()


@blueprint.post(PACKAGES)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def change_packages() -> Response:
    """`maak`, `geheim` (beside the old one, which ends some days later), `eindig` (lost), `sluit`, `open`."""
    if again := staff_door.needs_fresh_first(_packages, *TYPED, which=WHICH, back=PACKAGES):
        return again
    house, form = context.house(), request.form
    now, what, client_id = house.clock.now(), form.get("wat", ""), form.get("id", "")[:60]
    secret = None
    try:
        with house.database.transaction() as db:
            if what == "maak":
                if not form.get("naam", "").strip():
                    raise Invalid("name_missing")  # noqa: TRY301
                wanted = form.get("pakket") or None
                client_id, secret = feed_clients.add(db, naam=form["naam"], pakket=wanted, now=now)
            elif what == "geheim":
                days = form.get("dagen", "")
                overlap = int(days) if days.isascii() and days.isdigit() and len(days) < 3 else OVERLAP_DAYS
                until = now + timedelta(days=min(overlap, MOST_OVERLAP_DAYS))
                secret = feed_clients.new_secret(db, client_id, old_until=until, now=now)
            elif what == "eindig":
                feed_clients.end_secrets(db, client_id, now=now)
            elif what in {"sluit", "open"}:
                feed_clients.close(db, client_id, closed=what == "sluit", now=now)
            else:
                raise NotFound("feed_client_unknown")
    except Invalid as refusal:
        return _packages(problem=refusal, given=staff_door.kept(*WHICH, *TYPED), status=refusal.status)
    if secret is not None:
        return _packages(made=(client_id, secret))
    return web.see_other(f"{PACKAGES}?bericht=gedaan")


def _packages(
    *,
    made: tuple[str, str] | None = None,
    problem: Refusal | None = None,
    given: staff_door.Typed | None = None,
    prove_first: bool = False,
    status: int = 200,
) -> Response:
    house = context.house()
    now = house.clock.now()
    with house.database.reading() as db:
        found = feed_clients.listing(db)
    return shell.page(
        "admin/operator_packages.html",
        status=status,
        lines=[
            (one, [until for _digest, until in one.secrets if until is None or until > now]) for one in found
        ],
        packages=sharing.PACKAGES,
        made=made,
        given=given or {},
        prove_first=prove_first,
        most=feed_clients.MOST_SECRETS,
        overlap=OVERLAP_DAYS,
        most_overlap=MOST_OVERLAP_DAYS,
        token_endpoint=f"{house.settings.issuer}/api/pakket/v1/token",
        problem=f"{sentences.sentence(problem.code)} {sentences.advice(problem.code)}" if problem else "",
        message=request.args.get("bericht"),
    )
