"""Features for training: joined to rows as of each row's time. Called by the step `load`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueup.features.repository import FeatureError, Repository

if TYPE_CHECKING:
    import pandas as pd

TIME = "event_timestamp"


def historical(
    repo: str, project: str, store: Mapping[str, Any] | None, service: str, frame: pd.DataFrame, timestamp: str
) -> pd.DataFrame:
    """The frame with the service's features beside its columns, by their plain names; rows and their order stay.

    Each row gets, of every view, the newest values of its entity that were known at the row's `timestamp` and are not older than the
    view's time to live; otherwise none. Raises FeatureError.
    """
    repository = Repository.of(repo, project, store)
    known = required(repository, service)
    keys, names = join_keys(repository, known), plain_names(known)
    needed = [*keys, timestamp]
    if absent := [name for name in needed if name not in frame.columns]:
        raise FeatureError(
            f"The feature service {service} is joined by {', '.join(needed)}, but the rows have no {', '.join(absent)}; they have "
            f"{', '.join(map(str, frame.columns))}. Add the column to the Dataset that the step loads."
        )
    if taken := [name for name in names if name in frame.columns]:
        raise FeatureError(
            f"The feature service {service} brings {', '.join(taken)}, which the rows have already; "
            "leave it out of the Dataset or of the service."
        )
    joined = _joined(repository, service, _entity_rows(frame, keys, timestamp), names)
    return frame.assign(**{name: joined[name].set_axis(frame.index) for name in names})


def required(repository: Repository, service: str) -> dict[str, Any]:
    """The definition of a service."""
    found = repository.definitions()["services"]
    if service not in found:
        listed = ", ".join(sorted(found)) or "none"
        raise FeatureError(
            f"The feature repository {repository.folder} has no service {service}; it has {listed}. "
            "Apply the FeatureService first."
        )
    return found[service]


def plain_names(service: Mapping[str, Any]) -> list[str]:
    """The names of a service's features, as columns are called."""
    views = [part["view"] for part in service["inputs"]["features"]]
    return [
        next(full.removeprefix(f"{v}__") for v in views if full.startswith(f"{v}__")) for full in service["features"]
    ]


def join_keys(repository: Repository, service: Mapping[str, Any]) -> dict[str, str]:
    """Join key → value type, of all views of a service."""
    defined = repository.definitions()
    views = [defined["views"][part["view"]] for part in service["inputs"]["features"]]
    entities = [defined["entities"][name]["inputs"] for view in views for name in view["inputs"]["entities"]]
    return {e["joinKey"]: e["valueType"] for e in entities}


def as_keys(values: pd.Series, kind: str) -> pd.Series:
    """Values of a join key in the entity's type; what is none of it becomes no value."""
    import pandas as pd

    if kind == "int64":
        return pd.to_numeric(values, errors="coerce").astype("Int64")
    whole = values.dtype.kind in "iu"
    return values.astype("Int64" if whole else object).astype(str).where(values.notna(), None).astype(object)


def _entity_rows(frame: pd.DataFrame, keys: Mapping[str, str], timestamp: str) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, Any] = {key: as_keys(frame[key], kind).reset_index(drop=True) for key, kind in keys.items()}
    columns[TIME] = pd.to_datetime(frame[timestamp], utc=True).dt.as_unit("us").reset_index(drop=True)
    return pd.DataFrame(columns)


def _joined(repository: Repository, service: str, rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """One row per entity row, in order. Feast sees each pair of entity and time once, and none without a value."""
    import pandas as pd

    from trueup.features.feast.store import opened

    whole = rows.dropna()
    asked = whole.drop_duplicates()
    if asked.empty:
        return pd.DataFrame(index=range(len(rows)), columns=names, dtype=object)
    asked = asked.astype({k: "int64" for k in asked.columns if asked[k].dtype == "Int64"}).reset_index(drop=True)
    store = opened(repository)
    found = store.get_historical_features(asked, store.get_feature_service(service)).to_df()
    on = list(rows.columns)
    found[TIME] = pd.to_datetime(found[TIME], utc=True).dt.as_unit("us")
    for name in on:
        found[name] = found[name].astype(rows[name].dtype)
    return rows.merge(found[[*on, *names]], on=on, how="left", validate="many_to_one")[names]
