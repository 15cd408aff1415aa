"""`kind: BackupPolicy`: what of a cluster is backed up, when, for how long, and how much may be lost. Terms of Velero."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Duration, Items, Name, SpecModel


class BackupSchedule(SpecModel):
    """When backups are made."""

    cron: str
    """A cron expression of five fields, as Velero reads it: Sunday is `0`, and there is no `L`, `W` or `#`."""
    timezone: str = "UTC"
    """A name of the IANA database. Another than UTC needs Velero 1.15; before 1.18.1 its image has no time zones."""


class LabelRequirement(SpecModel):
    """One condition on a label."""

    key: str = Field(min_length=1)
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Items[str] = ()


class LabelSelector(SpecModel):
    """Which objects are meant: those whose labels meet all that is set."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: Items[LabelRequirement] = ()


class HookExec(SpecModel):
    """A command in a container."""

    command: Items[str] = Field(min_length=1)
    """The program and its arguments; no shell reads it."""
    container: Name | None = None
    """By default the pod's first."""
    on_error: Literal["Fail", "Continue"] = "Fail"
    """Whether a backup goes on when the command fails."""
    timeout: Duration = "30s"


class HookCommand(SpecModel):
    """What a hook does."""

    exec: HookExec


class BackupHook(SpecModel):
    """Commands in the pods that are backed up, such as one that makes a database write everything down."""

    name: Name
    included_namespaces: Items[Name] = ()
    """By default all that the policy backs up."""
    included_resources: Items[str] = ()
    label_selector: LabelSelector | None = None
    """The pods in which they run; by default all."""
    pre: Items[HookCommand] = ()
    """Before a pod is backed up."""
    post: Items[HookCommand] = ()
    """After it."""


class BackupPolicySpec(SpecModel):
    """What of a cluster is backed up, when, and for how long: Velero's Schedule. Where it stores backups is Velero's own configuration.

    A backup is worth what its restore is. `trueup status ENV` says of each policy whether Velero took its schedule, how the last backup
    ended, and whether the last complete one is older than `recoveryPointObjective`. A restore is a procedure of four steps. Rehearse it:
    `trueup restore ENV POLICY --namespace-mapping churn=churn-rehearsal` restores the newest complete backup (`--backup NAME` another) into
    a namespace beside, waits for Velero, and says how it ended and how long it took; delete that namespace afterwards. When it is needed,
    let nobody apply meanwhile (`spec.paused` of the environment stops a loop), and delete what is broken: Velero makes what is missing, and
    leaves what is there as it is. Then `trueup restore ENV POLICY` restores into the namespaces themselves. Last, `trueup plan ENV
    --refresh` shows how what was restored differs from Git, and `trueup apply ENV` makes it what Git says. Each restore is in the ledger
    (`trueup audit log`). It is the same into a new cluster, once Velero there has the same storage location, where it finds the backups.
    """

    schedule: BackupSchedule
    ttl: Duration = "30d"
    """How long Velero keeps a backup."""
    recovery_point_objective: Duration | None = None
    """How much time may be lost at most. A schedule with longer gaps is an error, and `trueup status` calls a policy degraded whose last
    complete backup is older."""
    included_namespaces: Items[Name] = ()
    """Namespaces of the specs; by default the policy's own."""
    cluster_namespaces: Items[Name] = ()
    """Namespaces of the cluster beside them, by their full names, such as that of a database."""
    label_selector: LabelSelector | None = None
    """Only objects with these labels."""
    included_resources: Items[str] = ()
    """Only these resources, as the cluster's API names them: `deployments.apps`, `secrets`; by default all."""
    excluded_resources: Items[str] = ()
    include_cluster_resources: bool | None = None
    """Whether objects of no namespace are in it too. By default those that go with what is selected, such as a claim's volume."""
    snapshot_volumes: bool | None = None
    """Whether volumes are snapshotted by their storage; by default as Velero is configured."""
    snapshot_move_data: bool | None = None
    """Whether snapshots are moved to the storage location, so that they outlive the cluster's storage."""
    default_volumes_to_fs_backup: bool | None = None
    """Whether the files of volumes are copied to the storage location (File System Backup), where pods say nothing else themselves."""
    volume_snapshot_locations: Items[Name] = ()
    """VolumeSnapshotLocations in Velero's namespace, one of each provider; by default Velero's own."""
    storage_location: Name | None = None
    """A BackupStorageLocation in Velero's namespace; by default Velero's own."""
    paused: bool = False
    """No backups are made while it is; those that there are stay."""
    hooks: Items[BackupHook] = ()
    use_owner_references_in_backup: bool = False
    """Whether the Backup objects go with the policy. By default they outlive it, until their `ttl`."""
    description: str = ""
