"""The log lines of what runs or ran: an endpoint's servers, a gateway, a model's or a pipeline's last run. Called by `trueup logs`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from trueup.apply.cluster import ClusterError
from trueup.exits import NOTHING_SELECTED
from trueup.load.trees import WorkingTree
from trueup.plan.recorded import Recorded
from trueup.run import folders, local, requests
from trueup.run.runners import Runner
from trueup.workspace import pipelines
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.operating import served
from trueup.workspace.planning import prepare
from trueup_specs.core.diagnostics import nearest
from trueup_specs.core.references import Key

Source = Callable[[], Iterable[str]]


def lines(workspace: Workspace, recorded: Recorded, environment: str, name: str) -> Iterator[str]:
    """The lines of everything in an environment that goes by a name, each group under a heading where there are several.

    Raises WorkspaceError, before the first line, where nothing does.
    """
    known = dict(sources(workspace, recorded, environment))
    found = {key: source for key, source in known.items() if _means(name, key)}
    if not found:
        close = nearest(name, [n for k in known for n in (k.name, str(k))])
        hint = f" Did you mean {close}?" if close else ""
        has = ", ".join(map(str, sorted(known))) or "nothing that was served or run"
        raise WorkspaceError(
            f"Nothing called {name!r} has logs in {environment}.{hint} There is: {has}.", NOTHING_SELECTED
        )
    return _lines(found)


def _lines(found: dict[Key, Source]) -> Iterator[str]:
    for key, source in sorted(found.items()):
        if len(found) > 1:
            yield f"==> {key} <=="
        yield from source()


def sources(workspace: Workspace, recorded: Recorded, environment: str) -> Iterator[tuple[Key, Source]]:
    """What has logs in an environment: servers and gateways by what is recorded, the last runs by what lies on this machine."""
    for resource, folder in served(workspace, recorded, environment):
        yield Key.parse(resource.origin), _served(folder)
    if pipelines.applied(recorded, environment):
        prepared = prepare(
            workspace, environment, WorkingTree(workspace.repository, workspace.prefix), with_before=False
        )
        for key, runner in pipelines.of(workspace, prepared).items():
            yield key, _last(runner)
    seen: set[Key] = set()
    for status in local.runs(workspace.home):
        for key in _about(workspace.home, status.fingerprint, environment):
            if key not in seen:
                seen.add(key)
                yield key, _run(workspace.home, status.fingerprint)


def _about(home: Path, fingerprint: str, environment: str) -> Iterator[Key]:
    """The pipeline and the model of a run in an environment; nothing for a run of another one."""
    try:
        request = requests.read(folders.run_folder(home, fingerprint) / folders.REQUEST)
    except (OSError, ValueError):
        return
    if request.environment != environment:
        return
    namespace, _, name = request.pipeline.rpartition("/")
    yield Key("Pipeline", namespace, name)
    if request.model is not None:
        model = str(request.model["name"]).removeprefix(f"{environment}.")
        namespace, _, name = model.rpartition(".")
        yield Key("Model", namespace, name)


def _means(name: str, key: Key) -> bool:
    return name in (key.name, f"{key.namespace}/{key.name}", f"{key.kind}/{key.name}", str(key))


def _served(folder: Path) -> Source:
    def read() -> Iterable[str]:
        from trueup.serving import control

        found: Iterable[str] = control.logs(folder)
        return found

    return read


def _last(runner: Runner) -> Source:
    """What the last run on a cluster printed."""

    def read() -> Iterable[str]:
        try:
            for status in runner.runs()[:1]:
                yield from runner.logs(status.fingerprint)
        except ClusterError as error:
            raise WorkspaceError(str(error)) from None

    return read


def _run(home: Path, fingerprint: str) -> Source:
    return lambda: local.logs(home, fingerprint)
