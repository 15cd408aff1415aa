"""`features:Entity`, `FeatureView` and `FeatureService`: registered, read back as inputs, drifting, healed, deleted."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from trueup.features.online import lookup
from trueup.provider.catalogue import component
from trueup.provider.component import UNKNOWN, ComponentError, State

KINDS = ("Entity", "FeatureView", "FeatureService")
slow = pytest.mark.slow


def tried(call: Any) -> Any:
    """What a call gives, or why it gives nothing."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 — the test asserts which it is
        return error


def without_nulls(value: Any) -> Any:
    """Inputs as Pulumi keeps them."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


@slow
@pytest.mark.capability("data-operations/centralized-feature-store", by="trueup.features.feast.registry:put_entity")
def test_what_is_registered_is_read_back_as_its_inputs(shop: Any) -> None:
    done = tried(shop.everything)
    assert isinstance(done, tuple), done
    for kind, inputs in zip(KINDS, done, strict=True):
        live = shop.read(kind, inputs)
        assert live is not None and without_nulls(live.inputs) == without_nulls(inputs)
        imported = shop.read(kind, {}, f"home:dev/features#shop_dev/{inputs['name']}")
        assert imported is not None
        plain = {k: v for k, v in without_nulls(inputs).items() if k != "tags" and v != ""}
        assert plain.items() <= without_nulls(imported.inputs).items()
    view, service = shop.read("FeatureView", done[1]), shop.read("FeatureService", done[2])
    assert view.outputs == {"name": "shop__usage", "rows": 4, "materializedUntil": "2026-01-05T00:00:00+00:00"}
    assert service.outputs["features"] == ["shop__usage__visits", "shop__usage__spent", "shop__usage__city"]
    assert service.outputs["joinKeys"] == ["customer"]


@slow
@pytest.mark.capability("data-operations/caching-strategies", by="trueup.features.repository:Repository._kept")
def test_reading_what_did_not_change_imports_no_feast(shop: Any) -> None:
    _, view, _ = shop.everything()
    program = (
        "import json, pathlib, sys\n"
        "from trueup.provider.catalogue import component\n"
        "from trueup.provider.component import Context\n"
        "view = json.loads(sys.argv[2])\n"
        "live = component('trueup:features:FeatureView').read(Context(pathlib.Path(sys.argv[1]), 'u'), 'i', view, {})\n"
        "print(json.dumps([live.inputs['online'], 'feast' in sys.modules, 'pandas' in sys.modules]))\n"
    )
    command = [sys.executable, "-c", program, str(shop.home), json.dumps(view)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert json.loads(done.stdout) == [True, False, False]


@slow
def test_a_definition_changed_by_another_is_drift_and_is_healed(shop: Any) -> None:
    from feast import FeatureService

    from trueup.features.feast.store import opened
    from trueup.features.repository import Repository

    entity, view, service = shop.everything()
    store = opened(Repository.of(shop.repo, "shop_dev", shop.place["store"]))
    other = store.get_feature_view("shop__usage")
    store.apply([FeatureService(name="shop__churn", features=[other[["visits"]]], owner="somebody")])
    other.description = "changed by hand"
    store.apply([other])
    seen = {kind: shop.read(kind, i).inputs for kind, i in zip(KINDS, (entity, view, service), strict=True)}
    assert seen["Entity"] == entity
    assert seen["FeatureView"]["description"] == "changed by hand"
    assert (seen["FeatureService"]["features"], seen["FeatureService"]["owner"]) == (
        [{"view": "shop__usage", "features": ["visits"]}],
        "somebody",
    )
    shop.update("FeatureView", seen["FeatureView"], view)
    shop.update("FeatureService", seen["FeatureService"], service)
    for kind, inputs in (("FeatureView", view), ("FeatureService", service)):
        assert without_nulls(shop.read(kind, inputs).inputs) == without_nulls(inputs)


@slow
def test_a_lost_export_and_a_lost_entity_online_are_drift_and_are_healed(shop: Any) -> None:
    _, view, _ = shop.everything()
    with sqlite3.connect(Path(shop.repo) / "online.db") as connection:
        connection.execute(
            "DELETE FROM shop_dev_shop__usage WHERE entity_key = (SELECT min(entity_key) FROM shop_dev_shop__usage)"
        )
    connection.close()
    assert shop.read("FeatureView", view).inputs["online"] is False
    shop.update("FeatureView", view, view)
    assert shop.read("FeatureView", view).inputs["online"] is True
    for path in (Path(shop.repo) / "data/shop__usage").glob("*.parquet"):
        path.unlink()
    assert shop.read("FeatureView", view).inputs["table"]["version"] == -1
    shop.update("FeatureView", view, view)
    assert without_nulls(shop.read("FeatureView", view).inputs) == without_nulls(view)


@slow
@pytest.mark.capability("data-operations/feature-versioning", by="trueup.features.exports:_version")
def test_a_view_reads_the_version_that_it_names(shop: Any) -> None:
    import pyarrow.parquet as pq

    first = tried(shop.everything)
    assert isinstance(first, tuple), first
    second = shop.view(
        shop.load(
            [{"customer": "C9", "at": "2026-03-01T00:00:00Z", "made": None, "visits": 1, "spent": 1.0, "city": "A"}]
        )
    )
    assert second["table"]["version"] == 1
    assert shop.update("FeatureView", first[1], second).outputs == {
        "name": "shop__usage",
        "rows": 1,
        "materializedUntil": "2026-03-01T00:00:00+00:00",
    }
    back = shop.update("FeatureView", second, first[1])
    assert back.outputs["rows"] == 4
    exports = sorted((Path(shop.repo) / "data/shop__usage").glob("*.parquet"))
    assert [pq.read_metadata(p).num_rows for p in exports] == [4, 1]


@slow
def test_a_service_of_all_features_follows_its_view(shop: Any) -> None:
    _, view, service = shop.everything()
    fewer = {**view, "features": view["features"][:1]}
    shop.update("FeatureView", view, fewer)
    live = shop.read("FeatureService", service)
    assert without_nulls(live.inputs) == without_nulls(service)
    assert live.outputs["features"] == ["shop__usage__visits"]


@slow
def test_a_view_that_is_no_longer_online_leaves_the_store(shop: Any) -> None:
    _, view, _ = shop.everything()
    offline = {**view, "online": False}
    assert shop.update("FeatureView", view, offline).outputs["materializedUntil"] is None
    with sqlite3.connect(Path(shop.repo) / "online.db") as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    connection.close()
    assert "shop_dev_shop__usage" not in tables
    assert shop.read("FeatureView", offline).inputs["online"] is False
    assert shop.update("FeatureView", offline, view).outputs["materializedUntil"] == "2026-01-05T00:00:00+00:00"


@slow
def test_objects_registered_side_by_side_are_all_there(shop: Any) -> None:
    table = shop.load()
    shop.create("Entity", shop.entity())
    names = [f"shop__view_{i}" for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: shop.create("FeatureView", shop.view(table, name=n, online=False)), names))
    for name in names:
        assert shop.read("FeatureView", shop.view(table, name=name, online=False)) is not None


@slow
def test_exactly_one_object_is_deleted(shop: Any) -> None:
    entity, view, service = shop.everything()
    other = shop.view(view["table"], name="shop__other")
    shop.create("FeatureView", other)
    shop.delete("FeatureService", service)
    shop.delete("FeatureView", view)
    shop.delete("FeatureView", view)
    assert shop.read("FeatureView", view) is None and shop.read("FeatureService", service) is None
    assert shop.read("FeatureView", other).inputs["online"] is True and shop.read("Entity", entity) is not None
    assert not (Path(shop.repo) / "data/shop__usage").exists()


@slow
def test_an_interrupted_create_is_adopted_and_anothers_object_is_not(shop: Any) -> None:
    entity, view, _ = shop.everything()
    assert shop.create("FeatureView", view).outputs["rows"] == 4
    with pytest.raises(
        ComponentError, match=r"has shop__customer already, and it is that of urn:.*shop__customer; import it"
    ):
        component("trueup:features:Entity").create(shop.context("Entity", "else"), entity)


@slow
@pytest.mark.capability("data-operations/feature-validation", by="trueup.features.exports:typed")
@pytest.mark.parametrize(
    ("feature", "told"),
    [
        (
            {"name": "city", "type": "int64"},
            "says that city is int64, but version 0 of the table home:dev/tables/shop/usage holds string",
        ),
        ({"name": "spent", "type": "bool"}, "says that spent is bool"),
        (
            {"name": "age", "type": "int64"},
            "reads age, but version 0 of the table home:dev/tables/shop/usage has customer, at",
        ),
    ],
)
def test_a_view_that_its_table_cannot_keep_is_refused(feature: dict[str, Any], told: str, shop: Any) -> None:
    shop.create("Entity", shop.entity())
    view = shop.view(shop.load(), features=[feature])
    found = tried(lambda: shop.create("FeatureView", view))
    assert isinstance(found, ComponentError) and told in str(found), found
    assert shop.read("FeatureView", view) is None


@slow
def test_what_is_not_registered_cannot_be_used(shop: Any) -> None:
    with pytest.raises(ComponentError, match="is about the entity shop__customer, which is not registered"):
        shop.create("FeatureView", shop.view(shop.load()))
    with pytest.raises(ComponentError, match="uses the view shop__usage, which is not registered"):
        shop.create("FeatureService", shop.service())
    _, view, _ = shop.everything()
    with pytest.raises(ComponentError, match="uses age of the view shop__usage, which has visits, spent, city"):
        shop.update("FeatureService", {}, shop.service(["age"]))
    shop.create("FeatureView", shop.view(view["table"], name="shop__twin"))
    parts = [{"view": "shop__usage"}, {"view": "shop__twin", "features": ["city"]}]
    with pytest.raises(ComponentError, match="would have city from several views"):
        shop.update("FeatureService", {}, {**shop.service(), "features": parts})
    with pytest.raises(ComponentError, match="Version 9 of the table home:dev/tables/shop/usage cannot be read"):
        shop.update("FeatureView", view, {**view, "table": {**view["table"], "version": 9}})


@slow
def test_a_damaged_registry_is_told(shop: Any) -> None:
    entity, _, _ = shop.everything()
    (Path(shop.repo) / "registry.db").write_bytes(b"\xff\xff\xff\xffnothing")
    with pytest.raises(ComponentError, match=r"registry\.db is damaged"):
        shop.read("Entity", entity)


def test_every_error_of_the_inputs_is_told_at_once(shop: Any) -> None:
    view = shop.view(
        {"uri": "relative", "version": -1},
        name="a-b",
        store={"offline": "spark", "online": "redis"},
        entities=[],
        timestampField="",
        features=[{"name": "a", "type": "text"}, {"name": "a", "type": "bool"}],
    )
    paths = [f.path for f in component("trueup:features:FeatureView").check(view)]
    assert sorted(paths) == sorted(
        [
            "name",
            "store.offline",
            "store.online",
            "table.uri",
            "table.version",
            "timestampField",
            "entities",
            "features[0].type",
            "features[1].name",
        ]
    )
    assert [f.path for f in component("trueup:features:Entity").check(shop.entity(valueType="float", joinKey=""))] == [
        "joinKey",
        "valueType",
    ]
    assert [
        f.path
        for f in component("trueup:features:FeatureService").check({**shop.service(), "features": [{"features": []}]})
    ] == ["features[0].view"]
    unknown = {**shop.view({"uri": "home:dev/t", "version": UNKNOWN}), "features": UNKNOWN}
    assert component("trueup:features:FeatureView").check(unknown) == []


def test_previews_say_what_is_known(shop: Any) -> None:
    service = component("trueup:features:FeatureService")
    assert service.preview(shop.service(["visits"]), None) == {
        "name": "shop__churn",
        "features": ["shop__usage__visits"],
    }
    assert service.preview(shop.service(), None) == {"name": "shop__churn"}
    view = component("trueup:features:FeatureView")
    assert view.preview(shop.view({"uri": UNKNOWN, "version": UNKNOWN}), State("x", {})) == {"name": "shop__usage"}


def test_nothing_is_read_where_nothing_is(shop: Any) -> None:
    for kind, inputs in (("Entity", shop.entity()), ("FeatureService", shop.service())):
        assert shop.read(kind, inputs) is None
        shop.delete(kind, inputs)
    with pytest.raises(ComponentError, match="names no feature object; write `REPO#PROJECT/NAME`"):
        shop.read("Entity", {}, "customer")


@slow
def test_a_kill_while_a_view_is_materialised_leaves_what_the_next_apply_finishes(shop: Any) -> None:
    rows = [
        {"customer": f"C{i}", "at": "2026-01-01T00:00:00Z", "made": None, "visits": i, "spent": 1.0, "city": "Bern"}
        for i in range(20_000)
    ]
    _, view, service = shop.everything()
    changed = shop.view(shop.load(rows))
    program = (
        "import json, pathlib, sys\n"
        "from trueup.provider.catalogue import component\n"
        "from trueup.provider.component import Context\n"
        "context = Context(pathlib.Path(sys.argv[1]), sys.argv[2], lambda line: print(line, flush=True))\n"
        "old, new = json.loads(sys.argv[3])\n"
        "component('trueup:features:FeatureView').update(context, 'i', old, {}, new)\n"
    )
    urn = shop.context("FeatureView", view["name"]).urn
    command = [sys.executable, "-c", program, str(shop.home), urn, json.dumps([view, changed])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("materialising 20000 entities")
        time.sleep(0.2)
        assert process.poll() is None, "it was killed while it worked"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    seen = shop.read("FeatureView", changed)
    assert seen.inputs["online"] is False, "what is not materialised is not online"
    assert shop.read("FeatureService", service) is not None
    shop.update("FeatureView", seen.inputs, changed)
    assert without_nulls(shop.read("FeatureView", changed).inputs) == without_nulls(changed)
    found = lookup(shop.repo, "shop_dev", None, "shop__churn", pd.DataFrame({"customer": ["C19999", "C2"]}))
    assert found["visits"].tolist() == [19999, 2]
