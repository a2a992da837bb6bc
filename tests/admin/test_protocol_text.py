"""A protocol text becomes a page without anything that an author could smuggle in, and says what a newer one changed."""

from __future__ import annotations

import pytest

from idp.admin.agreements import protocol_text
from idp.admin.agreements.protocol_text import Kind


def test_headings_stand_one_step_lower_and_tables_are_tables():
    html = protocol_text.page("# Protocol\n\n###### Klein\n\n- a\n- b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n")
    assert "<h2>Protocol</h2>" in html
    assert "<h6>Klein</h6>" in html
    assert "<li>a</li>" in html
    assert "<td>1</td>" in html
    assert "<h1" not in html


@pytest.mark.parametrize(
    "wrong",
    [
        "<script>alert(1)</script>",
        'a <img src=x onerror="alert(1)"> b',
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "<javascript:alert(1)>",
        "![x](https://evil.example/x.png)",
        "&lt;script&gt;",
        "[x]: javascript:alert(1)\n\n[x]",
        '| a |\n|---|\n| <b onclick="x">y</b> |',
    ],
)
def test_XSS_markdown_of_a_protocol_never_becomes_code(wrong):
    html = protocol_text.page(wrong)
    for never in ("<script", "<img", "<b ", 'href="javascript', 'href="data', "<iframe"):
        assert never not in html


def test_links_lead_to_the_web_without_saying_who_comes():
    assert '<a href="https://onderwijs.example" rel="noopener noreferrer nofollow">' in protocol_text.page(
        "[x](https://onderwijs.example)"
    )


def test_what_changed_is_said_word_by_word_and_the_rest_is_left_out():
    old = "# Eén\n\nDit blijft.\n\nWij bewaren een jaar.\n\nDit gaat weg."
    new = "# Eén\r\n\r\nDit  blijft.\n\nWij bewaren zes maanden.\n\nDit komt erbij.\n\nEn dit."
    passages = protocol_text.difference(old, new)
    assert [[(p.kind.value, p.text) for p in passage] for passage in passages] == [
        [("same", "Wij bewaren"), ("gone", "een jaar."), ("new", "zes maanden.")],
        [("same", "Dit"), ("gone", "gaat weg."), ("new", "komt erbij.")],
        [("new", "En dit.")],
    ]


def test_nothing_changed_is_nothing():
    assert protocol_text.difference("a\n\nb", " a \r\n\r\nb\n") == ()
    assert protocol_text.difference("a", "") == ((protocol_text.Piece(kind=Kind.GONE, text="a"),),)
