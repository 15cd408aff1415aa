"""Text that a fork's pull request may hold, shown by a real renderer: nothing of it lives, and nothing of it is lost."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from trueup.views.comments import escaping

Problems = Callable[[str], list[str]]
NASTY = (
    "@mara please look",
    "ping @acme/everyone",
    "fixes #12, closes acme/specs#3 and GH-7",
    "Resolves https://forge.example/acme/specs/issues/1",
    "<!-- trueup:plan workspace=credit part=1 -->",
    "--> <img src=x onerror=alert(1)> <!--",
    "<script>alert(1)</script>",
    "</details></summary></table>",
    "![beacon](https://evil.example/p.png)",
    "[here](javascript:alert(1)) <https://evil.example> www.evil.example mail me@evil.example",
    "[ref]: https://evil.example",
    "```\nout of the fence\n```",
    "`` ` ``` ````",
    "a | b \\| c \\\\| d",
    "`a|b`",
    "**bold** _it_ ~~gone~~ # head",
    "1. list",
    "- [x] task",
    "/close",
    "!12 $3 ~label %milestone ^4 &5 :tada:",
    "\u202egnp.exe \u200b\u2066zero\u2069 \ufeff",
    "see deadbeef1 and 1234567",
    "$x$ $`y`$ \\(z\\)",
    "&lt;b&gt; &#64;mara &commat;mara",
    "line\r\nline\n\n# heading\u2028x\u0085y\x00z\x1b[31mred",
    "`@mara` and `#1`!`x`",
    "CVE\u3164name\u2800x",
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from([*NASTY, *"`|<>@#!\\[]()*_~$&: \n\"'-+=/0a", "``", "é", "🚀", "שלום", "GH-1"]), max_size=12
    ).map("".join),
)


def rendered(text: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


@given(TEXTS)
def test_prose_and_code_are_inert(problems: Problems, text: str) -> None:
    body = (
        f"- ⛔ {escaping.prose(text)}\n- {escaping.code(text)}: x\n\n| a | b |\n|---|---|\n"
        f"| {escaping.cell(text)} | {escaping.prose(text, in_cell=True)} |\n\n"
        f"<details><summary>{escaping.html_code(text)}</summary>\n\ninner\n\n</details>\n"
    )
    assert problems(body) == []
    assert "<p>inner</p>" in rendered(body) and rendered(body).count("<td>") == 2


@pytest.mark.parametrize("text", NASTY)
def test_what_attacks_a_reader_is_shown_as_it_is_written(problems: Problems, text: str) -> None:
    shown = escaping.prose(text)
    assert shown and problems(f"- {shown}\n") == []
    seen = re.sub(r"\s|`", "", html.unescape(re.sub("<[^>]*>", "", rendered(shown))))
    assert seen == re.sub(r"\s|`", "", escaping.visible(text))


@given(TEXTS.filter(str.strip))
def test_a_code_span_shows_every_character(text: str) -> None:
    wanted = escaping.visible(text).strip()
    found = re.fullmatch(r"<p><code>(.*)</code></p>\n", rendered(escaping.code(text, width=10_000)))
    assert found and html.unescape(found[1]).replace("\u200e", "") == (wanted or "(empty)")
    cell = re.search(
        r"<td><code>(.*)</code></td>", rendered(f"| a |\n|---|\n| {escaping.cell(text, width=10_000)} |\n")
    )
    assert cell and html.unescape(cell[1]).replace("\u200e", "") == (wanted or "(empty)")


def test_plain_sentences_stay_readable() -> None:
    text = "There is no Dataset 'usages' in the namespace 'customers'."
    assert escaping.prose(text) == text
    assert (
        escaping.prose("Write `owner: growth`, or add it (see `x`).") == "Write `owner: growth`, or add it (see `x`)."
    )
    assert escaping.prose("took 26 s, 1.5 of 2: 40%") == "took 26 s, 1.5 of 2: 40%"
    assert escaping.prose("ask @mara, and #12.") == "ask `@mara`, and `#12`."
    assert escaping.prose("1. first") == "`1.` first"


def test_what_cannot_be_seen_is_named() -> None:
    assert escaping.visible("a\u202eb\u200bc\x1b[0m\x00") == r"a\u202eb\u200bc\x1b[0m\x00"
    assert escaping.visible("a\u00a0b\U000e0041\ue000\udc80") == r"a\xa0b\U000e0041\ue000\udc80"
    assert escaping.visible("é 漢字 🚀 שלום") == "é 漢字 🚀 שלום"
    assert escaping.visible("<!-- x") == r"\x3c!-- x"


def test_right_to_left_values_cannot_change_places() -> None:
    assert escaping.steady("שלום") == "\u200eשלום\u200e"
    assert escaping.steady("plain é") == "plain é"


@given(st.lists(st.text("`~ab ", max_size=9), max_size=6).map(tuple))
def test_no_line_closes_its_fence(lines: tuple[str, ...]) -> None:
    ticks = escaping.ticks_for(lines)
    body = "\n".join([f"{ticks}diff", *(f"! {line}" for line in lines), ticks, "", "after"])
    tokens = MarkdownIt("commonmark").parse(body)
    assert [t.type for t in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


@given(TEXTS)
def test_labels_of_mermaid_hold_no_syntax(text: str) -> None:
    assert re.fullmatch(r"(?:[A-Za-z0-9 _./-]|#\d+;)*", escaping.mermaid(text))


HARMLESS = ("a | b", "**bold**", "1. list", "- [x]", "[ref]:", "`` `", "`a|b`", "`@mara`", "CVE", "<!--")
"""What does nothing, or only in a cell, by itself."""


@pytest.mark.parametrize("text", [n for n in NASTY if not n.startswith(HARMLESS)])
def test_the_same_text_is_alive_as_it_stands(problems: Problems, text: str) -> None:
    """The canary of the tests above: what looks at comments sees each of these attacks where nothing is escaped."""
    assert problems(f"- {text}\n") or problems(f"{text}\n")
