"""`trueup reconcile`: the loop, once or as a service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from trueup.cli.options import HERE, Directory, Form, Output, complete_environment
from trueup.cli.terminal import emit, emit_json, note
from trueup.exits import USAGE

if TYPE_CHECKING:
    from trueup.reconcile.values import Line, Standing, Turn
    from trueup.workspace.following import Branch
    from trueup.workspace.looping import Reconciler
    from trueup.workspace.watching import Watch

Environments = Annotated[
    list[str],
    typer.Argument(metavar="ENV...", help="The environments.", autocompletion=complete_environment),
]
Followed = Annotated[
    str,
    typer.Option("--revision", metavar="REV", help="What to follow; by default the remote's base branch, else HEAD."),
]
Remote = Annotated[
    str, typer.Option("--remote", metavar="REMOTE", help="The remote to fetch from, where there is one.")
]
Poll = Annotated[str, typer.Option("--poll", metavar="TIME", help="How often Git is asked, such as 15s or 2m.")]


def reconcile(
    environments: Environments,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until stopped, as a service.")] = False,
    revision: Followed = "",
    remote: Remote = "origin",
    poll: Poll = "15s",
    listen: Annotated[
        str, typer.Option("--listen", metavar="[HOST:]PORT", help="With --watch: serve /healthz, /readyz and /metrics.")
    ] = "",
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Keep environments as Git says: apply what is approved, and report or heal drift, as each environment says.

    Ends with 0 where all is as it should be now, 2 where drift was reported, 1 where something failed, 3 to 10 as `apply` does, 13 where
    the remote could not be asked for what is new.
    Example: trueup reconcile dev prod --watch --listen 9464
    """
    from trueup.workspace.opening import WorkspaceError

    if watch:
        service(environments, directory, revision, remote, poll, listen, output)
        return
    if listen:
        raise WorkspaceError("--listen belongs to --watch: a single turn has nothing to answer for.", USAGE)
    from trueup.views import loops
    from trueup.workspace import watching

    branch, made = _loops(environments, directory, revision, remote, lambda _line: None)
    found = watching.once(made, branch, lambda line: note(f"{line.event}: {line.fields.get('reason', '')}"))
    if output is Form.JSON:
        emit_json([loops.as_json(turn) for turn in found])
    for turn in found if output is Form.TEXT else ():
        emit(loops.text(turn))
    if branch.failed:
        note("What the remote holds is not known, so this is about what was fetched before.")
    raise typer.Exit(_code(found, unreached=bool(branch.failed)))


def service(
    environments: list[str],
    directory: Directory,
    revision: str,
    remote: str,
    poll: str,
    listen: str,
    output: Form,
    beside: Callable[[Watch], Callable[[], None]] | None = None,
) -> None:
    """Runs the loop until it is stopped. `beside` starts what else the process serves, and gives what ends it."""
    from contextlib import ExitStack

    from trueup.workspace import answering, stopping, watching

    say = _log(output)
    branch, made = _loops(environments, directory, revision, remote, say)
    watch = watching.Watch(branch, _seconds(poll), say)
    for loop in made:
        watch.add(loop)
    with ExitStack() as servers:
        if listen:
            server = answering.start(answering.operations(watch), listen)
            servers.callback(server.stop)
            say(_line("listening", {"url": server.url}))
        if beside is not None:
            servers.callback(beside(watch))
        servers.enter_context(stopping.on_signals(watch.stop))
        watch.run()


def _loops(
    environments: Iterable[str], directory: Directory, revision: str, remote: str, say: Callable[[Line], None]
) -> tuple[Branch, list[Reconciler]]:
    from trueup.apply.outcome import Event
    from trueup.views.outcomes import event_line
    from trueup.workspace import joining
    from trueup.workspace.asking import Asking
    from trueup.workspace.following import Branch
    from trueup.workspace.looping import Reconciler
    from trueup.workspace.opening import open_workspace

    workspace = open_workspace(directory)
    branch = Branch(workspace, revision, remote)
    forge = Asking(workspace, joining.join(workspace, remote, base=branch.name))

    def told(event: Event) -> None:
        if line := event_line(event).strip():
            say(_line("progress", {"text": line}, event.stack.environment))

    return branch, [Reconciler(workspace, name, branch, told, forge) for name in dict.fromkeys(environments)]


def _line(event: str, fields: dict[str, str], environment: str = "") -> Line:
    from trueup.reconcile.values import Line

    return Line(event, environment, fields=fields)


def _log(form: Form) -> Callable[[Line], None]:
    from trueup.views import loops

    render = loops.log_json if form is Form.JSON else loops.log_line
    return lambda line: note(render(line, time.time()))


def _seconds(poll: str) -> float:
    import re

    from trueup.workspace.opening import WorkspaceError
    from trueup_specs.core.envelope import seconds

    if not re.fullmatch(r"(?:\d+(?:ms|s|m|h))+", poll) or seconds(poll) < 0.1:
        raise WorkspaceError(
            f"{poll!r} is no time to poll at. Write 15s, 2m or the like; 100ms is the shortest.", USAGE
        )
    return seconds(poll)


def _code(found: Iterable[Turn | Standing], *, unreached: bool = False) -> int:
    """The gravest of what the turns came to."""
    from trueup.cli.failures import gravest
    from trueup.exits import UNREACHED

    return gravest([*map(_code_of, found), *([UNREACHED] if unreached else [])])


def _code_of(turn: Turn | Standing) -> int:
    from trueup.cli.failures import OUTCOMES
    from trueup.exits import CHANGES, DENIED, FAILURE, INTERRUPTED, INVALID, LOCKED, NOTHING_SELECTED, UNTOLD
    from trueup.reconcile.values import Action, Standing

    if isinstance(turn, Standing):
        return turn.code or LOCKED
    if turn.outcome:
        return INTERRUPTED if turn.outcome == "interrupted" else OUTCOMES.get(turn.outcome, FAILURE)
    if turn.vacant:
        return NOTHING_SELECTED
    by_action = {
        Action.REPORT: CHANGES,
        Action.WAIT: FAILURE,
        Action.REFUSED: DENIED,
        Action.PAUSED: DENIED,
        Action.BROKEN: INVALID,
    }
    untold = UNTOLD if turn.error else 0
    return by_action.get(turn.decision.action) or (CHANGES if turn.drifted else 0) or untold


def serve(
    environments: Environments,
    listen: Annotated[
        str, typer.Option("--listen", metavar="[HOST:]PORT", help="Where webhooks are received, and health is told.")
    ] = "127.0.0.1:8484",
    metrics: Annotated[
        str,
        typer.Option(
            "--metrics", metavar="[HOST:]PORT", help="Serve /metrics and health there too, for operators only."
        ),
    ] = "",
    revision: Followed = "",
    remote: Remote = "origin",
    poll: Poll = "1m",
    output: Output = Form.TEXT,
    directory: Directory = HERE,
) -> None:
    """Receive webhooks of GitHub, GitLab or Gitea, and run the loop that they wake: `reconcile --watch` without the wait.

    The secret is in TRUEUP_WEBHOOK_SECRET; deliver to /webhooks/github, /webhooks/gitlab or /webhooks/gitea, through a proxy that
    ends TLS. Example: trueup serve prod --listen 8484 --metrics 9464
    """
    from trueup.workspace import answering, receiving
    from trueup.workspace.opening import open_workspace

    answering.require()
    workspace = open_workspace(directory)

    def beside(watch: Watch) -> Callable[[], None]:
        server = answering.start(receiving.receiver(watch, workspace, with_metrics=False), listen)
        watch.say(_line("receiving", {"url": server.url}))
        return server.stop

    service(environments, directory, revision, remote, poll, metrics, output, beside)
