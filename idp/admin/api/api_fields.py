"""Is what came as the description says? The few words of JSON Schema that the REST API uses, and nothing more.

Pure. What only the registry knows (may an app have this address?) is not for here.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from werkzeug.datastructures import MultiDict

from idp.clock import FIRST_DAY, LAST_DAY, countable


class NotAsDescribed(ValueError):
    """One sentence: where, and what was expected."""


def text(most: int = 200, *, least: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": least, "maxLength": most} | more


def number(least: int, most: int, **more: Any) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most} | more


def thing(required: tuple[str, ...] = (), *, closed: bool = True, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [*required],
        "additionalProperties": not closed,
    }


def listed(items: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items} | more


DAY = {"type": "string", "format": "date"}
MOMENT = {"type": "string", "format": "date-time"}
UUID = {"type": "string", "format": "uuid"}
YES_OR_NO = {"type": "boolean"}


PATH_NAMES: Mapping[str, Any] = {
    "client_id": text(100, least=1, pattern="^[A-Za-z0-9._~-]+$"),
    "secret_id": UUID,
    "request_id": UUID,
    "rule_id": UUID,
    "delivery": UUID,
    "trouble": text(12, least=12, pattern="^[0-9a-f]{12}$"),
    "supplier_id": text(40, least=1, pattern="^[a-z0-9][a-z0-9-]*$"),
    "instellingsnummer": text(6, least=6, pattern="^[0-9]{6}$"),
}
"""What stands in a path; anything else is nowhere."""


def nothing_or(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [dict(schema), {"type": "null"}]}


def read_query(described: Mapping[str, Mapping[str, Any]], given: MultiDict[str, str]) -> dict[str, Any]:
    """Words of the address, as values. Raises NotAsDescribed, also for a word that is unknown or there twice."""
    read: dict[str, Any] = {}
    for name, values in given.lists():
        if name not in described:
            raise NotAsDescribed(f"there is no parameter {name[:40]!r}")
        if len(values) > 1:
            raise NotAsDescribed(f"{name} is there twice")
        read[name] = _from_text(name, values[0], described[name])
    return {name: schema.get("default") for name, schema in described.items()} | read


def read_body(described: Mapping[str, Any], given: Any) -> Any:
    """The body as it is, if it is as described. Raises NotAsDescribed."""
    check("body", given, described)
    return given


def check(where: str, value: Any, schema: Mapping[str, Any]) -> None:
    """Raises NotAsDescribed."""
    if "anyOf" in schema:
        _check_any(where, value, schema["anyOf"])
        return
    kind = schema.get("type")
    if kind is not None and not _is(value, kind):
        raise NotAsDescribed(f"{where} must be of type {kind}")
    if "enum" in schema and value not in schema["enum"]:
        raise NotAsDescribed(f"{where} must be one of: {', '.join(map(str, schema['enum']))}")
    _BY_TYPE.get(str(kind), _fine)(where, value, schema)


def _fine(where: str, value: Any, schema: Mapping[str, Any]) -> None:
    """Nothing more to say about it."""


def _check_number(where: str, value: int, schema: Mapping[str, Any]) -> None:
    least, most = schema.get("minimum", value), schema.get("maximum", value)
    if not least <= value <= most:
        raise NotAsDescribed(f"{where} must be from {least} to {most}")


def _check_list(where: str, value: list[Any], schema: Mapping[str, Any]) -> None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        raise NotAsDescribed(f"{where} has too many or too few items")
    for place, one in enumerate(value):
        check(f"{where}[{place}]", one, schema.get("items", {}))


def _check_any(where: str, value: Any, schemas: list[Mapping[str, Any]]) -> None:
    mistakes = []
    for one in schemas:
        try:
            check(where, value, one)
        except NotAsDescribed as mistake:
            mistakes.append(mistake)
        else:
            return
    raise mistakes[0]


def _check_text(where: str, value: str, schema: Mapping[str, Any]) -> None:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        raise NotAsDescribed(
            f"{where} must have {schema.get('minLength', 0)} to {schema.get('maxLength')} characters"
        )
    if "pattern" in schema and not re.search(schema["pattern"], value):
        raise NotAsDescribed(f"{where} must match {schema['pattern']}")
    reader = _FORMATS.get(schema.get("format", ""))
    if reader is not None:
        try:
            reader(value)
        except ValueError:
            raise NotAsDescribed(
                f"{where} must be a {schema['format']}{_WHICH.get(schema['format'], '')}"
            ) from None
    if any("\ud800" <= sign <= "\udfff" or sign == "\x00" for sign in value):
        raise NotAsDescribed(f"{where} has a character that cannot be kept")


def _check_object(where: str, value: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing:
        raise NotAsDescribed(f"{where} lacks {', '.join(missing)}")
    known = schema.get("properties", {})
    for name, one in value.items():
        if name in known:
            check(f"{where}.{name}", one, known[name])
        elif schema.get("additionalProperties", True) is False:
            raise NotAsDescribed(f"{where} has no field {name[:40]!r}")


_BY_TYPE: Mapping[str, Any] = {
    "string": _check_text,
    "integer": _check_number,
    "array": _check_list,
    "object": _check_object,
}
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def _is(value: Any, kind: str) -> bool:
    if kind == "integer" and isinstance(value, bool):
        return False
    return isinstance(value, _TYPES[kind])


def _moment(value: str) -> datetime:
    read = datetime.fromisoformat(value)
    if read.tzinfo is None or "T" not in value.upper():
        raise ValueError(value)
    if countable(read.date()) is None:
        raise ValueError(value)
    return read


def _day(value: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError(value)
    read = date.fromisoformat(value)
    if countable(read) is None:
        raise ValueError(value)
    return read


_YEARS = f" of {FIRST_DAY.year} to {LAST_DAY.year}"
_WHICH: Mapping[str, str] = {"date": _YEARS, "date-time": _YEARS}
_FORMATS: Mapping[str, Any] = {"date": _day, "date-time": _moment, "uuid": uuid.UUID}


def _from_text(name: str, value: str, schema: Mapping[str, Any]) -> Any:
    """A word of the address as its type; moments and days become what they say."""
    kind = schema.get("type")
    read: Any = value
    if kind == "integer":
        if not re.fullmatch(r"-?[0-9]{1,9}", value):
            raise NotAsDescribed(f"{name} must be a whole number")
        read = int(value)
    elif kind == "boolean":
        if value not in {"true", "false"}:
            raise NotAsDescribed(f"{name} must be true or false")
        read = value == "true"
    check(name, read, schema)
    reader = {"date": _day, "date-time": _moment}.get(schema.get("format", ""))
    return reader(value) if reader else read
