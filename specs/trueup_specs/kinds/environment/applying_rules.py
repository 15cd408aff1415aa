"""Rules of how an Environment is applied to (TRU1120 to TRU1149): state, approvals, windows, drift. Listed by `rules`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule
from trueup_specs.core.schedules import cron_problem, known_timezone, timezone_fix
from trueup_specs.kinds.environment import approval_rules, price_rules
from trueup_specs.kinds.environment.spec import EnvironmentSpec

_BACKENDS = ("file", "s3", "gs", "azblob", "https", "http")
_PROVIDERS = ("awskms", "gcpkms", "azurekeyvault", "hashivault")
_ESTIMATOR = re.compile(r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\.\*)?$")
_SHORTEST = 10.0
"""Seconds between two looks for drift, at least."""
_STATE = """
    kind: Environment
    metadata: {name: prod}
    spec: {state: {backend: "s3://trueup-state", secretsProvider: "awskms://alias/trueup"}}
    """
_WINDOWS = """
    kind: Environment
    metadata: {name: prod}
    spec: {windows: [{cron: "0 8 * * 1-5", duration: 8h, timezone: Europe/Berlin}]}
    """


class BackendUnknown(SpecRule[EnvironmentSpec]):
    """`state.backend` must be a URL of a Pulumi backend, without a password in it."""

    code = "TRU1120"
    reason = "Pulumi could not open the state; and specs are read by everyone."
    good = _STATE
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {state: {backend: trueup-state}}
        #                       ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        backend = spec.state.backend
        if backend is None:
            return
        scheme, found, rest = backend.partition("://")
        if not found or scheme not in _BACKENDS or not rest:
            yield Finding(
                ("spec", "state", "backend"),
                f"{backend!r} is no backend of Pulumi.",
                fix="Write a URL: `file:///path`, `s3://bucket`, `gs://bucket`, `azblob://container` or `https://…`.",
            )
        elif "@" in rest.partition("/")[0] and ":" in rest.partition("@")[0]:
            yield Finding(
                ("spec", "state", "backend"),
                "The URL of the state backend holds a password.",
                fix="Remove it: Pulumi takes credentials from the environment, such as `AWS_PROFILE` or `PULUMI_ACCESS_TOKEN`.",
            )


class ProviderUnknown(SpecRule[EnvironmentSpec]):
    """`state.secretsProvider` must be `passphrase` or the URL of a key."""

    code = "TRU1121"
    reason = "Pulumi could not encrypt the secrets of the state."
    good = _STATE
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {state: {secretsProvider: aws-kms}}
        #                               ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        provider = spec.state.secrets_provider
        scheme, found, rest = provider.partition("://")
        if provider in ("passphrase", "default") or (found and rest and scheme in _PROVIDERS):
            return
        yield Finding(
            ("spec", "state", "secretsProvider"),
            f"{provider!r} is no secrets provider of Pulumi.",
            fix="Write `passphrase`, `awskms://…`, `gcpkms://…`, `azurekeyvault://…` or `hashivault://…`.",
        )


class PassphraseUnused(SpecRule[EnvironmentSpec]):
    """`state.passphraseEnv` belongs to the secrets provider `passphrase`."""

    code = "TRU1122"
    reason = "Another provider has a key of its own and asks for no passphrase, so one of the two was not meant."
    good = _STATE
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {state: {secretsProvider: "awskms://alias/trueup", passphraseEnv: STATE_PASSPHRASE}}
        #                                                        ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.state.passphrase_env is not None and spec.state.secrets_provider != "passphrase":
            yield Finding(
                ("spec", "state", "passphraseEnv"),
                f"The secrets provider {spec.state.secrets_provider!r} takes no passphrase.",
                at_key=True,
                fix="Remove `passphraseEnv`, or write `secretsProvider: passphrase`.",
            )


class WindowCron(SpecRule[EnvironmentSpec]):
    """The `cron` of a window must be a cron expression that fires."""

    code = "TRU1130"
    reason = "The window would never open, and with it no apply would be allowed."
    good = _WINDOWS
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {windows: [{cron: "0 25 * * *", duration: 8h}]}
        #                       ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, window in enumerate(spec.windows):
            wrong = cron_problem(window.cron)
            if wrong:
                yield Finding(
                    ("spec", "windows", position, "cron"),
                    f"{window.cron!r} {wrong}.",
                    fix="Write five fields: minute, hour, day of month, month, day of week; `0 8 * * 1-5` is eight on workdays.",
                )


class WindowTimezone(SpecRule[EnvironmentSpec]):
    """The `timezone` of a window must be one of the IANA database."""

    code = "TRU1131"
    reason = "Nobody could tell when the window opens."
    good = _WINDOWS
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {windows: [{cron: "0 8 * * *", duration: 8h, timezone: Europe/Berln}]}
        #                                                            ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, window in enumerate(spec.windows):
            if not known_timezone(window.timezone):
                yield Finding(
                    ("spec", "windows", position, "timezone"),
                    f"{window.timezone!r} is no known time zone.",
                    fix=timezone_fix(window.timezone),
                )


class WindowNothing(SpecRule[EnvironmentSpec]):
    """A window must last some time."""

    code = "TRU1132"
    reason = "A window of no length is never open, so it allows or freezes nothing."
    good = _WINDOWS
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {windows: [{cron: "0 8 * * *", duration: 0h}]}
        #                                              ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, window in enumerate(spec.windows):
            if seconds(window.duration) <= 0:
                yield Finding(
                    ("spec", "windows", position, "duration"),
                    "The window has no length.",
                    fix="Write how long it is open, such as `8h`.",
                )


class DriftTooOften(SpecRule[EnvironmentSpec]):
    """`drift.interval` must be at least ten seconds."""

    code = "TRU1133"
    reason = "Looking takes time itself, and clouds limit how often they answer."
    good = """
        kind: Environment
        metadata: {name: prod}
        spec: {drift: {interval: 10m}}
        """
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {drift: {interval: 10ms}}
        #                        ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.drift.interval is not None and seconds(spec.drift.interval) < _SHORTEST:
            yield Finding(
                ("spec", "drift", "interval"),
                f"{spec.drift.interval!r} is too often to look for drift.",
                fix="Write at least `10s`; `10m` is usual. Leave it out to look on request only.",
            )


class EstimatorPattern(SpecRule[EnvironmentSpec]):
    """`allowedEstimators` must be dotted names or `package.*`."""

    code = "TRU1134"
    reason = "The list decides which code a step may import, so nothing looser is read."
    good = """
        kind: Environment
        metadata: {name: prod}
        spec: {allowedEstimators: [xgboost.XGBClassifier, "lightgbm.*"]}
        """
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {allowedEstimators: ["*"]}
        #                          ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        for position, pattern in enumerate(spec.allowed_estimators):
            if not _ESTIMATOR.match(pattern):
                yield Finding(
                    ("spec", "allowedEstimators", position),
                    f"{pattern!r} is no dotted name.",
                    fix="Write a class, such as `xgboost.XGBClassifier`, or a package, such as `xgboost.*`.",
                )


class TrackingAddress(SpecRule[EnvironmentSpec]):
    """`registry.trackingUri` must be a URL without a password in it."""

    code = "TRU1135"
    reason = (
        "MLflow takes a bare name for a folder of the machine that happens to apply; and specs are read by everyone."
    )
    good = """
        kind: Environment
        metadata: {name: prod}
        spec: {registry: {trackingUri: "https://mlflow.example.com"}}
        """
    bad = """
        kind: Environment
        metadata: {name: prod}
        spec: {registry: {trackingUri: mlflow.example.com}}
        #                              ^
        """

    def find(self, spec: EnvironmentSpec, document: Document, index: Index) -> Iterator[Finding]:
        uri = spec.registry.tracking_uri
        if uri is None:
            return
        parts = urlsplit(uri)
        if not parts.scheme or "://" not in uri:
            yield Finding(
                ("spec", "registry", "trackingUri"),
                f"{uri!r} is no URL.",
                fix=f"Write its scheme, such as `https://{uri}`.",
            )
        elif "@" in parts.netloc and ":" in parts.netloc.partition("@")[0]:
            yield Finding(
                ("spec", "registry", "trackingUri"),
                "The URL of the model registry holds a password.",
                fix="Remove it: MLflow takes `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD` from the environment.",
            )


RULES: tuple[type[Rule], ...] = (
    BackendUnknown,
    ProviderUnknown,
    PassphraseUnused,
    *approval_rules.RULES,
    *price_rules.RULES,
    WindowCron,
    WindowTimezone,
    WindowNothing,
    DriftTooOften,
    EstimatorPattern,
    TrackingAddress,
)
