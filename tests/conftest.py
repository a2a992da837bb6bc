"""What every test starts from: a fresh house on each database, at a moment that stands still."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import create_engine, insert, text

from idp import audit, clock, config, context, keys, models
from tests import make_shelf

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""A school morning: ten o'clock in Brussels."""

hypothesis.settings.load_profile("ci")
"""The same examples at every run, and none is too slow: neither chance nor a busy machine decides."""

CHEAP = {"argon2_memory_kib": 8192, "argon2_time": 1}


def _postgres_bin() -> Path | None:
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((path for path in candidates if (path / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A private PostgreSQL on a socket of its own, or the one that IDP_TEST_POSTGRES names."""
    given = os.environ.get("IDP_TEST_POSTGRES")
    if given:
        yield given
        return
    binaries = _postgres_bin()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: its half of the tests did not run")
    folder = Path(tempfile.mkdtemp(prefix="idp-postgres-"))
    as_other: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
        as_other = ["setpriv", "--reuid", "nobody", "--clear-groups"]
    data = folder / "data"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    subprocess.run(
        [
            *as_other,
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "idp",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ],
        **quiet,
    )
    # Nobody counts tables in between: what the planner knows, and so every plan, is the same at each run.
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=100 -c timezone=UTC"
    options += " -c autovacuum=off"
    subprocess.run(
        [*as_other, binaries / "pg_ctl", "-D", data, "-o", options, "-w", "-l", folder / "log", "start"],
        **quiet,
    )
    try:
        yield f"postgresql+psycopg://idp@/postgres?host={folder}"
    finally:
        subprocess.run(
            [*as_other, binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
            check=False,
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A private Redis or Valkey on a socket of its own."""
    with running_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The same, empty."""
    import redis

    client = redis.Redis.from_url(redis_server)
    client.flushall()
    client.close()
    return redis_server


@contextmanager
def running_redis(folder: Path | None = None) -> Iterator[str]:
    """A real server process until the block ends; with a folder it keeps what it knows there."""
    import redis

    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        pytest.skip("neither redis-server nor valkey-server is installed: counting in Redis was not tested")
    place = Path(tempfile.mkdtemp(prefix="idp-redis-"))
    command = [program, "--port", "0", "--unixsocket", place / "socket", "--dir", folder or place]
    command += ["--save", "", "--appendonly", "yes" if folder else "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=place)
    url = f"unix://{place / 'socket'}"
    client = redis.Redis.from_url(url)
    try:
        for _ in range(2400):
            try:
                client.ping()
                break
            except redis.RedisError:
                assert process.poll() is None, "the server ended"
                time.sleep(0.05)
        else:
            raise AssertionError("the server does not answer")
        yield url
    finally:
        client.close()
        process.terminate()
        process.wait(20)
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """A database with every table, to copy fresh ones from."""
    name = f"template_{secrets.token_hex(4)}"
    _create_database(postgres_url, name)
    engine = create_engine(_named(postgres_url, name))
    models.Base.metadata.create_all(engine)
    engine.dispose()
    return name


@pytest.fixture(scope="session")
def postgres_shelf(postgres_url: str, postgres_template: str) -> Iterator[make_shelf.Shelf]:
    """Empty databases of that server."""
    shelf = make_shelf.Shelf(postgres_url, postgres_template)
    yield shelf
    shelf.close()


def _named(url: str, name: str) -> str:
    from sqlalchemy import make_url

    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _create_database(url: str, name: str, template: str = "template0") -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    engine.dispose()


def _drop_database(url: str, name: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    models.Base.metadata.create_all(engine)
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database with all tables, once on SQLite and once on PostgreSQL."""
    with fresh_database(request, request.param, tmp_path) as url:
        yield url


@contextmanager
def fresh_database(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with all tables, of this kind, until the block ends."""
    if kind == "sqlite":
        shutil.copy(request.getfixturevalue("_sqlite_template"), tmp_path / "idp.sqlite")
        yield f"sqlite:///{tmp_path / 'idp.sqlite'}"
        return
    shelf = request.getfixturevalue("postgres_shelf")
    name = shelf.take()
    yield _named(request.getfixturevalue("postgres_url"), name)
    shelf.put_back(name)


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    keys.create(folder)
    return folder


@pytest.fixture
def stopped() -> clock.Stopped:
    return clock.Stopped(MONDAY)


@pytest.fixture
def house(
    database_url: str, tmp_path: Path, key_folder: Path, stopped: clock.Stopped
) -> Iterator[context.House]:
    """A house on a fresh database; its clock stands still until a test moves it."""
    settings = config.read({}, data=tmp_path, database_url=database_url, keys=key_folder, **CHEAP)
    made = context.open_house(settings, clock=stopped)
    with made.database.transaction() as db:
        db.execute(insert(models.RegistryVersion), {"id": 1, "version": 1})
    with audit.circumstances(audit.Circumstances(now=stopped.now(), actor="system", source="test")):
        yield made
    papers_made()
    made.database.close()


def papers_made() -> None:
    """Wait for what makes accounts and papers: a click waits two seconds for it, and a busy machine may need more."""
    for one in threading.enumerate():
        if one.name == "papers":
            one.join()


@pytest.fixture
def app(house: context.House):
    """The web application of that house."""
    from idp.app import create_app

    made = create_app(house)
    made.testing = True
    return made


@pytest.fixture
def client(app):
    """A browser without script, or a program."""
    return app.test_client()
