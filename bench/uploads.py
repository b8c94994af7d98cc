"""`python -m bench.uploads`: what it costs that an upload is idempotent.

Stores images of 1.5 MB through the uploader's own handler, blob store, ledger and shelf, and beside it by
the bare Cloudinary SDK in as many threads, which keeps no books at all. The Cloudinary stand-in runs in a
process of its own; each round of either contestant runs in a process of its own too, and rounds are
interleaved. Either part ends with the ratio of uploads a second, and both have to hold.

How long an upload takes at Cloudinary was never measured: none was made there. So the first part has the
stand-in take 100 ms, about what 1.5 MB need to a near data centre, and the second no time at all, where all
is processor time, the stand-in's included: what our books cost at the very most. Processor time of one upload
is told beside the rates, since it hardly minds what else the machine does.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import cloudinary
import httpx
from cloudinary import uploader as sdk
from PIL import Image

from bench.verdict import Bar, interleaved, ratio, spread, verdict
from chassis import garbage, loop
from chassis.blobs import blob_key, open_blobs
from chassis.cloudinary_account import open_account
from chassis.database import open_database
from contracts.commands import Character, GenerateBatch
from contracts.events import ImageReady, ImageStored, IndicesReserved
from sandbox.cloudinary import CloudinarySettings
from sandbox.cloudinary import cloudinary as stand_in
from sandbox.serving import serve
from services.uploader import handlers
from services.uploader.adapters.checked_blobs import CheckedBlobs
from services.uploader.adapters.cloudinary_shelf import CloudinaryShelf
from services.uploader.adapters.sql_folders import SqlFolders
from services.uploader.adapters.sql_ledger import SqlLedger
from services.uploader.app import MIGRATIONS, at_work
from services.uploader.domain.endings import digest

#: Pixels of a side of noise, which no format can make smaller: 1.5 MB as PNG.
SIDE = 708
BAR = Bar(at_least=0.9)
OPAL = Character(id="c1", name="Opal Fever", collection="characters")
FOLDER = "Areg/characters/opal-fever/images"


@dataclass(frozen=True)
class Told:
    """What one round says of itself."""

    rate: float
    peak_mb: float
    #: Processor time of one upload, in milliseconds.
    cpu_ms: float


def picture(seed: int) -> bytes:
    buffer = BytesIO()
    noise = random.Random(seed).randbytes(SIDE * SIDE * 3)
    Image.frombytes("RGB", (SIDE, SIDE), noise).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def ready(batch_id: str, ordinal: int, data: bytes) -> ImageReady:
    md5, index = digest(data), ordinal + 1
    return ImageReady(
        batch_id=batch_id,
        ordinal=ordinal,
        round=1,
        index=index,
        folder=FOLDER,
        name=f"Areg_opal-fever_image_{index}",
        username="Areg",
        character=OPAL,
        md5=md5,
        byte_count=len(data),
        media_type="image/png",
        width=SIDE,
        height=SIDE,
        seed=ordinal,
        used_embedding=False,
        backend="pod-1",
        queue_ms=0,
        gpu_ms=0,
        blob_key=blob_key(batch_id, ordinal, 1, md5),
    )


@dataclass
class Watch:
    """Times what happens in its block."""

    images: int
    seconds: float = 0.0
    cpu: float = 0.0

    def __enter__(self) -> "Watch":
        self.seconds, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu = time.perf_counter() - self.seconds, time.process_time() - self.cpu

    def told(self) -> Told:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Told(self.images / self.seconds, peak, 1000 * self.cpu / self.images)


def reserved(batch_id: str, images: int) -> IndicesReserved:
    request = GenerateBatch(
        batch_id=batch_id, username="Areg", character=OPAL, prompt="a portrait", quantity=images
    )
    return IndicesReserved(request=request, folder=FOLDER, first=1, quantity=images, next_index=images + 1)


async def ours(url: str, folder: Path, images: int, uploads: int) -> Told:
    """The images' blobs are removed after each upload, as the service does."""
    async with (
        open_database(f"sqlite+aiosqlite:///{folder}/uploader.db", "uploader", MIGRATIONS) as database,
        open_blobs(f"file:{folder}/blobs") as blobs,
        open_account(url, uploads) as account,
        aclosing(SqlLedger(database, time.time, at_work(uploads), 15)) as ledger,
    ):
        shelf, checked = CloudinaryShelf(account), CheckedBlobs(blobs)
        messages = []
        for number in range(images):
            data = picture(number)
            messages.append(ready("bench", number, data))
            await blobs.put(messages[-1].blob_key, data)
        await SqlFolders(database, time.time).remember(reserved("bench", images))
        await account.folder_mode()
        # As many at once as the service takes from its queue.
        turns = asyncio.Semaphore(2 * uploads + 4)
        garbage.quiet()  # as every service does once it is open

        async def deliver(message: ImageReady) -> None:
            async with turns:
                (said,) = await handlers.on_image_ready(message, ledger=ledger, shelf=shelf, blobs=checked)
                assert isinstance(said, ImageStored)
                await handlers.forget_bytes(message, ledger=ledger, blobs=checked)

        with Watch(images) as watch:
            await asyncio.gather(*map(deliver, messages))
    return watch.told()


async def bare(url: str, folder: Path, images: int, uploads: int) -> Told:
    """The same files at the same names, with nothing but the SDK."""
    cloudinary.reset_config()
    cloudinary.config(**_configuration(url))
    files = [folder / f"{number}.png" for number in range(images)]
    for number, file in enumerate(files):
        file.write_bytes(picture(number))

    def upload(file: Path) -> None:
        index = int(file.stem) + 1
        public_id = f"{FOLDER}/Areg_opal-fever_image_{index}"
        answer = sdk.upload(file.read_bytes(), public_id=public_id, overwrite=False, asset_folder=FOLDER)
        assert answer["public_id"] == public_id

    with Watch(images) as watch, ThreadPoolExecutor(uploads) as threads:
        list(threads.map(upload, files))
    return watch.told()


def _configuration(url: str) -> dict[str, str]:
    login, _, rest = url.removeprefix("cloudinary://").partition("@")
    key, _, secret = login.partition(":")
    cloud, _, prefix = rest.partition("?upload_prefix=")
    return {"cloud_name": cloud, "api_key": key, "api_secret": secret, "upload_prefix": prefix}


CONTESTANTS = {"ours": ours, "bare": bare}


async def contests(options: argparse.Namespace) -> int:
    return max([await contest(options, latency_ms) for latency_ms in options.latency_ms])


async def contest(options: argparse.Namespace, latency_ms: float) -> int:
    rounds: dict[str, list[Told]] = {name: [] for name in CONTESTANTS}

    async def once(name: str) -> float:
        with TemporaryDirectory() as folder:
            async with _stand_in(Path(folder) / "assets", latency_ms) as url:
                words = ["--round", name, "--url", url, "--folder", folder]
                words += ["--images", str(options.images), "--uploads", str(options.uploads)]
                told = Told(**json.loads(await _line_of(*words)))
        rounds[name].append(told)
        return told.rate

    rates = await interleaved(options.rounds, {name: partial(once, name) for name in CONTESTANTS})
    for name in CONTESTANTS:
        peaks, cpu = [told.peak_mb for told in rounds[name]], [told.cpu_ms for told in rounds[name]]
        print(
            f"{name}, storage takes {latency_ms:g} ms: {spread(rates[name])} uploads/s, "
            f"at most {spread(peaks)} MB, {spread(cpu)} ms CPU each"
        )
    return verdict(f"uploads, storage takes {latency_ms:g} ms", ratio(rates["ours"], rates["bare"]), BAR)


@asynccontextmanager
async def _stand_in(folder: Path, latency_ms: float = 0) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.uploads", "--serve", str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        base = (await process.stdout.readline()).decode().strip()
        if latency_ms:
            rule = {"kind": "latency", "calls": ["upload"], "count": None, "delay_seconds": latency_ms / 1000}
            async with httpx.AsyncClient() as client:
                (await client.post(f"{base}/sandbox/faults", json=rule)).raise_for_status()
        yield f"cloudinary://000000000000000:stand-in@darkroom?upload_prefix={base}"
    finally:
        process.terminate()
        await process.wait()


async def _line_of(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.uploads", *words, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"a round failed with status {process.returncode}")
    return said.decode().splitlines()[-1]


async def _serve(folder: Path) -> None:
    async with serve(stand_in(CloudinarySettings(folder))) as base:
        print(base, flush=True)
        await asyncio.Event().wait()


async def _round(options: argparse.Namespace) -> None:
    run = CONTESTANTS[options.round]
    told = await run(options.url, options.folder, options.images, options.uploads)
    print(json.dumps(asdict(told)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.uploads", description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--uploads", type=int, default=6, help="at once")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--latency-ms", type=float, nargs="+", default=[100, 0], help="of storage, in turn")
    # What follows is for the processes that this one starts.
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--round", choices=sorted(CONTESTANTS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(_serve(options.serve))
    elif options.round:
        loop.run(_round(options))
    else:
        sys.exit(asyncio.run(contests(options)))


if __name__ == "__main__":
    main()
