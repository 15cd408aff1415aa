"""An SLO as rules of Prometheus: the share of bad events over each window, and alerts by how quickly the error budget is spent.

Windows and burn rates are those of the Site Reliability Workbook, chapter 5 ("Multiwindow, Multi-Burn-Rate Alerts"); the series have
the names that Sloth gives them. Called by `monitoring`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.kinds.monitor import metrics
from trueup_specs.kinds.monitor.series import BURN
from trueup_specs.kinds.monitor.spec import Slo
from trueup_stacks.core.resources import Value

Fill = Callable[[str], str]

PAGE = (("5m", "1h", Decimal("0.02")), ("30m", "6h", Decimal("0.05")))
TICKET = (("2h", "1d", Decimal("0.10")), ("6h", "3d", Decimal("0.10")))
"""The short and the long window, and the share of the budget that is spent in the long one."""
_SLOW = "5m"
"""How often the series of windows of days are computed anew."""


def groups(
    slo: Slo, document: Document, labels: Mapping[str, str], fill: Fill
) -> Iterator[tuple[str, str, list[dict[str, Value]]]]:
    """The groups of rules: the end of each name, its interval where it has one of its own, and the rules.

    Alerts stand behind the series that they compare: groups are evaluated in no order, and would compare those of an interval ago.
    """
    own = {"slo": slo.name, "monitor": labels["monitor"], "namespace": labels["namespace"]}
    yield f"slo-{slo.name}", "", [*_series(slo, own, fill), *_alerts(slo, document, own, labels)]
    yield f"slo-{slo.name}-period", _SLOW, list(_period(slo, own))


def _series(slo: Slo, own: Mapping[str, str], fill: Fill) -> Iterator[dict[str, Value]]:
    for window in metrics.WINDOWS:
        yield _record(f"{metrics.ERRORS}{window}", fill(errors(slo, window)), own)


def errors(slo: Slo, window: str) -> str:
    """The share of bad events over a window; placeholders stand in it."""
    where = 'namespace="${{ namespace }}",model_name="${{ name }}"'
    if slo.indicator == "latency":
        bound = repr(seconds(slo.threshold or "0s"))
        good = f'{metrics.PREDICT}_bucket{{{where},le="{bound}"}}[{window}]'
        return f"1 - (sum(rate({good})) / sum(rate({metrics.PREDICT}_count{{{where}}}[{window}])))"
    if slo.indicator == "availability":
        bad = f'{metrics.REQUESTS}{{{where},outcome=~"{"|".join(metrics.FAILED)}"}}[{window}]'
        return f"sum(rate({bad})) / sum(rate({metrics.REQUESTS}{{{where}}}[{window}]))"
    if slo.events is None:
        raise ValueError(f"The SLO {slo.name} counts no events.")
    bad, total = (q.replace("${{ window }}", window) for q in (slo.events.error_query, slo.events.total_query))
    return f"({bad}) / ({total})"


def _period(slo: Slo, own: Mapping[str, str]) -> Iterator[dict[str, Value]]:
    """What is left of the budget of the whole window; a mean of the means of five minutes, as Sloth computes it."""
    short, whole = f"{metrics.ERRORS}5m{_matchers(own)}", f"{metrics.ERRORS}{slo.window}"
    yield _record(whole, f"sum_over_time({short}[{slo.window}]) / count_over_time({short}[{slo.window}])", own)
    yield _record(metrics.OBJECTIVE, f"vector({1 - budget(slo)})", own)
    yield _record(metrics.BUDGET, f"vector({budget(slo)})", own)
    yield _record(metrics.BURN_RATE, f"{short} / {budget(slo)}", own)
    yield _record(metrics.REMAINING, f"1 - ({whole}{_matchers(own)} / {budget(slo)})", own)


def budget(slo: Slo) -> Decimal:
    """The share of events that may be bad."""
    return (1 - Decimal(str(slo.objective)) / 100).normalize()


def burn_rate(slo: Slo, share: Decimal, long: str) -> Decimal:
    """How many times faster than evenly the budget is spent where a share of it is spent in a window: 14.4 for 2 % of 30 days in 1 hour."""
    whole = Decimal(seconds(slo.window)) / Decimal(metrics.WINDOWS[long])
    return (share * whole).quantize(Decimal("0.001")).normalize()


def _alerts(
    slo: Slo, document: Document, own: Mapping[str, str], labels: Mapping[str, str]
) -> Iterator[dict[str, Value]]:
    for severity, windows, soon in ((slo.page, PAGE, "days"), (slo.ticket, TICKET, slo.window)):
        conditions = list(_burning(slo, own, windows))
        if not conditions:
            continue
        texts = {
            "summary": f"The error budget of the SLO {slo.name} of {document.key.name} will be spent within {soon}.",
            "description": f"{{{{ $value | humanizePercentage }}}} of the events are bad; {slo.objective:g} % of those in {slo.window} "
            "must be good.",
        }
        yield {
            "alert": BURN,
            "expr": "\nor\n".join(conditions),
            "labels": {**labels, **own, "severity": severity},
            "annotations": {**texts, **slo.annotations},
        }


def _burning(slo: Slo, own: Mapping[str, str], windows: tuple[tuple[str, str, Decimal], ...]) -> Iterator[str]:
    """The conditions that can come true: no share of bad events is above one."""
    for short, long, share in windows:
        bound = burn_rate(slo, share, long) * budget(slo)
        if bound < 1:
            over = [f"{metrics.ERRORS}{w}{_matchers(own)} > {bound.normalize():f}" for w in (short, long)]
            yield f"({over[0]} and {over[1]})"


def _record(name: str, expr: str, labels: Mapping[str, str]) -> dict[str, Value]:
    return {"record": name, "expr": expr, "labels": dict(labels)}


def _matchers(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}"
