"""Rules about SLOs of monitors (TRU1890 to TRU1899). Listed by `rules`."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.monitor import metrics
from trueup_specs.kinds.monitor.examples import monitor
from trueup_specs.kinds.monitor.spec import MonitorSpec

_GOOD = monitor("""\
  slos:
    - {name: answers, objective: 99.9, indicator: availability}
    - {name: quick, objective: 95, indicator: latency, threshold: 250ms}
    - name: accepted
      objective: 99
      indicator: events
      events:
        errorQuery: 'sum(rate(trueup_inference_requests_total{outcome="invalid"}[${{ window }}]))'
        totalQuery: 'sum(rate(trueup_inference_requests_total[${{ window }}]))'""")


class IndicatorIncomplete(SpecRule[MonitorSpec]):
    """`latency` needs `threshold`, `events` needs `events`, and neither stands where it is not read."""

    code = "TRU1890"
    reason = "What is counted would not be what is written."
    good = _GOOD
    bad = monitor("""\
  slos: [{name: quick, objective: 95, indicator: latency}]
#                                                ^""")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, slo in enumerate(spec.slos):
            path: Path = ("spec", "slos", position)
            for indicator, field, value, example in (
                ("latency", "threshold", slo.threshold, "threshold: 250ms"),
                ("events", "events", slo.events, "events: {errorQuery: …, totalQuery: …}"),
            ):
                if slo.indicator == indicator and value is None:
                    what = f"The indicator {indicator} of the SLO {slo.name!r} has no `{field}`."
                    yield Finding((*path, "indicator"), what, fix=f"Add `{example}`.")
                elif slo.indicator != indicator and value is not None:
                    what = f"`{field}` does nothing with the indicator {slo.indicator}."
                    fix = f"Remove it, or write `indicator: {indicator}`."
                    yield Finding((*path, field), what, fix=fix, at_key=True)


class IndicatorOfNothing(SpecRule[MonitorSpec]):
    """`availability` and `latency` need an `endpoint`."""

    code = "TRU1891"
    reason = "They are counted from the requests of its servers."
    good = _GOOD
    bad = """
        kind: Monitor
        metadata: {name: free}
        spec:
          slos: [{name: answers, objective: 99.9, indicator: availability}]
        #                                                    ^
        """

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, slo in enumerate(spec.slos):
            if slo.indicator != "events" and spec.endpoint is None:
                yield Finding(
                    ("spec", "slos", position, "indicator"),
                    f"The monitor has no endpoint whose {slo.indicator} could be counted.",
                    fix="Name the `endpoint`, or count `events` by queries of your own.",
                )


class ThresholdBetweenBuckets(SpecRule[MonitorSpec]):
    """`threshold` of a latency must be a bound of the histogram's buckets."""

    code = "TRU1892"
    reason = "How many answers took less than a time between two bounds is not known; the SLO would have no data."
    good = _GOOD
    bad = monitor("""\
  slos: [{name: quick, objective: 95, indicator: latency, threshold: 300ms}]
#                                                                    ^""")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, slo in enumerate(spec.slos):
            if slo.threshold is None or slo.indicator != "latency":
                continue
            wanted = seconds(slo.threshold)
            if wanted not in metrics.BUCKETS:
                near = min(metrics.BUCKETS, key=lambda b: abs(b - wanted))
                yield Finding(
                    ("spec", "slos", position, "threshold"),
                    f"No bucket of {metrics.PREDICT} ends at {slo.threshold}.",
                    fix=f"Write one that there is: the nearest is {near * 1000:g}ms.",
                )


class SloTwice(SpecRule[MonitorSpec]):
    """SLOs of a monitor must have different names."""

    code = "TRU1893"
    reason = "Their series are told apart by name."
    good = _GOOD
    bad = monitor("""\
  slos:
    - {name: answers, objective: 99.9, indicator: availability}
    - {name: answers, objective: 99.5, indicator: availability}
#            ^""")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for place, _, name in repeated(slo.name for slo in spec.slos):
            what = f"Two SLOs are called {name!r}."
            yield Finding(("spec", "slos", place, "name"), what, fix="Give each a name of its own.")


class WindowMissing(SpecRule[MonitorSpec]):
    """The queries of events must be over `[${{ window }}]`."""

    code = "TRU1894"
    reason = "Each window of the alerts would show the same, and the slow ones come too early."
    good = _GOOD
    bad = monitor("""\
  slos:
    - name: accepted
      objective: 99
      indicator: events
      events:
        errorQuery: 'sum(rate(trueup_inference_requests_total{outcome="invalid"}[5m]))'
#                   ^
        totalQuery: 'sum(rate(trueup_inference_requests_total[${{ window }}]))'""")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, slo in enumerate(spec.slos):
            if slo.events is None:
                continue
            for name, text in (("errorQuery", slo.events.error_query), ("totalQuery", slo.events.total_query)):
                if "${{ window }}" not in text:
                    yield Finding(
                        ("spec", "slos", position, "events", name),
                        "The query does not read the window that is asked for.",
                        fix="Write its range as `[${{ window }}]`.",
                    )


class SeveritiesEqual(SpecRule[MonitorSpec]):
    """`page` must be graver than `ticket`."""

    code = "TRU1895"
    reason = "The alert that cannot wait would look like the one that can, or milder."
    good = _GOOD
    bad = monitor("""\
  slos: [{name: answers, objective: 99.9, indicator: availability, page: info}]
#                                                                        ^""")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        order = ("info", "warning", "critical")
        for position, slo in enumerate(spec.slos):
            if order.index(slo.page) <= order.index(slo.ticket):
                yield Finding(
                    ("spec", "slos", position, "page" if "page" in slo.model_fields_set else "ticket"),
                    f"`page` is {slo.page}, and `ticket` is {slo.ticket}.",
                    fix="Leave both out for `critical` and `warning`.",
                )


RULES: tuple[type[Rule], ...] = (
    IndicatorIncomplete,
    IndicatorOfNothing,
    ThresholdBetweenBuckets,
    SloTwice,
    WindowMissing,
    SeveritiesEqual,
)
