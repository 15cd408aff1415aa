"""Rules of `kind: Dashboard` (TRU1930 to TRU1959)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, examples, lookup, repeated
from trueup_specs.kinds.dashboard.spec import DashboardSpec, GridPos, Panel
from trueup_specs.kinds.envelope.words import instead, listed
from trueup_specs.kinds.monitor.examples import ENDPOINT, MONITOR
from trueup_specs.kinds.monitor.exported import known_series, unknown_labels, unknown_metrics
from trueup_specs.kinds.monitor.promql import Query, of_panel, unknown
from trueup_specs.kinds.monitor.spec import MonitorSpec

_NEEDED = {"burnRate": {"monitor", "slo"}, "errorBudget": {"monitor", "slo"}, "alerts": {"monitor"}}
"""What presets are about that are not about an endpoint."""
_GRAFANA = re.compile(r"\$\{?(?!\{)(\w+)(?::\w+)?\}?")
_OWN = ("__rate_interval", "__interval", "__interval_ms", "__range", "__range_s", "__from", "__to", "datasource")


def _dashboard(panels: str, rest: str = "") -> str:
    """An example: a dashboard of these panels, with what they are about."""
    return examples(f"kind: Dashboard\nmetadata: {{name: churn}}\nspec:\n{rest}  panels:\n{panels}", MONITOR, ENDPOINT)


_GOOD = _dashboard(
    """\
    - {title: Requests, endpoint: churn, preset: requests}
    - {title: Budget, monitor: churn, slo: answers, preset: errorBudget, type: stat, thresholds: [{color: red}, {value: 0.2, color: green}]}
    - {title: Alerts, monitor: churn, preset: alerts, type: table}
    - title: Restarts
      targets: [{expr: 'sum(increase(kube_pod_container_status_restarts_total{namespace="${{ namespace }}",pod=~"$pod"}[$__range]))'}]
    - {title: Notes, type: text, content: Ask growth.}""",
    '  variables: [{name: pod, query: "label_values(up, pod)"}]\n',
)


def _panels(spec: DashboardSpec) -> Iterator[tuple[Path, Panel]]:
    for position, panel in enumerate(spec.panels):
        yield ("spec", "panels", position), panel


def _queries(spec: DashboardSpec) -> Iterator[tuple[Path, Query | str]]:
    for path, panel in _panels(spec):
        for position, target in enumerate(panel.targets):
            yield (*path, "targets", position, "expr"), of_panel(target.expr)


class PanelOfNothing(SpecRule[DashboardSpec]):
    """A panel must have `targets`, a `preset` or, as a `text`, `content`: one of them."""

    code = "TRU1930"
    reason = "It would be an empty frame, or show other things than it says."
    good = _GOOD
    bad = _dashboard("    - {title: Requests, endpoint: churn}\n#             ^")

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, panel in _panels(spec):
            given = [
                name
                for name, value in (("targets", panel.targets), ("preset", panel.preset), ("content", panel.content))
                if value
            ]
            wanted = ["content"] if panel.type == "text" else ["targets", "preset"]
            if not set(given) & set(wanted):
                fix = f"Add {' or '.join(f'`{w}`' for w in wanted)}."
                yield Finding((*path, "title"), f"The panel {panel.title!r} shows nothing.", fix=fix)
            elif len(given) > 1:
                what = f"The panel {panel.title!r} has {' and '.join(f'`{g}`' for g in given)}."
                yield Finding((*path, given[1]), what, fix="Make a panel of each.", at_key=True)


class PresetSubject(SpecRule[DashboardSpec]):
    """A preset must have what it is about: an `endpoint`; a `monitor` and its `slo`; a `monitor`."""

    code = "TRU1931"
    reason = "It is a query over that."
    good = _GOOD
    bad = _dashboard("""\
    - {title: Requests, monitor: churn, preset: requests}
#                                               ^""")

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, panel in _panels(spec):
            if panel.preset is None:
                continue
            needed = _NEEDED.get(panel.preset, {"endpoint"})
            given = {name for name in ("endpoint", "monitor", "slo") if getattr(panel, name) is not None}
            if given != needed:
                yield Finding(
                    (*path, "preset"),
                    f"The preset {panel.preset} is about {' and '.join(f'`{n}`' for n in sorted(needed))}, "
                    f"and the panel has {listed(given)}.",
                    fix=f"Write {' and '.join(f'`{n}`' for n in sorted(needed))}, and nothing else.",
                )


class SloUnknown(SpecRule[DashboardSpec]):
    """`slo` must be one of the `monitor`."""

    code = "TRU1932"
    reason = "Its series are there under that name only."
    good = _GOOD
    bad = _dashboard("""\
    - {title: Budget, monitor: churn, slo: anwers, preset: errorBudget}
#                                          ^""")

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, panel in _panels(spec):
            if panel.slo is None or panel.monitor is None:
                continue
            monitor = lookup(index, "Monitor", panel.monitor, document.key.namespace)
            if monitor is None:
                continue
            assert isinstance(monitor.spec, MonitorSpec)
            known = [slo.name for slo in monitor.spec.slos]
            if panel.slo not in known:
                what = f"{monitor.key} has no SLO {panel.slo!r}."
                yield Finding((*path, "slo"), what, fix=instead(panel.slo, known) if known else "Add it there.")


class PanelTwice(SpecRule[DashboardSpec]):
    """Panels must have different titles."""

    code = "TRU1933"
    reason = "People name a panel by its title when they talk about it."
    good = _GOOD
    bad = _dashboard("""\
    - {title: Requests, endpoint: churn, preset: requests}
    - {title: Requests, endpoint: churn, preset: errors}
#             ^""")

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        for place, _, title in repeated(p.title for p in spec.panels):
            what = f"Two panels have the title {title!r}."
            yield Finding(("spec", "panels", place, "title"), what, fix="Give each a title of its own.")


class PanelExpression(SpecRule[DashboardSpec]):
    """An expression of a panel must be PromQL that gives a value for each series."""

    code = "TRU1934"
    reason = "Grafana would show an error in its place."
    good = _GOOD
    bad = _dashboard('    - {title: Up, targets: [{expr: "sum(up"}]}\n#                                  ^')

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, found in _queries(spec):
            if isinstance(found, str):
                what = f"The expression is no PromQL: {found}."
                yield Finding(path, what, fix="Correct it; Grafana's Explore tries expressions out.")
            elif not found.instant:
                what = "The expression gives a stretch of time or a text, and no value."
                yield Finding(path, what, fix="Put it into a function, such as `rate(…[$__rate_interval])`.")


class PanelMetric(SpecRule[DashboardSpec]):
    """A panel must name metrics that something exports, by labels that they have."""

    code = "TRU1935"
    reason = "It would show “No data”, which looks like a quiet day."
    good = _GOOD
    bad = _dashboard(
        '    - {title: Seconds, targets: [{expr: "sum(request_predict_second_sum)"}]}\n#                                       ^'
    )

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        known = known_series(index, document.key.namespace)
        for path, found in _queries(spec):
            if isinstance(found, Query):
                yield from unknown_metrics(path, found, known)
                yield from unknown_labels(path, found)


class PlaceholderUnknown(SpecRule[DashboardSpec]):
    """What an expression has in place of values must be `${{ namespace }}`, `${{ name }}`, a variable, or Grafana's own."""

    code = "TRU1936"
    reason = "Others would stay in the query as they are, and match nothing."
    good = _GOOD
    bad = _dashboard("    - {title: Up, targets: [{expr: 'up{pod=~\"$pods\"}'}]}\n#                                  ^")

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        variables = [v.name for v in spec.variables]
        for path, panel in _panels(spec):
            places = ("namespace", "name") if panel.endpoint or panel.monitor else ("namespace",)
            for position, target in enumerate(panel.targets):
                where: Path = (*path, "targets", position, "expr")
                for name in unknown(target.expr, places):
                    fix = f"Known here are {listed(f'${{{{ {k} }}}}' for k in places)}."
                    yield Finding(where, f"`${{{{ {name} }}}}` means nothing here.", fix=fix)
                for name in dict.fromkeys(_GRAFANA.findall(target.expr)):
                    if name not in variables and name not in _OWN:
                        fix = instead(name, variables) if variables else f"Add it to `variables`, or remove `${name}`."
                        yield Finding(where, f"There is no variable `${name}`.", fix=fix)


class VariableHalf(SpecRule[DashboardSpec]):
    """A variable must have a name of its own, and a `query` or `options`."""

    code = "TRU1937"
    reason = "There would be nothing to choose from."
    good = _GOOD
    bad = _dashboard(
        "    - {title: Requests, endpoint: churn, preset: requests}",
        "  variables: [{name: pod}]\n#                    ^\n",
    )

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, variable in enumerate(spec.variables):
            path: Path = ("spec", "variables", position, "name")
            if (variable.query is None) == (not variable.options):
                has = "nothing to choose from" if variable.query is None else "a query and options"
                what = f"The variable {variable.name!r} has {has}."
                yield Finding(path, what, fix='Write `query: "label_values(up, pod)"`, or `options`.')
            if variable.name in _OWN:
                yield Finding(path, f"`${variable.name}` is there already.", fix="Give it another name.")
        for place, _, name in repeated(v.name for v in spec.variables):
            what = f"Two variables are called {name!r}."
            yield Finding(("spec", "variables", place, "name"), what, fix="Give each a name of its own.")


class ThresholdOrder(SpecRule[DashboardSpec]):
    """The thresholds of a panel must rise, and the first have no value."""

    code = "TRU1938"
    reason = "Grafana colours from the bottom up: what is out of order is never seen."
    good = _GOOD
    bad = _dashboard("""\
    - title: Errors
      endpoint: churn
      preset: errors
      thresholds: [{color: green}, {value: 0.05, color: red}, {value: 0.01, color: yellow}]
#                                                                     ^""")

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, panel in _panels(spec):
            for place, step in enumerate(panel.thresholds):
                if (place == 0) != (step.value is None):
                    first = "The first threshold has a value, and nothing below it has a colour."
                    what = f"The threshold {step.color} has no value." if place else first
                    fix = "Begin with `{color: green}`, and give each of the others a `value`."
                    yield Finding((*path, "thresholds", place), what, fix=fix)
            values = [(n, s.value) for n, s in enumerate(panel.thresholds) if s.value is not None]
            for (_, lower), (place, upper) in itertools.pairwise(values):
                if upper <= lower:
                    what = f"{upper:g} does not lie above {lower:g}, which stands before it."
                    yield Finding((*path, "thresholds", place, "value"), what, fix="Put them in rising order.")


class AxisUpsideDown(SpecRule[DashboardSpec]):
    """`min` must be below `max`."""

    code = "TRU1939"
    reason = "Nothing could be drawn between them."
    good = _GOOD
    bad = _dashboard("""\
    - {title: Errors, endpoint: churn, preset: errors, min: 1, max: 0}
#                                                                   ^""")

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, panel in _panels(spec):
            if panel.min is not None and panel.max is not None and panel.min >= panel.max:
                what = f"The axis goes from {panel.min:g} to {panel.max:g}."
                yield Finding((*path, "max"), what, fix="Exchange them.")


def _overlap(one: GridPos, other: GridPos) -> bool:
    beside = one.x + one.w <= other.x or other.x + other.w <= one.x
    return not beside and one.y < other.y + other.h and other.y < one.y + one.h


class PanelsOverlap(SpecRule[DashboardSpec]):
    """Panels must lie on the 24 columns, and not on each other."""

    code = "TRU1940"
    reason = "Grafana would move them, and the dashboard never be as it is written."
    good = _GOOD
    bad = _dashboard("""\
    - {title: Requests, endpoint: churn, preset: requests, gridPos: {x: 0, y: 0, w: 12, h: 8}}
    - {title: Errors, endpoint: churn, preset: errors, gridPos: {x: 8, y: 4, w: 12, h: 8}}
#                                                               ^""")

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        placed = [(path, p, p.grid_pos) for path, p in _panels(spec) if p.grid_pos is not None]
        for number, (path, panel, place) in enumerate(placed):
            if place.x + place.w > 24:
                what = f"The panel {panel.title!r} ends at column {place.x + place.w}, and there are 24."
                yield Finding((*path, "gridPos"), what, fix="Lower `x` or `w`.")
            for _, other, there in placed[:number]:
                if _overlap(place, there):
                    what = f"The panel {panel.title!r} lies on {other.title!r}."
                    yield Finding((*path, "gridPos"), what, fix="Move one, or leave `gridPos` out.")


class TimeUpsideDown(SpecRule[DashboardSpec]):
    """`time.from` must lie before `time.to`."""

    code = "TRU1941"
    reason = "Grafana would show nothing."
    good = _GOOD
    bad = _dashboard(
        "    - {title: Requests, endpoint: churn, preset: requests}",
        "  time: {from: now-1h, to: now-6h}\n#                          ^\n",
    )

    def find(self, spec: DashboardSpec, document: Document, index: Index) -> Iterator[Finding]:
        if _ago(spec.time.from_) <= _ago(spec.time.to):
            path: Path = ("spec", "time", "to" if "to" in spec.time.model_fields_set else "from")
            yield Finding(path, f"It goes from {spec.time.from_} to {spec.time.to}.", fix="Exchange them.")


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604_800, "M": 2_592_000, "y": 31_536_000}


def _ago(text: str) -> int:
    """Seconds before now."""
    back = text.removeprefix("now").removeprefix("-")
    return int(back[:-1]) * _UNITS[back[-1]] if back else 0


RULES: tuple[type[Rule], ...] = (
    PanelOfNothing,
    PresetSubject,
    SloUnknown,
    PanelTwice,
    PanelExpression,
    PanelMetric,
    PlaceholderUnknown,
    VariableHalf,
    ThresholdOrder,
    AxisUpsideDown,
    PanelsOverlap,
    TimeUpsideDown,
)
