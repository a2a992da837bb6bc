"""What does a pupil of the sandbox type? A secret that everybody may know: it derives from a seed beside the keys."""

from __future__ import annotations

import hashlib
import hmac

from idp import entropy
from idp.keys import Keys
from idp.login import accounts
from idp.models import SecretKind


def chance(keys: Keys, *words: str) -> entropy.Chance:
    """The same draws for the same words, as long as the seed lies there."""
    seed = hmac.new(keys.sandbox, "\x00".join(words).encode(), hashlib.sha256).digest()
    return entropy.Chance(seed)


def secret(keys: Keys, username: str, kind: SecretKind) -> str:
    """What this pupil types; a password "of one's own" is two temporary ones in a row."""
    drawn = chance(keys, "secret", username)
    if kind is SecretKind.OWN:
        halves = [accounts.new_secret(SecretKind.TEMPORARY, drawn) for _ in range(2)]
        return "-".join(halves)
    return accounts.new_secret(kind, drawn)
