"""`darkroom gallery`: what can be done for the gateway's gallery from outside."""

import asyncio

import typer

from chassis.settings import read

app = typer.Typer(help="The gateway's gallery.", no_args_is_help=True)


@app.callback()
def gallery() -> None:
    """The gateway's gallery."""


@app.command()
def rebuild(
    username: str = typer.Option("", help="only this user's images; everybody's if absent"),
    premade_owner: str = typer.Option(
        "", help="who registered the premade characters that are not in the registry"
    ),
) -> None:
    """Put the images that lie in storage back into the gateway's database. Safe to repeat, also beside a
    running gateway."""
    from cli.rebuilding import RebuildSettings, rebuilt

    tally = asyncio.run(rebuilt(read(RebuildSettings), username, premade_owner or None))
    typer.echo(f"{tally.added} images added, {tally.known} were there, {tally.foreign} assets are no images")
    if tally.unregistered:
        typer.echo(
            f"{tally.unregistered} images are of premade characters that nobody registered: register those, "
            "or name who did with --premade-owner, and run this again"
        )
