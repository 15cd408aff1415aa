"""The quickstart applied to `dev`, which wants approvals of the team, whose members have SSH keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "plan"))
from trueup_test_world import World

from trueup.approve import approvals, seals
from trueup.record.events import Event, EventKind
from trueup.record.updates import ApprovalUpdate
from trueup.workspace.permitting import teams_of

TEAM = """\
apiVersion: trueup.dev/v1alpha1
kind: Team
metadata: { name: credit }
spec:
  owns: [credit]
  members:
    - { user: ada, email: ada@example.com, signingKeys: ["ADA"] }
    - { user: bea, email: bea@example.com, signingKeys: ["BEA"] }
    - { user: cem, email: cem@example.com, signingKeys: ["CEM"] }
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n[gpg]\n\tformat = ssh\n")
    for name in [n for n in os.environ if n.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An ed25519 key for each person, and one of nobody's."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ada", "bea", "cem", "mallory"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True
        )
    return {p.stem: p for p in folder.glob("*.pub")}


@pytest.fixture
def world(tmp_path: Path, keys: dict[str, Path]) -> World:
    """Applied once; from then on one approval is required."""
    made = World(tmp_path / "credit")
    team = TEAM
    for name in ("ada", "bea", "cem"):
        team = team.replace(name.upper(), keys[name].read_text().strip())
    made.write("teams.yaml", team)
    made.apply()
    made.edit(
        "environments.yaml", "  target: local\n", "  target: local\n  approvals: { required: 1, teams: [credit] }\n"
    )
    made.commit("One approval is required")
    made.apply()
    return made


@pytest.fixture
def approve(world: World, keys: dict[str, Path]) -> Callable[..., seals.Approval]:
    """Approves what is planned of a revision, as someone, into the ledger."""

    def given(who: str, revision: str = "") -> seals.Approval:
        world.git("config", "user.signingKey", str(keys[who]))
        prepared = world.prepare(revision=revision)
        approval = approvals.sign(world.folder, prepared.plan, teams_of(prepared))
        if approval is not None:
            update = ApprovalUpdate("dev", approval.id, seals.form(approval))
            event = Event(EventKind.APPROVED, "dev", prepared.plan.commit, approvals=(approval.id,))
            world.workspace.ledger.append(event, update)
        return approval

    return given
