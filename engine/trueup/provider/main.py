"""The console script `pulumi-resource-trueup`: the provider as a plugin that Pulumi starts. Not used where `apply` serves it itself."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

HOME = "TRUEUP_PROVIDER_HOME"
"""The environment variable with the workspace's home (`trueup.places.home`), which no property says."""
GRACE_SECONDS = 30.0
"""How long operations may go on after the engine died: what they finish is adopted by the next apply."""


def run() -> None:
    """Serves until the engine ends us, or is gone: a plugin whose engine was killed must not live on."""
    arguments = [a for a in sys.argv[1:] if not a.startswith("-")]
    if not arguments:
        fail("Pulumi starts pulumi-resource-trueup with the address of its engine; it is no command for people.")
    home = os.environ.get(HOME)
    if not home:
        fail(
            f"Set {HOME} to the workspace's home folder (`trueup doctor` prints it), or use `trueup apply`, which does it."
        )
    if not Path(home).is_absolute():
        fail(f"{HOME} is {home!r}, which is not an absolute path; `trueup doctor` prints the right one.")
    from trueup.provider.server import serve

    # Ctrl-C reaches the whole group; the engine calls Cancel and waits for what is under way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    engine = os.getppid()
    served = serve(Path(home), arguments[-1])
    sys.stdout.write(f"{served.port}\n")
    sys.stdout.flush()
    # Libraries that print must not end up in what Pulumi reads.
    os.dup2(2, 1)
    wait = threading.Event()
    while os.getppid() == engine:
        wait.wait(0.5)
    served.stop(GRACE_SECONDS)
    os._exit(0)


def fail(message: str) -> NoReturn:
    """Ends the process with a sentence that Pulumi shows."""
    sys.stderr.write(f"pulumi-resource-trueup: {message}\n")
    raise SystemExit(1)
