"""What people do at the broker, as they type it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import aio_pika
import pytest

from contracts.commands import GenerateBatch
from contracts.topology import QUEUES, Queue

GOLDEN = Path(__file__).parents[1] / "contracts" / "golden" / "GenerateBatch.v1.json"


def darkroom(
    *words: str, bus_url: str | None, standard_input: bytes = b""
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "BUS_URL"}
    if bus_url:
        environment["BUS_URL"] = bus_url
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words],
        input=standard_input,
        capture_output=True,
        env=environment,
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


async def test_a_message_in_a_file_reaches_the_queue_of_its_owner(rabbitmq_url: str) -> None:
    applied = await asyncio.to_thread(darkroom, "topology", "apply", bus_url=rabbitmq_url)
    assert (applied.returncode, f"{len(QUEUES)} queues" in applied.stdout) == (0, True), applied.stderr
    sent = await asyncio.to_thread(darkroom, "send", str(GOLDEN), bus_url=rabbitmq_url)
    assert sent.returncode == 0, sent.stderr
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(Queue("indexer", GenerateBatch).name)
        delivery = await queue.get(timeout=10)
        assert delivery is not None
        await delivery.ack()
    assert GenerateBatch.decode(delivery.body) == GenerateBatch.decode(GOLDEN.read_bytes())


async def test_a_broker_without_our_queues_is_said_and_what_to_do(rabbitmq_url: str) -> None:
    sent = await asyncio.to_thread(darkroom, "send", str(GOLDEN), bus_url=rabbitmq_url)
    assert sent.returncode == 2
    assert "darkroom topology apply" in sent.stderr
    assert "Traceback" not in sent.stderr


@pytest.mark.parametrize(
    ("words", "body", "bus_url", "said"),
    [
        (["send", "-"], b'{"batch_id": "x"}', "amqp://localhost:1/", "username: Field required"),
        (
            ["send", "-", "--route", "Nonsense"],
            b"{}",
            "amqp://localhost:1/",
            "there is no message 'Nonsense'",
        ),
        (["send", "-"], b"{}", "memory:", "needs a broker"),
        (["send", "-"], b"{}", None, "BUS_URL is not set"),
        (["send", "/nowhere/at.all"], b"", "amqp://localhost:1/", "No such file"),
        (["topology", "apply"], b"", "memory:", "needs a broker"),
    ],
)
def test_a_wrong_call_ends_with_a_sentence(
    words: list[str], body: bytes, bus_url: str | None, said: str
) -> None:
    done = darkroom(*words, bus_url=bus_url, standard_input=body)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
