"""A gateway as it runs: Envoy under its supervisor, with files that it reads again when they change.

Called by `provider/gateway.py` and `control`.

A change is made in an order in which no request finds a cluster missing: first clusters are added, then routes change, then clusters that
nothing refers to go. Each step waits until Envoy says that it runs that version of the file.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from trueup.serving import deployments, envoy, processes, proxy, supervision, unix_http
from trueup.serving.envoy import Json, Listener
from trueup.serving.supervision import Program, SupervisionError, Supervisor

SETTINGS = "gateway.json"
SECONDS = 30.0
STOP_SECONDS = 5.0
QUIET_LOOKS = 3
"""How often in a row a cluster must have no request: Envoy's threads learn of new routes one after the other."""


class GatewayError(Exception):
    """Envoy does not start or refuses the configuration. A full sentence with its reason."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """What is to run. `routes` and `check` are those of the resource's inputs; the ports are chosen."""

    name: str
    listeners: tuple[Listener, ...]
    admin_port: int
    routes: tuple[Json, ...]
    check: Json
    access_log: bool

    def files(self, folder: Path) -> dict[str, list[Json]]:
        """File → the resources in it."""
        place = str(folder / "envoy")
        return {
            **envoy.endpoints(self.routes),
            "cds.json": envoy.clusters(place, self.routes, self.check),
            "rds.json": envoy.route_table(self.routes),
            "lds.json": envoy.listeners(place, self.listeners, self.access_log),
        }


def is_gateway(folder: Path) -> bool:
    """Whether the folder is a gateway's."""
    return (folder / SETTINGS).exists()


def load(folder: Path) -> Gateway:
    """The gateway that was applied last. Raises OSError or ValueError."""
    found = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    listeners = tuple(Listener(**x) for x in found.pop("listeners"))
    return Gateway(**{**found, "listeners": listeners, "routes": tuple(found["routes"])})


def apply(folder: Path, gateway: Gateway, log: Callable[[str], None] = deployments.quiet) -> None:
    """Makes Envoy run this, whatever was there before. Raises GatewayError; a refused change leaves the last good one running."""
    with deployments.locked(folder):
        before, ran = _kept(folder), _running(folder)
        processes.write_private(folder / SETTINGS, asdict(gateway))
        try:
            if not ran or (before is not None and before.admin_port != gateway.admin_port):
                _start(folder, gateway)
                log("started Envoy")
            else:
                _change(folder, gateway)
        except (GatewayError, SupervisionError, xmlrpc.client.Fault) as error:
            _back(folder, before, ran)
            raise GatewayError(str(error)) from error


def start(folder: Path) -> None:
    """Starts what was applied last, and waits until it answers."""
    apply(folder, load(folder))


def stop(folder: Path) -> None:
    """Ends Envoy and its supervisor; the files stay."""
    Supervisor(folder).stop(STOP_SECONDS)
    processes.end([r.identity for r in processes.living(folder)], STOP_SECONDS)


def remove(folder: Path) -> None:
    """Ends Envoy and removes the folder."""
    if folder.exists():
        with deployments.locked(folder):
            stop(folder)
            shutil.rmtree(unix_http.sockets(folder), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _kept(folder: Path) -> Gateway | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return load(folder)
    return None


def _back(folder: Path, before: Gateway | None, ran: bool) -> None:
    """After a refused change: what ran before; nothing where nothing did, since Envoy tries no refused listener again."""
    if before is None or not ran:
        stop(folder)
    if before is None:
        (folder / SETTINGS).unlink(missing_ok=True)
        return
    processes.write_private(folder / SETTINGS, asdict(before))
    if not ran:
        return
    with contextlib.suppress(GatewayError, SupervisionError, xmlrpc.client.Fault):
        if _running(folder):
            _change(folder, before)


def _running(folder: Path) -> bool:
    supervisor = Supervisor(folder)
    return supervisor.answers() and any(p.state in ("STARTING", "RUNNING", "BACKOFF") for p in supervisor.processes())


def _start(folder: Path, gateway: Gateway) -> None:
    stop(folder)
    files = gateway.files(folder)
    for name, resources in files.items():
        _write(folder, name, resources)
    place = folder / "envoy"
    _replace(place / "bootstrap.json", envoy.bootstrap(str(place), gateway.name, gateway.admin_port))
    command = (sys.executable, "-P", "-m", "trueup.serving.proxy", str(folder))
    log = str(folder / "logs" / "access.jsonl")
    supervisor = Supervisor(folder)
    supervisor.write(
        [Program(proxy.GROUP, command, stop_seconds=int(STOP_SECONDS), stdout_log=log, log_bytes=20_000_000)]
    )
    supervisor.start()
    _settled(folder, gateway, files)


def _change(folder: Path, gateway: Gateway) -> None:
    files = gateway.files(folder)
    for name in files:
        if name.startswith("eds-"):
            _write(folder, name, files[name])
    wanted = {c["name"] for c in files["cds.json"]}
    spare = [c for c in _resources(folder, "cds.json") if c.get("name") not in wanted]
    # In their order by name, as they stand: Envoy takes no version up in which nothing but the order is new.
    _step(folder, gateway, "cds.json", sorted([*files["cds.json"], *spare], key=lambda c: str(c["name"])))
    _step(folder, gateway, "rds.json", files["rds.json"])
    _step(folder, gateway, "lds.json", files["lds.json"])
    if spare:
        _idle(gateway, {str(c["name"]) for c in spare})
    _step(folder, gateway, "cds.json", files["cds.json"])
    for path in (folder / "envoy").glob("eds-*.json"):
        if path.name not in files:
            path.unlink(missing_ok=True)
    _settled(folder, gateway, files)


def _step(folder: Path, gateway: Gateway, name: str, resources: Sequence[Json]) -> None:
    if _resources(folder, name) == list(resources):
        return
    version = _write(folder, name, resources)
    _await(folder, gateway, lambda dump: _taken(dump, name, version, resources), f"take up {name}")


def _idle(gateway: Gateway, names: set[str]) -> None:
    """Waits until no request runs on clusters that no route names any more: Envoy resets those of a cluster that is removed."""
    deadline = time.monotonic() + max([30.0, *(float(r.get("timeoutSeconds") or 30) for r in gateway.routes)])
    quiet = 0
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        time.sleep(0.1)
        try:
            found = _asked(gateway.admin_port, "/clusters?format=json").get("cluster_statuses", ())
        except (OSError, ValueError):
            return
        hosts = [h for c in found if c["name"] in names for h in c.get("host_statuses", ())]
        active = sum(int(s.get("value", 0)) for h in hosts for s in h["stats"] if s["name"] == "rq_active")
        quiet = quiet + 1 if active == 0 else 0


def _settled(folder: Path, gateway: Gateway, files: Mapping[str, list[Json]]) -> None:
    def all_taken(dump: Json) -> bool:
        return all(_taken(dump, n, _version(folder, n), files[n]) for n in ("cds.json", "rds.json", "lds.json"))

    _await(folder, gateway, all_taken, "start")


def _await(folder: Path, gateway: Gateway, done: Callable[[Json], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(OSError, ValueError):
            dump = running(gateway.admin_port)
            if reason := _refused(dump):
                raise GatewayError(f"Envoy refuses the configuration of {gateway.name}: {reason}")
            if done(dump):
                return
        if failed := [p for p in Supervisor(folder).processes() if p.state == "FATAL"]:
            said = supervision.last_lines(folder / "logs" / f"{proxy.GROUP}-0.log", 1)
            raise GatewayError(f"Envoy of {gateway.name} does not start ({failed[0].state}): {said}")
        if time.monotonic() > deadline:
            raise GatewayError(f"Envoy of {gateway.name} did not {what} within {SECONDS:.0f} s; see {folder / 'logs'}.")
        time.sleep(0.05)


def running(admin_port: int) -> Json:
    """What Envoy runs: the sections of its `config_dump` by the last word of their type. Raises OSError where it does not answer."""
    return {str(c["@type"]).rsplit(".", 1)[-1]: c for c in _asked(admin_port, "/config_dump")["configs"]}


def _asked(admin_port: int, url: str) -> Json:
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=5)
    try:
        connection.request("GET", url)
        found: Json = json.loads(connection.getresponse().read())
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()
    return found


def _taken(dump: Json, name: str, version: str | None, resources: Sequence[Json]) -> bool:
    """Whether Envoy runs this version of a file, with all that is in it."""
    if name == "cds.json":
        section = dump.get("ClustersConfigDump", {})
        active = {c["cluster"]["name"]: c for c in section.get("dynamic_active_clusters", ())}
        return section.get("version_info") == version and set(active) == {r["name"] for r in resources}
    if name == "lds.json":
        section = dump.get("ListenersConfigDump", {})
        listening = {
            x["name"] for x in section.get("dynamic_listeners", ()) if "active_state" in x and "warming_state" not in x
        }
        return section.get("version_info") == version and listening == {r["name"] for r in resources}
    tables = dump.get("RoutesConfigDump", {}).get("dynamic_route_configs", ())
    return any(t.get("version_info") == version for t in tables)


def _refused(dump: Json) -> str | None:
    for section in ("ListenersConfigDump", "ClustersConfigDump", "RoutesConfigDump"):
        for entries in dump.get(section, {}).values():
            for entry in entries if isinstance(entries, list) else ():
                if error := entry.get("error_state"):
                    return str(error.get("details"))
    return None


def _version(folder: Path, name: str) -> str | None:
    with contextlib.suppress(OSError, ValueError):
        return str(json.loads((folder / "envoy" / name).read_text(encoding="utf-8")).get("version_info"))
    return None


def _resources(folder: Path, name: str) -> list[Json]:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return envoy.without_version(json.loads((folder / "envoy" / name).read_text(encoding="utf-8")))
    return []


def _write(folder: Path, name: str, resources: Sequence[Json]) -> str | None:
    """Replaces a file by a rename, which is what Envoy watches for; one that says the same stays. Returns its version."""
    if _resources(folder, name) == list(resources) and resources:
        return _version(folder, name)
    version = str(time.time_ns())
    _replace(folder / "envoy" / name, {"version_info": version, "resources": list(resources)})
    return version


def _replace(path: Path, value: Json) -> None:
    processes.write_private(path, value)


@dataclass(frozen=True, slots=True)
class Status:
    """A gateway as it is: the routes that Envoy reads, the files that differ from what was applied, and what is wrong."""

    gateway: Gateway
    edited: tuple[str, ...]
    routes: list[Json]
    wrong: str | None


def status(folder: Path) -> Status | None:
    """Looks at the files and at Envoy; None where no gateway was applied."""
    gateway = _kept(folder)
    if gateway is None:
        return None
    files = gateway.files(folder)
    edited = tuple(sorted(n for n in files if _resources(folder, n) != files[n]))
    return Status(
        gateway, edited, envoy.routes_of(_resources(folder, "rds.json")), _wrong(folder, gateway, files, edited)
    )


def _wrong(folder: Path, gateway: Gateway, files: Mapping[str, list[Json]], edited: tuple[str, ...]) -> str | None:
    if Supervisor(folder).identity() is None:
        return f"The supervisor of the gateway {gateway.name} is not running; `trueup apply` or `trueup up` starts it."
    try:
        dump = running(gateway.admin_port)
    except (OSError, ValueError):
        return f"Envoy of the gateway {gateway.name} does not answer; see {folder / 'logs'}."
    behind = [
        n
        for n in ("cds.json", "rds.json", "lds.json")
        if n not in edited and not _taken(dump, n, _version(folder, n), files[n])
    ]
    return (
        f"Envoy of the gateway {gateway.name} does not run what its files say: {', '.join(behind)}." if behind else None
    )
