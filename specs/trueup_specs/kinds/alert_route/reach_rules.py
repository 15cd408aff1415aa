"""Rules about which alerts a route is for (TRU1915 to TRU1919), judged over every alert that the namespace's monitors can give.

Listed by `rules`.
"""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.references import Key, qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule
from trueup_specs.kinds.alert_route import matchers
from trueup_specs.kinds.alert_route.examples import GOOD, route
from trueup_specs.kinds.alert_route.matchers import Matcher
from trueup_specs.kinds.alert_route.spec import AlertRouteSpec, SubRoute
from trueup_specs.kinds.envelope.words import listed
from trueup_specs.kinds.monitor.series import OWN_LABELS, Fired, fired, monitors


def _static(given: tuple[Matcher, ...], index: Index, namespace: str) -> tuple[Matcher, ...]:
    """The matchers of labels that are known before an alert fires; others, such as `pod`, come from its expression."""
    named = set(OWN_LABELS) - {"namespace"}
    for _, spec in monitors(namespace, index):
        named.update(spec.labels)
        named.update(name for alert in spec.alerts for name in alert.labels)
    return tuple(m for m in given if m.name in named)


def _meant(given: tuple[Matcher, ...], alerts: list[Fired]) -> list[Fired]:
    return [alert for alert in alerts if all(m.holds(alert.labels) for m in given)]


class MatcherInvalid(SpecRule[AlertRouteSpec]):
    """A matcher must be `LABEL = VALUE`, or with `!=`, `=~` or `!~`."""

    code = "TRU1915"
    reason = "Alertmanager refuses such a configuration, and nobody is told of anything."
    good = GOOD
    bad = route(
        "  routes: [{receiver: chat, matchers: ['severity == critical']}]\n#                                      ^"
    )

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, texts in _matchers(spec):
            for place, text in enumerate(texts):
                found = matchers.parsed(text)
                if isinstance(found, str):
                    fix = 'Write it as `severity = critical` or `alertname =~ "Slow.*"`.'
                    yield Finding((*path, place), found, fix=fix)


def _matchers(spec: AlertRouteSpec) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for position, found in enumerate(spec.routes):
        yield ("spec", "routes", position, "matchers"), found.matchers
    for position, rule in enumerate(spec.inhibit_rules):
        yield ("spec", "inhibitRules", position, "sourceMatchers"), rule.source_matchers
        yield ("spec", "inhibitRules", position, "targetMatchers"), rule.target_matchers


class RouteUnreached(SpecRule[AlertRouteSpec]):
    """A route must match an alert of the namespace's monitors."""

    code = "TRU1916"
    reason = "Who is named there would never be told, and finds out when it is too late."
    good = GOOD
    bad = route(
        "  routes: [{receiver: chat, matchers: [severity = ciritcal]}]\n#                                     ^"
    )

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        namespace = document.key.namespace
        alerts = list(fired(namespace, index))
        for position, found in enumerate(spec.routes):
            if not _sound(found, namespace, index):
                continue  # another rule says it
            given = _static(matchers.of_route(found), index, namespace)
            if not _meant(given, alerts):
                yield Finding(
                    ("spec", "routes", position, "matchers" if found.matchers else "receiver"),
                    f"No alert of the namespace {namespace!r} reaches the route to {found.receiver!r}.",
                    fix=_hint(given, alerts),
                )


def _sound(found: SubRoute, namespace: str, index: Index) -> bool:
    """Whether its monitors are there, in the namespace, and its matchers are matchers."""
    keys = [Key("Monitor", *qualified(text, namespace)) for text in found.monitors]
    there = all(key.namespace == namespace and index.get(key) is not None for key in keys)
    return there and all(isinstance(matchers.parsed(m), Matcher) for m in found.matchers)


def _hint(given: tuple[Matcher, ...], alerts: list[Fired]) -> str:
    """What the labels have instead."""
    if not alerts:
        return "Write a Monitor with alerts or SLOs in the namespace, or remove the route."
    for matcher in given:
        if not any(matcher.holds(alert.labels) for alert in alerts):
            values = {alert.labels[matcher.name] for alert in alerts if matcher.name in alert.labels}
            return f"The values of {matcher.name!r} there are: {listed(values)}."
    return "No alert has all of it at once: remove a matcher, or the route."


class RouteShadowed(SpecRule[AlertRouteSpec]):
    """A route must get alerts that no route before it takes."""

    code = "TRU1917"
    reason = "The first route that matches takes an alert; those after it are not asked."
    good = GOOD
    bad = route("""\
  routes:
    - {receiver: chat, monitors: [churn]}
    - {receiver: pages, matchers: [severity = critical]}
#                ^
  receivers:
    - {name: chat, webhook: [{url: "https://example.com/hook"}]}
    - {name: pages, webhook: [{url: "https://example.com/page"}]}""")

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        namespace = document.key.namespace
        left = list(fired(namespace, index))
        everything = list(left)
        for position, found in enumerate(spec.routes):
            whole = matchers.of_route(found)
            given = _static(whole, index, namespace)
            if _meant(given, everything) and not _meant(given, left):
                yield Finding(
                    ("spec", "routes", position, "receiver"),
                    f"The routes before it take all alerts that the route to {found.receiver!r} is for.",
                    fix="Put it before them, or write `continue: true` there.",
                )
            if not found.continue_ and len(given) == len(whole):
                taken = _meant(given, left)
                left = [alert for alert in left if alert not in taken]


class InhibitNothing(SpecRule[AlertRouteSpec]):
    """An inhibition must have alerts at both ends, and not the same ones."""

    code = "TRU1918"
    reason = "Without a source it never holds back, without a target nothing; an alert does not hold back itself."
    good = GOOD
    bad = route("""\
  inhibitRules: [{sourceMatchers: [alertname = Dowm], targetMatchers: [severity = warning]}]
#                                 ^""")

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        namespace = document.key.namespace
        alerts = list(fired(namespace, index))
        for position, rule in enumerate(spec.inhibit_rules):
            path: Path = ("spec", "inhibitRules", position)
            for name, texts in (("sourceMatchers", rule.source_matchers), ("targetMatchers", rule.target_matchers)):
                given = matchers.all_of(texts)
                if len(given) == len(texts) and not _meant(_static(given, index, namespace), alerts):
                    what = f"No alert of the namespace {namespace!r} is meant by `{name}`."
                    yield Finding((*path, name), what, fix=_hint(_static(given, index, namespace), alerts))
            if sorted(rule.source_matchers) == sorted(rule.target_matchers):
                what = "Source and target are the same alerts."
                yield Finding((*path, "targetMatchers"), what, fix="Name the milder alerts as the target.")


RULES: tuple[type[Rule], ...] = (MatcherInvalid, RouteUnreached, RouteShadowed, InhibitNothing)
