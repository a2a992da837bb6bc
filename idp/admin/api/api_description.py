"""What does the REST API say of itself? An OpenAPI 3.1 document, written from the table of operations."""

from __future__ import annotations

import functools
import re
from typing import Any

from idp.admin.api.api_fields import PATH_NAMES, YES_OR_NO, listed, number, text, thing
from idp.admin.api.api_frame import OPERATIONS, ROOT, Operation
from idp.oidc import registration

PROBLEM = thing(
    ("type", "title", "status", "code", "detail", "incident"),
    closed=False,
    type=text(200),
    title=text(200),
    status=number(400, 599),
    code=text(60),
    detail=text(4000),
    incident=text(60),
)
LISTS = {"redirect_uris", "post_logout_redirect_uris", "request_uris", "grant_types", "response_types"}
LISTS |= {"contacts", "default_acr_values"}
YES = {
    "require_signed_request_object",
    "require_pushed_authorization_requests",
    "backchannel_logout_session_required",
    "require_auth_time",
    "claims_in_id_token",
    "open_to_every_pupil",
}
NUMBERS = {"default_max_age": number(0, 365 * 86400), "code_seconds": number(1, 60)}
OBJECTS = {"jwks", "reasons"}


@functools.cache
def fields() -> dict[str, Any]:
    """The fields of a registration, as far as a schema can say what they are."""
    described: dict[str, Any] = {}
    for name in registration.FIELDS:
        if name in LISTS:
            described[name] = listed(text(2000), maxItems=50)
        elif name in YES:
            described[name] = YES_OR_NO
        elif name in NUMBERS:
            described[name] = NUMBERS[name]
        elif name in OBJECTS:
            described[name] = {"type": "object"}
        else:
            described[name] = text(2000)
    return described


def registered(*, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """A registration that is sent."""
    return thing(
        required, **fields(), supplier=text(40), sandbox={"type": "boolean"}, client_secret=text(512)
    )


def described(issuer: str) -> dict[str, Any]:
    """The document."""
    paths: dict[str, dict[str, Any]] = {}
    for line in OPERATIONS:
        paths.setdefault(line.path, {})[line.method.lower()] = _operation(line)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Leersleutel: the operators' API",
            "version": "1",
            "description": "Apps, schools, visibility and the audit trail, by the same functions as the console and "
            "the command line. A token of an operator opens it (idp api-token issue). Changes of apps take If-Match "
            "with the ETag that was read.",
        },
        "servers": [{"url": f"{issuer}{ROOT}"}],
        "security": [{"operator": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"operator": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": PROBLEM},
        },
    }


def _operation(line: Operation) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": PATH_NAMES[name]}
        for name in re.findall(r"\{(\w+)\}", line.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in line.query.items()]
    if line.match:
        schema = {"type": "string", "pattern": r'^(W/)?"[^"\s]*"$'}
        parameters.append({"name": "If-Match", "in": "header", "required": True, "schema": schema})
    answers = {str(status): _described_answer(schema) for status, schema in line.answers.items()}
    scope = f" Takes the scope `{line.scope}`." if line.scope else ""
    said: dict[str, Any] = {
        "operationId": line.name,
        "summary": line.summary,
        "description": f"{line.summary}{scope}",
        "parameters": parameters,
        "responses": answers | {str(status): _PROBLEM for status in _problems(line)},
    }
    if line.body is not None:
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": line.body}}}
    return said


def _problems(line: Operation) -> list[int]:
    found = {400, 401, 403, 429, 503}
    if "{" in line.path:
        found.add(404)
    if line.method != "GET":
        found |= {404, 409, 413, 415, 422}
    if line.match:
        found |= {412, 428}
    return sorted(found)


_PROBLEM = {
    "description": "It was not done, and why.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def _described_answer(schema: Any) -> dict[str, Any]:
    if schema is None:
        return {"description": "Done."}
    kind = "application/yaml" if schema.get("x-yaml") else "application/json"
    plain = {name: value for name, value in schema.items() if name != "x-yaml"}
    return {"description": "Done.", "content": {kind: {"schema": plain}}}
