"""The command line. A command is a few lines; what it does stands in a module of its own."""

import asyncio
import sys
from pathlib import Path

import typer

from chassis import loop
from chassis.settings import BadSettings
from cli import blobs, dead, gallery
from cli.accounts import commands as accounts
from messaging.errors import CannotConnect, Outage

app = typer.Typer(
    name="darkroom",
    help="Numbered batches of character images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def demo(
    folder: Path = typer.Option(Path("var/demo"), help="where the demo keeps everything; emptied first"),
) -> None:
    """Run the main job on embedded defaults, show it, and check the four promises."""
    from cli.demo.show import show

    raise typer.Exit(loop.run(show(folder)))


@app.command()
def up() -> None:
    """Serve the whole system in one process, and say where to look."""
    from cli.up import up as serve

    loop.run(serve())


@app.command()
def token(
    username: str = typer.Argument(help="who the token is for"),
    hours: float = typer.Option(12, help="how long it opens"),
    scope: str = typer.Option("", help="scopes, separated by spaces, e.g. `premade`"),
) -> None:
    """Print a token signed with JWT_SECRET, or with the development key where that is not set."""
    from cli.tokens import issue, secret

    typer.echo(issue(secret(), username, hours * 3600, scope))


@app.command()
def settings() -> None:
    """Print every variable that Darkroom reads, as a Markdown table."""
    from cli.variables import markdown

    typer.echo(markdown(), nl=False)


@app.command()
def send(
    file: Path = typer.Argument(help="JSON of one message; - for standard input"),
    route: str = typer.Option("GenerateBatch", help="which message it is"),
) -> None:
    """Put a message on the exchange, as any AMQP client could, but checked first."""
    from cli.broker import broker
    from cli.broker import send as put

    text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    typer.echo(asyncio.run(put(broker(), None if str(file) == "-" else file, text, route)))


counters = typer.Typer(help="Counters, index.txt and images side by side.", no_args_is_help=True)
app.add_typer(counters, name="counters")

_FOLDERS = typer.Argument(None, help="as in Areg/characters/opal-fever/images; all that are counted in")


@counters.command("show")
def counters_show(folders: list[str] = _FOLDERS) -> None:
    """Print what the indexer, index.txt and storage say of each folder."""
    from cli.counters.commands import show

    raise typer.Exit(asyncio.run(show(folders, typer.echo)))


@counters.command("check")
def counters_check(folders: list[str] = _FOLDERS) -> None:
    """Print what disagrees, what it means and what to do; exit 1 if anything does."""
    from cli.counters.commands import check

    raise typer.Exit(asyncio.run(check(folders, typer.echo)))


@counters.command("adopt")
def counters_adopt(folders: list[str] = _FOLDERS) -> None:
    """Raise counters to what storage holds, never lower them, and write index.txt anew; exit 1 if a folder
    needs a person. Folders that are named are adopted even if nobody has counted in them yet."""
    from cli.counters.commands import adopt

    raise typer.Exit(asyncio.run(adopt(folders, typer.echo)))


@app.command()
def doctor(
    topics: list[str] = typer.Argument(
        None, help="settings, broker, database, blobs, storage, fleet; all where nothing is named"
    ),
    as_json: bool = typer.Option(False, "--json", help="for programs"),
) -> None:
    """Look at everything that the system leans on, and say what to do; exit 1 if anything is wrong."""
    from rich.console import Console

    from chassis import logs
    from cli.doctor.show import examine
    from cli.doctor.topics import chosen

    # What libraries log of their connections is no answer to a person's question.
    logs.configure("darkroom doctor", "error", "text")
    raise typer.Exit(asyncio.run(examine(chosen(topics or []), Console(), as_json)))


app.add_typer(blobs.app, name="blobs")
app.add_typer(dead.app, name="dead")
app.add_typer(gallery.app, name="gallery")
app.add_typer(accounts.database, name="database")
app.command("passwords")(accounts.print_passwords)

topology = typer.Typer(help="The broker's exchanges and queues.", no_args_is_help=True)
app.add_typer(topology, name="topology")
topology.command("definitions")(accounts.print_definitions)


@topology.command("apply")
def topology_apply() -> None:
    """Declare every exchange and queue, for services that may not (BUS_DECLARE=false)."""
    from cli.broker import apply_topology, broker

    typer.echo(asyncio.run(apply_topology(broker())))


@topology.command("migrate")
def topology_migrate(
    queues: list[str] = typer.Argument(None, help="like renderer.IndicesReserved; all that differ"),
) -> None:
    """Give queues the arguments that this release wants, and lose no message; exit 1 where their services
    have to be stopped first. Cut off anywhere, the same command finishes."""
    from chassis import logs
    from cli.broker import broker
    from cli.moving import migrated

    logs.configure("darkroom topology", "error", "text")
    raise typer.Exit(asyncio.run(migrated(broker(), queues or [], typer.echo)))


def main() -> None:
    """Exits 2 with a sentence where a setting is missing or wrong."""
    try:
        app()
    except (BadSettings, CannotConnect, Outage, OSError) as why:
        print(f"darkroom: {why}", file=sys.stderr)  # noqa: T201
        sys.exit(2)


if __name__ == "__main__":
    main()
