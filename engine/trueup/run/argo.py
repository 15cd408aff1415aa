"""Runs of a pipeline as Workflows of Argo, made from its WorkflowTemplate. Called through `runners`. A step is a task of the DAG."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.run.jobs import moment, reported
from trueup.run.runners import Place
from trueup.run.states import Outcome, Phase, RunStatus, StepStatus

_TEMPLATE = "workflows.argoproj.io/workflow-template"
_WORKFLOW = "workflows.argoproj.io/workflow"
_NODE = "workflows.argoproj.io/node-id"
_EXECUTOR = re.compile(r"time=\S+ level=.* argo=true(?: |$)|Error: exit status \d+$")
"""What Argo's executor says of itself between a step's lines."""
_PHASES: Mapping[str, Phase] = {
    "Pending": "pending",
    "Running": "running",
    "Succeeded": "succeeded",
    "Skipped": "skipped",
    "Omitted": "pending",
    "Failed": "failed",
    "Error": "failed",
}
_OUTCOMES: Mapping[str, Outcome] = {
    "": "pending",
    "Pending": "pending",
    "Running": "running",
    "Succeeded": "succeeded",
    "Failed": "failed",
    "Error": "failed",
}


@dataclass(frozen=True)
class Argo:
    """The Workflows of one WorkflowTemplate."""

    place: Place

    @property
    def _base(self) -> str:
        return f"/apis/argoproj.io/v1alpha1/namespaces/{self.place.namespace}"

    def submit(self) -> RunStatus:
        """A Workflow of the template. `Forbid` is the template's mutex: a second one waits, and is pending."""
        template = self.place.applied(f"{self._base}/workflowtemplates/{self.place.name}")
        workflow = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"generateName": f"{self.place.name}-", "labels": {_TEMPLATE: self.place.name}},
            "spec": {"workflowTemplateRef": {"name": self.place.name}},
        }
        made = self.place.api.request("POST", f"{self._base}/workflows", workflow)
        return self._status(made, template)

    def status(self, run: str) -> RunStatus | None:
        """How a Workflow stands."""
        found = self.place.found(f"{self._base}/workflows/{run}")
        return None if found is None else self._status(found)

    def runs(self) -> list[RunStatus]:
        """The Workflows of the template, by schedule or by hand."""
        listed = self.place.api.request("GET", f"{self._base}/workflows")["items"]
        ours = [w for w in listed if w["spec"].get("workflowTemplateRef", {}).get("name") == self.place.name]
        return sorted((self._status(w) for w in ours), key=lambda s: -(s.started or 0))

    def cancel(self, run: str) -> bool:
        """Terminates the Workflow; it stays, as history."""
        found = self.status(run)
        if found is None or found.finished:
            return False
        self.place.merge(f"{self._base}/workflows/{run}", {"spec": {"shutdown": "Terminate"}})
        return True

    def logs(self, run: str) -> Iterator[str]:
        """What the steps printed, the last try of each."""
        workflow = self.place.found(f"{self._base}/workflows/{run}")
        pods = (
            {p["metadata"]["annotations"].get(_NODE): p for p in self.place.pods(f"{_WORKFLOW}={run}")}
            if workflow
            else {}
        )
        nodes = workflow.get("status", {}).get("nodes", {}) if workflow else {}
        for step in self._status(workflow).steps if workflow else ():
            yield f"== {step.name}: {step.phase}" + (f" ({step.reason})" if step.reason else "")
            node = _of_step(nodes, run, step.name)
            last = _tries(node, nodes)[-1:] if node else []
            for given in last:
                if given["id"] in pods:
                    said = self.place.log(pods[given["id"]], "main").splitlines()
                    yield from (line for line in said if not _EXECUTOR.match(line))

    def _status(self, workflow: Any, template: Any = None) -> RunStatus:
        status, name = workflow.get("status", {}), workflow["metadata"]["name"]
        spec = (template or {}).get("spec") or status.get("storedWorkflowTemplateSpec") or {}
        nodes = status.get("nodes", {})
        steps = tuple(_step(task["name"], nodes, name) for task in _tasks(spec))
        outcome = _OUTCOMES.get(status.get("phase", ""), "running")
        failed = [f"The step {s.name!r} failed: {s.reason}" for s in steps if s.phase == "failed"]
        reason = "" if outcome == "succeeded" else "; ".join(failed) or status.get("message", "")
        if workflow["spec"].get("shutdown") and outcome == "failed":
            outcome, reason = "cancelled", "It was cancelled."
        began = status.get("startedAt") or workflow["metadata"]["creationTimestamp"]
        ended = status.get("finishedAt")
        return RunStatus(
            name,
            self.place.pipeline,
            outcome,
            steps,
            started=moment(began),
            ended=moment(ended) if ended else None,
            reason=reason,
        )


def _tasks(spec: Mapping[str, Any]) -> list[Any]:
    entry: Mapping[str, Any] = next((t for t in spec.get("templates", ()) if t["name"] == spec.get("entrypoint")), {})
    return list(entry.get("dag", {}).get("tasks", ()))


def _of_step(nodes: Mapping[str, Any], run: str, step: str) -> Any:
    """The node of a task; that of its retries where it has such."""
    return next((n for n in nodes.values() if n["name"] == f"{run}.{step}"), None)


def _tries(node: Any, nodes: Mapping[str, Any]) -> list[Any]:
    if node["type"] != "Retry":
        return [node]
    tried = [
        nodes[c] for c in node.get("children", ()) if c in nodes and nodes[c]["name"].startswith(f"{node['name']}(")
    ]
    return sorted(tried, key=lambda n: str(n.get("startedAt")))


def _step(name: str, nodes: Mapping[str, Any], run: str) -> StepStatus:
    node = _of_step(nodes, run, name)
    if node is None:
        return StepStatus(name)
    tries = _tries(node, nodes)
    phase = _PHASES.get(node.get("phase", ""), "pending")
    outputs = (tries[-1] if tries else node).get("outputs", {})
    report = next((p.get("value", "") for p in outputs.get("parameters", ()) if p["name"] == "metrics"), "")
    code = outputs.get("exitCode")
    reason = (tries[-1].get("message") if tries else "") or node.get("message", "")
    if phase == "failed" and code not in (None, "0"):
        reason = f"It ended with code {code}."
    return StepStatus(
        name,
        phase,
        attempts=0 if phase in ("skipped", "pending") else len(tries),
        started=moment(node["startedAt"]) if node.get("startedAt") else None,
        ended=moment(node["finishedAt"]) if node.get("finishedAt") else None,
        exit_code=int(code) if code is not None else None,
        metrics=reported(report),
        reason=reason if phase in ("failed", "skipped") else "",
    )
