"""What a forge's refusal means and what to do, as one sentence. Used by the door (http.py). Pure; knows no token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from trueup.forge.values import ForgeError

NAMES: Final = {"github": "GitHub", "gitlab": "GitLab", "gitea": "Gitea"}
_LONGEST: Final = 400
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_RIGHTS: Final = {
    "github": "A workflow's `permissions:` needs `contents: read`, `pull-requests: write`, `issues: write`, `statuses: write` and"
    " `checks: write`; a fine-grained token needs the same for this repository.",
    "gitlab": "It needs the scope `api` and the role Developer in this project; CI_JOB_TOKEN cannot do this.",
    "gitea": "It needs the scopes `write:repository` and `write:issue`, `read:user`, and write access to this repository.",
}


class Refused(ForgeError):
    """The forge answered, with a status that says no: 4xx that is no rate limit."""

    def __init__(self, text: str, status: int, message: str) -> None:
        super().__init__(text)
        self.status = status
        """The HTTP status."""
        self.message = message
        """The forge's own words, shortened."""


def refusal(forge: str, status: int, headers: Mapping[str, str], message: str, what: str, variable: str) -> Refused:
    """The error of an answer: `what` is the request (`POST /repos/…`), `variable` where the token comes from."""
    name = NAMES[forge]
    said = f" It says: {message}" if message else ""
    if status == 401:
        text = f"{name} does not accept the token in {variable} for {what}: it is wrong, expired or revoked.{said} Put a valid one there."
    elif status == 403:
        needed = headers.get("x-accepted-github-permissions", "")
        rights = f"This request needs the permission {needed}." if needed else _RIGHTS[forge]
        text = f"{name} does not let the token in {variable} do {what}.{said} {rights}"
    elif status == 404:
        text = (
            f"{name} finds nothing at {what}: it is not there, or the token in {variable} may not see it."
            f"{said} Look whether project and number are right, and whether the token has access."
        )
    elif status == 409:
        text = f"{name} refuses {what}, since it conflicts with what is there now.{said} Look at it on {name} and run this again."
    elif status in (400, 413, 422):
        text = f"{name} does not take what {what} sends.{said or ' It does not say why.'}"
    else:
        text = f"{name} answered {status} to {what}.{said}"
    return Refused(text, status, message)


def message_of(body: bytes) -> str:
    """The forge's own words in the body of an error: one line, without control characters, at most 400 characters."""
    try:
        found: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "" if body.lstrip()[:1] == b"<" else _line(body.decode("utf-8", "replace"))
    return _line("; ".join(dict.fromkeys(_texts(found))))


def _texts(found: object) -> list[str]:
    """GitHub gives {message, errors: [{resource, field, code, message}]}, GitLab {message: text or {field: [text]}} or {error}."""
    if isinstance(found, str):
        return [found]
    if isinstance(found, list):
        return [text for item in found for text in _texts(item)]
    if not isinstance(found, dict):
        return []
    if "code" in found and "message" not in found:
        return [" ".join(str(found[k]) for k in ("resource", "field", "code") if found.get(k))]
    told = [k for k in ("message", "error", "error_description", "errors") if k in found]
    if told:
        return [text for key in told for text in _texts(found[key])]
    return [f"{key} {text}" for key, item in found.items() for text in _texts(item)]


def _line(text: str) -> str:
    line = _CONTROL.sub(" ", text).strip()
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
