"""What do all commands share? The house from --data, exit codes, progress, and words for refusals."""

from __future__ import annotations

import errno
import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp import audit, clock, config, context, database, steps, upgrading
from idp.config import ConfigurationError
from idp.errors import NotFound, Refusal
from idp.models import App, Person, School

F = TypeVar("F", bound=Callable[..., Any])
REFUSED, MISUSED = 1, 2
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_MAY_NOT = "42501"
"""PostgreSQL: the role of `database_url` has no right to it."""
ADVICE = {
    "app_disabled_already": "it is closed already: `idp app enable` opens it",
    "app_exists": "it stays as it is: `idp app import` changes it, after `idp app import --dry-run`",
    "app_has_no_secret": "it signs in with a key, or is public: there is no secret to renew",
    "app_unknown": "`idp app list` has the apps that work; an app that was removed is in `idp app history`",
    "app_works_already": "it is open already",
    "four_eyes": "who asked for it cannot approve it: a second operator does, in the console or with a token of their own",
    "last_secret": "its last good secret stays: make another first with `idp app renew-secret`, or close it with "
    "`idp app disable`",
    "request_decided": "it was decided already: see `idp app requests --all`",
    "request_unknown": "`idp app requests` has the ids of what waits",
    "secret_unknown": "`idp app secrets CLIENT_ID` has the ids",
    "supplier_unknown": "`idp supplier list` has the suppliers; `idp supplier keep` takes one up again that ended",
    "token_unknown": "`idp api-token list` and `idp app initial-token list` have the ids; what was revoked stays so",
    "two_secrets": "two are good already: `idp app end-secret` ends the one that is not in use, `--overlap 0` both",
    "version_unknown": "`idp app history CLIENT_ID` has the versions",
}
"""What to do about refusals that an operator meets, beside the code that scripts read."""


class Day(click.DateTime):
    """A day that can be counted with: the first and the last that a calendar has cannot."""

    def __init__(self) -> None:
        super().__init__(formats=["%Y-%m-%d"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        day = super().convert(value, param, ctx)
        if clock.countable(day.date()) is None:
            years = f"{clock.FIRST_DAY.year} to {clock.LAST_DAY.year}"
            self.fail(f"{value} is not a day of the years {years}", param, ctx)
        return day


DAY = Day()


def data_option(command: F) -> F:
    """Every command takes --data DIR, or the environment's settings."""
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        default=None,
        envvar="IDP_DATA",
        help="Folder with the database, the keys and idp.toml.  [default: var]",
    )(command)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for scripts.")(command)


def orderly(command: F) -> F:
    """Turn refusals, mistakes in settings and what is away or closed into one clear message and the right exit code."""

    @functools.wraps(command)
    def run(*given: Any, **words: Any) -> Any:
        try:
            return command(*given, **words)
        except ConfigurationError as mistakes:
            for problem in mistakes.problems:
                click.echo(f"idp: {problem}", err=True)
            sys.exit(MISUSED)
        except Refusal as refusal:
            told = f": {refusal.detail}" if refusal.detail else ""
            click.echo(f"idp: refused ({refusal.code}){told}", err=True)
            if refusal.code in ADVICE:
                click.echo(f"idp: {ADVICE[refusal.code]}", err=True)
            sys.exit(REFUSED)
        except (DBAPIError, PoolTimeout) as failure:
            cause = getattr(failure, "orig", failure)
            if not database.is_away(failure) and getattr(cause, "sqlstate", None) != _MAY_NOT:
                raise
            click.echo(
                f"idp: the database does not answer, or takes nothing from us: {str(cause).partition(chr(10))[0]}",
                err=True,
            )
            click.echo("idp: `idp doctor` looks at it; run this again when it is well", err=True)
            sys.exit(REFUSED)
        except OSError as failure:
            if failure.filename is None and failure.errno not in _NO_ROOM:
                raise
            click.echo(f"idp: {failure.filename or 'a file'}: {failure.strerror}", err=True)
            sys.exit(REFUSED)

    return run  # type: ignore[return-value]


def settings_of(data: Path | None) -> config.Settings:
    return config.read(data=data)


def require_known(
    db: Connection, *, school: str | None = None, client_id: str | None = None, person_id: str | None = None
) -> None:
    """Before "nobody" or "nothing" is said: a slip of the pen must not read so.

    Raises NotFound `school_unknown`, `app_unknown` or `person_unknown`.
    """
    asked = (
        (School.instellingsnummer, school, "school_unknown", "no school has this number"),
        (App.client_id, client_id, "app_unknown", "no app has this client_id, and none had"),
        (Person.person_id, person_id, "person_unknown", "nobody has this person_id"),
    )
    for column, value, code, said in asked:
        if value and db.execute(select(column).where(column == value)).first() is None:
            raise NotFound(code, f"{value[:100]}: {said}")


@contextmanager
def opened(data: Path | None, *, actor: str = "operator:cli") -> Iterator[context.House]:
    """The house in this folder, its database up to date, with every event marked as done from the command line.

    The log goes to standard error: what a command prints can be kept as it is.
    """
    if not structlog.is_configured():
        structlog.configure(logger_factory=lambda *_: structlog.WriteLogger(sys.stderr))
    house = context.open_house(settings_of(data))
    try:
        if steps.behind(upgrading.current(house.database)):
            raise ConfigurationError(["the database is not up to date: run `idp upgrade`"])
        with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor=actor, source="cli")):
            yield house
    finally:
        house.close()


def say(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plainly))


def _plainly(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Rows for a person."""
    drawn = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*("" if cell is None else _plain(cell) for cell in row))
    Console(soft_wrap=False, width=None if sys.stdout.isatty() else 160).print(drawn)


def _plain(cell: Any) -> str:
    """Names are literal text: no markup of the terminal's either."""
    from rich.markup import escape

    return escape(str(cell))


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error for long work: call it with (done, all)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, everything: bar.update(task, completed=done, total=everything)
