"""`darkroom up`: the whole system in one process, and a few lines that get a newcomer going."""

from textwrap import dedent

from rich.console import Console

from chassis import logs
from chassis.settings import read
from chassis.stopping import stop_on_signals
from cli.tokens import issue
from services.__main__ import Started, SystemSettings, serve
from services.gateway.adapters.http.orders import character_id_of
from services.gateway.domain.callers import SCOPES

DAY = 86_400


async def up() -> None:
    """Runs until SIGTERM or SIGINT. Raises BadSettings and CannotConnect."""
    settings = read(SystemSettings)
    logs.configure("darkroom", settings.log_level, settings.log_format)
    await serve(stop_on_signals(), lambda system: Console().print(greeting(system), soft_wrap=True))


def greeting(system: Started) -> str:
    """What is printed once the system listens."""
    stand_ins = [f"  ComfyUI stand-in     {url}" for url in system.stand_ins.backends]
    if system.stand_ins.storage:
        stand_ins.append(f"  Cloudinary stand-in  {system.stand_ins.storage}")
        account = system.stand_ins.urls()["CLOUDINARY_URL"]
        stand_ins.append(f"  to look at it        CLOUDINARY_URL='{account}' darkroom counters show")
    if system.jwt_secret is None:
        return "\n".join(
            [f"\n[bold]Darkroom is at {system.url}[/] (docs at {system.url}/docs)", *stand_ins, ""]
        )
    token = issue(system.jwt_secret, "newcomer", DAY, " ".join(SCOPES))
    character = character_id_of("newcomer", "opal-fever", premade=False)
    example = dedent(f"""
        [bold]Darkroom is at {system.url}[/]
          page, signed in      {system.url}/#token={token}
          API documents        {system.url}/docs
          state                {system.url}/ready  {system.url}/metrics
    """)
    trial = dedent(f"""
        Try it (the token is good for a day, for the user `newcomer`):

        TOKEN={token}
        curl -s {system.url}/v1/characters -H "Authorization: Bearer $TOKEN" \\
          -H 'Content-Type: application/json' -d '{{"name": "Opal Fever"}}'
        curl -s {system.url}/api/image-generation/generate -H "Authorization: Bearer $TOKEN" \\
          -H 'Content-Type: application/json' \\
          -d '{{"characterId": "{character}", "prompt": "opal light", "quantity": 4}}'

        Ctrl-C stops it; what was under way goes on at the next start.
    """)
    return "\n".join([example.rstrip(), *stand_ins, trial])
