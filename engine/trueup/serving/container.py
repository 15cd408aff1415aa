"""The model server of a container: `python -m trueup.serving.container --model_name=… --http_port=…`, as the target `kubernetes` writes it.

It serves the version that `MODEL_URI` names until it is told to end: from the image, where `trueup build` put that very version in it
(`TRUEUP_MODEL_URI`, `TRUEUP_MODEL_FOLDER`), else downloaded from the registry at `MLFLOW_TRACKING_URI`. Nothing supervises it here: the
cluster does. The names of arguments that KServe's model server has too are KServe's.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trueup.serving import ports, settings, unix_http
from trueup.serving.supervision import BROKEN

ALL_ADDRESSES = "0.0.0.0"
_FOLDER, _WORKER = "TRUEUP_SERVING_FOLDER", "TRUEUP_SERVING_WORKER"
"""Where a worker finds what its parent downloaded, and which of the workers it is."""


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What the container's `args` say."""
    parser = argparse.ArgumentParser(prog="python -m trueup.serving.container", description=__doc__)
    parser.add_argument("--model_name", required=True, help="the name that requests ask for")
    parser.add_argument("--http_port", type=int, default=8080)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--timeout", type=float, default=30, help="seconds that a request may take")
    parser.add_argument("--grace", type=float, default=30, help="seconds for running requests after SIGTERM")
    parser.add_argument("--log_mode", choices=("none", "metadata", "all"), default="none")
    parser.add_argument("--log_percent", type=float, default=100)
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Serves; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kserve.trace").setLevel(logging.WARNING)
    asked = arguments(given)
    if folder := os.environ.get(_FOLDER):
        return _serve(Path(folder), asked)
    made = Path(tempfile.mkdtemp(prefix="trueup-"))
    try:
        _download(made, asked)
    except Exception as error:
        logging.exception("downloading failed")
        return _broken(
            f"The model {os.environ.get('MODEL_URI', '')} cannot be downloaded: {type(error).__name__}: {error}"
        )
    return _serve(made, asked) if asked.workers == 1 else _supervise(made, asked.workers)


def _download(folder: Path, asked: argparse.Namespace) -> None:
    """The version's files, and what its processes read of them."""
    uri = os.environ["MODEL_URI"]
    found = _files(folder, uri)
    name, _, version = uri.removeprefix("models:/").rpartition("/")
    revision = settings.Revision(
        asked.model_name,
        name,
        int(version),
        found,
        ports=(asked.http_port,),
        workers=asked.workers,
        timeout=asked.timeout,
        grace=asked.grace,
        log_mode=asked.log_mode,
        log_percent=asked.log_percent,
    )
    settings.save(folder, revision)
    settings.activate(folder, revision.group)


def _files(folder: Path, uri: str) -> str:
    """Where the version's files are: in the image, if `trueup build` made it of this version, else downloaded."""
    if uri == os.environ.get("TRUEUP_MODEL_URI") and (inside := os.environ.get("TRUEUP_MODEL_FOLDER")):
        return inside
    import mlflow

    return str(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder / "model")))


def _serve(folder: Path, asked: argparse.Namespace) -> int:
    from trueup.serving import listening
    from trueup.serving.model import Served

    class Logging(Served):
        """A model whose inference log is the container's."""

        def write(self, line: str) -> None:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    revision = settings.load(folder, settings.active(folder) or "")
    try:
        model: Any = Logging(folder, revision)
    except Exception as error:
        logging.exception("loading failed")
        return _broken(
            f"The model {revision.model_name} version {revision.model_version} does not load: {type(error).__name__}: {error}"
        )
    place = listening.Place(folder, revision.group, 0, revision, lambda: [ports.shared(asked.http_port, ALL_ADDRESSES)])
    server = listening.server(place, model)

    def end(*_: object) -> None:
        server.should_exit = True

    # For a signal before uvicorn listens for it; and uvicorn raises it again once it has ended well, when nothing more should happen.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    # Uvicorn insists on a socket of its own from the start; the port is opened once the server is up.
    server.run(sockets=[_own(folder, asked.workers)])
    return 0


def _own(folder: Path, workers: int) -> socket.socket:
    """A socket of this process alone: for nobody, or beside other workers for what each has counted."""
    if (number := os.environ.get(_WORKER)) is None:
        return ports.shared(0)
    from kserve.model_server import app

    from trueup.serving import sums

    each = [unix_http.sockets(folder) / f"w-{worker}.sock" for worker in range(workers)]
    sums.tell(app, each)
    return unix_http.listening(each[int(number)])


def _supervise(folder: Path, workers: int) -> int:
    """Several processes at one port. Where one ends, all do, and the cluster starts the container again."""
    command = [sys.executable, "-m", "trueup.serving.container", *sys.argv[1:]]
    given = [{_FOLDER: str(folder), _WORKER: str(number)} for number in range(workers)]
    running = [subprocess.Popen(command, env={**os.environ, **each}) for each in given]
    told: list[int] = []

    def tell(number: int, _: Any) -> None:
        told.append(number)
        for process in running:
            process.send_signal(number)

    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    while all(p.poll() is None for p in running):
        time.sleep(0.2)
    asked = tuple(told)
    if not asked:
        tell(signal.SIGTERM, None)
    # One that was told before it listened for the signal dies of it.
    codes = [process.wait() for process in running]
    return max(abs(code) if -code not in asked else 0 for code in codes)


def _broken(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return BROKEN


if __name__ == "__main__":
    sys.exit(main())
