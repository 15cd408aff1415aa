"""A `BackupPolicy` as a Schedule of Velero, in Velero's namespace.

The Schedule is no part of what it backs up, and waits for nothing of it: Velero looks for the namespaces when a backup is due. Of several
clusters each gets the policy for those of its namespaces in which it has something. Velero copies the Schedule's labels and annotations to
each Backup, so that a backup says whose it is in a cluster that knows nothing of the specs.
"""

from __future__ import annotations

from collections.abc import Iterable

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.references import Key
from trueup_specs.kinds.backup_policy.selection import schedule_name, selected
from trueup_specs.kinds.backup_policy.spec import BackupHook, BackupPolicySpec, HookCommand, LabelSelector
from trueup_stacks.core.resources import Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled, Refusal, address_of
from trueup_stacks.kubernetes import components, naming, tokens
from trueup_stacks.kubernetes.foundation import namespaces_in_use
from trueup_stacks.kubernetes.placement import OnCluster

OBJECTIVE = "trueup/recovery-point-objective"
"""The annotation that says how much may be lost: `trueup status` holds the last backup against it."""
SCHEDULE_LABEL = "velero.io/schedule-name"
"""Velero's own label of the Backups of a Schedule."""
_LONGEST = 63
"""Characters of a label's value, as which the Schedule's name stands on its Backups."""


def refuse_backup_policy(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """What a policy needs of the cluster, and of the environment's other documents."""
    spec = document.spec
    assert isinstance(spec, BackupPolicySpec)
    yield from components.needed(catalog, "velero", "spec", "backups are made by Velero")
    there = namespaces_in_use(_whole(catalog))
    for name in selected(spec, document.key.namespace):
        if name not in there:
            yield Refusal(
                "spec.includedNamespaces",
                f"nothing of the namespace {name!r} becomes an object of environment {catalog.environment!r}",
                f"Name one that has something there ({', '.join(there) or 'none has'}), or limit the policy with metadata.environments.",
            )
    if len(found := name_of(document, catalog)) > _LONGEST:
        yield Refusal(
            "metadata.name",
            f"Velero puts the Schedule's name {found!r} into a label, which has {_LONGEST} characters at most",
            "Rename the policy, with metadata.movedFrom.",
        )


def omit_backup_policy(document: Document, catalog: Catalog) -> str:
    """Why a policy becomes nothing on one cluster of several."""
    spec = document.spec
    assert isinstance(spec, BackupPolicySpec)
    if not isinstance(catalog, OnCluster) or _namespaces(document, spec, catalog):
        return ""
    elsewhere = set(selected(spec, document.key.namespace)) & set(namespaces_in_use(catalog.of))
    return f"the cluster {catalog.name!r} has nothing of its namespaces" if elsewhere else ""


def emit_backup_policy(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The Schedule."""
    spec = document.spec
    assert isinstance(spec, BackupPolicySpec)
    metadata = naming.metadata(
        document,
        catalog,
        name=name_of(document, catalog),
        component="backup-policy",
        where=naming.cluster(catalog).velero.namespace,
    )
    if spec.recovery_point_objective is not None:
        metadata["annotations"] |= {OBJECTIVE: spec.recovery_point_objective}
    schedule: dict[str, Value] = {
        "schedule": _cron(spec),
        "paused": spec.paused,
        "useOwnerReferencesInBackup": spec.use_owner_references_in_backup,
        "template": _template(document, spec, catalog),
    }
    yield Resource(
        address_of(document, catalog, naming.FOUNDATION, tokens.SCHEDULE),
        {"metadata": metadata, "spec": schedule},
        document.key,
        options=naming.options(document, catalog, tokens.SCHEDULE, layer=naming.FOUNDATION),
    )


def name_of(document: Document, catalog: Catalog) -> str:
    """The Schedule's name."""
    return named(document.key, naming.cluster(catalog).namespace_prefix, catalog.cluster)


def named(policy: Key, prefix: str, cluster: str) -> str:
    """The name of a policy's Schedule, with which those of its backups begin. Environments that share a cluster are kept apart as their
    namespaces are, and clusters that share a storage location by what the names of their stacks end with."""
    return (f"{cluster}-" if cluster else "") + schedule_name(f"{prefix}{policy.namespace}", policy.name)


def _whole(catalog: Catalog) -> Catalog:
    """The environment's documents, wherever they stand."""
    return catalog.of if isinstance(catalog, OnCluster) else catalog


def _namespaces(document: Document, spec: BackupPolicySpec, catalog: Catalog) -> list[str]:
    """What is backed up on this cluster, by the cluster's names."""
    there, prefix = namespaces_in_use(catalog), naming.cluster(catalog).namespace_prefix
    own = [f"{prefix}{name}" for name in selected(spec, document.key.namespace) if name in there]
    return [*own, *spec.cluster_namespaces]


def _cron(spec: BackupPolicySpec) -> str:
    """As Velero takes a time zone (robfig/cron, since Velero 1.15); its servers' own is UTC."""
    zone = spec.schedule.timezone
    return spec.schedule.cron if zone == "UTC" else f"CRON_TZ={zone} {spec.schedule.cron}"


def _template(document: Document, spec: BackupPolicySpec, catalog: Catalog) -> dict[str, Value]:
    given: dict[str, Value] = {
        "labelSelector": _selector(spec.label_selector),
        "includedResources": list(spec.included_resources) or None,
        "excludedResources": list(spec.excluded_resources) or None,
        "includeClusterResources": spec.include_cluster_resources,
        "snapshotVolumes": spec.snapshot_volumes,
        "snapshotMoveData": spec.snapshot_move_data,
        "defaultVolumesToFsBackup": spec.default_volumes_to_fs_backup,
        "volumeSnapshotLocations": list(spec.volume_snapshot_locations) or None,
        "storageLocation": spec.storage_location,
        "hooks": {"resources": [_hook(h, spec, catalog) for h in spec.hooks]} if spec.hooks else None,
    }
    always: dict[str, Value] = {
        "includedNamespaces": _namespaces(document, spec, catalog),
        "ttl": go_duration(spec.ttl),
    }
    return {**always, **{k: v for k, v in given.items() if v is not None}}


def _hook(hook: BackupHook, spec: BackupPolicySpec, catalog: Catalog) -> dict[str, Value]:
    prefix = naming.cluster(catalog).namespace_prefix
    names = [n if n in spec.cluster_namespaces else f"{prefix}{n}" for n in hook.included_namespaces]
    given: dict[str, Value] = {
        "includedNamespaces": names or None,
        "includedResources": list(hook.included_resources) or None,
        "labelSelector": _selector(hook.label_selector),
        "pre": [_command(c) for c in hook.pre] or None,
        "post": [_command(c) for c in hook.post] or None,
    }
    return {"name": hook.name, **{k: v for k, v in given.items() if v is not None}}


def _command(command: HookCommand) -> dict[str, Value]:
    run = command.exec
    found = {"command": list(run.command), "onError": run.on_error, "timeout": go_duration(run.timeout)}
    return {"exec": found if run.container is None else {**found, "container": run.container}}


def _selector(selector: LabelSelector | None) -> dict[str, Value] | None:
    if selector is None:
        return None
    expressions = [
        {"key": r.key, "operator": r.operator, **({"values": list(r.values)} if r.values else {})}
        for r in selector.match_expressions
    ]
    return {
        **({"matchLabels": dict(selector.match_labels)} if selector.match_labels else {}),
        **({"matchExpressions": expressions} if expressions else {}),
    }


def go_duration(duration: str) -> str:
    """A length of time as Go writes it, which Velero reads: `30d` is `720h0m0s`."""
    whole, rest = divmod(round(seconds(duration) * 1000), 1000)
    if not whole:
        return f"{rest}ms"
    hours, minutes, last = whole // 3600, whole // 60 % 60, whole % 60
    ending = f"{last}.{rest:03}".rstrip("0.") if rest else str(last)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if whole >= 60 else "") + f"{ending}s"
