"""Refusals, each with a code: plain code raises them, sentences.py alone knows the sentence.

Refusal
├── Invalid          what was given cannot be used (400)
├── SignInRequired   somebody must sign in first (401)
├── NotAllowed       this person or app may not (403)
├── NotFound         there is nothing here, or nothing you may know of (404)
└── Busy             too much at once; the same request works a little later (503)
"""

from __future__ import annotations


class Refusal(Exception):
    """An expected no. `code` is a stable word, `detail` is for the log and the command line (no secrets, no names)."""

    status = 400

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class Invalid(Refusal):
    status = 400


class SignInRequired(Refusal):
    status = 401


class NotAllowed(Refusal):
    status = 403


class NotFound(Refusal):
    status = 404


class Busy(Refusal):
    status = 503

    def __init__(self, code: str, detail: str = "", *, retry_after: int = 3) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after
        """Seconds after which the same request may work."""
