"""What does the nightly purge take, and does anybody who signs in meanwhile notice? On a copy, which is thrown away.

Half of the pupils have a sign-in that is a hundred days old; after the purge of this night, the ledger of before September
goes as it would on the first day of the next school year. Sign-ins go on, two at a time, before and during the purge; a watch looks every 20 ms how long the
oldest transaction that writes is open (PostgreSQL), or how long another writer waits for its turn (SQLite).
"""

import asyncio
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager

import fill
from hot import Crowd, Ours
from opbench.server import Server
from sqlalchemy import create_engine, text

PURGE = """
import sys
from pathlib import Path
from idp import audit, config, context
from idp.admin.privacy import retention
from idp.admin.records import sealing
from idp.clock import midnight
from idp.models import Release

house = context.open_house(config.read(data=Path(sys.argv[1])))
now, today = house.clock.now(), house.clock.today()
with audit.circumstances(audit.Circumstances(now=now, actor="system", source="bench")):
    if sys.argv[2] == "night":
        print(sum(retention.tidy(house, now).values()))
    else:
        before = midnight(today.replace(year=today.year - (today.month < 9), month=9, day=1))
        print(sealing.purge(house, Release, before, now))
house.close()
"""
MOST = 1_200
"""Seconds, after which a purge is broken off."""


def measure(countries, asked):
    for country in countries:
        with copied(country):
            _one(country, asked)


@contextmanager
def copied(country):
    """The country has another database until the block ends."""
    kept = {**country.env}, country.data
    place = country.folder / "night"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(country.data, place)
    country.data = place
    try:
        if country.kind == "SQLite":
            yield
            return
        url = country.env["IDP_DATABASE_URL"]
        _administer(url, "DROP DATABASE IF EXISTS night")
        _administer(url, "CREATE DATABASE night TEMPLATE postgres STRATEGY FILE_COPY", within="template1")
        country.env["IDP_DATABASE_URL"] = url.replace("/postgres?", "/night?")
        yield
        _administer(url, "DROP DATABASE night")
    finally:
        country.env, country.data = kept
        shutil.rmtree(place, ignore_errors=True)


def _administer(url, statement, within="postgres"):
    engine = create_engine(url.replace("/postgres?", f"/{within}?"), isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(text(statement))
    engine.dispose()


def _one(country, asked):
    with country.house() as house:
        fill.forgotten(house)
        fill.settle(house)
    ours = Ours(country)
    with Server(ours, asked.core, str(country.folder / "server.log")):
        with urllib.request.urlopen(ours.discovery(), timeout=10) as answer:
            crowd = Crowd(ours, json.load(answer), country)
        quiet = SignIns(crowd)
        time.sleep(max(10, asked.seconds))
        quiet.stop()
        country.note("sign-ins on a quiet night", {"wall": quiet.told()})
        for name in ("purge of tokens and sessions", "purge of a year of ledger"):
            during, watch = SignIns(crowd), Watch(country)
            begun, cpu = time.perf_counter(), country.cpu()
            rows = _purge(country, name)
            seconds, cpu = time.perf_counter() - begun, country.cpu() - cpu
            during.stop()
            watch.stop()
            figures = {"rows": rows, "wall s": round(seconds, 1), "rows/s": round(rows / seconds)}
            figures |= {
                "cpu s, server not counted": round(cpu, 1),
                "longest": f"{watch.longest * 1e3:.0f} ms",
            }
            country.note(name, figures | {"sign-ins meanwhile": during.told()})


def _purge(country, name):
    words = [str(country.data), "ledger" if "ledger" in name else "night"]
    done = subprocess.run(
        [sys.executable, "-c", PURGE, *words],
        env=os.environ | country.env,
        capture_output=True,
        text=True,
        timeout=MOST,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout.split()[-1])


class SignIns(threading.Thread):
    """Two pupils at a time, until told to stop."""

    def __init__(self, crowd):
        super().__init__(daemon=True)
        self.crowd, self.took, self.failed, self._over = crowd, [], 0, False
        self.start()

    def run(self):
        asyncio.run(self._both())

    async def _both(self):
        await asyncio.gather(self._again(), self._again())

    async def _again(self):
        browser, conn = self.crowd.browser(), self.crowd.conn()
        while not self._over:
            browser.clear()
            begun = time.perf_counter()
            try:
                await self.crowd.code_flow(browser, conn, None, False)
            except Exception as failure:
                self.failed += 1
                print("  a sign-in failed:", repr(failure)[:200])
            else:
                self.took.append(time.perf_counter() - begun)
        conn.close()
        browser.conn.close()

    def stop(self):
        self._over = True
        self.join(60)

    def told(self):
        took = sorted(self.took)
        last = took[min(len(took) - 1, int(len(took) * 0.99))]
        middle, most = statistics.median(took), took[-1]
        return (
            f"{len(took)}, {self.failed} failed, median {middle:.2f} s, p99 {last:.2f} s, most {most:.2f} s"
        )


class Watch(threading.Thread):
    """How long did somebody who writes keep others waiting, at most?"""

    def __init__(self, country):
        super().__init__(daemon=True)
        self.country, self.longest, self._over = country, 0.0, False
        self.start()

    def run(self):
        if self.country.kind == "SQLite":
            self._sqlite()
        else:
            self._postgres()

    def _postgres(self):
        oldest = text(
            "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity "
            "WHERE datname = 'night' AND backend_xid IS NOT NULL AND backend_type = 'client backend'"
        )
        engine = create_engine(self.country.env["IDP_DATABASE_URL"], isolation_level="AUTOCOMMIT")
        with engine.connect() as db:
            while not self._over:
                self.longest = max(self.longest, float(db.execute(oldest).scalar_one()))
                time.sleep(0.02)
        engine.dispose()

    def _sqlite(self):
        (file,) = self.country.data.glob("*.sqlite")
        db = sqlite3.connect(file, timeout=30, isolation_level=None)
        while not self._over:
            begun = time.perf_counter()
            db.execute("BEGIN IMMEDIATE")
            self.longest = max(self.longest, time.perf_counter() - begun)
            db.execute("ROLLBACK")
            time.sleep(0.02)
        db.close()

    def stop(self):
        self._over = True
        self.join(60)
