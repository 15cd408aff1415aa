"""What an image of a model and one of a pipeline's steps run: the commands of the local server and of the step contract. Pure.

Called by `workspace/building.py`. The target `kubernetes` starts pods with the same command and arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trueup.build.assembly import USER, Recipe
from trueup.build.layers import Item

PORT = 8080
CODE, MODEL, WORK = "app/code", "opt/model", "work"
SERVER = ("python", "-m", "trueup.serving.container")
STEP = ("python", "-m", "trueup.steps.main")


def steps(name: str, code: Mapping[str, tuple[str, bytes]], builtin: bool) -> Recipe:
    """The image of a pipeline's steps; `code` is its tree: path → (mode in Git, content); `builtin` whether some are Trueup's own.

    A container of it runs one step: its folder, with `.trueup/step.json`, is mounted at the working folder, as the local runner makes it.
    """
    items = [Item(f"{CODE}/{path}", content, executable=mode == "100755") for path, (mode, content) in code.items()]
    return Recipe(
        "Pipeline",
        name,
        (*items, Item(CODE, folder=True), Item(WORK, folder=True, owner=USER)),
        "code of the steps" if code else "the steps' folder",
        STEP,
        environment={"TRUEUP_CODE": f"/{CODE}"},
        folder=f"/{WORK}",
        needs=("mlflow", "pandas", "scikit-learn") if builtin else (),
    )


def server(name: str, registered: str, version: int, files: Mapping[str, Path]) -> Recipe:
    """The image of a model version's server; `files` are those of the MLflow model: path → file.

    It answers without a registry: `MODEL_URI` names what is inside, and only another one is downloaded.
    """
    uri = f"models:/{registered}/{version}"
    return Recipe(
        "Model",
        name,
        tuple(Item(f"{MODEL}/{path}", file) for path, file in files.items()),
        f"{registered} version {version}",
        SERVER,
        (f"--model_name={name}", f"--http_port={PORT}"),
        {"MODEL_URI": uri, "TRUEUP_MODEL_URI": uri, "TRUEUP_MODEL_FOLDER": f"/{MODEL}"},
        port=PORT,
        needs=("kserve", "pandas"),
    )
