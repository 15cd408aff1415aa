"""What an environment's providers are held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueup.workspace import drivers
from trueup_specs.kinds.environment.spec import EnvironmentSpec

IN_PLACE = {"kubernetes:enableSecretMutable": "true", "kubernetes:enableConfigMapMutable": "true"}


@pytest.mark.parametrize(
    ("spec", "configuration"),
    [
        ({"target": "kubernetes", "cluster": {"context": "prod-eu"}}, {"kubernetes:context": "prod-eu", **IN_PLACE}),
        ({"target": "kubernetes"}, IN_PLACE),
        (
            {"target": "aws", "cloud": {"account": "123456789012", "region": "eu-west-1"}},
            {"aws:allowedAccountIds": '["123456789012"]'},
        ),
        ({"target": "local", "cluster": {"context": "prod-eu"}}, {}),
    ],
)
def test_a_provider_is_held_to_the_cluster_or_account_of_the_environment(
    spec: dict[str, object], configuration: dict[str, str]
) -> None:
    assert drivers._configuration(EnvironmentSpec.model_validate(spec)) == configuration


def test_the_kubeconfig_is_found_from_the_workspace_and_from_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")

    def variable(path: str) -> str:
        spec = EnvironmentSpec.model_validate({"target": "kubernetes", "cluster": {"kubeconfig": path}})
        return drivers._variables(spec, tmp_path)["KUBECONFIG"]

    assert variable("~/.kube/config") == "/home/ada/.kube/config"
    assert variable("clusters/prod.yaml") == str(tmp_path / "clusters" / "prod.yaml")
    assert variable("/etc/kube.yaml") == "/etc/kube.yaml"
