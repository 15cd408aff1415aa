"""`trueup init --policies`: the starter set of policies, as a file of the workspace. Called by the CLI; commits nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trueup.exits import USAGE
from trueup.load.trees import WorkingTree, named
from trueup.validate.validation import documents
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import by_key

FILE = "policies.yaml"
_STARTER = Path(__file__).with_name("policies") / "starter.yaml"
_HEAD = """\
# Policies to begin with. `advisory` is shown in every plan and refuses nothing; behind it stands the level that each is meant to have
# (`soft`: whom an approval rule with `policyOverride` names may let pass; `mandatory`: nobody). `trueup validate` runs their examples.
"""


@dataclass(frozen=True, slots=True)
class Governed:
    """What was written."""

    file: str
    """Relative to the repository."""
    names: tuple[str, ...]


def govern(workspace: Workspace) -> Governed:
    """Writes the starter policies, advisory at first. Raises WorkspaceError where the file or a policy of that name is there."""
    path = workspace.folder / FILE
    if path.exists():
        raise WorkspaceError(f"There is a {FILE} already. Move it away, or copy what you want by hand.", USAGE)
    found = by_key(documents(WorkingTree(workspace.repository, workspace.prefix)))
    there = {key.name for key in found if key.kind == "Policy"}
    policies = dict(_starters())
    if taken := sorted(there & policies.keys()):
        raise WorkspaceError(
            f"There is a Policy {taken[0]!r} already. Rename it, or copy what you want by hand.", USAGE
        )
    path.write_text(_HEAD + "---\n".join(map(_advisory, policies.values())), encoding="utf-8")
    return Governed(named(workspace.prefix, FILE), tuple(policies))


def _starters() -> Iterator[tuple[str, str]]:
    text = _STARTER.read_text(encoding="utf-8")
    for document in text[text.index("apiVersion:") :].split("---\n"):
        found = re.search(r"^metadata: \{ name: ([-a-z0-9]+) \}$", document, re.MULTILINE)
        assert found is not None, document
        yield found[1], document


def _advisory(text: str) -> str:
    """The policy as one that only warns, with its own level beside it."""
    level = re.search(r"^  level: (\w+)$", text, re.MULTILINE)
    if level is not None:
        return text.replace(level[0], f"  level: advisory # later: {level[1]}", 1)
    return text.replace("spec:\n", "spec:\n  level: advisory # later: mandatory\n", 1)
