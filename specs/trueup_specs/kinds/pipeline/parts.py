"""Rules about each step of a Pipeline by itself. Base of those in `graph_rules`, `step_rules`, `retry_rules` and `estimator_rules`."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.positions import Path
from trueup_specs.core.rules import PartRule
from trueup_specs.kinds.pipeline.spec import PipelineSpec, Step


class StepRule(PartRule[Step], abstract=True):
    """A rule about a step that needs to know nothing of the others. Paths of its findings begin at the step."""

    @staticmethod
    def parts(spec: PipelineSpec) -> Iterator[tuple[Path, Step]]:
        return ((("spec", "steps", position), step) for position, step in enumerate(spec.steps))
