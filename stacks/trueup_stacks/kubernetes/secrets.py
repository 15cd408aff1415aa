"""Secrets of a document's objects: a Secret that an apply fills, or an ExternalSecret where a store is the cluster's own.

What External Secrets reads passes through no part of Trueup: neither its process nor its state. Where both are asked for, the operator adds
its entries to the Secret that the apply makes. Called by the modules of kinds whose pods see secrets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from trueup_specs.core.envelope import SecretKeyRef, seconds
from trueup_specs.kinds.endpoint.spec import Predictor
from trueup_specs.kinds.environment.spec import SecretStore
from trueup_stacks.core.resources import Value
from trueup_stacks.core.targets import Catalog, Refusal, env_value
from trueup_stacks.kubernetes import components, tokens

OPAQUE = "Opaque"


def stored(
    catalog: Catalog, entries: Mapping[str, SecretKeyRef], type: str = OPAQUE
) -> Iterator[tuple[str, dict[str, Value]]]:
    """The token and the properties of what holds the entries under their names; nothing where there are none."""
    stores = _external(catalog)
    outside = {name: ref for name, ref in entries.items() if ref.secret_ref.store in stores}
    own = {name: env_value(ref) for name, ref in entries.items() if name not in outside}
    if own:
        yield tokens.SECRET, {"type": type, "stringData": own}
    if outside:
        used = [stores[ref.secret_ref.store] for ref in outside.values()]
        target: dict[str, Value] = {"creationPolicy": "Merge" if own else "Owner"}
        if type != OPAQUE and not own:
            target["template"] = {"type": type}
        spec = {
            "refreshInterval": min((store.refresh_interval for store in used), key=seconds),
            "target": target,
            "data": [_entry(name, ref, stores[ref.secret_ref.store]) for name, ref in outside.items()],
        }
        yield tokens.EXTERNAL_SECRET, {"spec": spec}


def of(predictor: Predictor) -> dict[str, SecretKeyRef]:
    """The secrets that an endpoint's servers see, by their variables."""
    return {name: value for name, value in predictor.env.items() if isinstance(value, SecretKeyRef)}


def refuse(catalog: Catalog, references: Iterable[SecretKeyRef], path: str) -> Iterator[Refusal]:
    """What secrets of the cluster's own stores need."""
    if any(ref.secret_ref.store in _external(catalog) for ref in references):
        yield from components.needed(
            catalog, "external-secrets", path, "a secret of a store of the type `external` needs External Secrets"
        )


def _external(catalog: Catalog) -> dict[str, SecretStore]:
    return {store.name: store for store in catalog.settings.secret_stores if store.type == "external"}


def _entry(name: str, ref: SecretKeyRef, store: SecretStore) -> dict[str, Value]:
    given = ref.secret_ref
    remote = {"key": given.name, **({"property": given.key} if given.key else {})}
    kind = {"kind": store.store_ref.kind, "name": store.store_ref.name} if store.store_ref is not None else {}
    return {
        "secretKey": name,
        "remoteRef": remote,
        "sourceRef": {"storeRef": kind or {"kind": "ClusterSecretStore", "name": store.name}},
    }
