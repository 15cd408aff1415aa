"""Rules of how a Pipeline's steps are tried (TRU1582 to TRU1584): retries and timeouts. Listed by `rules`."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import seconds
from trueup_specs.core.rules import Finding, Rule
from trueup_specs.kinds.pipeline.parts import StepRule
from trueup_specs.kinds.pipeline.spec import Step


class BackoffAboveMaximum(StepRule):
    """`retry.backoff` must not be above `retry.maxBackoff`."""

    code = "TRU1582"
    about = ("retry",)
    reason = "The first wait would already be cut."
    good = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: ./report.sh, retry: {limit: 3, backoff: 10s, maxBackoff: 1m}}]}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: ./report.sh, retry: {limit: 3, backoff: 10m}}]}
        #                                                                          ^
        """

    def judge(self, step: Step) -> Iterator[Finding]:
        retry = step.retry
        if retry.model_fields_set and seconds(retry.backoff) > seconds(retry.max_backoff):
            yield Finding(
                ("retry", "backoff"),
                f"The first wait, {retry.backoff}, is longer than the longest, {retry.max_backoff}.",
                fix="Lower `backoff`, or raise `maxBackoff`.",
            )


class TimeoutZero(StepRule):
    """A step's `timeout` must be more than nothing."""

    code = "TRU1583"
    about = ("timeout",)
    reason = "The step would be ended as soon as it starts."
    good = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: ./report.sh, timeout: 10m}]}
        """
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: ./report.sh, timeout: 0s}]}
        #                                                        ^
        """

    def judge(self, step: Step) -> Iterator[Finding]:
        if seconds(step.timeout) == 0:
            yield Finding(
                ("timeout",),
                f"The step {step.name!r} has no time to run.",
                fix="Write how long it may take, such as `1h`; that is also the default.",
            )


class RetryWithoutLimit(StepRule):
    """`retry` without `limit` tries nothing again."""

    code = "TRU1584"
    about = ("retry",)
    severity = Severity.WARNING
    reason = "The default limit is 0, so the other fields of `retry` do nothing."
    good = BackoffAboveMaximum.good
    bad = """
        kind: Pipeline
        metadata: {name: nightly}
        spec: {steps: [{name: report, run: ./report.sh, retry: {backoff: 10s}}]}
        #                                               ^
        """

    def judge(self, step: Step) -> Iterator[Finding]:
        if step.retry.model_fields_set and "limit" not in step.retry.model_fields_set:
            yield Finding(
                ("retry",),
                f"The step {step.name!r} is not tried again, because `retry` has no `limit`.",
                at_key=True,
                fix="Add `limit`, or remove `retry`.",
            )


RULES: tuple[type[Rule], ...] = (BackoffAboveMaximum, TimeoutZero, RetryWithoutLimit)
