"""Validation and the offline plan of a generated repository, side by side with kubeconform on the same files and schemas."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.bench

TRUEUP = str(Path(sys.executable).with_name("trueup"))
FILES = 10_000


@pytest.fixture(scope="session")
def kubeconform() -> Path:
    """The judge that is compared with, built once by Go from the pinned module and kept in the user's cache."""
    from gotools import Module

    program = "github.com/yannh/kubeconform/cmd/kubeconform"
    module = Module("github.com/yannh/kubeconform", "v0.7.0", {"kubeconform": program})
    try:
        module.build()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return module.binary()


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


def changed(repository: Path, git: Callable[..., str], number: int) -> str:
    """A pull request that changes a parameter of one pipeline; gives its branch."""
    branch = f"change-{number}"
    git(repository, "checkout", "-q", "-B", branch, "main")
    file = repository / "area-000" / f"group-{number}" / "pipeline.yaml"
    file.write_text(file.read_text().replace("max_iter: 1000", "max_iter: 2000"))
    git(repository, "commit", "-q", "-am", "More iterations")
    git(repository, "checkout", "-q", "main")
    return branch


def test_plan(
    repositories: Callable[[int], Path],
    judged: Callable[[Path], Any],
    measured: Callable[..., Any],
    git: Callable[..., str],
    applied: Callable[[Path, Path], None],
    tmp_path: Path,
) -> None:
    """Each run plans another pull request, which nobody planned before; what a cache holds comes from a plan of the base branch.

    Large and small, with and without a cache take turns, so that whatever else the machine does meets all of them.
    """
    few, runs = FILES // 10, 3
    took: dict[tuple[int, bool], list[Any]] = {(n, c): [] for n in (few, FILES) for c in (True, False)}
    for files in (few, FILES):
        applied(repositories(files), tmp_path)
        for number in range(runs):
            changed(repositories(files), git, number)
        learning = measured([TRUEUP, "plan", "dev", "--revision", "main"], repositories(files), tmp_path)
        assert learning.code == 0, learning.stderr[-800:]
    for number in range(runs):
        for (files, cached), found in took.items():
            command = [TRUEUP, "plan", "dev", "--base", "main", "--revision", f"change-{number}"]
            variables = {} if cached else {"TRUEUP_NO_CACHE": "1"}
            found.append(measured(command, repositories(files), tmp_path, **variables))
            assert found[-1].code == 0, found[-1].stderr[-800:]
            assert "4 to update; 1 training run" in found[-1].stdout
    base = judged(repositories(FILES))
    quickest = {key: min(found, key=lambda m: m.wall) for key, found in took.items()}
    print(
        f"\noffline plan of a pull request that changes one of {FILES:,} files, all applied; the load is {os.getloadavg()[0]:.1f}"
    )
    show("kubeconform, all files", base)
    for (files, cached), best in quickest.items():
        what = f"trueup plan, {files:,} files, cold process, {'with' if cached else 'without'} cache"
        show(what, best, base if files == FILES else None)
    for cached, goal in ((True, "<= 0.5 x"), (False, "<= 1 x")):
        one, ten = quickest[few, cached], quickest[FILES, cached]
        print(
            f"  {'with' if cached else 'without'} cache: {ten.wall / base.wall:.2f} x kubeconform's time (goal {goal}; "
            f"CPU {ten.cpu / base.cpu:.2f} x)"
        )
        print(
            f"    grows {ten.wall / one.wall:.2f} x from {few:,} to {FILES:,} files (goal with cache <= 1.5 x; "
            f"CPU {ten.cpu / one.cpu:.2f} x)"
        )
