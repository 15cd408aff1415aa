"""A repository with the quickstart in it, planned by the real stages, and recorded in a real ledger as if it had been applied."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from trueup.compile.compilation import COMPILER_VERSION
from trueup.load import trees
from trueup.load.trees import Tree, WorkingTree
from trueup.record.events import Event, EventKind
from trueup.record.outcomes import described
from trueup.record.updates import StackUpdate
from trueup.workspace.opening import Workspace, open_workspace
from trueup.workspace.planning import Prepared, prepare
from trueup_stacks.core.resources import Resource

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart"


def run_git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class World:
    """The repository and what is done to it."""

    def __init__(self, folder: Path, example: Path = QUICKSTART) -> None:
        self.folder = folder
        shutil.copytree(example, folder)
        run_git(folder, "init", "--quiet", "--initial-branch=main")
        self.commit("Specs")

    @property
    def workspace(self) -> Workspace:
        return open_workspace(self.folder)

    def git(self, *arguments: str) -> str:
        return run_git(self.folder, *arguments)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new))

    def write(self, file: str, text: str) -> None:
        (self.folder / file).write_text(text)

    def commit(self, message: str = "Change", email: str = "ada@example.com") -> str:
        self.git("add", "--all")
        self.git("-c", f"user.email={email}", "commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def tree(self, revision: str = "") -> Tree:
        workspace = self.workspace
        found = trees.revision(workspace.repository, revision, workspace.prefix) if revision else None
        return found or WorkingTree(workspace.repository, workspace.prefix)

    def prepare(self, environment: str = "dev", revision: str = "", **given: Any) -> Prepared:
        return prepare(self.workspace, environment, self.tree(revision), **given)

    def apply(self, environment: str = "dev", version: int = 1) -> Prepared:
        """Records what is planned as applied: the model version is what the run and its gate came to."""
        prepared = self.prepare(environment)
        assert not prepared.forbidden, prepared.diagnostics
        commit, ledger = self.git("rev-parse", "HEAD"), self.workspace.ledger
        for id, stack in prepared.compilation.stacks.items():
            before = prepared.recorded.stacks.get(id)
            gone = set(before.resources if before else ()) - {r.address for r in stack.resources}
            made = tuple(replace(described(r), id=r.address.name, outputs=outputs(r, version)) for r in stack.resources)
            update = StackUpdate(id, made, tuple(gone), commit, stack.digest, COMPILER_VERSION)
            ledger.append(Event(EventKind.STEP, environment, commit, stack=str(id)), update)
        ledger.append(Event(EventKind.APPLIED, environment, commit, details={"documents": []}))
        return prepared


def outputs(resource: Resource, version: int) -> dict[str, Any]:
    """What the provider would have given."""
    mark = resource.properties.get("fingerprint")
    return {
        "trueup:data:Table": {"version": version, "rows": 10, "contentDigest": f"sha{version}"},
        "trueup:run:Run": {"runId": mark, "metrics": {"evaluate.roc_auc": 0.8}, "modelVersion": version},
        "trueup:run:Gate": {"verdict": "passed", "acceptedVersion": version, "evidence": []},
        "trueup:registry:Alias": {"version": version},
        "trueup:serve:Service": {"endpoints": ["127.0.0.1:1"], "version": version},
        "trueup:serve:Gateway": {"url": "http://127.0.0.1:2"},
    }.get(resource.address.type, {})
