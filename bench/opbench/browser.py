"""Just enough of a browser: cookies with paths, redirects, HTML forms."""

import time
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from .http1 import Conn


class Form:
    def __init__(self, action, method):
        self.action, self.method = action, method
        self.fields = []  # (name, value) of everything submitted as is
        self.buttons = []  # (name, value) of submit buttons
        self.types = {}  # name -> input type

    def data(self, values=None, button=None):
        values = dict(values or {})
        out = []
        for name, value in self.fields:
            out.append((name, values.pop(name, value)))
        out.extend(values.items())
        if button is not None:
            out.append(button)
        return out

    def password_field(self):
        for name, kind in self.types.items():
            if kind == "password":
                return name
        return None

    def text_field(self):
        for name, kind in self.types.items():
            if kind in ("text", "email"):
                return name
        return None


class _Forms(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.forms, self.cur, self.area = [], None, None

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "form":
            self.cur = Form(a.get("action") or "", (a.get("method") or "get").upper())
            self.forms.append(self.cur)
            return
        if self.cur is None or "disabled" in a:
            return
        name = a.get("name")
        if tag == "input":
            kind = (a.get("type") or "text").lower()
            if kind in ("submit", "image"):
                self.cur.buttons.append((name, a.get("value") or "") if name else None)
            elif not name or kind in ("button", "reset", "file"):
                pass
            elif kind in ("checkbox", "radio"):
                if "checked" in a:
                    self.cur.fields.append((name, a.get("value") or "on"))
            else:
                self.cur.fields.append((name, a.get("value") or ""))
                self.cur.types[name] = kind
        elif tag == "button":
            if (a.get("type") or "submit").lower() == "submit":
                self.cur.buttons.append((name, a.get("value") or "") if name else None)
        elif tag == "textarea" and name:
            self.cur.fields.append((name, ""))

    def handle_endtag(self, tag):
        if tag == "form":
            self.cur = None


def parse_forms(html):
    p = _Forms()
    p.feed(html)
    return p.forms


class FlowError(Exception):
    pass


class Browser:
    """One user agent: own cookie jar, own connection to the provider."""

    def __init__(self, origin, trace=None):
        u = urlsplit(origin)
        self.scheme, self.host, self.port = u.scheme, u.hostname, u.port or 80
        if u.scheme != "http":
            raise ValueError("the harness speaks plain HTTP only (terminate TLS elsewhere)")
        self.netloc = u.netloc
        self.jar = {}  # (name, path) -> value
        self.conn = Conn(self.host, self.port)
        self.trace = trace  # list of (method, url, status, seconds) or None
        self.extra = ""  # extra raw header lines
        self.id_token = None  # of the last flow, for id_token_hint

    # cookies -------------------------------------------------------------
    def _store(self, resp, path):
        for line in resp.header_list("set-cookie"):
            first, *attrs = line.split(";")
            name, _, value = first.strip().partition("=")
            cpath, dead = path.rsplit("/", 1)[0] or "/", False
            for attr in attrs:
                k, _, v = attr.strip().partition("=")
                k = k.lower()
                if k == "path" and v.startswith("/"):
                    cpath = v
                elif k == "max-age":
                    dead = dead or v.strip() in ("0", "-1")
                elif k == "expires":
                    dead = dead or " 1970 " in v or "-1970 " in v
            if dead:
                self.jar.pop((name, cpath), None)
            else:
                self.jar[(name, cpath)] = value

    def _cookies(self, path):
        out = []
        for (name, cpath), value in self.jar.items():
            if (
                path == cpath
                or cpath == "/"
                or (path.startswith(cpath) and (cpath.endswith("/") or path[len(cpath)] == "/"))
            ):
                out.append((len(cpath), f"{name}={value}"))
        out.sort(reverse=True)
        return "; ".join(c for _, c in out)

    # requests ------------------------------------------------------------
    async def request(self, method, url, body=None, ctype=None, headers=""):
        u = urlsplit(url)
        path = u.path or "/"
        target = path + ("?" + u.query if u.query else "")
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: {self.netloc}\r\nAccept: text/html,*/*;q=0.8\r\n"
            f"Accept-Language: en\r\nUser-Agent: opbench\r\n{self.extra}{headers}"
        )
        cookies = self._cookies(path)
        if cookies:
            head += f"Cookie: {cookies}\r\n"
        if body is not None:
            if not isinstance(body, bytes):
                body = body.encode()
            head += f"Content-Type: {ctype}\r\nContent-Length: {len(body)}\r\n"
        raw = head.encode("latin-1") + b"\r\n" + (body or b"")
        t0 = time.perf_counter()
        resp = await self.conn.send(raw)
        if self.trace is not None:
            self.trace.append((method, url, resp.status, time.perf_counter() - t0))
        resp.url = url
        self._store(resp, path)
        return resp

    def get(self, url, headers=""):
        return self.request("GET", url, headers=headers)

    def post_form(self, url, pairs, headers=""):
        return self.request("POST", url, urlencode(pairs), "application/x-www-form-urlencoded", headers)

    def post_json(self, url, text, method="POST"):
        return self.request(method, url, text, "application/json")

    def submit(self, page, form, values=None, button=None):
        url = urljoin(page.url, form.action) if form.action else page.url
        pairs = form.data(values, button)
        if form.method == "POST":
            return self.post_form(
                url, pairs, f"Origin: {self.scheme}://{self.netloc}\r\nReferer: {page.url}\r\n"
            )
        base = url.split("?")[0]
        return self.get(base + "?" + urlencode(pairs))

    async def follow(self, resp, stop, limit=12):
        """Follow redirects until a page, or until a Location starts with ``stop``.

        Returns (page, None) or (last response, callback URL).
        """
        for _ in range(limit):
            if resp.status not in (301, 302, 303, 307, 308):
                return resp, None
            loc = urljoin(resp.url, resp.header("location"))
            if loc.startswith(stop):
                return resp, loc
            resp = await self.get(loc)
        raise FlowError("too many redirects: %r" % (resp,))

    def clear(self):
        """Forget everything: cookies and connection ("from nothing")."""
        self.jar.clear()
        self.conn.close()
        self.conn = Conn(self.host, self.port)
