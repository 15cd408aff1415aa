"""A registry over the OCI distribution API 1.1: manifests and blobs read by digest, pushed, and what refers to them. Called by `bases`,
`publishing` and `verification`.

Tokens are asked for as the registry's challenge says (Bearer with the scope, or Basic). What is read is proved by its digest. A registry
that does not know referrers gets the fallback tag `sha256-HEX` of the specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from trueup.build import credentials
from trueup.build.credentials import Credentials
from trueup.build.errors import BuildError
from trueup.build.images import INDEX, INDEXES, MANIFESTS, Descriptor, digest_of, parsed
from trueup.build.references import Reference
from trueup.build.store import PIECE, Store
from trueup_specs.core.fingerprints import canonical

MOST = 8 << 20
"""Bytes that a manifest may have: registries take 4 MiB."""
_ACCEPT = ", ".join((*MANIFESTS, *INDEXES))
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_LOOPBACK = re.compile(r"^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$")


class Registry:
    """One repository of a registry. Use it in a `with` statement. With `push` or `given`, the login of the variables is meant for it."""

    def __init__(self, image: Reference, *, push: bool = False, given: bool = False) -> None:
        self.image = image
        self._actions = "pull,push" if push else "pull"
        scheme = "http" if _LOOPBACK.match(image.api_host) else "https"
        self._root = f"{scheme}://{image.api_host}/v2/{image.name}/"
        self._credentials: Credentials | None = (credentials.given() if push or given else None) or credentials.kept(
            image.api_host
        )
        self._authorization = ""
        self._client = httpx.Client(
            timeout=httpx.Timeout(60, connect=10),
            transport=httpx.HTTPTransport(retries=2),
            headers={"User-Agent": "trueup"},
        )

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    # --- reading ---

    def manifest(self, reference: str) -> tuple[bytes, str] | None:
        """A manifest's bytes and media type, by digest or tag; None where there is none. Raises BuildError."""
        answer = self._ask("GET", f"manifests/{reference}", headers={"Accept": _ACCEPT})
        if answer.status_code == 404:
            return None
        self._expect(answer, 200, f"give the manifest {reference}")
        data = answer.content
        if len(data) > MOST or (reference.startswith("sha256:") and digest_of(data) != reference):
            raise BuildError(
                f"{self.image.host} gave another manifest than {reference}: it was changed on the way. Do not trust that source."
            )
        return data, answer.headers.get("Content-Type", "").split(";")[0].strip()

    def fetch(self, blob: Descriptor, store: Store) -> None:
        """Reads a blob into the store. Raises BuildError."""
        with self._streamed(f"blobs/{blob.digest}") as answer:
            self._expect(answer, 200, f"give the blob {blob.digest}")
            store.take(blob, answer.iter_raw(PIECE), self.image.host)

    def referrers(self, digest: str) -> list[Descriptor]:
        """What refers to a manifest: signatures, attestations, inventories."""
        answer = self._ask("GET", f"referrers/{digest}")
        if answer.status_code == 200:
            return _listed(answer.content)
        found = self.manifest(_fallback(digest))
        return _listed(found[0]) if found else []

    # --- writing ---

    def push_blob(self, blob: Descriptor, store: Store, origin: str = "") -> bool:
        """Uploads a blob unless it is there; whether it was sent. `origin` is a repository of the same registry that has it."""
        answer = self._ask("HEAD", f"blobs/{blob.digest}")
        if answer.status_code == 200:
            return False
        mount = {"mount": blob.digest, "from": origin} if origin and origin != self.image.name else {}
        answer = self._ask("POST", "blobs/uploads/", params=mount)
        if answer.status_code == 201:
            return False
        self._expect(answer, 202, "take a blob")
        where = httpx.URL(urljoin(str(answer.request.url), answer.headers["Location"]))
        answer = self._ask(
            "PUT",
            str(where.copy_merge_params({"digest": blob.digest})),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)},
            content=lambda: store.pieces(blob.digest),
        )
        self._expect(answer, 201, f"take the blob {blob.digest}")
        return True

    def push_manifest(
        self, data: bytes, media_type: str, reference: str = "", subject: Descriptor | None = None
    ) -> None:
        """Puts a manifest, by its digest or at a tag. With a `subject`, a registry without referrers gets the fallback tag."""
        reference = reference or digest_of(data)
        answer = self._ask("PUT", f"manifests/{reference}", headers={"Content-Type": media_type}, content=data)
        self._expect(answer, 201, f"take the manifest {reference}")
        if subject is not None and "OCI-Subject" not in answer.headers:
            self._list(data, media_type, subject)

    def _list(self, data: bytes, media_type: str, subject: Descriptor) -> None:
        """Adds a referrer to the fallback tag's index, unless the registry lists it."""
        digest = digest_of(data)
        known = self.referrers(subject.digest)
        if any(d.digest == digest for d in known):
            return
        made = parsed(data, "the manifest")
        entry = Descriptor(
            media_type,
            digest,
            len(data),
            made.get("annotations") or {},
            made.get("artifactType") or made["config"]["mediaType"],
        )
        index: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [d.json() for d in (*known, entry)],
        }
        body, tag = canonical(index), _fallback(subject.digest)
        answer = self._ask("PUT", f"manifests/{tag}", headers={"Content-Type": INDEX}, content=body)
        self._expect(answer, 201, f"take the index {tag}")

    # --- talking ---

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = self._send(method, path, **more)
        if answer.status_code == 401 and self._answered(answer):
            answer = self._send(method, path, **more)
        return answer

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self._authorized(path), **more.get("headers", {})}
        content = more.get("content")
        body = content() if callable(content) else content
        address = urljoin(self._root, path)
        try:
            return self._client.request(
                method,
                address,
                headers=headers,
                content=body,
                params=more.get("params"),
                follow_redirects=method == "GET",
            )
        except httpx.HTTPError as error:
            raise self._away(error) from None

    @contextmanager
    def _streamed(self, path: str) -> Iterator[httpx.Response]:
        if not self._authorization:
            self._ask("HEAD", path)  # a challenge is answered before the content flows
        try:
            headers = {**self._authorized(path), "Accept-Encoding": "identity"}
            with self._client.stream(
                "GET", urljoin(self._root, path), headers=headers, follow_redirects=True
            ) as answer:
                yield answer
        except httpx.HTTPError as error:
            raise self._away(error) from None

    def _authorized(self, path: str) -> dict[str, str]:
        """The header, for the registry only: uploads may be led to a store elsewhere, whose address carries its own permission."""
        where = urlsplit(urljoin(self._root, path))
        own = urlsplit(self._root)
        return {"Authorization": self._authorization} if self._authorization and where[:2] == own[:2] else {}

    def _answered(self, answer: httpx.Response) -> bool:
        """Whether there is an answer to a registry's challenge."""
        challenge = answer.headers.get("WWW-Authenticate", "")
        kind, _, rest = challenge.partition(" ")
        before = self._authorization
        if kind.lower() == "basic" and self._credentials is not None:
            self._authorization = self._credentials.basic
        elif kind.lower() == "bearer":
            self._authorization = f"Bearer {self._token(dict(_CHALLENGE.findall(rest)))}"
        return self._authorization != before

    def _token(self, challenge: Mapping[str, str]) -> str:
        """A token from where the challenge says, for what is to be done."""
        realm = challenge.get("realm", "")
        if not realm.startswith("https://") and not (self._root.startswith("http://") and realm.startswith("http://")):
            raise BuildError(f"{self.image.host} sends to {realm!r} for a token, where a password would not be safe.")
        scope = f"repository:{self.image.name}:{self._actions}"
        asked = {"service": challenge.get("service", ""), "scope": scope}
        known = self._credentials
        try:
            if known is not None and known.identity_token:
                form = {
                    **asked,
                    "grant_type": "refresh_token",
                    "refresh_token": known.identity_token,
                    "client_id": "trueup",
                }
                answer = self._client.post(realm, data=form)
            else:
                headers = {"Authorization": known.basic} if known is not None else {}
                answer = self._client.get(realm, params=asked, headers=headers)
        except httpx.HTTPError as error:
            raise self._away(error) from None
        found = parsed(answer.content, "the token") if answer.status_code == 200 else {}
        token = found.get("token") or found.get("access_token")
        if not isinstance(token, str):
            raise self._refused(answer)
        return token

    def _expect(self, answer: httpx.Response, code: int, what: str) -> None:
        if answer.status_code == code:
            return
        if answer.status_code in (401, 403):
            raise self._refused(answer)
        if answer.status_code == 404:
            raise BuildError(
                f"{self.image.host} has no {self.image.name} that it could use to {what}. Look at the name and the digest."
            )
        raise BuildError(f"{self.image.host} would not {what}: {answer.status_code} {_said(answer)}".strip())

    def _refused(self, answer: httpx.Response) -> BuildError:
        who = f"as {self._credentials.user}" if self._credentials and self._credentials.user else "without a login"
        return BuildError(
            f"{self.image.host} refuses {self._actions} of {self.image.name} {who} ({answer.status_code} {_said(answer)}). Log in with "
            f"`docker login {self.image.host}`, or set TRUEUP_REGISTRY_USER and TRUEUP_REGISTRY_TOKEN."
        )

    def _away(self, error: httpx.HTTPError) -> BuildError:
        return BuildError(
            f"The registry {self.image.host} does not answer: {str(error) or type(error).__name__}. Look at its name and at the network; "
            "without one, keep images in an OCI layout: oci:FOLDER@sha256:… for --base, --out for what is built."
        )


def _fallback(digest: str) -> str:
    return digest.replace(":", "-")


def _listed(data: bytes) -> list[Descriptor]:
    try:
        return [Descriptor.read(entry) for entry in parsed(data, "the list of referrers").get("manifests") or ()]
    except ValueError as error:
        raise BuildError(f"The registry's list of referrers cannot be read: {error}.") from None


def _said(answer: httpx.Response) -> str:
    """The registry's own words."""
    try:
        answer.read()
        errors = answer.json().get("errors") or [{}]
        return str(errors[0].get("message") or errors[0].get("code") or "")[:300]
    except (ValueError, AttributeError, KeyError, httpx.HTTPError):
        return ""
