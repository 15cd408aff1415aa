"""Resources as data: what the compiler emits, the plan compares and `program.py` turns into Pulumi objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from trueup_specs.core.fingerprints import Json, fingerprint
from trueup_specs.core.references import Key

KUBERNETES = "kubernetes:"
"""How the type tokens of Kubernetes objects begin."""


@dataclass(frozen=True, slots=True, order=True)
class StackId:
    """A stack: what one environment, namespace and layer hold; of an environment over several clusters, on one of them."""

    environment: str
    namespace: str
    layer: str
    cluster: str = ""
    """Empty for what stands on no cluster, and on the only one (or on the one that was the only one)."""

    def __str__(self) -> str:
        """The Pulumi stack name, such as `dev.churn.model` or `prod.churn.serving.frankfurt`."""
        parts = (self.environment, self.namespace, self.layer, self.cluster)
        return ".".join(part for part in parts if part)

    @classmethod
    def parse(cls, text: str) -> StackId:
        """The reverse of `str(stack)`. Names hold no dots."""
        environment, namespace, layer, *cluster = text.split(".")
        return cls(environment, namespace, layer, *cluster)


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A resource within the workspace: its stack, Pulumi type token and name."""

    stack: StackId
    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.stack}::{self.type}::{self.name}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """The reverse of `str(address)`."""
        stack, kind, name = text.split("::", 2)
        return cls(StackId.parse(stack), kind, name)

    @property
    def on_kubernetes(self) -> bool:
        """Whether it is an object of a cluster."""
        return self.type.startswith(KUBERNETES)

    def urn(self, project: str) -> str:
        """The Pulumi URN of the resource in a project."""
        return f"urn:pulumi:{self.stack}::{project}::{self.type}::{self.name}"


@dataclass(frozen=True, slots=True)
class Output:
    """A property of another resource that is known once that resource is there.

    `fingerprint` is the producer's (`Resource.fingerprint`): a value not known yet is sealed and compared as this symbol,
    so that a retrained run shows in everything downstream before it has run.
    """

    address: Address
    property: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret by reference: resolved at apply by the driver, encrypted in state, never in a plan."""

    store: str
    name: str
    key: str | None = None


Value = Any
"""None, bool, int, float, str, list, dict with string keys, `Output` or `Secret`."""


@dataclass(frozen=True, slots=True)
class Options:
    """Pulumi's resource options, as data, and what a plan must know of a property."""

    protect: bool = False
    retain: bool = False
    """The real thing stays when the resource goes (`deletionPolicy: retain`)."""
    moved_from: tuple[Address, ...] = ()
    """Former addresses (Pulumi aliases), as names within type and stack."""
    immutable: frozenset[str] = frozenset()
    """Top-level properties whose change replaces the resource."""
    maybe_immutable: frozenset[str] = frozenset()
    """Top-level properties whose change may replace it; only an online plan knows."""
    metadata: frozenset[str] = frozenset()
    """Top-level properties that describe only (owner, labels, description): never part of the fingerprint."""
    volatile: frozenset[str] = frozenset()
    """Top-level properties that may change without approval (wait times, `latest` data); never part of the fingerprint."""
    holds_data: bool = False
    import_id: str = ""
    """The id of a real thing that is taken over instead of made (`trueup import`)."""


@dataclass(frozen=True)
class Resource:
    """One resource that a target emits for a document (`origin`)."""

    address: Address
    properties: Mapping[str, Value]
    origin: Key
    depends_on: tuple[Address, ...] = ()
    options: Options = field(default_factory=Options)

    @cached_property
    def encoded(self) -> Mapping[str, Json]:
        """The properties as JSON."""
        return {k: encode(v) for k, v in self.properties.items()}

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """Every output of other resources among the properties."""
        return tuple(outputs_of(self.properties))

    @cached_property
    def fingerprint(self) -> str:
        """The digest of what the resource means: type, name and properties but metadata and volatile ones."""
        left_out = self.options.metadata | self.options.volatile
        meaning = {k: v for k, v in self.encoded.items() if k not in left_out}
        return fingerprint({"type": self.address.type, "name": self.address.name, "properties": meaning})

    @cached_property
    def digest(self) -> str:
        """The digest of all properties and dependencies: what must be equal for an apply to have nothing to do."""
        return fingerprint(
            {
                "properties": self.encoded,
                "dependsOn": [str(a) for a in self.depends_on],
                "protect": self.options.protect,
                "retain": self.options.retain,
            }
        )

    def output(self, name: str) -> Output:
        """A reference to an output of this resource."""
        return Output(self.address, name, self.fingerprint)


@dataclass(frozen=True)
class Stack:
    """Resources that are applied together, in an order that respects `depends_on` and outputs."""

    id: StackId
    resources: tuple[Resource, ...]

    @cached_property
    def digest(self) -> str:
        """The digest of all resources, whatever their order."""
        return fingerprint({str(r.address): r.digest for r in self.resources})

    def upstream(self) -> frozenset[StackId]:
        """The other stacks that this one reads outputs of or depends on."""
        found = {o.address.stack for r in self.resources for o in r.outputs}
        found |= {a.stack for r in self.resources for a in r.depends_on}
        return frozenset(found - {self.id})


def encode(value: Value) -> Json:
    """A property value as JSON: outputs and secrets become `{"$output": …}` and `{"$secret": …}`."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value  # type: ignore[no-any-return]
    if isinstance(value, Output):
        return {"$output": {"of": str(value.address), "property": value.property, "fingerprint": value.fingerprint}}
    if isinstance(value, Secret):
        return {"$secret": {"store": value.store, "name": value.name, "key": value.key}}
    if kind is dict or isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    return value  # type: ignore[no-any-return]


def decode(value: Json) -> Value:
    """The reverse of `encode`."""
    if isinstance(value, Mapping):
        if set(value) == {"$output"}:
            inner: Any = value["$output"]
            return Output(Address.parse(inner["of"]), inner["property"], inner["fingerprint"])
        if set(value) == {"$secret"}:
            inner = value["$secret"]
            return Secret(inner["store"], inner["name"], inner["key"])
        return {k: decode(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [decode(v) for v in value]
    return value


def outputs_of(value: Value) -> Iterator[Output]:
    """Every `Output` inside a value."""
    values = [value]
    while values:
        inner = values.pop()
        kind = type(inner)
        if kind is str or kind is int or kind is bool or inner is None:
            continue
        if isinstance(inner, Output):
            yield inner
        elif kind is dict or isinstance(inner, Mapping):
            values.extend(reversed(list(inner.values())))
        elif isinstance(inner, (list, tuple)):
            values.extend(reversed(inner))
