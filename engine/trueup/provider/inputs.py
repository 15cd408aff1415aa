"""What the checks of several components have in common: reading inputs of unknown shape, all errors at once. Used by components alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from trueup.places import SCHEME
from trueup.provider.component import UNKNOWN, Failure, Properties


def text(inputs: Properties, path: str, meaning: str) -> Iterator[Failure]:
    """Fails unless the dotted `path` holds a text that is not empty."""
    value = at(inputs, path)
    if value == UNKNOWN:
        return
    if not isinstance(value, str) or not value.strip():
        yield Failure(path, f"`{path}` must be {meaning}; it is {shown(value)}.")


def flag(inputs: Properties, path: str) -> Iterator[Failure]:
    """Fails unless the dotted `path` is absent or a boolean."""
    value = at(inputs, path)
    if value is not None and value != UNKNOWN and not isinstance(value, bool):
        yield Failure(path, f"`{path}` must be true or false; it is {shown(value)}.")


def whole(inputs: Properties, path: str, least: int, required: bool = False) -> Iterator[Failure]:
    """Fails unless the dotted `path` is a whole number of at least `least`, or absent where that is allowed."""
    value = at(inputs, path)
    if value == UNKNOWN or (value is None and not required):
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        yield Failure(path, f"`{path}` must be a whole number of at least {least}; it is {shown(value)}.")


def place(inputs: Properties, path: str) -> Iterator[Failure]:
    """Fails unless the dotted `path` is a `home:` URI that stays inside, a URL or an absolute path."""
    found = list(text(inputs, path, "a `home:` URI, a URL or an absolute path"))
    value = at(inputs, path)
    if found or value == UNKNOWN:
        yield from found
    elif value.startswith(SCHEME):
        inside = PurePosixPath(value.removeprefix(SCHEME))
        if inside.is_absolute() or ".." in inside.parts:
            yield Failure(path, f"`{path}` is {value!r}, which leaves the workspace's home; name a folder inside it.")
    elif "://" not in value and not PurePosixPath(value).is_absolute():
        yield Failure(path, f"`{path}` is {value!r}; write a `home:` URI, a URL or an absolute path.")


def at(inputs: Properties, path: str) -> Any:
    """The value at a dotted path, None where there is none, UNKNOWN below what is not known."""
    value: Any = inputs
    for name in path.split("."):
        if value == UNKNOWN:
            return UNKNOWN
        value = value.get(name) if isinstance(value, dict) else None
    return value


def shown(value: object) -> str:
    """A value for a message: never long, and absent rather than None."""
    return "absent" if value is None else repr(value)[:80]


def unsecret(url: str) -> str:
    """A URL without user and password, for messages and ids."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return parts._replace(netloc=parts.netloc.rsplit("@", 1)[1]).geturl()
