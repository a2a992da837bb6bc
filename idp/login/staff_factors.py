"""What proves that it is really this member of staff? A code from an app (TOTP), or a passkey (WebAuthn).

Pure of requests and rows: settings, a moment and what was sent go in; what was proven comes out. A question to a
passkey travels sealed through the page, so that asking costs no row; a challenge that was answered is spent.

`webauthn` is imported where it works: six MiB that most processes never need.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pyotp
import segno

from idp import entropy
from idp.config import Settings
from idp.keys import Keys
from idp.login.staff_accounts import Key

STEP = 30
"""Seconds of one TOTP code."""
QUESTION = "passkey"
QUESTION_SECONDS = 10 * 60
QUESTION_LIFE = timedelta(seconds=QUESTION_SECONDS)
LONGEST_ANSWER = 20_000
_AWAY = 1
"""Steps that a telephone's clock may be off, either way."""


# ---------------------------------------------------------------- codes


def new_totp_secret(chance: entropy.Chance) -> str:
    """160 random bits, in base 32."""
    return base64.b32encode(chance.token_bytes(20)).decode()


def totp_step(secret: str, typed: str, now: datetime, *, after: int) -> int | None:
    """The step of which this is the code, if that is later than `after`; None when it is wrong or was used."""
    code = "".join(sign for sign in typed if sign.isascii() and sign.isdigit())
    if len(code) != 6 or len(typed) > 20:
        return None
    here = int(now.timestamp()) // STEP
    found = None
    generator = pyotp.TOTP(secret)
    for step in range(here - _AWAY, here + _AWAY + 1):
        if entropy.same(generator.generate_otp(step), code) and step > after:
            found = step
    return found


def totp_address(secret: str, *, person: str, brand: str) -> str:
    """What an authenticator app reads: otpauth://…"""
    label = quote(f"{brand}:{person}", safe=":@")
    return (
        f"otpauth://totp/{label}?secret={secret}&issuer={quote(brand)}&algorithm=SHA1&digits=6&period={STEP}"
    )


def totp_picture(address: str) -> str:
    """The same as a QR code, as a data: address for an image."""
    return segno.make(address, error="m").svg_data_uri(scale=5, border=3, dark="#000", light="#fff")


# ---------------------------------------------------------------- passkeys


@dataclass(frozen=True, kw_only=True)
class Question:
    """For the page: what the browser must ask of a passkey, and the same sealed, to come back with the answer."""

    options: str
    sealed: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A passkey answered rightly."""

    challenge: bytes
    """Digest of the question: spend it."""
    credential_id: str
    sign_count: int
    public_key: bytes = b""
    """Of a new passkey."""


def rp_id(settings: Settings) -> str:
    """Passkeys belong to the host of our issuer."""
    return urlsplit(settings.issuer).hostname or ""


def ask(settings: Settings, keys: Keys, now: datetime, *, known: tuple[Key, ...] = ()) -> Question:
    """Ask for a passkey; for one of `known`, or any that lives here."""
    import webauthn
    from webauthn.helpers.structs import UserVerificationRequirement

    challenge = entropy.key_bytes()
    options = webauthn.generate_authentication_options(
        rp_id=rp_id(settings),
        challenge=challenge,
        allow_credentials=[_descriptor(key) for key in known] or None,
        user_verification=UserVerificationRequirement.REQUIRED,
        timeout=1000 * QUESTION_SECONDS // 2,
    )
    return _question(webauthn.options_to_json(options), challenge, keys, now, about="in")


def ask_new(
    settings: Settings,
    keys: Keys,
    now: datetime,
    *,
    user_handle: str,
    name: str,
    display_name: str,
    known: tuple[Key, ...],
) -> Question:
    """Ask for a new passkey of this person."""
    import webauthn
    from webauthn.helpers import structs

    challenge = entropy.key_bytes()
    options = webauthn.generate_registration_options(
        rp_id=rp_id(settings),
        rp_name=settings.brand,
        user_id=user_handle.encode(),
        user_name=name,
        user_display_name=display_name,
        challenge=challenge,
        attestation=structs.AttestationConveyancePreference.NONE,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[_descriptor(key) for key in known],
        timeout=1000 * QUESTION_SECONDS // 2,
    )
    return _question(webauthn.options_to_json(options), challenge, keys, now, about=user_handle)


def credential_of(answer: str) -> tuple[str, str]:
    """(credential id, user handle) that an answer names; two empty texts when it is none. Nothing is proven yet."""
    said = _read(answer)
    inside = said.get("response")
    handle = inside.get("userHandle") if isinstance(inside, dict) else None
    found = said.get("id")
    return (found if isinstance(found, str) else ""), (handle if isinstance(handle, str) else "")


def check(
    settings: Settings, keys: Keys, now: datetime, *, answer: str, sealed: str, key: Key
) -> Answer | None:
    """Did this passkey answer our question, with the person present and verified?"""
    challenge = _challenge(keys, sealed, now, about="in")
    if challenge is None:
        return None
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        proven = webauthn.verify_authentication_response(
            credential=_read(answer),
            expected_challenge=challenge,
            expected_rp_id=rp_id(settings),
            expected_origin=settings.issuer,
            credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Answer(
        challenge=hashlib.sha256(challenge).digest(),
        credential_id=key.credential_id,
        sign_count=proven.new_sign_count,
    )


def check_new(
    settings: Settings, keys: Keys, now: datetime, *, answer: str, sealed: str, user_handle: str
) -> Answer | None:
    """Is this a new passkey, made for our question to this person?"""
    challenge = _challenge(keys, sealed, now, about=user_handle)
    if challenge is None:
        return None
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        made = webauthn.verify_registration_response(
            credential=_read(answer),
            expected_challenge=challenge,
            expected_rp_id=rp_id(settings),
            expected_origin=settings.issuer,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Answer(
        challenge=hashlib.sha256(challenge).digest(),
        credential_id=webauthn.helpers.bytes_to_base64url(made.credential_id),
        sign_count=made.sign_count,
        public_key=made.credential_public_key,
    )


def _question(options: str, challenge: bytes, keys: Keys, now: datetime, *, about: str) -> Question:
    return Question(options=options, sealed=keys.seal(QUESTION, {"c": challenge.hex(), "for": about}, now))


def _challenge(keys: Keys, sealed: str, now: datetime, *, about: str) -> bytes | None:
    inside = keys.unseal(QUESTION, sealed, now, seconds=QUESTION_SECONDS)
    if inside is None or inside.get("for") != about:
        return None
    return bytes.fromhex(str(inside["c"]))


def _read(answer: str) -> dict[str, Any]:
    try:
        said = json.loads(answer) if len(answer) <= LONGEST_ANSWER else None
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _descriptor(key: Key) -> Any:
    import webauthn
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    return PublicKeyCredentialDescriptor(id=webauthn.base64url_to_bytes(key.credential_id))
