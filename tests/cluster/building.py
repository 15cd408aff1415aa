"""The programs of a control plane, and of controllers that teams install beside it. Called by `fixtures.py` and `__main__.py`."""

from __future__ import annotations

from pathlib import Path

from gotools import Module

ETCD = Module("go.etcd.io/etcd/server/v3", "v3.6.16", {"etcd": "go.etcd.io/etcd/server/v3"})
_VERSION = {"gitVersion": "v1.36.3", "gitMajor": "1", "gitMinor": "36", "gitTreeState": "clean"}
KUBERNETES = Module(
    "k8s.io/kubernetes",
    _VERSION["gitVersion"],
    {n: f"k8s.io/kubernetes/cmd/{n}" for n in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")},
    staging="v0.36.3",
    # Without it they call themselves v0.0.0, and clients refuse them.
    stamp=" ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in _VERSION.items()),
)
KWOK = Module("sigs.k8s.io/kwok", "v0.7.0", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"})
MODULES = (ETCD, KUBERNETES, KWOK)
ROLLOUTS = Module(
    "github.com/argoproj/argo-rollouts",
    "v1.8.3",
    {"rollouts-controller": "github.com/argoproj/argo-rollouts/cmd/rollouts-controller"},
)
_SYSTEM = "workflow/executor/osspecific"
WORKFLOWS = Module(
    "github.com/argoproj/argo-workflows/v4",
    "v4.0.5",
    {n: f"github.com/argoproj/argo-workflows/v4/cmd/{n}" for n in ("workflow-controller", "argoexec")},
    links={f"{_SYSTEM}/signal_linux.go": f"{_SYSTEM}/signal_darwin.go"},
)
KEDA = Module(
    "github.com/kedacore/keda/v2",
    "v2.20.2",
    {f"keda-{n}": f"github.com/kedacore/keda/v2/cmd/{n}" for n in ("operator", "adapter")},
)
_RAY = "github.com/ray-project/kuberay/ray-operator"
KUBERAY = Module(_RAY, "v1.6.2", {"kuberay-operator": _RAY})
KSERVE = Module("github.com/kserve/kserve", "v0.16.0", {"kserve-manager": "github.com/kserve/kserve/cmd/manager"})
VELERO = Module(
    "github.com/vmware-tanzu/velero",
    "v1.18.3",
    {"velero": "github.com/vmware-tanzu/velero/cmd/velero"},
    instead={"k8s.io/cli-runtime": "v0.33.10"},
)
_AWS = "github.com/vmware-tanzu/velero-plugin-for-aws"
VELERO_ON_S3 = Module(_AWS, "v1.14.3", {"velero-plugin-for-aws": f"{_AWS}/velero-plugin-for-aws"})
S3 = Module(
    "github.com/johannesboyne/gofakes3", "v1.2.0", {"gofakes3": "github.com/johannesboyne/gofakes3/cmd/gofakes3"}
)


def binary(program: str) -> Path:
    """Where a program of the control plane is, or will be."""
    return next(m for m in MODULES if program in m.programs).binary(program)


def built() -> bool:
    """Whether nothing is left to be built."""
    return all(m.built() for m in MODULES)


def build() -> None:
    """Builds what is not there: minutes, once. Raises FileNotFoundError without Go, CalledProcessError where a build fails."""
    for module in MODULES:
        module.build()
