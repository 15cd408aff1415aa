"""`kind: Gateway`: the door to endpoints (Envoy on the target `local`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Duration, Items, Name, SpecModel
from trueup_specs.core.references import EndpointRef


class ListenerTls(SpecModel):
    """With what a listener of the protocol HTTPS proves who it is. TLS ends at the gateway."""

    secret_name: Name
    """A Secret of the type `kubernetes.io/tls` in the gateway's namespace."""
    cluster_issuer: str | None = Field(default=None, min_length=1)
    """A ClusterIssuer of cert-manager, which makes that Secret and keeps it valid, for the listener's `hostname`."""


class Listener(SpecModel):
    """An address that the gateway listens at."""

    name: Name = "http"
    port: int | None = Field(default=None, ge=1, le=65535)
    """By default a free port that is kept; on a cluster 80, and 443 of HTTPS."""
    address: str = "127.0.0.1"
    protocol: Literal["HTTP", "HTTPS"] = "HTTP"
    hostname: str | None = Field(default=None, pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    """The only host that it answers for; `*.example.com` is every one below that. The Gateway API's term."""
    tls: ListenerTls | None = None
    """Of a listener of the protocol HTTPS."""


class Backend(SpecModel):
    """An endpoint, with its share of the requests in percent."""

    endpoint: EndpointRef
    weight: int = Field(default=100, ge=0, le=100)


class RetryPolicy(SpecModel):
    """Which failed requests are sent again."""

    attempts: int = Field(default=2, ge=0, le=10)
    on: Items[Literal["connect-failure", "refused-stream", "reset", "5xx", "retriable-4xx", "gateway-error"]] = (
        "connect-failure",
        "refused-stream",
        "reset",
    )
    """Envoy's names of `retry_on`. An inference changes nothing, so one whose server died on the way (`reset`) is asked again."""
    per_try_timeout: Duration | None = None


class GatewayRoute(SpecModel):
    """Requests that match go to the backends by weight."""

    path: str = Field(pattern=r"^/[-A-Za-z0-9._~/]*$")
    """The path prefix, taken away before the request is passed on."""
    hosts: Items[str] = ()
    backends: Items[Backend] = Field(min_length=1)
    timeout: Duration = "30s"
    retries: RetryPolicy = Field(default_factory=RetryPolicy)


class HealthCheck(SpecModel):
    """Active checks of each server."""

    path: str = "/v2/health/ready"
    interval: Duration = "2s"
    timeout: Duration = "1s"
    healthy_threshold: int = Field(default=1, ge=1)
    unhealthy_threshold: int = Field(default=2, ge=1)


class GatewaySpec(SpecModel):
    """The door to endpoints."""

    listeners: Items[Listener] = (Listener(),)
    routes: Items[GatewayRoute] = ()
    """Routes beside those of `Endpoint.spec.route`."""
    health_check: HealthCheck = Field(default_factory=HealthCheck)
    retries: RetryPolicy = Field(default_factory=RetryPolicy)
    """Of the routes that endpoints declare."""
    access_log: bool = True
    description: str = ""
