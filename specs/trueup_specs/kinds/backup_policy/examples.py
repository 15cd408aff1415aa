"""Documents of the examples of the rules of BackupPolicy."""

from __future__ import annotations

from trueup_specs.core.rules import examples
from trueup_specs.kinds.monitor.examples import ENDPOINT

SCHEDULE = '  schedule: {cron: "0 3 * * *"}\n'


def policy(rest: str, *documents: str) -> str:
    """An example: a policy with these fields, every night unless they say otherwise, and an endpoint in its namespace."""
    schedule = "" if "  schedule:" in rest else SCHEDULE
    own = f"kind: BackupPolicy\nmetadata: {{name: nightly}}\nspec:\n{schedule}{rest}"
    return examples(own, ENDPOINT, *documents)


GOOD = policy("""\
  schedule: {cron: "0 */6 * * *", timezone: Europe/Berlin}
  recoveryPointObjective: 8h
  ttl: 14d
  clusterNamespaces: [databases]
  includedResources: ["*"]
  excludedResources: [events]
  snapshotVolumes: true
  snapshotMoveData: true
  hooks:
    - name: checkpoint
      labelSelector: {matchLabels: {app: database}, matchExpressions: [{key: tier, operator: In, values: [data]}]}
      includedNamespaces: [databases]
      pre: [{exec: {command: [psql, -c, CHECKPOINT], container: postgres}}]""")
