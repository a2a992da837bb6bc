"""What does the rostering service say of itself? An OpenAPI 3.1 document with the operations of OneRoster that are here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from idp.rosters import asking, shapes
from idp.rosters.answering import INSIDE, KINDS, MADE, word

_TEXT = {"type": "string"}
_MOMENT = {"type": "string", "format": "date-time"}
_REF = {
    "type": "object",
    "required": ["href", "sourcedId", "type"],
    "properties": {"href": {"type": "string", "format": "uri"}, "sourcedId": _TEXT, "type": _TEXT},
}
_REFS = {"type": "array", "items": {"$ref": "#/components/schemas/GUIDRef"}}
_TYPES: dict[str, Any] = {
    "dateLastModified": _MOMENT,
    "status": {"enum": [asking.ACTIVE, asking.GONE]},
    "enabledUser": {"type": "boolean"},
    "roles": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "roleType": {"enum": ["primary", "secondary"]},
                "role": {"const": "student"},
                "org": {"$ref": "#/components/schemas/GUIDRef"},
            },
        },
    },
    "userIds": {
        "type": "array",
        "items": {"type": "object", "properties": {"type": _TEXT, "identifier": _TEXT}},
    },
    "grades": {"type": "array", "items": _TEXT},
    "terms": _REFS,
    "children": _REFS,
    "metadata": {"type": "object"},
} | {
    name: {"$ref": "#/components/schemas/GUIDRef"}
    for name in ("org", "school", "course", "user", "class", "parent", "primaryOrg")
}
_PARAMETERS: dict[str, Any] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": asking.MOST, "default": asking.USUAL},
    "offset": {"type": "integer", "minimum": 0, "maximum": asking.DEEPEST, "default": 0},
    "sort": {"enum": [*asking.FILTERED], "default": asking.NAME},
    "orderBy": {"enum": ["asc", "desc"], "default": "asc"},
    "filter": {
        "type": "string",
        "description": "status='active', dateLastModified>'2026-11-23T00:00:00Z', sourcedId='…'",
    },
    "fields": {"type": "string", "description": "names with a comma between them"},
    "after": {"type": "string", "description": "from the Link of a page; never made up"},
}
_REFUSALS = {"400", "401", "403", "404", "429", "503"}


def described(issuer: str) -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Leersleutel: OneRoster 1.2 rostering for apps",
            "version": "1.2",
            "description": "Read only, for pupils for whom a school made the app visible. A field whose claim is not "
            "released is absent. `sourcedId` of a user is the `sub` that the app sees at sign-in.",
        },
        "servers": [{"url": issuer + shapes.BASE}],
        "security": [{"app": [shapes.SCOPE]}],
        "paths": {path: {"get": operation} for path, operation in _paths()},
        "components": {
            "securitySchemes": {
                "app": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "tokenUrl": f"{issuer}/token",
                            "scopes": {shapes.SCOPE: "Lists of pupils and classes."},
                        }
                    },
                }
            },
            "responses": {
                "Failure": {
                    "description": "Not this, and why.",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}},
                }
            },
            "schemas": _schemas(),
        },
    }


def _paths() -> Iterator[tuple[str, dict[str, Any]]]:
    for collection in (*KINDS, *MADE):
        yield f"/{collection}", _operation(collection, (), alone=False)
        yield f"/{collection}/{{sourcedId}}", _operation(collection, ("sourcedId",), alone=True)
    for around, names in INSIDE.items():
        for collection in sorted(names):
            yield (
                f"/{around}/{{sourcedId}}/{collection}",
                _operation(collection, ("sourcedId",), alone=False, within=around),
            )
    for collection in sorted(INSIDE["classes"]):
        yield (
            f"/schools/{{schoolSourcedId}}/classes/{{sourcedId}}/{collection}",
            _operation(collection, ("schoolSourcedId", "sourcedId"), alone=False, within="classesOfSchool"),
        )


def _operation(collection: str, names: tuple[str, ...], *, alone: bool, within: str = "") -> dict[str, Any]:
    around = word(collection)
    single = shapes.ALONE[around]
    schema = {"$ref": f"#/components/schemas/{single}"}
    inner = {single: schema} if alone else {around: {"type": "array", "items": schema}}
    body = {"type": "object", "required": [*inner], "properties": inner}
    asked = {"fields": _PARAMETERS["fields"]} if alone else _PARAMETERS
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "maxLength": 64}}
        for name in names
    ]
    parameters += [{"name": name, "in": "query", "schema": said} for name, said in asked.items()]
    inside = f"Of{within[0].upper()}{within[1:]}" if within else ""
    answer: dict[str, Any] = {"description": "Now.", "content": {"application/json": {"schema": body}}}
    if not alone:
        answer["headers"] = {"X-Total-Count": {"schema": {"type": "integer"}}, "Link": {"schema": _TEXT}}
    return {
        "operationId": f"{'getOne' if alone else 'getAll'}{collection[0].upper()}{collection[1:]}{inside}",
        "parameters": parameters,
        "responses": {"200": answer, "304": {"description": "As the ETag that was sent."}}
        | {status: {"$ref": "#/components/responses/Failure"} for status in sorted(_REFUSALS)},
    }


def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = {"GUIDRef": _REF, "Failure": _FAILURE}
    for around, fields in shapes.FIELDS.items():
        found[shapes.ALONE[around]] = {
            "type": "object",
            "properties": {name: _type(around, name) for name in fields},
            "additionalProperties": False,
        }
    return found


def _type(around: str, name: str) -> Any:
    """`schoolYear` is a number in words for a session, and the session itself for a course."""
    if (around, name) == ("courses", "schoolYear"):
        return {"$ref": "#/components/schemas/GUIDRef"}
    return _TYPES.get(name, _TEXT)


_FAILURE = {
    "type": "object",
    "required": ["imsx_codeMajor", "imsx_severity", "imsx_description", "imsx_CodeMinor"],
    "properties": {
        "imsx_codeMajor": {"const": "failure"},
        "imsx_severity": {"const": "error"},
        "imsx_description": _TEXT,
        "imsx_CodeMinor": {"type": "object"},
        "reason": {"type": "string", "description": "The gate that is closed for the whole list."},
        "incident": _TEXT,
    },
}
