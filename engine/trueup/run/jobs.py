"""Runs of a pipeline as Jobs of a cluster, made from its CronJob. Called through `runners`.

A step is a container of the run's pod; a pod that failed may be followed by another, which begins anew.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trueup.run.runners import Place, make_way
from trueup.run.states import Outcome, Phase, RunStatus, StepStatus

_MANUAL = {"cronjob.kubernetes.io/instantiate": "manual"}
"""What `kubectl create job --from` marks such Jobs with."""


@dataclass(frozen=True)
class Jobs:
    """The Jobs of one CronJob."""

    place: Place

    @property
    def _base(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.place.namespace}"

    def submit(self) -> RunStatus:
        """A Job of the CronJob's template, under its `concurrencyPolicy`."""
        cron = self.place.applied(f"{self._base}/cronjobs/{self.place.name}")
        make_way(self, self.place.pipeline, self.runs(), cron["spec"].get("concurrencyPolicy", "Allow"))
        template = cron["spec"]["jobTemplate"]
        owner = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "name": self.place.name,
            "uid": cron["metadata"]["uid"],
            "controller": True,
        }
        metadata = {
            "name": f"{self.place.name}-{secrets.token_hex(4)}",
            "labels": template.get("metadata", {}).get("labels", {}),
            "annotations": {**template.get("metadata", {}).get("annotations", {}), **_MANUAL},
            "ownerReferences": [owner],
        }
        made = self.place.api.request("POST", f"{self._base}/jobs", {"metadata": metadata, "spec": template["spec"]})
        return self._status(made, [])

    def status(self, run: str) -> RunStatus | None:
        """How a Job stands."""
        job = self.place.found(f"{self._base}/jobs/{run}")
        return None if job is None else self._status(job, self.place.pods(f"batch.kubernetes.io/job-name={run}"))

    def runs(self) -> list[RunStatus]:
        """The Jobs that the CronJob owns, by schedule or by hand."""
        listed = self.place.api.request("GET", f"{self._base}/jobs")["items"]
        owned = [
            j
            for j in listed
            if any(
                o["kind"] == "CronJob" and o["name"] == self.place.name
                for o in j["metadata"].get("ownerReferences", ())
            )
        ]
        found = [self._status(j, []) for j in owned]
        return sorted(found, key=lambda s: -(s.started or 0))

    def cancel(self, run: str) -> bool:
        """Suspends the Job, which ends its pod; it stays, as history."""
        found = self.status(run)
        if found is None or found.finished:
            return False
        self.place.merge(f"{self._base}/jobs/{run}", {"spec": {"suspend": True}})
        return True

    def logs(self, run: str) -> Iterator[str]:
        """What the containers of the last pod printed."""
        found = self.status(run)
        pods = self.place.pods(f"batch.kubernetes.io/job-name={run}")
        for step in found.steps if found is not None and pods else ():
            yield f"== {step.name}: {step.phase}" + (f" ({step.reason})" if step.reason else "")
            yield from self.place.log(pods[-1], step.name).splitlines()

    def _status(self, job: Any, pods: list[Any]) -> RunStatus:
        conditions = {c["type"]: c for c in job.get("status", {}).get("conditions", ()) if c["status"] == "True"}
        template = job["spec"]["template"]["spec"]
        names = [c["name"] for c in (*template.get("initContainers", ()), *template["containers"])]
        steps = tuple(_step(name, pods) for name in names)
        outcome, reason = _outcome(conditions, bool(job.get("status", {}).get("startTime")))
        failed = [f"The step {s.name!r} failed: {s.reason}" for s in steps if s.phase == "failed"]
        if outcome == "failed":
            reason = "; ".join(failed) if failed and "Deadline" not in reason else reason
        ended = next((c.get("lastTransitionTime") for c in conditions.values()), None) if outcome != "running" else None
        return RunStatus(
            job["metadata"]["name"],
            self.place.pipeline,
            outcome,
            steps,
            started=moment(job.get("status", {}).get("startTime") or job["metadata"]["creationTimestamp"]),
            ended=moment(ended) if ended else None,
            reason=reason,
        )


def _outcome(conditions: dict[str, Any], begun: bool) -> tuple[Outcome, str]:
    if "Complete" in conditions:
        return "succeeded", ""
    if "Failed" in conditions:
        found = conditions["Failed"]
        return "failed", f"{found.get('reason', '')}: {found.get('message', '')}"
    if "Suspended" in conditions:
        return "cancelled", "It was cancelled."
    return ("running" if begun else "pending"), ""


def _step(name: str, pods: list[Any]) -> StepStatus:
    """A container in the last of the run's pods."""
    if not pods:
        return StepStatus(name)
    status = pods[-1].get("status", {})
    known = {c["name"]: c for c in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))}
    state = known.get(name, {}).get("state", {})
    if ended := state.get("terminated"):
        code = int(ended["exitCode"])
        phase: Phase = "succeeded" if code == 0 else "failed"
        return StepStatus(
            name,
            phase,
            attempts=len(pods),
            started=moment(ended["startedAt"]),
            ended=moment(ended["finishedAt"]),
            exit_code=code,
            metrics=reported(ended.get("message", "")),
            reason="" if code == 0 else f"It ended with code {code}.",
        )
    if going := state.get("running"):
        return StepStatus(name, "running", attempts=len(pods), started=moment(going["startedAt"]))
    waiting = state.get("waiting", {}).get("reason", "")
    return StepStatus(name, reason="" if waiting == "PodInitializing" else waiting)


def reported(text: str) -> dict[str, float]:
    """The metrics in what a step reported; none where it is something else."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(k): float(v) for k, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def moment(text: str) -> float:
    """A time of the API as Unix seconds."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
