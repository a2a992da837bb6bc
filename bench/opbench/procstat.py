"""CPU time and memory of a process tree, and foreign load on the cores."""

import hashlib
import json
import os
import time

TICK = os.sysconf("SC_CLK_TCK")
REFERENCE_MS = 68.0  # calibrate() on the machine of the first comparison when it was fast


def _stat(pid):
    with open(f"/proc/{pid}/stat", "rb") as f:
        data = f.read()
    rest = data[data.rindex(b")") + 2 :].split()
    return rest  # rest[1]=ppid, rest[11..14]=utime stime cutime cstime


def tree(roots):
    """All live descendants of ``roots`` (inclusive)."""
    kids = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                kids.setdefault(int(_stat(name)[1]), []).append(int(name))
            except (OSError, ValueError):
                pass
    out, todo = [], [p for p in roots if os.path.exists(f"/proc/{p}")]
    while todo:
        pid = todo.pop()
        out.append(pid)
        todo.extend(kids.get(pid, ()))
    return out


def cpu_seconds(roots):
    """user+system seconds of the tree; children already reaped are included."""
    total = 0
    for pid in tree(roots):
        try:
            s = _stat(pid)
            total += int(s[11]) + int(s[12]) + int(s[13]) + int(s[14])
        except OSError:
            pass
    return total / TICK


def memory_mib(roots):
    """(sum of RSS, sum of PSS) in MiB."""
    rss = pss = 0
    for pid in tree(roots):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                for line in f:
                    if line.startswith("Rss:"):
                        rss += int(line.split()[1])
                    elif line.startswith("Pss:"):
                        pss += int(line.split()[1])
        except OSError:
            pass
    return rss / 1024, pss / 1024


def core_times(core):
    """(busy seconds, total seconds, steal seconds) of one core."""
    with open("/proc/stat") as f:
        for line in f:
            if line.startswith(f"cpu{core} "):
                v = [int(x) for x in line.split()[1:9]]
                idle = v[3] + v[4]
                return (sum(v) - idle) / TICK, sum(v) / TICK, v[7] / TICK
    raise ValueError(core)


def calibrate(core, rounds=60):
    """CPU ms of a fixed piece of work on ``core``: how fast is this machine just now?

    A virtual machine's cores are not equally fast all day (we saw 67 to 106 ms within an
    hour, with nothing else running); CPU figures are scaled by REFERENCE_MS / calibrate().
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        doc = {f"claim{i}": [i, str(i), {"x": i / 7}] for i in range(300)}
        t0 = time.process_time()
        for _ in range(rounds):
            text = json.dumps(doc, sort_keys=True)
            for _ in range(40):
                hashlib.sha256(text.encode()).digest()
            sum(len(k) for k in json.loads(text)) + sum(i * i for i in range(4000))
        return (time.process_time() - t0) * 1e3
    finally:
        os.sched_setaffinity(0, before)
