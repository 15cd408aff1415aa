"""The process of one step: `python -m trueup.steps.main` in the step's folder, started by the runner in the pipeline's environment.

Reads `.trueup/step.json`, calls the built-in step or the user's function, writes `.trueup/result.json`. Exit codes: 0 done, 1 failed,
3 failed in a way that trying again does not mend.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trueup.steps.context import StepContext, StepError

FAILED, FINAL = 1, 3
FOLDER = ".trueup"


def main() -> int:
    """Does the step that the current folder describes."""
    folder = Path.cwd()
    asked = json.loads((folder / FOLDER / "step.json").read_text(encoding="utf-8"))
    context = context_of(asked, folder)
    try:
        _call(asked, context)
        error, code = "", 0
    except StepError as problem:
        error, code = str(problem), FINAL if problem.final else FAILED
    except Exception as problem:  # noqa: BLE001 — whatever a user's function raises is the step's failure
        traceback.print_exc()
        error, code = f"{type(problem).__name__}: {problem}", FAILED
    result = {"metrics": context.metrics, "error": error}
    (folder / FOLDER / "result.json").write_text(json.dumps(result), encoding="utf-8")
    if error:
        print(error, file=sys.stderr)  # noqa: T201 — the step's log
    return code


def context_of(asked: Mapping[str, Any], folder: Path) -> StepContext:
    """The context that a step description means."""
    given = dict(asked["context"])
    for name in ("inputs", "outputs"):
        given[name] = {k: Path(v) for k, v in given[name].items()}
    for name in ("holdout", "lock_file"):
        given[name] = Path(given[name]) if given.get(name) else None
    given["allowed_estimators"] = tuple(given.get("allowed_estimators") or ())
    return StepContext(folder=folder, **given)


def _call(asked: Mapping[str, Any], context: StepContext) -> None:
    if asked["kind"] == "builtin":
        importlib.import_module(f"trueup.steps.{asked['uses']}").run(context)
        return
    file, _, name = str(asked["uses"]).partition(":")
    found = _function(Path(asked["code"]), file, name)
    found(**_arguments(found, context))


def _function(code: Path, file: str, name: str) -> Callable[..., Any]:
    path = code / file
    if not path.is_file():
        raise StepError(f"The pipeline's code has no file {file!r}.", final=True)
    sys.path.insert(0, str(code))
    sys.dont_write_bytecode = True  # the code is shared by runs; what was imported before keeps its bytecode
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not callable(found):
        raise StepError(f"The file {file!r} has no function {name!r}.", final=True)
    return found  # type: ignore[no-any-return]


def _arguments(function: Callable[..., Any], context: StepContext) -> dict[str, Any]:
    """The function's arguments by name: `context`, or an input, an output or a parameter of that name."""
    known: dict[str, Any] = {
        **context.params,
        **context.parameters,
        **context.outputs,
        **context.inputs,
        "context": context,
    }
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        if name in known:
            found[name] = known[name]
        elif parameter.default is inspect.Parameter.empty:
            listed = ", ".join(sorted(known))
            raise StepError(
                f"The function wants an argument {name!r}, which is no input, output or parameter of the step ({listed}).",
                final=True,
            )
    return found


if __name__ == "__main__":
    sys.exit(main())
