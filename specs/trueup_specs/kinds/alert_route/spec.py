"""`kind: AlertRoute`: who is told of which alerts of a namespace, how and when. Terms of Alertmanager."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import Duration, Items, Name, SecretKeyRef, SpecModel
from trueup_specs.core.references import MonitorRef, TeamRef

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Slack(SpecModel):
    """A message in Slack."""

    api_url: SecretKeyRef = Field(alias="apiURL")
    """The incoming webhook."""
    channel: str = Field(min_length=1)
    title: str | None = None
    text: str | None = None
    send_resolved: bool = True


class PagerDuty(SpecModel):
    """An incident of PagerDuty (Events API v2)."""

    routing_key: SecretKeyRef
    """The integration key."""
    severity: Literal["critical", "error", "warning", "info"] | None = None
    description: str | None = None
    send_resolved: bool = True


class Opsgenie(SpecModel):
    """An alert of Opsgenie."""

    api_key: SecretKeyRef
    priority: Literal["P1", "P2", "P3", "P4", "P5"] | None = None
    send_resolved: bool = True


class Teams(SpecModel):
    """A message in Microsoft Teams (a workflow of Power Automate)."""

    webhook_url: SecretKeyRef = Field(alias="webhookURL")
    title: str | None = None
    text: str | None = None
    send_resolved: bool = True


class Email(SpecModel):
    """An electronic letter."""

    to: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    from_: str | None = Field(default=None, alias="from", pattern=r"^[^@\s]+@[^@\s]+$")
    """By default Alertmanager's own address, as its server."""
    smarthost: str | None = Field(default=None, pattern=r"^\S+:\d+$")
    """HOST:PORT of the mail server."""
    auth_username: str | None = None
    auth_password: SecretKeyRef | None = None
    require_tls: bool = Field(default=True, alias="requireTLS")
    send_resolved: bool = False


class Webhook(SpecModel):
    """A request with the alerts as JSON: to `url`, or to `urlSecret` where the address itself lets whoever knows it in."""

    url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    url_secret: SecretKeyRef | None = None
    max_alerts: int | None = Field(default=None, ge=0)
    send_resolved: bool = True


class Receiver(SpecModel):
    """Somebody who is told, in every way that is listed. The one called `null` is told nothing."""

    name: Name
    slack: Items[Slack] = ()
    pagerduty: Items[PagerDuty] = ()
    opsgenie: Items[Opsgenie] = ()
    msteams: Items[Teams] = ()
    email: Items[Email] = ()
    webhook: Items[Webhook] = ()


class SubRoute(SpecModel):
    """Alerts that go elsewhere than to the first receiver. What is not set is as the first says."""

    receiver: Name
    matchers: Items[str] = ()
    """All must match, such as `severity = critical` or `alertname =~ "Slow.*"`."""
    monitors: Items[MonitorRef] = ()
    """Alerts of any of these monitors."""
    teams: Items[TeamRef] = ()
    """Alerts of monitors that any of these teams owns."""
    continue_: bool = Field(default=False, alias="continue")
    """Whether the routes after it are asked too."""
    group_by: Items[str] | None = None
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    mute_time_intervals: Items[Name] = ()
    active_time_intervals: Items[Name] = ()


class TimeRange(SpecModel):
    """A part of a day, `HH:MM` in UTC."""

    start_time: str = Field(pattern=r"^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$")
    end_time: str = Field(pattern=r"^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$")


class TimePeriod(SpecModel):
    """When all that is set holds."""

    times: Items[TimeRange] = ()
    weekdays: Items[Weekday] = ()


class TimeInterval(SpecModel):
    """A named time: when any of its periods is."""

    name: Name
    time_intervals: Items[TimePeriod] = Field(min_length=1)


class InhibitRule(SpecModel):
    """While an alert of the source fires, nobody is told of those of the target."""

    source_matchers: Items[str] = Field(min_length=1)
    target_matchers: Items[str] = Field(min_length=1)
    equal: Items[str] = ()
    """Labels whose values both must share."""


class AlertRouteSpec(SpecModel):
    """Who is told of which alerts of a namespace, how and when."""

    receiver: Name
    """Who is told of what no route below takes."""
    group_by: Items[str] = ("alertname",)
    """Alerts that share these labels are told together; `...` alone for each by itself."""
    group_wait: Duration = "30s"
    group_interval: Duration = "5m"
    repeat_interval: Duration = "4h"
    routes: Items[SubRoute] = ()
    """In order: the first that matches takes an alert."""
    receivers: Items[Receiver] = Field(min_length=1)
    inhibit_rules: Items[InhibitRule] = ()
    time_intervals: Items[TimeInterval] = ()
    description: str = ""
