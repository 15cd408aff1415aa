"""`trueup:registry:Alias`: a name for a version in the MLflow registry. Called by `server` and `observe`."""

from __future__ import annotations

from typing import Any, ClassVar

from trueup.provider import inputs as fields
from trueup.provider import tracking
from trueup.provider.component import UNKNOWN, ComponentError, Context, Failure, Live, Properties, State


class Alias:
    """An alias. Its id is `model@alias`."""

    token: ClassVar[str] = "trueup:registry:Alias"
    replace_on: ClassVar[frozenset[str]] = frozenset({"trackingUri", "alias"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Failure]:
        """All input errors."""
        return [
            *fields.text(inputs, "trackingUri", "an MLflow tracking URI or `home:registry`"),
            *fields.text(inputs, "model", "the registered model's name"),
            *fields.text(inputs, "alias", "the alias"),
            *fields.whole(inputs, "version", 1, required=True),
        ]

    def preview(self, inputs: Properties, old: State | None) -> Properties:
        """The version, where it is known."""
        version = inputs.get("version")
        return {} if version in (None, UNKNOWN) else {"version": version}

    def create(self, context: Context, inputs: Properties) -> State:
        """Points the alias to the version."""
        return self._point(context, inputs)

    def read(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> Live | None:
        """Where the alias points; one that somebody moved shows its version."""
        model, _, alias = id.rpartition("@")
        uri = inputs.get("trackingUri", "home:registry")
        with tracking.speaking(uri):
            version = self._version(
                tracking.client(context.home, uri), inputs.get("model", model), inputs.get("alias", alias)
            )
        if version is None:
            return None
        live = {
            **inputs,
            "trackingUri": uri,
            "model": inputs.get("model", model),
            "alias": inputs.get("alias", alias),
            "version": version,
        }
        return Live(live, {"version": version})

    def update(
        self, context: Context, id: str, old_inputs: Properties, old_outputs: Properties, inputs: Properties
    ) -> State:
        """Points the alias to the version."""
        return self._point(context, inputs)

    def delete(self, context: Context, id: str, inputs: Properties, outputs: Properties) -> None:
        """Takes the alias away; the version stays."""
        from mlflow.exceptions import MlflowException

        with tracking.speaking(inputs["trackingUri"]):
            try:
                tracking.client(context.home, inputs["trackingUri"]).delete_registered_model_alias(
                    inputs["model"], inputs["alias"]
                )
            except MlflowException as error:
                if not tracking.missing(error):
                    raise

    def _point(self, context: Context, inputs: Properties) -> State:
        from mlflow.exceptions import MlflowException

        with tracking.speaking(inputs["trackingUri"]):
            client = tracking.client(context.home, inputs["trackingUri"])
            try:
                client.set_registered_model_alias(inputs["model"], inputs["alias"], str(int(inputs["version"])))
            except MlflowException as error:
                if not tracking.missing(error):
                    raise
                raise ComponentError(
                    f"The registry has no version {inputs['version']} of {inputs['model']!r}, "
                    f"so the alias {inputs['alias']!r} cannot point to it."
                ) from error
        return State(f"{inputs['model']}@{inputs['alias']}", {"version": int(inputs["version"])})

    def _version(self, client: Any, model: str, alias: str) -> int | None:
        from mlflow.exceptions import MlflowException

        try:
            return int(client.get_model_version_by_alias(model, alias).version)
        except MlflowException as error:
            if tracking.missing(error) or getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
                return None
            raise
