"""The one door to a forge's HTTP: base URL, token, retries that obey its headers, pages. Used by github.py, gitlab.py and gitea.py.

What is repeated: any request that surely did nothing (no connection, a rate limit), and, after an unclear end (a time-out, a broken
connection, 5xx), what is safe to repeat: GET, PUT, DELETE, and a PATCH or POST whose caller says so. Another POST goes through `create`,
which first looks whether it arrived. A call, waiting included, is bounded by `patience`.

The token goes to the base URL's host only: links of pages give their query alone, and a redirect to another host is an error. It is in no
error, log or repr.
"""

from __future__ import annotations

import importlib.metadata
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
import msgspec
import tenacity
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from trueup.forge import limits, refusals
from trueup.forge.refusals import NAMES, Refused
from trueup.forge.values import ForgeError, Unavailable

T = TypeVar("T")
Parameters = Mapping[str, str | int]
Body = Mapping[str, object]

PATIENCE = 300.0
"""Seconds that one call may take with all its repetitions."""
ATTEMPTS = 8
PAGES = 2_000
"""More pages than this are a forge that goes round in circles."""
_DRIPS = 4
"""How many times the time-out of one read an answer may take as a whole."""
_LARGEST = 64 << 20
"""Bytes of an answer: a page of a hundred of the longest comments is less."""
_OF_THE_BODY = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_JSON = {"Content-Type": "application/json"}
_SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_TEMPORARY = frozenset({408, 425, 500, 502, 503, 504})
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class _Again(Exception):
    """An attempt that may be repeated: after how long, and the error where there is no time for that."""

    def __init__(self, error: Unavailable, wait: float | None = None) -> None:
        super().__init__()
        self.error = error
        self.wait = wait


class _Unclear(_Again):
    """An attempt of which nobody knows whether it did its work."""


class _Token(httpx.Auth):
    """Puts the token into a request; shows it nowhere."""

    def __init__(self, scheme: str, token: str) -> None:
        self._header = f"{scheme} {token}"

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers["Authorization"] = self._header
        yield request


class _Wait(wait_base):
    """As long as the forge asks, and at least a growing pause with some chance in it."""

    def __init__(self) -> None:
        self._growing = tenacity.wait_exponential_jitter(initial=1, max=30)

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = error.wait if isinstance(error, _Again) else None
        if asked is None:
            return self._growing(retry_state)
        # A limit that goes on after the asked time is waited for longer each time, as GitHub wants it.
        return asked * 2 ** (retry_state.attempt_number - 1) if asked == limits.MINUTE else asked


class _Patience(stop_base):
    """Ends before a wait that would take a call beyond its time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        spent = max(retry_state.seconds_since_start or 0.0, retry_state.idle_for)
        return spent + retry_state.upcoming_sleep > self._seconds


class Door:
    """One forge's API. Errors are ForgeError, Unavailable or Refused, each with a sentence that says what to do."""

    def __init__(
        self,
        forge: str,
        base: str,
        token: str,
        variable: str,
        *,
        scheme: str = "Bearer",
        headers: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
        timeout: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`forge` is `github`, `gitlab` or `gitea`; `base` the API's URL; `variable` the environment variable that the token comes from."""
        self.forge, self.variable = forge, variable
        self.base = _checked(base)
        self._secret = _checked_token(token, variable)
        self._patience, self._timeout, self._sleep, self._clock = patience, timeout, sleep, clock
        self._client = httpx.Client(
            auth=_Token(scheme, self._secret),
            headers={"User-Agent": f"trueup/{importlib.metadata.version('trueup')}", **(headers or {})},
            timeout=httpx.Timeout(timeout, connect=min(10.0, timeout)),
            follow_redirects=False,
        )

    def __repr__(self) -> str:
        return f"Door({self.forge!r}, {self.base!r}, token of {self.variable})"

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def get(self, path: str, kind: type[T], parameters: Parameters | None = None) -> T:
        """A GET; the answer as `kind`, a msgspec type."""
        return self._decode(self._request("GET", path, parameters), kind)

    def find(self, path: str, kind: type[T], parameters: Parameters | None = None) -> T | None:
        """As `get`; None where the forge answers 404."""
        try:
            return self.get(path, kind, parameters)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def pages(self, path: str, item: type[T], parameters: Parameters | None = None) -> Iterator[T]:
        """The items of all pages, in the forge's order, asked for as they are needed.

        The next page is `Link: rel="next"` (of which only the query is taken), GitLab's `X-Next-Page`, or, where a forge gives a total only
        (`X-Total-Count`, as Gitea often does), the next number until all are there.
        """
        query: Parameters = dict(parameters or {})
        seen, had = set[tuple[tuple[str, str], ...]](), 0
        for _ in range(PAGES):
            response = self._request("GET", path, query)
            found = self._decode(response, list[item])  # type: ignore[valid-type]
            yield from found
            had += len(found)
            following = _next(response, query, had, len(found))
            if following is None:
                return
            mark = tuple(sorted((k, str(v)) for k, v in following.items()))
            if mark in seen:
                break
            seen.add(mark)
            query = following
        raise ForgeError(
            f"{NAMES[self.forge]} gives no end of pages for {path}: the same page came again. Tell its administrator."
        )

    def send(self, method: str, path: str, body: Body | None, kind: type[T], *, repeat: bool | None = None) -> T:
        """A request that changes something; `repeat` says that a POST or PATCH may be repeated after an unclear end."""
        return self._decode(self._request(method, path, None, body, repeat=repeat), kind)

    def do(self, method: str, path: str, body: Body | None = None, *, repeat: bool | None = None) -> None:
        """As `send`, where the answer says nothing."""
        self._request(method, path, None, body, repeat=repeat)

    def remove(self, path: str) -> None:
        """Deletes; what is not there any more is deleted."""
        try:
            self.do("DELETE", path)
        except Refused as error:
            if error.status != 404:
                raise

    def once(self, path: str, body: Body, kind: type[T], there: Callable[[], T | None], taken: int) -> T:
        """What there may be one of only: the one that `there` finds, else made. `taken` is the status that says that another job was
        quicker."""
        found = there()
        if found is not None:
            return found
        try:
            return self.create(path, body, kind, there)
        except Refused as error:
            found = there() if error.status == taken else None
            if found is None:
                raise
            return found

    def create(
        self, path: str, body: Body, kind: type[T], arrived: Callable[[], T | None], *, method: str = "POST"
    ) -> T:
        """A POST that may not be done twice: after an unclear end, `arrived` looks for what it made before it is repeated."""

        def attempt() -> T:
            try:
                return self._decode(self._once(method, path, None, body), kind)
            except _Unclear as unclear:
                self._sleep(1.0)  # what was on its way may still arrive
                found = arrived()
                if found is not None:
                    return found
                raise _Again(unclear.error, unclear.wait) from None

        return self._patiently(attempt)

    def _request(
        self,
        method: str,
        path: str,
        parameters: Parameters | None = None,
        body: Body | None = None,
        *,
        repeat: bool | None = None,
    ) -> httpx.Response:
        again = method in _SAFE if repeat is None else repeat

        def attempt() -> httpx.Response:
            try:
                return self._once(method, path, parameters, body)
            except _Unclear as unclear:
                if again:
                    raise
                raise unclear.error from None

        return self._patiently(attempt)

    def _patiently(self, attempt: Callable[[], T]) -> T:
        """Repeats what asks for it, within the patience."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            stop=tenacity.stop_any(tenacity.stop_after_attempt(ATTEMPTS), _Patience(self._patience)),
            wait=_Wait(),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except _Again as last:
            raise last.error from None

    def _once(self, method: str, path: str, parameters: Parameters | None, body: Body | None) -> httpx.Response:
        """One attempt, with redirects on the same host. Raises _Again, _Unclear or ForgeError."""
        what = f"{method} {path}"
        url = f"{self.base}/{path.lstrip('/')}"
        # With escapes for what is not ASCII: Gitea 1.24 breaks letters of several bytes where its reader's buffer ends.
        content = None if body is None else json.dumps(body).encode()
        for _ in range(6):
            try:
                with self._client.stream(
                    method, url, params=parameters or None, content=content, headers=_JSON if content else None
                ) as streamed:
                    response = self._whole(streamed)
            except _NOT_SENT as error:
                raise _Again(self._away(what, error)) from None
            except httpx.TransportError as error:
                raise _Unclear(self._away(what, error)) from None
            except (httpx.InvalidURL, httpx.HTTPError, ValueError) as error:
                raise ForgeError(f"{what} on {self.base} cannot be asked: {self._clean(str(error))}.") from None
            if not response.is_redirect:
                return self._judged(response, what)
            url, parameters = self._redirected(response, method, url, what), None
        raise ForgeError(f"{NAMES[self.forge]} redirects {what} in circles. Look at the URL {self.base}.")

    def _whole(self, streamed: httpx.Response) -> httpx.Response:
        """The answer with its body, which may take and hold only so much: a read's time-out is per piece, and pieces may drip."""
        end, size, parts = time.monotonic() + _DRIPS * self._timeout, 0, []
        for part in streamed.iter_bytes():
            parts.append(part)
            size += len(part)
            if time.monotonic() > end:
                raise httpx.ReadTimeout("the answer goes on and on")
            if size > _LARGEST:
                raise httpx.RemoteProtocolError("the answer is too large")
        headers = [(k, v) for k, v in streamed.headers.multi_items() if k.lower() not in _OF_THE_BODY]
        return httpx.Response(streamed.status_code, headers=headers, content=b"".join(parts), request=streamed.request)

    def _judged(self, response: httpx.Response, what: str) -> httpx.Response:
        """The answer, if it is a good one."""
        if response.is_success:
            return response
        status, headers = response.status_code, response.headers
        message = self._clean(refusals.message_of(response.content))
        wait = limits.asked(status, headers, message, self._clock())
        if status in _TEMPORARY:
            told = f" It says: {message}" if message else ""
            error = f"{NAMES[self.forge]} answers {status} to {what}.{told} Run this again when it is well."
            raise _Unclear(Unavailable(error), wait)
        if wait is not None:
            raise _Again(self._limited(what, wait, status), wait)
        raise refusals.refusal(self.forge, status, headers, message, what, self.variable)

    def _redirected(self, response: httpx.Response, method: str, url: str, what: str) -> str:
        """Where a redirect on the same host leads. The token never follows to another."""
        to = str(urljoin(url, response.headers.get("location", "")))
        if _origin(to) != _origin(self.base):
            host = self._clean(urlsplit(to).netloc.rpartition("@")[2])
            raise ForgeError(
                f"{NAMES[self.forge]} at {self.base} redirects to {urlsplit(to).scheme}://{host}, where the token is not sent."
                " Set TRUEUP_FORGE_URL to the address that the forge has now."
            )
        if method not in ("GET", "HEAD") and response.status_code not in (307, 308):
            raise ForgeError(
                f"{NAMES[self.forge]} redirects {what} to {self._clean(to)}: the project was renamed or moved."
                " Set its new name (TRUEUP_PROJECT, or the remote `origin`)."
            )
        return to

    def _limited(self, what: str, wait: float, status: int) -> Unavailable:
        until = time.strftime("%H:%M:%S UTC", time.gmtime(self._clock() + wait))
        return Unavailable(
            f"{NAMES[self.forge]} limits the rate of the token in {self.variable} ({status} to {what}) until {until}, which is more"
            f" than can be waited for ({self._patience:.0f} s in all). Run this again after that."
        )

    def _away(self, what: str, error: httpx.TransportError) -> Unavailable:
        kind = "does not answer in time" if isinstance(error, httpx.TimeoutException) else "cannot be reached"
        why = self._clean(str(error)) or type(error).__name__
        return Unavailable(
            f"{NAMES[self.forge]} at {self.base} {kind} ({what}: {why})."
            " Look whether it is up and whether this machine reaches it, then run this again."
        )

    def _decode(self, response: httpx.Response, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(response.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ForgeError(
                f"What answers at {self.base} is not {NAMES[self.forge]}'s API: {self._clean(str(error))}"
                f" ({response.request.method} {self._clean(response.request.url.path)}). Look at the URL."
            ) from None

    def _clean(self, text: str) -> str:
        """A text for people: the token can be in no word of a library, proxy or forge."""
        return text.replace(self._secret, "***")


def _next(response: httpx.Response, query: Parameters, had: int, last: int) -> Parameters | None:
    """The query of the next page; None after the last."""
    link = response.links.get("next", {}).get("url")
    if link:
        return {**query, **dict(parse_qsl(urlsplit(link).query, keep_blank_values=True))}
    if "link" in response.headers and "x-next-page" not in response.headers:
        return None
    number = response.headers.get("x-next-page")
    if number is not None:
        return {**query, "page": number.strip()} if number.strip().isdigit() else None
    total = response.headers.get("x-total-count", "")
    if total.isdigit() and last and had < int(total):
        return {**query, "page": int(query.get("page", 1)) + 1}
    return None


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _checked(base: str) -> str:
    """The base URL without a slash at its end. Raises ForgeError for what is none."""
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ForgeError(
            f"{parts.scheme or 'Nothing'}://… is no address of a forge. Set TRUEUP_FORGE_URL to one like https://forge.example.com."
        )
    if parts.username or parts.password:
        raise ForgeError(
            "The address of the forge holds a user or password. Take it out; the token is read from its own variable."
        )
    return base.rstrip("/")


def _checked_token(token: str, variable: str) -> str:
    """The token without blanks around it. Raises ForgeError, without the token, for what is none."""
    found = token.strip()
    if not found:
        raise ForgeError(f"{variable} is empty. Put the forge's token there.")
    if not (found.isascii() and found.isprintable()) or " " in found:
        raise ForgeError(
            f"What is in {variable} is no token: it holds blanks, line breaks or other letters. Put the forge's token there."
        )
    return found
