"""Does the document at a sector_identifier_uri name every redirect URI of the app? (OpenID Connect Registration 5)

Whoever registers the app, it is read before anything is stored: else an app could take the sector of another host,
and with it the names by which that one knows its pupils.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idp import errors, fetching
from idp.addresses import NotAnAddress
from idp.apps import App
from idp.config import LOOPBACK
from idp.fetching import NotFetched
from idp.oidc import registration


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong, at which field of the registration."""

    field: str
    problem: errors.Problem


def problem(document: Mapping[str, Any], *, loopback: bool) -> Problem | None:
    """Read the document that a registration names, if it names one. Never call it inside a transaction.

    `loopback`: our issuer is on this machine, so apps on it may be called.
    """
    uri, redirects = document.get("sector_identifier_uri"), document.get("redirect_uris")
    if not isinstance(uri, str) or not isinstance(redirects, list):
        return None
    try:
        answer = fetching.get(uri, loopback=loopback)
        listed = json.loads(answer.body) if answer.status == 200 else None
    except NotFetched as no:
        unread = errors.Problem("document_unread", "cannot be read: {because}", because=no.because)
        return Problem(field="sector_identifier_uri", problem=unread)
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list):
        no_list = errors.Problem("document_no_list", "leads to no JSON list of addresses")
        return Problem(field="sector_identifier_uri", problem=no_list)
    if not all(one in listed for one in redirects):
        missing = errors.Problem("not_in_document", "do not all stand at sector_identifier_uri")
        return Problem(field="redirect_uris", problem=missing)
    return None


def elsewhere(document: Mapping[str, Any], existing: App, *, loopback: bool) -> list[str]:
    """Hosts to which this document takes an app, beside that of its sector and those where it is already.

    Of a sector that is the app's alone nothing can be taken along; with `loopback` (a demo) it may move on this machine,
    and so may a native app of before, whose sector is a place on loopback.
    """
    redirects = document.get("redirect_uris")
    if not isinstance(redirects, list) or existing.sector == existing.client_id:
        return []
    try:
        here = loopback or _is_on_loopback(existing.sector)
        hosts = {
            registration.place(uri) for uri in redirects if not (here and registration.on_this_machine(uri))
        }
    except NotAnAddress:
        return []  # the one door of registrations says so
    known = {registration.place(uri) for uri in existing.redirect_uris} | {existing.sector}
    return sorted(hosts - known)


def _is_on_loopback(sector: str) -> bool:
    host = sector.rpartition(":")[0] or sector
    return host.strip("[]") in LOOPBACK
