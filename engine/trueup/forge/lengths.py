"""Texts within what a forge's fields take. Used by the clients. Pure."""

from __future__ import annotations


def shortened(text: str, longest: int) -> str:
    """One line of at most `longest` characters; what is cut is shown by an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def shortened_text(text: str, longest: int) -> str:
    """As `shortened`, with its lines."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
