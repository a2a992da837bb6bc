"""Our whole application behind a real socket, in this process: a test may move its clock, and look into its house."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from werkzeug.serving import WSGIRequestHandler, make_server

from idp import audit, clock, config, context, models, serving
from tests import make_signing


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Nobody reads it."""


@contextmanager
def running(
    *, data: Path, database_url: str, keys: Path, stopped: clock.Stopped, **settings: object
) -> Iterator[context.House]:
    """A house on a fresh database, served at its own issuer on this machine."""
    ours: list[Any] = []

    def whole(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """The answer in one piece: this server leaves files open when a browser goes away halfway."""
        parts = ours[0](environ, start_response)
        try:
            return [*parts]
        finally:
            if hasattr(parts, "close"):
                parts.close()

    server = make_server("127.0.0.1", 0, whole, threaded=True, request_handler=_Quiet)
    issuer = f"http://localhost:{server.server_port}"
    words = {"data": data, "database_url": database_url, "keys": keys, "issuer": issuer, "demo": True}
    read = config.read({}, **words | settings)
    house = context.open_house(read, clock=stopped)
    with house.database.transaction() as db:
        db.execute(insert(models.RegistryVersion), {"id": 1, "version": 1})
    these = audit.Circumstances(now=stopped.now(), actor="system", source="test")
    with audit.circumstances(these):
        make_signing.keys(house)
        ours.append(serving.assemble(house))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield house
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            house.database.close()
