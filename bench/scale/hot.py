"""What do sign-in, code, userinfo and introspection take, served, of pupils from everywhere in the country? In turns."""

import asyncio
import json
import random
import statistics
import urllib.request
from contextlib import ExitStack

import country as invented
import fill
from opbench import procstat
from opbench.flows import Client
from opbench.load import measure as load
from opbench.provider import Provider
from opbench.server import Server
from standing import IDP, told

WORKLOADS = {"W8": "full sign-in", "W9": "code exchange", "W4": "userinfo", "W5": "introspection"}
TOKENS = 2_000
STAYS = 4
"""So many codes are fetched in one session, before another pupil signs in."""


class Ours(Provider):
    """The provider as it is served."""

    name = "leersleutel"
    scope = f"{fill.SCOPE} offline_access"

    def __init__(self, country):
        self.issuer = f"http://localhost:{country.port}"
        self.start = [IDP, "serve", "--data", str(country.data), "--workers", "1"]
        self.env, self.users = country.env, [("nobody", "nothing")]
        self.extra_pidfiles = (country.pid_file,) if country.pid_file else ()


class Crowd(Client):
    """Every sign-in is of another pupil, from everywhere in the country."""

    def __init__(self, provider, meta, country):
        super().__init__(provider, meta)
        self._schools = list(invented.schools(country.pupils))
        self._chance, self._uses = random.Random(), {}

    async def code_flow(self, browser, conn, _user, sso):
        return await super().code_flow(browser, conn, self._somebody(), sso)

    async def sso_code(self, browser):
        self._uses[browser] = self._uses.get(browser, 0) + 1
        if self._uses[browser] % STAYS == 0:
            browser.clear()
            url, state, _, verifier = self.authorize_url()
            page, _ = await browser.follow(await browser.get(url), self.p.redirect_uri)
            back = await self.p.login(browser, page, self._somebody())
            return self.callback(back, state), verifier
        return await super().sso_code(browser)

    def _somebody(self):
        number, _, size = self._chance.choice(self._schools)
        return f"kind.{number}.{invented.stamnummer(self._chance.randrange(size))}", fill.SECRET


def measure(countries, asked):
    """For every size and workload: the median of its turns."""
    with ExitStack() as open_now:
        served = []
        for country in countries:
            with country.house() as house:
                tokens = fill.known_tokens(house, TOKENS, random.Random(4))
            ours = Ours(country)
            log = str(country.folder / "server.log")
            server = open_now.enter_context(Server(ours, asked.core, log))
            with urllib.request.urlopen(ours.discovery(), timeout=10) as answer:
                meta = json.load(answer)
            served.append((country, server, Crowd(ours, meta, country), tokens))
        for key, name in WORKLOADS.items():
            _one(served, asked, key, name)
        for country, server, *_ in served:
            country.figures["served, PSS MiB"] = round(procstat.memory_mib([server.proc.pid])[1])


def _one(served, asked, key, name):
    turns = [[] for _ in served]
    for _ in range(asked.rounds):
        for (_country, server, crowd, tokens), mine in zip(served, turns):
            done = load(
                crowd, key, server.roots, asked.users_at_once, asked.seconds, 1.0, asked.core, tokens=tokens
            )
            mine.append(asyncio.run(done))
            assert not mine[-1]["errors"], mine[-1]["last_error"]
    countries = [one[0] for one in served]
    middles = [_middle(mine, lambda turn: turn["cpu_ms_per_op"]) for mine in turns]
    for country, mine, middle in zip(countries, turns, middles):
        of_each = [
            round(_middle(mine, lambda turn, n=n: turn["cpu_ms_of_each"][n]), 3)
            for n in range(len(mine[0]["cpu_ms_of_each"]))
        ]
        spread = [min(turn["cpu_ms_per_op"] for turn in mine), max(turn["cpu_ms_per_op"] for turn in mine)]
        busy = max(turn["foreign_server_core"] or 0 for turn in mine)
        country.figures[name] = {
            "cpu ms": middle,
            "server, database": of_each,
            "least, most": spread,
            "p50 ms": _middle(mine, lambda turn: turn["p50_ms"]),
            "p99 ms": _middle(mine, lambda turn: turn["p99_ms"]),
            "others on the core, at most": busy,
        }
        print(f"  {country.kind:10} {country.pupils:>9,} {name:40} {country.figures[name]}", flush=True)
    told(name, countries, middles, "cpu ms")


def _middle(turns, what):
    return statistics.median(map(what, turns))
