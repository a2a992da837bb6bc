"""Write docs/commands.md from the help of the commands themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from idp import cli

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"

HEAD = """# Commands

Made by `tools/describe_commands.py` from what `--help` says. Words in capitals are yours to fill in, what stands between
square brackets may be left out, and every command also takes `--help`.

"""


def commands(group: click.Group, before: str = "idp") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, under its whole name, in the order of `--help`."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield f"{before} {name}", command
            yield from commands(command, f"{before} {name}")
        elif not command.hidden:
            yield f"{before} {name}", command


def written(command: click.Command) -> str:
    said = command.help or ""
    paragraphs = [" ".join(part.removeprefix("\b").split()) for part in said.split("\n\n")]
    # a placeholder in angle brackets would be taken for a tag
    return "\n\n".join(part.replace("<", "\\<") for part in paragraphs if part)


def options(context: click.Context, command: click.Command) -> Iterator[str]:
    rows = [option.get_help_record(context) for option in command.params if isinstance(option, click.Option)]
    for names, meaning in filter(None, rows):
        cells = (f"`{names}`", " ".join(meaning.split()).replace("<", "\\<"))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def one(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    rows = "".join(options(context, command))
    table = f"\n| option | meaning |\n|---|---|\n{rows}" if rows else ""
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    return f"## `{name}`\n\n    {usage}\n\n{written(command)}\n{table}\n"


def page() -> str:
    return (HEAD + "".join(one(name, command) for name, command in commands(cli.main))).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
