"""Rules of `kind: DataSource` (TRU1310 to TRU1349)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.positions import Path
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule
from trueup_specs.kinds.data_source.spec import DataSourceSpec
from trueup_specs.kinds.envelope.paths import is_file, outside, suggestion
from trueup_specs.kinds.envelope.words import instead

_SCHEMES = (
    "https",
    "http",
    "s3",
    "s3a",
    "gs",
    "gcs",
    "abfs",
    "abfss",
    "az",
    "adl",
    "file",
    "ftp",
    "sftp",
    "hdfs",
    "memory",
)
_OPTIONS = {
    "csv": ("delimiter", "header", "encoding", "nullValue", "decimal"),
    "jsonl": ("encoding",),
    "parquet": (),
}
_SUFFIXES = {
    "csv": ("csv", "tsv", "txt"),
    "jsonl": ("jsonl", "ndjson", "json"),
    "parquet": ("parquet", "pq"),
}
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
_SECRET = re.compile(
    r"(?:secret|password|passwd|token|credential|connection_string|(?:account|access|api|shared)_?key|^key$)", re.I
)
_STATEMENT = re.compile(r"^\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\(*\s*(\w+)", re.S)
_QUERIES = frozenset({"select", "with", "values", "table", "from", "show", "describe", "pragma"})
_FILE = """
    # files: data/raw.csv
    kind: DataSource
    metadata: {name: raw}
    spec: {file: {url: data/raw.csv, format: csv, options: {delimiter: ";"}}}
    """
_SQL = """
    kind: Environment
    metadata: {name: dev}
    spec: {secretStores: [{name: vars, type: env}]}
    ---
    kind: DataSource
    metadata: {name: raw}
    spec: {sql: {connection: {secretRef: {store: vars, name: SHOP_URL}}, query: SELECT * FROM customers}}
    """


class FileOrSql(SpecRule[DataSourceSpec]):
    """A source must have exactly one of `file` and `sql`."""

    code = "TRU1310"
    reason = "It could not be told what to read."
    good = _FILE
    bad = """
        kind: DataSource
        metadata: {name: raw}
        #                ^
        spec: {description: Nothing.}
        """

    def find(self, spec: DataSourceSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.file is None and spec.sql is None:
            yield Finding(
                ("metadata", "name"),
                f"{document.key} reads nothing: it has neither `file` nor `sql`.",
                fix="Add `file: {url: …, format: …}` or `sql: {connection: …, query: …}`.",
            )
        if spec.file is not None and spec.sql is not None:
            yield Finding(
                ("spec", "sql"),
                f"{document.key} has both `file` and `sql`.",
                at_key=True,
                fix="Make two sources of it.",
                related=((None, ("spec", "file"), "The file."),),
            )


def _local(url: str) -> bool:
    return "://" not in url


class FileMissing(SpecRule[DataSourceSpec]):
    """A path must be a file of the repository, relative to the folder of `trueup.yaml`."""

    code = "TRU1311"
    about = ("spec.file",)
    reason = "The rows could not be read, or would be those of one machine only."
    good = _FILE
    bad = """
        # files: data/raw.csv
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: data/rwa.csv, format: csv}}
        #                  ^
        """

    def find(self, spec: DataSourceSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.file is None or not _local(spec.file.url):
            return
        url = spec.file.url
        if outside(url):
            yield Finding(
                ("spec", "file", "url"),
                f"The path {url!r} leads out of the workspace.",
                fix="Write a path relative to the folder of `trueup.yaml`, or a URL: `file:///…` for a file of every machine.",
            )
        elif not is_file(url, index):
            yield Finding(
                ("spec", "file", "url"), f"There is no file {url!r} in the workspace.", fix=suggestion(url, index)
            )


class SchemeUnknown(SpecRule[DataSourceSpec]):
    """The URL must have a scheme that fsspec reads."""

    code = "TRU1312"
    about = ("spec.file",)
    severity = Severity.WARNING
    reason = "The rows could not be read, unless a plug-in of fsspec knows the scheme."
    good = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "s3://shop/raw.parquet", format: parquet}}
        """
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "s4://shop/raw.parquet", format: parquet}}
        #                  ^
        """

    def find(self, spec: DataSourceSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.file is None or _local(spec.file.url):
            return
        scheme = spec.file.url.partition("://")[0]
        if scheme not in _SCHEMES:
            yield Finding(
                ("spec", "file", "url"), f"{scheme!r} is no known scheme of a URL.", fix=instead(scheme, _SCHEMES)
            )


class CredentialInText(SpecRule[DataSourceSpec]):
    """Passwords and keys must be given by `secretRef`."""

    code = "TRU1313"
    reason = "Specs are kept in Git, where everyone who may read the repository reads them, for ever."
    good = _SQL
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {sql: {connection: "postgresql://ada:hunter2@db/shop", query: SELECT * FROM customers}}
        #                        ^
        """

    def find(self, spec: DataSourceSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, what in _credentials(spec):
            yield Finding(
                path,
                f"{what} holds a credential in clear text.",
                fix="Put it into a secret store of the environment, write `secretRef: {store: …, name: …}`, and change it.",
            )


def _credentials(spec: DataSourceSpec) -> Iterator[tuple[Path, str]]:
    if spec.file is not None:
        if _password(spec.file.url):
            yield ("spec", "file", "url"), "The URL"
        for name, value in spec.file.storage_options.items():
            if (isinstance(value, str) and value and _SECRET.search(name)) or (
                isinstance(value, str) and _password(value)
            ):
                yield ("spec", "file", "storageOptions", name), f"The storage option {name!r}"
    if spec.sql is not None and isinstance(spec.sql.connection, str) and _password(spec.sql.connection):
        yield ("spec", "sql", "connection"), "The connection"


def _password(url: str) -> bool:
    if "@" not in url and "?" not in url:
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.password) or bool(
            re.search(r"(?:^|[?&])(?:sig|password|token|api_?key)=[^&]", parts.query, re.I)
        )
    except ValueError:
        return False


class FormatOfOther(SpecRule[DataSourceSpec]):
    """`format` should be that of the file's name."""

    code = "TRU1314"
    about = ("spec.file",)
    severity = Severity.WARNING
    reason = "A file that is read as another format fails when the rows are loaded."
    good = _FILE
    bad = """
        # files: data/raw.csv
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: data/raw.csv, format: parquet}}
        #                                        ^
        """

    def find(self, spec: DataSourceSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.file is None:
            return
        name = spec.file.url.partition("?")[0].rpartition("/")[2].lower()
        for packed in _PACKED:
            name = name.removesuffix(packed)
        meant = next((f for f, suffixes in _SUFFIXES.items() if name.rpartition(".")[2] in suffixes), None)
        if "." in name and meant is not None and meant != spec.file.format:
            yield Finding(
                ("spec", "file", "format"),
                f"{name!r} looks like {meant}, and is read as {spec.file.format}.",
                fix=f"Write `format: {meant}`, or rename the file.",
            )


class OptionUnknown(SpecRule[DataSourceSpec]):
    """`options` must be those of the format."""

    code = "TRU1315"
    about = ("spec.file",)
    reason = "Another option would be ignored, and the rows read in another way than was meant."
    good = _FILE
    bad = """
        # files: data/raw.csv
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: data/raw.csv, format: csv, options: {delimeter: ";"}}}
        #                                                       ^
        """

    def find(self, spec: DataSourceSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.file is None:
            return
        known = _OPTIONS[spec.file.format]
        for name in spec.file.options:
            if name not in known:
                yield Finding(
                    ("spec", "file", "options", name),
                    f"The format {spec.file.format} has no option {name!r}.",
                    at_key=True,
                    fix=instead(name, known) if known else "Remove it.",
                )


class OptionValue(SpecRule[DataSourceSpec]):
    """`delimiter` and `decimal` must be one character each, and different; `header` true or false."""

    code = "TRU1316"
    about = ("spec.file",)
    reason = "The file could not be read."
    good = _FILE
    bad = """
        # files: data/raw.csv
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: data/raw.csv, format: csv, options: {delimiter: ";;"}}}
        #                                                                  ^
        """

    def find(self, spec: DataSourceSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.file is None or spec.file.format != "csv":
            return
        options, place = spec.file.options, ("spec", "file", "options")
        for name in ("delimiter", "decimal"):
            value = options.get(name)
            if value is not None and (not isinstance(value, str) or len(value) != 1):
                yield Finding(
                    (*place, name),
                    f"`{name}` is {value!r}, and must be one character.",
                    fix='Write it in quotes, such as `";"`.',
                )
        header = options.get("header")
        if header is not None and not isinstance(header, bool):
            yield Finding((*place, "header"), f"`header` is {header!r}.", fix="Write `true` or `false`.")
        if options.get("decimal") is not None and options.get("decimal") == options.get("delimiter", ","):
            yield Finding(
                (*place, "decimal"),
                f"{options['decimal']!r} cannot both separate fields and mark decimals.",
                fix='Add `delimiter: ";"`, or whatever separates the fields.',
            )


class QueryChanges(SpecRule[DataSourceSpec]):
    """`query` and `cursor` must only read."""

    code = "TRU1317"
    about = ("spec.sql",)
    reason = "Sources are read again whenever data is loaded; a statement that changes data would change it each time."
    good = _SQL
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {secretStores: [{name: vars, type: env}]}
        ---
        kind: DataSource
        metadata: {name: raw}
        spec: {sql: {connection: {secretRef: {store: vars, name: SHOP_URL}}, query: DELETE FROM customers}}
        #                                                                           ^
        """

    def find(self, spec: DataSourceSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.sql is None:
            return
        for field in ("query", "cursor"):
            text = getattr(spec.sql, field)
            if text is None:
                continue
            found = _STATEMENT.match(text)
            if found is None or found[1].lower() not in _QUERIES:
                word = found[1].upper() if found else "no statement"
                yield Finding(
                    ("spec", "sql", field),
                    f"`{field}` is {word} and not a query.",
                    fix="Write a SELECT, or WITH … SELECT.",
                )
            elif ";" in text.strip().rstrip(";") and "'" not in text:
                yield Finding(
                    ("spec", "sql", field), f"`{field}` holds several statements.", fix="Keep the query only."
                )


class ConnectionMalformed(SpecRule[DataSourceSpec]):
    """`connection` must be a URL of SQLAlchemy."""

    code = "TRU1318"
    about = ("spec.sql",)
    reason = "The database could not be found."
    good = """
        kind: DataSource
        metadata: {name: raw}
        spec: {sql: {connection: "sqlite:///shop.db", query: SELECT * FROM customers}}
        """
    bad = """
        kind: DataSource
        metadata: {name: raw}
        spec: {sql: {connection: shop.db, query: SELECT * FROM customers}}
        #                        ^
        """

    def find(self, spec: DataSourceSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.sql is not None and isinstance(spec.sql.connection, str) and "://" not in spec.sql.connection:
            yield Finding(
                ("spec", "sql", "connection"),
                f"{spec.sql.connection!r} is no URL of SQLAlchemy.",
                fix="Write `dialect+driver://host/database`, such as `sqlite:///shop.db`; give passwords by `secretRef`.",
            )


RULES: tuple[type[Rule], ...] = (
    FileOrSql,
    FileMissing,
    SchemeUnknown,
    CredentialInText,
    FormatOfOther,
    OptionUnknown,
    OptionValue,
    QueryChanges,
    ConnectionMalformed,
)
