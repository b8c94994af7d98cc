"""The command that moves queues, as a process that can be killed and waits for nobody:
`python -m tests.cli.mover URL`."""

import asyncio
import sys

import contracts.topology
from cli.broker import BrokerSettings
from cli.moving import migrated

#: What the next release wants of every work queue.
LIMIT = 500


def main(url: str) -> int:
    contracts.topology.BROKER_DELIVERY_LIMIT = LIMIT
    settings = BrokerSettings(bus_url=url)
    return asyncio.run(migrated(settings, ["indexer.OpenFolder"], print, listening=0, quiet=0.5))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
