"""How a comment of Trueup is found again: a hidden marker on its first line, in a comment that Trueup's own login wrote.

`edits` says what to do with the comments of a pull request so that they are the wanted bodies. Pure: whoever has the forge does it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from trueup.forge.values import Comment

_LINE = re.compile(r"<!-- trueup:(plan|result) workspace=(\S*)(?: environment=(\S+))? part=(\d{1,3}) -->")


@dataclass(frozen=True, slots=True)
class Marker:
    """What a comment is: the plan of a workspace's pull request, or the result of an environment; in which part."""

    kind: str
    """`plan` or `result`."""
    workspace: str
    environment: str = ""
    part: int = 1

    def __str__(self) -> str:
        where = f" environment={quote(self.environment, safe='')}" if self.environment else ""
        return f"<!-- trueup:{self.kind} workspace={quote(self.workspace, safe='')}{where} part={self.part} -->"


@dataclass(frozen=True, slots=True)
class Create:
    """A comment to be made."""

    body: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A comment that gets another body."""

    id: str
    body: str


@dataclass(frozen=True, slots=True)
class Delete:
    """A comment that is no longer needed."""

    id: str


Change = Create | Edit | Delete


def parse(body: str) -> Marker | None:
    """The marker on the first line of a body; anywhere else it means nothing."""
    found = _LINE.fullmatch(body.partition("\n")[0].rstrip("\r"))
    if found is None:
        return None
    kind, workspace, environment, part = found.groups()
    return Marker(kind, unquote(workspace), unquote(environment or ""), int(part))


def own(comments: Iterable[Comment], me: str, marker: Marker) -> dict[int, list[Comment]]:
    """The comments of one plan or result by part, oldest first. Nobody's but those of the login `me`; none where that is empty."""
    parts: dict[int, list[Comment]] = {}
    for comment in comments:
        found = parse(comment.body) if me and comment.author.casefold() == me.casefold() else None
        if found is not None and replace(found, part=marker.part) == marker:
            parts.setdefault(found.part, []).append(comment)
    return parts


def current(comments: Iterable[Comment], me: str, marker: Marker) -> str:
    """The body of the first part as it stands on the forge; empty where there is none. `earlier.carried` reads it."""
    found = own(comments, me, marker).get(1)
    return found[0].body if found else ""


def edits(comments: Iterable[Comment], me: str, bodies: Sequence[str]) -> tuple[Change, ...]:
    """What to do, in this order, so that the own comments are `bodies`: one for each part, no part twice, none left over.

    What is as it should be is left alone. Deletions come last, so that an error before them loses nothing.
    """
    marker = parse(bodies[0]) if bodies else None
    if marker is None:
        raise ValueError(
            "The first line of a body has no marker: only bodies that this package built can be found again."
        )
    parts = own(comments, me, marker)
    made: list[Change] = []
    spare: list[Change] = []
    for number, body in enumerate(bodies, 1):
        first, *others = parts.pop(number, [None])
        if first is None:
            made.append(Create(body))
        elif _lines(first.body) != _lines(body):
            made.append(Edit(first.id, body))
        spare += [Delete(c.id) for c in others if c is not None]
    spare += [Delete(c.id) for left in parts.values() for c in left]
    return (*made, *spare)


def _lines(body: str) -> list[str]:
    """Forges change line ends, and what follows the last line."""
    return body.rstrip().splitlines()
