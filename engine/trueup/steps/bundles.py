"""Models between steps: a folder with the fitted pipeline and what it was fitted on. Used by the built-in steps."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.gates.rows import plain
from trueup.steps.context import StepContext, StepError

if TYPE_CHECKING:
    import pandas as pd


EXAMPLE, EXAMPLE_ROWS = "example.parquet", 5


@dataclass(frozen=True)
class Description:
    """What a fitted model is about."""

    task: str
    label: str
    features: tuple[str, ...]
    classes: tuple[Any, ...] = ()
    positive: Any = None
    estimator: str = ""


def save(folder: Path, model: Any, description: Description, rows: pd.DataFrame | None = None) -> None:
    """Writes a bundle; a few of the `rows` that it was fitted on, complete ones if there are, become its example."""
    import cloudpickle

    folder.mkdir(parents=True, exist_ok=True)
    if rows is not None:
        complete = rows.dropna()
        (complete if len(complete) else rows).head(EXAMPLE_ROWS).to_parquet(folder / EXAMPLE, index=False)
    (folder / "model.pkl").write_bytes(cloudpickle.dumps(model))
    (folder / "model.json").write_text(json.dumps(asdict(description), indent=2) + "\n", encoding="utf-8")


def load(folder: Path) -> tuple[Any, Description]:
    """The model and what it is about. It is code of this run's own steps: nothing from elsewhere is unpickled."""
    try:
        model = pickle.loads((folder / "model.pkl").read_bytes())
        found = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StepError(f"The input {folder} is no model of the step `train`: {error}.", final=True) from error
    return model, Description(**{**found, "features": tuple(found["features"]), "classes": tuple(found["classes"])})


def example(folder: Path) -> pd.DataFrame | None:
    """The example rows of a bundle, without the label."""
    import pandas as pd

    path = folder / EXAMPLE
    return plain(pd.read_parquet(path)) if path.exists() else None


def label_of(context: StepContext) -> str:
    """The column that is predicted."""
    found = context.parameters.get("label") or (context.model or {}).get("label")
    if not found:
        raise StepError(
            f"The step {context.name!r} needs to know what is predicted: set `label` of the Model or of the step.",
            final=True,
        )
    return str(found)


def task_of(context: StepContext, labels: pd.Series) -> str:
    """Classification or regression: as the Model says, else as the label's values look."""
    if task := (context.model or {}).get("task"):
        return str(task)
    return "regression" if labels.dtype.kind == "f" else "classification"


def positive_of(context: StepContext, classes: tuple[Any, ...]) -> Any:
    """The class that counts as positive, of two."""
    wanted = (context.model or {}).get("positiveClass")
    if wanted is not None and wanted not in classes:
        raise StepError(
            f"The positive class {wanted!r} is no value of the label; it has {', '.join(map(str, classes))}.",
            final=True,
        )
    return wanted if wanted is not None else (classes[-1] if len(classes) == 2 else None)
