"""A process that hears that it should stop and hangs: `python -m tests.chassis.deaf SECONDS`."""

import asyncio
import sys
import time

from chassis.stopping import stop_on_signals


async def main(within: float) -> None:
    stop = stop_on_signals(within)
    print("listens", flush=True)  # noqa: T201
    await stop.wait()
    print("hangs", flush=True)  # noqa: T201
    # Not even the event loop turns any more.
    time.sleep(60)  # noqa: ASYNC251


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
