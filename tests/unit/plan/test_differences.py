"""Differences between property trees: none of a thing with itself, one for what was inserted, the same seen from the other side."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trueup.plan.differences import differences
from trueup.plan.values import ABSENT, PropertyChange

KEYS = st.sampled_from(["name", "value", "a", "b", "$output"])
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["x", "y", ""]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=10,
    ),
    max_size=4,
)


def same(a: Any, b: Any) -> bool:
    """Equality that tells 1 from True."""
    return repr(a) == repr(b) or (a == b and not mixed(a, b))


def mixed(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return any(mixed(a[k], b[k]) for k in a.keys() & b.keys())
    if isinstance(a, list) and isinstance(b, list):
        return any(map(mixed, a, b))
    return isinstance(a, bool) != isinstance(b, bool)


@given(TREES)
def test_nothing_differs_from_itself(tree: dict[str, Any]) -> None:
    assert differences(tree, tree) == ()


@given(TREES, TREES)
def test_there_is_a_difference_exactly_where_two_are_not_the_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert (differences(a, b) == ()) == same(a, b)


@given(TREES, TREES)
def test_from_the_other_side_every_difference_is_turned_round(a: dict[str, Any], b: dict[str, Any]) -> None:
    there = {(c.path, repr(c.recorded), repr(c.desired)) for c in differences(a, b)}
    back = {(c.path, repr(c.desired), repr(c.recorded)) for c in differences(b, a)}
    assert there == back


def test_an_inserted_item_of_a_named_list_is_one_change() -> None:
    before = {"steps": [{"name": "load"}, {"name": "train", "C": 1}]}
    after = {"steps": [{"name": "load"}, {"name": "check"}, {"name": "train", "C": 1}]}
    assert differences(before, after) == (PropertyChange("steps[check]", ABSENT, {"name": "check"}),)


def test_a_change_inside_a_named_item_has_its_path() -> None:
    before = {"steps": [{"name": "train", "with": {"C": 1}}]}
    after = {"steps": [{"name": "train", "with": {"C": 2}}]}
    assert differences(before, after) == (PropertyChange("steps[train].with.C", 1, 2),)


def test_another_order_of_a_named_list_is_a_change() -> None:
    before, after = ({"steps": [{"name": n} for n in names]} for names in ("ab", "ba"))
    assert [c.path for c in differences(before, after)] == ["steps.order"]


def test_a_symbol_changes_as_a_whole() -> None:
    old, new = ({"version": {"$output": {"of": "x", "property": "v", "fingerprint": f}}} for f in "ab")
    assert [c.path for c in differences(old, new)] == ["version"]
