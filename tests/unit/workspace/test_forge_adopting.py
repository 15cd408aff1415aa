"""Drift that becomes a pull request: what the specs can say, tried by compiling them; the rest as an issue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueup.observe.live import Seen, Sight
from trueup.plan.values import PropertyChange
from trueup.provider.component import Live
from trueup.workspace import adopting, joining, operating
from trueup.workspace.asking import Asking
from trueup.workspace.following import Branch
from trueup.workspace.looping import Reconciler
from trueup.workspace.operating import Finding
from trueup_stacks.core.resources import Address

World = Any


@pytest.fixture
def hub(world: World, tmp_path: Path) -> Path:
    """A bare repository as the remote `origin`, in which drift is to become a pull request."""
    world.edit(
        "environments.yaml", "  target: local\n", "  target: local\n  drift: { interval: 10m, action: pullRequest }\n"
    )
    world.commit("Drift as pull requests")
    world.apply(version=3)
    bare = tmp_path / "hub.git"
    world.git("clone", "-q", "--bare", ".", str(bare))
    world.git("remote", "add", "origin", str(bare))
    world.git("fetch", "-q", "origin")
    world.git("remote", "set-head", "origin", "main")
    return bare


@pytest.fixture
def joined(world: World, hub: Path, github: Any) -> joining.Joined:
    found = joining.join(
        world.workspace,
        environ={
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": github.api,
            "GITHUB_REPOSITORY": github.project,
            "GITHUB_REF_NAME": "main",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_TOKEN": github.token("robot"),
        },
    )
    assert found is not None
    return found


def address(world: World, kind: str) -> Address:
    stacks = world.workspace.ledger.recorded().stacks.values()
    return next(a for s in stacks for a in s.resources if a.type == kind)


def drifted(world: World, kind: str, path: str, before: Any, live: Any) -> Finding:
    return Finding(address(world, kind), "changed", (PropertyChange(path, before, live),))


def test_what_the_specs_can_say_is_adopted_in_a_pull_request(world: World, joined: Any, github: Any) -> None:
    found = [
        drifted(world, "trueup:serve:Service", "replicas", 1, 4),
        drifted(world, "trueup:data:Table", "quality.order", [], ["x"]),
        Finding(address(world, "trueup:serve:Gateway"), "gone"),
    ]
    before = (world.git("status", "--porcelain"), world.git("rev-parse", "HEAD"))
    left = adopting.adopt(world.workspace, joined, "dev", found)
    assert before == (world.git("status", "--porcelain"), world.git("rev-parse", "HEAD"))
    assert left == ("trueup:data:Table applications (changed: quality.order)", "trueup:serve:Gateway gateway (gone)")
    ((number, pull),) = github.pulls.items()
    assert (
        pull["title"] == "Adopt what runs in dev: Endpoint/credit/risk"
        and pull["head"]["ref"] == "trueup/adopt-drift-dev"
    )
    assert "spec.predictor.minReplicas" in pull["body"] and "quality.order" in pull["body"], pull["body"]
    head = world.git("ls-remote", "origin", "refs/heads/trueup/adopt-drift-dev").split()[0]
    assert world.git("diff", "--name-status", "main", head) == "A\trisk-as-it-runs-in-dev.yaml"
    again = adopting.adopt(world.workspace, joined, "dev", found)
    assert again == left and list(github.pulls) == [number], "the same pull request is brought up to date"
    world.git("merge", "-q", head)
    (step,) = (s for s in world.prepare(revision="HEAD").plan.steps if s.address.type == "trueup:serve:Service")
    assert [(c.path, c.desired) for c in step.changes] == [("replicas", 4)], "merged, the specs say what is live"


def test_a_moved_alias_is_adopted_as_a_pinned_version(world: World, joined: Any) -> None:
    found = adopting.proposed(
        world.workspace, world.tree("main"), "dev", [drifted(world, "trueup:registry:Alias", "version", 3, 2)]
    )
    ((path, data),) = found.files.items()
    assert path == "risk-as-it-runs-in-dev.yaml" and b"    version: 2\n" in data and found.adoption.left == ()


def test_what_comes_out_otherwise_is_not_proposed(world: World, joined: Any, github: Any) -> None:
    """Another overlay of the environment already says how many: two that disagree are an error."""
    world.write(
        "two.yaml",
        "apiVersion: trueup.dev/v1alpha1\nkind: Overlay\nmetadata: { name: two }\n"
        "spec: { target: { kind: Endpoint, name: risk }, environments: [dev], patch: { predictor: { minReplicas: 2 } } }\n",
    )
    world.commit("Two")
    world.git("push", "-q", "origin", "main")
    found = [drifted(world, "trueup:serve:Service", "replicas", 2, 4)]
    assert adopting.adopt(world.workspace, joined, "dev", found) == ("trueup:serve:Service risk (changed: replicas)",)
    assert not github.pulls and not world.git("ls-remote", "origin", "refs/heads/trueup/adopt*")


def test_the_loop_opens_it_once_and_an_issue_about_the_rest(
    world: World, joined: Any, github: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, gateway = address(world, "trueup:serve:Service"), address(world, "trueup:serve:Gateway")
    seen = {
        service: Seen(service, Live({}, {}), (PropertyChange("replicas", 1, 4),)),
        gateway: Seen(gateway, Live({}, {}), (PropertyChange("port", 1, 2),)),
    }
    monkeypatch.setattr(operating, "sight", lambda *_given: Sight(seen))
    workspace = world.workspace
    loop = Reconciler(workspace, "dev", Branch(workspace, "main"), forge=Asking(workspace, joined))
    for _ in range(2):
        assert loop.turn(look=True).error == ""
    assert [p["title"] for p in github.pulls.values()] == ["Adopt what runs in dev: Endpoint/credit/risk"]
    (issue,) = github.issues.values()
    assert issue["title"] == "Trueup: drift in dev" and "port" in issue["body"] and "replicas" not in issue["body"]


def test_without_a_forge_it_is_said(world: World, hub: Path) -> None:
    assert "no forge is named" in Asking(world.workspace).adopt("dev", ())
