"""Mandatory policies as a ValidatingAdmissionPolicy: what Trueup refuses to plan, the cluster refuses from whoever else.

A policy over `resources` reads `resource.type`, `resource.name` and `resource.properties`; for the cluster these are the request's kind
and object. One over specs or plans knows things that no object of a cluster has, and stays Trueup's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from trueup_specs.core.envelope import Document
from trueup_specs.kinds.policy.spec import PolicySpec
from trueup_stacks.core.resources import KUBERNETES, Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled
from trueup_stacks.kubernetes import naming, tokens
from trueup_stacks.kubernetes.foundation import shared

_TEXT = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
_READ = re.compile(r"(?<![\w.])(?:resource\.(properties|name|type)|environment)\b")
_LEFT = re.compile(r"(?<![\w.])resource\b")
_TYPE = (
    '("kubernetes:" + (request.kind.group == "" ? "core" : request.kind.group)'
    ' + "/" + request.kind.version + ":" + request.kind.kind)'
)
_CEL = {"properties": "object", "name": "object.metadata.name", "type": _TYPE}


def emit_policy(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The policy and its binding to the environment's namespaces; nothing where the cluster cannot judge it."""
    spec = document.spec
    assert isinstance(spec, PolicySpec)
    if why_not(document, catalog):
        return
    types = [t for t in spec.match.types if t.startswith(KUBERNETES)]
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [_rule(t) for t in sorted(types)]},
        "validations": [{"expression": _translated(spec.expression, catalog.environment), "message": spec.message}],
    }
    made = shared(document, catalog, tokens.ADMISSION_POLICY, document.key.name, {"spec": policy})
    yield made
    binding = {
        "policyName": made.properties["metadata"]["name"],
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": _namespaces(spec, catalog)},
    }
    yield shared(document, catalog, tokens.ADMISSION_BINDING, document.key.name, {"spec": binding})


def why_not(document: Document, catalog: Catalog) -> str:
    """Why the cluster cannot judge a policy, as a clause; empty where it can."""
    spec = document.spec
    assert isinstance(spec, PolicySpec)
    if spec.match.environments and catalog.environment not in spec.match.environments:
        return "it is about other environments"
    if spec.level != "mandatory":
        return f"its level is {spec.level}, and a cluster can only refuse"
    if not naming.cluster(catalog).admission:
        return "the environment has `cluster.admission: false`"
    if not naming.cluster(catalog).namespaces.manage:
        return "the namespaces are the platform's, and nothing marks which are the environment's"
    if spec.on != "resources":
        return f"it is over {spec.on}, which no object of a cluster shows"
    if not any(t.startswith(KUBERNETES) for t in spec.match.types):
        return "its `match.types` names no type of Kubernetes"
    if spec.match.kinds:
        return "it is about kinds of documents, which no object of a cluster shows"
    if _LEFT.search("".join(_TEXT.split(_translated(spec.expression, catalog.environment))[::2])):
        return "its expression reads more than `resource.type`, `resource.name` and `resource.properties`"
    return ""


def _translated(expression: str, environment: str) -> str:
    """The expression over the request; what stands in quotes is left alone."""

    def word(found: re.Match[str]) -> str:
        return _CEL[found[1]] if found[1] else f'"{environment}"'

    parts = _TEXT.split(expression)
    return "".join(p if n % 2 else _READ.sub(word, p) for n, p in enumerate(parts))


def _rule(token: str) -> Value:
    version = tokens.api_version(token)
    group, _, number = version.rpartition("/")
    return {
        "apiGroups": [group],
        "apiVersions": [number],
        "operations": ["CREATE", "UPDATE"],
        "resources": [_plural(tokens.kind(token))],
    }


def _plural(kind: str) -> str:
    """The resource of a kind: `deployments`, `networkpolicies`, `ingresses`."""
    word = kind.lower()
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "ch")) else f"{word}s"


def _namespaces(spec: PolicySpec, catalog: Catalog) -> Value:
    labels = {"matchLabels": {naming.ENVIRONMENT: catalog.environment}}
    if not spec.match.namespaces:
        return labels
    prefix = naming.cluster(catalog).namespace_prefix
    names = sorted(f"{prefix}{namespace}" for namespace in spec.match.namespaces)
    return {
        **labels,
        "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": names}],
    }
