"""Whole things shared out by weights, such as replicas over clusters. Read by placements; pure.

By Webster's method (Sainte-Laguë's): one after the other goes to who has the most weight for what it then would have. Where the shares
come out whole they are exact. The method of the largest remainder, which is the usual one, can give somebody less of more (the Alabama
paradox): an autoscaler's most would then be below its least.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice


def divided(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """As many of `total` for each as its weight says. Of two with the same claim the first comes first."""
    found = dict.fromkeys(weights, 0)
    for name in islice(_order(weights), total):
        found[name] += 1
    return found


def fewest(weights: Mapping[str, int]) -> int:
    """The least total of which each has one."""
    lacking = set(weights)
    for number, name in enumerate(_order(weights), start=1):
        lacking.discard(name)
        if not lacking:
            return number
    return 0


def _order(weights: Mapping[str, int]) -> Iterator[str]:
    """Who gets the first one, the second, and so on without end; all weights are above 0."""
    found = dict.fromkeys(weights, 0)
    while found:
        # The most weight / (2 * share + 1), compared as whole numbers.
        first = next(iter(found))
        for name in found:
            if weights[name] * (2 * found[first] + 1) > weights[first] * (2 * found[name] + 1):
                first = name
        found[first] += 1
        yield first
