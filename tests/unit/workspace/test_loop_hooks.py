"""Webhooks: what is genuine wakes the loop once; nothing else does, and nothing of a payload is believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.reconcile.values import Line
from trueup.workspace import answering, hooks, receiving
from trueup.workspace.following import Branch
from trueup.workspace.hooks import Seen, judge
from trueup.workspace.opening import Workspace, WorkspaceError
from trueup.workspace.watching import Watch

KEY = b"0123456789abcdef0123"
BODY = b'{"ref": "refs/heads/main", "after": "0000"}'
NOW = 1_800_000_000.0


def signed(
    forge: str, body: bytes = BODY, key: bytes = KEY, delivery: str = "d-1", event: str = "push"
) -> dict[str, str]:
    mark = hmac.new(key, body, hashlib.sha256).hexdigest()
    match forge:
        case "github":
            return {"x-hub-signature-256": f"sha256={mark}", "x-github-delivery": delivery, "x-github-event": event}
        case "gitea":
            return {"x-gitea-signature": mark, "x-gitea-delivery": delivery, "x-gitea-event": event}
    return {
        "x-gitlab-token": key.decode(),
        "idempotency-key": delivery,
        "x-gitlab-event": "Push Hook" if event == "push" else event,
    }


def standard(delivery: str, at: float, body: bytes = BODY, key: bytes = b"k" * 32) -> dict[str, str]:
    """GitLab's signing token, as the Standard Webhooks specification has it."""
    text = f"{delivery}.{at:.0f}.".encode() + body
    mark = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": delivery,
        "webhook-timestamp": f"{at:.0f}",
        "webhook-signature": f"v1,wrong v1,{mark}",
        "x-gitlab-event": "Push Hook",
    }


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    return Seen(tmp_path / "deliveries.json")


@pytest.mark.parametrize("forge", hooks.FORGES)
def test_a_genuine_delivery_wakes_once(forge: str, seen: Seen, tmp_path: Path) -> None:
    found = judge(forge, signed(forge), BODY, [KEY], NOW, seen)
    assert (found.status, found.wakes) == (202, True)
    assert judge(forge, signed(forge), BODY, [KEY], NOW, seen).status == 409, "the same delivery"
    assert judge(forge, signed(forge, delivery="d-2"), BODY, [KEY], NOW, seen).status == 409, (
        "the same body under another id"
    )
    other = b'{"ref": "refs/heads/other"}'
    assert judge(forge, signed(forge, other), other, [KEY], NOW, seen).status == 409, "another body under the same id"
    again = Seen(tmp_path / "deliveries.json")
    assert judge(forge, signed(forge), BODY, [KEY], NOW, again).status == 409, "a restart forgets none"
    assert judge(forge, signed(forge, other, delivery="d-3"), other, [KEY], NOW, again).wakes


@pytest.mark.parametrize("forge", hooks.FORGES)
def test_a_forged_delivery_is_refused_and_remembered_as_nothing(forge: str, seen: Seen) -> None:
    wrong = b"another-secret-of-some-length"
    for headers in (
        signed(forge, key=wrong),
        {k: v for k, v in signed(forge).items() if "signature" not in k and "token" not in k},
        {**signed(forge), "x-hub-signature-256": "sha256=", "x-gitea-signature": "é", "x-gitlab-token": " "},
    ):
        assert judge(forge, headers, BODY, [KEY], NOW, seen).status == 401
    if forge != "gitlab":
        assert judge(forge, signed(forge), BODY + b" ", [KEY], NOW, seen).status == 401, "an altered body"
    assert judge(forge, signed(forge), BODY, [KEY], NOW, seen).wakes, "forged ones do not use up the id"


def test_a_signature_of_one_forge_counts_for_that_one_only(seen: Seen) -> None:
    assert judge("github", signed("gitea"), BODY, [KEY], NOW, seen).status == 401
    assert judge("gitlab", signed("github"), BODY, [KEY], NOW, seen).status == 401


def test_gitlabs_signing_token_refuses_what_is_old(seen: Seen) -> None:
    keys = [b"whsec_" + base64.b64encode(b"k" * 32)]
    assert judge("gitlab", standard("m-1", NOW - 301), BODY, keys, NOW, seen).status == 401
    assert judge("gitlab", standard("m-1", NOW + 301), BODY, keys, NOW, seen).status == 401
    moved = {**standard("m-1", NOW - 301), "webhook-timestamp": f"{NOW:.0f}"}
    assert judge("gitlab", moved, BODY, keys, NOW, seen).status == 401, "the time is signed too"
    renamed = {**standard("m-1", NOW), "webhook-id": "m-2"}
    assert judge("gitlab", renamed, BODY, keys, NOW, seen).status == 401, "and so is the id"
    assert judge("gitlab", standard("m-1", NOW - 10), BODY, keys, NOW, seen).wakes
    unsigned = {**signed("gitlab"), "webhook-signature": "v1,", "webhook-timestamp": f"{NOW:.0f}"}
    assert judge("gitlab", unsigned, BODY, [KEY], NOW, seen).status == 401, "a token does not stand in for a signature"


def test_unknown_events_are_ignored_and_a_new_secret_is_taken_beside_the_old(seen: Seen) -> None:
    found = judge("github", signed("github", event="star"), BODY, [KEY], NOW, seen)
    assert (found.status, found.wakes) == (202, False)
    body, new = b"{}", b"the-new-secret-of-this-hook"
    assert judge("github", signed("github", body, new, "d-9"), body, [KEY, new], NOW, seen).wakes
    nameless = {k: v for k, v in signed("github", b"[]").items() if k != "x-github-delivery"}
    assert judge("github", nameless, b"[]", [KEY], NOW, seen).status == 400


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from(hooks.FORGES), st.dictionaries(st.text(max_size=12), st.text(max_size=20))
)
def test_what_is_not_signed_never_wakes(body: bytes, forge: str, headers: dict[str, str]) -> None:
    seen = Seen(Path("/nonexistent/never-written.json"))
    assert judge(forge, headers, body, [KEY], NOW, seen).status == 401


def test_secrets_must_be_there_and_long() -> None:
    assert hooks.secrets({hooks.SECRET: f"{KEY.decode()} and-another-long-one"}) == (KEY, b"and-another-long-one")
    with pytest.raises(WorkspaceError, match="is not set"):
        hooks.secrets({})
    with pytest.raises(WorkspaceError, match="could be guessed"):
        hooks.secrets({hooks.SECRET: "hunter2"})


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Watch, list[Line]]]:
    monkeypatch.setenv(hooks.SECRET, KEY.decode())
    monkeypatch.setenv("TRUEUP_HOME", str(tmp_path / "home"))
    workspace, lines = Workspace(tmp_path, tmp_path, "demo"), []
    watch = Watch(Branch(workspace), 60.0, lines.append)
    server = answering.start(receiving.receiver(watch, workspace, with_metrics=True), "0")
    yield server.url, watch, lines
    server.stop()


def test_the_receiver_wakes_the_loop(served: tuple[str, Watch, list[Line]]) -> None:
    url, watch, lines = served
    answer = httpx.post(f"{url}/webhooks/github", content=BODY, headers=signed("github"))
    assert (answer.status_code, answer.json()["looks"]) == (202, True)
    assert watch._woken.is_set(), "the loop looks again at once"
    watch._woken.clear()
    for path, body, headers, status in (
        ("github", BODY, signed("github"), 409),
        ("github", b"{}", signed("github"), 401),
        ("gitea", b"{}", signed("gitea", b"{}", event="fork"), 202),
        ("bitbucket", b"{}", {}, 404),
        ("github", b"x" * (receiving.LONGEST + 1), {}, 413),
    ):
        assert httpx.post(f"{url}/webhooks/{path}", content=body, headers=headers).status_code == status, path
    assert not watch._woken.is_set()
    assert httpx.get(f"{url}/webhooks/github").status_code == 405
    assert KEY.decode() not in repr(lines), "no log holds the secret"


def test_a_body_without_an_announced_length_is_cut_off_too(served: tuple[str, Watch, list[Line]]) -> None:
    url, watch, _ = served
    chunks = (b"x" * 65536 for _ in range(receiving.LONGEST // 65536 + 2))
    assert httpx.post(f"{url}/webhooks/github", content=chunks, headers={"x-github-event": "push"}).status_code == 413
    assert not watch._woken.is_set()


def test_health_and_metrics(served: tuple[str, Watch, list[Line]]) -> None:
    url, watch, _ = served
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert httpx.get(f"{url}/readyz").json() == {"ready": True, "environments": {}}
    assert "trueup_loop_up 1.0" in httpx.get(f"{url}/metrics").text
    watch.alive = time.time() - 10_000
    assert httpx.get(f"{url}/healthz").status_code == 503, "a loop that gives no sign is not healthy"
    assert "trueup_loop_up 0.0" in httpx.get(f"{url}/metrics").text


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(WorkspaceError, match=r"pip install 'trueup\[serve\]'"):
        answering.require()


def test_places_to_listen() -> None:
    assert answering.address("9464") == ("127.0.0.1", 9464)
    assert answering.address("[::1]:80") == ("::1", 80)
    for wrong in ("", "host", "1.2.3.4:", "1:99999"):
        with pytest.raises(WorkspaceError):
            answering.address(wrong)
    assert os.environ.get(hooks.SECRET) is None


@pytest.mark.slow
def test_a_real_gitea_wakes_the_loop(served: tuple[str, Watch, list[Line]], gitea: Any) -> None:
    url, watch, lines = served
    ana = gitea.user("hooks-ana")
    specs = gitea.repository(ana, "specs")
    for path, secret in (("webhooks/gitea", KEY.decode()), ("webhooks/gitea?2", "a-secret-that-is-wrong")):
        config = {"url": f"{url}/{path}", "content_type": "json", "secret": secret}
        hook = {"type": "gitea", "active": True, "events": ["push"], "config": config}
        gitea.call("POST", f"repos/{specs}/hooks", hook, user=ana)
    gitea.write(specs, "main", "a.yaml", "a: 1\n", ana)
    assert watch._woken.wait(30), lines
    end = time.monotonic() + 30
    while len(lines) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    assert sorted(line.fields["status"] for line in lines) == [202, 401], (
        "what is signed with another secret wakes nothing"
    )
