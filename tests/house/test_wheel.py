"""A wheel works from any folder, without the checkout beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    kept = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    built = [str(path.relative_to(ROOT)) for path in (ROOT / "idp/static/built").rglob("*") if path.is_file()]
    built += [str(path.relative_to(ROOT)) for path in (ROOT / "idp").rglob("*.mo")]
    for name in [*filter(None, kept), *built]:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            folder,
            copy,
        ],
        check=True,
        cwd=folder,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_templates_migrations_and_assets(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "idp/templates/base.html" in names
    assert "idp/static/style.css" in names
    assert any(name.startswith("idp/static/built/pictures") for name in names)
    assert any(name.startswith("idp/migrations/versions/") for name in names)
    assert not [
        name
        for name in names
        if name.startswith(("tests/", "keys/", "bench/")) or name.endswith((".sqlite", ".pem"))
    ]


def test_the_wheel_works_from_any_folder(wheel, tmp_path):
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    code = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); import idp; "
        f"assert idp.__file__.startswith({str(installed)!r}); "
        "from idp.cli import main; main(['init', '--data', 'here'], standalone_mode=False); "
        "from idp import config, context; from idp.serving import assemble; from pathlib import Path; "
        "app = assemble(context.open_house(config.read(data=Path('here')))); "
        "from werkzeug.test import Client; "
        "page = Client(app).get('/aanmelden'); assert page.status_code == 200, page.text; "
        "assert Client(app).get('/.well-known/openid-configuration').status_code == 200"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
