"""What to do about errors of platforms, whose own texts say only what is wrong. Called by `events.py`; the texts matched are those of
Pulumi, of its providers and of the Kubernetes API server."""

from __future__ import annotations

import re

ADVICE = (
    (
        r"(?i)apply conflict|Apply failed with \d+ conflict",
        "Somebody else set these fields. `trueup apply ENV --refresh` takes them back; what the spec does not name stays theirs.",
    ),
    (
        r"Kubernetes cluster is unreachable|due to unreachable cluster",
        "Look whether the cluster is up, and whether `cluster.kubeconfig` and `cluster.context` of the environment name the right one.",
    ),
    (
        r"apiVersion for this resource does not exist|no matches for kind",
        "The cluster lacks the component that this kind belongs to: install it with its CustomResourceDefinitions, then apply again.",
    ),
    (
        r"violates PodSecurity",
        "The namespace enforces a Pod Security level that the pods do not keep; the message names the fields.",
    ),
    (
        r"exceeded quota",
        "The namespace's ResourceQuota is used up: ask for less in the spec, or for more of the platform.",
    ),
    (
        r"is forbidden: User",
        "The user of the kubeconfig lacks a right: the message names the verb and the resource to grant.",
    ),
    (
        r"no resource plugin 'pulumi-resource-[\w-]+' found",
        "Install the provider as the message says, or put it on PATH, where machines cannot download it.",
    ),
)
"""Pattern → what to do."""


def advised(text: str) -> str:
    """The text with what to do about it, where that is known."""
    for pattern, advice in ADVICE:
        if re.search(pattern, text):
            return f"{text}\n{advice}"
    return text
