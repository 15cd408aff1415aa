"""Rules about the alerts of monitors (TRU1880 to TRU1889). Listed by `rules`."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.monitor.examples import alert, monitor
from trueup_specs.kinds.monitor.promql import Query, parsed
from trueup_specs.kinds.monitor.series import BURN, severities
from trueup_specs.kinds.monitor.spec import MonitorSpec

_GRAVER = {"info": 0, "warning": 1, "critical": 2}
_VALUE = '      expr: "sum(rate(request_predict_seconds_sum[5m]))"\n'
_GOOD = alert(
    f"{_VALUE}      operator: '>'\n      thresholds: [{{severity: warning, value: 1}}, {{severity: critical, value: 4}}]"
)


class AlertAlways(SpecRule[MonitorSpec]):
    """The expression of an alert must compare, or `operator` and `thresholds` must."""

    code = "TRU1880"
    reason = "An expression that gives a value whatever it is fires always, and soon nobody looks."
    good = _GOOD
    bad = alert(f"{_VALUE}#           ^")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, found in enumerate(spec.alerts):
            query = parsed(found.expr)
            if isinstance(query, Query) and query.instant and not query.conditional and not found.thresholds:
                yield Finding(
                    ("spec", "alerts", position, "expr"),
                    f"The alert {found.alert} fires whenever there is a value.",
                    fix="Compare it, such as `… > 0.5`, or add `operator` and `thresholds`.",
                )


class ThresholdsApart(SpecRule[MonitorSpec]):
    """`operator` and `thresholds` go together, with an expression that does not compare and without `severity`."""

    code = "TRU1881"
    reason = "One without the other says nothing, and what is compared twice is not what was meant."
    good = _GOOD
    bad = alert(f"{_VALUE}      thresholds: [{{severity: warning, value: 1}}]\n#     ^")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, found in enumerate(spec.alerts):
            path: Path = ("spec", "alerts", position)
            if found.thresholds and found.operator is None:
                what = f"The alert {found.alert} has thresholds and no operator."
                yield Finding((*path, "thresholds"), what, fix="Write `operator: '>'` or `'<'`.", at_key=True)
            elif found.operator is not None and not found.thresholds:
                what = f"The alert {found.alert} has an operator and no thresholds."
                fix = "Add `thresholds: [{severity: critical, value: …}]`, or compare in `expr`."
                yield Finding((*path, "operator"), what, fix=fix, at_key=True)
            if not found.thresholds:
                continue
            query = parsed(found.expr)
            if isinstance(query, Query) and query.conditional:
                fix = "Write the value alone in `expr`, or compare there and remove `thresholds`."
                yield Finding((*path, "expr"), "The expression compares already.", fix=fix)
            if found.severity is not None:
                fix = "Remove it; each threshold has its own."
                yield Finding((*path, "severity"), "The thresholds say the severity.", fix=fix, at_key=True)


class ThresholdsUpsideDown(SpecRule[MonitorSpec]):
    """A graver threshold must lie beyond a milder one, and each severity stand once."""

    code = "TRU1882"
    reason = "The graver alert would fire first, and the milder one tell nobody anything new."
    good = _GOOD
    bad = alert(f"""\
{_VALUE}      operator: '>'
      thresholds: [{{severity: warning, value: 4}}, {{severity: critical, value: 1}}]
#                                                                             ^""")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, found in enumerate(spec.alerts):
            path: Path = ("spec", "alerts", position, "thresholds")
            for place, _, severity in repeated(t.severity for t in found.thresholds):
                what = f"There are two thresholds of severity {severity}."
                yield Finding((*path, place, "severity"), what, fix="Remove one of them.")
            if found.operator is None:
                continue
            sign = 1 if found.operator.startswith(">") else -1
            for place, graver in enumerate(found.thresholds):
                for milder in found.thresholds:
                    if (
                        _GRAVER[graver.severity] > _GRAVER[milder.severity]
                        and graver.value * sign <= milder.value * sign
                    ):
                        side = "above" if sign > 0 else "below"
                        yield Finding(
                            (*path, place, "value"),
                            f"The threshold of {graver.severity} ({graver.value:g}) is not {side} that of "
                            f"{milder.severity} ({milder.value:g}), with the operator `{found.operator}`.",
                            fix="Exchange them, or turn the operator round.",
                        )


class ForShort(SpecRule[MonitorSpec]):
    """`for` must be nothing, or at least the interval at which rules are evaluated."""

    code = "TRU1883"
    reason = "Between two evaluations nothing is seen, so that the alert fires later than it says."
    good = alert('      expr: "up == 0"\n      for: 5m')
    bad = alert('      expr: "up == 0"\n      for: 10s\n#          ^')

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        every = seconds(spec.interval)
        for position, found in enumerate(spec.alerts):
            path: Path = ("spec", "alerts", position)
            given: list[tuple[Path, str | None]] = [((*path, "for"), found.for_)]
            given.append(((*path, "keepFiringFor"), found.keep_firing_for))
            given += [((*path, "thresholds", n, "for"), t.for_) for n, t in enumerate(found.thresholds)]
            for place, text in given:
                if text is not None and 0 < seconds(text) < every:
                    yield Finding(
                        place,
                        f"{text} is shorter than {spec.interval}, at which the rules are evaluated.",
                        fix=f"Write at least {spec.interval}, or a shorter `interval` of the monitor.",
                    )


class AlertTwice(SpecRule[MonitorSpec]):
    """Alerts of a monitor must have different names or severities, and none that of SLOs."""

    code = "TRU1884"
    reason = "Routes and silences know them by name and severity."
    good = _GOOD
    bad = monitor("""\
  alerts:
    - {alert: Down, expr: "up == 0", annotations: {summary: A server is down.}}
    - {alert: Down, expr: "absent(up)", annotations: {summary: No server is there.}}
#             ^""")

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        named = [(position, found) for position, found in enumerate(spec.alerts)]
        known = [
            (p, a.alert, s, tuple(sorted(a.labels.items()))) for p, a in named for s in dict.fromkeys(severities(a))
        ]
        for place, _, (name, severity, _labels) in repeated(k[1:] for k in known):
            yield Finding(
                ("spec", "alerts", known[place][0], "alert"),
                f"Two alerts are called {name} with the severity {severity}.",
                fix="Give one of them another name.",
            )
        for position, found in named:
            if found.alert == BURN and spec.slos:
                what = f"{BURN} is the name of the alerts of SLOs."
                yield Finding(("spec", "alerts", position, "alert"), what, fix="Give it another name.")


class SummaryMissing(SpecRule[MonitorSpec]):
    """An alert must have the annotation `summary`, and templates whose braces are closed."""

    code = "TRU1885"
    reason = "Who is woken must read at once what is wrong."
    good = _GOOD
    bad = monitor('  alerts: [{alert: Down, expr: "up == 0", for: 5m}]\n#                  ^')

    def find(self, spec: MonitorSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, found in enumerate(spec.alerts):
            path: Path = ("spec", "alerts", position)
            if not found.annotations.get("summary", "").strip():
                fix = 'Add `annotations: {summary: "…"}`, in one sentence.'
                yield Finding((*path, "alert"), f"The alert {found.alert} has no summary.", fix=fix)
            for name, text in found.annotations.items():
                if text.count("{{") != text.count("}}"):
                    fix = "Write templates as `{{ $value }}`, `{{ $labels.pod }}`."
                    yield Finding((*path, "annotations", name), "A template is not closed.", fix=fix)


RULES: tuple[type[Rule], ...] = (
    AlertAlways,
    ThresholdsApart,
    ThresholdsUpsideDown,
    ForShort,
    AlertTwice,
    SummaryMissing,
)
