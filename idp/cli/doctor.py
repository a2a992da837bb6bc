"""The command that looks at everything and says what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from idp import config, context
from idp.cli.frame import MISUSED, REFUSED, data_option, json_option, orderly, say
from idp.config import ConfigurationError
from idp.watching import doctor
from idp.watching.doctor import Finding, Weight

MARKS = {Weight.WELL: ("✓", "green"), Weight.NOTE: ("!", "yellow"), Weight.BAD: ("✗", "red")}


@click.command("doctor")
@data_option
@json_option
@orderly
def examine(data: Path | None, *, as_json: bool) -> None:
    """Look at everything an installation hangs on, and say what to do. Changes nothing.

    Settings, keys and their permissions, database and its version, clock, disk, jobs, mail, Redis, proxy, and what
    should be gone by now. Run it on every machine, after a change and when somebody calls.

    Exit code 0: nothing is wrong; 1: something is; 2: settings or keys cannot be read at all.
    """
    folder = data or Path("var")
    try:
        house = context.open_house(config.read(data=data))
    except ConfigurationError as mistakes:
        _show(doctor.unreadable(folder, mistakes.problems), as_json=as_json)
        sys.exit(MISUSED)
    except OSError as closed:
        _show(doctor.unreadable(folder, [f"{closed.filename}: {closed.strerror}"]), as_json=as_json)
        sys.exit(MISUSED)
    try:
        findings = doctor.examine(house)
    finally:
        house.close()
    _show(findings, as_json=as_json)
    if any(one.weight is Weight.BAD for one in findings):
        sys.exit(REFUSED)


def _show(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        say(
            [{"about": one.about, "is": one.weight.value, "seen": one.seen, "do": one.do} for one in findings]
        )
        return
    width = max(len(one.about) for one in findings)
    for one in findings:
        mark, colour = MARKS[one.weight]
        click.echo(f"{click.style(mark, fg=colour)} {one.about:<{width}}  {one.seen}")
        if one.do:
            click.echo(f"  {'':<{width}}  → {one.do}")
    counts = {weight: sum(one.weight is weight for one in findings) for weight in Weight}
    click.echo(f"\n{counts[Weight.BAD]} wrong, {counts[Weight.NOTE]} to look at, {counts[Weight.WELL]} well")


COMMANDS = (examine,)
