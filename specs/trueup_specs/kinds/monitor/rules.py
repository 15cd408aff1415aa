"""Rules of `kind: Monitor` (TRU1860 to TRU1899)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.positions import Path
from trueup_specs.core.references import qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, examples, repeated
from trueup_specs.kinds.monitor import alert_rules, expression_rules, slo_rules
from trueup_specs.kinds.monitor.examples import ENDPOINT, MONITOR, monitor
from trueup_specs.kinds.monitor.promql import interval
from trueup_specs.kinds.monitor.series import OWN_LABELS
from trueup_specs.kinds.monitor.spec import MonitorSpec

_GOOD = examples(MONITOR, ENDPOINT)
_LABEL = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_RECORD = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*(?::[a-zA-Z0-9_]+)+$")
_METRIC = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")


class SubjectMany(SpecRule[MonitorSpec]):
    """A monitor must watch one thing: an `endpoint`, a `pipeline` or a `dataset`."""

    code = "TRU1860"
    reason = "Its alerts say what is wrong with that one; of two, nobody could tell which."
    good = _GOOD
    bad = examples(
        """
        kind: Monitor
        metadata: {name: both}
        spec:
          endpoint: churn
          dataset: customers
        # ^
          slos: [{name: answers, objective: 99.9, indicator: availability}]
        ---
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: customers}
        spec: {source: raw, schema: {properties: [{name: age, logicalType: integer}]}}
        """,
        ENDPOINT,
    )

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        given = [name for name in ("endpoint", "pipeline", "dataset") if getattr(spec, name) is not None]
        for name in given[1:]:
            yield Finding(
                ("spec", name),
                f"The monitor watches {' and '.join(f'`{n}`' for n in given)}.",
                fix="Write a monitor for each.",
                at_key=True,
            )


class MonitorEmpty(SpecRule[MonitorSpec]):
    """A monitor must have alerts, SLOs, recordings, exporters or a pace of scrapes."""

    code = "TRU1861"
    reason = "Nothing would be measured and nobody told."
    good = _GOOD
    bad = examples("kind: Monitor\nmetadata: {name: idle}\n#                ^\nspec: {endpoint: churn}", ENDPOINT)

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        if not (
            spec.alerts or spec.slos or spec.record or spec.exporters or spec.scrape_interval or spec.scrape_timeout
        ):
            yield Finding(
                ("metadata", "name"),
                "The monitor does nothing.",
                fix="Add `alerts`, or `slos: [{name: answers, objective: 99.9, indicator: availability}]`.",
            )


class ScrapeTimeoutLong(SpecRule[MonitorSpec]):
    """`scrapeTimeout` must not be longer than `scrapeInterval`."""

    code = "TRU1862"
    reason = "Prometheus refuses such a scrape, and the operator leaves the whole monitor out."
    good = monitor("  scrapeInterval: 30s\n  scrapeTimeout: 10s")
    bad = monitor("  scrapeInterval: 10s\n  scrapeTimeout: 15s\n#                ^")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.scrape_timeout is None:
            return
        if seconds(spec.scrape_timeout) > interval(spec.scrape_interval):
            every = spec.scrape_interval or "30s (Prometheus' own, as a rule)"
            yield Finding(
                ("spec", "scrapeTimeout"),
                f"A scrape may take {spec.scrape_timeout}, and is made every {every}.",
                fix="Lower `scrapeTimeout`, or raise `scrapeInterval`.",
            )


class IntervalZero(SpecRule[MonitorSpec]):
    """`interval`, `scrapeInterval` and `scrapeTimeout` must be more than nothing."""

    code = "TRU1863"
    reason = "Rules that are evaluated all the time are evaluated never."
    good = monitor("  scrapeInterval: 30s")
    bad = monitor("  scrapeInterval: 0s\n#                 ^")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for name, value in (
            ("interval", spec.interval),
            ("scrapeInterval", spec.scrape_interval),
            ("scrapeTimeout", spec.scrape_timeout),
        ):
            if value is not None and seconds(value) == 0:
                yield Finding(("spec", name), f"`{name}` is no time.", fix="Write a time such as `30s`.")


def _paces(index: Index) -> dict[tuple[str, str], list[Document]]:
    found: dict[tuple[str, str], list[Document]] = {}
    for document in index.of_kind("Monitor"):
        spec = document.spec
        assert isinstance(spec, MonitorSpec)
        if spec.endpoint is not None and (spec.scrape_interval or spec.scrape_timeout):
            found.setdefault(qualified(spec.endpoint, document.key.namespace), []).append(document)
    return found


class PaceTwice(SpecRule[MonitorSpec]):
    """Two monitors of an endpoint must not both say how often it is read."""

    code = "TRU1864"
    reason = "Its servers are read once, so that only one of them could be obeyed."
    good = monitor("  scrapeInterval: 30s", MONITOR)
    bad = examples(
        """
        kind: Monitor
        metadata: {name: slow}
        spec: {endpoint: churn, scrapeInterval: 30s}
        #                                       ^
        ---
        kind: Monitor
        metadata: {name: quick}
        spec: {endpoint: churn, scrapeInterval: 10s}
        #                                       ^
        """,
        ENDPOINT,
    )

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.endpoint is None or not (spec.scrape_interval or spec.scrape_timeout):
            return
        name = "scrapeInterval" if spec.scrape_interval else "scrapeTimeout"
        for other in derived(index, _paces)[qualified(spec.endpoint, document.key.namespace)]:
            if other.key != document.key:
                yield Finding(
                    ("spec", name),
                    f"{other.key} also says how often Endpoint {spec.endpoint!r} is read.",
                    fix="Say it in one of them.",
                    related=((other.key, ("spec",), "The other monitor."),),
                )


class LabelReserved(SpecRule[MonitorSpec]):
    """Labels must have names of Prometheus, and not those that Trueup gives, such as `severity`, `monitor`, `namespace` and `team`."""

    code = "TRU1865"
    reason = "Routes find alerts by them; with other values they would go astray."
    good = monitor("  labels: {tier: gold}\n  slos: [{name: answers, objective: 99.9, indicator: availability}]")
    bad = monitor(
        "  labels: {team: platform}\n#          ^\n  slos: [{name: answers, objective: 99.9, indicator: availability}]"
    )

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        yield from self._judged(("spec", "labels"), spec.labels)
        for position, found in enumerate(spec.alerts):
            yield from self._judged(("spec", "alerts", position, "labels"), found.labels)
        for position, record in enumerate(spec.record):
            yield from self._judged(("spec", "record", position, "labels"), record.labels)

    def _judged(self, path: Path, labels: dict[str, str]) -> Iterator[Finding]:
        for name in labels:
            if name in OWN_LABELS:
                fix = "Write it as `severity` of the alert." if name == "severity" else "Give the label another name."
                yield Finding((*path, name), f"The label {name!r} is given by Trueup.", fix=fix, at_key=True)
            elif not _LABEL.match(name) or name.startswith("__"):
                yield Finding(
                    (*path, name),
                    f"{name!r} is no name of a label of Prometheus.",
                    fix="Use letters, digits and `_`, not beginning with a digit or with `__`.",
                    at_key=True,
                )


class RecordName(SpecRule[MonitorSpec]):
    """The name of a recorded series must be `level:metric:operations`."""

    code = "TRU1866"
    reason = (
        "The colons say that it is computed and of what; without them it looks like a metric that something exports."
    )
    good = monitor(
        "  record: [{record: 'model:requests:rate5m', expr: 'sum(rate(request_predict_seconds_count[5m]))'}]"
    )
    bad = monitor(
        "  record: [{record: requests_per_second, expr: 'sum(rate(request_predict_seconds_count[5m]))'}]\n#                   ^"
    )

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, record in enumerate(spec.record):
            if not _RECORD.match(record.record):
                yield Finding(
                    ("spec", "record", position, "record"),
                    f"{record.record!r} is no name of a recorded series.",
                    fix="Write it as `level:metric:operations`, such as `model:requests:rate5m`.",
                )


class RecordTwice(SpecRule[MonitorSpec]):
    """A monitor must record a series once, with the same labels."""

    code = "TRU1867"
    reason = "The second overwrites the first, and what is read hangs on the moment."
    good = RecordName.good
    bad = monitor("""\
  record:
    - {record: 'model:requests:rate', expr: 'sum(rate(request_predict_seconds_count[5m]))'}
    - {record: 'model:requests:rate', expr: 'sum(rate(request_predict_seconds_count[1h]))'}
#              ^""")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for place, _, (name, _) in repeated((r.record, tuple(sorted(r.labels.items()))) for r in spec.record):
            yield Finding(
                ("spec", "record", place, "record"),
                f"The series {name!r} is recorded twice.",
                fix="Give one of them another name, or a label that tells them apart.",
            )


class ExporterTwice(SpecRule[MonitorSpec]):
    """Exporters must have different names, and read different pods."""

    code = "TRU1868"
    reason = "What is read twice is counted twice."
    good = monitor("  exporters: [{name: queue, matchLabels: {app: queue}, metrics: [queue_length]}]")
    bad = monitor("""\
  exporters:
    - {name: queue, matchLabels: {app: queue}}
    - {name: again, matchLabels: {app: queue}}
#     ^""")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for place, _, name in repeated(e.name for e in spec.exporters):
            yield Finding(
                ("spec", "exporters", place, "name"),
                f"Two exporters are called {name!r}.",
                fix="Give each a name of its own.",
            )
        read = [(tuple(sorted(e.match_labels.items())), e.port, e.path) for e in spec.exporters]
        for place, first, _ in repeated(read):
            yield Finding(
                ("spec", "exporters", place),
                f"It reads the same port and path of the same pods as {spec.exporters[first].name!r}.",
                fix="Remove one of them.",
            )


class ExporterOfEndpoint(SpecRule[MonitorSpec]):
    """An exporter must not be the servers of an endpoint."""

    code = "TRU1869"
    reason = (
        "They are read already, by the PodMonitor that goes with each endpoint; what is read twice is counted twice."
    )
    good = ExporterTwice.good
    bad = monitor("""\
  exporters: [{name: servers, matchLabels: {app.kubernetes.io/component: predictor}, port: http}]
#                                          ^""")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, exporter in enumerate(spec.exporters):
            if exporter.match_labels.get("app.kubernetes.io/component") == "predictor":
                yield Finding(
                    ("spec", "exporters", position, "matchLabels"),
                    "These are the servers of endpoints, which are read already.",
                    fix="Name the `endpoint`, and remove the exporter.",
                )


class MetricName(SpecRule[MonitorSpec]):
    """`metrics` must be names of metrics, each once."""

    code = "TRU1870"
    reason = "No expression could name another text."
    good = monitor("  metrics: [queue_length]\n  scrapeInterval: 30s")
    bad = monitor("  metrics: [queue-length]\n#           ^\n  scrapeInterval: 30s")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        yield from self._judged(("spec", "metrics"), spec.metrics)
        for position, exporter in enumerate(spec.exporters):
            yield from self._judged(("spec", "exporters", position, "metrics"), exporter.metrics)

    def _judged(self, path: Path, names: tuple[str, ...]) -> Iterator[Finding]:
        for position, name in enumerate(names):
            if not _METRIC.match(name):
                fix = "Use letters, digits, `_` and `:`, not beginning with a digit."
                yield Finding((*path, position), f"{name!r} is no name of a metric.", fix=fix)
        for place, _, name in repeated(names):
            yield Finding((*path, place), f"The metric {name!r} stands twice.", fix="Remove one of them.")


RULES: tuple[type[Rule], ...] = (
    SubjectMany,
    MonitorEmpty,
    ScrapeTimeoutLong,
    IntervalZero,
    PaceTwice,
    LabelReserved,
    RecordName,
    RecordTwice,
    ExporterTwice,
    ExporterOfEndpoint,
    MetricName,
    *expression_rules.RULES,
    *alert_rules.RULES,
    *slo_rules.RULES,
)
