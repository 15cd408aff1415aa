"""Registered versions as something that predicts. Used only in the process that judges: loading one runs what is pickled in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trueup.gates.statistics import Predictions


@dataclass(frozen=True)
class Loaded:
    """A registered version: the model, its input columns (None where it has no signature), and its classes."""

    name: str
    version: int
    model: Any
    columns: tuple[str, ...] | None
    classes: tuple[Any, ...]

    def predict(self, rows: Any, label: str, classes: Sequence[Any]) -> Predictions:
        """What the version says of rows, with the columns of its probabilities in the order of `classes`.

        Raises LookupError where the rows lack a column that the version reads.
        """
        import numpy as np

        wanted = list(self.columns) if self.columns is not None else [c for c in rows.columns if c != label]
        if absent := [c for c in wanted if c not in rows.columns]:
            raise LookupError(
                f"The rows have no column {', '.join(absent)}, which version {self.version} of {self.name} reads."
            )
        given = rows[wanted]
        predicted = np.asarray(self.model.predict(given))
        if not hasattr(self.model, "predict_proba") or not self.classes:
            return Predictions(predicted)
        chances = np.asarray(self.model.predict_proba(given))
        aligned = np.zeros((len(given), len(classes)))
        for position, known in enumerate(classes):
            if known in self.classes:
                aligned[:, position] = chances[:, self.classes.index(known)]
        return Predictions(predicted, aligned)


def load(name: str, version: int) -> Loaded:
    """A version from the registry that MLflow is set to. Raises MlflowException or OSError where it cannot be had."""
    import mlflow

    uri = f"models:/{name}/{version}"
    info = mlflow.models.get_model_info(uri)
    flavors = info.flavors or {}
    model = mlflow.sklearn.load_model(uri) if "sklearn" in flavors else mlflow.pyfunc.load_model(uri)
    columns = (
        tuple(info.signature.inputs.input_names())
        if info.signature is not None and info.signature.inputs is not None
        else None
    )
    classes = tuple(c.item() if hasattr(c, "item") else c for c in getattr(model, "classes_", ()))
    return Loaded(name, version, model, columns, classes)
