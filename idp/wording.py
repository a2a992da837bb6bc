"""In which language is a page written? Templates are compiled once for each, with all that never changes written in.

A sentence (`_("…")`), the address of one of our files (`asset("…")`) and an icon (`icon("…")`) are the same for every
request in one language: looking them up again took half the time of a page. What depends on the request stays a
question: sentences with words to fill in, `nonce()`, `here()`, tokens.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from datetime import date
from typing import Any

from flask.templating import Environment
from flask_babel import get_locale, gettext
from jinja2 import Template, nodes
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from idp import assets

FALLBACK = "nl"
CONSTANT: dict[str, Callable[[str], Any]] = {
    "_": lambda sentence: Markup(gettext(sentence)) % {},  # noqa: S704 - our own catalogues, as Jinja's own `_` does
    "asset": assets.asset,
    "icon": assets.icon,
}
"""Functions of one text that always say the same, in one language."""


def day_pattern(value: date) -> str:
    """How a day and its month are written here, for Babel: the day first, in English too."""
    locale = get_locale()
    language = locale.language if locale else FALLBACK
    if language == "de":
        return "d. MMMM"
    return "d'er' MMMM" if language == "fr" and value.day == 1 else "d MMMM"


class Spoken(Environment):
    """Flask's, with a set of compiled templates for every language."""

    language: str | None = None
    """None: the whole, which compiles nothing itself."""

    def _load_template(self, name: str, globals: MutableMapping[str, Any] | None) -> Template:  # noqa: A002
        if self.language is not None:
            return super()._load_template(name, globals)
        locale = get_locale()
        return self._in(locale.language if locale else FALLBACK)._load_template(name, globals)  # noqa: SLF001 - one of us

    def _in(self, language: str) -> Spoken:
        spoken: dict[str, Spoken] = self.__dict__.setdefault("spoken", {})
        if language not in spoken:
            made = self.overlay()
            made.language = language
            spoken[language] = made
        return spoken[language]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        return tree if self.language is None else _WrittenIn().visit(tree)


class _WrittenIn(NodeTransformer):
    """Puts what such a function says in the place of the call."""

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - Jinja's name
        self.generic_visit(node)
        if not isinstance(node.node, nodes.Name) or node.node.name not in CONSTANT:
            return node
        if len(node.args) != 1 or node.kwargs or node.dyn_args or node.dyn_kwargs:
            return node
        text = node.args[0]
        if not isinstance(text, nodes.Const) or not isinstance(text.value, str):
            return node
        return nodes.Const(CONSTANT[node.node.name](text.value), lineno=node.lineno)
