"""`kind: Endpoint`: a model that answers. Terms of KServe and the Open Inference Protocol."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Duration, EnvValue, Items, Name, Resources, SpecModel
from trueup_specs.core.placement import Placement
from trueup_specs.core.references import FeatureServiceRef, GatewayRef, ModelRef


class EndpointModel(SpecModel):
    """The model, at a version or an alias."""

    name: ModelRef
    version: int | None = Field(default=None, ge=1)
    alias: Name | None = None
    """By default `champion`."""


class Probe(SpecModel):
    """When a server counts as ready or as stuck."""

    initial_delay: Duration = "0s"
    period: Duration = "5s"
    timeout: Duration = "2s"
    failure_threshold: int = Field(default=3, ge=1)


class StartupProbe(SpecModel):
    """How long a server may take to load its model: the other probes begin when it answers."""

    initial_delay: Duration = "0s"
    period: Duration = "5s"
    timeout: Duration = "2s"
    failure_threshold: int = Field(default=60, ge=1)


class Probes(SpecModel):
    """Startup, readiness and liveness."""

    startup: StartupProbe = Field(default_factory=StartupProbe)
    readiness: Probe = Field(default_factory=Probe)
    liveness: Probe = Field(default_factory=Probe)


class Predictor(SpecModel):
    """The servers of the model."""

    min_replicas: int = Field(default=1, ge=0, le=1000)
    max_replicas: int | None = Field(default=None, ge=1, le=1000)
    """By default `minReplicas`: no scaling."""
    scale_metric: Literal["concurrency", "rps", "cpu", "memory"] | None = None
    scale_target: int | None = Field(default=None, ge=1)
    """The value of `scaleMetric` per replica: requests, requests per second, percent of the CPU or memory request."""
    resources: Resources = Field(default_factory=Resources)
    protocol: Literal["v2", "grpc-v2"] = "v2"
    """The Open Inference Protocol, over HTTP or over gRPC; KServe's names."""
    image: str | None = None
    """On targets that run containers: the server's image, by digest."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes a replica. Whichever of them is asked for metrics tells what all have counted."""
    env: dict[str, EnvValue] = Field(default_factory=dict)
    timeout: Duration = "30s"
    """The longest time a request may take."""
    probes: Probes = Field(default_factory=Probes)
    termination_grace_period: Duration = "30s"
    """How long running requests may go on when a server is stopped."""
    pre_stop: Duration = "5s"
    """How long a server that is to stop goes on taking requests before it is told (Kubernetes' `preStop`), so that all who send some
    have learned of it. Added to `terminationGracePeriod`."""
    priority_class: str | None = None
    """A PriorityClass of the cluster: which servers stay where room is short."""


class Route(SpecModel):
    """How the endpoint is reached through a gateway."""

    gateway: GatewayRef | None = None
    """By default a gateway of the namespace that Trueup makes."""
    path: str | None = Field(default=None, pattern=r"^/[-A-Za-z0-9._~/]*$")
    """The path prefix, taken away before the request is passed on; by default `/NAME`."""
    hosts: Items[str] = ()


class AnalysisMetric(SpecModel):
    """A number that is asked of the cluster's Prometheus while a version is rolled out. Terms of Argo Rollouts."""

    name: Name
    query: str = Field(min_length=1)
    """In PromQL."""
    success_condition: str = Field(min_length=1)
    """Over `result`, in the language of Argo Rollouts: `result[0] < 0.01`."""
    interval: Duration = "1m"
    count: int = Field(default=5, ge=1, le=1000)
    """How often it is asked."""
    failure_limit: int = Field(default=0, ge=0)
    """How many answers may fail before the rollout is undone."""


class Analysis(SpecModel):
    """What must hold for the rollout to go on."""

    metrics: Items[AnalysisMetric] = Field(min_length=1)


class Pause(SpecModel):
    """A wait."""

    duration: Duration | None = None
    """By default until a person promotes the rollout."""


class RolloutStep(SpecModel):
    """One step of a canary: exactly one of its fields. Terms of Argo Rollouts."""

    set_weight: int | None = Field(default=None, ge=0, le=100)
    """The share of the new version in percent, of the servers or, where the gateway weighs, of the requests."""
    pause: Pause | None = None
    analysis: Analysis | None = None


class BlueGreen(SpecModel):
    """The new version stands complete beside the old one before it takes the requests. Terms of Argo Rollouts."""

    auto_promotion_enabled: bool = True
    """Whether it takes them when it is ready; else when a person promotes the rollout."""
    pre_promotion_analysis: Analysis | None = None
    """What must hold before."""
    scale_down_delay: Duration = "30s"
    """How long the old version stays, ready for a return."""


class Rollout(SpecModel):
    """How a new version replaces the old one."""

    strategy: Literal["recreate", "rollingUpdate", "blueGreen", "canary"] = "rollingUpdate"
    max_surge: int = Field(default=1, ge=0)
    """Replicas more than wanted while rolling."""
    max_unavailable: int = Field(default=0, ge=0)
    progress_deadline: Duration = "10m"
    """How long the new version may make no progress before the rollout counts as failed; `blueGreen` and `canary` are then undone."""
    steps: Items[RolloutStep] = ()
    """Of a `canary`, in order; after the last, all requests go to the new version."""
    blue_green: BlueGreen | None = None


class RequestLogging(SpecModel):
    """What is kept of requests."""

    mode: Literal["none", "metadata", "all"] = "none"
    sample_percent: float = Field(default=100, ge=0, le=100)


class EndpointSpec(SpecModel):
    """A model that answers."""

    model: EndpointModel
    serving: Literal["deployment", "kserve"] = "deployment"
    """On clusters, what runs the servers: a workload of Kubernetes, or an InferenceService of KServe."""
    predictor: Predictor = Field(default_factory=Predictor)
    features: FeatureServiceRef | None = None
    """Features that the server reads online by entity, so that requests carry keys only."""
    route: Route = Field(default_factory=Route)
    rollout: Rollout = Field(default_factory=Rollout)
    logging: RequestLogging = Field(default_factory=RequestLogging)
    placement: Placement | None = None
    """On which clusters it stands where its environment has several; by default on all."""
    description: str = ""
