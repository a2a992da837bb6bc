"""A passkey device in software: it makes keys and signs what it is asked, also what an honest one would never sign."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from idp.login.staff_factors import Question

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Device:
    """One passkey. `changes` of its methods: what an attacker's device or browser says instead."""

    rp_id: str = "localhost"
    origin: str = "http://localhost:8080"
    count: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = b""
    handle: bytes = b""

    def __post_init__(self) -> None:
        numbers = self.key.public_key().public_numbers()
        self.credential_id = hashlib.sha256(numbers.x.to_bytes(32, "big")).digest()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        self.cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def make(self, question: Question, **changes: Any) -> str:
        """The answer to a question for a new passkey."""
        self.handle = base64url_to_bytes(json.loads(question.options)["user"]["id"])
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self.cose
        data = self._data(ATTESTED, changes) + attested
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        said = self._client("webauthn.create", question, changes)
        return self._answer({"clientDataJSON": said, "attestationObject": made})

    def sign(self, question: Question, **changes: Any) -> str:
        """The answer to a question for a passkey that exists."""
        self.count += 1
        data, said = self._data(0, changes), self._client("webauthn.get", question, changes)
        signature = self.key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        words = {"clientDataJSON": said, "authenticatorData": data, "signature": signature}
        return self._answer(words | {"userHandle": changes.get("handle", self.handle)})

    def _data(self, more: int, changes: dict[str, Any]) -> bytes:
        flags = changes.get("flags", PRESENT | VERIFIED) | more
        host = changes.get("rp_id", self.rp_id).encode()
        count = changes.get("count", self.count)
        return hashlib.sha256(host).digest() + bytes([flags]) + count.to_bytes(4, "big")

    def _client(self, kind: str, question: Question, changes: dict[str, Any]) -> bytes:
        said = {"type": changes.get("type", kind), "challenge": json.loads(question.options)["challenge"]}
        return json.dumps(said | {"origin": changes.get("origin", self.origin)}).encode()

    def _answer(self, response: dict[str, bytes]) -> str:
        name = bytes_to_base64url(self.credential_id)
        inside = {word: bytes_to_base64url(value) for word, value in response.items()}
        return json.dumps(
            {
                "id": name,
                "rawId": name,
                "type": "public-key",
                "response": inside,
                "clientExtensionResults": {},
            }
        )
