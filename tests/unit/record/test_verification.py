"""A ledger that was changed is found out, by a clone and nothing else, with the name of the entry."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from trueup.record import anchor, verification
from trueup.record.events import Entry, Event, EventKind
from trueup.record.ledger import EVENT, REF, Ledger, message
from trueup.record.updates import PinUpdate, StackUpdate

Git = Callable[..., str]


@pytest.fixture
def kept(repository: Path, tmp_path: Path) -> Ledger:
    return Ledger(repository, "demo", anchor=tmp_path / "state" / "ledger.json")


@pytest.fixture
def entries(kept: Ledger, update: Callable[..., StackUpdate]) -> list[Entry]:
    """Four entries, oldest first."""
    found = [kept.append(Event(EventKind.STEP, "dev", stack="dev.churn.model"), update(f"r{n}")) for n in range(3)]
    return [*found, kept.append(Event(EventKind.APPLIED, "dev"), PinUpdate("dev", "c1"))]


def loose(repository: Path, oid: str) -> Path:
    return repository / ".git/objects" / oid[:2] / oid[2:]


def unpacked(repository: Path, git: Git) -> None:
    """Makes every object of the ledger a file of its own, as a small repository has them."""
    for pack in (repository / ".git/objects/pack").glob("*.pack"):
        moved = repository.parent / pack.name
        pack.rename(moved)
        with moved.open("rb") as stream:
            subprocess.run(["git", "-C", str(repository), "unpack-objects", "-q"], stdin=stream, check=True)


def commit(repository: Path, tree: str, parent: str, text: str, entry: Entry) -> str:
    """A commit as someone would forge it: everything as the ledger writes it."""
    moment = f"{int(entry.event.time.timestamp())} +0000"  # type: ignore[union-attr]
    who = {
        f"GIT_{r}_{k}": v
        for r in ("AUTHOR", "COMMITTER")
        for k, v in (("NAME", "Ada"), ("EMAIL", "ada@example.com"), ("DATE", moment))
    }
    command = [
        "git",
        "-C",
        str(repository),
        "commit-tree",
        tree,
        *(["-p", parent] if parent else []),
        "-m",
        text.rstrip("\n"),
    ]
    import os

    return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **who}).stdout.strip()


def test_an_untouched_ledger_is_whole(kept: Ledger, entries: list[Entry]) -> None:
    report = verification.verify(kept)
    assert (report.ok, report.entries, report.head, report.anchored) == (True, 4, entries[-1].id, True)


def test_a_clone_verifies_the_fetched_branch_and_says_that_its_end_is_not_anchored(
    kept: Ledger, entries: list[Entry], repository: Path, tmp_path: Path, git: Git
) -> None:
    git(tmp_path, "clone", "--quiet", str(repository), "clone")
    report = verification.verify(Ledger(tmp_path / "clone", "demo"))
    assert (report.ok, report.entries, report.anchored) == (True, 4, False)


def test_no_ledger_has_nothing_wrong(repository: Path) -> None:
    report = verification.verify(Ledger(repository, "demo"))
    assert (report.ok, report.entries) == (True, 0)


@pytest.mark.parametrize("position", range(4))
@pytest.mark.parametrize("name", [EVENT, "demo/stacks/dev.churn.model.json"])
def test_one_altered_byte_of_a_file_is_found_in_its_entry(
    kept: Ledger, entries: list[Entry], repository: Path, git: Git, position: int, name: str
) -> None:
    unpacked(repository, git)
    entry = entries[position]
    oid = git(repository, "rev-parse", f"{entry.id}:{name}")
    path = loose(repository, oid)
    data = bytearray(zlib.decompress(path.read_bytes()))
    data[-3] ^= 1
    path.chmod(0o644)
    path.write_bytes(zlib.compress(bytes(data)))
    report = verification.verify(kept)
    assert not report.ok
    introduced = entries[2].id if name != EVENT and position == 3 else entry.id
    assert introduced in {p.entry for p in report.problems}
    assert all(oid in p.text for p in report.problems if p.entry == introduced)


@pytest.mark.parametrize("position", range(4))
def test_one_altered_byte_of_a_commit_is_found(
    kept: Ledger, entries: list[Entry], repository: Path, git: Git, position: int
) -> None:
    unpacked(repository, git)
    path = loose(repository, entries[position].id)
    data = bytearray(zlib.decompress(path.read_bytes()))
    data[-10] ^= 1
    path.chmod(0o644)
    path.write_bytes(zlib.compress(bytes(data)))
    report = verification.verify(kept)
    assert any(p.entry == entries[position].id and "not what its id says" in p.text for p in report.problems)


def test_a_missing_object_is_found(kept: Ledger, entries: list[Entry], repository: Path, git: Git) -> None:
    unpacked(repository, git)
    loose(repository, git(repository, "rev-parse", f"{entries[1].id}:{EVENT}")).unlink()
    assert entries[1].id in {p.entry for p in verification.verify(kept).problems}


def test_an_entry_that_is_dropped_from_the_chain_is_found(
    kept: Ledger, entries: list[Entry], repository: Path, git: Git
) -> None:
    """The third is written again on top of the first, with everything else as it was."""
    (repository / "m").write_text(git(repository, "log", "-1", "--format=%B", entries[2].id))
    tree = git(repository, "rev-parse", f"{entries[2].id}^{{tree}}")
    forged = commit(repository, tree, entries[0].id, (repository / "m").read_text(), entries[2])
    git(repository, "update-ref", REF, forged)
    problems = verification.verify(Ledger(repository, "demo")).problems
    texts = [p.text for p in problems if p.entry == forged]
    assert any("was dropped or put in" in t for t in texts)
    assert any("number is 3, and 2" in t for t in texts)


def test_a_statement_that_is_forged_consistently_is_found_by_the_files_it_names(
    kept: Ledger, entries: list[Entry], repository: Path, git: Git
) -> None:
    """The last entry gets another tree: its statement and message are as they were."""
    tree = git(repository, "rev-parse", f"{entries[0].id}^{{tree}}")
    last = entries[-1]
    items = git(repository, "ls-tree", last.id).replace(
        git(repository, "rev-parse", f"{last.id}:demo"), git(repository, "rev-parse", f"{tree}:demo")
    )
    mixed = subprocess.run(
        ["git", "-C", str(repository), "mktree"], input=items + "\n", capture_output=True, text=True, check=True
    ).stdout.strip()
    forged = commit(repository, mixed, last.previous, message(last, git_bytes(repository, f"{last.id}:{EVENT}")), last)
    git(repository, "update-ref", REF, forged)
    report = verification.verify(Ledger(repository, "demo"))
    assert any("stacks/dev.churn.model.json" in p.text for p in report.problems if p.entry == forged)


def git_bytes(repository: Path, name: str) -> bytes:
    return subprocess.run(["git", "-C", str(repository), "show", name], capture_output=True, check=True).stdout


def test_a_changed_message_is_found(kept: Ledger, entries: list[Entry], repository: Path, git: Git) -> None:
    last = entries[-1]
    tree = git(repository, "rev-parse", f"{last.id}^{{tree}}")
    forged = commit(repository, tree, last.previous, "applied dev: failed\n", last)
    git(repository, "update-ref", REF, forged)
    assert any("message" in p.text for p in verification.verify(Ledger(repository, "demo")).problems)


def test_a_cut_off_end_is_found_with_the_anchor_only(
    kept: Ledger, entries: list[Entry], repository: Path, git: Git
) -> None:
    git(repository, "update-ref", REF, entries[1].id)
    assert verification.verify(Ledger(repository, "demo")).ok, "from within, a shorter ledger looks right"
    report = verification.verify(kept)
    assert [p.text for p in report.problems] == [
        f"The end is cut off: the anchor saw entry 4 ({entries[3].id[:10]}), and 2 are gone."
    ]


def test_a_ledger_that_is_written_anew_is_found_with_the_anchor(
    kept: Ledger, entries: list[Entry], repository: Path, git: Git, update: Callable[..., StackUpdate]
) -> None:
    git(repository, "update-ref", "-d", REF)
    fresh = Ledger(repository, "demo")
    for number in range(5):
        fresh.append(Event(EventKind.STEP, "dev"), update(f"x{number}"))
    assert verification.verify(fresh).ok
    assert "written anew" in verification.verify(kept).problems[0].text


def test_going_on_after_a_cut_does_not_hide_it(kept: Ledger, entries: list[Entry], repository: Path, git: Git) -> None:
    git(repository, "update-ref", REF, entries[0].id)
    for _ in range(5):
        kept.append(Event(EventKind.UP, "dev"))
    assert not verification.verify(kept).ok
    assert anchor.read(kept.anchor).head == entries[3].id  # type: ignore[arg-type, union-attr]


def test_the_anchor_follows_the_head(kept: Ledger, entries: list[Entry]) -> None:
    assert kept.anchor is not None
    found = anchor.read(kept.anchor)
    assert found is not None
    assert (found.head, found.sequence, found.ref) == (entries[-1].id, 4, REF)


@pytest.fixture
def key(repository: Path, tmp_path: Path, git: Git) -> Path:
    """An SSH key that Git signs commits with."""
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", str(path)], check=True)
    for name, value in {"gpg.format": "ssh", "user.signingKey": f"{path}.pub", "commit.gpgsign": "true"}.items():
        git(repository, "config", name, value)
    return path


def test_entries_are_signed_where_git_signs_commits(
    kept: Ledger, key: Path, repository: Path, tmp_path: Path, git: Git
) -> None:
    assert kept.append(Event(EventKind.UP, "dev")).signed
    unknown = verification.verify(kept)
    assert (unknown.ok, unknown.signed, unknown.unknown) == (True, 0, 1)
    signers = tmp_path / "signers"
    signers.write_text(f"ada@example.com {Path(f'{key}.pub').read_text()}")
    git(repository, "config", "gpg.ssh.allowedSignersFile", str(signers))
    trusted = verification.verify(kept)
    assert (trusted.ok, trusted.signed, trusted.unknown) == (True, 1, 0)


def test_a_signature_that_was_made_for_another_entry_is_found(
    kept: Ledger, key: Path, repository: Path, git: Git
) -> None:
    first, second = (kept.append(Event(EventKind.UP, "dev", details={"n": n})) for n in range(2))
    parts = [git_raw(repository, e.id) for e in (first, second)]
    signatures = [p[p.index(b"gpgsig") : p.index(b"\n\n")] for p in parts]
    moved = parts[1].replace(signatures[1], signatures[0])
    forged = (
        subprocess.run(
            ["git", "-C", str(repository), "hash-object", "-t", "commit", "-w", "--stdin"],
            input=moved,
            capture_output=True,
            check=True,
        )
        .stdout.decode()
        .strip()
    )
    git(repository, "update-ref", REF, forged)
    report = verification.verify(Ledger(repository, "demo"))
    assert any(p.entry == forged and "signature does not fit" in p.text for p in report.problems)


def git_raw(repository: Path, commit_id: str) -> bytes:
    return subprocess.run(
        ["git", "-C", str(repository), "cat-file", "commit", commit_id], capture_output=True, check=True
    ).stdout


def test_a_key_that_cannot_sign_stops_the_append(repository: Path, kept: Ledger, key: Path) -> None:
    from trueup.record.events import LedgerError

    key.unlink()
    with pytest.raises(LedgerError, match=r"user\.signingKey"):
        kept.append(Event(EventKind.UP, "dev"))
    assert not kept.exists()
