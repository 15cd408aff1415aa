"""The provider's gRPC server: Pulumi's protocol over the other modules. Each request runs in a thread of its own."""

from __future__ import annotations

import secrets
import sys
import threading
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from kubernetes_stand_in import awaiting, differences, ownership, values
from kubernetes_stand_in.api import Api, ApiError, NoMatch, Object, Unreachable
from kubernetes_stand_in.normalizing import normalized

VERSION = "4.34.2"
"""The version whose behaviour it follows."""
AUTONAMED, SKIP, TIMEOUT = "pulumi.com/autonamed", "pulumi.com/skipAwait", "pulumi.com/timeoutSeconds"
PROPAGATION = "pulumi.com/deletionPropagationPolicy"
CONFIG = "kubernetes:config:"
MESSAGE_BYTES = 1024 * 1024 * 400


class Partial(Exception):
    """The object is there but the operation did not end well: the engine keeps it, with the reasons."""

    def __init__(self, message: str, detail: provider_pb2.ErrorResourceInitFailed) -> None:
        super().__init__(message)
        self.detail = detail


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The provider as the engine sees it."""

    def __init__(self, engine: str) -> None:
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine)) if engine else None
        self._stopping = threading.Event()
        self._api: Api | None = None
        self._unreachable = "it was not configured"
        self._mutable: frozenset[str] = frozenset()

    # --- the provider ---

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        old, new = (values.clear(values.properties(v)) for v in (request.olds, request.news))
        changed = sorted(k for k in {**old, **new} if old.get(k) != new.get(k))
        replaces = [k for k in changed if k in ("kubeconfig", "context", "cluster")] if _moved(old, new) else []
        kind = "DIFF_SOME" if changed else "DIFF_NONE"
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DiffChanges.Value(kind), diffs=changed, replaces=replaces
        )

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        given = {k.removeprefix(CONFIG): v for k, v in request.variables.items()}
        self._mutable = frozenset(
            kind for kind in ("ConfigMap", "Secret") if given.get(f"enable{kind}Mutable") == "true"
        )
        names = ("kubeconfig", "context", "cluster", "namespace")
        try:
            self._api = Api.of(*(given.get(n, "") for n in names))
            self._api.request("GET", "/version")
        except (Unreachable, ApiError) as error:
            self._api, self._unreachable = None, str(error)
        if given.get("enableServerSideApply") == "false":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "The stand-in knows server-side apply only.")
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Empty:
        self._stopping.set()
        return Empty()

    # --- resources ---

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _Door(context):
            olds, news = values.properties(request.olds), values.properties(request.news)
            found = normalized(values.clear(news))
            metadata = found.setdefault("metadata", {})
            old = values.clear(olds).get("metadata") or {}
            if isinstance(metadata, dict):
                self._named(metadata, old, request.urn)
                if "namespace" not in metadata and self._namespaced(found):
                    metadata["namespace"] = self._api.namespace if self._api else "default"
            return provider_pb2.CheckResponse(inputs=values.struct(values.annotate(found, news)))

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _Door(context):
            old_inputs, live = values.parse(values.properties(request.olds))
            new = normalized(values.clear(values.properties(request.news)))
            old_inputs = normalized(old_inputs)
            old = differences.cut(live, old_inputs)
            if (new.get("metadata") or {}).get("name"):
                old.setdefault("metadata", {})["name"] = live["metadata"]["name"]
            for name in ("apiVersion", "kind"):
                old.setdefault(name, new.get(name))
            found = differences.changes(old, new, differences.replacing(new, self._mutable))
            for path in request.ignoreChanges:
                found = {k: v for k, v in found.items() if k != path and not k.startswith((f"{path}.", f"{path}["))}
            replaces = sorted(k for k, v in found.items() if v.replaces)
            same = all(_meta(new).get(k) == _meta(live).get(k) for k in ("name", "namespace"))
            autonamed = ownership.annotations(new).get(AUTONAMED) == "true"
            kinds = provider_pb2.PropertyDiff.Kind
            return provider_pb2.DiffResponse(
                changes=provider_pb2.DiffResponse.DiffChanges.Value("DIFF_SOME" if found else "DIFF_NONE"),
                replaces=replaces,
                deleteBeforeReplace=bool(replaces) and same and not autonamed,
                detailedDiff={
                    k: provider_pb2.PropertyDiff(kind=kinds.Value(v.name), inputDiff=v.kind == "delete")
                    for k, v in found.items()
                },
                hasDetailedDiff=True,
            )

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _Door(context):
            news = values.properties(request.properties)
            thing = values.clear(news)
            if request.preview and not self._previewable(thing):
                return provider_pb2.CreateResponse(properties=request.properties)
            manager = self._manager(thing, news)
            try:
                made = self._create(request.urn, thing, manager, request.preview)
            except ApiError as error:
                if request.preview and (error.code == 403 or _no_namespace(error)):
                    return provider_pb2.CreateResponse(properties=request.properties)
                raise Failure(
                    f'resource "{request.urn}" was not successfully created by the Kubernetes API server: {error}'
                ) from None
            if request.preview:
                made.pop("status", None)
                return provider_pb2.CreateResponse(
                    properties=values.struct(values.checkpoint(thing, made, news, manager))
                )
            live, trouble = self._awaited(request, thing, made, None)
            state = values.struct(values.checkpoint(thing, live, news, manager))
            if trouble is not None:
                raise _partial(
                    _id(live),
                    f'resource "{request.urn}" was successfully created, but the Kubernetes API server reported that it '
                    f"failed to fully initialize or become live: {trouble}",
                    trouble.reasons,
                    state,
                )
            return provider_pb2.CreateResponse(id=_id(live), properties=state)

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _Door(context):
            if self._api is None:
                self._say(request.urn, f"configured Kubernetes cluster is unreachable: {self._unreachable}", "WARNING")
                raise Failure(
                    "failed to read resource state due to unreachable cluster. If the cluster was deleted, you can remove "
                    "this resource from Pulumi state by rerunning the operation with the PULUMI_K8S_DELETE_UNREACHABLE "
                    'environment variable set to "true"'
                )
            state, given = values.properties(request.properties), values.properties(request.inputs)
            inputs = normalized(values.clear(given))
            imported = not inputs.get("kind")
            thing = inputs if not imported else _sought(request.urn, request.id)
            try:
                live = self._api.get(thing, request.id.rpartition("/")[2])
            except NoMatch:
                return provider_pb2.ReadResponse()
            except ApiError as error:
                if error.code == 404:
                    return provider_pb2.ReadResponse()
                raise
            found = _importable(live) if imported else differences.cut(live, inputs)
            manager = self._manager(found, state)
            kept = values.struct(values.checkpoint(found, live, given, manager))
            inputs_now = values.struct(values.annotate(found, given))
            try:
                if not imported and not _skips(inputs):
                    awaiting.read(self._api, live)
            except awaiting.NotReady as error:
                raise _partial(request.id, str(error), error.reasons, kept, inputs_now) from None
            return provider_pb2.ReadResponse(id=request.id, properties=kept, inputs=inputs_now)

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _Door(context):
            state, news = values.properties(request.olds), values.properties(request.news)
            thing = normalized(values.clear(news))
            if request.preview and not self._previewable(thing):
                return provider_pb2.UpdateResponse(properties=request.news)
            api = self._connected()
            _, old = values.parse(state)
            manager = self._manager(thing, state)
            try:
                before = api.get(old)
                made = self._update(api, thing, before, manager, request.preview)
                live, trouble = (made, None) if request.preview else self._awaited(request, thing, made, before)
            except (ApiError, NoMatch) as error:
                if request.preview and isinstance(error, ApiError) and error.code == 403:
                    return provider_pb2.UpdateResponse(properties=request.news)
                # The real provider keeps the new inputs, with the live object, also where the API server refused them.
                live, trouble = self._live(api, old, request.urn, error), awaiting.NotReady(str(error), [], old)
            kept = values.struct(values.checkpoint(thing, live, news, manager))
            if trouble is not None:
                raise _partial(
                    _id(live),
                    f'the Kubernetes API server reported that "{_id(live)}" failed to fully initialize or become live: {trouble}',
                    trouble.reasons,
                    kept,
                )
            return provider_pb2.UpdateResponse(properties=kept)

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Empty:
        with _Door(context):
            inputs, live = values.parse(values.properties(request.properties))
            api = self._connected()
            policy = ownership.annotations(inputs).get(PROPAGATION, "foreground").capitalize()
            try:
                path = api.path(live, request.id.rpartition("/")[2])
                api.request("DELETE", path, {"propagationPolicy": policy})
                self._gone(api, path, request.timeout or 300)
            except NoMatch:
                return Empty()
            except ApiError as error:
                if error.code != 404:
                    raise
            return Empty()

    # --- what they share ---

    def _named(self, metadata: dict[str, Any], old: Mapping[str, Any], urn: str) -> None:
        """A name for what has none: its former one, or a new one that the engine may replace freely."""
        if metadata.get("name"):
            return
        if metadata.get("generateName"):
            raise Failure("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
        was_autonamed = (old.get("annotations") or {}).get(AUTONAMED) == "true"
        if old and not was_autonamed:
            return
        metadata["name"] = old.get("name") or f"{urn.rpartition('::')[2]}-{secrets.token_hex(4)}"
        metadata["annotations"] = {**(metadata.get("annotations") or {}), AUTONAMED: "true"}

    def _namespaced(self, thing: Object) -> bool:
        if self._api is None:
            return False
        try:
            return self._api.mapped(str(thing["apiVersion"]), str(thing["kind"])).namespaced
        except NoMatch:
            return True

    def _previewable(self, thing: Object) -> bool:
        """Whether the API server can be asked what would come of it."""
        if self._api is None or values.unknown(thing):
            return False
        try:
            self._api.mapped(str(thing["apiVersion"]), str(thing["kind"]))
        except NoMatch:
            return False
        return True

    def _connected(self) -> Api:
        if self._api is None:
            raise Failure(f"configured Kubernetes cluster is unreachable: {self._unreachable}")
        return self._api

    def _manager(self, thing: Object, state: Mapping[str, Any]) -> str:
        """The name under which the object's fields are owned: as annotated, as before, or a new one."""
        named = ownership.annotations(thing).get(ownership.MANAGER) or state.get(values.MANAGER)
        return str(named or f"pulumi-kubernetes-{secrets.token_hex(4)}")

    def _create(self, urn: str, thing: Object, manager: str, preview: bool) -> Object:
        """Applies; where something that it needs is not there yet, tries again."""
        api = self._connected()
        for attempt in range(5):
            try:
                return ownership.apply(api, thing, thing["metadata"]["name"], manager, None, preview)
            except (ApiError, NoMatch) as error:
                if isinstance(error, ApiError) and preview and "field is immutable" in str(error):
                    other = f"{thing['metadata']['name']}{secrets.token_hex(3)}"
                    named = {**thing, "metadata": {**thing["metadata"], "name": other}}
                    return ownership.apply(api, named, other, manager, None, preview)
                missing = isinstance(error, NoMatch) or error.code == 404
                if not missing or (preview and isinstance(error, ApiError)) or attempt == 4:
                    if isinstance(error, NoMatch):
                        raise Failure(
                            f'creation of resource "{urn}" failed because the Kubernetes API server reported that the '
                            f"apiVersion for this resource does not exist. Verify that any required CRDs have been created: {error}"
                        ) from None
                    raise
                self._say(urn, f"Retry #{attempt}; creation failed: {error}")
                self._stopping.wait(0.5 * 2**attempt)
        raise AssertionError("unreachable")

    def _update(self, api: Api, thing: Object, before: Object, manager: str, preview: bool) -> Object:
        if thing["kind"] == "CustomResourceDefinition":
            body = {
                **thing,
                "metadata": {**thing["metadata"], "resourceVersion": before["metadata"]["resourceVersion"]},
            }
            query = {"fieldManager": manager, **({"dryRun": "All"} if preview else {})}
            made: Object = api.request("PUT", api.path(before), body, query=query)
            return made
        return ownership.apply(api, thing, before["metadata"]["name"], manager, before, preview)

    def _awaited(
        self, request: Any, thing: Object, made: Object, before: Object | None
    ) -> tuple[Object, awaiting.NotReady | None]:
        """The live object when it is ready; or as it is, with why it is not."""
        api = self._connected()
        if _skips(thing):
            return api.get(made), None
        said = ownership.annotations(thing).get(TIMEOUT, "")
        seconds = request.timeout or (float(said) if said.isdecimal() else 0.0)
        try:
            return awaiting.ready(api, made, before, seconds, self._stopping.is_set), None
        except awaiting.NotReady as error:
            return error.live, error

    def _live(self, api: Api, old: Object, urn: str, error: Exception) -> Object:
        try:
            return api.get(old)
        except ApiError as second:
            raise Failure(
                f'update of resource "{urn}" failed: {error}\nunable to get cluster state: {second}'
            ) from None

    def _gone(self, api: Api, path: str, seconds: float) -> None:
        waited = 0.0
        while waited < seconds and not self._stopping.is_set():
            api.request("GET", path)
            self._stopping.wait(0.1)
            waited += 0.1
        raise Failure(f"Timed out waiting for deletion of {path}")

    def _say(self, urn: str, text: str, severity: str = "INFO") -> None:
        with suppress(grpc.RpcError):
            if self._engine is not None:
                level = engine_pb2.LogSeverity.Value(severity)
                self._engine.Log(
                    engine_pb2.LogRequest(severity=level, message=text, urn=urn, ephemeral=severity == "INFO"),
                    timeout=5,
                )


class Failure(Exception):
    """An operation failed; the text is what the engine shows."""


class _Door:
    """Turns what is raised inside into what the protocol has for it."""

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or not isinstance(error, Exception):
            return
        details = [error.detail] if isinstance(error, Partial) else []
        expected = isinstance(error, (Failure, Partial, ApiError, NoMatch, Unreachable))
        text = str(error) if expected else "".join(traceback.format_exception(error))
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=text)
        for detail in details:
            status.details.add().Pack(detail)
        self._context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        self._context.abort(grpc.StatusCode.UNKNOWN, text)


def _partial(id: str, message: str, reasons: list[str], state: Any, inputs: Any = None) -> Partial:
    detail = provider_pb2.ErrorResourceInitFailed(id=id, properties=state, reasons=[message, *reasons], inputs=inputs)
    return Partial(message, detail)


def _meta(thing: Object) -> Mapping[str, Any]:
    found = thing.get("metadata")
    return found if isinstance(found, Mapping) else {}


def _id(live: Object) -> str:
    metadata = live["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def _skips(thing: Object) -> bool:
    return ownership.annotations(thing).get(SKIP) == "true"


def _no_namespace(error: ApiError) -> bool:
    return error.code == 404 and error.details.get("kind") == "namespaces"


def _sought(urn: str, id: str) -> Object:
    """What an import looks for: kind and version from the type, namespace and name from the id."""
    version, _, kind = urn.split("::")[-2].rpartition("$")[2].partition(":")[2].rpartition(":")
    namespace, _, name = id.rpartition("/")
    return {
        "apiVersion": version.removeprefix("core/"),
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
    }


def _importable(live: Object) -> Object:
    """The inputs of an imported object: everything but what only the cluster writes."""
    found = normalized({k: v for k, v in live.items() if k != "status"})
    annotations = {
        k: v
        for k, v in (found["metadata"].get("annotations") or {}).items()
        if k not in ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration")
    }
    metadata = {k: v for k, v in found["metadata"].items() if k != "annotations"}
    return {**found, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the configuration names another cluster: only a kubeconfig in the configuration itself tells."""

    def server(given: Mapping[str, Any]) -> str | None:
        if not given.get("kubeconfig"):
            return ""
        try:
            return Api.of(str(given["kubeconfig"]), given.get("context", ""), given.get("cluster", "")).server
        except (Unreachable, KeyError):
            return None

    return None not in (found := (server(old), server(new))) and found[0] != found[1]


def serve(engine: str) -> tuple[grpc.Server, int]:
    """A server on a free port."""
    limits = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    server = grpc.server(ThreadPoolExecutor(64), options=[*limits, ("grpc.so_reuseport", 0)])
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main(arguments: list[str]) -> int:
    """Serves until the engine ends it; says its port as the engine expects."""
    server, port = serve(arguments[-1] if len(arguments) > 1 else "")
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
    return 0
