"""What a policy selects, and what it is called where it is made. Called by its rules, and by the targets."""

from __future__ import annotations

from trueup_specs.kinds.backup_policy.spec import BackupPolicySpec


def selected(spec: BackupPolicySpec, own: str) -> tuple[str, ...]:
    """The namespaces of the specs that a policy of the namespace `own` backs up."""
    return spec.included_namespaces or (() if spec.cluster_namespaces else (own,))


def schedule_name(namespace: str, name: str) -> str:
    """What a policy is called in Velero's namespace, which it shares with those of other namespaces."""
    return f"{namespace}-{name}"
