#!/usr/bin/env python3
"""What does a country cost, and does it grow? A country of invented pupils on a database of its own, from import to purge.

    run.py 10000 100000                 on PostgreSQL, one size after the other
    run.py 10000 100000 --sqlite        on SQLite
    run.py 1000000 --folder /some/disk  a million: about 8 GB of disk, and half an hour

For every size: all schools and enrolments with our own commands (and once more, unchanged), tonight's classes of every
school (and once more), accounts, a day and a year of history; then sign-in, code exchange, userinfo and introspection of
pupils drawn from the whole country, pages, `explain`, and the nightly purge. CPU is of our processes and of PostgreSQL's,
together; memory is the most that a process of ours took.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "adapters")]

import country  # noqa: E402
import fill  # noqa: E402
from opbench import postgres, procstat  # noqa: E402
from opbench.flows import Client  # noqa: E402
from opbench.load import measure  # noqa: E402
from opbench.provider import SCRATCH, Provider  # noqa: E402
from opbench.server import Server  # noqa: E402
from prepare import app  # noqa: E402
from sqlalchemy import text  # noqa: E402

from idp import audit, config, context  # noqa: E402
from idp.app import create_app  # noqa: E402
from idp.claims import disclose  # noqa: E402
from idp.feeds import class_plan, classes  # noqa: E402
from idp.login import staff_sessions  # noqa: E402

IDP = str(Path(sys.executable).parent / "idp")
PORT = 9120
WORKLOADS = {"W8": "full sign-in", "W9": "code exchange", "W4": "userinfo", "W5": "introspection"}


class Ours(Provider):
    """The provider as it is served, with pupils of the whole country."""

    name = "leersleutel"
    issuer = f"http://localhost:{PORT}"
    scope = "openid profile ov_leerling ov_inschrijving ov_klas offline_access"

    def __init__(self, data, env, users, pid_file):
        self.start = [IDP, "serve", "--data", str(data), "--workers", "1"]
        self.env, self.users = env, users
        self.extra_pidfiles = (pid_file,) if pid_file else ()


class Country:
    """One size, from nothing to a purge; `figures` is what came of it."""

    def __init__(self, pupils, folder, url, pid_file, asked):
        self.pupils, self.folder, self.asked, self.pid_file = pupils, folder, asked, pid_file
        self.data = folder / "data"
        self.env = {"IDP_PORT": str(PORT), "IDP_LOG_LEVEL": "WARNING", "IDP_IMPORT_MEGABYTES": "2048"}
        self.env |= {"IDP_DATABASE_URL": url} if url else {}
        self.figures = {"pupils": pupils, "database": "PostgreSQL" if url else "SQLite"}

    def run(self):
        os.environ |= self.env
        self._import()
        house = context.open_house(config.read(data=self.data))
        with audit.circumstances(
            audit.Circumstances(now=house.clock.now(), actor="operator:bench", source="cli")
        ):
            numbers = fill.sharing(house, app("RS256"))
            self._classes(house)
            with self.timed("accounts, tokens, ledger (made in SQL)"):
                fill.accounts(house)
                fill.tokens(house)
                fill.ledger(house, self.asked.ledger)
                fill.settle(house)
            self.figures["schools"] = len(numbers)
            self.figures["database MiB"] = self._size(house)
            self._pages(house)
            self._explain(house)
        house.database.close()
        self._serve()
        self._command("purge", "tidy")
        return self.figures

    # ------------------------------------------------------------ imports

    def _import(self):
        shutil.rmtree(self.data, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        today = time.localtime()
        self.year = today.tm_year - (today.tm_mon < 9)
        country.write(self.folder, self.pupils, self.year)
        self._command(None, "init", "--issuer", f"http://localhost:{PORT}")
        self._command("import of schools", "import-schools", self.folder / "schools.csv", "--kind", "test")
        self._command("import of enrolments", "import-enrolments", self.folder / "enrolments.csv")
        if not self.asked.once:
            self._command("the same again", "import-enrolments", self.folder / "enrolments.csv")

    def _classes(self, house):
        schools = list(country.schools(self.pupils))[: self.asked.classes]
        for name in (f"classes of {len(schools):,} schools", "the same classes again")[
            : 1 if self.asked.once else 2
        ]:
            with self.timed(name):
                for number, kind, size in schools:
                    rows = ["stamnummer;klas_id;klascode;klasnaam;soort;begindatum;einddatum"]
                    for who, code in country.classes(number, kind, size, self.year):
                        soort = "subklas" if "." in code else "klas"
                        rows.append(f"{who};{code};{code};Klas {code};{soort};{self.year}-09-01;")
                    body = "\n".join(rows).encode()
                    found = classes.read("leersleutel", body, settings=house.settings)
                    with house.database.reading() as db:
                        plan = class_plan.plan(
                            db,
                            found,
                            instellingsnummer=number,
                            today=house.clock.today(),
                            settings=house.settings,
                            operator=True,
                        )
                    state = classes.apply(house, plan, accept_holds=True).state
                    assert state.value == "applied", (number, plan.refused, state)

    # ------------------------------------------------------------ pages and explanations

    def _pages(self, house):
        with house.database.transaction() as db:
            words = {"person_id": "bench", "amr": ("pwd", "otp"), "device": "bench", "now": house.clock.now()}
            cookie = staff_sessions.start(db, house, **words).cookie
        browser = create_app(house).test_client()
        browser.set_cookie(f"idp-{PORT}-{staff_sessions.COOKIE}", cookie)
        home = "/schoolloket/leerid-beheer"
        word = browser.get(home).text.partition('name="csrf_token" value="')[2].partition('"')[0]
        found = browser.post(home, data={"csrf_token": word, "woorden": "peeters"}).headers["Location"]
        for name, where in (("page: list of a school", home), ("page: search in it", found)):
            self._repeated(
                name, lambda where=where: browser.get(where), lambda answer: answer.status_code == 200
            )

    def _explain(self, house):
        shown = house.apps.find(fill.CLIENT)
        with house.database.reading() as db:
            some = db.execute(text("SELECT account_uuid, instellingsnummer FROM enrolment LIMIT 20000")).all()
        drawn = random.Random(1)

        def one():
            account, school = drawn.choice(some)
            with house.database.reading() as db:
                today = house.clock.today()
                return disclose.preview(
                    db,
                    keys=house.keys,
                    app=shown,
                    account_uuid=str(account),
                    instellingsnummer=school,
                    today=today,
                )

        self._repeated("explain", one, lambda told: told.alive)

    def _repeated(self, name, work, good, times=40):
        assert good(work()), name
        begun, cpu = time.perf_counter(), self._cpu()
        for _ in range(times):
            assert good(work()), name
        wall, cpu = (time.perf_counter() - begun) / times, (self._cpu() - cpu) / times
        self._note(name, {"wall ms": round(wall * 1e3, 2), "cpu ms": round(cpu * 1e3, 2)})

    # ------------------------------------------------------------ the served provider

    def _serve(self):
        drawn = list(country.schools(self.pupils))
        chance = random.Random(2)
        users = []
        for _ in range(self.asked.users):
            number, _, size = chance.choice(drawn)
            users.append((f"kind.{number}.{country.stamnummer(chance.randrange(size))}", fill.SECRET))
        ours = Ours(self.data, self.env, users, self.pid_file)
        with Server(ours, self.asked.core) as server:
            meta = json.loads((self._get(ours.discovery())))
            for key, name in WORKLOADS.items():
                figures = [
                    asyncio.run(
                        measure(
                            Client(ours, meta),
                            key,
                            server.roots,
                            self.asked.users_at_once,
                            self.asked.seconds,
                            1.0,
                        )
                    )
                    for _ in range(self.asked.rounds)
                ]
                figures.sort(key=lambda one: one["cpu_ms_per_op"])
                middle = figures[len(figures) // 2]
                assert not middle["errors"], middle["last_error"]
                self._note(name, {"cpu ms": middle["cpu_ms_per_op"], "scaled": middle["cpu_norm_ms_per_op"]})
            self.figures["served, PSS MiB"] = round(procstat.memory_mib([server.proc.pid])[1])

    @staticmethod
    def _get(address):
        import urllib.request

        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.read()

    # ------------------------------------------------------------ measuring

    def _command(self, name, *words):
        with self.timed(name) as figures:
            command = [IDP, words[0], "--data", self.data, *words[1:]]
            with tempfile.TemporaryFile() as told:
                process = subprocess.Popen(command, env=os.environ, stdout=told, stderr=subprocess.STDOUT)
                _, status, used = os.wait4(process.pid, 0)
                if status:
                    told.seek(0)
                    raise SystemExit(told.read().decode(errors="replace")[-3000:])
            figures["memory MiB"] = round(used.ru_maxrss / 1024)

    @contextmanager
    def timed(self, name):
        figures = {}
        begun, cpu = time.perf_counter(), self._cpu()
        yield figures
        if name is not None:
            times = {"wall s": round(time.perf_counter() - begun, 1), "cpu s": round(self._cpu() - cpu, 1)}
            self._note(name, times | figures)

    def _note(self, name, figures):
        self.figures[name] = figures
        print(f"  {self.pupils:>9,} {name:40} {figures}", flush=True)

    def _cpu(self):
        """Of this process, of its children that ended, and of the database."""
        own = sum(
            resource.getrusage(who)[0] + resource.getrusage(who)[1] for who in (0, resource.RUSAGE_CHILDREN)
        )
        return own + (
            procstat.cpu_seconds([int(self.pid_file.read_text().split()[0])]) if self.pid_file else 0
        )

    def _size(self, house):
        if house.database.sqlite:
            return round(sum(file.stat().st_size for file in self.data.glob("*.sqlite*")) / 2**20)
        with house.database.reading() as db:
            return round(db.execute(text("SELECT pg_database_size(current_database())")).scalar_one() / 2**20)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("pupils", type=int, nargs="+")
    options.add_argument("--sqlite", action="store_true")
    options.add_argument("--folder", type=Path, default=SCRATCH / "scale")
    options.add_argument("--ledger", type=int, default=4, help="lines of a year for every pupil")
    options.add_argument("--classes", type=int, help="schools that deliver classes  [default: all]")
    options.add_argument("--once", action="store_true", help="no import a second time, unchanged")
    options.add_argument("--users", type=int, default=64)
    options.add_argument("--users-at-once", type=int, default=8)
    options.add_argument("--seconds", type=float, default=6)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--core", type=int, default=0)
    options.add_argument("--json", type=Path, help="append the figures to this file")
    asked = options.parse_args()
    for pupils in asked.pupils:
        folder = asked.folder.resolve()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        try:
            with (
                nullcontext((None, None)) if asked.sqlite else postgres.running(folder / "postgres") as (
                    url,
                    pid_file,
                )
            ):
                figures = Country(pupils, folder, url, pid_file, asked).run()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if asked.json:
            with asked.json.open("a") as file:
                file.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
