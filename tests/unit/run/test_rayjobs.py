"""What the runner `ray` makes of KubeRay's answers; against KubeRay itself it is held to the contract in `test_conformance`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from trueup.run.rayjobs import RayJobs
from trueup.run.runners import Place, RunnerError
from trueup_stacks.kubernetes.ray_steps import MARK

BASE = "/apis/ray.io/v1/namespaces/churn/rayjobs"
STEPS = json.dumps([{"name": "fit", "command": ["sh", "-c", "echo $$HOME"]}, {"name": "tell", "command": ["true"]}])


class Refused(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def job(name: str, deployment: str = "Suspended", *, suspend: bool = False, **more: Any) -> dict[str, Any]:
    head = {"containers": [{"name": "ray-head", "env": [{"name": "TRUEUP_STEPS", "value": STEPS}]}]}
    cluster = {"headGroupSpec": {"template": {"spec": head}}}
    created = f"2026-11-26T10:{len(name):02}:00Z"
    return {
        "metadata": {"name": name, "uid": "u1", "creationTimestamp": created, **more.pop("metadata", {})},
        "spec": {"suspend": suspend, "rayClusterSpec": cluster},
        "status": {"jobDeploymentStatus": deployment, **more},
    }


@dataclass
class Cluster:
    """RayJobs by name, and the log of the submitter's pod."""

    jobs: dict[str, Any]
    log: str = ""
    patched: dict[str, Any] = field(default_factory=dict)

    def request(self, method: str, path: str, body: Any = None, content: str = "", query: Any = None) -> Any:
        name = path.removeprefix(BASE).strip("/")
        if method == "POST":
            made = {**body, "metadata": {**body["metadata"], "uid": "u2", "creationTimestamp": "2026-11-26T12:00:00Z"}}
            self.jobs[body["metadata"]["name"]] = made
            return made
        if method == "DELETE":
            return self.jobs.pop(name)
        if method == "PATCH":
            self.patched[name] = body
            self.jobs[name]["spec"] |= body["spec"]
            return {}
        if path.endswith("/pods"):
            return {"items": [{"metadata": {"name": "submitter", "creationTimestamp": "2026-11-26T12:00:01Z"}}]}
        if path == BASE:
            label, _, value = query["labelSelector"].partition("=")
            runs = (j for j in self.jobs.values() if j["metadata"].get("labels", {}).get(label) == value)
            return {"items": list(runs)}
        if name not in self.jobs:
            raise Refused(404)
        return self.jobs[name]

    def text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        assert query == {"container": "ray-job-submitter"}
        return self.log


def runner(cluster: Cluster) -> RayJobs:
    return RayJobs(Place(cluster, "churn", "fit-pipeline", "churn/fit", Refused))


def template(policy: str = "Allow") -> dict[str, Any]:
    annotations = {"trueup/concurrency-policy": policy}
    return job("fit-pipeline", suspend=True, metadata={"annotations": annotations, "labels": {"team": "ml"}})


def told(step: str, phase: str, **more: Any) -> str:
    return f"{MARK}{json.dumps({'step': step, 'phase': phase, 'attempts': 1, **more})}\n"


def test_a_run_is_like_the_suspended_one_and_belongs_to_it() -> None:
    cluster = Cluster({"fit-pipeline": template()})
    begun = runner(cluster).submit()
    made = cluster.jobs[begun.fingerprint]
    assert made["spec"] == {**template()["spec"], "suspend": False}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert made["metadata"]["labels"] == {"team": "ml", "trueup/run-of": "fit-pipeline"}
    assert (begun.outcome, [s.phase for s in begun.steps]) == ("pending", ["pending", "pending"])
    assert [s.fingerprint for s in runner(cluster).runs()] == [begun.fingerprint]


def test_a_pipeline_that_is_not_applied_cannot_run() -> None:
    with pytest.raises(RunnerError, match="Apply it first"):
        runner(Cluster({})).submit()


def test_a_second_run_is_held_up_or_takes_the_place_of_the_first() -> None:
    cluster = Cluster({"fit-pipeline": template("Forbid")})
    first = runner(cluster).submit().fingerprint
    with pytest.raises(RunnerError, match=f"{first} of churn/fit goes on"):
        runner(cluster).submit()
    cluster.jobs["fit-pipeline"] = template("Replace")
    runner(cluster).submit()
    assert cluster.patched == {first: {"spec": {"suspend": True}}}
    found = runner(cluster).status(first)
    assert found is not None and (found.outcome, found.reason) == ("cancelled", "It was cancelled.")
    assert not runner(cluster).cancel(first)


def test_old_runs_go_when_another_comes() -> None:
    label = {"metadata": {"labels": {"trueup/run-of": "fit-pipeline"}}}
    old = {f"run{'-' * n}": job(f"run{'-' * n}", "Complete", **label) for n in range(8)}
    cluster = Cluster({"fit-pipeline": template(), **old})
    runner(cluster).submit()
    assert set(old) - set(cluster.jobs) == {"run", "run-", "run--"}, "the newest five and the new one are kept"


def test_what_steps_did_is_read_from_the_log() -> None:
    log = (
        "Tailing logs until the job exits\n\n"
        + told("fit", "running", started=5.0)
        + "no newline\n"
        + told("fit", "succeeded", started=5.0, ended=6.5, code=0, metrics={"auc": 0.5})
        + "\n"
        + told("tell", "running", started=7.0)
        + "oh\n\n"
        + told("tell", "failed", started=7.0, ended=8.0, code=4, reason="It ended with code 4.")
        + "2026 -- Job failed\n"
    )
    cluster = Cluster({"run": job("run", "Failed", reason="AppFailed", message="exit code 4")}, log)
    found = runner(cluster).status("run")
    assert found is not None and found.outcome == "failed"
    assert found.reason == "The step 'tell' failed: It ended with code 4."
    assert [(s.name, s.phase, s.exit_code) for s in found.steps] == [("fit", "succeeded", 0), ("tell", "failed", 4)]
    assert found.metrics == {"fit.auc": 0.5}
    assert list(runner(cluster).logs("run")) == [
        "== fit: succeeded", "no newline", "== tell: failed (It ended with code 4.)", "oh",
    ]  # fmt: skip


def test_a_run_that_ends_from_outside_says_why() -> None:
    log = told("fit", "running", started=5.0) + "working\n"
    cluster = Cluster({"run": job("run", "Failed", reason="DeadlineExceeded", message="it took too long")}, log)
    found = runner(cluster).status("run")
    assert found is not None and (found.outcome, found.reason) == ("failed", "DeadlineExceeded: it took too long")
    assert [s.phase for s in found.steps] == ["failed", "pending"]


def test_a_line_of_a_step_that_only_looks_like_a_record_is_printed() -> None:
    log = told("fit", "running") + f"{MARK}not json\n{MARK}[1]\n" + told("fit", "succeeded", code=0)
    cluster = Cluster({"run": job("run", "Complete")}, log)
    assert list(runner(cluster).logs("run"))[:3] == ["== fit: succeeded", f"{MARK}not json", f"{MARK}[1]"]
