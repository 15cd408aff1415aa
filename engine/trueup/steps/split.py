"""The built-in step `split`: rows to fit on and rows held out, the same for the same seed."""

from __future__ import annotations

import shutil
from typing import Any

from trueup.steps import frames
from trueup.steps.context import StepContext, StepError

LEAST = 2


def run(context: StepContext) -> None:
    """Writes `train` and `test`, and the test rows once more as the run's holdout."""
    frame = frames.read(context.inputs["data"])
    given = context.parameters
    for name in ("stratify", "timeColumn", "groupColumn"):
        if given.get(name):
            frames.require(frame, given[name], context.name)
    size = float(given.get("testSize", 0.25))
    train, test = _parts(frame, size, context)
    if len(train) < LEAST or len(test) < LEAST:
        raise StepError(
            f"The split gives {len(train)} rows to train on and {len(test)} to test on; {LEAST} of each are the least.",
            final=True,
        )
    frames.write(train, context.outputs["train"])
    frames.write(test, context.outputs["test"])
    if context.holdout is not None:
        context.holdout.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(context.outputs["test"], context.holdout)
    context.log_metric("train_rows", len(train))
    context.log_metric("test_rows", len(test))


def _parts(frame: Any, size: float, context: StepContext) -> tuple[Any, Any]:
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    given = context.parameters
    if column := given.get("timeColumn"):
        ordered = frame.sort_values(column, kind="stable")
        cut = len(ordered) - round(len(ordered) * size)
        return ordered.iloc[:cut], ordered.iloc[cut:]
    if column := given.get("groupColumn"):
        splitter = GroupShuffleSplit(1, test_size=size, random_state=context.seed)
        train, test = next(splitter.split(frame, groups=frame[column].astype(str)))
        return frame.iloc[train], frame.iloc[test]
    classes = frame[given["stratify"]] if given.get("stratify") else None
    try:
        train, test = train_test_split(frame, test_size=size, random_state=context.seed, stratify=classes)
    except ValueError as error:
        raise StepError(f"The rows cannot be split by {given.get('stratify')!r}: {error}", final=True) from error
    return train, test
