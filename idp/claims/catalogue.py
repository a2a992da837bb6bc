"""What can an app ever be told about a pupil? This table, and nothing else.

One line a claim: its name, the scope that asks for it, and the gates it *waives*. Every gate applies unless
waived, so a forgotten word closes instead of opens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from flask_babel import LazyString
from flask_babel import lazy_gettext as _


class Gate(StrEnum):
    """The conditions of a release, in the order in which they are looked at. The first closed one is the reason."""

    NOT_REGISTERED = "not_registered"
    """The app's registration does not include the claim."""
    NOT_REQUESTED = "not_requested"
    """This request did not ask for it."""
    SCHOOL_DOES_NOT_SHARE = "school_does_not_share"
    """No valid agreement of the school."""
    NOT_VISIBLE = "not_visible"
    """The app is not visible for this pupil at this school, today."""
    NOT_ENROLLED = "not_enrolled"
    """The enrolment at this school does not cover today."""
    UNKNOWN = "unknown"
    """We do not have the value."""


WAIVABLE = frozenset({Gate.SCHOOL_DOES_NOT_SHARE, Gate.NOT_VISIBLE, Gate.NOT_ENROLLED})
"""The others hold for every claim: an app gets what it registered and asked for, and nobody gets a guess."""

# fmt: off
PROTOCOL_NAMES = frozenset({
    "acr", "active", "amr", "at_hash", "aud", "auth_time", "azp", "c_hash", "client_id", "cnf",
    "events", "exp", "htm", "htu", "iat", "iss", "jti", "may_act", "nbf", "nonce", "s_hash",
    "scope", "sid", "sub_jwk", "token_type", "toe", "txn", "typ", "username", "vct", "vp", "vc",
    "_claim_names", "_claim_sources",
})
# fmt: on
"""Words that the protocol gives a meaning (RFC 7519, 7662, 8417, OpenID Connect): never the name of a claim here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    name: str
    scope: str
    label: LazyString
    """For a person at a school or an operator."""
    waives: frozenset[Gate] = frozenset()
    open_is_enough: bool = False
    """An app that is open to every pupil counts as visible. Otherwise the school must have made it visible itself."""

    def __post_init__(self) -> None:
        if self.name in PROTOCOL_NAMES:
            raise ValueError(f"{self.name} is a word of the protocol")
        if not self.waives <= WAIVABLE:
            raise ValueError(f"{self.name} waives a gate that holds for every claim")


_NO_AGREEMENT = frozenset({Gate.SCHOOL_DOES_NOT_SHARE})
_IDENTITY = frozenset({Gate.SCHOOL_DOES_NOT_SHARE, Gate.NOT_ENROLLED})


def _sub() -> Claim:
    return Claim(name="sub", scope="openid", label=_("Pseudoniem voor deze app"), waives=WAIVABLE)


def _identity(name: str, label: LazyString) -> Claim:
    return Claim(name=name, scope="ov_leerling", label=label, waives=_IDENTITY, open_is_enough=True)


def _of_enrolment(name: str, scope: str, label: LazyString) -> Claim:
    return Claim(name=name, scope=scope, label=label, waives=_NO_AGREEMENT, open_is_enough=True)


def _klasinformatie(name: str, label: LazyString) -> Claim:
    return Claim(name=name, scope="ov_klas", label=label)


CATALOGUE: tuple[Claim, ...] = (
    _sub(),
    _of_enrolment("given_name", "profile", _("Voornaam")),
    _of_enrolment("family_name", "profile", _("Naam")),
    _of_enrolment("name", "profile", _("Voornaam en naam")),
    _identity("ov_account_uuid", _("Account-UUID")),
    _identity("ov_leerid_uuid", _("LeerID-UUID")),
    _identity("ov_historiek_account_uuid", _("Vroegere account-UUID's")),
    _of_enrolment("ov_orgcode", "ov_leerling", _("Instellingsnummer")),
    _of_enrolment("ov_orgnaam", "ov_leerling", _("Naam van de school")),
    _of_enrolment("ov_leerjaar", "ov_inschrijving", _("Leerjaar")),
    _of_enrolment("ov_schooljaar", "ov_inschrijving", _("Schooljaar")),
    _klasinformatie("ov_administratieve_groep", _("Administratieve groep")),
    _klasinformatie("ov_klassen", _("Klassen en subklassen")),
)

NAMES = frozenset(claim.name for claim in CATALOGUE)
OFFLINE_ACCESS = "offline_access"
SCOPES = (*dict.fromkeys(claim.scope for claim in CATALOGUE), OFFLINE_ACCESS)
"""Every scope that an app for pupils may register."""
CLASS_CLAIMS = frozenset(claim.name for claim in CATALOGUE if Gate.SCHOOL_DOES_NOT_SHARE not in claim.waives)
"""The claims that are klasinformatie."""


def klasinformatie_in(claims: frozenset[str]) -> bool:
    """Is any of these klasinformatie?"""
    return not CLASS_CLAIMS.isdisjoint(claims)


def claims_of(scopes: Iterable[str]) -> frozenset[str]:
    """The names of the claims that these scopes stand for; unknown scopes stand for none."""
    return _claims_of(frozenset(scopes))


@lru_cache(maxsize=256)
def claims_of_scope(scope: str) -> frozenset[str]:
    """The same for scopes as the protocol writes them, with spaces between them."""
    return claims_of(scope.split())


@lru_cache(maxsize=256)
def _claims_of(scopes: frozenset[str]) -> frozenset[str]:
    return frozenset(claim.name for claim in CATALOGUE if claim.scope in scopes)
