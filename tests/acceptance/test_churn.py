"""The churn example: features read in training and online, two environments, promotion by version, approvals, saved plans, policies."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

IDS = ["C00001", "C00003", "C00021", "C07000"]


@pytest.fixture(scope="module")
def repository(make_repository: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The example, with a signing key for lena of growth, whose approval prod needs; applied to dev."""
    found = make_repository("churn")
    key = tmp_path_factory.mktemp("keys") / "lena"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lena", "-f", str(key)], check=True)
    found.edit("teams.yaml", "{ user: lena, email: lena@example.com }", signer("lena", key))
    found.edit(
        "environments.yaml", "  maxDeletes: 0.1\n", "  maxDeletes: 0.1\n  approvals: { required: 1, teams: [growth] }\n"
    )
    found.commit("Lena approves for prod")
    sign_with(found, key)
    found.trueup("apply", "dev", "--yes")
    return found


def signer(user: str, key: Path) -> str:
    return json.dumps(
        {"user": user, "email": f"{user}@example.com", "signingKeys": [key.with_suffix(".pub").read_text().strip()]}
    )


def sign_with(repository: Any, key: Path) -> None:
    repository.git("config", "gpg.format", "ssh")
    repository.git("config", "user.signingkey", str(key))


def ask_for(repository: Any, http: Any, environment: str, ids: list[str]) -> dict[str, list[Any]]:
    """Asks by customer id; the outputs by name."""
    base = repository.url(environment, "Endpoint/churn/churn") + "/v2/models/churn"
    body = {"inputs": [{"name": "customer_id", "datatype": "BYTES", "shape": [len(ids)], "data": ids}]}
    return {o["name"]: o["data"] for o in http(f"{base}/infer", body)["outputs"]}


def test_the_endpoint_answers_by_customer_id_with_features_read_online(repository: Any, http: Any) -> None:
    answers = ask_for(repository, http, "dev", IDS)
    labels = next(v for v in answers.values() if set(v) <= {"yes", "no"})
    assert len(labels) == len(IDS) and labels[0] != "", answers


def test_the_gate_judged_a_slice_too(repository: Any) -> None:
    recorded = repository.trueup("audit", "log", "--output", "json").out
    assert "finds-churners" in recorded and "new-customers" in recorded


def test_prod_waits_for_a_promotion_and_for_an_approval(repository: Any) -> None:
    assert "waits: no version" in repository.trueup("plan", "prod").err
    refused = repository.trueup("apply", "prod", "--yes", code=7)
    assert "trueup approve prod" in refused.err, refused.text


@pytest.mark.capability("model-management/transition-automation", by="trueup.workspace.promoting:promote")
def test_an_approved_promotion_brings_the_version_to_prod_and_trains_nothing(repository: Any, http: Any) -> None:
    runs = len(repository.trueup("runs", "--output", "json").json)
    checks = "    live: [{ metric: requests, min: 1000 }, { metric: errorRatio, max: 0.01 }]\n"
    repository.edit("churn/model.yaml", "    path: [dev, prod]\n", "    path: [dev, prod]\n" + checks)
    repository.edit("cluster.yaml", "path: [dev, cluster], mode: auto", "path: [dev, cluster], mode: auto, live: []")
    ask_for(repository, http, "dev", IDS)
    refused = repository.trueup("promote", "churn", "--to", "prod", code=7)
    assert "requests is" in refused.err and "at least 1000" in refused.err and "errorRatio" not in refused.err
    repository.edit("churn/model.yaml", "min: 1000", "min: 1")
    promoted = repository.trueup("promote", "churn", "--to", "prod")
    assert "version 1" in promoted.out, promoted.text
    repository.commit("Promote churn to prod")
    assert "denied" in repository.trueup("apply", "prod", "--yes", code=7).err
    approved = repository.trueup("approve", "prod", "--yes")
    assert "lena approved prod" in approved.out
    repository.trueup("apply", "prod", "--yes")
    assert len(repository.trueup("runs", "--output", "json").json) == runs
    assert ask_for(repository, http, "prod", IDS) == ask_for(repository, http, "dev", IDS)
    blame = repository.trueup("audit", "blame", "Model/churn", "--env", "prod").out
    assert "approved by: lena" in blame and "version in use: 1" in blame, blame


def test_prod_has_two_servers_behind_its_gateway(repository: Any) -> None:
    plan = repository.trueup("render", "prod", "--as", "json").out
    assert '"replicas": 2' in plan
    rows = repository.trueup("status", "prod", "--output", "json").json["resources"]
    assert {r["health"] for r in rows if r["document"] == "Endpoint/churn/churn"} == {"healthy"}


def test_a_saved_plan_is_refused_once_the_tree_or_a_policy_is_another(repository: Any, tmp_path: Path) -> None:
    repository.edit("churn/serving.yaml", "timeout: 10s", "timeout: 12s")
    repository.commit("A longer timeout")
    file = tmp_path / "plan.json"
    repository.trueup("plan", "dev", "--out", str(file))
    first = repository.git("rev-parse", "HEAD")
    (repository.folder / "customers" / "notes.yaml").write_text(
        "apiVersion: trueup.dev/v1alpha1\nkind: Entity\n"
        "metadata: { name: household, namespace: customers, owner: customer-data }\nspec: { joinKey: household_id }\n"
    )
    repository.commit("Another entity")
    stale = repository.trueup("apply", "dev", "--plan", str(file), "--yes", code=5)
    assert "tree" in stale.err, stale.text
    repository.git("reset", "-q", "--hard", first)
    repository.trueup("apply", "dev", "--plan", str(file), "--yes")
    again = repository.trueup("apply", "dev", "--plan", str(file), "--yes", code=None)
    assert again.code in (0, 5) and "Applied" not in again.out, again.text


def test_a_mandatory_policy_refuses_an_endpoint_without_an_owner(repository: Any) -> None:
    text = (repository.folder / "churn/serving.yaml").read_text()
    head, _, tail = text.partition("kind: Endpoint")
    (repository.folder / "churn/serving.yaml").write_text(
        head + "kind: Endpoint" + tail.replace("  owner: growth\n", "", 1)
    )
    repository.commit("Nobody owns it")
    refused = repository.trueup("apply", "dev", "--yes", code=7)
    assert "endpoints-have-owners" in refused.err and "nobody to call at night" in refused.err
    repository.git("reset", "-q", "--hard", "HEAD~1")
    assert repository.trueup("audit", "verify").code == 0
