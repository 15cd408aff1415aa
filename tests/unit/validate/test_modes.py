"""The same diagnostics cold, warm, after a change, in one process and in several, whatever the one error is and wherever it stands."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.cli import quick
from trueup.load import cache, readers
from trueup.load.trees import WorkingTree
from trueup.validate import spreading
from trueup.validate.validation import validate
from trueup_specs.core.diagnostics import Diagnostic

KINDS = {
    "source": "kind: DataSource\nmetadata:\n  name: source-{n}\n  namespace: {ns}\nspec:\n  file:\n    url: data/o.csv\n    format: csv\n",
    "table": "kind: Dataset\nmetadata:\n  name: orders-{n}\n  namespace: {ns}\nspec:\n  source: source-{n}\n  schema:\n    properties:\n"
    "      - name: status\n        logicalType: string\n      - name: age\n        logicalType: integer\n",
    "pipeline": "kind: Pipeline\nmetadata:\n  name: training-{n}\n  namespace: {ns}\nspec:\n  steps:\n    - name: load\n      uses: load\n"
    "      with:\n        dataset: orders-{n}\n    - name: split\n      uses: split\n      inputs:\n        data: load.data\n"
    "    - name: train\n      uses: train\n      with:\n        estimator: sklearn.linear_model.LogisticRegression\n"
    "      inputs:\n        train: split.train\n    - name: register\n      uses: register\n      inputs:\n        model: train.model\n",
    "model": "kind: Model\nmetadata:\n  name: risk-{n}\n  namespace: {ns}\nspec:\n  pipeline: training-{n}\n"
    "  task: classification\n  label: status\n",
    "endpoint": "kind: Endpoint\nmetadata:\n  name: risk-{n}\n  namespace: {ns}\nspec:\n  model:\n    name: risk-{n}\n",
}
GROUPS = 6


def write(folder: Path) -> list[Path]:
    """A workspace of 30 documents in two namespaces, with nothing wrong."""
    head = "apiVersion: trueup.dev/v1alpha1\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trueup.yaml").write_text(head + "kind: Workspace\nmetadata:\n  name: generated\n")
    (folder / "dev.yaml").write_text(head + "kind: Environment\nmetadata:\n  name: dev\nspec:\n  target: local\n")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "o.csv").write_text("status,age\ngood,1\n")
    files = []
    for n in range(GROUPS):
        for kind, text in KINDS.items():
            file = folder / f"{kind}-{n}.yaml"
            file.write_text(head + text.format(n=n, ns=f"area-{n % 2}"))
            files.append(file)
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    return files


def indented(text: str, rng: random.Random) -> str:
    """One line more or less indented."""
    lines = text.splitlines()
    i = rng.randrange(1, len(lines))
    lines[i] = rng.choice((" ", "\t", "   ")) + lines[i]
    return "\n".join(lines) + "\n"


def misspelt(text: str, rng: random.Random) -> str:
    """One letter of one word doubled, left out or changed."""
    letters = [i for i, c in enumerate(text) if c.isalpha() and i > 40]
    i = rng.choice(letters)
    return text[:i] + rng.choice(("", text[i] * 2, "q")) + text[i + 1 :]


def doubled(text: str, rng: random.Random) -> str:
    """One line twice."""
    lines = text.splitlines(keepends=True)
    i = rng.randrange(len(lines))
    return "".join([*lines[: i + 1], *lines[i:]])


def shortened(text: str, rng: random.Random) -> str:
    """One line left out."""
    lines = text.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return "".join(lines)


def retyped(text: str, rng: random.Random) -> str:
    """One value replaced by one of another type."""
    lines = text.splitlines()
    i = rng.choice([i for i, line in enumerate(lines) if ": " in line])
    lines[i] = (
        lines[i].partition(": ")[0]
        + ": "
        + rng.choice(("[]", "{}", "12", "true", "null", "1.5", "!x y", "*z", "'", "a/b/c"))
    )
    return "\n".join(lines) + "\n"


def replaced(text: str, rng: random.Random) -> str:
    """Another document of the same workspace in its place."""
    n = rng.randrange(GROUPS)
    return "apiVersion: trueup.dev/v1alpha1\n" + rng.choice(list(KINDS.values())).format(
        n=n, ns=f"area-{rng.randrange(2)}"
    )


ERRORS: tuple[Callable[[str, random.Random], str], ...] = (indented, misspelt, doubled, shortened, retyped, replaced)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("modes")


def found(folder: Path) -> tuple[Diagnostic, ...]:
    """What is wrong, from the cache where the tree is known."""
    return quick.diagnosed(WorkingTree(folder, ""))[1]


@pytest.mark.capability("model-development/repository-structure", by="trueup.validate.validation:validate")
def test_a_repository_is_judged_as_a_whole(tmp_path: Path) -> None:
    """References over files, a file that is no spec, and two documents of one name are found, each at its place."""
    write(tmp_path)
    found = validate(WorkingTree(tmp_path, ""))
    assert found is not None, "the repository was judged"
    assert not found.diagnostics
    (tmp_path / "model-1.yaml").unlink()
    (tmp_path / "notes.yaml").write_text("just: notes\n")
    (tmp_path / "again.yaml").write_text((tmp_path / "source-0.yaml").read_text())
    result = validate(WorkingTree(tmp_path, ""))
    assert {(d.code, str(d.location)) for d in result.diagnostics} >= {
        ("TRU0110", "endpoint-1.yaml:8:11"),
        ("TRU0101", "notes.yaml:1:1"),
        ("TRU0106", "source-0.yaml:4:9"),
    }


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), error=st.sampled_from(ERRORS))
def test_one_error_anywhere_is_the_same_in_every_mode(
    seed: int, error: Callable[[str, random.Random], str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    home = tmp_path / str(seed)
    monkeypatch.setenv("TRUEUP_HOME", str(home))
    monkeypatch.setattr(spreading, "FEWEST", 5)
    monkeypatch.setattr(readers, "FEWEST", 5)
    monkeypatch.setattr(readers, "CHUNK", 4)
    files = write(folder)
    assert not found(folder)  # what is cached now is the tree before the error
    victim = rng.choice(files)
    victim.write_text(error(victim.read_text(), rng))
    cold = found(folder)
    warm = found(folder)
    alone = validate(WorkingTree(folder, ""), processes=1).diagnostics
    several = validate(WorkingTree(folder, ""), processes=3).diagnostics
    assert cold == warm == alone == several
    assert all(d.location.line > 0 and d.summary.endswith((".", "?")) for d in cold)


def test_nothing_that_was_kept_is_told_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))
    files = write(tmp_path / "w")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    monkeypatch.chdir(tmp_path / "w")

    def told() -> tuple[int, str]:
        code = quick.run([])
        return code, capfdbinary.readouterr().out.decode().partition(" (")[0]

    def commit() -> None:
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "as it lies"], check=True)

    right = (0, "32 documents, no problems")
    assert told() == right  # no commit yet
    commit()
    with monkeypatch.context() as blind:
        blind.setattr("trueup.load.trees.WorkingTree.entries", None)  # what is known is told without a look at any file
        assert told() == told() == right
    text = files[0].read_text()
    files[0].write_text(text.replace("source-0", "source-x"))
    code, said = told()
    assert code == 4 and "There is no DataSource 'source-0'" in said
    commit()
    assert told()[0] == 4
    files[0].write_text(text)
    assert told() == right


def test_a_cache_file_that_is_damaged_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))
    files = write(tmp_path / "w")
    files[0].write_text("a: [\n")
    right = found(tmp_path / "w")
    entries = [p for p in (tmp_path / "home").rglob("*") if p.is_file()]
    assert right and entries
    for damage in (b"", b"\x00" * 50, b"[1, 2]", b'[3, [["x"]]]', entries[0].read_bytes()[:-20], b'{"a": 1}'):
        for entry in entries:
            entry.write_bytes(damage)
        assert found(tmp_path / "w") == right
    for entry in entries:
        entry.unlink()
        entry.mkdir()
    assert found(tmp_path / "w") == right


def test_many_at_once_share_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))
    files = write(tmp_path / "w")
    files[3].write_text(misspelt(files[3].read_text(), random.Random(1)))
    right = validate(WorkingTree(tmp_path / "w", "")).diagnostics
    with ThreadPoolExecutor(8) as pool:
        assert all(result == right for result in pool.map(lambda _: found(tmp_path / "w"), range(24)))
    assert not [p for p in (tmp_path / "home").rglob("*") if p.is_file() and p.suffix != ".json"]


def test_a_changed_engine_reads_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))
    cache.store("tree", b"old")
    assert cache.load("tree") == b"old"
    monkeypatch.setattr(cache, "engine", lambda: "another")
    assert cache.load("tree") is None


def test_a_part_whose_process_dies_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setattr(spreading, "FEWEST", 2)
    here = os.getpid()

    def work(items: object) -> list[int]:
        if os.getpid() != here:
            os._exit(9)
        return [i * i for i in items]  # type: ignore[attr-defined]

    assert spreading.spread(range(10), work, 3) == [[0, 1, 4], [9, 16, 25], [36, 49, 64, 81]]
