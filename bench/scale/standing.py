"""One size of country: its place on disk, how it is filled, and its database while it stands."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import country
import fill
from opbench import postgres, procstat
from prepare import app
from sqlalchemy import text

from idp import audit, config, context
from idp.feeds import class_plan, classes

IDP = str(Path(sys.executable).parent / "idp")
PORT = 9120


class Country:
    """`figures` is what came of it; `env` and `pid_file` are there while it stands."""

    def __init__(self, pupils, asked):
        self.pupils, self.asked = pupils, asked
        self.kind = "SQLite" if asked.sqlite else "PostgreSQL"
        self.folder = asked.folder.resolve() / f"{self.kind.lower()}-{pupils}"
        self.data = self.folder / "data"
        self.port = PORT + {10_000: 0, 100_000: 1, 1_000_000: 2}.get(pupils, 3 + pupils % 16)
        self.env, self.pid_file = {}, None
        self.year = time.localtime().tm_year - (time.localtime().tm_mon < 9)
        kept = self.folder / "filled.json"
        self.filled = kept.exists()
        self.figures = json.loads(kept.read_text()) if self.filled else {}
        self.figures |= {"pupils": pupils, "database": self.kind}

    @contextmanager
    def standing(self):
        """Its database is there, and up to date."""
        server = nullcontext((None, None))
        if self.kind == "PostgreSQL":
            buffers = f"shared_buffers={self.asked.shared_buffers}"
            server = postgres.running(self.folder / "postgres", keep=True, settings=(buffers,))
        with server as (url, self.pid_file):
            self.env = {
                "IDP_PORT": str(self.port),
                "IDP_LOG_LEVEL": "WARNING",
                "IDP_IMPORT_MEGABYTES": "2048",
            }
            self.env |= {"IDP_JOBS_IN_SERVE": "false"} | ({"IDP_DATABASE_URL": url} if url else {})
            if self.data.exists():
                self.command(None, "upgrade")
            yield self
        self.env, self.pid_file = {}, None

    @contextmanager
    def house(self):
        """Our own code, in this process, on its database."""
        os.environ |= self.env
        house = context.open_house(config.read(data=self.data))
        for name in self.env:
            del os.environ[name]
        who = audit.Circumstances(now=house.clock.now(), actor="operator:bench", source="cli")
        try:
            with audit.circumstances(who):
                yield house
        finally:
            house.database.close()

    def forget(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    # ------------------------------------------------------------ filling

    def fill(self):
        self.forget()
        self.folder.mkdir(parents=True)
        for place in (self.folder, self.folder.parent):
            place.chmod(0o755)
        with self.standing():
            self._import()
            with self.house() as house:
                numbers = fill.sharing(house, app("RS256"))
                self._classes(house)
                with self.timed("accounts, tokens, ledger (made in SQL)"):
                    fill.accounts(house)
                    fill.tokens(house)
                    fill.ledger(house, self.asked.ledger)
                    fill.settle(house)
                self.figures["schools"] = len(numbers)
            self.command("sealing of a year of ledger", "jobs", "run", "seals")
            with self.house() as house:
                fill.settle(house)
                self.figures["database MiB"] = self._size(house)
        (self.folder / "filled.json").write_text(json.dumps(self.figures))
        self.filled = True

    def _import(self):
        country.write(self.folder, self.pupils, self.year)
        self.command(None, "init", "--issuer", f"http://localhost:{self.port}")
        self.command("import of schools", "import-schools", self.folder / "schools.csv", "--kind", "test")
        self.command("import of enrolments", "import-enrolments", self.folder / "enrolments.csv")
        if not self.asked.once:
            self.command("the same again", "import-enrolments", self.folder / "enrolments.csv")

    def _classes(self, house):
        schools = list(country.schools(self.pupils))[: self.asked.classes]
        for name in (f"classes of {len(schools):,} schools", "the same classes again")[
            : 1 if self.asked.once else 2
        ]:
            with self.timed(name):
                for number, kind, size in schools:
                    self._classes_of(house, number, kind, size)

    def _classes_of(self, house, number, kind, size):
        rows = ["stamnummer;klas_id;klascode;klasnaam;soort;begindatum;einddatum"]
        for who, code in country.classes(number, kind, size, self.year):
            soort = "subklas" if "." in code else "klas"
            rows.append(f"{who};{code};{code};Klas {code};{soort};{self.year}-09-01;")
        found = classes.read("leersleutel", "\n".join(rows).encode(), settings=house.settings)
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

    # ------------------------------------------------------------ measuring

    def command(self, name, *words):
        with self.timed(name) as figures:
            command = [IDP, *words, "--data", self.data]
            with tempfile.TemporaryFile() as told:
                process = subprocess.Popen(
                    command, env=os.environ | self.env, stdout=told, stderr=subprocess.STDOUT
                )
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                if status:
                    told.seek(0)
                    raise SystemExit(told.read().decode(errors="replace")[-3000:])
            figures["memory MiB"] = round(used.ru_maxrss / 1024)

    @contextmanager
    def timed(self, name):
        figures = {}
        begun, cpu = time.perf_counter(), self.cpu()
        yield figures
        if name is not None:
            times = {"wall s": round(time.perf_counter() - begun, 1), "cpu s": round(self.cpu() - cpu, 1)}
            self.note(name, times | figures)

    def note(self, name, figures):
        self.figures[name] = figures
        print(f"  {self.kind:10} {self.pupils:>9,} {name:40} {figures}", flush=True)

    def cpu(self):
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


def told(what, countries, values, unit):
    """One line of the table: what each size took, and how it stands to the first."""
    first = values[0] or float("nan")
    cells = "  ".join(
        f"{one.pupils:>9,}: {value:9.3f} ({value / first:4.2f})" for one, value in zip(countries, values)
    )
    print(f"{what:44} {unit:8} {cells}", flush=True)
