"""`python -m tests.services.indexer.replica URL`: one of several processes that reserve the same batches, and
print their answers. With `--die` it is killed when its first group is about to be committed; on PostgreSQL,
where the statement commits itself, when it is committed and nobody has heard of it."""

import asyncio
import json
import os
import random
import signal
import sys
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.services.indexer.ledgers import many_wishes, opened


def die(_connection: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_unheard(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    if connection.dialect.name == "postgresql" and "INSERT INTO reservations" in statement:
        die(connection)


async def main(url: str, *, dying: bool) -> None:
    wishes = many_wishes()
    random.shuffle(wishes)
    async with opened(url) as ledger:
        if dying:
            event.listen(Engine, "commit", die)
            event.listen(Engine, "after_cursor_execute", die_unheard)
        blocks = await asyncio.gather(*map(ledger.reserve, wishes))
    sys.stdout.write(json.dumps([vars(block) for block in blocks if block]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], dying="--die" in sys.argv))
