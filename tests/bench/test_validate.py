"""Validation and the offline plan of a generated repository, side by side with kubeconform on the same files and schemas."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trueup import places

pytestmark = pytest.mark.bench

VERSION = "v0.7.0"
TRUEUP = str(Path(sys.executable).with_name("trueup"))
FILES = 10_000


@pytest.fixture(scope="session")
def kubeconform() -> Path:
    """The judge that is compared with, built once by Go from the pinned module and kept in the user's cache."""
    binary = places.cache() / "tools" / f"kubeconform-{VERSION}"
    if binary.is_file():
        return binary
    if shutil.which("go") is None:
        pytest.skip("kubeconform is built with Go, which is not on PATH")
    folder = binary.parent / "kubeconform-build"
    folder.mkdir(parents=True, exist_ok=True)
    module = "github.com/yannh/kubeconform"
    (folder / "go.mod").write_text(
        f"module tools\n\ngo 1.24\n\ntool {module}/cmd/kubeconform\n\nrequire {module} {VERSION}\n"
    )
    environment = dict(os.environ) | {"GOFLAGS": "-mod=mod"}
    subprocess.run(["go", "mod", "tidy"], cwd=folder, check=True, env=environment)
    subprocess.run(["go", "build", "-o", binary, f"{module}/cmd/kubeconform"], cwd=folder, check=True, env=environment)
    return binary


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated schemas, under the names that kubeconform looks for."""
    from trueup_specs.core import schemas as generated
    from trueup_specs.kinds import KINDS

    folder = tmp_path_factory.mktemp("schemas")
    generated.write(folder)
    for kind in KINDS:
        (file,) = [f for f in folder.rglob("*.json") if f.name.split(".")[0].lower() == kind.lower()]
        shutil.copy(file, folder / f"{kind.lower()}.for-kubeconform.json")
    return folder


@pytest.fixture(scope="session")
def judged(
    kubeconform: Path, schemas: Path, quickest: Callable[..., Any], measured: Callable[..., Any]
) -> Callable[[Path], Any]:
    """What kubeconform takes for a repository, which it must find valid."""
    known: dict[Path, Any] = {}

    def of(repository: Path) -> Any:
        if repository not in known:
            where = f"{schemas}/{{{{ .ResourceKind }}}}.for-kubeconform.json"
            command = [
                str(kubeconform),
                "-summary",
                "-schema-location",
                where,
                "-ignore-filename-pattern",
                r"\.git/",
                ".",
            ]
            known[repository] = quickest(3, lambda: measured(command, repository))
            assert known[repository].code == 0, known[repository].stdout[-500:]
            assert "Invalid: 0, Errors: 0, Skipped: 0" in known[repository].stdout
        return known[repository]

    return of


def show(what: str, took: Any, than: Any | None = None) -> None:
    """A line of the report."""
    ratio = f"  {than.wall / took.wall:5.2f} × kubeconform's rate (CPU {than.cpu / took.cpu:5.2f} ×)" if than else ""
    print(f"  {what:<44} {took.wall:6.2f} s wall {took.cpu:6.2f} s CPU{ratio}")


def test_validate(
    repositories: Callable[[int], Path],
    judged: Callable[[Path], Any],
    quickest: Callable[..., Any],
    measured: Callable[..., Any],
    tmp_path: Path,
) -> None:
    repository = repositories(FILES)
    base = judged(repository)
    anew = [TRUEUP, "validate", "--no-cache"]
    measured([TRUEUP, "validate"], repository, tmp_path)  # fills the cache, and writes byte code where there is none
    cold = quickest(3, lambda: measured(anew, repository, tmp_path))
    alone = quickest(2, lambda: measured(["taskset", "-c", "0", *anew], repository, tmp_path))
    warm = quickest(3, lambda: measured([TRUEUP, "validate"], repository, tmp_path))
    print(f"\nvalidate, {FILES:,} files of one document, five kinds with references")
    show("kubeconform, same files, generated schemas", base)
    show("trueup validate, cold", cold, base)
    show("trueup validate, cold, one core", alone, base)
    show("trueup validate, nothing changed", warm, base)
    for took in (cold, alone, warm):
        assert took.code == 0 and "no problems" in took.stdout


def changed(repository: Path, git: Callable[..., str]) -> None:
    """A pull request that changes a parameter of one pipeline, on the branch `change`."""
    git(repository, "checkout", "-q", "-B", "change", "main")
    file = repository / "area-000" / "group-1" / "pipeline.yaml"
    file.write_text(file.read_text().replace("max_iter: 1000", "max_iter: 2000"))
    git(repository, "commit", "-q", "-am", "More iterations")
    git(repository, "checkout", "-q", "main")


def test_plan(
    repositories: Callable[[int], Path],
    judged: Callable[[Path], Any],
    quickest: Callable[..., Any],
    measured: Callable[..., Any],
    git: Callable[..., str],
    applied: Callable[[Path, Path], None],
    tmp_path: Path,
) -> None:
    took: dict[int, Any] = {}
    for files in (FILES // 10, FILES):
        repository = repositories(files)
        applied(repository, tmp_path)
        changed(repository, git)
        command = [TRUEUP, "plan", "dev", "--base", "main", "--revision", "change"]
        measured(command, repository, tmp_path)
        took[files] = quickest(3, lambda: measured(command, repository, tmp_path))  # noqa: B023 — called at once
        assert took[files].code == 0, took[files].stderr[-800:]
        assert "1 training run" in took[files].stdout
    base = judged(repositories(FILES))
    print(f"\noffline plan of a pull request that changes one of {FILES:,} files, all applied")
    show("kubeconform, all files", base)
    show("trueup plan, cold process", took[FILES], base)
    show(f"trueup plan, {FILES // 10:,} files", took[FILES // 10])
    print(f"  grows {took[FILES].wall / took[FILES // 10].wall:.2f} × from {FILES // 10:,} to {FILES:,} files")
