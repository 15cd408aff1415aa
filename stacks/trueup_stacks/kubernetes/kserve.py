"""An endpoint as an InferenceService: KServe makes Deployment, Service and autoscaler of it (its mode `Standard`, without Knative)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from trueup_specs.core.envelope import seconds
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog, Refusal
from trueup_stacks.kubernetes import components, rollouts
from trueup_stacks.kubernetes.autoscaling import scales

_CONTAINER = "kserve-container"
"""KServe looks for a container of this name."""


def chosen(spec: EndpointSpec) -> bool:
    """Whether KServe runs the servers."""
    return spec.serving == "kserve"


def refuse(spec: EndpointSpec, catalog: Catalog) -> Iterator[Refusal]:
    """What KServe needs, and what it does not do in this mode."""
    if not chosen(spec):
        return
    yield from components.needed(catalog, "kserve", "spec.serving", "`serving: kserve` needs KServe")
    if rollouts.progressive(spec.rollout):
        yield Refusal(
            "spec.rollout.strategy",
            f"KServe makes no {spec.rollout.strategy} without Knative",
            "Write `serving: deployment`, or `strategy: rollingUpdate`.",
        )
    if "progress_deadline" in spec.rollout.model_fields_set:
        yield Refusal(
            "spec.rollout.progressDeadline",
            "the Deployment that KServe makes has a deadline of its own",
            "Remove it, or write `serving: deployment`.",
        )
    if scales(spec.predictor) and spec.predictor.scale_metric in ("concurrency", "rps"):
        yield Refusal(
            "spec.predictor.scaleMetric",
            f"KServe scales by {spec.predictor.scale_metric} only with Knative",
            "Scale by `cpu` or `memory`, or write `serving: deployment`.",
        )


def inference_service(spec: EndpointSpec, template: dict[str, Value]) -> dict[str, Value]:
    """The properties beside the metadata, of the template of the pods."""
    predictor, pod = spec.predictor, dict(template["spec"])
    pod["containers"] = [{**c, "name": _CONTAINER} for c in pod["containers"]]
    scaling: dict[str, Any] = {"minReplicas": predictor.min_replicas}
    if scales(predictor):
        scaling |= {
            "maxReplicas": predictor.max_replicas,
            "scaleMetric": predictor.scale_metric or "cpu",
            "scaleTarget": predictor.scale_target,
        }
    else:
        scaling["maxReplicas"] = max(1, predictor.min_replicas)
    found = {
        **pod,
        **{k: v for k, v in scaling.items() if v is not None},
        "timeout": math.ceil(seconds(predictor.timeout)),
        **template["metadata"],
        "deploymentStrategy": rollouts.kubernetes(spec.rollout),
    }
    return {"spec": {"predictor": found}, "metadata": {"annotations": {"serving.kserve.io/deploymentMode": "Standard"}}}
