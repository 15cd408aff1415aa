"""`trueup:registry:RegisteredModel`: a model's entry in the MLflow registry. Called by `server` and `observe`."""

from __future__ import annotations

from typing import Any, ClassVar

from trueup.provider import inputs as fields
from trueup.provider import tracking
from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Live, Properties, State

URN, OWNER, TASK = "trueup.urn", "trueup.owner", "trueup.task"


class RegisteredModel:
    """An entry that versions are registered under. Its id is its name."""

    token: ClassVar[str] = "trueup:registry:RegisteredModel"
    replace_on: ClassVar[frozenset[str]] = frozenset({"trackingUri"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors."""
        return [
            *fields.text(inputs, "trackingUri", "an MLflow tracking URI or `home:registry`"),
            *fields.text(inputs, "name", "the model's name"),
        ]

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """The name."""
        return {"name": inputs["name"]} if inputs.get("name") != UNKNOWN else {}

    def create(self, context: Context, inputs: Properties) -> State:
        """Makes the entry, or adopts it: versions of an interrupted apply are in it."""
        with tracking.speaking(inputs["trackingUri"]):
            client = tracking.client(context.home, inputs["trackingUri"])
            if self._find(client, inputs["name"]) is None:
                client.create_registered_model(inputs["name"])
            return self._write(context, client, inputs)

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """The entry as it is."""
        uri = inputs.get("trackingUri", "home:registry")
        with tracking.speaking(uri):
            found = self._find(tracking.client(context.home, uri), inputs.get("name", id))
        if found is None:
            return None
        tags = {k: v for k, v in found.tags.items() if not k.startswith("trueup.")}
        live = {
            **inputs,
            "trackingUri": uri,
            "name": found.name,
            "description": found.description or "",
            "tags": tags,
            "owner": found.tags.get(OWNER, ""),
        }
        return Live(live, {"name": found.name})

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Renames where the name changed, keeping all versions; writes description and tags."""
        with tracking.speaking(inputs["trackingUri"]):
            client = tracking.client(context.home, inputs["trackingUri"])
            old = old_inputs.get("name", id)
            if old != inputs["name"] and self._find(client, old) is not None:
                if self._find(client, inputs["name"]) is not None:
                    raise ComponentError(
                        f"The registry already has a model {inputs['name']!r}, so {old!r} cannot get that name."
                    )
                client.rename_registered_model(old, inputs["name"])
            if self._find(client, inputs["name"]) is None:
                client.create_registered_model(inputs["name"])
            return self._write(context, client, inputs)

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Deletes the entry with all its versions."""
        with tracking.speaking(inputs["trackingUri"]):
            client = tracking.client(context.home, inputs["trackingUri"])
            if self._find(client, inputs.get("name", id)) is not None:
                client.delete_registered_model(inputs.get("name", id))

    def _find(self, client: Any, name: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return client.get_registered_model(name)
        except MlflowException as error:
            if tracking.missing(error):
                return None
            raise

    def _write(self, context: Context, client: Any, inputs: Properties) -> State:
        name = inputs["name"]
        client.update_registered_model(name, description=inputs.get("description") or "")
        wanted = {
            **(inputs.get("tags") or {}),
            URN: context.urn,
            OWNER: inputs.get("owner") or "",
            TASK: inputs.get("task") or "",
        }
        there = dict(client.get_registered_model(name).tags)
        for key in there.keys() - wanted.keys():
            client.delete_registered_model_tag(name, key)
        for key, value in wanted.items():
            if there.get(key) != str(value):
                client.set_registered_model_tag(name, key, str(value))
        return State(name, {"name": name})
