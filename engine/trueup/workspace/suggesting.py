"""Promotions and rollbacks as pull requests: the change on a branch, the evidence in the body. Called by `promote` and `rollback`.

The working tree stays as it is (`proposing`). What the body says stands in the ledger, so that it can be verified from Git alone.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from trueup.exits import INVALID, NOTHING_SELECTED, UNREACHED
from trueup.forge.values import ForgeError, PullRequest
from trueup.load import git, trees
from trueup.load.trees import named
from trueup.plan.categories import spec_changes
from trueup.record import accepted, history
from trueup.record.events import DONE, EventKind
from trueup.resolve.catalog import documents_in
from trueup.resolve.environments import environments
from trueup.validate.validation import documents as read_documents
from trueup.views.comments import proposals
from trueup.views.comments.proposals import Data, Promotion, Rollback
from trueup.workspace import joining, promoting, proposing, pulling
from trueup.workspace.joining import Joined
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.planning import by_key
from trueup.workspace.promoting import Choice
from trueup_specs.kinds.model.spec import ModelSpec

MOST_COMMITS = 50


def joined_or_refused(workspace: Workspace, remote: str = joining.REMOTE) -> Joined:
    """The forge around. Raises WorkspaceError where none is named: there is nobody to open a pull request at."""
    found = joining.join(workspace, remote)
    if found is None:
        raise WorkspaceError(
            "No forge is named to open a pull request at: set TRUEUP_FORGE, TRUEUP_FORGE_URL and TRUEUP_FORGE_TOKEN.",
            UNREACHED,
        )
    return found


def promote(workspace: Workspace, joined: Joined, model: str, to: str = "", version: int | None = None) -> PullRequest:
    """Opens a pull request that pins a version for an environment, or gives the open one. Raises WorkspaceError and ForgeError."""
    base = joining.base_of(workspace, joined)
    tip = pulling.branch(workspace, joined.remote, base)
    tree = trees.revision(workspace.repository, tip, workspace.prefix)
    if tree is None:
        raise WorkspaceError(f"The branch {base} does not hold the workspace {workspace.name}.", NOTHING_SELECTED)
    choice = promoting.choose(workspace, tree, model, to, version)
    found = evidence(workspace, choice)
    title, body = proposals.promotion_title(found), proposals.promotion_body(found)
    key = choice.model.key
    proposal = proposing.Proposal(
        f"trueup/promote-{key.namespace}-{key.name}-{choice.version}-to-{choice.target}",
        title,
        body,
        {named(workspace.prefix, choice.file): choice.text.encode()},
    )
    made = proposing.commit(workspace, tip, title, body, proposal.files)
    after = trees.revision(workspace.repository, made, workspace.prefix)
    assert after is not None
    if problem := promoting.problem_with(workspace, after, choice):
        raise WorkspaceError(problem, INVALID)
    return _published(workspace, joined, base, made, proposal)


def evidence(workspace: Workspace, choice: Choice) -> Promotion:
    """What speaks for a version, from the ledger: how it came to be accepted where it is in use."""
    ledger, key = workspace.ledger, choice.model.key
    recorded = ledger.recorded()
    changes = {e: list(history.blame(ledger, str(key), e)) for e in (choice.source, choice.target)}
    made = next((c for c in changes[choice.source] if c.version == choice.version), None)
    before = accepted.in_use(recorded, choice.target, key)
    old = next((c for e in changes.values() for c in e if before is not None and c.version == before), None)
    spec = choice.model.spec
    assert isinstance(spec, ModelSpec)
    in_use = accepted.in_use(recorded, choice.source, key) == choice.version
    return Promotion(
        str(key),
        choice.version,
        choice.source,
        choice.target,
        before=before,
        metrics=made.metrics if made else {},
        metrics_before=old.metrics if old else {},
        evidence=made.evidence if made else (),
        data=tuple(Data(d.document, str(d.version or ""), d.digest) for d in made.data) if made else (),
        code=made.code if made else "",
        commit=made.entry.event.commit if made else "",
        approvers=tuple(dict.fromkeys(a.actor for a in made.approvers if a.actor)) if made else (),
        served_seconds=accepted.served(ledger, choice.source, key) if in_use else None,
        soak=str(spec.promotion.soak or ""),
        live=choice.live,
        entry=made.entry.id if made else "",
        file=named(workspace.prefix, choice.file),
    )


def rollback(workspace: Workspace, joined: Joined, environment: str, to: str = "", why: str = "") -> PullRequest:
    """Opens a pull request that makes the specs what they were at a commit; by default at the apply before the last.

    Folders whose names begin with a dot (workflows) stay as they are. Raises WorkspaceError and ForgeError.
    """
    base = joining.base_of(workspace, joined)
    tip = pulling.branch(workspace, joined.remote, base)
    wanted = _wanted(workspace, environment, to, tip)
    tree = _restored(workspace, tip, wanted)
    if tree == git.run(workspace.repository, "rev-parse", f"{tip}^{{tree}}").decode().strip():
        raise WorkspaceError(f"The branch {base} already says what it said at {wanted[:10]}.", NOTHING_SELECTED)
    found = Rollback(
        environment,
        tip,
        wanted,
        reverted=_reverted(workspace, wanted, tip),
        documents=_documents(workspace, environment, tip, tree),
        why=why,
        actor=str(workspace.ledger.git.identity),
    )
    title, body = proposals.rollback_title(found), proposals.rollback_body(found)
    made = proposing.commit_tree(workspace, tree, tip, f"{title}\n\n{body}")
    proposal = proposing.Proposal(f"trueup/rollback-{environment}-{wanted[:10]}", title, body, {})
    return _published(workspace, joined, base, made, proposal)


def _published(workspace: Workspace, joined: Joined, base: str, made: str, proposal: proposing.Proposal) -> PullRequest:
    try:
        return proposing.publish(workspace, joined.forge, joined.remote, base, made, proposal)
    except ForgeError as error:
        raise WorkspaceError(
            f"The branch {proposal.branch} is pushed, and the pull request is not opened: {error}", UNREACHED
        ) from None


def _wanted(workspace: Workspace, environment: str, to: str, tip: str) -> str:
    """The commit to go back to."""
    if to:
        found = trees.revision(workspace.repository, to, workspace.prefix)
        if found is None:
            raise WorkspaceError(
                f"Git has no revision {to!r} here that holds the workspace. Fetch it.", NOTHING_SELECTED
            )
        return found.commit
    applied = [
        e.event.commit
        for e in workspace.ledger.entries()
        if e.event.environment == environment and e.event.kind is EventKind.APPLIED and e.event.outcome == DONE
    ]
    last = applied[0] if applied else ""
    before = next((c for c in applied if c and c != last), "")
    with suppress(WorkspaceError):
        if before and (pulling.there(workspace, before) or pulling.head(workspace, joining.REMOTE, "", 0, before)):
            return before
    raise WorkspaceError(
        f"The ledger knows of no apply of {environment} before the last. Name the commit: --to REV.", NOTHING_SELECTED
    )


def _restored(workspace: Workspace, tip: str, wanted: str) -> str:
    """The tree of `tip` with the workspace's folder as it was at `wanted`."""
    repository, prefix = workspace.repository, workspace.prefix
    there = git.run(repository, "ls-tree", "-r", "-z", "--full-tree", tip).split(b"\0")[:-1]
    former = git.run(repository, "ls-tree", "-r", "-z", "--full-tree", wanted).split(b"\0")[:-1]
    kept = [r for r in there if not _of_workspace(r, prefix)] + [r for r in former if _of_workspace(r, prefix)]
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        records = b"".join(record + b"\0" for record in kept)
        git.run(repository, "update-index", "-z", "--index-info", stdin=records, variables=index)
        return git.run(repository, "write-tree", variables=index).decode().strip()


def _of_workspace(record: bytes, prefix: str) -> bool:
    """Whether a file is the workspace's and in no folder such as `.github`."""
    path = os.fsdecode(record.partition(b"\t")[2])
    inside = not prefix or path.startswith(f"{prefix}/")
    return inside and not path[len(prefix) :].lstrip("/").startswith(".")


def _reverted(workspace: Workspace, wanted: str, tip: str) -> tuple[tuple[str, str], ...]:
    arguments = ("log", "--first-parent", f"--max-count={MOST_COMMITS}", "--format=%H%x09%s", f"{wanted}..{tip}", "--")
    lines = git.run(workspace.repository, *arguments).decode("utf-8", "replace").splitlines()
    return tuple((commit, subject) for commit, _, subject in (line.partition("\t") for line in lines))


def _documents(workspace: Workspace, environment: str, tip: str, tree: str) -> tuple[str, ...]:
    """The documents of an environment that change."""
    inside = git.run(workspace.repository, "rev-parse", f"{tree}:{workspace.prefix}" if workspace.prefix else tree)
    states = []
    for found in (
        trees.revision(workspace.repository, tip, workspace.prefix),
        trees.Revision(workspace.repository, workspace.prefix, "", inside.decode().strip()),
    ):
        documents = by_key(read_documents(found)) if found is not None else {}
        states.append(documents_in(documents, environment) if environment in environments(documents) else {})
    return tuple(c.key for c in spec_changes(states[0], states[1]))
