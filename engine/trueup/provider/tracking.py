"""The registry's failures as a component's: one sentence that names the registry. Used by its components and the gate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trueup.provider.component import ComponentError
from trueup.provider.inputs import unsecret
from trueup.tracking import artifact_root, client, missing, prepare, tracking_uri

__all__ = ["artifact_root", "client", "missing", "prepare", "speaking", "tracking_uri"]


@contextmanager
def speaking(uri: str) -> Iterator[None]:
    """Turns MLflow's failures into one sentence that names the registry."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise ComponentError(f"The model registry {unsecret(uri)} refused: {_first(str(error))}") from error
    except OSError as error:
        what = f"The model registry {unsecret(uri)} does not answer: {_first(str(error))}"
        raise ComponentError(f"{what} Start it, or set `registry.trackingUri` of the Environment.") from error


def _first(text: str) -> str:
    line = text.strip().splitlines()[0] if text.strip() else "no reason was given"
    return line if line.endswith(".") else f"{line}."
