"""Dramatiq: a pipeline of three actors. Its worker takes its prefetch from the environment."""

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from bench.peers.place import URL, Item, Tally, drive_threads

broker = RabbitmqBroker(url=URL, confirm_delivery=True)
dramatiq.set_broker(broker)
TALLY = Tally()


@dramatiq.actor(queue_name="dramatiq-first")
def first(item: Item) -> Item:
    return item


@dramatiq.actor(queue_name="dramatiq-second")
def second(item: Item) -> Item:
    return item


@dramatiq.actor(queue_name="dramatiq-third")
def third(_item: Item) -> None:
    TALLY.add()


def send(item: Item) -> None:
    dramatiq.pipeline([first.message(item), second.message(), third.message()]).run()


if __name__ == "__main__":
    drive_threads(send)
