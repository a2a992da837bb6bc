"""Do the programs that we give to makers of apps read lists? As they stand, against a running server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from idp.admin.makers import snippets
from tests.conftest import CHEAP
from tests.make_roster import Rosters
from tests.make_running import running
from tests.make_tokens import SECRET

DOCS = Path(__file__).resolve().parents[2] / "docs" / "apps.md"


@pytest.fixture
def served(database_url, tmp_path, key_folder, stopped):
    where = {"data": tmp_path, "database_url": database_url, "keys": key_folder}
    with running(**where, stopped=stopped, **CHEAP) as house:
        yield house


def run(program, folder, *words, **environment):
    path = folder / "lists.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, path, *words],
        env={**os.environ, "CLIENT_SECRET": SECRET, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_the_programs_in_the_guide_and_on_the_suppliers_page_print_who_is_in_which_class(served, tmp_path):
    bench = Rosters(served, keys=False)
    story = bench.story(token_endpoint_auth_method="client_secret_basic")
    other = bench.story(token_endpoint_auth_method="client_secret_post")
    bench.classmate(story, voornaam="Łucja")
    issuer = served.settings.issuer
    for app, names in ((story.app, ["Gaston", "Łucja"]), (other.app, ["Gaston"])):
        shown = {one.slug: one for one in snippets.of(app, issuer)}
        lines = run(shown["lists"].files["lists.py"], tmp_path)
        assert sorted(name for _, name, _ in lines) == names
        assert {klas for klas, *_ in lines} == {"Klas 3A"}
        assert all(re.fullmatch(r"[0-9a-f]{64}", sub) for *_, sub in lines)
        assert "roster-core" not in shown["authlib"].files["app.py"], "not a scope of a sign-in"
    program = re.search(r"## Lists of pupils.*?```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)[1]
    lines = run(program, tmp_path, issuer, CLIENT_ID=story.app.client_id)
    assert sorted(line[1:3] for line in lines) == [["Gaston", "Logie"], ["Łucja", "Logie"]]
    assert snippets.OF_LISTS.tried == f"requests {version('requests')}"
