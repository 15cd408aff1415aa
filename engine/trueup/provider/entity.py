"""`trueup:features:Entity`: what features are about, in a Feast repository. Called by `server` and `observe`."""

from __future__ import annotations

from typing import ClassVar

from trueup.provider import feature_objects as objects
from trueup.provider import inputs as fields
from trueup.provider.component import UNKNOWN, Context, Failure, Live, Properties, State


class Entity:
    """An entity. Its id is `repo#project/name`."""

    token: ClassVar[str] = "trueup:features:Entity"
    replace_on: ClassVar[frozenset[str]] = frozenset({"repo", "project", "name"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors."""
        found = [*objects.check(inputs), *fields.text(inputs, "joinKey", "the column that identifies one")]
        if inputs.get("valueType") not in ("string", "int64", UNKNOWN):
            found.append(
                Failure(
                    "valueType", f"`valueType` must be string or int64; it is {fields.shown(inputs.get('valueType'))}."
                )
            )
        return found

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """The name."""
        return {} if inputs.get("name") in (None, UNKNOWN) else {"name": inputs["name"]}

    def create(self, context: Context, inputs: Properties) -> State:
        """Registers it, or adopts what an interrupted create left."""
        objects.adopt(context, "entities", inputs)
        return self._put(context, inputs)

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """The definition in the registry."""
        where = objects.placed(id, inputs)
        found = objects.registered(context, "entities", where)
        return None if found is None else Live(objects.live(where, found["inputs"], inputs), {"name": where["name"]})

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Registers the definition anew."""
        return self._put(context, inputs)

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Takes it out of the registry, and nothing else."""
        where = objects.placed(id, inputs)
        if objects.registered(context, "entities", where) is not None:
            from trueup.features.feast.registry import remove

            with objects.speaking():
                remove(objects.repository(context, where), "entities", str(where["name"]))

    def _put(self, context: Context, inputs: Properties) -> State:
        with objects.speaking():
            from trueup.features.feast.registry import put_entity

            put_entity(objects.repository(context, inputs), inputs, context.urn)
        return State(objects.identity(inputs), {"name": inputs["name"]})
