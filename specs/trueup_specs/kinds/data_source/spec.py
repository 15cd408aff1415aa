"""`kind: DataSource`: where data comes from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trueup_specs.core.envelope import EnvValue, Scalar, SpecModel


class FileSource(SpecModel):
    """Files, local or remote."""

    url: str = Field(min_length=1)
    """A path relative to the workspace, or a URL that fsspec reads (`https://`, `s3://`, `gs://`, `abfs://`, `file://`)."""
    format: Literal["csv", "jsonl", "parquet"]
    options: dict[str, Scalar] = Field(default_factory=dict)
    """`csv`: `delimiter`, `header`, `encoding`, `nullValue`, `decimal`."""
    storage_options: dict[str, EnvValue] = Field(default_factory=dict)
    """Options of the fsspec filesystem, such as `endpoint_url`, `key`, `secret`."""


class SqlSource(SpecModel):
    """A query."""

    connection: EnvValue
    """A SQLAlchemy URL, as a rule by `secretRef`."""
    query: str = Field(min_length=1)
    cursor: str | None = None
    """A query whose single value changes when the data does: each apply asks it, and reads the source where the value is new.
    Without one, the source is read again only when its table is updated for another reason."""


class DataSourceSpec(SpecModel):
    """Where data comes from: exactly one of `file` and `sql`."""

    file: FileSource | None = None
    sql: SqlSource | None = None
    description: str = ""
