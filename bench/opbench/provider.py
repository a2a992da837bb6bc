"""What the harness must know about one OpenID provider.

Subclass ``Provider`` in adapters/<name>.py and bind an instance to ``PROVIDER``.
Everything that discovery can tell is taken from discovery.
"""

import contextlib
import os
import tempfile
from pathlib import Path

from .browser import FlowError, parse_forms

BENCH = Path(__file__).resolve().parent.parent
SHM = Path("/dev/shm")
PEERS = Path(os.environ.get("BENCH_PEERS", Path(tempfile.gettempdir()) / "leersleutel-bench-peers"))
"""Where the Python peers are installed, outside this repository (bench/README.md)."""
SCRATCH = (SHM if SHM.is_dir() else Path(tempfile.gettempdir())) / f"leersleutel-bench-{os.getuid()}"
"""Databases of a run: in memory where there is such a place, so that no disk is measured."""


class Provider:
    name = "?"
    issuer = "http://127.0.0.1:9000"
    discovery_url = None  # default: issuer + /.well-known/openid-configuration
    client_id = "bench"
    client_secret = "bench-secret-0123456789abcdef0123456789"
    redirect_uri = "http://127.0.0.1:8999/cb"  # never fetched, only compared
    scope = "openid profile email offline_access"
    cc_client = None  # (id, secret) if client_credentials needs another client
    cc_scope = None  # scope for client_credentials (None: leave out)
    users = [("alice", "Correct-Horse-42")]
    username_field = "username"
    password_field = "password"
    start = None  # argv of the server, run in the foreground
    reset = None  # argv run before each start (fresh database)
    env = {}
    cwd = None
    pids = ()  # of a server somebody else started (start = None)
    extra_pidfiles = ()  # e.g. a PostgreSQL postmaster.pid to count too
    ready_timeout = 60
    warmup = 2.0  # seconds of the workload before measuring it
    settle = 0.0  # sleep after ready (JIT servers: more warm-up)
    skip = ()  # workloads the product cannot do
    authorize_extra = {}  # extra authorization request parameters
    note = ""

    # -- start ------------------------------------------------------------
    def beside(self, core):
        """What must run before and beside the server (a database of its own), as a context manager."""
        return contextlib.nullcontext()

    def discovery(self):
        return self.discovery_url or self.issuer.rstrip("/") + "/.well-known/openid-configuration"

    def tweak_metadata(self, meta):
        """Correct discovery if the product publishes it incomplete."""
        return meta

    # -- browser part -----------------------------------------------------
    def sso_params(self, browser):
        """More authorization parameters when a session exists already (W7)."""
        return {}

    async def sso_page(self, browser, page):
        """A page was shown although a session exists: return the callback or fail."""
        raise FlowError("session was not honoured: %r" % (page,))

    async def login(self, browser, page, user):
        """From the first HTML page after /authorize to the callback URL.

        The default drives plain HTML forms: it echoes every hidden field
        (CSRF tokens), fills user name and password where such fields exist,
        and presses the button named by ``consent_button`` on any other form.
        """
        for _ in range(6):
            if page.status >= 400:
                raise FlowError(repr(page))
            form = self.pick_form(parse_forms(page.text))
            if form is None:
                raise FlowError("no form: %r" % (page,))
            names = set(form.types)
            values = {}
            if self.username_field in names and form.types[self.username_field] != "hidden":
                values[self.username_field] = user[0]
            if self.password_field in names:
                values[self.password_field] = user[1]
            if values:
                button = next((b for b in form.buttons if b), None)
            else:
                values, button = self.consent(form)
            resp = await browser.submit(page, form, values, button)
            page, callback = await browser.follow(resp, self.redirect_uri)
            if callback:
                return callback
        raise FlowError("login does not end: %r" % (page,))

    def pick_form(self, forms):
        for form in forms:
            if form.password_field() or self.username_field in form.types:
                return form
        posts = [f for f in forms if f.method == "POST"]
        return (posts or forms or [None])[0]

    def consent(self, form):
        return {}, next((b for b in form.buttons if b), None)
