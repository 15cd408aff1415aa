"""The steps of a run as a directed acyclic graph. Called by `parsing` (to judge) and the executor (to order)."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterator, Sequence

from trueup.run.requests import Step

_WHEN = re.compile(r"\bsteps(?:\.([A-Za-z_][A-Za-z0-9_]*)|\[\s*[\"']([^\"']+)[\"']\s*\])")


def upstream(step: Step) -> frozenset[str]:
    """The steps that come first: `needs`, the owners of its inputs, and those whose metrics `when` reads."""
    named = {first or second for first, second in _WHEN.findall(step.when or "")}
    return frozenset({*step.needs, *(source for source, _ in step.inputs.values()), *named})


def sorter(steps: Sequence[Step]) -> graphlib.TopologicalSorter[str]:
    """A prepared sorter over the steps' names; raises `graphlib.CycleError` for a cycle."""
    made = graphlib.TopologicalSorter({s.name: upstream(s) for s in steps})
    made.prepare()
    return made


def problems(steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    """What is wrong with the graph: names that stand twice or nowhere, outputs that no step has, cycles."""
    names = [s.name for s in steps]
    by_name = {s.name: s for s in steps}
    for position, step in enumerate(steps):
        path = f"steps[{position}]"
        if names.index(step.name) != position:
            yield f"{path}.name", f"Two steps are called {step.name!r}; give each a name of its own."
        for unknown in sorted(upstream(step) - set(names)):
            yield path, f"The step {step.name!r} refers to a step {unknown!r} that the pipeline does not have."
        for name, (source, output) in step.inputs.items():
            if source in by_name and output not in by_name[source].outputs:
                has = ", ".join(by_name[source].outputs) or "none"
                yield f"{path}.inputs.{name}", f"The step {source!r} has no output `{output}`; it has {has}."
    if all(upstream(s) <= set(names) for s in steps):
        try:
            sorter(steps)
        except graphlib.CycleError as error:
            yield "steps", f"The steps need each other in a circle: {' → '.join(error.args[1])}."
