"""Resources as files of other tools: a Pulumi YAML program, Kubernetes manifests, JSON. What they cannot hold is named.

Called by `trueup render`. A team that leaves Trueup takes these files along; nothing here is read back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import StringIO
from types import MappingProxyType
from typing import Any

from trueup_stacks.core.resources import Address, Output, Resource, Secret, Stack, encode

_KUBERNETES = re.compile(r"^kubernetes:(?:(?P<group>[\w.]+)/)?(?P<version>v\w+):(?P<kind>\w+)$")


@dataclass(frozen=True)
class Rendered:
    """Files by path, and what they leave out."""

    files: Mapping[str, str] = field(default_factory=dict)
    omitted: tuple[str, ...] = ()


def render(
    stacks: Iterable[Stack], project: str, form: str, clusters: Mapping[str, str] = MappingProxyType({})
) -> Rendered:
    """`form` is `pulumi`, `kubernetes` or `json`. `clusters` are the names of an environment's several clusters, by what the names of
    their stacks end with: manifests are then in a folder for each."""
    match form:
        case "pulumi":
            return _pulumi(list(stacks), project)
        case "kubernetes":
            return _kubernetes(list(stacks), clusters)
        case _:
            return Rendered(
                {f"{s.id}.json": json.dumps([_plain(r) for r in s.resources], indent=2) + "\n" for s in stacks}
            )


def _plain(resource: Resource) -> dict[str, Any]:
    return {
        "type": resource.address.type,
        "name": resource.address.name,
        "document": str(resource.origin),
        "properties": {k: encode(v) for k, v in resource.properties.items()},
        "dependsOn": [str(a) for a in resource.depends_on],
    }


def _pulumi(stacks: list[Stack], project: str) -> Rendered:
    """One program a stack; values of other stacks are stack references, secrets are configuration."""
    files, omitted = {}, []
    for stack in stacks:
        names = {r.address: _symbol(r.address) for r in stack.resources}
        program: dict[str, Any] = {
            "name": project,
            "runtime": "yaml",
            "description": f"Rendered from the stack {stack.id}",
        }
        secrets: dict[str, Any] = {}
        others: set[str] = set()
        program["resources"] = {names[r.address]: _pulumi_resource(r, names, secrets, others) for r in stack.resources}
        for other in sorted(others):
            program["resources"][f"stack-{other}"] = {
                "type": "pulumi:pulumi:StackReference",
                "properties": {"name": f"organization/{project}/{other}"},
            }
        read = sorted(
            {
                o.address
                for s in stacks
                for r in s.resources
                for o in _outputs(r.properties)
                if o.address.stack == stack.id and s.id != stack.id
            }
        )
        program["outputs"] = {_symbol(a): f"${{{names[a]}}}" for a in read if a in names}
        if secrets:
            program["config"] = secrets
            omitted += [
                f"{stack.id}: the value of the secret {name} (pulumi config set --secret {name})" for name in secrets
            ]
        files[f"{stack.id}/Pulumi.yaml"] = _yaml(program)
    omitted.append(
        "runs outlive `pulumi up` here too, but nothing records or approves it: the ledger, gates' approvals and policies are Trueup's"
    )
    return Rendered(files, tuple(omitted))


def _pulumi_resource(
    resource: Resource, names: Mapping[Address, str], secrets: dict[str, Any], others: set[str]
) -> dict[str, Any]:
    def value(found: Any) -> Any:
        match found:
            case Output(address=address, property=name):
                if address in names:
                    return f"${{{names[address]}.{name}}}"
                others.add(str(address.stack))
                return f'${{stack-{address.stack}.outputs["{_symbol(address)}"].{name}}}'
            case Secret(store=store, name=name, key=key):
                config = "-".join(part for part in (store, name, key) if part)
                secrets[config] = {"type": "string", "secret": True}
                return f"${{{config}}}"
            case dict():
                return {k: value(v) for k, v in found.items()}
            case list() | tuple():
                return [value(v) for v in found]
            case str():
                return found.replace("${", "$${")
        return found

    made: dict[str, Any] = {
        "type": resource.address.type,
        "name": resource.address.name,
        "properties": {k: value(v) for k, v in resource.properties.items()},
    }
    options: dict[str, Any] = {}
    if depends := [f"${{{names[a]}}}" for a in resource.depends_on if a in names]:
        options["dependsOn"] = depends
    options |= {
        k: True for k, on in (("protect", resource.options.protect), ("retainOnDelete", resource.options.retain)) if on
    }
    return made | ({"options": options} if options else {})


def _kubernetes(stacks: list[Stack], clusters: Mapping[str, str]) -> Rendered:
    files: dict[str, str] = {}
    omitted: list[str] = []
    for stack in stacks:
        manifests = []
        for resource in stack.resources:
            found = _KUBERNETES.match(resource.address.type)
            if found is None:
                omitted.append(f"{resource.origin}: {resource.address.type} is no Kubernetes object")
                continue
            if lacking := list(_lacking(resource.properties)):
                # An object without one of its values would be another one, so it is left out as a whole.
                omitted += [
                    f"{resource.origin}: the {found['kind']} {resource.address.name}, for {text}" for text in lacking
                ]
                continue
            group = f"{found['group']}/" if found["group"] and found["group"] != "core" else ""
            properties = {k: encode(v) for k, v in resource.properties.items() if k not in ("apiVersion", "kind")}
            manifests.append({"apiVersion": f"{group}{found['version']}", "kind": found["kind"], **properties})
        if manifests:
            folder = f"{clusters[stack.id.cluster]}/" if stack.id.cluster in clusters else ""
            files[f"{folder}{replace(stack.id, cluster='')}.yaml"] = "---\n".join(_yaml(m) for m in manifests)
    return Rendered(files, tuple(omitted))


def _lacking(value: Any, path: str = "") -> Iterator[str]:
    """Each value that a manifest cannot hold, in words."""
    match value:
        case Output(address=address, property=name):
            yield f"{path} is {name} of {address.name}, which is known only after an apply"
        case Secret(store=store, name=name):
            yield f"{path} is the secret {name} of the store {store}"
        case dict():
            for key, inner in value.items():
                yield from _lacking(inner, f"{path}.{key}" if path else str(key))
        case list() | tuple():
            for number, inner in enumerate(value):
                yield from _lacking(inner, f"{path}[{number}]")


def _outputs(value: Any) -> Iterator[Output]:
    if isinstance(value, Output):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _outputs(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _outputs(inner)


def _symbol(address: Address) -> str:
    kind = address.type.rsplit(":", 1)[-1]
    return re.sub(r"[^A-Za-z0-9-]", "-", f"{kind}-{address.name}").lower()


def _yaml(value: Any) -> str:
    from ruamel.yaml import YAML

    writer = YAML()
    writer.default_flow_style = False
    writer.width = 120
    out = StringIO()
    writer.dump(value, out)
    return out.getvalue()
