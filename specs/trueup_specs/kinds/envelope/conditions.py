"""CEL expressions in specs, judged once for each text. Called by rules; evaluates nothing but a policy's examples."""

from __future__ import annotations

import functools

from trueup_specs.core import expressions


@functools.lru_cache(maxsize=4096)
def compiled(text: str, variables: tuple[str, ...] | None) -> expressions.Expression | str:
    """The compiled expression, or the sentence that says what is wrong with it."""
    try:
        return expressions.compile(text, variables)
    except expressions.ExpressionError as error:
        return str(error)


def problem(text: str, variables: tuple[str, ...]) -> str | None:
    """What is wrong with a condition over `variables`, as a sentence with line and column; None where it is fine."""
    found = compiled(text, variables)
    if isinstance(found, str):
        return found
    if not found.may_be_boolean:
        return f"The condition {text!r} is neither true nor false; its type is {found.type.lower()}."
    return None
