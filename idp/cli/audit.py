"""Commands that prove what happened: the audit trail and the ledger of releases."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from idp.admin import finding
from idp.admin.records import acknowledging, anchors, exporting, roles, sealing, verifying
from idp.cli.frame import (
    DAY,
    REFUSED,
    data_option,
    json_option,
    opened,
    orderly,
    progress,
    require_known,
    say,
    table,
)
from idp.clock import BRUSSELS, midnight
from idp.errands import patrol_book
from idp.errors import Invalid


@click.group()
def audit() -> None:
    """Prove what happened: verify, export and anchor the audit trail and the ledger of releases."""


@audit.command()
@data_option
@json_option
@click.option(
    "--anchors",
    "kept",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with anchors that was kept elsewhere; may be given more than once.",
)
@click.option(
    "--accept-restore",
    "accepted",
    multiple=True,
    metavar="ID",
    help="You know of this restore (the id that this command names): what was lost with it is no problem.",
)
@orderly
def verify(data: Path | None, kept: tuple[Path, ...], accepted: tuple[str, ...], *, as_json: bool) -> None:
    """Look whether anything was changed, added, removed or moved since it was written, and where.

    Exit code 1 when something was. The anchors that this machine wrote beside the database are looked at as well;
    give those that were kept elsewhere with --anchors: only they show that the end was cut off. After a restore the
    anchors of the lost hours are named with the restore that lost them, until you accept that one by its id.
    """
    with opened(data) as house, progress("rows") as bar:
        own = anchors.file_of(house)
        files = [*kept, *([own] if own.exists() else [])]
        report = verifying.verify(
            house, kept=files, accepted=accepted, looked_at=lambda count: bar(count, count)
        )
    if as_json:
        say(
            {
                "good": report.good,
                "rows": report.rows,
                "seals": report.seals,
                "anchors": report.anchors,
                "problems": [vars(one) for one in report.problems],
                "remarks": [vars(one) for one in report.remarks],
            }
        )
    else:
        _tell(report)
    if not report.good:
        sys.exit(REFUSED)


def _tell(report: verifying.Report) -> None:
    for title, found in (("Something was touched", report.problems), ("To know", report.remarks)):
        if found:
            columns = ("where", "what", "row or number", "")
            table(title, columns, ([one.trail, one.what, one.where, one.words] for one in found))
    rows = ", ".join(f"{count} rows of {trail}" for trail, count in report.rows.items())
    seen = f"{rows}, {report.seals} seals, {report.anchors} anchors"
    if report.good:
        click.echo(f"in order: {seen}")
    else:
        click.echo(f"idp: NOT in order: {len(report.problems)} problems in {seen}", err=True)
        if any(one.what == "restored" for one in report.problems):
            click.echo("idp: was that restore yours? Say so with --accept-restore and its id", err=True)


@audit.command("night")
@data_option
@json_option
@orderly
def show_night(data: Path | None, *, as_json: bool) -> None:
    """How far the nightly look at the audit trail and the ledger is, and what it found.

    The job `verify` looks each night at the newest part and at a slice of what is older (docs/proof.md). Exit code 1 when
    something is not as it was written, and nobody acknowledged it (`idp audit acknowledge`).
    """
    with opened(data) as house:
        now = house.clock.now()
        with house.database.reading() as db:
            book = patrol_book.read(db, house.keys.marks)
    alarm = bool(book.alarms or book.strange)
    if as_json:
        say(
            {
                "good": not alarm,
                "trails": [_standing(one, now) for one in book.standings.values()],
                "rewritten": book.strange,
            }
        )
    else:
        _tell_night(book)
    if alarm:
        sys.exit(REFUSED)


@audit.command()
@data_option
@click.argument("trouble")
@click.option(
    "--reason", required=True, help="What it is, and who looked: 10 to 500 characters, no names of pupils."
)
@orderly
def acknowledge(data: Path | None, trouble: str, *, reason: str) -> None:
    """Say that you know of TROUBLE, something that `idp audit night` names, and why.

    It is no alarm any more, and stays told as known until it is as it was or is purged. More of it, or anything else, is an
    alarm at once.
    """
    with opened(data) as house, house.database.transaction() as db:
        found, known = acknowledging.acknowledge(
            db, house.keys.marks, trouble, reason=reason, now=house.clock.now()
        )
    click.echo(f"{found}: known since {found.since}, acknowledged by {known.by}")


@audit.command("take-back")
@data_option
@click.argument("trouble")
@orderly
def take_back(data: Path | None, trouble: str) -> None:
    """Take back that TROUBLE is known (`idp audit acknowledge`), whoever said so: it is an alarm again at once.

    `idp audit night` names what is known. Who takes it back stands in the audit trail, with who had acknowledged it.
    """
    with opened(data) as house, house.database.transaction() as db:
        found = acknowledging.take_back(db, house.keys.marks, trouble)
    click.echo(f"{found}: an alarm again, as since {found.since}")


def _standing(one: patrol_book.Standing, now: datetime) -> dict[str, Any]:
    age = one.age(now)
    return {
        "trail": one.trail,
        "newest_seal": one.newest.number,
        "old_seal": one.old.number,
        "walk_ends_at_seal": one.until,
        "walk_began": one.begun_at,
        "last_whole": one.whole_at,
        "last_whole_age_seconds": age.total_seconds() if age is not None else None,
        "night": one.night,
        "troubles": [_told(one, trouble) for trouble in one.troubles],
    }


def _told(standing: patrol_book.Standing, trouble: patrol_book.Trouble) -> dict[str, Any]:
    known = next((vars(one) for one in standing.known if one.name == trouble.name), None)
    return vars(trouble) | {"name": trouble.name, "acknowledged": known}


def _tell_night(book: patrol_book.Book) -> None:
    if not book.standings and not book.strange:
        click.echo("nothing yet: the job `verify` runs at night, or now with `idp jobs run verify`")
        return
    columns = ("trail", "newest seal seen", "older ones up to", "all of it by", "last night")
    walked = [one for name, one in book.standings.items() if name != patrol_book.ANCHORS]
    rows = (
        [
            one.trail,
            one.newest.number,
            f"{one.old.number} of {one.until}",
            _day(one.whole_at),
            one.night or "",
        ]
        for one in walked
    )
    table("Looked at", columns, rows)
    if book.alarms:
        titles = ("name", "where", "seal", "what", "rows in that seal", "ids", "since")
        table("Something was touched", titles, (_trouble(one) for one in book.alarms))
    for one, known in book.known:
        said = f"acknowledged by {known.by} on {known.at[:10]}: {known.reason}"
        click.echo(f"known: {one} ({one.name}), since {one.since}, {said}")
    for trail in book.strange:
        click.echo(
            f"idp: what was known of {trail} was rewritten by somebody: its walk begins again", err=True
        )
    if book.alarms or book.strange:
        click.echo("idp: NOT in order: docs/proof.md says what to do", err=True)
    elif book.known:
        click.echo("in order, but for what is known")
    else:
        click.echo("in order, as far as it was looked at")


def _trouble(one: patrol_book.Trouble) -> list[Any]:
    rows = ", ".join(str(row) for row in one.rows) or (one.count if one.count > 1 else "")
    seal = "" if one.seal is None else one.seal
    return [one.name, one.trail, seal, one.what, rows, " ".join(one.ids), one.since]


def _day(moment: datetime | None) -> str:
    return "never yet" if moment is None else f"{moment.astimezone(BRUSSELS):%Y-%m-%d %H:%M}"


@audit.command("export")
@data_option
@click.option("--from", "begin", type=DAY, help="First day, YYYY-MM-DD.  [default: the beginning]")
@click.option("--until", "end", type=DAY, help="Last day, included.  [default: today]")
@click.option("--school", metavar="N", help="Only about this school (instellingsnummer).")
@click.option("--pupil", metavar="X", help="Only about this pupil: user name, stamnummer or account_uuid.")
@click.option(
    "--out", type=click.File("w", encoding="utf-8"), default="-", help="File.  [default: the screen]"
)
@orderly
def export_trail(
    data: Path | None,
    *,
    begin: datetime | None,
    end: datetime | None,
    school: str | None,
    pupil: str | None,
    out: Any,
) -> None:
    """Write the audit trail and the ledger as JSON Lines: one object a row, with the name of its table.

    Without --school and --pupil the seals, anchors and public keys come along, for whoever verifies elsewhere.
    """
    with opened(data) as house, house.database.reading() as db:
        require_known(db, school=school)
        about = finding.pupil(db, pupil, instellingsnummer=school) if pupil else None
        wanted = exporting.Wanted(
            begin=midnight(begin.date()) if begin else None,
            end=midnight((end.date() if end else house.clock.today()) + timedelta(days=1)),
            instellingsnummer=school,
            account_uuid=about,
        )
        for line in exporting.lines(db, house, wanted):
            out.write(f"{line}\n")


@audit.command("anchor")
@data_option
@orderly
def make_anchor(data: Path | None) -> None:
    """Seal what has settled and state now, signed, where the chains end. Prints the statement: keep it elsewhere."""
    with opened(data, actor="system") as house:
        now = house.clock.now()
        sealing.seal(house, now)
        made = sealing.anchor(house, now, anew=True)
        if made is None:
            raise Invalid("anchor_elsewhere", "another process made one at this moment: try again")
    click.echo(made.jws)


@audit.command("anchors")
@data_option
@json_option
@click.option("--keys", "show_keys", is_flag=True, help="Our public keys instead, as a JWK set.")
@orderly
def list_anchors(data: Path | None, *, as_json: bool, show_keys: bool) -> None:
    """Every signed statement, oldest first; one JWS a line, as outsiders keep them."""
    with opened(data) as house:
        if show_keys:
            say(anchors.public_keys(house))
            return
        with house.database.reading() as db:
            found = anchors.all_of(db, house)
    if as_json:
        say(
            [
                {"number": one.number, "good": one.good, "kid": one.kid, "says": one.said, "jws": one.jws}
                for one in found
            ]
        )
    else:
        for one in found:
            click.echo(one.jws)


@audit.command("roles")
@data_option
@click.option("--program", default="idp_program", show_default=True, help="The role of database_url.")
@click.option("--purger", default="idp_purger", show_default=True, help="The role of purge_database_url.")
@click.option("--schema", default="public", show_default=True, help="Where the tables are.")
@click.option(
    "--apply", "do", is_flag=True, help="Do it, as the role of database_url, which must own the tables."
)
@orderly
def grant_roles(data: Path | None, program: str, purger: str, schema: str, *, do: bool) -> None:
    """PostgreSQL: let the program add to the trail and change nothing in it; only another role may purge.

    Prints the SQL, or does it with --apply. Make both roles first (CREATE ROLE … LOGIN); repeat after every upgrade.
    """
    if not do:
        for statement in roles.statements(program=program, purger=purger, schema=schema):
            click.echo(f"{statement};")
        return
    with opened(data) as house:
        if house.database.sqlite:
            raise Invalid("no_roles", "SQLite has no roles: the file's own permissions protect it")
        with house.database.transaction() as db:
            roles.apply(db, program=program, purger=purger, schema=schema)
    click.echo(f"{program} may add to the audit trail and the ledger and change nothing; {purger} may purge")


COMMANDS = (audit,)
