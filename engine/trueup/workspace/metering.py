"""The loop's metrics in the format of Prometheus, made from how it stands when they are asked for. Called by `answering`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from trueup.reconcile import backoff
from trueup.reconcile.values import Action, Standing

if TYPE_CHECKING:
    from trueup.workspace.watching import Watch


def exposition(watch: Watch) -> bytes:
    """All metrics as text."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(watch))
    return generate_latest(registry)


class _Collector:
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def collect(self) -> Iterable[Any]:
        """The metrics of one scrape."""
        standings = self._watch.standings()
        yield from _service(self._watch)
        yield from _gauges(standings)
        yield from _counters(standings)


def _service(watch: Watch) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    yield GaugeMetricFamily("trueup_loop_up", "Whether the loop moves.", value=float(watch.healthy()))
    yield GaugeMetricFamily(
        "trueup_loop_fetch_ok", "Whether the last fetch from the remote worked.", value=float(not watch.fetched)
    )
    yield CounterMetricFamily("trueup_loop_fetch_failures", "Fetches that failed.", value=watch.fetch_failures)


def _gauges(standings: Iterable[Standing]) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily

    found = list(standings)
    for name, help_, value in (
        ("leader", "Whether this process acts for the environment.", lambda s: s.leads),
        (
            "drifted_resources",
            "Resources that are not as they were applied.",
            lambda s: len(s.turn.drifted) if s.turn else 0,
        ),
        ("failures", "How often in a row what is to be done failed.", lambda s: s.failures),
        ("circuit_open", "Whether it failed so often that it is tried seldom.", lambda s: s.failures >= backoff.BREAKS),
        ("error", "Whether the last turn could not decide.", lambda s: bool(s.error)),
        ("busy", "Whether something is being applied.", lambda s: bool(s.busy)),
        ("last_turn_timestamp_seconds", "When the last turn ended.", lambda s: s.time),
        ("in_sync", "Whether the environment is as Git says.", _in_sync),
    ):
        family = GaugeMetricFamily(f"trueup_loop_{name}", help_, labels=["environment"])
        for standing in found:
            family.add_metric([standing.environment], float(value(standing)))
        yield family
    states = GaugeMetricFamily("trueup_loop_action", "What the last turn decided.", labels=["environment", "action"])
    for standing in found:
        for action in Action:
            now = standing.turn is not None and standing.turn.decision.action is action
            states.add_metric([standing.environment, str(action)], float(now))
    yield states


def _in_sync(standing: Standing) -> bool:
    turn = standing.turn
    return turn is not None and not turn.drifted and (turn.decision.action is Action.NOTHING or turn.outcome == "done")


def _counters(standings: Iterable[Standing]) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily

    turns = CounterMetricFamily("trueup_loop_turns", "Turns that decided.", labels=["environment"])
    spent = CounterMetricFamily("trueup_loop_turn_seconds", "Seconds that turns took.", labels=["environment"])
    done = CounterMetricFamily(
        "trueup_loop_acts", "What was done, by what it came to.", labels=["environment", "action", "outcome"]
    )
    for standing in standings:
        turns.add_metric([standing.environment], standing.turns)
        spent.add_metric([standing.environment], standing.spent)
        for (action, outcome), count in standing.outcomes.items():
            done.add_metric([standing.environment, action, outcome], count)
    yield from (turns, spent, done)
