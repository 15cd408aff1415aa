"""What people put into a live object by hand: found by its owner, wherever it stands, and nothing that others may set."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.observe.ownership import intruders

APPLIED = {
    "metadata": {"name": "churn", "labels": {"app": "churn"}},
    "spec": {
        "selector": {"matchLabels": {"app": "churn"}},
        "template": {"spec": {"containers": [{"name": "predictor", "image": "a", "ports": [{"containerPort": 8080}]}]}},
    },
}


def live(spec: dict[str, Any], by_hand: dict[str, Any], manager: str = "kubectl-edit", subresource: str = "") -> Any:
    """The live object after somebody changed it."""
    entry = {"manager": manager, "operation": "Update", "fieldsV1": by_hand, "subresource": subresource}
    ours = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"predictor"}': {".": {}, "f:name": {}}}}}}}
    managed = [{"manager": "pulumi-kubernetes-1", "operation": "Apply", "fieldsV1": ours}, entry]
    return {"metadata": {"name": "churn", "managedFields": managed}, "spec": spec}


def pods(**inside: Any) -> dict[str, Any]:
    return {"replicas": 3, "template": {"metadata": {"annotations": {"a": "b"}}, "spec": inside}}


PREDICTOR = {"name": "predictor", "image": "b", "ports": [{"containerPort": 8080, "protocol": "TCP"}]}
TWO = {'k:{"name":"debug"}': {".": {}, "f:name": {}}, 'k:{"name":"other"}': {".": {}, "f:name": {}}}


def test_an_extra_container_is_found_and_the_last_is_taken_out_first() -> None:
    spec = pods(containers=[PREDICTOR, {"name": "debug", "image": "x"}, {"name": "other", "image": "y"}])
    found = intruders(live(spec, {"f:spec": {"f:template": {"f:spec": {"f:containers": TWO}}}}), APPLIED)
    assert [(i.path, i.pointer) for i in found] == [
        ("spec.template.spec.containers[other]", "/spec/template/spec/containers/2"),
        ("spec.template.spec.containers[debug]", "/spec/template/spec/containers/1"),
    ]
    assert found[1].value == {"name": "debug", "image": "x"}


def test_a_field_that_git_does_not_name_is_found_whole() -> None:
    spec = pods(containers=[PREDICTOR], hostNetwork=True)
    found = intruders(live(spec, {"f:spec": {"f:template": {"f:spec": {"f:hostNetwork": {}}}}}), APPLIED)
    assert [(i.path, i.value) for i in found] == [("spec.template.spec.hostNetwork", True)]


@pytest.mark.parametrize(
    "by_hand",
    [
        {"f:spec": {"f:replicas": {}}},
        {"f:metadata": {"f:labels": {"f:mine": {}}, "f:annotations": {"f:note": {}}}},
        {"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}}},
        {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"predictor"}': {"f:image": {}}}}}}},
        {
            "f:spec": {
                "f:template": {
                    "f:spec": {
                        "f:containers": {
                            'k:{"name":"predictor"}': {
                                "f:ports": {
                                    'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}
                                }
                            }
                        }
                    }
                }
            }
        },
    ],
    ids=["replicas", "labels", "a restart", "a field that git names", "a port by its default protocol"],
)
def test_what_others_may_set_and_what_git_names_are_no_intruders(by_hand: dict[str, Any]) -> None:
    spec = pods(containers=[PREDICTOR])
    assert intruders(live(spec, by_hand), APPLIED) == ()


@pytest.mark.parametrize(
    ("manager", "subresource"), [("kube-controller-manager", ""), ("vpa-updater", ""), ("kubectl", "scale")]
)
def test_controllers_and_subresources_are_left_alone(manager: str, subresource: str) -> None:
    spec = pods(containers=[PREDICTOR], hostNetwork=True)
    by_hand = {"f:spec": {"f:template": {"f:spec": {"f:hostNetwork": {}}}}}
    assert intruders(live(spec, by_hand, manager, subresource), APPLIED) == ()


def test_what_another_manager_owns_too_is_its_own() -> None:
    spec = pods(containers=[PREDICTOR], hostNetwork=True)
    found = live(spec, {"f:spec": {"f:template": {"f:spec": {"f:hostNetwork": {}}}}})
    second = {**found["metadata"]["managedFields"][1], "manager": "argocd"}
    found["metadata"]["managedFields"].append(second)
    assert intruders(found, APPLIED) == ()
