"""What the live resources are, read in this process through the native components: no Pulumi process is started.

Called by the workspace before an apply decides that there is nothing to do, by `drift` and by `status`. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueup.apply.checkpoints import Checkpoint, StateResource, holds_secret
from trueup.apply.remedies import Remedy
from trueup.plan.differences import differences
from trueup.plan.planning import Observation
from trueup.plan.values import PropertyChange
from trueup.provider.component import Component, ComponentError, Context, Live
from trueup_stacks.core.resources import Address

NATIVE = "trueup:"
PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """One live resource. `live` is None where it is gone, or where `error` says that it could not be read."""

    address: Address
    live: Live | None
    changes: tuple[PropertyChange, ...] = ()
    error: str = ""
    state: str = ""
    """How it fares, where its platform says so in a word of its own: `progressing`, `degraded`."""
    reason: str = ""
    """Why it fares so."""
    remedy: Remedy | None = None
    """What putting it right takes beside its provider."""
    away: bool = False
    """Whether what it stands on does not answer and is skipped: nothing is known of it, and nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything that was looked at."""

    seen: Mapping[Address, Seen] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)
    """Clusters that do not answer and are skipped, by name, each with the reason as a sentence."""

    def observation(self) -> Observation:
        """As the plan takes it."""
        return Observation(
            drifted={a: s.changes for a, s in self.seen.items() if s.changes},
            gone=frozenset(a for a, s in self.seen.items() if s.live is None and not s.error),
            unready={
                a: text
                for a, s in self.seen.items()
                if (text := _unready(s)) and not s.changes and not s.state and not s.away
            },
        )

    def __or__(self, other: Sight) -> Sight:
        """Both."""
        return Sight({**self.seen, **other.seen}, {**self.away, **other.away})


def look(home: Path, states: Iterable[Checkpoint], component: Callable[[str], Component]) -> Sight:
    """Reads every native resource of the states, several at once."""
    there = [r for state in states for r in state.by_address().values() if r.address.type.startswith(NATIVE)]
    with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="look") as pool:
        found = pool.map(lambda r: _see(home, r, component), there)
        return Sight({s.address: s for s in found})


def _see(home: Path, resource: StateResource, component: Callable[[str], Component]) -> Seen:
    inputs = {k: v for k, v in resource.inputs.items() if not holds_secret(v) and not k.startswith("__")}
    context = Context(home, resource.urn)
    try:
        live = component(resource.address.type).read(context, resource.id, inputs, resource.plain_outputs)
    except (ComponentError, OSError) as error:
        return Seen(resource.address, None, error=str(error))
    if live is None:
        return Seen(resource.address, None)
    return Seen(resource.address, live, _changes(inputs, live.inputs))


def _changes(recorded: Mapping[str, Any], live: Mapping[str, Any]) -> tuple[PropertyChange, ...]:
    """How reality differs: `recorded` against what is live, in what both have."""
    both = recorded.keys() & live.keys()
    return differences({k: _without_nulls(recorded[k]) for k in both}, {k: _without_nulls(live[k]) for k in both})


def _without_nulls(value: Any) -> Any:
    """The value as Pulumi keeps it: a null is an absent key."""
    if isinstance(value, Mapping):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, (list, tuple)) else value


def _unready(seen: Seen) -> str:
    if seen.error:
        return seen.error
    return (seen.live.not_ready or "") if seen.live else ""
