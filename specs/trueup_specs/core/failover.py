"""On which of several clusters something stands that stands on one, and moves when that is away. Read by placements; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

Failback = Literal["automatic", "manual"]


class Member(Protocol):
    """A cluster, as far as this needs it."""

    @property
    def name(self) -> str: ...
    @property
    def drain(self) -> bool: ...


M = TypeVar("M", bound=Member)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of clusters when something is placed, by their names."""

    away: frozenset[str] = frozenset()
    """They do not answer."""
    standing: frozenset[str] = frozenset()
    """It stands on them, as far as is recorded."""


NOTHING_KNOWN = Known()


def standing(order: Sequence[str], failback: Failback, members: Iterable[M], known: Known) -> list[M]:
    """The cluster that it is to stand on, and those that are away and that it stands on too: what is there cannot be taken away now, and
    is once they are back.

    It is the first of the order that takes anything and answers; with `failback: manual` the last of them that it stands on already. Where
    none answers, it is the first.
    """
    by_name = {m.name: m for m in members if not m.drain}
    taking = [by_name[name] for name in order if name in by_name]
    if not taking:
        return []
    there = [m for m in taking if m.name not in known.away] or taking[:1]
    stayed = [m for m in there if m.name in known.standing] if failback == "manual" else []
    chosen = (stayed[-1:] or there[:1])[0]
    left = [m for m in taking if m.name in known.away and m.name in known.standing]
    return [m for m in taking if m is chosen or m in left]
