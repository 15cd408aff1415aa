"""What a target is: a table from kinds to pure functions, and what it does not honour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from trueup_specs.core.envelope import Document, EnvValue, SecretKeyRef
from trueup_specs.core.references import Key
from trueup_specs.kinds.environment.spec import EnvironmentSpec
from trueup_stacks.core.resources import Address, Resource, Secret, StackId


@dataclass(frozen=True, slots=True)
class SourceFact:
    """What is known of a data source's content: a fingerprint, and where the provider reads it.

    `fingerprint` is a content hash, ETag, cursor value or `unknown`; `url` is `home:…` for a file of the repository.
    `volatile` sources may change without a commit.
    """

    fingerprint: str
    url: str
    volatile: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What compile must know that no spec says. Looked up by the caller, so that compile stays pure."""

    trees: Mapping[str, str] = field(default_factory=dict)
    """Object id of each file or folder that a spec names (`Pipeline.code`, `lockfile`, data files), by path."""
    sources: Mapping[Key, SourceFact] = field(default_factory=dict)
    """By DataSource."""
    accepted: Mapping[tuple[str, Key], int] = field(default_factory=dict)
    """The model version that the ledger holds as accepted, by (environment, Model)."""
    served: Mapping[tuple[str, Key], float] = field(default_factory=dict)
    """Seconds since the ledger holds that version, by (environment, Model); of models that soak before they go on."""
    away: frozenset[str] = frozenset()
    """The clusters of the environment that do not answer and are skipped, by name."""
    standing: Mapping[Key, frozenset[str]] = field(default_factory=dict)
    """On which clusters each endpoint with an order of failover stands, by what the names of their stacks end with."""
    runs: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    """The encoded inputs of the run that the ledger records for each Model of this environment: a run is made anew only
    where its meaning differs, so that an added column does not train again."""


class Catalog(Protocol):
    """The documents of one environment, as a target sees them: overlays, defaults and references resolved."""

    @property
    def project(self) -> str:
        """The workspace's name, which is the Pulumi project's."""
        ...

    @property
    def environment(self) -> str: ...

    @property
    def cluster(self) -> str:
        """What the stacks of the cluster that is compiled for have at the end of their names; empty where there is no other."""
        ...

    @property
    def settings(self) -> EnvironmentSpec:
        """The environment's spec, with what it extends."""
        ...

    @property
    def facts(self) -> Facts: ...

    def of_kind(self, kind: str) -> Iterable[Document]:
        """Sorted by key."""
        ...

    def bound(self, document: Document, kind: str, text: str) -> Document:
        """The document that a reference in `document` means; it is there, since validation passed."""
        ...

    def fingerprint(self, key: Key) -> str:
        """The digest of the document's meaning and its upstreams'."""
        ...


class Compiled(Protocol):
    """The resources emitted so far, for those that come later in the order of kinds."""

    def resources_of(self, key: Key) -> tuple[Resource, ...]: ...

    def find(self, key: Key, type: str) -> Resource:
        """The one resource of a type that a document became."""
        ...


Emit = Callable[[Document, Catalog, Compiled], Iterable[Resource]]


def everywhere(catalog: Catalog) -> bool:
    """In every environment."""
    return True


@dataclass(frozen=True, slots=True)
class Unhonoured:
    """A field that a target cannot honour: setting it to anything but its default is said at plan."""

    path: str
    """Dotted, with `[]` for any item: `spec.predictor.image`, `spec.lifecycle[].transitions`."""
    reason: str
    harmless: bool = False
    """A warning and not an error: what is deployed is as it should be, and only later convenience is missing."""
    where: Callable[[Catalog], bool] = everywhere
    """In which environments it is so; `reason` says it too."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a target cannot make anything of one document as it stands: an error at plan."""

    path: str
    """The dotted field that is wrong or lacking."""
    reason: str
    """A full sentence without its full stop."""
    fix: str


Refuse = Callable[[Document, Catalog], Iterable[Refusal]]


def accept(document: Document, catalog: Catalog) -> Iterable[Refusal]:
    """Refuses nothing."""
    return ()


Omits = Callable[[Document, Catalog], str]
"""Why one document becomes nothing on a target, as a clause; empty where it becomes something."""


def omit_nothing(document: Document, catalog: Catalog) -> str:
    """Every document becomes something, or says itself why not."""
    return ""


@dataclass(frozen=True, slots=True)
class KindSupport:
    """How a target supports one kind: the function, and the fields that it does not honour."""

    emit: Emit
    unhonoured: tuple[Unhonoured, ...] = ()
    no_resource: tuple[str, ...] = ()
    """Dotted fields that Trueup itself acts on (promotion, gates' verdicts, …) and that become no property."""
    refuse: Refuse = accept
    """Asked first: what it refuses is not emitted."""
    elsewhere: str = ""
    """Why the kind becomes nothing on this target although it may be there, as a clause; a note at plan says so."""
    omits: Omits = omit_nothing
    """Asked of each document; a note at plan says what it answers."""
    once: bool = False
    """It becomes things of the environment, such as an alias in the registry: on no cluster, however many there are."""


def nothing(document: Document, catalog: Catalog, compiled: Compiled) -> Iterable[Resource]:
    """Emits nothing: a kind that other kinds read, or that is used elsewhere."""
    return ()


@dataclass(frozen=True, slots=True)
class Places:
    """Where the documents of an environment are compiled for."""

    each: tuple[Catalog, ...]
    """The catalog as each cluster has it; where there is but one place, the catalog itself."""
    whole: Catalog
    """The catalog for what stands on none of them (`KindSupport.once`)."""
    refusals: Mapping[Key, tuple[Refusal, ...]] = field(default_factory=dict)
    """Why a document cannot stand anywhere."""


def one_place(catalog: Catalog) -> Places:
    """The places of a target that has but one."""
    return Places((catalog,), catalog)


@dataclass(frozen=True, slots=True)
class Target:
    """A platform. `kinds` is in the order of compilation: what is referred to comes first."""

    name: str
    kinds: Mapping[str, KindSupport]
    places: Callable[[Catalog], Places] = one_place
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Why a kind is not among `kinds`, as a clause, where there is more to say than that."""


def stack_of(document: Document, catalog: Catalog, layer: str) -> StackId:
    """The stack of a document's resources."""
    return StackId(catalog.environment, document.key.namespace or "workspace", layer, catalog.cluster)


def address_of(document: Document, catalog: Catalog, layer: str, type: str, suffix: str = "") -> Address:
    """The address of a document's resource: named like the document."""
    return Address(stack_of(document, catalog, layer), type, document.key.name + suffix)


def env_value(value: EnvValue) -> str | Secret:
    """An environment value as a property."""
    if isinstance(value, SecretKeyRef):
        ref = value.secret_ref
        return Secret(ref.store, ref.name, ref.key)
    return value
