"""`kill -9` of `trueup apply` and its Pulumi children at random moments: the next apply converges, and servers go on answering."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

TRIALS = 20 if os.environ.get("TRUEUP_SOAK") else 2
SEED = int(os.environ.get("TRUEUP_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


@pytest.fixture(scope="module")
def repository(make_repository: Callable[[str], Any]) -> Any:
    """The quickstart, applied."""
    found = make_repository("quickstart")
    found.trueup("apply", "dev", "--yes")
    return found


@contextlib.contextmanager
def asking(url: str, http: Any) -> Iterator[list[str]]:
    """Asks the endpoint all the while; the failures."""
    failures: list[str] = []
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            try:
                http(f"{url}/v2/models/risk/ready", timeout=10)
            except (urllib.error.URLError, OSError, ValueError) as error:
                failures.append(str(error))
            stop.wait(0.1)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join(timeout=30)


def kill_all(process: Any) -> None:
    """Kills an apply, its Pulumi CLI and whatever they started and did not put in a life of its own."""
    victims = [psutil.Process(process.pid)]
    with contextlib.suppress(psutil.Error):
        victims += [p for p in victims[0].children(recursive=True) if "trueup.run" not in " ".join(p.cmdline())]
    for victim in victims:
        with contextlib.suppress(psutil.Error):
            victim.send_signal(signal.SIGKILL)
    process.wait(timeout=30)


def test_whatever_is_killed_whenever_the_next_apply_converges(repository: Any, http: Any) -> None:
    generator = random.Random(SEED)
    url = repository.url("dev", "Endpoint/credit/risk")
    with asking(url, http) as failures:
        for trial in range(1, TRIALS + 1):
            about = f"seed {SEED}, trial {trial}"
            repository.edit("model.yaml", f"max_iter: {999 + trial}", f"max_iter: {1000 + trial}")
            repository.edit("endpoint.yaml", f"timeout: {9 + trial}s", f"timeout: {10 + trial}s")
            repository.commit(about)
            process = repository.start("apply", "dev", "--yes")
            time.sleep(generator.uniform(0.5, 40))
            if process.poll() is None:
                kill_all(process)
            done = repository.trueup("apply", "dev", "--yes", code=None)
            assert done.code == 0, f"{about}\n{done.text}"
            assert "Nothing to do" in repository.trueup("apply", "dev", "--yes").out, about
            assert "No drift" in repository.trueup("drift", "dev").out, about
    assert failures == [], f"seed {SEED}: {failures[:5]}"
    versions = versions_of(repository)
    assert len(versions) == len(set(versions)) == TRIALS + 1, f"seed {SEED}: {versions}"
    assert repository.trueup("audit", "verify").code == 0


def test_ctrl_c_ends_in_order_and_the_next_apply_goes_on(repository: Any) -> None:
    before = versions_of(repository)
    (iterations,) = re.findall(r"max_iter: \d+", (repository.folder / "model.yaml").read_text())
    repository.edit("model.yaml", iterations, "max_iter: 2000")
    repository.commit("Interrupted by hand")
    process = repository.start("apply", "dev", "--yes")
    time.sleep(6)  # Pulumi works by now: the run has begun, or is about to
    assert process.poll() is None, process.communicate()[0]
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole foreground group
    said, _ = process.communicate(timeout=120)
    assert process.returncode in (1, 130), said
    assert "Traceback" not in said, said
    assert not [p for p in psutil.process_iter(["name"]) if p.info["name"] == "pulumi" and _within(p, repository)], said
    done = repository.trueup("apply", "dev", "--yes", code=None)
    assert done.code == 0 and "was interrupted" not in done.text, done.text
    assert "Nothing to do" in repository.trueup("apply", "dev", "--yes").out
    after = versions_of(repository)
    assert len(after) == len(set(after)) == len(before) + 1


def _within(process: Any, repository: Any) -> bool:
    try:
        return str(repository.state) in " ".join(process.environ().values())
    except psutil.Error:
        return False


def versions_of(repository: Any) -> list[str]:
    """The run that each registered version was made by: none is there twice."""
    import mlflow

    uri = f"sqlite:///{repository.home}/registry/mlflow.db"
    client = mlflow.MlflowClient(uri, registry_uri=uri)  # another test of this process may have set one for all
    return [v.tags["trueup.fingerprint"] for v in client.search_model_versions("name = 'credit.risk'")]
