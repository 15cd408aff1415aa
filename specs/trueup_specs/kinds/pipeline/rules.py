"""All rules of `kind: Pipeline`, listed by the registry."""

from __future__ import annotations

from trueup_specs.core.rules import Rule
from trueup_specs.kinds.pipeline import column_rules, estimator_rules, graph_rules, retry_rules, run_rules, step_rules

RULES: tuple[type[Rule], ...] = (
    *graph_rules.RULES,
    *step_rules.RULES,
    *retry_rules.RULES,
    *run_rules.RULES,
    *column_rules.RULES,
    *estimator_rules.RULES,
)
