"""Tensors of the Open Inference Protocol as the columns of a frame, and answers as tensors. Called by `model`.

A request has one tensor for each column, of shape `[n]` or `[n, 1]`, in any of the protocol's types; `null` is a missing value. The frame
has the columns and types of the model's signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

DATATYPES = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
    "binary": "BYTES",
    "datetime": "BYTES",
}
"""MLflow's type of a column → the protocol's."""

_NUMBERS = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64"}


class TensorError(ValueError):
    """A request that cannot be read. A full sentence."""


def frame(tensors: Mapping[str, Sequence[Any]], shapes: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """The tensors side by side. Raises TensorError where lengths differ or one has several columns."""
    import pandas as pd

    columns = {name: _flat(name, values, shapes[name]) for name, values in tensors.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise TensorError(
            f"The inputs have different numbers of rows: {', '.join(f'{k} {v}' for k, v in lengths.items())}."
        )
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})


def _flat(name: str, values: Sequence[Any], shape: Sequence[int]) -> list[Any]:
    found = [v[0] if isinstance(v, list | tuple) and len(v) == 1 else v for v in values]
    if any(isinstance(v, list | tuple) for v in found) or (len(shape) > 1 and any(size != 1 for size in shape[1:])):
        raise TensorError(
            f"The input {name!r} has the shape {list(shape)}; a column has the shape [rows] or [rows, 1]."
        )
    if shape and shape[0] != len(found):
        raise TensorError(f"The input {name!r} says {shape[0]} rows and has {len(found)}.")
    return [v.decode() if isinstance(v, bytes) else v for v in found]


def typed(rows: pd.DataFrame, signature: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The signature's columns in its order and types, missing values as NaN. Raises TensorError for what does not fit."""
    import numpy as np
    import pandas as pd

    required = [str(c["name"]) for c in signature if c.get("required", True)]
    if absent := [name for name in required if name not in rows.columns]:
        raise TensorError(f"The request has no input {', '.join(absent)}; the model takes {', '.join(required)}.")
    found = {}
    for column in signature:
        name, kind = str(column["name"]), str(column["type"])
        values = rows[name] if name in rows.columns else pd.Series([None] * len(rows), index=rows.index, dtype=object)
        try:
            found[name] = _column(values, kind)
        except (ValueError, TypeError) as error:
            raise TensorError(f"The input {name!r} is not of the type {kind}: {error}.") from error
    result = pd.DataFrame(found, index=rows.index)
    for name in result.columns:
        if result[name].dtype == object:
            result[name] = result[name].where(result[name].notna(), np.nan)
    return result


def _column(values: pd.Series, kind: str) -> pd.Series:
    import numpy as np
    import pandas as pd

    if kind in _NUMBERS:
        numbers = pd.to_numeric(values.where(values.notna(), None))
        if numbers.isna().any():
            return numbers.astype("float64")
        if kind in ("integer", "long") and (numbers % 1 != 0).any():
            raise TensorError("it has fractions")
        return numbers.astype(np.dtype(_NUMBERS[kind]))
    if kind == "boolean":
        return values.astype(object) if values.isna().any() else values.astype(bool)
    if kind == "datetime":
        return pd.to_datetime(values)
    return values.map(lambda v: v if v is None or v != v else str(v)).astype(object)


def tensor(name: str, values: Any, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An answer as a tensor: numbers and booleans as such, anything else as text."""
    import numpy as np

    array = np.asarray(values)
    kinds = {"f": "FP64", "i": "INT64", "u": "INT64", "b": "BOOL"}
    datatype = kinds.get(array.dtype.kind, "BYTES")
    data = array.ravel().tolist()
    if datatype == "BYTES":
        data = [None if v is None else str(v) for v in data]
    found = {"name": name, "shape": list(array.shape), "datatype": datatype, "data": data}
    return {**found, "parameters": dict(parameters)} if parameters else found
