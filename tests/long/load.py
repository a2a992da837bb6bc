"""Pupils who sign in without a pause while something breaks, and what they were promised."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

import requests

from tests.make_http_walk import Walk


@dataclass
class Told:
    """What the provider acknowledged: only this has to be true afterwards."""

    codes: list[tuple[Walk, str]] = field(default_factory=list)
    """Redeemed, each once."""
    chains: list[tuple[Walk, str]] = field(default_factory=list)
    """The newest refresh token of each family."""
    good: list[float] = field(default_factory=list)
    """Moments (monotonic) of complete sign-ins."""
    away: list[str] = field(default_factory=list)
    """How the provider said no while something was broken."""
    wrong: list[str] = field(default_factory=list)
    """Answers that may never come: neither done nor 'come back later'."""


class Load:
    """A few pupils, each in a thread, at these addresses in turn; ends with the block."""

    def __init__(
        self, addresses: list[str], sandbox: dict[str, Any], *, pupils: int = 3, pause: float = 0.1
    ) -> None:
        self.told = Told()
        self._addresses, self._pause = addresses, pause
        self._app = sandbox["apps"][0]
        self._pupils = [one for one in sandbox["pupils"] if one["also_at"] is None][:pupils]
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._one, args=(p, n), daemon=True) for n, p in enumerate(self._pupils)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_how: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)

    def _one(self, pupil: dict[str, Any], turn: int) -> None:
        while not self._stopped.wait(self._pause):
            turn += 1
            at = self._addresses[turn % len(self._addresses)]
            walk = Walk(self._app)
            try:
                self._sign_in(walk, at, pupil)
            except (requests.RequestException, Away) as failure:
                self.told.away.append(str(failure)[:200])
                self._stopped.wait(0.3)
            except AssertionError as failure:
                self.told.wrong.append(str(failure)[:500])

    def _sign_in(self, walk: Walk, at: str, pupil: dict[str, Any]) -> None:
        code = busy(lambda: walk.code(at, pupil["username"], pupil["secret"]))
        tokens = busy(lambda: walk.redeem(at, code))
        self.told.codes.append((walk, code))
        place = len(self.told.chains)
        self.told.chains.append((walk, tokens["refresh_token"]))
        for _ in range(2):
            tokens = busy(lambda: walk.refresh(at, tokens["refresh_token"]))  # noqa: B023 - called at once
            mine = next(n for n in range(place, len(self.told.chains)) if self.told.chains[n][0] is walk)
            self.told.chains[mine] = (walk, tokens["refresh_token"])
        self.told.good.append(time.monotonic())


class Away(Exception):
    """The provider said: come back later."""


def busy(work: Any) -> Any:
    """Run it; an answer 'later' (503, 429, a page that tries again) is Away, anything else unexpected is wrong."""
    try:
        return work()
    except AssertionError as failure:
        text = str(failure)
        if any(
            sign in text
            for sign in ("503", "429", "temporarily_unavailable", "Er ging iets stuk", "heel druk")
        ):
            raise Away(text[:200]) from None
        raise
