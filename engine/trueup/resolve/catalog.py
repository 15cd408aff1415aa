"""Resolve: from all documents of a workspace to those of one environment, with overlays, defaults and bound references.

Called by the workspace after validation passed; pure. What it returns is what targets compile (`trueup_stacks.core.targets.Catalog`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from trueup.resolve.environments import settings as resolve_settings
from trueup.resolve.lineage import Lineage, lineage
from trueup_specs.core.envelope import Document, Metadata, Source
from trueup_specs.core.fingerprints import Json, fingerprint
from trueup_specs.core.links import WORKSPACE_KINDS
from trueup_specs.core.patches import merge
from trueup_specs.core.references import Key, qualified
from trueup_specs.kinds import KINDS
from trueup_specs.kinds.endpoint.spec import EndpointSpec
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_specs.kinds.gateway.spec import GatewaySpec
from trueup_specs.kinds.overlay.spec import OverlaySpec
from trueup_stacks.core.targets import Facts

IMPLICIT_GATEWAY = "gateway"
_DESCRIPTIVE = frozenset({"description", "intendedUse", "riskClass", "contact", "slaProperties", "retention"})


@dataclass(frozen=True)
class Catalog:
    """The documents of one environment."""

    project: str
    environment: str
    settings: EnvironmentSpec
    documents: Mapping[Key, Document]
    facts: Facts = field(default_factory=Facts)
    cluster: str = ""
    """Of the whole environment, none: what one cluster has of it is the target's to say (`Target.places`)."""
    _fingerprints: dict[Key, str] = field(default_factory=dict, repr=False)

    def of_kind(self, kind: str) -> Iterable[Document]:
        return self._kinds.get(kind, ())

    @cached_property
    def lineage(self) -> Lineage:
        """What is upstream of what."""
        return lineage(self.documents)

    @cached_property
    def _kinds(self) -> dict[str, list[Document]]:
        found: dict[str, list[Document]] = {}
        for key, document in sorted(self.documents.items(), key=lambda item: item[0]):
            found.setdefault(key.kind, []).append(document)
        return found

    def get(self, key: Key) -> Document | None:
        """The document of a key, or None where this environment has none."""
        return self.documents.get(key)

    def bound(self, document: Document, kind: str, text: str) -> Document:
        namespace, name = qualified(text, document.key.namespace)
        return self.documents[Key(kind, "" if kind in WORKSPACE_KINDS else namespace, name)]

    def fingerprint(self, key: Key) -> str:
        if key not in self._fingerprints:
            source = self.facts.sources.get(key)
            meaning: dict[str, Json] = {
                "key": str(key),
                "spec": meaning_of(self.documents[key]),
                "upstream": {str(k): self.fingerprint(k) for k in sorted(self.lineage.upstream.get(key, ()))},
                "source": source.fingerprint if source and not source.volatile else None,
            }
            self._fingerprints[key] = fingerprint(meaning)
        return self._fingerprints[key]

    def with_facts(self, facts: Facts) -> Catalog:
        """The same documents with other facts."""
        return replace(self, facts=facts, _fingerprints={})


def meaning_of(document: Document) -> Json:
    """A document's spec as JSON without what only describes."""
    meaning: Json = _without_descriptions(document.spec.model_dump(by_alias=True, exclude_defaults=True, mode="json"))
    return meaning


def _without_descriptions(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_descriptions(v) for k, v in value.items() if k not in _DESCRIPTIVE}
    if isinstance(value, list):
        return [_without_descriptions(v) for v in value]
    return value


def resolve(project: str, documents: Mapping[Key, Document], environment: str, facts: Facts | None = None) -> Catalog:
    """The catalog of an environment. Raises KeyError where the environment is not defined."""
    present = documents_in(documents, environment)
    settings = resolve_settings(documents, environment)
    return Catalog(project, environment, settings, present, facts or Facts())


def documents_in(documents: Mapping[Key, Document], environment: str) -> dict[Key, Document]:
    """The documents of an environment, with overlays and defaults. Raises KeyError where the environment is not defined."""
    settings = resolve_settings(documents, environment)
    present = {k: d for k, d in documents.items() if _exists_in(d, environment)}
    changed = overlays(present, environment)
    patched = {
        k: _with_overlays(d, changed[k]) if k in changed else d for k, d in present.items() if k.kind != "Overlay"
    }
    if settings.target == "local":
        patched |= _with_gateways(patched)
    return patched


def _exists_in(document: Document, environment: str) -> bool:
    limits = document.metadata.environments
    return limits is None or environment in limits


def overlays(documents: Mapping[Key, Document], environment: str) -> dict[Key, list[Document]]:
    """The overlays of an environment by what they change, each list in the order they apply."""
    found: dict[Key, list[Document]] = {}
    for overlay in sorted((d for k, d in documents.items() if k.kind == "Overlay"), key=lambda d: d.key):
        assert isinstance(overlay.spec, OverlaySpec)
        if environment in overlay.spec.environments:
            target = overlay.spec.target
            namespace = (target.namespace or overlay.key.namespace) if KINDS[target.kind].namespaced else ""
            found.setdefault(Key(target.kind, namespace, target.name), []).append(overlay)
    return found


def _with_overlays(document: Document, overlays: Iterable[Document]) -> Document:
    spec = document.spec.model_dump(by_alias=True, exclude_unset=True)
    for overlay in overlays:
        assert isinstance(overlay.spec, OverlaySpec)
        spec = merge(spec, overlay.spec.patch)
    return replace(document, spec=type(document.spec).model_validate(spec))


def _with_gateways(documents: Mapping[Key, Document]) -> dict[Key, Document]:
    """Binds endpoints that name no gateway to the namespace's own, or to one that is made for them."""
    bound: dict[Key, Document] = {}
    gateways: dict[str, list[Key]] = {}
    for key in sorted(k for k in documents if k.kind == "Gateway"):
        gateways.setdefault(key.namespace, []).append(key)
    for key, document in documents.items():
        if not isinstance(document.spec, EndpointSpec) or document.spec.route.gateway is not None:
            continue
        own = gateways.get(key.namespace)
        gateway = own[0] if own else Key("Gateway", key.namespace, IMPLICIT_GATEWAY)
        if not own:
            metadata = Metadata(name=gateway.name, namespace=gateway.namespace)
            bound[gateway] = Document(gateway, metadata, GatewaySpec(), Source(file="", index=0))
        route = document.spec.route.model_copy(update={"gateway": str(gateway.name)})
        bound[key] = replace(document, spec=document.spec.model_copy(update={"route": route}))
    return bound
