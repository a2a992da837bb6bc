"""Commands that help one pupil, in the name of somebody who may: for schools of the sandbox and test schools."""

from __future__ import annotations

from pathlib import Path

import click
from sqlalchemy import Connection, select

from idp.admin import finding
from idp.admin.pupils import helping
from idp.admin.pupils.helping import Scope
from idp.cli.accounts import check_target, write_cards
from idp.cli.frame import data_option, json_option, opened, orderly, require_known, say, table
from idp.context import House
from idp.errors import NotAllowed
from idp.login.help import wake_cards
from idp.models import RuleKind, School, SchoolKind, SecretKind

_pupil = click.option(
    "--pupil", required=True, metavar="X", help="User name, account_uuid, or stamnummer with --school."
)
_by = click.option(
    "--by", required=True, metavar="PERSON", help="Who helps: a LeerID-beheerder or teacher of the pupil."
)
_school = click.option("--school", metavar="N", help="Instellingsnummer, for a stamnummer.")


@click.group("help")
def help_() -> None:
    """Help one pupil: a code for today, or a new secret.

    In real schools people of the school do this on their own page; the command line is for sandbox and test schools.
    """


@help_.command("code")
@data_option
@json_option
@_pupil
@_by
@_school
@orderly
def code(data: Path | None, pupil: str, by: str, school: str | None, *, as_json: bool) -> None:
    """A code of six digits that lets a pupil in until the end of the school day, once."""
    with opened(data) as house:
        with house.database.transaction() as db:
            account_uuid = _allowed(db, house, pupil, by, school)
            who, given = helping.give_code(
                db, house, by=by, account_uuid=account_uuid, now=house.clock.now(), today=house.clock.today()
            )
        wake_cards(house, [account_uuid])
    shown = {"username": who.username, "code": given.code, "url": given.url, "expires_at": given.expires_at}
    if as_json:
        say(shown)
    else:
        click.echo(
            f"{given.code[:3]} {given.code[3:]}   for {who.username}, until {given.expires_at:%H:%M} UTC"
        )
        click.echo(given.url)


@help_.command("renew")
@data_option
@json_option
@_pupil
@_by
@_school
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in SecretKind if kind is not SecretKind.OWN]),
    help="What the pupil gets.  [default: what it is now]",
)
@click.option("--card", type=click.Path(dir_okay=False, path_type=Path), help="Print a new card: a .pdf.")
@orderly
def renew(
    data: Path | None,
    *,
    pupil: str,
    by: str,
    school: str | None,
    kind: str | None,
    card: Path | None,
    as_json: bool,
) -> None:
    """New pictures or a new password for a pupil, shown once. What the old secret opened ends."""
    if card is not None:
        check_target(card)
    with opened(data) as house:
        with house.database.reading() as db:
            account_uuid = _allowed(db, house, pupil, by, school)
        made = helping.renew(
            house,
            by=by,
            account_uuid=account_uuid,
            kind=SecretKind(kind) if kind else None,
            with_card=card is not None,
        )
        if card is not None:
            with house.database.reading() as db:
                where = helping.require(db, by, account_uuid, house.clock.today()).instellingsnummer
            write_cards(house, where, (made,), card, lambda _done, _of: None)
    if as_json:
        say(made.as_json())
    else:
        click.echo(f"{made.username}: {made.secret}" + (f"   card in {card}" if card else ""))


@help_.command("whom")
@data_option
@json_option
@click.option("--person", required=True, metavar="PERSON", help="A LeerID-beheerder or teacher.")
@click.option("--by", metavar="BEHEERDER", help="Choose anew, in the name of this LeerID-beheerder.")
@click.option("--school", metavar="N", help="Instellingsnummer; needed with --by.")
@click.option("--group", multiple=True, metavar="X", help="An administratieve groep, by code or label.")
@click.option("--klas", multiple=True, metavar="X", help="A (sub)klas; counts while the school shares.")
@click.option("--pupil", multiple=True, metavar="X", help="A pupil.")
@orderly
def whom(
    data: Path | None,
    *,
    person: str,
    by: str | None,
    school: str | None,
    group: tuple[str, ...],
    klas: tuple[str, ...],
    pupil: tuple[str, ...],
    as_json: bool,
) -> None:
    """Whom may somebody help today? With --by: choose the groups, classes and pupils of a teacher."""
    if by is not None and school is None:
        raise click.UsageError("--by needs --school")
    if by is None and (group or klas or pupil):
        raise click.UsageError("choosing needs --by BEHEERDER")
    with opened(data) as house:
        today = house.clock.today()
        if by is not None and school is not None:
            named = {RuleKind.GROUP: group, RuleKind.KLAS: klas, RuleKind.PUPIL: pupil}
            chosen = [Scope(kind=kind, target=one) for kind, targets in named.items() for one in targets]
            with house.database.transaction() as db:
                _only_invented(db, school)
                helping.narrow(
                    db, person_id=person, instellingsnummer=school, scopes=chosen, by=by, today=today
                )
        with house.database.reading() as db:
            found = helping.pupils(db, person, today, instellingsnummer=school, most=10_000)
            if not found:
                require_known(db, school=school, person_id=person)
    shown = [
        {"username": one.username, "school": one.instellingsnummer, "administratieve_groep": one.group}
        for one in found
    ]
    if as_json:
        say(shown)
    else:
        columns = ("username", "school", "administratieve_groep")
        table(f"Pupils of {person}", columns, ([one[name] for name in columns] for one in shown))


def _allowed(db: Connection, house: House, pupil: str, by: str, school: str | None) -> str:
    """The account_uuid, when this person may help, at a school where nobody real is helped from here."""
    account_uuid = finding.pupil(db, pupil, instellingsnummer=school)
    who = helping.require(db, by, account_uuid, house.clock.today())
    _only_invented(db, who.instellingsnummer)
    return account_uuid


def _only_invented(db: Connection, instellingsnummer: str) -> None:
    kind = db.execute(select(School.kind).where(School.instellingsnummer == instellingsnummer)).scalar()
    if kind is SchoolKind.REAL:
        raise NotAllowed(
            "help_not_from_here", "people of a real school help their own pupils, on their own page"
        )


COMMANDS = (help_,)
