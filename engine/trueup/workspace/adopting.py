"""Drift as a pull request that adopts it: the specs say what runs, where they can. Called by the loop, by way of `asking`.

What can be said in specs is a table (`FIELDS`): a property of a live resource, and the field that it came from. Each edit is a patch in an
Overlay of this environment alone. Whether it says what runs is not believed but tried: the edited specs are compiled, and the compiled
property must be what is live. Everything else stays for an issue, since no edit of specs can adopt it: a table that was changed by hand, a
server that was killed, what is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.compile.compilation import Compilation
from trueup.exits import NOTHING_SELECTED
from trueup.load import trees
from trueup.load.trees import Tree, named
from trueup.plan.recorded import Recorded
from trueup.plan.values import PropertyChange
from trueup.validate.validation import validate
from trueup.views.comments import proposals
from trueup.views.comments.proposals import Adopted, Adoption
from trueup.workspace import joining, overlays, planning, proposing, pulling
from trueup.workspace.joining import Joined
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.operating import Finding
from trueup.workspace.planning import by_key
from trueup_specs.core.diagnostics import failed
from trueup_specs.core.envelope import Document
from trueup_specs.core.patches import merge
from trueup_specs.core.references import Key
from trueup_specs.kinds.overlay.spec import OverlaySpec
from trueup_stacks.core.resources import Address

_PREDICTOR = ("predictor", "minReplicas"), ("predictor", "maxReplicas")
_CONTAINER = r"spec\.template\.spec\.containers\[\w[-\w]*\]\.resources"
FIELDS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (r"trueup:registry:Alias", r"version", "Model", ("version",)),
    (r"trueup:serve:Service", r"replicas", "Endpoint", _PREDICTOR[0]),
    (r"trueup:serve:Service", r"workers", "Endpoint", ("predictor", "workers")),
    (
        r"kubernetes:apps/v1:Deployment|kubernetes:argoproj.io/v1alpha1:Rollout",
        r"spec\.replicas",
        "Endpoint",
        _PREDICTOR[0],
    ),
    (r"kubernetes:autoscaling/v2:HorizontalPodAutoscaler", r"spec\.minReplicas", "Endpoint", _PREDICTOR[0]),
    (r"kubernetes:autoscaling/v2:HorizontalPodAutoscaler", r"spec\.maxReplicas", "Endpoint", _PREDICTOR[1]),
    (r"kubernetes:keda.sh/v1alpha1:ScaledObject", r"spec\.minReplicaCount", "Endpoint", _PREDICTOR[0]),
    (r"kubernetes:keda.sh/v1alpha1:ScaledObject", r"spec\.maxReplicaCount", "Endpoint", _PREDICTOR[1]),
    (r"kubernetes:apps/v1:Deployment", rf"{_CONTAINER}\.requests\.cpu", "Endpoint", ("predictor", "resources", "cpu")),
    (
        r"kubernetes:apps/v1:Deployment",
        rf"{_CONTAINER}\.requests\.memory",
        "Endpoint",
        ("predictor", "resources", "memory"),
    ),
)
"""Pulumi type, path of the property (both whole, as regular expressions), kind of the document, field of its spec."""


@dataclass(frozen=True)
class Edit:
    """A field that is to say what runs."""

    document: Key
    field: tuple[str, ...]
    value: Any
    address: Address
    change: PropertyChange


@dataclass(frozen=True)
class Proposed:
    """What can be adopted, as files by path within the repository, and what cannot, as it is shown."""

    adoption: Adoption
    files: Mapping[str, bytes]


def adopt(workspace: Workspace, joined: Joined, environment: str, findings: Iterable[Finding]) -> tuple[str, ...]:
    """Opens (or brings up to date) the pull request that adopts what can be; gives what cannot, for an issue.

    Raises WorkspaceError and ForgeError.
    """
    base = joining.base_of(workspace, joined)
    tip = pulling.branch(workspace, joined.remote, base)
    tree = trees.revision(workspace.repository, tip, workspace.prefix)
    if tree is None:
        raise WorkspaceError(f"The branch {base} does not hold the workspace {workspace.name}.", NOTHING_SELECTED)
    found = proposed(workspace, tree, environment, findings)
    if found.files:
        title, body = proposals.adoption_title(found.adoption), proposals.adoption_body(found.adoption)
        proposal = proposing.Proposal(f"trueup/adopt-drift-{environment}", title, body, dict(found.files))
        proposing.propose(workspace, joined.forge, joined.remote, base, tip, proposal)
    return found.adoption.left


def proposed(workspace: Workspace, tree: Tree, environment: str, findings: Iterable[Finding]) -> Proposed:
    """Which drift the specs of a tree can adopt, and how. Changes nothing."""
    drift = list(findings)
    recorded = workspace.ledger.recorded(environment)
    documents = by_key(planning.validated(tree))
    edits: list[Edit] = []
    files: dict[str, bytes] = {}
    for edit in _edits(drift, recorded, documents):
        same = [e for e in edits if e.document == edit.document]
        path, data = _file(workspace, documents, environment, [*same, edit])
        if _says(workspace, tree, environment, {**files, path: data}, [*edits, edit]):
            edits.append(edit)
            files[path] = data
    adopted = tuple(Adopted(str(e.document), ".".join(("spec", *e.field)), e.change.recorded, e.value) for e in edits)
    done = {(e.address, e.change.path) for e in edits}
    left = tuple(text for f in drift for text in _left(f, done))
    return Proposed(
        Adoption(environment, adopted, left), {named(workspace.prefix, p): data for p, data in files.items()}
    )


def _edits(drift: Iterable[Finding], recorded: Recorded, documents: Mapping[Key, Document]) -> Iterator[Edit]:
    for finding in drift:
        resource = recorded.resource(finding.address)
        for change in finding.changes if resource is not None else ():
            assert resource is not None
            key = Key.parse(resource.origin)
            for token, path, kind, field in FIELDS:
                fits = re.fullmatch(token, finding.address.type) and re.fullmatch(path, change.path)
                if fits and kind == key.kind and key in documents and isinstance(change.desired, str | int | float):
                    yield Edit(key, field, change.desired, finding.address, change)


def _left(finding: Finding, done: set[tuple[Address, str]]) -> Iterator[str]:
    """What of a finding stays, as it is shown."""
    name = f"{finding.address.type} {finding.address.name}"
    if not finding.changes:
        yield f"{name} ({finding.what})"
    rest = [c.path for c in finding.changes if (finding.address, c.path) not in done]
    if rest:
        yield f"{name} ({finding.what}: {', '.join(rest)})"


def _file(
    workspace: Workspace, documents: Mapping[Key, Document], environment: str, edits: list[Edit]
) -> tuple[str, bytes]:
    """The file within the workspace that holds all edits of one document, and what an earlier adoption of it said."""
    document = documents[edits[0].document]
    name = f"{document.key.name}-as-it-runs-in-{environment}"[:63].rstrip("-")
    where = document.source.file.removeprefix(f"{workspace.prefix}/") if workspace.prefix else document.source.file
    folder = where.rpartition("/")[0]
    before = documents.get(Key("Overlay", document.key.namespace, name))
    patch: Any = before.spec.patch if before is not None and isinstance(before.spec, OverlaySpec) else {}
    for edit in edits:
        value: Any = edit.value
        for part in reversed(edit.field):
            value = {part: value}
        patch = merge(patch, value)
    path = f"{folder}/{name}.yaml" if folder else f"{name}.yaml"
    why = "Written by Trueup: what was changed outside of it, and was adopted."
    return path, overlays.fresh(document, name, environment, patch, why).encode()


def _says(workspace: Workspace, tree: Tree, environment: str, files: Mapping[str, bytes], edits: list[Edit]) -> bool:
    """Whether the specs with the edits compile to what is live."""
    made = proposing.commit(
        workspace, tree.commit, "Adopt drift", "Tried.", {named(workspace.prefix, p): d for p, d in files.items()}
    )
    after = trees.revision(workspace.repository, made, workspace.prefix)
    if after is None or failed(validate(after).diagnostics):
        return False
    try:
        prepared = planning.prepare(workspace, environment, after)
    except (planning.InvalidSpecs, WorkspaceError):
        return False
    return not prepared.forbidden and all(_compiled(prepared.compilation, e) == e.value for e in edits)


def _compiled(compilation: Compilation, edit: Edit) -> Any:
    resource = compilation.find(edit.address)
    value: Any = resource.encoded if resource is not None else None
    for name in re.findall(r"[^.\[\]]+", edit.change.path):
        if isinstance(value, list | tuple):
            value = next((v for i, v in enumerate(value) if name in (str(i), _name(v))), None)
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _name(value: Any) -> str:
    return str(value.get("name", "")) if isinstance(value, Mapping) else ""
