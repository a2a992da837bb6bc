"""What does one call of a program cost inside the process? The whole application, called directly: no sockets, little noise.

    python bench/inside.py                     CPU per call on SQLite, in microseconds
    python bench/inside.py --pg                on a PostgreSQL of its own, whose CPU stands in a column of its own
    python bench/inside.py -w userinfo -p      one of them, under the profiler
    python bench/inside.py --es256 -n 4000     other signatures, more calls

The figures are the least of some rounds, so that a busy machine disturbs little. What a server adds stands in
bench/README.md.
"""

import argparse
import contextlib
import cProfile
import io
import os
import pstats
import time
from dataclasses import dataclass

import orjson
import prepare
from in_process import BASIC, CHALLENGE, PORT, VERIFIER, environ
from opbench import postgres, procstat
from opbench.provider import SCRATCH, Provider
from sqlalchemy import select

from idp import config, context, serving
from idp.login import sessions
from idp.models import Account
from idp.oidc import tokens

SCOPE = "openid profile ov_leerling ov_inschrijving ov_klas offline_access"
WORK = ("client credentials", "userinfo", "introspection", "refresh", "code exchange")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    redirect_uri: str = Provider.redirect_uri
    scope: str = SCOPE
    nonce: str | None = "n-0S6"
    code_challenge: str | None = CHALLENGE
    claims: dict | None = None


class Program:
    """An app that calls the WSGI application as granian would."""

    def __init__(self, folder):
        self.folder = folder
        self.house = context.open_house(config.read(data=folder))
        self.wsgi = serving.assemble(self.house)
        serving._settle()
        self.session = self._sign_in()
        self.refresh = None

    def _sign_in(self):
        username = orjson.loads((self.folder / "bench.json").read_bytes())[0][0]
        now = self.house.clock.now()
        words = {"amr": ("pwd",), "acr": "urn:leersleutel:acr:basic", "must_change": False, "shared": False}
        with self.house.database.transaction() as db:
            account = db.execute(
                select(Account.account_uuid).where(Account.username == username)
            ).scalar_one()
            started = sessions.start(db, self.house, account_uuid=account, now=now, **words)
            return sessions.seen(db, self.house.settings, started.cookie, now)

    def codes(self, count):
        """Fresh codes, as /authorize writes them."""
        app, now = self.house.apps.find(Provider.client_id), self.house.clock.now()
        made = []
        with self.house.database.transaction() as db:
            row = db.exec_driver_sql(
                "SELECT instellingsnummer FROM enrolment WHERE CAST(account_uuid AS text) IN ('%s', '%s') LIMIT 1"
                % (self.session.account_uuid, self.session.account_uuid.replace("-", ""))
            ).first()
            made = [
                tokens.begin_grant(
                    db,
                    self.house,
                    app=app,
                    request=Wanted(),
                    session=self.session,
                    instellingsnummer=row[0],
                    now=now,
                )
                for _ in range(count)
            ]
        return made

    def call(self, method, path, *, form=None, authorization=None):
        return environ(method, path, accept="application/json", form=form, authorization=authorization)

    def answer(self, asked):
        said = []
        body = b"".join(self.wsgi(asked, lambda status, headers: said.append(status)))
        if not said[0].startswith("200"):
            raise RuntimeError(f"{said[0]} {body[:200]!r}")
        return body

    def redeem(self, code):
        form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", Provider.redirect_uri),
            ("code_verifier", VERIFIER),
        ]
        return self.call("POST", "/token", form=form, authorization=BASIC)

    def prepared(self, work, count):
        """Functions to call, `count` of them, and nothing in them but the call itself."""
        if work == "code exchange":
            return [self.redeem(code) for code in self.codes(count)]
        (code,) = self.codes(1)
        got = orjson.loads(self.answer(self.redeem(code)))
        if work == "client credentials":
            form = [("grant_type", "client_credentials")]
            return [self.call("POST", "/token", form=form, authorization=BASIC) for _ in range(count)]
        if work == "userinfo":
            bearer = f"Bearer {got['access_token']}"
            return [self.call("GET", "/userinfo", authorization=bearer) for _ in range(count)]
        if work == "introspection":
            form = [("token", got["access_token"]), ("token_type_hint", "access_token")]
            return [self.call("POST", "/introspect", form=form, authorization=BASIC) for _ in range(count)]
        self.refresh = got["refresh_token"]
        return [None] * count

    def run(self, work, environs):
        if work != "refresh":
            for asked in environs:
                self.answer(asked)
            return
        for _ in environs:
            form = [("grant_type", "refresh_token"), ("refresh_token", self.refresh)]
            asked = self.call("POST", "/token", form=form, authorization=BASIC)
            self.refresh = orjson.loads(self.answer(asked))["refresh_token"]


def measure(program, work, calls, rounds, roots):
    """Microseconds of CPU per call: ours, that of the database, and on the wall; the least of the rounds."""
    ours, theirs, wall = [], [], []
    program.run(work, program.prepared(work, 100))
    for _ in range(rounds):
        environs = program.prepared(work, calls)
        before = procstat.cpu_seconds(roots) if roots else 0
        began, cpu = time.perf_counter(), time.process_time()
        program.run(work, environs)
        ours.append((time.process_time() - cpu) / calls)
        wall.append((time.perf_counter() - began) / calls)
        theirs.append(((procstat.cpu_seconds(roots) if roots else 0) - before) / calls)
    return [f"{min(figures) * 1e6:.0f}" for figures in (ours, theirs, wall)]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pg", action="store_true", help="PostgreSQL instead of SQLite")
    ap.add_argument("--es256", action="store_true")
    ap.add_argument("-w", "--work", choices=WORK, action="append")
    ap.add_argument("-n", "--calls", type=int, default=500)
    ap.add_argument("-r", "--rounds", type=int, default=5)
    ap.add_argument(
        "-p", "--profile", action="store_true", help="where the time goes, instead of how much it is"
    )
    ap.add_argument("--sort", default="tottime")
    args = ap.parse_args()
    folder = SCRATCH / f"inside-{os.getpid()}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        roots = []
        if args.pg:
            url, pid_file = stack.enter_context(postgres.running(SCRATCH / f"inside-postgres-{os.getpid()}"))
            os.environ["IDP_DATABASE_URL"] = url
            roots = [int(pid_file.read_text().split()[0])]
        import shutil

        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            prepare.main(folder, PORT, "ES256" if args.es256 else "RS256")
        program = Program(folder)
        print(f"{'microseconds of CPU per call':32} {'ours':>7} {'database':>9} {'wall':>7}")
        for work in args.work or WORK:
            if args.profile:
                program.run(work, program.prepared(work, 100))
                environs = program.prepared(work, args.calls)
                profile = cProfile.Profile()
                profile.runcall(program.run, work, environs)
                pstats.Stats(profile).sort_stats(args.sort).print_stats(45)
                continue
            mine, theirs, wall = measure(program, work, args.calls, args.rounds, roots)
            print(f"{work:32} {mine:>7} {theirs if roots else '-':>9} {wall:>7}", flush=True)
        program.house.close()


if __name__ == "__main__":
    main()
