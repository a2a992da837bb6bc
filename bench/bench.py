"""How fast, and how much memory? Ours beside node oidc-provider, idpyoidc and Canaille, in the same run, on this machine.

    python bench/bench.py                 what the README's numbers come from: RS256; ours and node's on PostgreSQL too
    python bench/bench.py --ours          without the peers
    python bench/bench.py --es256         everything with ES256
    python bench/bench.py -s 4 -r 5       longer, five rounds: the table has medians

Server CPU per operation is the figure to trust: it does not depend on the load generator and hardly on what else
runs. The server (and its PostgreSQL, which counts) is pinned to one core, the load generator to another; traffic stays
on this machine and stops by itself. Databases lie in memory, so no disk is measured. A peer that is not installed is
left out; `bench/README.md` says how to install them.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from compare import load_provider  # noqa: E402
from opbench import postgres  # noqa: E402
from opbench.provider import SCRATCH  # noqa: E402

NAMES = {
    "W1": "discovery",
    "W2": "JWKS",
    "W3": "client credentials",
    "W4": "userinfo",
    "W5": "introspection",
    "W6": "refresh",
    "W7": "SSO hop (authorize, token, userinfo)",
    "W8": "full sign-in",
    "W9": "code exchange (RS256)",
}
OURS = {
    "RS256": ("leersleutel", "leersleutel:pg"),
    "ES256": ("leersleutel:sqlite-es256", "leersleutel:pg-es256"),
}
PEERS = {
    "RS256": ("node_oidc_provider", "node_oidc_provider:pg", "idpyoidc", "canaille"),
    "ES256": (
        "node_oidc_provider:sqlite-es256",
        "node_oidc_provider:pg-es256",
        "idpyoidc:es256",
        "canaille:es256",
    ),
}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--ours", action="store_true", help="without the peers")
    ap.add_argument("--es256", action="store_true", help="ID tokens signed with ES256 instead of RS256")
    ap.add_argument("-s", "--seconds", type=float, default=4)
    ap.add_argument("-r", "--rounds", type=int, default=1)
    ap.add_argument("-w", "--workloads", default=",".join(NAMES))
    ap.add_argument("-p", "--providers", help="exactly these, as adapters name them, with commas")
    args = ap.parse_args()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    results = SCRATCH / "results.jsonl"
    results.unlink(missing_ok=True)
    alg = "ES256" if args.es256 else "RS256"
    names = [*OURS[alg]]
    if not args.ours:
        names += [name for name in PEERS[alg] if is_ready(name)]
    if not postgres.binaries():
        names = [name for name in names if ":pg" not in name]
    if args.providers:
        names = args.providers.split(",")
    for _ in range(args.rounds):
        for name in names:
            subprocess.run(
                [
                    sys.executable,
                    HERE / "compare.py",
                    "run",
                    name,
                    "-r",
                    "1",
                    "-s",
                    str(args.seconds),
                    "-w",
                    args.workloads,
                    "-l",
                    "",
                    "-f",
                    results,
                ],
                check=True,
                cwd=HERE,
            )
    _report(results)


def is_ready(name):
    """Is this peer installed? npm installs node oidc-provider now; says what is missing."""
    if name.startswith("node"):
        return _node_is_ready()
    there = Path(load_provider(name).ready).exists()
    if not there:
        print(f"{name} is not installed (bench/README.md says how): without it")
    return there


def _node_is_ready():
    folder = HERE / "peers" / "node-oidc-provider"
    if not shutil.which("npm") or not shutil.which("node"):
        print("Node.js or npm is not installed: without the peer")
        return False
    installed, wanted = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        done = subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=False)
        if done.returncode:
            print("npm could not install the peer: without it")
            return False
    return True


def _hash_ms():
    """CPU of one Argon2id hash as we keep passwords, in this process, on the server's core."""
    code = (
        "import os, time; os.sched_setaffinity(0, {0}); from argon2.low_level import Type, hash_secret_raw; "
        "h = lambda: hash_secret_raw(b'p' * 32, b's' * 16, 2, 19456, 1, 32, Type.ID); h(); t = time.process_time(); "
        "[h() for _ in range(40)]; print((time.process_time() - t) / 40 * 1e3)"
    )
    return float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )


def _report(results):
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    providers = list(dict.fromkeys(row["provider"] for row in rows))
    runs = {}
    for row in rows:
        if "failed" in row:
            print(f"failed: {row['provider']} {row['workload']}: {row['failed']}")
            continue
        runs.setdefault((row["provider"], row["workload"]), []).append(row)
    print("\nServer CPU, ms per operation (median of the rounds)\n")
    print(f"| operation | {' | '.join(providers)} |")
    print(f"|---|{'--:|' * len(providers)}")
    for key, name in NAMES.items():
        print(f"| {name} | {' | '.join(_cell(runs.get((provider, key), [])) for provider in providers)} |")
    print(f"\nArgon2id 19 MiB, t=2, p=1 alone, in our Python: {_hash_ms():.1f} ms CPU")
    for provider in providers:
        mine = [run for (name, _), some in runs.items() if name == provider for run in some]
        start, most = mine[0]["start_pss_mib"], max(run["pss_mib"] for run in mine)
        print(f"memory, {provider}: {start:.0f} MiB at start, {most:.0f} MiB highest (PSS, all processes)")


def _cell(runs):
    cpu = [run["cpu_ms_per_op"] for run in runs if run["cpu_ms_per_op"]]
    if not cpu:
        return "–"
    wrong = sum(run["errors"] for run in runs)
    return f"{statistics.median(cpu):.3f}{f' ({wrong} errors)' if wrong else ''}"


if __name__ == "__main__":
    main()
