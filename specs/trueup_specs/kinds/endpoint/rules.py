"""Rules of `kind: Endpoint` (TRU1750 to TRU1799)."""

from __future__ import annotations

from collections.abc import Iterator

from trueup_specs.core.diagnostics import Severity
from trueup_specs.core.envelope import Document, seconds
from trueup_specs.core.references import qualified
from trueup_specs.core.rules import Finding, Index, Rule, SpecRule, derived, examples, lookup
from trueup_specs.kinds.endpoint import placement_rules, predictor_rules, rollout_rules
from trueup_specs.kinds.endpoint.routes import routes
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.envelope.hosts import host_findings
from trueup_specs.kinds.envelope.words import instead
from trueup_specs.kinds.feature_service.spec import FeatureServiceSpec
from trueup_specs.kinds.feature_view.spec import FeatureViewSpec
from trueup_specs.kinds.model.spec import ModelSpec
from trueup_specs.kinds.model.training_rules import given_by_overlay, originates

_MODEL = """
    kind: Model
    metadata: {name: churn}
    spec: {source: {uri: "models:/churn/3"}, task: classification}
    """
_GOOD = examples(
    """
    kind: Endpoint
    metadata: {name: churn}
    spec:
      model: {name: churn, alias: champion}
      route: {path: /churn, hosts: [api.example.com]}
      logging: {mode: metadata, samplePercent: 10}
    """,
    _MODEL,
)


def _model(spec: EndpointSpec, document: Document, index: Index) -> Document | None:
    return lookup(index, "Model", spec.model.name, document.key.namespace)


class ModelOfNothing(SpecRule[EndpointSpec]):
    """An endpoint must serve a model that something trains or gives."""

    code = "TRU1750"
    reason = "No version would ever exist, and the endpoint would wait for ever."
    good = _GOOD
    bad = """
        kind: Endpoint
        metadata: {name: churn}
        spec: {model: {name: churn}}
        #                    ^
        ---
        kind: Model
        metadata: {name: churn}
        spec: {task: classification}
        """

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        model = _model(spec, document, index)
        if model is None or spec.model.version is not None:
            return
        assert isinstance(model.spec, ModelSpec)
        if not originates(model.spec) and model.key not in derived(index, given_by_overlay):
            yield Finding(
                ("spec", "model", "name"),
                f"Nothing trains {model.key}, and it has no source and no version to serve.",
                fix="Name a `pipeline` or `source` in the model, or pin a version.",
                related=((model.key, ("metadata", "name"), "The model."),),
            )


class VersionAndAlias(SpecRule[EndpointSpec]):
    """An endpoint must not name both a version and an alias."""

    code = "TRU1751"
    reason = "They can mean different versions."
    good = _GOOD
    bad = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec: {model: {name: churn, version: 3, alias: champion}}
        #                                       ^
        """,
        _MODEL,
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        if spec.model.version is not None and spec.model.alias is not None:
            yield Finding(
                ("spec", "model", "alias"),
                f"The endpoint names version {spec.model.version} and the alias {spec.model.alias!r}.",
                at_key=True,
                fix="Keep one of them.",
            )


class AliasUnknown(SpecRule[EndpointSpec]):
    """The alias must be one of the model's."""

    code = "TRU1752"
    reason = "An alias that nobody sets means no version."
    good = _GOOD
    bad = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec: {model: {name: churn, alias: champoin}}
        #                                  ^
        """,
        _MODEL,
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        model = _model(spec, document, index)
        if model is None or spec.model.version is not None:
            return
        assert isinstance(model.spec, ModelSpec)
        wanted, known = spec.model.alias or "champion", [alias.name for alias in model.spec.aliases]
        if wanted not in known:
            yield Finding(
                ("spec", "model", "alias" if spec.model.alias is not None else "name"),
                f"{model.key} has no alias {wanted!r}.",
                fix=instead(wanted, known) if known else f"Add `aliases: [{{name: {wanted}}}]` to the model.",
                related=((model.key, ("spec", "aliases"), "Its aliases."),),
            )


class FeaturesOfOther(SpecRule[EndpointSpec]):
    """`features` must be the feature service that the model is trained with."""

    code = "TRU1753"
    reason = "The model would be given other columns than it learned from."
    good = _GOOD
    bad = """
        kind: Endpoint
        metadata: {name: churn}
        spec: {model: {name: churn}, features: profile}
        #                                      ^
        ---
        kind: Model
        metadata: {name: churn}
        spec: {source: {uri: "models:/churn/3"}, task: classification}
        ---
        kind: FeatureService
        metadata: {name: profile}
        spec: {features: [{view: customer}]}
        ---
        kind: FeatureView
        metadata: {name: customer}
        spec: {entities: [customer], dataset: history, timestampField: at, features: [{name: visits, type: int64}]}
        ---
        kind: Entity
        metadata: {name: customer}
        spec: {joinKey: id}
        ---
        kind: DataSource
        metadata: {name: raw}
        spec: {file: {url: "https://example.com/raw.csv", format: csv}}
        ---
        kind: Dataset
        metadata: {name: history}
        spec:
          source: raw
          schema:
            properties:
              - {name: id, logicalType: string}
              - {name: at, logicalType: timestamp}
              - {name: visits, logicalType: integer}
        """

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        model = _model(spec, document, index)
        if model is None or spec.features is None:
            return
        assert isinstance(model.spec, ModelSpec)
        own = qualified(spec.features, document.key.namespace)
        trained = qualified(model.spec.features, model.key.namespace) if model.spec.features is not None else None
        if own != trained:
            with_ = f"with {model.spec.features!r}" if trained else "without a feature service"
            yield Finding(
                ("spec", "features"),
                f"{model.key} is trained {with_}, not with {spec.features!r}.",
                fix="Name the same feature service in the model and in the endpoint.",
                related=((model.key, ("spec", "features"), "What it is trained with."),),
            )


class FeaturesOffline(SpecRule[EndpointSpec]):
    """The views of an endpoint's features must be online."""

    code = "TRU1754"
    reason = "The server reads the latest values while it answers; only online views keep them."
    good = _GOOD
    bad = FeaturesOfOther.bad.replace("task: classification}", "task: classification, features: profile}").replace(
        "type: int64}]}", "type: int64}], online: false}"
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        service = lookup(index, "FeatureService", spec.features, document.key.namespace) if spec.features else None
        for projection in service.spec.features if service and isinstance(service.spec, FeatureServiceSpec) else ():
            assert service is not None
            view = lookup(index, "FeatureView", projection.view, service.key.namespace)
            if view is not None and isinstance(view.spec, FeatureViewSpec) and not view.spec.online:
                yield Finding(
                    ("spec", "features"),
                    f"{view.key} keeps no values online, so the endpoint cannot read {spec.features!r}.",
                    fix=f"Write `online: true` in {view.key}.",
                    related=((view.key, ("spec", "online"), "The view is offline here."),),
                )


class RouteTaken(SpecRule[EndpointSpec]):
    """Two routes of a gateway must not match the same requests."""

    code = "TRU1755"
    reason = "Only the first of them would be given requests."
    good = _GOOD
    bad = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec: {model: {name: churn}, route: {path: /predict}}
        #                                          ^
        ---
        kind: Endpoint
        metadata: {name: leave}
        spec: {model: {name: churn}, route: {path: /predict}}
        #                                          ^
        """,
        _MODEL,
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        for mine in routes(document, index):
            for other in mine.rivals(index):
                yield Finding(
                    ("spec", "route", "path"),
                    f"{mine.words()} is also the route of {other.key}.",
                    fix="Give one of them another path or other hosts.",
                    related=((other.key, other.path, "The other route."),),
                )


class RouteHost(SpecRule[EndpointSpec]):
    """`route.hosts` must be host names, each once."""

    code = "TRU1756"
    reason = "No request would ever match another text."
    good = _GOOD
    bad = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec: {model: {name: churn}, route: {hosts: ["https://api.example.com"]}}
        #                                            ^
        """,
        _MODEL,
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        yield from host_findings(spec.route.hosts, ("spec", "route", "hosts"))


class SampleOfNothing(SpecRule[EndpointSpec]):
    """`logging.samplePercent` needs a mode that logs, and a share above 0."""

    code = "TRU1757"
    severity = Severity.WARNING
    reason = "Nothing would be kept, though it looks as if."
    good = _GOOD
    bad = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec: {model: {name: churn}, logging: {samplePercent: 10}}
        #                                      ^
        """,
        _MODEL,
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        said = "sample_percent" in spec.logging.model_fields_set
        if said and (spec.logging.mode == "none" or spec.logging.sample_percent == 0):
            yield Finding(
                ("spec", "logging", "samplePercent"),
                "No request is logged, because the mode is `none`."
                if spec.logging.mode == "none"
                else "A share of 0 logs nothing.",
                at_key=True,
                fix="Write `mode: metadata` or `mode: all`, or remove `logging`.",
            )


class RequestTime(SpecRule[EndpointSpec]):
    """`predictor.timeout` must be more than nothing."""

    code = "TRU1758"
    reason = "Every request would be answered with a time-out."
    good = _GOOD
    bad = examples(
        """
        kind: Endpoint
        metadata: {name: churn}
        spec: {model: {name: churn}, predictor: {timeout: 0s}}
        #                                                 ^
        """,
        _MODEL,
    )

    def find(self, spec: EndpointSpec, document: Document, index: Index) -> Iterator[Finding]:
        if seconds(spec.predictor.timeout) == 0:
            yield Finding(
                ("spec", "predictor", "timeout"),
                "A request has no time to be answered.",
                fix="Write the longest time that it may take, such as `30s`; that is also the default.",
            )


RULES: tuple[type[Rule], ...] = (
    ModelOfNothing,
    VersionAndAlias,
    AliasUnknown,
    FeaturesOfOther,
    FeaturesOffline,
    RouteTaken,
    RouteHost,
    SampleOfNothing,
    RequestTime,
    *predictor_rules.RULES,
    *rollout_rules.RULES,
    *placement_rules.RULES,
)
