"""Rules of `metadata` (TRU1000 to TRU1029). Listed for every kind by the registry."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import NAME, Key, qualified
from trueup_specs.core.rules import Finding, Index, Rule, derived, repeated
from trueup_specs.kinds.team.spec import TeamSpec

_LABEL_NAME = re.compile(r"^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_PREFIX = re.compile(rf"^{NAME}(?:\.{NAME})*$")
_MOVED = re.compile(rf"^(?:{NAME}/)?{NAME}$")
_EVERYWHERE = frozenset({"Workspace", "Environment", "Team"})
_HOLDS_DATA = frozenset({"ObjectStore", "Dataset", "Model"})


class EnvironmentsEmpty(Rule):
    """`metadata.environments` must name at least one environment."""

    code = "TRU1000"
    about = ("metadata.environments",)
    reason = "An empty list means that the document exists nowhere; leave the field out for everywhere."
    good = """
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: customer_id}
        """
    bad = """
        kind: Entity
        metadata: {name: customer, environments: []}
        #                                        ^
        spec: {joinKey: customer_id}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        if document.metadata.environments is not None and not document.metadata.environments:
            yield Finding(
                ("metadata", "environments"),
                f"{document.key} exists in no environment, because its list of environments is empty.",
                fix="Name an environment, or leave `environments` out: then it exists in all.",
            )


class EnvironmentsRepeated(Rule):
    """`metadata.environments` must name each environment once."""

    code = "TRU1001"
    about = ("metadata.environments",)
    reason = "A repeated name is, as a rule, another environment that was meant."
    good = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: Entity
        metadata: {name: customer, environments: [dev]}
        spec: {joinKey: customer_id}
        """
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: Entity
        metadata: {name: customer, environments: [dev, dev]}
        #                                              ^
        spec: {joinKey: customer_id}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        for position, _, name in repeated(document.metadata.environments or ()):
            yield Finding(
                ("metadata", "environments", position),
                f"The environment {name!r} is listed twice.",
                fix="Remove one of them.",
            )


class EnvironmentsOfWorkspaceKind(Rule):
    """`metadata.environments` must not stand in a Workspace, Environment or Team, which hold everywhere."""

    code = "TRU1002"
    about = ("metadata.environments",)
    reason = "These kinds configure the whole workspace, so a limit to some environments would silently do nothing."
    good = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}]}
        """
    bad = """
        kind: Environment
        metadata: {name: dev, environments: [dev]}
        #                     ^
        spec: {}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        if document.key.kind in _EVERYWHERE and document.metadata.environments is not None:
            yield Finding(
                ("metadata", "environments"),
                f"{document.key.kind} documents hold in every environment and cannot be limited to some.",
                at_key=True,
                fix="Remove `environments`.",
            )


class LabelKey(Rule):
    """A label's key must be good for Kubernetes: `[prefix/]name`, at most 63 characters after the prefix."""

    code = "TRU1003"
    about = ("metadata.labels",)
    reason = "Labels become labels or tags of the target; Kubernetes refuses other keys when the plan is applied."
    good = """
        kind: Entity
        metadata: {name: customer, labels: {example.com/area: growth}}
        spec: {joinKey: customer_id}
        """
    bad = """
        kind: Entity
        metadata: {name: customer, labels: {"cost center": growth}}
        #                                   ^
        spec: {joinKey: customer_id}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        for key in document.metadata.labels:
            prefix, slash, name = key.rpartition("/")
            if not _LABEL_NAME.match(name) or (slash and (len(prefix) > 253 or not _PREFIX.match(prefix))):
                yield Finding(
                    ("metadata", "labels", key),
                    f"{key!r} is no label key of Kubernetes.",
                    at_key=True,
                    fix="Use letters, digits, `-`, `_` and `.`, with a letter or digit at both ends, after an optional `dns.prefix/`.",
                )


class LabelValue(Rule):
    """A label's value must be good for Kubernetes: at most 63 letters, digits, `-`, `_` and `.`."""

    code = "TRU1004"
    about = ("metadata.labels",)
    reason = "Labels become labels or tags of the target; Kubernetes refuses other values when the plan is applied."
    good = """
        kind: Entity
        metadata: {name: customer, labels: {area: growth-team}}
        spec: {joinKey: customer_id}
        """
    bad = """
        kind: Entity
        metadata: {name: customer, labels: {area: the growth team}}
        #                                         ^
        spec: {joinKey: customer_id}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        for key, value in document.metadata.labels.items():
            if value and not _LABEL_NAME.match(value):
                yield Finding(
                    ("metadata", "labels", key),
                    f"{value!r} is no label value of Kubernetes.",
                    fix="Use at most 63 letters, digits, `-`, `_` and `.`, or write the text as an annotation.",
                )


class MovedFromMalformed(Rule):
    """`metadata.movedFrom` must be `name` or `namespace/name`."""

    code = "TRU1005"
    about = ("metadata.moved_from",)
    reason = "It is how the former resource is found; another form finds nothing, and the data would start anew."
    good = """
        kind: Entity
        metadata: {name: customer, movedFrom: client}
        spec: {joinKey: customer_id}
        """
    bad = """
        kind: Entity
        metadata: {name: customer, movedFrom: Entity/default/client}
        #                                     ^
        spec: {joinKey: customer_id}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        moved = document.metadata.moved_from
        if moved is not None and not _MOVED.match(moved):
            yield Finding(
                ("metadata", "movedFrom"),
                f"{moved!r} is not the former `name` or `namespace/name` of a document.",
                fix="Write the name that the document had before.",
            )


def _former(document: Document) -> Key | None:
    moved = document.metadata.moved_from
    if moved is None or not _MOVED.match(moved):
        return None
    namespace, name = qualified(moved, document.key.namespace)
    return Key(document.key.kind, namespace, name)


class MovedFromItself(Rule):
    """`metadata.movedFrom` must name another document than its own."""

    code = "TRU1006"
    about = ("metadata.moved_from",)
    reason = "A document that is moved from itself was, as a rule, renamed in the wrong place."
    good = """
        kind: Entity
        metadata: {name: customer, movedFrom: client}
        spec: {joinKey: customer_id}
        """
    bad = """
        kind: Entity
        metadata: {name: customer, movedFrom: customer}
        #                                     ^
        spec: {joinKey: customer_id}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        if _former(document) == document.key:
            yield Finding(
                ("metadata", "movedFrom"),
                f"{document.key} is moved from itself.",
                fix="Write the former name, or remove `movedFrom`.",
            )


class MovedFromExists(Rule):
    """`metadata.movedFrom` must name a document that is gone."""

    code = "TRU1007"
    about = ("metadata.moved_from",)
    reason = "Two documents cannot both own the same real thing."
    good = """
        kind: Entity
        metadata: {name: customer, movedFrom: client}
        spec: {joinKey: customer_id}
        """
    bad = """
        kind: Entity
        metadata: {name: client}
        spec: {joinKey: customer_id}
        ---
        kind: Entity
        metadata: {name: customer, movedFrom: client}
        #                                     ^
        spec: {joinKey: customer_id}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        former = _former(document)
        if former is not None and former != document.key and index.get(former) is not None:
            yield Finding(
                ("metadata", "movedFrom"),
                f"{former} still exists, so {document.key} cannot be moved from it.",
                fix=f"Remove the document {former}, or remove `movedFrom`.",
                related=((former, ("metadata", "name"), "It stands here."),),
            )


def _moved(index: Index) -> dict[Key, list[Document]]:
    found: dict[Key, list[Document]] = {}
    for kind in sorted({*_HOLDS_DATA, *_ORDINARY}):
        for document in index.of_kind(kind):
            former = _former(document)
            if former is not None:
                found.setdefault(former, []).append(document)
    return found


_ORDINARY = (
    "Overlay",
    "Policy",
    "DataSource",
    "Entity",
    "FeatureView",
    "FeatureService",
    "Pipeline",
    "QualityGate",
    "Endpoint",
    "Gateway",
    "Monitor",
    "AlertRoute",
    "Dashboard",
    "BackupPolicy",
)


class MovedFromTwice(Rule):
    """`metadata.movedFrom` must be said by one document only."""

    code = "TRU1008"
    about = ("metadata.moved_from",)
    reason = "Two documents cannot both own the same real thing."
    good = """
        kind: Entity
        metadata: {name: customer, movedFrom: client}
        spec: {joinKey: customer_id}
        """
    bad = """
        kind: Entity
        metadata: {name: customer, movedFrom: client}
        #                                     ^
        spec: {joinKey: customer_id}
        ---
        kind: Entity
        metadata: {name: person, movedFrom: client}
        #                                   ^
        spec: {joinKey: customer_id}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        former = _former(document)
        if former is None:
            return
        for other in derived(index, _moved).get(former, ()):
            if other.key != document.key:
                yield Finding(
                    ("metadata", "movedFrom"),
                    f"{document.key} and {other.key} both say that they were {former}.",
                    fix="Keep `movedFrom` in the one that takes the data and history over.",
                    related=((other.key, ("metadata", "movedFrom"), "The other one."),),
                )


class DeletionPolicyWithoutData(Rule):
    """`metadata.deletionPolicy: retain` has an effect only on kinds that hold data."""

    code = "TRU1009"
    about = ("metadata.deletion_policy",)
    severity = Severity.WARNING
    reason = (
        "Processes, routes and definitions can be made again; only ObjectStore, Dataset and Model hold what cannot."
    )
    good = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers, deletionPolicy: retain}
        spec: {source: raw, schema: {properties: [{name: id, logicalType: string}]}}
        """
    bad = """
        kind: Entity
        metadata: {name: customer, deletionPolicy: retain}
        #                          ^
        spec: {joinKey: customer_id}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        if document.metadata.deletion_policy is not None and document.key.kind not in _HOLDS_DATA:
            yield Finding(
                ("metadata", "deletionPolicy"),
                f"{document.key.kind} holds no data, so `deletionPolicy` does nothing.",
                at_key=True,
                fix="Remove `deletionPolicy`.",
            )


def owners(index: Index) -> dict[str, list[Document]]:
    """The teams that own each namespace."""
    found: dict[str, list[Document]] = {}
    for team in index.of_kind("Team"):
        assert isinstance(team.spec, TeamSpec)
        for namespace in dict.fromkeys(team.spec.owns):
            found.setdefault(namespace, []).append(team)
    return found


class NamespaceUnowned(Rule):
    """A document's namespace must be owned by a Team, once the workspace has Teams."""

    code = "TRU1010"
    reason = "Nobody would answer for it, and no approval could be asked of its owners."
    good = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}], owns: [churn]}
        ---
        kind: Entity
        metadata: {name: customer, namespace: churn}
        spec: {joinKey: customer_id}
        """
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}], owns: [churn]}
        ---
        kind: Entity
        metadata: {name: customer, namespace: pricing}
        #                                     ^
        spec: {joinKey: customer_id}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        namespace = document.key.namespace
        if not namespace:
            return
        owned = derived(index, owners)
        if namespace not in owned and any(True for _ in index.of_kind("Team")):
            yield Finding(
                ("metadata", "namespace" if document.metadata.namespace else "name"),
                f"No team owns the namespace {namespace!r}.",
                fix=f"Add {namespace!r} to `spec.owns` of the Team that answers for it.",
            )


class OwnerOfOtherNamespace(Rule):
    """`metadata.owner` should be a team that owns the document's namespace."""

    code = "TRU1011"
    about = ("metadata.owner",)
    severity = Severity.WARNING
    reason = "Approvals are asked of the namespace's owners, so the two should be the same people."
    good = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}], owns: [churn]}
        ---
        kind: Entity
        metadata: {name: customer, namespace: churn, owner: growth}
        spec: {joinKey: customer_id}
        """
    bad = """
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}], owns: [churn]}
        ---
        kind: Team
        metadata: {name: pricing}
        spec: {members: [{user: bob}], owns: [pricing]}
        ---
        kind: Entity
        metadata: {name: customer, namespace: churn, owner: pricing}
        #                                                   ^
        spec: {joinKey: customer_id}
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        owner, namespace = document.metadata.owner, document.key.namespace
        if owner is None or not namespace:
            return
        teams = [team.key.name for team in derived(index, owners).get(namespace, ())]
        if teams and owner not in teams:
            yield Finding(
                ("metadata", "owner"),
                f"The team {owner!r} does not own the namespace {namespace!r}; {' and '.join(teams)} does.",
                fix=f"Write `owner: {teams[0]}`, or add {namespace!r} to what {owner!r} owns.",
            )


METADATA_RULES: tuple[type[Rule], ...] = (
    EnvironmentsEmpty,
    EnvironmentsRepeated,
    EnvironmentsOfWorkspaceKind,
    LabelKey,
    LabelValue,
    MovedFromMalformed,
    MovedFromItself,
    MovedFromExists,
    MovedFromTwice,
    DeletionPolicyWithoutData,
    NamespaceUnowned,
    OwnerOfOtherNamespace,
)
