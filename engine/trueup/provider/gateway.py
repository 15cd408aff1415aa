"""`trueup:serve:Gateway`: Envoy in front of services, with routes by path and host. Called by `server` and `observe`.

Changes are taken up while it runs. A route that somebody changed in Envoy's files shows as other `routes`, and an update writes ours again.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from trueup import places
from trueup.provider import inputs as fields
from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Live, Properties, State
from trueup.serving import gateways, ports, processes
from trueup.serving.deployments import DeploymentError
from trueup.serving.envoy import Listener
from trueup.serving.gateways import GatewayError

EDITED = "edited by hand: {}"


class Gateway:
    """A gateway. Its id is its folder."""

    token: ClassVar[str] = "trueup:serve:Gateway"
    replace_on: ClassVar[frozenset[str]] = frozenset({"folder"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors."""
        found = [*fields.text(inputs, "name", "the gateway's name"), *fields.place(inputs, "folder")]
        listeners, routes = inputs.get("listeners"), inputs.get("routes")
        if listeners != UNKNOWN:
            found += _listener_failures(listeners)
        if routes != UNKNOWN:
            found += _route_failures(routes)
        for name in ("intervalSeconds", "timeoutSeconds"):
            value = fields.at(inputs, f"healthCheck.{name}")
            if value not in (None, UNKNOWN) and not _positive(value):
                found.append(
                    Failure(
                        f"healthCheck.{name}", f"`healthCheck.{name}` must be above 0; it is {fields.shown(value)}."
                    )
                )
        for name in ("healthyThreshold", "unhealthyThreshold"):
            found += fields.whole(inputs, f"healthCheck.{name}", 1)
        return [*found, *fields.flag(inputs, "accessLog")]

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """Where the listeners stay, everything stays; else the addresses are known after."""
        if old is None or inputs.get("listeners") == UNKNOWN:
            return {}
        names = {str(x.get("name")) for x in inputs.get("listeners") or ()}
        return dict(old.outputs) if names == set(old.outputs.get("urls") or ()) and _fits(inputs, old.outputs) else {}

    def create(self, context: Context, inputs: Properties) -> State:
        """Starts Envoy, or takes over what an interrupted create of the same resource left."""
        return self._apply(context, inputs)

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """What Envoy runs; what somebody changed by hand shows in the input that it belongs to."""
        folder = _folder(context, {"folder": inputs.get("folder") or id})
        status = gateways.status(folder)
        if status is None:
            return None
        live = {**inputs, "name": status.gateway.name, "folder": inputs.get("folder") or id}
        if "rds.json" in status.edited:
            live["routes"] = status.routes
        elif any(name.startswith("eds-") for name in status.edited):
            live["routes"] = EDITED.format(", ".join(n for n in status.edited if n.startswith("eds-")))
        if "cds.json" in status.edited:
            live["healthCheck"] = EDITED.format("cds.json")
        if "lds.json" in status.edited:
            live["listeners"] = EDITED.format("lds.json")
        return Live(live, _outputs(folder, status.gateway), status.wrong)

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Changes what differs while Envoy runs; starts it where it does not."""
        return self._apply(context, inputs)

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Ends Envoy and removes its folder."""
        gateways.remove(_folder(context, {"folder": inputs.get("folder") or id}))

    def _apply(self, context: Context, inputs: Properties) -> State:
        folder = _folder(context, inputs)
        kept = processes.read(folder / "ports.json")
        try:
            gateway = gateways.Gateway(
                name=str(inputs["name"]),
                listeners=_listeners(inputs, kept),
                admin_port=int(kept.get("admin") or ports.free()),
                routes=tuple(inputs.get("routes") or ()),
                check=dict(inputs.get("healthCheck") or {}),
                access_log=bool(inputs.get("accessLog", True)),
            )
            chosen = {"admin": gateway.admin_port, "listeners": {x.name: x.port for x in gateway.listeners}}
            processes.write_private(folder / "ports.json", chosen)
            gateways.apply(folder, gateway, context.log)
        except (GatewayError, DeploymentError) as error:
            raise ComponentError(str(error)) from error
        except OSError as error:
            raise ComponentError(f"The gateway {inputs['name']} cannot listen: {error.strerror or error}.") from error
        return State(str(inputs["folder"]), _outputs(folder, gateway))


def _folder(context: Context, inputs: Mapping[str, Any]) -> Path:
    try:
        return Path(places.resolve(context.home, str(inputs["folder"])))
    except ValueError as error:
        raise ComponentError(f"The gateway's folder is refused: {error}.") from error


def _listeners(inputs: Properties, kept: Mapping[str, Any]) -> tuple[Listener, ...]:
    """The listeners with their ports: the given one, the kept one, or a free one. Raises OSError for an address of another machine."""
    found: list[Listener] = []
    before = kept.get("listeners") or {}
    for given in inputs["listeners"]:
        name, address = str(given["name"]), str(given.get("address") or "127.0.0.1")
        port = int(given.get("port") or before.get(name) or 0)
        if not port:
            port = ports.free(address, avoid={x.port for x in found})
        elif port != before.get(name) and ports.taken(port, address):
            raise GatewayError(
                f"The port {port} of the listener {name} is in use by another program; end it, or give the listener another port."
            )
        found.append(Listener(name, address, port))
    return tuple(found)


def _outputs(folder: Path, gateway: gateways.Gateway) -> Properties:
    urls = {x.name: f"http://{_reached(x.address)}:{x.port}" for x in gateway.listeners}
    return {
        "url": urls[gateway.listeners[0].name],
        "urls": urls,
        "adminUrl": f"http://127.0.0.1:{gateway.admin_port}",
        "accessLogPath": str(folder / "logs" / "access.jsonl") if gateway.access_log else "",
    }


def _reached(address: str) -> str:
    """How this machine reaches a listener's address."""
    if address in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _fits(inputs: Properties, outputs: Properties) -> bool:
    """Whether given ports are those of the addresses that are known."""
    for listener in inputs.get("listeners") or ():
        port = listener.get("port")
        if port == UNKNOWN or (port and not str(outputs["urls"].get(listener["name"], "")).endswith(f":{port}")):
            return False
    return True


def _listener_failures(listeners: Any) -> list[Failure]:
    if not isinstance(listeners, list) or not listeners:
        return [Failure("listeners", "`listeners` must name at least one address to listen at.")]
    found, names = [], set()
    for number, listener in enumerate(listeners):
        path = f"listeners[{number}]"
        if not listener.get("name") or listener["name"] in names:
            found.append(
                Failure(
                    f"{path}.name",
                    f"Each listener needs a name of its own; this is {fields.shown(listener.get('name'))}.",
                )
            )
        names.add(listener.get("name"))
        port = listener.get("port") or 0
        if port != UNKNOWN and (isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535):
            found.append(
                Failure(f"{path}.port", f"`port` must be 0 to 65535, 0 for a free one; it is {fields.shown(port)}.")
            )
        if (address := listener.get("address") or "127.0.0.1") != UNKNOWN and not _is_address(address):
            found.append(
                Failure(
                    f"{path}.address",
                    f"`address` must be an IP address of this machine; it is {fields.shown(address)}.",
                )
            )
    return found


def _route_failures(routes: Any) -> list[Failure]:
    if not isinstance(routes, list):
        return [Failure("routes", f"`routes` must be a list; it is {fields.shown(routes)}.")]
    found: list[Failure] = []
    seen: set[tuple[str, str]] = set()
    for number, route in enumerate(routes):
        path = f"routes[{number}]"
        if route == UNKNOWN:
            continue
        prefix = route.get("path")
        if prefix != UNKNOWN and (not isinstance(prefix, str) or not re.fullmatch(r"/[-A-Za-z0-9._~/]*", prefix)):
            found.append(Failure(f"{path}.path", f"`path` must start with `/`; it is {fields.shown(prefix)}."))
        for host in route.get("hosts") or ("*",):
            if (str(prefix), str(host)) in seen:
                found.append(Failure(f"{path}.path", f"Two routes take {prefix} of the host {host}; only one can."))
            seen.add((str(prefix), str(host)))
        found += _backend_failures(path, route.get("backends"))
    return found


def _backend_failures(path: str, backends: Any) -> list[Failure]:
    if backends == UNKNOWN or not backends:
        return []
    found = []
    for number, backend in enumerate(backends):
        weight, endpoints = backend.get("weight"), backend.get("endpoints")
        if weight != UNKNOWN and (isinstance(weight, bool) or not isinstance(weight, int) or weight < 0):
            found.append(
                Failure(
                    f"{path}.backends[{number}].weight", f"`weight` must be 0 or more; it is {fields.shown(weight)}."
                )
            )
        if endpoints != UNKNOWN and not isinstance(endpoints, list):
            found.append(Failure(f"{path}.backends[{number}].endpoints", "`endpoints` must be a list of `host:port`."))
        for endpoint in endpoints if isinstance(endpoints, list) else ():
            if endpoint != UNKNOWN and not re.fullmatch(r"\S+:\d+", str(endpoint)):
                found.append(
                    Failure(
                        f"{path}.backends[{number}].endpoints",
                        f"An endpoint is `host:port`; this is {fields.shown(endpoint)}.",
                    )
                )
    return found


def _is_address(text: object) -> bool:
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
