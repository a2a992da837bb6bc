"""Is this address fit to be registered by an app, and whose is it?

Browsers, libraries and RFC 3986 disagree about odd addresses, so only plain ones are taken: what we read in an
address is what everybody reads in it. Nothing is repaired or lower-cased: what is registered is compared as it
stands.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from idp.config import LOOPBACK
from idp.errors import Problem

LONGEST = 2000
_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)(?P<query>\?[^#]*)?"
    r"(?P<fragment>#.*)?"
)
_PLAIN = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()+,;=#*]|%[0-9A-Fa-f]{2})+")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_DOTS = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Address:
    scheme: str
    host: str
    """Lower case, without brackets."""
    port: int | None

    @property
    def loopback(self) -> bool:
        return self.host in LOOPBACK

    @property
    def private(self) -> bool:
        """A name or number that only means something inside a network: never called by us."""
        try:
            number = ipaddress.ip_address(self.host)
        except ValueError:
            return self.host.endswith((".localhost", ".local", ".internal")) or "." not in self.host
        mapped = getattr(number, "ipv4_mapped", None) or number
        return not mapped.is_global or mapped.is_multicast


class NotAnAddress(ValueError):
    """The address cannot be registered; the message is one plain sentence."""

    def __init__(self, code: str, english: str, **words: object) -> None:
        self.problem = Problem(code, english, **words)
        super().__init__(self.problem)


def read(text: object, *, loopback_http: bool) -> Address:
    """Take an address apart. https, or http on this machine when `loopback_http`. Raises NotAnAddress."""
    if not isinstance(text, str) or not text:
        raise NotAnAddress("no_address", "must be an address, such as https://app.example/path")
    if len(text) > LONGEST:
        raise NotAnAddress("too_long", "is longer than {most} characters", most=LONGEST)
    if not _PLAIN.fullmatch(text):
        said = "has a space, backslash or another character that must be written as %XX"
        raise NotAnAddress("address_character", said)
    if "*" in text:
        raise NotAnAddress("address_wildcard", "has a wildcard: register every address in full")
    parts = _ADDRESS.fullmatch(text)
    if parts is None or not parts["authority"]:
        raise NotAnAddress("address_not_full", "must be a full address, such as https://app.example/path")
    if parts["scheme"] not in {"https", "http"}:
        raise NotAnAddress("address_scheme", "must begin with https://")
    if parts["fragment"] is not None:
        raise NotAnAddress("address_fragment", "has a fragment (the part after #): leave it out")
    if any(_DOTS.fullmatch(step) for step in parts["path"].split("/")):
        said = "has . or .. as a step of its path: write the path it leads to"
        raise NotAnAddress("address_dots", said)
    host, port = _authority(parts["authority"])
    address = Address(scheme=parts["scheme"], host=host, port=port)
    if address.scheme == "http" and not (loopback_http and address.loopback):
        said = "must begin with https:// (http is for this machine only, such as http://localhost)"
        raise NotAnAddress("address_http", said)
    return address


def _authority(text: str) -> tuple[str, int | None]:
    if "@" in text:
        raise NotAnAddress("address_user", "has a user name before the host (@): leave it out")
    parts = _AUTHORITY.fullmatch(text)
    if parts is None:
        raise NotAnAddress("address_authority", "has a host or port that cannot be read")
    host, port = parts["host"].strip("[]").lower(), int(parts["port"]) if parts["port"] else None
    if port is not None and not 0 < port <= 65535:
        raise NotAnAddress("address_port", "has a port outside 1 to 65535")
    if not _is_host(host, bracketed=parts["host"].startswith("[")):
        raise NotAnAddress("address_host", "has a host that is no name and no number")
    return host, port


def _is_host(host: str, *, bracketed: bool) -> bool:
    if bracketed or host.replace(".", "").isdigit():
        try:
            return ipaddress.ip_address(host).version == (6 if bracketed else 4)
        except ValueError:
            return False
    last = host.rpartition(".")[2]
    odd_number = last.isdigit() or last.startswith("0x")
    return len(host) <= 253 and not odd_number and all(_LABEL.fullmatch(part) for part in host.split("."))
