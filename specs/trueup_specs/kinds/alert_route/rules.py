"""Rules of `kind: AlertRoute` (TRU1900 to TRU1929)."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.positions import Path
from trueup_specs.core.references import qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, examples, repeated
from trueup_specs.kinds.alert_route import reach_rules
from trueup_specs.kinds.alert_route.examples import GOOD, route
from trueup_specs.kinds.alert_route.spec import AlertRouteSpec
from trueup_specs.kinds.envelope.words import instead
from trueup_specs.kinds.monitor.examples import ENDPOINT, MONITOR

_WAYS = ("slack", "pagerduty", "opsgenie", "msteams", "email", "webhook")
NULL = "null"
"""The name that receivers have, by custom, to which alerts are sent that nobody is told of."""


def _named(spec: AlertRouteSpec) -> Iterator[tuple[Path, str]]:
    """Where receivers are named."""
    yield ("spec", "receiver"), spec.receiver
    for position, found in enumerate(spec.routes):
        yield ("spec", "routes", position, "receiver"), found.receiver


class ReceiverUnknown(SpecRule[AlertRouteSpec]):
    """A route must name a receiver of `receivers`."""

    code = "TRU1900"
    reason = "Alertmanager refuses such a configuration, and nobody is told of anything."
    good = GOOD
    bad = route("  routes: [{receiver: pages, matchers: [severity = critical]}]\n#                     ^")

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        known = [r.name for r in spec.receivers]
        for path, name in _named(spec):
            if name not in known:
                yield Finding(path, f"There is no receiver {name!r}.", fix=instead(name, known))


class ReceiverTwice(SpecRule[AlertRouteSpec]):
    """Receivers must have different names."""

    code = "TRU1901"
    reason = "Routes know them by name."
    good = GOOD
    bad = route("""\
  receivers:
    - {name: chat, webhook: [{url: "https://example.com/hook"}]}
    - {name: chat, email: [{to: growth@example.com}]}
#            ^""")

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        for place, _, name in repeated(r.name for r in spec.receivers):
            yield Finding(
                ("spec", "receivers", place, "name"),
                f"Two receivers are called {name!r}.",
                fix="Put the ways of both into one.",
            )


class ReceiverOfNothing(SpecRule[AlertRouteSpec]):
    """A receiver must have a way to be told, unless it is called `null`."""

    code = "TRU1902"
    reason = "Alerts that go there are lost; who means that says it by the name."
    good = route("""\
  routes: [{receiver: "null", matchers: [severity = warning]}]
  receivers: [{name: chat, webhook: [{url: "https://example.com/hook"}]}, {name: "null"}]""")
    bad = route("  receivers: [{name: chat}]\n#                    ^")

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, receiver in enumerate(spec.receivers):
            path: Path = ("spec", "receivers", position, "name")
            ways = any(getattr(receiver, way) for way in _WAYS)
            if not ways and receiver.name != NULL:
                what = f"The receiver {receiver.name!r} is told in no way."
                fix = "Add `slack`, `pagerduty`, `opsgenie`, `msteams`, `email` or `webhook`, or call it `null`."
                yield Finding(path, what, fix=fix)
            elif ways and receiver.name == NULL:
                what = "The receiver `null` is told of alerts, where all expect that it is not."
                yield Finding(path, what, fix="Give it another name.")


class ReceiverUnused(SpecRule[AlertRouteSpec]):
    """A receiver must be named by a route."""

    code = "TRU1903"
    reason = "Nobody there is ever told, which whoever reads the list would not think."
    good = GOOD
    bad = route("""\
  receivers:
    - {name: chat, webhook: [{url: "https://example.com/hook"}]}
    - {name: pages, webhook: [{url: "https://example.com/page"}]}
#            ^""")

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        used = {name for _, name in _named(spec)}
        for position, receiver in enumerate(spec.receivers):
            if receiver.name not in used:
                yield Finding(
                    ("spec", "receivers", position, "name"),
                    f"No route leads to the receiver {receiver.name!r}.",
                    fix="Add a route to it, or remove it.",
                )


class WebhookAddress(SpecRule[AlertRouteSpec]):
    """A webhook must have `url` or `urlSecret`, and one of them only."""

    code = "TRU1904"
    reason = "Of two addresses only one would be called; without any, none."
    good = GOOD
    bad = route("  receivers: [{name: chat, webhook: [{maxAlerts: 5}]}]\n#                                    ^")

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, receiver in enumerate(spec.receivers):
            for number, hook in enumerate(receiver.webhook):
                if (hook.url is None) == (hook.url_secret is None):
                    yield Finding(
                        ("spec", "receivers", position, "webhook", number),
                        f"The webhook has {'no address' if hook.url is None else 'two addresses'}.",
                        fix="Write `url`, or `urlSecret: {secretRef: …}` where the address is a secret.",
                    )


class MailHalf(SpecRule[AlertRouteSpec]):
    """A mail's `authUsername` and `authPassword` go together, and with a `smarthost`."""

    code = "TRU1905"
    reason = "The server would refuse the letter, at the moment when somebody has to be told."
    good = GOOD
    bad = route("""\
  receivers: [{name: chat, email: [{to: growth@example.com, smarthost: "mail.example.com:587", authUsername: growth}]}]
#                                                                                                            ^""")

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, receiver in enumerate(spec.receivers):
            for number, mail in enumerate(receiver.email):
                path: Path = ("spec", "receivers", position, "email", number)
                if mail.auth_username is not None and mail.auth_password is None:
                    what = "There is a user and no password."
                    yield Finding((*path, "authUsername"), what, fix="Add `authPassword: {secretRef: …}`.")
                elif mail.auth_password is not None and mail.auth_username is None:
                    what = "There is a password and no user."
                    yield Finding((*path, "authPassword"), what, fix="Add `authUsername`.", at_key=True)
                elif mail.auth_password is not None and mail.smarthost is None:
                    what = "The password would be sent to whatever server Alertmanager has by default."
                    yield Finding((*path, "authPassword"), what, fix="Add `smarthost: HOST:PORT`.", at_key=True)


class IntervalUnknown(SpecRule[AlertRouteSpec]):
    """A route must name intervals of `timeIntervals`, which have different names."""

    code = "TRU1906"
    reason = "Alertmanager refuses such a configuration, and nobody is told of anything."
    good = route("""\
  timeIntervals: [{name: nights, timeIntervals: [{times: [{startTime: "22:00", endTime: "24:00"}]}]}]
  routes: [{receiver: chat, matchers: [severity = warning], muteTimeIntervals: [nights]}]""")
    bad = route("""\
  timeIntervals: [{name: nights, timeIntervals: [{times: [{startTime: "22:00", endTime: "24:00"}]}]}]
  routes: [{receiver: chat, matchers: [severity = warning], muteTimeIntervals: [night]}]
#                                                                               ^""")

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        known = [i.name for i in spec.time_intervals]
        for place, _, name in repeated(known):
            path: Path = ("spec", "timeIntervals", place, "name")
            yield Finding(path, f"Two intervals are called {name!r}.", fix="Put the times of both into one.")
        for position, found in enumerate(spec.routes):
            for field, names in (
                ("muteTimeIntervals", found.mute_time_intervals),
                ("activeTimeIntervals", found.active_time_intervals),
            ):
                for place, name in enumerate(names):
                    if name not in known:
                        path = ("spec", "routes", position, field, place)
                        yield Finding(path, f"There is no time interval {name!r}.", fix=instead(name, known))


class TimesUpsideDown(SpecRule[AlertRouteSpec]):
    """A range of times must begin before it ends, and a period must say something."""

    code = "TRU1907"
    reason = "Alertmanager knows no range over midnight, and refuses the configuration."
    good = route("""\
  timeIntervals:
    - name: nights
      timeIntervals: [{times: [{startTime: "22:00", endTime: "24:00"}, {startTime: "00:00", endTime: "06:00"}]}]""")
    bad = route("""\
  timeIntervals: [{name: nights, timeIntervals: [{times: [{startTime: "22:00", endTime: "06:00"}]}]}]
#                                                                                       ^""")

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, interval in enumerate(spec.time_intervals):
            for number, period in enumerate(interval.time_intervals):
                path: Path = ("spec", "timeIntervals", position, "timeIntervals", number)
                if not period.times and not period.weekdays:
                    yield Finding(path, "The period is always.", fix="Add `times` or `weekdays`.")
                for place, times in enumerate(period.times):
                    if times.start_time >= times.end_time:
                        yield Finding(
                            (*path, "times", place, "endTime"),
                            f"The times end at {times.end_time}, and begin at {times.start_time}.",
                            fix="Write two ranges: one until `24:00`, one from `00:00`.",
                        )


class WaitsUpsideDown(SpecRule[AlertRouteSpec]):
    """`groupWait` must not be longer than `groupInterval`, nor that than `repeatInterval`."""

    code = "TRU1908"
    reason = (
        "A group is looked at every `groupInterval`: what is to be repeated sooner is repeated then, and no sooner."
    )
    good = GOOD
    bad = route("  groupInterval: 10m\n  repeatInterval: 5m\n#                 ^")

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        yield from self._judged(("spec",), spec.group_wait, spec.group_interval, spec.repeat_interval, spec)
        for position, found in enumerate(spec.routes):
            yield from self._judged(
                ("spec", "routes", position),
                found.group_wait or spec.group_wait,
                found.group_interval or spec.group_interval,
                found.repeat_interval or spec.repeat_interval,
                found,
            )

    def _judged(self, path: Path, wait: str, every: str, again: str, part: object) -> Iterator[Finding]:
        written: frozenset[str] = frozenset(getattr(part, "model_fields_set", ()))
        if seconds(again) < seconds(every) and written & {"repeat_interval", "group_interval"}:
            name = "repeatInterval" if "repeat_interval" in written else "groupInterval"
            what = f"Groups are looked at every {every}, and should be told again after {again}."
            yield Finding((*path, name), what, fix="Raise `repeatInterval`, or lower `groupInterval`.")
        if seconds(wait) > seconds(every) and written & {"group_wait", "group_interval"}:
            name = "groupWait" if "group_wait" in written else "groupInterval"
            what = f"A new group waits {wait}, and one that is there {every}."
            yield Finding((*path, name), what, fix="Lower `groupWait`, or raise `groupInterval`.")


class GroupBy(SpecRule[AlertRouteSpec]):
    """`groupBy` must name each label once, or be `[...]` alone."""

    code = "TRU1909"
    reason = "`...` means all labels, so that another beside it says nothing; Alertmanager refuses both."
    good = GOOD
    bad = route('  groupBy: [alertname, "..."]\n#                      ^')

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        lists: list[tuple[Path, tuple[str, ...]]] = [(("spec", "groupBy"), spec.group_by)]
        lists += [(("spec", "routes", n, "groupBy"), r.group_by or ()) for n, r in enumerate(spec.routes)]
        for path, names in lists:
            for place, _, name in repeated(names):
                yield Finding((*path, place), f"The label {name!r} stands twice.", fix="Remove one of them.")
            if "..." in names and len(names) > 1:
                place = names.index("...")
                yield Finding(
                    (*path, place), "`...` stands beside other labels.", fix="Write `[...]` alone, or remove it."
                )


class MonitorElsewhere(SpecRule[AlertRouteSpec]):
    """A route must name monitors of its own namespace."""

    code = "TRU1910"
    reason = "The operator lets a namespace's routes see the alerts of that namespace only."
    good = GOOD
    bad = examples(
        """
        kind: AlertRoute
        metadata: {name: growth, namespace: sales}
        spec:
          receiver: chat
          routes: [{receiver: chat, monitors: [default/churn]}]
        #                                      ^
          receivers: [{name: chat, webhook: [{url: "https://example.com/hook"}]}]
        """,
        MONITOR,
        ENDPOINT,
    )

    def find(self, spec: AlertRouteSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, found in enumerate(spec.routes):
            for place, text in enumerate(found.monitors):
                namespace, name = qualified(text, document.key.namespace)
                if namespace != document.key.namespace:
                    yield Finding(
                        ("spec", "routes", position, "monitors", place),
                        f"The monitor {name!r} is of the namespace {namespace!r}, and the route of {document.key.namespace!r}.",
                        fix=f"Write an AlertRoute in the namespace {namespace!r}.",
                    )


RULES: tuple[type[Rule], ...] = (
    ReceiverUnknown,
    ReceiverTwice,
    ReceiverOfNothing,
    ReceiverUnused,
    WebhookAddress,
    MailHalf,
    IntervalUnknown,
    TimesUpsideDown,
    WaitsUpsideDown,
    GroupBy,
    MonitorElsewhere,
    *reach_rules.RULES,
)
