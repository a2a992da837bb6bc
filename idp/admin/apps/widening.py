"""With which fields of a change could an app do more than before? Those wait for a second pair of eyes.

Pure, and a table: every field of a registration has a line here, so that a new field is thought about (a test asks).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from idp.oidc import request_checks

Rule = Callable[[Any, Any], bool]
"""(before, after) → is it more? None stands for absent."""
STRENGTH = {"none": 1, "client_secret_basic": 2, "client_secret_post": 2, "private_key_jwt": 3}
WEAKEST = -1
"""Of ways to have signed in: with help of the school."""


def never(_before: Any, _after: Any) -> bool:
    return False


def _any_new(before: Any, after: Any) -> bool:
    return bool({*map(str, after or ())} - {*map(str, before or ())})


def _new_words(before: Any, after: Any) -> bool:
    return bool({*str(after or "").split()} - {*str(before or "").split()})


def _turned_on(before: Any, after: Any) -> bool:
    return bool(after) and not before


def _turned_off(before: Any, after: Any) -> bool:
    return bool(before) and not after


def _other(before: Any, after: Any) -> bool:
    return bool(after) and before != after


def _longer(before: Any, after: Any) -> bool:
    """A day, or a number: later, or more, than before; something where there was nothing."""
    return after is not None and (before is None or after > before)


def _end_moved(before: Any, after: Any) -> bool:
    """The end of a switch: later, or gone."""
    return before is not None and (after is None or after > before)


def _later_sign_in(before: Any, after: Any) -> bool:
    """default_max_age: a longer one, or none, accepts an older sign-in."""
    return before is not None and (after is None or after > before)


def _weaker_proof(before: Any, after: Any) -> bool:
    return STRENGTH.get(after or "", 2) < STRENGTH.get(before or "client_secret_basic", 2)


def _lower_acr(before: Any, after: Any) -> bool:
    """The dearest wish is gone, or a weaker one."""
    return bool(before) and _strength(after) < _strength(before)


def _strength(wishes: Any) -> int:
    return _RANK.get(wishes[0], WEAKEST) if wishes else WEAKEST - 1


_RANK = {word: place for place, word in enumerate(request_checks.ACR_VALUES) if not word.endswith(":help")}


RULES: Mapping[str, Rule] = {
    "redirect_uris": _any_new,
    "post_logout_redirect_uris": _any_new,
    "request_uris": _any_new,
    "scope": _new_words,
    "grant_types": _any_new,
    "response_types": _any_new,
    "token_endpoint_auth_method": _weaker_proof,
    "subject_type": lambda _before, after: after == "public",
    "default_acr_values": _lower_acr,
    "default_max_age": _later_sign_in,
    "require_auth_time": _turned_off,
    "require_signed_request_object": _turned_off,
    "require_pushed_authorization_requests": _turned_off,
    "backchannel_logout_uri": _other,
    "pkce_exempt_until": _longer,
    "claims_in_id_token": _turned_on,
    "claims_in_id_token_until": _end_moved,
    "open_to_every_pupil": _turned_on,
    "code_seconds": _longer,
    "code_seconds_until": _end_moved,
    "sandbox": _turned_off,
    "supplier": _other,
} | dict.fromkeys(
    (
        "client_id",
        "client_name",
        "application_type",
        "token_endpoint_auth_signing_alg",
        "jwks",
        "jwks_uri",
        "request_object_signing_alg",
        "sector_identifier_uri",
        "sector",
        "id_token_signed_response_alg",
        "userinfo_signed_response_alg",
        "initiate_login_uri",
        "backchannel_logout_session_required",
        "contacts",
        "client_uri",
        "logo_uri",
        "policy_uri",
        "tos_uri",
        "software_id",
        "software_version",
        "purpose",
        "legal_ground",
        "processor_agreement",
        "retention",
        "supplier_protocol",
        "supplier_protocol_signed",
        "reasons",
    ),
    never,
)
"""Keys and secrets are not here: an app that changes over must not wait, and whoever holds the old ones could as well."""


def widens(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields with which it could do more; of an app that is new, the word `new` and what it begins with."""
    if before is None:
        return ("new",)
    names = [*RULES, *sorted({*before, *after} - {*RULES})]
    return tuple(
        name
        for name in names
        if before.get(name) != after.get(name) and RULES.get(name, _other)(before.get(name), after.get(name))
    )
