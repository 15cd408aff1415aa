"""Pieces written into as few bodies as a limit asks for, with everything closed at the end of each. Called by the builders.

What is shortened before anything is divided is the builders' choice (`details.LEVELS`); here lines are only counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from trueup.views.comments.blocks import Frame, Piece
from trueup.views.comments.limits import Limit, Unit, measure

Head = Callable[[int, int], str]
"""(part, parts) → what a body begins with."""
MOST_PARTS = 4
"""More comments than that are read by nobody; the job's summary and `trueup plan` have the rest."""
_WIDE = 99
_CUT = "_A line that is too long for a comment is left out here._"


@dataclass
class _Body:
    """One body that is being written."""

    room: int
    unit: Unit
    lines: list[str] = field(default_factory=list)
    frames: tuple[Frame, ...] = ()
    used: int = 0
    ends: int = 0
    """The size of what closes the frames."""

    def add(self, piece: Piece, seen: set[Frame]) -> bool:
        """Writes a piece with the frames that it needs; False, and nothing written, where there is no room."""
        shared = 0
        for old, new in zip(self.frames, piece.frames, strict=False):
            if old is not new:
                break
            shared += 1
        lines = [line for frame in reversed(self.frames[shared:]) for line in frame.closing]
        if len(piece.frames) > shared or len(self.frames) > shared:
            lines.append("")
        for frame in piece.frames[shared:]:
            lines += frame.again if frame in seen else frame.opening
        lines.append(piece.text)
        size = self._size(lines)
        same = piece.frames is self.frames
        ends = self.ends if same else self._size([line for frame in piece.frames for line in frame.closing])
        if self.used + size + ends > self.room:
            return False
        self.lines += lines
        self.used += size
        if not same:
            self.frames, self.ends = piece.frames, ends
            seen.update(piece.frames)
        return True

    def close(self) -> str:
        """The text, with everything closed."""
        closing = [line for frame in reversed(self.frames) for line in frame.closing]
        return "".join(f"{line}\n" for line in (*self.lines, *closing))

    def _size(self, lines: list[str]) -> int:
        return sum(measure(line, self.unit) + 1 for line in lines)


def whole(head: str, pieces: Iterable[Piece], tail: str, limit: Limit) -> str | None:
    """One body; None, as soon as that is known, where the limit does not hold it."""
    body = _Body(limit.size - measure(head, limit.unit) - measure(tail, limit.unit), limit.unit)
    seen: set[Frame] = set()
    if body.room < 0 or not all(body.add(piece, seen) for piece in pieces):
        return None
    return head + body.close() + tail


def divided(
    head: Head, pieces: Iterable[Piece], tail: str, limit: Limit, rest: Callable[[int], str], most: int = MOST_PARTS
) -> tuple[str, ...]:
    """Bodies that each fit. The first has `tail` at its end; `rest` says, in the last, how many lines found no room in any."""
    reserve = measure(rest(10**9), limit.unit)
    seen: set[Frame] = set()
    bodies: list[_Body] = []

    def begin() -> _Body:
        number = len(bodies) + 1
        taken = measure(head(number, _WIDE), limit.unit) + (measure(tail, limit.unit) if number == 1 else 0)
        bodies.append(_Body(limit.size - taken - reserve, limit.unit))
        return bodies[-1]

    body, left = begin(), 0
    for piece in pieces:
        if left:
            left += 1
        elif not body.add(piece, seen):
            if body.lines and len(bodies) == most:
                left = 1
                continue
            body = begin() if body.lines or (len(bodies) == 1 and most > 1) else body
            if not body.add(piece, seen):
                body.add(Piece((Frame(),), _CUT), seen)
    if len(bodies) > 1 and not bodies[-1].lines:
        bodies.pop()
    texts = [head(n + 1, len(bodies)) + b.close() for n, b in enumerate(bodies)]
    texts[-1] += rest(left) if left else ""
    texts[0] += tail
    return tuple(texts)
