"""Delta tables on disk: opening them, their commits, and a digest of rows. Used by `table` alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueup.provider.component import ComponentError

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable


def opened(path: str, version: int | None = None) -> DeltaTable | None:
    """The table at a path, at a version; None where there is none. Raises ComponentError for one that is damaged."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    if "://" not in path and not (Path(path) / "_delta_log").is_dir():
        return None
    try:
        return DeltaTable(path, version=version)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        if version is not None:
            return None
        raise ComponentError(
            f"The table {path} cannot be read: {error}. Restore it from a backup, or move it away and apply again."
        ) from error


def commits(table: DeltaTable) -> list[dict[str, Any]]:
    """The commits of a table, newest first, with what we wrote into them."""
    return list(table.history())


def digest(rows: pa.Table) -> str:
    """A digest of content and schema: what is the same gives the same, wherever it was read."""
    import pyarrow as pa

    found = hashlib.sha256(rows.schema.to_string().encode())
    sink = _Digest(found)
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), rows.schema) as writer:
        writer.write_table(rows.combine_chunks(), max_chunksize=1 << 16)
    return found.hexdigest()


class _Digest:
    """A file that is only hashed."""

    def __init__(self, found: Any) -> None:
        self._found = found
        self.closed = False

    def write(self, data: Any) -> int:
        self._found.update(data)
        return len(data)

    def flush(self) -> None:
        return

    def close(self) -> None:
        self.closed = True
