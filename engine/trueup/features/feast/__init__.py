"""Everything that imports Feast. Imported late: by the provider where something changes, by the join and by the look-up.

Feast has typeguard rewrite the sources of its classes as they are imported, to check the types of arguments at run time. That is most
of the seconds that its import takes, and of no use to callers that are type-checked; so it is left out here.
"""

from __future__ import annotations

import importlib
from typing import Any

import typeguard


def _unchecked(target: Any = None, **_options: Any) -> Any:
    """Stands for `typeguard.typechecked`, and changes nothing."""
    return target if target is not None else lambda function: function


def _import_feast() -> None:
    checked = typeguard.typechecked
    typeguard.typechecked = _unchecked
    try:
        importlib.import_module("feast")
    finally:
        typeguard.typechecked = checked


_import_feast()
