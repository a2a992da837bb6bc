"""Can one field of a registration be read, and what is wrong with it? A reader for each kind of field.

A reader takes what was given and answers with what is stored, or raises Mistake.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from joserfc import jwk
from joserfc.errors import JoseError

from idp import addresses
from idp.apps import LISTS_SCOPE, App
from idp.claims import catalogue
from idp.errors import Problem

SIGNING = ("RS256", "ES256", "PS256", "EdDSA")
SIGNED_BY_APPS = (*SIGNING, "Ed25519")
SIGNS = {"RSA": ("RS256", "PS256"), "EC": ("ES256",), "OKP": ("EdDSA", "Ed25519")}
"""What an app's keys sign with, by kind of key. Nothing else verifies: no `none`, no shared secrets."""
_SAME = {"Ed25519": "EdDSA"}
"""What RFC 9864 calls it, and what OpenID Connect does: one algorithm, and libraries write either."""
STAFF_SCOPES = ("vo",)
"""Of the government's sign-in of staff. Apps of LeerID ask for it with every sign-in; about a pupil it says nothing."""
MACHINE_SCOPES = (LISTS_SCOPE,)
"""Scopes of an app that speaks for itself (client_credentials)."""
CLASS_SCOPES = frozenset({"ov_klas", *MACHINE_SCOPES})
"""Scopes with which an app can learn who sits in which class."""
LONGEST_EXEMPTION = timedelta(days=731)
PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
SHORTEST_MODULUS, LONGEST_MODULUS = 342, 1366
"""Of an RSA key, in characters of base64url: 2048 and 8192 bits."""
CURVES = ("P-256", "Ed25519")
LONGEST_REQUEST_URI = 512
"""OpenID Connect Core 6.2."""
MOST = 50
"""Addresses or contacts in one list."""

NO_LIST = Problem("no_list_of_addresses", "must be a list of at most {most} addresses", most=MOST)
TWICE = Problem("twice", "is there twice")
ODD_SECTOR = Problem("odd_sector", "must be a host in lower case, such as app.example")
NOT_YES_OR_NO = Problem("not_yes_or_no", "must be true or false")
_CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,100}")
SECTOR = re.compile(r"[a-z0-9._~\[\]:-]{1,253}")
T = TypeVar("T")


class Mistake(ValueError):
    """What is wrong with one field."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Here:
    """Where and when an app is registered."""

    today: date
    loopback_ok: bool
    """A demo on this machine: http://localhost is fine everywhere."""
    existing: App | None
    """The app whose registration is replaced."""


Reader = Callable[[Any, Here], Any]


def _unless(wrong: list[Problem], read: T) -> T:
    if wrong:
        raise Mistake(*wrong)
    return read


def _in_list(number: int, problem: Problem) -> Problem:
    return Problem("in_list", "number {number} {problem}", number=number, problem=problem)


def _not_some_of(words: Iterable[str]) -> Problem:
    said = "must be a list, with one or more of: {words}"
    return Problem("not_some_of", said, words=", ".join(words))


def text(longest: int) -> Reader:
    def read(value: Any, _here: Here) -> str:
        if not isinstance(value, str) or not value.strip():
            raise Mistake(Problem("not_text", "must be text"))
        if len(value) > longest:
            raise Mistake(Problem("too_long", "is longer than {most} characters", most=longest))
        if any(unicodedata.category(sign) in {"Cc", "Cf", "Cs"} and sign != "\n" for sign in value):
            raise Mistake(Problem("unseen_character", "has a character that cannot be seen"))
        return value.strip()

    return read


def word(*words: str) -> Reader:
    def read(value: Any, _here: Here) -> str:
        if value not in words:
            raise Mistake(Problem("not_one_of", "must be one of: {words}", words=", ".join(words)))
        return str(value)

    return read


def words(*words: str) -> Reader:
    def read(value: Any, _here: Here) -> list[str]:
        if not isinstance(value, list) or not value or any(one not in words for one in value):
            raise Mistake(_not_some_of(words))
        return [word for word in words if word in value]

    return read


def wishes(*words: str) -> Reader:
    """Some of these words, in the order given: the dearest first."""

    def read(value: Any, _here: Here) -> list[str]:
        if not isinstance(value, list) or not value or any(one not in words for one in value):
            raise Mistake(_not_some_of(words))
        return list(dict.fromkeys(value))

    return read


def yes_or_no(value: Any, _here: Here) -> bool:
    if not isinstance(value, bool):
        raise Mistake(NOT_YES_OR_NO)
    return value


def number(least: int, most: int) -> Reader:
    def read(value: Any, _here: Here) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            said = "must be a whole number from {least} to {most}"
            raise Mistake(Problem("not_a_number", said, least=least, most=most))
        return value

    return read


def address(*, loopback: bool = False, called: bool = False) -> Reader:
    """`loopback`: http on this machine is always fine; `called`: we call it ourselves, so never inside a network."""

    def read(value: Any, here: Here) -> str:
        try:
            address = addresses.read(value, loopback_http=loopback or here.loopback_ok)
        except addresses.NotAnAddress as mistake:
            raise Mistake(mistake.problem) from None
        if called and address.private and not (here.loopback_ok and address.loopback):
            said = "is inside a network: we call public addresses only"
            raise Mistake(Problem("address_private", said))
        return str(value)

    return read


def address_list(value: Any, _here: Here) -> list[str]:
    if not isinstance(value, list) or len(value) > MOST:
        raise Mistake(NO_LIST)
    taken: list[str] = []
    wrong = []
    for number, one in enumerate(value, 1):
        try:
            addresses.read(one, loopback_http=True)
        except addresses.NotAnAddress as mistake:
            wrong.append(_in_list(number, mistake.problem))
            continue
        if one in taken:
            wrong.append(_in_list(number, TWICE))
        taken.append(str(one))
    return _unless(wrong, taken)


def contacts(value: Any, here: Here) -> list[str]:
    if not isinstance(value, list) or len(value) > MOST:
        raise Mistake(NO_LIST)
    return [text(254)(one, here) for one in value]


def client_id(value: Any, here: Here) -> str:
    if not isinstance(value, str) or not _CLIENT_ID.fullmatch(value):
        said = "must be 1 to 100 letters, digits, dots, dashes, underscores or tildes"
        raise Mistake(Problem("odd_client_id", said))
    if here.existing is not None and value != here.existing.client_id:
        said = "is frozen: this is `{client_id}`"
        raise Mistake(Problem("client_id_frozen", said, client_id=here.existing.client_id))
    return value


def scope(value: Any, _here: Here) -> str:
    if not isinstance(value, str):
        raise Mistake(Problem("scope_not_text", "must be text: scopes with a space between them"))
    known = (*catalogue.SCOPES, *STAFF_SCOPES, *MACHINE_SCOPES)
    wrong = []
    for scope in sorted(set(value.split()) - set(known)):
        near = difflib.get_close_matches(scope, known, n=1)
        if near:
            said = "`{scope}` is no scope; did you mean `{near}`?"
            wrong.append(Problem("no_scope_but_near", said, scope=scope[:60], near=near[0]))
        else:
            said = "`{scope}` is no scope: there are {known}"
            wrong.append(Problem("no_scope", said, scope=scope[:60], known=", ".join(known)))
    return _unless(wrong, " ".join(scope for scope in known if scope in value.split()))


def day(value: Any, here: Here) -> str:
    try:
        day = value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise Mistake(Problem("not_a_date", "must be a date, such as 2027-06-30")) from None
    if day > here.today + LONGEST_EXEMPTION:
        said = "is more than two years away: an exemption ends sooner"
        raise Mistake(Problem("date_too_far", said))
    return day.isoformat()


def past_day(value: Any, here: Here) -> str:
    given = day(value, here)
    if given > here.today.isoformat():
        said = "is in the future: it takes a day on which something was signed"
        raise Mistake(Problem("date_to_come", said))
    return given


def jwks(value: Any, _here: Here) -> dict[str, Any]:
    listed = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= 10:
        said = "must be a key set: an object with 1 to 10 public keys in its list `keys`"
        raise Mistake(Problem("not_a_key_set", said))
    keys = [key(number, one) for number, one in enumerate(listed, 1)]
    kids = {one.get("kid", "") for one in keys}
    if len(keys) > 1 and (len(kids) < len(keys) or "" in kids):
        raise Mistake(Problem("keys_without_kid", "every key of several needs a `kid` of its own"))
    return {"keys": keys}


def same_algorithm(one: str, other: str) -> bool:
    return _SAME.get(one, one) == _SAME.get(other, other)


def signs(kty: str, own: str | None, alg: str) -> bool:
    """May a key of this kind, whose own `alg` this is, sign with this algorithm?"""
    return alg in SIGNS[kty] and same_algorithm(alg, own or alg)


def key(number: int, given: Any) -> dict[str, str]:
    """One public key for signing, without what we do not need. Raises Mistake; `number` names it in the sentence."""
    kind = given.get("kty") if isinstance(given, dict) else None
    members = PUBLIC_MEMBERS.get(kind) if isinstance(kind, str) else None
    if members is None:
        said = "key {number} must be an RSA, EC or OKP key"
        raise Mistake(Problem("key_kind", said, number=number))
    if PRIVATE_MEMBERS & set(given):
        said = "key {number} is private: give the public half, and make a new pair"
        raise Mistake(Problem("key_private", said, number=number))
    kept = {word: given[word] for word in ("kty", "kid", "alg", "use", *members) if word in given}
    if any(not isinstance(word, str) or len(word) > 2000 or not word.isprintable() for word in kept.values()):
        raise Mistake(Problem("key_unreadable", "key {number} cannot be read", number=number))
    if given.get("use", "sig") != "sig" or given.get("alg", SIGNING[0]) not in SIGNED_BY_APPS:
        said = "key {number} is not for signing with one of: {words}"
        raise Mistake(Problem("key_not_for_signing", said, number=number, words=", ".join(SIGNED_BY_APPS)))
    if kind != "RSA" and given.get("crv") not in CURVES:
        said = "key {number} must be on one of: {words}"
        raise Mistake(Problem("key_curve", said, number=number, words=", ".join(CURVES)))
    if kind == "RSA" and not SHORTEST_MODULUS <= len(kept.get("n", "")) <= LONGEST_MODULUS:
        raise Mistake(Problem("key_bits", "key {number} must have 2048 to 8192 bits", number=number))
    try:
        jwk.import_key(kept)
    except (JoseError, ValueError, TypeError, KeyError):
        raise Mistake(Problem("key_unreadable", "key {number} cannot be read", number=number)) from None
    return kept


def reasons(value: Any, here: Here) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Mistake(Problem("no_reasons", "must name claims, each with why the app needs it"))
    reasons, wrong = {}, []
    for claim, why in value.items():
        if claim not in catalogue.NAMES:
            near = difflib.get_close_matches(str(claim), catalogue.NAMES, n=1)
            short = str(claim)[:60]
            if near:
                said = "`{claim}` is no claim; did you mean `{near}`?"
                wrong.append(Problem("no_claim_but_near", said, claim=short, near=near[0]))
            else:
                wrong.append(Problem("no_claim", "`{claim}` is no claim", claim=short))
        else:
            reasons[str(claim)] = text(500)(why, here)
    return _unless(wrong, reasons)


def request_uris(value: Any, here: Here) -> list[str]:
    """Addresses that we read signed requests from; a fragment (the hash of what stands there) belongs to them."""
    if not isinstance(value, list) or len(value) > MOST:
        raise Mistake(NO_LIST)
    wrong = []
    for number, one in enumerate(value, 1):
        whole, _, fragment = one.partition("#") if isinstance(one, str) else (one, "", "")
        try:
            address(called=True)(whole, here)
        except Mistake as mistake:
            wrong.append(_in_list(number, mistake.problems[0]))
            continue
        if len(one) > LONGEST_REQUEST_URI or not re.fullmatch(r"[A-Za-z0-9_-]*", fragment):
            said = "is longer than {most} characters, or has an odd fragment"
            wrong.append(_in_list(number, Problem("odd_request_uri", said, most=LONGEST_REQUEST_URI)))
        elif one in value[: number - 1]:
            wrong.append(_in_list(number, TWICE))
    return _unless(wrong, [*value])


def response_types(value: Any, here: Here) -> list[str]:
    """None is what we store of an app that signs nobody in."""
    return [] if value == [] else words("code")(value, here)


def sector_name(value: Any, _here: Here) -> str:
    """A host; or the client_id of an app that no host tells apart, with its capitals."""
    if not isinstance(value, str) or not (SECTOR.fullmatch(value) or _CLIENT_ID.fullmatch(value)):
        raise Mistake(ODD_SECTOR)
    return value
