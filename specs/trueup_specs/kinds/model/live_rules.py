"""Rules of `kind: Model` about the live checks of its promotion (TRU1715 and TRU1716). Part of `rules`."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.model.spec import ModelSpec

_PROMOTED = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: Environment
        metadata: {name: prod}
        spec: {}
        ---
        kind: Model
        metadata: {name: churn}
        spec:
          source: {uri: "models:/churn/3"}
          task: classification
          promotion:
            path: [dev, prod]"""


class LiveCheckOfNothing(SpecRule[ModelSpec]):
    """A live check must have a `min` or a `max` that a number can meet, and be the only one of its metric."""

    code = "TRU1715"
    about = ("spec.promotion",)
    reason = "A check that always holds, or never, says nothing of a version."
    good = (
        _PROMOTED
        + """
            live: [{metric: requests, min: 100}, {metric: errorRatio, max: 0.01}]
        """
    )
    bad = (
        _PROMOTED
        + """
            live:
              - metric: errorRatio
                max: 5
        #            ^
        """
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        for n, check in enumerate(spec.promotion.live):
            at = ("spec", "promotion", "live", n)
            if check.min is None and check.max is None:
                yield Finding((*at, "metric"), f"Nothing is asked of {check.metric}.", fix="Add `min` or `max`.")
            elif check.min is not None and check.max is not None and check.min > check.max:
                yield Finding(
                    (*at, "min"), f"No number is at least {check.min:g} and at most {check.max:g}.", fix="Swap them."
                )
            elif check.metric == "errorRatio" and (check.max or 0) > 1:
                yield Finding(
                    (*at, "max"),
                    f"A share of requests is never over 1, so at most {check.max:g} always holds.",
                    fix="Write a share, such as 0.01 for 1 %.",
                )
        for n, _, name in repeated(c.metric for c in spec.promotion.live):
            yield Finding(
                ("spec", "promotion", "live", n, "metric"),
                f"{name} is asked for twice.",
                fix="Write one check with `min` and `max`.",
            )


class LiveChecksUnasked(SpecRule[ModelSpec]):
    """Live checks must have an environment before, and a promotion that asks for them."""

    code = "TRU1716"
    about = ("spec.promotion",)
    reason = "They are asked of running servers when a version is promoted; with `mode: auto` a plan takes it, which asks no server."
    good = LiveCheckOfNothing.good
    bad = (
        _PROMOTED
        + """
            mode: auto
            live: [{metric: requests, min: 100}]
        #   ^
        """
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        promotion = spec.promotion
        if not promotion.live or (promotion.mode == "pullRequest" and len(promotion.path) > 1):
            return
        auto = promotion.mode == "auto"
        yield Finding(
            ("spec", "promotion", "live"),
            "Nothing asks for live checks with `mode: auto`."
            if auto
            else f"{document.key} has no environment before another, so no live check is ever asked.",
            at_key=True,
            fix="Use `mode: pullRequest`, or `soak` alone." if auto else "Name the environments in `promotion.path`.",
        )


RULES: tuple[type[Rule], ...] = (LiveCheckOfNothing, LiveChecksUnasked)
