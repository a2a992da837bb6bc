"""Two nodes: real processes with a connection, a memory and a clock of their own, that do what they are told."""

from __future__ import annotations

import multiprocessing
from datetime import datetime
from pathlib import Path
from typing import Any

from idp import audit, clock, config, context
from idp.oidc import signing

Where = tuple[str, Path, Path, datetime]
"""Database, keys, data, and the moment it is."""


class Node:
    def __init__(self, where: Where) -> None:
        how = multiprocessing.get_context("forkserver")
        how.set_forkserver_preload(["tests.make_tokens"])
        self.orders, self.answers = how.Queue(), how.Queue()
        self.process = how.Process(target=_node, args=(where, self.orders, self.answers), daemon=True)
        self.process.start()

    def tell(self, order: str, minutes: float = 0) -> None:
        self.orders.put((order, minutes))

    def answer(self) -> list[Any]:
        return self.answers.get(timeout=300)


def _node(where: Where, orders: Any, answers: Any) -> None:
    """A process with its own connection, memory and clock: it does what it is told."""
    url, folder, data, moment = where
    settings = config.read({}, data=data, database_url=url, keys=folder)
    house = context.open_house(settings, clock=clock.Stopped(moment))
    for order, minutes in iter(orders.get, None):
        house.clock.move(minutes=minutes)
        now = house.clock.now()
        with audit.circumstances(audit.Circumstances(now=now, actor="system", source="test")):
            if order == "ensure":
                with house.database.transaction() as db:
                    answers.put(signing.ensure(db, house, now))
            elif order == "revoke":
                with house.database.transaction() as db:
                    kid = next(
                        line.kid
                        for line in reversed(signing.listing(db))
                        if line.alg == "RS256" and line.state(now) is signing.State.SIGNS
                    )
                    signing.revoke(db, house, kid, now)
                answers.put([kid])
            else:
                signed = signing.sign(house, {"iss": settings.issuer}, "RS256")
                answers.put([signed, signing.jwks(house).body])
    house.database.close()
