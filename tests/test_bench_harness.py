"""The load harness counts, parses and keeps cookies as it should."""

import asyncio
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))

from opbench.browser import Browser, FlowError, parse_forms
from opbench.flows import Client
from opbench.http1 import Conn, Response
from opbench.load import Run, pct
from opbench.provider import Provider


def alone(work):
    """Run a coroutine on a loop of its own thread: a browser's driver may hold this thread's."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class Feed:
    def __init__(self):
        self.conn = Conn("127.0.0.1", 1)
        self.loop = asyncio.new_event_loop()
        self.conn.fut = self.loop.create_future()
        self.conn.transport = type("T", (), {"close": lambda s: None})()

    def feed(self, *chunks):
        for c in chunks:
            self.conn.data_received(c)
        self.loop.close()
        return self.conn.fut.result() if self.conn.fut and self.conn.fut.done() else None


class Http(unittest.TestCase):
    def parse(self, *chunks):
        f = Feed()
        fut = f.conn.fut
        f.feed(*chunks)
        return fut.result() if fut.done() else None, f.conn

    def test_content_length_in_pieces(self):
        r, _ = self.parse(b"HTTP/1.1 200 OK\r\nContent-", b"Length: 5\r\nX: y\r\n\r\nhe", b"llo")
        self.assertEqual((r.status, r.body, r.header("x")), (200, b"hello", "y"))

    def test_chunked(self):
        r, c = self.parse(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            b"2;x=1\r\nde\r\n0\r\n",
            b"\r\n",
        )
        self.assertEqual(r.body, b"abcde")
        self.assertEqual(c.buf, b"")

    def test_interim_and_close(self):
        r, c = self.parse(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /x\r\n"
            b"Connection: close\r\nContent-Length: 0\r\n\r\n"
        )
        self.assertEqual((r.status, r.header("location")), (302, "/x"))
        self.assertIsNone(c.transport)

    def test_incomplete(self):
        r, _ = self.parse(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        self.assertIsNone(r)


class Jar(unittest.TestCase):
    def setUp(self):
        self.b = Browser("http://127.0.0.1:9")

    def store(self, path, *lines):
        head = b"HTTP/1.1 200 OK" + b"".join(b"\r\nSet-Cookie: " + x.encode() for x in lines)
        self.b._store(Response(200, head, b""), path)

    def test_paths_and_deletion(self):
        self.store("/a/b", "x=1; Path=/", "y=2; Path=/login", "z=3")
        self.assertEqual(self.b._cookies("/login/1"), "y=2; x=1")
        self.assertEqual(self.b._cookies("/loginx"), "x=1")
        self.assertEqual(self.b._cookies("/a/c"), "z=3; x=1")
        self.store("/", "x=; Path=/; Max-Age=0", "y=; Path=/login; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
        self.assertEqual(self.b._cookies("/login/1"), "")


class Forms(unittest.TestCase):
    def test_hidden_and_buttons(self):
        (f,) = parse_forms(
            '<form method=post action="/p?a=1&amp;b=2"><input type=hidden name=csrf value="&lt;t&gt;">'
            "<input name=username><input type=password name=password>"
            "<input type=checkbox name=c value=1><button name=go value=yes>Go</button></form>"
        )
        self.assertEqual((f.action, f.method, f.password_field()), ("/p?a=1&b=2", "POST", "password"))
        self.assertEqual(
            f.data({"username": "u", "password": "p"}, f.buttons[0]),
            [("csrf", "<t>"), ("username", "u"), ("password", "p"), ("go", "yes")],
        )

    def test_login_fails_on_page_without_form(self):
        p = Provider()
        page = Response(200, b"HTTP/1.1 200 OK", b"<p>nothing</p>")
        with self.assertRaises(FlowError):
            alone(p.login(None, page, ("a", "b")))


class Flow(unittest.TestCase):
    def setUp(self):
        self.c = Client(Provider(), {"authorization_endpoint": "http://127.0.0.1:9000/authorize"})

    def test_state_is_checked(self):
        url, state, _, _ = self.c.authorize_url()
        self.assertIn("code_challenge_method=S256", url)
        self.assertEqual(self.c.callback(f"http://x/cb?code=k&state={state}", state), "k")
        for bad in ("http://x/cb?code=k&state=other", f"http://x/cb?error=access_denied&state={state}"):
            with self.assertRaises(FlowError):
                self.c.callback(bad, state)

    def test_window(self):
        r = Run()
        r.count(0, 5)  # before the window is open
        r.begin, r.end = 10, 20
        for span in ((8, 12), (12, 14), (19, 21), (22, 23)):
            r.count(*span)
        self.assertEqual((r.done, r.lat), (2.0, [4, 2]))

    def test_percentiles(self):
        v = [float(i) for i in range(1, 101)]
        self.assertEqual((pct(v, 0.5), pct(v, 0.99), pct(v, 1)), (51.0, 99.0, 100.0))
