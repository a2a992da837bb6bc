"""Which secrets does an installation have? Files in one folder (mode 0600), or the environment.

    pepper-N           peppers for what people remember; the highest N hashes, older ones still verify
    cookie-N           sealing of cookies and links; the highest N seals, older ones still open
    pairwise           pseudonyms for apps. Never changes: every `sub` hangs on it
    national-number    the digest by which a pupil is recognised at a new school. Never changes
    audit-N            marks on rows of the audit trail and the ledger; the highest N marks, older ones still judge
    anchor-N           signs the daily anchors of both (Ed25519); the highest N signs
    throttle, refresh  counting without names; the successor of a refresh token
    upstream.secret    our client secret at the upstream provider, as text, when there is one
    signing/KID.pem    private signing keys (which one signs when: oidc/signing.py)

A numbered file that ends in `.announced` opens and verifies, and does not seal, hash or mark yet: with several nodes a
new key goes to all of them like that first, so that none meets what it cannot read.

A file `NAME` may come as `IDP_KEY_FILE_NAME` (base64, dashes as underscores) instead.
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from idp import entropy, marks
from idp.config import AS_WHO_SERVES, ConfigurationError

ENVIRON = "IDP_KEY_FILE_"
ANNOUNCED = ".announced"
NUMBERED = ("pepper", "cookie", "audit", "anchor")
"""Kinds of which there may be several; the newest is used."""
SINGLE = ("pairwise", "national-number", "throttle", "refresh", "sandbox")
NEVER_CHANGE = ("pairwise", "national-number")
SIGNING = "signing"
UPSTREAM = "upstream.secret"
_STAMP, _NONCE = 8, 16
"""Bytes before what is sealed: when, and chance."""
_AHEAD = 60
"""Seconds by which the clock of the node that sealed may be ahead of ours."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    folder: Path
    peppers: Mapping[str, bytes] = field(repr=False)
    pepper: str
    """The id of the pepper that new hashes use."""
    cookies: tuple[bytes, ...] = field(repr=False)
    """Newest first."""
    pairwise: bytes = field(repr=False)
    national_number: bytes = field(repr=False)
    throttle: bytes = field(repr=False)
    refresh: bytes = field(repr=False)
    sandbox: bytes = field(repr=False)
    marks: marks.Marks
    """What marks rows of the audit trail and the ledger."""
    anchors: Mapping[str, bytes] = field(repr=False)
    """Seeds of the keys that sign anchors, newest first."""
    upstream_secret: str | None = field(default=None, repr=False)
    """What proves us to the upstream provider where staff sign in."""

    def seal(self, purpose: str, values: Mapping[str, Any], now: datetime) -> str:
        """Values as opaque, tamper-proof text for a cookie or a link. `purpose` keeps kinds apart."""
        head = int(now.timestamp()).to_bytes(_STAMP, "big") + entropy.key_bytes(_NONCE)
        box = self._boxes[0].encrypt(orjson.dumps(dict(values)), [purpose.encode(), head])
        return base64.urlsafe_b64encode(head + box).decode().rstrip("=")

    def unseal(self, purpose: str, text: str, now: datetime, *, seconds: int) -> dict[str, Any] | None:
        """What was sealed for this purpose in the last `seconds`, or None."""
        if not text or len(text) > 4096 or not text.isascii():
            return None
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None
        head, box = raw[: _STAMP + _NONCE], raw[_STAMP + _NONCE :]
        if not -_AHEAD <= now.timestamp() - int.from_bytes(head[:_STAMP], "big") <= seconds:
            return None
        for key in self._boxes:
            with suppress(InvalidTag):
                found: dict[str, Any] = orjson.loads(key.decrypt(box, [purpose.encode(), head]))
                return found
        return None

    def keep(self, purpose: str, secret: str) -> str:
        """A secret as text for the database, unreadable without the pepper that it names."""
        return f"{self.pepper}:{self._safe(self.pepper, purpose).encrypt(secret.encode()).decode()}"

    def kept(self, purpose: str, text: str) -> str | None:
        """What `keep` kept for this purpose; None when its pepper is gone or the text is not ours."""
        pepper_id, _, sealed = text.partition(":")
        if pepper_id not in self.peppers:
            return None
        try:
            return self._safe(pepper_id, purpose).decrypt(sealed.encode()).decode()
        except InvalidToken:
            return None

    def _safe(self, pepper_id: str, purpose: str) -> Fernet:
        key = bytes.fromhex(entropy.keyed_digest(self.peppers[pepper_id], "keep", purpose))
        return Fernet(base64.urlsafe_b64encode(key))

    def private(self, kid: str) -> Key:
        """The private signing key of this id. Raises ConfigurationError when this machine does not have it."""
        source = os.environ.get(_variable(f"{SIGNING}-{kid}"))
        path = self.folder / SIGNING / f"{kid}.pem"
        if source is None and not path.exists():
            raise ConfigurationError(
                [f"signing key {kid} is not in {path.parent}: copy it from another node"]
            )
        pem = base64.b64decode(source) if source is not None else path.read_bytes()
        return _import(pem, kid)

    def save_private(self, kid: str, key: RSAKey | ECKey | OKPKey) -> None:
        """Keep a private signing key, readable by us alone."""
        _write(self.folder / SIGNING / f"{kid}.pem", key.as_pem(private=True))

    def forget_private(self, kid: str) -> bool:
        """Delete a private signing key from this machine; False when it is not here."""
        path = self.folder / SIGNING / f"{kid}.pem"
        there = path.exists()
        path.unlink(missing_ok=True)
        return there

    @cached_property
    def _boxes(self) -> tuple[AESSIV, ...]:
        """RFC 5297: one call each way, and a nonce that came twice would tell no more than that the words are the same."""
        return tuple(AESSIV(key) for key in self.cookies)


def create(folder: Path) -> list[str]:
    """Make what is missing; never touches what is there. Returns the names of new files."""
    made = []
    for name in (*(f"{kind}-1" for kind in NUMBERED), *SINGLE):
        numbered = name.partition("-1")[0] if name.endswith("-1") else None
        there = list(folder.glob(f"{numbered}-*")) if numbered else (folder / name).exists()
        if there or _variable(name) in os.environ:
            continue
        _write(folder / name, base64.b64encode(entropy.key_bytes()) + b"\n")
        made.append(name)
    return made


def irreplaceable(folder: Path) -> list[str]:
    """Those that are missing here, and that no new one can stand in for once the database is in use."""
    lost = [f"{kind}-1" for kind in ("pepper",) if not any(folder.glob(f"{kind}-*"))]
    lost += [name for name in NEVER_CHANGE if not (folder / name).exists()]
    given = {name for name in os.environ if name.startswith(ENVIRON)}
    return [
        name for name in lost if not any(one.startswith(_variable(name.removesuffix("-1"))) for one in given)
    ]


def add(folder: Path, kind: str, *, announce: bool = False) -> str:
    """A new key of one of the NUMBERED kinds, which takes over from the newest at the next start. Returns its name.

    `announce`: it only opens until `take_over`. Raises FileExistsError when another one is announced already.
    """
    if waiting := announced(folder, kind):
        raise FileExistsError(waiting)
    number = 1 + max((int(path.name.rpartition("-")[2]) for path in folder.glob(f"{kind}-*")), default=0)
    name = f"{kind}-{number}"
    _write(folder / f"{name}{ANNOUNCED if announce else ''}", base64.b64encode(entropy.key_bytes()) + b"\n")
    return name


def announced(folder: Path, kind: str) -> str | None:
    """The file name of the key of this kind that is waiting to take over."""
    return next((path.name for path in sorted(folder.glob(f"{kind}-*{ANNOUNCED}"))), None)


def take_over(folder: Path, kind: str) -> str | None:
    """From the next start on the announced key of this kind is the one that is used. Returns its name, None: there is none."""
    waiting = announced(folder, kind)
    if waiting is None:
        return None
    name = waiting.removesuffix(ANNOUNCED)
    (folder / waiting).rename(folder / name)
    return name


def load(folder: Path) -> Keys:
    """Read every key. Raises ConfigurationError naming all that is missing, open to others, closed to us, or broken."""
    try:
        return _load(folder)
    except OSError as closed:
        raise ConfigurationError([f"{closed.filename}: {closed.strerror}; {AS_WHO_SERVES}"]) from None


def _load(folder: Path) -> Keys:
    problems: list[str] = []
    found = {**_from_files(folder, problems), **_from_environ(problems)}
    lost = [name for name in SINGLE if name not in found]
    lost += [f"{kind}-1" for kind in NUMBERED if not _numbered(found, kind)]
    upstream = _upstream_secret(folder, problems)
    problems += [f"key `{name}` is missing in {folder}: run `idp init`" for name in lost]
    if problems:
        raise ConfigurationError(problems)
    peppers, cookies = _numbered(found, "pepper"), _numbered(found, "cookie")
    return Keys(
        folder=folder,
        peppers=peppers,
        pepper=next(iter(peppers)),
        cookies=tuple(cookies.values()),
        pairwise=found["pairwise"],
        national_number=found["national-number"],
        throttle=found["throttle"],
        refresh=found["refresh"],
        sandbox=found["sandbox"],
        marks=marks.named(_numbered(found, "audit")),
        anchors=_numbered(found, "anchor"),
        upstream_secret=upstream,
    )


def _upstream_secret(folder: Path, problems: list[str]) -> str | None:
    """One line of text, as the provider gave it; in the environment base64 like every other key."""
    path, given = folder / UPSTREAM, os.environ.get(_variable("upstream-secret"))
    if given is not None:
        try:
            return base64.b64decode(given.strip(), validate=True).decode().strip() or None
        except ValueError:
            problems.append(f"{_variable('upstream-secret')}: must be base64")
            return None
    if not path.is_file():
        return None
    if _is_open(path):
        problems.append(_close(path))
    return path.read_text(encoding="utf-8", errors="replace").strip() or None


def _is_open(path: Path) -> bool:
    return os.name == "posix" and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _close(path: Path) -> str:
    return f"{path}: others may read it; run: chmod 600 {path}"


def _numbered(found: Mapping[str, bytes], kind: str) -> dict[str, bytes]:
    """By id, the one that is used first, then what only opens: older ones, newest first, and the announced one."""
    numbers = {}
    for file in found:
        name = file.removesuffix(ANNOUNCED)
        if name.startswith(f"{kind}-") and name.rpartition("-")[2].isdigit():
            numbers[name] = (file != name, -int(name.rpartition("-")[2]), found[file])
    return {
        name: key for name, (_waits, _order, key) in sorted(numbers.items(), key=lambda item: item[1][:2])
    }


def _from_files(folder: Path, problems: list[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        if not path.is_file() or path.suffix not in {"", ANNOUNCED}:
            continue
        if _is_open(path):
            problems.append(_close(path))
        found |= _decoded(path.name, path.read_text(encoding="ascii", errors="replace"), str(path), problems)
    return found


def _from_environ(problems: list[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for variable, text in os.environ.items():
        if variable.startswith(ENVIRON) and not variable.startswith(_NO_KEY_BYTES):
            name = variable.removeprefix(ENVIRON).lower().replace("_", "-").replace("-announced", ANNOUNCED)
            found |= _decoded(name, text, variable, problems)
    return found


def _decoded(name: str, text: str, where: str, problems: list[str]) -> dict[str, bytes]:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        problems.append(f"{where}: must be 32 bytes in base64")
        return {}
    return {name: raw}


def _variable(name: str) -> str:
    return ENVIRON + name.upper().replace("-", "_")


_NO_KEY_BYTES = (_variable(SIGNING), _variable("upstream-secret"))
"""Variables that hold something else than 32 bytes."""


def _import(pem: bytes, kid: str) -> Key:
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            return kind.import_key(pem, {"kid": kid, "use": "sig"})
        except (JoseError, ValueError, TypeError):
            continue
    raise ConfigurationError([f"signing key {kid} cannot be read: not a PEM private key"])


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
