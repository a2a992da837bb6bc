"""How does an operator fill in a registration by hand? Fields in sections, text in, a document out.

Pure but for the list of fields, which is the registration's own: a field without a section here is a failing test.
Names of fields are those of RFC 7591 and are not translated: they are what the developer of the app will say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import LazyString, lazy_gettext

from idp.admin.api.api_description import LISTS, NUMBERS, YES
from idp.oidc import fields, registration

_ = lazy_gettext
DAYS = frozenset(
    name for name, reader in registration.FIELDS.items() if reader in (fields.day, fields.past_day)
)
LONG = frozenset({"purpose", "legal_ground", "processor_agreement", "retention", "supplier_protocol"})
CHOICES: Mapping[str, tuple[str, ...]] = {
    "application_type": ("web", "native"),
    "token_endpoint_auth_method": registration.AUTH_METHODS,
    "token_endpoint_auth_signing_alg": fields.SIGNED_BY_APPS,
    "request_object_signing_alg": fields.SIGNED_BY_APPS,
    "subject_type": ("pairwise", "public"),
    "id_token_signed_response_alg": fields.SIGNING,
    "userinfo_signed_response_alg": fields.SIGNING,
}
TRYING = "sandbox"
"""Beside the registration: `true` for an app that meets pupils of the sandbox, and no others."""
FIXED = frozenset({"client_id", "sector", "response_types"})
"""Not by hand: frozen at registration, or always the same."""
SECTIONS: tuple[tuple[LazyString, tuple[str, ...]], ...] = (
    (
        _("Wie het is"),
        (
            "client_name",
            "contacts",
            "client_uri",
            "logo_uri",
            "policy_uri",
            "tos_uri",
            "software_id",
            "software_version",
        ),
    ),
    (
        _("Adressen"),
        (
            "redirect_uris",
            "post_logout_redirect_uris",
            "initiate_login_uri",
            "backchannel_logout_uri",
            "backchannel_logout_session_required",
            "request_uris",
        ),
    ),
    (
        _("Wat de app krijgt, en waarom"),
        (
            "scope",
            "reasons",
            "purpose",
            "legal_ground",
            "processor_agreement",
            "retention",
            "supplier_protocol",
            "supplier_protocol_signed",
        ),
    ),
    (
        _("Sleutels en ondertekenen"),
        (
            "token_endpoint_auth_method",
            "token_endpoint_auth_signing_alg",
            "jwks",
            "jwks_uri",
            "id_token_signed_response_alg",
            "userinfo_signed_response_alg",
            "request_object_signing_alg",
        ),
    ),
    (
        _("Aanmelden"),
        (
            "application_type",
            "grant_types",
            "subject_type",
            "sector_identifier_uri",
            "default_max_age",
            "default_acr_values",
            "require_auth_time",
            "require_signed_request_object",
            "require_pushed_authorization_requests",
        ),
    ),
    (
        _("Uitzonderingen, met een einddatum"),
        (
            "pkce_exempt_until",
            "claims_in_id_token",
            "claims_in_id_token_until",
            "code_seconds",
            "code_seconds_until",
            "open_to_every_pupil",
        ),
    ),
)

HINTS: Mapping[str, LazyString] = {
    "client_name": _("Nodig. Zo heet de app voor leerlingen en scholen."),
    "contacts": _("E-mailadressen bij de maker, één per regel."),
    "policy_uri": _("Voor ouders, op de pagina waar hun kind zich aanmeldt; tos_uri ook."),
    "redirect_uris": _("Nodig. Waar de antwoorden heen gaan, letter voor letter, één per regel. Met https."),
    "post_logout_redirect_uris": _("Waar afmelden heen mag leiden, één per regel."),
    "initiate_login_uri": _("Hier begint de app wanneer een leerling haar op de eigen pagina kiest."),
    "backchannel_logout_uri": _("Hier zeggen wij de app dat een leerling zich afmeldde."),
    "scope": _("Alles wat de app ooit mag vragen, met spaties ertussen."),
    "reasons": _("Eén per regel: claim, dubbele punt, waarom. Scholen en leerlingen lezen dit."),
    "purpose": _("Scholen lezen dit, en wat hieronder staat, voor ze de app zichtbaar maken."),
    "supplier_protocol": _(
        "Het protocol dat de leverancier tekende. Zonder protocol met een datum krijgt een app geen klassen."
    ),
    "token_endpoint_auth_method": _(
        "Leeg: client_secret_basic. Een app op een toestel heeft geen geheim: none."
    ),
    "jwks": _("De publieke sleutels van de app, als JSON. Of hun adres in jwks_uri; nooit allebei."),
    "application_type": _("Leeg: web. Een app op een toestel: native."),
    "grant_types": _(
        "Eén per regel. Leeg: authorization_code. Voor lijsten van leerlingen en klassen: client_credentials."
    ),
    "subject_type": _(
        "Leeg: pairwise, elke app kent een leerling onder een eigen sub. Het verandert nooit meer."
    ),
    "pkce_exempt_until": _("Zonder PKCE tot en met deze dag, hoogstens twee jaar ver."),
    "open_to_every_pupil": _("Zichtbaar zonder dat een school iets doet; klassen blijven van de school."),
    TRYING: _("true: de app ontmoet de leerlingen van de zandbak, en geen andere."),
}
"""What to fill in, where the name does not say it."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of the form."""

    name: str
    kind: str
    """`line`, `lines`, `long`, `yes`, `number`, `day` or `choice`."""
    text: str
    choices: tuple[str, ...] = ()

    @property
    def hint(self) -> LazyString | str:
        return HINTS.get(self.name, "")


def sections(
    document: Mapping[str, Any], given: Mapping[str, str] | None = None
) -> list[tuple[Any, list[Field]]]:
    """The form of this document; `given`: what somebody typed already, which stays as it is."""
    (first, of_first), *others = [
        (title, [_field(name, document, given) for name in names]) for title, names in SECTIONS
    ]
    asked = given.get(TRYING) if given is not None else None
    text = asked if asked is not None else json.dumps(bool(document.get(TRYING)))
    trying = Field(name=TRYING, kind="choice", text=text, choices=("false", "true"))
    return [(first, [*of_first, trying]), *others]


def read(given: Mapping[str, str], document: Mapping[str, Any]) -> dict[str, Any]:
    """The document that the form asks for, on top of `document` (what has no field stays)."""
    wanted = {
        name: value for name, value in document.items() if name in FIXED or name in {"supplier", TRYING}
    }
    if given.get(TRYING):
        wanted[TRYING] = {"true": True, "false": False}.get(given[TRYING], given[TRYING])
    for _title, names in SECTIONS:
        for name in names:
            value = _value(name, given.get(name, "").replace("\r\n", "\n").strip())
            if value is not None:
                wanted[name] = value
    if given.get("client_id", "").strip() and "client_id" not in wanted:
        wanted["client_id"] = given["client_id"].strip()
    if "supplier" in given:
        wanted["supplier"] = given["supplier"].strip()
    return wanted


def _field(name: str, document: Mapping[str, Any], given: Mapping[str, str] | None) -> Field:
    text = given.get(name, "") if given is not None else _text(name, document.get(name))
    return Field(name=name, kind=_kind(name), text=text, choices=CHOICES.get(name, ()))


def _kind(name: str) -> str:
    if name in LISTS or name in {"reasons", "jwks"}:
        return "lines"
    if name in LONG:
        return "long"
    if name in YES:
        return "yes"
    if name in NUMBERS:
        return "number"
    if name in DAYS:
        return "day"
    return "choice" if name in CHOICES else "line"


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "jwks":
        return json.dumps(value, indent=1)
    if name == "reasons":
        return "\n".join(f"{claim}: {why}" for claim, why in value.items())
    if isinstance(value, list):
        return "\n".join(map(str, value))
    if isinstance(value, bool):
        return "1" if value else ""
    return str(value)


def _value(name: str, text: str) -> Any:
    """What the text says; None: nothing. What cannot be read goes on as text: the registry says what is wrong."""
    if not text:
        return [] if name == "redirect_uris" else None
    for names, reader in _READERS:
        if name in names:
            return reader(text)
    return text


def _number(text: str) -> Any:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _reasons(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in _lines(text))
    return {claim.strip(): why.strip() for claim, _colon, why in pairs}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


_READERS: tuple[tuple[Any, Callable[[str], Any]], ...] = (
    (YES, bool),
    (NUMBERS, _number),
    (LISTS, _lines),
    ({"reasons"}, _reasons),
    ({"jwks"}, _json),
)
