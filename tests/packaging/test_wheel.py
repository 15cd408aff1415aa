"""The wheel: what is in it, and that the quickstart runs from it in an environment of its own, outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def uv(*arguments: str, cwd: Path = ROOT) -> str:
    done = subprocess.run([str(UV), *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    out = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--wheel", "--out-dir", str(out))
    (found,) = out.glob("*.whl")
    return found


def test_it_brings_three_packages_the_quickstart_and_its_metadata_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {n.split("/")[0] for n in names}
    metadata = {t for t in tops if t.endswith(".dist-info")}
    assert tops - metadata == {"trueup", "trueup_specs", "trueup_stacks"} and len(metadata) == 1
    assert "trueup/quickstart/trueup.yaml" in names and "trueup/quickstart/data/credit.csv" in names
    assert {"trueup/py.typed", "trueup_specs/py.typed", "trueup_stacks/py.typed"} <= set(names)
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_the_core_validates_and_plans_without_the_extras(wheel: Path, tmp_path: Path) -> None:
    python = environment(wheel, tmp_path, "")
    trueup = python.with_name("trueup")
    done = run(trueup, tmp_path, "init", "credit")
    assert done.returncode == 0, done.stderr
    for arguments, expected in (
        (["validate"], "no problems"),
        (["plan", "dev"], "7 to create"),
        (["doctor"], "Extra local"),
    ):
        done = run(trueup, tmp_path / "credit", *arguments)
        assert expected in done.stdout, done.stdout + done.stderr
    there = subprocess.run([str(python), "-c", "import mlflow"], capture_output=True, check=False)
    assert there.returncode != 0, "the core install brings MLflow"


def test_the_demo_runs_from_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    trueup = environment(wheel, tmp_path, "[local]").with_name("trueup")
    done = run(trueup, tmp_path, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "predict: [" in done.stdout and "applied" in done.stdout, done.stdout
    assert not list((tmp_path / "state").glob("trueup/*")), "the demo left its state"


def environment(wheel: Path, folder: Path, extras: str) -> Path:
    """A fresh virtual environment with the wheel, at the locked versions; its interpreter."""
    constraints = folder / "constraints.txt"
    constraints.write_text(
        uv("export", "--quiet", "--frozen", "--all-extras", "--no-emit-project", "--no-hashes", "--no-annotate")
    )
    uv("venv", "--quiet", "--python", sys.executable, str(folder / "venv"))
    python = folder / "venv" / "bin" / "python"
    uv(
        "pip",
        "install",
        "--quiet",
        "--python",
        str(python),
        "--constraint",
        str(constraints),
        f"trueup{extras} @ {wheel.as_uri()}",
        cwd=folder,
    )
    return python


def run(trueup: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the installed command, with nothing of the checkout on any path."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV") and not k.startswith("GIT_")}
    state = {
        "XDG_STATE_HOME": str(folder / "state") if (folder / "venv").exists() else str(folder.parent / "state"),
        "COLUMNS": "200",
    }
    return subprocess.run(
        [str(trueup), *arguments], cwd=folder, env={**kept, **state}, capture_output=True, text=True, check=False
    )
