"""Refusals and problems, each with a code: plain code makes them, others know the sentence for a page.

Refusal
├── Invalid          what was given cannot be used (400)
├── SignInRequired   somebody must sign in first (401)
├── NotAllowed       this person or app may not (403)
├── NotFound         there is nothing here, or nothing you may know of (404)
└── Busy             too much at once; the same request works a little later (503)
"""

from __future__ import annotations

from typing import Self


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


class Problem(str):
    """What is wrong with one field of what was given: an English sentence for whoever calls or types commands.

    `code` and `words` are for a page, which says the same in the reader's language. A word may be a problem itself.
    """

    __slots__ = ("code", "words")
    code: str
    words: dict[str, object]

    def __new__(cls, code: str, english: str, **words: object) -> Self:
        """`english` has a place in braces for each of the words."""
        made = super().__new__(cls, english.format(**words) if words else english)
        made.code, made.words = code, words
        return made
