"""The test cluster by hand: `make cluster`. Prints how to reach it, and ends it on Ctrl-C."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from cluster import building
from cluster.cluster import NODES_PER_ZONE, ZONES, Cluster


def main() -> int:
    """Runs until it is told to stop."""
    if not building.built():
        print("Building etcd, Kubernetes and KWOK with Go; this takes some minutes, once.", flush=True)
    building.build()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="trueup-cluster-"))
    cluster, began = Cluster(folder), time.monotonic()
    try:
        cluster.start()
        print(f"Ready in {time.monotonic() - began:.1f} s, with {len(ZONES) * NODES_PER_ZONE} nodes. Ctrl-C stops it.")
        print(f"export KUBECONFIG={cluster.kubeconfig}", flush=True)
        if cluster.install_crds():
            print(f"The CustomResourceDefinitions are there after {time.monotonic() - began:.0f} s.", flush=True)
        stopped.wait()
    except KeyboardInterrupt:
        print("Stopping.")
    finally:
        cluster.stop()
        if len(sys.argv) == 1:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
