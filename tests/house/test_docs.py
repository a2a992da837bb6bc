"""What the documents say is what the program does."""

from __future__ import annotations

import configparser
import importlib.util
import re
from pathlib import Path

import click
import pytest

from idp import cli, config
from idp.claims import catalogue
from idp.oidc import discovery, registration, request_checks

ROOT = Path(__file__).parent.parent.parent
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("**/*.md"))]
DOCS += [ROOT / "deploy" / "README.md", ROOT / "bench" / "README.md"]


def commands(group: click.Group, before: str = "idp"):
    for name, command in group.commands.items():
        yield f"{before} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{before} {name}")


@pytest.mark.parametrize("what", ["settings", "commands"])
def test_the_pages_that_are_made_are_up_to_date(what):
    path = ROOT / "tools" / f"describe_{what}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    described = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(described)
    stored = (ROOT / "docs" / f"{what}.md").read_text(encoding="utf-8")
    assert stored == described.page(), f"run: python tools/{path.name}"


def test_every_command_that_a_document_names_exists():
    known = {name for name, _ in commands(cli.main)} | {"idp"}
    for path in DOCS:
        text = path.read_text(encoding="utf-8")
        told = re.findall(r"(?:`|^ {4}|^)(idp [a-z][a-z -]*)", text, re.MULTILINE)
        for line in told:
            words = line.split()
            found = [name for name in (" ".join(words[:n]) for n in (2, 3)) if name in known]
            assert found, f"{path.name}: {line}"
            # a word behind a group must be one of its commands
            group = " ".join(words[:2])
            if any(name.startswith(f"{group} ") for name in known) and len(words) > 2:
                assert " ".join(words[:3]) in known, f"{path.name}: {line}"


def test_every_option_of_a_command_that_a_document_names_exists():
    """In the lines that a reader copies: indented blocks, fences and the words between backticks."""
    every = dict(commands(cli.main))
    for path in DOCS:
        if path.name == "commands.md":
            continue
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        told = re.findall(r"`(idp [^`\n]+)`", text) + re.findall(r"^(?: {4})?(idp .+)$", text, re.MULTILINE)
        for line in told:
            words = line.split("  ")[0].split(" #")[0].split()
            name = next((name for n in (4, 3, 2) if (name := " ".join(words[:n])) in every), None)
            if name is None:  # `idp --help`
                continue
            known = {opt for option in every[name].params for opt in option.opts} | {"--help"}
            given = {word.split("=")[0].strip(",") for word in words if word.startswith("--")}
            assert given <= known, f"{path.name}: {line}: {given - known}"


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


def test_the_picture_of_the_house_shows_every_folder_and_what_stands_on_the_ground_floor():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    house = ROOT / "idp"
    floors = [one.parent for one in [*house.glob("*/__init__.py"), *house.glob("admin/*/__init__.py")]]
    missing = {f"{one.name}/" for one in floors if one.name != "migrations"}
    missing |= {one.stem for one in house.glob("*.py") if one.stem != "__init__"}
    missing = {name for name in missing if f"`{name}`" not in page and f"`{name}.py`" not in page}
    assert not missing, "say in docs/architecture.md which question it answers"
    packages = configparser.ConfigParser()
    packages.read(ROOT / "setup.cfg")
    listed = packages["options"]["packages"].split()
    known = {".".join(path.parent.relative_to(ROOT).parts) for path in house.rglob("*.py")}
    assert known <= {*listed}, "list it under packages in setup.cfg: the wheel lacks it otherwise"
