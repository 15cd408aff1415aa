"""The documents of an environment: limits, overlays in order, implicit gateways, and the lineage over them."""

from __future__ import annotations

import pytest

from trueup.resolve.catalog import resolve
from trueup.validate.validation import parse
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key

SPECS = """
kind: Environment
metadata: {name: dev}
spec: {target: local}
---
kind: Environment
metadata: {name: prod}
spec: {target: local, extends: dev}
---
kind: DataSource
metadata: {name: raw, namespace: churn}
spec: {file: {url: data/a.csv, format: csv}}
---
kind: Dataset
metadata: {name: rows, namespace: churn}
spec: {source: raw, schema: {properties: [{name: a, logicalType: string}, {name: b, logicalType: integer}]}}
---
kind: Model
metadata: {name: risk, namespace: churn}
spec: {task: classification, source: {uri: "models:/x/1"}}
---
kind: Endpoint
metadata: {name: risk, namespace: churn}
spec: {model: {name: risk}, predictor: {minReplicas: 1, timeout: 10s}}
---
kind: Endpoint
metadata: {name: shadow, namespace: churn, environments: [dev]}
spec: {model: {name: risk}}
---
kind: Overlay
metadata: {name: a-first, namespace: churn}
spec: {target: {kind: Endpoint, name: risk}, environments: [prod], patch: {predictor: {minReplicas: 3, maxReplicas: 5}}}
---
kind: Overlay
metadata: {name: b-second, namespace: churn}
spec: {target: {kind: Endpoint, name: risk}, environments: [prod], patch: {predictor: {minReplicas: 4, timeout: null}}}
---
kind: Overlay
metadata: {name: columns, namespace: churn}
spec:
  target: {kind: Dataset, name: rows}
  environments: [prod]
  patch: {schema: {properties: [{name: a, $patch: delete}, {name: b, required: true}]}}
"""


def documents() -> dict[Key, Document]:
    """The documents above."""
    text = "---".join("\napiVersion: trueup.dev/v1alpha1" + part for part in SPECS.split("---"))
    found = parse("specs.yaml", text.encode(), "default")
    assert not found.diagnostics
    return {d.key: d for d in found.documents}


RISK = Key("Endpoint", "churn", "risk")


def spec(environment: str, key: Key) -> dict[str, object]:
    """The resolved spec of a document, as written."""
    return resolve("w", documents(), environment).documents[key].spec.model_dump(by_alias=True, exclude_unset=True)


def test_overlays_apply_in_the_order_of_their_names_where_they_are_meant() -> None:
    assert spec("dev", RISK)["predictor"] == {"minReplicas": 1, "timeout": "10s"}
    assert spec("prod", RISK)["predictor"] == {"minReplicas": 4, "maxReplicas": 5}


def test_lists_of_named_items_merge_by_name() -> None:
    properties = spec("prod", Key("Dataset", "churn", "rows"))["schema"]
    assert properties == {"properties": ({"name": "b", "logicalType": "integer", "required": True},)}


def test_a_document_exists_where_it_says() -> None:
    assert {k.name for k in resolve("w", documents(), "dev").documents if k.kind == "Endpoint"} == {"risk", "shadow"}
    assert {k.name for k in resolve("w", documents(), "prod").documents if k.kind == "Endpoint"} == {"risk"}


def test_an_endpoint_without_a_gateway_gets_the_namespaces() -> None:
    catalog = resolve("w", documents(), "dev")
    gateways = [d.key for d in catalog.of_kind("Gateway")]
    assert gateways == [Key("Gateway", "churn", "gateway")]
    assert catalog.bound(catalog.documents[RISK], "Gateway", "gateway").key == gateways[0]


def test_lineage_leads_from_what_is_used_to_what_uses_it() -> None:
    lineage = resolve("w", documents(), "prod").lineage
    source, table, model = (
        Key("DataSource", "churn", "raw"),
        Key("Dataset", "churn", "rows"),
        Key("Model", "churn", "risk"),
    )
    assert lineage.downstream([source]) == {table}
    assert RISK in lineage.downstream([model])
    order = lineage.ordered()
    assert order.index(source) < order.index(table) and order.index(model) < order.index(RISK)


def test_fingerprints_follow_meaning_and_upstreams_only() -> None:
    def changed(old: str, new: str, key: Key) -> bool:
        text = SPECS.replace(old, new)
        assert text != SPECS
        joined = "---".join("\napiVersion: trueup.dev/v1alpha1" + part for part in text.split("---"))
        other = {d.key: d for d in parse("specs.yaml", joined.encode(), "default").documents}
        return resolve("w", documents(), "dev").fingerprint(key) != resolve("w", other, "dev").fingerprint(key)

    table = Key("Dataset", "churn", "rows")
    assert changed("data/a.csv", "data/b.csv", table)
    assert changed("{name: b, logicalType: integer}", "{name: b, logicalType: number}", table)
    assert not changed("spec: {source: raw, schema", "spec: {description: Rows., source: raw, schema", table)
    assert not changed("spec: {source: raw, schema", "spec:   {   source: raw, schema", table)
    assert not changed("timeout: 10s", "timeout: 20s", table)


def test_an_environment_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        resolve("w", documents(), "staging")
