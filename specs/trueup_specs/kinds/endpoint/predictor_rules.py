"""Rules of an Endpoint's servers (TRU1770 to TRU1789): replicas, scaling, probes, rollout."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, examples
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.pipeline.run_rules import DIGEST

_MODEL = """
    kind: Model
    metadata: {name: churn}
    spec: {source: {uri: "models:/churn/3"}, task: classification}
    """


_GRADUAL = ("rollingUpdate", "canary")
"""Strategies that replace servers one after the other."""


def _endpoint(rest: str) -> str:
    """An example: an endpoint with these fields, and its model."""
    return examples(f"kind: Endpoint\nmetadata: {{name: churn}}\nspec:\n  model: {{name: churn}}\n{rest}", _MODEL)


_GOOD = _endpoint("""\
  predictor:
    minReplicas: 2
    maxReplicas: 6
    scaleMetric: cpu
    scaleTarget: 70
    resources: {cpu: 500m, memory: 1Gi}
    probes: {readiness: {period: 5s, timeout: 2s}}
  rollout: {strategy: rollingUpdate, maxSurge: 1, maxUnavailable: 0}""")


class ReplicasUpsideDown(SpecRule[EndpointSpec]):
    """`maxReplicas` must not be below `minReplicas`."""

    code = "TRU1770"
    reason = "No number of servers is both; the cluster would refuse the autoscaler."
    good = _GOOD
    bad = _endpoint("  predictor: {minReplicas: 3, maxReplicas: 2}\n#                                          ^")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        predictor = spec.predictor
        if predictor.max_replicas is not None and predictor.max_replicas < predictor.min_replicas:
            yield Finding(
                ("spec", "predictor", "maxReplicas"),
                f"At most {predictor.max_replicas} servers are allowed, and at least {predictor.min_replicas} are wanted.",
                fix=f"Raise `maxReplicas` to at least {predictor.min_replicas}, or lower `minReplicas`.",
            )


class ScaleHalf(SpecRule[EndpointSpec]):
    """`scaleMetric` and `scaleTarget` belong together."""

    code = "TRU1771"
    reason = "A metric without a value, or a value without a metric, says nothing about when to scale."
    good = _GOOD
    bad = _endpoint(
        "  predictor: {minReplicas: 1, maxReplicas: 3, scaleTarget: 10}\n#                                             ^"
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        metric, target = spec.predictor.scale_metric, spec.predictor.scale_target
        if (metric is None) != (target is None):
            has, lacks = ("scaleMetric", "scaleTarget") if target is None else ("scaleTarget", "scaleMetric")
            yield Finding(
                ("spec", "predictor", has),
                f"The predictor has `{has}` and no `{lacks}`.",
                at_key=True,
                fix=f"Add `{lacks}`, or remove `{has}`.",
            )


class ScaleWithoutRoom(SpecRule[EndpointSpec]):
    """Scaling needs `maxReplicas` above `minReplicas`."""

    code = "TRU1772"
    reason = "Otherwise the number of servers cannot change, whatever the load."
    good = _GOOD
    bad = _endpoint("  predictor: {minReplicas: 2, scaleMetric: rps, scaleTarget: 50}\n#                             ^")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        predictor = spec.predictor
        most = predictor.max_replicas if predictor.max_replicas is not None else max(predictor.min_replicas, 1)
        if predictor.scale_metric is not None and most == predictor.min_replicas:
            yield Finding(
                ("spec", "predictor", "scaleMetric"),
                f"There are always {predictor.min_replicas} servers, so `scaleMetric` does nothing.",
                at_key=True,
                fix="Add a `maxReplicas` above `minReplicas`, or remove `scaleMetric` and `scaleTarget`.",
            )


class RoomWithoutScale(SpecRule[EndpointSpec]):
    """A range of replicas needs `scaleMetric` and `scaleTarget`."""

    code = "TRU1773"
    reason = "Nothing would say when to add a server, so `maxReplicas` would never be reached."
    good = _GOOD
    bad = _endpoint("  predictor: {minReplicas: 1, maxReplicas: 3}\n#                             ^")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        predictor = spec.predictor
        ranged = predictor.max_replicas is not None and predictor.max_replicas > predictor.min_replicas
        if ranged and predictor.scale_metric is None and predictor.scale_target is None:
            yield Finding(
                ("spec", "predictor", "maxReplicas"),
                f"Nothing says when there should be more than {predictor.min_replicas} servers.",
                at_key=True,
                fix="Add `scaleMetric` and `scaleTarget`, or remove `maxReplicas`.",
            )


class ScaleWithoutRequest(SpecRule[EndpointSpec]):
    """Scaling by CPU or memory needs a request of it."""

    code = "TRU1774"
    reason = "The target is a percentage of the request; Kubernetes' autoscaler stays idle without one."
    good = _GOOD
    bad = _endpoint(
        "  predictor: {minReplicas: 1, maxReplicas: 3, scaleMetric: cpu, scaleTarget: 70}\n"
        "#                                                          ^"
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        metric = spec.predictor.scale_metric
        if metric in ("cpu", "memory") and getattr(spec.predictor.resources, metric) is None:
            yield Finding(
                ("spec", "predictor", "scaleMetric"),
                f"The predictor scales by {metric} and requests none.",
                fix=f"Add `resources: {{{metric}: …}}`, or scale by `concurrency` or `rps`.",
            )


class ScaleTargetTooHigh(SpecRule[EndpointSpec]):
    """A `scaleTarget` of CPU or memory is a percentage, at most 100."""

    code = "TRU1775"
    reason = "Servers would be added only after they are overloaded."
    good = _GOOD
    bad = _endpoint("""\
  predictor:
    minReplicas: 1
    maxReplicas: 3
    scaleMetric: cpu
    scaleTarget: 500
#                ^
    resources: {cpu: 500m}""")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        metric, target = spec.predictor.scale_metric, spec.predictor.scale_target
        if metric in ("cpu", "memory") and target is not None and target > 100:
            yield Finding(
                ("spec", "predictor", "scaleTarget"),
                f"{target} is more than 100 percent of the {metric} request.",
                fix="Write a percentage, such as 70.",
            )


class ScaleFromZero(SpecRule[EndpointSpec]):
    """`minReplicas: 0` cannot scale by CPU or memory."""

    code = "TRU1776"
    reason = "Where no server runs there is no load to measure, so none would ever be started."
    good = _GOOD
    bad = _endpoint("""\
  predictor:
    minReplicas: 0
#                ^
    maxReplicas: 3
    scaleMetric: cpu
    scaleTarget: 70
    resources: {cpu: 500m}""")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.predictor.min_replicas == 0 and spec.predictor.scale_metric in ("cpu", "memory"):
            yield Finding(
                ("spec", "predictor", "minReplicas"),
                f"No server would be started again, because {spec.predictor.scale_metric} of none is measured.",
                fix="Write `minReplicas: 1`, or scale by `concurrency` or `rps`.",
            )


class RolloutStuck(SpecRule[EndpointSpec]):
    """`maxSurge` and `maxUnavailable` must not both be 0."""

    code = "TRU1777"
    reason = "No server could be added or taken away, so the rollout could not begin; Kubernetes refuses it."
    good = _GOOD
    bad = _endpoint("  rollout: {maxSurge: 0}\n#                     ^")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        rollout = spec.rollout
        if rollout.strategy in _GRADUAL and rollout.max_surge == 0 and rollout.max_unavailable == 0:
            yield Finding(
                ("spec", "rollout", "maxSurge" if "max_surge" in rollout.model_fields_set else "maxUnavailable"),
                "The rollout can neither add a server nor take one away.",
                fix="Raise `maxSurge` or `maxUnavailable` to 1.",
            )


class RolloutIgnored(SpecRule[EndpointSpec]):
    """`maxSurge` and `maxUnavailable` belong to `rollingUpdate` and `canary`."""

    code = "TRU1778"
    reason = (
        "`recreate` stops all servers first and `blueGreen` starts all beside the old ones, so they would be ignored."
    )
    good = _GOOD
    bad = _endpoint("  rollout: {strategy: recreate, maxSurge: 2}\n#                               ^")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        for field, alias in (("max_surge", "maxSurge"), ("max_unavailable", "maxUnavailable")):
            if spec.rollout.strategy not in _GRADUAL and field in spec.rollout.model_fields_set:
                yield Finding(
                    ("spec", "rollout", alias),
                    f"`{alias}` does nothing with the strategy `{spec.rollout.strategy}`.",
                    at_key=True,
                    fix=f"Remove `{alias}`, or write `strategy: rollingUpdate`.",
                )


class RolloutDark(SpecRule[EndpointSpec]):
    """`maxUnavailable` should leave a server."""

    code = "TRU1779"
    severity = Severity.WARNING
    reason = "While a version is rolled out, nobody would answer."
    good = _GOOD
    bad = _endpoint("  predictor: {minReplicas: 1}\n  rollout: {maxUnavailable: 1}\n#                           ^")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        rollout, least = spec.rollout, spec.predictor.min_replicas
        if rollout.strategy in _GRADUAL and rollout.max_unavailable >= least > 0:
            yield Finding(
                ("spec", "rollout", "maxUnavailable"),
                f"All of the {least} servers may be gone at once while a version is rolled out.",
                fix="Lower `maxUnavailable` below `minReplicas`, or write `strategy: recreate` where that is meant.",
            )


class ProbeTimes(SpecRule[EndpointSpec]):
    """A probe's period and timeout must be more than nothing, and the timeout at most the period."""

    code = "TRU1780"
    reason = "A probe would begin before the last one ended, or never be answered in time."
    good = _GOOD
    bad = _endpoint(
        "  predictor: {probes: {readiness: {period: 1s, timeout: 5s}}}\n#                                                       ^"
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        for name in ("startup", "readiness", "liveness"):
            probe = getattr(spec.predictor.probes, name)
            period, timeout = seconds(probe.period), seconds(probe.timeout)
            zero = next((f for f, value in (("period", period), ("timeout", timeout)) if value == 0), None)
            if zero is not None:
                yield Finding(
                    ("spec", "predictor", "probes", name, zero),
                    f"The {zero} of the {name} probe is no time.",
                    fix="Write a time such as `2s`.",
                )
            elif timeout > period:
                said = "timeout" in probe.model_fields_set
                yield Finding(
                    ("spec", "predictor", "probes", name, "timeout" if said else "period"),
                    f"The {name} probe may take {probe.timeout} and is made every {probe.period}.",
                    fix="Lower `timeout`, or raise `period`.",
                )


class ImageMutable(SpecRule[EndpointSpec]):
    """`predictor.image` must be named by digest."""

    code = "TRU1781"
    reason = "A tag can mean another image tomorrow, and what served could not be told."
    good = _endpoint(f'  predictor: {{image: "example.com/server@sha256:{"0" * 64}"}}')
    bad = _endpoint('  predictor: {image: "example.com/server:latest"}\n#                    ^')

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.predictor.image is not None and not DIGEST.match(spec.predictor.image):
            yield Finding(
                ("spec", "predictor", "image"),
                f"The image {spec.predictor.image!r} is not named by digest.",
                fix="Write `NAME@sha256:…`; `docker buildx imagetools inspect NAME` prints it.",
            )


RULES: tuple[type[Rule], ...] = (
    ReplicasUpsideDown,
    ScaleHalf,
    ScaleWithoutRoom,
    RoomWithoutScale,
    ScaleWithoutRequest,
    ScaleTargetTooHigh,
    ScaleFromZero,
    RolloutStuck,
    RolloutIgnored,
    RolloutDark,
    ProbeTimes,
    ImageMutable,
)
