"""Documents of the examples of rules. Called by the rules of Monitor, AlertRoute and Dashboard."""

from __future__ import annotations

from trueup_specs.core.rules import examples

ENDPOINT = """
    kind: Model
    metadata: {name: churn}
    spec: {source: {uri: "models:/churn/3"}, task: classification}
    ---
    kind: Endpoint
    metadata: {name: churn}
    spec: {model: {name: churn}}
    """

MONITOR = """
    kind: Monitor
    metadata: {name: churn}
    spec:
      endpoint: churn
      slos: [{name: answers, objective: 99.9, indicator: availability}]
      alerts:
        - alert: Down
          expr: 'up{namespace="${{ namespace }}"} == 0'
          for: 5m
          severity: critical
          annotations: {summary: A server is down.}
    """


def monitor(rest: str, *documents: str) -> str:
    """An example: a monitor of an endpoint with these fields, and the endpoint."""
    return examples(f"kind: Monitor\nmetadata: {{name: slow}}\nspec:\n  endpoint: churn\n{rest}", ENDPOINT, *documents)


def alert(fields: str) -> str:
    """An example: a monitor with an alert of these fields, beside its name and its summary."""
    return monitor(f"  alerts:\n    - alert: Slow\n      annotations: {{summary: It is slow.}}\n{fields}")
