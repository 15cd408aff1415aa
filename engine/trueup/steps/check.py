"""The built-in step `check`: rows judged by the dataset's contract, through pandera."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trueup.steps import frames
from trueup.steps.context import StepContext, StepError

if TYPE_CHECKING:
    import pandas as pd

_TYPES = {"string": "object", "integer": "int64", "number": "float64", "boolean": "bool"}
_COMPARED: tuple[tuple[str, str, Callable[[float, float], bool]], ...] = (
    ("mustBe", "be", lambda v, b: v == b),
    ("mustBeGreaterThan", "be more than", lambda v, b: v > b),
    ("mustBeGreaterOrEqualTo", "be at least", lambda v, b: v >= b),
    ("mustBeLessThan", "be less than", lambda v, b: v < b),
    ("mustBeLessOrEqualTo", "be at most", lambda v, b: v <= b),
)
SHOWN = 10


def run(context: StepContext) -> None:
    """Writes `data` (the same rows) and `report`. Raises StepError where a check of severity `error` does not hold."""
    name, described = frames.dataset(context)
    frame = frames.read(context.inputs["data"])
    found = [*_schema_results(frame, described), *_quality_results(frame, described)]
    errors = [r for r in found if not r["passed"] and r["severity"] == "error"]
    warnings = [r for r in found if not r["passed"] and r["severity"] == "warning"]
    frames.write_json({"dataset": name, "rows": len(frame), "checks": found}, context.outputs["report"])
    for metric, value in (("rows", len(frame)), ("errors", len(errors)), ("warnings", len(warnings))):
        context.log_metric(metric, value)
    if errors:
        lines = "\n".join(f"  - {e['text']}" for e in errors[:SHOWN])
        more = f"\n  - and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
        raise StepError(f"The rows do not keep the contract of {name!r}:\n{lines}{more}", final=True)
    frames.write(frame, context.outputs["data"])


def _schema_results(frame: pd.DataFrame, described: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One result for each failed check of a column, or one for all of them together."""
    from pandera.errors import SchemaErrors

    try:
        schema(described).validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        for (column, check), rows in cases.groupby(["column", "check"], dropna=False):
            values = ", ".join(repr(v) for v in rows["failure_case"].head(3))
            yield _result(f"Column {column!r} breaks {check}: {values} ({len(rows)} in all).", False)
        return
    yield _result(f"All {len(described['properties'])} columns keep their types and bounds.", True)


def schema(described: Mapping[str, Any]) -> Any:
    """The pandera schema of a dataset's columns."""
    import pandera.pandas as pandera

    return pandera.DataFrameSchema(
        {str(c["name"]): _column(c) for c in described["properties"]},
        strict=bool(described.get("strict")),
        coerce=False,
    )


def _column(column: Mapping[str, Any]) -> Any:
    import pandera.pandas as pandera

    options = column.get("logicalTypeOptions") or {}
    required = bool(column.get("required") or column.get("primaryKey"))
    kind = _TYPES.get(str(column["logicalType"]))
    if not required and kind in ("int64", "bool"):
        kind = None
    checks = [
        make(options[name])
        for name, make in (
            ("minimum", pandera.Check.ge),
            ("maximum", pandera.Check.le),
            ("exclusiveMinimum", pandera.Check.gt),
            ("exclusiveMaximum", pandera.Check.lt),
        )
        if options.get(name) is not None
    ]
    if options.get("pattern"):
        checks.append(pandera.Check.str_matches(f"^(?:{options['pattern']})$"))
    if options.get("minLength") is not None or options.get("maxLength") is not None:
        checks.append(pandera.Check.str_length(options.get("minLength"), options.get("maxLength")))
    return pandera.Column(kind, checks, nullable=not required, unique=bool(column.get("unique")), required=True)


def _quality_results(frame: pd.DataFrame, described: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for check in described.get("quality") or ():
        yield from _measured(check, frame, "the table")
    for column in described["properties"]:
        if column["name"] in frame.columns:
            for check in column.get("quality") or ():
                yield from _measured(check, frame[[column["name"]]], f"column {column['name']!r}")


def _measured(check: Mapping[str, Any], frame: pd.DataFrame, where: str) -> Iterator[dict[str, Any]]:
    number = _number(check, frame)
    percent = check.get("unit") == "percent"
    value = 100.0 * number / len(frame) if percent and len(frame) else float(number)
    for option, words, holds in _COMPARED:
        if check.get(option) is not None:
            text = (
                f"{check['metric']} of {where} must {words} {check[option]} and is {value:g}{' %' if percent else ''}."
            )
            yield _result(text, bool(holds(value, check[option])), str(check.get("severity") or "error"))


def _number(check: Mapping[str, Any], frame: pd.DataFrame) -> int:
    match check["metric"]:
        case "rowCount":
            return len(frame)
        case "duplicateValues":
            return int(frame.duplicated().sum())
        case "invalidValues":
            column = frame.iloc[:, 0]
            return int((column.notna() & ~column.isin(list(check.get("validValues") or ()))).sum())
    return int(frame.isna().any(axis=1).sum())


def _result(text: str, passed: bool, severity: str = "error") -> dict[str, Any]:
    return {"text": text, "passed": passed, "severity": severity}
