"""The environment's own registry and feature server, run from their manifests as processes of this machine: MLflow and Feast themselves.

What the manifests take from secrets is given here: SQLite in place of PostgreSQL, whose drivers are in no lock file of ours. A folder takes
the place of the bucket, and an online store in a file that of Redis.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from trueup_test_containers import Contained

from trueup.compile.compilation import compile_catalog
from trueup.resolve.catalog import resolve
from trueup_specs.core.envelope import Document, Metadata, Source
from trueup_specs.core.references import Key
from trueup_specs.kinds import KINDS
from trueup_stacks.core.resources import encode

pytestmark = pytest.mark.slow

DIGEST = f"@sha256:{'0' * 64}"
SECRET = {"secretRef": {"store": "vars", "name": "url"}}
OUTSIDE = "https://mlflow.example.com"
TRACKING: dict[str, Any] = {
    "namespace": "platform",
    "image": f"example.com/mlflow{DIGEST}",
    "workers": 1,
    "backendStore": SECRET,
    "artifactsDestination": "s3://shop-models/mlflow",
}
FEATURES: dict[str, Any] = {
    "namespace": "platform",
    "image": f"example.com/feast{DIGEST}",
    "workers": 1,
    "registry": SECRET,
    "onlineStore": {"type": "redis", "connectionString": SECRET},
}


def objects(environment: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """What an environment becomes on Kubernetes, by kind and name."""
    key = Key("Environment", "", "prod")
    spec = KINDS["Environment"].spec.model_validate({"target": "kubernetes", **environment})
    documents = {key: Document(key, Metadata(name="prod"), spec, Source("specs.yaml"))}
    compilation = compile_catalog(resolve("shop", documents, "prod"))
    assert compilation.diagnostics == ()
    return {
        (r.address.type.rsplit(":", 1)[1], r.address.name): {k: encode(v) for k, v in r.properties.items()}
        for r in compilation.resources()
    }


def pod(environment: dict[str, Any], name: str) -> Any:
    return objects(environment)["Deployment", name]["spec"]["template"]["spec"]


def test_the_registry_keeps_runs_versions_and_artifacts_for_those_whom_it_admits(
    tmp_path: Path, contained: Callable[..., Contained], monkeypatch: pytest.MonkeyPatch
) -> None:
    template = pod({"registry": {"trackingUri": OUTSIDE, "server": TRACKING}}, "mlflow")
    secrets = {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    places = {"s3://shop-models/mlflow": str(tmp_path / "bucket")}
    migration = contained(template["initContainers"][0], secrets, places)
    import mlflow
    from mlflow import MlflowClient

    assert migration.process.wait(timeout=120) == 0, migration.log.read_text()
    server = contained(template["containers"][0], secrets, places)
    server.started()
    assert server.probe("readiness") == server.probe("liveness") == 200

    uri = f"http://127.0.0.1:{server.port}"
    client = MlflowClient(uri, uri)
    began = client.create_run(client.create_experiment("churn"))
    client.log_metric(began.info.run_id, "auc", 0.83)
    client.log_text(began.info.run_id, "the model", "model/model.txt")
    client.create_registered_model("churn.churn")
    client.create_model_version("churn.churn", f"{began.info.artifact_uri}/model", began.info.run_id)
    client.set_registered_model_alias("churn.churn", "champion", "1")
    version = client.get_model_version_by_alias("churn.churn", "champion")
    assert client.get_run(str(version.run_id)).data.metrics == {"auc": 0.83}
    # Its clients need no rights in the bucket: the artifact went, and comes back, through the server.
    assert began.info.artifact_uri.startswith("mlflow-artifacts:")
    [kept] = (tmp_path / "bucket").rglob("model.txt")
    monkeypatch.setattr(
        "mlflow.tracking._model_registry.utils._registry_uri", uri
    )  # an earlier test may have set another
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    got = mlflow.artifacts.download_artifacts(
        artifact_uri="models:/churn.churn@champion", dst_path=str(tmp_path / "got"), tracking_uri=uri
    )
    assert (Path(got) / "model.txt").read_text() == kept.read_text() == "the model"

    search = "/api/2.0/mlflow/registered-models/search"
    hosts = (
        "mlflow",
        "mlflow.platform.svc",
        "mlflow.platform.svc.cluster.local",
        "mlflow.example.com",
        "evil.example.com",
    )
    assert {host: server.get(search, Host=host) for host in hosts} == {
        **dict.fromkeys(hosts, 200),
        "evil.example.com": 403,
    }
    assert {origin: changed(server, uri, origin) for origin in (OUTSIDE, "https://evil.example.com")} == {
        OUTSIDE: 200,
        "https://evil.example.com": 403,
    }
    assert server.end() == 0


def changed(server: Contained, uri: str, origin: str) -> int:
    """The answer to a script of a page that would make a registered model."""
    body = b'{"name": "churn.%s"}' % origin.encode().partition(b"//")[2]
    headers = {"Content-Type": "application/json", "Origin": origin}
    return server.ask(urllib.request.Request(f"{uri}/api/2.0/mlflow/registered-models/create", body, headers))


def test_the_feature_server_answers_with_what_is_in_the_online_store(
    tmp_path: Path, contained: Callable[..., Contained], http: Callable[..., Any]
) -> None:
    import pandas as pd
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.types import Int64

    environment = {"featureStore": {"server": FEATURES}}
    registry = f"sqlite:///{tmp_path / 'registry.db'}"
    text = objects(environment)["ConfigMap", "feast"]["data"]["feature_store.yaml"]
    stored = text.replace(
        "  type: redis\n  connection_string: '${FEAST_ONLINE_STORE}'\n",
        "  type: sqlite\n  path: '${FEAST_ONLINE_STORE}'\n",
    )
    assert stored != text
    files, online = tmp_path / "files", str(tmp_path / "online.db")
    files.mkdir()
    (files / "feature_store.yaml").write_text(stored)

    by_hand = tmp_path / "by-hand"
    by_hand.mkdir()
    filled = stored.replace("${FEAST_REGISTRY}", registry).replace("${FEAST_ONLINE_STORE}", online)
    (by_hand / "feature_store.yaml").write_text(filled)
    store = FeatureStore(str(by_hand))
    customer = Entity(name="customer", join_keys=["customer"], value_type=ValueType.STRING)
    source = FileSource(name="usage", path=str(tmp_path / "usage.parquet"), timestamp_field="at")
    row = {"customer": ["C1"], "visits": [5], "at": [pd.Timestamp(datetime.now(UTC))]}
    pd.DataFrame(row).to_parquet(tmp_path / "usage.parquet")
    view = FeatureView(name="usage", entities=[customer], schema=[Field(name="visits", dtype=Int64)], source=source)
    store.apply([customer, source, view])
    store.write_to_online_store("usage", pd.DataFrame(row))

    server = contained(
        pod(environment, "feast")["containers"][0],
        {"FEAST_REGISTRY": registry, "FEAST_ONLINE_STORE": online},
        {"/etc/trueup": str(files)},
    )
    server.started()
    asked = {"features": ["usage:visits"], "entities": {"customer": ["C1", "C2"]}}
    answer = http(f"http://127.0.0.1:{server.port}/get-online-features", asked)
    columns = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
    assert columns["visits"]["values"] == [5, None]
    assert server.end() == 0


def test_every_field_that_is_written_for_postgresql_is_one_of_feasts(monkeypatch: pytest.MonkeyPatch) -> None:
    from feast.infra.utils.postgres.postgres_config import PostgreSQLConfig
    from feast.repo_config import get_registry_config_from_type
    from ruamel.yaml import YAML

    online = {"type": "postgres", "host": "db", "port": 6432, "database": "o'f", "user": "feast", "password": SECRET}
    made = objects({"featureStore": {"server": {**FEATURES, "onlineStore": online}}})["ConfigMap", "feast"]["data"]
    url = "postgresql+psycopg://feast:p%40ss@db.example.com/registry"
    monkeypatch.setenv("FEAST_REGISTRY", url)
    monkeypatch.setenv("FEAST_ONLINE_STORE", "hidden")
    written = YAML(typ="safe").load(os.path.expandvars(made["feature_store.yaml"]))
    registry = get_registry_config_from_type(written["registry"]["registry_type"])(**written["registry"])
    assert (written["project"], registry.registry_type, registry.path) == ("shop_prod", "sql", url)
    fields = {k: v for k, v in written["online_store"].items() if k != "type"}
    assert set(fields) <= set(PostgreSQLConfig.model_fields)
    store = PostgreSQLConfig(**fields)
    assert (store.host, store.port, store.database, store.password) == ("db", 6432, "o'f", "hidden")
