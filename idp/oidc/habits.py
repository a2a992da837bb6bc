"""How does an app ask? What a good one does every time, as bits that a grant keeps: no value of anything is in them."""

from __future__ import annotations

from enum import IntFlag

from idp.oidc.request import AuthorizationRequest


class Habit(IntFlag):
    """Stored: a bit never changes its meaning."""

    STATE = 1
    NONCE = 2
    PKCE = 4
    PROMPT = 8
    LOGIN_HINT = 16
    ID_TOKEN_HINT = 32
    CLAIMS = 64
    FORM_POST = 128


def of(request: AuthorizationRequest) -> int:
    """The habits that this request shows."""
    shown = (
        (Habit.STATE, request.state),
        (Habit.NONCE, request.nonce),
        (Habit.PKCE, request.code_challenge),
        (Habit.PROMPT, request.prompt),
        (Habit.LOGIN_HINT, request.login_hint),
        (Habit.ID_TOKEN_HINT, request.id_token_hint),
        (Habit.CLAIMS, request.claims),
        (Habit.FORM_POST, request.response_mode == "form_post"),
    )
    return int(sum(bit for bit, there in shown if there))
