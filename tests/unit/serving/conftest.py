"""A registry with versions of a model of real rows, and services that are ended after each test."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from trueup.provider.component import Context

sys.path.insert(0, str(Path(__file__).parent))
from trueup_test_containers import Contained

CREDIT = Path(__file__).parents[3] / "examples" / "quickstart" / "data" / "credit.csv"
COLUMNS = ["seniority", "time", "age", "home", "amount"]


class Unloadable:
    """A model that cannot be unpickled, as one whose library is missing."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import importlib

        return importlib.import_module, ("a_library_that_is_not_there",)

    def fit(self, *_: Any) -> Unloadable:
        return self

    def predict(self, rows: Any) -> list[str]:
        return ["good"] * len(rows)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace's home with `credit.risk` in its registry: versions 1 and 2 of other trees, and 3, which does not load."""
    import mlflow
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.tree import DecisionTreeClassifier

    from trueup.provider import tracking

    home = tmp_path_factory.mktemp("serving-home")
    rows = pd.read_csv(CREDIT).dropna().head(1000)
    features, labels = rows[COLUMNS], rows["status"]
    client, uri = tracking.client(home, "home:registry"), tracking.tracking_uri(home, "home:registry")
    client.create_registered_model("credit.risk")
    experiment = client.create_experiment("credit", artifact_location=tracking.artifact_root(home, "home:registry"))
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), ["home"]),
        (SimpleImputer(), ["seniority", "time", "age", "amount"]),
    )
    for depth in (3, 6, 0):
        model: Any = (
            make_pipeline(columns, DecisionTreeClassifier(max_depth=depth, random_state=1)) if depth else Unloadable()
        )
        fitted = model.fit(features, labels)
        with mlflow.start_run(experiment_id=experiment) as run:
            info = mlflow.sklearn.log_model(
                fitted,
                name="model",
                signature=mlflow.models.infer_signature(features.head(), fitted.predict(features.head())),
                serialization_format="cloudpickle",
                pip_requirements=[],
            )
        client.create_model_version("credit.risk", info.model_uri, run_id=run.info.run_id)
    return home


@pytest.fixture
def context(home: Path) -> Context:
    return Context(home, "urn:pulumi:dev.credit.serving::demo::trueup:serve:Service::risk")


@pytest.fixture
def folder(home: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A folder for the service or gateway of one test, whose processes are ended after it."""
    from trueup.serving import control, deployments

    name = f"home:dev/{abs(hash(request.node.nodeid)) % 10**10}"
    yield name
    path = home / name.removeprefix("home:")
    if path.exists():
        control.stop(path)
        deployments.remove(path)


@pytest.fixture
def service_inputs(folder: str) -> Callable[..., dict[str, Any]]:
    """The inputs of a service as the compiler writes them."""

    def made(version: int = 1, **changed: Any) -> dict[str, Any]:
        probe = {"initialDelaySeconds": 0, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 2}
        return {
            "name": "risk",
            "folder": folder,
            "model": {"name": "credit.risk", "trackingUri": "home:registry", "version": version},
            "replicas": 1,
            "workers": 1,
            "env": {},
            "timeoutSeconds": 10,
            "readiness": probe,
            "liveness": probe,
            "terminationGraceSeconds": 5,
            "resources": {},
            "features": None,
            "strategy": "rollingUpdate",
            "logging": {"mode": "none", "samplePercent": 100},
            "owner": "risk",
            "labels": {},
            **changed,
        }

    return made


@pytest.fixture
def http() -> Callable[..., Any]:
    """A request with a JSON answer; a server that gives none fails the test, an HTTP status is raised."""

    def asked(url: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=15) as response:
                return json.load(response)
        except urllib.error.HTTPError:
            raise
        except (OSError, HTTPException) as error:
            raise AssertionError(f"{url} gives no answer: {error}") from error

    return asked


@pytest.fixture
def rows() -> dict[str, Any]:
    """Two rows of the data, the second with missing values."""
    return {
        "inputs": [
            {"name": "seniority", "datatype": "INT64", "shape": [2], "data": [9, 0]},
            {"name": "time", "datatype": "INT64", "shape": [2, 1], "data": [60, 36]},
            {"name": "age", "datatype": "FP64", "shape": [2], "data": [30.0, None]},
            {"name": "home", "datatype": "BYTES", "shape": [2], "data": ["rent", None]},
            {"name": "amount", "datatype": "INT64", "shape": [2], "data": [800, 2000]},
        ]
    }


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[Callable[..., Contained]]:
    """Runs containers as processes, until the test ends."""
    begun: list[Contained] = []

    def begin(made: Any, *given: Any) -> Contained:
        begun.append(Contained(made, tmp_path, *given))
        return begun[-1]

    yield begin
    for process in begun:
        process.clear()
