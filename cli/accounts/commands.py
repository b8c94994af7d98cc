"""`darkroom passwords`, `darkroom topology definitions` and `darkroom database`, as they are typed."""

import asyncio
import json
from pathlib import Path

import typer

from cli.accounts.passwords import BROKER, DATABASE, ROLES, new, passwords, users
from cli.accounts.roles import PREFIX, verifier
from messaging.rabbitmq.definitions import definitions, password_hash

database = typer.Typer(help="The database's roles and tables.", no_args_is_help=True)

_SECRETS = typer.Option(None, help="folder with a file for each password that is no variable")


def print_passwords() -> None:
    """Print a new password for every user of broker and database, as lines of an environment file."""
    typer.echo(new(), nl=False)


def print_definitions(
    vhost: str = typer.Option("darkroom", help="the vhost that everything is in"),
    prefix: str = typer.Option("", help="before every user's name, where several systems share a broker"),
    secrets: Path | None = _SECRETS,
    locked: bool = typer.Option(False, "--locked", help="users without passwords, who can't log in"),
    out: Path | None = typer.Option(None, help="a file instead of standard output, replaced as a whole"),
) -> None:
    """Print the topology with its users as RabbitMQ's definitions. Passwords are the variables
    BROKER_PASSWORD_<USER>, of which only hashes are printed."""
    known = {} if locked else passwords(BROKER, users(), secrets)
    hashes = {name: password_hash(password) for name, password in known.items()}
    text = json.dumps(definitions(vhost, hashes, prefix), indent=1) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        _put(out, text)


@database.command("roles")
def database_roles(
    prefix: str = typer.Option(PREFIX, help="before every role's name; all databases of a server share them"),
    secrets: Path | None = _SECRETS,
    show: bool = typer.Option(False, "--print", help="print the SQL, for psql, and do nothing"),
) -> None:
    """Make the roles, or give them new passwords; DATABASE_URL is of a login that may. Passwords are the
    variables DATABASE_PASSWORD_<ROLE>; only SCRAM verifiers of them go to the server."""
    from cli.accounts.databases import apply_roles, server, statements

    settings = server()
    verifiers = {name: verifier(each) for name, each in passwords(DATABASE, ROLES, secrets).items()}
    if show:
        typer.echo(";\n".join(statements(settings, verifiers, prefix)) + ";")
    else:
        typer.echo(asyncio.run(apply_roles(settings, verifiers, prefix)))


@database.command("migrate")
def database_migrate(
    prefix: str = typer.Option(PREFIX, help="as it was for the roles"),
) -> None:
    """Make or renew every service's tables and say what its role may do; DATABASE_URL is the owner's."""
    from cli.accounts.databases import migrate, server

    typer.echo(asyncio.run(migrate(server(), prefix)))


def _put(file: Path, text: str) -> None:
    """Whole or not at all: a broker may read it at any moment."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text)
    beside.replace(file)
