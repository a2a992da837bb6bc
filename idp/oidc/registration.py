"""May an app be registered like this? Metadata by the names of RFC 7591 and OpenID Connect, plus our own.

`validate` is the only door: console, command line and (later) dynamic registration bring a document here and
store what comes back. Every mistake is told at once, as a Problem that pages say in the language of their reader; a field we do not know is a mistake.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from idp import addresses
from idp.apps import App
from idp.claims import catalogue
from idp.errors import Invalid, Problem
from idp.oidc import fields, request_checks

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
FROZEN = "is frozen at {value}: another one would change every sub"


Problems = dict[str, list[Problem]]


class Refused(Invalid):
    """The registration cannot be stored; `problems` has them for each field."""

    def __init__(self, problems: Mapping[str, list[Problem]]) -> None:
        sentences = "; ".join(f"{name}: {said}" for name, told in problems.items() for said in told)
        super().__init__("registration_refused", sentences)
        self.problems = {name: tuple(told) for name, told in problems.items()}


def validate(
    metadata: Mapping[str, Any],
    *,
    today: date,
    loopback_ok: bool,
    existing: App | None,
    algorithms: Collection[str] = fields.SIGNING,
) -> dict[str, Any]:
    """The registration as it is stored: complete, JSON only, fields in a fixed order, with its `sector`.

    `loopback_ok` (a demo on this machine) also allows http://localhost where we or a browser call the app.
    `existing` is the app whose registration this replaces: client_id, sector and subject_type are frozen.
    `algorithms` are those that this installation has keys for (settings.signing_algorithms).
    Raises Refused with every problem.
    """
    here = fields.Here(today=today, loopback_ok=loopback_ok, existing=existing)
    problems: Problems = {}
    for name in metadata:
        if name not in FIELDS:
            problems[str(name)[:100]] = [_hint(str(name))]
    read: dict[str, Any] = {}
    for name, reader in FIELDS.items():
        value = metadata.get(name)
        if value is None:
            continue
        try:
            read[name] = reader(value, here)
        except fields.Mistake as mistake:
            problems[name] = [*mistake.problems]
    read = DEFAULTS | read
    for name in ("id_token_signed_response_alg", "userinfo_signed_response_alg"):
        if name not in problems and name in read and read[name] not in algorithms:
            said = "has no key here: there are keys for {words}"
            problems[name] = [Problem("no_key_here", said, words=", ".join(algorithms))]
    _together(problems, read, metadata)
    read["sector"] = _sector(problems, read, here)
    if problems:
        raise Refused(problems)
    return {name: read[name] for name in FIELDS if name in read}


def _hint(name: str) -> Problem:
    if name in {"client_secret", "client_secret_expires_at", "client_id_issued_at"}:
        return Problem("made_by_us", "is made by us: leave it out")
    near = difflib.get_close_matches(name.partition("#")[0], FIELDS, n=1)
    if near:
        said = "there is no such field; did you mean `{near}`?"
        return Problem("no_field_but_near", said, near=near[0])
    return Problem("no_field", "there is no such field")


# ---------------------------------------------------------------- fields together


def _together(problems: Problems, read: dict[str, Any], given: Mapping[str, Any]) -> None:
    method, grants = read["token_endpoint_auth_method"], read["grant_types"]
    scopes = read["scope"].split()
    keys = given.get("jwks") is not None or given.get("jwks_uri") is not None
    people, alone = "authorization_code" in grants, "client_credentials" in grants
    rules = (
        (
            not read.get("client_name"),
            "client_name",
            Problem("name_missing", "is missing: the name that pupils and schools see"),
        ),
        (
            people and not read["redirect_uris"],
            "redirect_uris",
            Problem("redirect_missing", "is missing: where the app receives the answer"),
        ),
        (people and "openid" not in scopes, "scope", Problem("openid_missing", "must have openid")),
        (
            not people and "refresh_token" in grants,
            "grant_types",
            Problem("refresh_alone", "refresh_token needs authorization_code beside it"),
        ),
        (
            "offline_access" in scopes and "refresh_token" not in grants,
            "grant_types",
            Problem(
                "offline_without_refresh",
                "the scope offline_access gives refresh tokens: add refresh_token, or leave the scope out",
            ),
        ),
        (
            not people and any(scope in catalogue.SCOPES for scope in scopes),
            "scope",
            Problem("pupils_without_code", "scopes about pupils need the grant type authorization_code"),
        ),
        (
            not alone and any(scope in fields.MACHINE_SCOPES for scope in scopes),
            "scope",
            Problem(
                "lists_without_credentials",
                "scopes for the app itself need the grant type client_credentials",
            ),
        ),
        (
            alone and method == "none",
            "grant_types",
            Problem("credentials_in_public", "client_credentials needs an app that can keep a secret"),
        ),
        (
            method == "private_key_jwt" and not keys,
            "jwks",
            Problem(
                "keys_missing",
                "is missing: private_key_jwt needs the app's public keys, here or at a jwks_uri",
            ),
        ),
        (
            given.get("jwks") is not None and given.get("jwks_uri") is not None,
            "jwks_uri",
            Problem("keys_twice", "goes without jwks: the keys stand in one place"),
        ),
        (
            read.get("require_signed_request_object", False) and not keys,
            "jwks",
            Problem(
                "keys_missing_for_requests",
                "is missing: signed requests need the app's public keys, here or at a jwks_uri",
            ),
        ),
        *(
            (
                needed and not _signs(read, name),
                name,
                Problem(
                    "no_key_for", "{alg}: none of the keys in jwks signs with it", alg=read.get(name, "")
                ),
            )
            for name, needed in (
                ("token_endpoint_auth_signing_alg", method == "private_key_jwt"),
                ("request_object_signing_alg", read.get("require_signed_request_object", False)),
            )
        ),
        (
            method == "none" and "pkce_exempt_until" in read,
            "pkce_exempt_until",
            Problem("always_pkce", "an app without secret always uses PKCE"),
        ),
        *(
            (
                f"{name}_until" in read and not read.get(name),
                f"{name}_until",
                Problem("goes_with", "goes with {name}", name=name),
            )
            for name in ("claims_in_id_token", "code_seconds")
        ),
        (
            ("supplier_protocol" in read) != ("supplier_protocol_signed" in read),
            "supplier_protocol_signed" if "supplier_protocol" in read else "supplier_protocol",
            Problem(
                "half_a_protocol",
                "is missing: a protocol of the supplier has a reference and the day on which it was signed",
            ),
        ),
    )
    for broken, name, problem in rules:
        if broken and name not in problems:
            problems[name] = [problem]
    read["response_types"] = ["code"] if people else []


def _signs(read: Mapping[str, Any], name: str) -> bool:
    """Could one of the keys that stand here sign with the algorithm in this field? Keys elsewhere are not read for it."""
    alg, keys = read.get(name), read.get("jwks")
    if alg is None or keys is None:
        return True
    return any(fields.signs(key["kty"], key.get("alg"), alg) for key in keys["keys"])


def _sector(problems: Problems, read: dict[str, Any], here: fields.Here) -> str:
    """Whose pseudonyms: apps with one sector know a pupil by the same `sub`. Frozen once registered."""
    said, existing, itself = read.get("sector"), here.existing, str(read.get("client_id", ""))
    if said is not None and said != itself and not fields.SECTOR.fullmatch(said):
        problems["sector"] = [fields.ODD_SECTOR]
    if uri := read.get("sector_identifier_uri"):
        named = place(uri)
        if said not in {None, named}:
            wrong = "is not the host of sector_identifier_uri ({host})"
            problems["sector"] = [Problem("sector_elsewhere", wrong, host=named)]
        said = named
    if existing is not None:
        if said not in {None, existing.sector}:
            name = "sector_identifier_uri" if uri else "sector"
            problems[name] = [Problem("frozen", FROZEN, value=existing.sector)]
        if read["subject_type"] != existing.subject_type:
            problems["subject_type"] = [Problem("frozen", FROZEN, value=existing.subject_type)]
        return existing.sector
    if said:
        return str(said)
    hosts = sorted({place(uri) for uri in read["redirect_uris"]})
    one_of_a_demo = here.loopback_ok and len(hosts) == 1
    if not one_of_a_demo and all(on_this_machine(uri) for uri in read["redirect_uris"]):
        return itself  # every machine is called so: apps that live there are no family
    if len(hosts) > 1 and read["subject_type"] == "pairwise":
        wrong = (
            "is missing: redirect_uris are on several hosts ({hosts}), so say in whose name the app knows a pupil, "
            "such as https://app.example/redirect_uris.json (or, an operator only, give `sector`)"
        )
        problems["sector_identifier_uri"] = [Problem("sector_missing", wrong, hosts=", ".join(hosts))]
    return hosts[0] if hosts else itself


def place(uri: str) -> str:
    """The host; on this machine with its port, since in a demo the port tells apps apart."""
    address = addresses.read(uri, loopback_http=True)
    return f"{address.host}:{address.port or 80}" if address.loopback else address.host


def on_this_machine(uri: str) -> bool:
    return addresses.read(uri, loopback_http=True).loopback


FIELDS: dict[str, fields.Reader] = {
    "client_id": fields.client_id,
    "client_name": fields.text(200),
    "application_type": fields.word("web", "native"),
    "redirect_uris": fields.address_list,
    "post_logout_redirect_uris": fields.address_list,
    "scope": fields.scope,
    "grant_types": fields.words(*GRANT_TYPES),
    "response_types": fields.response_types,
    "token_endpoint_auth_method": fields.word(*AUTH_METHODS),
    "token_endpoint_auth_signing_alg": fields.word(*fields.SIGNED_BY_APPS),
    "jwks": fields.jwks,
    "jwks_uri": fields.address(called=True),
    "request_object_signing_alg": fields.word(*fields.SIGNED_BY_APPS),
    "require_signed_request_object": fields.yes_or_no,
    "require_pushed_authorization_requests": fields.yes_or_no,
    "request_uris": fields.request_uris,
    "subject_type": fields.word("pairwise", "public"),
    "sector_identifier_uri": fields.address(),
    "sector": fields.sector_name,
    "id_token_signed_response_alg": fields.word(*fields.SIGNING),
    "userinfo_signed_response_alg": fields.word(*fields.SIGNING),
    "initiate_login_uri": fields.address(),
    "backchannel_logout_uri": fields.address(called=True),
    "backchannel_logout_session_required": fields.yes_or_no,
    "default_max_age": fields.number(0, 365 * 86400),
    "require_auth_time": fields.yes_or_no,
    "contacts": fields.contacts,
    "client_uri": fields.address(),
    "logo_uri": fields.address(),
    "policy_uri": fields.address(),
    "tos_uri": fields.address(),
    "default_acr_values": fields.wishes(*request_checks.ACR_VALUES),
    "software_id": fields.text(200),
    "software_version": fields.text(100),
    "pkce_exempt_until": fields.day,
    "claims_in_id_token": fields.yes_or_no,
    "claims_in_id_token_until": fields.day,
    "open_to_every_pupil": fields.yes_or_no,
    "code_seconds": fields.number(1, 60),
    "code_seconds_until": fields.day,
    "purpose": fields.text(2000),
    "legal_ground": fields.text(2000),
    "processor_agreement": fields.text(500),
    "retention": fields.text(500),
    "supplier_protocol": fields.text(500),
    "supplier_protocol_signed": fields.past_day,
    "reasons": fields.reasons,
}

DEFAULTS: dict[str, Any] = {
    "application_type": "web",
    "redirect_uris": [],
    "scope": "openid",
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "client_secret_basic",
    "subject_type": "pairwise",
    "id_token_signed_response_alg": "RS256",
}
