"""Rules of `kind: BackupPolicy` (TRU1960 to TRU1989): when backups are made, and for how long. `selection_rules` has the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule
from trueup_specs.core.schedules import cron_problem, known_timezone, longest_gap, timezone_fix
from trueup_specs.kinds.backup_policy import selection_rules
from trueup_specs.kinds.backup_policy.examples import GOOD, policy
from trueup_specs.kinds.backup_policy.spec import BackupPolicySpec

_ELSEWHERE = re.compile(r"[LW#]")
"""What other readers of cron expressions know and Velero's (robfig/cron) does not, but in the names of a month and a day."""
_SEVEN = re.compile(r"(?<![\d/])7")
"""The day of the week that others take for Sunday; behind `/` it is a step."""


def _unread(cron: str) -> str:
    """Why Velero does not read a cron expression that others do, as the end of a sentence; empty where it does."""
    fields = cron.split()
    if len(fields) != 5:
        return f"has {len(fields)} fields, and Velero reads five"
    if any(_ELSEWHERE.search(re.sub("JUL|WED", "", field.upper())) for field in fields):
        return "has `L`, `W` or `#`, which Velero does not read"
    if _SEVEN.search(fields[4]):
        return "calls Sunday `7`, which Velero does not read"
    return ""


def _gap(spec: BackupPolicySpec) -> timedelta | None:
    """The longest time between two backups; None where another rule says that there is no schedule."""
    if cron_problem(spec.schedule.cron) or _unread(spec.schedule.cron):
        return None
    return longest_gap(spec.schedule.cron)


def _worded(gap: timedelta) -> str:
    """A gap as a `Duration`."""
    days, rest = gap.days, gap.seconds
    parts = ((days, "d"), (rest // 3600, "h"), (rest % 3600 // 60, "m"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


class BackupCron(SpecRule[BackupPolicySpec]):
    """`schedule.cron` must be a cron expression that fires, and that Velero reads."""

    code = "TRU1960"
    reason = "Velero calls another one invalid after it was applied, and no backup is ever made."
    good = GOOD
    bad = policy('  schedule: {cron: "0 3 * * 7"}\n#                  ^')

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        wrong = cron_problem(spec.schedule.cron) or _unread(spec.schedule.cron)
        if wrong:
            yield Finding(
                ("spec", "schedule", "cron"),
                f"{spec.schedule.cron!r} {wrong}.",
                fix="Write five fields: minute, hour, day of month, month, day of week (0 to 6); `0 3 * * *` is three at night.",
            )


class BackupTimezone(SpecRule[BackupPolicySpec]):
    """`schedule.timezone` must be one of the IANA database."""

    code = "TRU1961"
    reason = "Velero calls the schedule invalid after it was applied, and no backup is ever made."
    good = GOOD
    bad = policy('  schedule: {cron: "0 3 * * *", timezone: Europe/Berln}\n#                                         ^')

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        if not known_timezone(spec.schedule.timezone):
            yield Finding(
                ("spec", "schedule", "timezone"),
                f"{spec.schedule.timezone!r} is no known time zone.",
                fix=timezone_fix(spec.schedule.timezone),
            )


class BackupGoneBeforeNext(SpecRule[BackupPolicySpec]):
    """`ttl` must be longer than the longest time between two backups."""

    code = "TRU1962"
    reason = "A backup would be gone before there is the next one, and then there is none."
    good = GOOD
    bad = policy('  schedule: {cron: "0 3 * * 0"}\n  ttl: 3d\n#      ^')

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        gap = _gap(spec)
        if gap is not None and seconds(spec.ttl) <= gap.total_seconds():
            yield Finding(
                ("spec", "ttl"),
                f"Backups are kept for {spec.ttl}, and up to {_worded(gap)} go by before the next one.",
                fix="Keep them longer, so that several are there, or make them more often.",
                related=((None, ("spec", "schedule", "cron"), "The schedule."),),
            )


class ObjectiveMissed(SpecRule[BackupPolicySpec]):
    """`recoveryPointObjective` must not be shorter than the longest time between two backups."""

    code = "TRU1963"
    about = ("spec.recovery_point_objective",)
    reason = "More than what may be lost would be lost, although everything goes as it is written."
    good = GOOD
    bad = policy('  schedule: {cron: "0 3 * * 1-5"}\n  recoveryPointObjective: 24h\n#                         ^')

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        gap, objective = _gap(spec), spec.recovery_point_objective
        if gap is not None and objective is not None and seconds(objective) < gap.total_seconds():
            yield Finding(
                ("spec", "recoveryPointObjective"),
                f"At most {objective} may be lost, and up to {_worded(gap)} go by between two backups.",
                fix=f"Make backups more often, or write what is true: `{_worded(gap)}` and the time that a backup takes.",
                related=((None, ("spec", "schedule", "cron"), "The schedule."),),
            )


class PausedWithObjective(SpecRule[BackupPolicySpec]):
    """A policy that is paused keeps no `recoveryPointObjective`."""

    code = "TRU1964"
    about = ("spec.paused",)
    severity = Severity.WARNING
    reason = "What may be lost grows with every day of the pause."
    good = GOOD
    bad = policy("  recoveryPointObjective: 26h\n  paused: true\n#         ^")

    def find(self, spec: BackupPolicySpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.paused and spec.recovery_point_objective is not None:
            yield Finding(
                ("spec", "paused"),
                f"No backup is made, and at most {spec.recovery_point_objective} may be lost.",
                fix="End the pause, or take the objective away as long as it lasts.",
            )


RULES: tuple[type[Rule], ...] = (
    BackupCron,
    BackupTimezone,
    BackupGoneBeforeNext,
    ObjectiveMissed,
    PausedWithObjective,
    *selection_rules.RULES,
)
