"""Images that wait, sorted into the queues that they stand in: for whoever has all of them before him."""

from collections.abc import Sequence

from services.renderer.domain.dispatch import Head, Queue


def lines(heads: Sequence[Head]) -> list[Queue]:
    """The queues that these images stand in."""
    oldest: dict[tuple[str, str], float] = {}
    for head in heads:
        line = head.username, head.wish
        oldest[line] = min(head.created_at, oldest.get(line, head.created_at))
    return [Queue(username, wish, begun) for (username, wish), begun in oldest.items()]


def foremost(heads: Sequence[Head], queues: Sequence[Queue], count: int) -> list[Head]:
    """The first `count` images of each of these queues."""
    left = dict.fromkeys(((queue.username, queue.wish) for queue in queues), count)
    found = []
    for head in sorted(heads, key=lambda head: (head.created_at, head.key)):
        if left.get((head.username, head.wish), 0) > 0:
            left[head.username, head.wish] -= 1
            found.append(head)
    return found
