"""Signing in: who gets in, who waits, and what nobody learns."""

from __future__ import annotations

from idp.login import sign_in
from tests import make_login


def test_four_pictures_let_a_pupil_in(house):
    who = make_login.pupil(house)
    outcome = sign_in.prove(house, make_login.attempt())
    assert isinstance(outcome, sign_in.SignedIn)
    assert outcome.account_uuid == who
    assert (outcome.amr, outcome.acr) == (("pictures",), "urn:leersleutel:acr:picture")
    assert isinstance(
        sign_in.prove(house, make_login.attempt(secret="hond appel trein kasteel")), sign_in.Wrong
    )
