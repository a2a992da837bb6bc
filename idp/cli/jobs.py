"""Commands about the work that an installation does by itself."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from idp import entropy
from idp.cli.frame import REFUSED, data_option, json_option, opened, orderly, say, table
from idp.clock import BRUSSELS
from idp.errands import jobs
from idp.errands.job_book import Line, State


@click.group("jobs")
def group() -> None:
    """See and run the nightly, weekly and constant work: purges, keys, mail, sign-outs.

    `idp serve` does it by itself, once for all machines. With `jobs_in_serve = false`, let a timer run `idp jobs due`.
    """


@group.command("list")
@data_option
@json_option
@orderly
def list_jobs(data: Path | None, *, as_json: bool) -> None:
    """Every job: when it runs, what came of it, and when it is due again. Times are those of Brussels.

    Exit code 1 when a job failed, or should have gone well hours ago.
    """
    with opened(data) as house:
        jobs.announce(house)
        now = house.clock.now()
        with house.database.reading() as db:
            book = {line.name: line for line in jobs.overview(db, now)}
    found = [(job, book[job.name]) for job in jobs.JOBS]
    if as_json:
        say([_shown(job, line, now) for job, line in found])
    else:
        columns = ("job", "does", "runs", "last began", "took", "result", "due")
        table("Jobs", columns, (_row(job, line, now) for job, line in found))
        for job, line in found:
            if line.broken_off:
                click.echo(f"{job.name} was {line.wrong}; it is begun again")
            elif line.wrong:
                click.echo(f"{job.name} failed {line.failures}× in a row: {line.wrong}")
            elif line.late(now):
                click.echo(f"{job.name} is late: does `idp serve` run, or the timer for `idp jobs due`?")
            elif line.mended:
                click.echo(
                    f"{job.name} went well since it last failed, on {_when(line.failed_at)}: {line.failure}"
                )
    if any(line.state is State.FAILED or line.late(now) for _, line in found):
        sys.exit(REFUSED)


@group.command("run")
@data_option
@json_option
@click.argument("name", type=click.Choice([*jobs.BY_NAME]))
@orderly
def run_job(data: Path | None, name: str, *, as_json: bool) -> None:
    """Run one job now, whether it is due or not. Exit code 1 when it fails, or runs elsewhere at this moment."""
    with opened(data, actor="system") as house:
        jobs.announce(house)
        outcome = jobs.run(house, jobs.BY_NAME[name], entropy.identifier(), whenever=True)
    _tell([] if outcome is None else [outcome], as_json=as_json)
    if outcome is None:
        click.echo(f"idp: {name} runs elsewhere at this moment", err=True)
    if outcome is None or outcome.failure:
        sys.exit(REFUSED)


@group.command("due")
@data_option
@json_option
@orderly
def run_due(data: Path | None, *, as_json: bool) -> None:
    """Run what is due, and stop: for a timer. Any number may run beside each other, and beside `idp serve`.

    Exit code 1 when a job failed; it is tried again at the next call, after a rest.
    """
    with opened(data, actor="system") as house:
        jobs.announce(house)
        outcomes = jobs.run_due(house, entropy.identifier())
    _tell(outcomes, as_json=as_json)
    if any(outcome.failure for outcome in outcomes):
        sys.exit(REFUSED)


def _tell(outcomes: list[jobs.Outcome], *, as_json: bool) -> None:
    if as_json:
        say(
            [
                {"job": one.name, "failure": one.failure, "seconds": one.seconds, "result": one.counts}
                for one in outcomes
            ]
        )
        return
    for one in outcomes:
        said = f"failed: {one.failure}" if one.failure else _counts(one.counts or {})
        click.echo(f"{one.name}: {said} ({one.seconds:.1f} s)")


def _row(job: jobs.Job, line: Line, now: datetime) -> tuple[Any, ...]:
    result = _counts(line.result or {}) if line.state is State.WELL else line.state.value
    took = "" if line.seconds is None else f"{line.seconds:.1f} s"
    turn = "now" if line.state is State.RUNNING else _when(max(line.turn(job.rhythm, now), now))
    return job.name, job.what, job.rhythm, _when(line.begun_at), took, result, turn


def _shown(job: jobs.Job, line: Line, now: datetime) -> dict[str, Any]:
    return {
        "job": job.name,
        "does": job.what,
        "runs": line.rhythm,
        "state": line.state.name.lower(),
        "late": line.late(now),
        "known_since": line.known_since,
        "last_began": line.begun_at,
        "last_ended": line.finished_at,
        "last_went_well": line.reached,
        "seconds": line.seconds,
        "result": line.result,
        "due": line.turn(job.rhythm, now),
        "failures": line.failures,
        "last_failed": line.failed_at,
        "last_failure": line.failure,
        "machine": line.machine,
    }


def _counts(counts: Any) -> str:
    return ", ".join(f"{count} × {word}" for word, count in counts.items() if count) or "nothing to do"


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(BRUSSELS):%Y-%m-%d %H:%M:%S}"


COMMANDS = (group,)
