"""What stands before an estimator where a pipeline says nothing else: by what the columns hold. Used by `train` and `transform`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def sorts(frame: pd.DataFrame) -> dict[str, list[str]]:
    """The columns by what they hold: `numeric`, `boolean`, `categorical`, `time`."""
    from pandas.api import types

    found: dict[str, list[str]] = {"numeric": [], "boolean": [], "categorical": [], "time": []}
    for name in map(str, frame.columns):
        column = frame[name]
        if types.is_bool_dtype(column):
            found["boolean"].append(name)
        elif types.is_numeric_dtype(column):
            found["numeric"].append(name)
        elif types.is_datetime64_any_dtype(column):
            found["time"].append(name)
        else:
            found["categorical"].append(name)
    return found


def default(frame: pd.DataFrame) -> Any:
    """Numbers imputed by the median and scaled, texts imputed by the most frequent and one-hot encoded; times are left out."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    found = sorts(frame)
    parts = [
        ("numeric", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), found["numeric"]),
        ("boolean", "passthrough", found["boolean"]),
        (
            "categorical",
            make_pipeline(
                SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore", sparse_output=False)
            ),
            found["categorical"],
        ),
    ]
    return ColumnTransformer([p for p in parts if p[2]], verbose_feature_names_out=False)
