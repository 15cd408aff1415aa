"""Runs of a pipeline as RayJobs of KubeRay, made from the one that stays suspended. Called through `runners`.

The steps run one after the other on the head of the run's own cluster; what each did is in the log of the pod that submitted the job,
in lines of `trueup_stacks.kubernetes.ray_steps`, so that it can be told after the cluster is gone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trueup.run.jobs import moment
from trueup.run.runners import Place, make_way
from trueup.run.states import Outcome, RunStatus, StepStatus
from trueup_stacks.kubernetes.ray_steps import MARK

_TEMPLATE = "trueup/run-of"
"""The label of a run: the RayJob that it was made from."""
_SUBMITTER = "ray-job-submitter"
_KEPT = 6
"""Runs that ended are kept, so many: KubeRay itself keeps all, each with its submitter's pod."""
_OUTCOMES: Mapping[str, Outcome] = {
    "": "pending",
    "Initializing": "pending",
    "Waiting": "pending",
    "Running": "running",
    "Retrying": "running",
    "Complete": "succeeded",
    "Failed": "failed",
    "ValidationFailed": "failed",
    "Suspending": "cancelled",
    "Suspended": "cancelled",
}


@dataclass(frozen=True)
class RayJobs:
    """The runs of one suspended RayJob."""

    place: Place

    @property
    def _base(self) -> str:
        return f"/apis/ray.io/v1/namespaces/{self.place.namespace}/rayjobs"

    def submit(self) -> RunStatus:
        """A RayJob like the suspended one, under the pipeline's `concurrencyPolicy`."""
        template = self.place.applied(f"{self._base}/{self.place.name}")
        known = self.runs()
        policy = template["metadata"].get("annotations", {}).get("trueup/concurrency-policy", "Allow")
        make_way(self, self.place.pipeline, known, policy)
        for old in [s for s in known if s.finished][_KEPT - 1 :]:
            self.place.api.request("DELETE", f"{self._base}/{old.fingerprint}")
        owner = {
            "apiVersion": "ray.io/v1",
            "kind": "RayJob",
            "name": self.place.name,
            "uid": template["metadata"]["uid"],
        }
        metadata = {
            "name": f"{self.place.name}-{secrets.token_hex(4)}",
            "labels": {**template["metadata"].get("labels", {}), _TEMPLATE: self.place.name},
            "ownerReferences": [owner],
        }
        body = {
            "apiVersion": "ray.io/v1",
            "kind": "RayJob",
            "metadata": metadata,
            "spec": {**template["spec"], "suspend": False},
        }
        return self._status(self.place.api.request("POST", self._base, body), ())

    def status(self, run: str) -> RunStatus | None:
        """How a RayJob stands."""
        job = self.place.found(f"{self._base}/{run}")
        return None if job is None else self._status(job, self._printed(run))

    def runs(self) -> list[RunStatus]:
        """The RayJobs that are made from the suspended one; what their steps did is not looked up."""
        listed = self.place.api.request("GET", self._base, query={"labelSelector": f"{_TEMPLATE}={self.place.name}"})
        return sorted((self._status(j, ()) for j in listed["items"]), key=lambda s: -(s.started or 0))

    def cancel(self, run: str) -> bool:
        """Suspends the RayJob, by which its cluster ends and the submitter with its log; it stays, as history."""
        job = self.place.found(f"{self._base}/{run}")
        if job is None or self._status(job, ()).finished:
            return False
        self.place.merge(f"{self._base}/{run}", {"spec": {"suspend": True}})
        return True

    def logs(self, run: str) -> Iterator[str]:
        """What the steps printed, the last try of each."""
        job = self.place.found(f"{self._base}/{run}")
        lines = self._printed(run)
        for step in self._status(job, lines).steps if job is not None else ():
            yield f"== {step.name}: {step.phase}" + (f" ({step.reason})" if step.reason else "")
            yield from _between(lines, step.name)

    def _printed(self, run: str) -> list[str]:
        pods = self.place.pods(f"batch.kubernetes.io/job-name={run}")
        return self.place.log(pods[-1], _SUBMITTER).splitlines() if pods else []

    def _status(self, job: Any, lines: Sequence[str]) -> RunStatus:
        status = job.get("status", {})
        outcome = _OUTCOMES.get(status.get("jobDeploymentStatus", ""), "running")
        if job["spec"].get("suspend"):
            outcome = "cancelled"
        steps = tuple(_steps(job, lines))
        failed = [f"The step {s.name!r} failed: {s.reason}" for s in steps if s.phase == "failed"]
        reason = ""
        if outcome == "failed":
            said = f"{status.get('reason', '')}: {status.get('message', '')}"
            late = status.get("reason") == "DeadlineExceeded"
            reason = "; ".join(failed) if failed and not late else said
            steps = tuple(replace(s, phase="failed", reason=said) if s.phase == "running" else s for s in steps)
        elif outcome == "cancelled":
            reason = "It was cancelled."
        began, ended = status.get("startTime") or job["metadata"]["creationTimestamp"], status.get("endTime")
        return RunStatus(
            job["metadata"]["name"],
            self.place.pipeline,
            outcome,
            steps,
            started=moment(began),
            ended=moment(ended) if ended and outcome != "running" else None,
            reason=reason,
        )


def _steps(job: Any, lines: Sequence[str]) -> Iterator[StepStatus]:
    """The steps as the job has them, each as it was last told."""
    told = {record["step"]: record for line in lines if (record := _record(line))}
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    given = next(v["value"] for v in head["env"] if v["name"] == "TRUEUP_STEPS")
    for step in json.loads(given.replace("$$", "$")):
        found = told.get(step["name"])
        if found is None:
            yield StepStatus(step["name"])
            continue
        yield StepStatus(
            step["name"],
            found["phase"],
            attempts=found["attempts"],
            started=found.get("started"),
            ended=found.get("ended"),
            exit_code=found.get("code"),
            metrics=found.get("metrics", {}),
            reason=found.get("reason", ""),
        )


def _between(lines: Sequence[str], step: str) -> list[str]:
    """What is printed from the beginning of a step's last try to its end. The line before a record is empty: the step may not have
    ended its last one."""
    found: list[str] = []
    inside = False
    for line in lines:
        if record := _record(line):
            if inside and found[-1:] == [""]:
                found.pop()
            inside = record["step"] == step and record["phase"] == "running"
            found = [] if inside else found
        elif inside:
            found.append(line)
    return found


def _record(line: str) -> dict[str, Any]:
    if not line.startswith(MARK):
        return {}
    try:
        found = json.loads(line.removeprefix(MARK))
    except ValueError:
        return {}
    return found if isinstance(found, dict) and {"step", "phase", "attempts"} <= found.keys() else {}
