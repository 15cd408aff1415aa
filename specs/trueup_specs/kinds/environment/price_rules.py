"""Rules of an Environment's prices (TRU1140 to TRU1142). Listed by `applying_rules`."""

from __future__ import annotations

import math
from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule
from trueup_specs.kinds.environment.extension import settings
from trueup_specs.kinds.environment.spec import EnvironmentSpec

_GOOD = """
    kind: Environment
    metadata: {name: prod}
    spec:
      prices: {billingCurrency: EUR, cpuHour: 0.034, memoryGibHour: 0.0045, gpuHour: {nvidia.com/gpu: 2.3}}
      approvals: {rules: [{teams: [growth], costIncrease: 200}]}
    ---
    kind: Team
    metadata: {name: growth}
    spec: {members: [{user: ada}]}
    """


class IncreaseWithoutPrices(SpecRule[EnvironmentSpec]):
    """`costIncrease` needs `prices`, of the environment or of one that it extends."""

    code = "TRU1140"
    reason = "Without prices no cost is known, so that the rule would ask for every plan."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {approvals: {rules: [{teams: [growth], costIncrease: 200}]}}
        #                                            ^
        ---
        kind: Team
        metadata: {name: growth}
        spec: {members: [{user: ada}]}
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        whole = settings(document.key.name, index) or spec
        if whole.prices is not None:
            return
        for position, rule in enumerate(spec.approvals.rules):
            if rule.cost_increase is not None:
                yield Finding(
                    ("spec", "approvals", "rules", position, "costIncrease"),
                    "No price is declared, so no increase of the cost is known.",
                    at_key=True,
                    fix="Declare `spec.prices`, here or in the environment that this one extends.",
                )


class PriceImpossible(SpecRule[EnvironmentSpec]):
    """A price must be a number of money, not below zero."""

    code = "TRU1141"
    reason = "What costs less than nothing would hide what costs something."
    good = _GOOD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {prices: {billingCurrency: EUR, gpuHour: {nvidia.com/gpu: -2.3}}}
        #                                                               ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for kind, price in (spec.prices.gpu_hour if spec.prices else {}).items():
            if price < 0 or not math.isfinite(price):
                path = ("spec", "prices", "gpuHour", kind)
                fix = "Write what an hour costs, as a number of 0 or more."
                yield Finding(path, f"An hour of {kind} cannot cost {price}.", fix=fix)


RULES: tuple[type[Rule], ...] = (IncreaseWithoutPrices, PriceImpossible)
