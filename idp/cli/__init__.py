"""The idp command: everything an operator does, and everything scripts try.

Exit codes: 0 done, 1 refused or held, 2 wrong use or settings.
"""

from __future__ import annotations

import click

from idp.cli import (
    accounts,
    app_log,
    apps,
    audit,
    backups,
    demo_clock,
    devices,
    doctor,
    feed_clients,
    feeds,
    help_codes,
    holds,
    initial_tokens,
    jobs,
    keys,
    logouts,
    mail,
    privacy,
    registry,
    running,
    sandbox,
    sharing,
    staff,
    throttle,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="leersleutel", prog_name="idp")
def main() -> None:
    """Leersleutel: an OpenID Connect identity provider for schools.

    Start with `idp demo --data var` to try everything on this machine, or `idp init`, `idp upgrade` and
    `idp serve` for an installation of your own. Every command takes --data DIR, the folder with the embedded
    database, the keys and the settings file idp.toml; settings may also come from the environment (IDP_…).
    """


for module in (
    running,
    sandbox,
    doctor,
    feeds,
    feed_clients,
    holds,
    accounts,
    help_codes,
    mail,
    devices,
    apps,
    backups,
    sharing,
    keys,
    jobs,
    logouts,
    app_log,
    initial_tokens,
    registry,
    throttle,
    audit,
    privacy,
    demo_clock,
    staff,
):
    for command in module.COMMANDS:
        main.add_command(command)
