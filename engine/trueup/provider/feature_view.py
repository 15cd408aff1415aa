"""`trueup:features:FeatureView`: features from a table version, in a Feast repository and its online store.

Called by `server` and `observe`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from trueup import places
from trueup.features.online_rows import entities
from trueup.provider import feature_objects as objects
from trueup.provider import inputs as fields
from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Live, Properties, State

TYPES = ("string", "int64", "float64", "bool", "timestamp")


class FeatureView:
    """A feature view. Its id is `repo#project/name`."""

    token: ClassVar[str] = "trueup:features:FeatureView"
    replace_on: ClassVar[frozenset[str]] = frozenset({"repo", "project", "name"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors."""
        found = [
            *objects.check(inputs),
            *fields.place(inputs, "table.uri"),
            *fields.whole(inputs, "table.version", 0, required=True),
            *fields.text(inputs, "timestampField", "the column with the time of each row"),
            *fields.whole(inputs, "ttlSeconds", 1),
            *fields.flag(inputs, "online"),
        ]
        if not inputs.get("entities"):
            found.append(Failure("entities", "`entities` must name at least one entity."))
        return [*found, *_features(inputs.get("features"))]

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """The name; the rest is known after the export."""
        return {} if inputs.get("name") in (None, UNKNOWN) else {"name": inputs["name"]}

    def create(self, context: Context, inputs: Properties) -> State:
        """Registers and materialises it, or adopts what an interrupted create left."""
        objects.adopt(context, "views", inputs)
        return self._put(context, inputs)

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """The definition in the registry; a lost export shows as no version, an online store that lacks entities as not online."""
        where = objects.placed(id, inputs)
        found = objects.registered(context, "views", where)
        if found is None:
            return None
        repository = objects.repository(context, where)
        here = dict(found["inputs"])
        if found["source"] != found["export"] or not (repository.folder / found["source"]).is_file():
            here["table"] = {**here["table"], "version": -1}
        if here["online"]:
            here["online"] = (
                found["materialized"] == found["export"]
                and entities(repository, str(where["name"])) == found["entities"]
            )
        return Live(objects.live(where, here, inputs), _outputs(found))

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Registers the definition anew; exports and materialises where the table, the features or the online store changed."""
        return self._put(context, inputs)

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Takes it out of the registry and the online store, with its exports, and nothing else."""
        where = objects.placed(id, inputs)
        if objects.registered(context, "views", where) is not None:
            from trueup.features.feast.registry import remove

            with objects.speaking():
                remove(objects.repository(context, where), "views", str(where["name"]))

    def _put(self, context: Context, inputs: Properties) -> State:
        try:
            uri = places.resolve(context.home, str(inputs["table"]["uri"]))
        except ValueError as error:
            raise ComponentError(f"The table's place is refused: {error}.") from error
        with objects.speaking():
            from trueup.features.feast.registry import put_view

            found = put_view(objects.repository(context, inputs), inputs, context.urn, uri, context.log)
        return State(objects.identity(inputs), _outputs(found))


def _features(features: Any) -> list[Failure]:
    if features == UNKNOWN:
        return []
    if not isinstance(features, list) or not features:
        return [Failure("features", f"`features` must list at least one feature; it is {fields.shown(features)}.")]
    found, names = [], [fields.at({"f": f}, "f.name") for f in features]
    for i, feature in enumerate(features):
        kind = fields.at({"f": feature}, "f.type")
        if not isinstance(names[i], str) or not names[i]:
            found.append(
                Failure(
                    f"features[{i}].name", f"`features[{i}].name` must be a column; it is {fields.shown(names[i])}."
                )
            )
        elif names[i] != UNKNOWN and names[i] in names[:i]:
            found.append(Failure(f"features[{i}].name", f"`features[{i}].name` repeats {names[i]!r}."))
        if kind not in (*TYPES, UNKNOWN):
            found.append(
                Failure(
                    f"features[{i}].type",
                    f"`features[{i}].type` must be one of {', '.join(TYPES)}; it is {fields.shown(kind)}.",
                )
            )
    return found


def _outputs(found: dict[str, Any]) -> Properties:
    return {
        "name": found["inputs"]["name"],
        "rows": found["rows"],
        "materializedUntil": found["until"] if found["materialized"] else None,
    }
