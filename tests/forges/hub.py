"""A project on the real Gitea with its people and their clones, for tests of whole pull requests (tests/acceptance/test_forge.py)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Hub:
    """The project on the forge, its people, and their clones."""

    gitea: Any
    project: str
    people: dict[str, Any]
    top: Path
    kind: type[Any]
    """`Repository` of conftest."""
    runner: Any = None
    """The clone that applies: its folder is kept between jobs, as a runner of one's own does."""
    people_clones: Any = None

    def clone(self, name: str, user: str = "tomas") -> Any:
        """A fresh clone of a person, with a state of its own."""
        folder, state = self.top / name, self.top / f"{name}-state"
        state.mkdir()
        found = self.kind(folder, state)
        folder.mkdir()
        who = self.people[user]
        found.variables = {
            f"GIT_{r}_{k}": v for r in ("AUTHOR", "COMMITTER") for k, v in (("NAME", user), ("EMAIL", who.email))
        }
        found.git("clone", "-q", self.gitea.remote(self.project, who), ".")
        return found

    def job(self, clone: Any, number: int | None = None) -> Any:
        """Gives a clone what a job has in its environment."""
        clone.variables |= {
            "TRUEUP_FORGE": "gitea",
            "TRUEUP_FORGE_URL": self.gitea.url,
            "TRUEUP_PROJECT": self.project,
            "TRUEUP_FORGE_TOKEN": self.people["robot"].token,
        }
        clone.variables.pop("TRUEUP_PULL_REQUEST", None)
        if number is not None:
            clone.variables["TRUEUP_PULL_REQUEST"] = str(number)
        return clone

    def branch(self, name: str, files: dict[str, str], user: str = "tomas", base: str = "origin/main") -> str:
        """Commits files on a branch, which begins at `base` where there is none, and pushes it; the commit."""
        clone = self.people_clones[user]
        clone.git("fetch", "-q", "origin")
        there = clone.git("ls-remote", "origin", f"refs/heads/{name}")
        clone.git("checkout", "-q", "--detach", f"origin/{name}" if there else base)
        for path, text in files.items():
            (clone.folder / path).write_text(text, encoding="utf-8")
        commit = clone.commit(f"Change {', '.join(files)}")
        clone.git("push", "-q", "origin", f"HEAD:refs/heads/{name}")
        return str(commit)

    def git_of(self, revision: str) -> str:
        """The commit of a revision of the remote's branches."""
        self.people_clones["tomas"].git("fetch", "-q", "origin")
        return str(self.people_clones["tomas"].git("rev-parse", f"origin/{revision}"))

    def open(self, branch: str, user: str = "tomas") -> int:
        """Opens a pull request."""
        return int(self.gitea.pull_request(self.project, branch, self.people[user], title=f"The change {branch}"))

    def review(self, number: int, user: str, event: str = "APPROVED") -> int:
        return int(self.gitea.review(self.project, number, self.people[user], event))

    def merge(self, number: int, style: str = "merge") -> str:
        return str(self.gitea.merge(self.project, number, self.people["owner"], style))

    def comments(self, number: int) -> list[Any]:
        """The comments of a pull request."""
        return list(self.gitea.call("GET", f"repos/{self.project}/issues/{number}/comments"))

    def statuses(self, commit: str) -> dict[str, tuple[str, str]]:
        """The newest status of each context: state and text."""
        found = self.gitea.call("GET", f"repos/{self.project}/commits/{commit}/status")["statuses"] or []
        return {s["context"]: (s["status"], s["description"]) for s in found}

    def plan(self, number: int, code: int = 0) -> Any:
        """The plan's job of a pull request, in a fresh clone of the base branch."""
        name = f"plan-{number}-{len(list(self.top.iterdir()))}"
        return self.job(self.clone(name, "robot"), number).trueup("ci", "plan", code=code)

    def apply(self, *environments: str, code: int = 0) -> Any:
        """The apply's job."""
        return self.job(self.runner).trueup("ci", "apply", *environments, code=code)
