"""Rules of `kind: Model` about its promotion (of TRU1700 to TRU1719): path, training on it, soak, live checks. Part of `rules`."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document, seconds
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


class PathRepeated(SpecRule[ModelSpec]):
    """`promotion.path` must name each environment once."""

    code = "TRU1702"
    about = ("spec.promotion",)
    reason = "A version cannot come to an environment before and after another."
    good = _PROMOTED
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn/3"}, task: classification, promotion: {path: [dev, dev]}}
        #                                                                                      ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, _, name in repeated(spec.promotion.path):
            yield Finding(
                ("spec", "promotion", "path", position),
                f"The environment {name!r} is on the promotion path twice.",
                fix="Remove one of them.",
            )


class PathOutsideEnvironments(SpecRule[ModelSpec]):
    """`promotion.path` must name environments that the model exists in."""

    code = "TRU1703"
    about = ("spec.promotion",)
    reason = "A version cannot be promoted to where the model is not."
    good = _PROMOTED
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: Environment
        metadata: {name: prod}
        spec: {}
        ---
        kind: Model
        metadata: {name: churn, environments: [dev]}
        spec: {source: {uri: "models:/churn/3"}, task: classification, promotion: {path: [dev, prod]}}
        #                                                                                      ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        limits = document.metadata.environments
        for position, name in enumerate(spec.promotion.path):
            if limits is not None and name not in limits:
                yield Finding(
                    ("spec", "promotion", "path", position),
                    f"{document.key} does not exist in {name!r}, by its `metadata.environments`.",
                    fix=f"Add {name!r} to `metadata.environments`, or take it off the path.",
                )


class TrainedOffPath(SpecRule[ModelSpec]):
    """`train.in` must be on the promotion path."""

    code = "TRU1704"
    about = ("spec.promotion",)
    reason = "A version that is trained elsewhere would never be promoted."
    good = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fit, run: ./fit.sh, outputs: {model: {type: model}}}
            - {name: keep, uses: register, inputs: {model: fit.model}}
        ---
        kind: Model
        metadata: {name: churn}
        spec: {pipeline: nightly, task: classification, train: {in: dev}, promotion: {path: [dev]}}
        """
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: Environment
        metadata: {name: lab}
        spec: {}
        ---
        kind: Pipeline
        metadata: {name: nightly}
        spec:
          steps:
            - {name: fit, run: ./fit.sh, outputs: {model: {type: model}}}
            - {name: keep, uses: register, inputs: {model: fit.model}}
        ---
        kind: Model
        metadata: {name: churn}
        spec: {pipeline: nightly, task: classification, train: {in: lab}, promotion: {path: [dev]}}
        #                                                           ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        where, path = spec.train.in_, spec.promotion.path
        if where is not None and where != "each" and path and where not in path:
            yield Finding(
                ("spec", "train", "in"),
                f"{document.key} is trained in {where!r}, which its promotion path does not lead through.",
                fix=f"Put {where!r} first on `promotion.path`, or train in {path[0]!r}.",
            )


class TrainedAfterPromotion(SpecRule[ModelSpec]):
    """`train.in` must be the first environment of the promotion path, or `each`."""

    code = "TRU1705"
    about = ("spec.promotion",)
    reason = "Versions travel along the path; the environments before the one that trains would never be given one."
    good = TrainedOffPath.good
    bad = TrainedOffPath.bad.replace("name: lab", "name: prod").replace(
        "in: lab}, promotion: {path: [dev]}", "in: prod}, promotion: {path: [dev, prod]}"
    )

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        where, path = spec.train.in_, spec.promotion.path
        if where in path[1:] and where != path[0]:
            yield Finding(
                ("spec", "train", "in"),
                f"{document.key} is trained in {where!r}, which comes after {path[0]!r} on its promotion path.",
                fix=f"Put {where!r} first on the path, or train in {path[0]!r}.",
            )


class SoakWithoutPath(SpecRule[ModelSpec]):
    """`promotion.soak` needs a path of at least two environments."""

    code = "TRU1709"
    about = ("spec.promotion",)
    reason = "Where nothing is promoted, nothing waits."
    good = _PROMOTED
    bad = """
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn/3"}, task: classification, promotion: {soak: 1d}}
        #                                                                          ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.promotion.soak is not None and len(spec.promotion.path) < 2:
            yield Finding(
                ("spec", "promotion", "soak"),
                "No version is promoted from one environment to another, so none can soak.",
                at_key=True,
                fix="Add `path` with the environments in order, or remove `soak`.",
            )


class SoakNothing(SpecRule[ModelSpec]):
    """`promotion.soak` must be more than nothing."""

    code = "TRU1710"
    about = ("spec.promotion",)
    severity = Severity.WARNING
    reason = "A version would go on at once, as without it."
    good = _PROMOTED
    bad = """
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
        spec: {source: {uri: "models:/churn/3"}, task: classification, promotion: {path: [dev, prod], soak: 0d}}
        #                                                                                                   ^
        """

    def find(self, spec: ModelSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.promotion.soak is not None and seconds(spec.promotion.soak) == 0:
            yield Finding(
                ("spec", "promotion", "soak"),
                "A version soaks for no time.",
                fix="Write how long it must have served, such as `3d`, or remove `soak`.",
            )


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


RULES: tuple[type[Rule], ...] = (
    PathRepeated,
    PathOutsideEnvironments,
    TrainedOffPath,
    TrainedAfterPromotion,
    SoakWithoutPath,
    SoakNothing,
    LiveCheckOfNothing,
    LiveChecksUnasked,
)
