"""Documents of the examples of the rules of AlertRoute."""

from __future__ import annotations

from trueup_specs.core.rules import examples
from trueup_specs.kinds.monitor.examples import ENDPOINT, MONITOR

_CHAT = '  receivers: [{name: chat, webhook: [{url: "https://example.com/hook"}]}]'


def route(rest: str) -> str:
    """An example: a route with these fields, and the monitor whose alerts it is for."""
    receivers = "" if "  receivers:" in rest else f"\n{_CHAT}"
    own = f"kind: AlertRoute\nmetadata: {{name: growth}}\nspec:\n  receiver: chat\n{rest}{receivers}"
    return examples(own, MONITOR, ENDPOINT)


GOOD = route("""\
  groupBy: [alertname, monitor]
  routes:
    - {receiver: pages, matchers: [severity = critical], repeatInterval: 1h}
    - {receiver: chat, monitors: [churn]}
  receivers:
    - {name: chat, webhook: [{url: "https://example.com/hook"}]}
    - {name: pages, webhook: [{url: "https://example.com/page"}]}
  inhibitRules:
    - {sourceMatchers: [severity = critical], targetMatchers: [severity = warning], equal: [monitor]}""")
