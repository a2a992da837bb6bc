"""No test comes true or false by chance."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
RANDOM = 2000
"""How many characters of chance a page, a row or a header may hold: nonces, words of forms, identifiers, digests."""
SEALED = 100_000
"""And how many bytes a file or a row that is sealed."""
BEARABLE = 1e-6
RAW = {"data", "location", "sealed", "stderr", "stdout", "text", "url"}
"""What ends in such a name is a source, not what a person reads."""
MADE = {"dumps", "repr", "str"}
SOURCES = {"as_bytes", "as_string", "content", "get_data", "read_bytes", "read_text", "text", "text_content"}
ADVICE = (
    "a token of chance may hold this: look with read(page).words, .seen or stands() (tests/make_reading.py), at one "
    "field, or for something that chance cannot make"
)


def likely(word: str | bytes, *, folded: bool = False, sealed: bool = False) -> float:
    """How likely a page or a file that does not say this holds it all the same, in a token or in what is sealed."""
    if sealed:
        return float(SEALED * (1 / 128 if folded else 1 / 256) ** len(word))
    word = word.decode("latin-1") if isinstance(word, bytes) else word
    if re.fullmatch(r"[0-9a-f-]*|[0-9A-F-]*", word):
        each = 1 / 16
    elif re.fullmatch(r"[A-Za-z0-9_-]*", word):
        each = 1 / 32 if folded else 1 / 64
    else:
        return 0
    return float(RANDOM * each ** len(word))


class Source:
    """One file of tests, and which of its expressions are sources that may hold tokens."""

    def __init__(self, text: str) -> None:
        self.tree = ast.parse(text)
        self.above = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def guilty(self) -> Iterator[tuple[int, str]]:
        """The looks whose outcome chance may turn: line, and what is looked for."""
        for node in ast.walk(self.tree):
            for word, where in self._looks(node):
                said = ast.unparse(where)
                how = {"folded": "lower()" in said, "sealed": "sealed" in said or "read_bytes" in said}
                for one in self._constants(word):
                    if likely(one, **how) > BEARABLE and self._raw(where, frozenset()):
                        yield where.lineno, repr(one)

    def _looks(self, node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
        """Not in, not any(... in ...), and how often."""
        match node:
            case ast.Compare(left=left, ops=ops, comparators=places):
                for how, word, where in zip(ops, [left, *places], places, strict=False):
                    if isinstance(how, ast.NotIn) or (isinstance(how, ast.In) and self._denied(node)):
                        yield word, where
            case ast.Call(func=ast.Attribute(attr="count", value=where), args=[word]):
                yield word, where

    def _denied(self, node: ast.AST) -> bool:
        while (above := self.above.get(node)) is not None and isinstance(above, ast.expr | ast.comprehension):
            if isinstance(above, ast.UnaryOp) and isinstance(above.op, ast.Not):
                return True
            if isinstance(above, ast.IfExp) and above.test is node:
                return True
            node = above
        return False

    def _constants(self, word: ast.expr) -> Iterator[str | bytes]:
        """What is looked for, also when a loop or the table of a test says it."""
        if isinstance(word, ast.Constant) and isinstance(word.value, str | bytes):
            yield word.value
        elif isinstance(word, ast.Name):
            for several in self._tables(word):
                for one in several:
                    yield from self._constants(one)

    def _tables(self, name: ast.Name) -> Iterator[list[ast.expr]]:
        """The literals that a loop around this name, or a table above its test, goes through."""
        node: ast.AST | None = name
        while (node := self.above.get(node)) is not None:
            loops: list[ast.For | ast.comprehension] = [node] if isinstance(node, ast.For) else []
            if isinstance(node, ast.GeneratorExp | ast.ListComp | ast.SetComp):
                loops += node.generators
            for loop in loops:
                if isinstance(loop.target, ast.Name) and loop.target.id == name.id:
                    yield self._elements(loop.iter)
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and getattr(mark.func, "attr", "") == "parametrize":
                        names, table = mark.args[:2]
                        if getattr(names, "value", None) == name.id:
                            yield self._elements(table)

    def _elements(self, node: ast.expr) -> list[ast.expr]:
        if isinstance(node, ast.Name):
            found = [one for one in self._values(node) if isinstance(one, ast.Tuple | ast.List | ast.Set)]
            return [one for each in found for one in each.elts]
        return list(node.elts) if isinstance(node, ast.Tuple | ast.List | ast.Set) else []

    def _values(self, name: ast.Name) -> list[ast.expr]:
        """What this name was given, in its own function or else in the file."""
        node: ast.AST | None = name
        while (node := self.above.get(node)) is not None:
            if isinstance(node, ast.FunctionDef | ast.Module) and (found := self._given[node].get(name.id)):
                return found
        return []

    @cached_property
    def _given(self) -> dict[ast.AST, dict[str, list[ast.expr]]]:
        found: dict[ast.AST, dict[str, list[ast.expr]]] = {
            node: {} for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.Module)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.NamedExpr) and node.value:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                home: ast.AST = node
                while home not in found:
                    home = self.above[home]
                for target in targets:
                    if isinstance(target, ast.Name):
                        found[home].setdefault(target.id, []).append(node.value)
        return found

    @cached_property
    def _returns(self) -> dict[str, list[ast.expr]]:
        """What each function of this file gives back."""
        return {
            node.name: [
                one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None
            ]
            for node in ast.walk(self.tree)
            if isinstance(node, ast.FunctionDef)
        }

    def _raw(self, node: ast.expr, seen: frozenset[str]) -> bool:
        """Whether this is the source of a page, the text of a row, a header."""

        def any_of(*nodes: ast.expr) -> bool:
            return any(self._raw(one, seen) for one in nodes)

        match node:
            case ast.Name(id=name) if name not in seen:
                return any(self._raw(one, seen | {name}) for one in self._values(node))
            case ast.Attribute(attr=attr):
                return attr in RAW
            case ast.Subscript(value=value, slice=part):
                if isinstance(value, ast.Attribute) and value.attr == "headers":
                    return True
                return isinstance(part, ast.Slice | ast.Constant | ast.UnaryOp) and any_of(value)
            case ast.BinOp(left=left, right=right):
                return any_of(left, right)
            case ast.JoinedStr(values=values):
                return any_of(*(one.value for one in values if isinstance(one, ast.FormattedValue)))
            case ast.GeneratorExp(elt=made) | ast.ListComp(elt=made):
                return any_of(made)
            case ast.Call(func=ast.Name(id=name)) if name in MADE:
                return True
            case ast.Call(func=ast.Name(id=name)) if name in self._returns and name not in seen:
                return any(self._raw(one, seen | {name}) for one in self._returns[name])
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=args):
                if attr in MADE | SOURCES:
                    return True
                if isinstance(value, ast.Attribute) and value.attr == "headers":
                    return True
                return any_of(value, *(args if attr in {"join", "sub"} else ()))
        return False


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.relative_to(TESTS).as_posix()
)
def test_no_outcome_hangs_on_what_a_token_holds(path):
    where = path.relative_to(TESTS).as_posix()
    found = {f"{where}:{line}: {word}" for line, word in Source(path.read_text(encoding="utf-8")).guilty()}
    assert not found, ADVICE


@pytest.mark.parametrize(
    "text",
    [
        'assert "49" not in page.text',
        'assert b"K01A" not in row.sealed',
        'assert "wit" not in found.headers["Location"].lower().partition("zoek=")[0]',
        'assert "3A" not in str(rows)',
        'assert "Ann" not in json.dumps(rows)',
        'assert page.text.count("3A") == 2',
        'assert not any(word in page.text for word in ("Zandbak", "Hal"))',
        'said = f"{answer.headers} {answer.text}"\nassert "2027" not in said',
        'for word in ("Ann", "Zandbak"):\n    assert word not in page.text',
        'def look():\n    return client.get("/").text\n\nassert "Hal" not in look()',
        'def look():\n    page = client.get("/").text\n    gets = page.partition("x")[0]\n    return {1} if "3A" in gets else {}',
        '@pytest.mark.parametrize("word", ["Ann"])\ndef test(word):\n    assert word not in page.text',
    ],
)
def test_the_rule_sees_a_look_that_chance_may_turn(text):
    assert len([*Source(text).guilty()]) == 1


@pytest.mark.parametrize(
    "text",
    [
        'assert "49" not in read(page).words',
        'assert "sub" not in answer.json',
        'assert "Set-Cookie" not in answer.headers',
        'assert "evil" not in page.headers',
        'assert "Logies" not in page.text',
        'assert "3A " not in page.text',
        'assert "Zoë" not in page.text',
        'assert ">3A<" not in page.text',
        'assert "Ann" in page.text',
        "assert secret not in page.text",
        'assert "7a3" not in {row.code for row in rows}',
        'said = read(page)\nassert "Hal" not in said.seen',
    ],
)
def test_and_leaves_what_chance_cannot_turn(text):
    assert [*Source(text).guilty()] == []
