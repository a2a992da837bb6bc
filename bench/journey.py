"""What does each request of a browser cost inside the process? The whole application, called directly, request by request.

    python bench/journey.py            a sign-in from nothing (W8), then one more app in its session (W7), on SQLite
    python bench/journey.py --pg       on a PostgreSQL of its own; its CPU stands in the last line
    python bench/journey.py -p 3       the third request under the profiler
    python bench/journey.py --sql      the statements of each request, and how many were committed
    python bench/journey.py --whole    Argon2 as it is, with what a hash alone takes subtracted

Argon2 is made as small as it goes here (`hashcost.py` and `bench.py` measure it as it is), so what is left is ours. A real
hash leaves little of what the processor held at hand, so that whatever follows it costs more: `--whole` shows that, less
steadily. Of every request the least of many rounds is shown, so that a busy machine disturbs little.
"""

import argparse
import contextlib
import cProfile
import io
import json
import os
import pstats
import re
import shutil
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import prepare
from in_process import BASIC, CHALLENGE, PORT, VERIFIER, environ
from opbench import postgres, procstat
from opbench.browser import parse_forms
from opbench.provider import SCRATCH, Provider
from sqlalchemy import event

SCOPE = "openid profile ov_leerling ov_inschrijving ov_klas offline_access"
ASKED = {
    "response_type": "code",
    "client_id": Provider.client_id,
    "redirect_uri": Provider.redirect_uri,
    "scope": SCOPE,
    "state": "s" * 20,
    "nonce": "n" * 20,
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


class Journey:
    """A browser and the program of an app, which call the WSGI application as granian would."""

    def __init__(self, wsgi, user):
        self.wsgi, self.user = wsgi, user
        self.jar = {}
        self.costs = []
        self.profile = None
        self.watched = None

    def call(self, name, method, target, *, form=None, authorization=None, browser=True):
        more = {}
        if browser:
            more["HTTP_ACCEPT_LANGUAGE"] = "en"
            if form:
                more["HTTP_ORIGIN"] = f"http://localhost:{PORT}"
            if self.jar:
                more["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        accept = "text/html,*/*;q=0.8" if browser else "application/json"
        asked = environ(method, target, accept=accept, form=form, authorization=authorization, **more)
        return self._answer(name, asked)

    def _answer(self, name, asked):
        said = []
        profile = self.profile if self.watched == len(self.costs) else None
        if profile:
            profile.enable()
        began = time.process_time()
        body = b"".join(self.wsgi(asked, lambda status, headers: said.extend((status, headers))))
        self.costs.append((name, time.process_time() - began))
        if profile:
            profile.disable()
        status, headers = said
        if status[:3] not in {"200", "303"}:
            raise RuntimeError(f"{name}: {status} {body[:300]!r}")
        for header, value in headers:
            if header.lower() == "set-cookie":
                word, _, rest = value.partition("=")
                self.jar[word] = rest.partition(";")[0]
                if "Max-Age=0" in rest:
                    del self.jar[word]
        return dict(headers).get("Location"), body

    def from_nothing(self):
        self.jar.clear()
        onward, _ = self.call("authorize, no session", "GET", "/authorize?" + urlencode(ASKED))
        _, page = self.call("page: who are you", "GET", onward)
        onward, _ = self._submit("answer: a user name", page, {"username": self.user[0]})
        _, page = self.call("page: prove it", "GET", onward)
        onward, _ = self._submit("answer: the secret", page, {"password": self.user[1]})
        self.one_more(onward)

    def one_more(self, onward=None):
        if onward is None:
            onward, _ = self.call("authorize, signed in", "GET", "/authorize?" + urlencode(ASKED))
        form = {
            "grant_type": "authorization_code",
            "code": parse_qs(urlsplit(onward).query)["code"][0],
            "redirect_uri": Provider.redirect_uri,
            "code_verifier": VERIFIER,
        }
        _, body = self.call("token", "POST", "/token", form=form, authorization=BASIC, browser=False)
        bearer = f"Bearer {json.loads(body)['access_token']}"
        self.call("userinfo", "GET", "/userinfo", authorization=bearer, browser=False)

    def _submit(self, name, page, values):
        forms = parse_forms(page.decode())
        form = next(one for one in forms if values.keys() <= one.types.keys())
        return self.call(name, form.method, form.action, form=form.data(values))


class Counted:
    """Statements, and how often something was committed: at the end of a transaction, or by a statement that stands alone."""

    def __init__(self, house):
        from idp import database

        self.statements, self.commits = [], 0
        event.listen(house.database.engine, "before_cursor_execute", self._note)
        ends = database._Transaction.end

        def end(block, db):
            self.commits += 1
            ends(block, db)

        database._Transaction.end = end

    def _note(self, db, _cursor, sql, _values, _context, _many):
        self.statements.append(re.sub(r"\s+", " ", sql))
        alone = db.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        self.commits += alone and bool(
            re.search(r"\b(INSERT INTO|UPDATE (?!OF|SKIP|NOWAIT)\w+ SET|DELETE FROM)\b", sql)
        )


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pg", action="store_true", help="PostgreSQL instead of SQLite")
    ap.add_argument("-r", "--rounds", type=int, default=150)
    ap.add_argument("-p", "--profile", type=int, help="the number of a request: where its time goes")
    ap.add_argument("--sort", default="tottime")
    ap.add_argument("--callers", help="who calls this function, instead")
    ap.add_argument(
        "--sql", action="store_true", help="show the statements of each request, and count the commits"
    )
    ap.add_argument(
        "--whole", action="store_true", help="a hash as it is in a server, subtracted as it is alone"
    )
    args = ap.parse_args()
    folder = SCRATCH / f"journey-{os.getpid()}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    small = {} if args.whole else {"IDP_ARGON2_MEMORY_KIB": "8192", "IDP_ARGON2_TIME": "1"}
    os.environ |= {"IDP_LOG_LEVEL": "WARNING"} | small
    with contextlib.ExitStack() as stack:
        roots = []
        if args.pg:
            where = SCRATCH / f"journey-postgres-{os.getpid()}"
            url, pid_file = stack.enter_context(postgres.running(where))
            os.environ["IDP_DATABASE_URL"] = url
            roots = [int(pid_file.read_text().split()[0])]
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        with contextlib.redirect_stdout(io.StringIO()):
            prepare.main(folder, PORT, "RS256")
        _walk(folder, args, roots)


def _walk(folder, args, roots):
    from idp import config, context, serving

    house = context.open_house(config.read(data=folder))
    user = json.loads((folder / "bench.json").read_text())[0]
    journey = Journey(serving.assemble(house), user)
    for _ in range(20):
        journey.from_nothing()
    if args.sql:
        _show_statements(house, journey)
        return
    if args.profile is not None:
        journey.profile, journey.watched = cProfile.Profile(), args.profile - 1
    runs = []
    before = procstat.cpu_seconds(roots) if roots else 0
    for _ in range(args.rounds):
        journey.costs = []
        journey.from_nothing()
        journey.one_more()
        runs.append(journey.costs)
    after = procstat.cpu_seconds(roots) if roots else 0
    if journey.profile:
        stats = pstats.Stats(journey.profile).sort_stats(args.sort)
        stats.print_callers(args.callers) if args.callers else stats.print_stats(45)
        return
    hash_ms = _hash(house, user)
    names = [name for name, _ in runs[0]]
    least = [sorted(run[at][1] for run in runs)[len(runs) // 50] * 1e3 for at in range(len(names))]
    least[4] -= hash_ms
    for at, name in enumerate(names):
        print(f"{at + 1:2} {name:28} {least[at]:6.2f} ms")
    print(f"   {'full sign-in but the hash':28} {sum(least[:-3]):6.2f} ms")
    print(f"   {'one more app (SSO hop)':28} {sum(least[-3:]):6.2f} ms")
    if roots:
        print(f"   {'PostgreSQL, both together':28} {(after - before) / args.rounds * 1e3:6.2f} ms")
    house.database.close()


def _hash(house, user):
    stored = house.hasher.hash(user[1])
    costs = []
    for _ in range(60):
        began = time.process_time()
        house.hasher.verify(stored, user[1])
        costs.append(time.process_time() - began)
    return sorted(costs)[6] * 1e3


def _show_statements(house, journey):
    counted, sums = Counted(house), [0, 0]
    call = journey._answer

    def answer(name, asked):
        counted.statements, counted.commits = [], 0
        try:
            return call(name, asked)
        finally:
            sums[0] += len(counted.statements)
            sums[1] += counted.commits
            print(f"\n## {name}: {len(counted.statements)} statements, {counted.commits} commits")
            for sql in counted.statements:
                print("  ", sql[:400])

    journey._answer = answer
    journey.from_nothing()
    print(f"\n## together: {sums[0]} statements, {sums[1]} commits")


if __name__ == "__main__":
    main()
