"""Rules about the expressions of monitors (TRU1871 to TRU1879). Listed by `rules`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule
from trueup_specs.kinds.envelope.words import listed
from trueup_specs.kinds.monitor import metrics, series
from trueup_specs.kinds.monitor.examples import alert, monitor
from trueup_specs.kinds.monitor.exported import known_series, unknown_labels, unknown_metrics
from trueup_specs.kinds.monitor.promql import Query, interval, parsed, unknown
from trueup_specs.kinds.monitor.spec import MonitorSpec


class Expression(NamedTuple):
    """An expression of a monitor."""

    path: Path
    text: str
    places: tuple[str, ...]
    """The placeholders that mean something in it."""


def expressions(spec: MonitorSpec) -> Iterator[Expression]:
    """All of a monitor."""
    known = ("namespace", "name") if series.subject(spec) is not None else ("namespace",)
    for position, alert_ in enumerate(spec.alerts):
        yield Expression(("spec", "alerts", position, "expr"), alert_.expr, known)
    for position, record in enumerate(spec.record):
        yield Expression(("spec", "record", position, "expr"), record.expr, known)
    for position, slo in enumerate(spec.slos):
        if slo.events is not None:
            path: Path = ("spec", "slos", position, "events")
            yield Expression((*path, "errorQuery"), slo.events.error_query, (*known, "window"))
            yield Expression((*path, "totalQuery"), slo.events.total_query, (*known, "window"))


def queries(spec: MonitorSpec) -> Iterator[tuple[Path, Query]]:
    """Those that are right."""
    for expression in expressions(spec):
        if isinstance(found := parsed(expression.text), Query):
            yield expression.path, found


_RATE = '      expr: "rate(request_predict_seconds_count[5m]) < 1"'


class ExpressionInvalid(SpecRule[MonitorSpec]):
    """An expression must be PromQL, and give a value for each series."""

    code = "TRU1871"
    reason = "Prometheus refuses a group of rules as a whole when one of its expressions cannot be read."
    good = alert(_RATE)
    bad = alert('      expr: "rate(request_predict_seconds_count[5m] < 1"\n#           ^')

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for expression in expressions(spec):
            found = parsed(expression.text)
            if isinstance(found, str):
                what = f"The expression is no PromQL: {found}."
                yield Finding(expression.path, what, fix="Correct it; Prometheus' own page tries expressions out.")
            elif not found.instant:
                what = "The expression gives a stretch of time or a text, and no value."
                yield Finding(expression.path, what, fix="Put it into a function, such as `rate(…[5m])`.")


class PlaceholderUnknown(SpecRule[MonitorSpec]):
    """A placeholder must be `${{ namespace }}`, `${{ name }}` where something is monitored or, of an SLO's events, `${{ window }}`."""

    code = "TRU1872"
    reason = "Others would stay in the expression as they are, and match nothing."
    good = alert("      expr: 'up{namespace=\"${{ namespace }}\"} == 0'")
    bad = alert("      expr: 'up{namespace=\"${{ environment }}\"} == 0'\n#           ^")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, text, known in expressions(spec):
            for name in unknown(text, known):
                fix = f"Known here are {listed(f'${{{{ {k} }}}}' for k in known)}."
                yield Finding(path, f"`${{{{ {name} }}}}` means nothing here.", fix=fix)


class MetricUnknown(SpecRule[MonitorSpec]):
    """An expression must name metrics that something exports."""

    code = "TRU1873"
    reason = "An alert on a metric that is not there never fires, which looks like health."
    good = alert(_RATE)
    bad = alert('      expr: "rate(request_predict_second_count[5m]) < 1"\n#           ^')

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        known = known_series(index, document.key.namespace)
        for path, query in queries(spec):
            yield from unknown_metrics(path, query, known)


class LabelUnknown(SpecRule[MonitorSpec]):
    """A matcher must be of a label that the metric has."""

    code = "TRU1874"
    reason = "A series without the label never matches, so that the alert never fires."
    good = alert("      expr: 'rate(request_predict_seconds_count{model_name=\"${{ name }}\"}[5m]) < 1'")
    bad = alert("      expr: 'rate(request_predict_seconds_count{model=\"${{ name }}\"}[5m]) < 1'\n#           ^")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, query in queries(spec):
            yield from unknown_labels(path, query)


class RangeShort(SpecRule[MonitorSpec]):
    """A range must hold at least two scrapes."""

    code = "TRU1875"
    reason = "A rate needs two values; of fewer there is none, so that the alert never fires."
    good = monitor("""\
  scrapeInterval: 30s
  record: [{record: 'model:requests:rate1m', expr: 'sum(rate(request_predict_seconds_count[1m]))'}]""")
    bad = monitor("""\
  scrapeInterval: 1m
  record: [{record: 'model:requests:rate1m', expr: 'sum(rate(request_predict_seconds_count[1m]))'}]
#                                                  ^""")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        every = interval(spec.scrape_interval)
        own = {*metrics.server_labels(), *(m for e in spec.exporters for m in e.metrics)}
        for path, query in queries(spec):
            short = [s for s in query.selectors if s.range is not None and s.metric in own and s.range < 2 * every]
            for selector in short[:1]:
                yield Finding(
                    path,
                    f"The range of {selector.metric} is {selector.range:g} s, and it is read every {every:g} s.",
                    fix=f"Write a range of at least {4 * every:g}s, so that one scrape may fail.",
                )


RULES: tuple[type[Rule], ...] = (ExpressionInvalid, PlaceholderUnknown, MetricUnknown, LabelUnknown, RangeShort)
