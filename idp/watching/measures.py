"""What do we count for whoever watches over an installation? Numbers without people: closed lists of labels, no ids.

Off (no `metrics_port`) every function here is one comparison. On, the workers of one machine add up in small files
(prometheus-client's multiprocess mode), and whichever is asked tells for all (idp/watching/exposing.py). `begin` must run before
anything else imports prometheus_client, since that chooses by the environment how it keeps values.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIGN_INS = {
    "signed_in": ("pupil", "in"),
    "sign_in_failed": ("pupil", "wrong"),
    "sign_in_slowed": ("pupil", "wait"),
    "staff_signed_in": ("staff", "in"),
    "staff_sign_in_failed": ("staff", "wrong"),
    "staff_sign_in_slowed": ("staff", "wait"),
}
"""Events of the audit trail that end a try to sign in: of whom, and how."""
KINDS = frozenset({"picture", "basic", "temporary", "own"})
WAYS = (
    KINDS
    | {f"{kind}+card" for kind in KINDS}
    | {"help", "password", "code", "passkey", "recovery", "upstream"}
)


class _Meters:
    """Everything we count, with its labels."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self.requests = Histogram(
            "idp_request_seconds",
            "Requests, by kind and class of status",
            ["kind", "status"],
            buckets=SECONDS,
        )
        self.events = Counter("idp_events", "Events of the audit trail", ["event"])
        self.sign_ins = Counter(
            "idp_sign_ins", "Tries to sign in, by who, way and outcome", ["who", "way", "outcome"]
        )
        self.slowed = Counter(
            "idp_throttled", "Tries that had to wait, by the counter that was full", ["counter"]
        )
        self.hashes = Histogram("idp_hash_wait_seconds", "Waiting for a turn to hash", buckets=SECONDS)
        self.hashing = Gauge("idp_hash_busy", "Hashes at this moment", multiprocess_mode="livesum")
        self.waiting = Gauge(
            "idp_hash_queue", "Waiting for a hash at this moment", multiprocess_mode="livesum"
        )
        self.refused = Counter("idp_hash_refused", "Refused: too many wait for a hash", ["because"])
        for because in (
            "queue_full",
            "wait_too_long",
        ):  # there from the start: whoever asks for a rate sees the first one
            self.refused.labels(because)
        self.tokens = Counter("idp_tokens", "Tokens and codes issued", ["kind"])
        self.claims = Counter("idp_claims", "Claims asked of the gates", ["outcome", "channel"])
        self.database = Histogram(
            "idp_database_seconds", "Connections held, by what for", ["work"], buckets=SECONDS
        )
        self.cached: dict[tuple[str, str], Any] = {}
        self.read, self.write = self.database.labels("read"), self.database.labels("write")


_meters: _Meters | None = None


def prepare(folder: Path) -> None:
    """Before the workers of this server start: an empty folder for their numbers, told through the environment."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    os.environ[FOLDER] = str(folder)


def begin() -> None:
    """From here on this process counts."""
    global _meters  # noqa: PLW0603 - one process, one set of numbers
    _meters = _meters or _Meters()


def counting() -> bool:
    return _meters is not None


def request(kind: str, status: str, seconds: float) -> None:
    """`status` is the first digit of the status."""
    if _meters is None:
        return
    child = _meters.cached.get((kind, status))
    if child is None:
        child = _meters.cached[kind, status] = _meters.requests.labels(kind, f"{status}xx")
    child.observe(seconds)


def event(name: str, details: Mapping[str, Any]) -> None:
    """Called for every event of the audit trail, whose names are a closed list."""
    if _meters is None:
        return
    _meters.events.labels(name).inc()
    if name in SIGN_INS:
        who, outcome = SIGN_INS[name]
        _meters.sign_ins.labels(who, _way(details), outcome).inc()
    if name.endswith("sign_in_slowed"):
        _meters.slowed.labels(str(details.get("counter", ""))).inc()


def _way(details: Mapping[str, Any]) -> str:
    """What somebody showed: a word of ours, whatever the event says."""
    said = (str(details.get("acr", "")).rpartition(":")[2], details.get("way"), *details.get("amr", ())[-1:])
    return next((str(word) for word in said if word in WAYS), "other")


def hash_waited(seconds: float) -> None:
    if _meters is not None:
        _meters.hashes.observe(seconds)


def hash_queue(change: int) -> None:
    if _meters is not None:
        _meters.waiting.inc(change)


def hash_busy(change: int) -> None:
    if _meters is not None:
        _meters.hashing.inc(change)


def hash_refused(because: str) -> None:
    if _meters is not None:
        _meters.refused.labels(because).inc()


def issued(kind: str) -> None:
    if _meters is not None:
        _meters.tokens.labels(kind).inc()


def released(channel: str, *, released: int, withheld: int) -> None:
    """How many claims the gates let through in one release, and how many not."""
    if _meters is None:
        return
    _meters.claims.labels("released", channel).inc(released)
    _meters.claims.labels("withheld", channel).inc(withheld)


def database_held(*, writes: bool, seconds: float) -> None:
    if _meters is not None:
        (_meters.write if writes else _meters.read).observe(seconds)
