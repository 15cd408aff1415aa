"""Rules of values that stand in several kinds: secrets, quantities, variables (TRU1030 to TRU1049)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from trueup_specs.core.envelope import Document, Resources, SecretRef, SpecModel
from trueup_specs.core.positions import Path
from trueup_specs.core.quantities import amount
from trueup_specs.core.references import Key
from trueup_specs.core.rules import Finding, Index, Rule
from trueup_specs.core.values import instances, noted
from trueup_specs.kinds.envelope.credential_rules import CredentialInClear
from trueup_specs.kinds.envelope.holders import HolderRule, holders
from trueup_specs.kinds.environment.spec import EnvironmentSpec

_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def stores(environment: str, index: Index) -> frozenset[str] | None:
    """The secret stores of an environment and of those that it extends; None where the environment is unknown."""
    found: set[str] = set()
    seen: set[str] = set()
    current: str | None = environment
    while current is not None and current not in seen:
        seen.add(current)
        document = index.get(Key("Environment", "", current))
        if document is None:
            return None
        assert isinstance(document.spec, EnvironmentSpec)
        found.update(store.name for store in document.spec.secret_stores)
        current = document.spec.extends
    return frozenset(found)


def environments_of(document: Document, index: Index) -> Iterable[str]:
    """The names of the environments that a document exists in; an environment is its own."""
    if document.key.kind == "Environment":
        return (document.key.name,)
    if document.metadata.environments is not None:
        return document.metadata.environments
    return sorted(environment.key.name for environment in index.of_kind("Environment"))


def _secrets(part: SpecModel) -> tuple[tuple[Path, SecretRef], ...]:
    return tuple(instances(part, SecretRef))


def _resources(part: SpecModel) -> tuple[tuple[Path, Resources], ...]:
    """What a part says of CPU and memory, where it says anything."""
    return tuple((path, found) for path, found in instances(part, Resources) if found.model_fields_set)


class SecretStoreAbsent(Rule):
    """A `secretRef` must name a store that each environment of the document has."""

    code = "TRU1030"
    reason = (
        "Secrets are resolved when a plan is applied; in an environment without the store the apply would stop there."
    )
    good = """
        kind: Environment
        metadata: {name: dev}
        spec: {secretStores: [{name: vars, type: env}]}
        ---
        kind: DataSource
        metadata: {name: orders}
        spec:
          sql:
            connection: {secretRef: {store: vars, name: ORDERS_URL}}
            query: SELECT * FROM orders
        """
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {secretStores: [{name: vars, type: env}]}
        ---
        kind: DataSource
        metadata: {name: orders}
        spec:
          sql:
            connection: {secretRef: {store: vault, name: ORDERS_URL}}
        #                                   ^
            query: SELECT * FROM orders
        """

    def check(self, document: Document, index: Index) -> Iterator[Finding]:
        found = (
            ((*path, *inner), secret)
            for path, part in holders(document.spec)
            for inner, secret in noted(part, _secrets)
        )
        for path, secret in found:
            for environment in environments_of(document, index):
                known = stores(environment, index)
                if known is None or secret.store in known:
                    continue
                has = f"it has {', '.join(sorted(known))}" if known else "it has none"
                yield Finding(
                    (*path, "store"),
                    f"The environment {environment!r} has no secret store {secret.store!r}: {has}.",
                    fix=f"Add the store to `secretStores` of {environment!r}, or name one that it has.",
                    related=((Key("Environment", "", environment), ("spec",), "The environment."),),
                )


class SecretNameEmpty(HolderRule):
    """A `secretRef` must say the secret's name."""

    code = "TRU1031"
    reason = "No store has a secret without a name."
    good = SecretStoreAbsent.good
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {secretStores: [{name: vars, type: env}]}
        ---
        kind: DataSource
        metadata: {name: orders}
        spec:
          sql:
            connection: {secretRef: {store: vars, name: ""}}
        #                                               ^
            query: SELECT * FROM orders
        """

    def judge(self, part: SpecModel) -> Iterator[Finding]:
        for path, secret in noted(part, _secrets):
            if not secret.name.strip():
                yield Finding((*path, "name"), "The secret has no name.", fix="Write the secret's name in its store.")


_FIELDS = (("cpu", "cpu"), ("memory", "memory"), ("cpu_limit", "cpuLimit"), ("memory_limit", "memoryLimit"))


class QuantityMalformed(HolderRule):
    """CPU and memory must be Kubernetes quantities."""

    code = "TRU1032"
    reason = "Kubernetes and the local runner read no other form, such as `4GB` or `2 cores`."
    good = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: "true", resources: {cpu: 500m, memory: 1Gi}}]}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: "true", resources: {cpu: 500m, memory: 1GB}}]}
        #                                                                         ^
        """

    def judge(self, part: SpecModel) -> Iterator[Finding]:
        for path, resources in noted(part, _resources):
            for field, alias in _FIELDS:
                value = getattr(resources, field)
                if value is not None and amount(value) is None:
                    yield Finding(
                        (*path, alias),
                        f"{value!r} is no Kubernetes quantity.",
                        fix="Write CPU as `500m` or `2`, and memory as `512Mi` or `4Gi`.",
                    )


class QuantityNotPositive(HolderRule):
    """CPU and memory must be more than nothing, and memory at least a mebibyte."""

    code = "TRU1033"
    reason = "A process without CPU or memory cannot start; a bare `512` is 512 bytes, where `512Mi` was meant."
    good = QuantityMalformed.good
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: "true", resources: {memory: 512}}]}
        #                                                              ^
        """

    def judge(self, part: SpecModel) -> Iterator[Finding]:
        for path, resources in noted(part, _resources):
            for field, alias in _FIELDS:
                value = getattr(resources, field)
                number = None if value is None else amount(value)
                least = 2**20 if field.startswith("memory") else 0.001
                if number is not None and number < least:
                    what = "bytes of memory" if field.startswith("memory") else "CPUs"
                    yield Finding(
                        (*path, alias),
                        f"{value!r} means {number:g} {what}, which is too little for any process.",
                        fix="Add the unit: `512Mi` is memory, `500m` is half a CPU.",
                    )


class LimitBelowRequest(HolderRule):
    """A CPU or memory limit must not be below its request."""

    code = "TRU1034"
    reason = "Kubernetes refuses such a container when the plan is applied."
    good = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: "true", resources: {memory: 1Gi, memoryLimit: 2Gi}}]}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: "true", resources: {memory: 1Gi, memoryLimit: 512Mi}}]}
        #                                                                                ^
        """

    def judge(self, part: SpecModel) -> Iterator[Finding]:
        for path, resources in noted(part, _resources):
            for what in ("cpu", "memory"):
                request, limit = getattr(resources, what), getattr(resources, f"{what}_limit")
                if request is None or limit is None:
                    continue
                least, most = amount(request), amount(limit)
                if least is not None and most is not None and most < least:
                    yield Finding(
                        (*path, f"{what}Limit"),
                        f"The {what} limit {limit} is below the request {request}.",
                        fix=f"Raise `{what}Limit` to at least {request}, or ask for less.",
                    )


class VariableName(HolderRule):
    """The name of an environment variable must be letters, digits and `_`, and not begin with a digit."""

    code = "TRU1035"
    about = ("env",)
    reason = "Shells and Kubernetes refuse other names."
    good = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: "true", env: {LOG_LEVEL: debug}}]}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: "true", env: {log-level: debug}}]}
        #                                                ^
        """

    def judge(self, part: SpecModel) -> Iterator[Finding]:
        for name in getattr(part, "env", ()):
            if not _VARIABLE.match(name):
                yield Finding(
                    ("env", name),
                    f"{name!r} is no name of an environment variable.",
                    at_key=True,
                    fix="Use letters, digits and `_`, not beginning with a digit.",
                )


SECRET_RULES: tuple[type[Rule], ...] = (SecretStoreAbsent, SecretNameEmpty, CredentialInClear)
PROCESS_RULES: tuple[type[Rule], ...] = (
    *SECRET_RULES,
    QuantityMalformed,
    QuantityNotPositive,
    LimitBelowRequest,
    VariableName,
)
