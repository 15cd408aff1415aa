"""Host names of routes, judged. Called by the rules of Endpoint and Gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, repeated

_HOST = re.compile(
    r"^(?:\*\.)?(?=.{1,253}$)[A-Za-z0-9](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*$"
)


def host_findings(hosts: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """What is wrong with a list of hosts that stands at `path`."""
    for position, host in enumerate(hosts):
        if not _HOST.match(host) and host != "*":
            yield Finding(
                (*path, position),
                f"{host!r} is no host name.",
                fix="Write it without scheme, port and path, such as `api.example.com` or `*.example.com`.",
            )
    for position, _, host in repeated(host.lower() for host in hosts):
        yield Finding((*path, position), f"The host {host!r} stands twice.", fix="Remove one of them.")
