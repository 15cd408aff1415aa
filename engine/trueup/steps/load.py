"""The built-in step `load`: a dataset's rows at the version of the run, joined to features where the model has some."""

from __future__ import annotations

from typing import Any

from trueup.gates.rows import plain
from trueup.steps import frames
from trueup.steps.context import StepContext, StepError


def run(context: StepContext) -> None:
    """Writes `data`; reports `rows` and `columns`."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    name, described = frames.dataset(context)
    names = [str(c["name"]) for c in described["properties"]]
    try:
        table = DeltaTable(described["uri"], version=int(described["version"]))
        there = {f.name for f in table.schema().fields}
        if absent := [n for n in names if n not in there]:
            raise StepError(
                f"Version {described['version']} of {name!r} has no column {', '.join(absent)}.", final=True
            )
        frame = plain(table.to_pandas(columns=names))
    except (TableNotFoundError, DeltaError) as error:
        raise StepError(f"The dataset {name!r} cannot be read at version {described['version']}: {error}") from error
    wanted = context.parameters.get("features")
    if context.features is not None and wanted is not False:
        frame = _joined(context, frame, described.get("timestamp"))
    elif wanted:
        raise StepError("The step asks for features, but the Model has none: set `Model.spec.features`.", final=True)
    if columns := context.parameters.get("columns"):
        for column in columns:
            frames.require(frame, column, context.name)
        frame = frame[list(columns)]
    frames.write(frame, context.outputs["data"])
    context.log_metric("rows", len(frame))
    context.log_metric("columns", len(frame.columns))


def _joined(context: StepContext, frame: Any, timestamp: str | None) -> Any:
    from trueup.features.offline import historical

    found = context.features or {}
    if timestamp is None:
        raise StepError(
            "Features are joined as of each row's time: set `timestamp` of the Dataset that the step loads.", final=True
        )
    return historical(found["repo"], found["project"], found["store"], found["service"], frame, timestamp)
