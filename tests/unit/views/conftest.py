"""What comments must hold whatever stands in the specs: rendered by a real Markdown renderer, then looked at as a forge would."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

OURS = {
    *("h2", "h3", "p", "ul", "li", "strong", "b", "em", "code", "pre", "sub", "br", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {("details", "open"), ("code", "class")}
ALIVE = re.compile(
    r"@\w|(?<!&)#\w|\bGH-\d|[!$~%^]\w|\w+/\w+#|https?:/|www\.|\w@\w|\b(?=[0-9a-f]*\d)[0-9a-f]{7,40}\b|:[a-z]+:|\]\(|<|&\w+;",
    re.IGNORECASE,
)
"""What a forge makes a ping, reference, link, label or picture of, where it is no code."""


class _Page(HTMLParser):
    """What a page holds: wrong tags, those left open, live text, comments."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.hidden: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in OURS or any((tag, name) not in ATTRIBUTES for name, _ in attributes):
            self.wrong.append(f"<{tag} {attributes}>")
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing, or something else")

    def handle_data(self, data: str) -> None:
        if not {"code", "pre"} & set(self.open) and (found := ALIVE.search(data) or re.search(r"\|", data)):
            self.wrong.append(f"live text {found[0]!r} in {data!r}")

    def handle_comment(self, data: str) -> None:
        self.hidden.append(data.strip())

    def handle_decl(self, decl: str) -> None:
        self.wrong.append(f"<!{decl}>")

    def unknown_decl(self, data: str) -> None:
        self.wrong.append(f"<![{data}]>")

    def handle_pi(self, data: str) -> None:
        self.wrong.append(f"<?{data}>")


def _problems(body: str) -> list[str]:
    """Everything that is wrong with a body; empty for a good one."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")
    lines = body.split("\n")
    page = _Page()
    page.feed(reader.render(body))
    page.close()
    wrong = page.wrong + [f"<{tag}> is never closed" for tag in page.open]
    for token in reader.parse(body):
        if token.type == "fence" and token.map and lines[token.map[1] - 1].strip() != token.markup:
            wrong.append(f"the fence at line {token.map[0]} is never closed")
    wrong += [f"a bot reads {line!r}" for line in lines if line.startswith(("/", "@"))]
    wrong += [
        f"not one line: {line!r}" for line in lines if re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", line)
    ]
    wrong += [f"cells of {row!r}" for row in _uneven(lines)]
    if hidden := re.findall("[\u200b-\u200d\u202a-\u202e\u2060-\u206f\ufeff]", body):
        wrong.append(f"hidden characters {hidden!r}")
    kinds = [h.split(" ")[0] for h in page.hidden]
    if body.count("<!--") != len(kinds) or [
        k for k in kinds if k not in ("trueup:plan", "trueup:result", "trueup:data")
    ]:
        wrong.append(f"comments {kinds}, and {body.count('<!--')} in the source")
    return wrong


def _uneven(lines: list[str]) -> list[str]:
    """Rows with more or fewer cells than their table's head."""
    found, wide = [], 0
    for before, line in zip(["", *lines], lines, strict=False):
        if not line.startswith("| "):
            continue
        wide = wide if before.startswith("|") else line.count("|")
        if line.count("|") != wide:
            found.append(line)
    return found


@pytest.fixture(scope="session")
def problems() -> Callable[[str], list[str]]:
    """What is wrong with a body that a forge is to show."""
    return _problems
