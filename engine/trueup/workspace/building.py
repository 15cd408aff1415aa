"""Images of a model or of a pipeline's steps: gathered, put together, described, judged, and only then written and pushed.

Called by `trueup build`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from trueup import places
from trueup.build import (
    assembly,
    attachments,
    bases,
    gate,
    installer,
    inventory,
    layers,
    packages,
    provenance,
    publishing,
    references,
    signing,
    verification,
)
from trueup.build.assembly import FILE_TIME
from trueup.build.attachments import Described
from trueup.build.bases import Base
from trueup.build.errors import BuildError
from trueup.build.gate import Excepted, Verdict
from trueup.build.images import Image
from trueup.build.inventory import Subject
from trueup.build.layers import Layer
from trueup.build.locks import Lock
from trueup.build.packages import Distribution, Packages
from trueup.build.references import Reference
from trueup.build.signing import Trusted
from trueup.build.store import Store
from trueup.build.verification import Report
from trueup.exits import USAGE
from trueup.load import trees
from trueup.workspace import gathering, originating
from trueup.workspace.gathering import Asked, Gathered
from trueup.workspace.opening import Workspace, WorkspaceError, open_workspace
from trueup.workspace.planning import validated
from trueup_specs.kinds.team.spec import TeamSpec

TAG = "latest"
"""Of an image in a layout, where `--push` names none."""
FAIL_ON = "high"
"""The least severity that refuses an image, where none is named."""
_PYTHONS = range(11, 14)
Said = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """An image, and what the gate says of it."""

    document: str
    content: str
    digest: str
    reference: str
    """The text that names it for good; empty where it was not pushed."""
    out: Path | None
    """Where it was written."""
    platform: str
    packages: int
    layers: tuple[tuple[str, str, int], ...]
    """Title, digest and size in bytes of those on top of the base."""
    base: str
    signed: bool
    verdict: Verdict | None
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the gate lets it out."""
        return self.verdict is None or self.verdict.passed


@dataclass(frozen=True)
class _Made:
    """An image in the store, with what is in it."""

    gathered: Gathered
    base: Base
    image: Image
    layers: tuple[Layer, ...]
    ours: Packages | None
    distributions: tuple[Distribution, ...]


def build(workspace: Workspace, asked: Asked, said: Said) -> Built:
    """Builds an image, judges it, and if the gate lets it out writes and pushes it. Raises WorkspaceError and InvalidSpecs."""
    with _told():
        # What is wrong with these is said before minutes of work.
        _consistent(asked)
        key = signing.private_key(asked.key) if asked.key else None
        target = publishing.target(asked.push) if asked.push else None
        excepted = _excepted(asked)
        store = Store(places.cache() / "images")
        made = _make(workspace, asked, store, target, said)
        described = _described(workspace, asked, made, target)
        verdict = _verdict(asked, described.inventory, excepted)
        attached = attachments.attach(store, made.image.manifest, described, key)
        passed, reference = verdict is None or verdict.passed, ""
        if passed and asked.out is not None:
            publishing.write(asked.out, store, made.image, attached, (target.tag if target else "") or TAG)
        if passed and target is not None:
            reference = publishing.push(target, store, made.image, attached, made.base, said)
        return Built(
            str(made.gathered.document.key),
            made.gathered.recipe.content,
            made.image.manifest.digest,
            reference,
            asked.out if passed else None,
            asked.platform,
            len(made.distributions),
            tuple((one.title, one.blob.digest, one.blob.size) for one in made.layers),
            made.base.name,
            key is not None,
            verdict,
            tuple(_notes(asked, made)),
        )


def verify(folder: Path, image: str, asked: Asked) -> tuple[Report, Verdict | None]:
    """Judges an image that is there. Without a key the signatures of the workspace's teams count. Raises WorkspaceError."""
    with _told():
        _consistent(asked)
        keys = [_trusted(asked.key)] if asked.key else _team_keys(folder)
        if not keys:
            raise WorkspaceError(
                "No key says whose signature counts: name a public key with --key, or stand in a workspace whose Teams have `signingKeys`.",
                USAGE,
            )
        with tempfile.TemporaryDirectory() as scratch:
            report = verification.verify(references.parse(image), Store(Path(scratch)), keys)
        return report, _verdict(asked, report.inventory, _excepted(asked))


@contextmanager
def _told() -> Iterator[None]:
    """What a build cannot do is said like anything else that a user can mend."""
    try:
        yield
    except BuildError as error:
        raise WorkspaceError(str(error)) from None
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("cryptography", "cyclonedx", "packageurl", "packaging", "cvss"):
            raise
        raise WorkspaceError(
            f"`trueup build` needs {error.name}, which is not installed: `pip install 'trueup[build]'`."
        ) from None


def _consistent(asked: Asked) -> None:
    if asked.advisories is None and (asked.fail_on or asked.exceptions):
        raise WorkspaceError(
            "--fail-on and --exceptions judge what --advisories tells: name OSV's files with it too.", USAGE
        )


def _excepted(asked: Asked) -> tuple[Excepted, ...]:
    return gate.exceptions(asked.exceptions) if asked.exceptions else ()


def _verdict(asked: Asked, listed: bytes, excepted: tuple[Excepted, ...]) -> Verdict | None:
    """What the gate says of an inventory; None where no advisories were given, or there is no inventory."""
    if asked.advisories is None or not listed:
        return None
    today = datetime.now(UTC).date()
    return gate.judge(inventory.parts(listed), asked.advisories, asked.fail_on or FAIL_ON, excepted, today)


def _make(workspace: Workspace, asked: Asked, store: Store, target: Reference | None, said: Said) -> _Made:
    with tempfile.TemporaryDirectory(dir=store.folder, prefix=".model-") as scratch:
        gathered = gathering.gather(workspace, asked, Path(scratch))
        base = _base(asked, store, target, said)
        found, ours = _packages(store, gathered.lock, base, asked.platform, said)
        recipe = gathered.recipe
        content = layers.layer(store, recipe.content, recipe.items, FILE_TIME)
    listed = [p for p in (found, ours) if p is not None]
    made = (*(p.layer for p in listed), content)
    labels = originating.labels(gathered, base, asked)
    image = assembly.assemble(store, base, made, recipe, asked.platform, gathered.source.created, labels)
    return _Made(gathered, base, image, made, ours, tuple(d for p in listed for d in p.distributions))


def _base(asked: Asked, store: Store, target: Reference | None, said: Said) -> Base:
    if asked.platform not in installer.PLATFORMS:
        raise BuildError(
            f"{asked.platform!r} is no platform that is built for: --platform takes {' or '.join(installer.PLATFORMS)}."
        )
    if not asked.base:
        raise BuildError(
            "Name the image to build on with --base NAME@sha256:… (or TRUEUP_BASE_IMAGE): one with the lock file's Python, such as "
            "python:3.12-slim, a distroless or a Chainguard image. `--base scratch` makes an image of files only, to be mounted."
        )
    said(f"reading the base image {asked.base}")
    base = bases.read(asked.base, asked.platform, store, target.host if target else "")
    if base.digest and not base.system.python:
        raise BuildError(
            f"The base image {base.name} has no Python 3 on its PATH: take one that has, such as python:3.12-slim."
        )
    return base


def _packages(store: Store, lock: Lock, base: Base, platform: str, said: Said) -> tuple[Packages, Packages | None]:
    """The lock file's packages, and Trueup itself where it is none of them."""
    minor = packages.minor_of(base.system)
    if minor not in _PYTHONS:
        raise BuildError(
            f"The base image {base.name} has Python 3.{minor}, and Trueup runs on 3.{_PYTHONS[0]} to 3.{_PYTHONS[-1]}. Take another base."
        )
    said(f"installing {len(lock.names)} packages of {lock.path} for {platform} and Python 3.{minor}")
    found = packages.locked(store, lock, base.system, platform, FILE_TIME)
    return found, None if "trueup" in lock.names else packages.own(FILE_TIME, store, minor)


def _described(workspace: Workspace, asked: Asked, made: _Made, target: Reference | None) -> Described:
    key, digest = made.gathered.document.key, made.image.manifest.digest
    name = target.repository if target else f"{key.namespace}/{key.name}"
    subject = Subject(name, digest, made.gathered.source.created, originating.model_of(made.gathered.recipe))
    listed = inventory.inventory(subject, made.distributions, made.base.system, made.base.name)
    origin = originating.origin(workspace, asked, made.gathered, made.base, made.ours, made.layers[-1])
    return Described(
        name,
        listed,
        provenance.statement(name, digest, provenance.PREDICATE, origin),
        provenance.statement(name, digest, provenance.CYCLONEDX, inventory.read(listed)),
    )


def _notes(asked: Asked, made: _Made) -> Iterator[str]:
    if made.gathered.source.dirty:
        yield "It holds changes that no commit has: nobody else can build it."
    if not made.base.digest:
        yield "It stands on nothing and holds no Python: mount it as a volume, or build on a base with Python to run it."
    if not asked.push and asked.out is None:
        yield "It is kept in the cache only: add --push REGISTRY/NAME, or --out FOLDER or --out FILE.tar."
    if asked.advisories is None:
        yield "No advisories were given, so nothing says whether its packages are vulnerable: add --advisories."
    if asked.key is None:
        yield "It is not signed: add --key FILE."


def _trusted(path: Path) -> Trusted:
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"The public key {path} cannot be read: {error}.") from None
    return Trusted(path.name, signing.public_key(text, str(path)))


def _team_keys(folder: Path) -> list[Trusted]:
    """The keys of the teams' members, as the commit that is checked out has them."""
    workspace = open_workspace(folder)
    tree = trees.revision(workspace.repository, "HEAD", workspace.prefix)
    found = []
    for document in validated(tree).documents if tree is not None else ():
        for member in document.spec.members if isinstance(document.spec, TeamSpec) else ():
            for key in member.signing_keys:
                if key.startswith(("ssh-ed25519 ", "ecdsa-sha2-nistp256 ")):
                    found.append(Trusted(member.user, signing.public_key(key, f"of {member.user}")))
    return found
