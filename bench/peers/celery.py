"""Celery: a chain of three tasks on prefork workers, acknowledged late, confirmed, without results."""

from celery import Celery, chain

from bench.peers.place import PREFETCH, URL, Item, Tally, drive_threads

PROCESSES = 2

app = Celery("bench.peers.celery", broker=URL)
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=PREFETCH // PROCESSES,
    broker_transport_options={"confirm_publish": True},
    worker_hijack_root_logger=False,
    task_routes={
        f"bench.peers.celery.{name}": {"queue": f"celery.{name}"} for name in ("first", "second", "third")
    },
)
TALLY = Tally()


@app.task
def first(item: Item) -> Item:
    return item


@app.task
def second(item: Item) -> Item:
    return item


@app.task
def third(_item: Item) -> None:
    TALLY.add()


def send(item: Item) -> None:
    chain(first.s(item), second.s(), third.s()).apply_async()


if __name__ == "__main__":
    drive_threads(send)
