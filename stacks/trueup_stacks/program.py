"""The only place where resources as data become Pulumi objects. Called by `apply/pulumi.py` for each `up` and `preview`.

`program` checks what it can before Pulumi starts; the callable that it returns is an inline program of the Automation API.
It must do nothing but declare resources: no I/O, no reading of the environment. Importing this module imports Pulumi.
"""

from __future__ import annotations

import graphlib
import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import pulumi

from trueup_stacks.core.resources import KUBERNETES, Address, Output, Resource, Secret, Stack, Value, outputs_of
from trueup_stacks.sdk import Constructor, constructor, is_native, snake

ADOPTS_BESIDE = (KUBERNETES, "trueup:run:")
"""Types whose replacement may stand beside what it replaces: Kubernetes' provider decides that itself (nothing is said to it, since `False`
would overrule it), and a run's identity is its fingerprint. All others have fixed names, so that a create before the delete would adopt
the old thing, which the delete then removes."""


class MissingUpstream(LookupError):
    """A stack reads an output of another stack that has not been applied."""


def program(
    stack: Stack,
    upstream: Mapping[Address, Mapping[str, Any]],
    unknown: AbstractSet[Address],
    secret: Callable[[Secret], str],
    project: str,
) -> Callable[[], None]:
    """The inline program that declares the stack's resources in an order that respects what they depend on.

    `upstream` holds the outputs of other stacks' resources; those of `unknown` (previews only: they will change) enter as
    unknown values. `secret` resolves a reference; the value enters as a Pulumi secret. Raises MissingUpstream and
    `graphlib.CycleError` at once, before Pulumi is started.
    """
    inside = {r.address for r in stack.resources}
    check_upstream(stack, upstream, unknown)
    order = ordered(stack.resources)
    reads = outputs_read(stack)

    def declare() -> None:
        world = _World(upstream, unknown, secret, project, inside, reads)
        for resource in order:
            world.declare(resource)

    return declare


def check_upstream(stack: Stack, upstream: Mapping[Address, Mapping[str, Any]], unknown: AbstractSet[Address]) -> None:
    """Raises MissingUpstream, naming every output of another stack that is neither there nor unknown."""
    inside = {r.address for r in stack.resources}
    missing = [
        f"{resource.address} reads {output.property!r} of {output.address}"
        for resource in stack.resources
        for output in outputs_of(resource.properties)
        if output.address not in inside | unknown and not _has(upstream.get(output.address, {}), output.property)
    ]
    if missing:
        listed = "; ".join(sorted(set(missing)))
        raise MissingUpstream(
            f"Stack {stack.id} needs outputs that no applied stack has: {listed}. Apply the stacks that it depends on first."
        )


def ordered(resources: Sequence[Resource]) -> tuple[Resource, ...]:
    """The resources, each after those of the same stack that it depends on. Raises `graphlib.CycleError`."""
    by_address = {r.address: r for r in resources}
    graph = {
        r.address: {*r.depends_on, *(o.address for o in outputs_of(r.properties))} & by_address.keys()
        for r in resources
    }
    return tuple(by_address[a] for a in graphlib.TopologicalSorter(graph).static_order())


def outputs_read(stack: Stack) -> dict[Address, set[str]]:
    """For each resource, the top-level outputs that the stack reads: native resources must declare them."""
    found: dict[Address, set[str]] = {}
    for resource in stack.resources:
        for output in outputs_of(resource.properties):
            found.setdefault(output.address, set()).add(output.property.split(".")[0])
    return found


@dataclass
class _World:
    """What has been declared so far, and where values come from."""

    upstream: Mapping[Address, Mapping[str, Any]]
    unknown: AbstractSet[Address]
    secret: Callable[[Secret], str]
    project: str
    inside: AbstractSet[Address]
    reads: Mapping[Address, AbstractSet[str]]
    objects: dict[Address, pulumi.CustomResource] = field(default_factory=dict)

    def declare(self, resource: Resource) -> None:
        properties = {k: self.value(v) for k, v in resource.properties.items()}
        options = self.options(resource)
        if is_native(resource.address.type):
            reads = self.reads.get(resource.address, set()) - {"id", "urn"}
            shape = {**dict.fromkeys(reads), **properties}
            made = pulumi.CustomResource(resource.address.type, resource.address.name, shape, options)
        else:
            build: Constructor = constructor(resource.address.type)
            made = build(resource.address.name, properties, options)
        self.objects[resource.address] = made

    def options(self, resource: Resource) -> pulumi.ResourceOptions:
        given = resource.options
        return pulumi.ResourceOptions(
            protect=given.protect or None,
            retain_on_delete=given.retain or None,
            import_=given.import_id or None,
            aliases=[pulumi.Alias(name=a.name, type_=a.type) for a in given.moved_from],
            depends_on=[self.objects[a] for a in resource.depends_on if a in self.objects],
            delete_before_replace=None if resource.address.type.startswith(ADOPTS_BESIDE) else True,
            custom_timeouts=_timeouts(resource),
        )

    def value(self, value: Value) -> Any:
        if isinstance(value, Output):
            return self.output(value)
        if isinstance(value, Secret):
            return pulumi.Output.secret(self.secret(value))
        if isinstance(value, Mapping):
            return {str(k): self.value(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(v) for v in value]
        return value

    def output(self, output: Output) -> Any:
        if output.address in self.inside:
            return _attribute(self.objects[output.address], output.address, output.property)
        if output.address in self.unknown:
            return pulumi.Output.from_input(pulumi.UNKNOWN)
        return _pick(self.upstream[output.address], output.property)


def _attribute(made: pulumi.CustomResource, address: Address, path: str) -> Any:
    """An output of a declared resource: `id`, a name, or a dotted path into one."""
    top, _, rest = path.partition(".")
    found = getattr(made, top if is_native(address.type) else snake(top))
    return found.apply(lambda value: _pick(value, rest)) if rest else found


def _pick(value: Any, path: str) -> Any:
    """The value at a dotted path; a name that itself holds dots (such as a metric's) wins."""
    if not path or value is None:
        return value
    if isinstance(value, Mapping) and path in value:
        return value[path]
    top, _, rest = path.partition(".")
    if isinstance(value, Mapping):
        return _pick(value.get(top), rest)
    return _pick(value[int(top)], rest)


def _has(outputs: Mapping[str, Any], path: str) -> bool:
    return path in outputs or path.split(".")[0] in outputs


SETTLING = 5
"""Seconds more than a workload may make no progress that its provider waits, so that the cluster has said why."""
SCALED = 10
"""Replicas that are reckoned with where an autoscaler has their number."""


def _timeouts(resource: Resource) -> pulumi.CustomTimeouts | None:
    """A run may take as long as the environment lets an apply wait, and a minute to end. A workload of Kubernetes may make no progress for
    as long as its deadline says, at each step of its rollout; its provider goes on waiting after that, if it is not told."""
    wait, spec = resource.properties.get("applyWaitSeconds"), resource.properties.get("spec")
    if isinstance(wait, (int, float)):
        limit = f"{int(wait) + 60}s"
    elif isinstance(spec, Mapping) and isinstance(deadline := spec.get("progressDeadlineSeconds"), int):
        limit = f"{deadline * _rollout_steps(spec) + SETTLING}s"
    else:
        return None
    return pulumi.CustomTimeouts(create=limit, update=limit)


def _rollout_steps(spec: Mapping[str, Any]) -> int:
    """How many times a rolling update has to make progress: its replicas over those that it changes at once."""
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 1
    rolling = strategy.get("rollingUpdate") or {}
    found = [rolling.get(k) for k in ("maxSurge", "maxUnavailable")]
    at_once = sum(v for v in found if isinstance(v, int)) or 1
    return max(1, math.ceil(int(spec.get("replicas", SCALED)) / at_once))
