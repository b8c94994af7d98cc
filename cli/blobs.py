"""`darkroom blobs`: what the sweep of the blob store leaves to people."""

import asyncio
from collections.abc import Coroutine

import typer

app = typer.Typer(help="Finished bytes that wait for images that nobody stores.", no_args_is_help=True)


@app.command("list")
def list_(older_than: str = typer.Option("1h", help="least age, like 30m, 12h or 2d")) -> None:
    """Show what waits: age, key (batch/ordinal/round-digest), and what the uploader knows of the image."""
    from cli.leftovers import show

    _run(show(older_than, typer.echo))


@app.command()
def drop(
    keys: list[str] = typer.Argument(None, help="as `darkroom blobs list` shows them"),
    older_than: str = typer.Option("", help="instead of keys: all that is listed of this age, like 2d"),
    yes: bool = typer.Option(False, "--yes", help="do not ask"),
) -> None:
    """Delete bytes for good; their images can only be rendered again."""
    from cli.leftovers import drop as deleted

    _run(deleted(keys or [], older_than, lambda: yes or typer.confirm("Delete for good?"), typer.echo))


def _run(work: Coroutine[None, None, None]) -> None:
    from chassis import logs

    # What a store or a database logs is no answer to a person's question.
    logs.configure("darkroom blobs", "error", "text")
    asyncio.run(work)
