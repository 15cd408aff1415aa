"""Envoy's configuration from a gateway's inputs, and the routes back from it. Called by `gateways`; pure functions.

Envoy reads listeners (LDS), routes (RDS), clusters (CDS) and the addresses of each cluster (EDS) from files, and takes each up when it is
replaced by a rename: no restart, no lost request. Names and fields are Envoy's v3 API.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

TYPES = "type.googleapis.com/envoy."
ROUTES = "routes"
DRAIN_SECONDS = 10
MOST_RETRIES = 1024
"""Requests of a backend that may be tried again at a time; with Envoy's 3, a dead server loses some. `attempts` bounds each."""
_STEADY = "reset-before-request"
"""Always retried where anything is: the backend saw nothing of such a request, its idle connection was just closed."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Where requests come in."""

    name: str
    address: str
    port: int


def bootstrap(folder: str, name: str, admin_port: int) -> Json:
    """What Envoy is started with: where the files are, and the address of its administration, on this machine alone."""
    watched = {"watched_directory": {"path": folder}}
    return {
        "node": {"id": name, "cluster": "trueup"},
        "admin": {"address": _address("127.0.0.1", admin_port)},
        "dynamic_resources": {
            "lds_config": {
                "resource_api_version": "V3",
                "path_config_source": {"path": f"{folder}/lds.json", **watched},
            },
            "cds_config": {
                "resource_api_version": "V3",
                "path_config_source": {"path": f"{folder}/cds.json", **watched},
            },
        },
    }


def listeners(folder: str, given: Sequence[Listener], access_log: bool) -> list[Json]:
    """The listeners, all with the same routes."""
    return [
        {
            "@type": f"{TYPES}config.listener.v3.Listener",
            "name": listener.name,
            "address": _address(listener.address, listener.port),
            "filter_chains": [{"filters": [_connection_manager(folder, listener.name, access_log)]}],
        }
        for listener in given
    ]


def _connection_manager(folder: str, listener: str, access_log: bool) -> Json:
    source = {"path": f"{folder}/rds.json", "watched_directory": {"path": folder}}
    manager: Json = {
        "@type": f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": listener,
        "strip_any_host_port": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "rds": {
            "route_config_name": ROUTES,
            "config_source": {"resource_api_version": "V3", "path_config_source": source},
        },
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{TYPES}extensions.filters.http.router.v3.Router"}}
        ],
    }
    if access_log:
        manager["access_log"] = [{"name": "access", "typed_config": _access_log()}]
    return {"name": "http", "typed_config": manager}


def _access_log() -> Json:
    """JSON lines on standard output, which the supervisor keeps and rotates."""
    return {
        "@type": f"{TYPES}extensions.access_loggers.file.v3.FileAccessLog",
        "path": "/dev/stdout",
        "log_format": {
            "json_format": {
                "time": "%START_TIME%",
                "method": "%REQ(:METHOD)%",
                "host": "%REQ(:AUTHORITY)%",
                "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
                "status": "%RESPONSE_CODE%",
                "flags": "%RESPONSE_FLAGS%",
                "milliseconds": "%DURATION%",
                "backend": "%UPSTREAM_CLUSTER%",
                "server": "%UPSTREAM_HOST%",
                "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                "bytes_in": "%BYTES_RECEIVED%",
                "bytes_out": "%BYTES_SENT%",
                "request": "%REQ(X-REQUEST-ID)%",
            }
        },
    }


def clusters(folder: str, routes: Sequence[Json], check: Json) -> list[Json]:
    """A cluster for each backend, with its active health check."""
    return [
        {
            "@type": f"{TYPES}config.cluster.v3.Cluster",
            "name": backend["name"],
            "type": "EDS",
            "connect_timeout": "2s",
            "eds_cluster_config": {
                "service_name": backend["name"],
                "eds_config": {
                    "resource_api_version": "V3",
                    "path_config_source": {
                        "path": f"{folder}/{endpoints_file(backend['name'])}",
                        "watched_directory": {"path": folder},
                    },
                },
            },
            "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
            "circuit_breakers": {"thresholds": [{"max_retries": MOST_RETRIES}]},
            "health_checks": [_health_check(check)],
        }
        for backend in _backends(routes)
    ]


def _health_check(check: Json) -> Json:
    interval = _duration(check.get("intervalSeconds", 5))
    return {
        "timeout": _duration(check.get("timeoutSeconds", 2)),
        "interval": interval,
        "no_traffic_interval": interval,
        "no_traffic_healthy_interval": interval,
        "healthy_threshold": check.get("healthyThreshold", 1),
        "unhealthy_threshold": check.get("unhealthyThreshold", 3),
        "http_health_check": {"path": check.get("path") or "/v2/health/ready"},
    }


def endpoints_file(backend: str) -> str:
    """The name of the file with the addresses of a backend."""
    return f"eds-{re.sub(r'[^A-Za-z0-9.-]', '_', backend)}.json"


def endpoints(routes: Sequence[Json]) -> dict[str, list[Json]]:
    """File → the addresses of its backend."""
    found = {}
    for backend in _backends(routes):
        hosts = []
        for endpoint in backend["endpoints"]:
            host, _, port = str(endpoint).rpartition(":")
            hosts.append({"endpoint": {"address": _address(host.strip("[]"), int(port))}})
        found[endpoints_file(backend["name"])] = [
            {
                "@type": f"{TYPES}config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": backend["name"],
                "endpoints": [{"lb_endpoints": hosts}],
            }
        ]
    return found


def route_table(routes: Sequence[Json]) -> list[Json]:
    """The routes by host; the longest path first, those of a host before those of all."""
    hosts = sorted({h for r in routes for h in r.get("hosts") or ()})
    virtual = [_virtual_host(host, [r for r in routes if host in (r.get("hosts") or (host,))], host) for host in hosts]
    virtual.append(_virtual_host("*", [r for r in routes if not r.get("hosts")], "*"))
    table = {"@type": f"{TYPES}config.route.v3.RouteConfiguration", "name": ROUTES, "virtual_hosts": virtual}
    return [table]


def _virtual_host(name: str, routes: Iterable[Json], domain: str) -> Json:
    ordered = sorted(routes, key=lambda r: (-len(r["path"]), not r.get("hosts"), r["path"]))
    return {"name": name, "domains": [domain], "routes": [_route(r) for r in ordered]}


def _route(route: Json) -> Json:
    path = route["path"].rstrip("/")
    match = {"path_separated_prefix": path} if path else {"prefix": "/"}
    backends = [b for b in route["backends"] if b["weight"] > 0 and b["endpoints"]]
    if not backends:
        return {
            "match": match,
            "direct_response": {"status": 503, "body": {"inline_string": "Nothing is served here.\n"}},
        }
    action: Json = {
        "weighted_clusters": {"clusters": [{"name": b["name"], "weight": b["weight"]} for b in backends]},
        "timeout": _duration(route.get("timeoutSeconds") or 30),
    }
    if path:
        action["regex_rewrite"] = {"pattern": {"regex": f"^{re.escape(path)}/?"}, "substitution": "/"}
    if retry := _retry(route.get("retries") or {}):
        action["retry_policy"] = retry
    return {"match": match, "route": action}


def _retry(retries: Json) -> Json | None:
    if not retries.get("attempts"):
        return None
    predicate = f"{TYPES}extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    policy: Json = {
        "retry_on": ",".join(dict.fromkeys([*(retries.get("on") or ()), _STEADY])),
        "num_retries": retries["attempts"],
        "retry_host_predicate": [{"name": "previous_hosts", "typed_config": {"@type": predicate}}],
        "host_selection_retry_max_attempts": 5,
    }
    if retries.get("perTryTimeoutSeconds"):
        policy["per_try_timeout"] = _duration(retries["perTryTimeoutSeconds"])
    return policy


def routes_of(table: Sequence[Json]) -> list[Json]:
    """What a route table says, as far as people see it: to show where a live one differs from the recorded one."""
    found = []
    for virtual in (table[0] if table else {}).get("virtual_hosts", ()):
        for route in virtual.get("routes", ()):
            match, action = route.get("match", {}), route.get("route", {})
            weighted = action.get("weighted_clusters", {}).get("clusters") or (
                [{"name": action["cluster"], "weight": 100}] if action.get("cluster") else []
            )
            found.append(
                {
                    "path": match.get("path_separated_prefix") or match.get("prefix") or "?",
                    "hosts": [d for d in virtual.get("domains", ()) if d != "*"],
                    "timeoutSeconds": _seconds(action.get("timeout")),
                    "retries": action.get("retry_policy", {}).get("num_retries", 0),
                    "backends": [{"name": c.get("name"), "weight": c.get("weight")} for c in weighted],
                }
            )
    return found


def _backends(routes: Sequence[Json]) -> list[Json]:
    found = {b["name"]: b for r in routes for b in r["backends"]}
    return [found[name] for name in sorted(found)]


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _duration(seconds: float) -> str:
    return f"{float(seconds):.9f}".rstrip("0").rstrip(".") + "s"


def _seconds(duration: object) -> float | None:
    return float(str(duration).rstrip("s")) if re.fullmatch(r"[0-9.]+s", str(duration)) else None


def without_version(document: Mapping[str, Any]) -> list[Json]:
    """The resources of a file."""
    return list(document.get("resources") or ())
