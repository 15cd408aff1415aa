"""References between documents: typed in the models, written `name` or `namespace/name` in YAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

NAME = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
"""A DNS label (RFC 1123), so that a name is good in every target."""


class Key(NamedTuple):
    """What a document is called: kind, namespace (empty for kinds of the whole workspace) and name.

    A tuple, since it is made and looked up more often than anything else.
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Key:
        """The reverse of `str(key)`; raises ValueError for anything else."""
        parts = text.split("/")
        if len(parts) == 2:
            return cls(parts[0], "", parts[1])
        if len(parts) == 3:
            return cls(*parts)
        raise ValueError(f"{text!r} is not KIND/NAME or KIND/NAMESPACE/NAME")


@dataclass(frozen=True, slots=True)
class Reference:
    """Marks a string field as the name of a document of `kind`, or one of `words`, which mean something else."""

    kind: str
    words: frozenset[str] = frozenset()

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Says in the JSON Schema what is referred to, for editors."""
        words = "".join(f", or `{word}`" for word in sorted(self.words))
        article = "An" if self.kind[0] in "AEIOU" else "A"
        return {
            **handler(core),
            "description": f"{article} {self.kind}, as `name` or `namespace/name`{words}.",
        }


def qualified(text: str, namespace: str) -> tuple[str, str]:
    """A reference as (namespace, name); a bare name is looked up in the namespace of the document that holds it."""
    first, slash, second = text.partition("/")
    return (first, second) if slash else (namespace, text)


_PATTERN = Field(pattern=rf"^(?:{NAME}/)?{NAME}$")

DataSourceRef = Annotated[str, Reference("DataSource"), _PATTERN]
DatasetRef = Annotated[str, Reference("Dataset"), _PATTERN]
EntityRef = Annotated[str, Reference("Entity"), _PATTERN]
FeatureViewRef = Annotated[str, Reference("FeatureView"), _PATTERN]
FeatureServiceRef = Annotated[str, Reference("FeatureService"), _PATTERN]
PipelineRef = Annotated[str, Reference("Pipeline"), _PATTERN]
QualityGateRef = Annotated[str, Reference("QualityGate"), _PATTERN]
ModelRef = Annotated[str, Reference("Model"), _PATTERN]
EndpointRef = Annotated[str, Reference("Endpoint"), _PATTERN]
GatewayRef = Annotated[str, Reference("Gateway"), _PATTERN]
MonitorRef = Annotated[str, Reference("Monitor"), _PATTERN]
ObjectStoreRef = Annotated[str, Reference("ObjectStore"), _PATTERN]
EnvironmentRef = Annotated[str, Reference("Environment"), _PATTERN]
EachOrEnvironmentRef = Annotated[str, Reference("Environment", frozenset({"each"})), _PATTERN]
TeamRef = Annotated[str, Reference("Team"), _PATTERN]
