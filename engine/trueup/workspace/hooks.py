"""Webhooks of forges: whether a delivery is one, was not seen before, and is a reason to look again. Called by `receiving`.

A payload is never trusted beyond that: nothing of it is read. What is signed is compared in constant time, over the bytes as they came.
Signatures of GitHub and Gitea cover neither the delivery's id nor a time, so that the body itself is remembered too: one that was
captured is refused under any id. GitLab's signing token (Standard Webhooks) covers id and time, and old ones are refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from trueup.workspace.opening import WorkspaceError

SECRET = "TRUEUP_WEBHOOK_SECRET"
SHORTEST = 16
"""Characters of a secret, at least."""
OLDEST = 300.0
"""Seconds that a delivery may be old, or ahead of this clock, where it says its time."""
KEPT = 4000
"""Deliveries that are remembered."""
FORGES = ("github", "gitlab", "gitea")
WAKING = frozenset(
    {
        "push",
        "create",
        "delete",
        "pull_request",
        "pull_request_review",
        "pull_request_approved",
        "push hook",
        "merge request hook",
        "system hook",
    }
)
"""Events after which the base branch, the ledger or an approval may be another one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a delivery came to: an HTTP status, a text for the forge's log, and whether the loop is woken."""

    status: int
    text: str
    wakes: bool = False


def secrets(environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """The secrets that deliveries may be signed with: several, separated by blanks, while one takes another's place.

    Raises WorkspaceError where there is none, or one that could be guessed.
    """
    found = environ.get(SECRET, "").split()
    if not found:
        raise WorkspaceError(
            f"The variable {SECRET} is not set. Set it to the secret that the forge's webhook has: without one, anybody could call."
        )
    if any(len(s) < SHORTEST for s in found):
        raise WorkspaceError(
            f"A secret in {SECRET} has fewer than {SHORTEST} characters and could be guessed. Make one: `openssl rand -hex 32`."
        )
    return tuple(s.encode() for s in found)


def judge(forge: str, headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: float, seen: Seen) -> Answer:
    """What a delivery comes to. `headers` have lower-case names; `now` is in seconds since 1970."""
    delivery = _delivery(forge, headers)
    if not _genuine(forge, headers, body, keys):
        return Answer(401, "The signature is missing or wrong.")
    if not delivery:
        return Answer(400, "The delivery has no id.")
    if forge == "gitlab" and "webhook-timestamp" in headers and not _fresh(headers["webhook-timestamp"], now):
        return Answer(401, "The delivery is too old, or from another time.")
    if not seen.first(f"{forge}/id/{delivery}", f"{forge}/body/{hashlib.sha256(body).hexdigest()}"):
        return Answer(409, "The delivery was seen before.")
    event = _event(forge, headers)
    if event.lower() not in WAKING:
        return Answer(202, "Nothing here depends on this event.")
    return Answer(202, "Looking again.", wakes=True)


def _delivery(forge: str, headers: Mapping[str, str]) -> str:
    names = {
        "github": ("x-github-delivery",),
        "gitea": ("x-gitea-delivery",),
        "gitlab": ("webhook-id", "idempotency-key", "x-gitlab-event-uuid"),
    }[forge]
    return next((headers[n] for n in names if headers.get(n)), "")[:200]


def _event(forge: str, headers: Mapping[str, str]) -> str:
    return headers.get({"github": "x-github-event", "gitea": "x-gitea-event", "gitlab": "x-gitlab-event"}[forge], "")


def _genuine(forge: str, headers: Mapping[str, str], body: bytes, keys: Sequence[bytes]) -> bool:
    """Whether the delivery is signed with one of the keys. All are tried, whichever fits, so that time tells nothing."""
    given = {
        "github": headers.get("x-hub-signature-256", ""),
        "gitea": headers.get("x-gitea-signature", ""),
        "gitlab": headers.get("webhook-signature", "") or headers.get("x-gitlab-token", ""),
    }[forge]
    if not given:
        return False
    if forge == "gitlab" and "webhook-signature" in headers:
        parts = (headers.get("webhook-id", "").encode(), headers.get("webhook-timestamp", "").encode(), body)
        wanted = [_standard(b".".join(parts), key) for key in keys]
        return _one_of(given.split(), wanted)
    if forge == "gitlab":
        return _one_of([given], keys)
    prefix = b"sha256=" if forge == "github" else b""
    return _one_of([given], [prefix + hmac.new(key, body, hashlib.sha256).hexdigest().encode() for key in keys])


def _one_of(given: Iterable[str], wanted: Sequence[bytes]) -> bool:
    equal = [hmac.compare_digest(text.encode(), mark) for text in given for mark in wanted]
    return any(equal)


def _standard(signed: bytes, key: bytes) -> bytes:
    """A signature as the Standard Webhooks specification has it: `v1,` and base64; a key `whsec_…` is base64 itself."""
    if key.startswith(b"whsec_"):
        try:
            key = base64.b64decode(key.removeprefix(b"whsec_"), validate=True)
        except binascii.Error:
            return b"v1,"
    return b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


def _fresh(text: str, now: float) -> bool:
    return text.isdecimal() and len(text) < 12 and abs(now - int(text)) <= OLDEST


class Seen:
    """The deliveries that came already, kept in a file so that a restart forgets none. For one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            found = msgspec.json.decode(path.read_bytes(), type=list[str])
        except (OSError, msgspec.DecodeError):
            found = []
        self._marks: OrderedDict[str, None] = OrderedDict.fromkeys(found[-2 * KEPT :])

    def first(self, *marks: str) -> bool:
        """Whether none of the marks came before; they did from now on."""
        if any(mark in self._marks for mark in marks):
            return False
        self._marks.update(dict.fromkeys(marks))
        while len(self._marks) > 2 * KEPT:
            self._marks.popitem(last=False)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        new.write_bytes(msgspec.json.encode(list(self._marks)))
        new.replace(self._path)
        return True
