"""Feast's feature server as a workload of the environment: its `feature_store.yaml` as it is read, and what rolls it out anew."""

from __future__ import annotations

import os
from typing import Any

import pytest
from ruamel.yaml import YAML
from trueup_test_scenes import catalog, compiled

from trueup.compile.compilation import Compilation, compile_catalog
from trueup_specs.core.references import Key
from trueup_stacks.core.resources import Resource
from trueup_stacks.kubernetes import tokens

BASE: dict[str, Any] = {
    "namespace": "platform",
    "image": f"example.com/feast@sha256:{'0' * 64}",
    "registry": {"secretRef": {"store": "vars", "name": "registry"}},
    "onlineStore": {"type": "redis", "connectionString": {"secretRef": {"store": "vars", "name": "redis"}}},
}
POSTGRES = {
    "type": "postgres",
    "host": "db.example.com",
    "database": "o'features",
    "user": "feast",
    "password": {"secretRef": {"store": "vars", "name": "online"}},
}
PASSWORD = 'a"b\\c#d: {e} $f'
"""What a password may hold: all that YAML reads in its own way but the single quote."""


def made(server: Any = ()) -> Compilation:
    specs: dict[str, Any] = {
        "Environment/prod": {"target": "kubernetes", "featureStore": {"server": {**BASE, **dict(server)}}}
    }
    compilation = compile_catalog(catalog({Key.parse(text): spec for text, spec in specs.items()}))
    assert compilation.diagnostics == ()
    return compilation


def the(compilation: Compilation, token: str) -> Resource:
    found = [r for r in compilation.resources() if (r.address.type, r.address.name) == (token, "feast")]
    assert len(found) == 1
    return found[0]


def read(compilation: Compilation, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Any:
    """The file as the server reads it (`feast.repo_config.load_repo_config`), with these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    [(name, text)] = the(compilation, tokens.CONFIG_MAP).properties["data"].items()
    assert name == "feature_store.yaml"
    return YAML(typ="safe").load(os.path.expandvars(text))


def test_the_stores_come_from_the_variables_whatever_a_password_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://feast:p%40ss@db.example.com/registry"
    variables = {"FEAST_REGISTRY": url, "FEAST_ONLINE_STORE": PASSWORD}
    written = read(made({"onlineStore": {**POSTGRES, "port": 6432}}), monkeypatch, **variables)
    assert written == {
        "project": "shop_prod",
        "provider": "local",
        "registry": {"registry_type": "sql", "path": url},
        "online_store": {
            "type": "postgres",
            "host": "db.example.com",
            "port": 6432,
            "database": "o'features",
            "db_schema": "public",
            "user": "feast",
            "password": PASSWORD,
            "sslmode": "require",
        },
        "entity_key_serialization_version": 3,
    }


def test_redis_is_one_connection_string(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"FEAST_REGISTRY": "postgresql://db/r", "FEAST_ONLINE_STORE": f"redis:6379,password={PASSWORD}"}
    online = read(made(), monkeypatch, **given)["online_store"]
    assert online == {"type": "redis", "connection_string": f"redis:6379,password={PASSWORD}"}


def test_another_configuration_rolls_the_pods_and_the_same_one_does_not() -> None:
    def template(server: Any) -> Any:
        return the(made(server), tokens.DEPLOYMENT).properties["spec"]["template"]["metadata"]["annotations"]

    other = {"onlineStore": {**POSTGRES, "port": 6432}}
    assert template(other) == template(other) != template({"onlineStore": POSTGRES})


def test_a_registry_that_is_away_takes_no_requests_and_restarts_nobody() -> None:
    [server] = the(made(), tokens.DEPLOYMENT).properties["spec"]["template"]["spec"]["containers"]
    assert server["readinessProbe"]["httpGet"]["path"] == server["startupProbe"]["httpGet"]["path"] == "/health"
    assert server["livenessProbe"]["tcpSocket"] == {"port": "http"}


@pytest.mark.parametrize(
    ("server", "ways"),
    [
        ({}, [5432, 3306, 1433, 6379]),
        (
            {"onlineStore": {"type": "redis", "connectionString": "redis.example.com:6380,ssl=true"}},
            [5432, 3306, 1433, 6380],
        ),
        (
            {"registry": "postgresql+psycopg://db.example.com/r", "onlineStore": {**POSTGRES, "port": 6432}},
            [5432, 6432],
        ),
    ],
)
def test_it_reaches_its_registry_and_its_online_store(server: Any, ways: Any) -> None:
    rules = the(made(server), tokens.NETWORK_POLICY).properties["spec"]["egress"]
    assert [p["port"] for rule in rules for p in rule["ports"]] == ways
    assert {rule["to"][0]["ipBlock"]["cidr"] for rule in rules} == {"0.0.0.0/0"}


def test_openings_of_the_spec_take_the_place_of_those_to_every_address() -> None:
    rules = the(compiled("registry"), tokens.NETWORK_POLICY).properties["spec"]["egress"]
    assert [*rules[0]["to"], *rules[1]["to"]] == [
        {"ipBlock": {"cidr": "10.1.7.0/24"}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "redis"}}},
    ]
