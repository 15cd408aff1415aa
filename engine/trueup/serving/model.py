"""A registered version as KServe's model server runs it: load, look up features, predict, log. Called by `server`.

The version was downloaded by the deployment, so that a restart needs no registry. A scikit-learn model is unpickled as it is, which
spares the import of MLflow; any other flavor goes through `mlflow.pyfunc`.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import random
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from kserve import InferOutput, InferRequest, InferResponse, Model
from kserve.errors import InferenceError, InvalidInput

from trueup.serving import tensors
from trueup.serving.counting import Requests
from trueup.serving.settings import Revision
from trueup.serving.tensors import DATATYPES, TensorError

if TYPE_CHECKING:
    import pandas as pd


class Served(Model):  # type: ignore[misc]
    """The model of a revision."""

    def __init__(self, folder: Path, revision: Revision) -> None:
        super().__init__(revision.name)
        self.revision = revision
        self.enable_latency_logging = False
        self._log = folder / "logs" / "inference.jsonl"
        described = yaml.safe_load((Path(revision.model_folder) / "MLmodel").read_text(encoding="utf-8"))
        signature = described.get("signature") or {}
        self._inputs: list[dict[str, Any]] = json.loads(signature.get("inputs") or "[]")
        self._given: list[str] = []
        self._model = _unpickled(Path(revision.model_folder), described.get("flavors") or {})
        self._requests = Requests(revision.name, revision.model_version)
        if revision.features:
            self._given = [str(c) for c in self._look_up(self._no_entity()).columns]
        self.ready = True

    def get_input_types(self) -> list[dict[str, Any]]:
        """The columns that a request has: those of the signature, without what is looked up, and the join keys."""
        keys = [str(k) for k in (self.revision.features or {}).get("joinKeys", ())]
        columns = {str(c["name"]): DATATYPES.get(str(c["type"]), "BYTES") for c in self._inputs}
        asked = {
            **{k: columns.get(k, "BYTES") for k in keys},
            **{k: v for k, v in columns.items() if k not in self._given},
        }
        return [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in asked.items()]

    def get_output_types(self) -> list[dict[str, Any]]:
        """The prediction, and the probabilities of the classes where the model has them."""
        classes = list(getattr(self._model, "classes_", ()))
        kind = tensors.tensor("predict", classes or [0.0])["datatype"]
        found: list[dict[str, Any]] = [{"name": "predict", "datatype": kind, "shape": [-1]}]
        if classes and hasattr(self._model, "predict_proba"):
            found.append({"name": "predict_proba", "datatype": "FP64", "shape": [-1, len(classes)]})
        return found

    async def predict(self, payload: InferRequest, headers: Mapping[str, str] | None = None, *_: Any) -> InferResponse:
        """Answers within the revision's time; the work is done in a thread, so that health checks go on."""
        with self._requests.counted():
            return await self._predicted(payload)

    async def _predicted(self, payload: InferRequest) -> InferResponse:
        if not isinstance(payload, InferRequest):
            raise InvalidInput("The server speaks the Open Inference Protocol: post to /v2/models/NAME/infer.")
        begun = time.perf_counter()
        try:
            given, outputs = await asyncio.wait_for(asyncio.to_thread(self._answer, payload), self.revision.timeout)
        except TensorError as error:
            raise InvalidInput(str(error)) from error
        except TimeoutError as error:
            raise InferenceError(f"The model did not answer within {self.revision.timeout:g} s.") from error
        self._record(payload.id, given, outputs, time.perf_counter() - begun)
        found = [InferOutput(o["name"], o["shape"], o["datatype"], o["data"], o.get("parameters")) for o in outputs]
        return InferResponse(
            response_id=payload.id or str(uuid.uuid4()),
            model_name=self.name,
            infer_outputs=found,
            model_version=str(self.revision.model_version),
        )

    def _answer(self, payload: InferRequest) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        shapes = {i.name: list(i.shape) for i in payload.inputs}
        given = tensors.frame({i.name: _listed(i.data) for i in payload.inputs}, shapes)
        rows = self._joined(given) if self.revision.features else given
        rows = tensors.typed(rows, self._inputs) if self._inputs else rows.infer_objects()
        try:
            answers = [tensors.tensor("predict", self._model.predict(rows))]
            if hasattr(self._model, "predict_proba"):
                classes = [c.item() if hasattr(c, "item") else c for c in self._model.classes_]
                chances = self._model.predict_proba(rows)
                answers.append(tensors.tensor("predict_proba", chances, {"classes": json.dumps(classes)}))
        except ValueError as error:
            raise TensorError(f"The model refused the rows: {str(error).splitlines()[0]}") from error
        return given, answers

    def _joined(self, given: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        found = self._look_up(given)
        return pd.concat([given.drop(columns=[c for c in found.columns if c in given.columns]), found], axis=1)

    def _look_up(self, entities: pd.DataFrame) -> pd.DataFrame:
        from trueup.features import online
        from trueup.features.repository import FeatureError

        features = self.revision.features or {}
        try:
            return online.lookup(
                features["repo"], features["project"], features["store"], features["service"], entities
            )
        except FeatureError as error:
            raise TensorError(str(error)) from error

    def _no_entity(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({str(k): [None] for k in (self.revision.features or {})["joinKeys"]}, dtype=object)

    def _record(self, request: str | None, given: pd.DataFrame, outputs: list[dict[str, Any]], seconds: float) -> None:
        """A line of the inference log; never more than the mode and the share ask for."""
        if self.revision.log_mode == "none" or random.random() * 100 >= self.revision.log_percent:
            return
        line: dict[str, Any] = {
            "time": round(time.time(), 3),
            "id": request,
            "model": self.revision.model_name,
            "version": self.revision.model_version,
            "rows": len(given),
            "milliseconds": round(seconds * 1000, 3),
        }
        if self.revision.log_mode == "all":
            line["inputs"] = {str(k): v for k, v in given.to_dict("list").items()}
            line["outputs"] = {o["name"]: o["data"] for o in outputs}
        self.write(json.dumps(line, default=str))

    def write(self, line: str) -> None:
        """Keeps a line of the inference log."""
        with self._log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _listed(data: Any) -> list[Any]:
    return list(data.tolist() if hasattr(data, "tolist") else data)


def _unpickled(folder: Path, flavors: Mapping[str, Any]) -> Any:
    """The model object. What is unpickled is a version that this workspace registered and a gate or a pin accepted."""
    sklearn = flavors.get("sklearn") or {}
    if sklearn.get("serialization_format") in ("cloudpickle", "pickle") and sklearn.get("pickled_model"):
        with (folder / str(sklearn["pickled_model"])).open("rb") as file:
            return pickle.load(file)
    import mlflow

    return mlflow.pyfunc.load_model(str(folder))
