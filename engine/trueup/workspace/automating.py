"""`trueup init --ci`: the workflows of a forge for this workspace, from the templates in `workflows/`. Called by the CLI."""

from __future__ import annotations

import re
from importlib import resources
from importlib.metadata import version

from trueup.exits import NOTHING_SELECTED, USAGE
from trueup.load import git, trees
from trueup.resolve.environments import environments
from trueup.validate.validation import documents as read_documents
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import by_key

FORGES = {
    "github": {
        "github-plan": ".github/workflows/trueup-plan.yaml",
        "github-apply": ".github/workflows/trueup-apply.yaml",
    },
    "gitea": {
        "gitea-plan": ".gitea/workflows/trueup-plan.yaml",
        "gitea-apply": ".gitea/workflows/trueup-apply.yaml",
    },
    "gitlab": {"gitlab": ".gitlab-ci.yml"},
}
"""The files of each forge, by template."""
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


def automate(workspace: Workspace, forge: str) -> tuple[str, ...]:
    """Writes the workflows into the repository, uncommitted; their paths. Raises WorkspaceError where one is there already."""
    files = workflows(workspace, forge)
    if there := [p for p in files if (workspace.repository / p).exists()]:
        raise WorkspaceError(
            f"The repository already has {', '.join(there)}. Remove it first, or change it by hand.", USAGE
        )
    for path, text in files.items():
        target = workspace.repository / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return tuple(files)


def workflows(workspace: Workspace, forge: str) -> dict[str, str]:
    """The workflows by path. Raises WorkspaceError for a forge that is not known, and where the workspace has no environment."""
    if forge not in FORGES:
        raise WorkspaceError(f"There are no workflows for {forge!r}. These are known: {', '.join(FORGES)}.", USAGE)
    tree = trees.WorkingTree(workspace.repository, workspace.prefix)
    names = sorted(environments(by_key(read_documents(tree))))
    if not names:
        raise WorkspaceError(
            "The workspace has no environment to apply: add a document of kind Environment.", NOTHING_SELECTED
        )
    values = {
        "@BASE@": _plain(_base(workspace), "branch"),
        "@DIRECTORY@": _plain(workspace.prefix, "folder") if workspace.prefix else ".",
        "@ENVIRONMENTS@": ", ".join(names),
        "@TRUEUP@": f"trueup=={version('trueup')}",
    }
    folder = resources.files("trueup.workspace") / "workflows"
    return {
        path: _filled((folder / f"{template}.yaml").read_text(encoding="utf-8"), values)
        for template, path in FORGES[forge].items()
    }


def _filled(text: str, values: dict[str, str]) -> str:
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text


def _base(workspace: Workspace) -> str:
    """The base branch: what the remote's HEAD is, else the branch that is checked out."""
    for wanted in ("refs/remotes/origin/HEAD", "HEAD"):
        done = git.attempt(workspace.repository, "symbolic-ref", "--quiet", "--short", wanted)
        if done.returncode == 0 and (name := done.stdout.decode().strip()):
            return name.removeprefix("origin/")
    return "main"


def _plain(text: str, what: str) -> str:
    """A name that means nothing to a shell or to YAML."""
    if not _PLAIN.fullmatch(text):
        raise WorkspaceError(
            f"The {what} {text!r} has characters that a workflow cannot hold safely: rename it.", USAGE
        )
    return text
