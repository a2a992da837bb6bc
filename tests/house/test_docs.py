"""What the documents say is what the program does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import click

from idp import cli, config
from idp.claims import catalogue
from idp.oidc import discovery, registration, request_checks

ROOT = Path(__file__).parent.parent.parent
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(group: click.Group, before: str = "idp"):
    for name, command in group.commands.items():
        yield f"{before} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{before} {name}")


def test_the_page_of_settings_is_up_to_date():
    spec = importlib.util.spec_from_file_location(
        "describe_settings", ROOT / "tools" / "describe_settings.py"
    )
    described = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(described)
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == described.page()


def test_every_command_that_a_document_names_exists():
    known = {name for name, _ in commands(cli.main)} | {"idp"}
    for path in DOCS:
        for line in re.findall(r"`(idp [a-z][a-z -]*)", path.read_text(encoding="utf-8")):
            words = line.split()
            assert any(" ".join(words[:n]) in known for n in (2, 3)), f"{path.name}: {line}"


def test_every_command_helps_and_takes_a_data_folder():
    for name, command in commands(cli.main):
        assert command.help, name
        if not isinstance(command, click.Group):
            assert any("--data" in option.opts for option in command.params), name


def test_links_between_documents_lead_somewhere():
    for path in DOCS:
        for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (path.parent / target).exists(), f"{path.name} → {target}"


def test_no_document_or_code_names_a_place_outside_the_project():
    word = "/" + "work"
    for path in [*DOCS, *ROOT.glob("idp/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("tools/*.py")]:
        assert f"{word}/" not in path.read_text(encoding="utf-8"), path


def test_the_page_for_developers_names_every_field_claim_scope_and_address():
    page = (ROOT / "docs" / "apps.md").read_text(encoding="utf-8")
    said = discovery.metadata(config.Settings())
    addresses = [value for name, value in said.items() if name.endswith("_endpoint")]
    words = [*registration.FIELDS, *catalogue.NAMES, *catalogue.SCOPES, *request_checks.STRICT[3:6]]
    words += [*request_checks.WISHES, *said["token_endpoint_auth_methods_supported"]]
    words += [address.removeprefix(said["issuer"]) for address in addresses]
    assert not {word for word in words if f"`{word}`" not in page}
