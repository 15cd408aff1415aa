"""Words of findings. Called by rules, so that all of them list and suggest names alike."""

from __future__ import annotations

from collections.abc import Iterable

from trueup_specs.core.diagnostics import nearest


def listed(names: Iterable[str], none: str = "none") -> str:
    """Names as words: "`a`, `b`"."""
    return ", ".join(f"`{n}`" for n in sorted(names)) or none


def instead(word: str, known: Iterable[str]) -> str:
    """What to write instead of an unknown word."""
    names = list(known)
    near = nearest(word, names)
    return f"Did you mean `{near}`?" if near else f"Known are: {listed(names)}."
