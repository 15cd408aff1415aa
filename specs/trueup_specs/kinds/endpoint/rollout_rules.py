"""Rules of an Endpoint's rollout (TRU1782 to TRU1786): canary steps and blue-green."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, examples, repeated
from trueup_specs.kinds.endpoint.spec import Analysis, EndpointSpec

_MODEL = """
    kind: Model
    metadata: {name: churn}
    spec: {source: {uri: "models:/churn/3"}, task: classification}
    """


def _endpoint(rest: str) -> str:
    """An example: an endpoint with these fields, and its model."""
    return examples(f"kind: Endpoint\nmetadata: {{name: churn}}\nspec:\n  model: {{name: churn}}\n{rest}", _MODEL)


_GOOD = _endpoint("""\
  rollout:
    strategy: canary
    steps:
      - setWeight: 10
      - pause: {duration: 5m}
      - analysis:
          metrics:
            - name: errors
              query: sum(rate(request_failures[1m]))
              successCondition: result[0] < 0.01
      - setWeight: 50
      - pause: {}""")


class CanaryWithoutSteps(SpecRule[EndpointSpec]):
    """The strategy `canary` needs `steps`, and only it has some."""

    code = "TRU1782"
    reason = (
        "Without steps a canary is a rolling update by another name; with another strategy nobody would follow them."
    )
    good = _GOOD
    bad = _endpoint("  rollout: {strategy: canary}\n#                     ^")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        rollout = spec.rollout
        if rollout.strategy == "canary" and not rollout.steps:
            yield Finding(
                ("spec", "rollout", "strategy"),
                "The canary has no steps.",
                fix="Add `steps`, such as `[{setWeight: 20}, {pause: {duration: 10m}}]`, or write `strategy: rollingUpdate`.",
            )
        if rollout.strategy != "canary" and rollout.steps:
            yield Finding(
                ("spec", "rollout", "steps"),
                f"`steps` do nothing with the strategy `{rollout.strategy}`.",
                at_key=True,
                fix="Remove `steps`, or write `strategy: canary`.",
            )


class StepOfNothing(SpecRule[EndpointSpec]):
    """A step of a canary must have exactly one of `setWeight`, `pause` and `analysis`."""

    code = "TRU1783"
    reason = "Steps are made one after the other, and the order of two in one could not be told."
    good = _GOOD
    bad = _endpoint("""\
  rollout:
    strategy: canary
    steps:
      - {setWeight: 10, pause: {duration: 5m}}
#       ^""")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, step in enumerate(spec.rollout.steps):
            given = [x for x in (step.set_weight, step.pause, step.analysis) if x is not None]
            if len(given) != 1:
                yield Finding(
                    ("spec", "rollout", "steps", position),
                    f"The step has {len(given) or 'none'} of `setWeight`, `pause` and `analysis`.",
                    fix="Write one step for each." if given else "Write one of them.",
                )


class WeightsFall(SpecRule[EndpointSpec]):
    """The weights of a canary must rise."""

    code = "TRU1784"
    reason = "A share that falls again while a version is rolled out is, as a rule, two steps in the wrong order."
    good = _GOOD
    bad = _endpoint("""\
  rollout:
    strategy: canary
    steps: [{setWeight: 50}, {setWeight: 10}]
#                                        ^""")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        before = -1
        for position, step in enumerate(spec.rollout.steps):
            if step.set_weight is None:
                continue
            if step.set_weight <= before:
                yield Finding(
                    ("spec", "rollout", "steps", position, "setWeight"),
                    f"The weight {step.set_weight} comes after {before}.",
                    fix="Order the steps by weight, and name each weight once.",
                )
            before = step.set_weight


class BlueGreenIgnored(SpecRule[EndpointSpec]):
    """`blueGreen` belongs to the strategy of that name."""

    code = "TRU1785"
    reason = "With another strategy nothing would read it."
    good = _endpoint("  rollout: {strategy: blueGreen, blueGreen: {autoPromotionEnabled: false}}")
    bad = _endpoint("  rollout: {blueGreen: {autoPromotionEnabled: false}}\n#           ^")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.rollout.blue_green is not None and spec.rollout.strategy != "blueGreen":
            yield Finding(
                ("spec", "rollout", "blueGreen"),
                f"`blueGreen` does nothing with the strategy `{spec.rollout.strategy}`.",
                at_key=True,
                fix="Write `strategy: blueGreen`, or remove it.",
            )


class AnalysisUnclear(SpecRule[EndpointSpec]):
    """The metrics of an analysis must have different names and an interval."""

    code = "TRU1786"
    reason = "A rollout that was undone names the metric that failed; and one that is asked without pause would be asked for ever."
    good = _GOOD
    bad = _endpoint("""\
  rollout:
    strategy: canary
    steps:
      - analysis:
          metrics:
            - {name: errors, query: sum(failures), successCondition: "result[0] < 1"}
            - {name: errors, query: sum(timeouts), successCondition: "result[0] < 1"}
#                    ^""")

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, step in enumerate(spec.rollout.steps):
            yield from self._judge(step.analysis, ("spec", "rollout", "steps", position, "analysis"))
        if spec.rollout.blue_green is not None:
            path = ("spec", "rollout", "blueGreen", "prePromotionAnalysis")
            yield from self._judge(spec.rollout.blue_green.pre_promotion_analysis, path)

    @staticmethod
    def _judge(analysis: Analysis | None, path: tuple[str | int, ...]) -> Iterator[Finding]:
        metrics = analysis.metrics if analysis is not None else ()
        for place, _, name in repeated(m.name for m in metrics):
            yield Finding(
                (*path, "metrics", place, "name"),
                f"Two metrics are called {name!r}.",
                fix="Give each a name of its own.",
            )
        for place, metric in enumerate(metrics):
            if seconds(metric.interval) == 0:
                yield Finding(
                    (*path, "metrics", place, "interval"),
                    f"The metric {metric.name!r} has no time between two questions.",
                    fix="Write an interval such as `1m`.",
                )


RULES: tuple[type[Rule], ...] = (CanaryWithoutSteps, StepOfNothing, WeightsFall, BlueGreenIgnored, AnalysisUnclear)
