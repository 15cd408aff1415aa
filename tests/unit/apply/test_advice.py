"""Errors of platforms say what to do; the texts are the API server's and the providers' own."""

from __future__ import annotations

import pytest

from trueup.apply.advice import advised


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (
            'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas',
            "trueup apply ENV --refresh",
        ),
        (
            "configured Kubernetes cluster is unreachable: dial tcp 127.0.0.1:1: connect: connection refused",
            "cluster.context",
        ),
        ('no matches for kind "ScaledObject" in version "keda.sh/v1alpha1"', "CustomResourceDefinitions"),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', "Pod Security level"),
        (
            'pods "x" is forbidden: exceeded quota: team, requested: pods=1, used: pods=5, limited: pods=5',
            "ResourceQuota",
        ),
        ('deployments.apps is forbidden: User "ada" cannot create resource "deployments"', "lacks a right"),
        ("no resource plugin 'pulumi-resource-kubernetes' found in the workspace at version v4.34.2", "on PATH"),
    ],
)
def test_a_known_error_says_what_to_do(text: str, word: str) -> None:
    found = advised(text)
    assert found.startswith(text) and word in found


def test_an_unknown_one_stays_as_it_is() -> None:
    assert advised("the source is away") == "the source is away"
