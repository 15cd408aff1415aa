"""The stand-in of Pulumi's Kubernetes provider, where it needs no cluster: quantities, differences, what replaces, who owns what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "providers"))
from kubernetes_stand_in import differences, normalizing, ownership, values


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        *(("1500m", "1500m"), ("1.5", "1500m"), (1.5, "1500m"), ("1000m", "1"), (2, "2"), ("2000", "2k"), ("0", "0")),
        *(
            ("1024Mi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("1500Mi", "1500Mi"),
            ("1Gi", "1Gi"),
            ("1e3", "1e3"),
            ("100M", "100M"),
        ),
        *(("not-a-quantity", "not-a-quantity"), (True, True)),
    ],
)
def test_a_quantity_is_written_as_the_api_server_writes_it(given: Any, canonical: Any) -> None:
    assert normalizing.quantity(given) == canonical


def test_inputs_are_normalised_where_amounts_stand_and_nowhere_else() -> None:
    container = {"name": "a", "image": "1.5", "resources": {"requests": {"cpu": "1.5"}, "limits": {"memory": "1024Mi"}}}
    found = normalizing.normalized(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "a", "uid": "1", "resourceVersion": "2"},
            "spec": {"template": {"spec": {"containers": [container]}}},
        }
    )
    assert found["metadata"] == {"name": "a"}
    (seen,) = found["spec"]["template"]["spec"]["containers"]
    assert seen["image"] == "1.5" and seen["resources"] == {"requests": {"cpu": "1500m"}, "limits": {"memory": "1Gi"}}


def test_the_texts_of_a_secret_are_its_data() -> None:
    found = normalizing.normalized(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "a"},
            "stringData": {"token": "x"},
            "data": {"b": "eQ=="},
        }
    )
    assert found["data"] == {"token": "eA==", "b": "eQ=="} and "stringData" not in found


def test_a_custom_resource_is_left_as_it_is() -> None:
    thing = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "spec": {"limits": {"cpu": "1.5"}}}
    assert normalizing.normalized(thing) == thing


def test_the_live_object_is_cut_to_the_shape_of_the_inputs_and_lists_by_position() -> None:
    live = {"spec": {"replicas": 3, "containers": [{"name": "a", "policy": "Always"}, {"name": "b"}]}, "status": {}}
    shape = {"spec": {"containers": [{"name": "x"}]}}
    assert differences.cut(live, shape) == {"spec": {"containers": [{"name": "a"}]}}


def test_changes_have_paths_kinds_and_whether_they_replace() -> None:
    old = {"metadata": {"name": "a", "labels": {"x.y/z": "1"}}, "spec": {"selector": {"m": {"a": "1"}}, "replicas": 1}}
    new = {"metadata": {"name": "a", "labels": {}}, "spec": {"selector": {"m": {"a": "2"}}, "paused": True}}
    found = differences.changes(old, new, ("spec.selector",))
    assert {k: v.name for k, v in found.items()} == {
        'metadata.labels["x.y/z"]': "DELETE",
        "spec.selector.m.a": "UPDATE_REPLACE",
        "spec.replicas": "DELETE",
        "spec.paused": "ADD",
    }


def test_what_is_empty_is_as_good_as_missing() -> None:
    assert differences.changes({"a": {}}, {"a": {"b": False, "c": "", "d": {}}}, ()) == {}


@pytest.mark.parametrize(
    ("thing", "mutable", "expected"),
    [
        ({"apiVersion": "v1", "kind": "Secret"}, frozenset(), ("type", "stringData", "data")),
        ({"apiVersion": "v1", "kind": "Secret"}, frozenset({"Secret"}), ()),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "immutable": True},
            frozenset({"ConfigMap"}),
            ("binaryData", "data"),
        ),
        ({"apiVersion": "apps/v1", "kind": "Deployment"}, frozenset(), ("spec.selector",)),
        ({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject"}, frozenset(), ()),
    ],
)
def test_the_content_of_a_secret_replaces_it_unless_it_is_mutable(
    thing: Any, mutable: frozenset[str], expected: tuple[str, ...]
) -> None:
    assert differences.replacing(thing, mutable) == expected


def test_another_name_or_a_whole_new_spec_with_a_selector_replaces() -> None:
    assert differences.changes({"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}, ())["metadata.name"].replaces
    assert differences.changes({}, {"spec": {"selector": {"a": "1"}}}, ("spec.selector",))["spec"].replaces


def test_field_trees_are_merged_and_conflicts_forced_only_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = {"f:a": {"f:b": {}}}, {"f:a": {"f:c": {}}, "f:d": {}}
    assert ownership.merged(one, two) == {"f:a": {"f:b": {}, "f:c": {}}, "f:d": {}}
    plain: dict[str, Any] = {"metadata": {}}
    monkeypatch.delenv("PULUMI_K8S_ENABLE_PATCH_FORCE", raising=False)
    assert not ownership.forced(plain, None, preview=False)
    assert ownership.forced(plain, None, preview=True)
    assert ownership.forced({"metadata": {"annotations": {ownership.FORCE: "true"}}}, plain, preview=False)
    monkeypatch.setenv("PULUMI_K8S_ENABLE_PATCH_FORCE", "true")
    assert ownership.forced(plain, plain, preview=False)


def test_secrets_keep_their_mark_on_the_wire_and_in_what_is_kept() -> None:
    given = {"spec": {"token": values.Hidden("s"), "plain": "p"}, "list": [values.Hidden("a")]}
    assert values.properties(values.struct(given)) == given
    kept = values.annotate({"spec": {"token": "s", "plain": "p"}, "list": ["a"]}, given)
    assert kept == {"spec": {"token": values.Hidden("s"), "plain": "p"}, "list": values.Hidden(["a"])}
    assert values.annotate({"kind": "Secret", "data": {"a": "b"}}, {})["data"] == values.Hidden({"a": "b"})
