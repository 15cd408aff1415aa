"""A server of the platform, such as MLflow's: its Deployment, and what makes it reachable, safe and lasting. Called by `registry` and
`feature_server`, which say what is in its container.

Its pods are in no mesh: those of runs, which ask it too, cannot be in one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from trueup_specs.core.envelope import Document, EnvValue, SecretKeyRef
from trueup_specs.kinds.environment.servers import Server
from trueup_stacks.core.resources import Resource, Value
from trueup_stacks.core.targets import Catalog, Refusal
from trueup_stacks.kubernetes import containers, naming, networking, pods, secrets, tokens
from trueup_stacks.kubernetes.foundation import inside

FILES = "/etc/trueup"
"""Where a server finds the files of its configuration."""
_ASKERS = ("predictor", "pipeline")
"""The components of the environment whose pods ask a server: endpoints and runs."""
_ANYWHERE: dict[str, Value] = {"ipBlock": {"cidr": networking.EVERYWHERE}}
_DATABASES = ("postgresql", "mysql", "mssql")
_DEADLINE = 900
"""Seconds that a new version may take until it is ready; the change of a database's schema is among them."""
_BEFORE_END = 5
"""Seconds in which the Service forgets a pod before its server is told to end."""


@dataclass(frozen=True, slots=True)
class Container:
    """What one server differs by from another."""

    name: str
    """That of its objects, too."""
    component: str
    port: int
    command: Sequence[str]
    args: Sequence[str]
    env: Mapping[str, EnvValue]
    alive: Mapping[str, Value]
    """The action of the liveness probe; that of the others is to ask for `/health`."""
    usual: Mapping[str, str]
    """What it requests where the spec says nothing."""
    grace: int
    """Seconds that it has to answer what it was asked before it ends."""
    reaches: Sequence[Value]
    """Rules of egress, where the spec has none."""
    before: Sequence[str] = ()
    """A command that runs before the server starts, in each pod."""
    files: Mapping[str, str] = field(default_factory=dict)


def emit(made: Container, server: Server, document: Document, catalog: Catalog) -> Iterator[Resource]:
    """The server's objects. The ways out are open before the pods are there, since these get ready only with their database."""
    first = [_resource(made, server, document, catalog, *found) for found in _before(made, server, catalog)]
    yield from first
    template = _pods(made, server, catalog)
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    spec = {
        "replicas": server.replicas,
        "selector": {"matchLabels": selector(made)},
        "progressDeadlineSeconds": _DEADLINE,
        "strategy": rolling,
        "template": template,
    }
    workload = _resource(made, server, document, catalog, tokens.DEPLOYMENT, {"spec": spec}, first)
    yield workload
    yield _resource(made, server, document, catalog, tokens.SERVICE, networking.service(selector(made)), [workload])
    if server.replicas > 1:
        yield _resource(made, server, document, catalog, *networking.budget(selector(made)), [workload])


def refuse(own: str, server: Server, path: str, stores: Mapping[str, object], catalog: Catalog) -> Iterator[Refusal]:
    """What stands against a server: `own` is its name, `path` its field, and `stores` has what it says of where its data are.

    Validation says what lacks, too, with the place; settings of another branch come here only.
    """
    needed = {"namespace": server.namespace, "image": server.image, **stores}
    for lacking in (name for name, value in needed.items() if value is None):
        yield Refusal(f"{path}.{lacking}", f"the server `{own}` lacks it", f"Write `{lacking}`.")
    for place, value in {**stores, **{f"env.{k}": v for k, v in server.env.items()}}.items():
        if isinstance(value, SecretKeyRef):
            yield from secrets.refuse(catalog, [value], f"{path}.{place}")
    taken = [d.key for kind in ("Endpoint", "Gateway") for d in catalog.of_kind(kind) if d.key.name == own]
    if taken and any(key.namespace == server.namespace for key in taken):
        yield Refusal(
            f"{path}.namespace",
            f"{taken[0]} stands there, and its objects have the names of the server's",
            f"Put the server into another namespace, or rename the {taken[0].kind} with metadata.movedFrom.",
        )


def to_database(value: EnvValue | None) -> list[Value]:
    """The way to a database. Where its URL is a secret, the ports of all that it could be are opened, to every address."""
    if isinstance(value, str):
        return list(networking.way(value))
    return [{"to": [_ANYWHERE], "ports": [{"port": networking.PORTS[s], "protocol": "TCP"} for s in _DATABASES]}]


def usual(workers: int) -> dict[str, str]:
    """What such a server requests: an idle worker of either takes a quarter of a GiB, and so does the process that started it."""
    return {"cpu": "500m", "memory": f"{256 + 512 * workers}Mi", "ephemeral-storage": "256Mi"}


def to_port(port: int) -> Value:
    """The way to a port, at every address."""
    return {"to": [_ANYWHERE], "ports": [{"port": port, "protocol": "TCP"}]}


def selector(made: Container) -> dict[str, str]:
    """The labels that the pods are found by."""
    return {"app.kubernetes.io/name": made.name, "app.kubernetes.io/component": made.component}


def _resource(
    made: Container,
    server: Server,
    document: Document,
    catalog: Catalog,
    token: str,
    properties: Mapping[str, Value],
    after: Sequence[Resource] = (),
) -> Resource:
    assert server.namespace is not None, "What lacks it is refused."
    own = {name: value for name, value in properties.items() if name != "metadata"}
    found = inside(document, catalog, server.namespace, token, made.name, own)
    metadata = dict(found.properties["metadata"])
    metadata["labels"] = {**document.metadata.labels, **_labels(made, catalog)}
    metadata["annotations"] = {**metadata["annotations"], **properties.get("metadata", {}).get("annotations", {})}
    return replace(
        found,
        properties={**found.properties, "metadata": metadata},
        depends_on=(*found.depends_on, *(r.address for r in after)),
    )


def _labels(made: Container, catalog: Catalog) -> dict[str, str]:
    return {
        **selector(made),
        "app.kubernetes.io/instance": made.name,
        "app.kubernetes.io/part-of": catalog.project,
        "app.kubernetes.io/managed-by": "trueup",
    }


def _before(made: Container, server: Server, catalog: Catalog) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """What the pods need to start."""
    annotations = dict(server.service_account.annotations)
    account: dict[str, Value] = {"automountServiceAccountToken": False}
    yield tokens.SERVICE_ACCOUNT, {**account, **({"metadata": {"annotations": annotations}} if annotations else {})}
    yield tokens.NETWORK_POLICY, _policy(made, server, catalog)
    yield from secrets.stored(catalog, _given_secrets(made.env))
    if made.files:
        yield tokens.CONFIG_MAP, {"data": dict(made.files)}


def _given_secrets(env: Mapping[str, EnvValue]) -> dict[str, SecretKeyRef]:
    return {name: value for name, value in env.items() if isinstance(value, SecretKeyRef)}


def _policy(made: Container, server: Server, catalog: Catalog) -> dict[str, Value]:
    """Who may ask the server, and what it may ask; where nothing closes the namespaces, what leaves them is left alone."""
    asking = {"matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": list(_ASKERS)}]}
    sources: list[Value] = [{"namespaceSelector": networking.environment(catalog), "podSelector": asking}]
    if gateways := networking.gateways(catalog):
        sources.append(gateways)
    sources += [networking.namespace(name) for name in server.reachable_from]
    found: dict[str, Value] = {
        "podSelector": {"matchLabels": selector(made)},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": sources, "ports": [{"port": made.port, "protocol": "TCP"}]}],
    }
    if naming.cluster(catalog).namespaces.manage:
        found["policyTypes"] = ["Ingress", "Egress"]
        found["egress"] = [networking.opened_by(o) for o in server.egress] or list(made.reaches)
    return {"spec": found}


def _pods(made: Container, server: Server, catalog: Catalog) -> dict[str, Value]:
    pod: dict[str, Value] = {
        "serviceAccountName": made.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": made.grace + 2 * _BEFORE_END,
        "securityContext": pods.security(),
        **pods.spread(selector(made)),
        "containers": [_container(made, server)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": pods.SCRATCH}}],
    }
    if made.before:
        pod["initContainers"] = [{**_process(made, server), "name": "prepare", "command": list(made.before)}]
    if made.files:
        pod["volumes"].append({"name": "files", "configMap": {"name": made.name}})
    if found := pods.pull_secrets(catalog):
        pod["imagePullSecrets"] = found
    labels = _labels(made, catalog)
    if any(name.startswith("azure.workload.identity/") for name in server.service_account.annotations):
        labels["azure.workload.identity/use"] = "true"
    metadata: dict[str, Value] = {"labels": labels}
    if made.files:  # else pods would go on with the files that they started with
        digest = hashlib.sha256("\0".join(f"{k}\0{v}" for k, v in sorted(made.files.items())).encode()).hexdigest()
        metadata["annotations"] = {"trueup/files": digest[:16]}
    return {"metadata": metadata, "spec": pod}


def _container(made: Container, server: Server) -> dict[str, Value]:
    health: dict[str, Value] = {"httpGet": {"path": "/health", "port": "http", "scheme": "HTTP"}}
    often: dict[str, Value] = {"periodSeconds": 5, "timeoutSeconds": 3}
    return {
        **_process(made, server),
        "name": made.name,
        "command": list(made.command),
        "args": list(made.args),
        "ports": [{"name": "http", "containerPort": made.port, "protocol": "TCP"}],
        "startupProbe": {**health, **often, "failureThreshold": 60},
        "readinessProbe": {**health, **often, "failureThreshold": 3},
        "livenessProbe": {**made.alive, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        "lifecycle": {"preStop": {"sleep": {"seconds": _BEFORE_END}}},
    }


def _process(made: Container, server: Server) -> dict[str, Value]:
    """What the server and what runs before it have in common."""
    mounts: list[Value] = [{"name": "tmp", "mountPath": "/tmp"}]
    if made.files:
        mounts.append({"name": "files", "mountPath": FILES, "readOnly": True})
    return {
        "image": server.image,
        "imagePullPolicy": "Always",
        "env": [containers.variable(name, value, made.name) for name, value in made.env.items()],
        "resources": containers.resources(server.resources, made.usual),
        "securityContext": containers.security(),
        "volumeMounts": mounts,
    }
