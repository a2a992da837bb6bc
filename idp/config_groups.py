"""Which settings stand together? Mail, the upstream provider, waiting after wrong tries: groups of `config.Settings`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from idp.watching import spans

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Seconds = Annotated[int, Field(gt=0)]
Minutes = Annotated[int, Field(gt=0)]
Days = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class Basics(BaseModel):
    """What every group asks about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path = Field(Path("var"), description="Folder for the embedded database, keys and files")
    issuer: str = Field(
        "http://localhost:8080", description="Our own address, exactly as apps know it: no slash at the end"
    )
    demo: bool = Field(
        default=False, description="A demo on this machine only: sandbox pupils, loopback apps, test schools"
    )

    @property
    def loopback(self) -> bool:
        """Are we at home on this machine only (plain http, plain cookie names)?"""
        return self.issuer.startswith("http://")


class Mail(Basics):
    """How mail goes out, and how much of it."""

    smtp_host: str = Field(
        "",
        description="Mail server; empty: pupils cannot keep an e-mail address, and get a password from school",
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port (587 with starttls, 465 with tls)")
    smtp_security: str = Field(
        "starttls",
        pattern="^(starttls|tls|none)$",
        description="How the connection is made safe; none: only for a server on this machine",
    )
    smtp_user: str = Field("", description="User at the mail server; empty: none")
    smtp_password_file: Path | None = Field(None, description="File with the password at the mail server")
    smtp_ca_file: Path | None = Field(
        None, description="Certificates to trust for the mail server; empty: those of this machine"
    )
    mail_from: str = Field("", description="Address that mails come from")
    mail_confirm_hours: Count = Field(24, description="Validity of the link that confirms an e-mail address")
    mail_reset_minutes: Minutes = Field(30, description="Validity of the link for a forgotten password")
    mails_per_account_hour: Count = Field(3, description="Mails an hour about one account, or to one address")
    mails_per_network_hour: Count = Field(100, description="Asked for from one network address in an hour")

    @property
    def sends_mail(self) -> bool:
        """Can a pupil keep an e-mail address here? In a demo mails go into a folder."""
        return self.demo or bool(self.smtp_host)

    @property
    def sender(self) -> str:
        """Where mails say they come from. A demo sends none, and needs no setting."""
        return self.mail_from or f"demo@{urlsplit(self.issuer).hostname}"

    @property
    def mail_folder(self) -> Path:
        """Where a demo puts its mails."""
        return self.data / "mail"

    def _check_mail(self) -> None:
        if not self.smtp_host:
            return
        if not re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", self.mail_from):
            raise ValueError("mail_from: mails need an address that they come from")
        if self.smtp_security == "none" and self.smtp_host not in LOOPBACK:
            raise ValueError("smtp_security: none is for a server on this machine; use starttls or tls")
        if bool(self.smtp_user) != (self.smtp_password_file is not None):
            raise ValueError("smtp_user and smtp_password_file belong together")


class Upstream(Basics):
    """Where staff may sign in instead of here."""

    upstream_issuer: str = Field(
        "", description="OpenID provider where staff may sign in, exactly as it names itself; empty: none"
    )
    upstream_client_id: str = Field(
        "", description="Our client id there; the secret is a key (docs/operate.md)"
    )
    upstream_claim: str = Field(
        "sub", min_length=1, description="The claim of its ID token that holds our person id"
    )
    upstream_scopes: tuple[str, ...] = Field(
        ("openid",), description="What we ask there; `openid` is always among it"
    )
    upstream_name: str = Field("", description="What the button calls it; empty: its host")
    upstream_only: bool = Field(default=False, description="Staff sign in there, and in no other way")

    @property
    def upstream_label(self) -> str:
        """What people call the upstream provider; empty when there is none."""
        return self.upstream_name or urlsplit(self.upstream_issuer).hostname or ""

    def _check_upstream(self) -> None:
        if self.upstream_issuer and not self.upstream_client_id:
            raise ValueError("upstream_client_id: upstream_issuer needs it")
        if self.upstream_only and not self.upstream_issuer:
            raise ValueError("upstream_only: there is no upstream_issuer, so nobody could sign in")
        if self.upstream_issuer.startswith("http://") and not self.loopback:
            raise ValueError("upstream_issuer: http is for this machine only: use https")
        if self.upstream_issuer == self.issuer:
            raise ValueError("upstream_issuer: that is our own issuer")
        if "openid" not in self.upstream_scopes:
            raise ValueError("upstream_scopes: openid must be among them")


class Waiting(Basics):
    """How long wrong tries wait, and apps that ask the same again and again."""

    throttle_browser_free: Count = Field(5, description="Wrong tries in one browser before the first wait")
    throttle_browser_waits: tuple[int, ...] = Field(
        (30, 120, 300), description="Seconds to wait after 5, 10 and every 5 more wrong tries"
    )
    throttle_card_day: Count = Field(30, description="Wrong tries a day before a card rests")
    throttle_stranger_hour: Count = Field(
        10, description="Wrong tries an hour on a name from unknown browsers"
    )
    throttle_stranger_hours_most: Count = Field(24, description="Longest closure for unknown browsers, hours")
    throttle_month: Count = Field(100, description="Different wrong secrets in 30 days before card or help")
    throttle_address: Count = Field(600, description="Failed tries from one address in 10 minutes")
    throttle_system: Count = Field(2000, description="Failures above normal in 10 minutes, whole system")
    roster_fresh_seconds: int = Field(
        10,
        ge=0,
        le=3600,
        description="An app's lists of a school are looked at anew at most once in so long (docs/apps.md); 0: at every first "
        "page and every unknown id",
    )
    roster_begins_minute: Count = Field(
        20, description="How often a minute an app may begin the same list at its first page without an ETag"
    )


class Watching(Basics):
    """What whoever watches over an installation sees of it, and how it leaves."""

    drain_seconds: int = Field(
        0,
        ge=0,
        le=300,
        description="When told to stop, say `not ready` for so long before closing, so that a load balancer leaves first",
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port where Prometheus reads /metrics, apart from the public one; 0: none",
    )
    metrics_host: str = Field("127.0.0.1", description="Address of that port")
    metrics_token_file: Path | None = Field(
        None, description="File with the bearer token that it asks for; needed beyond this machine"
    )
    traces_to: str = Field(
        "",
        description="OpenTelemetry collector for traces (OTLP over HTTP, such as http://127.0.0.1:4318; extra `traces`); "
        "empty: none",
    )
    traces_share: float = Field(0.01, ge=0, le=1, description="Which share of requests is traced")
    verify_nights: Count = Field(
        28,
        description="In so many nights the whole audit trail and ledger are looked at again (docs/proof.md)",
    )
    verify_rows: Count = Field(
        2_000_000, description="Rows of each of the two that one night looks at, at most"
    )
    accepted_restores: tuple[str, ...] = Field(
        (),
        description="Ids of restores that you know of, named by the nightly look or `idp audit verify`: anchors lost with "
        "them are no alarm",
    )
    access_log: bool = Field(
        default=False,
        description="A line in the log for every request: kind, status, time, number; never an address",
    )

    def _check_watching(self) -> None:
        if self.metrics_port and self.metrics_host not in LOOPBACK and self.metrics_token_file is None:
            raise ValueError("metrics_token_file: needed when metrics_host is not this machine")
        if self.metrics_token_file is not None and not self.metrics_token_file.is_file():
            raise ValueError(f"metrics_token_file: there is no file {self.metrics_token_file}")
        if self.traces_to and not spans.installed():
            raise ValueError("traces_to: OpenTelemetry is not installed: pip install 'leersleutel[traces]'")
        if self.traces_to and urlsplit(self.traces_to).scheme not in {"http", "https"}:
            raise ValueError("traces_to: must be a full address, such as http://127.0.0.1:4318")
