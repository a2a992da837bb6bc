"""How does one command show everything? Folder, keys, database, sandbox, demo apps, provider: all on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from idp import audit, config, context, keys, listening, serving, upgrading
from idp.config import ConfigurationError
from idp.demo import published, relying_party, sandbox
from idp.oidc import signing


def run(data: Path, port: int, *, workers: int) -> None:
    """Everything self-contained in `data`, issuer http://localhost:PORT. Returns when told to stop."""
    if not listening.is_free("127.0.0.1", port):
        raise ConfigurationError(
            [f"port {port} is taken by another program: choose one with --port (make: PORT=…)"]
        )
    apps_at = f"http://localhost:{listening.a_free_port('127.0.0.1', rather=port + 1)}"
    settings = prepare(data, port)
    house = context.open_house(settings)
    with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="operator:demo", source="cli")):
        apps = sandbox.load(house, apps_at=apps_at)
        introduce(published.describe(house), data, apps_at)
    site = relying_party.create(
        settings.issuer,
        apps_at,
        apps,
        lambda app, sub: published.why(house, app, sub),
        lambda: published.staff_now(house),
    )
    relying_party.run_beside(site, int(apps_at.rpartition(":")[2]))
    serving.serve(settings, data, workers=workers, beside=True)
    house.database.close()


def prepare(data: Path, port: int) -> config.Settings:
    """The folder, its settings, keys and database, made or brought up to date."""
    data.mkdir(parents=True, exist_ok=True)
    wanted = f'# A demo, made by `idp demo`. All settings: docs/settings.md\ndemo = true\nissuer = "http://localhost:{port}"\nport = {port}\n'
    file = data / config.FILE
    if file.exists() and "demo = true" not in file.read_text(encoding="utf-8"):
        raise ConfigurationError(
            [f"{file} belongs to an installation, not to a demo: give the demo another --data DIR"]
        )
    file.touch(mode=0o600)
    file.write_text(wanted, encoding="utf-8")
    settings = config.read(data=data)
    keys.create(settings.keys_folder)
    house = context.open_house(settings)
    upgrading.upgrade(house.database)
    now = house.clock.now()
    these = audit.Circumstances(now=now, actor="operator:demo", source="cli")
    with audit.circumstances(these), house.database.transaction() as db:
        signing.ensure(db, house, now)
    house.database.close()
    return settings


def introduce(shown: dict[str, Any], data: Path, apps_at: str | None = None) -> None:
    """Say what to open and who to sign in as."""
    screen = Console(width=None if os.isatty(1) else 120, highlight=False)
    screen.print()
    screen.print(
        "[bold]Leersleutel[/bold] is a school identity provider; this is a demo on this machine only."
    )
    screen.print(f"  A demo app   {apps_at or shown['apps'][0]['client_uri']}", style="bold green")
    screen.print(f"  Pupil's page {shown['issuer']}/mijn-apps", style="bold green")
    screen.print(f"  Staff        {shown['staff_url']}", style="bold green")
    screen.print()
    people = Table(title="Sign in as", title_justify="left", title_style="bold")
    for column in ("user name", "how", "secret", "note"):
        people.add_column(column, overflow="fold")
    for pupil in shown["pupils"]:
        people.add_row(pupil["username"], pupil["kind"], pupil["secret"], pupil["note"])
    screen.print(people)
    staff = Table(title="Staff", title_justify="left", title_style="bold", caption_justify="left")
    for column in ("user name", "password", "secret for a code app", "rights"):
        staff.add_column(column, overflow="fold")
    for person in (*shown["staff"], *shown["operators"], *shown["suppliers"]):
        words = {right["right"] for right in person["rights"]}
        staff.add_row(person["username"], person["password"], person["totp_secret"], ", ".join(sorted(words)))
    screen.print(staff)
    first = shown["pupils"][0]
    screen.print(f"  Personal URL  {shown['issuer']}/mijn/{first['username']}")
    screen.print(f"  QR card       {first['card_url']}   (what the QR code of {first['username']} says)")
    screen.print(f"  Mails to pupils  idp mail show --data {data}   (nothing is sent)")
    screen.print(f"  Everything, for scripts: idp sandbox --json --data {data}   ·   stop with Ctrl+C")
    screen.print()
