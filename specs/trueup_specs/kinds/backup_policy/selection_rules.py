"""Rules of what a BackupPolicy backs up (TRU1970 to TRU1976): namespaces, resources, labels, volumes, hooks. Listed by `rules`."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.references import Key
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, repeated
from trueup_specs.kinds.backup_policy.examples import GOOD, policy
from trueup_specs.kinds.backup_policy.selection import schedule_name, selected
from trueup_specs.kinds.backup_policy.spec import BackupPolicySpec, LabelSelector
from trueup_specs.kinds.envelope.words import instead
from trueup_specs.kinds.environment.spec import EnvironmentSpec

_VALUED = ("In", "NotIn")
_NOTHING_THERE = frozenset({"BackupPolicy", "Overlay"})
"""Kinds that put nothing into their namespace."""


def _places(spec: BackupPolicySpec, own: str) -> Iterator[tuple[Path, str]]:
    """The same, each with where it is said."""
    for position, name in enumerate(selected(spec, own)):
        yield (("spec", "includedNamespaces", position) if spec.included_namespaces else ("spec",)), name


def _inhabited(index: Index) -> dict[str, frozenset[str] | None]:
    """The namespaces in which something stands, each with its environments; None for all."""
    from trueup_specs.kinds import KINDS

    found: dict[str, frozenset[str] | None] = {}
    for kind in KINDS.values():
        for document in index.of_kind(kind.name) if kind.namespaced and kind.name not in _NOTHING_THERE else ():
            here, there = document.metadata.environments, found.get(document.key.namespace, frozenset())
            found[document.key.namespace] = None if here is None or there is None else there | set(here)
    return {**found, **dict.fromkeys(_of_servers(index))}


def _of_servers(index: Index) -> Iterator[str]:
    """The namespaces in which environments, and those that extend them, keep servers of the platform."""
    for document in index.of_kind("Environment"):
        assert isinstance(document.spec, EnvironmentSpec)
        for server in (document.spec.registry.server, document.spec.feature_store.server):
            if server is not None and server.namespace is not None:
                yield server.namespace


class NamespaceNowhere(SpecRule[BackupPolicySpec]):
    """A policy must back up namespaces in which something stands, in one of the policy's environments."""

    code = "TRU1970"
    reason = "Nothing would be backed up, and whoever needs the backup finds out."
    good = GOOD
    bad = policy("  includedNamespaces: [default, chrun]\n#                               ^")

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        known = derived(index, _inhabited)
        own = document.metadata.environments
        for path, name in _places(spec, document.key.namespace):
            if name not in known:
                what = f"No document is in the namespace {name!r}, so that there is nothing to back up."
                fix = instead(name, known) if known else "Name the cluster's own ones in `clusterNamespaces`."
                yield Finding(path, what, fix=fix)
            elif own is not None and (there := known[name]) is not None and not there & set(own):
                what = f"Nothing of the namespace {name!r} is in {' or '.join(map(repr, own))}, where the policy is."
                yield Finding(path, what, fix="Change `metadata.environments` of the policy, or the namespace.")


class NamespaceTwice(SpecRule[BackupPolicySpec]):
    """Each namespace must be listed once."""

    code = "TRU1971"
    about = ("spec.included_namespaces", "spec.cluster_namespaces")
    reason = "A repeated name is, as a rule, another namespace that was meant, and that one is not backed up."
    good = GOOD
    bad = policy("  clusterNamespaces: [databases, databases]\n#                                ^")

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        for field, names in (
            ("includedNamespaces", spec.included_namespaces),
            ("clusterNamespaces", spec.cluster_namespaces),
        ):
            for place, _, name in repeated(names):
                yield Finding(("spec", field, place), f"The namespace {name!r} is listed twice.", fix="Remove one.")


class ResourcesContradict(SpecRule[BackupPolicySpec]):
    """Resources must not be both in and out, and `*` stands alone."""

    code = "TRU1972"
    about = ("spec.included_resources", "spec.excluded_resources")
    reason = "Velero calls such a backup invalid, and makes none."
    good = GOOD
    bad = policy(
        "  includedResources: [secrets]\n  excludedResources: [events, secrets]\n#                             ^"
    )

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, name in enumerate(spec.excluded_resources):
            path: Path = ("spec", "excludedResources", position)
            if name == "*":
                yield Finding(path, "Everything is left out.", fix="Name what is to be left out.")
            elif name in spec.included_resources:
                yield Finding(path, f"{name!r} is in and out at once.", fix="Remove it from one of the lists.")
        if "*" in spec.included_resources and len(spec.included_resources) > 1:
            place = spec.included_resources.index("*")
            what = "`*` is everything, and there is more beside it."
            yield Finding(("spec", "includedResources", place), what, fix="Remove it, or the others.")


def _selectors(spec: BackupPolicySpec) -> Iterator[tuple[Path, LabelSelector]]:
    if spec.label_selector is not None:
        yield ("spec", "labelSelector"), spec.label_selector
    for position, hook in enumerate(spec.hooks):
        if hook.label_selector is not None:
            yield ("spec", "hooks", position, "labelSelector"), hook.label_selector


class SelectorInvalid(SpecRule[BackupPolicySpec]):
    """A label selector must select by something, and `values` belong to `In` and `NotIn` only."""

    code = "TRU1973"
    about = ("spec.label_selector", "spec.hooks")
    reason = "Kubernetes takes no other, and one that is empty means everything, which is said by leaving it out."
    good = GOOD
    bad = policy(
        "  labelSelector: {matchExpressions: [{key: tier, operator: In}]}\n#                                                          ^"
    )

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, selector in _selectors(spec):
            if not selector.match_labels and not selector.match_expressions:
                yield Finding(
                    path, "The selector selects by nothing.", at_key=True, fix="Add `matchLabels`, or remove it."
                )
            for position, required in enumerate(selector.match_expressions):
                if (required.operator in _VALUED) != bool(required.values):
                    needs = "needs `values`" if required.operator in _VALUED else "takes no `values`"
                    where: Path = (*path, "matchExpressions", position, "operator")
                    yield Finding(
                        where,
                        f"`{required.operator}` {needs}.",
                        fix="Write `{key: tier, operator: In, values: [gold]}`.",
                    )


class SnapshotsWithout(SpecRule[BackupPolicySpec]):
    """What is said of snapshots needs snapshots."""

    code = "TRU1974"
    about = ("spec.snapshot_volumes",)
    reason = "With `snapshotVolumes: false` there are none, so that nothing is moved or stored."
    good = GOOD
    bad = policy("  snapshotVolumes: false\n  snapshotMoveData: true\n#                   ^")

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.snapshot_volumes is not False:
            return
        fix = "Write `snapshotVolumes: true`, or remove this."
        if spec.snapshot_move_data:
            yield Finding(("spec", "snapshotMoveData"), "There are no snapshots that could be moved.", fix=fix)
        if spec.volume_snapshot_locations:
            path: Path = ("spec", "volumeSnapshotLocations")
            yield Finding(path, "There are no snapshots that could be stored there.", at_key=True, fix=fix)


class HookOfNothing(SpecRule[BackupPolicySpec]):
    """A hook must do something, under a name of its own, in namespaces that are backed up."""

    code = "TRU1975"
    about = ("spec.hooks",)
    reason = "The backup would be made without what was to be done for it, such as what makes a database's files whole."
    good = GOOD
    bad = policy("""\
  hooks:
    - name: checkpoint
      includedNamespaces: [databases]
#                          ^
      pre: [{exec: {command: [psql, -c, CHECKPOINT]}}]""")

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        there = (*selected(spec, document.key.namespace), *spec.cluster_namespaces)
        for position, hook in enumerate(spec.hooks):
            path: Path = ("spec", "hooks", position)
            if not hook.pre and not hook.post:
                yield Finding((*path, "name"), f"The hook {hook.name!r} does nothing.", fix="Add `pre` or `post`.")
            for place, name in enumerate(hook.included_namespaces):
                if name not in there:
                    what = f"The namespace {name!r} is not backed up by this policy."
                    yield Finding((*path, "includedNamespaces", place), what, fix=instead(name, there))
        for place, _, name in repeated(hook.name for hook in spec.hooks):
            what = f"Two hooks are called {name!r}."
            yield Finding(("spec", "hooks", place, "name"), what, fix="Rename one of them.")


def _names(index: Index) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for document in index.of_kind("BackupPolicy"):
        found.setdefault(schedule_name(document.key.namespace, document.key.name), []).append(document.key)
    return found


class ScheduleTwice(SpecRule[BackupPolicySpec]):
    """Two policies must not become one Schedule: it is called `NAMESPACE-NAME` in Velero's namespace."""

    code = "TRU1976"
    reason = "One would undo the other at every apply, and half of what was to be backed up would not be."
    good = GOOD
    bad = """
        kind: Entity
        metadata: {name: customer, namespace: churn}
        spec: {joinKey: customer_id}
        ---
        kind: BackupPolicy
        metadata: {name: eu-nightly, namespace: churn}
        #                ^
        spec: {schedule: {cron: "0 3 * * *"}}
        ---
        kind: BackupPolicy
        metadata: {name: nightly, namespace: churn-eu}
        #                ^
        spec: {schedule: {cron: "0 3 * * *"}, includedNamespaces: [churn]}
        """

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        own = schedule_name(document.key.namespace, document.key.name)
        for other in derived(index, _names).get(own, ()):
            if other != document.key:
                yield Finding(
                    ("metadata", "name"),
                    f"{document.key} and {other} both become the Schedule {own!r}.",
                    fix="Rename one of them.",
                    related=((other, ("metadata", "name"), "The other one."),),
                )


RULES: tuple[type[Rule], ...] = (
    NamespaceNowhere,
    NamespaceTwice,
    ResourcesContradict,
    SelectorInvalid,
    SnapshotsWithout,
    HookOfNothing,
    ScheduleTwice,
)
