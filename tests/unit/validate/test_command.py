"""`trueup validate` as installed: what beginners get wrong, hostile files, links out of the repository, exit codes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

TRUEUP = Path(sys.executable).with_name("trueup")
HEAD = "apiVersion: trueup.dev/v1alpha1\n"
LIMIT = 512 << 20


MODEL = "kind: Model\nmetadata: {name: risk}\nspec: {task: classification, source: {uri: 'models:/x/1'}}\n"


def limit() -> None:
    """No child may use more than 512 MiB."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))
    folder = tmp_path / "w"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    (folder / "trueup.yaml").write_text(HEAD + "kind: Workspace\nmetadata: {name: beginner}\n")
    (folder / "model.yaml").write_text(
        HEAD + "kind: Model\nmetadata: {name: risk}\nspec: {task: classification, source: {uri: 'models:/x/1'}}\n"
    )
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`trueup validate` in a folder, within the limits."""
    return subprocess.run(
        [TRUEUP, "validate", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
        env=dict(os.environ),
    )


ENDPOINT = HEAD + "kind: Endpoint\nmetadata:\n  name: a\nspec:\n  model:\n    name: risk\n"
MISTAKES = {
    "tab": (HEAD + "kind: Team\nmetadata:\n\tname: a\n", "TRU0003", "4:1", "Indent with blanks."),
    "no colon": (
        HEAD + "kind: Endpoint\nmetadata:\n  name a\nspec: {model: {name: risk}}\n",
        "TRU0105",
        "4:3",
        "write `name: a`",
    ),
    "no colon, no blank": (HEAD + "kind Team\nmetadata:\n  name: a\n", "TRU0003", "2:1", "Put a colon"),
    "colon in text": (ENDPOINT + "  description: so: there\n", "TRU0003", "8:18", "Quote the text"),
    "kind": (ENDPOINT.replace("Endpoint", "EndPoints"), "TRU0102", "2:7", "Did you mean `Endpoint`?"),
    "version": (ENDPOINT.replace("v1alpha1", "v1"), "TRU0101", "1:13", "Write `trueup.dev/v1alpha1`"),
    "not ours": ("apiVersion: apps/v1\nkind: Deployment\n", "TRU0101", "1:13", "exclude the file in trueup.yaml"),
    "field": (ENDPOINT + "  predictor:\n    minReplica: 1\n", "TRU0103", "9:5", "Did you mean `minReplicas`?"),
    "reference": (ENDPOINT.replace("name: risk", "name: riks"), "TRU0110", "7:11", "Did you mean `risk`?"),
    "too far out": (ENDPOINT + "predictor:\n  minReplicas: 1\n", "TRU0103", "8:1", "under `spec`"),
    "crooked": (ENDPOINT + "   predictor:\n      minReplicas: 1\n", "TRU0003", "8:4", "Line it up"),
    "name": (ENDPOINT.replace("name: a", "name: My_Model"), "TRU0105", "4:9", "lower-case letters"),
    "no unit": (ENDPOINT + "  predictor:\n    timeout: 10\n", "TRU0105", "9:14", "such as `10s`"),
    "quoted number": (ENDPOINT + '  predictor:\n    minReplicas: "3"\n', "TRU0105", "9:18", "Remove the quotes."),
    "short form": (
        HEAD + "kind: Endpoint\nmetadata:\n  name: a\nspec:\n  model: risk\n",
        "TRU0105",
        "6:10",
        "{ name: risk }",
    ),
    "no list": (
        HEAD + "kind: Pipeline\nmetadata:\n  name: a\nspec:\n  steps:\n    name: x\n",
        "TRU0105",
        "7:5",
        "Begin each item with `- `.",
    ),
    "yes": (
        HEAD + "kind: Environment\nmetadata:\n  name: a\nspec:\n  paused: yes\n",
        "TRU0105",
        "6:11",
        "`true` or `false`",
    ),
    "missing": (HEAD + "kind: Model\nmetadata:\n  name: a\nspec:\n", "TRU0104", "5:1", "Write `task:`."),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_beginners_mistake_is_shown_where_it_is_with_what_to_write(mistake: str, workspace: Path) -> None:
    text, code, place, advice = MISTAKES[mistake]
    (workspace / "new.yaml").write_text(text)
    done = run(workspace)
    assert done.returncode == 4
    assert f"new.yaml:{place}: error {code}: " in done.stdout
    block = done.stdout.partition(f"new.yaml:{place}: error {code}: ")[2].partition("\nnew.yaml:")[0]
    assert advice in block


def test_nothing_wrong(workspace: Path) -> None:
    done = run(workspace)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2 documents, no problems")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--revision", "nothing"), 3, "no revision 'nothing'"),
        (("absent.yaml",), 3, "no absent.yaml"),
        (("--output", "xml"), 64, "--help"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], code: int, says: str, workspace: Path) -> None:
    done = run(workspace, *arguments)
    assert done.returncode == code and says in done.stderr and "Traceback" not in done.stderr


def test_no_workspace_and_no_git(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 3 and "trueup init" in done.stderr
    (tmp_path / "trueup.yaml").write_text(HEAD + "kind: Workspace\nmetadata: {name: a}\n")
    done = run(tmp_path)
    assert done.returncode == 3 and "git init" in done.stderr


def test_who_refers_to_a_document_that_is_wrong_in_itself_is_not_blamed(workspace: Path) -> None:
    (workspace / "data.yaml").write_text(
        HEAD
        + "kind: Dataset\nmetadata: {name: loans, movedFrom: {name: old}}\n"
        + "spec: {source: bank, schema: {properties: [{name: age, logicalType: integer}]}}\n---\n"
        + HEAD
        + "kind: DataSource\nmetadata: {name: bank}\nspec: {file: {url: 'https://example.com/loans.csv', format: csv}}\n---\n"
        + HEAD
        + "kind: Pipeline\nmetadata: {name: nightly}\nspec: {steps: [{name: rows, uses: load, with: {dataset: loans}}]}\n---\n"
        + HEAD
        + "kind: Overlay\nmetadata: {name: loans-prod}\n"
        + "spec: {target: {kind: Dataset, name: loans}, environments: [prod], patch: {description: Loans.}}\n---\n"
        + HEAD
        + "kind: Environment\nmetadata: {name: prod}\nspec: {}\n"
    )
    said = json.loads(run(workspace, "--output", "json").stdout)
    assert [(d["code"], d["file"], d["line"]) for d in said] == [("TRU0105", "data.yaml", 3)], said


def test_links_and_submodules_are_not_followed(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text("secret: [\n")
    (workspace / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    (workspace / "inner.yaml").symlink_to("model.yaml")
    (workspace / "folder").symlink_to(tmp_path)
    done = run(workspace, "--output", "json")
    found = json.loads(done.stdout)
    assert done.returncode == 4
    assert {(d["code"], d["file"]) for d in found} == {("TRU0021", "link.yaml"), ("TRU0021", "inner.yaml")}
    assert "secret" not in done.stdout


def test_include_cannot_leave_the_workspace(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text("secret: [\n")
    (workspace / "trueup.yaml").write_text(
        HEAD + "kind: Workspace\nmetadata: {name: a}\nspec: {include: ['../*.yaml', '/etc/*', '*.yaml']}\n"
    )
    done = run(workspace, "--output", "json")
    assert not [d for d in json.loads(done.stdout) if d["file"].endswith("outside.yaml")]
    assert "secret" not in done.stdout and "Traceback" not in done.stderr


HOSTILE = {
    "bomb": "b0: &b0 [x, x]\n" + "".join(f"b{i}: &b{i} [*b{i - 1}, *b{i - 1}]\n" for i in range(1, 40)),
    "deep": "a: " + "[" * 100_000,
    "compact": "- " * 100_000 + "x",
    "twice": "a: 1\na: 2\n",
    "latin": b"a: \xe9\n",
    "huge": "a: " + "9" * 400_000 + "\n",
    "tag": "a: !!python/object/apply:os.system ['true']\n",
    "cycle": "a: &a [*a]\n",
    "large": "a: [" + "1," * 240_000 + "]\n",
    "nul": "a: \x00\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_gives_a_diagnostic(name: str, workspace: Path) -> None:
    data = HOSTILE[name]
    (workspace / "hostile.yaml").write_bytes(data if isinstance(data, bytes) else data.encode())
    done = run(workspace, "--output", "json")
    assert done.returncode == 4, done.stderr[-500:]
    assert [d for d in json.loads(done.stdout) if d["file"] == "hostile.yaml" and d["severity"] == "error"]
    assert "Traceback" not in done.stderr


def test_a_file_whose_name_is_no_text(workspace: Path) -> None:
    try:
        (workspace / os.fsdecode(b"\xff\xfe.yaml")).write_text("a: [\n")
    except OSError:
        pytest.skip("this file system has text names only")
    for form in ("text", "json", "sarif", "github"):
        for _ in range(2):
            done = subprocess.run([TRUEUP, "validate", "-o", form], cwd=workspace, capture_output=True, check=False)
            assert done.returncode == 4 and b"Traceback" not in done.stderr
            assert form not in ("json", "sarif") or json.loads(done.stdout)
