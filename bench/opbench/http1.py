"""A minimal, fast HTTP/1.1 client for loopback load generation.

One ``Conn`` is one keep-alive TCP connection with at most one request in
flight (no pipelining).  Only what OpenID providers need is implemented:
Content-Length, chunked and read-until-close bodies.  Headers are left as raw
bytes and looked up lazily, because most workloads never need them.
"""

import asyncio
import re

_CL = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_TE = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_HDR = re.compile(rb"\r\n([^:\r\n]+):[ \t]*([^\r\n]*)")


class Response:
    __slots__ = ("status", "head", "body", "url")

    def __init__(self, status, head, body):
        self.status = status
        self.head = head
        self.body = body
        self.url = None

    def header_list(self, name):
        want = name.lower().encode()
        return [v.decode("latin-1") for k, v in _HDR.findall(self.head) if k.lower() == want]

    def header(self, name, default=None):
        found = self.header_list(name)
        return found[0] if found else default

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def __repr__(self):
        return f"<{self.status} {self.url} {self.body[:300]!r}>"


class ProtocolError(Exception):
    pass


class Conn(asyncio.Protocol):
    """One connection. Use ``await conn.send(raw_bytes)``."""

    def __init__(self, host, port):
        self.host, self.port = host, port
        self.transport = None
        self.fut = None
        self.buf = b""
        self.head = None  # header block of the response being read
        self.need = None  # body bytes still expected; -1 chunked; -2 until close
        self.is_head = False
        self.keep = True

    # -- asyncio.Protocol -------------------------------------------------
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buf = self.buf + data if self.buf else data
        self._parse()

    def connection_lost(self, exc):
        self.transport = None
        fut = self.fut
        if fut is not None and not fut.done():
            if self.head is not None and self.need == -2:
                self._finish(self.buf, b"")
            else:
                fut.set_exception(ConnectionResetError("closed by server"))

    # -- parsing ----------------------------------------------------------
    def _parse(self):
        while True:
            if self.head is None:
                end = self.buf.find(b"\r\n\r\n")
                if end < 0:
                    return
                self.head = self.buf[:end]
                self.buf = self.buf[end + 4 :]
                if self.head[9:10] == b"1":  # 1xx: interim, skip
                    self.head = None
                    continue
                status = self.head[9:12]
                m = _CL.search(self.head)
                if status in (b"204", b"304"):
                    self.need = 0
                elif _TE.search(self.head):
                    self.need = -1
                elif m:
                    self.need = int(m.group(1))
                else:
                    self.need = -2
                    self.keep = False
            if self.need >= 0:
                if len(self.buf) < self.need:
                    return
                self._finish(self.buf[: self.need], self.buf[self.need :])
            elif self.need == -1:
                done = self._dechunk()
                if done is None:
                    return
                self._finish(*done)
            return

    def _dechunk(self):
        out, pos, buf = [], 0, self.buf
        while True:
            eol = buf.find(b"\r\n", pos)
            if eol < 0:
                return None
            size = int(buf[pos:eol].split(b";")[0], 16)
            start = eol + 2
            if len(buf) < start + size + 2:
                return None
            if size == 0:
                end = buf.find(b"\r\n", start)
                if end < 0:
                    return None
                return b"".join(out), buf[end + 2 :]
            out.append(buf[start : start + size])
            pos = start + size + 2

    def _finish(self, body, rest):
        head, self.head, self.need, self.buf = self.head, None, None, rest
        resp = Response(int(head[9:12]), head, body)
        if _CLOSE.search(head) or head.startswith(b"HTTP/1.0"):
            self.keep = False
        if not self.keep and self.transport is not None:
            self.transport.close()
            self.transport = None
        fut, self.fut = self.fut, None
        if fut is not None and not fut.done():
            fut.set_result(resp)

    # -- use --------------------------------------------------------------
    async def connect(self):
        self.buf, self.head, self.need, self.keep = b"", None, None, True
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, self.host, self.port)

    async def send(self, raw, retry=True):
        """Send one request; reconnect once if a kept-alive peer had closed."""
        fresh = False
        if self.transport is None or self.transport.is_closing():
            await self.connect()
            fresh = True
        self.fut = asyncio.get_running_loop().create_future()
        fut = self.fut
        self.transport.write(raw)
        try:
            return await fut
        except ConnectionResetError:
            if fresh or not retry:
                raise
            self.transport = None
            return await self.send(raw, retry=False)

    def close(self):
        if self.transport is not None:
            self.transport.close()
            self.transport = None
