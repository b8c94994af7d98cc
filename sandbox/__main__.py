"""`python -m sandbox`: the stand-ins alone, for services that run elsewhere on this machine."""

import argparse
import asyncio
import signal
from pathlib import Path

from sandbox.ensemble import Address, Serverless, stand_ins


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    running = stand_ins(
        options.folder,
        options.backends,
        True,
        options.render_seconds,
        Address(options.host, options.first_port, options.storage_url),
        Serverless(options.endpoints, options.workers, options.cold_start_seconds),
        options.comfyui_versions.split(","),
    )
    async with running as ensemble:
        for name, value in ensemble.urls().items():
            print(f"{name}={value}", flush=True)  # noqa: T201 - for `export`
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path("var/sandbox"), help="where files and assets are kept"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--first-port", type=int, default=8188, help="ComfyUI from here on, Cloudinary, RunPod; 0: any"
    )
    parser.add_argument("--backends", type=int, default=1, help="how many ComfyUI servers")
    parser.add_argument("--render-seconds", type=float, default=1.0, help="seconds that an image takes")
    parser.add_argument(
        "--comfyui-versions", default="0.33.0", help="what the ComfyUI servers say they are, in turn"
    )
    parser.add_argument("--endpoints", type=int, default=0, help="how many RunPod serverless endpoints")
    parser.add_argument("--workers", type=int, default=3, help="most workers of an endpoint")
    parser.add_argument(
        "--cold-start-seconds", type=float, default=2.0, help="seconds until an endpoint's new worker works"
    )
    parser.add_argument(
        "--storage-url", default="", help="where clients find Cloudinary, if not at its address"
    )
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
