"""What steps left behind: digests of outputs, and a cache of them by what they were made from. Called by the executor."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueup import __version__
from trueup.run import folders
from trueup.run.requests import RunRequest, Step
from trueup_specs.core.fingerprints import fingerprint


def digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names."""
    found = hashlib.sha256()
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            found.update(f"{file.relative_to(path)}\0{digest(file)}\n".encode())
        return found.hexdigest()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def digests(step: Step, folder: Path) -> dict[str, str]:
    """The digests of a step's outputs. Raises FileNotFoundError with the output that is not there."""
    found = {}
    for name, output in step.outputs.items():
        path = folder / output.path
        if not path.exists():
            raise FileNotFoundError(name)
        found[name] = digest(path)
    return found


def key(request: RunRequest, step: Step, inputs: Mapping[str, str]) -> str:
    """What a step's outputs depend on; equal keys mean equal results."""
    reads_data = step.kind == "function" or step.uses in ("load", "check")
    meaning: dict[str, Any] = {
        "kind": step.kind,
        "uses": step.uses,
        "run": step.run,
        "with": step.parameters,
        "params": request.params if step.kind != "builtin" else {},
        "seed": request.seed,
        "code": request.code.tree if request.code and step.kind != "builtin" else None,
        "lock": request.lock.digest if request.lock else None,
        "inputs": dict(inputs),
        "outputs": {n: o.path for n, o in step.outputs.items()},
        "env": sorted(step.env),
        "data": request.datasets if reads_data else {},
        "features": request.features if reads_data else None,
        "model": request.model if step.kind != "command" else None,
        "allowed": sorted(request.allowed_estimators) if step.kind == "builtin" else None,
        "trueup": __version__ if step.kind == "builtin" else None,
    }
    return fingerprint(meaning)


def store(home: Path, mark: str, step: Step, folder: Path, metrics: Mapping[str, float], holdout: Path | None) -> None:
    """Keeps a step's outputs under their key; half an entry is never seen."""
    target = folders.cache_folder(home, mark)
    if target.exists():
        return
    scratch = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    for output in step.outputs.values():
        _copy(folder / output.path, scratch / "outputs" / output.path)
    if holdout is not None and holdout.exists():
        _copy(holdout, scratch / folders.HOLDOUT)
    (scratch / "metrics.json").parent.mkdir(parents=True, exist_ok=True)
    (scratch / "metrics.json").write_text(json.dumps(dict(metrics)), encoding="utf-8")
    try:
        scratch.rename(target)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)


def restore(home: Path, mark: str, step: Step, folder: Path, holdout: Path | None) -> dict[str, float] | None:
    """Puts cached outputs into the step's folder; its metrics, or None where there is nothing."""
    source = folders.cache_folder(home, mark)
    if not (source / "metrics.json").exists():
        return None
    for output in step.outputs.values():
        if not (source / "outputs" / output.path).exists():
            return None
    for output in step.outputs.values():
        _copy(source / "outputs" / output.path, folder / output.path)
    if holdout is not None and (source / folders.HOLDOUT).exists():
        _copy(source / folders.HOLDOUT, holdout)
    found: dict[str, float] = json.loads((source / "metrics.json").read_text(encoding="utf-8"))
    return found


def _copy(source: Path, target: Path) -> None:
    """A copy, and not a link: a step of another run may change its inputs in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        return
    target.unlink(missing_ok=True)
    shutil.copy2(source, target)
