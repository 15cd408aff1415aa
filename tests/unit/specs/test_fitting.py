"""The quick look at the parameters of built-in steps never says that something fits which jsonschema refuses."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trueup_specs.core.fitting import fits
from trueup_specs.core.steps import BUILTIN, EXPRESSION, parameter_problems

WORDS = ("age", "numeric", "sklearn.svm.SVC", "accuracy", "drop", "", "a b", "${{ params.C }}", "x${{ params.C }}")
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-2, 200), st.floats(-2, 200), st.sampled_from(WORDS))


def values_of(schema: Any) -> st.SearchStrategy[Any]:
    """Values that are often right for a schema."""
    options = [values_of(option) for option in schema.get("oneOf", ())]
    options += [st.sampled_from(schema["enum"])] if "enum" in schema else []
    if schema.get("type") == "array":
        options.append(st.lists(values_of(schema.get("items", {})), max_size=3))
    if schema.get("type") == "object":
        fields = {name: values_of(inner) for name, inner in schema.get("properties", {}).items()}
        options.append(st.fixed_dictionaries({}, optional={**fields, "other": SCALARS}))
    return st.one_of(SCALARS, *options)


def is_open(value: object) -> bool:
    return isinstance(value, str) and EXPRESSION.fullmatch(value) is not None


@pytest.mark.parametrize("name", BUILTIN)
def test_what_fits_is_right_for_jsonschema(name: str) -> None:
    schema = BUILTIN[name].parameters
    seen = {True: 0, False: 0}

    @settings(max_examples=300, deadline=None)
    @given(values=st.dictionaries(st.just("other"), SCALARS) | values_of(schema))
    @example(values={})
    def check(values: Any) -> None:
        errors = jsonschema.Draft202012Validator(schema).iter_errors(values)
        right = not [e for e in errors if not is_open(e.instance)]
        known = fits(schema, values, is_open)
        assert right or not known
        seen[known] += 1

    check()
    assert seen[False], "some were refused"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("load", {"dataset": "orders"}),
        ("split", {"testSize": 0.25, "stratify": "status"}),
        ("split", {"testSize": "${{ params.share }}"}),
        ("train", {"estimator": "sklearn.svm.SVC", "params": {"C": "${{ params.C }}", "max_iter": 1000}}),
        ("transform", {"steps": [{"columns": "numeric", "use": ["sklearn.preprocessing.StandardScaler"]}]}),
        ("transform", {"steps": [{"columns": ["age"], "use": [{"transformer": "sklearn.a.B", "params": {}}]}]}),
    ],
)
def test_ordinary_parameters_are_told_to_fit(name: str, values: dict[str, Any]) -> None:
    assert fits(BUILTIN[name].parameters, values, is_open)
    assert not list(parameter_problems(name, values))
