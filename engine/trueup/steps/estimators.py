"""Estimators and transformers by dotted name: public scikit-learn ones, and what the environment allows. Used by two steps."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

from trueup.steps.context import StepError


def allowed(name: str, extra: Iterable[str]) -> bool:
    """Whether a dotted name may be imported: it is a public name of scikit-learn, or fits one of the allowed ones."""
    parts = name.split(".")
    public = parts[0] == "sklearn" and not any(p.startswith("_") for p in parts)
    return public or any(name == pattern or fnmatchcase(name, pattern) for pattern in extra)


def make(name: str, params: Mapping[str, Any], seed: int, extra: Iterable[str]) -> Any:
    """An instance of the class, seeded where it takes a seed. Raises StepError with what to do."""
    listed = list(extra)
    if not allowed(name, listed):
        raise StepError(
            f"The class {name!r} is not allowed. Pipelines may use public scikit-learn classes; for another one, "
            "its owners add it to `Environment.spec.allowedEstimators`.",
            final=True,
        )
    found = _class(name)
    given = dict(params)
    try:
        accepted = inspect.signature(found).parameters
        if "random_state" in accepted and "random_state" not in given:
            given["random_state"] = seed
        return found(**given)
    except TypeError as error:
        raise StepError(f"{name} refuses its params: {error}.", final=True) from error


def _class(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise StepError(
            f"There is no {name!r} in the pipeline's environment: {error}. Check the name and the lock file.",
            final=True,
        ) from error
    if not inspect.isclass(found) or not hasattr(found, "fit"):
        raise StepError(f"{name!r} is no class with a method `fit`.", final=True)
    return found
