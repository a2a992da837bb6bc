"""A load balancer as deploy/haproxy.cfg describes one: asks who is ready, and sends no request twice.

A node that does not accept a connection is passed by; whatever goes wrong after a request was sent is an answer 502.
"""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

HOP = {"connection", "keep-alive", "transfer-encoding"}


class Balancer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, nodes: list[int]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.nodes = nodes
        self.ready = dict.fromkeys(nodes, False)
        self.turn = itertools.count()
        self.over = threading.Event()

    def watch(self, node: int) -> None:
        """Beside the others: one that is slow to answer makes nobody miss what another says."""
        while not self.over.wait(0.3):
            self.ready[node] = self._asks(node)

    def _asks(self, node: int) -> bool:
        """A node that is merely slow to say so is as ready as it was."""
        try:
            return requests.get(f"http://127.0.0.1:{node}/health/ready", timeout=5).status_code == 200
        except requests.Timeout:
            return self.ready[node]
        except requests.RequestException:
            return False

    def choices(self) -> list[int]:
        ready = [node for node in self.nodes if self.ready[node]]
        at = next(self.turn) % (len(ready) or 1)
        return ready[at:] + ready[:at]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Balancer

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        for node in self.server.choices():
            line = http.client.HTTPConnection("127.0.0.1", node, timeout=60)
            try:
                line.connect()
            except OSError:
                continue
            try:
                head = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
                line.request(self.command, self.path, body or None, head | {"Connection": "close"})
                answer = line.getresponse()
                self._pass_on(answer.status, answer.getheaders(), answer.read())
            except (OSError, http.client.HTTPException):
                self._pass_on(502, [], b"")
            finally:
                line.close()
            return
        self._pass_on(503, [], b"")

    do_POST = do_HEAD = do_GET  # noqa: N815 - the names of the standard library

    def _pass_on(self, status: int, head: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in head:
            if name.lower() not in HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def balancing(port: int, nodes: list[int]) -> Iterator[Balancer]:
    made = Balancer(port, nodes)
    threads = [threading.Thread(target=made.serve_forever, daemon=True)]
    threads += [threading.Thread(target=made.watch, args=(node,), daemon=True) for node in nodes]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.over.set()
        made.shutdown()
        made.server_close()
