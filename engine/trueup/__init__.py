"""Trueup: a declarative GitOps engine for machine learning."""

import os

__version__ = "0.1.0"

# gRPC serves the provider inside the driver, which starts other programs: its handlers around fork are for children that go on using
# gRPC, and can end a child before its program begins.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
