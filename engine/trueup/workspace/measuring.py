"""The success metrics that the ledger can answer, each with what was counted and of how many. Called by `trueup status --metrics`.

A metric without anything to count has no value: it is never 0 or 100 % for want of data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from trueup.load import git
from trueup.plan.recorded import Recorded, RecordedResource
from trueup.record.events import DONE, Entry, EventKind
from trueup.workspace.opening import Workspace

RUN, GATE, SERVICE, ALIAS = "trueup:run:Run", "trueup:run:Gate", "trueup:serve:Service", "trueup:registry:Alias"
ENDED = ("done", "partly", "failed")


@dataclass(frozen=True, slots=True)
class Metric:
    """One success metric. Where `unit` is `seconds`, the value is the mean: the sum over how many."""

    name: str
    counts: str
    """What is counted, of what, in words."""
    numerator: float
    denominator: float
    unit: str = "share"
    target: str = ""
    """Of the mission, where it names one for this."""
    detail: str = ""

    @property
    def value(self) -> float | None:
        """None where nothing was there to count."""
        return self.numerator / self.denominator if self.denominator else None


def metrics(workspace: Workspace, environment: str = "") -> tuple[Metric, ...]:
    """All of them, over all environments or one."""
    all_entries, all_recorded = list(workspace.ledger.entries(newest_first=False)), workspace.ledger.recorded()
    entries = [e for e in all_entries if environment in ("", e.event.environment)]
    recorded = workspace.ledger.recorded(environment) if environment else all_recorded
    return (
        _deployments(entries),
        _runs(entries),
        _lead(workspace, entries),
        _gates(entries),
        _rollbacks(entries),
        _lineage(recorded, all_entries),
        _clean(entries),
        _gated(recorded, all_recorded),
    )


def _deployments(entries: Iterable[Entry]) -> Metric:
    ended = [e for e in _applies(entries) if e.event.outcome in ENDED]
    good = sum(e.event.outcome == DONE for e in ended)
    counts = "applies that completed, of those that ended (what a gate held or waits for a run is neither)"
    return Metric("Deployment success", counts, good, len(ended), target="95 %")


def _applies(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Applies that had something to do."""
    for entry in entries:
        if entry.event.kind is EventKind.APPLIED and entry.event.details.get("effects", 1):
            yield entry


def _runs(entries: Iterable[Entry]) -> Metric:
    good = bad = 0
    for entry in entries:
        if entry.event.kind is EventKind.RUN:
            good, bad = good + (entry.event.outcome == DONE), bad + (entry.event.outcome != DONE)
        for step in _steps(entry, RUN):
            if step.get("action") != "delete":
                good, bad = good + (step.get("status") == "done"), bad + (step.get("status") == "failed")
    return Metric("Pipeline reliability", "runs that succeeded, of those that ended", good, good + bad, target="99 %")


def _steps(entry: Entry, type: str) -> Iterator[Mapping[str, object]]:
    for step in entry.event.details.get("steps") or ():
        if isinstance(step, Mapping) and f"::{type}::" in f"::{step.get('resource')}::":
            yield step


def _lead(workspace: Workspace, entries: Iterable[Entry]) -> Metric:
    """From a commit to the first apply of it that completed."""
    first: dict[tuple[str, str], float] = {}
    for entry in _applies(entries):
        event = entry.event
        if event.outcome == DONE and event.commit and event.time and not event.details.get("dirty"):
            first.setdefault((event.environment, event.commit), event.time.timestamp())
    written = _written(workspace, {commit for _, commit in first})
    times = [at - written[commit] for (_, commit), at in first.items() if commit in written]
    middle = f"median {median(times):.0f} s" if times else ""
    counts = "seconds from a commit to its first completed apply, over the commits applied"
    return Metric("Lead time", counts, round(sum(times), 1), len(times), "seconds", detail=middle)


def _written(workspace: Workspace, commits: Iterable[str]) -> dict[str, float]:
    wanted = sorted(commits)
    if not wanted:
        return {}
    asked = "".join(f"{c}\n" for c in wanted).encode()
    done = git.attempt(
        workspace.repository, "log", "--no-walk=unsorted", "--ignore-missing", "--format=%H %ct", "--stdin", stdin=asked
    )
    lines = done.stdout.decode().split("\n") if done.returncode == 0 else []
    return {commit: float(time) for commit, _, time in (line.partition(" ") for line in lines) if time}


def _gates(entries: Iterable[Entry]) -> Metric:
    """Of each commit, the first time that each gate judged."""
    seen: dict[tuple[str, str], bool] = {}
    for entry in entries:
        evidence = entry.event.details.get("evidence") or {}
        for step in _steps(entry, GATE):
            address = str(step.get("resource"))
            if step.get("action") == "delete" or address not in evidence:
                continue
            held = any(str(c.get("verdict")) not in ("pass", "passed") for c in evidence[address])
            seen.setdefault((entry.event.commit, address), not (held and entry.event.kind is EventKind.HELD))
    counts = "models that passed their gates at the first attempt, of those that were judged"
    return Metric("Gate success", counts, sum(seen.values()), len(seen), target="90 %")


def _rollbacks(entries: list[Entry]) -> Metric:
    rolled = sum(e.event.kind is EventKind.ROLLED_BACK and e.event.outcome == DONE for e in entries)
    done = sum(e.event.outcome == DONE for e in _applies(entries))
    counts = "direct rollbacks, of the applies that completed"
    return Metric("Rollback frequency", counts, rolled, done, target="below 5 %")


def _lineage(recorded: Recorded, everywhere: Iterable[Entry]) -> Metric:
    """Model versions in use whose run the ledger knows, of whatever environment: the statement about it names the version and the run's
    fingerprint, which covers code, parameters and data."""
    traced = {s.name for e in everywhere for s in e.event.subjects if s.name.startswith("model:")}
    used = set()
    for resource in _resources(recorded, GATE, ALIAS):
        version = resource.outputs.get("acceptedVersion", resource.outputs.get("version"))
        if str(version).isdigit():
            used.add(f"model:{resource.origin}@{version}")
    counts = "model versions in use whose run is recorded with its fingerprint of code and data, of those in use"
    return Metric("Lineage coverage", counts, len(used & traced), len(used), target="100 %")


def _clean(entries: Iterable[Entry]) -> Metric:
    done = [e for e in _applies(entries) if e.event.outcome == DONE]
    good = [e for e in done if e.event.commit and not e.event.details.get("dirty")]
    approved = sum(bool(e.event.approvals) for e in done)
    counts = "completed applies of a committed revision, of all that completed"
    return Metric(
        "Governance coverage", counts, len(good), len(done), target="100 %", detail=f"{approved} rest on approvals"
    )


def _gated(recorded: Recorded, everywhere: Recorded) -> Metric:
    """Of what is served, what a gate judged, here or where it was trained."""
    judged = {_model(r) for r in _resources(everywhere, GATE) if r.outputs.get("evidence")}
    served = [r for r in _resources(recorded, SERVICE) if _model(r)]
    counts = "endpoints whose model a gate judged, of those served"
    return Metric("Gated serving", counts, sum(_model(r) in judged for r in served), len(served), target="100 %")


def _resources(recorded: Recorded, *types: str) -> Iterator[RecordedResource]:
    for stack in recorded.stacks.values():
        yield from (r for a, r in stack.resources.items() if a.type in types)


def _model(resource: RecordedResource) -> str:
    """The registered model that a resource is about."""
    found = resource.properties.get("model") or resource.properties.get("name")
    return str(found.get("name") if isinstance(found, Mapping) else found or "")
