"""Stopping, starting and reading the logs of a service or gateway by its folder. Called by `down`, `up` and `logs` of the workspace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from trueup.serving import deployments, gateways, settings
from trueup.serving.deployments import DeploymentError


class ControlError(Exception):
    """The processes of a folder do not start. A full sentence."""


def stop(folder: Path) -> None:
    """Ends the processes; their files and ports are kept for `start`."""
    if gateways.is_gateway(folder):
        gateways.stop(folder)
    else:
        deployments.stop(folder)


def start(folder: Path) -> None:
    """Starts what was in service, and waits until it answers. What runs already is left alone. Raises ControlError."""
    try:
        if gateways.is_gateway(folder):
            gateways.start(folder)
            return
        group = settings.active(folder)
        if group is None:
            raise ControlError(f"Nothing was ever in service in {folder}; `trueup apply` makes it.")
        deployments.deploy(folder, settings.load(folder, group))
    except (DeploymentError, gateways.GatewayError, OSError, ValueError) as error:
        raise ControlError(str(error)) from error


def files(folder: Path) -> list[Path]:
    """The log files of a folder: the servers', the supervisor's, the access log or the inference log."""
    return sorted(p for p in (folder / "logs").glob("*") if p.suffix in (".log", ".jsonl"))


def logs(folder: Path) -> Iterator[str]:
    """The lines of all log files, each after the name of its file."""
    for path in files(folder):
        yield from _lines(path)


def _lines(path: Path) -> Iterable[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            yield f"{path.stem}: {line.rstrip()}"
