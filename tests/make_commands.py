"""Commands as an operator runs them, on the database of a test: it is stamped as migrated, and an idp.toml names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from click.testing import CliRunner, Result

from idp import upgrading
from idp.cli import main
from idp.context import House


def stamp(house: House) -> None:
    """The tables came with the fixture; the database says that every step was taken."""
    with house.database.transaction() as db:
        settings = upgrading._settings()
        settings.attributes["connection"] = db
        command.stamp(settings, "head")


def at_a_prompt(house: House, folder: Path) -> Callable[..., Result]:
    """`run("audit", "night", code=1)`: the command on this house, which must end with this exit code."""
    stamp(house)
    data = folder / "cli"
    data.mkdir()
    lines = [f'keys = "{house.settings.keys_folder}"', f'database_url = "{house.settings.database}"']
    (data / "idp.toml").write_text("\n".join(lines), encoding="utf-8")

    def run(*words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(main, [*words, "--data", str(data)])
        assert done.exit_code == code, (words, done.output)
        return done

    return run
