"""Commands that answer for data protection: extracts, whom a breach touches, the register of processing."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import orjson

from idp.admin import finding
from idp.admin.operators import school_list
from idp.admin.privacy import breach, extracts, processing, school_extract
from idp.audit import privacy as audit_privacy
from idp.cli.frame import DAY, data_option, json_option, opened, orderly, say, table
from idp.clock import midnight

out_option = click.option(
    "--out", type=click.File("w", encoding="utf-8"), default="-", help="File.  [default: the screen]"
)


def _write(out: Any, document: Any) -> None:
    out.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode() + "\n")


@click.group()
def extract() -> None:
    """What we hold and what apps were told: about a pupil (an access request), or a school. JSON."""


@extract.command("pupil")
@data_option
@out_option
@click.argument("pupil", metavar="PUPIL")
@click.option(
    "--school", metavar="N", help="Only what is of this school, as it would give it to the parents."
)
@orderly
def extract_pupil(data: Path | None, pupil: str, school: str | None, out: Any) -> None:
    """Everything about PUPIL (user name, account_uuid, or stamnummer with --school). Personal data: mind the file."""
    with opened(data) as house:
        with house.database.reading() as db:
            about = finding.pupil(db, pupil, instellingsnummer=school)
            document = extracts.of_pupil(db, house, about, instellingsnummer=school)
        with house.database.transaction() as db:
            audit_privacy.extract_given(db, account_uuid=about, instellingsnummer=school, kind="operator")
    _write(out, document)


@extract.command("school")
@data_option
@out_option
@click.argument("school", metavar="N")
@orderly
def extract_school(data: Path | None, school: str, out: Any) -> None:
    """The ledger and the audit trail of school N, with what proves them."""
    with opened(data) as house:
        with house.database.transaction() as db:
            school_list.require(db, school)
            audit_privacy.school_extract_given(db, instellingsnummer=school)
        for piece in school_extract.pieces(house, school):
            out.write(piece.decode())


@click.command("breach")
@data_option
@json_option
@out_option
@click.option("--from", "begin", type=DAY, required=True, help="First day, YYYY-MM-DD.")
@click.option("--until", "end", type=DAY, required=True, help="Last day, included.")
@click.option("--app", "client_id", default="", metavar="ID", help="Only what this app was told.")
@click.option("--school", default="", metavar="N", help="Only pupils of this school.")
@click.option("--person", default="", metavar="ID", help="Only what this member of staff did.")
@click.option("--csv", "as_csv", is_flag=True, help="A line for every pupil, for a spreadsheet.")
@orderly
def report_breach(
    data: Path | None,
    *,
    begin: datetime,
    end: datetime,
    client_id: str,
    school: str,
    person: str,
    out: Any,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Whom does a breach touch? Schools, pupils and apps in a period, from the ledger and the audit trail."""
    if end < begin:
        raise click.UsageError("--until is before --from")
    wanted = breach.Wanted(
        begin=midnight(begin.date()),
        end=midnight(end.date() + timedelta(days=1)),
        client_id=client_id,
        instellingsnummer=school,
        person_id=person,
    )
    with opened(data) as house:
        with house.database.reading() as db:
            found = breach.report(db, wanted)
        count = found.total("account_uuid")
        with house.database.transaction() as db:
            audit_privacy.breach_reported(
                db,
                client_id=client_id or None,
                instellingsnummer=school or None,
                days=(end - begin).days + 1,
                count=count,
            )
    if as_csv:
        out.write(found.table())
    elif as_json:
        _write(out, found.document())
    else:
        columns = ("who", "name", "school", "pupils", "what")
        rows = ([*(one[name] for name in columns[:-1]), " ".join(one["what"])] for one in found.groups())
        table(f"{begin:%Y-%m-%d} to {end:%Y-%m-%d}", columns, rows)
        click.echo(f"{count} pupils of {found.total('instellingsnummer')} schools; --csv names them")


@click.group("processing")
def processing_group() -> None:
    """Show how data are protected: the register of processing activities, the evidence of article 6. JSON, in Dutch."""


@processing_group.command("register")
@data_option
@orderly
def show_register(data: Path | None) -> None:
    """What is processed, why, for whom, how long, and every app as a recipient (GDPR, article 30)."""
    with opened(data) as house, house.database.reading() as db:
        say(processing.activities(db, house))


@processing_group.command("evidence")
@data_option
@orderly
def show_evidence(data: Path | None) -> None:
    """What shows, today, that each measure of article 6 of the protocol is taken; and what nobody but you can show."""
    with opened(data) as house, house.database.reading() as db:
        say(processing.evidence(db, house))


COMMANDS = (extract, report_breach, processing_group)
