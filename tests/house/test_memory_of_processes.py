"""What a process remembers is a closed list (docs/architecture.md): nothing that another process needs is in it."""

from __future__ import annotations

import ast
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from idp import apps
from tests import make

ROOT = Path(__file__).parents[2]
GROWS = {
    "WeakKeyDictionary",
    "OrderedDict",
    "defaultdict",
    "deque",
    "dict",
    "list",
    "set",
    "Counter",
    "lru_cache",
}
FILLED_AT_IMPORT = {"idp/admin/api/api_frame.py: OPERATIONS"}


def remembered() -> set[str]:
    """Every name of a module that grows while it serves: empty at the start, or a counter."""
    found = set()
    for file in (ROOT / "idp").rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            if _grows(node.value):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                found.add(f"{file.relative_to(ROOT)}: {ast.unparse(target)}")
    return found


def _grows(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        made = value.func.func if isinstance(value.func, ast.Call) else value.func
        return ast.unparse(made).rpartition(".")[2] in GROWS and not (
            ast.unparse(made) in {"dict", "list", "set"} and value.args
        )
    empty = isinstance(value, ast.Dict) and not value.keys
    return empty or (isinstance(value, ast.List) and not value.elts)


def test_whatever_a_process_remembers_is_in_the_table_of_the_house():
    told = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = told.partition("## What a process remembers")[2].partition("## ")[0]
    found = remembered()
    assert {"idp/oidc/signing.py: _rings", "idp/oidc/grants.py: _tries"} <= found
    for one in found - FILLED_AT_IMPORT:
        file = one.partition(":")[0]
        counts = "import Counter" in (ROOT / file).read_text(encoding="utf-8")
        assert counts or f"`{file.removeprefix('idp/')}`" in table, one


class _Late:
    """The database of a house, in which something happens between a reading and what is done with it."""

    def __init__(self, database):
        self._database, self.then = database, None

    @contextmanager
    def reading(self):
        with self._database.reading() as db:
            yield db
        then, self.then = self.then, None
        if then is not None:
            then()


def test_an_app_that_is_changed_while_it_is_read_is_not_remembered_as_it_was(house):
    with house.database.transaction() as db:
        client_id = make.app(db, client_name="Oud").client_id
    late = _Late(house.database)
    registry = apps.Registry(late, house.clock)
    assert registry.find("nobody") is None

    def change():
        with house.database.transaction() as db:
            db.execute(
                apps.AppRow.__table__.update()
                .where(apps.AppRow.client_id == client_id)
                .values(client_name="Nieuw")
            )
            apps.changed(db)
        house.clock.move(seconds=timedelta(seconds=apps.CACHE_SECONDS + 1).total_seconds())
        registry.find("nobody")

    late.then = change
    assert registry.find(client_id).client_name == "Oud", "what was read is answered"
    assert registry.find(client_id).client_name == "Nieuw"
