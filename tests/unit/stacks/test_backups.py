"""A BackupPolicy on each target: the Schedule that Velero reads, what is refused at plan and why, and what several clusters have of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from trueup_test_crds import Crds
from trueup_test_scenes import catalog, compiled, scene, with_spec

from trueup.approve import policies
from trueup.compile.compilation import Compilation, compile_catalog
from trueup.plan.values import Plan
from trueup.resolve.catalog import Catalog
from trueup.validate.validation import Places, judged, parse
from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Resource, encode
from trueup_stacks.kubernetes.backups import go_duration

IMAGE = f"example.com/steps@sha256:{'0' * 64}"
NIGHTLY: Mapping[str, Any] = {"schedule": {"cron": "0 3 * * *"}}
STARTER = Path(__file__).resolve().parents[3] / "engine/trueup/workspace/policies/starter.yaml"


def given(policy: Mapping[str, Any], namespace: str = "churn", **environment: Any) -> Catalog:
    """An environment with one pipeline that becomes something on the cluster, and a policy."""
    settings = {
        "target": "kubernetes",
        "cluster": {"components": ["velero"]},
        "runner": {"type": "jobs"},
        **environment,
    }
    written: dict[str, Any] = {
        "Environment/prod": settings,
        "Pipeline/churn/train": {"image": IMAGE, "steps": [{"name": "all", "run": ["true"]}]},
        f"BackupPolicy/{namespace}/nightly": policy,
    }
    return catalog({Key.parse(k): v for k, v in written.items()})


def schedules(compilation: Compilation) -> list[Resource]:
    return [r for r in compilation.resources() if r.address.type == "kubernetes:velero.io/v1:Schedule"]


def template(policy: Mapping[str, Any], **environment: Any) -> Any:
    compilation = compile_catalog(given(policy, **environment))
    assert compilation.diagnostics == ()
    (found,) = schedules(compilation)
    return encode(found.properties["spec"]["template"])


@pytest.mark.capability("infrastructure/backup-strategies", by="trueup_stacks.kubernetes.backups:_template")
def test_the_namespaces_of_a_policy_are_backed_up_with_what_it_says_of_their_volumes() -> None:
    assert template(NIGHTLY) == {"includedNamespaces": ["churn"], "ttl": "720h0m0s"}
    beside = {"includedNamespaces": ["churn"], "clusterNamespaces": ["databases"], "snapshotVolumes": True, "ttl": "7d"}
    assert template({**NIGHTLY, **beside}, cluster={"components": ["velero"], "namespacePrefix": "p-"}) == {
        "includedNamespaces": ["p-churn", "databases"],
        "snapshotVolumes": True,
        "ttl": "168h0m0s",
    }
    assert template({**NIGHTLY, "clusterNamespaces": ["databases"]})["includedNamespaces"] == ["databases"]


def test_every_schedule_is_one_that_veleros_schema_allows(schemas: Crds) -> None:
    found = [*schedules(compiled("backups")), *schedules(compiled("clusters"))]
    assert len(found) == 2 + 3
    assert {str(r.address): wrong for r in found if (wrong := schemas.mistakes(r))} == {}


def test_a_time_zone_is_written_as_velero_takes_it_and_utc_is_its_own() -> None:
    found = {r.address.name: r.properties["spec"]["schedule"] for r in schedules(compiled("backups"))}
    assert found == {"nightly": "CRON_TZ=Europe/Berlin 30 2 * * *", "hourly": "0 * * * *"}


def test_a_schedule_stands_in_veleros_namespace_under_a_name_of_its_own_and_waits_for_nothing() -> None:
    (hourly,) = (r for r in schedules(compiled("backups")) if r.address.name == "hourly")
    metadata = hourly.properties["metadata"]
    assert (metadata["namespace"], metadata["name"]) == ("backups", "prod-shared-hourly")
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "trueup"
    assert metadata["annotations"]["trueup/document"] == "BackupPolicy/shared/hourly"
    assert hourly.depends_on == ()
    assert str(hourly.address.stack) == "prod.shared.foundation"


def test_each_cluster_backs_up_what_it_has_under_a_name_that_says_where() -> None:
    found = {r.address.stack.cluster: r for r in schedules(compiled("clusters"))}
    names = {c: r.properties["spec"]["template"]["includedNamespaces"] for c, r in found.items()}
    assert names == {"": ["prod-churn", "prod-shared"], "virginia": ["churn", "shared"], "paris": ["churn"]}
    assert {c: r.properties["metadata"]["name"] for c, r in found.items()} == {
        "": "prod-shared-nightly",
        "virginia": "virginia-shared-nightly",
        "paris": "paris-shared-nightly",
    }


def test_a_cluster_that_has_nothing_of_a_policys_namespaces_is_named_in_a_note() -> None:
    before = scene("clusters")
    key = Key("BackupPolicy", "shared", "nightly")
    spec = before.documents[key].spec.model_copy(update={"included_namespaces": ()})
    compilation = compile_catalog(with_spec(before, key, spec))
    assert {r.address.stack.cluster for r in schedules(compilation)} == {"", "virginia"}
    (note,) = compilation.diagnostics
    assert note.severity is Severity.NOTE and "the cluster 'paris' has nothing of its namespaces" in note.summary


@pytest.mark.parametrize(
    ("policy", "namespace", "environment", "reason", "fix"),
    [
        (NIGHTLY, "churn", {"cluster": {}}, "backups are made by Velero", "Helm chart vmware-tanzu/velero"),
        (NIGHTLY, "empty", {}, "nothing of the namespace 'empty' becomes an object", "(churn)"),
        ({**NIGHTLY, "includedNamespaces": ["churn"]}, "n" * 60, {}, "63 characters at most", "movedFrom"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_reason(
    policy: Any, namespace: str, environment: Any, reason: str, fix: str
) -> None:
    compilation = compile_catalog(given(policy, namespace, **environment))
    (said,) = compilation.diagnostics
    assert said.code == "TRU2006" and reason in said.summary and fix in (said.fix or "")
    assert schedules(compilation) == []


@pytest.mark.parametrize(("target", "reason"), [("local", "this machine"), ("aws", "former versions")])
def test_other_targets_refuse_it_with_the_reason(target: str, reason: str) -> None:
    written = {Key.parse("Environment/prod"): {"target": target}, Key.parse("BackupPolicy/churn/nightly"): NIGHTLY}
    (said,) = compile_catalog(catalog(written)).diagnostics
    assert said.code == "TRU2004" and said.severity is Severity.ERROR
    assert f"the target {target!r} does not support the kind BackupPolicy: Velero" in said.summary
    assert reason in said.summary


def verdicts(environment: str, policy: Mapping[str, Any]) -> list[bool]:
    """What the starter policy on backups says of one."""
    found = judged({"s": parse("s", STARTER.read_bytes(), "default")}, Places({}.get), frozenset())
    rules = [d for d in found.documents if d.key.name == "backups-keep-an-objective"]
    documents = given(policy).documents.values()
    plan = Plan("shop", environment, "", "", (), ())
    return [v.allowed for v in policies.judge(rules, documents, (), plan, environment)]


def test_the_starter_policy_on_backups_is_satisfied_by_one_with_an_objective() -> None:
    kept = {**NIGHTLY, "recoveryPointObjective": "26h"}
    assert verdicts("prod", kept) == [True]
    assert verdicts("prod", NIGHTLY) == [False] and verdicts("dev", NIGHTLY) == [True]
    assert verdicts("prod", {**kept, "paused": True}) == [False]


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        ("30d", "720h0m0s"),
        ("90m", "1h30m0s"),
        ("2m", "2m0s"),
        ("30s", "30s"),
        ("500ms", "500ms"),
        ("10s250ms", "10.25s"),
        ("1m100ms", "1m0.1s"),
    ],
)
def test_lengths_of_time_are_written_as_go_writes_them(duration: str, text: str) -> None:
    assert go_duration(duration) == text
