"""An app, or a person, asks to sign out: what exactly is asked, and may we go back to the app afterwards?

OpenID Connect RP-Initiated Logout 1.0. The session cookie is the authority: `id_token_hint` only names the app,
and the session in which it signed somebody in. We go back only to a registered address of an app that we know
through a hint that we signed, or through client_id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from idp.apps import App
from idp.claims import pseudonym
from idp.context import House
from idp.keys import Keys
from idp.login import sessions
from idp.login.sessions import SignedIn
from idp.oidc.request_checks import LONGEST_HINT, LONGEST_STATE, UNREADABLE
from idp.oidc.responses import extended

KNOWN = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales")


@dataclass(frozen=True, kw_only=True)
class SignOut:
    """A request to sign out that makes sense."""

    app: App | None = field(repr=False)
    sid: str | None
    """The session that a good hint names, in the words of the app that got it."""
    of: str | None
    """The app that got the hint, as the hint says."""
    back: str | None
    """Where to go afterwards, `state` included."""
    query: str = field(repr=False)
    """The request in one fixed spelling."""

    def certain(self, keys: Keys, session: SignedIn) -> bool:
        """Is it this very session that ends? Then nobody needs to be asked."""
        if self.sid is None or self.of is None:
            return False
        return self.sid in {pseudonym.sid_for(keys, self.of, session.sid), session.sid}


@dataclass(frozen=True, kw_only=True)
class Confused:
    """A request that contradicts itself or names an address that is not registered: a page, never a redirect."""

    code: str
    because: str
    client_id: str | None


def read(
    parameters: Iterable[tuple[str, str]],
    *,
    find_app: Callable[[str], App | None],
    verify: Callable[[str], dict[str, Any] | None],
) -> SignOut | Confused:
    """What these parameters ask. `verify` gives the claims of a token that we signed, expired or not."""
    values: dict[str, str] = {}
    for name, value in parameters:
        if name in KNOWN and name in values:
            return Confused(code="sign_out_unclear", because=f"{name} is repeated", client_id=None)
        if name in KNOWN and value:
            values[name] = value
    for name, value in values.items():
        if UNREADABLE.search(value) or len(value) > (
            LONGEST_HINT if name == "id_token_hint" else LONGEST_STATE
        ):
            return Confused(code="sign_out_unclear", because=f"{name} cannot be read", client_id=None)
    hint = values.get("id_token_hint", "")
    claims = verify(hint) if hint else None
    client_id, named = values.get("client_id"), _text(claims, "aud")
    if client_id and named and client_id != named:
        return Confused(
            code="sign_out_unclear", because="client_id is not the hint's aud", client_id=client_id
        )
    # A hint that we did not sign makes everything that came with it doubtful: ask the person, and stay here.
    app = find_app(named or client_id or "") if not hint or claims else None
    wanted = values.get("post_logout_redirect_uri")
    if wanted and app is not None and wanted not in app.post_logout_redirect_uris:
        because = "post_logout_redirect_uri is not registered"
        return Confused(code="address_unknown", because=because, client_id=app.client_id)
    back = None
    if wanted and app is not None and not app.disabled:
        back = extended(wanted, {"state": values["state"]}) if "state" in values else wanted
    return SignOut(app=app, sid=_text(claims, "sid"), of=named, back=back, query=urlencode(values))


def end(house: House, session: SignedIn) -> None:
    """End this session, and with it the access tokens that hang on it; refresh tokens live on.

    The one place where signing out at the request of an app happens: telling the other apps begins here.
    """
    with house.database.transaction() as db:
        sessions.end(db, session.sid, "signed_out_by_app", house.clock.now())


def _text(claims: dict[str, Any] | None, name: str) -> str | None:
    value = (claims or {}).get(name)
    return value if isinstance(value, str) and value else None
