"""Markdown as blocks, and blocks as pieces that may be divided between comments. Built by the sections, put together by `fitting`.

A piece is one line (a row, an item, a line of a fence) with the frames that it stands in. Whoever writes pieces opens and closes the
frames, so that a fold, table or fence is whole in every comment, wherever the text is divided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trueup.views.comments.escaping import ticks_for


@dataclass(frozen=True, eq=False)
class Frame:
    """What opens before pieces and closes after them. Each is itself: two equal tables are still two."""

    opening: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    """What opens it in the next comment."""


@dataclass(frozen=True)
class Piece:
    """One line and where it stands."""

    frames: tuple[Frame, ...]
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A line of prose."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list; each item is one line without its dash."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table; every cell is escaped already."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Fence:
    """A block of code; every line is escaped already and begins with a sign of our own."""

    language: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """A fold; `title` is HTML, since no Markdown is read there."""

    title: str
    blocks: tuple[Block, ...]
    open: bool = False


Block = Paragraph | Items | Table | Fence | Fold


def pieces(blocks: Iterable[Block], frames: tuple[Frame, ...] = ()) -> Iterator[Piece]:
    """The lines of blocks, with their frames. Blocks without a line give nothing: no fold or table is ever empty."""
    for block in blocks:
        match block:
            case Paragraph(text):
                yield Piece((*frames, Frame()), text)
            case Items(lines):
                yield from _framed(frames, Frame(), (f"- {line}" for line in lines))
            case Table(head, rows):
                top = (_row(head), f"|{'---|' * len(head)}")
                yield from _framed(frames, Frame(top, (), top), map(_row, rows))
            case Fence(language, lines):
                ticks = ticks_for(lines)
                frame = Frame((f"{ticks}{language}",), (ticks,), (f"{ticks}{language}",))
                yield from _framed(frames, frame, lines)
            case Fold(title, inner, open):
                yield from pieces(inner, (*frames, _fold(title, open)))


def _framed(frames: tuple[Frame, ...], frame: Frame, lines: Iterable[str]) -> Iterator[Piece]:
    inside = (*frames, frame)
    for line in lines:
        yield Piece(inside, line)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _fold(title: str, open: bool) -> Frame:
    tag = "<details open>" if open else "<details>"
    return Frame(
        (f"{tag}<summary>{title}</summary>", ""),
        ("", "</details>"),
        (f"<details open><summary>{title} (continued)</summary>", ""),
    )
