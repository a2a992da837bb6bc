"""Before and after, from outside: servers of several checkouts, or of peers, that take turns under the same load.

    python bench/turns.py W8 . ../before                  a full sign-in with this checkout and with another one
    python bench/turns.py W4,W5 . ../before --pg          on PostgreSQL, one for each
    python bench/turns.py W8 . node_oidc_provider         beside a peer
    python bench/turns.py W8 . ../before -c 24 --also W4  how long somebody else's userinfo takes, while 24 sign in

All servers are up at once, on one core, and only one of them is asked at a time; the load comes from another core. A checkout
needs its own environment (`make` there makes it). Rounds are short and their order turns round, so a machine that others use,
too, is equally slow for all; what counts is the median of each round's ratio to the first.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from compare import client_for, load_provider, runner  # noqa: E402
from opbench.load import measure  # noqa: E402
from opbench.provider import SCRATCH  # noqa: E402
from opbench.server import Server  # noqa: E402

from bench import is_ready  # noqa: E402

FIRST_PORT = 9130


def a_server(name, number, *, pg, alg):
    """A peer by its name; of a folder, our own server with the code and the environment that are there."""
    if not Path(name).is_dir():
        return load_provider(name) if is_ready(name) else sys.exit(1)
    folder = Path(name).resolve()
    provider = type(load_provider("leersleutel"))(FIRST_PORT + 2 * number, alg, pg=pg)
    _, _, *words = provider.reset
    provider.reset = [str(folder / ".venv/bin/python"), str(folder / "bench/prepare.py"), *words]
    provider.start = [str(folder / ".venv/bin/idp"), *provider.start[1:]]
    provider.name = name
    return provider


async def under_load(client, workload, roots, concurrency, seconds, warmup, also):
    """The figures of the workload, and of the one that somebody else does meanwhile, one after the other (None: nobody)."""
    loads = [(workload, concurrency), *([(also, 1)] if also else [])]
    return await asyncio.gather(
        *(measure(client, name, roots, many, seconds, warmup, 0, 1) for name, many in loads)
    )


def rounds_of(workload, servers, how_many, seconds, concurrency, also=None):
    """For each server its rounds: (CPU in ms, slowest in ms, p99 in ms of what somebody else did)."""
    rounds = [[] for _ in servers]
    for number in range(how_many + 1):
        order = list(enumerate(servers))
        for at, (provider, server, client) in order if number % 2 else reversed(order):
            warmup = 0.2 if number else provider.warmup
            figures = runner(under_load(client, workload, server.roots, concurrency, seconds, warmup, also))
            for figure in figures:
                if figure["errors"]:
                    sys.exit(f"{provider.name}: {figure['last_error']}")
            if number:  # the first round is there to get warm
                figure, other = figures[0], figures[-1]
                rounds[at].append((figure["cpu_ms_per_op"], figure["max_ms"], other["p99_ms"]))
    return rounds


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", help="W1 to W9, with commas")
    parser.add_argument("servers", nargs="+", metavar="FOLDER|PEER")
    parser.add_argument("-r", "--rounds", type=int, default=8)
    parser.add_argument("-s", "--seconds", type=float, default=1.5)
    parser.add_argument("-c", "--concurrency", type=int, default=8)
    parser.add_argument("--also", metavar="W4", help="what somebody else does meanwhile; then CPU is of both")
    parser.add_argument("--pg", action="store_true", help="our own on PostgreSQL")
    parser.add_argument("--es256", action="store_true", help="our own sign with ES256")
    words = parser.parse_args()
    os.sched_setaffinity(0, {1})
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as all_up:
        servers = []
        for number, name in enumerate(words.servers):
            provider = a_server(name, number, pg=words.pg, alg="ES256" if words.es256 else "RS256")
            server = all_up.enter_context(Server(provider, 0, log=f"/tmp/opbench-server-{number}.log"))
            servers.append((provider, server, client_for(provider)))
        for workload in words.workloads.split(","):
            every = rounds_of(workload, servers, words.rounds, words.seconds, words.concurrency, words.also)
            for (provider, _, _), rounds in zip(servers, every, strict=True):
                cpu = statistics.median(cost for cost, _, _ in rounds)
                ratio = statistics.median(
                    cost / first for (cost, _, _), (first, _, _) in zip(rounds, every[0], strict=True)
                )
                slowest = max(most for _, most, _ in rounds)
                others = (
                    f"; {words.also} meanwhile p99 {statistics.median(p99 for _, _, p99 in rounds):.0f} ms"
                )
                print(
                    f"{workload} {provider.name:28} {cpu:8.3f} ms of CPU, {ratio:.3f} of the first; "
                    f"slowest {slowest:.0f} ms{others if words.also else ''}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
