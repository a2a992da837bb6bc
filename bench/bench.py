"""How fast, and how much memory? Ours beside node oidc-provider, in the same run, on this machine.

    python bench/bench.py                 what the README's numbers come from (about three minutes)
    python bench/bench.py --ours          without the peer
    python bench/bench.py -s 8 -r 3       longer, three rounds

Server CPU per operation is the figure to trust: it does not depend on the load generator and hardly on what else
runs. The server is pinned to one core, the load generator to another; traffic stays on this machine and stops by
itself. Databases lie in memory, so no disk is measured. Node.js with npm is needed for the peer.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

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
AIMS_MS = {"W1": 0.03, "W4": 0.5, "W5": 0.5, "W7": 4.0, "W9": 1.3}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--ours", action="store_true", help="without the peer")
    ap.add_argument("-s", "--seconds", type=float, default=4)
    ap.add_argument("-r", "--rounds", type=int, default=1)
    ap.add_argument("-w", "--workloads", default=",".join(NAMES))
    args = ap.parse_args()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    results = SCRATCH / "results.jsonl"
    results.unlink(missing_ok=True)
    names = ["leersleutel"]
    if not args.ours and _peer_is_ready():
        names.append("node_oidc_provider")
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


def _peer_is_ready():
    folder = HERE / "peers" / "node-oidc-provider"
    if not shutil.which("npm") or not shutil.which("node"):
        print("Node.js or npm is not installed: without the peer")
        return False
    if not (folder / "node_modules").exists():
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
    best = {}
    for row in rows:
        if "failed" in row:
            print(f"failed: {row['provider']} {row['workload']}: {row['failed']}")
            continue
        best.setdefault((row["provider"], row["workload"]), []).append(row)
    print(
        f"\n| operation | aim, ms | {' | '.join(f'{p}: CPU ms | per second per core' for p in providers)} |"
    )
    print(f"|---|--:|{'--:|--:|' * len(providers)}")
    for key, name in NAMES.items():
        cells = []
        for provider in providers:
            runs = best.get((provider, key))
            cpu = (
                min((run["cpu_ms_per_op"] for run in runs if run["cpu_ms_per_op"]), default=None)
                if runs
                else None
            )
            wrong = sum(run["errors"] for run in runs) if runs else 0
            cells.append(
                f"{cpu:.3f}{f' ({wrong} errors)' if wrong else ''} | {1000 / cpu:,.0f}" if cpu else "– | –"
            )
        print(f"| {name} | {AIMS_MS.get(key, '')} | {' | '.join(cells)} |")
    print(
        f"\nArgon2id 19 MiB, t=2, p=1 alone: {_hash_ms():.1f} ms CPU (both providers hash so; aim for a full sign-in: hash + 5 ms)"
    )
    for provider in providers:
        mine = [run for (name, _), runs in best.items() if name == provider for run in runs]
        print(
            f"memory, {provider}: {mine[0]['start_pss_mib']:.0f} MiB at start, {max(run['pss_mib'] for run in mine):.0f} MiB highest (PSS, all processes)"
        )


if __name__ == "__main__":
    main()
