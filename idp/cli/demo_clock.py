"""The command that lets hours pass in a demo."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import click

from idp.cli.frame import data_option, orderly, settings_of
from idp.clock import Shifted
from idp.config import ConfigurationError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FORM = re.compile(r"([+-]?)(\d{1,6})([smhd])")
_FURTHEST = timedelta(days=3660)


@click.command("demo-clock", context_settings={"ignore_unknown_options": True})
@data_option
@click.argument("by", required=False)
@orderly
def demo_clock(data: Path | None, by: str | None) -> None:
    """Move the clock of a demo: +1h, -30m, +2d, or `reset`; without BY it says how far it is ahead.

    Every process of the demo follows at once. Only a demo on this machine has such a clock.
    """
    file = settings_of(data).demo_clock
    if file is None:
        raise ConfigurationError(["only a demo on this machine has a clock that can be moved"])
    clock = Shifted(file)
    if by == "reset":
        file.unlink(missing_ok=True)
    elif by is not None:
        found = _FORM.fullmatch(by)
        if found is None:
            raise click.UsageError("say how far: +1h, -30m, +2d, +90s, or reset")
        step = timedelta(**{_UNITS[found[3]]: int(found[2])})
        wanted = clock.shift() + (-step if found[1] == "-" else step)
        if abs(wanted) > _FURTHEST:
            raise click.UsageError("not further than ten years")
        clock.set_shift(wanted)
    click.echo(f"ahead: {clock.shift()} · it is {clock.now():%Y-%m-%d %H:%M:%S} UTC here")


COMMANDS = (demo_clock,)
