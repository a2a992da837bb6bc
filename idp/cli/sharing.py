"""Commands about who may see what: agreements, visibility, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from idp.admin import finding
from idp.admin.visible import explaining
from idp.apps import App, load
from idp.claims import consent as agreements
from idp.claims import visibility
from idp.claims.catalogue import Gate
from idp.claims.release import Answer
from idp.cli.frame import data_option, json_option, opened, orderly, require_known, say, table
from idp.errors import Invalid, NotFound
from idp.models import RuleKind

DAY = click.DateTime(formats=["%Y-%m-%d"])
school_option = click.option("--school", required=True, metavar="N", help="Instellingsnummer.")
app_option = click.option("--app", "client_id", required=True, metavar="ID", help="client_id of the app.")


GATES = {
    Gate.NOT_REGISTERED: "the app's registration does not have this claim",
    Gate.NOT_REQUESTED: "the app did not ask for it",
    Gate.SCHOOL_DOES_NOT_SHARE: "the school does not share klasinformatie",
    Gate.NOT_VISIBLE: "the school has not made the app visible for this pupil",
    Gate.NOT_ENROLLED: "the pupil is not enrolled at this school today",
    Gate.UNKNOWN: "the value is not known: nobody delivered it",
}


def _app(db: Any, client_id: str) -> App:
    found = load(db, client_id)
    if found is None:
        raise NotFound("app_unknown", f"there is no app {client_id}: see `idp app list`")
    return found


# ---------------------------------------------------------------- consent


@click.group()
def consent() -> None:
    """The school's agreement to share klasinformatie."""


@consent.command()
@data_option
@school_option
@click.option(
    "--by", required=True, metavar="PERSON", help="person_id of a LeerID-databeheerder of the school."
)
@orderly
def give(data: Path | None, school: str, by: str) -> None:
    """Agree for a sandbox or test school. Real schools agree themselves, in the Schoolloket."""
    with opened(data) as house:
        now, today = house.clock.now(), house.clock.today()
        with house.database.transaction() as db:
            newest = agreements.state(db, school, today).newest
            if newest is None:
                raise Invalid("protocol_missing", "no protocol text is in force: see `idp protocol publish`")
            agreements.give_by_operator(
                db,
                instellingsnummer=school,
                person_id=by,
                protocol_sha256=newest.sha256,
                now=now,
                today=today,
            )
    click.echo(f"{school} shares klasinformatie under protocol {newest.version}")


@consent.command()
@data_option
@school_option
@click.option("--reference", required=True, metavar="TEXT", help="Reference of the school's written notice.")
@orderly
def stop(data: Path | None, school: str, reference: str) -> None:
    """Stop sharing on the school's written notice; it counts from the next look, for tokens that exist as well."""
    with opened(data) as house:
        now, today = house.clock.now(), house.clock.today()
        with house.database.transaction() as db:
            stopped = agreements.stop_by_operator(
                db,
                instellingsnummer=school,
                operator="operator:cli",
                reference=reference,
                now=now,
                today=today,
            )
    if not stopped.was_agreed:
        click.echo(f"{school} did not share klasinformatie: nothing to stop")
    else:
        click.echo(
            f"{school} no longer shares; {stopped.rules_turned} rules on classes became rules on pupils"
        )


@consent.command("show")
@data_option
@json_option
@school_option
@orderly
def show_consent(data: Path | None, school: str, *, as_json: bool) -> None:
    """Does a school share klasinformatie, since when, under which text, and who agreed?"""
    with opened(data) as house, house.database.reading() as db:
        require_known(db, school=school)
        state = agreements.state(db, school, house.clock.today())
    shown = {
        "school": school,
        "shares": state.shares,
        "protocol": state.agreed.version if state.agreed else None,
        "protocol_sha256": state.agreed.sha256 if state.agreed else None,
        "given_by": state.given_by,
        "given_at": state.given_at,
        "lapses_on": state.lapses_on,
    }
    if as_json:
        say(shown)
    elif not state.shares:
        click.echo(f"{school} does not share klasinformatie")
    else:
        ends = f"; it lapses on {state.lapses_on} unless renewed" if state.lapses_on else ""
        click.echo(
            f"{school} shares klasinformatie since {state.given_at:%Y-%m-%d}, protocol {shown['protocol']}, "
            f"agreed by {state.given_by}{ends}"
        )


# ---------------------------------------------------------------- protocol texts


@click.group()
def protocol() -> None:
    """The texts that schools agree to. A text is never changed; a newer one replaces it on a day."""


@protocol.command()
@data_option
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--version", required=True, metavar="NAME", help="Its name for people, such as 2027-1.")
@click.option(
    "--in-force",
    "in_force",
    type=DAY,
    help="First day, YYYY-MM-DD.  [default: as soon as schools had notice]",
)
@click.option("--names-teachers", is_flag=True, help="The text says that teachers see klasinformatie.")
@orderly
def publish(
    data: Path | None, file: Any, version: str, in_force: datetime | None, *, names_teachers: bool
) -> None:
    """Publish the protocol text in FILE (Markdown). Schools get notice before a newer text counts."""
    try:
        body = file.read()
    except UnicodeDecodeError:
        said = "is no text in UTF-8: save it as plain text with the marks of Markdown, not as a document"
        raise click.BadParameter(said, param_hint="FILE") from None
    with opened(data) as house:
        now, today = house.clock.now(), house.clock.today()
        notice = house.settings.protocol_notice_days
        with house.database.transaction() as db:
            first = not agreements.texts(db)
            day = in_force.date() if in_force else (today if first else today + timedelta(days=notice))
            sha256 = agreements.publish_protocol(
                db,
                version=version,
                body=body,
                in_force_from=day,
                names_teachers=names_teachers,
                notice_days=notice,
                now=now,
            )
    click.echo(f"protocol {version} is in force from {day} (sha256 {sha256})")


@protocol.command()
@data_option
@orderly
def sample(data: Path | None) -> None:  # noqa: ARG001 - every command takes --data
    """Print a text of our own to begin from: idp protocol sample > protocol.md"""
    click.echo(agreements.sample(), nl=False)


@protocol.command("list")
@data_option
@json_option
@orderly
def list_protocols(data: Path | None, *, as_json: bool) -> None:
    """Every text, in the order in which they come into force."""
    with opened(data) as house, house.database.reading() as db:
        texts = agreements.texts(db)
    shown = [
        {
            "version": one.version,
            "in_force_from": one.in_force_from,
            "names_teachers": one.names_teachers,
            "sha256": one.sha256,
        }
        for one in texts
    ]
    if as_json:
        say(shown)
    else:
        columns = ("version", "in_force_from", "names_teachers", "sha256")
        table("Protocol texts", columns, ([one[name] for name in columns] for one in shown))


# ---------------------------------------------------------------- visible


@click.group()
def visible() -> None:
    """For whom an app is visible: a school, an administratieve groep, a (sub)klas, or one pupil."""


def _whom(command: Any) -> Any:
    for option in (
        click.option("--pupil", metavar="X", help="User name, stamnummer or account_uuid."),
        click.option("--klas", metavar="X", help="Code of a (sub)klas."),
        click.option("--group", metavar="X", help="Code or label of an administratieve groep."),
    ):
        command = option(command)
    return command


def _target(
    db: Any, school: str, group: str | None, klas: str | None, pupil: str | None
) -> tuple[RuleKind, str]:
    if sum(word is not None for word in (group, klas, pupil)) > 1:
        raise click.UsageError("give one of --group, --klas and --pupil, or none for the whole school")
    if group is not None:
        return RuleKind.GROUP, finding.group(db, school, group)
    if klas is not None:
        return RuleKind.KLAS, finding.klas(db, school, klas)
    if pupil is not None:
        return RuleKind.PUPIL, finding.pupil(db, pupil, instellingsnummer=school)
    return RuleKind.SCHOOL, ""


@visible.command("add")
@data_option
@app_option
@school_option
@_whom
@click.option("--from", "begin", type=DAY, help="First day, YYYY-MM-DD.  [default: today]")
@click.option("--until", "end", type=DAY, help="Last day, included.  [default: no end]")
@orderly
def add_rule(
    data: Path | None,
    *,
    client_id: str,
    school: str,
    group: str | None,
    klas: str | None,
    pupil: str | None,
    begin: datetime | None,
    end: datetime | None,
) -> None:
    """Make an app visible. Without --group, --klas or --pupil: for the whole school."""
    with opened(data) as house:
        first: date = begin.date() if begin else house.clock.today()
        with house.database.transaction() as db:
            kind, target = _target(db, school, group, klas, pupil)
            rule = visibility.add(
                db,
                app=_app(db, client_id),
                instellingsnummer=school,
                kind=kind,
                target=target,
                begindatum=first,
                einddatum=end.date() if end else None,
                by="operator:cli",
                now=house.clock.now(),
            )
    click.echo(
        f"{client_id} is visible: {school} {kind.value} {target}".rstrip() + f" from {first} (rule {rule})"
    )


@visible.command("remove")
@data_option
@app_option
@school_option
@_whom
@orderly
def remove_rule(
    data: Path | None, *, client_id: str, school: str, group: str | None, klas: str | None, pupil: str | None
) -> None:
    """Take a rule away; it counts no more from the next look, for tokens that exist as well."""
    with opened(data) as house, house.database.transaction() as db:
        kind, target = _target(db, school, group, klas, pupil)
        rules = visibility.listing(db, instellingsnummer=school, client_id=client_id)
        mine = [rule for rule in rules if (rule.kind, rule.target) == (kind, target)]
        if not mine:
            raise NotFound(
                "rule_unknown", f"no such rule: see `idp visible list --app {client_id} --school {school}`"
            )
        for rule in mine:
            visibility.remove(db, instellingsnummer=school, rule_id=rule.id)
    click.echo(f"removed {len(mine)} rule{'s' if len(mine) > 1 else ''}")


@visible.command("list")
@data_option
@json_option
@click.option("--app", "client_id", metavar="ID", help="Only this app.")
@click.option("--school", metavar="N", help="Only this school.")
@orderly
def list_rules(data: Path | None, client_id: str | None, school: str | None, *, as_json: bool) -> None:
    """The rules, those of the past and of the future included."""
    with opened(data) as house, house.database.reading() as db:
        rules = visibility.listing(db, instellingsnummer=school, client_id=client_id)
        if not rules:
            require_known(db, school=school, client_id=client_id)
    shown = [
        {
            "app": rule.client_id,
            "school": rule.instellingsnummer,
            "kind": rule.kind.value,
            "target": rule.target,
            "from": rule.begindatum,
            "until": rule.einddatum,
            "id": rule.id,
        }
        for rule in rules
    ]
    if as_json:
        say(shown)
    else:
        columns = ("app", "school", "kind", "target", "from", "until")
        table("Apps are visible", columns, ([rule[name] for name in columns] for rule in shown))


# ---------------------------------------------------------------- explain


@click.command("explain")
@data_option
@json_option
@app_option
@click.option("--pupil", metavar="X", help="User name, account_uuid, or stamnummer with --school.")
@click.option(
    "--school",
    metavar="N",
    help="Through which school.  [default: the one that a sign-in would use]  Without --pupil: about the school.",
)
@click.option("--values", is_flag=True, help="Show values as well: personal data on your screen.")
@orderly
def explain_release(
    data: Path | None, client_id: str, pupil: str | None, school: str | None, *, as_json: bool, values: bool
) -> None:
    """Every claim that exists: does this app get it today, or which gate is closed? About a pupil or a school.

    The same decision as in tokens, by the same code, for everything the app has registered.
    """
    if pupil is None and school is None:
        raise click.UsageError("give --pupil, --school or both")
    with opened(data) as house, house.database.reading() as db:
        app = _app(db, client_id)
        if pupil is None:
            about = explaining.of_school(db, app, str(school), house.clock.today())
            if about is None:
                raise NotFound("school_unknown", f"there is no school {school}")
            _say_school(app, about, as_json=as_json)
            return
        found = explaining.of_pupil(db, house, app, pupil, instellingsnummer=school)
    lines = _lines(found.answers, values=values)
    if as_json:
        whole = {"app": client_id, "account_uuid": found.account_uuid, "school": found.instellingsnummer}
        say(whole | {"visible": found.visible, "account_active": found.active, "claims": lines})
        return
    columns = ("claim", "reason", "because") + (("value",) if values else ())
    through = found.instellingsnummer or "no school"
    title = f"{app.client_name} ({client_id}) about {found.account_uuid} through {through}"
    table(title, columns, ([line.get(name) for name in columns] for line in lines))
    if not found.visible:
        click.echo("The app is not visible for this pupil: no sign-in, and tokens that exist are refused.")
    if not found.active:
        click.echo("The account is not active: no sign-in, and tokens that exist are refused.")


def _say_school(app: App, about: explaining.OfSchool, *, as_json: bool) -> None:
    lines = _lines(about.answers, values=False)
    if as_json:
        whole = {"app": app.client_id, "school": about.instellingsnummer, "shares": about.shares}
        say(whole | {"pupils": about.pupils, "visible_for": about.reached, "claims": lines})
        return
    columns = ("claim", "reason", "because")
    title = f"{app.client_name} ({app.client_id}) at {about.naam} ({about.instellingsnummer})"
    table(title, columns, ([line[name] for name in columns] for line in lines))
    click.echo(f"visible for {about.reached} of {about.pupils} pupils")


def _lines(answers: Sequence[Answer], *, values: bool) -> list[dict[str, Any]]:
    return [
        {
            "claim": answer.claim,
            "released": answer.gate is None,
            "reason": str(answer.word),
            "because": GATES[answer.gate] if answer.gate else "released",
        }
        | ({"value": answer.value} if values and answer.gate is None else {})
        for answer in answers
    ]


COMMANDS = (protocol, consent, visible, explain_release)
