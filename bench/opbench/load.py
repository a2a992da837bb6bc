"""Closed-loop load: N workers, each with its own connection(s)."""

import asyncio
import itertools
import os
import time

from . import procstat
from .browser import FlowError
from .flows import fetch_json

WORKLOADS = {
    "W1": "discovery document",
    "W2": "JWKS",
    "W3": "client_credentials token",
    "W4": "userinfo",
    "W5": "introspection",
    "W6": "refresh_token grant, chained rotation",
    "W7": "code+PKCE flow with SSO session, + token + userinfo",
    "W8": "complete login from nothing, + token + userinfo",
    "W9": "code exchange alone: codes are collected first, then redeemed",
}
CODES_SECONDS = 8
"""W9 collects codes this long: well within the shortest life of a code (30 s)."""


def pct(sorted_values, q):
    if not sorted_values:
        return float("nan")
    i = min(len(sorted_values) - 1, max(0, int(round(q * (len(sorted_values) - 1)))))
    return sorted_values[i]


class Run:
    """State shared by the workers of one measurement."""

    def __init__(self):
        self.lat, self.errors, self.last_error = [], 0, None
        self.stop = False
        self.begin = self.end = float("inf")  # the measured window
        self.done = 0.0

    def count(self, start, end):
        """Count one good operation.

        An operation that is only partly inside the window counts with that part of
        its duration, so that slow operations give no error at the edges.
        """
        inside = min(end, self.end) - max(start, self.begin)
        if inside > 0:
            self.done += inside / (end - start)
            if end <= self.end:
                self.lat.append(end - start)


async def _fixed(run, conn, raws, check=b""):
    """Worker for W1..W5: the same requests, one after another, again and again."""
    clock = time.perf_counter
    for raw in itertools.cycle(raws):
        if run.stop:
            return
        t0 = clock()
        resp = await conn.send(raw)
        t1 = clock()
        if resp.status != 200 or check not in resp.body:
            run.errors += 1
            run.last_error = repr(resp)
            if run.errors > 20:
                return
        else:
            run.count(t0, t1)


async def _refresh(run, client, conn, tokens):
    clock = time.perf_counter
    rt = tokens["refresh_token"]
    while not run.stop:
        t0 = clock()
        resp = await conn.send(client.refresh_req(rt))
        t1 = clock()
        if resp.status != 200:
            run.errors += 1
            run.last_error = repr(resp)
            return  # the chain is broken
        rt = fetch_json(resp).get("refresh_token", rt)
        run.count(t0, t1)


async def _flow(run, client, browser, conn, user, sso):
    clock = time.perf_counter
    while not run.stop:
        if not sso:
            browser.clear()
        t0 = clock()
        try:
            await client.code_flow(browser, conn, user, sso)
        except (FlowError, OSError, KeyError, ValueError) as exc:
            run.errors += 1
            run.last_error = repr(exc)
            if run.errors > 20:
                return
            if sso:
                return
        else:
            run.count(t0, clock())


async def _collect(client, browser, user, codes, until):
    while time.perf_counter() < until:
        codes.append(await client.sso_code(browser))


async def _redeem(run, client, conn, codes):
    clock = time.perf_counter
    while codes:
        code, verifier = codes.pop()
        t0 = clock()
        resp = await client.redeem(conn, code, verifier)
        t1 = clock()
        if resp.status != 200:
            run.errors += 1
            run.last_error = repr(resp)
        else:
            run.count(t0, t1)


async def measure(client, workload, roots, conc, seconds, warmup, server_core=0, load_core=1, tokens=()):
    """Run one workload; returns a dict of figures. `tokens`: ask with these, instead of one of a sign-in for each worker."""
    p, run = client.p, Run()
    conns, browsers, coros = [], [], []
    users = [p.users[i % len(p.users)] for i in range(conc)]

    async def logged_in(i):
        b, c = client.browser(), client.conn()
        browsers.append(b)
        conns.append(c)
        return b, c, await client.code_flow(b, c, users[i], sso=False)

    if workload in ("W1", "W2", "W3"):
        raw, check = {
            "W1": (client.discovery_req, b"authorization_endpoint"),
            "W2": (client.jwks_req, b'"keys"'),
            "W3": (client.client_credentials_req, b"access_token"),
        }[workload]
        raw = raw()
        for _ in range(conc):
            conns.append(client.conn())
            coros.append(_fixed(run, conns[-1], [raw], check))
    elif workload in ("W4", "W5"):
        ask, check = {
            "W4": (client.userinfo_req, b'"sub"'),
            "W5": (client.introspect_req, b"true"),
        }[workload]
        for i in range(conc):
            if tokens:
                conns.append(client.conn())
                mine = tokens[i::conc]
            else:
                _, _, tok = await logged_in(i)
                mine = [tok["access_token"]]
            coros.append(_fixed(run, conns[-1], [ask(one) for one in mine], check))
    elif workload == "W6":
        for i in range(conc):
            _, c, tok = await logged_in(i)
            coros.append(_refresh(run, client, c, tok))
    elif workload == "W7":
        for i in range(conc):
            b, c, _ = await logged_in(i)
            coros.append(_flow(run, client, b, c, users[i], True))
    elif workload == "W8":
        for i in range(conc):
            b, c = client.browser(), client.conn()
            browsers.append(b)
            conns.append(c)
            coros.append(_flow(run, client, b, c, users[i], False))
    elif workload == "W9":
        codes, seconds, warmup = [], 60, 0
        signed_in = [await logged_in(i) for i in range(conc)]
        until = time.perf_counter() + CODES_SECONDS
        await asyncio.gather(
            *(_collect(client, b, users[i], codes, until) for i, (b, _, _) in enumerate(signed_in))
        )
        coros = [_redeem(run, client, c, codes) for _, c, _ in signed_in]
    else:
        raise ValueError(workload)

    calib = procstat.calibrate(server_core)
    tasks = [asyncio.create_task(c) for c in coros]
    if warmup:
        await asyncio.sleep(warmup)
    each0 = [procstat.cpu_seconds([root]) for root in roots]
    cpu0, own0 = procstat.cpu_seconds(roots), sum(os.times()[:2])
    core0, load0 = procstat.core_times(server_core), procstat.core_times(load_core)
    run.begin = time.perf_counter()
    if workload == "W9":
        await asyncio.wait(tasks, timeout=seconds)
    else:
        await asyncio.sleep(seconds)
    run.end = time.perf_counter()
    wall = run.end - run.begin
    cpu1, own1 = procstat.cpu_seconds(roots), sum(os.times()[:2])
    each1 = [procstat.cpu_seconds([root]) for root in roots]
    core1, load1 = procstat.core_times(server_core), procstat.core_times(load_core)
    run.stop = True
    rss, pss = procstat.memory_mib(roots)
    done, pending = await asyncio.wait(tasks, timeout=90)
    for t in pending:
        t.cancel()
    for t in done:
        if t.exception():
            run.errors += 1
            run.last_error = repr(t.exception())
    for c in conns:
        c.close()
    for b in browsers:
        b.conn.close()

    calib = (calib + procstat.calibrate(server_core)) / 2
    lat, n, cpu = sorted(run.lat), run.done, cpu1 - cpu0
    busy, total, steal = (b - a for a, b in zip(core0, core1))
    lbusy, ltotal, lsteal = (b - a for a, b in zip(load0, load1))
    return {
        "workload": workload,
        "concurrency": conc,
        "n": round(n, 2),
        "errors": run.errors,
        "last_error": run.last_error,
        "wall_s": round(wall, 3),
        "rate": round(n / wall, 2),
        "p50_ms": round(pct(lat, 0.5) * 1e3, 3),
        "p99_ms": round(pct(lat, 0.99) * 1e3, 3),
        "max_ms": round(max(lat, default=0.0) * 1e3, 3),
        "mean_ms": round(sum(lat) / len(lat) * 1e3, 3) if lat else None,
        "cpu_ms_per_op": round(cpu / n * 1e3, 4) if n else None,
        "cpu_ms_of_each": [round((b - a) / n * 1e3, 4) for a, b in zip(each0, each1)] if n else None,
        "calib_ms": round(calib, 2),
        "cpu_norm_ms_per_op": round(cpu / n * 1e3 * procstat.REFERENCE_MS / calib, 4) if n else None,
        "server_cpu_share": round(cpu / wall, 3),
        "loadgen_cpu_share": round((own1 - own0) / wall, 3),
        # work of others on our two cores: makes a run suspect
        "foreign_server_core": round(max(0.0, busy - steal - cpu) / total, 3) if total else None,
        "foreign_load_core": round(max(0.0, lbusy - lsteal - (own1 - own0)) / ltotal, 3) if ltotal else None,
        "steal": round((steal + lsteal) / (total + ltotal), 4) if total else None,
        "rss_mib": round(rss, 1),
        "pss_mib": round(pss, 1),
    }
