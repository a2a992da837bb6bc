#!/usr/bin/env python3
"""opbench: measure OpenID Connect providers side by side.

bench.py check  NAME...        functional check and feature facts
bench.py run    NAME... [-r 3] [-w W1,W7] [-c 8] [-s 8]    measure, append to results.jsonl
bench.py table  [-f results.jsonl]                         medians as Markdown
"""

import argparse
import asyncio
import importlib.util
import json
import os
import statistics
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from opbench import procstat  # noqa: E402
from opbench.check import check  # noqa: E402
from opbench.flows import Client  # noqa: E402
from opbench.load import WORKLOADS, measure  # noqa: E402
from opbench.server import Server  # noqa: E402

try:
    import uvloop
except ImportError:
    uvloop = None


def load_provider(name):
    """adapters/<file>.py gives PROVIDER or PROVIDERS; "file:variant" picks one."""
    file, _, variant = name.partition(":")
    spec = importlib.util.spec_from_file_location(f"adapter_{file}", HERE / "adapters" / f"{file}.py")
    mod = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mod)
    if variant:
        return mod.PROVIDERS[variant]
    return mod.PROVIDER


def client_for(provider):
    with urllib.request.urlopen(provider.discovery(), timeout=10) as r:
        meta = json.load(r)
    return Client(provider, provider.tweak_metadata(meta))


def runner(coro):
    if uvloop is not None:
        return uvloop.run(coro)
    return asyncio.run(coro)


def do_check(args):
    bad = 0
    for name in args.names:
        p = load_provider(name)
        with Server(p, args.server_core) as srv:
            facts = runner(check(client_for(p)))
            rss, pss = procstat.memory_mib(srv.roots)
            facts["rss_mib"], facts["pss_mib"] = round(rss, 1), round(pss, 1)
        print(json.dumps({"provider": p.name, **facts}, indent=1))
        bad += bool(facts["problems"])
    return 1 if bad else 0


def do_run(args):
    os.sched_setaffinity(0, {args.load_core})
    out = open(args.file, "a")
    for name in args.names:
        p = load_provider(name)
        for rep in range(args.repeat):
            with Server(p, args.server_core) as srv:
                client = client_for(p)
                rss0 = procstat.memory_mib(srv.roots)
                plan = [(w, args.concurrency, args.seconds) for w in args.workloads]
                plan += [(w, 1, args.seconds / 2) for w in args.latency if w in args.workloads]
                for w, conc, secs in plan:
                    if w in p.skip:
                        continue
                    try:
                        fig = runner(
                            measure(
                                client, w, srv.roots, conc, secs, p.warmup, args.server_core, args.load_core
                            )
                        )
                    except Exception as exc:  # keep what the others give
                        fig = {"workload": w, "concurrency": conc, "failed": repr(exc)[:500]}
                    fig = {
                        "provider": p.name,
                        "rep": rep,
                        "time": round(time.time()),
                        "start_pss_mib": round(rss0[1], 1),
                        **fig,
                    }
                    out.write(json.dumps(fig) + "\n")
                    out.flush()
                    if "failed" in fig:
                        print(f"{p.name:24} {w} c={conc} FAILED {fig['failed']}", flush=True)
                    else:
                        print(
                            f"{p.name:24} {w} c={conc} {fig['rate']:10.1f}/s p50 {fig['p50_ms']:8.2f} "
                            f"p99 {fig['p99_ms']:8.2f} ms  cpu {fig['cpu_ms_per_op'] or 0:8.3f} "
                            f"norm {fig['cpu_norm_ms_per_op'] or 0:8.3f} ms/op  "
                            f"pss {fig['pss_mib']:6.1f}  err {fig['errors']}  "
                            f"lg {fig['loadgen_cpu_share']:.2f} foreign {fig['foreign_server_core']:.3f}"
                            f"/{fig['foreign_load_core']:.3f}"
                            + (f"  {fig['last_error'][:200]}" if fig["errors"] else ""),
                            flush=True,
                        )
    return 0


def medians(path, max_foreign):
    groups = {}
    for line in open(path):
        r = json.loads(line)
        if "failed" in r:
            continue
        groups.setdefault((r["provider"], r["workload"], r["concurrency"]), []).append(r)
    out = {}
    for key, rows in groups.items():
        clean = [r for r in rows if (r["foreign_server_core"] or 0) <= max_foreign] or rows
        med = {
            k: statistics.median([r[k] for r in clean if r.get(k) is not None] or [float("nan")])
            for k in (
                "rate",
                "p50_ms",
                "p99_ms",
                "cpu_ms_per_op",
                "cpu_norm_ms_per_op",
                "calib_ms",
                "pss_mib",
                "rss_mib",
                "start_pss_mib",
                "server_cpu_share",
                "loadgen_cpu_share",
                "foreign_server_core",
            )
        }
        med["runs"], med["all_runs"] = len(clean), len(rows)
        med["errors"] = sum(r["errors"] for r in clean)
        rates = [r["rate"] for r in clean]
        med["spread"] = (max(rates) - min(rates)) / med["rate"] if med["rate"] else 0
        cpus = [r["cpu_norm_ms_per_op"] for r in clean if r.get("cpu_norm_ms_per_op")]
        med["cpu_spread"] = (max(cpus) - min(cpus)) / med["cpu_norm_ms_per_op"] if cpus else 0
        out[key] = med
    return out


def num(x):
    if x != x:
        return "-"
    if x >= 100:
        return f"{x:,.0f}"
    return f"{x:.1f}" if x >= 10 else f"{x:.2f}" if x >= 0.995 else f"{x:.3f}"


def do_table(args):
    med = medians(args.file, args.max_foreign)
    names = list(dict.fromkeys(k[0] for k in med))
    if args.names:
        names = [n for n in args.names if n in names]
    concs = sorted({k[2] for k in med}, reverse=True)
    for metric, title in (
        ("rate", "operations per second"),
        ("cpu_norm_ms_per_op", "server CPU ms per operation, scaled to the reference speed"),
        ("p50_ms", "p50 ms"),
        ("p99_ms", "p99 ms"),
    ):
        for c in concs:
            ws = [w for w in WORKLOADS if any((n, w, c) in med for n in names)]
            if not ws:
                continue
            print(f"\n**{title}, {c} worker{'s' if c > 1 else ''}**\n")
            print("| provider | " + " | ".join(ws) + " |\n|---|" + "--:|" * len(ws))
            for n in names:
                cells = []
                for w in ws:
                    m = med.get((n, w, c))
                    cells.append("-" if m is None else num(m[metric]) + ("!" if m["errors"] else ""))
                print(f"| {n} | " + " | ".join(cells) + " |")
    print("\n**memory (PSS MiB), spread and cleanliness, over all workloads**\n")
    print(
        "| provider | at start | highest | worst rate spread | worst CPU spread | runs (clean/all) | errors |\n|---|--:|--:|--:|--:|--:|--:|"
    )
    for n in names:
        ms = [v for k, v in med.items() if k[0] == n]
        print(
            f"| {n} | {num(statistics.median(m['start_pss_mib'] for m in ms))} | "
            f"{num(max(m['pss_mib'] for m in ms))} | {max(m['spread'] for m in ms):.0%} | "
            f"{max(m['cpu_spread'] for m in ms):.0%} | "
            f"{min(m['runs'] for m in ms)}/{max(m['all_runs'] for m in ms)} | {sum(m['errors'] for m in ms)} |"
        )
    return 0


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("command", choices=["check", "run", "table"])
    ap.add_argument("names", nargs="*")
    ap.add_argument("-r", "--repeat", type=int, default=3)
    ap.add_argument("-w", "--workloads", type=lambda s: s.split(","), default=list(WORKLOADS))
    ap.add_argument(
        "-l",
        "--latency",
        type=lambda s: s.split(",") if s else [],
        default=["W7", "W8"],
        help="workloads repeated with one worker, for latency without queueing",
    )
    ap.add_argument("-c", "--concurrency", type=int, default=8)
    ap.add_argument("-s", "--seconds", type=float, default=8)
    ap.add_argument("-f", "--file", default=str(HERE / "results.jsonl"))
    ap.add_argument("--server-core", type=int, default=0)
    ap.add_argument("--load-core", type=int, default=1)
    ap.add_argument(
        "--max-foreign",
        type=float,
        default=0.05,
        help="table: drop runs with more foreign load than this on the server's core",
    )
    args = ap.parse_intermixed_args()
    return {"check": do_check, "run": do_run, "table": do_table}[args.command](args)


if __name__ == "__main__":
    sys.exit(main())
