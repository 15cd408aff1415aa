"""CEL expressions: right values, clear texts, and no bomb."""

from __future__ import annotations

import datetime
import resource
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup_specs.core import expressions
from trueup_specs.core.expressions import ExpressionError


def test_a_condition_over_nested_values() -> None:
    condition = expressions.compile("params.tune && steps.train.metrics.f1 > 0.8")
    assert condition.variables == {"params", "steps"}
    assert condition.holds({"params": {"tune": True}, "steps": {"train": {"metrics": {"f1": 0.81}}}})
    assert not condition.holds({"params": {"tune": True}, "steps": {"train": {"metrics": {"f1": 0.8}}}})


@given(st.integers(-(2**62), 2**62 - 1), st.integers(-(2**62), 2**62 - 1))
def test_comparison_is_pythons(a: int, b: int) -> None:
    assert expressions.compile("a < b").evaluate({"a": a, "b": b}) is (a < b)


def test_values_of_frames_and_tuples_are_taken() -> None:
    when = datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC)
    row = {"n": np.int64(3), "x": np.float64(2.5), "when": when, "tags": ("a", "b")}
    text = "row.n > 2 && row.x == 2.5 && row.when.getFullYear() == 2024 && 'b' in row.tags"
    assert expressions.compile(text).holds({"row": row})


def test_a_policy_over_a_plan() -> None:
    policy = expressions.compile("plan.steps.all(s, s.action != 'delete' || s.kind == 'Endpoint')", ["plan"])
    assert policy.holds(
        {"plan": {"steps": [{"action": "delete", "kind": "Endpoint"}, {"action": "create", "kind": "X"}]}}
    )
    assert not policy.holds({"plan": {"steps": [{"action": "delete", "kind": "Dataset"}]}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a >", "at line 1, column 4: Syntax error"),
        ("a and b", "column 3"),
        ("frobnicate(a)", "there is no function `frobnicate`"),
        ("1 + 'x'", "no matching overload"),
        ("(" * 400 + "1" + ")" * 400, "nests too deeply"),
        ("x" * 9000, "9000 characters"),
    ],
)
def test_mistakes_are_said_with_their_place(text: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said.replace("(", r"\(")):
        expressions.compile(text)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ExpressionError, match=r"`step`, which is not known here\. Did you mean `steps`"):
        expressions.compile("step.train.metrics.f1 > 1", ["params", "steps"])


@pytest.mark.parametrize(
    ("text", "variables", "said"),
    [
        ("a.b > 1", {"a": {}}, "Key not found"),
        ("a > 1", {}, "reads `a`, which is not there"),
        ("a > 1", {"a": None}, "test for `null` first"),
        ("a > 1", {"a": 2**80}, "out of range"),
        ("1 / a", {"a": 0}, "divide by zero"),
        ("l.all(x, l.all(y, l.all(z, true)))", {"l": list(range(200))}, "10,000 passes"),
    ],
)
def test_values_that_do_not_fit_are_said(text: str, variables: dict[str, object], said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        expressions.compile(text).evaluate(variables)


def test_a_condition_must_be_true_or_false() -> None:
    with pytest.raises(ExpressionError, match="must be true or false"):
        expressions.compile("a + 1").holds({"a": 1})
    assert not expressions.compile("1 + 1").may_be_boolean
    assert expressions.compile("a").may_be_boolean


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("['aaaaaaaaaaaaaaaa']" + ".map(a, a+a)" * 27 + ".size()", {}),
        ("v" + ".map(a, [a,a,a,a,a,a,a,a,a,a])" * 12 + " == v", {"v": [1]}),
        ("v.map(a, [" + ",".join(["a"] * 900) + "]).map(a, a + a + a)", {"v": ["x" * 100_000]}),
        ("+".join(["v"] * 25), {"v": "x" * 20_000_000}),
        ("v.matches('(x+x+)+y')", {"v": "x" * 50_000}),
        ("-" * 8000 + "1", {}),
    ],
)
def test_bombs_neither_take_time_nor_memory(text: str, variables: dict[str, object]) -> None:
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    try:
        expressions.compile(text).evaluate(variables)
    except ExpressionError as error:
        assert len(str(error)) < 10_000
    assert time.monotonic() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024
