"""How a new version replaces the old one: a Deployment's strategy, or a Rollout of Argo Rollouts with its analyses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.kinds.endpoint.spec import Analysis, AnalysisMetric, BlueGreen, EndpointSpec, Rollout, RolloutStep
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog, Refusal
from trueup_stacks.kubernetes import components, naming, tokens

PREVIEW = "-preview"
"""What the name of the Service has at its end that reaches the new version before it takes the requests."""


def progressive(rollout: Rollout) -> bool:
    """Whether a controller moves the requests, which Kubernetes itself has none for."""
    return rollout.strategy in ("blueGreen", "canary")


def workload(spec: EndpointSpec) -> str:
    """The token of what holds the pods."""
    return tokens.ROLLOUT if progressive(spec.rollout) else tokens.DEPLOYMENT


def target(document: Document, spec: EndpointSpec) -> dict[str, Value]:
    """How an autoscaler names it."""
    token = workload(spec)
    return {"apiVersion": tokens.api_version(token), "kind": tokens.kind(token), "name": document.key.name}


def refuse(spec: EndpointSpec, catalog: Catalog) -> Iterator[Refusal]:
    """What a rollout needs of the cluster."""
    rollout = spec.rollout
    if not progressive(rollout):
        return
    for refusal in components.needed(
        catalog, "argo-rollouts", "spec.rollout.strategy", f"the strategy {rollout.strategy} needs Argo Rollouts"
    ):
        more = "Without it, serve the new version by an Endpoint of its own, and weigh both in a Gateway's route."
        yield Refusal(refusal.path, refusal.reason, f"{refusal.fix} {more}")
    if analyses(spec):
        yield from components.prometheus(catalog, "spec.rollout", "an analysis asks the cluster's Prometheus")


def strategy(document: Document, spec: EndpointSpec) -> dict[str, Value]:
    """The part of the workload's spec that says how it is updated."""
    rollout = spec.rollout
    deadline: dict[str, Value] = {"progressDeadlineSeconds": math.ceil(seconds(rollout.progress_deadline))}
    match rollout.strategy:
        case "recreate" | "rollingUpdate":
            return {**deadline, "strategy": kubernetes(rollout)}
        case "blueGreen":
            made: dict[str, Value] = {"blueGreen": _blue_green(document, rollout.blue_green or BlueGreen())}
        case "canary":
            steps = [_step(document, number, step) for number, step in enumerate(rollout.steps, 1)]
            made = {"canary": {**_gradual(rollout), "steps": steps}}
    return {**deadline, "progressDeadlineAbort": True, "strategy": made}


def kubernetes(rollout: Rollout) -> dict[str, Value]:
    """The strategy of a Deployment."""
    if rollout.strategy == "recreate":
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": _gradual(rollout)}


def _gradual(rollout: Rollout) -> dict[str, Value]:
    return {"maxSurge": rollout.max_surge, "maxUnavailable": rollout.max_unavailable}


def _blue_green(document: Document, given: BlueGreen) -> dict[str, Value]:
    made: dict[str, Value] = {
        "activeService": document.key.name,
        "previewService": document.key.name + PREVIEW,
        "autoPromotionEnabled": given.auto_promotion_enabled,
        "scaleDownDelaySeconds": math.ceil(seconds(given.scale_down_delay)),
    }
    if given.pre_promotion_analysis is not None:
        made["prePromotionAnalysis"] = _by_template(f"{document.key.name}-promotion")
    return made


def _step(document: Document, number: int, step: RolloutStep) -> dict[str, Value]:
    if step.set_weight is not None:
        return {"setWeight": step.set_weight}
    if step.analysis is not None:
        return {"analysis": _by_template(f"{document.key.name}-step-{number}")}
    assert step.pause is not None
    wait = step.pause.duration
    return {"pause": {"duration": math.ceil(seconds(wait))} if wait is not None else {}}


def _by_template(name: str) -> dict[str, Value]:
    """The controller writes the empty metadata back where they are missing, and would own the field from then on."""
    return {"analysisRunMetadata": {}, "templates": [{"templateName": name}]}


def analyses(spec: EndpointSpec) -> dict[str, Analysis]:
    """Each analysis, by what its template's name has at its end."""
    rollout = spec.rollout
    found = {f"-step-{n}": step.analysis for n, step in enumerate(rollout.steps, 1) if step.analysis is not None}
    given = rollout.blue_green
    if given is not None and given.pre_promotion_analysis is not None:
        found["-promotion"] = given.pre_promotion_analysis
    return found


def templates(spec: EndpointSpec, catalog: Catalog) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """The AnalysisTemplates: the end of each name, and its properties."""
    server = naming.cluster(catalog).prometheus
    for suffix, analysis in analyses(spec).items():
        assert server is not None
        yield suffix, {"spec": {"metrics": [_metric(m, server.url) for m in analysis.metrics]}}


def _metric(metric: AnalysisMetric, url: str) -> dict[str, Value]:
    return {
        "name": metric.name,
        "interval": f"{math.ceil(seconds(metric.interval))}s",
        "count": metric.count,
        "successCondition": metric.success_condition,
        "failureLimit": metric.failure_limit,
        "provider": {"prometheus": {"address": url, "query": metric.query}},
    }
