"""How many entities a view has in the SQLite online store, without Feast. Used by the provider's `read` and by `feast.online`."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from trueup.features.repository import ONLINE, Repository


def table_name(project: str, view: str) -> str:
    """Feast's name of a view's table."""
    return f"{project}_{view}"


def entities(repository: Repository, view: str) -> int | None:
    """The number of entities; None where the view is not in the store."""
    place = repository.folder / ONLINE
    if not place.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True, timeout=30)) as connection:
            table = '"' + table_name(repository.project, view) + '"'
            return int(connection.execute(f"SELECT count(DISTINCT entity_key) FROM {table}").fetchone()[0])
    except sqlite3.OperationalError:
        return None
