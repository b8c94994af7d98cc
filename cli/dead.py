"""`darkroom dead`: what nobody could handle, looked at, put back or thrown away."""

import asyncio
from collections.abc import Callable, Coroutine

import typer

app = typer.Typer(help="Dead letters: messages that nobody could handle.", no_args_is_help=True)

_IDS = typer.Argument(None, help="as `darkroom dead list` shows them")
_QUEUE = typer.Option([], "--queue", help="the queue they died in, like renderer.IndicesReserved; repeatable")
_REASON = typer.Option("", help="part of why they died, in any case")
_BATCH = typer.Option("", help="the batch they are about")
_OLDER = typer.Option("", help="least time since they died, like 30m, 12h or 2d")
_NEWER = typer.Option("", help="most time since they died")
_JSON = typer.Option(False, "--json", help="for programs")
_YES = typer.Option(False, "--yes", help="do not ask")
_ALL = typer.Option(False, "--all", help="every one there is")


@app.command("list")
def list_(
    queue: list[str] = _QUEUE,
    reason: str = _REASON,
    batch: str = _BATCH,
    older_than: str = _OLDER,
    newer_than: str = _NEWER,
    limit: int = typer.Option(100, min=1, max=10_000, help="at most so many"),
    as_json: bool = _JSON,
) -> None:
    """Show what died where, when and why. It stays where it lies."""
    from cli.dead_letters import Choice, listed

    _run(listed(Choice((), queue, reason, batch, older_than, newer_than), limit, as_json, typer.echo))


@app.command()
def show(
    id_: str = typer.Argument(metavar="ID", help="as `darkroom dead list` shows it"), as_json: bool = _JSON
) -> None:
    """Show one with its headers, its history and its body; exit 1 if it is not there."""
    from cli.dead_letters import shown

    _run(shown(id_, as_json, typer.echo))


@app.command()
def replay(
    ids: list[str] = _IDS,
    *,
    queue: list[str] = _QUEUE,
    reason: str = _REASON,
    batch: str = _BATCH,
    older_than: str = _OLDER,
    newer_than: str = _NEWER,
    everything: bool = _ALL,
    yes: bool = _YES,
) -> None:
    """Put letters back into their queues, with the same ids and all attempts before them. One that fails
    again comes back with its history."""
    from cli.dead_letters import Choice, replayed

    choice = Choice(ids or (), queue, reason, batch, older_than, newer_than, everything)
    _run(replayed(choice, _sure(yes, "Replay"), typer.echo))


@app.command()
def drop(
    ids: list[str] = _IDS,
    *,
    queue: list[str] = _QUEUE,
    reason: str = _REASON,
    batch: str = _BATCH,
    older_than: str = _OLDER,
    newer_than: str = _NEWER,
    everything: bool = _ALL,
    yes: bool = _YES,
) -> None:
    """Forget letters for good: nobody will ever handle them."""
    from cli.dead_letters import Choice, dropped

    choice = Choice(ids or (), queue, reason, batch, older_than, newer_than, everything)
    _run(dropped(choice, _sure(yes, "Drop"), typer.echo))


def _sure(yes: bool, deed: str) -> Callable[[str], bool]:
    return lambda count: yes or typer.confirm(f"{deed} {count}?")


def _run(work: Coroutine[None, None, int]) -> None:
    from chassis import logs

    # What a bus logs of its connection is no answer to a person's question.
    logs.configure("darkroom dead", "error", "text")
    raise typer.Exit(asyncio.run(work))
