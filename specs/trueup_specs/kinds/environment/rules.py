"""Rules of `kind: Environment` (TRU1100 to TRU1179): what it extends, its platform, its secret stores."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document
from trueup_specs.core.references import Key
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, repeated
from trueup_specs.kinds.envelope.paths import is_file, outside, suggestion
from trueup_specs.kinds.environment import (
    applying_rules,
    cluster_rules,
    clusters_rules,
    feature_server_rules,
    registry_rules,
)
from trueup_specs.kinds.environment.extension import settings
from trueup_specs.kinds.environment.spec import EnvironmentSpec

_CLOUDS = frozenset({"aws", "gcp", "azure"})
_ACCOUNT = re.compile(r"^\d{12}$")
_PREFIX = re.compile(r"^[a-z0-9][-a-z0-9]{0,30}$")
_CLOUD = """
    kind: Environment
    metadata: {name: prod}
    spec: {target: aws, cloud: {account: "123456789012", region: eu-central-1, zones: [eu-central-1a]}}
    """


class ExtendsCycle(SpecRule[EnvironmentSpec]):
    """`extends` must not lead back to the environment itself."""

    code = "TRU1100"
    reason = "What the environment is could not be told."
    good = """
        kind: Environment
        metadata: {name: dev}
        spec: {}
        ---
        kind: Environment
        metadata: {name: prod}
        spec: {extends: dev}
        """
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {extends: prod}
        #               ^
        ---
        kind: Environment
        metadata: {name: prod}
        spec: {extends: dev}
        #               ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        way, current = [document.key.name], spec.extends
        while current is not None and current not in way:
            way.append(current)
            other = index.get(Key("Environment", "", current))
            current = other.spec.extends if other is not None and isinstance(other.spec, EnvironmentSpec) else None
        if current == document.key.name:
            yield Finding(
                ("spec", "extends"),
                f"The environment extends itself: {' → '.join([*way, current])}.",
                fix="Remove `extends` from one of them.",
            )


class CloudMissing(SpecRule[EnvironmentSpec]):
    """An environment on a cloud must have `cloud`, of its own or of one that it extends."""

    code = "TRU1101"
    reason = "Without a region no resource can be placed."
    good = _CLOUD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {target: aws}
        #              ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        whole = settings(document.key.name, index) or spec
        if whole.target in _CLOUDS and whole.cloud is None:
            yield Finding(
                ("spec", "target" if "target" in spec.model_fields_set else "extends"),
                f"The environment's target is {whole.target}, but it does not say in which account and region.",
                fix="Add `cloud: {account: …, region: …}`.",
            )


class ClusterUnsaid(SpecRule[EnvironmentSpec]):
    """An environment on Kubernetes should name the context of its cluster."""

    code = "TRU1102"
    severity = Severity.WARNING
    reason = "Without it the apply goes to whatever cluster the kubeconfig's current context happens to be."
    good = """
        kind: Environment
        metadata: {name: prod}
        spec: {target: kubernetes, cluster: {context: prod-eu}}
        """
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {target: kubernetes}
        #              ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        whole = settings(document.key.name, index) or spec
        if whole.target != "kubernetes":
            return
        said = {m.name for m in whole.clusters if m.context is not None or m.kubeconfig is not None}
        for position, member in enumerate(spec.clusters):
            if member.name not in said:
                yield Finding(
                    ("spec", "clusters", position),
                    f"Nothing says where the cluster {member.name!r} is.",
                    fix="Add `context: NAME`, with a context of `kubectl config get-contexts`.",
                )
        if not whole.clusters and (whole.cluster is None or whole.cluster.context is None):
            yield Finding(
                ("spec", "target" if "target" in spec.model_fields_set else "extends"),
                "The environment's target is kubernetes, but it does not say which cluster.",
                fix="Add `cluster: {context: NAME}`, with a context of `kubectl config get-contexts`.",
            )


class CloudUnused(SpecRule[EnvironmentSpec]):
    """`cloud` belongs to an environment whose target is a cloud or a cluster in one."""

    code = "TRU1103"
    severity = Severity.WARNING
    reason = "The target `local` has no account and no region, so a target was, as a rule, forgotten."
    good = _CLOUD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {target: local, cloud: {region: eu-central-1}}
        #                     ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.cloud is not None and spec.target == "local" and "target" in spec.model_fields_set:
            yield Finding(
                ("spec", "cloud"),
                "The target `local` makes nothing of `cloud`.",
                at_key=True,
                fix="Write the cloud as `target`, or remove `cloud`.",
            )


class AccountMalformed(SpecRule[EnvironmentSpec]):
    """The account of an environment on AWS must be twelve digits."""

    code = "TRU1104"
    reason = "The apply compares it with the credentials' account, so that nothing lands in another one."
    good = _CLOUD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {target: aws, cloud: {account: shop-prod, region: eu-central-1}}
        #                                    ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        account = spec.cloud.account if spec.cloud is not None else None
        if spec.target == "aws" and account is not None and not _ACCOUNT.match(account):
            yield Finding(
                ("spec", "cloud", "account"),
                f"{account!r} is no account id of AWS.",
                fix="Write its twelve digits in quotes; `aws sts get-caller-identity` shows them.",
            )


class ZoneElsewhere(SpecRule[EnvironmentSpec]):
    """Zones must be of the environment's region, each once."""

    code = "TRU1105"
    reason = "The cloud refuses zones of other regions when the plan is applied."
    good = _CLOUD
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {target: aws, cloud: {region: eu-central-1, zones: [eu-west-1a]}}
        #                                                         ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.cloud is None:
            return
        for position, zone in enumerate(spec.cloud.zones):
            if spec.target in ("aws", "gcp") and not zone.startswith(spec.cloud.region):
                yield Finding(
                    ("spec", "cloud", "zones", position),
                    f"The zone {zone!r} is not of the region {spec.cloud.region!r}.",
                    fix=f"Write a zone that begins with `{spec.cloud.region}`, or another region.",
                )
        for position, _, zone in repeated(spec.cloud.zones):
            yield Finding(
                ("spec", "cloud", "zones", position), f"The zone {zone!r} stands twice.", fix="Remove one of them."
            )


class PrefixMalformed(SpecRule[EnvironmentSpec]):
    """`cluster.namespacePrefix` must be lower-case letters, digits and `-`, at most 31."""

    code = "TRU1106"
    reason = "It begins the names of Kubernetes namespaces, which have 63 such characters."
    good = """
        kind: Environment
        metadata: {name: prod}
        spec: {target: kubernetes, cluster: {context: shared, namespacePrefix: prod-}}
        """
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {target: kubernetes, cluster: {context: shared, namespacePrefix: Prod_}}
        #                                                                      ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for path, cluster in cluster_rules.clusters(spec):
            prefix = cluster.namespace_prefix
            if prefix and not _PREFIX.match(prefix):
                yield Finding(
                    (*path, "namespacePrefix"),
                    f"{prefix!r} cannot begin the name of a namespace.",
                    fix="Use lower-case letters, digits and `-`, such as `prod-`.",
                )


class StoreTwice(SpecRule[EnvironmentSpec]):
    """Each secret store must have a name of its own."""

    code = "TRU1110"
    reason = "A `secretRef` names its store, and could mean either."
    good = """
        kind: Environment
        metadata: {name: dev}
        spec: {secretStores: [{name: vars, type: env}, {name: files, type: file, path: /run/secrets}]}
        """
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {secretStores: [{name: vars, type: env}, {name: vars, type: env, prefix: X_}]}
        #                                                     ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, first, name in repeated(store.name for store in spec.secret_stores):
            yield Finding(
                ("spec", "secretStores", position, "name"),
                f"Two secret stores are called {name!r}.",
                fix="Give one of them another name.",
                related=((None, ("spec", "secretStores", first, "name"), "The first one."),),
            )


class StorePath(SpecRule[EnvironmentSpec]):
    """A store of type `file` or `age` must say its `path`; one of another type has none."""

    code = "TRU1111"
    reason = "The secrets could not be found."
    good = StoreTwice.good
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {secretStores: [{name: files, type: file}]}
        #                                         ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, store in enumerate(spec.secret_stores):
            place = ("spec", "secretStores", position)
            if store.type in ("file", "age") and not store.path:
                what = "the folder with one file a secret" if store.type == "file" else "the encrypted file"
                yield Finding(
                    (*place, "type"), f"The store {store.name!r} has no path.", fix=f"Add `path:` with {what}."
                )
            if store.type in ("env", "external") and store.path is not None:
                reads = "variables" if store.type == "env" else "a store of the cluster"
                yield Finding(
                    (*place, "path"),
                    f"The store {store.name!r} reads {reads}, so it has no path.",
                    at_key=True,
                    fix="Remove `path`, or write `type: file`.",
                )


class ExternalStoreElsewhere(SpecRule[EnvironmentSpec]):
    """A store of type `external` belongs to an environment on a cluster, and `storeRef` to a store of that type."""

    code = "TRU1157"
    reason = "Only a cluster has External Secrets, and no other type would read the field."
    good = """
        kind: Environment
        metadata: {name: prod}
        spec:
          target: kubernetes
          cluster: {context: prod, components: [external-secrets]}
          secretStores: [{name: vault, type: external, storeRef: {name: vault-prod}}]
        """
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {secretStores: [{name: vault, type: external}]}
        #                                         ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        whole = settings(document.key.name, index) or spec
        for position, store in enumerate(spec.secret_stores):
            place = ("spec", "secretStores", position)
            if store.type == "external" and whole.target != "kubernetes":
                yield Finding(
                    (*place, "type"),
                    f"The environment's target is {whole.target}, which has no stores of External Secrets.",
                    fix="Write `type: env`, `file` or `age`.",
                )
            if store.type != "external" and store.store_ref is not None:
                yield Finding(
                    (*place, "storeRef"),
                    f"The store {store.name!r} is of type {store.type}, which reads no `storeRef`.",
                    at_key=True,
                    fix="Remove `storeRef`, or write `type: external`.",
                )


class SecretsInRepository(SpecRule[EnvironmentSpec]):
    """The folder of a store of type `file` must be outside the repository: an absolute path, or one that begins with `~`."""

    code = "TRU1112"
    reason = "Secrets in clear text inside the repository are committed sooner or later."
    good = StoreTwice.good
    bad = """
        kind: Environment
        metadata: {name: dev}
        spec: {secretStores: [{name: files, type: file, path: secrets}]}
        #                                                     ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, store in enumerate(spec.secret_stores):
            path = store.path or ""
            within = not path.startswith("~") and not PurePosixPath(path).is_absolute() and not path.startswith("../")
            if store.type == "file" and path and within:
                yield Finding(
                    ("spec", "secretStores", position, "path"),
                    f"The folder {path!r} of the store {store.name!r} is inside the repository.",
                    fix="Write a folder outside, such as `/run/secrets`, or use a store of type `age`.",
                )


class EncryptedFileMissing(SpecRule[EnvironmentSpec]):
    """The file of a store of type `age` must be in the repository."""

    code = "TRU1113"
    reason = "The secrets could not be found when a plan is applied."
    good = """
        # files: secrets/prod.age
        kind: Environment
        metadata: {name: prod}
        spec: {secretStores: [{name: vault, type: age, path: secrets/prod.age}]}
        """
    bad = """
        # files: secrets/prod.age
        kind: Environment
        metadata: {name: prod}
        spec: {secretStores: [{name: vault, type: age, path: secrets/prd.age}]}
        #                                                    ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, store in enumerate(spec.secret_stores):
            if store.type != "age" or not store.path or not (outside(store.path) or not is_file(store.path, index)):
                continue
            what = "outside the workspace" if outside(store.path) else "not in the repository"
            yield Finding(
                ("spec", "secretStores", position, "path"),
                f"The file {store.path!r} of the store {store.name!r} is {what}.",
                fix=suggestion(store.path, index),
            )


class RayUnused(SpecRule[EnvironmentSpec]):
    """`runner.ray` should be given where runs are RayJobs only."""

    code = "TRU1109"
    severity = Severity.WARNING
    reason = "Another runner makes no cluster of Ray."
    good = """
        kind: Environment
        metadata: {name: prod}
        spec:
          target: kubernetes
          cluster: {context: prod-eu, components: [kuberay]}
          runner: {type: ray, ray: {workers: {replicas: 2}}}
        """
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec:
          target: kubernetes
          cluster: {context: prod-eu}
          runner: {type: jobs, ray: {workers: {replicas: 2}}}
        #                           ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        runner = (settings(document.key.name, index) or spec).runner
        if spec.runner.ray is not None and runner.type != "ray":
            yield Finding(
                ("spec", "runner", "ray"),
                f"It says what a run's cluster of Ray is like, and the runner is `{runner.type}`.",
                fix="Write `type: ray`, or remove `ray`.",
            )


RULES: tuple[type[Rule], ...] = (
    ExtendsCycle,
    CloudMissing,
    ClusterUnsaid,
    CloudUnused,
    AccountMalformed,
    ZoneElsewhere,
    PrefixMalformed,
    RayUnused,
    *cluster_rules.RULES,
    *clusters_rules.RULES,
    StoreTwice,
    StorePath,
    ExternalStoreElsewhere,
    SecretsInRepository,
    EncryptedFileMissing,
    *applying_rules.RULES,
    *registry_rules.RULES,
    *feature_server_rules.RULES,
)
