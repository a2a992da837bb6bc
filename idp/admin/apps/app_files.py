"""How does a registration look as a file that people review? JSON or YAML, in one order, never with a secret.

Reading is careful: a YAML file has no tags, no anchors (a few lines of them can stand for gigabytes), and no name twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import yaml

from idp.errors import Invalid

LARGEST = 8 * 1024 * 1024
MOST = 5_000
"""Registrations in one file."""
DEEPEST = 50
"""Lists and objects in each other; a registration has three."""
TOO_DEEP = "this goes far too deep: a registration has lists in it, and nothing deeper"


def write_yaml(documents: Sequence[Mapping[str, Any]]) -> str:
    """As YAML: one registration after another, long texts whole."""
    return yaml.dump([*map(dict, documents)], Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100)


def write_json(documents: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps([*documents], ensure_ascii=False, indent=2) + "\n"


def read(text: str) -> list[Mapping[str, Any]]:
    """The documents of a file, JSON or YAML: one object, or a list of them. Raises Invalid `file_refused`."""
    if len(text) > LARGEST:
        raise Invalid("file_refused", f"a file has at most {LARGEST} characters")
    found = _parsed(text)
    documents = found if isinstance(found, list) else [found]
    if not documents or not all(isinstance(one, dict) for one in documents):
        raise Invalid("file_refused", "a registration, or a list of registrations, is wanted")
    if len(documents) > MOST:
        raise Invalid("file_refused", f"a file has at most {MOST} registrations")
    return documents


def _parsed(text: str) -> Any:
    if text.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        except RecursionError:
            raise Invalid("file_refused", TOO_DEEP) from None
        except ValueError as mistake:
            raise Invalid("file_refused", f"this is no JSON that we read: {mistake}"[:300]) from None
    try:
        _look_over(text)
        return _plain(yaml.load(text, Loader=_Reader))  # noqa: S506 - a safe loader, made stricter
    except RecursionError:
        raise Invalid("file_refused", TOO_DEEP) from None
    except (yaml.YAMLError, ValueError) as mistake:
        said = " ".join(str(mistake).split())
        raise Invalid("file_refused", f"this is no YAML that we read: {said}"[:300]) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON in which no name is there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"`{twice[:60]}` is there twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no value of JSON")


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML was built with it: a file of 5,000 registrations is read in a second instead of seven."""


def _look_over(text: str) -> None:
    """Before anything is built of it: no tags, no anchors, and nothing so deep that it would take the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.YAMLError("anchors and aliases are not read: write it out")
        if getattr(event, "tag", None):
            line = event.start_mark.line + 1 if event.start_mark else "?"
            raise yaml.YAMLError(f"tags such as !!… are not read (line {line}): write plain values")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise RecursionError


class _Reader(_Loader):  # type: ignore[misc]
    """Plain values only, and no name twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError(f"a name is plain text (line {line})")
            if key.value in seen or key.tag.endswith(":merge"):
                because = "is there twice" if key.value in seen else "is not read: write it out"
                raise yaml.YAMLError(f"`{key.value[:60]}` {because} (line {line})")
            seen.add(key.value)
        return dict(super().construct_mapping(node, deep=deep))


class _Writer(yaml.SafeDumper):
    """The same value twice is written twice; lists stand in under their name."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002
        super().increase_indent(flow, indentless=False)


def _plain(value: Any) -> Any:
    """Days as text: that is how a registration has them."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value
