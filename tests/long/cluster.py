"""A PostgreSQL cluster under Patroni on this machine: one etcd, two nodes, synchronous replication, all on loopback.

Every process is ours, in a folder of its own, and ends with the block. The configuration is the one of
docs/high-availability.md, with shorter waits where a machine has two cores.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.conftest import _postgres_bin
from tests.journeys.conftest import free_port

TTL, LOOP, RETRY = 20, 2, 3
"""Seconds: how long the word of a leader counts, between two looks, and before a node gives up on etcd. Patroni's least."""


@dataclass
class Node:
    name: str
    folder: Path
    postgres: int
    """Port of PostgreSQL."""
    api: int
    """Port of Patroni."""
    config: Path
    process: subprocess.Popen[bytes] | None = None

    def state(self) -> dict[str, Any]:
        try:
            with urlopen(f"http://127.0.0.1:{self.api}/patroni", timeout=1) as answer:
                return dict(json.load(answer))
        except OSError as failure:
            return {"state": str(failure)}


@dataclass
class Cluster:
    nodes: list[Node]
    as_other: list[str]
    log: Path

    @property
    def url(self) -> str:
        """Both nodes in one address: the driver finds the one that takes writes."""
        hosts = "&".join(f"host=127.0.0.1:{node.postgres}" for node in self.nodes)
        more = "target_session_attrs=read-write&connect_timeout=2&tcp_user_timeout=3000"
        return f"postgresql+psycopg://idp:idp-of-a-test@/postgres?{hosts}&{more}"

    def primary(self) -> Node | None:
        return next((n for n in self.nodes if n.state().get("role") in {"master", "primary"}), None)

    def is_safe(self) -> bool:
        """Is there a primary with a synchronous standby?"""
        roles = [node.state() for node in self.nodes]
        leads = [
            one for one in roles if one.get("role") in {"master", "primary"} and one.get("state") == "running"
        ]
        follows = [
            one
            for one in roles
            if one.get("role") == "replica" and one.get("state") in {"running", "streaming"}
        ]
        return (
            len(leads) == 1
            and len(follows) == 1
            and any(one.get("sync_state") in {"sync", "quorum"} for one in leads[0].get("replication", ()))
        )

    def start(self, node: Node) -> None:
        with self.log.open("ab") as out:
            node.process = subprocess.Popen(
                [*self.as_other, "patroni", str(node.config)],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=node.folder,
                start_new_session=True,
            )

    def kill(self, node: Node) -> None:
        """The machine is gone: Patroni and PostgreSQL at once, with no time to say goodbye."""
        assert node.process is not None
        pid = int((node.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.killpg(node.process.pid, signal.SIGKILL)
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
        node.process.wait()
        node.process = None

    def stop(self) -> None:
        for node in self.nodes:
            if node.process is not None:
                os.killpg(node.process.pid, signal.SIGTERM)
        for node in self.nodes:
            if node.process is not None:
                try:
                    node.process.wait(60)
                except subprocess.TimeoutExpired:
                    os.killpg(node.process.pid, signal.SIGKILL)
                    node.process.wait()
            _end_postgres(node.folder / "data")


@contextmanager
def running() -> Iterator[Cluster]:
    """A cluster with a primary and a synchronous standby, until the block ends. Skips where Patroni is not installed."""
    binaries = _postgres_bin()
    if binaries is None or not shutil.which("patroni") or not shutil.which("etcd"):
        pytest.skip(
            "Patroni or etcd is not installed (Debian: apt-get install patroni etcd-server): no failover"
        )
    place = Path(tempfile.mkdtemp(prefix="idp-patroni-"))
    as_other: list[str] = []
    if os.geteuid() == 0:
        as_other = ["setpriv", "--reuid", "nobody", "--clear-groups"]
    ports = [free_port() for _ in range(6)]
    etcd_client, etcd_peer = ports[:2]
    nodes = []
    for number in (0, 1):
        folder = place / f"node-{number}"
        folder.mkdir()
        node = Node(
            name=f"node-{number}",
            folder=folder,
            postgres=ports[2 + 2 * number],
            api=ports[3 + 2 * number],
            config=folder / "patroni.json",
        )
        node.config.write_text(json.dumps(_configuration(node, etcd_client, binaries)), encoding="utf-8")
        nodes.append(node)
    if as_other:
        for path in (place, *place.rglob("*")):
            shutil.chown(path, "nobody")
    cluster = Cluster(nodes=nodes, as_other=as_other, log=place / "patroni.log")
    etcd = subprocess.Popen(
        [
            *("etcd", "--data-dir", place / "etcd", "--unsafe-no-fsync", "--logger", "zap"),
            *("--listen-client-urls", f"http://127.0.0.1:{etcd_client}"),
            *("--advertise-client-urls", f"http://127.0.0.1:{etcd_client}"),
            *("--listen-peer-urls", f"http://127.0.0.1:{etcd_peer}"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for node in nodes:
            cluster.start(node)
        wait_for(cluster.is_safe, 300, lambda: cluster.log.read_text()[-4000:])
        yield cluster
    finally:
        cluster.stop()
        etcd.terminate()
        etcd.wait(60)
        shutil.rmtree(place, ignore_errors=True)


def _configuration(node: Node, etcd: int, binaries: Path) -> dict[str, Any]:
    known = {
        "superuser": {"username": "idp", "password": "idp-of-a-test"},
        "replication": {"username": "replicator", "password": "replicator-of-a-test"},
        "rewind": {"username": "idp", "password": "idp-of-a-test"},
    }
    return {
        "scope": "leersleutel",
        "name": node.name,
        "restapi": {"listen": f"127.0.0.1:{node.api}", "connect_address": f"127.0.0.1:{node.api}"},
        "etcd3": {"host": f"127.0.0.1:{etcd}"},
        "bootstrap": {
            "dcs": {
                "ttl": TTL,
                "loop_wait": LOOP,
                "retry_timeout": RETRY,
                "maximum_lag_on_failover": 0,
                "synchronous_mode": True,
                "postgresql": {
                    "use_pg_rewind": True,
                    "parameters": {"max_connections": 60, "shared_buffers": "32MB", "wal_log_hints": "on"},
                },
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            "pg_hba": [
                "host replication replicator 127.0.0.1/32 scram-sha-256",
                "host all all 127.0.0.1/32 scram-sha-256",
            ],
        },
        "postgresql": {
            "listen": f"127.0.0.1:{node.postgres}",
            "connect_address": f"127.0.0.1:{node.postgres}",
            "data_dir": str(node.folder / "data"),
            "bin_dir": str(binaries),
            "pgpass": str(node.folder / "pgpass"),
            "authentication": known,
            "parameters": {"unix_socket_directories": str(node.folder)},
        },
    }


def wait_for(happened: Any, seconds: float, tell: Any = lambda: "") -> float:
    """Wait until `happened()` is true; returns how many seconds it took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if happened():
            return time.monotonic() - began
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {tell()}")


def _end_postgres(data: Path) -> None:
    """What Patroni left running, of this folder only."""
    file = data / "postmaster.pid"
    if file.exists():
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(file.read_text().split()[0]), signal.SIGQUIT)
