"""The quickstart from its YAML to predictions, and what its users do next. One repository, in the order of a week's work."""

from __future__ import annotations

import csv
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def repository(make_repository: Callable[[str], Any]) -> Any:
    """The quickstart, applied once."""
    found = make_repository("quickstart")
    done = found.trueup("apply", "dev", "--yes")
    assert "Applied dev" in done.out, done.text
    return found


def rows(repository: Any, count: int) -> list[dict[str, str]]:
    with (repository.folder / "data/credit.csv").open(encoding="utf-8", newline="") as stream:
        return [row for row, _ in zip(csv.DictReader(stream), range(count), strict=False)]


def body(described: Any, found: list[dict[str, str]]) -> dict[str, Any]:
    """Rows of the data as a request of the Open Inference Protocol."""

    def value(text: str, numeric: bool) -> Any:
        return (float(text) if text else None) if numeric else (text or None)

    return {
        "inputs": [
            {
                "name": f["name"],
                "datatype": f["datatype"],
                "shape": [len(found)],
                "data": [value(r[f["name"]], f["datatype"].startswith(("INT", "FP"))) for r in found],
            }
            for f in described["inputs"]
        ]
    }


def predict(repository: Any, http: Any, count: int = 20) -> list[Any]:
    """The model's answers through the gateway."""
    base = repository.url("dev", "Endpoint/credit/risk") + "/v2/models/risk"
    answer = http(f"{base}/infer", body(http(base), rows(repository, count)))
    return next(o["data"] for o in answer["outputs"] if o["datatype"] == "BYTES" or "predict" in o["name"])


def served(repository: Any) -> list[psutil.Process]:
    """The model server processes of this repository."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if str(repository.state) in line and "supervisord" not in line and "services" in line:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_the_first_apply_trains_registers_serves_and_records(repository: Any, http: Any) -> None:
    given = predict(repository, http)
    actual = [r["status"] for r in rows(repository, 20)]
    assert len(given) == 20 and set(given) <= {"good", "bad"}
    assert sum(a == b for a, b in zip(given, actual, strict=True)) >= 12
    log = repository.trueup("audit", "log").out
    assert "applied" in log and "dev" in log
    assert repository.trueup("audit", "verify").code == 0
    assert repository.git("status", "--porcelain") == ""


def test_a_second_apply_has_nothing_to_do_and_starts_no_pulumi(repository: Any, tmp_path: Path) -> None:
    witness = tmp_path / "started"
    fake = tmp_path / "pulumi"
    fake.write_text(f"#!/bin/sh\ntouch {witness}\nexit 1\n")
    fake.chmod(0o755)
    repository.variables["TRUEUP_PULUMI"] = str(fake)
    try:
        done = repository.trueup("apply", "dev", "--yes")
    finally:
        del repository.variables["TRUEUP_PULUMI"]
    assert "Nothing to do" in done.out and not witness.exists()


def test_a_comment_plans_nothing(repository: Any) -> None:
    repository.edit("model.yaml", "kind: Pipeline\n", "kind: Pipeline  # trains the model\n")
    repository.commit("A comment")
    assert repository.steps("dev") == {}


def test_an_owner_is_metadata_only(repository: Any) -> None:
    repository.edit("endpoint.yaml", "  name: risk\nspec:", "  name: risk\n  labels: { tier: gold }\nspec:")
    plan = repository.trueup("plan", "dev", "--output", "json").json
    assert {s["category"] for s in plan["steps"]} == {"metadata"} and plan["evidence"]["runs"] == []
    repository.git("checkout", "-q", ".")


def test_a_training_parameter_plans_a_run_a_version_and_the_endpoint_by_name(repository: Any) -> None:
    repository.edit("model.yaml", "default: 1.0", "default: 0.9")
    plan = repository.trueup("plan", "dev", "--output", "json").json
    assert [name for name, _ in plan["evidence"]["runs"]] == ["Model/credit/risk"]
    assert "Endpoint/credit/risk" in plan["evidence"]["downstream"]
    steps = repository.steps("dev")
    assert steps["trueup:run:Run risk"] == "update" and steps["trueup:serve:Service risk"] == "update"
    assert "trueup:data:Table applications" not in steps
    repository.git("checkout", "-q", ".")


def test_an_added_column_is_non_breaking_and_a_removed_one_that_is_used_is_an_error(repository: Any) -> None:
    repository.edit("data.yaml", "  quality:\n", "      - { name: note, logicalType: string }\n  quality:\n")
    plan = repository.trueup("plan", "dev", "--output", "json").json
    assert {s["category"] for s in plan["steps"]} == {"non-breaking"} and plan["evidence"]["runs"] == []
    repository.git("checkout", "-q", ".")
    repository.edit("data.yaml", "      - { name: records, logicalType: string, required: true }\n", "")
    refused = repository.trueup("plan", "dev", code=4)
    assert "records" in refused.err and "Model/credit/risk" in refused.err
    repository.git("checkout", "-q", ".")


def test_a_worse_model_is_held_and_is_not_trained_again(repository: Any, http: Any) -> None:
    before = predict(repository, http, 200)
    repository.edit("model.yaml", "default: 1.0", "default: 0.000001")
    repository.commit("Far too much regularisation")
    held = repository.trueup("apply", "dev", "--yes", code=8)
    assert "HELD" in held.out and "roc_auc" in held.out, held.text
    assert predict(repository, http, 200) == before
    shown = repository.trueup("audit", "log", "--output", "json").out
    assert '"held"' in shown
    runs = len(repository.trueup("runs", "dev", "--output", "json").json)
    again = repository.trueup("apply", "dev", "--yes")
    assert "Nothing to do" in again.out and "HELD" in again.out
    assert len(repository.trueup("runs", "dev", "--output", "json").json) == runs
    repository.git("revert", "--no-edit", "HEAD")
    repository.trueup("apply", "dev", "--yes")
    assert len(repository.trueup("runs", "dev", "--output", "json").json) == runs, "an old fingerprint is trained again"


def test_a_killed_server_comes_back_by_itself(repository: Any, http: Any) -> None:
    killed = served(repository)
    assert killed
    for process in killed:
        process.kill()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            assert len(predict(repository, http, 5)) == 5
            break
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    else:
        pytest.fail("the server did not come back")
    assert {p.pid for p in served(repository)}.isdisjoint({p.pid for p in killed})


def test_each_drift_is_named_and_healed_without_an_approval(repository: Any, http: Any) -> None:
    move_alias(repository)
    edit_table(repository)
    kill_supervisor(repository)
    named = repository.trueup("drift", "dev").out
    assert "trueup:registry:Alias risk-champion" in named and "version: applied 1, live 2" in named.replace("'", ""), (
        named
    )
    assert "trueup:data:Table applications" in named and "trueup:serve:Service risk" in named, named
    compared = {
        o["resource"]: o for o in repository.trueup("diff", "dev", "--live", "--output", "json").json["objects"]
    }
    (champion,) = (o for name, o in compared.items() if name.endswith("Alias::risk-champion"))
    assert {c["path"]: (int(c["live"]), c["desired"]) for c in champion["changes"]} == {"version": (2, 1)}
    assert {o["what"] for o in compared.values()} >= {"same", "change"}, compared
    healed = repository.trueup("apply", "dev", "--yes")
    assert "Applied dev" in healed.out, healed.text
    assert "No drift" in repository.trueup("drift", "dev").out
    assert len(predict(repository, http, 5)) == 5
    assert "Nothing to do" in repository.trueup("apply", "dev", "--yes").out


def move_alias(repository: Any) -> None:
    """Someone points the champion at the version that was held."""
    import mlflow

    uri = f"sqlite:///{repository.home}/registry/mlflow.db"
    client = mlflow.MlflowClient(uri, registry_uri=uri)  # another test of this process may have set one for all
    client.set_registered_model_alias("credit.risk", "dev-champion", "2")


def edit_table(repository: Any) -> None:
    """Someone deletes rows."""
    from deltalake import DeltaTable

    (table,) = repository.home.glob("dev/tables/credit/applications")
    DeltaTable(table).delete("age > 60")


def kill_supervisor(repository: Any) -> None:
    """The supervisor and its servers die, as in a reboot."""
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if str(repository.state) in line and "/services/" in line:
                process.kill()
        except psutil.Error:
            continue


@pytest.mark.capability("model-development/rollback-mechanisms", by="trueup.workspace.operating:pin")
def test_a_rollback_pins_the_environment_and_trains_nothing(repository: Any, http: Any) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.edit("model.yaml", "max_iter: 1000", "max_iter: 2000")
    repository.commit("More iterations")
    repository.trueup("apply", "dev", "--yes", code=None)
    runs = len(repository.trueup("runs", "dev", "--output", "json").json)
    repository.trueup("rollback", "dev", "--to", first, "--why", "a test of it", "--yes")
    assert len(repository.trueup("runs", "dev", "--output", "json").json) == runs
    assert "pinned" in repository.trueup("plan", "dev").err
    assert "Nothing to do" in repository.trueup("apply", "dev", "--yes").out
    assert "a test of it" in repository.trueup("audit", "log", "--output", "json").out
    repository.trueup("rollback", "dev", "--lift")
    repository.git("revert", "--no-edit", "HEAD")
    repository.trueup("apply", "dev", "--yes")
    assert len(predict(repository, http, 5)) == 5


def test_down_stops_the_servers_and_up_starts_them(repository: Any, http: Any) -> None:
    url = repository.url("dev", "Endpoint/credit/risk")
    repository.trueup("down", "dev")
    assert not served(repository)
    with pytest.raises((urllib.error.URLError, OSError)):
        http(f"{url}/v2/models/risk", timeout=2)
    repository.trueup("up", "dev")
    assert len(predict(repository, http, 5)) == 5
    assert repository.steps("dev") == {}


def test_a_route_changed_by_hand_is_named_and_healed(repository: Any, http: Any) -> None:
    changed = 0
    for file in repository.home.glob("dev/gateways/**/*"):
        if (
            file.is_file()
            and "logs" not in file.parts
            and b"/risk" in (data := file.read_bytes())
            and b"virtual_hosts" in data
        ):
            fresh = file.with_name(file.name + ".new")
            fresh.write_bytes(data.replace(b"/risk", b"/riks"))
            fresh.replace(file)
            changed += 1
    assert changed, "the gateway's routes are in no file"
    named = repository.trueup("drift", "dev").out
    assert "trueup:serve:Gateway gateway" in named and "riks" in named, named
    repository.trueup("apply", "dev", "--yes")
    assert "No drift" in repository.trueup("drift", "dev").out
    assert len(predict(repository, http, 5)) == 5


def test_a_renamed_dataset_keeps_its_data(repository: Any) -> None:
    log = repository.home / "dev/tables/credit/applications/_delta_log"
    before = sorted(p.name for p in log.glob("*.json"))
    repository.edit("data.yaml", "  name: applications\n", "  name: requests\n  movedFrom: applications\n")
    model = repository.folder / "model.yaml"
    model.write_text(model.read_text().replace("dataset: applications", "dataset: requests"))
    repository.commit("Rename the dataset")
    assert repository.steps("dev")["trueup:data:Table requests"] == "move"
    repository.trueup("apply", "dev", "--yes")
    assert sorted(p.name for p in log.glob("*.json")) == before
    assert "Dataset/credit/requests" in repository.trueup("status", "dev").out
    assert "Nothing to do" in repository.trueup("apply", "dev", "--yes").out


def test_a_dirty_tree_is_refused(repository: Any) -> None:
    before = repository.trueup("audit", "log", "--output", "json").out
    repository.edit("endpoint.yaml", "timeout: 10s", "timeout: 11s")
    refused = repository.trueup("apply", "dev", "--yes", code=7)
    assert "not committed" in refused.err and "allowDirty" in refused.err
    assert repository.trueup("audit", "log", "--output", "json").out == before, "what no commit holds is not recorded"
    repository.git("checkout", "-q", ".")


def test_a_wrong_spec_says_where(repository: Any) -> None:
    repository.edit("endpoint.yaml", "minReplicas", "minReplica")
    refused = repository.trueup("apply", "dev", "--yes", code=4)
    assert "endpoint.yaml:9:5" in refused.err and "minReplicas" in refused.err, refused.text
    repository.git("checkout", "-q", ".")


def test_destroy_keeps_what_holds_data_and_leaves_no_process(repository: Any) -> None:
    repository.trueup("destroy", "dev", "--yes", "--why", "the end")
    assert not served(repository)
    assert list(repository.home.glob("dev/tables/*/applications/_delta_log/*.json"))
    assert "Nothing is applied" in repository.trueup("status", "dev").out
    assert repository.trueup("audit", "verify").code == 0
