"""Joins for training and look-ups for serving, against answers made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from trueup.features.offline import historical
from trueup.features.online import lookup
from trueup.features.repository import FeatureError

pytestmark = pytest.mark.slow

VISITS = 9007199254740993


def nothing(value: Any) -> Any:
    """Missing values as None."""
    return None if value is None or value is pd.NA or value != value else value


def table(frame: pd.DataFrame, names: list[str]) -> list[list[Any]]:
    """The frame's values in columns."""
    return [[nothing(v) for v in row] for row in frame[names].astype(object).values.tolist()]


@pytest.mark.parametrize("offline", ["file", "duckdb"])
def test_each_row_gets_what_was_known_at_its_time(offline: str, shops: Callable[[str], Any]) -> None:
    shop = shops(offline)
    shop.everything()
    rows = pd.DataFrame(
        [
            ("C1", "2025-12-31T23:59:59Z", "before any"),
            ("C1", "2026-01-01T00:00:00Z", "at its very time"),
            ("C1", "2026-01-04T23:59:59Z", "the older one"),
            ("C1", "2026-01-06T01:00:00+01:00", "of a tie the one created last"),
            ("C1", "2026-01-15T00:00:00Z", "as old as may be"),
            ("C1", "2026-01-15T00:00:01Z", "too old"),
            ("C2", "2026-01-04T00:00:00Z", "another"),
            ("C3", "2026-01-04T00:00:00Z", "not known"),
            (None, "2026-01-04T00:00:00Z", "nobody"),
            ("C1", None, "never"),
            ("C1", "2026-01-01T00:00:00Z", "the same again"),
        ],
        columns=["customer", "asked", "what"],
        index=range(100, 111),
    )
    found = historical(shop.repo, "shop_dev", shop.place["store"], "shop__churn", rows, "asked")
    assert list(found.columns) == ["customer", "asked", "what", "visits", "spent", "city"]
    assert found.index.equals(rows.index) and found[["customer", "asked", "what"]].equals(rows)
    assert table(found, ["visits", "spent", "city"]) == [
        [None, None, None],
        [1, 1.5, "Bern"],
        [1, 1.5, "Bern"],
        [5, None, "Zürich"],
        [5, None, "Zürich"],
        [None, None, None],
        [pytest.approx(VISITS), 2.0, None],  # beside missing values pandas has floats
        [None, None, None],
        [None, None, None],
        [None, None, None],
        [1, 1.5, "Bern"],
    ]


@pytest.mark.capability("data-operations/feature-pipeline", by="trueup.features.feast.online:materialise")
def test_the_newest_values_are_looked_up_in_the_order_of_the_request(shop: Any) -> None:
    shop.everything()
    asked = pd.DataFrame({"customer": ["C2", "C3", None, "C1", "C2"]}, index=[9, 8, 7, 6, 5])
    found = lookup(shop.repo, "shop_dev", shop.place["store"], "shop__churn", asked)
    assert found.index.equals(asked.index) and list(found.columns) == ["visits", "spent", "city"]
    assert table(found, ["spent", "city"]) == [[2.0, None], [None, None], [None, None], [None, "Zürich"], [2.0, None]]
    assert table(lookup(shop.repo, "shop_dev", None, "shop__churn", asked.iloc[:1]), ["visits"]) == [[VISITS]]


def test_a_look_up_sees_a_new_version_at_once_and_no_entity_that_is_gone(shop: Any) -> None:
    _, view, _ = shop.everything()
    both = pd.DataFrame({"customer": ["C1", "C2"]})
    assert table(lookup(shop.repo, "shop_dev", None, "shop__churn", both), ["spent"]) == [[None], [2.0]]
    newer = {
        "customer": "C1",
        "at": "2026-01-02T00:00:00Z",
        "made": "2026-01-02T00:00:00Z",
        "visits": 7,
        "spent": 7.5,
        "city": "Chur",
    }
    shop.update("FeatureView", view, shop.view(shop.load([newer])))
    found = lookup(shop.repo, "shop_dev", None, "shop__churn", both)
    assert table(found, ["visits", "spent", "city"]) == [[7, 7.5, "Chur"], [None, None, None]]


def test_nothing_is_printed_on_the_terminal_of_the_driver(shop: Any, capfd: pytest.CaptureFixture[str]) -> None:
    shop.everything()
    frame = pd.DataFrame({"customer": ["C1"], "asked": ["2026-01-02"], "bought": pd.to_datetime(["2026-01-02"])})
    historical(shop.repo, "shop_dev", None, "shop__churn", frame, "asked")
    lookup(shop.repo, "shop_dev", None, "shop__churn", frame)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["string", "int64"])
def test_keys_are_compared_in_the_entitys_type(kind: str, shop: Any) -> None:
    rows = [{"customer": "7", "at": "2026-01-01T00:00:00Z", "made": None, "visits": 1, "spent": 1.0, "city": "Bern"}]
    shop.create("Entity", shop.entity(valueType=kind))
    shop.create("FeatureView", shop.view(shop.load(rows), createdTimestampColumn=None, ttlSeconds=None))
    shop.create("FeatureService", shop.service(["city"]))
    for keys in (pd.Series(["7", "8"]), pd.Series([7, 8]), pd.Series([7, 8], dtype="float64")):
        if kind == "string" and keys.dtype == "float64":
            continue
        frame = pd.DataFrame({"customer": keys, "t": "2026-02-01"})
        assert table(historical(shop.repo, "shop_dev", None, "shop__churn", frame, "t"), ["city"]) == [["Bern"], [None]]
        assert table(lookup(shop.repo, "shop_dev", None, "shop__churn", frame), ["city"]) == [["Bern"], [None]]


def test_what_cannot_be_joined_is_told(shop: Any) -> None:
    frame = pd.DataFrame({"customer": ["C1"], "asked": ["2026-01-01"]})
    with pytest.raises(FeatureError, match=r"has no service shop__churn; it has none\. Apply the FeatureService first"):
        historical(shop.repo, "shop_dev", None, "shop__churn", frame, "asked")
    with pytest.raises(FeatureError, match="has no service shop__churn"):
        lookup(shop.repo, "shop_dev", None, "shop__churn", frame)
    shop.everything()
    with pytest.raises(FeatureError, match="is joined by customer, asked, but the rows have no customer"):
        historical(shop.repo, "shop_dev", None, "shop__churn", frame.rename(columns={"customer": "who"}), "asked")
    with pytest.raises(FeatureError, match="brings city, which the rows have already"):
        historical(shop.repo, "shop_dev", None, "shop__churn", frame.assign(city="x"), "asked")
    with pytest.raises(FeatureError, match="is looked up by customer; the request has no customer"):
        lookup(shop.repo, "shop_dev", None, "shop__churn", frame[["asked"]])
