"""Settings: read once, from the environment (`IDP_…`) and one file, into one frozen object.

Every mistake is reported at once, and a name we do not know is a mistake. `docs/settings.md` is made from
this page.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from idp import brand as brands
from idp import config_groups
from idp.config_groups import Count, Days, Mail, Minutes, Seconds, Upstream, Waiting, Watching

LOOPBACK = config_groups.LOOPBACK
PREFIX = "IDP_"
FILE = "idp.toml"

OWASP_LEAST = 7168 * 5
"""Memory (KiB) × passes of the cheapest Argon2id that OWASP's password storage cheat sheet calls equal."""
SIGNING = frozenset({"RS256", "PS256", "ES256", "EdDSA"})


class ConfigurationError(Exception):
    """The settings cannot be used; `problems` has one sentence for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(Mail, Upstream, Waiting, Watching):
    """All settings, with their defaults. Lengths of time carry their unit in the name."""

    database_url: str = Field(
        "",
        description="SQLAlchemy URL; empty: SQLite in the data folder; postgresql://… in production",
    )
    purge_database_url: str = Field(
        "",
        description="The same database as a role that may also delete from the audit trail and the ledger, for "
        "`idp tidy` (`idp audit roles`); empty: the role of database_url",
    )
    redis_url: str = Field(
        "",
        description="Redis or Valkey for the counters of wrong tries, shared by all machines (redis://…, rediss://…, "
        "unix://…); empty: the database counts, which is enough",
    )
    keys: Path | None = Field(None, description="Folder with keys; empty: `keys` in the data folder")
    journal: Path | None = Field(
        None,
        description="Folder for the journal of what must outlive a restored backup, best on another disk; empty: "
        "`journal` in the data folder",
    )
    backup_recipients: tuple[str, ...] = Field(
        (), description="Who can open backups: age recipients (age1…), made by `idp backup-key`"
    )
    brand: str = Field("Leersleutel", description="The name that pupils see")
    brand_logo: Path | None = Field(
        None,
        description="File with an SVG or PNG logo (at most 100 KB), which we serve ourselves; empty: our own key",
    )
    brand_accent: str = Field(
        "",
        pattern=brands.COLOUR,
        description="Accent colour as #rrggbb, darkened or lightened until it can be read; empty: our own",
    )
    brand_highlight: str = Field(
        "",
        pattern=brands.COLOUR,
        description="Highlight colour as #rrggbb, lightened until it can carry text; empty: our own yellow",
    )
    controller: str = Field(
        "", description="Who answers for the data (name and address), for the register of processing"
    )
    data_protection_officer: str = Field(
        "", description="How to reach the data-protection officer, for the same register"
    )
    helpdesk: str = Field("", description="A line for people who need help: a telephone number or address")
    personal_url: str = Field(
        "", description="Where personal URLs live, without the user name; empty: issuer + /mijn"
    )

    host: str = Field("127.0.0.1", description="Address to listen on, or a name of this machine")
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on")
    workers: int = Field(0, ge=0, description="Worker processes; 0: one per core")
    threads: Count = Field(
        8,
        description="Requests that a worker works on at a time; who waits for a hash or another server does not count",
    )
    trusted_proxies: int = Field(
        0, ge=0, description="How many proxies of ours stand in front (their X-Forwarded-… headers count)"
    )
    jobs_in_serve: bool = Field(
        default=True,
        description="`idp serve` does the nightly and weekly work as well; off: a timer of yours runs `idp jobs due`",
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="How much to log")

    argon2_memory_kib: int = Field(
        19456, ge=8192, le=2**20, description="Argon2id memory, KiB (OWASP: 19456)"
    )
    argon2_time: int = Field(2, ge=1, le=100, description="Argon2id passes")
    argon2_parallelism: int = Field(1, ge=1, le=64, description="Argon2id lanes")
    hash_slots: int = Field(
        0, ge=0, description="Hashes at a time in one worker; 0: one for every core that falls to it"
    )
    hash_queue: Count = Field(64, description="Sign-ins that may wait for a hash in one worker")
    hash_wait_seconds: Seconds = Field(6, description="Longest wait for a hash before 'try again soon'")

    code_seconds: int = Field(30, ge=1, le=60, description="Life of an authorization code")
    pushed_request_seconds: int = Field(
        90,
        ge=30,
        le=600,
        description="A pushed authorization request must reach us through a browser this soon",
    )
    pushed_sign_in_minutes: Minutes = Field(
        60, description="How long a person may take to sign in for a request that is kept here"
    )
    request_uri_by_reference: bool = Field(
        default=False,
        description="Read signed requests from `request_uri`, at addresses that an app registered; off: refused",
    )
    dynamic_registration: bool = Field(
        default=True,
        description="Apps may register themselves at /register, with an initial access token of the operator",
    )
    four_eyes: bool = Field(
        default=False,
        description="What widens an app (addresses, scopes, grants, weaker sign-in, switches) waits for a second operator",
    )
    fetch_from_loopback: bool = Field(
        default=False,
        description="For development: what apps registered may also be read from this machine (issuer on http)",
    )
    access_token_minutes: Minutes = Field(60, description="Life of an access token")
    id_token_minutes: Minutes = Field(60, description="Life of an ID token")
    refresh_days: int = Field(30, ge=1, le=30, description="Absolute end of a family of refresh tokens")
    refresh_grace_seconds: int = Field(30, ge=0, le=60, description="A refresh may be repeated this long")
    session_idle_minutes: Minutes = Field(120, description="A session ends after this long without use")
    session_hours: Count = Field(10, description="A session ends after this long, whatever happens")
    shared_idle_minutes: Minutes = Field(15, description="The same, on a shared device")
    school_day_ends: str = Field(
        "17:00",
        pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="A session on a shared device ends at this hour",
    )
    class_device_code_minutes: Minutes = Field(
        10, description="Validity of a code that makes a device one of the school"
    )
    class_device_days_after: int = Field(
        30, ge=0, le=120, description="Days after the school year that a device of the school still counts"
    )
    sessions_per_pupil: Count = Field(20, description="Live sessions of one pupil; the oldest gives way")
    marker_seconds: Seconds = Field(120, description="How long a fresh sign-in may answer prompt=login")

    staff_idle_minutes: Minutes = Field(30, description="A session of staff ends after this long without use")
    staff_session_hours: Count = Field(
        10, description="A session of staff ends after this long, whatever happens"
    )
    staff_fresh_minutes: Minutes = Field(
        10, description="Who changes a way to sign in must have proved this recently to be there"
    )
    help_fresh_minutes: Minutes = Field(
        30, description="Who gives a pupil a new secret must have proved this recently to be there"
    )
    staff_invitation_hours: Count = Field(
        72, description="Validity of the link that invites a member of staff"
    )
    papers_minutes: Minutes = Field(
        60, description="How long new cards and secrets can be downloaded by whoever made them"
    )
    card_days: Days = Field(395, description="Validity of a card")
    card_cookie_minutes: Minutes = Field(10, description="How long a browser remembers a scanned card")
    known_browser_days: Days = Field(90, description="How long a browser is known to a pupil")
    temporary_password_days: Days = Field(90, description="Validity of a temporary password")

    key_announce_days: Days = Field(14, description="A signing key is published this long before use")
    key_sign_days: Days = Field(90, description="A signing key signs this long")
    signing_algorithms: tuple[str, ...] = Field(
        ("RS256", "ES256"),
        description="Algorithms that we sign with, each with keys of its own: RS256 (always), PS256, ES256, EdDSA. "
        "An app can only register one that is here; `idp keys list` shows the keys",
    )

    help_code_minutes: Minutes = Field(10, description="Validity of a help code that a school gives")
    help_code_tries: Count = Field(5, description="Tries of a help code before only its link works")

    hold_ended_share: float = Field(
        0.05, gt=0, lt=1, description="A snapshot that ends a larger part of a school is held for a person"
    )
    hold_ended_least: Count = Field(5, description="… and at least this many enrolments")
    hold_members_share: float = Field(0.20, gt=0, lt=1, description="Class memberships gone before a hold")
    drop_folder: Path | None = Field(
        None, description="Where packages without HTTPS leave their files (docs/packages.md)"
    )
    import_megabytes: Count = Field(50, description="Largest file of a package")
    import_rows: Count = Field(200_000, description="Most rows in a file of a package")
    import_classes: Count = Field(1_000, description="Most classes in a file of a package")

    keep_replaced_days: Days = Field(7, description="Replaced class rows and delivered files")
    keep_names_days: Days = Field(365, description="Names and cards after the last enrolment")
    keep_identifiers_days: Days = Field(
        1826,
        description="User names, digests of national numbers and what apps call a pupil (`sub`) after the last enrolment",
    )
    keep_staff_days: Days = Field(
        365, description="How a member of staff signs in, after the last right ended"
    )
    keep_staff_names_days: Days = Field(
        731,
        description="Name and e-mail address of a member of staff after the last right ended, and what an operator's program "
        "was called after its token did",
    )
    keep_expired_days: Days = Field(30, description="Sessions, codes, tokens and failed tries after expiry")
    keep_wrong_secret_hours: Count = Field(24, description="Digests of wrong secrets")
    keep_audit_days: Days = Field(731, description="The audit trail")
    purge_minutes: Minutes = Field(
        240,
        description="So long a night's purge deletes from the ledger and the audit trail at most; the next night goes on",
    )
    keep_ledger_years: Count = Field(
        1, description="Whole school years before this one of which the ledger of releases is kept"
    )
    protocol_notice_days: Days = Field(
        30, description="A new protocol text comes into force this long after publication"
    )

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be a full address, such as https://id.school.example")
        if parts.query or parts.fragment or parts.username or value.endswith("/") or parts.path:
            raise ValueError("must be scheme and host only, without path, query or slash at the end")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("http is for this machine only: use https, or http://localhost")
        if value != _as_browsers_write(value):
            raise ValueError(
                "must be as browsers write it, or every form would seem foreign: in small letters, xn--… for letters with "
                "accents, and without a port that goes without saying (443)"
            )
        return value

    @field_validator("upstream_issuer", "personal_url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError(
                "must be a full address, such as https://sso.example.org or https://mijn.school.example"
            )
        if parts.query or parts.fragment or parts.username:
            raise ValueError("must be an address without query, fragment or user")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("http is for this machine only: use https")
        return value

    @field_validator("brand_logo")
    @classmethod
    def _brand_logo(cls, value: Path | None) -> Path | None:
        if value is None or str(value) in {"", "."}:
            return None
        brands.logo(value)
        return value

    @field_validator("database_url", "purge_database_url")
    @classmethod
    def _database_url(cls, value: str) -> str:
        if value.startswith("postgresql://"):
            value = "postgresql+psycopg://" + value.removeprefix("postgresql://")
        if value and not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: str) -> str:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return value

    @model_validator(mode="after")
    def _together(self) -> Settings:
        if self.demo and not self.loopback:
            raise ValueError("demo: a demo shows secrets, so its issuer must be http://localhost")
        if self.fetch_from_loopback and not self.loopback:
            raise ValueError(
                "fetch_from_loopback: for development, so only with an issuer on http://localhost"
            )
        self._check_upstream()
        if unknown := sorted({*self.signing_algorithms} - SIGNING):
            known = ", ".join(sorted(SIGNING))
            raise ValueError(f"signing_algorithms: {unknown[0]} is not one of {known}")
        if not self.loopback and self.argon2_memory_kib * self.argon2_time < OWASP_LEAST:
            raise ValueError(
                "argon2_memory_kib, argon2_time: weaker than OWASP asks (19456 KiB × 2); cheaper hashes are for "
                "tests on this machine, with an issuer on http://localhost"
            )
        if self.demo and self.host not in LOOPBACK:
            raise ValueError("host: a demo shows secrets, so it listens on this machine only")
        self._check_mail()
        self._check_watching()
        if self.metrics_port == self.port:
            raise ValueError("metrics_port: the public port is another one")
        if "RS256" not in self.signing_algorithms:
            raise ValueError("signing_algorithms: RS256 must be among them, clients expect it")
        return self

    @property
    def demo_clock(self) -> Path | None:
        """The file that moves the time of a demo; None anywhere else."""
        return self.data / "demo-clock" if self.demo and self.loopback else None

    @property
    def hashes_at_a_time(self) -> int:
        """In one worker: more would only take each other's core, and 19 MiB each."""
        return self.hash_slots or max(1, cores() // (self.workers or cores()))

    @property
    def calls_this_machine(self) -> bool:
        """May an address that an app registered be on this machine? In a demo, or by the development switch."""
        return self.demo or self.fetch_from_loopback

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{(self.data / 'idp.sqlite').resolve()}"

    @property
    def keys_folder(self) -> Path:
        return self.keys or self.data / "keys"

    @property
    def journal_folder(self) -> Path:
        return self.journal or self.data / "journal"

    @property
    def my_url(self) -> str:
        """What a user name is appended to, to make a personal URL."""
        return self.personal_url.rstrip("/") or f"{self.issuer}/mijn"


AS_WHO_SERVES = "run this as the user who serves"


def cores() -> int:
    """How many this process may use: a container or `taskset` gives fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read(environ: Mapping[str, str] | None = None, *, data: Path | None = None, **given: Any) -> Settings:
    """Settings from (strongest first) `given`, the environment, and `idp.toml` in the data folder.

    Raises ConfigurationError with every mistake at once.
    """
    env = os.environ if environ is None else environ
    words = {
        name.removeprefix(PREFIX).lower(): value for name, value in env.items() if name.startswith(PREFIX)
    }
    words = {name: value for name, value in words.items() if not name.startswith("key_file_")}
    folder = data or Path(words.get("data", Settings.model_fields["data"].default))
    values = _from_file(folder / FILE)
    values |= {name: _split(name, text) for name, text in words.items()}
    values |= {name: value for name, value in given.items() if value is not None}
    values["data"] = folder
    try:
        return Settings(**values)
    except ValidationError as mistakes:
        raise ConfigurationError([_sentence(one) for one in mistakes.errors()]) from None


def _as_browsers_write(origin: str) -> str:
    """Small letters, ASCII only, no port that goes without saying: how an `Origin` header says it."""
    parts = urlsplit(origin)
    try:
        port = parts.port
    except ValueError:
        raise ValueError("has a port that does not exist") from None
    usual = {"http": 80, "https": 443}[parts.scheme]
    name = (parts.hostname or "").encode("ascii", "ignore").decode()
    host = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in {None, usual} else "")


def _from_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as mistake:
        raise ConfigurationError([f"{file}: {mistake}"]) from None
    except OSError as closed:
        raise ConfigurationError([f"{file}: {closed.strerror}; {AS_WHO_SERVES}"]) from None


def _split(name: str, text: str) -> Any:
    """Lists are written with commas in the environment."""
    field = Settings.model_fields.get(name)
    if field is not None and "tuple" in str(field.annotation):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _sentence(mistake: Any) -> str:
    name = ".".join(str(part) for part in mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        return f"{name}: there is no such setting ({PREFIX}{name.upper()})"
    said = mistake["msg"].removeprefix("Value error, ")
    return f"{name}: {said}" if name else said
