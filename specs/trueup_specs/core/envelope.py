"""The envelope of every document, and the base of every spec model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel

from trueup_specs.core import docstrings
from trueup_specs.core.references import NAME, EnvironmentRef, Key, TeamRef

T = TypeVar("T")

Items = Annotated[tuple[T, ...], Strict(False)]
"""A YAML list. (Strict models refuse a list for a tuple; the items stay strict.)"""

Name = Annotated[str, Field(pattern=rf"^{NAME}$", description="Lower-case letters, digits and `-`; at most 63.")]
Duration = Annotated[
    str,
    Field(pattern=r"^(?:\d+(?:ms|s|m|h|d|w))+$", description="A length of time, such as `30s`, `5m`, `1h30m`, `7d`."),
]
Quantity = Annotated[
    str | int | float,
    Field(description="A Kubernetes quantity: `500m` CPU, `2`, `512Mi`, `4Gi`.", union_mode="left_to_right"),
]
Scalar = str | int | float | bool | None


@functools.cache
def _shared(model: type[BaseModel]) -> Callable[[], BaseModel]:
    return functools.cache(model)


class SpecModel(BaseModel):
    """Base of the spec models: camelCase in YAML, immutable, unknown fields and silent conversions refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=docstrings.wanted,
        allow_inf_nan=False,
        defer_build=True,
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        """Lets all documents share a part that is left out: as it never changes, it need not be made anew for each."""
        for info in cls.model_fields.values():
            if isinstance(info.default_factory, type) and issubclass(info.default_factory, SpecModel):
                info.default_factory = _shared(info.default_factory)


class Metadata(SpecModel):
    """Who a document is. Nothing here but `movedFrom` and `environments` changes what is deployed."""

    name: Name
    """The name, unique for its kind and namespace."""
    namespace: Name | None = None
    """The team or product area; by default the workspace's `defaultNamespace`."""
    owner: TeamRef | None = None
    """The team that answers for it."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Free labels, carried to the target's labels or tags."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Free notes for people and tools, kept in the ledger only."""
    environments: Items[EnvironmentRef] | None = None
    """The environments the document exists in; by default all."""
    moved_from: str | None = None
    """The former `name` or `namespace/name` of a renamed document, whose data and history it keeps. Leave it: it says where they are."""
    deletion_policy: Literal["delete", "retain"] | None = None
    """What happens to the real thing when the document goes; `retain` is the default of kinds that hold data."""


class SecretRef(SpecModel):
    """A secret, by the name of a store of the environment; resolved at apply, never written down."""

    store: Name
    """A store of `Environment.spec.secretStores`."""
    name: str
    """The secret's name in that store: a variable of `env`, a file of `file`, an entry of `age`."""
    key: str | None = None
    """A key inside a secret that holds several values."""


class SecretKeyRef(SpecModel):
    """A value that is given by reference."""

    secret_ref: SecretRef


EnvValue = Annotated[str | SecretKeyRef, Field(union_mode="left_to_right")]
"""The value of an environment variable: text, or a secret by reference."""


class Resources(SpecModel):
    """CPU and memory of one process or container, in Kubernetes quantities."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    cpu_limit: Quantity | None = None
    memory_limit: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Which document of which file: `file` relative to the repository, `index` from zero in a multi-document file."""

    file: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """A validated document: what the later stages work on."""

    key: Key
    metadata: Metadata
    spec: SpecModel
    source: Source
    links: list[Any] = field(init=False, default_factory=list, compare=False, repr=False)
    """What `links.references` found in it; empty until it is asked."""


@functools.lru_cache(maxsize=4096)
def seconds(duration: str) -> float:
    """A `Duration` in seconds: `1h30m` is 5400."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
    total, number, unit = 0.0, "", ""
    for char in duration + "0":
        if char.isdigit():
            if unit:
                total += float(number) * units[unit]
                number, unit = "", ""
            number += char
        else:
            unit += char
    return total
