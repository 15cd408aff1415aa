"""An `AlertRoute` as an AlertmanagerConfig of the Prometheus operator, with the Secret that its receivers read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from trueup_specs.core.envelope import Document, SecretKeyRef
from trueup_specs.kinds.alert_route import matchers
from trueup_specs.kinds.alert_route.matchers import Matcher
from trueup_specs.kinds.alert_route.spec import AlertRouteSpec, Receiver, SubRoute, TimeInterval
from trueup_stacks.core.resources import Resource, Value
from trueup_stacks.core.targets import Catalog, Compiled, Refusal
from trueup_stacks.kubernetes import components, naming, secrets, tokens
from trueup_stacks.kubernetes.monitoring import duration

SUFFIX = "-alerts"
"""Keeps the Secret apart from that of an endpoint of the same name."""
_COMPONENT = "alert-route"
_LONGEST = 63 - len(SUFFIX)
_WAYS = ("slack", "pagerduty", "opsgenie", "msteams", "email", "webhook")
_CONFIGS = {"msteams": "msteamsv2Configs"}


def refuse_alert_route(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """What a route needs of the cluster."""
    spec = document.spec
    assert isinstance(spec, AlertRouteSpec)
    yield from components.needed(catalog, "prometheus-operator", "spec", "alerts are routed by its AlertmanagerConfig")
    assert isinstance(document.spec, AlertRouteSpec)
    yield from secrets.refuse(catalog, dict(_secrets(spec)).values(), "spec.receivers")
    if len(document.key.name) > _LONGEST:
        yield Refusal(
            "metadata.name",
            f"at most {_LONGEST} characters leave room for endings",
            "Rename the route, with metadata.movedFrom.",
        )


def emit_alert_route(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """The Secret first, which the operator reads with the rest."""
    spec = document.spec
    assert isinstance(spec, AlertRouteSpec)
    before = [_resource(document, catalog, *made) for made in secrets.stored(catalog, dict(_secrets(spec)))]
    yield from before
    yield _resource(document, catalog, tokens.ALERTMANAGER_CONFIG, {"spec": _config(document, spec)}, tuple(before))


def _resource(
    document: Document, catalog: Catalog, token: str, properties: Mapping[str, Value], after: tuple[Resource, ...] = ()
) -> Resource:
    return naming.resource(document, catalog, token, properties, after, SUFFIX, component=_COMPONENT)


def _config(document: Document, spec: AlertRouteSpec) -> dict[str, Value]:
    route: dict[str, Value] = {
        "receiver": spec.receiver,
        "groupBy": list(spec.group_by),
        "groupWait": duration(spec.group_wait),
        "groupInterval": duration(spec.group_interval),
        "repeatInterval": duration(spec.repeat_interval),
    }
    if spec.routes:
        route["routes"] = [_route(r) for r in spec.routes]
    found: dict[str, Value] = {"route": route, "receivers": [_receiver(r, document) for r in spec.receivers]}
    if spec.inhibit_rules:
        found["inhibitRules"] = [
            {
                "sourceMatch": [_matcher(m) for m in matchers.all_of(rule.source_matchers)],
                "targetMatch": [_matcher(m) for m in matchers.all_of(rule.target_matchers)],
                **({"equal": list(rule.equal)} if rule.equal else {}),
            }
            for rule in spec.inhibit_rules
        ]
    if spec.time_intervals:
        found["muteTimeIntervals"] = [_interval(i) for i in spec.time_intervals]
    return found


def _route(route: SubRoute) -> dict[str, Value]:
    times = {
        "groupWait": route.group_wait,
        "groupInterval": route.group_interval,
        "repeatInterval": route.repeat_interval,
    }
    lists = {
        "groupBy": route.group_by,
        "muteTimeIntervals": route.mute_time_intervals or None,
        "activeTimeIntervals": route.active_time_intervals or None,
    }
    return {
        "receiver": route.receiver,
        "matchers": [_matcher(m) for m in matchers.of_route(route)],
        **({"continue": True} if route.continue_ else {}),
        **{name: duration(text) for name, text in times.items() if text is not None},
        **{name: list(given) for name, given in lists.items() if given is not None},
    }


def _matcher(matcher: Matcher) -> dict[str, Value]:
    return {"name": matcher.name, "matchType": matcher.operator, "value": matcher.value}


def _interval(interval: TimeInterval) -> dict[str, Value]:
    periods = [
        {
            **({"times": [{"startTime": t.start_time, "endTime": t.end_time} for t in p.times]} if p.times else {}),
            **({"weekdays": list(p.weekdays)} if p.weekdays else {}),
        }
        for p in interval.time_intervals
    ]
    return {"name": interval.name, "timeIntervals": periods}


def _receiver(receiver: Receiver, document: Document) -> dict[str, Value]:
    found: dict[str, Value] = {"name": receiver.name}
    for way in _WAYS:
        if items := getattr(receiver, way):
            configs = [_integration(item, f"{receiver.name}.{way}.{n}", document) for n, item in enumerate(items)]
            found[_CONFIGS.get(way, f"{way}Configs")] = configs
    return found


def _integration(item: Any, key: str, document: Document) -> dict[str, Value]:
    """The fields under the operator's names, which are the spec's; secrets are named by the key in the route's Secret."""
    found: dict[str, Value] = {}
    for field, info in type(item).model_fields.items():
        value, name = getattr(item, field), info.alias or field
        if isinstance(value, SecretKeyRef):
            found[name] = {"name": document.key.name + SUFFIX, "key": f"{key}.{name}"}
        elif value is not None:
            found[name] = value
    return found


def _secrets(spec: AlertRouteSpec) -> Iterator[tuple[str, SecretKeyRef]]:
    """Each secret of the receivers, by its key in the route's Secret."""
    for receiver in spec.receivers:
        for way in _WAYS:
            for number, item in enumerate(getattr(receiver, way)):
                for field, info in type(item).model_fields.items():
                    value = getattr(item, field)
                    if isinstance(value, SecretKeyRef):
                        yield f"{receiver.name}.{way}.{number}.{info.alias or field}", value
