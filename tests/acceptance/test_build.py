"""`trueup build`: an image from a commit, the same on every machine, that runs; judged by other tools, refused by its gate."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from images import running, wheels
from loopback import free_port
from trueup import places
from trueup.cli import main

pytestmark = pytest.mark.slow

SPECS = """\
apiVersion: trueup.dev/v1alpha1
kind: Workspace
metadata: {name: images}
spec: {defaultNamespace: credit}
---
apiVersion: trueup.dev/v1alpha1
kind: Environment
metadata: {name: dev}
spec: {target: local}
---
apiVersion: trueup.dev/v1alpha1
kind: Pipeline
metadata: {name: report}
spec:
  code: code
  lockfile: requirements.txt
  steps:
    - {name: count, uses: "count.py:count", outputs: {counted: {type: json}}}
---
apiVersion: trueup.dev/v1alpha1
kind: Model
metadata: {name: risk}
spec:
  source: {uri: "models:/credit.risk/1"}
  task: classification
"""
CODE = """\
import json

import greeting


def count(context, counted):
    counted.write_text(json.dumps({"said": greeting.hello(), "from": greeting.__file__, "me": __file__}))
    context.log_metric("letters", len(greeting.hello()))
"""


@pytest.fixture
def repository(make_repository: Callable[[str], Any], tmp_path: Path) -> Any:
    """A workspace with a pipeline whose lock file names wheels of a folder, and no network."""
    made = make_repository("empty")
    folder = made.folder
    (folder / "code").mkdir()
    (folder / "trueup.yaml").write_text(SPECS)
    (folder / "code" / "count.py").write_text(CODE)
    greeting = wheels.wheel(
        tmp_path / "wheels", "greeting", "1.0", {"greeting.py": "def hello(): return 'hello'\n"}, "greeting:hello"
    )
    (folder / "requirements.txt").write_text(wheels.requirements(greeting))
    made.variables |= {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(tmp_path / "wheels"),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
    }
    made.git("init", "-q", "-b", "main")
    made.commit("A workspace")
    return made


@pytest.fixture
def stable(repository: Any, tmp_path: Path) -> Any:
    """The same with a lock file that holds a Trueup of its own, so that this checkout is no part of the image."""
    built = wheels.wheel(tmp_path / "wheels", "trueup", "9.9", {"trueup/__init__.py": ""})
    path = repository.folder / "requirements.txt"
    path.write_text(path.read_text() + wheels.requirements(built))
    repository.commit("Trueup is locked")
    return repository


def built(repository: Any, *arguments: str, code: int = 0) -> Any:
    """What `trueup build dev …` says as JSON."""
    return repository.trueup("build", "dev", *arguments, "-o", "json", code=code).json


@pytest.mark.capability("model-development/containerization", by="trueup.build.assembly:assemble")
def test_a_step_runs_in_its_image(repository: Any, python_base: str, tmp_path: Path) -> None:
    arguments = ("--base", python_base, "--out", str(tmp_path / "out"), "--label", "team=risk")
    made = built(repository, "Pipeline/report", *arguments)
    assert made["packages"] == 2
    image = running.unpack(tmp_path / "out", made["digest"], tmp_path / "root")
    folder = image.root / "work" / "count"
    (folder / ".trueup").mkdir(parents=True)
    step = {
        "kind": "function",
        "uses": "count.py:count",
        "code": image.seen("/app/code"),
        "context": {
            "name": "count",
            "inputs": {},
            "outputs": {"counted": image.seen("/work/count/counted.json")},
        },
    }
    (folder / ".trueup" / "step.json").write_text(json.dumps(step))
    for path in (folder, folder / ".trueup"):
        path.chmod(0o777)
    process = image.start(folder="/work/count")
    assert process.wait(60) == 0, image.log.read_text()
    assert json.loads((folder / "counted.json").read_text()) == {
        "said": "hello",
        "from": image.seen(f"/opt/venv/lib/python3.{sys.version_info.minor}/site-packages/greeting.py"),
        "me": image.seen("/app/code/count.py"),
    }
    assert json.loads((folder / ".trueup" / "result.json").read_text()) == {"metrics": {"letters": 5.0}, "error": ""}
    runtime = image.config["config"]
    assert runtime["User"] == "65532:65532"
    assert runtime["Labels"]["org.opencontainers.image.revision"] == repository.git("rev-parse", "HEAD")
    assert runtime["Labels"]["team"] == "risk"


def test_two_machines_build_the_same_image(stable: Any, tmp_path: Path) -> None:
    arguments = ("Pipeline/report", "--base", "scratch", "--out")
    first = built(stable, *arguments, str(tmp_path / "one.tar"))
    other = tmp_path / "elsewhere"
    subprocess.run(["git", "clone", "-q", str(stable.folder), str(other)], check=True)
    for path in other.rglob("*.py"):
        path.chmod(0o600)
    variables = stable.environment() | {
        "XDG_CACHE_HOME": str(tmp_path / "cache-2"),
        "TZ": "Asia/Tokyo",
        "HOME": str(tmp_path),
    }
    command = [str(Path(sys.executable).with_name("trueup")), "build", "dev", *arguments, str(tmp_path / "two.tar")]
    done = subprocess.run(command, cwd=other, env=variables, capture_output=True, text=True, umask=0o077)
    assert done.returncode == 0, done.stderr
    assert first["digest"] in done.stdout
    # The clone's remote stands in the provenance, which is beside the image and not in it.
    stable.edit("code/count.py", "len(", "1 + len(")
    stable.commit("One more")
    second = built(stable, *arguments, str(tmp_path / "three.tar"))
    assert second["digest"] != first["digest"]
    layers = [{x["title"]: x["digest"] for x in made["layers"]} for made in (first, second)]
    assert layers[0]["packages of the lock file"] == layers[1]["packages of the lock file"]
    assert layers[0]["code of the steps"] != layers[1]["code of the steps"]
    back = built(stable, *arguments, str(tmp_path / "four.tar"), "--revision", "HEAD~1")
    assert (tmp_path / "four.tar").read_bytes() == (tmp_path / "one.tar").read_bytes()
    assert back["digest"] == first["digest"]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def test_what_was_pushed_is_an_image_for_others_and_is_verified(
    stable: Any, crane: Path, crane_registry: str, key: Path, tmp_path: Path
) -> None:
    name = f"{crane_registry}/acme/report"
    said = stable.trueup(
        "build", "dev", "Pipeline/report", "--base", "scratch", "--push", f"{name}:v1", "--key", str(key)
    )
    (image,) = (line.split()[-1] for line in said.out.splitlines() if line.strip().startswith("image: "))
    for command in (("validate", "--remote", image), ("digest", f"{name}:v1")):
        done = subprocess.run([str(crane), *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == image.partition("@")[2]
    subprocess.run([str(crane), "pull", "--format=oci", image, str(tmp_path / "pulled")], check=True)
    (pulled,) = json.loads((tmp_path / "pulled" / "index.json").read_text())["manifests"]
    assert pulled["digest"] == image.partition("@")[2]
    found = stable.trueup("build", "--verify", image, "--key", f"{key}.pub", "-o", "json").json
    assert (found["problems"], found["signedBy"]) == ([], ["id_ed25519.pub"])
    # Where the key is a team member's, the workspace knows whose signature counts.
    stable.trueup("build", "--verify", image, code=64)
    public = " ".join(Path(f"{key}.pub").read_text().split()[:2])
    team = {"members": [{"user": "ana", "email": "ana@example.com", "signingKeys": [public]}], "owns": ["credit"]}
    document = {"apiVersion": "trueup.dev/v1alpha1", "kind": "Team", "metadata": {"name": "risk"}, "spec": team}
    (stable.folder / "team.yaml").write_text(json.dumps(document))
    stable.commit("A team")
    assert "signed by ana" in stable.trueup("build", "--verify", image).out


COSIGN = shutil.which("cosign") or str(places.cache() / "tools" / "cosign-v2.4.3")
"""The judge of signatures, where it is there: building it takes twenty minutes, so no test asks for it."""


@pytest.mark.skipif(not Path(COSIGN).is_file(), reason="cosign is not installed")
def test_cosign_believes_the_signature_and_the_attestations(stable: Any, crane_registry: str, tmp_path: Path) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    subprocess.run(["openssl", "genpkey", *curve, "-out", str(private)], check=True)
    subprocess.run(["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(public)], check=True)
    push = ("--push", f"{crane_registry}/acme/signed", "--key", str(private))
    image = built(stable, "Pipeline/report", "--base", "scratch", *push)["image"]
    options = ("--key", str(public), "--insecure-ignore-tlog=true", "--allow-insecure-registry", image)
    attested = [("verify-attestation", "--type", kind) for kind in ("cyclonedx", "slsaprovenance1")]
    for command in (("verify",), *attested):
        done = subprocess.run(
            [COSIGN, *command, *options],
            env=stable.environment() | {"HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "signatures were verified against the specified public key" in done.stderr


def test_what_the_gate_refuses_is_not_pushed(stable: Any, registry: Any, tmp_path: Path) -> None:
    advisory = {
        "id": "GHSA-1",
        "summary": "It greets everybody.",
        "database_specific": {"severity": "HIGH"},
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "Greeting"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
            }
        ],
    }
    osv = tmp_path / "osv.json"
    osv.write_text(json.dumps(advisory))
    exceptions = tmp_path / "exceptions.yaml"
    build = ("build", "dev", "Pipeline/report", "--base", "scratch", "--push", f"{registry.host}/acme/report")
    arguments = (*build, "--out", str(tmp_path / "out"), "--advisories", str(osv))
    said = stable.trueup(*arguments, code=7)
    assert "x high GHSA-1 greeting 1.0: It greets everybody.; fixed in 1.1" in said.out
    assert "Refused: 1 of severity high or above. Nothing was written or pushed." in said.out
    assert not registry.manifests and not registry.blobs
    assert not (tmp_path / "out").exists()
    stable.trueup(*arguments, "--fail-on", "critical")
    assert registry.manifests
    exceptions.write_text("- {id: GHSA-1, reason: only friends, expires: 2999-12-31}\n")
    assert "excepted until 2999-12-31: only friends" in stable.trueup(*arguments, "--exceptions", str(exceptions)).out
    exceptions.write_text("- {id: GHSA-1, reason: only friends, expires: 2020-12-31}\n")
    assert "ended on 2020-12-31" in stable.trueup(*arguments, "--exceptions", str(exceptions), code=7).out


@pytest.mark.parametrize(
    ("change", "arguments", "code", "said"),
    [
        ("spec", ("Pipeline/report",), 1, "Pipeline/credit/report has no lock file"),
        ("lock", ("Pipeline/report",), 1, "requirements.txt has no hashes for greeting"),
        ("dirty", ("Pipeline/report",), 1, "The working tree differs from its commit"),
        (
            "",
            ("Pipeline/report", "--base", "python:3.12-slim"),
            1,
            "is not named by digest: a tag can mean another image",
        ),
        ("", ("Pipeline/report", "--base", ""), 1, "Name the image to build on with --base NAME@sha256:"),
        ("", ("Pipeline/report", "--push", "127.0.0.1:9/acme/report"), 1, "The registry 127.0.0.1:9 does not answer"),
        ("", ("Pipeline/report", "--lock", "other.txt"), 1, "The lock file other.txt is not in the commit"),
        ("", ("Pipeline/report", "--platform", "plan9/mips"), 1, "--platform takes linux/amd64 or linux/arm64"),
        ("", ("Pipeline/reports",), 3, "Did you mean"),
        ("", ("Model/risk", "--lock", "requirements.txt"), 3, "Model/credit/risk has no version in dev"),
        ("", ("Environment/dev",), 64, "of a Model (its server) or of a Pipeline (its steps)"),
        ("", ("Pipeline/report", "--key", "none.pem"), 1, "The signing key none.pem cannot be read"),
        ("", ("Pipeline/report", "--label", "risk"), 64, "write --label NAME=VALUE"),
        ("", ("Pipeline/report", "--fail-on", "high"), 64, "name OSV's files with it"),
        ("builtin", ("Pipeline/report",), 1, "lacks mlflow, pandas, scikit-learn, which the built-in steps need"),
        ("", ("Pipeline/report", "--advisories", "none"), 1, "There are no advisories at none"),
    ],
)
def test_mistakes_are_told_with_what_to_do(
    change: str,
    arguments: tuple[str, ...],
    code: int,
    said: str,
    repository: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if change == "spec":
        repository.edit("trueup.yaml", "  lockfile: requirements.txt\n", "")
    if change == "lock":
        (repository.folder / "requirements.txt").write_text("greeting==1.0\n")
    if change == "builtin":
        repository.edit(
            "trueup.yaml",
            "  steps:\n",
            "  steps:\n    - {name: register, uses: register, inputs: {model: count.counted}}\n",
        )
        repository.edit("trueup.yaml", "{type: json}", "{type: model}")
    if change == "dirty":
        repository.edit("code/count.py", "len(", "1 + len(")
    elif change:
        repository.commit()
    base = () if "--base" in arguments else ("--base", "scratch")
    for name, value in repository.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(repository.folder)
    monkeypatch.setattr(sys, "argv", ["trueup", "build", "dev", *arguments, *base])
    with pytest.raises(SystemExit) as ended:
        main.run()  # as the console script does; a process for each would take a second more
    shown = capsys.readouterr().err
    assert (ended.value.code, "Traceback" in shown) == (code, False), shown
    assert said in shown


def test_a_dirty_tree_is_built_only_when_asked_and_says_so(repository: Any, tmp_path: Path) -> None:
    repository.edit("code/count.py", "len(", "1 + len(")
    arguments = ("Pipeline/report", "--base", "scratch", "--allow-dirty", "--out", str(tmp_path / "out"))
    made = built(repository, *arguments)
    image = running.unpack(tmp_path / "out", made["digest"], tmp_path / "root")
    assert image.config["config"]["Labels"]["org.opencontainers.image.revision"].endswith("-dirty")
    assert "1 + len(" in (image.root / "app/code/count.py").read_text()
    assert any("no commit has" in note for note in made["notes"])


def register(repository: Any) -> None:
    """A model in the workspace's own registry: `credit.risk`, version 1."""
    script = """
import sys
from pathlib import Path

import mlflow
import pandas as pd
from sklearn.linear_model import LogisticRegression

from trueup import tracking
from trueup.workspace.opening import open_workspace

home, uri = open_workspace(Path()).home, "home:registry"
client = tracking.client(home, uri)
mlflow.set_tracking_uri(tracking.tracking_uri(home, uri))
mlflow.set_experiment(experiment_id=client.create_experiment("e", tracking.artifact_root(home, uri)))
rows = pd.DataFrame({"amount": [1.0, 2.0, 8.0, 9.0]})
model = LogisticRegression().fit(rows, ["good", "good", "bad", "bad"])
with mlflow.start_run():
    mlflow.sklearn.log_model(
        model, name="model", registered_model_name="credit.risk", serialization_format="cloudpickle", pip_requirements=[],
        signature=mlflow.models.infer_signature(rows, ["good"]),
    )
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=repository.folder,
        env=repository.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def server_lock(repository: Any) -> Iterator[str]:
    """The lock file of a model server, from this repository's own lock."""
    text = wheels.closure("kserve", "scikit-learn", "pandas", "pyyaml", "psutil", "cloudpickle")
    (repository.folder / "server.txt").write_text(text)
    repository.commit("What a server needs")
    cache = subprocess.run(
        [str(Path(sys.executable).with_name("uv")), "cache", "dir"], capture_output=True, text=True, check=True
    )
    for name in ("UV_NO_INDEX", "UV_FIND_LINKS"):
        del repository.variables[name]
    repository.variables["UV_CACHE_DIR"] = cache.stdout.strip()
    yield "server.txt"


def test_a_model_answers_from_its_image(
    repository: Any, server_lock: str, python_base: str, tmp_path: Path, http: Callable[..., Any]
) -> None:
    register(repository)
    arguments = ("Model/risk", "--model-version", "1", "--base", python_base, "--out", str(tmp_path / "out"))
    assert "lacks kserve" in repository.trueup("build", "dev", *arguments, "--lock", "requirements.txt", code=1).err
    assert (
        "has no version 2"
        in repository.trueup("build", "dev", *arguments, "--lock", server_lock, "--model-version", "2", code=3).err
    )
    made = built(repository, *arguments, "--lock", server_lock)
    assert made["content"] == "credit.risk version 1"
    image = running.unpack(tmp_path / "out", made["digest"], tmp_path / "root")
    assert image.config["config"]["ExposedPorts"] == {"8080/tcp": {}}
    port = free_port()
    process = image.start("--model_name=risk", f"--http_port={port}")
    try:
        body = {"inputs": [{"name": "amount", "datatype": "FP64", "shape": [2], "data": [1.5, 9.0]}]}
        end = time.monotonic() + 120
        while True:
            try:
                answer = http(f"http://127.0.0.1:{port}/v2/models/risk/infer", body)
                break
            except urllib.error.URLError:
                assert process.poll() is None and time.monotonic() < end, image.log.read_text()
                time.sleep(0.5)
        assert answer["outputs"][0]["data"] == ["good", "bad"]
        assert answer["model_version"] == "1"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(tmp_path / "root")
    inside = json.loads((tmp_path / "out" / "index.json").read_text())["manifests"]
    assert (
        hashlib.sha256((tmp_path / "out/blobs/sha256" / made["digest"][7:]).read_bytes()).hexdigest()
        == made["digest"][7:]
    )
    assert len(inside) == 3
