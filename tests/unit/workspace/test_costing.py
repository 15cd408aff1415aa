"""The cost of an environment as it is compiled for a cluster: servers, an autoscaler and a gateway, by the prices of the environment."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.views.comments import plan as comments
from trueup.workspace import proposed

World = Any
PAID = """\
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: { name: paid }
spec:
  target: kubernetes
  cluster: { context: churn, components: [gateway-api], gateway: { className: envoy } }
  registry: { trackingUri: "http://mlflow.example.com:5000" }
  prices: { billingCurrency: EUR, cpuHour: 0.034, memoryGibHour: 0.0045, loadBalancerHour: 0.027 }
"""
OVERLAY = """\
---
apiVersion: trueup.dev/v1alpha1
kind: Overlay
metadata: {{ name: {name}, namespace: churn }}
spec:
  target: {{ kind: {kind}, name: {target} }}
  environments: [paid]
  patch: {patch}
"""
PREDICTOR = (
    "{ image: 'example.com/mlserver@sha256:"
    + "0" * 64
    + "', minReplicas: 3, maxReplicas: 6, scaleMetric: cpu, scaleTarget: 70, "
    "resources: { cpu: 500m, memory: 1Gi } }"
)
SERVER, GATEWAY = 730 * (0.5 * 0.034 + 0.0045), 730 * 0.027


@pytest.fixture
def paid(churn: World) -> World:
    overlays = (
        ("paid-model", "Model", "churn", "{ version: 3, features: null, promotion: { path: [dev, paid] } }"),
        ("paid-endpoint", "Endpoint", "churn", f"{{ features: null, predictor: {PREDICTOR} }}"),
        ("paid-gateway", "Gateway", "edge", "{ healthCheck: null }"),
    )
    text = "".join(OVERLAY.format(name=n, kind=k, target=t, patch=p) for n, k, t, p in overlays)
    churn.write("paid.yaml", PAID + text)
    churn.commit()
    return churn


def test_what_is_compiled_for_a_cluster_has_its_price(paid: World) -> None:
    cost = paid.prepare("paid").plan.evidence.cost
    assert (cost.before, cost.currency, cost.unknown) == (0, "EUR", "")
    assert cost.after == pytest.approx(3 * SERVER + GATEWAY, abs=0.01)
    assert cost.most == pytest.approx(6 * SERVER + GATEWAY, abs=0.01)


def test_a_pull_request_says_before_and_after(paid: World) -> None:
    paid.apply("paid")
    paid.git("checkout", "-q", "-b", "more")
    paid.edit("paid.yaml", "minReplicas: 3", "minReplicas: 5")
    paid.commit()
    base, head = paid.git("rev-parse", "main"), paid.git("rev-parse", "more")
    found = proposed.planned(paid.workspace, proposed.Request(base, head), ["paid"])
    (line,) = (li for li in comments.bodies(found.review)[0].splitlines() if li.startswith("- **Cost**"))
    assert line == "- **Cost**: 66.8 → 98.18 EUR a month, 31.38 more, 114 with every autoscaler at its maximum"
