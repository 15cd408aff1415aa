"""Text of specs and people made inert for Markdown. Called by everything in this package that shows a text that it did not write.

What is shown may come from a fork: it must not ping anyone, refer to or close issues, load images, link, forge a marker, leave its
code span, fence, cell or fold, or hide or reorder text. So there is no list of bad characters. `prose` keeps plain words and puts
everything else into code spans, where forges look for none of that; control and invisible characters are shown as escapes.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator

WIDEST = 160

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
"""What shows nothing although its category is that of a letter, mark or symbol (Default_Ignorable_Code_Point, the blank of Braille)."""
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RUNS = re.compile("`+")
_LTR = "\u200e"

_WORD = r"[^\W\d_]+(?:['’-][^\W\d_]+)*"
_NUMBER = r"\d{1,6}(?:[.,]\d{1,6})*%?"
_PLAIN = re.compile(rf"[(“‘\"']*(?:{_WORD}|{_NUMBER})[)”’\"']*[.,;:!?…]*[)”’\"']*|[—–→…·(]")
_CLOSING = re.compile(r"[.,;:?)”’\"'…]+")
_TICKED = re.compile(r"`([^`]*[^`\s][^`]*)`")
_REFERENCE = re.compile(r"([@#!$%&~^](?=\w)|\bGH-(?=\d)|:(?=//))", re.IGNORECASE)
_ENDED = re.compile(r"(.*[^.,;:?…])([.,;:?…]+)")
_BLANKS = re.compile(r"( *)([^ ]+)")
_COMMIT = re.compile(r"[0-9a-f]{7,}", re.IGNORECASE)
_LISTED = re.compile(r"\d+[.)]")


def visible(text: str) -> str:
    """The text on one line, with what cannot be seen (controls, bidirectional overrides, zero widths) as escapes like `\\u202e`."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if _shown(c) else _escape(c) for c in text)
    return text.replace("<!--", r"\x3c!--")


def _shown(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    category = unicodedata.category(character)
    return category not in _CATEGORIES and category != "Zs" and not _INVISIBLE.match(character)


def _escape(character: str) -> str:
    if character in "\t\r\n":
        return " "
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def steady(text: str) -> str:
    """A value that cannot reorder what stands beside it: right-to-left letters end between marks for left to right.

    Without them, `old → new` of two Arabic values reads as `new → old`.
    """
    rtl = not text.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in text)
    return f"{_LTR}{text}{_LTR}" if rtl else text


def cut(text: str, width: int) -> str:
    """At most `width` characters, with an ellipsis where something is missing."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def code(text: str, width: int = WIDEST) -> str:
    """A code span that holds any text, on one line. In a cell of a table use `cell`."""
    inner = steady(cut(visible(text).strip(), width)) or "(empty)"
    if "`" not in inner:
        return f"`{inner}`"
    ticks = "`" * (max(len(r) for r in _RUNS.findall(inner)) + 1)
    return f"{ticks} {inner} {ticks}"


def html_code(text: str, width: int = WIDEST) -> str:
    """`<code>` for the summary of a fold and for cells, where Markdown's own code spans do not hold."""
    inner = steady(cut(visible(text).strip(), width)) or "(empty)"
    return f"<code>{''.join(_entity(c) for c in inner)}</code>"


def _entity(character: str) -> str:
    if character.isalnum() or character in " -./…" or not character.isascii():
        return character
    return f"&#{ord(character)};"


def cell(text: str, width: int = WIDEST) -> str:
    """A code span for a cell of a table: a pipe ends a cell even in a code span, and a backslash does not help everywhere."""
    return html_code(text, width) if "|" in text or "\\" in visible(text) else code(text, width)


def prose(text: str, width: int = 400, *, in_cell: bool = False) -> str:
    """A sentence: plain words as they are, everything else as code. It must not begin a line.

    What stands between backticks is code in the text already; its ticks are not shown twice.
    """
    as_code = cell if in_cell else code
    shown, after_code = "", False
    for text_, is_code, spaced in _spans(cut(visible(text), width)):
        glued = not spaced and not (is_code and after_code)
        shown += ("" if glued or not shown else " ") + (as_code(text_, width) if is_code else text_)
        after_code = is_code
    return shown


def _spans(text: str) -> list[tuple[str, bool, bool]]:
    """(text, whether it is shown as code, whether a blank stands before it); words that need code and stand side by side are one."""
    found: list[tuple[str, bool, bool]] = []
    merging = False
    for word, quoted, spaced in _words(text):
        after_code = bool(found) and found[-1][1]
        if not quoted and _harmless(word, first=not found, glued=after_code and not spaced):
            found.append((word, False, spaced))
            merging = False
        elif merging and not quoted and spaced:
            found[-1] = (f"{found[-1][0]} {word}", True, found[-1][2])
        else:
            found.append((word, True, spaced))
            merging = not quoted
    return found


def _words(text: str) -> Iterator[tuple[str, bool, bool]]:
    """(text, whether it stood between backticks, whether a blank stands before it); the mark that ends a word is apart from its code."""
    spaced = True
    for number, part in enumerate(_TICKED.split(text)):
        if number % 2:
            yield part, True, spaced
            spaced = False
            continue
        for found in _BLANKS.finditer(part):
            word, end = found[2], ""
            if not _PLAIN.fullmatch(word) and not _CLOSING.fullmatch(word) and (ended := _ENDED.fullmatch(word)):
                word, end = ended[1], ended[2]
            yield word, False, spaced or bool(found[1])
            spaced = False
            if end:
                yield end, False, False
        spaced = spaced or part.endswith(" ")


def _harmless(word: str, *, first: bool, glued: bool) -> bool:
    if glued and _CLOSING.fullmatch(word):
        return True
    if not _PLAIN.fullmatch(word) or _COMMIT.search(word):
        return False
    return not (first and _LISTED.fullmatch(word))


def unlinked(text: str) -> str:
    """Text for what forges may turn into a commit message, where `fixes #1` counts even between backticks: a blank parts sign and name.

    The body of a pull request is one, where a project squashes with it.
    """
    return _REFERENCE.sub(r"\1 ", text)


def plain(text: str, width: int = WIDEST) -> str:
    """Text for where no Markdown is read: statuses, annotations, titles."""
    return cut(" ".join(visible(text).split()), width)


def line_of_fence(text: str, width: int = 400) -> str:
    """A line for a fence. It must stand behind a sign of our own, so that no bot reads a command at its beginning."""
    return cut(visible(text), width)


def ticks_for(lines: list[str] | tuple[str, ...]) -> str:
    """A fence that no line of its content can close."""
    longest = max((len(r) for line in lines for r in _RUNS.findall(line)), default=0)
    return "`" * max(3, longest + 1)


def mermaid(text: str, width: int = 60) -> str:
    """Text for a quoted label of Mermaid, where `#35;` stands for a character."""
    inner = cut(visible(text), width)
    return "".join(c if (c.isalnum() and c.isascii()) or c in " -_./" else f"#{ord(c)};" for c in inner)


def quoted_html(text: str) -> str:
    """Own words for the summary of a fold."""
    return html.escape(text, quote=False)
