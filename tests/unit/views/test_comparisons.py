"""What `trueup diff --live` prints: every object that differs, and of each its fields as they are and as the specs say."""

from __future__ import annotations

from trueup.plan.comparisons import CHANGE, CREATE, DELETE, KEEP, REFUSED, SAME, UNKNOWN, Difference
from trueup.plan.values import ABSENT, PropertyChange
from trueup.views import comparisons
from trueup_stacks.core.resources import Address, StackId

STACK = StackId("prod", "churn", "serving")
FIELDS = (
    PropertyChange("spec.replicas", 3, 2),
    PropertyChange("metadata.labels.cost", "a1", ABSENT),
    PropertyChange("spec.paused", ABSENT, True),
)
FOUND = (
    Difference(Address(STACK, "kubernetes:apps/v1:Deployment", "churn"), "Endpoint/churn/churn", CHANGE, FIELDS),
    Difference(
        Address(STACK, "kubernetes:core/v1:Service", "new"),
        "Endpoint/churn/new",
        CREATE,
        (PropertyChange("", ABSENT, {"kind": "Service"}),),
    ),
    Difference(Address(STACK, "kubernetes:core/v1:Service", "old"), "", DELETE),
    Difference(Address(STACK, "kubernetes:core/v1:Namespace", "old"), "", KEEP),
    Difference(Address(STACK, "kubernetes:core/v1:Service", "bad"), "Endpoint/churn/bad", REFUSED, detail="no port\nx"),
    Difference(Address(STACK, "kubernetes:core/v1:Service", "far"), "Endpoint/churn/far", UNKNOWN, detail="away"),
    Difference(Address(STACK, "kubernetes:core/v1:Service", "churn"), "Endpoint/churn/churn", SAME),
)


def test_each_object_has_a_sign_and_each_field_what_is_live_and_what_the_specs_say() -> None:
    assert comparisons.text("prod", FOUND) == (
        "~ prod.churn.serving  kubernetes:apps/v1:Deployment churn  (Endpoint/churn/churn)\n"
        "    ~ spec.replicas: 3 → 2\n"
        '    - metadata.labels.cost: "a1"\n'
        "    + spec.paused: true\n"
        "+ prod.churn.serving  kubernetes:core/v1:Service new  (Endpoint/churn/new): is not there\n"
        "- prod.churn.serving  kubernetes:core/v1:Service old: no document says it any more\n"
        "= prod.churn.serving  kubernetes:core/v1:Namespace old: no document says it any more, and it stays\n"
        "! prod.churn.serving  kubernetes:core/v1:Service bad  (Endpoint/churn/bad): no port\n"
        "? prod.churn.serving  kubernetes:core/v1:Service far  (Endpoint/churn/far): away\n"
        "6 objects of prod differ, 1 is as the specs say.\n"
    )


def test_of_several_clusters_each_object_says_which_it_is_on_also_where_its_stack_does_not() -> None:
    paris = Address(StackId("prod", "churn", "serving", "paris"), "kubernetes:core/v1:Service", "old")
    alias = Address(StackId("prod", "churn", "model"), "trueup:registry:Alias", "churn")
    found = (*FOUND[:1], Difference(paris, "", DELETE), Difference(alias, "", CREATE))
    clusters = {"": "frankfurt", "paris": "paris"}
    lines = [line for line in comparisons.text("prod", found, clusters).splitlines() if line[0] in "~-+"]
    assert [line.partition("  ")[2] for line in lines] == [
        "kubernetes:apps/v1:Deployment churn on frankfurt  (Endpoint/churn/churn)",
        "kubernetes:core/v1:Service old on paris: no document says it any more",
        "trueup:registry:Alias churn: is not there",
    ]
    assert [o["cluster"] for o in comparisons.as_json("prod", found, clusters)["objects"]] == ["frankfurt", "paris", ""]


def test_nothing_is_said_as_such() -> None:
    assert comparisons.text("prod", FOUND[-1:]) == "Nothing differs: of 1 object of prod, 1 is as the specs say.\n"


def test_machines_get_every_object() -> None:
    found = comparisons.as_json("prod", FOUND)["objects"]
    assert [o["what"] for o in found] == [CHANGE, CREATE, DELETE, KEEP, REFUSED, UNKNOWN, SAME]
    assert found[0]["changes"][0] == {"path": "spec.replicas", "live": 3, "desired": 2}
    assert found[0]["document"] == "Endpoint/churn/churn" and found[0]["resource"].endswith("Deployment::churn")
