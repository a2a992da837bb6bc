"""How does an answer of /authorize reach the app? In the query of its address, or in a form that posts itself.

Every answer carries `iss` (RFC 9207) and the `state` exactly as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from idp.oidc.next_step import RefuseToApp
from idp.oidc.request import AuthorizationRequest, Refused


@dataclass(frozen=True, kw_only=True)
class ToApp:
    """What the browser takes to the app."""

    uri: str
    """A registered redirect_uri, as it stands."""
    mode: str
    """`query` or `form_post`."""
    fields: Mapping[str, str] = field(repr=False)

    @property
    def location(self) -> str:
        """The address with the fields in its query (RFC 6749 section 4.1.2): an own query of the app stays."""
        return extended(self.uri, self.fields)


def with_code(request: AuthorizationRequest, code: str, issuer: str) -> ToApp:
    return _to_app(request, {"code": code}, issuer)


def with_refusal(request: AuthorizationRequest, refusal: RefuseToApp, issuer: str) -> ToApp:
    """RFC 6749 section 4.1.2.1, OpenID Connect Core 3.1.2.6."""
    fields = {"error": refusal.error, "error_description": refusal.description}
    return _to_app(request, fields, issuer)


def refused(no: Refused, issuer: str) -> ToApp:
    """A request that is not in order, from an app that we know."""
    return _to_app(no, {"error": no.error, "error_description": plain(no.description)}, issuer)


def extended(uri: str, fields: Mapping[str, str]) -> str:
    """An address with more parameters after whatever query it has."""
    glue = "?" if "?" not in uri else "" if uri.endswith(("?", "&")) else "&"
    return f"{uri}{glue}{urlencode(fields)}"


def _to_app(to: AuthorizationRequest | Refused, fields: dict[str, str], issuer: str) -> ToApp:
    state = {"state": to.state} if to.state is not None else {}
    return ToApp(uri=to.redirect_uri, mode=to.response_mode, fields={**fields, **state, "iss": issuer})


def plain(description: str) -> str:
    """The characters that RFC 6749 allows in a description."""
    return "".join(one if " " <= one <= "~" and one not in '"\\' else "?" for one in description)
