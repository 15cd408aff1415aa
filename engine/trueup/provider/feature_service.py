"""`trueup:features:FeatureService`: the features that one model uses, in a Feast repository. Called by `server` and `observe`."""

from __future__ import annotations

from typing import Any, ClassVar

from trueup.provider import feature_objects as objects
from trueup.provider import inputs as fields
from trueup.provider.component import UNKNOWN, Context, Failure, Live, Properties, State


class FeatureService:
    """A feature service. Its id is `repo#project/name`."""

    token: ClassVar[str] = "trueup:features:FeatureService"
    replace_on: ClassVar[frozenset[str]] = frozenset({"repo", "project", "name"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors."""
        found, parts = objects.check(inputs), inputs.get("features")
        if parts == UNKNOWN:
            return found
        if not isinstance(parts, list) or not parts:
            return [
                *found,
                Failure("features", f"`features` must list at least one view; it is {fields.shown(parts)}."),
            ]
        for i, part in enumerate(parts):
            view = fields.at({"part": part}, "part.view")
            if part != UNKNOWN and (not isinstance(view, str) or not view):
                found.append(
                    Failure(
                        f"features[{i}].view",
                        f"`features[{i}].view` must name a feature view; it is {fields.shown(view)}.",
                    )
                )
        return found

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """The name; the features only where every view's are listed."""
        known = {} if inputs.get("name") in (None, UNKNOWN) else {"name": inputs["name"]}
        parts = inputs.get("features")
        if isinstance(parts, list) and all(isinstance(p, dict) and isinstance(p.get("features"), list) for p in parts):
            known["features"] = [f"{p['view']}__{name}" for p in parts for name in p["features"]]
        return known

    def create(self, context: Context, inputs: Properties) -> State:
        """Registers it, or adopts what an interrupted create left."""
        objects.adopt(context, "services", inputs)
        return self._put(context, inputs)

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """The definition in the registry."""
        where = objects.placed(id, inputs)
        found = objects.registered(context, "services", where)
        return None if found is None else Live(objects.live(where, found["inputs"], inputs), _outputs(found))

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Registers the definition anew."""
        return self._put(context, inputs)

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Takes it out of the registry, and nothing else."""
        where = objects.placed(id, inputs)
        if objects.registered(context, "services", where) is not None:
            from trueup.features.feast.registry import remove

            with objects.speaking():
                remove(objects.repository(context, where), "services", str(where["name"]))

    def _put(self, context: Context, inputs: Properties) -> State:
        with objects.speaking():
            from trueup.features.feast.registry import put_service

            found = put_service(objects.repository(context, inputs), inputs, context.urn)
        return State(objects.identity(inputs), _outputs(found))


def _outputs(found: dict[str, Any]) -> Properties:
    return {"name": found["inputs"]["name"], "features": found["features"], "joinKeys": found["joinKeys"]}
