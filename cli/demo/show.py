"""Runs the demo: starts the system, asks, watches, and shows what came of it."""

import asyncio
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chassis import logs
from chassis.settings import BadSettings
from cli.demo import sheet
from cli.demo.plan import ROLES, WISHES, Wish
from cli.demo.promises import Evidence, Promise, check, numbered_once
from cli.demo.visitor import Visitor
from sandbox.ensemble import StandIns
from services.__main__ import Started, serve

#: A broken pipeline must end the demo, not hang it.
PATIENCE = 120.0


async def show(folder: Path) -> int:
    """The exit status: 0 if the four promises hold. Raises BadSettings where the environment names real
    services, since their storage can't be looked into."""
    # A pipe or a log has no width of its own; there the whole table is written out.
    console = Console(width=None if sys.stdout.isatty() else 220)
    with _emptied(folder).joinpath("darkroom.log").open("w") as stream:
        logs.configure("demo", form="json", stream=stream)
        async with _running(folder) as system, httpx.AsyncClient(base_url=system.url, timeout=30) as client:
            console.print(f"Darkroom runs at {system.url} with {len(system.stand_ins.backends)} backends.\n")
            visitor = Visitor(client, str(system.jwt_secret))
            async with asyncio.timeout(PATIENCE):
                batches = await _batches(visitor, console)
                evidence = await _gather(visitor, batches, system.stand_ins)
    images = [image for batch in batches for image in batch["images"] if image["url"]]
    sheet.draw(images, evidence.delivered, folder / "contact-sheet.png")
    (folder / "batches.json").write_text(json.dumps(batches, indent=2))
    console.print(_table(batches))
    promises = check(evidence)
    _verdict(console, promises, evidence)
    console.print(
        f"\nContact sheet  {folder / 'contact-sheet.png'}\nAll that was answered  {folder / 'batches.json'}"
        f"\nLog  {folder / 'darkroom.log'}",
        highlight=False,
    )
    return 1 if any(promise.breaches for promise in promises) else 0


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[Started]:
    stop, started = asyncio.Event(), asyncio.get_running_loop().create_future()
    defaults = {"VAR_DIR": str(folder), "PORT": "0", "SANDBOX_RENDER_SECONDS": "0.8"}
    task = asyncio.ensure_future(serve(stop, started.set_result, defaults))
    await asyncio.wait([task, started], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    system: Started = started.result()
    try:
        if not (system.stand_ins.backends and system.stand_ins.storage and system.jwt_secret):
            raise BadSettings(
                "the demo looks into its own stand-ins; unset RENDERER_URLS, CLOUDINARY_URL and JWT_JWKS_URL"
            )
        yield system
    finally:
        stop.set()
        with suppress(asyncio.CancelledError):
            await task


async def _batches(visitor: Visitor, console: Console) -> list[dict[str, Any]]:
    ids = dict(zip(ROLES, await asyncio.gather(*map(visitor.register, ROLES)), strict=True))
    columns = (
        TextColumn("{task.description:<26}"),
        BarColumn(36),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]:<20}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:

        async def make(wish: Wish) -> dict[str, Any]:
            bar = progress.add_task(wish.title, total=wish.quantity, state="asking")

            def seen(batch: Mapping[str, Any]) -> None:
                done, shown = batch["progress"]["value"] * wish.quantity, _state(batch)
                progress.update(bar, completed=round(done, 1), state=shown)
                if batch["completed_at"] is not None:
                    progress.stop_task(bar)

            asked = await visitor.ask(wish, ids[wish.role])
            return await visitor.follow(wish, asked["id"], seen)

        return list(await asyncio.gather(*map(make, WISHES)))


def _state(batch: Mapping[str, Any]) -> str:
    indexes = batch["indexes"]
    numbers = f" #{indexes['first']}-{indexes['last']}" if indexes else ""
    return f"{batch['status'].replace('_', ' ')}{numbers}"


async def _gather(visitor: Visitor, batches: Sequence[Mapping[str, Any]], around: StandIns) -> Evidence:
    urls = [image["url"] for batch in batches for image in batch["images"] if image["url"]]
    delivered = dict(zip(urls, await asyncio.gather(*map(visitor.fetch, urls)), strict=True))
    async with httpx.AsyncClient() as client:
        renders: Counter[str] = Counter()
        for backend in around.backends:
            renders.update((await client.get(f"{backend}/sandbox/stats")).json()["executions"])
        assets = await _settled_assets(client, f"{around.storage}/sandbox/assets", batches)
    return Evidence(batches, delivered, assets, renders)


async def _settled_assets(
    client: httpx.AsyncClient, url: str, batches: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The storage's list once the mirrors have had their moment: they follow the images."""
    until = time.monotonic() + 10
    while True:
        assets: list[dict[str, Any]] = (await client.get(url)).json()["assets"]
        if not numbered_once(Evidence(batches, {}, assets, {})) or time.monotonic() > until:
            return assets
        await asyncio.sleep(0.2)


def _table(batches: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="What lies in storage", title_justify="left", header_style="bold")
    table.add_column("index", justify="right")
    table.add_column("name", no_wrap=True)
    table.add_column("URL", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("md5", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("seconds", justify="right")
    for batch in batches:
        for image in batch["images"]:
            style = "yellow" if image["placeholder"] else ""
            url = f"[link={image['url']}]{image['url']}[/link]" if image["url"] else ""
            seconds = f"{(image['gpu_ms'] or 0) / 1000:.1f}"
            cells = (str(image["index"]), image["name"] or "", url, image["hash"] or "", seconds)
            table.add_row(*cells, style=style)
        table.add_section()
    return table


def _verdict(console: Console, promises: Sequence[Promise], evidence: Evidence) -> None:
    failures = [image for batch in evidence.batches for image in batch["images"] if image["error"]]
    for image in failures:
        console.print(f"{image['name']} failed, as it was meant to: {image['error']['detail']}")
    console.print()
    for promise in promises:
        console.print(
            f"[green]kept  [/] {promise.name}" if not promise.breaches else f"[red]BROKEN[/] {promise.name}"
        )
        for breach in promise.breaches:
            console.print(f"         {breach}")
